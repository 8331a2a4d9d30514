"""Runs of equal keys in columns of whole numbers: sorting, finding and reducing without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from tariffs.money import Mode, places
from tariffs.scaled import NARROW, Ints, Mask, round_whole, scaled, widen


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by key: ``order`` sorts them (None: they lie so), each key's run begins at ``starts`` and has ``sizes`` rows."""

    keys: Ints
    order: Ints | None
    starts: Ints
    sizes: Ints


def split(key: Ints) -> Groups:
    """The runs of equal keys; within a run the order of the rows is kept."""
    order = None if bool((key[1:] >= key[:-1]).all()) else np.argsort(key, kind="stable")
    key = key if order is None else key[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, np.int64)
    return Groups(key[starts], order, starts, np.diff(np.append(starts, len(key))))


def runs(begins: Ints) -> Groups:
    """Groups whose rows lie together already: group i has those from ``begins[i]`` to ``begins[i + 1]``; one without rows is left out."""
    sizes = np.diff(begins)
    keys = np.flatnonzero(sizes)
    return Groups(keys, None, begins[keys], sizes[keys])


def _reduce(ufunc: Any, groups: Groups, values: Ints) -> Ints:
    if not len(groups.starts):
        return values[:0]
    return np.asarray(ufunc.reduceat(values if groups.order is None else values[groups.order], groups.starts))


def total(groups: Groups, values: Ints) -> Ints:
    """Exact sums; wide where they may have to be."""
    most = size(values) * int(groups.sizes.max(initial=0))
    return _reduce(np.add, groups, values.astype(object) if most >= NARROW else values)


def least(groups: Groups, values: Ints) -> Ints:
    return _reduce(np.minimum, groups, values)


def greatest(groups: Groups, values: Ints) -> Ints:
    return _reduce(np.maximum, groups, values)


def largest(key: Ints, values: Ints, count: int) -> Ints:
    """The places of the ``count`` largest values of each key."""
    order = np.argsort(-values, kind="stable")
    order = order[np.argsort(key[order], kind="stable")]
    _, starts, inverse = np.unique(key[order], return_index=True, return_inverse=True)
    return order[np.arange(len(order)) - starts[inverse] < count]


def latest(rows: Ints, account: Ints, *by: Ints) -> Ints:
    """Of each account's rows the one that is last by the columns ``by``, the first of which weighs most."""
    order = np.lexsort((*(column[rows] for column in reversed(by)), account[rows]))
    rows = rows[order]
    last: Mask = np.append(account[rows][1:] != account[rows][:-1], True)[: len(rows)]
    return rows[last]


def compress(*keys: Ints) -> Ints:
    """One number for each distinct combination of keys, ascending like them."""
    found = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        distinct, place = np.unique(key, return_inverse=True)
        _, found = np.unique(found * len(distinct) + place, return_inverse=True)
    return found


def sort(group: Ints, *by: Ints) -> tuple[Ints, Ints]:
    """The order of rows by group and then by the columns ``by``; and the groups in that order."""
    order = np.lexsort((*reversed(by), group))
    return order, group[order]


def unique_ids(account: Ints, name: Ints) -> tuple[Ints, Ints]:
    """Where each id of each account comes first and where last, in the same order."""
    key = compress(account, name)
    _, first = np.unique(key, return_index=True)
    _, back = np.unique(key[::-1], return_index=True)
    return first, len(key) - 1 - back


def find(keys: Ints, wanted: Ints) -> Ints:
    """The place of each wanted key among ``keys`` (the last one, where several are equal), -1 where it is not there."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys[order], wanted, side="right") - 1
    found = order[np.maximum(place, 0)]
    return np.where((place >= 0) & (keys[found] == wanted), found, -1)


def on_a_circle(onward: Ints) -> Ints:
    """The places from which following ``onward`` (-1: nowhere) comes back to where it began."""
    nowhere = len(onward)
    step = np.append(np.where(onward < 0, nowhere, onward), nowhere)
    for _ in range(nowhere.bit_length() + 1):
        if (step == nowhere).all():
            break
        step = step[step]
    return np.unique(step[step != nowhere])


def reaching(group: Ints, end: Ints) -> Ints:
    """For rows sorted by group and start: the earlier row of the group that ends last (the first of equals), -1 for the first row."""
    if not len(group):
        return np.zeros(0, np.int64)
    begins = np.append(True, group[1:] != group[:-1])
    lift = (end - int(end.min())) + group * (int(end.max()) - int(end.min()) + 1)
    before = np.append(-1, np.maximum.accumulate(lift)[:-1])
    record: Mask = lift > before
    holder = np.maximum.accumulate(np.where(record, np.arange(len(group)), 0))
    return np.where(begins, -1, np.append(-1, holder[:-1]))


# --- arithmetic ---------------------------------------------------------------------------------------------------


def size(values: Ints) -> int:
    """The largest size of a number."""
    return max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0


def product(values: Ints, factor: int | Ints) -> Ints:
    """``values`` by a factor or by each other, wide where they may have to be."""
    if isinstance(factor, int) and factor == 1:
        return values
    most = size(values) * (abs(factor) if isinstance(factor, int) else size(factor))
    return np.asarray(widen(values) * factor if most >= NARROW else values * factor)


def mean(products: Ints, weights: Ints, scale: int, grid: Decimal, mode: Mode) -> Ints:
    """Products (at ``scale``) over weights, neither 0, to whole multiples of ``grid``, at the grid's own places; rounded once."""
    sign = np.where(weights < 0, -1, 1)
    products, weights = products * sign, weights * sign
    step = Fraction(grid) * Fraction(10) ** scale
    above, below = product(products, step.denominator), product(weights, step.numerator)
    if len(above) and size(above) + int(below.max()) >= NARROW:
        above, below = above.astype(object), below.astype(object)
    rounded = np.asarray(round_whole(above, below, mode))
    return product(rounded, scaled(grid, places(grid)))
