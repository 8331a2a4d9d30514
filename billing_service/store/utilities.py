"""A utility's own settings, as JSON: what it decides for itself, such as the rules for holding bills."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from billing_service.store.tables import events, utilities

#: The event that tells a new name and the one before.
NAMED = "utility.named"


def settings_of(conn: Connection, utility: str) -> dict[str, Any]:
    """Its settings; empty where it decided nothing yet."""
    found: dict[str, Any] = json.loads(conn.execute(select(utilities.c.settings).where(utilities.c.id == utility)).scalar_one())
    return found


def set_settings(conn: Connection, utility: str, settings: Mapping[str, Any]) -> None:
    """Replace its settings. Whoever calls appends the event that tells it."""
    text = json.dumps(dict(settings), sort_keys=True, ensure_ascii=False)
    conn.execute(update(utilities).where(utilities.c.id == utility).values(settings=text))


def name_of(conn: Connection, utility: str, at: datetime | None = None) -> str:
    """Its name on documents; its id before somebody named it. ``at``: as it was at that moment, by the chain of events."""
    now = str(conn.execute(select(utilities.c.name).where(utilities.c.id == utility)).scalar() or utility)
    if at is None:
        return now
    mine = events.c
    query = select(mine.at, mine.data).where(mine.utility == utility, mine.subject == utility, mine.kind == NAMED).order_by(mine.seq)
    told = [(row.at, json.loads(row.data)) for row in conn.execute(query)]
    before = [data["name"] for moment, data in told if moment <= at]
    return str(before[-1] if before else told[0][1]["before"] if told else now)


def set_name(conn: Connection, utility: str, name: str) -> None:
    """Name it. Whoever calls appends the event that tells it."""
    conn.execute(update(utilities).where(utilities.c.id == utility).values(name=name))
