"""The write limit: a column in, as many columns out as the rule has, no arithmetic. Nothing that gives such columns can be faster.

Memory is taken from Arrow anew for each result, as a library must that gives its result away; words are as wide as ours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.workloads import Data, Ints, Way

CHUNK = 2**16


def ways(data: Data) -> list[Way]:
    column = next(column for name, column in data.columns.items() if name != "payer")
    return [_way(data, column, words, threads) for words in (1, 2) for threads in (1, 2)]


three_blocks = quota = ways


def _way(data: Data, column: Ints, words: int, threads: int) -> Way:
    source = column if words == 1 else np.stack([column, np.zeros_like(column)], axis=1)
    width = "decimal64" if words == 1 else "decimal128"
    count = len(data.work.outputs)
    name = f"write limit, {count} columns of {width}, {'one thread' if threads == 1 else f'{threads} threads'}"
    return Way(name, f"floor {width} {threads}", data.rows, partial(copies, np.ascontiguousarray(source), count, threads), None)


def copies(source: Ints, count: int, threads: int) -> list[pa.Buffer]:
    """The source's bytes, ``count`` times over, a piece of every copy at a time."""
    taken = [pa.allocate_buffer(source.nbytes) for _ in range(count)]
    targets = [np.frombuffer(memory, np.int64).reshape(source.shape) for memory in taken]  # type: ignore[call-overload]  # a buffer is one

    def piece(start: int) -> None:
        for target in targets:
            target[start : start + CHUNK] = source[start : start + CHUNK]

    starts = range(0, len(source), CHUNK)
    if threads == 1:
        for start in starts:
            piece(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(piece, starts))
    return taken
