"""Corrections and settlements through the API: the same runs as the commands make, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from billing_service.store import connect
from examples.operators.generate import CONTRACT, FINAL, write
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import ROOT, Office

pytestmark = pytest.mark.both_databases
CORRECTED = "U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n"
OCTOBER = ["2026-10-01", "2026-11-01"]
OPERATORS = ROOT / "examples" / "operators" / "rules"
MARCH = ["2024-03-01", "2024-04-01"]


def issues(li: TestClient, wang: TestClient, run: str) -> None:
    for client, step in ((li, "review"), (wang, "approve"), (wang, "issue")):
        assert client.post(f"/v1/runs/{run}/{step}", json={}, headers={"idempotency-key": step}).status_code in {200, 202}


def test_what_changed_is_corrected_by_one_run_and_again_by_nothing(city: Office) -> None:
    city.runs()
    city.issues()
    city.receives(corrections=CORRECTED)
    with calling(city, name="li") as li, calling(city, name="wang") as wang:
        first = li.post("/v1/corrections", json={}, headers={"idempotency-key": "a"})
        assert first.status_code == 202, first.text
        (one,) = first.json()["runs"]
        assert (one["period_start"], one["period_end"], one["plant"], one["problems"]) == (*OCTOBER, "", [])
        assert li.post("/v1/corrections", json={}, headers={"idempotency-key": "a"}).json() == first.json()
        made = li.get(f"/v1/runs/{one['run']}").json()
        assert (made["kind"], made["state"], made["counts"]["differences"]) == ("correction", "draft", 1)
        issues(li, wang, one["run"])
        again = li.post("/v1/corrections", json={"periods": [OCTOBER]}, headers={"idempotency-key": "b"}).json()["runs"][0]["run"]
        assert li.get(f"/v1/runs/{again}").json()["state"] == "empty"
        never = li.post("/v1/corrections", json={"periods": [["2026-01-01", "2026-02-01"]]}, headers={"idempotency-key": "c"})
        assert (never.status_code, never.json()["problems"][0]["code"]) == (422, "correct-never-issued")
        back = li.post("/v1/corrections", json={"periods": [OCTOBER[::-1]]}, headers={"idempotency-key": "d"})
        assert back.json()["problems"][0]["code"] == "period-backwards"


def test_a_period_that_cannot_be_corrected_says_why_and_leaves_nothing_behind(make_office: Callable[[str], Office]) -> None:
    office = make_office("desk")
    write(1, 165, 2024, office.folder / "in")
    office.does("import", office.folder / "in")
    for tariff in (CONTRACT, FINAL):
        office.does("adopt", tariff, "2024-01-01", "--document", "sample contract", "--rules", OPERATORS)
    with calling(office, rules=(OPERATORS,), name="li") as li, calling(office, rules=(OPERATORS,), name="wang") as wang:
        for month in (["2024-02-01", "2024-03-01"], MARCH):
            run = li.post("/v1/settlements", json={"plant": "P0001", "period": month}, headers={"idempotency-key": month[0]}).json()["run"]
            issues(li, wang, run)
        li.post("/v1/settlements", json={"plant": "P0001", "period": ["2024-01-01", "2025-01-01"]}, headers={"idempotency-key": "year"})
        before = (office.rows("runs"), office.rows("documents"))
        asked = li.post("/v1/corrections", json={}, headers={"idempotency-key": "c", "accept-language": "zh"})
        assert asked.status_code == 202
        assert [(one["run"], one["problems"][0]["code"]) for one in asked.json()["runs"]] == [(None, "settlement-open")] * 2
        assert (office.rows("runs"), office.rows("documents")) == before


def test_another_utility_corrects_nothing_of_ours(city: Office) -> None:
    city.runs()
    city.issues()
    with city.opened() as engine:
        connect.migrate(engine, "other")
    other = {**bearer(made_key(city, utility="other").text), "idempotency-key": "a"}
    with calling(city) as client:
        assert client.post("/v1/corrections", json={}, headers=other).json() == {"runs": []}
        asked = {"plant": "A1", "period": OCTOBER}
        assert client.post("/v1/settlements", json=asked, headers=other).json()["problems"][0]["code"] == "no-such-plant"
        assert client.get("/v1/settlements", headers=other).json() == {"invoices": [], "next": None}


def test_a_plant_is_settled_read_printed_and_corrected(make_office: Callable[[str], Office]) -> None:
    office = make_office("desk")
    write(1, 165, 2024, office.folder / "in")
    office.does("import", office.folder / "in")
    for tariff in (CONTRACT, FINAL):
        office.does("adopt", tariff, "2024-01-01", "--document", "sample contract", "--rules", OPERATORS)
    with calling(office, rules=(OPERATORS,), name="li") as li, calling(office, rules=(OPERATORS,), name="wang") as wang:
        asked = {"plant": "P0001", "period": MARCH}
        done: Any = li.post("/v1/settlements", json=asked, headers={"idempotency-key": "a"}).json()
        assert (done["run"], done["invoices"], done["parked"]) == ("2024-03-1", 1, 0)
        waiting = li.post("/v1/settlements", json=asked, headers={"idempotency-key": "b"}).json()
        assert (waiting["run"], waiting["waiting"]) == (None, 1)
        issues(li, wang, done["run"])
        (one,) = li.get("/v1/settlements", params={"plant": "P0001"}).json()["invoices"]
        assert one["number"].startswith("SET-") and one["direction"] == "payable"
        assert li.get(f"/v1/invoices/{one['number']}/pdf").content[:5] == b"%PDF-"
        assert li.get(f"/v1/invoices/{one['number']}/xlsx").content[:2] == b"PK"
        (part,) = li.get(f"/v1/invoices/{one['number']}/explanation").json()["parts"]
        assert len(part["explanation"]["stage"]) == 31 and "2024-03-17" in part["text"]
        cod = "P0001-20240305-outflow[COD]"
        office.receives(corrections=f"{cod}-b,P0001,,outflow[COD],2024-03-05,2024-03-06,61.5,mg/L,actual,{cod},2025-02-01\n")
        (again,) = li.post("/v1/corrections", json={}, headers={"idempotency-key": "c"}).json()["runs"]
        assert (again["plant"], again["problems"]) == ("P0001", [])
        assert li.get(f"/v1/runs/{again['run']}").json()["counts"]["differences"] == 1
