"""Tariffs through the API: what is in force on a day, a version by its digest, and adopting exactly what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import Office

KITCHEN = "cn/beijing/kitchen-waste"


def paged(client: TestClient, **asked: Any) -> Iterator[dict[str, Any]]:
    after = ""
    while after is not None:
        found = client.get("/v1/tariffs", params={**asked, "after": after}).json()
        yield from found["tariffs"]
        after = found["next"]


def test_the_version_in_force_on_a_day_is_told(city: Office) -> None:
    with calling(city, "read") as client:
        every = [one["effective"] for one in paged(client, tariff=KITCHEN)]
        assert every == sorted(every) and len(every) > 1
        assert [one["effective"] for one in paged(client, tariff=KITCHEN, on="2022-10-31")] == ["2022-09-30"]
        assert [one["effective"] for one in paged(client, tariff=KITCHEN, on="2022-09-29")] == ["2021-09-30"]
        assert list(paged(client, tariff=KITCHEN, on="1999-01-01")) == []
        assert client.get("/v1/tariffs", params={"on": "9999-12-31"}).status_code == 422


def test_pages_join_to_the_whole(city: Office) -> None:
    with calling(city, "read") as client:
        whole = list(paged(client, limit=1000))
        assert [one["digest"] for one in paged(client, limit=17)] == [one["digest"] for one in whole]
        assert len(whole) > 50 and {one["adopted"] for one in whole if one["tariff"].startswith("cn/yangquan/")} == {True}


def test_a_version_has_its_schedule_and_its_bytes(city: Office) -> None:
    with calling(city, "read") as client:
        (listed,) = paged(client, tariff=KITCHEN, on="2022-10-31")
        found = client.get(f"/v1/versions/{listed['digest']}", params={"locale": "zh"}).json()
        source = client.get(f"/v1/versions/{listed['digest']}/source")
        assert found["version"]["tariff"] == KITCHEN and "厨余" in found["text"]
        assert {value["name"] for value in found["schedule"]["values"]} >= {"reduced", "standard", "excess"}
        assert hashlib.sha256(source.content).hexdigest() == listed["digest"]
        absent = client.get("/v1/versions/" + "0" * 64)
        assert (absent.status_code, absent.json()["problems"][0]["code"]) == (404, "no-such-digest")


@pytest.mark.both_databases
def test_what_was_read_is_adopted_once_and_for_this_utility_alone(city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    other = bearer(made_key(city, utility="other").text)
    with calling(city, name="wang") as client:
        (listed,) = paged(client, tariff=KITCHEN, on="2022-10-31")
        path = f"/v1/versions/{listed['digest']}/adoption"
        first = client.post(path, json={"document": "decision 7"}, headers={"idempotency-key": "a"})
        again = client.post(path, json={"document": "decision 8"}, headers={"idempotency-key": "b"})
        assert first.status_code == 200 and first.json()["adopted"] and first.json()["adoption"] == again.json()["adoption"]
        assert (first.json()["adoption"]["by"], first.json()["adoption"]["document"]) == ("wang", "decision 7")
        assert not client.get(f"/v1/versions/{listed['digest']}", headers=other).json()["version"]["adopted"]
        (draft,) = paged(client, tariff="test/drafted")
        refused = client.post(f"/v1/versions/{draft['digest']}/adoption", json={"document": "x"}, headers={"idempotency-key": "c"})
        assert refused.json()["problems"][0]["code"] == "version-draft"
        blank = client.post(path, json={"document": " "}, headers={"idempotency-key": "d"})
        assert blank.json()["problems"][0]["code"] == "document-missing"
    told = [row for row in city.rows("events") if row["kind"] == "version.adopted" and row["subject"] == listed["digest"]]
    assert [row["actor"] for row in told] == ["wang"]


@pytest.mark.both_databases
def test_a_version_billed_by_is_read_when_its_file_is_gone(city: Office) -> None:
    digest = next(row["digest"] for row in city.rows("versions") if row["tariff"] == "cn/yangquan/sewage")
    with calling(city, "read", rules=()) as client:
        assert client.get(f"/v1/versions/{digest}").json()["version"]["adoption"]["document"] == "sample"
        assert hashlib.sha256(client.get(f"/v1/versions/{digest}/source").content).hexdigest() == digest
