"""How Alembic meets our tables: batch mode for SQLite, and custom types written with their import."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from billing_service.store.tables import metadata
from billing_service.store.types import Exact, Instant


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Alembic writes custom types without their import, and Exact without its places; this writes both."""
    if kind == "type" and isinstance(item, Exact | Instant):
        autogen.imports.add("from billing_service.store.types import Exact, Instant")
        return f"Exact({item.places})" if isinstance(item, Exact) else "Instant()"
    return False


def run() -> None:
    """Migrate through the engine that ``store.connect`` made, in one transaction."""
    with context.config.attributes["engine"].connect().execution_options(write=True) as conn:
        context.configure(connection=conn, target_metadata=metadata, render_as_batch=True, render_item=render_item, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
        conn.commit()


run()
