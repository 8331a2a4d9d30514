"""Odd bills wait for a person: held with a reason, released or set aside with a note, and nothing is approved before."""

from __future__ import annotations

import pytest

from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases


def test_held_bills_stop_approval_until_they_are_decided(city: Office) -> None:
    city.does("hold", "zero", "estimated", "over=100", by="wang")
    run = city.runs()
    assert run["held"] == 2
    seen = city.does("review", by="wang")
    assert [(one["account"], one["rule"], one["state"]) for one in seen["holds"]] == [
        ("A2", "zero", "held"),
        ("A3", "estimated", "held"),
        ("A3", "over", "held"),
    ]
    assert city.refuses("approve", by="wang").codes == ["bills-held"]
    assert city.refuses("release", by="wang").codes == ["note-missing"]
    held = {one["account"]: one["document"] for one in seen["holds"]}
    city.does("release", "--document", held["A2"], "--note", "empty flat", by="wang")
    city.does("set-aside", "--note", "reading asked for", by="wang")
    assert city.refuses("release", "--note", "again", by="wang").codes == ["nothing-held"]
    city.does("approve", by="wang")
    city.does("issue", by="wang")
    assert {row["account"]: row["state"] for row in city.rows("documents")} == {"A1": "issued", "A2": "zero", "A3": "cancelled"}
    assert [one["code"] for one in city.exceptions(run["id"])] == ["bill-set-aside"]
    city.does("hold", "--none", by="wang")
    again = city.runs()
    assert (again["invoices"], again["unchanged"], again["held"]) == (1, 3, 0)


def test_wrong_rules_are_told_at_once(city: Office) -> None:
    assert city.refuses("hold", "frist", "times", "zero=3", by="wang").codes == ["hold-rule-unknown", "hold-rule-number", "hold-rule-plain"]


def test_a_first_bill_is_held_and_the_next_month_is_not(city: Office) -> None:
    city.does("hold", "first", "times=3", by="wang")
    assert city.runs()["held"] == 3
    city.does("release", "--note", "new city", by="wang")
    city.issues()
    city.receives(usage="V1,A1,M1,water,2026-11-01,2026-12-01,200,m3,actual,,\nV3,A3,M3,water,2026-11-01,2026-12-01,100,m3,actual,,\n")
    city.does("run", "--period", "2026-11", by="li")
    assert [(one["account"], one["rule"]) for one in city.does("review", by="wang")["holds"]] == [("A1", "times")]
