"""API keys. The text a client sends is ``<utility>.<id>.<secret>``: the first two are no secret and say where to look, so that
a key is found behind the wall between utilities. Only the hash of the secret is kept; comparing it (in constant time) is the caller's part.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from billing_service.store.tables import api_keys


def add(conn: Connection, utility: str, **values: Any) -> None:
    """A new key; ``values`` are the other columns of ``api_keys``."""
    conn.execute(insert(api_keys).values(utility=utility, **values))


def get(conn: Connection, utility: str, key: str) -> Row[Any] | None:
    """The key of this id, whether or not it still opens anything."""
    return conn.execute(select(api_keys).where(api_keys.c.utility == utility, api_keys.c.id == key)).first()


def every(conn: Connection, utility: str) -> list[Row[Any]]:
    """All keys, oldest first; also those that expired or were taken back."""
    return list(conn.execute(select(api_keys).where(api_keys.c.utility == utility).order_by(api_keys.c.created_at, api_keys.c.id)))


def revoke(conn: Connection, utility: str, key: str, at: datetime) -> bool:
    """Take a key back; False where there is none, or it was taken back before."""
    mine = (api_keys.c.utility == utility, api_keys.c.id == key, api_keys.c.revoked_at.is_(None))
    return conn.execute(update(api_keys).where(*mine).values(revoked_at=at)).rowcount == 1
