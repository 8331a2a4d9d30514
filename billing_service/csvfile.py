"""Reading a CSV file strictly: UTF-8, the columns it must have, and the line each row starts on."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from billing_service.problems import problem
from tariffs.errors import Problem

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file; an optional one may be left out and reads as empty."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return self.required + self.optional


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as read: rows with the line they start on (the header is line 1), cells in the order of ``Columns.all``."""

    file: str
    sha256: str
    rows: list[tuple[int, list[str]]]
    bad_rows: list[Problem]


def read(path: Path, columns: Columns) -> Sheet | list[Problem]:
    """The sheet, or why the file as a whole cannot be used (encoding, columns, broken quoting)."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [problem("not-utf8", str(path), content[: error.start].count(b"\n") + 1)]
    rows: list[tuple[int, list[str]]] = []
    bad: list[Problem] = []
    strange = CONTROL.search(text) is not None
    try:
        walk = _lines(text)
        _, header = next(walk, (1, []))
        wrong = _check_header(str(path), header, columns)
        if wrong:
            return wrong
        order = [header.index(name) if name in header else -1 for name in columns.all]
        for line, cells in walk:
            if len(cells) != len(header):
                bad.append(problem("cells-missing", str(path), line, found=len(cells), expected=len(header)))
            elif strange and any(CONTROL.search(cell) for cell in cells):
                bad.append(problem("control-character", str(path), line))
            else:
                rows.append((line, [cells[at] if at >= 0 else "" for at in order]))
    except csv.Error as error:
        return [problem("broken-csv", str(path), 0, reason=error)]
    return Sheet(str(path), hashlib.sha256(content).hexdigest(), rows, bad)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    for cells in reader:
        if any(cells):
            yield start, [cell.strip() for cell in cells]
        start = reader.line_num + 1


def _check_header(file: str, header: Sequence[str], columns: Columns) -> list[Problem]:
    missing = [name for name in columns.required if name not in header]
    unknown = [name for name in header if name not in columns.all]
    twice = sorted({name for name in header if header.count(name) > 1})
    expected = ",".join(columns.all)
    return [
        problem(code, file, 1, names=", ".join(names), expected=expected)
        for code, names in (("columns-missing", missing), ("columns-unknown", unknown), ("columns-twice", twice))
        if names
    ]
