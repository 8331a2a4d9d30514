"""Several workers leave the bytes that one leaves, also where one of them is killed inside a chunk."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from billing_service import runs
from billing_service.settings import Settings
from billing_service.store import connect, tables
from soak import kills
from tests.billing.conftest import OWN_RULES, RULES, Office

pytestmark = pytest.mark.both_databases

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
COMMAND = ("run", "--period", "2026-10", "--rules", str(RULES), "--rules", str(OWN_RULES), "--as", "li", "--chunk", "20")
PATIENCE = 120


def billed(url: str, *more: str) -> str:
    """The digest of the month run by a command of its own."""
    assert kills.start([*COMMAND, *more], url).wait() == 0
    return kills.digest(url)


def helpers_of(pid: int) -> list[int]:
    """The worker processes a command has started; what else Python starts for itself is none."""
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    return [one for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def copied(office: Office, request: pytest.FixtureRequest, folder: Path) -> str:
    """A database with the content of the office's."""
    if not office.url:
        return kills.copied(Path(office.db), folder)
    from tests.billing import postgres

    return postgres.copy_of(request.getfixturevalue("postgresql"), office.db)


def test_several_workers_leave_what_one_leaves(ready: Office, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    several = copied(ready, request, tmp_path)
    assert billed(several, "--workers", "3") == billed(ready.db)


def test_a_worker_killed_inside_a_chunk_leaves_what_one_worker_leaves(ready: Office, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if not ready.url:
        pytest.skip("SQLite has one writer, and so one worker: test_kills")
    expected = billed(copied(ready, request, tmp_path))
    own = Settings(db=ready.db, rules=(RULES, OWN_RULES), user="li")
    with ready.opened() as engine:
        with connect.writing(engine, "main") as conn:
            run = runs.begin_in(conn, own, OCTOBER, None, runs.clock(), size=20)
        keys = {(row["account"], row["tariff"]) for row in ready.rows("contracts")}
        claims = [
            {"utility": "main", "account": one, "tariff": tariff, "period_start": OCTOBER[0], "period_end": OCTOBER[1], "run": run} for one, tariff in keys
        ]
        # Whoever is inside a chunk waits for these claims, which then never were.
        with engine.connect() as conn, conn.begin() as held:
            conn.execute(text("SELECT set_config('billing.utility', 'main', true)"))
            conn.execute(insert(tables.billed), claims)
            patient = f"{ready.db}{'&' if '?' in ready.db else '?'}options=-c%20timezone%3DUTC%20-c%20lock_timeout%3D{PATIENCE}s"
            process = kills.start([*COMMAND, "--workers", "3"], patient)
            victim = _inside(engine, process.pid)
            os.kill(victim, signal.SIGKILL)
            _until(lambda: victim not in helpers_of(process.pid))
            held.rollback()
        assert process.wait() == 0
    assert kills.digest(ready.db) == expected
    assert {row["state"] for row in ready.rows("run_chunks")} == {"done"}


def _inside(engine: connect.Engine, pid: int) -> int:
    """One of two helpers, when both and the command itself are inside a chunk."""
    _until(lambda: _waiting(engine) == 3 and len(helpers_of(pid)) == 2)
    return helpers_of(pid)[0]


def _waiting(engine: connect.Engine) -> int:
    with engine.connect() as conn:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return int(conn.execute(text(query)).scalar_one())


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
