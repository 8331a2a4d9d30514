"""Contracts that begin or end inside the period: billed for their own days, as the tariff's ``change: partial:`` says. No store, no clock.

What the period was cut to is kept with the facts, so that the document can be computed again from digest and facts alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from billing_service.billing import Part
from billing_service.staged import by_account, divisions, given_facts, kept_facts, part_of, place_of
from billing_service.terms import Parked, Period, Records, Terms, park
from tariffs import FactsError, Rating, TariffVersion
from tariffs import model as m
from tariffs.periods import explain_part, rate_period

#: Where the cut stands among the kept facts; no fact is an object with a ``start``.
_CUT = "stretch"


def rate(version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> tuple[list[Part], list[Parked]]:
    """What each of these contracts gives for its days, and those that cannot be rated, with their reasons and places."""
    own = by_account(terms, records) if terms else {}
    parts: list[Part] = []
    parked: list[Parked] = []
    for one in terms:
        assert one.days is not None, "contracts of part of the period"
        try:
            found = rate_period((version.model,), period, one.facts, own[one.account], known=known, contract=one.days)
        except FactsError as error:
            parked += [park(one, wrong, place_of(own[one.account], wrong, records)) for wrong in error.problems]
            continue
        rating, piece = _public(found.parts[0]), found.pieces[0]
        assert piece is not None, "less than the whole period"
        cut = {_CUT: _cut_text(piece, one.days), **divisions(version, one.account, records)}
        parts.append(part_of(version, one, json.dumps(kept_facts(rating) | cut, sort_keys=True, ensure_ascii=False), rating))
    return parts, parked


def explained(version: TariffVersion, kept: Mapping[str, Any], period: Period) -> Rating:
    """The rating behind a part of a document, from the facts it keeps; the same for ever."""
    if not is_cut(kept):
        return version.explain(given_facts(kept), period=period)
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
