"""Versions kept as bytes, once, and who put them into force."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from billing_service.store.tables import adoptions, versions


def keep(conn: Connection, utility: str, **values: Any) -> None:
    """Store a version's text unless it is there already; ``values`` are the other columns of ``versions``."""
    table = versions.c
    if conn.execute(select(table.digest).where(table.utility == utility, table.digest == values["digest"])).first() is None:
        conn.execute(insert(versions).values(utility=utility, **values))


def adopt(conn: Connection, utility: str, digest: str, by: str, at: datetime, document: str) -> None:
    """Put a kept version into force for this utility."""
    conn.execute(insert(adoptions).values(utility=utility, digest=digest, by=by, at=at, document=document))


def adoption(conn: Connection, utility: str, digest: str) -> Row[Any] | None:
    """Who adopted this very text, when, by which document."""
    table = adoptions.c
    return conn.execute(select(adoptions).where(table.utility == utility, table.digest == digest)).first()


def adopted_digests(conn: Connection, utility: str) -> dict[str, Row[Any]]:
    """All adoptions by digest."""
    return {row.digest: row for row in conn.execute(select(adoptions).where(adoptions.c.utility == utility))}


def adopted_other_text(conn: Connection, utility: str, tariff: str, effective: date, revision: int) -> str | None:
    """The digest under which this version was adopted, where its file has another text now."""
    table = versions.c
    joined = versions.join(adoptions, (table.utility == adoptions.c.utility) & (table.digest == adoptions.c.digest))
    query = select(table.digest).select_from(joined)
    found = conn.execute(query.where(table.utility == utility, table.tariff == tariff, table.effective == effective, table.revision == revision)).first()
    return found.digest if found else None


def of_digests(conn: Connection, utility: str) -> dict[str, Row[Any]]:
    """Every kept version without its text, by digest."""
    columns = [column for column in versions.columns if column.name != "content"]
    return {row.digest: row for row in conn.execute(select(*columns).where(versions.c.utility == utility))}


def content(conn: Connection, utility: str, digest: str) -> bytes | None:
    """The kept text of a version."""
    found: bytes | None = conn.execute(select(versions.c.content).where(versions.c.utility == utility, versions.c.digest == digest)).scalar()
    return found
