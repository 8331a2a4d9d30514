"""The stage of a rating for readers: what was collected from its rows, what was filled, and the table of the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import RatedRow, Rating, Row, Step
from tariffs.money import show
from tariffs.units import Unit
from tariffs.words import Reader, called, quantity

Cells = tuple[str, ...]


def collected(who: Reader, rating: Rating) -> list[tuple[str, str, str]]:
    """Name, value and how it came about, for each fact collected from the rows."""
    inputs = {item.full_name: item for item in rating.version.inputs}
    rows = []
    for name, step in rating.derived.items():
        assert isinstance(step.value, Decimal), "a fact is a number"
        how, words = how_collected(who, step), label(inputs[name].label, who.locale)
        rows.append((name, quantity(who, step.value, step.unit), say("report.collected-as", who.locale, label=words, how=how) if words else how))
    return rows


def how_collected(who: Reader, step: Step) -> str:
    """``the sum of volume paid, from 31 rows``."""
    detail = step.detail
    if "empty" in detail:
        return say("report.collected-empty", who.locale, of=called(who, detail["of"]))
    said = {"of": called(who, detail["of"]), "weight": called(who, detail.get("weight", "")), "count": detail.get("count", "")}
    how = say(f"report.collect.{detail['how']}", who.locale, **said)
    return say("report.collected-from", who.locale, how=how, having=detail["having"], rows=detail["rows"])


def title(rating: Rating, locale: str) -> str:
    """How many rows there are, and of which days."""
    assert rating.version.stage is not None, "only a stage has rows"
    if not rating.rows:
        return say("report.rows.none", locale)
    first, last = rating.rows[0].row.start, max(rated.row.end for rated in rating.rows) - timedelta(days=1)
    return say(f"report.rows.{rating.version.stage.grain}", locale, count=len(rating.rows), first=first, last=last)


def filled(who: Reader, rating: Rating) -> Iterator[str]:
    """A line for each way a fact was filled, with the days."""
    for name, how in rating.filled.items():
        yield say("report.filled-fact", who.locale, name=called(who, name), how=say(f"report.fill.{how}", who.locale))
    days: dict[tuple[str, str], list[str]] = {}
    for rated in rating.rows:
        for name, how in rated.row.filled.items():
            days.setdefault((name, how), []).append(day(rated.row))
    for (name, how), found in sorted(days.items()):
        said = {"name": called(who, name), "how": say(f"report.fill.{how}", who.locale)}
        yield say("report.filled", who.locale, **said, count=len(found), days=say("step.separator", who.locale).join(found))


def table(who: Reader, rating: Rating) -> tuple[Cells, list[Cells]]:
    """The rows as a table: days, inputs, charges; a filled number is marked, a charge that does not apply is left empty."""
    stage = rating.version.stage
    assert stage is not None, "only a stage has rows"
    used = {name for rated in rating.rows for name in rated.row.numbers}
    inputs = [item for item in stage.inputs if item.full_name in used]
    charges = [charge for charge in stage.charges if any(line.charge is charge for rated in rating.rows for line in rated.lines)]
    heads = [_head(who, item.full_name, item.type.unit) for item in inputs] + [_head(who, c.full_name, c.formula.type.unit) for c in charges]
    found = []
    for rated in rating.rows:
        amounts = {line.charge.full_name: line.amount for line in rated.lines}
        cells = [_cell(rated, item.full_name) for item in inputs] + [_shown(amounts.get(charge.full_name)) for charge in charges]
        found.append((day(rated.row), *cells))
    return (say("report.day", who.locale), *heads), found


def rows_json(rating: Rating) -> list[dict[str, Any]]:
    """The rows in the form in which they are given to ``explain``."""
    return [_row_json(rated.row) for rated in rating.rows]


def _row_json(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"start": row.start.isoformat(), "end": row.end.isoformat()}
    found |= {"point": row.point} if row.point else {}
    found |= {name: show(value) for name, value in row.numbers.items()}
    return found | ({"filled": dict(row.filled)} if row.filled else {})


def _head(who: Reader, name: str, unit: Unit) -> str:
    return f"{called(who, name)} ({unit})" if unit.powers else called(who, name)


def _cell(rated: RatedRow, name: str) -> str:
    value = _shown(rated.row.numbers.get(name))
    return f"{value} *" if name in rated.row.filled else value


def _shown(value: Decimal | None) -> str:
    return "" if value is None else show(value)


def day(row: Row) -> str:
    """One day, or first and last, and the point where there is one."""
    last = row.end - timedelta(days=1)
    span = f"{row.start}" if last <= row.start else f"{row.start} … {last}"
    return f"{span} {row.point}" if row.point else span
