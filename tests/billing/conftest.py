"""An office of a utility: a database of its own, the sample city's rules, and the ``billing`` command as people use it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from sqlalchemy import select
from typer.testing import CliRunner

from billing_service import runs
from billing_service.cli import app
from billing_service.settings import Settings
from billing_service.store import connect, tables
from examples.yangquan.generate import read_month, write
from tests.billing import postgres

ROOT = Path(__file__).parent.parent.parent
CITY = ROOT / "examples" / "yangquan"
RULES = CITY / "rules"
OWN_RULES = Path(__file__).parent / "rules"
PACKS = tuple(sorted(path.name for path in (RULES / "cn" / "yangquan").iterdir()))
OCTOBER = "2026-10"
ACCOUNTS = 300  # of the small city

# The runner builds all commands anew for each it runs: a third of what these tests spent.
setattr(typer.testing, "_get_command", cache(getattr(typer.testing, "_get_command")))  # noqa: B009, B010
# On SQLite a database has one engine for all commands of a test, for SQLAlchemy writes the SQL of every statement anew for
# each engine: a fifth of the rest. On PostgreSQL each closes its pool at the end, and so has one of its own.
_new_engine, _engine = connect.engine, lru_cache(maxsize=16)(connect.engine)
setattr(connect, "engine", lambda url: (_engine if url.startswith("sqlite") else _new_engine)(url))  # noqa: B010

HEADS = {
    "accounts": "account,name,class,address,district",
    "contracts": "contract,account,tariff,from,to,facts",
    "usage": "id,account,point,measure,start,end,value,unit,quality,replaces,known",
    "corrections": "id,account,point,measure,start,end,value,unit,quality,replaces,known",
}


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        return [found["code"] for found in self.json["problems"]]


@dataclass(frozen=True)
class Office:
    """The commands of one database: a file of the folder, or the URL of another."""

    folder: Path
    url: str = ""
    utility: str = ""

    @property
    def db(self) -> str:
        return self.url or str(self.folder / "billing.db")

    @contextmanager
    def opened(self) -> Iterator[connect.Engine]:
        """An engine, closed at the end."""
        engine = connect.engine(Settings(db=self.db).url)
        try:
            yield engine
        finally:
            engine.dispose()

    def says(self, *words: object, by: str = "") -> Answer:
        """A command as a person gives it."""
        command, *rest = map(str, words)
        given = [command, *rest, "--db", self.db, *(("--utility", self.utility) if self.utility else ())]
        if command in {"adopt", "run"}:
            given += ["--rules", str(RULES), "--rules", str(OWN_RULES)]
        if by:
            given += ["--as", by]
        result = CliRunner().invoke(app, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def does(self, *words: object, by: str = "") -> Any:
        """A command that must go well; its JSON."""
        answer = self.says(*words, "--json", by=by)
        assert answer.code == 0, answer.out + answer.err
        return answer.json

    def refuses(self, *words: object, by: str = "") -> Answer:
        """A command that must be refused, with its problems."""
        answer = self.says(*words, "--json", by=by)
        assert answer.code == 1, answer.out + answer.err
        assert answer.codes
        return answer

    def adopts_all(self) -> None:
        own = Settings(db=self.db, rules=(RULES, OWN_RULES), user="li", utility=self.utility or "main")
        with self.opened() as engine:
            for pack in PACKS:
                runs.adopt(engine, own, f"cn/yangquan/{pack}", date(2026, 10, 1), "sample", runs.clock())

    def receives(self, **files: str) -> Answer:
        """Import files given as rows without their header."""
        folder = self.folder / "in"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.csv"):
            old.unlink()
        for name, rows in files.items():
            lines = [HEADS[name], *(line.strip() for line in rows.strip().splitlines())]
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
        return self.says("import", folder, "--json", by="li")

    def runs(self, *more: object) -> Any:
        return self.does("run", "--period", OCTOBER, *more, by="li")

    def issues(self) -> Any:
        """Review, approve and issue the latest run."""
        self.does("review", by="wang")
        self.does("approve", by="wang")
        return self.does("issue", by="wang")

    def exceptions(self, run: str) -> list[dict[str, Any]]:
        return list(self.does("review", "--run", run)["exceptions"])

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """All rows of a table, as stored."""
        table = tables.metadata.tables[name]
        with self.opened() as engine, connect.reading(engine, self.utility or "main") as conn:
            query = select(table).where(table.c.utility == self.utility) if self.utility else select(table)
            return [dict(row._mapping) for row in conn.execute(query.order_by(*table.primary_key.columns))]

    def lines(self) -> list[tuple[Any, ...]]:
        """Issued amounts: account, document kind, charge, kind of line, amount."""
        documents = {row["id"]: row for row in self.rows("documents") if row["state"] in {"issued", "zero"}}
        found = [(documents[row["document"]], row) for row in self.rows("lines") if row["document"] in documents]
        return sorted((doc["account"], doc["kind"], row["tariff"], row["charge"], row["kind"], row["amount"]) for doc, row in found)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_databases: runs on SQLite and on PostgreSQL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module, class or test marked ``both_databases`` runs on SQLite and on PostgreSQL, any other on SQLite."""
    if "database" in metafunc.fixturenames:
        both = any(metafunc.definition.iter_markers("both_databases"))
        metafunc.parametrize("database", ["sqlite", "postgresql"] if both else ["sqlite"], indirect=True, scope="function")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """One server for all workers of a test run."""
    shared = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    with postgres.server(Path(tempfile.gettempdir()) / f"billing-pg-{shared}" if shared else None) as found:
        yield found


#: What is done with an office before it is copied, and what gives the office of a kind of database with that done.
Filled = Callable[[Office], object]
Template = Callable[[str, Filled], Office]


@dataclass(frozen=True)
class Databases:
    """Makes databases of a kind: with nothing in them, or as ``filled`` left one that is made once for all tests of a process."""

    kind: str
    copy_of: Callable[[str], str]
    template: Template

    def __call__(self) -> str:
        """The URL of an empty one on PostgreSQL; nothing on SQLite, where an office has a folder of its own."""
        return self.copy_of("") if self.kind == "postgresql" else ""

    def office(self, folder: Path, filled: Filled) -> Office:
        made = self.template(self.kind, filled)
        if self.kind == "postgresql":
            return Office(folder, self.copy_of(made.url))
        assert not Path(f"{made.db}-wal").exists(), "a connection to it is open, and what it wrote would be missing"
        shutil.copy(made.db, folder / "billing.db")
        return Office(folder)


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """An office of a kind of database as ``filled`` leaves it, to be copied; made when it is first asked for, and gone with the server or the folder."""

    @cache
    def made(kind: str, filled: Filled) -> Office:
        server = request.getfixturevalue("postgresql") if kind == "postgresql" else None
        office = Office(tmp_path_factory.mktemp("template"), postgres.copy_of(server, server.url(postgres.TEMPLATE)) if server else "")
        office.does("init")
        filled(office)
        return office

    return made


@pytest.fixture
def database(request: pytest.FixtureRequest, template: Template) -> Iterator[Databases]:
    with ExitStack() as opened:

        def copy_of(url: str) -> str:
            return opened.enter_context(postgres.database(request.getfixturevalue("postgresql"), url))

        yield Databases(request.param, copy_of, template)


@pytest.fixture
def make_office(tmp_path: Path, database: Databases) -> Callable[..., Office]:
    def make(name: str, filled: Filled = nothing) -> Office:
        folder = tmp_path / name
        folder.mkdir()
        return database.office(folder, filled)

    return make


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    """A database with nothing in it yet."""
    return make_office("office")


@pytest.fixture
def city(make_office: Callable[..., Office]) -> Office:
    """Two households and a shop of the sample city, its packs adopted."""
    return make_office("office", furnish)


@pytest.fixture
def ready(make_office: Callable[..., Office]) -> Office:
    """A small city with its planted faults, imported and adopted."""
    return make_office("office", stock)


def nothing(_: Office) -> None:
    """What an office has in it at first."""


def stock(office: Office) -> None:
    write(ACCOUNTS, 7, read_month(OCTOBER), office.folder / "data")
    office.adopts_all()
    office.says("import", office.folder / "data", by="li")


def furnish(office: Office) -> Office:
    """What ``city`` has in it."""
    office.adopts_all()
    answer = office.receives(
        accounts="""
            A1,Zhao,household,Road 1,East
            A2,Qian,household,Road 2,East
            A3,Sun's shop,shop,Road 3,West
        """,
        contracts="""
            C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident
            C2,A1,cn/yangquan/domestic-waste,2026-01-01,,payer=household;households=1;relief=ordinary
            C3,A2,cn/yangquan/sewage,2026-01-01,,user=resident
            C4,A3,cn/yangquan/sewage,2026-01-01,,user=non_resident
        """,
        usage="""
            U1,A1,M1,water,2026-10-01,2026-11-01,20,m3,actual,,2026-11-02
            U2,A2,M2,water,2026-10-01,2026-11-01,0,m3,actual,,2026-11-02
            U3,A3,M3,water,2026-10-01,2026-11-01,100,m3,estimated,,2026-11-02
        """,
    )
    assert answer.code == 0, answer.out
    return office
