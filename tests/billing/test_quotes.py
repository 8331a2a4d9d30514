"""Quotes in bulk are the quotes one by one, by the version in force or the one named; a bad row does not spoil the others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from billing_service import keys
from billing_service.api import caller
from billing_service.api.bulk import _texts
from billing_service.api.wire_quotes import BulkQuotes
from billing_service.documents.invoice import money
from billing_service.runs import clock
from billing_service.schemas import Quote
from billing_service.settings import Settings
from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import Office

KITCHEN = {"tariff": "cn/beijing/kitchen-waste", "on": "2022-10-31"}
EDGES = ["0", "0.001", "4.999", "5", "5.001", "9.999", "10", "10.001", "15", "100000"]
ROWS = [{"payer": "quota_unit", "weight": weight, "quota": "10"} for weight in EDGES] + [{"payer": "other", "weight": weight} for weight in EDGES]
BAD = [
    {"payer": "nobody", "weight": "1"},
    {"payer": "other", "weight": "-1"},
    {"payer": "other", "wieght": "1"},
    {"payer": "other"},
    {"payer": "other", "weight": "x"},
]


@pytest.fixture
def client(office: Office) -> Iterator[TestClient]:
    with calling(office, "quote") as found:
        yield found


def one_by_one(client: TestClient, rows: list[dict[str, str]]) -> list[Any]:
    answers = [client.post("/v1/quotes", json={**KITCHEN, "facts": facts}) for facts in rows]
    return [Quote.model_validate_json(one.text) if one.status_code == 200 else {told["code"] for told in one.json()["problems"]} for one in answers]


def bulk(client: TestClient, **body: Any) -> BulkQuotes:
    answer = client.post("/v1/quotes/bulk", json=body)
    assert answer.status_code == 200, answer.text
    return BulkQuotes.model_validate_json(answer.text)


def lines(part: Any, at: int) -> dict[str, str]:
    return {name: amounts[at] for name, amounts in part.amounts.items() if amounts[at] is not None}


def test_rows_and_columns_give_the_amounts_of_single_quotes_also_at_edges(client: TestClient) -> None:
    single = one_by_one(client, ROWS)
    columns = {name: [row.get(name) for row in ROWS] for name in ("payer", "weight", "quota")}
    for found in (bulk(client, **KITCHEN, rows=[{"facts": row} for row in ROWS]), bulk(client, **KITCHEN, facts=columns, explain=True)):
        (part,) = found.parts
        assert (found.priced, found.refused, found.problems, part.rows) == (len(ROWS), 0, [], list(range(1, len(ROWS) + 1)))
        assert part.total == [one.total for one in single]
        assert [lines(part, at) for at in range(len(ROWS))] == [{line.charge: line.amount for line in one.lines} for one in single]
        assert part.version.digest == single[0].digest
        assert part.explanations is None or part.explanations == [one.explanation for one in single]


def test_bad_rows_are_named_with_what_a_single_quote_says_and_the_others_are_priced(client: TestClient) -> None:
    mixed = [ROWS[0], *BAD, ROWS[1]]
    single = one_by_one(client, mixed)
    found = bulk(client, **KITCHEN, rows=[{"facts": row} for row in mixed], explain=True)
    (part,) = found.parts
    assert (found.priced, found.refused) == (2, 5)
    assert {one.line for one in found.problems} == {2, 3, 4, 5, 6}
    for line in (2, 3, 5, 6):
        assert {one.code for one in found.problems if one.line == line} == single[line - 1]
    assert {"unknown-fact-like"} == {one.code for one in found.problems if one.line == 4}
    assert [total for total in part.total if total is not None] == [single[0].total, single[-1].total]
    assert all(one.message for one in found.problems)


def test_rows_may_be_of_other_tariffs_and_days(client: TestClient) -> None:
    rows = [
        {"facts": ROWS[4]},
        {"facts": {"weight": "1"}, "on": "2021-10-31"},
        {"facts": {"weight": "1"}, "tariff": "cn/beijing/other-waste"},
        {"facts": ROWS[5]},
    ]
    found = bulk(client, **KITCHEN, rows=rows)
    assert next((one.version.tariff, str(one.version.effective), one.rows) for one in found.parts) == ("cn/beijing/kitchen-waste", "2022-09-30", [1, 4])
    assert sorted(row for one in found.parts for row in one.rows) == [1, 2, 3, 4] and found.refused == 0


def test_rows_that_ask_for_one_version_in_two_ways_are_one_part_and_none_is_lost(client: TestClient) -> None:
    rows = [{"facts": ROWS[4]}, {"facts": ROWS[5], "on": "2022-10-01"}, {"facts": ROWS[6]}]
    found = bulk(client, tariff=KITCHEN["tariff"], period=["2022-10-01", "2022-11-01"], rows=rows)
    (part,) = found.parts
    assert (found.priced, part.rows) == (3, [1, 2, 3])
    assert part.total == [one.total for one in one_by_one(client, ROWS[4:7])]


def test_a_quote_has_the_form_of_its_model_to_the_letter(client: TestClient) -> None:
    for facts in ROWS:
        told = client.post("/v1/quotes", json={**KITCHEN, "facts": facts}).text
        assert Quote.model_validate_json(told).model_dump_json() == told


def test_amounts_of_columns_are_written_as_single_ones_whatever_their_places() -> None:
    digits = [0, 1, -1, 10, -105, 99_999, 10**17, None]
    for places in range(7):
        amounts = [None if one is None else Decimal(one).scaleb(-places) for one in digits]
        for column in (pa.array(amounts, pa.decimal128(38, places)), pa.chunked_array([pa.array(amounts, pa.decimal128(38, places))] * 2)):
            assert _texts(column) == [None if one is None else money(one) for one in amounts] * (len(column) // len(digits))


def test_two_utilities_that_ask_at_once_are_each_told_their_own(city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    body = {"tariff": "cn/yangquan/sewage", "on": "2026-10-31", "facts": {"user": "resident", "water": "1"}}
    with calling(city, "quote") as client, ThreadPoolExecutor(4) as several:
        theirs = bearer(made_key(city, "quote", utility="other").text)
        answers = list(several.map(lambda at: client.post("/v1/quotes", json=body, headers=theirs if at % 2 else {}).json(), range(40)))
    assert [one["adopted"] for one in answers] == [True, False] * 20
    assert len({one["total"] for one in answers}) == 1


def test_a_key_taken_back_gets_no_more_quotes(city: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_key(city, "quote")
    asked = {**KITCHEN, "facts": ROWS[0]}
    monkeypatch.setattr(caller, "TRUSTED", 0.0)
    with calling(city, "quote") as client, city.opened() as engine:
        before = client.post("/v1/quotes", json=asked, headers=bearer(made.text)).status_code
        keys.revoke(engine, Settings(db=city.db, user="wang"), made.id, clock())
        assert (before, client.post("/v1/quotes", json=asked, headers=bearer(made.text)).status_code) == (200, 401)


def test_a_version_is_named_by_its_date_or_its_digest_also_when_not_in_force(client: TestClient) -> None:
    now = client.post("/v1/quotes", json={**KITCHEN, "facts": ROWS[4]}).json()
    for named in ({"effective": "2022-09-30"}, {"effective": "2022-09-30", "revision": "1"}, {"digest": now["digest"]}):
        answer = client.post("/v1/quotes", json={"tariff": KITCHEN["tariff"], "on": "2021-10-31", **named, "facts": ROWS[4]}).json()
        assert (answer["digest"], answer["total"], answer["on"]) == (now["digest"], now["total"], "2021-10-31")
    for named in ({"effective": "2020-01-01"}, {"digest": "0" * 64}):
        answer = client.post("/v1/quotes", json={"tariff": KITCHEN["tariff"], **named, "facts": ROWS[4]})
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (404, "no-such-version")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "rows-or-facts"),
        ({"rows": [{"facts": {}}], "facts": {"weight": ["1"]}}, "rows-or-facts"),
        ({"facts": {"weight": ["1"], "payer": ["other", "other"]}}, "columns-uneven"),
        ({"facts": {"wieght": ["1"]}}, "unknown-fact-like"),
        ({"rows": [{"facts": {}}] * 10_001}, "member-wrong"),
        ({"rows": [{"facts": {"weight": "1"}}], "revision": "1"}, "revision-of-what"),
    ],
)
def test_a_bulk_that_cannot_be_is_refused(client: TestClient, body: dict[str, Any], code: str) -> None:
    answer = client.post("/v1/quotes/bulk", json={**KITCHEN, **body})
    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, code)


def test_a_quote_says_that_its_version_was_adopted(city: Office) -> None:
    body = {"tariff": "cn/yangquan/sewage", "on": "2026-10-31", "facts": {"user": "resident", "water": "1"}}
    with calling(city, "quote") as client:
        assert client.post("/v1/quotes", json=body).json()["adopted"] is True
