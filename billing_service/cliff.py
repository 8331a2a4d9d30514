"""Whether use went over a cliff of its tariff since the last bill: a place where one more step makes the total jump. No store, no clock.

The cliff is looked for between what was billed last and what is billed now, under the other facts of the bill at hand; where the
amount is no chain of lines in what was measured, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from billing_service.partial import is_cut
from billing_service.problems import problem
from billing_service.staged import given_facts
from billing_service.terms import Period
from tariffs import FactsError, TariffVersion
from tariffs import model as m
from tariffs.cliffs import amounts, jumps
from tariffs.errors import Problem
from tariffs.facts import whole_months
from tariffs.model import Filled
from tariffs.money import EXACT, is_multiple, places, read_number, show
from tariffs.needs import needed
from tariffs.pieces import NotLinear, World
from tariffs.units import named


def crossed(version: TariffVersion, now: Mapping[str, Any], last: Mapping[str, Any], period: Period) -> Problem | None:
    """The first cliff between the facts of the ``last`` bill and those of this one, as both are kept; None: there is none."""
    if is_cut(now) or is_cut(last):
        return None  # of part of a period: what it measured is not to be compared with a whole one
    facts, before = given_facts(now), given_facts(last)
    for item in version.model.inputs:
        if item.collect is None or item.collect.of:
            continue
        low, high = _number(before.get(item.full_name)), _number(facts.get(item.full_name))
        if low is None or high is None or low >= high or not is_multiple(low, item.type.grid):
            continue
        for at in _places(version.model, item, facts, period, (low, high)):
            found = _told(version, item, facts, period, at)
            if found is not None:
                return problem("hold-cliff", name=item.full_name, last=show(low), now=show(high), unit=item.type.unit, tariff=version.id, **found)
    return None


def _places(model: m.Version, item: m.Input, facts: Mapping[str, object], period: Period, between: tuple[Decimal, Decimal]) -> list[int]:
    """The multiples of the input's step after which the total jumps."""
    choices = {name: str(value) for name, value in facts.items() if name in model.choices}
    numbers = {name: Fraction(number) for name, value in facts.items() if (number := _number(value)) is not None and name not in choices}
    numbers |= {"period_days": Fraction((period[1] - period[0]).days), "period_months": Fraction(whole_months(period) or 0)}
    if not needed(model, choices).numbers <= numbers.keys():
        return []
    low, high = map(Fraction, between)
    world = World(item.full_name, low, high, Fraction(item.type.grid), choices, numbers, named(model.currency), Fraction(model.step))
    try:
        return [jump.at for jump in jumps(amounts(model, world), world)]
    except NotLinear:
        return []


def _told(version: TariffVersion, item: m.Input, facts: Mapping[str, object], period: Period, at: int) -> dict[str, str] | None:
    """What the bill comes to on both sides, as it is explained; None where it cannot be, or is the same."""
    sides = [EXACT.multiply(Decimal(k), item.type.grid) for k in (at, at + 1)]
    try:
        low, high = (version.explain({**facts, item.full_name: side}, period=period).total for side in sides)
    except FactsError:
        return None
    if low == high:
        return None
    said = zip(("from", "to", "before", "after"), (*sides, low, high), strict=True)
    digits = places(version.model.step)
    return {name: show(value, digits if name in ("before", "after") else 0) for name, value in said} | {"currency": version.currency}


def _number(value: object) -> Decimal | None:
    if isinstance(value, Filled):
        return value.value
    return read_number(value) if isinstance(value, str) else None
