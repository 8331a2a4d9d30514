"""A look into an XLSX file's own XML, for what calamine does not tell: how dates are counted, how far a sheet reaches before it is
loaded, and the cells it reads as empty though they hold a formula nobody computed or an error.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_UNPACKED = 200_000_000
MAX_CELLS = 400_000
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)


class UnreadableError(Exception):
    """The file is no workbook, or (``large``) unpacks to more than is read."""

    def __init__(self, *, large: bool = False) -> None:
        super().__init__("large" if large else "broken")
        self.large = large


@dataclass(frozen=True, slots=True)
class Inside:
    """``marks``: sheet -> (row, column) from 0 -> ``formula`` or ``error``. ``hiding``: sheets with hidden rows or columns."""

    since_1904: bool
    marks: Mapping[str, Mapping[tuple[int, int], str]]
    hiding: frozenset[str]


@dataclass(slots=True)
class _Walk:
    """Where the parser stands in a sheet."""

    rows: int
    columns: int
    cells: int = 0
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    row: int = -1
    column: int = -1
    kind: str = ""
    formula: bool = False
    value: bool = False
    in_value: bool = False
    hiding: bool = False


def look_inside(content: bytes, rows: int, columns: int) -> Inside:
    """UnreadableError where it is no workbook, unpacks too far, or has a cell beyond ``rows`` or ``columns``, or more than MAX_CELLS."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(one.file_size for one in archive.infolist()) > MAX_UNPACKED:
                raise UnreadableError(large=True)
            since_1904, sheets = _book(archive)
            walks = {name: _walk(archive.read(path), rows, columns) for name, path in sheets.items()}
            return Inside(since_1904, {name: walk.marks for name, walk in walks.items()}, frozenset(name for name, walk in walks.items() if walk.hiding))
    except (zipfile.BadZipFile, expat.ExpatError, LookupError, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, zlib.error) as error:
        raise UnreadableError from error


def _book(archive: zipfile.ZipFile) -> tuple[bool, dict[str, str]]:
    """Whether days count from 1904, and each worksheet's file."""
    found: dict[str, str] = {}
    targets: dict[str, str] = {}
    since_1904 = [False]

    def relation(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            targets[attributes["Id"]] = posixpath.normpath(posixpath.join("/xl", attributes["Target"])).lstrip("/")

    def part(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "workbookPr":
            since_1904[0] = attributes.get("date1904", "") in {"1", "true"}
        if _local(name) == "sheet":
            linked = next((value for key, value in attributes.items() if _local(key) == "id"), "")
            if linked in targets:
                found[attributes["name"]] = targets[linked]

    _parse(archive.read("xl/_rels/workbook.xml.rels"), relation)
    _parse(archive.read("xl/workbook.xml"), part)
    return since_1904[0], found


def _walk(content: bytes, rows: int, columns: int) -> _Walk:
    walk = _Walk(rows, columns)

    def start(name: str, attributes: dict[str, str]) -> None:
        walk.hiding = walk.hiding or (_local(name) in {"row", "col"} and attributes.get("hidden", "") in {"1", "true"})
        match _local(name):
            case "row":
                walk.row, walk.column = int(attributes.get("r", walk.row + 2)) - 1, -1
            case "c":
                _place(walk, attributes.get("r", ""))
                walk.kind, walk.formula, walk.value = attributes.get("t", ""), False, False
            case "f":
                walk.formula = True
            case "v":
                walk.in_value = True

    def end(name: str) -> None:
        match _local(name):
            case "v":
                walk.in_value = False
            case "c" if walk.kind == "e":
                walk.marks[walk.row, walk.column] = "error"
            case "c" if walk.formula and not walk.value and walk.kind != "str":
                walk.marks[walk.row, walk.column] = "formula"

    def text(data: str) -> None:
        walk.value = walk.value or (walk.in_value and bool(data.strip()))

    _parse(content, start, end, text)
    return walk


def _place(walk: _Walk, reference: str) -> None:
    match = _REFERENCE.fullmatch(reference)
    if match:
        walk.row, walk.column = int(match[2]) - 1, -1
        for sign in match[1]:
            walk.column = (walk.column + 1) * 26 + ord(sign) - 65
    else:
        walk.column += 1
    if walk.row < 0:
        raise UnreadableError
    walk.cells += 1
    if walk.row >= walk.rows or walk.column >= walk.columns or walk.cells > MAX_CELLS:
        raise UnreadableError(large=True)


def _parse(
    content: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    def refuse(*_: object) -> None:
        raise UnreadableError  # no document type, so no entity is ever expanded

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.Parse(content, True)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
