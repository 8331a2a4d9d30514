"""The store loses nothing: exact decimals, instants in UTC, migrations that give exactly the tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, Table, delete, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from typer.testing import CliRunner

from billing_service.cli import app
from billing_service.problems import Refused
from billing_service.store import connect, tables, versions
from billing_service.store.types import Exact, Instant
from tests.billing import postgres
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases

SHELF = Table("shelf", MetaData(), Column("id", Integer, primary_key=True), Column("amount", Exact(4)), Column("at", Instant), prefixes=["TEMPORARY"])
LARGEST = Decimal(2**63 - 1).scaleb(-4)


@pytest.fixture
def conn(database: Callable[[], str]) -> Iterator[Connection]:
    """A transaction with the shelf in it, as a temporary table."""
    with connect.opened(database() or "sqlite://") as engine, engine.begin() as found:
        SHELF.create(found)
        yield found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.decimals(-LARGEST, LARGEST, places=4, allow_nan=False), max_size=20))
def test_decimals_come_back_as_they_went_in(conn: Connection, amounts: list[Decimal]) -> None:
    conn.execute(delete(SHELF))
    if amounts:
        conn.execute(insert(SHELF), [{"id": place, "amount": amount} for place, amount in enumerate(amounts)])
    assert [row.amount for row in conn.execute(select(SHELF.c.amount).order_by(SHELF.c.id))] == amounts


def test_sums_and_order_are_exact_in_sql(conn: Connection) -> None:
    amounts = ["0.1", "0.2", "90071992547409.9301"]
    conn.execute(insert(SHELF), [{"id": place, "amount": Decimal(amount)} for place, amount in enumerate(amounts, 1)])
    assert conn.execute(select(func.sum(SHELF.c.amount))).scalar() == Decimal("90071992547410.2301")
    assert conn.execute(select(SHELF.c.id).where(SHELF.c.amount == Decimal("0.20"))).scalars().all() == [2]


@pytest.mark.parametrize("amount", [Decimal("0.00001"), LARGEST + 1, Decimal("NaN"), Decimal("Infinity"), 1.5, 3])
def test_what_cannot_be_stored_exactly_is_refused(conn: Connection, amount: object) -> None:
    with pytest.raises(StatementError):
        conn.execute(insert(SHELF), [{"amount": amount}])


def test_instants_are_utc_and_need_their_zone(conn: Connection) -> None:
    moment = datetime(2026, 11, 1, 7, 30, tzinfo=timezone(timedelta(hours=8)))
    conn.execute(insert(SHELF), [{"at": moment}])
    assert conn.execute(select(SHELF.c.at)).scalar() == datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    with pytest.raises(StatementError):
        conn.execute(insert(SHELF), [{"at": datetime(2026, 11, 1)}])  # noqa: DTZ001


def test_migrations_give_exactly_the_tables(office: Office) -> None:
    with office.opened() as engine, engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
        found = inspect(conn)
        for name, table in tables.metadata.tables.items():
            assert found.get_pk_constraint(name)["constrained_columns"] == [column.name for column in table.primary_key.columns], name


@pytest.fixture(params=["sqlite", "postgresql"])
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[connect.Engine]:
    """A database nobody has made tables in."""
    with ExitStack() as stack:
        sqlite = request.param == "sqlite"
        url = f"sqlite:///{tmp_path}/old.db" if sqlite else stack.enter_context(postgres.empty(request.getfixturevalue("postgresql")))
        yield stack.enter_context(connect.opened(url))


def test_a_database_of_the_first_release_is_brought_up_with_its_rows(untouched: connect.Engine) -> None:
    config = connect._config()
    config.attributes["engine"] = untouched
    command.upgrade(config, "0002")
    with untouched.begin() as conn:
        for statement in (
            "INSERT INTO utilities VALUES ('main', 'main')",
            "INSERT INTO imports VALUES ('main', 1, 'f', 's', 'li', '2026-01-01 00:00:00', 1, 0, 0)",
            "INSERT INTO accounts VALUES ('main', 'A1', 'Zhao', 'household', '', '', 1, 'f', 2)",
            "INSERT INTO contracts VALUES ('main', 'C1', '2026-01-01', NULL, 'A1', 't', '{}', NULL, 1, 'f', 2)",
            "INSERT INTO versions VALUES ('main', 'd', 't', '2026-01-01', 1, NULL, NULL, 1, 'published', '{}', 'x')",
            "INSERT INTO adoptions VALUES ('main', 'd', 'li', '2026-01-01 00:00:00', 'Decision 7')",
        ):
            conn.execute(text(statement))
    with pytest.raises(Refused, match="old-database"):
        connect.require(untouched, "main")
    assert connect.migrate(untouched, "main") is True
    connect.require(untouched, "main")
    with connect.writing(untouched, "main") as conn:
        (row,) = conn.execute(select(tables.contracts)).all()
        assert (row.contract, row.revision, row.account, row.line) == ("C1", 1, "A1", 2)
        conn.execute(insert(tables.contracts), [{**row._mapping, "revision": 2}])
        (adoption,) = conn.execute(select(tables.adoptions)).all()
        assert (adoption.tariff, adoption.digest, adoption.at) == ("t", "d", datetime(2026, 1, 1, tzinfo=UTC))
        (named,) = conn.execute(select(tables.version_names)).all()
        assert (named.tariff, named.digest, named.revision, named.end) == ("t", "d", 1, None)
    with pytest.raises(IntegrityError), connect.writing(untouched, "main") as conn:
        conn.execute(insert(tables.contracts), [{**row._mapping, "account": "nobody", "revision": 3}])


def test_the_newest_tables_are_those_alembic_would_bring() -> None:
    assert connect._newest() == ScriptDirectory.from_config(connect._config()).get_current_head()


def test_going_back_a_release_and_forth_again_works(untouched: connect.Engine) -> None:
    connect.migrate(untouched, "main")
    config = connect._config()
    config.attributes["engine"] = untouched
    with connect.writing(untouched, "main") as conn:
        kept = {"digest": "d", "tariff": "t", "effective": date(2026, 1, 1), "revision": 1, "language": 1, "status": "draft", "title": "{}", "content": b"x"}
        versions.keep(conn, "main", **kept)
        versions.adopt(conn, "main", "t", "d", "li", datetime(2026, 1, 1, tzinfo=UTC), "Decision 7")
    command.downgrade(config, "0002")
    assert connect.migrate(untouched, "main") is True
    with connect.reading(untouched, "main") as conn:
        assert versions.adopted(conn, "main").keys() == versions.named(conn, "main").keys() == {("t", "d")}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://li:secret@host/x", "database-not-supported"),
        ("oracle://li:secret@host/x", "database-not-supported"),
        ("postgresql+asyncpg://li:secret@host/x", "database-not-supported"),
        ("://li:secret@host", "bad-database-url"),
        ("postgresql://li:secret@host:port/x", "bad-database-url"),
        ("postgresql://li:s/ec@ret@127.0.0.1:1/x", "unreachable-database"),
        ("postgres://li:secret@127.0.0.1:1/x", "unreachable-database"),
        ("postgresql+psycopg://127.0.0.1:1/x?password=secret&user=li", "unreachable-database"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url: str, code: str) -> None:
    for command_ in ("review", "init"):
        for json_ in ([], ["--json"]):
            result = CliRunner().invoke(app, [command_, "--db", url, *json_])
            assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
            assert not json_ or [found["code"] for found in json.loads(result.stdout)["problems"]] == [code]
            assert "secret" not in result.output
            assert "ec@ret" not in result.output
            assert result.output.strip()


def test_a_driver_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Refused, match="driver-missing"):
        connect.engine("postgresql://li@host/x")


def test_init_twice_changes_nothing(office: Office) -> None:
    assert office.does("init")["changed"] is False


def test_every_table_carries_its_utility() -> None:
    assert [table.name for table in tables.metadata.tables.values() if "utility" not in table.c and table.name != "utilities"] == []


def test_the_database_itself_refuses_a_second_claim(city: Office) -> None:
    city.runs()
    row = city.rows("billed")[0]
    with city.opened() as engine, pytest.raises(IntegrityError), connect.writing(engine, "main") as conn:
        conn.execute(insert(tables.billed), [row])


def test_a_transaction_that_fails_leaves_nothing(city: Office) -> None:
    def fail_late() -> None:
        with city.opened() as engine, connect.writing(engine, "main") as conn:
            conn.execute(insert(tables.series), [{"utility": "main", "kind": "invoice", "year": 2026, "next": 9}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert city.rows("series") == []
