"""A whole month through the API: sent, run, looked at, approved by another, issued, read; nobody else's."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient

from billing_service.api.pages import cursor
from billing_service.documents import workbook
from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases
OCTOBER = {"period": ["2026-10-01", "2026-11-01"]}


def does(client: TestClient, path: str, body: Any, key: str) -> Any:
    answer = client.post(path, json=body, headers={"idempotency-key": key})
    assert answer.status_code in {200, 202}, answer.text
    return answer.json()


def test_a_month_goes_through_the_api(city: Office) -> None:
    with calling(city, name="li") as li, calling(city, name="wang") as wang:
        begun = li.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "october"})
        assert (begun.status_code, begun.json()["state"]) == (202, "running")
        run = begun.json()["id"]
        assert li.post("/v1/runs", json=OCTOBER, headers={"idempotency-key": "october"}).json() == begun.json()
        seen = li.get(f"/v1/runs/{run}").json()
        assert (seen["state"], seen["counts"]["invoices"], seen["created_by"]) == ("draft", 3, "li")
        assert [one["code"] for one in li.get(f"/v1/runs/{run}/exceptions").json()["exceptions"]] == []
        early = wang.post(f"/v1/runs/{run}/approve", json={}, headers={"idempotency-key": "a"})
        assert (early.status_code, early.json()["problems"][0]["code"]) == (422, "wrong-state")
        assert does(li, f"/v1/runs/{run}/review", {}, "b")["state"] == "reviewed"
        same = li.post(f"/v1/runs/{run}/approve", json={}, headers={"idempotency-key": "c"})
        assert same.json()["problems"][0]["code"] == "same-person"
        assert does(wang, f"/v1/runs/{run}/approve", {}, "d")["approved_by"] == "wang"
        does(wang, f"/v1/runs/{run}/issue", {}, "e")
        assert li.get(f"/v1/runs/{run}").json()["state"] == "issued"
        listed = li.get("/v1/invoices", params={"run": run}).json()["invoices"]
        assert {one["account"]: one["number"] is None for one in listed} == {"A1": False, "A2": True, "A3": False}
        first = li.get("/v1/invoices", params={"limit": 2}).json()
        rest = li.get("/v1/invoices", params={"after": first["next"]}).json()
        assert first["invoices"] + rest["invoices"] == listed
        (shop,) = li.get("/v1/invoices", params={"account": "A3"}).json()["invoices"]
        assert shop["total"] == li.get(f"/v1/invoices/{shop['number']}").json()["total"]
        for days, count in (
            ({"from": "2026-10-31", "to": "2026-11-01"}, 3),
            ({"to": "2026-10-31"}, 0),
            ({"from": "2026-11-01"}, 0),
            ({"from": "0001-01-01"}, 3),
        ):
            assert len(li.get("/v1/invoices", params=days).json()["invoices"]) == count, days
        assert li.get("/v1/invoices", params={"from": "2026-13-01"}).status_code == 422
        kinds = [one["kind"] for one in li.get("/v1/events").json()["events"] if one["kind"].startswith("run.")]
        assert kinds == ["run.created", "run.reviewed", "run.approved", "run.issued"]
        late = li.post(f"/v1/runs/{run}/cancel", json={}, headers={"idempotency-key": "f"})
        assert late.json()["problems"][0]["code"] == "wrong-state"


def test_what_could_not_be_billed_comes_by_the_page(city: Office) -> None:
    city.receives(contracts="\n".join(f"X{n},A1,cn/yangquan/none{n},2026-01-01,,user=resident" for n in range(5)))
    with calling(city) as client:
        run = does(client, "/v1/runs", OCTOBER, "a")["id"]
        first = client.get(f"/v1/runs/{run}/exceptions", params={"limit": 3}).json()
        rest = client.get(f"/v1/runs/{run}/exceptions", params={"after": first["next"]}).json()
    assert sorted(one["contract"] for one in first["exceptions"] + rest["exceptions"]) == [f"X{n}" for n in range(5)]


def test_odd_bills_wait_for_a_decision(city: Office) -> None:
    city.does("hold", "first", by="li")
    with calling(city, name="li") as li, calling(city, name="wang") as wang:
        run = does(li, "/v1/runs", OCTOBER, "a")["id"]
        held = li.get(f"/v1/runs/{run}/holds").json()["holds"]
        assert {(one["rule"], one["state"]) for one in held} == {("first", "held")}
        does(li, f"/v1/runs/{run}/review", {}, "b")
        waiting = wang.post(f"/v1/runs/{run}/approve", json={}, headers={"idempotency-key": "c"})
        assert waiting.json()["problems"][0]["code"] == "bills-held"
        decided = does(li, f"/v1/runs/{run}/holds", {"action": "set_aside", "note": "look at the meter", "document": held[0]["document"]}, "d")
        assert decided == {"documents": 1}
        assert does(li, f"/v1/runs/{run}/holds", {"action": "release", "note": "new customers"}, "e")["documents"] == len({one["document"] for one in held}) - 1
        assert does(wang, f"/v1/runs/{run}/approve", {}, "f")["state"] == "approved"
        assert does(li, f"/v1/runs/{run}/cancel", {}, "g")["state"] == "cancelled"


def test_another_utility_finds_no_run_and_starts_its_own(city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    other = bearer(made_key(city, utility="other").text)
    with calling(city) as client:
        run = does(client, "/v1/runs", OCTOBER, "a")["id"]
        for path in ("", "/exceptions", "/holds"):
            assert client.get(f"/v1/runs/{run}{path}", headers=other).status_code == 404
        for step in ("review", "approve", "issue", "cancel"):
            assert client.post(f"/v1/runs/{run}/{step}", json={}, headers={**other, "idempotency-key": "x"}).status_code == 404
        assert client.get("/v1/runs", headers=other).json() == {"runs": [], "next": None}
        assert client.get("/v1/invoices", headers=other).json() == {"invoices": [], "next": None}
        assert [one["id"] for one in client.get("/v1/runs").json()["runs"]] == [run]


def test_runs_come_by_the_page_newest_first(city: Office) -> None:
    with calling(city) as client:
        made: list[str] = []
        for month in range(1, 6):
            period = [f"2026-{month:02}-01", f"2026-{month + 1:02}-01"]
            made.append(does(client, "/v1/runs", {"period": period}, f"m{month}")["id"])
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = client.get("/v1/runs", params={"limit": 2, "after": after}).json()
            seen += [one["id"] for one in page["runs"]]
            after = page["next"]
        assert seen == made[::-1]
        assert client.get("/v1/runs", params={"after": cursor("2020-01-1")}).json()["problems"][0]["code"] == "cursor-wrong"


def test_a_run_is_printed_before_it_is_approved(city: Office) -> None:
    with calling(city) as client:
        run = does(client, "/v1/runs", OCTOBER, "a")["id"]
        printed = client.get(f"/v1/runs/{run}/pdf", params={"locale": "zh"})
        book = client.get(f"/v1/runs/{run}/xlsx")
        assert client.get("/v1/runs/2026-10-9/xlsx").status_code == 404
        assert client.get(f"/v1/runs/{run}/xlsx").content == book.content
    assert (printed.headers["content-type"], run in PdfReader(io.BytesIO(printed.content)).pages[0].extract_text()) == ("application/pdf", True)
    opened = openpyxl.load_workbook(io.BytesIO(book.content))
    assert [sheet.max_row for sheet in opened.worksheets][1:] == [4, 5, 1]


def test_rows_that_do_not_fit_a_tab_go_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "ROWS", 2)
    found = io.BytesIO()
    workbook.write(found, [("lines", workbook.Sheet("lines", ("item",), [(f"row {at}",) for at in range(5)]))], set(), "en")
    opened = openpyxl.load_workbook(found)
    assert {sheet.title: sheet.max_row - 1 for sheet in opened.worksheets} == {"lines": 2, "lines 2": 2, "lines 3": 1}
