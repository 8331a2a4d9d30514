"""Somebody with the file open can drop the triggers; what the chain of events tells finds out what was changed then."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.billing.conftest import Office, furnish

#: What is changed behind our back, and the columns by which it is found.
TAMPERED: Mapping[str, set[str]] = {
    "UPDATE runs SET created_by = 'boss'": {"created_by"},
    "UPDATE runs SET approved_by = 'boss' WHERE approved_by IS NOT NULL": {"approved_by"},
    "UPDATE runs SET approved_at = '2026-01-01 00:00:00.000000' WHERE approved_by IS NOT NULL": {"approved_at"},
    "UPDATE runs SET reviewed_by = NULL WHERE reviewed_by IS NOT NULL": {"reviewed_by"},
    "UPDATE runs SET issued_by = 'boss' WHERE issued_by IS NOT NULL": {"issued_by"},
    "UPDATE runs SET state = 'approved' WHERE state = 'issued'": {"state"},
    "UPDATE runs SET state = 'issuing', issued_by = 'boss' WHERE state = 'issued'": {"state", "issued_by"},
    "UPDATE runs SET state = 'issued' WHERE state = 'draft'": {"state"},
    "UPDATE runs SET known = '2026-11-01'": {"known"},
    "UPDATE runs SET period_end = '2026-12-01'": {"end"},
    "DELETE FROM runs WHERE state = 'draft'": {"id"},
    "UPDATE holds SET note = 'never mind' WHERE state = 'released'": {"note"},
    "UPDATE holds SET \"by\" = 'boss' WHERE state = 'removed'": {"by"},
    "UPDATE holds SET state = 'released' WHERE state = 'removed'": {"state"},
    "DELETE FROM holds WHERE state = 'released'": {"holds"},
    "DELETE FROM exceptions": {"exceptions"},
    "UPDATE adoptions SET document = 'a letter' WHERE tariff = 'cn/yangquan/sewage'": {"document"},
    "UPDATE adoptions SET \"by\" = 'boss'": {"by"},
    "DELETE FROM adoptions WHERE tariff = 'cn/yangquan/sewage'": {"adoptions"},
    "DELETE FROM documents WHERE kind = 'credit_note'": {"account"},
    "DELETE FROM documents WHERE state = 'zero'": {"documents", "invoice receivable CNY"},
    "UPDATE documents SET account = 'A3' WHERE kind = 'credit_note'": {"account"},
    "DELETE FROM billed": {"verify-not-marked"},
    "UPDATE billed SET account = 'A9' WHERE account = 'A1'": {"verify-not-marked", "verify-marked"},
    "UPDATE billed SET period_end = '2026-10-31'": {"verify-not-marked", "verify-marked"},
}


def worked(city: Office) -> Office:
    """One run issued, of which a bill was set aside and the rest released, a credit note on it, and a second run in draft."""
    city.receives(contracts="C5,A2,cn/yangquan/nothing,2026-01-01,,user=resident\n")
    city.does("hold", "first")
    run = city.runs()["id"]
    held = {row["account"]: row["document"] for row in city.does("review", by="wang")["holds"]}
    city.does("set-aside", "--document", held["A3"], "--note", "asked by telephone", "--run", run, by="wang")
    city.does("release", "--note", "new here", "--run", run, by="wang")
    city.issues()
    (number,) = (row["number"] for row in city.rows("documents") if row["number"])
    city.does("credit", number, "--charge", "sewage_fee=1", "--reason", "leak", by="wang")
    city.runs()
    return city


@pytest.mark.both_databases
def test_what_was_done_as_it_should_be_is_not_found_wrong(office: Office) -> None:
    city = worked(furnish(office))
    assert city.does("verify", "--all")["problems"] == []
    city.does("cancel", by="wang")
    assert city.does("verify", "--all")["problems"] == []


def test_whatever_the_chain_contradicts_is_found(office: Office) -> None:
    city = worked(furnish(office))
    for statement, wanted in TAMPERED.items():
        copy = Office(city.folder / "copy")
        copy.folder.mkdir(exist_ok=True)
        Path(copy.db).unlink(missing_ok=True)
        with closing(sqlite3.connect(city.db)) as source, closing(sqlite3.connect(copy.db)) as target:
            source.backup(target)
            for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                target.execute(f"DROP TRIGGER {name}")
            assert target.execute(statement).rowcount >= 1, statement
            target.commit()
        found = copy.refuses("verify", "--all").json["problems"]
        assert {one["values"].get("column", one["code"]) for one in found} >= wanted, (statement, found)
