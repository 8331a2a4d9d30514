"""An issued document explains itself, by what was known on its day, and computed again is itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tariffs
from billing_service.store import connect
from tests.billing.calls import bearer, calling, made_key
from tests.billing.conftest import RULES, Office

pytestmark = pytest.mark.both_databases
D = Decimal
CORRECTED = "U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n"


def numbers(office: Office, kind: str) -> dict[str, str]:
    return {row["account"]: row["number"] for row in office.rows("documents") if row["number"] and row["kind"] == kind}


def test_every_line_of_a_bill_of_two_tariffs_is_explained(city: Office) -> None:
    city.runs()
    city.issues()
    number = numbers(city, "invoice")["A1"]
    with calling(city, "read") as client:
        found: Any = client.get(f"/v1/invoices/{number}/explanation").json()
        chinese: Any = client.get(f"/v1/invoices/{number}/explanation", params={"locale": "zh"}).json()
    assert [one["tariff"] for one in found["parts"]] == ["cn/yangquan/domestic-waste", "cn/yangquan/sewage"]
    assert sum(D(line["amount"]) for one in found["parts"] for line in one["lines"] if line["kind"] == "line") == D(found["total"])
    period = ("2026-10-01", "2026-11-01")
    sewage = tariffs.load("cn/yangquan/sewage", on="2026-10-01", rules=RULES).explain(user="resident", water="20", period=period)
    assert (found["parts"][1]["text"], found["parts"][1]["explanation"]) == (sewage.text("en"), sewage.as_json())
    assert chinese["parts"][1]["text"] == sewage.text("zh")
    assert sewage.text("en").strip() in found["text"] and "adds up 2 parts" in found["text"]
    assert all(line["now"] is None and line["before"] is None for one in found["parts"] for line in one["lines"])
    assert city.says("explain", number).out.strip() == found["text"].strip()


def test_a_difference_says_now_before_and_between_and_the_first_bill_stays_as_it_was(city: Office) -> None:
    city.runs()
    city.issues()
    first = numbers(city, "invoice")["A1"]
    with calling(city, "read") as client:
        before = client.get(f"/v1/invoices/{first}/explanation").json()
        city.receives(corrections=CORRECTED)
        city.runs()
        city.issues()
        number = numbers(city, "difference")["A1"]
        found: Any = client.get(f"/v1/invoices/{number}/explanation").json()
        assert client.get(f"/v1/invoices/{first}/explanation").json() == before
        for one in (first, number):
            assert client.get(f"/v1/invoices/{one}/verification").json() == {"number": one, "same": True, "lines": len(city_lines(city, one)), "problems": []}
    (sewage,) = found["parts"]
    (line,) = sewage["lines"]
    assert (line["now"], line["before"], line["amount"], found["total"], found["corrects"]) == ("12.00", "20.00", "-8.00", "-8.00", [first])
    assert "computed anew" in found["text"]


def city_lines(office: Office, number: str) -> list[Any]:
    (key,) = [row["id"] for row in office.rows("documents") if row["number"] == number]
    return [row for row in office.rows("lines") if row["document"] == key]


def test_a_credit_note_names_its_reason_and_computes_nothing(city: Office) -> None:
    city.runs()
    city.issues()
    number = numbers(city, "invoice")["A3"]
    note = city.does("credit", number, "--reason", "leak in the main", by="wang")["number"]
    with calling(city, "read") as client:
        found: Any = client.get(f"/v1/invoices/{note}/explanation").json()
    assert (found["reason"], found["corrects"], found["total"], found["as_of"]) == ("leak in the main", [number], "-145.00", None)
    assert [one["explanation"] for one in found["parts"]] == [None] and number in found["parts"][0]["text"]


def test_nobody_elses_document_is_explained(city: Office) -> None:
    city.runs()
    city.issues()
    number = numbers(city, "invoice")["A1"]
    with city.opened() as engine:
        connect.migrate(engine, "other")
    with calling(city) as client:
        for path in ("explanation", "verification"):
            assert client.get(f"/v1/invoices/{number}/{path}", headers=bearer(made_key(city, utility="other").text)).status_code == 404
