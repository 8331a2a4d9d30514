"""The first answer to a write, kept for ever. Ask and keep inside one ``writing`` transaction: a twin then waits for the first to commit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select

from billing_service.store.tables import idempotency


def answered(conn: Connection, utility: str, method: str, path: str, key: str) -> Row[Any] | None:
    """The answer this key got before, with the hash of the body it was for."""
    mine = idempotency.c
    return conn.execute(select(idempotency).where(mine.utility == utility, mine.method == method, mine.path == path, mine.key == key)).first()


def keep(conn: Connection, utility: str, **values: Any) -> None:
    """Keep an answer; ``values`` are the other columns of ``idempotency``. IntegrityError where there is one already."""
    conn.execute(insert(idempotency).values(utility=utility, **values))
