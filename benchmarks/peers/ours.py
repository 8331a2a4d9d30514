"""The library itself, by both engines, on one thread and on two; all as Arrow's decimal128, and each column as narrow as the rule proves it."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pyarrow as pa

from benchmarks.workloads import Data, Way, arrow, fen_of_arrow

Engine = Literal["numpy", "fused"]
#: ``narrowest``: what comes in and what goes out has 32 bits where nine digits suffice, else 64.
WIDTHS = ("decimal128", "narrowest")


def prepared(data: Data, width: str) -> pa.Table:
    """What is rated."""
    return arrow(data, narrow=width == "narrowest")


def rated(data: Data, table: pa.Table, width: str, engine: Engine, threads: int) -> pa.Table:
    found: pa.Table = data.work.version.rate(table, engine=engine, threads=threads, narrow=width == "narrowest")
    return found


def ways(data: Data) -> list[Way]:
    tables = {width: prepared(data, width) for width in WIDTHS}
    engines: tuple[Engine, ...] = ("numpy", "fused")
    return [_way(data, table, width, engine, threads) for engine in engines for width, table in tables.items() for threads in (1, 2)]


three_blocks = quota = ways


def _way(data: Data, table: pa.Table, width: str, engine: Engine, threads: int) -> Way:
    run: Any = partial(rated, data, table, width, engine, threads)
    says = "one thread" if threads == 1 else f"{threads} threads"
    return Way(f"tariffs, {engine}, {width}, {says}", f"{engine} {width} {threads}", data.rows, run, lambda result: fen_of_arrow(result, data.work.outputs))
