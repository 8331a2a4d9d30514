"""A billing period that crosses from one version into another, or that a contract only partly covers.

The newer version's ``change`` says how: usage is split by the days of its own record, by a reading on the day of the
change, or the whole period goes to the old or the new version. What shrinks with the days (quotas, edges) is split by
largest remainder, so the parts always add up; an amount of whole months takes its days' share. Each part is rated by
its own version. Where nothing says how, the period is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from tariffs import model as m
from tariffs.check import Identity, build
from tariffs.errors import FactsError, Problem
from tariffs.explain import explain
from tariffs.facts import one_period, whole_months
from tariffs.figures import figure
from tariffs.gather import belongs, gather, in_unit, pick
from tariffs.money import common_grid, is_multiple, share, total
from tariffs.needs import needed

Period = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Segment:
    """Days that one version rates by the same standing facts; ``start`` and ``end`` are half-open."""

    version: m.Version
    start: date
    end: date
    standing: Mapping[str, object] = field(default_factory=dict)

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True, slots=True)
class PeriodRating:
    """What one period costs: one rating a part, in order. ``total`` is the sum of theirs and nothing else.

    ``pieces``: how each part was cut out of the period, None where it is the whole of it: with a rating's digest and facts
    they reproduce it (``explain_part``).
    """

    tariff: str
    period: Period
    parts: tuple[m.Rating, ...]
    total: Decimal
    pieces: tuple[m.Part | None, ...] = ()

    def __post_init__(self) -> None:
        assert self.total == total(part.total for part in self.parts), "the parts add up"


def rate_period(
    history: Sequence[m.Version],
    period: Period,
    standing: Mapping[str, object],
    records: Sequence[m.UsageRecord] = (),
    *,
    known: date | None = None,
    contract: tuple[date | None, date | None] = (None, None),
    changes: Sequence[tuple[date, Mapping[str, object]]] = (),
) -> PeriodRating:
    """Rate ``period`` by the versions that rule in it; ``history`` as ``load.history`` gives it.

    ``records`` are the account's usage records (those of the period are picked here), ``contract`` the half-open days it
    was in force, ``known`` the day as of which records count. ``changes``: days inside the period, in order, from which
    other standing facts hold; they split it by the rule (``change:``) of the version in force on that day. FactsError
    says what stops it.
    """
    live = max(period[0], contract[0] or period[0]), min(period[1], contract[1] or period[1])
    if live[0] >= live[1]:
        raise FactsError([Problem("contract-outside", {"start": str(period[0]), "end": str(period[1])})])
    ruling = [version for version in history if version.effective < period[1]]
    effective, problems = pick(ruling, records, period, known)
    billed = [record for record in effective if belongs(record, period)]
    problems += _outside(billed, contract)
    if problems:
        raise FactsError(problems)
    span = _span(live, billed, ruling)
    segments = merge(_by_terms(timeline(history, span), standing, changes), span)
    if len(segments) == 1 and span == period and _rules_all(segments[0]):
        given, found = gather(segments[0].version, records, segments[0].standing, period, known=known)
        if found:
            raise FactsError(found)
        return _whole(segments[0].version, period, (explain(segments[0].version, given, period),), (None,))
    staged = [segment.version.name for segment in segments if segment.version.stage]
    if staged:
        raise FactsError([Problem("stage-crosses", {"version": staged[0]})])
    outside = () if span[0] < period[0] else ((live[0] - period[0]).days, (period[1] - live[1]).days)
    monthly = _monthly(segments, outside)
    weights = [segment.days for segment in segments] + ([] if monthly == "whole" else [days for days in outside if days])
    pieces = _split_records(billed, segments)
    ratings: list[m.Rating] = []
    cut: list[m.Part | None] = []
    for index, segment in enumerate(segments):
        scaled = {name for s in segments[index : index + 2] for name in s.version.change.get("scale", ())}
        whole = "whole" if segment.days == sum(weights) else "share"
        part = m.Part(
            segment.days,
            sum(weights),
            _months(segment.version, period, segment.standing),
            whole if monthly == "share" else monthly,
            _values(segment.version, scaled, weights, index),
            sum(weights[:index]),
        )
        facts = {**segment.standing, **_standing(segment.version, scaled, segment.standing, weights, index)}
        given, found = gather(segment.version, pieces[index], facts, (segment.start, segment.end))
        if found:
            raise FactsError(found)
        ratings.append(explain_part(segment.version, part, given, (segment.start, segment.end)))
        cut.append(part)
    return _whole(segments[-1].version, period, tuple(ratings), tuple(cut))


def explain_part(version: m.Version, part: m.Part, given: Mapping[str, object], days: Period) -> m.Rating:
    """One part of a period, from the facts of that part; the same for ever."""
    return replace(explain(version_of_part(version, part), given), period=days)


def _whole(version: m.Version, period: Period, parts: tuple[m.Rating, ...], pieces: tuple[m.Part | None, ...]) -> PeriodRating:
    return PeriodRating(version.tariff, period, parts, total(part.total for part in parts), pieces)


def _rules_all(segment: Segment) -> bool:
    """Whether the version rules on every day of the segment (not so where a crossing went whole to one side)."""
    version = segment.version
    return version.effective <= segment.start and (version.end is None or segment.end <= version.end)


# --- days ---------------------------------------------------------------------------------------------------------


def _span(live: Period, billed: Sequence[m.UsageRecord], ruling: Sequence[m.Version]) -> Period:
    """The days that are billed: the live period, or the days read where a summed record began before it."""
    summed = {item.collect.measure for version in ruling for item in version.inputs if item.collect and item.collect.how == "sum"}
    spans = [record for record in billed if record.measure in summed]
    if not any(record.start < live[0] for record in spans):
        return live
    return min(record.start for record in spans), max(record.end for record in spans)


def _outside(billed: Sequence[m.UsageRecord], contract: tuple[date | None, date | None]) -> list[Problem]:
    """Records of days on which the contract was not in force: nothing is dropped in silence."""
    start, end = contract
    bad = [record for record in billed if (start and record.start < start) or (end and record.end > end)]
    return [Problem("record-outside-contract", {"id": record.id, "start": str(record.start), "end": str(record.end)}) for record in bad]


def timeline(history: Sequence[m.Version], span: Period) -> list[Segment]:
    """Which version rules when in ``span``; FactsError where no version rules on some day."""
    found: list[Segment] = []
    day = span[0]
    for version in history:
        end = min(version.end or span[1], span[1])
        if version.effective <= day < end:
            found.append(Segment(version, day, end))
            day = end
    if day < span[1]:
        raise FactsError([Problem("no-version-on", {"day": str(day), "tariff": history[0].tariff if history else "-"})])
    return found


def _by_terms(segments: Sequence[Segment], standing: Mapping[str, object], changes: Sequence[tuple[date, Mapping[str, object]]]) -> list[Segment]:
    """The segments cut where the standing facts become others as well."""
    found: list[Segment] = []
    for segment in segments:
        facts, start = standing, segment.start
        for day, then in changes:
            if start < day < segment.end and then != facts:
                found.append(Segment(segment.version, start, day, facts))
                start = day
            if day < segment.end:
                facts = then
        found.append(Segment(segment.version, start, segment.end, facts))
    return found


def merge(segments: Sequence[Segment], span: Period) -> list[Segment]:
    """Segments as they are rated: ``old`` and ``new`` give a crossing to one side. FactsError where nothing says how."""
    found = [segments[0]]
    for last, segment in pairwise(segments):
        usage = segment.version.change.get("usage")
        if usage is None and last.version is not segment.version:
            raise FactsError([Problem("change-missing", {"version": segment.version.name, "start": str(span[0]), "end": str(span[1])})])
        before = found[-1]
        if before.standing != segment.standing and usage not in ("by_days", "by_reading"):
            raise FactsError([Problem("terms-change-missing", {"version": segment.version.name, "day": str(segment.start)})])
        if usage == "old":
            found[-1] = Segment(before.version, before.start, segment.end, before.standing)
        elif usage == "new":
            found[-1] = Segment(segment.version, before.start, segment.end, segment.standing)
        else:
            found.append(segment)
    return found


def _monthly(segments: Sequence[Segment], outside: tuple[int, ...]) -> str:
    """What becomes of amounts of whole months; a contract that joins or leaves inside the period decides by ``partial``."""
    if not any(outside):
        return "share"
    version = segments[0 if outside[0] else -1].version
    match version.change.get("partial"):
        case "by_days":
            return "share"
        case "whole":
            return "whole"
        case "none":
            return "none"
        case _:
            raise FactsError([Problem("partial-missing", {"version": version.name})])


def _months(version: m.Version, period: Period, standing: Mapping[str, object]) -> int:
    """The whole months of a period that is one of the version's; 1 where it has none and no charge of these choices counts them."""
    months = whole_months(period)
    choices = {name: str(standing[name]) for name, choice in version.choices.items() if standing.get(name) in list(choice.members)}
    if not one_period(version, period) or (months is None and "period_months" in needed(version, choices).period):
        raise FactsError([Problem("period-not-whole", {"start": str(period[0]), "end": str(period[1]), "period": version.period})])
    return months or 1


# --- what is split ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def version_of_part(version: m.Version, part: m.Part) -> m.Version:
    """``version`` as it rates one part of a period; checked again, with the same digest."""
    identity = Identity(version.tariff, version.effective, version.revision, version.end)
    return build(version.content, identity, version.file, part)[0]


def _split_records(records: Sequence[m.UsageRecord], segments: Sequence[Segment]) -> list[list[m.UsageRecord]]:
    """The records of each segment. A summed record that crosses is split by its own days; another counts on every side."""
    found: list[list[m.UsageRecord]] = [[] for _ in segments]
    problems: list[Problem] = []
    for record in records:
        days = [max(0, (min(record.end, s.end) - max(record.start, s.start)).days) for s in segments]
        crossed = [s for s, count in zip(segments, days, strict=True) if count][1:]
        unread = [s for s in crossed if s.version.change.get("usage") == "by_reading"]
        problems += [Problem("reading-missing", {"id": record.id, "day": str(s.start), "version": s.version.name}) for s in unread]
        pieces = _pieces(record, days, segments, problems)
        for own, count, piece, segment in zip(found, days, pieces, segments, strict=True):
            if count:
                own.append(replace(piece, start=max(record.start, segment.start), end=min(record.end, segment.end), replaces=""))
    if problems:
        raise FactsError(problems)
    return found


def _pieces(record: m.UsageRecord, days: list[int], segments: Sequence[Segment], problems: list[Problem]) -> list[m.UsageRecord]:
    """The record once a segment: its value split by days where it is summed, at the step of its input."""
    items = (item for segment in segments for item in segment.version.inputs if item.collect and item.collect.measure == record.measure)
    item = next(items, None)
    if item is None or item.collect is None or item.collect.how != "sum" or sum(1 for count in days if count) == 1:
        return [record] * len(days)
    value = in_unit(record, item.type.unit, problems)
    if value is None:
        return [record] * len(days)
    parts = share(value, days, common_grid([value, item.type.grid]))
    return [replace(record, value=part, unit=item.type.unit) for part in parts]


def _standing(version: m.Version, scaled: set[str], standing: Mapping[str, object], weights: list[int], index: int) -> dict[str, object]:
    """One part's share of the standing facts that shrink with the days, each at its own step."""
    found: dict[str, object] = {}
    for item in version.inputs:
        value = figure(item.full_name, standing.get(item.full_name), []) if item.full_name in standing else None
        if item.name in scaled and value is not None and is_multiple(value, item.type.grid):
            found[item.full_name] = share(value, weights, item.type.grid)[index]
    return found


def _values(version: m.Version, scaled: set[str], weights: list[int], index: int) -> tuple[tuple[tuple[str, m.Key], tuple[Decimal, ...]], ...]:
    """One part's share of the values that shrink with the days, at the finest step of an input in the same unit."""
    found = []
    for value in version.values:
        if value.name not in scaled:
            continue
        for key, numbers in value.cells.items():
            steps = [item.type.grid for item in version.inputs if item.type.unit == value.unit]
            step = common_grid([*steps, *numbers])
            found.append(((value.name, key), tuple(share(number, weights, step)[index] for number in numbers)))
    return tuple(found)


def inclusive(first: date, last: date) -> Period:
    """The half-open period of a bill that names its first and its last day, both counted."""
    return first, date.fromordinal(last.toordinal() + 1)
