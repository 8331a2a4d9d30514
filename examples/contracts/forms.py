"""Forms of contract, each put together from the sample parts of ``examples/operators``, and what a year costs under them.

A year goes through the columnar path; every price is a term of the contract, so another price vector is another set of facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import tariffs
from examples.contracts.days import YEAR, Month, Row, Year
from tariffs.model import Input
from tariffs.money import EXACT, Mode, round_fraction, total
from tariffs.rate import rate

RULES = Path(__file__).parent.parent / "operators" / "rules"
PARTS = "cn/sample/operators/"
STEP = Decimal("0.0001")  # of a price

#: Invented, like everything here.
TERMS = {
    "design": "50000",
    "guarantee": "40000",
    "capacity_fee": "700000",
    "edge[first]": "200",
    "edge[second]": "260",
    "adder[weak]": "-0.06",
    "adder[usual]": "0",
    "adder[strong]": "0.05",
    "grade": "a",
    "fine": "20000",
    "vat": "0",
}
KG = {"kg_price[COD]": "1.9", "kg_price[NH3N]": "12", "kg_price[TN]": "9", "kg_price[TP]": "40"}
NO_DEGREE = {f"degree_fine[{key}]": "0" for key in ("COD", "NH3N", "TN", "TP")}
PRICE = {"price": "1.1000"}


@dataclass(frozen=True, slots=True)
class Form:
    """A contract: the parts that are added up, its terms, and which of these are the prices that are scaled to a budget."""

    name: str
    parts: tuple[str, ...]
    terms: Mapping[str, str]
    prices: tuple[str, ...]


def _form(name: str, parts: tuple[str, ...], prices: Mapping[str, str], **more: str) -> Form:
    return Form(name, parts, {**TERMS, **more, **prices}, tuple(prices))


VOLUME = _form("volume", ("price-by-volume",), PRICE)
REMOVAL = _form("removal", ("removal-by-kg",), KG)
MIXED_KG = {name: str(Decimal(price) * Decimal("0.3")) for name, price in KG.items()}
FORMS = (
    VOLUME,
    _form("guarantee", ("guaranteed-volume",), {"price": "1.1", "over_price": "0.7"}),
    _form("two_part", ("two-part",), {"price": "0.55"}),
    _form("bands", ("price-by-volume", "strength-adder"), PRICE),
    _form("limits", ("price-by-volume", "limit-deductions"), PRICE, **NO_DEGREE),
    REMOVAL,
    _form("mixed", ("full-contract",), {"price": "0.8", "over_price": "0.5", **MIXED_KG}),
)


@cache
def part(name: str) -> tariffs.TariffVersion:
    """One sample part, checked."""
    return tariffs.load(PARTS + name, on=f"{YEAR}-01-01", rules=RULES)


# --- facts --------------------------------------------------------------------------------------------------------


def standing(version: tariffs.TariffVersion, terms: Mapping[str, str], month: Month) -> dict[str, Any]:
    """The facts of a month that stand outside the rows: terms, the score, and the volume where a part asks for it."""
    model = version.model
    names = [item.full_name for item in model.inputs if not (item.collect and item.collect.of)] + list(model.choices)
    own: dict[str, Any] = {"score": month.score, "volume": total(number(row, "flow") for row in month.rows)}
    return {name: own[name] if name in own else terms[name] for name in names}


def number(row: Row, name: str) -> Decimal:
    """A number of a row."""
    value = row[name]
    assert isinstance(value, Decimal), "only the day is no number"
    return value


def row_of(inputs: Sequence[Input], row: Row) -> dict[str, Any]:
    """A day as one part's stage names it; ``inflow_cod`` is COD of the inflow."""
    return {"start": row["start"], **{item.full_name: row["inflow[COD]" if item.name == "inflow_cod" else item.full_name] for item in inputs}}


def given(version: tariffs.TariffVersion, terms: Mapping[str, str], month: Month) -> dict[str, Any]:
    """All facts of a month, as ``explain`` takes them."""
    stage = version.model.stage
    rows = {"stage": [row_of(stage.inputs, row) for row in month.rows]} if stage else {}
    return {**standing(version, terms, month), **rows}


# --- a year -------------------------------------------------------------------------------------------------------


def settle(form: Form, years: Mapping[str, Year]) -> dict[str, list[Decimal]]:
    """What each plant is paid, month by month: the sum of the form's parts."""
    found = {name: [Decimal(0)] * len(months) for name, months in years.items()}
    for one in form.parts:
        amounts = iter(rated(one, form.terms, years)["total"])
        for months in found.values():
            for index, before in enumerate(months):
                months[index] = EXACT.add(before, next(amounts))
    return found


def rated(name: str, terms: Mapping[str, str], years: Mapping[str, Year]) -> Mapping[str, list[Decimal]]:
    """One part for all plants and months, by columns: one column a charge, one row a month of a plant, in the order given."""
    version = part(name)
    pairs = [(plant, month) for plant, months in years.items() for month in months]
    facts = [standing(version, terms, month) for _, month in pairs]
    frame: dict[str, list[Any]] = {key: [row[key] for row in facts] for key in facts[0]}
    frame |= {"account": [plant for plant, _ in pairs], "period_start": [m.period[0] for _, m in pairs], "period_end": [m.period[1] for _, m in pairs]}
    stage = version.model.stage
    if stage is None:
        return dict(rate(version.model, frame))
    days = [(plant, row_of(stage.inputs, row)) for plant, month in pairs for row in month.rows]
    rows = {"account": [plant for plant, _ in days], **{key: [row[key] for _, row in days] for key in days[0][1]}}
    return dict(rate(version.model, frame, stage=rows))


def paid(form: Form, years: Mapping[str, Year]) -> Decimal:
    """What all plants are paid in the year."""
    return total(amount for months in settle(form, years).values() for amount in months)


def priced(form: Form, years: Mapping[str, Year], budget: Decimal) -> Form:
    """The form with its prices scaled together until the year costs ``budget``, rounded to the step of a price.

    What is paid is a straight line in the scale but for the rounding of each line to the fen.
    """
    none = Fraction(paid(_scaled(form, Fraction(0)), years))
    scale = (Fraction(budget) - none) / (Fraction(paid(form, years)) - none)
    assert scale > 0, "the fixed part alone is above the budget"
    return _scaled(form, scale)


def _scaled(form: Form, scale: Fraction) -> Form:
    prices = {name: str(round_fraction(Fraction(Decimal(form.terms[name])) * scale, STEP, Mode.HALF_UP)) for name in form.prices}
    return replace(form, terms={**form.terms, **prices})
