"""Issuing a run: its block of numbers is taken in one transaction, and the documents get theirs chunk by chunk.

A document is issued when its own chunk commits. A kill leaves some issued and some not, never a gap and never a number twice:
which number each one gets was settled when the block was taken. From then on the run can only go forward.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.billing import number, series_of
from billing_service.settings import Settings
from billing_service.store import documents, events
from billing_service.store import runs as store
from billing_service.store.connect import Connection, Row
from billing_service.store.ledger import Among
from tariffs.money import currency_step, places, show

_CENT = Decimal("0.01")


def begin(conn: Connection, settings: Settings, found: Row[Any], now: datetime) -> None:
    """Take the run's block of each series, and settle the first number of every chunk."""
    utility, year = settings.utility, now.astimezone(ZoneInfo(settings.timezone)).year
    counts: dict[str, dict[int, int]] = {}
    for row in documents.draft_counts(conn, utility, found.id):
        here = counts.setdefault(series_of(row.kind, row.direction), {})
        here[row.seq] = here.get(row.seq, 0) + row._mapping["count"]
    following = {series: documents.reserve(conn, utility, series, year, sum(counts[series].values())) for series in sorted(counts)}
    for chunk in store.chunks_of(conn, utility, found.id):
        told = json.loads(chunk.counts) | {"first": dict(following)}
        store.change_chunk(conn, utility, found.id, chunk.seq, state="numbering", counts=json.dumps(told, sort_keys=True))
        following = {series: first + counts[series].get(chunk.seq, 0) for series, first in following.items()}
    options = json.loads(found.options) | {"year": year}
    store.change(
        conn, utility, found.id, state="issuing", issued_by=settings.user, issued_at=now, options=json.dumps(options, sort_keys=True, ensure_ascii=False)
    )


def number_chunk(conn: Connection, utility: str, run: Row[Any], chunk: Row[Any]) -> None:
    """Number the documents of one chunk, in the order of accounts; those over zero are recorded without one."""
    following: dict[str, int] = json.loads(chunk.counts)["first"]
    year: int = json.loads(run.options)["year"]
    numbers: list[tuple[str, str, str]] = []
    zeros: list[str] = []
    for row in documents.drafts_of(conn, utility, run.id, Among(chunk.first_account, chunk.last_account)):
        if not row.total:
            zeros.append(row.id)
            continue
        series = series_of(row.kind, row.direction)
        numbers.append((row.id, series, number(series, year, following[series])))
        following[series] += 1
    documents.issue(conn, utility, numbers, zeros, run.issued_at)
    store.change_chunk(conn, utility, run.id, chunk.seq, state="issued", failure="")


def finish(conn: Connection, utility: str, run: Row[Any]) -> None:
    """Close the run: every chunk is numbered."""
    store.change(conn, utility, run.id, state="issued")
    told = [
        {
            "kind": row.kind,
            "direction": row.direction,
            "currency": row.currency,
            "count": row._mapping["count"] - row.zero,
            "zero": row.zero,
            "total": show(row.total, places(currency_step(row.currency) or _CENT)),
        }
        for row in documents.sums(conn, utility, run.id)
    ]
    events.append(conn, utility, run.issued_at, run.issued_by, "run.issued", run.id, {"documents": told})
