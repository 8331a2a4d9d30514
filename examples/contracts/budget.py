"""From pay-by-volume to pay-by-removal with the same budget: the price vector that changes least, found by a linear program.

Floats live between ``_solve`` and the rounding of its answer, nowhere else. The answer is rounded to the step of a price,
the price that moves the budget least takes up what rounding left, and every amount is then computed anew by ``rate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import numpy as np

from examples.contracts.causes import by_cause
from examples.contracts.days import POLLUTANTS, Year, each_row
from examples.contracts.forms import KG, REMOVAL, STEP, VOLUME, Form, number, priced, rated, settle
from tariffs.money import EXACT, Mode, round_fraction, total

Objective = Literal["sum", "max"]
KEPT = Fraction(1, 4)  # of the old price a cubic metre may still earn at most
LEAST, MOST = Fraction(1, 2), Fraction(2)  # of the proportional price of a kilogram
PRICES = ("price", *KG)


class NoPricesError(ValueError):
    """No price vector within the bounds has this budget."""


@dataclass(frozen=True, slots=True)
class Change:
    """One plant before and after; ``causes`` add up to the difference, empty where nobody asked."""

    plant: str
    before: Decimal
    after: Decimal
    causes: Mapping[str, Decimal]

    @property
    def amount(self) -> Decimal:
        return EXACT.subtract(self.after, self.before)


@dataclass(frozen=True, slots=True)
class Neutral:
    """The price vector and what it does. ``gap`` is what the rounded prices cost above the budget, ``plain`` the changes without a solver."""

    form: Form
    bounds: Mapping[str, tuple[Decimal, Decimal]]
    budget: Decimal
    gap: Decimal
    changes: tuple[Change, ...]
    plain: tuple[Change, ...]
    plain_form: Form


def neutral(years: Mapping[str, Year], objective: Objective = "sum") -> Neutral:
    """The removal-based form over all plants. NoPricesError where the bounds allow no such budget."""
    old = {name: total(months) for name, months in settle(VOLUME, years).items()}
    budget = total(old.values())
    plain = priced(REMOVAL, years, budget)
    bounds = _bounds(plain)
    masses = _masses(years)
    found = _solve([[row[name] for name in PRICES] for row in masses.values()], list(old.values()), [bounds[name] for name in PRICES], objective)
    prices = _balanced(dict(zip(PRICES, found, strict=True)), masses, budget, bounds)
    form = Form("neutral", (*VOLUME.parts, *REMOVAL.parts), {**VOLUME.terms, **{name: str(value) for name, value in prices.items()}}, PRICES)
    changes = _changes(old, form, years)
    gap = EXACT.subtract(total(change.after for change in changes), budget)
    return Neutral(form, bounds, budget, gap, changes, _changes(old, plain, years), plain)


def _bounds(plain: Form) -> dict[str, tuple[Decimal, Decimal]]:
    def rounded(value: Fraction) -> Decimal:
        return round_fraction(value, STEP, Mode.HALF_UP)

    found = {"price": (Decimal(0), rounded(KEPT * Fraction(Decimal(VOLUME.terms["price"]))))}
    for name in KG:
        reference = Fraction(Decimal(plain.terms[name]))
        found[name] = rounded(LEAST * reference), rounded(MOST * reference)
    return found


def _masses(years: Mapping[str, Year]) -> dict[str, dict[str, Decimal]]:
    """What each plant earns in the year at a price of 1: cubic metres and kilograms, each month to the fen."""
    units = {**VOLUME.terms, **dict.fromkeys(PRICES, "1")}
    amounts = {"price": rated("price-by-volume", units, years)["total"]}
    removal = rated("removal-by-kg", units, years)
    amounts |= {f"kg_price[{key}]": removal[f"removal_fee[{key}]"] for key in POLLUTANTS}
    found, begin = {}, 0
    for name, months in years.items():
        found[name] = {price: total(column[begin : begin + len(months)]) for price, column in amounts.items()}
        begin += len(months)
    return found


def _solve(masses: Sequence[Sequence[Decimal]], old: Sequence[Decimal], bounds: Sequence[tuple[Decimal, Decimal]], objective: Objective) -> list[Decimal]:
    """The solver's door: floats inside, prices on their step outside.

    Least sum of |new - old|, or least greatest |new - old| / old, with the sum of new equal to the sum of old. Amounts are in
    millions, so that the solver's tolerances mean something.
    """
    from scipy.optimize import linprog

    scale = 1_000_000
    new = np.array(masses, dtype=float) / scale
    was = np.array(old, dtype=float) / scale
    plants, prices = new.shape
    slack = -np.eye(plants) if objective == "sum" else -was[:, None]
    cost = np.concatenate([np.zeros(prices), np.ones(slack.shape[1])])
    limits = [*((float(low), float(high)) for low, high in bounds), *[(0.0, None)] * slack.shape[1]]
    above, below = np.hstack([new, slack]), np.hstack([-new, slack])
    equal = np.concatenate([new.sum(axis=0), np.zeros(slack.shape[1])])[None, :]
    answer = linprog(cost, np.vstack([above, below]), np.concatenate([was, -was]), equal, [was.sum()], limits, method="highs")
    if answer.status != 0:
        raise NoPricesError(answer.message)
    rounded = [round_fraction(Fraction(float(price)), STEP, Mode.HALF_UP) for price in answer.x[:prices]]
    return [min(max(price, low), high) for price, (low, high) in zip(rounded, bounds, strict=True)]


def _balanced(
    prices: dict[str, Decimal], masses: Mapping[str, Mapping[str, Decimal]], budget: Decimal, bounds: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[str, Decimal]:
    """Whole steps of the prices, the coarsest in money first, take up what rounding left of the budget; within their bounds."""
    weight = {name: total(row[name] for row in masses.values()) for name in prices}
    found = dict(prices)
    for name in sorted(found, key=lambda name: -weight[name]):
        spent = sum((Fraction(found[key]) * Fraction(weight[key]) for key in found), Fraction(0))
        exact = Fraction(found[name]) + (Fraction(budget) - spent) / Fraction(weight[name])
        low, high = bounds[name]
        found[name] = min(max(round_fraction(exact, STEP, Mode.HALF_UP), low), high)
    return found


def _changes(old: Mapping[str, Decimal], form: Form, years: Mapping[str, Year]) -> tuple[Change, ...]:
    return tuple(Change(name, old[name], total(months), {}) for name, months in settle(form, years).items())


# --- why ----------------------------------------------------------------------------------------------------------


def most_changed(found: Neutral, years: Mapping[str, Year], count: int) -> tuple[list[Change], list[Change]]:
    """The plants that lose most and win most, each explained."""
    order = sorted(found.changes, key=lambda change: (change.amount, change.plant))
    usual = usual_water(years)
    losers = [explained(change, found.form, years[change.plant], usual) for change in order[:count] if change.amount < 0]
    winners = [explained(change, found.form, years[change.plant], usual) for change in reversed(order[-count:]) if change.amount > 0]
    return losers, winners


def usual_water(years: Mapping[str, Year]) -> dict[str, Decimal]:
    """What flows in and out of all plants together: each concentration's mean by volume, over the year."""
    rows = [row for months in years.values() for month in months for row in month.rows]
    volume = total(number(row, "flow") for row in rows)
    names = [f"{way}[{key}]" for way in ("inflow", "outflow") for key in POLLUTANTS]
    masses = {name: total(EXACT.multiply(number(row, "flow"), number(row, name)) for row in rows) for name in names}
    return {name: round_fraction(Fraction(mass) / Fraction(volume), Decimal("0.01"), Mode.HALF_UP) for name, mass in masses.items()}


def explained(change: Change, form: Form, months: Year, usual: Mapping[str, Decimal]) -> Change:
    """Why this plant: first the new form with everybody's usual water, then its own inflow, then its own removal."""
    typical = each_row(months, lambda row: row.update(usual))
    first = total(settle(form, {change.plant: typical})[change.plant])
    shares = by_cause(form, typical, months)
    causes = {"contract": EXACT.subtract(first, change.before), "influent": shares["influent"], "removal": shares["removal"]}
    assert EXACT.add(change.before, total(causes.values())) == change.after, "nothing else differs"
    return replace(change, causes=causes)
