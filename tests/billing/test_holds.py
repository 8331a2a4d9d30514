"""Odd bills wait for a person: held with a reason, released or set aside with a note, and nothing is approved before."""

from __future__ import annotations

import json

import pytest

from tests.billing.calls import calling
from tests.billing.conftest import ROOT, Office

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


def test_a_cliff_crossed_since_the_last_bill_is_held(office: Office) -> None:
    """Beijing: up to half the quota all is 200 a tonne, one kilogram more and all is 300."""
    office.receives(
        accounts="".join(f"{one},{one},canteen,,\n" for one in "ABCDE"),
        contracts="".join(f"C{one},{one},cn/beijing/kitchen-waste,2026-01-01,,payer=quota_unit;quota=10\n" for one in "ABCDE"),
        usage="".join(
            f"U{one},{one},,weight,2026-10-01,2026-11-01,{weight},t,actual,,\n" for one, weight in zip("ABCDE", (5, "4.9", 6, "5.001", 3), strict=True)
        ),
    )
    office.does("hold", "cliff", by="wang")
    assert office.runs("--rules", ROOT / "rules")["held"] == 0  # nothing was billed before
    office.issues()
    correction = "UA2,A,,weight,2026-10-01,2026-11-01,5.001,t,actual,UA,\n"
    assert office.receives(corrections=correction).code == 0
    assert office.runs("--rules", ROOT / "rules")["held"] == 0  # a difference is no bill of a new month
    office.issues()
    weights = zip("ABCDE", (7, 5, 12, 3, "11"), strict=True)
    office.receives(usage="".join(f"V{one},{one},,weight,2026-11-01,2026-12-01,{weight},t,actual,,\n" for one, weight in weights))
    office.does("run", "--period", "2026-11", "--rules", ROOT / "rules", by="li")
    holds = office.does("review", by="wang")["holds"]
    # A was over it already, as corrected; B reaches it and no more; C crosses only the quota, where the price changes and the total does not jump; D fell below.
    assert [(one["account"], one["rule"]) for one in holds] == [("E", "cliff")]
    assert "from 3 to 11 t" in holds[0]["reason"]
    assert "5 t cost 1000.00 CNY, 5.001 t cost 1500.30" in holds[0]["reason"]


def test_held_bills_are_decided_by_rule_and_another_rule_s_question_stays(city: Office) -> None:
    city.does("hold", "first", "zero", "estimated", by="wang")
    run = city.runs()["id"]
    seen = city.does("review", by="wang")
    assert seen["held"] == {"first": 3, "estimated": 1, "zero": 1}
    said = city.says("review", by="wang").out
    assert "first: 3 bills" in said and "3 bills are held" in said
    assert city.refuses("release", "--rule", "frist", "--note", "x", by="wang").codes == ["hold-rule-unknown"]
    assert city.does("release", "--rule", "first", "--note", "new city", by="wang")["documents"] == 1  # A1; the others have a second reason
    assert city.refuses("release", "--rule", "first", "--note", "again", by="wang").codes == ["nothing-held"]
    with calling(city, "read", "run") as client:
        assert client.get(f"/v1/runs/{run}").json()["counts"]["held"] == 2
        asked = {"action": "set_aside", "rule": "estimated", "note": "reading asked for"}
        assert client.post(f"/v1/runs/{run}/holds", json=asked, headers={"idempotency-key": "a"}).json() == {"documents": 1}
        assert client.get(f"/v1/runs/{run}").json()["counts"]["held"] == 1
    assert city.does("review", by="wang")["held"] == {"first": 1, "zero": 1}


def test_the_event_of_an_issue_counts_bills_over_zero_apart_in_the_currency_s_places(city: Office) -> None:
    city.runs()
    city.issues()
    (told,) = (json.loads(row["data"]) for row in city.rows("events") if row["kind"] == "run.issued")
    assert told["documents"] == [{"kind": "invoice", "direction": "receivable", "currency": "CNY", "count": 2, "zero": 1, "total": "169.50"}]
