"""``python -m soak kills --n 100 --accounts 50000 --db both``: a month is billed and issued while it is killed with -9 at random moments.

Each killed command is given again until it ends. One sha256 over documents, their numbers, lines, parts, claims, exceptions
and held bills says whether anything differs from the same month undisturbed, and the first rows that do. Exit code 1 where any does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from billing_service import runs
from billing_service.settings import Settings
from billing_service.store import connect, tables
from examples.yangquan.generate import read_month, write

CITY = Path(__file__).parent.parent / "examples" / "yangquan"
RULES = CITY / "rules"
PERIOD = "2026-10"
PROGRAM = (sys.executable, "-m", "billing_service")
#: What a month leaves behind, and what of it is a moment and not a result.
KEPT = ("documents", "lines", "parts", "series", "billed", "exceptions", "holds")
MOMENTS = frozenset({"issued_at"})


@dataclass(frozen=True)
class Place:
    """A kind of database: the one a city is prepared in, and how to come by further ones with the same content."""

    kind: str
    prepared: str
    copy: Callable[[], str]


def soak(n: int, accounts: int, kind: str, seed: int, chunk: int = 2000) -> int:
    """Kill ``n`` times on each kind of database; how many ended otherwise than the undisturbed month."""
    wrong = 0
    for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
        with place(one) as where:
            prepare(where.prepared, accounts, seed)
            wrong += lives(where, n, Random(seed), chunk)
    return wrong


def lives(where: Place, n: int, random: Random, chunk: int, tell: Callable[[str], None] = print) -> int:
    """Undisturbed first, then month after month until ``n`` kills were made; how many months differ."""
    calm = where.copy()
    run, issue = commands(chunk)
    took = [_timed(run, calm)]
    approve(calm)
    took.append(_timed(issue, calm))
    expected = digest(calm)
    tell(f"{where.kind}: undisturbed {expected}, seconds {[round(one, 1) for one in took]}")
    killed = months = wrong = 0
    began = time.monotonic()
    while killed < n:
        url = where.copy()
        killed += disturbed(run, url, took[0], random, n - killed)
        approve(url)
        killed += disturbed(issue, url, took[1], random, n - killed)
        found = digest(url)
        months += 1
        wrong += found != expected
        tell(f"{where.kind}: {killed} kills in {months} months, {time.monotonic() - began:.0f} s, {'same' if found == expected else 'DIFFERENT: ' + found}")
        for one in () if found == expected else differing(calm, url):
            tell(f"  {one}")
    tell(f"{where.kind}: {killed} kills, {wrong} of {months} months differ from {expected}")
    return wrong


def commands(chunk: int) -> list[Sequence[str]]:
    """What is killed. Between the two somebody approves."""
    return [("run", "--period", PERIOD, "--chunk", str(chunk), "--rules", str(RULES), "--as", "li"), ("issue", "--as", "wang")]


def approve(url: str) -> None:
    """Review and approve the run."""
    wang = Settings(db=url, user="wang")
    with connect.opened(wang.url) as engine:
        runs.approve(engine, wang, runs.review(engine, wang, "", runs.clock()), runs.clock())


def disturbed(command: Sequence[str], url: str, seconds: float, random: Random, most: int) -> int:
    """Give a command and kill it at a random moment, again and again, until it ends by itself; how often it was killed."""
    killed = 0
    while True:
        process = start(command, url)
        if killed < most:
            try:
                process.wait(random.random() ** 2 * seconds)  # early more often than late: several kills a month
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                if _ended(command[0], url):
                    return killed
                continue
        if process.wait() != 0:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        return killed


def _ended(command: str, url: str) -> bool:
    """Whether a killed command had done all its work: given again it would begin another run, or be refused."""
    with connect.opened(Settings(db=url).url) as engine, connect.reading(engine, "main") as conn:
        states = set(conn.execute(select(tables.runs.c.state).where(tables.runs.c.utility == "main")).scalars())
    return bool(states) and states <= ({"issued"} if command == "issue" else {"draft"})


def digest(url: str) -> str:
    """One hash over everything the month left behind, but for the moments at which it came to be."""
    found = hashlib.sha256()
    with connect.opened(Settings(db=url).url) as engine:
        for name in KEPT:
            found.update(name.encode())
            for row in left(engine, name):
                found.update(repr(row).encode())
        with connect.reading(engine, "main") as conn:
            numbers = select(func.count(), func.count(tables.documents.c.number), func.sum(tables.documents.c.total))
            found.update(repr([str(value) for value in conn.execute(numbers.where(tables.documents.c.utility == "main")).one()]).encode())
    return found.hexdigest()


def left(engine: connect.Engine, name: str) -> Iterator[tuple[str, ...]]:
    """The rows of a table as text, by primary key, without moments."""
    table = tables.metadata.tables[name]
    columns = [column for column in table.columns if column.name not in MOMENTS]
    with connect.reading(engine, "main") as conn:
        for row in conn.execution_options(yield_per=5000).execute(select(*columns).order_by(*table.primary_key.columns)):
            yield tuple(str(value) for value in row)


def differing(calm: str, disturbed: str, most: int = 3) -> list[str]:
    """The first rows of each table that only one of two databases has."""
    found = []
    with connect.opened(Settings(db=calm).url) as one, connect.opened(Settings(db=disturbed).url) as other:
        for name in KEPT:
            mine, theirs = set(left(one, name)), set(left(other, name))
            found += [f"{name}, undisturbed only: {row}" for row in sorted(mine - theirs)[:most]]
            found += [f"{name}, disturbed only: {row}" for row in sorted(theirs - mine)[:most]]
    return found


def prepare(url: str, accounts: int, seed: int) -> None:
    """A sample city with its packs adopted and its month imported."""
    with tempfile.TemporaryDirectory() as folder:
        write(accounts, seed, read_month(PERIOD), Path(folder))
        for pack in sorted(path.name for path in (RULES / "cn" / "yangquan").iterdir()):
            _must(("adopt", f"cn/yangquan/{pack}", "2026-10-01", "--document", "sample", "--rules", str(RULES), "--as", "li"), url)
        start(("import", folder, "--as", "li"), url).wait()  # ends with 1: the city has planted faults


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """Databases of one kind, for a while. PostgreSQL is a real one, set up as the guide tells an operator."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if kind == "sqlite":
            first = folder / "first.db"
            _must(("init",), str(first))
            yield Place(kind, str(first), lambda: copied(first, folder))
            return
        from tests.billing import postgres

        server = stack.enter_context(postgres.server())
        url = stack.enter_context(postgres.database(server))
        yield Place(kind, url, lambda: postgres.copy_of(server, url))


def copied(first: Path, folder: Path) -> str:
    """A copy of an SQLite file nobody writes to."""
    with connect.opened(f"sqlite:///{first}") as engine, engine.connect() as conn:
        conn.exec_driver_sql("COMMIT").close()
        conn.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()  # type: ignore[union-attr]
    copy = Path(tempfile.mkdtemp(dir=folder)) / "billing.db"
    shutil.copy(first, copy)
    return str(copy)


def _timed(command: Sequence[str], url: str) -> float:
    began = time.monotonic()
    _must(command, url)
    return time.monotonic() - began


def _must(command: Sequence[str], url: str) -> None:
    code = start(command, url).wait()
    if code != 0:
        raise SystemExit(f"{' '.join(command)} ended with {code}")


def start(command: Sequence[str], url: str) -> subprocess.Popen[bytes]:
    """A command as a process group of its own, so that a kill takes its helpers too."""
    words = [*PROGRAM, *command, "--db", url]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True)


def environment() -> dict[str, str]:
    """In which a process of ours finds this very tree."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(CITY.parent.parent), *filter(None, sys.path)])}
