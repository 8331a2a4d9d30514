"""The library itself, by both engines, on one thread and on two; amounts as Arrow's decimal128, and narrow as decimal64."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pyarrow as pa

from benchmarks.workloads import Data, Way, arrow, fen_of_arrow

Engine = Literal["numpy", "fused"]


def ways(data: Data) -> list[Way]:
    wide, narrow = arrow(data), arrow(data, narrow=True)
    found = [_way(data, wide, "numpy", threads, narrow=False) for threads in (1, 2)]
    found += [_way(data, narrow, "numpy", threads, narrow=True) for threads in (1, 2)]
    found += [_way(data, wide, "fused", threads, narrow=False) for threads in (1, 2)]
    return found + [_way(data, narrow, "fused", threads, narrow=True) for threads in (1, 2)]


three_blocks = quota = ways


def _way(data: Data, table: pa.Table, engine: Engine, threads: int, *, narrow: bool) -> Way:
    run: Any = partial(data.work.version.rate, table, engine=engine, threads=threads, narrow=narrow)
    width = "decimal64" if narrow else "decimal128"
    return Way(
        f"tariffs, {engine}, {width}, {_threads(threads)}",
        f"{engine} {width} {threads}",
        data.rows,
        run,
        lambda result: fen_of_arrow(result, data.work.outputs),
    )


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"
