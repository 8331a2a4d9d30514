"""Contracts whose period is not one piece: they begin or end inside it, their facts become others, or a new version begins.

Each is rated by ``tariffs.rate_period`` as the tariff's ``change:`` says, and gives a part for each stretch of days. What a part was
cut to is kept with its facts, so that it can be computed again from digest and facts alone. No store, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from billing_service.billing import Part
from billing_service.measured import SAMPLE, measures
from billing_service.problems import problem, refused
from billing_service.staged import by_account, divisions, given_facts, kept_facts, part_of, place_of
from billing_service.terms import Parked, Period, Records, Terms, park, ruling
from tariffs import FactsError, PeriodRating, Rating, TariffVersion, UsageRecord
from tariffs import model as m
from tariffs.errors import Problem
from tariffs.gather import belongs
from tariffs.periods import explain_part, rate_period
from tariffs.report import facts_json

#: Where the cut stands among the kept facts; no fact is an object with a ``start``.
_CUT = "stretch"


def rate(history: Sequence[TariffVersion], terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> tuple[list[Part], list[Parked]]:
    """What each of these contracts gives, part by part, and those that cannot be rated, with their reasons and places.

    ``history``: the versions that rule in the period, and before it those of days a record may reach back to, in order.
    """
    own = by_account(terms, records) if terms else {}
    parts: list[Part] = []
    parked: list[Parked] = []
    rated: list[tuple[Terms, PeriodRating]] = []
    for one in terms:
        mine = own[one.account]
        try:
            reached = _reached(history, mine, period, known)
            found = rate_period(reached, period, one.facts, mine, known=known, contract=one.days or (None, None), changes=one.changes)
        except FactsError as error:
            parked += [park(one, told, place_of(mine, told, records)) for told in error.problems]
            continue
        wrong = _unbilled(found, mine, records)
        if wrong is not None:
            parked.append(park(one, wrong))
            continue
        rated.append((one, found))
        parts += _parts(history, one, found, records)
    _compare_sample(rated)
    return parts, parked


def _reached(history: Sequence[TariffVersion], own: Iterable[UsageRecord], period: Period, known: date | None) -> list[m.Version]:
    """The versions of the days that are billed: of the period, and before it of those that its records reach back to."""
    wanted = {name for version in ruling(history, period) for name in measures(version)}
    counted = (record for record in own if record.measure in wanted and (known is None or record.known is None or record.known <= known))
    first = min([period[0], *(record.start for record in counted if belongs(record, period))])
    return [version.model for version in history if version.end is None or version.end > first]


def _unbilled(found: PeriodRating, own: Iterable[UsageRecord], records: Records) -> Problem | None:
    """Why parts that were rated cannot be one bill; None where they can."""
    ways = list(dict.fromkeys((part.version.direction, part.version.currency) for part in found.parts))
    if len(ways) > 1:
        first, second = (" ".join(way) for way in ways[:2])
        return problem("versions-pay-otherwise", tariff=found.tariff, first=first, second=second)
    if not any(line.charge.kind != "working" for part in found.parts for line in part.lines):
        return problem("nothing-billed", tariff=found.tariff)
    for part in found.parts[1:]:
        assert part.period is not None, "a part has its days"
        for record in own:
            if record.id in records.merged and record.start < part.period[0] < record.end:
                return problem("meter-merged", point=record.point, day=part.period[0], start=record.start, end=record.end)
    return None


def _parts(history: Sequence[TariffVersion], one: Terms, found: PeriodRating, records: Records) -> list[Part]:
    """A row for each part, by the version it was rated by."""
    by_day = {version.effective: version for version in history}
    made = []
    for rating, piece in zip(found.parts, found.pieces, strict=True):
        version = by_day[rating.version.effective]
        kept = kept_facts(_public(rating)) | divisions(version, one.account, records)
        if piece is not None:
            assert rating.period is not None, "a part has its days"
            kept[_CUT] = _cut_text(piece, rating.period)
        made.append(part_of(version, one, json.dumps(kept, sort_keys=True, ensure_ascii=False), _public(rating)))
    return made


def _compare_sample(rated: Sequence[tuple[Terms, PeriodRating]]) -> None:
    """Rate a sample of the parts again by columns; any difference at all stops the run."""
    alike: dict[tuple[m.Version, Period | None], list[tuple[Terms, m.Rating]]] = {}
    for one, found in rated[:: max(1, len(rated) // SAMPLE)][:SAMPLE]:
        for rating, piece in zip(found.parts, found.pieces, strict=True):
            if rating.version.stage is None:
                alike.setdefault((rating.version, rating.period if piece is None else None), []).append((one, rating))
    for (model, period), group in alike.items():
        names = [*model.choices, *(item.full_name for item in model.inputs)]
        given = [facts_json(rating) for _, rating in group]
        frame: dict[str, Any] = {"account": [one.account for one, _ in group], **{name: [facts.get(name) for facts in given] for name in names}}
        in_bulk = TariffVersion(model).rate(frame, period=period)
        for at, (one, rating) in enumerate(group):
            amounts = {line.charge.full_name: line.amount for line in rating.lines if line.charge.kind != "working"}
            if amounts != {name: column[at] for name, column in in_bulk.items() if column[at] is not None and name not in {"account", "total"}}:
                raise refused("evaluators-differ", version=model.name, account=one.account)


def explained(version: TariffVersion, kept: Mapping[str, Any], period: Period) -> Rating:
    """The rating behind a part of a document, from the facts it keeps; the same for ever."""
    if not is_cut(kept):
        # The store has the version's end as it was when its text was first kept; the next version may have moved or gone since.
        lasting = version if version.end is None or period[1] <= version.end else TariffVersion(replace(version.model, end=None))
        return lasting.explain(given_facts(kept), period=period)
    cut = kept[_CUT]
    facts = given_facts({name: value for name, value in kept.items() if name != _CUT})
    days = date.fromisoformat(cut["start"]), date.fromisoformat(cut["end"])
    return _public(explain_part(version.model, _cut_of(cut), facts, days))


def is_cut(kept: Mapping[str, Any]) -> bool:
    """Whether these are the facts of part of a period."""
    cut = kept.get(_CUT)
    return isinstance(cut, dict) and "start" in cut


def _public(rating: m.Rating) -> Rating:
    return Rating(*(getattr(rating, one.name) for one in fields(m.Rating)))


def _cut_text(piece: m.Part, days: Period) -> dict[str, str]:
    """How the days were cut out, all as text: ``days`` of ``total`` after ``before``, and what values shrink to, as JSON."""
    values = [[name, list(key), [str(number) for number in numbers]] for (name, key), numbers in piece.values]
    counts = {"days": piece.days, "total": piece.total, "before": piece.before, "months": piece.months}
    shown = {name: str(count) for name, count in counts.items()}
    return {"start": days[0].isoformat(), "end": days[1].isoformat(), **shown, "monthly": piece.monthly, "values": json.dumps(values)}


def _cut_of(cut: Mapping[str, str]) -> m.Part:
    values = tuple(((name, tuple(key)), tuple(Decimal(number) for number in numbers)) for name, key, numbers in json.loads(cut["values"]))
    return m.Part(int(cut["days"]), int(cut["total"]), int(cut["months"]), cut["monthly"], values, int(cut["before"]))
