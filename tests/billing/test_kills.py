"""Killed with -9 at any moment, a run and an issue go on where they were and leave the same bytes; nobody is billed twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from billing_service import chunk, fixed, runs, working
from billing_service.settings import Settings
from billing_service.store import connect
from billing_service.store import runs as store
from soak import kills
from tests.billing.conftest import OWN_RULES, RULES, Office

pytestmark = pytest.mark.both_databases


class Killed(BaseException):
    """What no handler of ours may catch, as a kill cannot be caught."""


def test_killed_processes_leave_what_an_undisturbed_month_leaves(ready: Office, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if ready.url:
        from tests.billing import postgres

        server = request.getfixturevalue("postgresql")
        place = kills.Place("postgresql", ready.db, lambda: postgres.copy_of(server, ready.db))
    else:
        place = kills.Place("sqlite", ready.db, lambda: kills.copied(Path(ready.db), tmp_path))
    told: list[str] = []
    assert kills.lives(place, 2, Random(7), 10, told.append) == 0
    assert told[-1].startswith(f"{place.kind}: 2 kills")


def counting(at: int) -> Any:
    """A function that ends everything at its ``at``-th call."""
    seen = Counter[str]()

    def count(*_: object, **__: object) -> None:
        seen["calls"] += 1
        if seen["calls"] == at:
            raise Killed

    return count


@pytest.mark.parametrize("at", [1, 2, 5])
def test_what_stood_before_a_kill_stands_after_it_and_the_rest_is_done_once(ready: Office, at: int) -> None:
    own = Settings(db=ready.db, rules=(RULES, OWN_RULES), user="li")
    period = (date(2026, 10, 1), date(2026, 11, 1))
    with ready.opened() as engine:
        with pytest.raises(Killed):
            working.start_run(engine, own, period, None, runs.clock(), counting(at), size=50)
        states = Counter(row["state"] for row in ready.rows("run_chunks"))
        assert states["done"] == at and states["waiting"] > 0
        before = ready.rows("documents")
        assert {row["state"] for row in before} == {"draft"} and {row["state"] for row in ready.rows("runs")} == {"running"}
        done = working.start_run(engine, own, period, None, runs.clock(), counting(0), size=7)
        after = {row["id"]: row for row in ready.rows("documents")}
        assert done.invoices == len(after) and all(after[row["id"]] == row for row in before)
        runs.review(engine, own, done.id, runs.clock())
        runs.approve(engine, Settings(db=ready.db, user="wang"), done.id, runs.clock())
        with pytest.raises(Killed):
            working.issue(engine, own, done.id, runs.clock(), counting(at))
        assert ready.refuses("cancel", "--run", done.id, by="li").codes == ["wrong-state"]
        working.issue(engine, own, done.id, runs.clock())
    numbers = [row["number"] for row in sorted(ready.rows("documents"), key=lambda row: (row["account"], row["kind"], row["id"])) if row["series"] == "invoice"]
    assert [int(one.rsplit("-")[-1]) for one in numbers] == list(range(1, len(numbers) + 1))
    assert {row["state"] for row in ready.rows("documents")} == {"issued", "zero"}


def test_chunks_of_any_size_and_order_give_the_same_bytes(ready: Office) -> None:
    own = Settings(db=ready.db, rules=(RULES, OWN_RULES), user="li")
    period = (date(2026, 10, 1), date(2026, 11, 1))
    found = []
    with ready.opened() as engine:
        for size in (1000, 23):
            with connect.writing(engine, "main") as conn:
                run = runs.begin_in(conn, own, period, None, runs.clock(), size=size)
                own_run = fixed.from_row(conn, "main", runs.pick(conn, "main", run, []))
                chunks = store.chunks_of(conn, "main", run)
                drafts = [
                    one
                    for row in reversed(chunks)
                    for one in chunk.rate_chunk(conn, "main", own_run, own_run.among(row.first_account, row.last_account)).batch.drafts
                ]
                store.remove(conn, "main", run)
            found.append(sorted(drafts, key=lambda one: one.id))
    assert found[0] == found[1] and len(found[0]) > 200


def test_what_comes_while_a_run_is_in_work_is_billed_by_the_next_one(ready: Office) -> None:
    own = Settings(db=ready.db, rules=(RULES, OWN_RULES), user="li")
    period = (date(2026, 10, 1), date(2026, 11, 1))
    with ready.opened() as engine:
        with pytest.raises(Killed):
            working.start_run(engine, own, period, None, runs.clock(), counting(1), size=50)
        last = max(row["account"] for row in ready.rows("contracts") if row["tariff"] == "cn/yangquan/sewage")
        ready.receives(usage=f"LATE,{last},P9,water,2026-10-01,2026-11-01,9,m3,actual,,\n")
        assert ready.refuses("run", "--from", "2026-10-15", "--to", "2026-11-15", by="li").codes == ["run-in-work"]
        working.start_run(engine, own, period, None, runs.clock(), counting(0), size=50)
    assert json.loads(ready.rows("runs")[0]["options"])["imports"] < max(row["id"] for row in ready.rows("imports"))
    ready.issues()
    again = ready.runs()
    assert {row["account"] for row in ready.rows("documents") if row["run"] == again["id"]} <= {last}


def test_two_commands_at_the_same_moment_bill_everybody_once(ready: Office) -> None:
    command = kills.commands(20)[0]
    both = [kills.start(command, ready.db) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    documents = ready.rows("documents")
    assert len({(row["account"], row["kind"], row["direction"]) for row in documents}) == len(documents) > 200
    # Whoever came when all was done finds nothing to bill, and keeps at most the exceptions it saw.
    states = [row["state"] for row in ready.rows("runs")]
    assert states.count("draft") == 1 and set(states) <= {"draft", "empty"}
