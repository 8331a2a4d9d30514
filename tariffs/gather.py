"""From usage records and standing facts to the facts of one rating: one account or plant, one period.

Which records count is settled first (as known on a day, replaced ones dropped), then what is wrong with them, then each
measured input is collected: over the period, or where the version has a stage, over each of its rows. No record is a
missing fact, never 0; what stands in for one is marked. The columnar twin is ``collect``, written apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tariffs.errors import Problem
from tariffs.model import Collect, Filled, Input, Stage, UsageRecord, Version
from tariffs.money import EXACT, round_fraction, terminating, total
from tariffs.rows import fill, placed, spans
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
        if item.collect is None or item.collect.of:
            continue
        found, how = _with_evidence(item, item.collect, effective, period, problems)
        if found is None:
            continue
        if standing.get(item.full_name) is not None:
            problems.append(Problem("fact-twice", {"name": item.full_name}))
        given[item.full_name] = Filled(found, how) if how else found
    if version.stage is not None:
        if standing.get("stage") is not None:
            problems.append(Problem("fact-twice", {"name": "stage"}))
        given["stage"] = _rows(version.stage, effective, period, problems)
    return given, tuple(problems)


def _with_evidence(item: Input, collect: Collect, effective: Sequence[UsageRecord], period: Period, problems: list[Problem]) -> tuple[Decimal | None, str]:
    """The collected value over a period, and how it was filled ("" where it was measured)."""
    if collect.evidence.fill == "refuse" or collect.empty is not None or any(r.measure == collect.measure and _counts(collect, r, period) for r in effective):
        return _collected(item, effective, period, problems)
    (found,), problem = fill(item, [None], [True], _before(item, collect, effective, period[0]))
    problems += [problem] if problem else []
    return found, collect.evidence.fill if found is not None else ""


def _before(item: Input, collect: Collect, effective: Sequence[UsageRecord], start: date) -> Decimal | None:
    """The last number measured before a day; None where it is not asked for, or there is none that can be used."""
    earlier = [record for record in effective if record.measure == collect.measure and record.end <= start]
    if collect.evidence.fill != "previous" or not earlier:
        return None
    last = max(earlier, key=lambda record: (record.end, record.start, record.id))
    return _reading(last, item, collect, [])


# --- the stage ----------------------------------------------------------------------------------------------------


def _rows(stage: Stage, effective: Sequence[UsageRecord], period: Period, problems: list[Problem]) -> list[dict[str, object]]:
    """A row for each day, month or record; gaps that the rule lets be filled are, and are marked."""
    places = _places(stage, effective, period)
    rows: list[dict[str, object]] = [{"start": start, "end": end} | ({"point": point} if point else {}) for start, end, point in places]
    marks: list[dict[str, str]] = [{} for _ in places]
    for item in stage.inputs:
        assert item.collect is not None, "inputs of a stage are collected"
        by_place = _by_place(stage, places, effective, {item.collect.measure, item.collect.weight})
        values: list[Decimal | None] = []
        gaps = []
        for at, ((start, end, _), mark) in enumerate(zip(places, marks, strict=True)):
            held = by_place.get(at, [])
            found: list[Problem] = []
            value, how = _collected(item, held, (start, end), found)
            problems += [_at(problem, start) for problem in found]
            values.append(value)
            gaps.append(item.collect.empty is None and not any(record.measure == item.collect.measure for record in held))
            if how:
                mark[item.full_name] = how
        values, problem = fill(item, values, gaps, _before(item, item.collect, effective, period[0]))
        problems += [problem] if problem else []
        for row, mark, value, gap in zip(rows, marks, values, gaps, strict=True):
            if value is not None:
                row[item.full_name] = value
                if gap:
                    mark[item.full_name] = item.collect.evidence.fill
    for row, mark in zip(rows, marks, strict=True):
        if mark:
            row["filled"] = mark
    return rows


def _at(problem: Problem, start: date) -> Problem:
    """A problem of one row's number says which row."""
    named = {"name": placed(problem.values["name"], start)} if problem.code in ("too-few-samples", "weights-zero") else {}
    return Problem(problem.code, {**problem.values, **named})


def _places(stage: Stage, effective: Sequence[UsageRecord], period: Period) -> list[tuple[date, date, str]]:
    if stage.grain != "record":
        return [(start, end, "") for start, end in spans(stage.grain, period)]
    measures = {item.collect.measure for item in stage.inputs if item.collect}
    return sorted({(r.start, r.end, r.point) for r in effective if r.measure in measures and belongs(r, period)})


def _by_place(stage: Stage, places: Sequence[tuple[date, date, str]], effective: Sequence[UsageRecord], measures: set[str]) -> dict[int, list[UsageRecord]]:
    """The records of some measures by the row they belong to. A record and its weight are of the same days, and so of the same row."""
    ends = [end for _, end, _ in places]
    positions = {place: at for at, place in enumerate(places)}
    found: dict[int, list[UsageRecord]] = {}
    for record in effective:
        if record.measure in measures:
            at = positions.get((record.start, record.end, record.point), len(places)) if stage.grain == "record" else bisect_left(ends, record.end)
            if at < len(places) and (stage.grain == "record" or belongs(record, places[at][:2])):
                found.setdefault(at, []).append(record)
    return found


def pick(versions: Iterable[Version], records: Sequence[UsageRecord], period: Period, known: date | None) -> tuple[list[UsageRecord], list[Problem]]:
    """The records that count for what ``versions`` measure, as known on a day, and what is wrong with them."""
    collects = [item.collect for version in versions for item in measured(version)]
    wanted = {name for how in collects if how for name in (how.measure, how.weight) if name}
    seen = [record for record in records if record.measure in wanted and (known is None or record.known is None or record.known <= known)]
    effective = _effective(seen)
    return effective, _identity_problems(seen) + _span_problems(effective, period)


def measured(version: Version) -> list[Input]:
    """The inputs that are collected from records: the version's own, and its stage's."""
    own = [item for item in version.inputs if item.collect is not None and not item.collect.of]
    return [*own, *(version.stage.inputs if version.stage else ())]


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


def _counts(how: Collect, record: UsageRecord, period: Period) -> bool:
    return record.end <= period[0] if how.how == "previous" else belongs(record, period)


def _collected(item: Input, effective: Sequence[UsageRecord], period: Period, problems: list[Problem]) -> tuple[Decimal | None, str]:
    """The collected value of one input, and how readings below their limit counted in it; None where there is nothing, or a record cannot be used."""
    how = item.collect
    assert how is not None, "only measured inputs are collected"
    own = [record for record in effective if record.measure == how.measure and _counts(how, record, period)]
    if not own:
        return how.empty, ""
    if len(own) < how.evidence.samples:
        problems.append(Problem("too-few-samples", {"name": item.full_name, "count": str(len(own)), "samples": str(how.evidence.samples)}))
        return None, ""
    if how.how == "count":
        return Decimal(len(own)), ""
    if how.how in {"last", "previous"}:
        own = [max(own, key=lambda record: (record.end, record.start, record.id))]
    values = [_reading(record, item, how, problems) for record in own]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(own):
        return None, ""
    below = how.evidence.below_limit if any(record.below for record in own) else ""
    return _combined(item, how, own, numbers, effective, problems), below


_BELOW = {"limit": Decimal(1), "half": Decimal("0.5"), "zero": Decimal(0)}


def _reading(record: UsageRecord, item: Input, how: Collect, problems: list[Problem]) -> Decimal | None:
    """What a record counts for; below its limit of detection, what the rule says of the limit."""
    value = in_unit(record, item.type.unit, problems)
    if value is None or not record.below:
        return value
    if not how.evidence.below_limit:
        problems.append(Problem("below-limit", {"id": record.id, "name": item.full_name}))
        return None
    return EXACT.multiply(value, _BELOW[how.evidence.below_limit])


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
        elif pair.below:
            problems.append(Problem("below-limit", {"id": pair.id, "name": how.weight}))
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
