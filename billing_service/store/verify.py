"""What the check of a whole database looks at: documents by id, what was issued before each, and the numbers of a series."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.tables import documents, lines, parts, runs, series

_AT_ONCE = 10_000


def ids(conn: Connection, utility: str) -> list[str]:
    """Every issued document, also those over zero, in an order that does not depend on when they came."""
    mine = documents.c
    return list(conn.execute(select(mine.id).where(mine.utility == utility, mine.state.in_(ISSUED)).order_by(mine.id)).scalars())


def document(conn: Connection, utility: str, key: str) -> tuple[Row[Any], list[Row[Any]], list[Row[Any]]]:
    """One document with its lines in order and its parts by tariff and day."""
    found = conn.execute(select(documents).where(documents.c.utility == utility, documents.c.id == key)).one()
    mine = conn.execute(select(lines).where(lines.c.utility == utility, lines.c.document == key).order_by(lines.c.seq)).all()
    gave = conn.execute(select(parts).where(parts.c.utility == utility, parts.c.document == key).order_by(parts.c.tariff, parts.c.seq)).all()
    return found, list(mine), list(gave)


def before(conn: Connection, utility: str, one: Row[Any]) -> list[Row[Any]]:
    """Lines issued to the same account for the same period before this document, without credit notes; oldest first."""
    mine, same = documents.c, (lines.c.utility == documents.c.utility) & (lines.c.document == documents.c.id)
    query = select(lines).select_from(lines.join(documents, same)).where(mine.utility == utility, mine.account == one.account)
    query = query.where(mine.period_start == one.period_start, mine.period_end == one.period_end, mine.state.in_(ISSUED), mine.kind != CREDIT)
    query = query.where(mine.issued_at < one.issued_at, mine.run != one.run)
    return list(conn.execute(query.order_by(mine.issued_at, mine.id, lines.c.seq)))


def taken(conn: Connection, utility: str) -> list[Row[Any]]:
    """Each series and year with the number that follows."""
    mine = series.c
    return list(conn.execute(select(series).where(mine.utility == utility).order_by(mine.kind, mine.year)))


def numbers(conn: Connection, utility: str) -> Iterator[Any]:
    """(series, number) of every numbered document."""
    mine = documents.c
    query = select(mine.series, mine.number).where(mine.utility == utility, mine.number.is_not(None)).order_by(mine.series, mine.number)
    yield from conn.execution_options(yield_per=_AT_ONCE).execute(query)


def being_numbered(conn: Connection, utility: str) -> int:
    """Documents whose number is taken and not yet written, because their run is being issued right now."""
    mine, run = documents.c, runs.c
    joined = documents.join(runs, (run.utility == mine.utility) & (run.id == mine.run))
    query = select(func.count()).select_from(joined).where(mine.utility == utility, run.state == "issuing", mine.state == "draft", mine.total != Decimal(0))
    return conn.execute(query).scalar_one()
