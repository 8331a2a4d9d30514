"""Amounts of money as columns of whole coins: sums, groups, quantiles, without a float and without sampling."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tariffs.groups import size
from tariffs.intake import null_mask, values_of
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
    if not len(column):
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    array = one_chunk(column)
    null, up, bits = null_mask(array), 10 ** (digits - array.type.scale), array.type.bit_width
    valid = np.ones(len(array), np.bool_) if null is None else ~null
    if bits <= 128:
        word: Any = np.int32 if bits == 32 else np.int64
        given = np.frombuffer(array.buffers()[1], word).reshape(-1, max(1, bits // 64))[array.offset : array.offset + len(array)]
        first: Ints = given[:, 0].astype(np.int64, copy=False)
        low = first if null is None else np.where(valid, first, 0)
        fits = bits <= 64 or np.array_equal(low >> 63, given[:, 1] if null is None else np.where(valid, given[:, 1], 0))
        if fits and size(low) * up < NARROW:
            return low if up == 1 else low * up, valid
    return coins_of(array.to_pylist(), digits)


def one_chunk(column: Any) -> Any:
    """A chunked column as one array; no copy where it is one."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return column


def _narrow(values: list[int]) -> Ints:
    return np.array(values, np.int64 if all(abs(value) < NARROW for value in values) else object)


def added(values: Ints) -> int:
    """The sum, however wide."""
    return int((values.astype(object) if size(values) * len(values) >= NARROW else values).sum())


def sums(group: Ints, values: Ints, count: int) -> Ints:
    """The sum of each group."""
    wide = size(values) * len(values) >= NARROW
    found = np.zeros(count, object if wide else values.dtype)
    np.add.at(found, group, values.astype(object) if wide else values)
    return found


def codes(column: Any) -> tuple[Ints, list[str | None]]:
    """Each row's place among the distinct values of a column, and those values as text."""
    if isinstance(column, list):
        column = pa.chunked_array([pa.array([None if value is None else str(value) for value in column], pa.string())])
    if not len(column):
        return np.zeros(0, np.int64), [None]
    found = one_chunk(column if pa.types.is_dictionary(column.type) else column.cast(pa.string()))
    if not pa.types.is_dictionary(found.type) or found.null_count or len(found.dictionary.unique()) < len(found.dictionary):
        found = found.cast(pa.string()).dictionary_encode("encode")
    named = values_of(found.dictionary.cast(pa.string()))
    return np.asarray(found.indices).astype(np.int64), [None if value is None else str(value) for value in named]


def renumbered(keys: Ints, bound: int) -> tuple[Ints, Ints]:
    """The keys that occur, ascending, and each row's place among them; keys lie below ``bound``."""
    if bound > max(len(keys), 1024):
        return np.unique(keys, return_inverse=True)
    used = np.flatnonzero(np.bincount(keys, minlength=bound))
    place = np.zeros(bound, np.int64)
    place[used] = np.arange(len(used))
    return used, place[keys]


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
