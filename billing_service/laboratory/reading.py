"""A laboratory's file -> usage records of one day each, and everything that is wrong or worth a look, each with sheet, row and column.

Nothing is dropped without a word: what is not read (totals, notes, columns that hold nothing measured) is named in ``left_out``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing_service.laboratory import sheetwide
from billing_service.laboratory.cells import Cell, Grid, at, covered, letter, read_grids
from billing_service.laboratory.columns import Column, Table, find_tables
from billing_service.laboratory.days import Period, names_other_month, read_day
from billing_service.laboratory.mapping import Words
from billing_service.laboratory.values import read_value
from billing_service.laboratory.words import NO_VALUE, NOT_FOUND, QUALITIES, TOTALS, side_of
from billing_service.store.tables import USAGE_PLACES
from billing_service.store.types import scale as stored
from tariffs.errors import Problem, Where
from tariffs.model import UsageRecord
from tariffs.money import show
from tariffs.units import parse_unit

Bounds = Mapping[str, tuple[Decimal, Decimal, str]]
_ONE = timedelta(days=1)
_LOST_ROW = frozenset({"lab-no-date", "lab-not-a-day", "lab-day-unclear", "lab-day-outside", "lab-plant", "lab-quality"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller knows: whose sheet it is, for which days, the laboratory's own words, and bounds by measure (low, high, unit)."""

    plant: str
    period: Period
    point: str = ""
    words: Words = field(default_factory=Words)
    bounds: Bounds = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """A record and the cell it was read from."""

    record: UsageRecord
    sheet: str
    cell: str
    row: int


@dataclass(frozen=True, slots=True)
class Heading:
    """What a column was taken for."""

    cell: str
    heading: str
    role: str
    measure: str
    unit: str


@dataclass(slots=True)
class Reading:
    """What a file gave; with ``problems`` nothing of it may be used."""

    samples: list[Sample] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Sheet:
    """One table of one grid, while it is read."""

    grid: Grid
    table: Table
    asked: Asked
    found: Reading
    inside: Mapping[tuple[int, int], tuple[int, int]]
    seen: dict[tuple[str, str, str, date, str], Sample]
    refused: set[tuple[str, str, str, date]]
    strangers: set[str] = field(default_factory=set)
    latest: date = date.min


def read_sheet(content: bytes, file: str, asked: Asked) -> Reading:
    """Reads every visible sheet; all problems at once."""
    grids, problems, warnings = read_grids(content, file)
    found = Reading(problems=problems, warnings=warnings)
    seen: dict[tuple[str, str, str, date, str], Sample] = {}
    refused: set[tuple[str, str, str, date]] = set()
    without: list[Grid] = []
    tables = 0
    for grid in grids:
        own = find_tables(grid, asked.words)
        tables += len(own)
        if not own and any(cell.text for row in grid.rows for cell in row):
            without.append(grid)
        for table in own:
            _read_table(_Sheet(grid, table, asked, found, covered(grid), seen, refused))
    if tables:
        found.warnings += [note("lab-no-table", grid, 0, 0, severity="warning") for grid in without]
    elif not found.problems:
        found.problems += [note("lab-no-table", grid, 0, 0) for grid in without] or [Problem("lab-nothing", {}, Where(file))]
    placed = [(one.record, one.cell, place(file, one.sheet, one.row)) for one in found.samples]
    if not any(one.code in _LOST_ROW for one in found.problems):
        found.warnings += sheetwide.gaps(placed, refused, asked.period, file)
    found.warnings += [*sheetwide.swaps(placed), *_unbounded(found, asked, file)]
    return found


def _unbounded(found: Reading, asked: Asked, file: str) -> list[Problem]:
    """Measures whose size nothing was held against."""
    names = dict.fromkeys(one.record.measure for one in found.samples if one.record.measure not in asked.bounds)
    return [Problem("lab-no-bounds", {"measures": ", ".join(names)}, Where(file), severity="warning")] if names else []


def place(file: str, sheet: str, row: int, column: int = 0) -> Where:
    """The sheet stands with the file; rows and columns count from 1."""
    return Where(f"{file}[{sheet}]" if sheet else file, row, column)


def note(code: str, grid: Grid, row: int, column: int, /, *, severity: str = "error", **values: object) -> Problem:
    """A problem with its cell; ``cell`` in its sentence is the place as a spreadsheet names it."""
    cell = f"{grid.sheet}!{letter(column)}{row + 1}" if grid.sheet else f"{letter(column)}{row + 1}"
    filled = {name: str(value) for name, value in values.items()} | {"cell": cell, "sheet": grid.sheet or grid.file}
    return Problem(code, filled, place(grid.file, grid.sheet, row + 1, column + 1), severity=severity)


def _read_table(sheet: _Sheet) -> None:
    table, found = sheet.table, sheet.found
    start = len(found.problems)
    _check_columns(sheet)
    for column in table.columns:
        if column.role:
            cell = note("", sheet.grid, table.head, column.index).values["cell"]
            found.headings.append(Heading(cell, column.heading, column.role, column.measure or column.pollutant, column.scale.unit))
    if table.of("date") is None or not _values(table):
        if len(found.problems) == start:
            found.problems.append(note("lab-nothing-measured", sheet.grid, table.head, 0))
        return
    for row in range(table.first, table.last):
        _read_row(sheet, row)


def _check_columns(sheet: _Sheet) -> None:
    table, grid = sheet.table, sheet.grid
    body = range(table.first, table.last)
    for column in table.columns:
        if column.wrong and (column.wrong != "lab-unknown-column" or any(at(grid.rows, row, column.index).text for row in body)):
            sheet.found.problems.append(
                note(column.wrong, grid, table.head, column.index, heading=column.heading, unit=column.unit, measure=column.measure or column.pollutant)
            )
        elif column.role == "value" and not column.measure and not column.wrong and not table.of("point"):
            sheet.found.problems.append(note("lab-no-side", grid, table.head, column.index, heading=column.heading))
        elif column.role == "ignored":
            sheet.found.left_out.append(note("lab-left-column", grid, table.head, column.index, heading=column.heading, severity="warning"))
        elif not column.role:
            filled = next((row for row in body if at(grid.rows, row, column.index).kind == "number" or _is_digit(at(grid.rows, row, column.index))), None)
            words = next((row for row in body if at(grid.rows, row, column.index).text), None)
            if filled is None and words is not None:
                text = at(grid.rows, words, column.index).text
                sheet.found.left_out.append(note("lab-left-words", grid, words, column.index, text=text, severity="warning"))
            if filled is not None:
                sheet.found.problems.append(note("lab-no-heading", grid, filled, column.index))
    known = table.account or sheet.asked.plant or table.of("plant")
    if not known and any(column.role == "value" and not column.account for column in table.columns):
        sheet.found.problems.append(note("lab-whose", grid, table.head, 0))
    if names_other_month(table.title, sheet.asked.period):
        sheet.found.problems.append(note("lab-other-month", grid, max(table.top - 1, 0), 0, title=table.title, period=_span(sheet.asked.period)))


def _is_digit(cell: Cell) -> bool:
    return cell.text[:1].isdigit() and cell.text.replace(".", "", 1).isdigit()


# --- rows ---------------------------------------------------------------------------------------------------------


def _read_row(sheet: _Sheet, row: int) -> None:
    table, grid = sheet.table, sheet.grid
    date_column = table.of("date")
    assert date_column is not None
    values = _values(table)
    texts = [(index, cell) for index, cell in enumerate(grid.rows[row]) if cell.text or cell.kind in {"formula", "error"}]
    if not texts:
        return
    names = [cell.text for index, cell in texts if cell.kind == "text" and index not in {column.index for column in values}]
    there = sheet.inside.get((row, date_column.index), (row, date_column.index))
    day_cell = at(grid.rows, *there)
    day = read_day(day_cell, sheet.asked.period, since_1904=grid.since_1904)
    if day.day is None and any(TOTALS.search(text) and len(text) <= 20 for text in names):
        sheet.found.left_out.append(note("lab-left-total", grid, row, texts[0][0], text=texts[0][1].text, severity="warning"))
        return
    if day.day is not None and day.loose and sheet.latest > day.day:
        day = replace(day, day=None, wrong="lab-day-unclear")
    sheet.latest = max(sheet.latest, day.day or date.min)
    measured = [column for column in values if _holds(at(grid.rows, row, column.index))]
    if day.day is None and day.wrong in {"lab-no-date", "lab-not-a-day"} and not any(_numeric(at(grid.rows, row, column.index)) for column in values):
        sheet.found.left_out.append(note("lab-left-note", grid, row, texts[0][0], text=texts[0][1].text, severity="warning"))
        return
    if day.day is None:
        sheet.found.problems.append(note(day.wrong, grid, row, date_column.index, value=day_cell.text, period=_span(sheet.asked.period)))
    who = _who(sheet, row)
    if who is None:
        return
    account, point, side, quality = who
    sample_column = table.of("sample")
    sample = (_text(sheet, row, sample_column.index) if sample_column else "") or day.clock
    repeated: list[tuple[Column, Sample]] = []
    for column in measured:
        made = _read_cell(sheet, row, column, (account, point, side, quality, day.day or sheet.asked.period[0], sample))
        if made is None or day.day is None:  # a row without its day is still looked through
            continue
        key = (made.record.account, point, made.record.measure, day.day, sample)
        if key in sheet.seen:
            repeated.append((column, sheet.seen[key]))
            continue
        sheet.seen[key] = made
        sheet.found.samples.append(made)
    if repeated:
        first = repeated[0][1]
        sheet.found.problems.append(note("lab-day-twice", grid, row, date_column.index, day=day.day, first=first.cell, count=len(repeated)))


def _values(table: Table) -> list[Column]:
    """The columns that can be read: with a measure, or with rows that say the side."""
    return [column for column in table.columns if column.role == "value" and not column.wrong and (column.measure or table.of("point"))]


def _holds(cell: Cell) -> bool:
    return cell.kind != "text" or cell.text not in NO_VALUE


def _numeric(cell: Cell) -> bool:
    """Whether a row without a day may hold a measurement: anything but words and blanks."""
    return cell.kind != "text" or cell.text.casefold() in NOT_FOUND or cell.text[:1].isdigit() or (cell.text[:1] in "<-" and cell.text[1:2].isdigit())


def _text(sheet: _Sheet, row: int, column: int) -> str:
    return at(sheet.grid.rows, *sheet.inside.get((row, column), (row, column))).text


def _who(sheet: _Sheet, row: int) -> tuple[str, str, str, str] | None:
    """Account, point, side and quality of a row; None where the row belongs to another plant, or cannot be told."""
    table, asked = sheet.table, sheet.asked
    account, point, side, quality = table.account or asked.plant, asked.point, "", "actual"
    if column := table.of("plant"):
        name = _text(sheet, row, column.index)
        account = asked.words.plants.get(name, name)
        if not name or (asked.plant and account != asked.plant and name not in asked.words.plants):
            if name not in sheet.strangers:
                sheet.strangers.add(name)
                sheet.found.problems.append(note("lab-plant", sheet.grid, row, column.index, name=name, plant=asked.plant))
            return None
    if column := table.of("point"):
        name = _text(sheet, row, column.index)
        side = side_of(name)
        point = point if side else name or point
    if column := table.of("quality"):
        name = _text(sheet, row, column.index)
        if name not in QUALITIES:
            sheet.found.problems.append(note("lab-quality", sheet.grid, row, column.index, value=name, choices=", ".join(filter(None, QUALITIES))))
            return None
        quality = QUALITIES[name]
    return account, point, side, quality


def _read_cell(sheet: _Sheet, row: int, column: Column, known: tuple[str, str, str, str, date, str]) -> Sample | None:
    grid = sheet.grid
    account, point, side, quality, day, sample = known
    cell = at(grid.rows, row, column.index)
    read = read_value(cell, column.scale, column.limit, commas_are_unclear=grid.commas_are_unclear)
    measure = column.measure or (f"{side}[{column.pollutant}]" if side else "")
    wrong = read.wrong or _wrong(sheet, row, column, read.value, measure)
    account = column.account or account
    if wrong:
        sheet.refused.add((account, point, measure, day))
        low, high, unit = sheet.asked.bounds.get(measure, (Decimal(0), Decimal(0), ""))
        values: dict[str, Any] = {
            "value": cell.text,
            "heading": column.heading,
            "unit": column.unit,
            "low": show(low),
            "high": show(high),
            "bound": unit,
            "places": USAGE_PLACES,
        }
        sheet.found.problems.append(note(wrong, grid, row, column.index, **values))
        return None
    if read.value is None:
        return None
    identity = "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (account, point, measure, day.isoformat(), sample or "1"))
    record = UsageRecord(
        id=f"lab/{identity}",
        account=account,
        measure=measure,
        start=day,
        end=day + _ONE,
        value=read.value,
        unit=parse_unit(column.scale.unit),
        point=point,
        quality=quality,
        below=read.below,
    )
    return Sample(record, grid.sheet, str(note("", grid, row, column.index).values["cell"]), row + 1)


def _wrong(sheet: _Sheet, row: int, column: Column, value: Decimal | None, measure: str) -> str:
    """What is wrong with a number that could be read."""
    if value is None:
        return ""
    merged = next((one for one in sheet.grid.merged if one[0] <= row <= one[2] and one[1] <= column.index <= one[3]), None)
    if merged and ((row, column.index) != merged[:2] or not _within_a_day(sheet, merged)):
        return "lab-merged-value"
    if not measure:
        return "lab-no-side"
    if stored(value, USAGE_PLACES) is None:
        return "lab-too-fine"
    if measure in sheet.asked.bounds:
        low, high, unit = sheet.asked.bounds[measure]
        if unit == column.scale.unit and not low <= value <= high:
            return "lab-outside-bounds"
    return ""


def _within_a_day(sheet: _Sheet, merged: tuple[int, int, int, int]) -> bool:
    """Whether a merged number stands in one column and within the rows of one day."""
    top, left, bottom, right = merged
    dates = sheet.table.of("date")
    assert dates is not None
    first = sheet.inside.get((top, dates.index), (top, dates.index))
    return left == right and all(sheet.inside.get((row, dates.index), (row, dates.index)) == first for row in range(top, bottom + 1))


def _span(period: Period) -> str:
    return f"{period[0]} … {period[1] - _ONE}"
