"""Versions kept as bytes, once, and who put them into force."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from billing_service.store.tables import adoptions, version_names, versions

Name = tuple[str, str]  # tariff, digest


def keep(conn: Connection, utility: str, **values: Any) -> None:
    """Store a version's text, and which tariff has it from when, unless they are there already; ``values`` are the other columns of ``versions``."""
    for table, columns in ((versions, values.keys()), (version_names, values.keys() & set(version_names.c.keys()))):
        same = (column == {**values, "utility": utility}[column.name] for column in table.primary_key.columns)
        if conn.execute(select(table.c.digest).where(*same)).first() is None:
            conn.execute(insert(table).values(utility=utility, **{name: values[name] for name in columns}))


def adopt(conn: Connection, utility: str, tariff: str, digest: str, by: str, at: datetime, document: str) -> None:
    """Put a kept version into force for this utility."""
    conn.execute(insert(adoptions).values(utility=utility, tariff=tariff, digest=digest, by=by, at=at, document=document))


def adoption(conn: Connection, utility: str, tariff: str, digest: str) -> Row[Any] | None:
    """Who adopted this very text of a tariff, when, by which document."""
    table = adoptions.c
    return conn.execute(select(adoptions).where(table.utility == utility, table.tariff == tariff, table.digest == digest)).first()


def adopted(conn: Connection, utility: str) -> dict[Name, Row[Any]]:
    """All adoptions by tariff and digest."""
    return {(row.tariff, row.digest): row for row in conn.execute(select(adoptions).where(adoptions.c.utility == utility))}


def adopted_other_text(conn: Connection, utility: str, tariff: str, effective: date, revision: int) -> str | None:
    """The digest under which this version was adopted, where its file has another text now."""
    table = version_names.c
    same = (table.utility == adoptions.c.utility) & (table.tariff == adoptions.c.tariff) & (table.digest == adoptions.c.digest)
    query = select(table.digest).select_from(version_names.join(adoptions, same))
    found = conn.execute(query.where(table.utility == utility, table.tariff == tariff, table.effective == effective, table.revision == revision)).first()
    return found.digest if found else None


def named(conn: Connection, utility: str) -> dict[Name, Row[Any]]:
    """Every tariff's kept versions without their texts, by tariff and digest; in that order."""
    table = version_names.c
    query = select(version_names).where(table.utility == utility).order_by(table.tariff, table.digest)
    return {(row.tariff, row.digest): row for row in conn.execute(query)}


def of_digests(conn: Connection, utility: str) -> dict[str, Row[Any]]:
    """Every kept version without its text, by digest."""
    columns = [column for column in versions.columns if column.name != "content"]
    return {row.digest: row for row in conn.execute(select(*columns).where(versions.c.utility == utility))}


def content(conn: Connection, utility: str, digest: str) -> bytes | None:
    """The kept text of a version."""
    found: bytes | None = conn.execute(select(versions.c.content).where(versions.c.utility == utility, versions.c.digest == digest)).scalar()
    return found
