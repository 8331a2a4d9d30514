"""Reliefs (an entitlement with its proof, valid for a time) and shares of a shared meter. Both are corrected by revisions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from billing_service.store import revisions
from billing_service.store.ledger import Among, chunks, within
from billing_service.store.tables import reliefs, shares


def add_relief(conn: Connection, utility: str, **values: Any) -> int:
    """Record an entitlement, or the next revision of it; its number. ``values`` are the other columns of ``reliefs``."""
    return revisions.add(conn, reliefs, utility, values)


def reliefs_of(conn: Connection, utility: str, start: date, end: date, known: date | None, accounts: Collection[str] | None = None) -> list[Row[Any]]:
    """Entitlements valid on some day of [start, end), as known on ``known``, by account, first day and id; of ``accounts`` where named."""
    query = revisions.standing(reliefs, utility, start, end, known)
    if accounts is not None:
        query = query.where(reliefs.c.account.in_(sorted(accounts)))
    return list(conn.execute(query.order_by(reliefs.c.account, reliefs.c["from"], reliefs.c.id)))


def reliefs_among(conn: Connection, utility: str, start: date, end: date, known: date | None, among: Among, by: datetime) -> list[Row[Any]]:
    """The same for a chunk of a run, as they were recorded ``by`` the moment it began."""
    query = revisions.standing(reliefs, utility, start, end, known, lambda table: table.c.recorded_at <= by).where(*within(reliefs.c.account, among))
    return list(conn.execute(query.order_by(reliefs.c.account, reliefs.c["from"], reliefs.c.id)))


def history_of(conn: Connection, utility: str, relief: str) -> list[Row[Any]]:
    """Every revision of one entitlement, oldest first."""
    return list(conn.execute(select(reliefs).where(reliefs.c.utility == utility, reliefs.c.id == relief).order_by(reliefs.c.revision)))


def add_share(conn: Connection, utility: str, **values: Any) -> int:
    """Record an account's parts of a shared meter, or the next revision of them; its number. ``values``: the other columns of ``shares``."""
    return revisions.add(conn, shares, utility, values)


def shares_among(conn: Connection, utility: str, end: date, known: date | None, by: datetime, among: Among) -> list[Row[Any]]:
    """What a chunk's accounts have of any meter, on some day before ``end``."""
    return _shares(conn, utility, end, known, by, *within(shares.c.account, among))


def shares_at(conn: Connection, utility: str, points: Collection[str], end: date, known: date | None, by: datetime) -> list[Row[Any]]:
    """Everybody who has a share of one of these meters on some day before ``end``, in the order of point, account and first day."""
    if conn.execute(select(shares.c.point).where(shares.c.utility == utility).limit(1)).first() is None:
        return []
    found = [row for piece in chunks(sorted(points)) for row in _shares(conn, utility, end, known, by, shares.c.point.in_(piece))]
    return sorted(found, key=lambda row: (row.point, row.account, row._mapping["from"]))


def _shares(conn: Connection, utility: str, end: date, known: date | None, by: datetime, *where: ColumnElement[bool]) -> list[Row[Any]]:
    query = revisions.standing(shares, utility, date.min, end, known, lambda table: table.c.recorded_at <= by)
    return list(conn.execute(query.where(*where)))


def shares_between(conn: Connection, utility: str, point: str, account: str) -> list[Row[Any]]:
    """Every revision of what one account has of one meter, oldest first."""
    mine = shares.c
    query = select(shares).where(mine.utility == utility, mine.point == point, mine.account == account)
    return list(conn.execute(query.order_by(mine["from"], mine.revision)))
