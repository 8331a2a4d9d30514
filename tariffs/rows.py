"""The rows of a stage, one account at a time: reading them, and what may stand in where a number is missing.

Every day or month of the period has its row. A row that is missing is never passed over; a number that is missing is
filled only where the version says how, and no more often than it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tariffs.errors import Problem
from tariffs.figures import figure, flat, listed, number_problems, shown, unknown_among
from tariffs.model import FILLS, Input, Row, Stage
from tariffs.money import round_fraction, total
from tariffs.needs import Needs

Period = tuple[date, date]
Values = list[Decimal | None]
#: What a row has beside its inputs.
OWN = ("start", "end", "point", "filled")


@dataclass(slots=True)
class _Draft:
    """A row as far as it could be read; ``broken`` names inputs whose number cannot be used."""

    start: date
    end: date
    point: str
    numbers: dict[str, Decimal] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


def spans(grain: str, period: Period) -> list[Period]:
    """The rows a period has: its days, or its calendar months (cut to the period); none for records."""
    start, end = period
    found = []
    while grain != "record" and start < end:
        after = start + timedelta(days=1) if grain == "day" else date(start.year + start.month // 12, start.month % 12 + 1, 1)
        found.append((start, min(after, end)))
        start = after
    return found


def read_rows(stage: Stage, given: object, needs: Needs, period: Period | None, problems: list[Problem]) -> tuple[Row, ...]:
    """The stage's rows in order; what is wrong with them is added to ``problems``."""
    if given is None or given == []:
        if needs.derived and stage.grain != "record" and period is not None:
            problems.append(Problem("rows-missing", {"grain": stage.grain, "first": str(period[0]), "last": str(period[1] - timedelta(days=1))}))
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        problems.append(Problem("rows-form", {"value": shown(given)}))
        return ()
    drafts = [draft for index, row in enumerate(given) if (draft := _read_row(stage, index, row, problems)) is not None]
    drafts.sort(key=lambda row: (row.start, row.end, row.point))
    if len(drafts) == len(given):
        problems += _span_problems(stage.grain, drafts, period)
    for item in stage.inputs:
        if item.full_name in needs.rows:
            _fill_rows(item, drafts, problems)
    return tuple(Row(row.start, row.end, row.numbers, row.filled, row.point) for row in drafts)


def _read_row(stage: Stage, index: int, given: object, problems: list[Problem]) -> _Draft | None:
    if not isinstance(given, Mapping):
        problems.append(Problem("row-form", {"row": str(index), "value": shown(given)}))
        return None
    start = _day(given.get("start"))
    end = _day(given["end"]) if given.get("end") is not None else _one_day(stage, start)
    for name, day in (("start", start), ("end", end)):
        if day is None:
            problems.append(Problem("row-date", {"row": str(index), "name": name, "value": shown(given.get(name))}))
    if start is None or end is None:
        return None
    row = _Draft(start, end, str(given.get("point") or ""))
    known = {item.full_name: item for item in stage.inputs}
    for name, value in flat({key: value for key, value in given.items() if key not in OWN}):
        if name not in known:
            problems.append(_placed(unknown_among(name, list(known), (item.name for item in stage.inputs)), start))
        elif value is not None:
            _read_number(known[name], value, row, problems)
    _read_filled(known, given.get("filled"), row, problems)
    return row


def _read_number(item: Input, value: object, row: _Draft, problems: list[Problem]) -> None:
    wrong: list[Problem] = []
    number = figure(item.full_name, value, wrong)
    if number is None:
        row.broken.add(item.full_name)
    else:
        wrong += number_problems(item, number)
        row.numbers[item.full_name] = number
    problems += [_placed(problem, row.start) for problem in wrong]


def _placed(problem: Problem, start: date) -> Problem:
    """Named by where it stands in the facts: ``stage[2026-10-03].flow``."""
    return Problem(problem.code, {**problem.values, "name": placed(problem.values["name"], start)})


def placed(name: str, start: date) -> str:
    """How a number of a row is called in messages."""
    return f"stage[{start}].{name}"


def _read_filled(known: Mapping[str, Input], given: object, row: _Draft, problems: list[Problem]) -> None:
    for name, how in given.items() if isinstance(given, Mapping) else () if given is None else [("", given)]:
        if name in known and how in FILLS:
            row.filled[name] = how
        else:
            problems.append(Problem("filled-unknown", {"name": placed("filled", row.start), "value": shown(how), "known": listed(FILLS)}))


def _day(value: object) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == 10 else None
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _one_day(stage: Stage, start: date | None) -> date | None:
    return start + timedelta(days=1) if start is not None and stage.grain == "day" and start < date.max else None


# --- days ---------------------------------------------------------------------------------------------------------


def _span_problems(grain: str, rows: Sequence[_Draft], period: Period | None) -> Iterator[Problem]:
    """Rows outside the period, of the wrong length, given twice; days or months without one."""
    if period is None or period[0] >= period[1]:
        return
    wanted = dict.fromkeys(spans(grain, period))
    seen: set[tuple[date, date, str]] = set()
    for row in rows:
        if not (period[0] <= row.end - timedelta(days=1) < period[1]) or (grain != "record" and row.start < period[0]):
            yield Problem("row-outside", {"day": str(row.start), "first": str(period[0]), "last": str(period[1] - timedelta(days=1))})
        elif row.end <= row.start or (grain != "record" and (row.start, row.end) not in wanted):
            yield Problem("row-span", {"day": str(row.start), "end": str(row.end), "grain": grain})
        elif (row.start, row.end, row.point if grain == "record" else "") in seen:
            yield Problem("row-twice", {"day": str(row.start)})
        seen.add((row.start, row.end, row.point if grain == "record" else ""))
    gaps = [start for start, end in wanted if (start, end, "") not in seen]
    if gaps:
        yield Problem("row-gap", {"day": str(gaps[0]), "count": str(len(gaps)), "grain": grain})


# --- what may stand in --------------------------------------------------------------------------------------------


def _fill_rows(item: Input, rows: Sequence[_Draft], problems: list[Problem]) -> None:
    """Fills one input's gaps in place, as far as its rule allows; each gap left open is a problem."""
    name = item.full_name
    gaps = [name not in row.numbers and name not in row.broken for row in rows]
    values, problem = fill(item, [row.numbers.get(name) for row in rows], gaps)
    if problem is not None:
        problems.append(problem)
        return
    for row, value, gap in zip(rows, values, gaps, strict=True):
        if gap and value is not None:
            assert item.collect is not None
            row.numbers[name], row.filled[name] = value, item.collect.evidence.fill
        elif gap:
            problems.append(Problem("row-lacks", {"name": placed(name, row.start)}))


def fill(item: Input, values: Values, gaps: Sequence[bool], before: Decimal | None = None) -> tuple[Values, Problem | None]:
    """``values`` in the order of time with the ``gaps`` filled by the input's evidence; too many gaps fill none, and are a problem.

    ``before`` is the last number before the first row. What cannot be filled stays None.
    """
    assert item.collect is not None, "only measured inputs have gaps"
    rule, count = item.collect.evidence, sum(gaps)
    if not count or rule.fill == "refuse":
        return values, None
    if count > rule.at_most:
        return values, Problem("too-many-gaps", {"name": item.full_name, "count": str(count), "at_most": str(rule.at_most)})
    stand_in = rule.value if rule.fill == "value" else None
    if rule.fill == "period_mean":
        present = [value for value in values if value is not None]
        mean = Fraction(total(present)) / len(present) if present else None
        stand_in = None if mean is None else round_fraction(mean, item.type.grid, item.collect.mode)
    found: Values = []
    last = before
    for value, gap in zip(values, gaps, strict=True):
        last = last if value is None else value
        found.append((last if rule.fill == "previous" else stand_in) if gap else value)
    return found, None
