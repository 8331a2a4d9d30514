"""A write happens once: whatever its key was told, a refusal too, is what is told and done under it for ever."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from billing_service.api.once import Written, _once, _Try
from billing_service.problems import refused
from billing_service.schemas import Wire
from billing_service.store import connect, utilities
from tests.billing.calls import calling
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases
OCTOBER = {"period": ["2026-10-01", "2026-11-01"]}


class Named(Wire):
    name: str


def test_a_late_first_attempt_is_told_what_its_retry_was_told(city: Office) -> None:
    with calling(city, name="li") as li, calling(city, name="wang") as wang:
        run = li.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "a"}).json()["id"]

        def approves(key: str, **more: str) -> Any:
            return wang.post(f"/v1/runs/{run}/approve", json={}, headers={"idempotency-key": key, **more})

        early = approves("b", **{"accept-language": "zh"})
        assert (early.status_code, early.json()["problems"][0]["code"], "idempotency-replayed" in early.headers) == (422, "wrong-state", False)
        li.post(f"/v1/runs/{run}/review", json={}, headers={"idempotency-key": "c"})
        late = approves("b")
        assert (late.status_code, late.content, late.headers["content-type"]) == (422, early.content, "application/problem+json")
        assert late.headers["idempotency-replayed"] == "true"
        assert li.get(f"/v1/runs/{run}").json()["state"] == "reviewed"
        assert approves("d").json()["state"] == "approved"
        assert [row["status"] for row in city.rows("idempotency") if row["key"] == "b"] == [422]
        again = [li.post("/v1/runs", json={"period": ["2026-10-15", "2026-11-15"]}, headers={"idempotency-key": "e"}) for _ in range(2)]
        assert [one.status_code for one in again] == [202, 202]


def test_what_is_wrong_with_the_request_itself_uses_up_no_key(city: Office) -> None:
    with calling(city) as client, calling(city, "read") as reader:
        wrong: list[tuple[dict[str, Any], int]] = [
            ({"json": {"period": ["2026-10"]}}, 422),
            ({"content": b"{"}, 415),
            ({"json": {"period": OCTOBER["period"][::-1]}}, 422),
        ]
        for body, status in wrong:
            assert client.post("/v1/runs", headers={"idempotency-key": "a"}, **body).status_code == status
        assert reader.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "a"}).status_code == 403
        assert city.rows("idempotency") == []
        assert client.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "a"}).status_code == 202


def test_a_refusal_leaves_nothing_of_the_work_before_it(office: Office) -> None:
    def work(conn: connect.Connection) -> Written:
        utilities.set_name(conn, "main", "half done")
        raise refused("document-missing")

    def fails(conn: connect.Connection) -> Written:
        utilities.set_name(conn, "main", "half done")
        raise ZeroDivisionError

    one = _Try("main", "PUT", "/v1/x", "k", "0", "en")
    with office.opened() as engine:
        first, again = _once(engine, one, work), _once(engine, one, lambda _: Written(200, Named(name="never")))
        with pytest.raises(ZeroDivisionError):
            _once(engine, _Try("main", "PUT", "/v1/x", "fault", "0", "en"), fails)
        after = _once(engine, _Try("main", "PUT", "/v1/x", "fault", "0", "en"), lambda _: Written(200, Named(name="done")))
        with connect.reading(engine, "main") as conn:
            assert utilities.name_of(conn, "main") == "main"
    assert (first[0], again) == (422, (422, first[1], True))
    assert (after[0], json.loads(after[1]), after[2]) == (200, {"name": "done"}, False)


def test_twins_at_once_are_told_the_same_refusal(city: Office) -> None:
    with calling(city) as client, ThreadPoolExecutor(6) as pool:
        run = client.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "a"}).json()["id"]
        answers = list(pool.map(lambda _: client.post(f"/v1/runs/{run}/issue", json={}, headers={"idempotency-key": "b"}), range(6)))
    assert {(one.status_code, one.content) for one in answers} == {(422, answers[0].content)}
    assert sum("idempotency-replayed" in one.headers for one in answers) == 5
