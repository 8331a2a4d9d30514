"""A laboratory's file to the store, by the same path as other usage records: all of it or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from billing_service.importing import Imported, compare
from billing_service.laboratory.cells import MAX_BYTES
from billing_service.laboratory.days import Period
from billing_service.laboratory.reading import Asked, Bounds, Reading, Sample, read_sheet
from billing_service.laboratory.words import needed_unit
from billing_service.problems import as_json, refused
from billing_service.rows import Row
from billing_service.settings import Settings
from billing_service.store import ledger
from billing_service.store.connect import Connection, Engine, reading, writing
from tariffs import TariffError, TariffVersion, load
from tariffs.errors import Problem
from tariffs.model import Input
from tariffs.money import EXACT, show, terminating
from tariffs.units import factor, parse_unit


@dataclass(frozen=True, slots=True)
class Done:
    """What was read, and what was stored: with problems, or as a rehearsal, nothing."""

    reading: Reading
    imported: Imported
    stored: bool


def import_lab(db: Engine, settings: Settings, path: Path, asked: Asked, at: datetime, *, dry_run: bool = False) -> Done:
    """Read ``path`` and store its records; the same values again are no error, another value for the same sample is a conflict."""
    if not path.is_file():
        raise refused("no-such-file", file=path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise refused("lab-too-large", bytes=size, limit=MAX_BYTES)
    content = path.read_bytes()
    with reading(db, settings.utility) as conn:
        accounts = {asked.plant, *asked.words.plants.values()}
        found_bounds = bounds(conn, settings, accounts, asked.period)
    known = Asked(asked.plant, asked.period, asked.point, asked.words, {**found_bounds, **asked.bounds})
    found = read_sheet(content, str(path), known)
    with writing(db, settings.utility) as conn:
        new, same, refusals = compare(conn, settings.utility, "usage", [_row(str(path), one) for one in found.samples])
        found.problems += _once_a_plant(refusals)
        stored = not found.problems and not dry_run
        if stored:
            number = ledger.add_import(conn, settings.utility, str(path), hashlib.sha256(content).hexdigest(), settings.user, at, (len(new), same, 0))
            ledger.add_rows(conn, settings.utility, ledger.TABLES["usage"], number, ((row.content, row.file, row.line) for row in new))
    bad = {(one.where.file, one.where.line) for one in found.problems if one.where}
    return Done(found, Imported(str(path), len(new) if stored or dry_run else 0, same, len(bad), tuple(found.problems)), stored)


def _once_a_plant(refusals: list[Problem]) -> list[Problem]:
    """A plant nobody knows is one problem, not one for each of its values."""
    strangers: dict[str, Problem] = {}
    for one in refusals:
        if one.code == "unknown-account":
            strangers.setdefault(one.values["account"], one)
    return [one for one in refusals if one.code != "unknown-account" or strangers[one.values["account"]] is one]


def _row(file: str, sample: Sample) -> Row:
    """The record as imports store it; its file carries sheet and cell."""
    record = sample.record
    content = {
        "id": record.id,
        "account": record.account,
        "point": record.point,
        "measure": record.measure,
        "start": record.start,
        "end": record.end,
        "value": record.value,
        "unit": str(record.unit),
        "quality": record.quality,
        "replaces": "",
        "known": None,
        "below": record.below,
    }
    return Row((record.id,), content, f"{file}[{sample.cell}]", sample.row)


def as_found(done: Done, locale: str) -> dict[str, Any]:
    """The form for machines."""
    found = done.reading
    return {
        "file": done.imported.file,
        "stored": done.stored,
        "new": done.imported.new,
        "same": done.imported.same,
        "columns": [{name: getattr(one, name) for name in ("cell", "heading", "role", "measure", "unit")} for one in found.headings],
        "records": [
            {
                "id": one.record.id,
                "day": one.record.start.isoformat(),
                "value": show(one.record.value),
                "unit": str(one.record.unit),
                "below": one.record.below,
                "cell": one.cell,
            }
            for one in found.samples
        ],
        **{name: [as_json(one, locale) for one in getattr(found, name)] for name in ("left_out", "warnings", "problems")},
    }


# --- bounds -------------------------------------------------------------------------------------------------------


def bounds(conn: Connection, settings: Settings, accounts: Collection[str], period: Period) -> Bounds:
    """What the contracts of these accounts allow each measure to be; where two versions differ, what both allow.

    A version that cannot be loaded gives none: the run refuses it, with its reasons.
    """
    found: dict[str, tuple[Decimal, Decimal, str]] = {}
    rows = ledger.contracts_of(conn, settings.utility, *period, None)
    for tariff in sorted({row.tariff for row in rows if row.account in accounts}):
        try:
            version = load(tariff, on=period[0], rules=settings.roots)
        except TariffError:
            continue
        for measure, own in bounds_of(version).items():
            low, high, unit = found.get(measure, own)
            found[measure] = max(low, own[0]), min(high, own[1]), unit
    return found


def bounds_of(version: TariffVersion) -> Mapping[str, tuple[Decimal, Decimal, str]]:
    """Bounds of the measures a version reads a day at a time, in the units records have."""
    stage = version.model.stage.inputs if version.model.stage else ()
    found = {}
    for item in stage:
        measure = item.collect.measure if item.collect and item.collect.measure else item.full_name
        converted = _converted(item, needed_unit(measure))
        if converted is not None:
            found[measure] = converted
    return found


def _converted(item: Input, unit: str) -> tuple[Decimal, Decimal, str] | None:
    own = item.type.unit
    ratio = factor(own, parse_unit(unit)) if unit else None
    times = terminating(ratio) if ratio is not None else None
    if times is None:
        return (item.type.low, item.type.high, str(own)) if not unit else None
    return EXACT.multiply(item.type.low, times), EXACT.multiply(item.type.high, times), unit
