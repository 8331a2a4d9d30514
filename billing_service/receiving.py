"""Rows that come through the API: the same reading, comparing and keeping as for files, so one row means the same at either door."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from billing_service.csvfile import CONTROL, Sheet
from billing_service.importing import Imported, keep
from billing_service.problems import problem
from billing_service.rows import READERS
from billing_service.settings import Settings
from billing_service.store import events
from billing_service.store.connect import Connection
from tariffs.errors import Problem

_SPLITS = frozenset(";=")


def receive(
    conn: Connection, settings: Settings, name: str, records: Sequence[tuple[int, Mapping[str, Any]]], misfits: Sequence[Problem], body: bytes, now: datetime
) -> Imported:
    """Keep what can be kept of ``records``; every other is told with its place (from 1) and kept with the import as refused.

    ``name``: accounts, contracts, usage or corrections; ``misfits``: what is wrong with rows that are no records at all.
    A record that is there already counts as the same; other content under the same key is a conflict.
    """
    rows: list[tuple[int, list[str]]] = []
    bad = list(misfits)
    for place, record in records:
        wrong = _unwritable(record, place)
        if wrong:
            bad += wrong
        else:
            rows.append((place, [_cell(record.get(column)) for column in READERS[name][0].all]))
    sheet = Sheet(f"api:{settings.user}", hashlib.sha256(body).hexdigest(), rows, bad)
    found = keep(conn, settings.utility, name, sheet, settings.user, now)
    if found.new or found.bad:
        data = {"new": found.new, "same": found.same, "refused": found.bad, "sha256": sheet.sha256}
        events.append(conn, settings.utility, now, settings.user, f"{name}.received", sheet.file, data)
    return found


def _unwritable(record: Mapping[str, Any], place: int) -> list[Problem]:
    """Facts that could not be told from others once they are one text, and control characters, which no file may have either."""
    facts = record.get("facts") or {}
    file = "api"
    wrong = [problem("not-a-fact", file, place, value=f"{name}={value}") for name, value in facts.items() if _SPLITS & {*name, *value} or not value.strip()]
    texts = [one for one in record.values() if isinstance(one, str)] + [text for pair in facts.items() for text in pair]
    if any(CONTROL.search(one) for one in texts):
        wrong.append(problem("control-character", file, place))
    return wrong


def _cell(value: Any) -> str:
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case Mapping():
            return ";".join(f"{name}={text}" for name, text in value.items())
        case date():
            return value.isoformat()
        case _:
            return str(value).strip()
