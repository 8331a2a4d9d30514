"""Accounts billed as columns leave the very rows that the general way would have left, and most accounts are billed so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from billing_service import chunk, fixed, plain, runs
from billing_service.settings import Settings
from billing_service.store import connect, entitlements, tables
from billing_service.store import runs as store
from soak import kills
from tests.billing.conftest import ACCOUNTS, OWN_RULES, RULES, Office

pytestmark = pytest.mark.both_databases
PERIOD = (date(2026, 10, 1), date(2026, 11, 1))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
Rows = dict[str, list[tuple[str, ...]]]


class Undone(Exception):
    """Ends a transaction that must leave nothing."""


@contextmanager
def begun(office: Office, size: int = 1000) -> Iterator[tuple[connect.Connection, fixed.Fixed, list[Any]]]:
    """A run begun, and its chunks; all that is done to it is undone."""
    own = Settings(db=office.db, rules=(RULES, OWN_RULES), user="li")
    with office.opened() as engine, suppress(Undone), connect.writing(engine, "main") as conn:
        run = runs.begin_in(conn, own, PERIOD, None, NOW, size=size)
        yield conn, fixed.from_row(conn, "main", runs.pick(conn, "main", run, [])), store.chunks_of(conn, "main", run)
        raise Undone


def left(conn: connect.Connection, name: str) -> list[tuple[str, ...]]:
    """The rows of a table as text, by primary key."""
    table = tables.metadata.tables[name]
    return [tuple(map(str, row)) for row in conn.execute(select(table).order_by(*table.primary_key.columns))]


def billed(office: Office, columns: bool, size: int = 1000) -> tuple[Counter[str], Rows]:
    """The counts of a run and what it leaves in every table."""
    counts = Counter[str]()
    with begun(office, size) as (conn, found, chunks):
        for one in chunks:
            counts.update(chunk.bill_chunk(conn, "main", found, one.seq, one.first_account, one.last_account, columns=columns))
        rows = {name: left(conn, name) for name in kills.KEPT}
    return counts, rows


def both_ways(office: Office, size: int = 1000) -> tuple[Counter[str], Rows]:
    """What both ways leave, which is the same."""
    general = billed(office, columns=False, size=size)
    assert billed(office, columns=True, size=size) == general
    return general


def plain_of(office: Office) -> tuple[int, set[str]]:
    """How many documents go as columns, and which accounts do not."""
    with begun(office) as (conn, found, (one,)):
        quick = plain.bill(conn, "main", found, found.among(one.first_account, one.last_account))
    return quick.documents, set(quick.others)


def test_columns_leave_the_rows_of_the_general_way_and_most_accounts_go_as_columns(ready: Office) -> None:
    counts, rows = both_ways(ready)
    assert counts["invoices"] == len(rows["documents"]) > 250 and counts["parked"] == len(rows["exceptions"]) > 5
    assert all(rows[name] for name in ("lines", "parts", "billed"))
    documents, others = plain_of(ready)
    assert documents > 0.85 * ACCOUNTS and 0 < len(others) < 0.15 * ACCOUNTS
    assert billed(ready, columns=True, size=97)[1] == {**rows, "exceptions": billed(ready, columns=False, size=97)[1]["exceptions"]}
    ready.runs()
    assert plain_of(ready)[0] == 0, "who has a draft is not plain"


# One account for everything that needs a decision: its contracts as (start, end, tariff, facts) and its records as (measure, start, end, point).
WHOLE = ("2026-01-01", "", "sewage", "user=resident")
MONTH = ("water", "2026-10-01", "2026-11-01", "")
ODD: dict[str, tuple[list[tuple[str, str, str, str]], list[tuple[str, str, str, str]]]] = {
    "begins": ([("2026-10-11", "", "sewage", "user=resident")], [MONTH]),
    "ends": ([("2026-01-01", "2026-10-21", "sewage", "user=resident")], [MONTH]),
    "twins": ([WHOLE, WHOLE], [MONTH]),
    "unknown-fact": ([("2026-01-01", "", "sewage", "colour=red")], [MONTH]),
    "measured-fact": ([("2026-01-01", "", "sewage", "user=resident;water=3")], [MONTH]),
    "refused-fact": ([("2026-01-01", "", "sewage", "user=martian")], [MONTH]),
    "no-tariff": ([("2026-01-01", "", "nothing", "user=resident")], [MONTH]),
    "no-contract": ([], [MONTH]),
    "unread": ([WHOLE], [MONTH, ("heat", "2026-10-01", "2026-11-01", "")]),
    "reaches-out": ([WHOLE], [("water", "2026-09-20", "2026-11-01", "")]),
    "overlapping": ([WHOLE], [MONTH, ("water", "2026-10-05", "2026-10-09", "")]),
    "no-record": ([WHOLE], []),
    "shares": ([WHOLE], [MONTH]),
    "on-a-shared-meter": ([WHOLE], [("water", "2026-10-01", "2026-11-01", "M-shared")]),
    "beyond-64-bits": ([WHOLE], [MONTH]),
    "relieved": ([WHOLE], [MONTH]),
}
#: More water than the places of a stored amount leave room for.
BEYOND = 10**11
PLAIN = {"whole": ([WHOLE], [MONTH]), "in-two-halves": ([WHOLE], [("water", "2026-10-01", "2026-10-16", ""), ("water", "2026-10-16", "2026-11-01", "")])}


@pytest.fixture
def street(city: Office) -> Office:
    """An account for every kind of trouble, and some without any."""
    given = ODD | PLAIN
    contracts = [
        f"C{name}{at},{name},cn/yangquan/{tariff},{start},{end},{facts}"
        for name, (own, _) in given.items()
        for at, (start, end, tariff, facts) in enumerate(own)
    ]
    usage = [
        f"U{name}{at},{name},{point or 'M' + name},{measure},{start},{end},{BEYOND if name == 'beyond-64-bits' else 7},{'GJ' if measure == 'heat' else 'm3'},actual,,2026-11-02"
        for name, (_, own) in given.items()
        for at, (measure, start, end, point) in enumerate(own)
    ]
    city.receives(accounts="\n".join(f"{name},Li,household,Road 9,East" for name in given), contracts="\n".join(contracts), usage="\n".join(usage))
    by = {"recorded_by": "li", "recorded_at": NOW, "from": date(2026, 1, 1)}
    with city.opened() as engine, connect.writing(engine, "main") as conn:
        entitlements.add_share(conn, "main", point="M-shared", account="shares", parts=Decimal(1), **by)
        entitlements.add_relief(conn, "main", id="R1", account="relieved", facts="{}", proof="card 7", **by)
    return city


def test_whoever_needs_a_decision_goes_the_general_way_and_nobody_else(street: Office) -> None:
    documents, others = plain_of(street)
    imported = {row["account"] for row in street.rows("contracts")} | {row["account"] for row in street.rows("usage_records")}
    assert others == set(ODD) & imported and len(others) > 10
    assert documents == len(PLAIN) + 3
    both_ways(street)
