"""A utility's own name and rules; and the table of events says all kinds there are."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import ROOT, Office

NAMED = {"name": "阳泉市 排水公司", "holds": ["cliff", "times=3", "zero"]}


@pytest.mark.both_databases
def test_a_utility_names_itself_and_its_bills_bear_the_name(city: Office) -> None:
    with city.opened() as engine:
        connect.migrate(engine, "other")
    other = bearer(made_key(city, utility="other").text)
    with calling(city, name="li") as client:
        assert client.get("/v1/utility").json() == {"id": "main", "name": "main", "holds": []}
        found = client.put("/v1/utility", json=NAMED, headers={"idempotency-key": "a"}).json()
        assert found == {"id": "main", **NAMED}
        client.put("/v1/utility", json=NAMED, headers={"idempotency-key": "b"})
        wrong = client.put("/v1/utility", json={"name": "x\u0007", "holds": ["times"]}, headers={"idempotency-key": "c"})
        assert wrong.json()["problems"][0]["code"] == "hold-rule-number"
        assert client.get("/v1/utility", headers=other).json()["name"] == "other"
        told = [(row["kind"], json.loads(row["data"])) for row in city.rows("events") if row["subject"] == "main"]
        assert told == [("utility.named", {"name": NAMED["name"], "before": "main"}), ("holds.set", {"rules": {"cliff": "", "times": "3", "zero": ""}})]
        client.put("/v1/utility", json={**NAMED, "holds": []}, headers={"idempotency-key": "d"})
        city.runs()
        city.issues()
        number = next(row["number"] for row in city.rows("documents") if row["account"] == "A3")
        printed = PdfReader(io.BytesIO(client.get(f"/v1/invoices/{number}/pdf").content)).pages[0].extract_text()
        assert "排水公司" in printed
    assert city.does("utility", "--name", "Water works", by="li") == {"id": "main", "name": "Water works"}
    assert city.refuses("utility", "--name", " \u0007", by="li").codes == ["utility-name-wrong"]


def test_the_table_of_events_has_every_kind_in_the_code_and_no_other() -> None:
    code = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "billing_service").rglob("*.py")))
    calls = re.findall(r"events\.append\([^\n]*?, (f?\"[^\"]+\"|kind), ", code)
    assert len(calls) == code.count("events.append("), "a kind is written where it is appended, or called `kind`"
    assert {one for one in calls if one[0] != '"'} == {'f"{name}.received"', "kind"}
    chosen = " ".join(re.findall(r"^ +kind = (.*)$", code, re.MULTILINE))
    written = set(re.findall(r'"([a-z]+\.[a-z]+)"', " ".join([*calls, chosen])))
    written |= {f"{name}.received" for name in ("accounts", "contracts", "usage")}
    table = Path(ROOT / "docs" / "events.md").read_text("utf-8").split("## Kinds")[1].split("## Checking")[0]
    told = {kind for row in table.splitlines() if row.startswith("| `") for kind in re.findall(r"`([a-z]+\.[a-z]+)`", row.split("|")[1])}
    assert told == written
