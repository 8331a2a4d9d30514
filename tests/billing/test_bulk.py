"""Rows loaded as columns are the rows that single inserts would have made, on every way they can take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError

from billing_service.store import bulk, connect, tables
from tests.billing import postgres
from tests.billing.conftest import Office, furnish

pytestmark = pytest.mark.both_databases

COUNT = 300


def documents() -> dict[str, list[Any]]:
    """Drafts with every kind of column: text with what COPY escapes, decimals, dates, moments, nothing."""
    every = range(COUNT)
    return {
        "id": [f"D{one}\t\\N\n'\"；" for one in every],
        "run": ["2026-10-1"] * COUNT,
        "kind": ["invoice"] * COUNT,
        "account": ["A1"] * COUNT,
        "period_start": [date(2026, 10, 1)] * COUNT,
        "period_end": [date(2026, 11, 1)] * COUNT,
        "currency": ["CNY"] * COUNT,
        "direction": ["receivable"] * COUNT,
        "total": [Decimal(one).scaleb(-4) - Decimal("0.0100") + (10**14 if one == 7 else 0) for one in every],
        "state": ["draft"] * COUNT,
        "issued_at": [None if one % 2 else datetime(2026, 11, 3, 7, 30, 0, one, tzinfo=UTC) for one in every],
    }


def loaded(office: Office) -> list[Mapping[str, Any]]:
    return [row for row in office.rows("documents") if row["id"].startswith("D") and "\t" in row["id"]]


def check(office: Office) -> None:
    columns = documents()
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        assert bulk.insert_columns(conn, tables.documents, "main", columns) == COUNT
    wanted = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert sorted(({name: row[name] for name in columns} for row in loaded(office)), key=lambda row: row["id"]) == sorted(wanted, key=lambda row: row["id"])
    assert {(row["utility"], row["reason"], row["number"], row["known"]) for row in loaded(office)} == {("main", "", None, None)}


@pytest.fixture
def drafted(office: Office) -> Office:
    city = furnish(office)
    city.runs()
    return city


def test_columns_give_the_rows_they_say(drafted: Office) -> None:
    check(drafted)


def test_without_the_role_that_loads_the_rows_are_the_same(drafted: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LOADER", "nobody_made_this_role")
    check(drafted)


def test_a_load_that_fails_leaves_nothing_and_tells_why_like_any_statement(drafted: Office) -> None:
    columns = documents()
    columns["account"][COUNT - 1] = "nobody"
    with drafted.opened() as engine, pytest.raises(IntegrityError), connect.writing(engine, "main") as conn:
        bulk.insert_columns(conn, tables.documents, "main", columns)
    assert loaded(drafted) == []


def test_after_a_load_the_transaction_is_who_it_was(drafted: Office) -> None:
    with drafted.opened() as engine, connect.writing(engine, "main") as conn:
        bulk.insert_columns(conn, tables.documents, "main", documents())
        assert len(conn.execute(select(tables.accounts)).all()) == 3
        conn.execute(delete(tables.billed).where(tables.billed.c.utility == "main"))


def test_ready_made_blocks_are_copied(drafted: Office) -> None:
    with drafted.opened() as engine, connect.writing(engine, "main") as conn:
        if engine.dialect.name == "sqlite":
            pytest.skip("SQLite has no COPY")
        names = ["utility", "run", "seq", "account", "contract", "tariff", "code", "values", "reason", "file", "line"]
        bulk.copy_blocks(conn, tables.exceptions, names, [b"main\t2026-10-1\t1\tA1\tC1\tt\tc\t{}\tr\tf\t", b"7\n"], binary=False)
        assert conn.execute(text("SELECT line FROM exceptions")).scalars().all() == [7]


def test_the_guide_lists_the_tables_that_are_loaded() -> None:
    assert f"GRANT INSERT ON documents, parts, lines, billed, exceptions, usage_records TO {bulk.LOADER};" in postgres.GUIDE.read_text("utf-8")
