"""A chunk that fails loses nothing and stops no other; the run says so, and the same command goes on with it."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, text

from billing_service import runs, working
from billing_service.problems import Refused
from billing_service.settings import Settings
from billing_service.store import connect, tables
from tests.billing.calls import calling
from tests.billing.conftest import OCTOBER, RULES, Office

pytestmark = pytest.mark.both_databases
PERIOD = {"period": ["2026-10-01", "2026-11-01"]}


def spoil(office: Office, facts: str = "{", revision: int = 2) -> None:
    """Facts that no door would have let in, as a fault of our own would leave them; or the row that mends them."""
    (row,) = (row for row in office.rows("contracts") if row["contract"] == "C3" and row["revision"] == 1)
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        conn.execute(insert(tables.contracts), [{**row, "facts": facts, "revision": revision}])


def mend(office: Office) -> None:
    spoil(office, '{"user": "resident"}', 3)


def drafted(office: Office) -> dict[str, Any]:
    return {row["account"]: row["total"] for row in office.rows("documents")}


def test_the_other_chunks_are_billed_and_the_same_command_goes_on(city: Office, caplog: pytest.LogCaptureFixture) -> None:
    spoil(city)
    for attempt in (1, 2):
        with caplog.at_level(logging.ERROR, "billing"):
            said = city.refuses("run", "--period", OCTOBER, "--chunk", "1", by="li")
        assert said.codes == ["chunk-failed", "chunk-fault"]
        told = said.json["problems"]
        assert {name: told[0]["values"][name] for name in ("chunk", "first", "last", "attempts")} == {
            "chunk": "2",
            "first": "A2",
            "last": "A2",
            "attempts": str(attempt),
        }
        assert told[1]["values"] == {"error": "JSONDecodeError"} and "JSONDecodeError" in caplog.text
        assert list(drafted(city)) == ["A1", "A3"] or set(drafted(city)) == {"A1", "A3"}
        assert [(one["state"], one["failed_chunks"]) for one in city.does("runs")["runs"]] == [("running", 1)]
    assert "1 chunks failed" in city.says("runs").out
    assert city.refuses("work").codes == ["chunk-failed", "chunk-fault"]
    mend(city)
    done = city.does("run", "--period", OCTOBER, "--chunk", "1", by="li")
    assert (done["invoices"], done["id"]) == (3, "2026-10-1")
    assert set(drafted(city)) == {"A1", "A2", "A3"}
    assert [one["failed_chunks"] for one in city.does("runs")["runs"]] == [0]
    assert {row["failure"] for row in city.rows("run_chunks")} == {""}


def test_the_api_tells_what_failed_and_goes_on_when_asked_again(city: Office) -> None:
    spoil(city)
    with calling(city) as client:
        run = client.post("/v1/runs", json=PERIOD, headers={"idempotency-key": "a"}).json()["id"]
        seen = client.get(f"/v1/runs/{run}", headers={"accept-language": "zh"}).json()
        (failure,) = seen["failures"]
        assert (seen["state"], failure["chunk"], failure["first_account"], failure["last_account"], failure["attempts"]) == ("running", 1, "A1", "A3", 1)
        assert [(one["code"], one["message"]) for one in failure["problems"]] == [("chunk-fault", "程序故障（JSONDecodeError）；详情见日志")]
        mend(city)
        again = client.post("/v1/runs", json=PERIOD, headers={"idempotency-key": "b"})
        assert (again.status_code, again.json()["id"]) == (202, run)
        after = client.get(f"/v1/runs/{run}").json()
        assert (after["state"], after["counts"]["invoices"], after["failures"]) == ("draft", 3, [])


def test_a_run_that_fails_can_be_taken_back_and_holds_up_no_other(city: Office) -> None:
    spoil(city)
    city.refuses("run", "--period", OCTOBER, by="li")
    own = Settings(db=city.db, rules=(RULES,), user="li")
    with city.opened() as engine:
        with connect.writing(engine, "main") as conn:
            other = runs.begin_in(conn, own, (date(2025, 12, 1), date(2026, 1, 1)), None, runs.clock(), keep=True)
        with pytest.raises(Refused, match="chunk-failed"):
            working.work_all(engine, own, lambda *_: None)
        assert {row["id"]: row["state"] for row in city.rows("runs")}[other] in {"draft", "empty"}
    city.does("cancel", "--run", "2026-10-1", by="li")
    assert city.does("runs")["runs"][-1]["failed_chunks"] == 0


def test_numbering_that_fails_is_told_and_goes_on(city: Office) -> None:
    city.runs()
    city.does("review", by="wang")
    city.does("approve", by="wang")
    own = Settings(db=city.db, user="wang")
    with city.opened() as engine:
        run = runs.begin_issue(engine, own, "", runs.clock())
        with connect.writing(engine, "main") as conn:  # the block that was taken goes missing
            good = conn.execute(tables.run_chunks.select()).one().counts
            conn.execute(tables.run_chunks.update().values(counts="{}"))
        assert city.refuses("issue", "--run", run, by="wang").codes == ["chunk-failed", "chunk-fault"]
        assert {row["state"] for row in city.rows("documents")} == {"draft"}
        with connect.writing(engine, "main") as conn:
            conn.execute(tables.run_chunks.update().values(counts=good))
    city.does("issue", "--run", run, by="wang")
    assert sorted(row["number"] or "" for row in city.rows("documents"))[1].endswith("-000001")


def test_a_lock_that_is_not_given_in_time_is_no_fault_of_the_program(city: Office) -> None:
    if not city.url:
        pytest.skip("SQLite's one lock is waited for before a chunk is taken")
    hurried = Office(city.folder, f"{city.url}{'&' if '?' in city.url else '?'}options=-c%20timezone%3DUTC%20-c%20lock_timeout%3D300ms")
    own, period = Settings(db=city.db, rules=(RULES,), user="li"), (date(2026, 10, 1), date(2026, 11, 1))
    with city.opened() as engine:
        with connect.writing(engine, "main") as conn:
            run = runs.begin_in(conn, own, period, None, runs.clock(), size=1)
        claim = {"utility": "main", "account": "A2", "tariff": "cn/yangquan/sewage", "period_start": period[0], "period_end": period[1], "run": run}
        with engine.connect() as conn, conn.begin() as held:
            conn.execute(text("SELECT set_config('billing.utility', 'main', true)"))
            conn.execute(insert(tables.billed), [claim])
            assert hurried.refuses("run", "--period", OCTOBER, by="li").codes == ["chunk-failed", "store-unavailable"]
            held.rollback()
    assert set(drafted(city)) == {"A1", "A3"}
    assert hurried.does("run", "--period", OCTOBER, by="li")["invoices"] == 3


def test_a_request_that_waits_too_long_for_other_writers_is_told_so_and_the_log_has_no_fault(
    city: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connect, "_WAIT_MS", 300)
    accounts, first = {"accounts": [{"account": "B1", "name": "Li", "class": "household"}]}, {"idempotency-key": "first"}
    with calling(city) as client, city.opened() as engine:
        with connect.writing(engine, "main"):
            late = client.post("/v1/accounts", json=accounts, headers=first)
        assert (late.status_code, [one["code"] for one in late.json()["problems"]]) == (503, ["store-unavailable"])
        assert "waited too long for other writers" in caplog.text
        assert not [one for one in caplog.records if one.levelname == "ERROR" or one.exc_info]
        assert client.post("/v1/accounts", json=accounts, headers=first).json()["new"] == 1
