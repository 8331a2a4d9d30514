"""Keys: who has none learns nothing, who has one sees their own utility and does what its scopes name."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from billing_service import keys
from billing_service.api import caller
from billing_service.app import create_app
from billing_service.problems import Refused
from billing_service.runs import clock
from billing_service.settings import Settings
from billing_service.store import connect, tables
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import RULES, Office

pytestmark = pytest.mark.both_databases


def routes(office: Office) -> list[tuple[str, str]]:
    """Every method and path of the API, each place in a path filled with something that could be there."""
    paths = create_app(Settings(db=office.db, rules=(RULES,))).openapi()["paths"]
    found = [(method.upper(), _filled(path)) for path, operations in paths.items() for method in operations]
    assert len(found) > 15, "the routers of the application are not seen"
    return found


def _filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: {"number": "INV-2026-000001", "run": "2026-10-1", "digest": "0" * 64}.get(name[1], "A1"), path)


def opened(office: Office) -> TestClient:
    return TestClient(create_app(Settings(db=office.db, rules=(RULES,))), raise_server_exceptions=False)


def test_every_route_answers_every_wrong_key_alike(city: Office) -> None:
    good, ended = made_key(city).text, made_key(city, ended=True).text
    utility, key, secret = good.rsplit(".", 2)
    wrong = [
        "x",
        "..",
        f"{utility}.{key}.",
        f"{utility}.{key}.{secret[:-1]}",
        f"{utility}.{key}.{secret}x",
        f"other.{key}.{secret}",
        f"{utility}.0.{secret}",
        ended,
    ]
    with opened(city) as client:
        every = [(method, path, one) for method, path in routes(city) for one in wrong]
        answers = [client.request(method, path, headers={"authorization": f"Bearer {one}"}) for method, path, one in every]
        answers += [client.request(method, path) for method, path in routes(city)]
        strange = client.get("/v1/tariffs", headers=[(b"authorization", b"Bearer \xff.\x01.\xfe")])
    assert {(one.status_code, one.text, one.headers["www-authenticate"]) for one in [*answers, strange]} == {(401, strange.text, "Bearer")}


def test_every_route_wants_a_scope(city: Office) -> None:
    made = {scope: bearer(made_key(city, scope).text) for scope in keys.SCOPES}
    with opened(city) as client:
        for method, path in routes(city):
            statuses = {scope: client.request(method, path, headers=header).status_code for scope, header in made.items()}
            assert sum(status != 403 for status in statuses.values()) == 1, (method, path, statuses)


def test_a_key_sees_its_own_utility_only(city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    made = made_key(city, utility="other")
    with opened(city) as client:
        client.headers["authorization"] = f"Bearer {made.text}"
        found = client.get("/v1/tariffs").json()["tariffs"]
    assert found and all(one["adoption"] is None for one in found)


def test_a_key_taken_back_ends_and_the_chain_tells(city: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_key(city, "read")
    own = Settings(db=city.db, user="wang")
    monkeypatch.setattr(caller, "TRUSTED", 0.0)
    with city.opened() as engine, opened(city) as client:
        client.headers["authorization"] = f"Bearer {made.text}"
        before = client.get("/v1/tariffs").status_code
        assert keys.revoke(engine, own, made.id, clock())
        assert not keys.revoke(engine, own, made.id, clock())
        assert (before, client.get("/v1/tariffs").status_code) == (200, 401)
    told = [(row["actor"], row["kind"], row["subject"]) for row in city.rows("events") if row["kind"].startswith("key.")]
    assert told == [("tests", "key.created", made.id), ("wang", "key.revoked", made.id)]


def test_the_secret_is_kept_nowhere(city: Office) -> None:
    secret = made_key(city).text.rsplit(".", 1)[1]
    with city.opened() as engine, connect.reading(engine, "main") as conn:
        kept = [str(dict(row._mapping)) for table in (tables.api_keys, tables.events) for row in conn.execute(select(table))]
    assert len(kept) >= 2 and not any(secret in one for one in kept)


def test_what_is_wrong_with_a_new_key_is_told_at_once(city: Office) -> None:
    own = Settings(db=city.db, user="li")
    with city.opened() as engine, connect.writing(engine, "main") as conn, pytest.raises(Refused) as refusal:
        keys.create(conn, own, " ", ["read", "everything"], clock(), clock())
    assert sorted(one.code for one in refusal.value.problems) == ["key-ends-before", "key-name-missing", "key-scope-unknown"]


def test_a_key_too_long_or_with_nothing_in_it_opens_nothing(city: Office) -> None:
    with city.opened() as engine:
        assert [keys.caller(engine, text, clock()) for text in ("", "a.b", "main.a." + "x" * 500, "main.\x00.x", "main..x")] == [None] * 5


def test_a_key_with_a_scope_may(city: Office) -> None:
    with calling(city, "read") as client:
        assert client.get("/v1/tariffs").status_code == 200
        assert client.post("/v1/quotes", json={}).status_code == 403


def test_a_key_is_made_and_taken_back_by_the_api(city: Office) -> None:
    with calling(city, "admin", "read") as client:
        asked = {"name": "neighbour", "scopes": ["read"]}
        first = client.post("/v1/keys", json=asked, headers={"idempotency-key": "a"})
        again = client.post("/v1/keys", json=asked, headers={"idempotency-key": "a"})
        other = client.post("/v1/keys", json={**asked, "name": "x"}, headers={"idempotency-key": "a"})
        assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
        assert (again.json(), again.headers["idempotency-replayed"]) == ({**first.json(), "key": None}, "true")
        made = {"authorization": f"Bearer {first.json()['key']}"}
        assert client.get("/v1/events", headers=made).status_code == 200
        assert client.delete(f"/v1/keys/{first.json()['id']}").status_code == 204
        assert client.get("/v1/events", headers=made).status_code == 401
        assert client.delete("/v1/keys/none").status_code == 404
        assert client.post("/v1/keys", json=asked).status_code == 422
        listed = {one["id"]: one["revoked_at"] for one in client.get("/v1/keys").json()["keys"]}
    assert listed[first.json()["id"]] is not None


def test_events_come_in_order_and_their_hashes_join(city: Office) -> None:
    for _ in range(4):
        made_key(city, "read")
    with calling(city, "read") as client:
        first = client.get("/v1/events?limit=3").json()
        rest = client.get(f"/v1/events?after={first['next']}").json()
        nothing = client.get(f"/v1/events?after={rest['next']}").json()
    every = first["events"] + rest["events"]
    assert [one["seq"] for one in every] == list(range(1, len(every) + 1))
    assert [one["previous"] for one in every[1:]] == [one["hash"] for one in every[:-1]]
    assert nothing == {"events": [], "next": rest["next"]}
    program = (Path(__file__).parent.parent.parent / "docs" / "events.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    told: dict[str, Any] = {}
    exec(program, told)
    assert told["first_broken"](every) is None
    assert told["first_broken"]([*every[:2], {**every[2], "actor": "somebody"}, *every[3:]]) == 3


def test_a_key_is_made_listed_and_taken_back_by_command(city: Office) -> None:
    made = city.does("key", "create", "--scopes", "read", "--expires", "2999-01-01", "neighbour", by="li")
    with opened(city) as client:
        assert client.get("/v1/tariffs", headers={"authorization": f"Bearer {made['key']}"}).status_code == 200
    assert city.refuses("key", "create", "--scopes", "red", "--expires", "2020-01-01", " ").codes == [
        "key-scope-unknown",
        "key-name-missing",
        "key-ends-before",
    ]
    assert city.does("key", "revoke", made["id"])["revoked"]
    (listed,) = city.does("key", "list")["keys"]
    assert (listed["name"], listed["scopes"]) == ("neighbour", "read") and listed["revoked"] and "key" in listed
    assert "neighbour" in city.says("key", "list").out
    assert city.refuses("key", "revoke", "none").codes == ["no-such-key"]


def test_a_key_ends_after_a_year_unless_another_end_or_none_is_written(city: Office) -> None:
    for words, ends in (((), True), (("--expires", "never"), False)):
        made = city.does("key", "create", "desk", *words, by="li")
        assert bool(made["expires"]) is ends
        said = city.says("key", "create", "desk", *words, by="li").out
        assert ("It ends 2" in said) is ends and ("no end" in said) is not ends
    year = [row["expires_at"] - row["created_at"] for row in city.rows("api_keys") if row["expires_at"]]
    assert year == [timedelta(days=365)] * 2
    with calling(city, "admin") as client:
        said_of_it: list[tuple[dict[str, Any], bool]] = [({}, True), ({"expires": "never"}, False), ({"expires": None}, True)]
        for number, (asked, ends) in enumerate(said_of_it):
            body: dict[str, Any] = {"name": "desk", "scopes": ["read"], **asked}
            answer = client.post("/v1/keys", json=body, headers={"idempotency-key": str(number)})
            assert answer.status_code == 201 and (answer.json()["expires"] is not None) is ends
        body = {"name": "desk", "scopes": ["read"], "expires": "soon"}
        assert client.post("/v1/keys", json=body, headers={"idempotency-key": "x"}).status_code == 422
