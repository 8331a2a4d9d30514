"""From usage records and standing facts to the facts of one rating: one account or plant, one period.

Which records count is settled first (as known on a day, replaced ones dropped), then what is wrong with them, then each
measured input is collected. No record is a missing fact, never 0. The columnar twin is ``collect``, written apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tariffs.errors import Problem
from tariffs.model import Collect, Input, UsageRecord, Version
from tariffs.money import EXACT, round_fraction, terminating, total
from tariffs.units import Unit, factor

Period = tuple[date, date]
Gathered = tuple[dict[str, object], tuple[Problem, ...]]


def gather(version: Version, records: Sequence[UsageRecord], standing: Mapping[str, object], period: Period, *, known: date | None = None) -> Gathered:
    """What to give ``explain``, and what is wrong with the records; where anything is wrong the facts are not to be billed.

    ``known``: only what was known on that day counts (None: everything). ``standing`` passes through unread.
    """
    effective, problems = pick((version,), records, period, known)
    given = dict(standing)
    for item in version.inputs:
        if item.collect is None:
            continue
        found = _collected(item, effective, period, problems)
        if found is None:
            continue
        if standing.get(item.full_name) is not None:
            problems.append(Problem("fact-twice", {"name": item.full_name}))
        given[item.full_name] = found
    return given, tuple(problems)


def pick(versions: Iterable[Version], records: Sequence[UsageRecord], period: Period, known: date | None) -> tuple[list[UsageRecord], list[Problem]]:
    """The records that count for what ``versions`` measure, as known on a day, and what is wrong with them."""
    collects = [item.collect for version in versions for item in version.inputs if item.collect is not None]
    wanted = {name for how in collects for name in (how.measure, how.weight) if name}
    seen = [record for record in records if record.measure in wanted and (known is None or record.known is None or record.known <= known)]
    effective = _effective(seen)
    return effective, _identity_problems(seen) + _span_problems(effective, period)


def belongs(record: UsageRecord, period: Period) -> bool:
    """A record belongs to the period that holds its last day (``end`` is the day after it)."""
    return period[0] < record.end <= period[1]


def _effective(seen: Iterable[UsageRecord]) -> list[UsageRecord]:
    """What is left once every replaced record is dropped, however long the chain; each id once."""
    by_id = {record.id: record for record in seen}
    replaced = {record.replaces for record in by_id.values() if record.replaces}
    return [record for record in by_id.values() if record.id not in replaced]


def _identity_problems(seen: Sequence[UsageRecord]) -> list[Problem]:
    problems = []
    by_id: dict[str, UsageRecord] = {}
    for record in seen:
        if record.id in by_id:
            problems.append(Problem("duplicate-record", {"id": record.id, "other": record.id}))
        by_id[record.id] = record
    for record in by_id.values():
        if record.replaces and record.replaces not in by_id:
            problems.append(Problem("replaces-unknown", {"id": record.id, "replaces": record.replaces}))
        elif record.replaces and _goes_round(record, by_id):
            problems.append(Problem("replaces-itself", {"id": record.id}))
    return problems


def _goes_round(record: UsageRecord, by_id: Mapping[str, UsageRecord]) -> bool:
    """Whether following ``replaces`` comes back to where it began."""
    passed: set[str] = set()
    current: UsageRecord | None = record
    while current is not None and current.id not in passed:
        passed.add(current.id)
        current = by_id.get(current.replaces)
    return current is not None and current.id == record.id


def _span_problems(effective: Sequence[UsageRecord], period: Period) -> list[Problem]:
    """Days without an end, and days counted twice: only where a record of this period has a part in it."""
    problems = []
    groups: dict[tuple[str, str, str], list[UsageRecord]] = {}
    for record in effective:
        if record.end <= record.start:
            problems.append(Problem("record-empty", {"id": record.id, "start": str(record.start), "end": str(record.end)}))
        else:
            groups.setdefault((record.account, record.point, record.measure), []).append(record)
    for group in groups.values():
        group.sort(key=lambda record: (record.start, record.end))
        reaching = group[0]  # the record so far that reaches furthest
        for record in group[1:]:
            if record.start < reaching.end and (belongs(record, period) or belongs(reaching, period)):
                same = (record.start, record.end) == (reaching.start, reaching.end)
                problems.append(Problem("duplicate-record" if same else "records-overlap", {"id": record.id, "other": reaching.id}))
            if record.end > reaching.end:
                reaching = record
    return problems


def _collected(item: Input, effective: Sequence[UsageRecord], period: Period, problems: list[Problem]) -> Decimal | None:
    """The collected value of one input; None where there is nothing, or where a record's unit does not fit."""
    how = item.collect
    assert how is not None, "only measured inputs are collected"
    before = how.how == "previous"
    own = [record for record in effective if record.measure == how.measure and (record.end <= period[0] if before else belongs(record, period))]
    if not own:
        return how.empty
    if how.how == "count":
        return Decimal(len(own))
    if how.how in {"last", "previous"}:
        own = [max(own, key=lambda record: (record.end, record.start, record.id))]
    values = [in_unit(record, item.type.unit, problems) for record in own]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(own):
        return None
    return _combined(item, how, own, numbers, effective, problems)


def _combined(
    item: Input, how: Collect, own: Sequence[UsageRecord], values: list[Decimal], effective: Sequence[UsageRecord], problems: list[Problem]
) -> Decimal | None:
    match how.how:
        case "sum":
            return total(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "last" | "previous":
            return values[0]
        case "mean":
            return _mean(item, how, values, [Decimal(1)] * len(values))
        case "top_mean":
            largest = sorted(values, reverse=True)[: how.count]
            return _mean(item, how, largest, [Decimal(1)] * len(largest))
        case "weighted_mean":
            weights = _weights(how, own, effective, problems)
            if weights is None:
                return None
            if not total(weights):
                problems.append(Problem("weights-zero", {"name": item.full_name, "weight": how.weight}))
                return None
            return _mean(item, how, values, weights)
    raise AssertionError(how.how)


def _mean(item: Input, how: Collect, values: list[Decimal], weights: list[Decimal]) -> Decimal:
    """The weighted mean to the input's own grid, rounded once, by the mode the rule names."""
    products = total(EXACT.multiply(value, weight) for value, weight in zip(values, weights, strict=True))
    return round_fraction(Fraction(products) / Fraction(total(weights)), item.type.grid, how.mode)


def _weights(how: Collect, own: Sequence[UsageRecord], effective: Sequence[UsageRecord], problems: list[Problem]) -> list[Decimal] | None:
    """The paired measure of each record, all in the unit of the first."""
    paired = {(record.account, record.point, record.start, record.end): record for record in effective if record.measure == how.weight}
    found: list[Decimal | None] = []
    unit: Unit | None = None
    for record in own:
        pair = paired.get((record.account, record.point, record.start, record.end))
        if pair is None:
            problems.append(Problem("weight-missing", {"id": record.id, "weight": how.weight}))
            found.append(None)
        else:
            unit = unit or pair.unit
            found.append(in_unit(pair, unit, problems))
    weights = [value for value in found if value is not None]
    return weights if len(weights) == len(found) else None


def in_unit(record: UsageRecord, wanted: Unit, problems: list[Problem]) -> Decimal | None:
    """The record's value in ``wanted``, exactly; a problem where the units differ or the factor has no last digit."""
    if record.unit == wanted:
        return record.value
    ratio = factor(record.unit, wanted)
    exact = terminating(ratio) if ratio is not None else None
    if exact is None or record.unit.is_point:
        problems.append(Problem("record-unit", {"id": record.id, "unit": str(record.unit), "wanted": str(wanted)}))
        return None
    return EXACT.multiply(record.value, exact)
