"""A row at a time, and a thousand of a rule that nobody asked for before: ``python -m benchmarks small --record``.

``explain`` rates Beijing's rule over its quota, below it and without one, each rating whole. And every pack in rules/ meets a thousand rows as a
version this process has never seen: the time is that of planning and rating, and nothing may be compiled for it.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from statistics import median
from typing import Any

import tariffs
from benchmarks import workloads
from benchmarks.packs import clean
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from soak.pack_paths import by_loop, differences, in_memory
from soak.pack_rows import Study
from soak.pack_tables import Tables
from tariffs import compiled, stage_code

ROWS = 1_000
ROUNDS, RATINGS = 30, 1_000


def run(seed: int = 0, tariff: str = "", record: bool = False) -> None:
    """``--tariff`` is a part of a tariff's id. Leaves with 1 where a promise is missed; AssertionError where a pack is not exact or is compiled."""
    rated = explained(seed)
    new = {file: unseen(file, seed) for file in tariffs.versions() if tariff in file.tariff}
    slowest = max(new, key=lambda file: new[file])
    figures = [
        Figure("explain, Beijing's rule, one core", RATINGS, rated, 0, RATINGS),
        Figure(f"rate, {ROWS:,} rows of a version never seen, median of {len(new)} packs", ROWS, median(new.values()), 0, ROWS),
        Figure(f"rate, the same, the slowest: {slowest.tariff}@{slowest.effective}", ROWS, new[slowest], 0, ROWS),
    ]
    ratios = [
        Ratio("explain on Beijing's rule, thousand ratings a second a core", RATINGS / rated / 1000, at_least=20),
        Ratio(f"{ROWS:,} rows of a version never seen, the slowest pack, ms", new[slowest] * 1000, at_most=50),
    ]
    show("a row at a time, and a thousand of a version never seen", figures, ratios)
    conclude("small", {"figures": as_data(figures)}, ratios, to_record=record)


def explained(seed: int) -> float:
    """Seconds of the processor for ``RATINGS`` ratings: the least of ``ROUNDS``, each of other rows. AssertionError where one is not exact."""
    data = workloads.data(workloads.quota(), ROUNDS * RATINGS, seed)
    version, least = data.work.version, float("inf")
    rows: list[tuple[Any, ...]] = list(zip(*workloads.decimals(data), strict=True))
    facts = [dict(zip(data.columns, row, strict=True)) for row in rows]
    for start in range(0, len(rows), RATINGS):
        begin = time.thread_time()
        found = [version.explain(one).total for one in facts[start : start + RATINGS]]  # made whole, and let go: a thousand kept cost a fifth more
        least = min(least, time.thread_time() - begin)
        expected = [data.work.amounts(*row)[-1] for row in rows[start : start + RATINGS]]
        assert found == expected, "explain differs from the reference"
    return least


def unseen(file: tariffs.VersionFile, seed: int) -> float:
    """Seconds for the first rows of a pack: its text with a comment more is another version. The process is warm: it has rated the pack itself."""
    known = tariffs.read(file)
    made, given = clean(known, ROWS, seed)
    new = tariffs.parse(_text(known), tariff=file.tariff, effective=file.effective, revision=file.revision)
    before = compiled._slot.cache_info().currsize, stage_code.code.cache_info().currsize
    gc.collect()
    outcome = in_memory(period=made.periods[0] if made.periods else None)(new, given, Path())
    assert before == (compiled._slot.cache_info().currsize, stage_code.code.cache_info().currsize), f"{file.tariff} is compiled for {ROWS} rows"
    assert not _wrong(made, given, outcome), f"{file.tariff} is not exact"
    return outcome.seconds


def _text(version: tariffs.TariffVersion) -> bytes:
    return version.model.content + b"\n# as nobody has seen it\n"


def _wrong(made: Study, given: Tables, outcome: Any) -> bool:
    answers, _ = by_loop(made.loop, made, given)
    return differences("rate", made.loop, answers, outcome) is not None
