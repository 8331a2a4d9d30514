"""Opening the database: its settings, its migrations, and one way to read and one to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Row, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from billing_service.problems import refused
from billing_service.store import tables

#: What others need to name, so that SQLAlchemy itself is imported in the store only.
__all__ = ["Connection", "DBAPIError", "Engine", "Row", "engine", "migrate", "reading", "require", "writing"]

_MIGRATIONS = Path(__file__).parent.parent / "migrations"


def engine(url: str) -> Engine:
    """An engine that keeps SQLite honest: foreign keys on, a wait for the other writer, explicit BEGIN."""
    if not url.startswith("sqlite:///"):
        raise refused("database-not-supported", kind=url.partition("://")[0])
    # A new connection each time: cheap on SQLite, and no file stays open after a use case.
    made = create_engine(url, poolclass=NullPool)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _begin)
    return made


@contextmanager
def writing(db: Engine) -> Iterator[Connection]:
    """One transaction that takes the write lock at once; commits at its end, before any answer is given."""
    with db.connect().execution_options(write=True) as conn, conn.begin():
        yield conn


@contextmanager
def reading(db: Engine) -> Iterator[Connection]:
    """One consistent view."""
    with db.connect() as conn, conn.begin():
        yield conn


def migrate(db: Engine, utility: str) -> bool:
    """Bring the database to the newest tables and make sure of its utility; whether anything had to change."""
    with db.connect() as conn:
        before = MigrationContext.configure(conn).get_current_revision()
    if before != _newest():
        config = _config()
        config.attributes["engine"] = db
        command.upgrade(config, "head")
    with writing(db) as conn:
        if conn.execute(select(tables.utilities.c.id).where(tables.utilities.c.id == utility)).first() is None:
            conn.execute(insert(tables.utilities).values(id=utility, name=utility))
            return True
    return before != _newest()


def require(db: Engine, utility: str) -> None:
    """Refuse a database that is absent, not ours, older than the program, or does not know the utility."""
    path = db.url.database
    if db.dialect.name == "sqlite" and path not in (None, ":memory:") and not Path(path).exists():
        raise refused("no-database", db=path)
    try:
        with db.connect() as conn:
            found = MigrationContext.configure(conn).get_current_revision()
            known = found == _newest() and conn.execute(select(tables.utilities.c.id).where(tables.utilities.c.id == utility)).first()
    except DBAPIError as error:
        raise refused("unreadable-database", db=path, reason=str(error.orig)) from error
    if not known:
        raise refused("old-database", db=path)


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own
    for pragma in ("foreign_keys=ON", "busy_timeout=20000", "journal_mode=WAL", "synchronous=FULL", "cache_size=-64000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get("write") else "BEGIN")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()
