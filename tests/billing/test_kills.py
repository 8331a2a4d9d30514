"""Killed with -9 at any moment, a run or an issue has happened wholly or not at all; done again, it gives the same documents."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.yangquan.generate import read_month, write
from tests.billing import postgres
from tests.billing.conftest import OCTOBER, RULES, Office

ACCOUNTS = 300
KILLS = 6


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A city imported and adopted, to be copied by each test."""
    folder = tmp_path_factory.mktemp("ready")
    write(ACCOUNTS, 7, read_month(OCTOBER), folder / "data")
    with ExitStack() as stack:
        server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
        office = Office(folder, stack.enter_context(postgres.database(server)) if server else "")
        office.does("init")
        office.adopts_all()
        office.says("import", folder / "data", by="li")
        yield Ready(office, server)


@dataclass(frozen=True)
class Ready:
    office: Office
    server: postgres.Server | None

    def copy(self, folder: Path, office: Office | None = None) -> Office:
        """The same content under another folder or in another database."""
        original = office or self.office
        folder.mkdir()
        if self.server:
            return Office(folder, postgres.copy_of(self.server, original.url))
        for path in original.folder.glob("billing.db*"):
            shutil.copy(path, folder)
        return Office(folder)


def start(office: Office, *words: str, by: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "billing_service", *words, "--db", str(office.db), "--as", by]
    if words[0] == "run":
        command += ["--rules", str(RULES)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


def kill_at_many_moments(ready: Ready, office: Office, *words: str, by: str) -> int:
    """Start the command and kill it, each time a little later; how often it was killed before it had ended by itself."""
    began = time.monotonic()
    base = ready.copy(office.folder / f"timing-{words[0]}", office)
    assert start(base, *words, by=by).wait() == 0
    whole = time.monotonic() - began
    killed = 0
    for moment in range(KILLS):
        process = start(office, *words, by=by)
        time.sleep(whole * (0.45 + 0.6 * moment / KILLS))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        check_nothing_is_half_written(office)
        if office.rows("runs") and (words[0] == "run" or office.rows("runs")[-1]["state"] == "issued"):
            break
    return killed


def check_nothing_is_half_written(office: Office) -> None:
    runs, documents = office.rows("runs"), office.rows("documents")
    assert len(runs) <= 1
    assert bool(runs) == bool(documents)
    sums: dict[str, Any] = {}
    for line in office.rows("lines"):
        sums[line["document"]] = sums.get(line["document"], 0) + (line["amount"] if line["kind"] == "line" else 0)
    assert all(sums.get(row["id"], 0) == row["total"] for row in documents)
    numbered = [row for row in documents if row["number"]]
    issued = bool(runs) and runs[0]["state"] == "issued"
    assert len(numbered) == (sum(row["total"] != 0 for row in documents) if issued else 0)


def content(office: Office) -> list[Any]:
    """Documents, numbers, lines and parts, without the moments at which they came to be."""
    documents = [{name: value for name, value in row.items() if name != "issued_at"} for row in office.rows("documents")]
    return [documents, office.rows("lines"), office.rows("parts"), office.rows("series"), office.rows("billed"), office.rows("exceptions")]


def test_a_killed_run_and_a_killed_issue_leave_nothing_half_done(ready: Ready, tmp_path: Path) -> None:
    calm, killed = ready.copy(tmp_path / "calm"), ready.copy(tmp_path / "killed")
    calm.runs()
    calm.issues()
    kills = kill_at_many_moments(ready, killed, "run", "--period", OCTOBER, by="li")
    if not killed.rows("runs"):
        killed.runs()
    killed.does("review", by="wang")
    killed.does("approve", by="wang")
    kills += kill_at_many_moments(ready, killed, "issue", by="wang")
    if killed.rows("runs")[0]["state"] != "issued":
        killed.does("issue", by="wang")
    assert kills >= 2
    assert content(killed) == content(calm)


def test_two_runs_at_the_same_moment_bill_everybody_once(ready: Ready, tmp_path: Path) -> None:
    office = ready.copy(tmp_path / "both")
    both = [start(office, "run", "--period", OCTOBER, by=by) for by in ("li", "wang")]
    assert [process.wait() for process in both] == [0, 0]
    assert len({(row["account"], row["kind"]) for row in office.rows("documents")}) == len(office.rows("documents"))
    assert len({row["run"] for row in office.rows("documents")}) == 1
