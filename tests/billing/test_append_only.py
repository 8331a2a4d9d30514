"""What was recorded stays: the database itself refuses to change or remove it, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from billing_service.store import connect, entitlements, events, idempotency, tables
from tests.billing.conftest import Office, furnish

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 3, tzinfo=UTC)
STAYS = (
    "account_revisions",
    "accounts",
    "adoptions",
    "contracts",
    "documents",
    "events",
    "idempotency",
    "import_problems",
    "imports",
    "lines",
    "parts",
    "reliefs",
    "shares",
    "usage_records",
    "version_names",
    "versions",
)
#: These change in few ways, and nothing of them is replaced.
GUARDED = ("billed", "exceptions", "holds", "runs")


@pytest.fixture
def kept(office: Office) -> Iterator[tuple[Office, connect.Engine]]:
    with office.opened() as engine:
        yield filled(office, engine), engine


def filled(office: Office, engine: connect.Engine) -> Office:
    """A month issued, and a row at least in every table that stays: an account nobody can bill, and a bill that waited for a person."""
    city = furnish(office)
    city.receives(contracts="C5,A2,cn/yangquan/nothing,2026-01-01,,user=resident\n")
    changed = city.folder / "accounts.csv"
    changed.write_text("account,name,class,known\nA2,Qian,household,2026-10-02\n", "utf-8")
    city.says("import", changed)
    city.does("hold", "first")
    city.receives(usage="U9,nobody,M9,water,2026-10-01,2026-11-01,1,m3,actual,,2026-11-02\n")
    city.runs()
    city.does("release", "--note", "new here", by="wang")
    city.issues()
    with connect.writing(engine, "main") as conn:
        events.append(conn, "main", NOW, "li", "run.issued", "2026-10-1", {})
        said = {"path": "/v1/x", "key": "k", "body_sha256": "0", "status": 201, "response": "{}", "at": NOW}
        idempotency.keep(conn, "main", method="POST", **said)
        by = {"from": date(2026, 1, 1), "recorded_by": "li", "recorded_at": NOW}
        entitlements.add_relief(conn, "main", id="R1", account="A1", facts="{}", proof="card 7", **by)
        entitlements.add_share(conn, "main", point="M1", account="A1", parts=Decimal(1), **by)
    return city


def test_nothing_that_stays_can_be_changed_removed_or_replaced(kept: tuple[Office, connect.Engine]) -> None:
    city, engine = kept
    for table in STAYS:
        before = city.rows(table)
        assert before, table
        attempts = [f"UPDATE {table} SET utility = 'other'", f"UPDATE {table} SET utility = utility", f"DELETE FROM {table}"]
        if engine.dialect.name == "postgresql":
            attempts.append(f"TRUNCATE {table} CASCADE")
        elif tables.metadata.tables[table].primary_key.columns:  # without a key there is nothing to replace
            attempts.append(f"REPLACE INTO {table} SELECT * FROM {table}")
        for attempt in attempts:
            with pytest.raises(DBAPIError), connect.writing(engine, "main") as conn:
                conn.execute(text(attempt))
        assert city.rows(table) == before, table


def test_who_signed_a_run_what_was_decided_and_what_is_billed_stand(kept: tuple[Office, connect.Engine]) -> None:
    _, engine = kept
    refused = (
        "UPDATE runs SET created_by = 'boss'",
        "UPDATE runs SET reviewed_by = 'boss'",
        "UPDATE runs SET approved_by = 'boss'",
        "UPDATE runs SET approved_by = NULL",
        "UPDATE runs SET approved_at = '2026-11-04 00:00:00'",
        "UPDATE runs SET issued_by = 'boss'",
        "UPDATE runs SET cancelled_by = 'boss'",
        "UPDATE runs SET state = 'draft'",
        "UPDATE runs SET counts = '{}', known = '2026-01-01'",
        "UPDATE runs SET options = '{}'",
        "DELETE FROM runs",
        "UPDATE holds SET note = 'all well'",
        "UPDATE holds SET \"by\" = 'boss'",
        "UPDATE holds SET state = 'held'",
        "UPDATE holds SET reason = ''",
        "DELETE FROM holds",
        "UPDATE billed SET account = 'A9'",
        "DELETE FROM billed",
        "UPDATE exceptions SET reason = ''",
        "DELETE FROM exceptions",
    )
    for attempt in refused:
        with pytest.raises(IntegrityError), connect.writing(engine, "main") as conn:
            conn.execute(text(attempt))


def test_a_run_that_is_not_issued_takes_the_next_step_alone_and_signs_in_it(office: Office) -> None:
    city = furnish(office)
    city.does("hold", "first")
    city.runs()
    with city.opened() as engine:

        def change(what: str) -> None:
            with connect.writing(engine, "main") as conn:
                conn.execute(text(what))

        for attempt in (
            "UPDATE runs SET state = 'approved', approved_by = 'boss'",
            "UPDATE runs SET approved_by = 'boss'",
            "UPDATE runs SET reviewed_by = 'boss'",
            "UPDATE runs SET created_by = 'boss', state = 'reviewed'",
            "UPDATE runs SET state = 'issued'",
            "DELETE FROM runs",
            "UPDATE holds SET reason = ''",
        ):
            with pytest.raises(IntegrityError):
                change(attempt)
        change("UPDATE runs SET state = 'reviewed', reviewed_by = 'li'")
        with pytest.raises(IntegrityError):
            change("UPDATE runs SET state = 'approved', approved_by = 'wang', reviewed_by = 'wang'")
        city.does("cancel")
        assert city.rows("billed") == []


def test_no_line_is_added_to_an_issued_document(kept: tuple[Office, connect.Engine]) -> None:
    city, engine = kept
    for name, change in (("lines", {"seq": 99}), ("parts", {"tariff": "cn/other"})):
        with pytest.raises(IntegrityError, match="no draft"), connect.writing(engine, "main") as conn:
            conn.execute(insert(tables.metadata.tables[name]), [{**city.rows(name)[0], **change}])


def test_a_draft_may_get_its_number_or_be_cancelled_and_nothing_else(office: Office) -> None:
    city = furnish(office)
    city.runs()
    with city.opened() as engine:

        def change(what: str) -> None:
            with connect.writing(engine, "main") as conn:
                conn.execute(text(f"UPDATE documents SET {what}"))

        for content in ("total = 0", "account = 'A1', kind = 'settlement'", "period_end = '2027-01-01'", "reason = 'because'", "known = '2026-01-01'"):
            with pytest.raises(IntegrityError, match="content of a draft"):
                change(content)
        change("state = 'held'")
        change("state = 'cancelled'")
        with pytest.raises(IntegrityError, match="cancelled document stands"):
            change("state = 'draft'")


def test_an_upsert_is_a_change_too(kept: tuple[Office, connect.Engine]) -> None:
    city, engine = kept
    upsert = "INSERT INTO events SELECT * FROM events WHERE true ON CONFLICT (utility, seq) DO UPDATE SET actor = 'other'"
    with pytest.raises(IntegrityError, match="only ever added"), connect.writing(engine, "main") as conn:
        conn.execute(text(upsert))
    assert "other" not in {row["actor"] for row in city.rows("events")}


def test_a_correction_names_an_issued_document_of_its_own_account_and_period(office: Office) -> None:
    city = furnish(office)
    city.runs()
    city.issues()
    with city.opened() as engine:
        connect.migrate(engine, "other")
    bill, foreign = (next(row for row in city.rows("documents") if row["account"] == account) for account in ("A1", "A3"))
    good = {**bill, "id": "N1", "kind": "credit_note", "state": "draft", "number": None, "series": None, "issued_at": None, "corrects": bill["id"]}

    def add(**change: object) -> None:
        row = {**good, **change}
        with city.opened() as engine, connect.writing(engine, str(row["utility"])) as conn:
            conn.execute(insert(tables.documents), [row])

    wrong: list[dict[str, object]] = [
        {"corrects": None},
        {"corrects": "nothing"},
        {"corrects": foreign["id"]},
        {"account": "A3"},
        {"period_start": date(2026, 9, 1)},
        {"period_end": date(2026, 12, 1)},
        {"direction": "payable"},
        {"currency": "TWD"},
        {"kind": "invoice"},
        {"kind": "difference", "corrects": foreign["id"]},
        {"utility": "other", "run": "R"},
    ]
    for change in wrong:
        with pytest.raises(IntegrityError, match=r"a correction names|FOREIGN KEY|foreign key"):
            add(**change)
    add()
    add(id="N2", kind="difference")
    add(id="N3", kind="difference", corrects=None)
    for unfinished in ("N1", "N2"):
        with pytest.raises(IntegrityError, match="a correction names"):
            add(id="N4", corrects=unfinished)
