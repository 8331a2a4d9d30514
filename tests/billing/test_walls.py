"""On PostgreSQL no statement reaches rows of another utility, whatever it says: row-level policies stand behind our own statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from billing_service.problems import Refused
from billing_service.store import bulk, connect, events, tables
from tests.billing import postgres
from tests.billing.conftest import Office, furnish

NOW = datetime(2026, 11, 3, tzinfo=UTC)
TABLES = {name: "id" if name == "utilities" else "utility" for name in tables.metadata.tables}


@dataclass(frozen=True)
class Both:
    server: postgres.Server
    name: str
    engine: Engine


@pytest.fixture(scope="module")
def both(postgresql: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A month of ``main``, and the same rows under ``other``, written past every wall."""
    with postgres.database(postgresql) as url:
        office = Office(tmp_path_factory.mktemp("both"), url)
        furnish(office)
        office.runs()
        office.issues()
        name = url.partition("?")[0].rpartition("/")[2]
        with connect.opened(url) as engine:
            with connect.writing(engine, "main") as conn:
                events.append(conn, "main", NOW, "li", "run.issued", "2026-10-1", {})
            for table in tables.metadata.sorted_tables:
                columns = ", ".join(f'"{column.name}"' for column in table.columns)
                mine = columns.replace(f'"{TABLES[table.name]}"', "'other'", 1)
                copied = f"INSERT INTO {table.name} ({columns}) SELECT {mine} FROM {table.name} WHERE {TABLES[table.name]} = 'main'"
                postgresql.query(f"SET session_replication_role = replica; {copied}", name)
            yield Both(postgresql, name, engine)


def of_other(both: Both) -> dict[str, Any]:
    """What stands under ``other``, read past every wall."""
    summed = "SELECT count(*), md5(string_agg(one::text, ' ' ORDER BY one::text))"
    return {table: both.server.query(f"{summed} FROM {table} one WHERE {key} = 'other'", both.name) for table, key in TABLES.items()}


def test_a_transaction_sees_its_own_utility_and_without_one_nothing(both: Both) -> None:
    filled = {table for table, ((count, _),) in of_other(both).items() if count}
    assert {"accounts", "documents", "lines", "events", "usage_records", "utilities"} <= filled
    for utility, wanted in (("main", {"main"}), ("other", {"other"}), ("", set()), ("nobody", set())):
        with connect.reading(both.engine, utility) as conn:
            for table in filled:
                assert {row[0] for row in conn.execute(text(f"SELECT DISTINCT {TABLES[table]} FROM {table}"))} == wanted, table
    with both.engine.connect() as conn:
        assert [table for table in TABLES if conn.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).first()] == []


def test_the_utility_of_a_transaction_does_not_outlive_it(both: Both) -> None:
    with connect.reading(both.engine, "main") as conn:
        assert conn.execute(text("SELECT count(*) FROM accounts")).scalar()
    with both.engine.connect() as conn:  # the same connection, from the pool
        assert conn.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


@pytest.mark.parametrize("table", sorted(TABLES))
def test_raw_sql_under_one_utility_changes_nothing_of_another(both: Both, table: str) -> None:
    before, key = of_other(both), TABLES[table]
    for utility in ("main", ""):
        for attempt in (f"UPDATE {table} SET {key} = {key} WHERE {key} = 'other'", f"DELETE FROM {table} WHERE {key} = 'other'"):
            with connect.writing(both.engine, utility) as conn:
                assert conn.execute(text(attempt)).rowcount == 0
        with pytest.raises(DBAPIError), connect.writing(both.engine, utility) as conn:
            conn.execute(text(f"TRUNCATE {table} CASCADE"))
    assert of_other(both) == before


def test_a_row_of_another_utility_is_refused_also_by_its_own_columns(both: Both) -> None:
    before = of_other(both)
    with pytest.raises(ProgrammingError, match="row-level security"), connect.writing(both.engine, "main") as conn:
        conn.execute(insert(tables.series), [{"utility": "other", "kind": "invoice", "year": 2030, "next": 1}])
    with pytest.raises(ProgrammingError, match="row-level security"), connect.writing(both.engine, "main") as conn:
        conn.execute(text("UPDATE run_chunks SET utility = 'other'"))
    assert of_other(both) == before


def test_copy_cannot_add_rows_to_another_utility_nor_read_any(both: Both) -> None:
    before = of_other(both)
    with connect.reading(both.engine, "other") as conn:
        rows: dict[str, dict[str, Any]] = {
            name: dict(conn.execute(select(tables.metadata.tables[name])).mappings().first() or {}) for name in ("documents", "lines", "parts")
        }
    changes: dict[str, dict[str, Any]] = {"documents": {"id": "new", "number": None, "state": "draft"}, "lines": {"seq": 99}, "parts": {"tariff": "cn/other"}}
    for name, change in changes.items():
        table = tables.metadata.tables[name]
        row = {column: value for column, value in {**rows[name], **change}.items() if column != "utility"}
        with pytest.raises(IntegrityError), connect.writing(both.engine, "main") as conn:
            bulk.insert_columns(conn, table, "other", {column: [value] for column, value in row.items()})
    with both.engine.connect() as conn:
        conn.execute(text(f"SET ROLE {bulk.LOADER}"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            conn.execute(text("SELECT * FROM accounts"))
    assert of_other(both) == before


def test_the_owner_of_the_tables_stands_before_the_same_walls(both: Both) -> None:
    with connect.opened(both.server.url(both.name, "billing_owner")) as owner, owner.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


def test_a_role_that_no_policy_holds_is_refused(both: Both) -> None:
    with connect.opened(both.server.url(both.name, "postgres")) as engine, pytest.raises(Refused) as told:
        connect.require(engine, "main")
    assert [found.code for found in told.value.problems] == ["database-role-unguarded"]


def test_every_table_has_its_wall(both: Both) -> None:
    walled = both.server.query("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity", both.name)
    assert {name for (name,) in walled} == set(TABLES)
