"""What may stand in for missing numbers, by columns: the twin of ``rows.fill``, for all accounts at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tariffs import groups
from tariffs.model import Input
from tariffs.scaled import Ints, Mask, scaled


@dataclass(frozen=True, slots=True)
class Before:
    """The last number of each group before its first row, at the scale of the rows; ``has`` where there is one."""

    values: Ints
    has: Mask


@dataclass(frozen=True, slots=True)
class Filled:
    """Numbers at ``places``; ``filled`` rows were gaps; groups with more gaps than the rule lets be filled, and how many."""

    values: Ints
    places: int
    filled: Mask
    too_many: Ints
    counts: Ints


def fill(item: Input, values: Ints, places: int, null: Mask, gap: Mask, group: Ints, before: Before | None = None) -> Filled:
    """Fills the ``gap`` rows (all of them ``null``) by the input's evidence. Rows are in the order of time within each group, groups ascending."""
    assert item.collect is not None, "only measured inputs have gaps"
    rule, none = item.collect.evidence, np.zeros(0, np.int64)
    if rule.fill == "refuse" or not gap.any():
        return Filled(values, places, np.zeros(len(values), np.bool_), none, none)
    gaps = np.bincount(group[gap], minlength=int(group.max()) + 1)
    over = np.flatnonzero(gaps > rule.at_most)
    wanted = gap & ~np.isin(group, over)
    fine = max(places, item.type.places)
    values = groups.product(values, 10 ** (fine - places))
    if rule.fill == "previous":
        found, has = _previous(values, null, group, before, 10 ** (fine - places))
    elif rule.fill == "period_mean":
        found, has = _mean(item, values, fine, null, group)
    else:
        assert rule.value is not None, "a fixed value"
        found, has = np.full(len(values), scaled(rule.value, fine)), np.ones(len(values), np.bool_)
    filled = wanted & has
    return Filled(np.where(filled, found, values), fine, filled, over, gaps[over])


def _previous(values: Ints, null: Mask, group: Ints, before: Before | None, lift: int) -> tuple[Ints, Mask]:
    """For each row the last number at or before it in its group, else the one before the group."""
    place = np.arange(len(values))
    last = np.maximum.accumulate(np.where(null, -1, place))
    inside = (last >= 0) & (group[last] == group)
    found = values[last]
    if before is None:
        return found, inside
    return np.where(inside, found, groups.product(before.values, lift)[group]), inside | before.has[group]


def _mean(item: Input, values: Ints, places: int, null: Mask, group: Ints) -> tuple[Ints, Mask]:
    """The mean of each group's numbers, on the input's grid."""
    assert item.collect is not None, "only measured inputs have gaps"
    present = ~null
    split = groups.split(group[present])
    means = groups.mean(groups.total(split, values[present]), split.sizes, places, item.type.grid, item.collect.mode)
    place = np.minimum(np.searchsorted(split.keys, group), max(len(split.keys) - 1, 0))
    if not len(split.keys):
        return np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    return groups.product(means, 10 ** (places - item.type.places))[place], split.keys[place] == group
