"""Everything this example finds out, computed once; tables and pictures only show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from examples.contracts import days
from examples.contracts.budget import Change, Neutral, Objective, most_changed, neutral
from examples.contracts.causes import SILENCES, Settled, by_cause, with_gap
from examples.contracts.days import Year
from examples.contracts.forms import FORMS, VOLUME, Form, paid, priced, settle
from tariffs.money import EXACT, total

HAPPENS: Mapping[str, Callable[[Year], Year]] = {
    "diluted": days.diluted,
    "weaker": days.weaker,
    "bad_week": days.bad_week,
    "bad_year": days.bad_year,
}
EXPLAINED = ("diluted", "bad_year")
SIDE = 5  # plants told on either side


@dataclass(frozen=True, slots=True)
class Story:
    """``months``, ``changes``, ``causes`` and ``gaps`` are by form name; the latter three by what happens, too."""

    seed: int
    objective: Objective
    forms: tuple[Form, ...]
    year: Year
    months: Mapping[str, list[Decimal]]
    changes: Mapping[tuple[str, str], Decimal]
    causes: Mapping[tuple[str, str], Mapping[str, Decimal]]
    gaps: Mapping[tuple[str, str], Settled]
    years: Mapping[str, Year]
    neutral: Neutral
    losers: tuple[Change, ...]
    winners: tuple[Change, ...]


def tell(plants: int, seed: int, objective: Objective) -> Story:
    """All of it. NoPricesError where no price vector keeps the budget."""
    year = days.year(days.SAMPLE, seed)
    own = {days.SAMPLE.name: year}
    budget = paid(VOLUME, own)
    forms = (VOLUME, *(priced(form, own, budget) for form in FORMS if form is not VOLUME))
    months = {form.name: settle(form, own)[days.SAMPLE.name] for form in forms}
    other = {name: change(year) for name, change in HAPPENS.items()}
    changes = {
        (form.name, name): EXACT.subtract(paid(form, {days.SAMPLE.name: after}), total(months[form.name])) for form in forms for name, after in other.items()
    }
    causes = {(form.name, name): by_cause(form, year, other[name]) for form in forms for name in EXPLAINED}
    assert all(total(shares.values()) == changes[key] for key, shares in causes.items()), "both evaluators, and the causes, agree to the fen"
    gaps = {(form.name, silence): with_gap(form, year, silence) for form in forms for silence in SILENCES}
    years = {plant.name: days.year(plant, seed) for plant in days.plants(plants, seed)}
    found = neutral(years, objective)
    losers, winners = most_changed(found, years, SIDE)
    return Story(seed, objective, forms, year, months, changes, causes, gaps, years, found, tuple(losers), tuple(winners))
