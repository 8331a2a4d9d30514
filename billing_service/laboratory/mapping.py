"""The mapping file of a laboratory: what its own words mean, where the built-in table does not know them or is wrong for it.

``name,means,unit,limit``: ``name`` as the sheet writes it (or a measure); ``means`` a measure (``inflow[COD]``), ``ignore``, ``date``,
``sample``, ``point``, ``plant``, ``quality`` or ``account P1``; ``unit`` and ``limit`` where the heading does not say them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from billing_service.csvfile import Columns, Sheet, read
from billing_service.laboratory.words import IGNORE, ROLES, UNITS, key, unit_key
from billing_service.problems import Refused, problem
from tariffs.errors import Problem
from tariffs.money import read_number
from tariffs.units import UnitError, parse_unit

COLUMNS = Columns(("name", "means"), ("unit", "limit"))
_MEASURE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\[[A-Za-z0-9_,]+\])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Meaning:
    """``means``, ``unit`` and ``limit`` (in the column's unit) may each be left open."""

    means: str
    unit: str = ""
    limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A laboratory's own words by ``words.key``; plants by their names as written."""

    columns: Mapping[str, Meaning] = field(default_factory=dict)
    plants: Mapping[str, str] = field(default_factory=dict)


def read_mapping(path: Path) -> Words:
    """Refused with every bad row."""
    sheet = read(path, COLUMNS)
    if not isinstance(sheet, Sheet):
        raise Refused(sheet)
    columns: dict[str, Meaning] = {}
    plants: dict[str, str] = {}
    problems = list(sheet.bad_rows)
    for line, (name, means, unit, limit) in sheet.rows:
        wrong = _wrong(str(path), line, (name, means, unit, limit), key(name) in columns or name in plants)
        if wrong:
            problems += wrong
        elif means.startswith("account "):
            plants[name] = means.removeprefix("account ").strip()
        else:
            columns[key(name)] = Meaning(means, unit, read_number(limit))
    if problems:
        raise Refused(problems)
    return Words(columns, plants)


def _wrong(file: str, line: int, cells: tuple[str, str, str, str], twice: bool) -> list[Problem]:
    name, means, unit, limit = cells
    found: list[Problem] = []
    if not key(name):
        found.append(problem("lab-map-name", file, line))
    if twice:
        found.append(problem("lab-map-twice", file, line, name=name))
    if means and means != IGNORE and means not in ROLES and not means.startswith("account ") and not _MEASURE.fullmatch(means):
        found.append(problem("lab-map-means", file, line, means=means))
    if unit and not is_unit(unit):
        found.append(problem("lab-map-unit", file, line, unit=unit))
    number = read_number(limit) if limit else Decimal(1)
    if number is None or number <= 0:
        found.append(problem("lab-map-limit", file, line, limit=limit))
    return found


def is_unit(text: str) -> bool:
    """Whether a laboratory's or the library's own unit."""
    if unit_key(text) in UNITS:
        return True
    try:
        parse_unit(text)
    except UnitError:
        return False
    return True
