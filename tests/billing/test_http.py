"""Three routes: text for decimals, problems for faults, and no body of any kind that gives a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from billing_service.app import create_app
from billing_service.settings import Settings
from tests.billing.calls import bearer, calling, made_key, signing
from tests.billing.conftest import RULES, Office, furnish

KITCHEN = {"tariff": "cn/beijing/kitchen-waste", "on": "2022-10-31", "facts": {"payer": "quota_unit", "weight": "5.001", "quota": "10"}}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A city whose month is issued; these tests only read it."""
    return issued_in(tmp_path_factory.mktemp("issued"))


def issued_in(folder: Path) -> Office:
    office = Office(folder)
    office.does("init")
    furnish(office)
    office.runs()
    office.issues()
    return office


@pytest.fixture(scope="module")
def client(issued: Office) -> Iterator[TestClient]:
    with calling(issued) as found:
        yield found


def test_a_quote_has_its_total_lines_digest_validity_and_reasons(client: TestClient) -> None:
    answer = client.post("/v1/quotes", json=KITCHEN)
    found = answer.json()
    assert answer.status_code == 200
    assert (found["total"], found["effective"], found["status"], found["adopted"]) == ("1500.30", "2022-09-30", "published", False)
    assert [(line["charge"], line["amount"]) for line in found["lines"]] == [("quota_fee", "1500.30")]
    assert found["explanation"]["lines"][0]["steps"]["kind"] == "round"
    assert len(found["digest"]) == 64


def test_a_quote_holds_until_the_earliest_of_version_end_and_setting(client: TestClient) -> None:
    ended = client.post("/v1/quotes", json={"tariff": "cn/beijing/kitchen-waste", "on": "2021-10-31", "facts": {"weight": "1"}}).json()
    assert ended["valid_until"] == "2022-09-30"
    by_setting = date.fromisoformat(client.post("/v1/quotes", json=KITCHEN).json()["valid_until"])
    assert timedelta(days=28) < by_setting - date.today() < timedelta(days=32)  # noqa: DTZ011


def test_every_wrong_fact_is_told_at_once(client: TestClient) -> None:
    answer = client.post("/v1/quotes", json={**KITCHEN, "facts": {"payer": "quota_unit", "weight": "-1", "wieght": "5"}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert sorted(one["code"] for one in answer.json()["problems"]) == ["below-minimum", "missing-fact", "unknown-fact-like"]


def test_problems_come_in_the_language_asked_for(client: TestClient) -> None:
    answer = client.post("/v1/quotes", json={**KITCHEN, "facts": {}}, headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert "缺少" in answer.json()["problems"][0]["message"]


def test_tariffs_are_listed_with_status_and_adoption(client: TestClient) -> None:
    found = {row["tariff"]: row for row in client.get("/v1/tariffs").json()["tariffs"] if row["effective"] != "2021-09-30"}
    assert found["cn/yangquan/sewage"]["adoption"]["document"] == "sample"
    assert found["cn/beijing/kitchen-waste"]["adoption"] is None
    assert (found["test/drafted"]["status"], found["test/quantity"]["billable"]) == ("draft", False)


def test_a_rule_file_that_cannot_be_used_is_listed_apart(city: Office) -> None:
    folder = city.folder / "rules" / "x" / "broken"
    folder.mkdir(parents=True)
    (folder / "2026-01-01.yaml").write_text("language: 1\n", "utf-8")
    with calling(city, rules=(city.folder / "rules",)) as client:
        listed = client.get("/v1/tariffs").json()
        assert {one["file"] for one in listed["problems"]} == {"x/broken/2026-01-01.yaml"}
        assert str(city.folder) not in json.dumps(listed)
        answer = client.post("/v1/quotes", json={"tariff": "x/broken", "on": "2026-01-01"})
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "tariff-unusable")


def test_an_invoice_is_found_by_its_number_only_once_issued(client: TestClient, issued: Office) -> None:
    number = next(row["number"] for row in issued.rows("documents") if row["account"] == "A3")
    found = client.get(f"/v1/invoices/{number}").json()
    assert (found["total"], found["account"]["name"], found["lines"][0]["amount"]) == ("145.00", "Sun's shop", "145.00")
    for absent in ("INV-1999-000001", "INV-2026-999999"):
        answer = client.get(f"/v1/invoices/{absent}")
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (404, "no-such-invoice")


def deep(opening: bytes) -> bytes:
    return opening * 200_000


NASTY: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "text": b'"x"',
    "number": b"1",
    "cut": b'{"tariff":',
    "twice": b"{}{}",
    "not UTF-8": b'{"tariff":"\xff"}',
    "UTF-16": json.dumps(KITCHEN).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "a JSON number": b'{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":{"payer":"other","weight":5.001}}',
    "1e400": b'{"tariff":"x","on":"2022-10-31","facts":{"a":1e400}}',
    "NaN": b'{"tariff":"x","on":"2022-10-31","facts":{"a":NaN}}',
    "-Infinity": b'{"tariff":-Infinity}',
    "a long integer": b'{"tariff":' + b"9" * 100_000 + b"}",
    "deep arrays": deep(b"["),
    "deep objects": deep(b'{"a":'),
    "half a pair": b'{"tariff":"\\ud800","on":"2022-10-31"}',
    "half a pair as key": b'{"\\ud800":1,"facts":{"\\udfff":"1"}}',
    "a key twice": b'{"tariff":"a","tariff":"b","on":"2022-10-31"}',
    "NUL": b'{"tariff":"a\\u0000b","on":"2022-10-31"}',
    "a path": b'{"tariff":"../../../etc/passwd","on":"2022-10-31"}',
    "an absolute path": b'{"tariff":"/etc","on":"2022-10-31"}',
    "wrong date": b'{"tariff":"x","on":"2022-02-30"}',
    "year 0": b'{"tariff":"x","on":"0000-01-01"}',
    "last day": b'{"tariff":"cn/beijing/other-waste","on":"9999-12-31","facts":{"weight":"1"}}',
    "the last month": b'{"tariff":"cn/yangquan/domestic-waste","on":"9999-12-31","facts":{"payer":"household","households":"1","relief":"ordinary"}}',
    "no date": b'{"tariff":"cn/beijing/kitchen-waste"}',
    "backwards": b'{"tariff":"cn/beijing/kitchen-waste","period":["2022-11-01","2022-10-01"],"facts":{}}',
    "unknown member": b'{"tariff":"x","on":"2022-10-31","rules":"/"}',
    "facts nested": b'{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":{"weight":{"a":{"b":"1"}}}}',
    "facts null": b'{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":null}',
    "a huge number": b'{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":{"payer":"other","weight":"' + b"9" * 500_000 + b'"}}',
    "full-width digits": '{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":{"payer":"other","weight":"５"}}'.encode(),
    "many facts": json.dumps({**KITCHEN, "facts": {f"f{at}": "1" for at in range(20_000)}}).encode(),
}


@pytest.mark.parametrize("name", NASTY)
def test_no_body_gives_a_500(client: TestClient, name: str) -> None:
    answer = client.post("/v1/quotes", content=NASTY[name], headers=JSON)
    assert answer.status_code in {404, 422}, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(one["message"] for one in answer.json()["problems"])


def test_a_json_number_is_refused_with_its_cure(client: TestClient) -> None:
    (found,) = client.post("/v1/quotes", content=NASTY["a JSON number"], headers=JSON).json()["problems"]
    assert (found["code"], found["at"]) == ("json-number", "facts.weight")
    assert '"5.001"' in found["message"]


def test_a_large_body_and_a_wrong_type_are_refused(client: TestClient) -> None:
    assert client.post("/v1/quotes", content=b" " * 10_000_000, headers=JSON).status_code == 413
    assert client.post("/v1/quotes", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/v1/quotes", content=b"{}").status_code == 415


def test_what_is_not_served_is_a_problem_too(client: TestClient) -> None:
    for method, path, status in (("GET", "/", 404), ("GET", "/v1/quotes", 405), ("DELETE", "/v1/tariffs", 405), ("GET", "/v1/invoices/%00", 422)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_database_that_went_away_is_a_503(city: Office) -> None:
    with TestClient(create_app(Settings(db=str(city.folder / "absent" / "x.db"), rules=(RULES,))), raise_server_exceptions=False) as client:
        assert client.get("/v1/tariffs", headers=bearer("main.1.2")).status_code == 503


def test_the_description_says_text_for_every_amount(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    amounts: list[Any] = [described["components"]["schemas"][name]["properties"] for name in ("Quote", "Invoice")]
    assert [found["total"]["type"] for found in amounts] == ["string", "string"]
    assert "number" not in {found.get("type") for model in described["components"]["schemas"].values() for found in model.get("properties", {}).values()}


#: Every operation there is, so that none goes without.
OPERATIONS = sorted(f"{method.upper()} {path}" for path, operations in create_app(Settings(db=":memory:")).openapi()["paths"].items() for method in operations)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The operations as the service describes them, by method and path; of an office that nobody else reads, for they write."""
    office = issued_in(tmp_path_factory.mktemp("fuzzed"))
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(Settings(db=str(office.db), rules=(RULES,))))
    schema.auth()(signing(made_key(office).text))
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_api_keeps_its_own_description_under_fuzzing(described: dict[str, Any], name: str) -> None:
    assert sorted(described) == OPERATIONS and len(OPERATIONS) > 7

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described[name].as_strategy())
    def fuzz(case: Any) -> None:
        # A body can keep the description and still name a tariff or a fact there is none of: 422 says so.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    fuzz()


def test_no_strange_path_gives_a_500(client: TestClient) -> None:
    for number in ("%FF", "%00", "..%2F..", "%ED%A0%80", "INV-2026-000001%0A", "x" * 5000, "%F0%9F%92%A9"):
        assert client.get(f"/v1/invoices/{number}").status_code in {404, 422}, number
