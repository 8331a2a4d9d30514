"""A changed account is its next revision: lists have the newest, and a document bears what its run knew, for ever."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from billing_service.store import connect, documents, holds
from tests.billing.calls import calling
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases

FIRST = "A1,Zhao,household,Road 1,East"


def learns(city: Office, *rows: str) -> Any:
    """Import rows of accounts with the day they became known; what the file gave."""
    path = city.folder / "accounts.csv"
    path.write_text("\n".join(("account,name,class,address,district,known", *rows)) + "\n", "utf-8")
    return city.says("import", path, "--json", by="li").json["files"][0]


def names(city: Office) -> dict[str, Any]:
    with calling(city) as client:
        return {one["account"]: (one["name"], one["revision"], one["known"]) for one in client.get("/v1/accounts").json()["accounts"]}


def of_documents(city: Office, run: str) -> dict[str, tuple[str, str]]:
    with city.opened() as engine, connect.reading(engine, "main") as conn:
        return {row.account: (row.name, row.payer_class) for row in documents.of_run(conn, "main", run)}


def exported(city: Office, run: str) -> str:
    city.does("export", "--run", run, "-o", city.folder / run)
    return (city.folder / run / "invoices.csv").read_text("utf-8-sig")


def test_a_row_that_became_known_later_is_the_next_revision_and_nothing_is_overwritten(city: Office) -> None:
    before = city.rows("accounts")
    assert learns(city, "A1,Zhao Li,household,Road 2,East,2026-11-10")["new"] == 1
    assert learns(city, "A1,Zhao Li,shop,Road 2,East,2026-12-01")["new"] == 1
    assert city.rows("accounts") == before
    assert [(row["revision"], row["name"], row["class"], row["known"]) for row in city.rows("account_revisions")] == [
        (2, "Zhao Li", "household", date(2026, 11, 10)),
        (3, "Zhao Li", "shop", date(2026, 12, 1)),
    ]
    assert names(city)["A1"] == ("Zhao Li", 3, "2026-12-01")
    assert names(city)["A2"][1:] == (1, None)
    with calling(city) as client:
        found = client.get("/v1/accounts/A1/revisions").json()["revisions"]
        assert [(one["revision"], one["name"], one["class"], one["known"]) for one in found] == [
            (1, "Zhao", "household", None),
            (2, "Zhao Li", "household", "2026-11-10"),
            (3, "Zhao Li", "shop", "2026-12-01"),
        ]
        assert found[-1] == client.get("/v1/accounts/A1").json()
        assert [one["revision"] for one in client.get("/v1/accounts/A2/revisions").json()["revisions"]] == [1]
        assert client.get("/v1/accounts/nobody/revisions").json()["problems"][0]["code"] == "no-such-account"


def test_the_same_row_again_is_the_same_whichever_revision_it_holds(city: Office) -> None:
    changed = "A1,Zhao Li,household,Road 1,East,2026-11-10"
    learns(city, changed)
    before = city.rows("account_revisions")
    for row in (f"{FIRST},", changed):
        assert (learns(city, row)["same"], city.rows("account_revisions")) == (1, before)
    assert learns(city, changed, f"{FIRST},", changed)["same"] == 3


def test_another_row_that_did_not_become_known_later_is_a_conflict_that_says_how_to_correct(city: Office) -> None:
    learns(city, "A1,Zhao Li,household,Road 1,East,2026-11-10")
    for known in ("", "2026-11-09", "2026-11-10"):
        found = learns(city, f"A1,Zhang,household,Road 1,East,{known}")
        assert [one["code"] for one in found["problems"]] == ["conflict"], known
        assert "(known), later than the last" in found["problems"][0]["message"]
    assert names(city)["A1"][0] == "Zhao Li"


def test_revisions_within_one_file_follow_each_other_also_of_an_account_that_is_new(city: Office) -> None:
    rows = ("N1,One,household,,,", "N1,Two,household,,,2026-11-02", "N2,Only,household,,,2026-11-01", "N1,Three,household,,,2026-11-03")
    assert learns(city, *rows)["new"] == 4
    assert (names(city)["N1"], names(city)["N2"]) == (("Three", 3, "2026-11-03"), ("Only", 1, "2026-11-01"))


def test_a_document_printed_again_bears_what_its_run_knew_and_a_later_run_the_newest(city: Office) -> None:
    first = city.runs()["id"]
    learns(city, "A1,Zhao Li,household,Road 2,East,2026-11-05")
    assert of_documents(city, first)["A1"] == ("Zhao", "household"), "a draft is what was billed, until it is billed anew"
    city.issues()
    number = next(row["number"] for row in city.rows("documents") if row["account"] == "A1" and row["number"])
    with calling(city) as client:
        paper = client.get(f"/v1/invoices/{number}").json()
        files = exported(city, first)
        learns(city, "A1,Zhang,shop,Road 3,East,2026-11-20")
        assert client.get(f"/v1/invoices/{number}").json() == paper
        assert exported(city, first) == files
        assert paper["account"] == {"account": "A1", "name": "Zhao", "class": "household", "address": "Road 1", "district": "East"}
        answer = client.post(f"/v1/invoices/{number}/credits", json={"reason": "said so"}, headers={"idempotency-key": "c"})
        assert answer.status_code == 201, answer.text
        credit = client.get(f"/v1/invoices/{answer.json()['number']}").json()
        assert (credit["account"]["name"], credit["account"]["class"]) == ("Zhang", "shop"), "a credit note knows what had come when it was given"
        learns(city, "A1,Zhu,shop,Road 3,East,2026-11-25")
        assert client.get(f"/v1/invoices/{answer.json()['number']}").json() == credit
    city.receives(usage="V1,A1,M1,water,2026-11-01,2026-12-01,7,m3,actual,,2026-12-02")
    second = city.does("run", "--period", "2026-11", by="li")["id"]
    assert of_documents(city, second)["A1"] == ("Zhu", "shop")
    assert {row["class"] for row in city.does("review", "--run", second)["totals"]} >= {"shop"}
    assert "Zhao" not in json.dumps(city.does("review", "--run", second), ensure_ascii=False)
    assert city.does("verify", "--all")["problems"] == []


def test_a_review_does_not_change_while_it_is_read(city: Office) -> None:
    run = city.runs()["id"]
    before = city.does("review", "--run", run)
    learns(city, "A1,Zhang,shop,Road 3,West,2026-11-20", "A2,Someone,shop,,,2026-11-20")
    assert city.does("review", "--run", run) == before


def test_accounts_change_through_the_api_as_by_file(city: Office) -> None:
    row = {"account": "A1", "name": "Zhao Li", "class": "household", "address": "Road 2", "district": "East"}
    with calling(city) as client:

        def sent(key: str, *rows: dict[str, str]) -> Any:
            return client.post("/v1/accounts", json={"accounts": rows}, headers={"idempotency-key": key}).json()

        assert [one["code"] for one in sent("a", row)["problems"]] == ["conflict"]
        assert sent("b", {**row, "known": "2026-11-10"})["new"] == 1
        assert sent("c", {**row, "known": "2026-11-10"}, {**row, "name": "Zhu", "known": "2026-11-11"}) == {"new": 1, "same": 1, "refused": 0, "problems": []}
        assert client.get("/v1/accounts/A1").json() == {**row, "name": "Zhu", "known": "2026-11-11", "revision": 3}
        assert client.get("/v1/accounts", params={"limit": 1}).json()["accounts"][0]["revision"] == 3


def test_a_held_bill_bears_the_name_its_run_knew(city: Office) -> None:
    city.does("hold", "first", by="wang")
    run = city.runs()["id"]
    learns(city, "A1,Zhao Li,household,Road 2,East,2026-11-05")
    with city.opened() as engine, connect.reading(engine, "main") as conn:
        assert {row.account: row.name for row in holds.of_run(conn, "main", run)}["A1"] == "Zhao"


def test_a_row_of_accounts_whose_day_is_none_is_refused(city: Office) -> None:
    found = learns(city, "A1,Zhao Li,household,Road 2,East,10 Nov")
    assert [(one["code"], one["line"]) for one in found["problems"]] == [("not-a-date", 2)]
