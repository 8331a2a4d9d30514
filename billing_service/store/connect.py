"""Opening the database: its settings, its migrations, and one way to read and one to write.

Both open a transaction for one utility. On PostgreSQL they name it to the row-level policies for as long as the transaction
lasts, so that a statement without its ``utility`` finds nothing of others; on SQLite the statements alone keep utilities apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, create_engine, event, func, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from billing_service.problems import refused
from billing_service.settings import without_password
from billing_service.store import tables

if TYPE_CHECKING:
    from alembic.config import Config

#: What others need to name, so that SQLAlchemy itself is imported in the store only.
__all__ = [
    "Connection",
    "DBAPIError",
    "Engine",
    "IntegrityError",
    "Row",
    "attempt",
    "engine",
    "lock",
    "migrate",
    "opened",
    "reading",
    "require",
    "waited",
    "writing",
]

_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_WAIT_MS = 20_000


def engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL. Refused: another database, a driver that is not installed, an URL that is none."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise refused("bad-database-url") from error
    if parsed.drivername in _POSTGRESQL:
        return _postgresql(parsed)
    if parsed.drivername != "sqlite":
        raise refused("database-not-supported", kind=parsed.drivername)
    # A new connection each time: cheap on SQLite, and no file stays open after a use case.
    made = create_engine(parsed, poolclass=NullPool)
    event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", _begin_sqlite)
    return made


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine for a while: no connection of its pool outlives it."""
    made = engine(url)
    try:
        yield made
    finally:
        made.dispose()


@contextmanager
def writing(db: Engine, utility: str, *, alone: bool = True) -> Iterator[Connection]:
    """One transaction that may write; commits at its end, before any answer is given.

    ``alone``: no other such transaction of this utility runs meanwhile, so what was looked up stays true until it is written.
    SQLite has one writer anyway. On PostgreSQL other utilities go on, and so do transactions with ``alone=False``: those rely on
    unique keys and locks of rows by themselves, and take ``lock`` before they change anything that others look up.
    """
    with db.connect().execution_options(write=True) as conn, conn.begin():
        _name(conn, utility)
        if alone:
            lock(conn, utility)
        yield conn


@contextmanager
def reading(db: Engine, utility: str) -> Iterator[Connection]:
    """One consistent view, that cannot write on PostgreSQL."""
    with db.connect() as conn:
        if conn.dialect.name == "postgresql":
            conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with conn.begin():
            _name(conn, utility)
            yield conn


@contextmanager
def attempt(conn: Connection) -> Iterator[None]:
    """A part of a transaction that leaves nothing behind where it raises; the rest goes on."""
    with conn.begin_nested():
        yield


def lock(conn: Connection, utility: str) -> None:
    """Wait until no other transaction holds this utility, and hold it to the end of this one; nothing to do on SQLite.

    The row of ``utilities`` is what is locked. Rows that refer to it do not wait for it.
    """
    if conn.dialect.name == "postgresql":
        table = tables.utilities.c
        conn.execute(select(table.id).where(table.id == utility).with_for_update(key_share=True))


def waited(error: DBAPIError) -> bool:
    """Whether a lock was not given in time: nothing is broken, and what was asked can be asked again."""
    driver: Any = error.orig
    return getattr(driver, "sqlite_errorname", "").startswith("SQLITE_BUSY") or getattr(driver, "sqlstate", "") == "55P03"


def migrate(db: Engine, utility: str) -> bool:
    """Bring the database to the newest tables and make sure of its utility; whether anything had to change."""
    before = _revision(db)
    _check_order(db)
    if before != _newest():
        from alembic import command  # loaded here only: all other commands start a tenth sooner

        config = _config()
        config.attributes["engine"] = db
        command.upgrade(config, "head")
    with writing(db, utility) as conn:
        if conn.execute(select(tables.utilities.c.id).where(tables.utilities.c.id == utility)).first() is None:
            conn.execute(insert(tables.utilities).values(id=utility, name=utility))
            return True
    return before != _newest()


def require(db: Engine, utility: str) -> None:
    """Refuse a database that is absent, not ours, older than the program, or that the row-level policies cannot guard; and a utility it does not know.

    ``utility``: empty where none is meant, as for a service that answers the keys of all.
    """
    path = db.url.database
    if db.dialect.name == "sqlite" and path not in (None, ":memory:") and not Path(path).exists():
        raise refused("no-database", db=path)
    shown = path if db.dialect.name == "sqlite" else _shown(db)
    known = _revision(db) == _newest()
    _check_order(db)
    if not known:
        raise refused("old-database", db=shown)
    with reading(db, utility) as conn:
        if db.dialect.name == "postgresql" and conn.execute(_UNGUARDED).scalar():
            raise refused("database-role-unguarded", role=db.url.username or "")
        if utility and conn.execute(select(tables.utilities.c.id).where(tables.utilities.c.id == utility)).first() is None:
            raise refused("utility-unknown", utility=utility, db=shown)


def _check_order(db: Engine) -> None:
    """Text in the order of code points: account ranges are compared here and there, and numbers follow the accounts' order."""
    if db.dialect.name == "postgresql":
        with db.connect() as conn:
            if conn.execute(_BY_LANGUAGE).scalar():
                raise refused("database-order", db=_shown(db))


_STANDS_AT = text("SELECT version_num FROM alembic_version")
_BY_LANGUAGE = text("SELECT 'a' < 'B' OR 'a b' > 'a-b'")
_UNGUARDED = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")


def _revision(db: Engine) -> str | None:
    """The migration the database stands at; None for one without tables. Refused where it cannot be opened."""
    try:
        with db.connect() as conn:
            found = conn.execute(_STANDS_AT).scalars().all() if inspect(conn).has_table("alembic_version") else []
            return found[0] if len(found) == 1 else None
    except DBAPIError as error:
        if db.dialect.name == "sqlite":
            raise refused("unreadable-database", db=db.url.database, reason=str(error.orig)) from error
        raise refused("unreachable-database", db=_shown(db), reason=_first_line(error)) from error


def _shown(db: Engine) -> str:
    return without_password(db.url.render_as_string(hide_password=True))


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or [""])[0]


def _name(conn: Connection, utility: str) -> None:
    """Tell the row-level policies whose rows this transaction may see."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.set_config("billing.utility", utility, True)))


def _postgresql(url: URL) -> Engine:
    options = {"options": f"-c timezone=UTC -c lock_timeout={_WAIT_MS}", "application_name": "billing", "connect_timeout": "10"}
    given = {name: value for name, value in options.items() if name not in url.query}
    try:
        # A connection that died in the pool (the server was restarted) is replaced before a use case meets it.
        return create_engine(url.set(drivername="postgresql+psycopg"), connect_args=given, pool_pre_ping=True, pool_size=5, max_overflow=15)
    except ImportError as error:
        raise refused("driver-missing", module=error.name or "psycopg") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own
    # recursive_triggers: without it INSERT OR REPLACE removes rows behind the back of the triggers that keep them.
    pragmas = ("foreign_keys=ON", "recursive_triggers=ON", f"busy_timeout={_WAIT_MS}", "journal_mode=WAL", "synchronous=FULL", "cache_size=-64000")
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get("write") else "BEGIN")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


@cache
def _newest() -> str:
    """The last migration there is; each file begins with its number, as the revision does."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))
