"""The write limit: the rule's columns of numbers in, as many columns out as it has, no arithmetic: what reading and writing alone take.

Memory is taken from Arrow anew for each result, as a library must that gives its result away; columns are as wide as ours, each one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peers.ours import WIDTHS, prepared, rated
from benchmarks.workloads import Data, Ints, Way

CHUNK = 2**16


def ways(data: Data) -> list[Way]:
    return [_way(data, width, threads) for width in WIDTHS for threads in (1, 2)]


three_blocks = quota = ways


def _way(data: Data, width: str, threads: int) -> Way:
    table = prepared(data, width)
    sources = [_bytes(column.chunk(0), data.rows) for name, column in zip(table.column_names, table.columns, strict=True) if name != "payer"]
    few = table.slice(0, 1).combine_chunks()
    sizes = [kind.bit_width // 8 for kind in rated(data, few, width, "numpy", 1).schema.types]
    says = "one thread" if threads == 1 else f"{threads} threads"
    return Way(f"write limit, {width}, {len(sizes)} columns, {says}", f"floor {width} {threads}", data.rows, partial(copies, sources, sizes, threads), None)


def _bytes(array: Any, rows: int) -> Ints:
    """A column's own memory: a row of bytes for each value."""
    memory: Any = array.buffers()[1]
    return np.frombuffer(memory, np.uint8).reshape(rows, -1)


def copies(sources: Sequence[Ints], sizes: Sequence[int], threads: int) -> list[pa.Buffer]:
    """A column for each of ``sizes``, bytes a row, filled from one of the sources in turn, a piece of all at a time. Bytes are copied as they are.

    Where a row of the target has more bytes than one of the source, the same are copied again, so that nothing is read that need not be.
    """
    rows = len(sources[0])
    origins = [sources[index % len(sources)] for index in range(len(sizes))]
    taken = [pa.allocate_buffer(rows * size) for size in sizes]
    targets = [np.frombuffer(memory, np.uint8) for memory in taken]  # type: ignore[call-overload]  # a buffer is one

    def piece(start: int) -> None:
        for target, origin, size in zip(targets, origins, sizes, strict=True):
            given = origin[start : start + CHUNK].reshape(-1)
            place = target[start * size : (start + CHUNK) * size]
            for at in range(0, len(place), len(given)):
                part = place[at : at + len(given)]
                part[:] = given[: len(part)]

    starts = range(0, rows, CHUNK)
    if threads == 1:
        for start in starts:
            piece(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(piece, starts))
    return taken
