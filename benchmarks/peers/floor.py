"""The write limit: the rule's columns of numbers in, as many columns out as it has, no arithmetic: what reading and writing alone take.

Memory is taken from Arrow anew for each result, as a library must that gives its result away; words are as wide as ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.workloads import Data, Ints, Way

CHUNK = 2**16


def ways(data: Data) -> list[Way]:
    return [_way(data, words, threads) for words in (1, 2) for threads in (1, 2)]


three_blocks = quota = ways


def _way(data: Data, words: int, threads: int) -> Way:
    columns = [column for name, column in data.columns.items() if name != "payer"]
    sources = [column if words == 1 else np.stack([column, np.zeros_like(column)], axis=1) for column in columns]
    width = "decimal64" if words == 1 else "decimal128"
    count = len(data.work.outputs)
    name = f"write limit, {count} columns of {width}, {'one thread' if threads == 1 else f'{threads} threads'}"
    return Way(name, f"floor {width} {threads}", data.rows, partial(copies, sources, count, threads), None)


def copies(sources: Sequence[Ints], count: int, threads: int) -> list[pa.Buffer]:
    """``count`` columns, each a copy of one of the sources in turn, a piece of all at a time."""
    origins = [sources[index % len(sources)] for index in range(count)]
    taken = [pa.allocate_buffer(origin.nbytes) for origin in origins]
    targets = [np.frombuffer(memory, np.int64).reshape(sources[0].shape) for memory in taken]  # type: ignore[call-overload]  # a buffer is one

    def piece(start: int) -> None:
        for target, origin in zip(targets, origins, strict=True):
            target[start : start + CHUNK] = origin[start : start + CHUNK]

    starts = range(0, len(sources[0]), CHUNK)
    if threads == 1:
        for start in starts:
            piece(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(piece, starts))
    return taken
