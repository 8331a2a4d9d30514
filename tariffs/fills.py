"""What may stand in for missing numbers, by columns: the twin of ``rows.fill``, for all accounts at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tariffs import groups
from tariffs.model import Input
from tariffs.scaled import NARROW, Ints, Mask, scaled


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
    places_ = np.flatnonzero(gap)
    with_gaps, gaps = np.unique(group[places_], return_counts=True)
    over = with_gaps[gaps > rule.at_most]
    if len(over):
        places_ = places_[~np.isin(group[places_], over)]
    fine = max(places, item.type.places)
    values = groups.product(values, 10 ** (fine - places))
    if rule.fill == "previous":
        found, has = _previous(values, np.flatnonzero(null), places_, group, before, 10 ** (fine - places))
    elif rule.fill == "period_mean":
        found, has = _mean(item, values, fine, null, group, places_)
    else:
        assert rule.value is not None, "a fixed value"
        found, has = np.full(len(places_), scaled(rule.value, fine)), np.ones(len(places_), np.bool_)
    wide = values.dtype == object or groups.size(found) >= NARROW
    values = values.astype(object if wide else np.int64)  # a copy in any case
    values[places_[has]] = found[has]
    filled = np.zeros(len(values), np.bool_)
    filled[places_[has]] = True
    return Filled(values, fine, filled, over, gaps[gaps > rule.at_most])


def _previous(values: Ints, nulls: Ints, gaps: Ints, group: Ints, before: Before | None, lift: int) -> tuple[Ints, Mask]:
    """For each gap the last number before it in its group, else the one before the group."""
    run = np.flatnonzero(np.append(True, nulls[1:] != nulls[:-1] + 1))  # rows without a number that follow each other
    last = np.repeat(nulls[run] - 1, np.diff(np.append(run, len(nulls))))[np.searchsorted(nulls, gaps)]
    inside = (last >= 0) & (group[last] == group[gaps])
    if before is None:
        return values[last], inside
    whose = group[gaps]
    return np.where(inside, values[last], groups.product(before.values, lift)[whose]), inside | before.has[whose]


def _mean(item: Input, values: Ints, places: int, null: Mask, group: Ints, gaps: Ints) -> tuple[Ints, Mask]:
    """For each gap the mean of its group's numbers, on the input's grid."""
    assert item.collect is not None, "only measured inputs have gaps"
    split = groups.split(group)
    present = split.sizes - np.add.reduceat(null, split.starts, dtype=np.int64)
    some = present > 0
    sums = groups.total(split, np.where(null, 0, values))
    means = np.zeros(len(split.keys), values.dtype)
    means[some] = groups.mean(sums[some], present[some], places, item.type.grid, item.collect.mode)
    place = np.searchsorted(split.keys, group[gaps])
    return groups.product(means, 10 ** (places - item.type.places))[place], some[place]
