"""A document with all that its printed forms show: read once, then data in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.billing import Line, series_of
from billing_service.documents.invoice import kept_versions
from billing_service.partial import explained
from billing_service.settings import Settings
from billing_service.staged import DIVIDED
from billing_service.store import credit_notes, documents, papers, utilities
from billing_service.store.connect import Connection, Row
from tariffs import Rating, TariffVersion


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``label`` by language; ``kind`` is ``line``, ``included`` or ``refund``, and only ``line`` counts in the total.

    ``part``: which of its tariff's ratings it is of, from 0; None where it is of all of them together, as on a difference.
    """

    tariff: str
    digest: str
    charge: str
    kind: str
    label: Mapping[str, str]
    clause: str
    amount: Decimal
    part: int | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice, a difference or a settlement, before it becomes a file.

    ``utility`` is its name at issue (a draft's: now); ``issued`` is a local date, None before issue; ``period`` is half-open;
    ``corrects`` numbers what a difference or a credit note stands beside, ``reason`` is a credit note's; ``versions`` by digest;
    ``ratings`` by tariff, one for each part of the period in order of days, the whole computation also where the document is a
    difference; ``divided`` how shared meters it was billed by came to their parts (``shared``), each once.
    """

    id: str
    number: str
    kind: str
    direction: str
    state: str
    utility: str
    run: str
    account: str
    name: str
    payer_class: str
    address: str
    district: str
    period: tuple[date, date]
    currency: str
    total: Decimal
    issued: date | None
    corrects: tuple[str, ...]
    entries: tuple[Entry, ...]
    versions: Mapping[str, TariffVersion]
    ratings: Mapping[str, tuple[Rating, ...]]
    reason: str = ""
    divided: tuple[Mapping[str, str], ...] = ()

    @property
    def file_name(self) -> str:
        """The number; before there is one, the state, the kind, the account and the beginning of the id."""
        return self.number or f"{self.state}-{series_of(self.kind, self.direction)}-{self.id[:8]}"


def by_number(conn: Connection, settings: Settings, number: str) -> Paper | None:
    """The issued document that bears this number."""
    row = documents.by_number(conn, settings.utility, number)
    if row is None:
        return None
    lines, parts = documents.lines_of(conn, settings.utility, document=row.id), documents.parts_of(conn, settings.utility, document=row.id)
    return _paper(conn, settings, utilities.name_of(conn, settings.utility, row.issued_at), row, lines, parts)


def of_run(conn: Connection, settings: Settings, run: str) -> Iterator[Paper]:
    """All documents of a run, drafts too, by account."""
    lines = _by_document(documents.lines_of(conn, settings.utility, run=run))
    parts = _by_document(documents.parts_of(conn, settings.utility, run=run))
    names: dict[datetime | None, str] = {}
    for row in documents.of_run(conn, settings.utility, run):
        if row.issued_at not in names:
            names[row.issued_at] = utilities.name_of(conn, settings.utility, row.issued_at)
        yield _paper(conn, settings, names[row.issued_at], row, lines.get(row.id, []), parts.get(row.id, []))


def _by_document(rows: Sequence[Row[Any]]) -> dict[str, list[Row[Any]]]:
    return {key: list(group) for key, group in groupby(rows, key=lambda row: row.document)}


def _paper(conn: Connection, settings: Settings, utility: str, row: Row[Any], lines: Sequence[Row[Any]], parts: Sequence[Row[Any]]) -> Paper:
    period = (row.period_start, row.period_end)
    given = [json.loads(part.facts) for part in parts]
    divided = {json.dumps(one, sort_keys=True): one for facts in given for one in facts.get(DIVIDED, ())}
    kept = kept_versions(conn, settings.utility, (*lines, *parts))
    ratings: dict[str, tuple[Rating, ...]] = {}
    for part, facts in zip(parts, given, strict=True):
        ratings[part.tariff] = (*ratings.get(part.tariff, ()), explained(kept[part.tariff, part.digest], facts, period))
    return Paper(
        id=row.id,
        number=row.number or "",
        kind=row.kind,
        direction=row.direction,
        state=row.state,
        utility=utility,
        run=row.run,
        account=row.account,
        name=row.name,
        payer_class=row.payer_class,
        address=row.address,
        district=row.district,
        period=period,
        currency=row.currency,
        total=row.total,
        issued=row.issued_at and row.issued_at.astimezone(ZoneInfo(settings.timezone)).date(),
        corrects=_corrects(conn, settings.utility, row),
        reason=row.reason,
        entries=tuple(_entries(row.kind, lines, ratings)),
        versions={digest: version for (_, digest), version in kept.items()},
        ratings=ratings,
        divided=tuple(divided.values()),
    )


def _entries(kind: str, lines: Sequence[Row[Any]], ratings: Mapping[str, tuple[Rating, ...]]) -> Iterator[Entry]:
    """The lines, each with the part it is of: a bill has those of one part after the other."""
    places = {tariff: iter([at for at, one in enumerate(own) for line in one.lines if line.charge.kind != "working"]) for tariff, own in ratings.items()}
    for line in lines:
        yield replace(entry_of(line), part=next(places.get(line.tariff, iter(())), None) if kind == "invoice" else None)


def entry_of(line: Row[Any] | Line) -> Entry:
    """A stored line, its label by language."""
    return Entry(line.tariff, line.digest, line.charge, line.kind, json.loads(line.label), line.clause, line.amount)


def _corrects(conn: Connection, utility: str, row: Row[Any]) -> tuple[str, ...]:
    if row.kind == documents.CREDIT:
        return (credit_notes.number_of(conn, utility, row.corrects),)
    return tuple(papers.corrected(conn, utility, row)) if row.kind == "difference" else ()
