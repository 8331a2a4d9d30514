"""What was issued is the same years later, and what is over zero is a document like others."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader

from tests.billing.calls import calling
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases


def printed(content: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).replace("\n", "").replace(" ", "")


def issue(city: Office, month: str = "2026-10") -> str:
    run: str = city.does("run", "--period", month, by="li")["id"]
    city.issues()
    return run


def test_a_document_bears_the_name_its_utility_had_at_issue(city: Office) -> None:
    city.does("utility", "--name", "First Works", by="li")
    run = issue(city)
    bill = next(row for row in city.rows("documents") if row["account"] == "A1")
    with calling(city) as client:

        def papers() -> list[bytes]:
            paths = (f"/v1/invoices/{bill['number']}/pdf", f"/v1/invoices/{bill['number']}/xlsx", f"/v1/runs/{run}/pdf")
            return [client.get(path, params={"locale": "en"}).content for path in paths]

        before = papers()
        city.does("utility", "--name", "Second Works", by="li")
        note = client.post(f"/v1/invoices/{bill['number']}/credits", json={"reason": "said so"}, headers={"idempotency-key": "a"}).json()
        city.does("utility", "--name", "Third Works", by="li")
        assert papers() == before
        assert "FirstWorks" in printed(before[0]) and "FirstWorks" in printed(before[2])
        assert "SecondWorks" in printed(client.get(f"/v1/invoices/{note['number']}/pdf", params={"locale": "en"}).content)


def test_what_was_issued_before_the_utility_had_a_name_bears_its_id(city: Office) -> None:
    issue(city)
    number = next(row["number"] for row in city.rows("documents") if row["number"])
    with calling(city) as client:
        before = client.get(f"/v1/invoices/{number}/pdf").content
        city.does("utility", "--name", "Late Works", by="li")
        assert client.get(f"/v1/invoices/{number}/pdf").content == before


def test_a_document_over_zero_is_read_printed_explained_and_verified_by_its_id(city: Office) -> None:
    issue(city)
    (zero,) = (row for row in city.rows("documents") if row["state"] == "zero")
    with calling(city) as client:
        (listed,) = client.get("/v1/invoices", params={"account": "A2"}).json()["invoices"]
        assert (listed["id"], listed["number"]) == (zero["id"], None)
        seen: Any = client.get(f"/v1/invoices/{zero['id']}").json()
        assert (seen["state"], seen["number"], seen["total"], len(seen["lines"]) > 0) == ("zero", None, "0.00", True)
        assert client.get(f"/v1/invoices/{zero['id']}/verification").json()["same"] is True
        assert client.get(f"/v1/invoices/{zero['id']}/explanation").json()["parts"]
        paper = printed(client.get(f"/v1/invoices/{zero['id']}/pdf", params={"locale": "en"}).content)
        assert "Recordedoverzero" in paper and zero["id"] in paper
        credit = client.post(f"/v1/invoices/{zero['id']}/credits", json={"reason": "x"}, headers={"idempotency-key": "a"})
        assert credit.json()["problems"][0]["code"] == "credit-nothing-left"
    city.does("document", zero["id"], "-o", city.folder / "zero.pdf")
    assert city.does("explain", zero["id"])


def test_a_draft_is_no_issued_document_by_its_id_either(city: Office) -> None:
    city.runs()
    draft = city.rows("documents")[0]["id"]
    with calling(city) as client:
        assert client.get(f"/v1/invoices/{draft}").status_code == 404


def test_where_an_imported_file_lay_on_the_server_is_told_by_the_commands_alone(city: Office) -> None:
    city.receives(contracts="X1,A1,cn/yangquan/none,2026-01-01,,user=resident")
    folder = str(city.folder)
    run = city.runs()["id"]
    with calling(city) as client:
        row = {"contract": "C1", "account": "A1", "tariff": "cn/yangquan/sewage", "from": "2026-01-01", "facts": {"user": "non_resident"}}
        answers = [
            client.get(f"/v1/runs/{run}/exceptions"),
            client.post("/v1/contracts", json={"contracts": [row]}, headers={"idempotency-key": "a"}),
        ]
        assert answers[0].json()["exceptions"][0]["file"] == "contracts.csv"
        (conflict,) = answers[1].json()["problems"]
        assert conflict["values"]["place"] == "contracts.csv:2" and "contracts.csv:2" in conflict["message"]
        assert all(folder not in one.text for one in answers)
        paper = printed(client.get(f"/v1/runs/{run}/pdf", params={"locale": "en"}).content)
        assert "contracts.csv:2" in paper and folder.replace(" ", "") not in paper
        book = openpyxl.load_workbook(io.BytesIO(client.get(f"/v1/runs/{run}/xlsx", params={"locale": "en"}).content))
        cells = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row]
        assert "contracts.csv" in cells and not any(folder in cell for cell in cells)
    assert city.exceptions(run)[0]["file"].startswith(folder)
