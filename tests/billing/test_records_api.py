"""Accounts, contracts, usage, entitlements and shares through the API: bulk, harmless again, told by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases


@pytest.fixture
def client(city: Office) -> Iterator[TestClient]:
    with calling(city) as found:
        yield found


def sent(client: TestClient, path: str, body: Any, key: str) -> Any:
    answer = client.post(path, content=json.dumps(body), headers={"idempotency-key": key, "content-type": "application/json"})
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def usage(record: str, value: str = "5", **more: str) -> dict[str, str]:
    return {"id": record, "account": "A1", "measure": "water", "start": "2026-10-01", "end": "2026-11-01", "value": value, "unit": "m3", **more}


def test_rows_are_new_the_same_or_refused_each_for_itself(client: TestClient) -> None:
    first = sent(
        client, "/v1/usage", {"usage": [usage("N1"), usage("N2"), usage("N1"), usage("N2", "6"), usage("N3", account="nobody"), usage("N4", unit="m9")]}, "a"
    )
    assert (first["new"], first["same"], first["refused"]) == (3, 1, 2)
    assert [(one["code"], one["line"]) for one in first["problems"]] == [("conflict", 4), ("unknown-account", 5)]
    again = sent(client, "/v1/usage", {"usage": [usage("N1"), usage("N2")]}, "b")
    assert (again["new"], again["same"], again["refused"]) == (0, 2, 0)


def test_a_row_that_repeats_a_refused_one_is_refused_too(client: TestClient) -> None:
    stranger = usage("N1", account="NOBODY")
    told = sent(client, "/v1/usage", {"usage": [stranger, stranger]}, "a")
    assert (told["new"], told["same"], told["refused"]) == (0, 0, 2)
    assert [(one["line"], one["code"]) for one in told["problems"]] == [(1, "unknown-account"), (2, "unknown-account")]


def test_a_row_that_replaces_a_refused_one_is_refused_too(client: TestClient) -> None:
    rows = [usage("N1", replaces="NOTHING"), usage("N2", replaces="N1"), usage("N3")]
    told = sent(client, "/v1/usage", {"usage": rows}, "a")
    assert (told["new"], [(one["line"], one["code"]) for one in told["problems"]]) == (1, [(1, "replaces-unknown"), (2, "replaces-unknown")])
    assert [one["id"] for one in client.get("/v1/usage").json()["usage"] if one["id"].startswith("N")] == ["N3"]


def test_a_row_of_another_form_is_refused_by_itself_with_its_place_and_its_cure(client: TestClient, city: Office) -> None:
    rows: list[Any] = [
        usage("N1"),
        usage("N2", end="2026-02-30"),
        {**usage("N3"), "value": 5},
        {**usage("N4"), "note": "x"},
        7,
        None,
        {"id": "N5", "account": ["A1"], "start": "soon"},
        usage("\ud800"),
        usage("N6", account="nobody"),
        {**usage("N7"), "below": "maybe", "known": True},
        usage("N8"),
    ]
    told = sent(client, "/v1/usage", {"usage": rows}, "a")
    assert (told["new"], told["same"], told["refused"]) == (2, 0, 9)
    assert [(one["line"], one["at"], one["code"]) for one in told["problems"]] == [
        (2, "end", "not-a-date"),
        (3, "value", "json-number"),
        (4, "note", "member-unknown"),
        (5, "", "json-number"),
        (6, "", "member-wrong"),
        (7, "account", "member-wrong"),
        (7, "measure", "member-missing"),
        (7, "start", "not-a-date"),
        (7, "end", "member-missing"),
        (7, "value", "member-missing"),
        (7, "unit", "member-missing"),
        (8, "id", "broken-text"),
        (9, "", "unknown-account"),
        (10, "known", "not-a-date"),
        (10, "below", "member-wrong"),
    ]
    assert "2026-02-30 is no date; write it as 2026-10-01" in told["problems"][0]["message"]
    assert [one["id"] for one in client.get("/v1/usage").json()["usage"] if one["id"].startswith("N")] == ["N1", "N8"]
    kept = [row for row in city.rows("import_problems") if row["file"].startswith("api")]
    assert [(row["line"], json.loads(row["values"]).get("member", "")) for row in kept] == [(one["line"], one["at"]) for one in told["problems"]]
    again = sent(client, "/v1/usage", {"usage": rows}, "b")
    assert (again["new"], again["same"], again["refused"], again["problems"]) == (0, 2, 9, told["problems"])
    assert sent(client, "/v1/usage", {"usage": rows}, "a") == told
    chinese = client.post("/v1/usage", json={"usage": [rows[1]]}, headers={"idempotency-key": "c", "accept-language": "zh"}).json()
    assert (chinese["new"], chinese["refused"], "不是日期" in chinese["problems"][0]["message"]) == (0, 1, True)


def test_accounts_and_terms_of_another_form_are_refused_by_row_too(client: TestClient) -> None:
    good = {"account": "N1", "name": "One", "class": "household"}
    told = sent(client, "/v1/accounts", {"accounts": [{**good, "name": ""}, good, {**good, "known": "31 Dec"}]}, "a")
    assert (told["new"], [(one["line"], one["at"], one["code"]) for one in told["problems"]]) == (1, [(1, "name", "member-wrong"), (3, "known", "not-a-date")])
    terms = {"contract": "N1", "account": "N1", "tariff": "cn/yangquan/sewage", "from": "2026-01-01"}
    rows = [{**terms, "from": "2026-13-01"}, terms, {**terms, "contract": "N2", "facts": {"user": 1}}, {**terms, "contract": "N3", "facts": {"user": None}}]
    told = sent(client, "/v1/contracts", {"contracts": rows}, "b")
    assert (told["new"], [(one["line"], one["at"]) for one in told["problems"]]) == (1, [(1, "from"), (3, "facts.user"), (4, "facts.user")])


def test_a_body_that_is_no_list_of_rows_is_refused_whole(client: TestClient) -> None:
    wrong: list[tuple[Any, str, str]] = [
        ({}, "member-missing", "usage"),
        ({"usage": None}, "rows-not-list", "usage"),
        ({"usage": usage("N1")}, "rows-not-list", "usage"),
        ({"usage": 1}, "rows-not-list", "usage"),
        ({"usage": []}, "member-wrong", "usage"),
        ({"usage": [usage("N1"), {}], "more": "x"}, "member-unknown", "more"),
        ({"usage": [usage("N1"), 5], "more": 5}, "json-number", "more"),
        ({"usage": [{}] * 10_001}, "member-wrong", "usage"),
        ([usage("N1")], "body-not-object", ""),
    ]
    for body, code, at in wrong:
        answer = client.post("/v1/usage", json=body, headers={"idempotency-key": "a"})
        assert (answer.status_code, [(one["code"], one["at"]) for one in answer.json()["problems"]]) == (422, [(code, at)])
    for deep in ("[" * 300 + "]" * 300, "[" * 900 + "]" * 900, "[" * 100_000):
        content = '{"usage":[' + json.dumps(usage("N1")) + ",5," + deep + "]}"
        answer = client.post("/v1/usage", content=content, headers={"idempotency-key": "a", "content-type": "application/json"})
        assert answer.status_code == 422, answer.text
    assert sent(client, "/v1/usage", {"usage": [usage("N1")]}, "a")["new"] == 1, "what was wrong with the request used up no key"


def test_a_lost_answer_is_given_again_and_nothing_twice(client: TestClient, city: Office) -> None:
    before = len(city.rows("usage_records"))
    body = {"usage": [usage(f"R{n}") for n in range(20)]}
    answers = [client.post("/v1/usage", json=body, headers={"idempotency-key": "same"}) for _ in range(3)]
    assert len({one.text for one in answers}) == 1 and answers[0].json()["new"] == 20
    assert [one.headers.get("idempotency-replayed") for one in answers] == [None, "true", "true"]
    assert len(city.rows("usage_records")) == before + 20
    other = client.post("/v1/usage", json={"usage": [usage("R99")]}, headers={"idempotency-key": "same"})
    assert (other.status_code, other.json()["problems"][0]["code"]) == (409, "idempotency-key-reused")


def test_what_is_sent_by_api_is_the_same_as_what_is_in_a_file(client: TestClient, city: Office) -> None:
    account = {"account": "A1", "name": "Zhao", "class": "household", "address": "Road 1", "district": "East"}
    contract = {"contract": "C2", "account": "A1", "tariff": "cn/yangquan/domestic-waste", "from": "2026-01-01"}
    facts = {"payer": "household", "households": "1", "relief": "ordinary"}
    assert sent(client, "/v1/accounts", {"accounts": [account]}, "a")["same"] == 1
    assert sent(client, "/v1/contracts", {"contracts": [{**contract, "facts": facts}]}, "b")["same"] == 1
    later = sent(client, "/v1/contracts", {"contracts": [{**contract, "facts": {**facts, "households": "2"}, "known": "2026-11-20"}]}, "c")
    assert (later["new"], later["refused"]) == (1, 0)
    mine = client.get("/v1/contracts", params={"account": "A1"}).json()["contracts"]
    assert [(one["contract"], one["revision"], one["facts"].get("households")) for one in mine] == [("C1", 1, None), ("C2", 1, "1"), ("C2", 2, "2")]


def test_lists_go_by_cursor_and_lose_nothing(client: TestClient) -> None:
    sent(client, "/v1/usage", {"usage": [usage(f"P{n:03}") for n in range(25)]}, "a")
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.get("/v1/usage", params={"limit": 7, "after": after}).json()
        seen += [one["id"] for one in page["usage"]]
        after = page["next"]
    assert seen == sorted(seen) and len(seen) == len(set(seen)) == 28
    assert [one["id"] for one in client.get("/v1/usage", params={"account": "A2"}).json()["usage"]] == ["U2"]
    assert client.get("/v1/usage", params={"from": "2026-11-01"}).json()["usage"] == []
    wrong = [client.get(path, params={"after": after}) for path in ("/v1/usage", "/v1/contracts") for after in ("x", "W10", "WyJhIiwiYiIsImMiXQ", "a" * 900)]
    assert {one.status_code for one in wrong} == {422}


def test_facts_and_texts_that_a_file_could_not_hold_are_refused(client: TestClient) -> None:
    row = {"contract": "C9", "account": "A1", "tariff": "cn/yangquan/sewage", "from": "2026-10-01", "facts": {"user": "a;b=c"}}
    found = sent(client, "/v1/contracts", {"contracts": [row, {**row, "facts": {}, "contract": "C\u00079"}]}, "a")
    assert [(one["code"], one["line"]) for one in found["problems"]] == [("not-a-fact", 1), ("control-character", 2)]
    assert [one["code"] for one in sent(client, "/v1/contracts", {"contracts": [{**row, "contract": 1.5}]}, "b")["problems"]] == ["json-number"]


def test_an_entitlement_is_recorded_repeated_corrected_and_withdrawn(client: TestClient, city: Office) -> None:
    card = {"id": "L1", "account": "A1", "facts": {"relief": "low_income"}, "from": "2026-10-01", "to": "2027-10-01", "proof": "card 7"}
    first = sent(client, "/v1/reliefs", card, "a")
    assert (first["revision"], sent(client, "/v1/reliefs", card, "b")["revision"]) == (1, 1)
    other = client.post("/v1/reliefs", json={**card, "proof": "card 8"}, headers={"idempotency-key": "c"})
    assert (other.status_code, other.json()["problems"][0]["code"]) == (409, "entitlement-conflict")
    assert sent(client, "/v1/reliefs", {**card, "to": "2026-10-01", "known": "2026-11-01"}, "d")["revision"] == 2
    wrong = client.post("/v1/reliefs", json={**card, "id": "L2", "account": "nobody", "to": "2026-09-01", "proof": " "}, headers={"idempotency-key": "e"})
    assert sorted(one["code"] for one in wrong.json()["problems"]) == ["account-unknown", "dates-backwards", "relief-without-proof"]
    assert [one["revision"] for one in client.get("/v1/reliefs", params={"account": "A1", "limit": 1}).json()["reliefs"]] == [1]
    told = [row["kind"] for row in city.rows("events")]
    assert told.count("relief.recorded") == 2


def test_shares_of_a_meter(client: TestClient) -> None:
    part = {"point": "M1", "account": "A1", "parts": "2.5", "from": "2026-10-01"}
    assert sent(client, "/v1/shares", part, "a")["parts"] == "2.5"
    assert sent(client, "/v1/shares", {**part, "account": "A2", "parts": "1"}, "b")["revision"] == 1
    assert client.post("/v1/shares", json={**part, "parts": "0"}, headers={"idempotency-key": "c"}).status_code == 422
    pages = client.get("/v1/shares", params={"limit": 1}).json()
    rest = client.get("/v1/shares", params={"after": pages["next"]}).json()
    assert [one["account"] for one in pages["shares"] + rest["shares"]] == ["A1", "A2"]


def test_another_utility_sees_and_touches_nothing(client: TestClient, city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    client.headers.update(bearer(made_key(city, utility="other").text))
    for path, name in (
        ("/v1/accounts", "accounts"),
        ("/v1/contracts", "contracts"),
        ("/v1/usage", "usage"),
        ("/v1/reliefs", "reliefs"),
        ("/v1/shares", "shares"),
    ):
        assert client.get(path).json() == {name: [], "next": None}
    assert client.get("/v1/accounts/A1").status_code == 404
    assert sent(client, "/v1/usage", {"usage": [usage("U1")]}, "a")["problems"][0]["code"] == "unknown-account"
