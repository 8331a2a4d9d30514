"""Whose doing: the difference between two years under one form, by cause, to the fen; and what becomes of missing days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from examples.contracts.days import YEAR, Month, Year
from examples.contracts.forms import PARTS, RULES, Form, given, part
from tariffs import api
from tariffs import model as m
from tariffs.decompose import CAUSES, Names, Settlement, decompose
from tariffs.errors import FactsError, Problem
from tariffs.explain import explain
from tariffs.money import EXACT, total
from tariffs.units import parse_unit


def by_cause(form: Form, before: Year, after: Year) -> dict[str, Decimal]:
    """The difference of two years by cause: of every part and month, added up."""
    found = dict.fromkeys(CAUSES, Decimal(0))
    for name in form.parts:
        version = part(name)
        names = Names(inflow="inflow_cod") if name == "strength-adder" else Names()
        for first, second in zip(before, after, strict=True):
            one, other = (Settlement(version.model, given(version, form.terms, month), month.period) for month in (first, second))
            for cause in decompose(one, other, names, remembering()).causes:
                found[cause.name] = EXACT.add(found[cause.name], cause.amount)
    return found


def remembering() -> Any:
    """A way to rate that does not compute again what did not change since the last state."""
    last: list[Any] = [None, Decimal(0)]

    def rate(version: m.Version, facts: Mapping[str, Any], period: tuple[date, date] | None) -> Decimal:
        if last[0] != (id(version), facts, period):
            last[:] = [(id(version), facts, period), explain(version, facts, period).total]
        found: Decimal = last[1]
        return found

    return rate


# --- missing days -------------------------------------------------------------------------------------------------

SILENCES = {
    "laboratory-3": (("inflow", "outflow"), 3),
    "laboratory-14": (("inflow", "outflow"), 14),
    "meter-14": (("flow",), 14),
}
SILENT_FROM = date(YEAR, 5, 8)


@dataclass(frozen=True, slots=True)
class Settled:
    """A month with readings missing: what is paid, or why nothing can be; ``filled`` readings stand in for missing ones."""

    whole: Decimal
    amount: Decimal | None
    filled: int
    problems: tuple[Problem, ...] = ()


def with_gap(form: Form, months: Year, silence: str) -> Settled:
    """May settled from records of which some are missing: by the part's own rules of evidence."""
    measures, days = SILENCES[silence]
    month = months[SILENT_FROM.month - 1]
    gone = {SILENT_FROM + timedelta(days=day) for day in range(days)}
    all_records = list(records(month))
    kept = [record for record in all_records if not (record.start in gone and record.measure.startswith(measures))]
    amounts: list[Decimal] = []
    problems: list[Problem] = []
    filled = 0
    for name in form.parts:
        try:
            rating = _settled(name, form, month, kept)
        except FactsError as error:
            problems += error.problems
            continue
        amounts.append(rating.total)
        filled += sum(len(row.row.filled) for piece in rating.parts for row in piece.rows)
    whole = total(_settled(name, form, month, all_records).total for name in form.parts)
    return Settled(whole, None if problems else total(amounts), filled, tuple(problems))


def _settled(name: str, form: Form, month: Month, kept: list[m.UsageRecord]) -> Any:
    model = part(name).model
    names = {*model.choices, *(item.full_name for item in model.inputs if not item.collect)}
    measured = [_renamed(record) for record in kept] if name == "strength-adder" else kept
    terms = {key: value for key, value in form.terms.items() if key in names}
    return api.rate_period(PARTS + name, period=month.period, standing=terms, records=measured, rules=RULES)


def _renamed(record: m.UsageRecord) -> m.UsageRecord:
    """The part of the bands calls the reading ``inflow_cod``."""
    measure = "inflow_cod" if record.measure == "inflow[COD]" else record.measure
    return m.UsageRecord(record.id, record.account, measure, record.start, record.end, record.value, record.unit)


def records(month: Month) -> Iterator[m.UsageRecord]:
    """A month as meters and laboratory would send it."""
    yield m.UsageRecord(f"score-{month.period[0]}", "P000", "score", *month.period, month.score, parse_unit("1"))
    for row in month.rows:
        day = row["start"]
        for name, value in row.items():
            if isinstance(day, date) and isinstance(value, Decimal):
                unit = {"flow": "m3", "temperature": "degC"}.get(name, "mg/L")
                yield m.UsageRecord(f"{name}-{day}", "P000", name, day, day + timedelta(days=1), value, parse_unit(unit))
