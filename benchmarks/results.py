"""What was measured, as data: printed, judged against what is promised, and kept in ``results.json`` for the README's table.

A benchmark makes figures and ratios, shows them, and ends with ``conclude``: it records where that is asked for, and
leaves with exit code 1 where a promised ratio is missed or a way that must be exact is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import machine

FILE = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One way that was timed, on ``rows`` rows. ``wrong`` of ``checked`` invoices miss the fen; None: nothing to check, as with a floor."""

    way: str
    rows: int
    seconds: float
    wrong: int | None = None
    checked: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What is promised of two figures of one run: a value not below ``at_least``, or not above ``at_most``."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None


def kept(ratio: Ratio) -> bool:
    return (ratio.at_least is None or ratio.value >= ratio.at_least) and (ratio.at_most is None or ratio.value <= ratio.at_most)


def show(title: str, figures: Sequence[Figure], ratios: Sequence[Ratio] = ()) -> None:
    """Prints a table of ways and, below it, each ratio beside its promise."""
    print(title)
    print(f"  {'M rows/s':>9} {'seconds':>9} {'rows':>12} {'wrong':>7}  way")
    for one in figures:
        wrong = "-" if one.wrong is None else f"{one.wrong:,}"
        print(f"  {one.rows / one.seconds / 1e6:9.2f} {one.seconds:9.3f} {one.rows:12,} {wrong:>7}  {one.way}{'  (' + one.note + ')' if one.note else ''}")
    for ratio in ratios:
        bounds = [f"{says} {bound:g}" for says, bound in (("at least", ratio.at_least), ("at most", ratio.at_most)) if bound is not None]
        verdict = ("kept" if kept(ratio) else "MISSED") if bounds else ""
        print(f"  {ratio.value:9.2f}  {verdict:6}  {ratio.what}{': ' if bounds else ''}{' and '.join(bounds)}")


def conclude(section: str, entry: Mapping[str, object], ratios: Sequence[Ratio], *, to_record: bool) -> None:
    """Ends a benchmark: records the entry with its ratios where asked to, and leaves with 1 where a ratio is missed."""
    if to_record:
        record(section, {**entry, "ratios": [{**asdict(ratio), "kept": kept(ratio)} for ratio in ratios]})
    if not all(kept(ratio) for ratio in ratios):
        raise SystemExit(1)


def as_data(figures: Sequence[Figure]) -> list[dict[str, object]]:
    return [asdict(figure) for figure in figures]


def record(section: str, entry: Mapping[str, object], file: Path = FILE) -> None:
    """Puts a section's entry in place of its last, with the day and the machine; the file is whole before and after."""
    found = read(file)
    found[section] = {"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": machine(), **entry}
    beside = file.with_suffix(f".{os.getpid()}.part")
    beside.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(file)


def read(file: Path = FILE) -> dict[str, dict[str, object]]:
    """Every section measured so far."""
    if not file.exists():
        return {}
    found: dict[str, dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
    return found
