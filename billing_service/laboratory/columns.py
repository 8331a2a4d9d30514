"""Where a sheet's tables are, and what each of their columns holds. A heading may take several rows; its cells may be merged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from billing_service.laboratory.cells import Cell, Grid, at, covered
from billing_service.laboratory.mapping import Meaning, Words, is_unit
from billing_service.laboratory.words import (
    IGNORE,
    LIMIT,
    LIMIT_ROW,
    NO_VALUE,
    NOT_FOUND,
    PLAIN,
    POLLUTANTS,
    ROLES,
    SIDES,
    UNIT_ROW,
    UNITS,
    Scale,
    is_date_word,
    is_unread,
    key,
    measure_of,
    needed_unit,
    role_of,
    side_of,
    side_within,
    unit_key,
)
from tariffs.money import EXACT, read_number, terminating
from tariffs.units import ROWS, factor, parse_unit

_BRACKETS = re.compile(r"[(\[【]([^()\[\]【】]*)[)\]】]")
_BY_ELEMENT = re.compile(r"(?:以)?(?:as )?(?:N|P|O2)计?", re.IGNORECASE)
_TAILS = (re.compile(r"^(.*?)[\s,:]+(\S+)$"), re.compile(r"^([^/]*)/(\S+)$"))
_VALUE_LIKE = re.compile(r"[<≤]?\s?-?[0-9][0-9., ]*L?")
MAX_HEAD_ROWS = 4
_UNKNOWN = Scale("")
_LIBRARY_UNITS = frozenset(name for names in ROWS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Column:
    """``role``: date, sample, point, plant, quality, value, ignored or unknown. A value has ``measure``, or a ``pollutant`` whose side each row says.

    ``limit`` is in the unit of records; ``wrong`` is the code of what keeps the column from being read.
    """

    index: int
    role: str
    heading: str
    measure: str = ""
    pollutant: str = ""
    account: str = ""
    scale: Scale = _UNKNOWN
    unit: str = ""
    limit: Decimal | None = None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows ``top`` .. ``first - 1`` are the heading, ``first`` .. ``last - 1`` the data. ``title`` is what stands above and the sheet's name."""

    top: int
    head: int
    first: int
    last: int
    title: str
    account: str
    columns: tuple[Column, ...]

    def of(self, role: str) -> Column | None:
        """The column of a role, if there is one."""
        return next((column for column in self.columns if column.role == role), None)


@dataclass(frozen=True, slots=True)
class _Part:
    """One cell of a heading; ``direct`` unless it was only carried over from the left."""

    text: str
    direct: bool


def find_tables(grid: Grid, words: Words) -> list[Table]:
    """Every table of the sheet; a heading is the row that names the column of days."""
    heads = [row for row, cells in enumerate(grid.rows) if any(_is_date(cell.text, words) for cell in cells)]
    heads = _one_a_table(grid, heads, words)
    tops = [_top(grid, head, words) for head in heads]
    tables: list[Table] = []
    for number, (top, head) in enumerate(zip(tops, heads, strict=True)):
        last = tops[number + 1] if number + 1 < len(heads) else len(grid.rows)
        first = _first(grid, head, last, words)
        before = max(tables[-1].first if tables else 0, top - 4)
        title = " ".join(filter(None, [*_titles(grid, before, top), grid.sheet]))
        account = next((account for name, account in words.plants.items() if name in title), "")
        tables.append(Table(top, head, first, last, title, account, _columns(grid, (top, head, first), side_within(title), words)))
    return tables


def _is_date(text: str, words: Words) -> bool:
    meaning = words.columns.get(key(text))
    return bool(text) and (meaning.means == "date" if meaning and meaning.means else is_date_word(text))


def _one_a_table(grid: Grid, heads: list[int], words: Words) -> list[int]:
    """A day's word merged over two rows, or written in both, heads one table."""
    return [row for row in heads if row - 1 not in heads or not _is_head_row(grid, row, words)]


def _top(grid: Grid, head: int, words: Words) -> int:
    """Rows above that hold sides, plants or names of measures belong to the heading."""
    top = head
    while top > 0 and head - top < MAX_HEAD_ROWS and any(_says_group(cell.text, words) for cell in grid.rows[top - 1]):
        top -= 1
    return top


def _says_group(text: str, words: Words) -> bool:
    return bool(text) and (bool(_side(text)) or text in words.plants or (key(text) in words.columns) or bool(measure_of(_bare(text)[0])[0]))


def _first(grid: Grid, head: int, last: int, words: Words) -> int:
    row = head + 1
    while row < last and row - head < MAX_HEAD_ROWS and _is_head_row(grid, row, words):
        row += 1
    return row


def _is_head_row(grid: Grid, row: int, words: Words) -> bool:
    """Names, units or limits, and no day and no number but in a row of limits."""
    texts = [cell.text for cell in grid.rows[row] if cell.text or cell.kind != "text"]
    if any(key(text) in LIMIT_ROW or key(text) in UNIT_ROW for text in texts):
        return True
    if any(cell.kind != "text" or _is_value(cell.text) for cell in grid.rows[row]):
        return False
    return any(key(text) in UNIT_ROW or unit_key(text.strip("()[] ")) in UNITS or _says_group(text, words) for text in texts)


def _is_value(text: str) -> bool:
    return bool(_VALUE_LIKE.fullmatch(text)) or text.casefold() in NOT_FOUND or (text in NO_VALUE and text != "")


def _titles(grid: Grid, start: int, top: int) -> list[str]:
    return [cell.text for row in grid.rows[start:top] for cell in row if cell.text and cell.kind == "text" and not _is_value(cell.text)]


# --- a column -----------------------------------------------------------------------------------------------------


def _columns(grid: Grid, rows: tuple[int, int, int], side: str, words: Words) -> tuple[Column, ...]:
    top, head, first = rows
    width = max((len(row) for row in grid.rows[top:]), default=0)
    inside = covered(grid)
    limits = [row for row in range(head, first) if any(key(cell.text) in LIMIT_ROW for cell in grid.rows[row])]
    parts = _parts(grid, [row for row in range(top, first) if row not in limits], width, inside, words)
    found = [_column(index, parts[index], side, words) for index in range(width)]
    for row in limits:
        found = [_with_limit(column, at(grid.rows, row, column.index)) for column in found]
    return tuple(_twice(found))


def _twice(found: list[Column]) -> list[Column]:
    """Two columns of days, or of one measure, cannot both be read."""
    seen: dict[tuple[str, str, str], int] = {}
    out: list[Column] = []
    for column in found:
        what = (column.measure or column.pollutant, column.account, column.role)
        if column.role in {"ignored", "unknown", ""} or (column.role == "value" and column.wrong):
            out.append(column)
        elif what in seen:
            out.append(replace(column, wrong="lab-column-twice"))
        else:
            seen[what] = column.index
            out.append(column)
    return out


def _parts(grid: Grid, rows: Sequence[int], width: int, inside: dict[tuple[int, int], tuple[int, int]], words: Words) -> list[list[_Part]]:
    """For each column the texts above it; a group's word reaches right over empty cells, merged or not."""
    found: list[list[_Part]] = [[] for _ in range(width)]
    for row in rows:
        carried = ""
        for index in range(width):
            own = at(grid.rows, *inside.get((row, index), (row, index))).text
            if own:
                carried = own if _side(own) or own in words.plants else ""
            text = own or carried
            if text and text not in [part.text for part in found[index]]:
                found[index].append(_Part(text, bool(own)))
    return found


def _column(index: int, parts: list[_Part], side: str, words: Words) -> Column:
    direct = [part for part in parts if part.direct]
    if not direct:
        return Column(index, "", "")
    heading = " ".join(part.text for part in parts)
    account = next((words.plants[part.text] for part in parts if part.text in words.plants), "")
    named = [part for part in direct if part.text not in words.plants]
    bare, units, limit = _read_heading([part.text for part in named])
    meaning = _meaning(words, heading, [part.text for part in direct], bare)
    if not units:
        units = [unit for part in parts if not part.direct for unit in _bare(part.text)[1]]
    own_side = next((_side(part.text) for part in parts if _side(part.text)), side)
    direct_side = next((_side(part.text) for part in direct if _side(part.text)), "")
    means = meaning.means
    if not means:
        names = [text for text in bare if not side_of(text)]
        role = next((role_of(text) for text in names if role_of(text)), "")
        if role:
            return Column(index, role, heading, account=account)
        if not names or any(is_unread(text) for text in names):
            return Column(index, "ignored", heading) if names else Column(index, "unknown", heading, wrong="lab-unknown-column")
        pollutant, said = next((pair for text in (*names, "".join(names)) if (pair := measure_of(text, own_side))[0]), ("", ""))
        if not pollutant or (pollutant in PLAIN and direct_side == "outflow"):
            return Column(index, "unknown", heading, wrong="lab-unknown-column")
        means = pollutant if pollutant in PLAIN else f"{said}[{pollutant}]" if said in SIDES else ""
        if not means:
            return _value(Column(index, "value", heading, pollutant=pollutant, account=account), units, limit, _meaning(words, pollutant, [], []))
    if means == IGNORE:
        return Column(index, "ignored", heading)
    if means in ROLES:
        return Column(index, means, heading, account=account)
    by_measure = words.columns.get(key(means), Meaning(""))
    meaning = Meaning(means, meaning.unit or by_measure.unit, meaning.limit if meaning.limit is not None else by_measure.limit)
    return _value(Column(index, "value", heading, measure=means, account=account), units, limit, meaning)


def _meaning(words: Words, heading: str, parts: Sequence[str], bare: Sequence[str]) -> Meaning:
    """What the mapping file says of a column: of its whole heading, else without its unit, else of one of its rows."""
    for text in (heading, " ".join(bare), *parts, *bare):
        if key(text) in words.columns:
            return words.columns[key(text)]
    return Meaning("")


def _read_heading(texts: Sequence[str]) -> tuple[list[str], list[str], tuple[str, str] | None]:
    """Names without units; the units written; the limit of detection and its unit, if written."""
    names: list[str] = []
    units: list[str] = []
    limit: tuple[str, str] | None = None
    for text in texts:
        if match := LIMIT.search(text):
            limit = match[1], match[2]
            text = (text[: match.start()] + text[match.end() :]).replace("()", "").strip(" ,;")  # noqa: PLW2901  the rest is the name
        name, found = _bare(text)
        units += found
        if key(name) and key(name) not in UNIT_ROW:
            names.append(name)
    return names, units, limit


def _bare(text: str) -> tuple[str, list[str]]:
    """``COD(mg/L)`` -> COD, [mg/L]; ``COD, mg/L`` and ``mg/L`` alone as well."""
    units: list[str] = []
    if unit_key(text) in UNITS and key(text) not in POLLUTANTS["pH"]:
        return "", [text]
    for match in _BRACKETS.finditer(text):
        inner = match[1].removeprefix("单位").strip(":,; ")
        if unit_key(inner) in UNITS or inner in _LIBRARY_UNITS or ("/" in inner and inner != "/"):
            units.append(inner)
            text = text.replace(match[0], " ")
        elif _BY_ELEMENT.fullmatch(inner) or not inner:
            text = text.replace(match[0], " ")
    for pattern in _TAILS:
        tail = pattern.match(text.strip())
        if tail and unit_key(tail[2]) in UNITS and key(tail[2]) != "ph":
            units.append(tail[2])
            text = tail[1]
            break
    return text.strip(), units


def _side(text: str) -> str:
    """The side a cell of a heading says, its unit aside: ``进水水质(mg/L)``."""
    return side_of(_bare(text)[0])


def _value(column: Column, units: Sequence[str], limit: tuple[str, str] | None, meaning: Meaning) -> Column:
    """The column with its unit and limit, or with what is wrong with them."""
    needed = needed_unit(column.measure or column.pollutant)
    written = list(dict.fromkeys(UNITS.get(unit_key(unit), Scale(unit)) for unit in units))
    if len(written) > 1:
        return replace(column, wrong="lab-two-units", unit=", ".join(units))
    unit = units[0] if units else meaning.unit or ("pH" if needed == "pH" else "")
    if not unit:
        return replace(column, wrong="lab-no-unit")
    scale = _scale(unit, needed)
    if scale is None:
        return replace(column, wrong="lab-unit", unit=unit)
    column = replace(column, unit=unit, scale=scale)
    if meaning.limit is not None:
        return replace(column, limit=EXACT.multiply(meaning.limit, scale.times))
    if limit is None:
        return column
    number, own = read_number(limit[0]), UNITS.get(unit_key(limit[1].strip("() "))) if limit[1].strip("() ") else scale
    if not number or own is None or own.unit != scale.unit:
        return replace(column, wrong="lab-limit")
    return replace(column, limit=EXACT.multiply(number, own.times))


def _scale(unit: str, needed: str) -> Scale | None:
    """How the written unit becomes the unit of records; None where it cannot."""
    found = UNITS.get(unit_key(unit))
    if found is None and is_unit(unit):
        if not needed:
            return Scale(unit)
        ratio = factor(parse_unit(unit), parse_unit(needed))
        times = terminating(ratio) if ratio else None
        return Scale(needed, times) if times else None
    return found if found and needed in {"", found.unit} else None


def _with_limit(column: Column, cell: Cell) -> Column:
    if column.role != "value" or column.wrong or not cell.text or cell.text in NO_VALUE or key(cell.text) in LIMIT_ROW:
        return column
    number = read_number(cell.text.lstrip("< "))
    return replace(column, wrong="lab-limit") if not number else replace(column, limit=EXACT.multiply(number, column.scale.times))
