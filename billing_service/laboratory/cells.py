"""Bytes of a CSV or XLSX file -> grids of cells, each with its place; what a cell means is decided elsewhere.

XLSX stores doubles: a number is taken by the shortest decimal text that gives the same double, as Python writes it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from python_calamine import CalamineError, SheetTypeEnum, SheetVisibleEnum, load_workbook

from billing_service.laboratory.inside import Inside, UnreadableError, look_inside
from billing_service.laboratory.words import is_date_word
from billing_service.problems import problem
from tariffs.errors import Problem

MAX_BYTES = 20_000_000
MAX_ROWS = 20_000
MAX_COLUMNS = 400
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_SPACES = re.compile(r"\s+")
_DELIMITERS = ",;\t"
_HEAD_ROWS = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` is in plain width, its spaces single. ``kind``: text, number, day, formula (nobody computed it), error, other.

    A number of an XLSX file is its shortest decimal text; a ``day`` may have a ``clock``, ``08:00``.
    """

    text: str
    kind: str = "text"
    day: date | None = None
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet; rows and columns count from 0. ``merged``: first row, first column, last row, last column."""

    file: str
    sheet: str
    rows: list[list[Cell]]
    merged: tuple[tuple[int, int, int, int], ...] = ()
    since_1904: bool = False
    commas_are_unclear: bool = False


EMPTY = Cell("")


def letter(column: int) -> str:
    """0 -> A, 26 -> AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def plain(text: str) -> str:
    """Full-width characters as plain ones, runs of spaces as one."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def read_grids(content: bytes, file: str) -> tuple[list[Grid], list[Problem], list[Problem]]:
    """The visible sheets; why the file cannot be used; warnings (hidden sheets)."""
    if len(content) > MAX_BYTES:
        return [], [problem("lab-too-large", file, bytes=len(content), limit=MAX_BYTES)], []
    if not content.strip():
        return [], [problem("lab-empty-file", file)], []
    if content.startswith(_OLE):
        locked = "EncryptedPackage".encode("utf-16-le") in content
        return [], [problem("lab-password", file) if locked else problem("lab-old-workbook", file)], []
    if content.startswith(b"PK"):
        return _workbook(content, file)
    found = _text_file(content, file)
    return ([], [found], []) if isinstance(found, Problem) else ([found], [], [])


# --- text files ---------------------------------------------------------------------------------------------------


def _text_file(content: bytes, file: str) -> Grid | Problem:
    text = _decoded(content)
    if text is None:
        return problem("lab-encoding", file)
    try:
        read = {sign: list(csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)) for sign in _DELIMITERS if sign in text} or {
            ",": list(csv.reader(io.StringIO(text, newline=""), strict=True))
        }
    except csv.Error as error:
        return problem("lab-broken-csv", file, reason=error)
    sign = max(read, key=lambda one: _looks_right(read[one]))
    rows = read[sign]
    if len(rows) > MAX_ROWS or any(len(row) > MAX_COLUMNS for row in rows):
        return problem("lab-too-many-cells", file, rows=MAX_ROWS, columns=MAX_COLUMNS)
    return Grid(file, "", [[Cell(plain(cell)) for cell in row] for row in rows], commas_are_unclear=sign != ",")


def _decoded(content: bytes) -> str | None:
    encodings = ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\x00" in text else text
    return None


def _looks_right(rows: list[list[str]]) -> tuple[bool, int]:
    """Whether a heading shows when cut like this, and into how many cells."""
    head = rows[:_HEAD_ROWS]
    return any(is_date_word(plain(cell)) for row in head for cell in row), max((len(row) for row in head), default=0)


# --- workbooks ----------------------------------------------------------------------------------------------------


def _workbook(content: bytes, file: str) -> tuple[list[Grid], list[Problem], list[Problem]]:
    try:
        inside = look_inside(content, MAX_ROWS, MAX_COLUMNS)
        book = load_workbook(io.BytesIO(content))
        with book:
            return _sheets(book, inside, file)
    except UnreadableError as error:
        return [], [problem("lab-too-many-cells", file, rows=MAX_ROWS, columns=MAX_COLUMNS) if error.large else problem("lab-broken-workbook", file)], []
    except CalamineError:
        return [], [problem("lab-broken-workbook", file)], []


def _sheets(book: Any, inside: Inside, file: str) -> tuple[list[Grid], list[Problem], list[Problem]]:
    grids: list[Grid] = []
    warnings: list[Problem] = []
    for number, about in enumerate(book.sheets_metadata):
        if about.typ != SheetTypeEnum.WorkSheet:
            continue
        if about.visible != SheetVisibleEnum.Visible:
            warnings.append(replace(problem("lab-hidden-sheet", file, sheet=about.name), severity="warning"))
            continue
        if about.name in inside.hiding:
            warnings.append(replace(problem("lab-hidden-part", file, sheet=about.name), severity="warning"))
        sheet = book.get_sheet_by_index(number)
        marks = inside.marks.get(about.name, {})
        rows = [[_cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)] if sheet.start else []
        merged = tuple((r1, c1, r2, c2) for (r1, c1), (r2, c2) in sheet.merged_cell_ranges or ())
        grids.append(Grid(file, about.name, _marked(rows, marks), merged, since_1904=inside.since_1904))
    return grids, [], warnings


def _marked(rows: list[list[Cell]], marks: Any) -> list[list[Cell]]:
    """Cells that read as empty but are not: formulas nobody computed, and errors."""
    for (row, column), kind in marks.items():
        while len(rows) <= row:
            rows.append([])
        rows[row].extend([EMPTY] * (column + 1 - len(rows[row])))
        rows[row][column] = Cell("", kind)
    return rows


def _cell(value: object) -> Cell:
    match value:
        case bool():
            return Cell(str(value).upper(), "other")
        case str():
            return Cell(plain(value))
        case int():
            return Cell(str(value), "number")
        case float():
            return Cell(_shortest(value), "number")
        case datetime():
            clock = f"{value:%H:%M}"
            return Cell(f"{value:%Y-%m-%d %H:%M}", "day", value.date(), "" if clock == "00:00" else clock)
        case date():
            return Cell(value.isoformat(), "day", value)
        case time():
            return Cell(f"{value:%H:%M}")
        case _:
            return Cell(str(value), "other")


def _shortest(number: float) -> str:
    """``12.3``, ``46296``; an exponent written out."""
    text = repr(number)
    if "e" not in text:
        return text.removesuffix(".0")
    from decimal import Decimal

    return format(Decimal(text), "f") if "n" not in text else text


def covered(grid: Grid) -> dict[tuple[int, int], tuple[int, int]]:
    """Cell inside a merged range -> the range's first cell, which holds what the range says."""
    return {(row, column): (r1, c1) for r1, c1, r2, c2 in grid.merged for row, column in _range(r1, c1, r2, c2)}


def _range(r1: int, c1: int, r2: int, c2: int) -> Iterator[tuple[int, int]]:
    for row in range(r1, min(r2, MAX_ROWS) + 1):
        for column in range(c1, min(c2, MAX_COLUMNS) + 1):
            yield row, column


def at(rows: Sequence[Sequence[Cell]], row: int, column: int) -> Cell:
    """The cell, empty beyond the edge."""
    return rows[row][column] if 0 <= row < len(rows) and 0 <= column < len(rows[row]) else EMPTY
