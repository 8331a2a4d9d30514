"""The store loses nothing: exact decimals, instants in UTC, migrations that give exactly the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from billing_service.store import connect, tables
from billing_service.store.types import Exact, Instant
from tests.billing.conftest import Office

SHELF = Table("shelf", MetaData(), Column("id", Integer, primary_key=True), Column("amount", Exact(4)), Column("at", Instant))
LARGEST = Decimal(2**63 - 1).scaleb(-4)


@given(st.lists(st.decimals(-LARGEST, LARGEST, places=4, allow_nan=False), max_size=20))
def test_decimals_come_back_as_they_went_in(amounts: list[Decimal]) -> None:
    engine = create_engine("sqlite://")
    SHELF.metadata.create_all(engine)
    with engine.begin() as conn:
        if amounts:
            conn.execute(insert(SHELF), [{"amount": amount} for amount in amounts])
        assert [row.amount for row in conn.execute(select(SHELF.c.amount).order_by(SHELF.c.id))] == amounts
    engine.dispose()


def test_sums_and_order_are_exact_in_sql() -> None:
    engine = create_engine("sqlite://")
    SHELF.metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(insert(SHELF), [{"amount": Decimal("0.1")}, {"amount": Decimal("0.2")}, {"amount": Decimal("90071992547409.9301")}])
        assert conn.execute(select(func.sum(SHELF.c.amount))).scalar() == Decimal("90071992547410.2301")
        assert conn.execute(select(SHELF.c.id).where(SHELF.c.amount == Decimal("0.20"))).scalars().all() == [2]
    engine.dispose()


@pytest.mark.parametrize("amount", [Decimal("0.00001"), LARGEST + 1, Decimal("NaN"), Decimal("Infinity"), 1.5, 3])
def test_what_cannot_be_stored_exactly_is_refused(amount: object) -> None:
    engine = create_engine("sqlite://")
    SHELF.metadata.create_all(engine)
    with engine.begin() as conn, pytest.raises(StatementError):
        conn.execute(insert(SHELF), [{"amount": amount}])
    engine.dispose()


def test_instants_are_utc_and_need_their_zone() -> None:
    engine = create_engine("sqlite://")
    SHELF.metadata.create_all(engine)
    moment = datetime(2026, 11, 1, 7, 30, tzinfo=timezone(timedelta(hours=8)))
    with engine.begin() as conn:
        conn.execute(insert(SHELF), [{"at": moment}])
        assert conn.execute(select(SHELF.c.at)).scalar() == datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
        with pytest.raises(StatementError):
            conn.execute(insert(SHELF), [{"at": datetime(2026, 11, 1)}])  # noqa: DTZ001
    engine.dispose()


def test_migrations_give_exactly_the_tables(office: Office) -> None:
    with connect.engine(f"sqlite:///{office.db}").connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_init_twice_changes_nothing(office: Office) -> None:
    assert office.does("init")["changed"] is False


def test_every_table_carries_its_utility() -> None:
    assert [table.name for table in tables.metadata.tables.values() if "utility" not in table.c and table.name != "utilities"] == []


def test_the_database_itself_refuses_a_second_claim(city: Office) -> None:
    city.runs()
    engine = connect.engine(f"sqlite:///{city.db}")
    row = city.rows("billed")[0]
    with pytest.raises(IntegrityError), connect.writing(engine, "main") as conn:
        conn.execute(insert(tables.billed), [row])


def test_a_transaction_that_fails_leaves_nothing(city: Office) -> None:
    engine = connect.engine(f"sqlite:///{city.db}")

    def fail_late() -> None:
        with connect.writing(engine, "main") as conn:
            conn.execute(insert(tables.series), [{"utility": "main", "kind": "invoice", "year": 2026, "next": 9}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert city.rows("series") == []
