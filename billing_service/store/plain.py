"""What the columnar part of a run reads, as Arrow columns, and what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from billing_service.store.binary import Rows
from billing_service.store.bulk import insert_rows
from billing_service.store.columns import fetch
from billing_service.store.documents import ISSUED, OPEN
from billing_service.store.ledger import Among, arrived, terms_touching, within
from billing_service.store.tables import billed, contracts, documents, lines, parts, reliefs, shares, usage_records

_RECORD = ("id", "account", "point", "measure", "start", "end", "value", "unit", "quality", "replaces", "known", "below")


def busy(conn: Connection, utility: str, start: date, end: date, among: Among) -> Iterable[Any]:
    """Accounts with a claim, or a document that counts, for days of [start, end): the claims are read first (``chunk``)."""
    claim, paper = billed.c, documents.c
    query = select(claim.account).where(claim.utility == utility, claim.period_start < end, claim.period_end > start, *within(claim.account, among))
    yield fetch(conn, query.distinct())["account"]
    query = select(paper.account).where(paper.utility == utility, paper.period_start < end, paper.period_end > start, paper.state.in_((*OPEN, *ISSUED)))
    yield fetch(conn, query.where(*within(paper.account, among)).distinct())["account"]


def entitled(conn: Connection, utility: str, start: date, end: date, among: Among) -> Any:
    """Accounts with any relief for days of [start, end), whatever became of it."""
    mine = reliefs.c
    query = select(mine.account).where(mine.utility == utility, mine["from"] < end, (mine.to.is_(None)) | (mine.to > start))
    return fetch(conn, query.where(*within(mine.account, among)).distinct())["account"]


def shared(conn: Connection, utility: str, start: date, end: date, among: Among) -> pa.Table:
    """Points and accounts of meters that are, or ever were, shared: those of these accounts, and those with records of theirs for days of [start, end)."""
    mine, record = shares.c, usage_records.c
    points = select(record.point).where(record.utility == utility, record.end > start, record.start < end, *within(record.account, among))
    query = select(mine.point, mine.account).where(mine.utility == utility)
    ways = ([mine.point.in_(points)], within(mine.account, among))  # apart, so that each goes by its index
    return pa.concat_tables([fetch(conn, query.where(*one).distinct()) for one in ways])


def contracts_of(conn: Connection, utility: str, start: date, end: date, known: date | None, among: Among) -> pa.Table:
    """What ``ledger.contracts_of`` finds."""
    mine = contracts.c
    query = terms_touching(utility, start, end, known, among)
    return fetch(conn, query.with_only_columns(mine.account, mine.contract, mine["from"], mine.to, mine.tariff, mine.facts))


def records_of(conn: Connection, utility: str, start: date, end: date, among: Among) -> pa.Table:
    """Every record with a day in [start, end), or that ends in it."""
    mine = usage_records.c
    query = select(*(mine[name] for name in _RECORD)).where(mine.utility == utility, mine.end > start, mine.start < end)
    return fetch(conn, query.where(*within(mine.account, among), *arrived(usage_records, among)))


def corrections_of(conn: Connection, utility: str, among: Among) -> pa.Table:
    """Every record that replaces another, of any time: its account and what it replaces."""
    mine = usage_records.c
    query = select(mine.account, mine.replaces).where(mine.utility == utility, mine.replaces != "")
    return fetch(conn, query.where(*within(mine.account, among), *arrived(usage_records, among)))


def add(conn: Connection, utility: str, rows: tuple[Rows, Rows, Rows, Rows]) -> None:
    """Store documents, parts, lines and claims."""
    for table, found in zip((documents, parts, lines, billed), rows, strict=True):
        insert_rows(conn, table, utility, found)
