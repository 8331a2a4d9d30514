"""Every pack in rules/, rows a second by path: ``python -m benchmarks packs --record``.

Rows lie on each pack's own edges and halves, all of one period, some without a number nobody needs; none is refused, for
telling why costs more than rating. The decimal loop and ``explain`` rate a sample, and every amount must be theirs. Of the
slowest packs a profile says what the time goes to.
"""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tariffs
from benchmarks.measure import timed
from benchmarks.results import conclude
from soak.pack_paths import Way, by_explain, by_file, by_loop, differences, in_memory
from soak.pack_rows import Study, draw, study
from soak.pack_tables import Tables, facts_at, period_at, tables
from tariffs import model as m
from tariffs.rate import digits
from tariffs.walk import everything

LOOPED, EXPLAINED = 20_000, 500
SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Pack:
    """``speed``: rows a second by path; ``without``: paths that do not take it, and why; ``profile``: functions of the NumPy path by their share."""

    name: str
    rows: int
    wrong: int
    made_of: Mapping[str, int]
    speed: dict[str, float]
    without: dict[str, str] = field(default_factory=dict)
    profile: list[tuple[str, int]] = field(default_factory=list)


def run(rows: int = 500_000, repeat: int = 3, seed: int = 0, tariff: str = "", record: bool = False) -> None:
    """Prints the packs, the slowest first. ``--tariff`` is a part of a tariff's id. Leaves with 1 where a pack is not exact."""
    files = [file for file in tariffs.versions() if tariff in file.tariff]
    found = sorted((measure(tariffs.read(file), rows, repeat, seed) for file in files), key=lambda one: one.speed["numpy"])
    for one in found[:SLOWEST]:
        version = next(version for file in files if (version := tariffs.read(file)).model.name == one.name)
        one.profile.extend(_profile(version, *clean(version, rows, seed)))
    _show(found)
    wrong = sum(one.wrong for one in found)
    entry = {"rows": rows, "packs": [_entry(one) for one in found]}
    conclude("packs", entry, [], to_record=record)
    if wrong:
        raise SystemExit(1)


def _entry(one: Pack) -> dict[str, object]:
    speeds = {path: round(speed) for path, speed in one.speed.items()}
    return {"name": one.name, "wrong": one.wrong, "rows_a_second": speeds, "without": one.without, "made_of": dict(one.made_of), "profile": one.profile}


def measure(version: tariffs.TariffVersion, rows: int, repeat: int, seed: int) -> Pack:
    """One pack; ``wrong`` counts rows of the samples that differ from the decimal loop, by any path or by ``explain``."""
    made, given = clean(version, rows, seed)
    few = Tables(given.frame.slice(0, LOOPED), None)
    answers, seconds = by_loop(made.loop, made, few)
    speed, without, wrong = {"loop": len(answers) / seconds}, dict[str, str](), 0
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for name, way in _ways(made).items():
            try:
                different = differences(name, made.loop, answers, way(version, few, Path(folder)))
            except tariffs.TariffError as error:
                without[name] = error.problems[0].code
                continue
            wrong += 0 if different is None else len(different.rows)
            runs[name] = partial(way, version, given, Path(folder))
        spent = timed(runs, repeat)
    speed |= {name: given.frame.num_rows / taken for name, taken in spent.items()}
    begin = time.perf_counter()
    told = [by_explain(version, facts_at(made, few, row), period_at(few, row), made.loop) for row in range(min(EXPLAINED, len(answers)))]
    speed["explain"] = len(told) / (time.perf_counter() - begin)
    wrong += sum(one != other for one, other in zip(told, answers, strict=False))
    return Pack(version.model.name, given.frame.num_rows, wrong, made_of(version.model), speed, without)


def _ways(made: Study) -> dict[str, Way]:
    period = made.periods[0] if made.periods else None
    return {"numpy": in_memory(engine="numpy", period=period), "fused": in_memory(engine="fused", period=period), "file": by_file(period)}


def clean(version: tariffs.TariffVersion, rows: int, seed: int) -> tuple[Study, Tables]:
    """As many rows as asked for, none of which is refused, all of one period."""
    found, random = study(version.model, seed, seconds=2), np.random.default_rng(seed)
    made = replace(found, periods=found.periods[:1])
    given = tables(made, draw(made, random, 2 * rows), random, "decimals")
    refused = in_memory(engine="numpy")(version, given, Path()).refused
    kept: Any = np.setdiff1d(np.arange(given.frame.num_rows), np.fromiter(refused, np.int64))[:rows]
    return made, Tables(given.frame.take(kept).combine_chunks(), None)


def made_of(version: m.Version) -> dict[str, int]:
    """What makes a pack slow: columns read and written, roundings, tables, and the digits of its widest amount (past 18 one machine word is too small)."""
    nodes = [node for charge in version.charges for part in (charge.formula, charge.when) for node in everything(part)]
    return {
        "inputs": len(version.inputs) + len(version.choices),
        "charges": len(version.charges),
        "nodes": len(nodes),
        "roundings": sum(isinstance(node, m.Round | m.Divide) for node in nodes),
        "tables": sum(isinstance(node, m.Table) for node in nodes),
        "digits": max(digits(version, workings=True).values()),
    }


def _profile(version: tariffs.TariffVersion, made: Study, given: Tables) -> list[tuple[str, int]]:
    """The functions in which the NumPy path spends most of its own time, in percent; what NumPy does counts for who asked for it."""
    profile = cProfile.Profile()
    profile.enable()
    version.rate(given.frame, workings=True, engine="numpy", threads=1, period=made.periods[0] if made.periods else None)
    profile.disable()
    stats: Any = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    own = {f"{Path(file).stem}.{name}" if file != "~" else name: spent[2] for (file, _, name), spent in stats.items()}
    total = sum(own.values())
    return [(name, round(100 * seconds / total)) for name, seconds in sorted(own.items(), key=lambda item: -item[1])[:6]]


def _show(found: list[Pack]) -> None:
    print(f"{len(found)} packs, thousands of rows a second; wrong counts rows of {LOOPED:,} that differ from the decimal loop, by any path")
    print(f"  {'numpy':>8} {'fused':>8} {'file':>8} {'loop':>6} {'explain':>8} {'wrong':>5}  pack")
    for one in found:
        fast, slow = ([f"{one.speed[path] / 1000:,.{place}f}" if path in one.speed else "-" for path in paths] for paths, place in PATHS)
        print(f"  {fast[0]:>8} {fast[1]:>8} {fast[2]:>8} {slow[0]:>6} {slow[1]:>8} {one.wrong:>5}  {one.name}")
    for one in found[:SLOWEST]:
        said = ", ".join(f"{count} {what}" for what, count in one.made_of.items())
        print(f"\n{one.name}: {said}\n  " + ", ".join(f"{name} {share} %" for name, share in one.profile))


PATHS = ((("numpy", "fused", "file"), 0), (("loop", "explain"), 1))
