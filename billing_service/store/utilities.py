"""A utility's own settings, as JSON: what it decides for itself, such as the rules for holding bills."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from billing_service.store.tables import utilities


def settings_of(conn: Connection, utility: str) -> dict[str, Any]:
    """Its settings; empty where it decided nothing yet."""
    found: dict[str, Any] = json.loads(conn.execute(select(utilities.c.settings).where(utilities.c.id == utility)).scalar_one())
    return found


def set_settings(conn: Connection, utility: str, settings: Mapping[str, Any]) -> None:
    """Replace its settings. Whoever calls appends the event that tells it."""
    text = json.dumps(dict(settings), sort_keys=True, ensure_ascii=False)
    conn.execute(update(utilities).where(utilities.c.id == utility).values(settings=text))


def name_of(conn: Connection, utility: str) -> str:
    """Its name on documents; its id before somebody named it."""
    return str(conn.execute(select(utilities.c.name).where(utilities.c.id == utility)).scalar() or utility)


def set_name(conn: Connection, utility: str, name: str) -> None:
    """Name it. Whoever calls appends the event that tells it."""
    conn.execute(update(utilities).where(utilities.c.id == utility).values(name=name))
