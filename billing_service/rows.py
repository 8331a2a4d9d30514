"""One row of an imported file -> the record it states, or everything that is wrong with it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from billing_service.csvfile import Columns
from billing_service.problems import problem
from billing_service.store.tables import USAGE_PLACES
from billing_service.store.types import scale
from tariffs.errors import Problem
from tariffs.money import read_number
from tariffs.units import UnitError, parse_unit

ACCOUNTS = Columns(("account", "name", "class"), ("address", "district", "known"))
CONTRACTS = Columns(("contract", "account", "tariff", "from"), ("to", "facts", "known"))
USAGE = Columns(("id", "account", "measure", "start", "end", "value", "unit"), ("point", "quality", "replaces", "known", "below"))
QUALITIES = ("actual", "estimated")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TARIFF = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)+", re.ASCII)
_FACT = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\[[A-Za-z0-9_,]+\])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """A good row: its key, its content (what makes two rows the same), and where it stands."""

    key: tuple[Any, ...]
    content: Mapping[str, Any]
    file: str
    line: int


class _Reader:
    """Collects the problems of one row while its cells are read."""

    __slots__ = ("cells", "file", "line", "problems")

    def __init__(self, columns: Columns, cells: list[str], file: str, line: int) -> None:
        self.cells = dict(zip(columns.all, cells, strict=True))
        self.file, self.line = file, line
        self.problems: list[Problem] = []

    def wrong(self, code: str, **values: object) -> None:
        self.problems.append(problem(code, self.file, self.line, **values))

    def text(self, name: str) -> str:
        if not self.cells[name]:
            self.wrong("cell-empty", column=name)
        return self.cells[name]

    def day(self, name: str, *, optional: bool = False) -> date:
        cell = self.cells[name]
        found = read_date(cell)
        if found is None and (cell or not optional):
            self.wrong("not-a-date", column=name, value=cell)
        return found or date.min

    def result(self, key: tuple[str, ...], content: Mapping[str, Any]) -> Row | list[Problem]:
        return self.problems or Row(tuple(content[name] for name in key), content, self.file, self.line)


def account(cells: list[str], file: str, line: int) -> Row | list[Problem]:
    """A row of accounts.csv."""
    read = _Reader(ACCOUNTS, cells, file, line)
    return read.result(
        ("account",),
        {
            "account": read.text("account"),
            "name": read.text("name"),
            "class": read.text("class"),
            "address": read.cells["address"],
            "district": read.cells["district"],
            "known": _or_none(read.day("known", optional=True)),
        },
    )


def contract(cells: list[str], file: str, line: int) -> Row | list[Problem]:
    """A row of contracts.csv; ``to`` is the first day the terms no longer hold."""
    read = _Reader(CONTRACTS, cells, file, line)
    tariff = read.text("tariff")
    if tariff and not _TARIFF.fullmatch(tariff):
        read.wrong("not-a-tariff", value=tariff)
    start, end, known = read.day("from"), read.day("to", optional=True), _or_none(read.day("known", optional=True))
    withdrawn = end == start and known is not None  # it became known that these terms never held
    if end != date.min and end <= start and not withdrawn:
        read.wrong("dates-backwards", start=start, end=end)
    return read.result(
        ("contract", "from"),
        {
            "contract": read.text("contract"),
            "account": read.text("account"),
            "tariff": tariff,
            "from": start,
            "to": _or_none(end),
            "facts": _facts(read),
            "known": known,
        },
    )


def usage(cells: list[str], file: str, line: int) -> Row | list[Problem]:
    """A row of usage.csv or corrections.csv; its days are half-open: ``end`` is the first day after."""
    read = _Reader(USAGE, cells, file, line)
    start, end = read.day("start"), read.day("end")
    if not read.problems and end <= start:
        read.wrong("dates-backwards", start=start, end=end)
    quality = read.cells["quality"] or "actual"
    if quality not in QUALITIES:
        read.wrong("unknown-quality", value=quality, choices=", ".join(QUALITIES))
    if read.cells["below"] not in {"", "yes"}:
        read.wrong("not-yes", column="below", value=read.cells["below"])
    unit = read.text("unit")
    if unit and not _is_unit(unit):
        read.wrong("unknown-unit", value=unit)
    if read.cells["replaces"] and read.cells["replaces"] == read.cells["id"]:
        read.wrong("replaces-itself", id=read.cells["id"])
    return read.result(
        ("id",),
        {
            "id": read.text("id"),
            "account": read.text("account"),
            "point": read.cells["point"],
            "measure": read.text("measure"),
            "start": start,
            "end": end,
            "value": _number(read),
            "unit": unit,
            "quality": quality,
            "replaces": read.cells["replaces"],
            "known": _or_none(read.day("known", optional=True)),
            "below": read.cells["below"] == "yes",
        },
    )


@lru_cache(maxsize=10_000)
def read_date(text: str) -> date | None:
    """``2026-10-01`` and nothing else."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _or_none(day: date) -> date | None:
    return None if day == date.min else day


def _number(read: _Reader) -> Decimal:
    cell = read.text("value")
    found = read_number(cell) if cell else Decimal(0)
    if found is None:
        read.wrong("not-a-number-cell", value=cell)
        return Decimal(0)
    if scale(found, USAGE_PLACES) is None:
        read.wrong("number-too-long", value=cell, places=USAGE_PLACES)
    return found


def _facts(read: _Reader) -> str:
    """``quota=10;payer=other`` as JSON with sorted names, so that the same facts are the same text."""
    found: dict[str, str] = {}
    for piece in filter(None, (piece.strip() for piece in read.cells["facts"].split(";"))):
        name, sign, value = (part.strip() for part in piece.partition("="))
        if not sign or not value or not _FACT.fullmatch(name):
            read.wrong("not-a-fact", value=piece)
        elif name in found:
            read.wrong("fact-twice", name=name)
        else:
            found[name] = value
    return json.dumps(found, sort_keys=True, ensure_ascii=False)


@lru_cache(maxsize=1000)
def _is_unit(text: str) -> bool:
    """Whether it can be a unit: a name nobody knows may be a version's own, and is judged when it is rated."""
    try:
        parse_unit(text)
    except UnitError as error:
        return error.unknown
    return True


READERS: Mapping[str, tuple[Columns, Callable[[list[str], str, int], Row | list[Problem]]]] = {
    "accounts": (ACCOUNTS, account),
    "contracts": (CONTRACTS, contract),
    "usage": (USAGE, usage),
    "corrections": (USAGE, usage),
}
