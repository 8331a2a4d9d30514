"""Two rules in memory, beside every peer: ``python -m benchmarks rate --rows 10000000 --record``.

Each way starts from data that lie ready in its own form and ends in its own form. Ways take turns; the median of warm runs counts. Each is
held against exact amounts on 200,000 rows first, and its wrong invoices stand beside its speed.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from decimal import Decimal

from benchmarks import workloads
from benchmarks.measure import timed
from benchmarks.peers.ours import WIDTHS
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from benchmarks.workloads import CHECKED, Data, Ints, Way

EXPLAINED = 10_000
PEERS = ("floor", "ours", "with_polars", "with_duckdb", "with_chdb", "with_numpy", "with_pyarrow", "with_pandas", "with_openfisca", "with_python")
WORKS = {"W1": ("three_blocks", workloads.blocks), "W2": ("quota", workloads.quota)}


def run(rows: int = 1_000_000, repeat: int = 7, seed: int = 0, only: str = "", record: bool = False) -> None:
    """Prints a table a rule and its ratios; ``--only duckdb,polars`` names the peers beside us. Leaves with 1 where a promise is missed."""
    asked = [peer for peer in PEERS if not only or peer in ("floor", "ours") or peer.removeprefix("with_") in only.split(",")]
    entry: dict[str, object] = {"rows": rows}
    promises: list[Ratio] = []
    for name, (function, make) in WORKS.items():
        data = workloads.data(make(), rows, seed)
        figures, groups = measure(data, asked, function, repeat)
        ratios = ratios_of(name, groups)
        show(f"{name}: {data.work.version.model.name}, {rows:,} rows, median of {repeat} warm runs", figures, ratios)
        promises += ratios
        entry[name] = as_data(figures)
    conclude("rate", entry, promises, to_record=record)


def measure(data: Data, peers: Sequence[str], function: str, repeat: int) -> tuple[list[Figure], dict[str, float]]:
    """Every way's figure, and the most rows a second of each group. AssertionError where one of ours is not exact."""
    expected = workloads.exact(workloads.head(data, CHECKED))
    assert (different := unlike_explain(data, expected)) == 0, f"{different} rows of the reference differ from explain"
    ways: list[Way] = [way for peer in peers for way in getattr(importlib.import_module(f"benchmarks.peers.{peer}"), function)(data)]
    bad = {way.name: None if way.fen is None else workloads.wrong(way.fen(way.run()), expected) for way in ways}
    ours = {name: count for name, count in bad.items() if name.startswith("tariffs") and count}
    assert not ours, f"ours are not exact: {ours}"
    spent = timed({way.name: way.run for way in ways}, repeat)
    checked = min(CHECKED, data.rows)
    figures = [Figure(way.name, way.rows, spent[way.name], bad[way.name], 0 if way.fen is None else min(checked, way.rows), way.note) for way in ways]
    groups: dict[str, float] = {}
    for way in ways:
        groups[way.group] = max(groups.get(way.group, 0.0), way.rows / spent[way.name])
    return sorted(figures, key=lambda one: one.seconds / one.rows), groups


def unlike_explain(data: Data, expected: Sequence[Ints]) -> int:
    """How many of some rows ``explain`` gives otherwise than the reference does."""
    few = workloads.head(data, EXPLAINED)
    version, outputs = data.work.version, data.work.outputs
    found: list[list[Decimal | None]] = []
    for row in zip(*workloads.decimals(few), strict=True):
        rating = version.explain(dict(zip(few.columns, row, strict=True)))
        amounts = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
        found.append([amounts.get(name) for name in outputs])
    return workloads.wrong(workloads.fen_of_objects(list(zip(*found, strict=True))), [column[: few.rows] for column in expected])


def ratios_of(work: str, groups: dict[str, float]) -> list[Ratio]:
    """What issue and README promise, of the groups that were run."""
    promised: list[tuple[str, str, str, str, float]] = [
        ("the NumPy path", "numpy", "DuckDB DECIMAL", "duckdb", 3),
        ("the NumPy path", "numpy", "OpenFisca", "openfisca", 15),
        ("the NumPy path", "numpy", "OpenFisca with rates as parameters", "openfisca parameters", 15),
        ("the NumPy path", "numpy", "pyarrow decimal128", "pyarrow", 30),
        ("the fused path on two threads", "fused", "Polars on hand-scaled ints, its fastest form", "polars int", 3),
        ("the fused path on two threads", "fused", "DuckDB DECIMAL", "duckdb", 10),
        ("the fused path on two threads", "fused", "OpenFisca", "openfisca", 50),
        ("the fused path on two threads", "fused", "OpenFisca with rates as parameters", "openfisca parameters", 50),
        *((f"the fused path on two threads, {width}", f"fused {width} 2", f"the write limit, {width}", f"floor {width}", 0.7) for width in WIDTHS),
    ]
    best = groups | {"numpy": max(_best(groups, f"numpy {width}") for width in WIDTHS), "fused": groups["fused narrowest 2"]}
    best |= {f"floor {width}": _best(groups, f"floor {width}") for width in WIDTHS}
    return [Ratio(f"{work}: {mine} to {theirs}", best[a] / best[b], at_least=floor) for mine, a, theirs, b, floor in promised if b in best]


def _best(groups: dict[str, float], begin: str) -> float:
    return max(value for name, value in groups.items() if name.startswith(begin))
