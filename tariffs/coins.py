"""Amounts of money as columns of whole coins: sums, groups, quantiles, without a float and without sampling."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tariffs.money import EXACT
from tariffs.scaled import NARROW, Ints, Mask


def amount(units: int, digits: int) -> Decimal:
    """Whole coins as money."""
    return EXACT.scaleb(Decimal(units), -digits)


def scale(column: Any) -> int:
    """Places of an Arrow column of decimals, or of a list of them."""
    if not isinstance(column, list):
        return int(column.type.scale)
    return max((-int(value.as_tuple().exponent) for value in column if value is not None), default=0)


def coins_of(column: Any, digits: int) -> tuple[Ints, Mask]:
    """Amounts times ten to ``digits``, 0 where there is none, and where there is one: machine words where all fit, else Python's integers."""
    if isinstance(column, list):
        values = [0 if value is None else int(EXACT.scaleb(value, digits)) for value in column]
        return _narrow(values), np.array([value is not None for value in column], np.bool_)
    array = column.combine_chunks()
    array = array.chunk(0) if hasattr(array, "num_chunks") and array.num_chunks else array
    valid: Mask = np.asarray(column.is_valid().to_numpy(), np.bool_) if len(column) else np.zeros(0, np.bool_)
    up = 10 ** (digits - array.type.scale)
    if not len(column):
        return np.zeros(0, np.int64), valid
    if array.type.bit_width == 128:
        words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
        low = np.where(valid, words[:, 0], 0)
        if np.array_equal(low >> 63, np.where(valid, words[:, 1], 0)) and max(abs(int(low.min())), abs(int(low.max()))) * up < NARROW:
            return low * up, valid
    return coins_of(array.to_pylist(), digits)


def _narrow(values: list[int]) -> Ints:
    return np.array(values, np.int64 if all(abs(value) < NARROW for value in values) else object)


def added(values: Ints) -> int:
    """The sum, however wide."""
    if not len(values):
        return 0
    if max(abs(int(values.min())), abs(int(values.max()))) * len(values) >= NARROW:
        values = values.astype(object)
    return int(values.sum())


def sums(group: Ints, values: Ints, count: int) -> Ints:
    """The sum of each group."""
    wide = len(values) and max(abs(int(values.min())), abs(int(values.max()))) * len(values) >= NARROW
    found = np.zeros(count, object if wide else values.dtype)
    np.add.at(found, group, values.astype(object) if wide else values)
    return found


def codes(column: Any) -> tuple[Ints, list[str | None]]:
    """Each row's place among the distinct values of a column, and those values as text."""
    if isinstance(column, list):
        column = pa.chunked_array([pa.array([None if value is None else str(value) for value in column], pa.string())])
    found = column.cast(pa.string()).combine_chunks()
    found = found.chunk(0) if hasattr(found, "num_chunks") and found.num_chunks else found
    if not len(found):
        return np.zeros(0, np.int64), [None]
    encoded = found.dictionary_encode("encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _nearest(ordered: Ints, hundredth: int) -> int:
    """The quantile by nearest rank: the smallest value with at least so many hundredths of all at or below it."""
    return int(ordered[max(1, -(-hundredth * len(ordered) // 100)) - 1])


def deciles(ordered: Ints) -> list[int]:
    """The least, the nine deciles by nearest rank, the greatest; of numbers that ascend."""
    return [_nearest(ordered, 10 * part) for part in range(11)] if len(ordered) else []


def smallest(values: Ints, count: int) -> list[int]:
    """Places of the smallest values, smallest first; of equal ones the earliest."""
    if len(values) > count:
        edge = np.partition(values, count - 1)[count - 1]
        places_ = np.flatnonzero(values <= edge)
    else:
        places_ = np.arange(len(values))
    return [int(i) for i in places_[np.argsort(values[places_], kind="stable")][:count]]


def bars(ordered: Ints, digits: int, most: int) -> Iterator[tuple[Decimal | None, Decimal | None, int]]:
    """Ascending numbers in fewer than ``most`` bars of one round width, and how many are in each; what lies beyond either hundredth is gathered at the ends."""
    if not len(ordered):
        return
    low, high = _nearest(ordered, 1), _nearest(ordered, 99)
    width = next(w for k in range(80) for w in (10**k, 2 * 10**k, 5 * 10**k) if (high - low) // w < most)
    first, last = low // width, high // width
    edges = [k * width for k in range(first, last + 2)]
    below = [0, *(int(np.searchsorted(ordered, edge, "left")) for edge in edges), len(ordered)]
    ends = [None, *(amount(edge, digits) for edge in edges), None]
    for index in range(len(ends) - 1):
        rows = below[index + 1] - below[index]
        if rows or (ends[index] is not None and ends[index + 1] is not None):
            yield ends[index], ends[index + 1], rows
