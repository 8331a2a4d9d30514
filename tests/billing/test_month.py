"""The month, from files to issued documents: nobody twice, nobody lost, every amount reproducible."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import tariffs
from billing_service.store import connect, versions
from examples.yangquan.generate import read_month, write
from tariffs.report import as_json
from tests.billing.conftest import CITY, OCTOBER, Office

D = Decimal


@pytest.mark.both_databases
def test_every_contract_of_an_account_is_on_one_invoice(city: Office) -> None:
    done = city.runs()
    assert (done["invoices"], done["differences"], done["parked"]) == (3, 0, 0)
    city.issues()
    assert city.lines() == [
        ("A1", "invoice", "cn/yangquan/domestic-waste", "household_fee", "line", D("4.50")),
        ("A1", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("20.00")),
        ("A2", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("0")),
        ("A3", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("145.00")),
    ]


def test_numbers_follow_the_accounts_without_a_gap_and_zero_has_none(city: Office) -> None:
    city.runs()
    city.issues()
    found = {row["account"]: (row["state"], row["number"]) for row in city.rows("documents")}
    year = city.rows("series")[0]["year"]
    assert found == {"A1": ("issued", f"INV-{year}-000001"), "A2": ("zero", None), "A3": ("issued", f"INV-{year}-000002")}


@pytest.mark.both_databases
def test_the_next_run_goes_on_counting_where_the_last_one_stopped(city: Office) -> None:
    city.runs()
    city.issues()
    city.receives(accounts="A0,Early,household,,\n", contracts="C0,A0,cn/yangquan/domestic-waste,2026-01-01,,payer=household;households=1;relief=ordinary\n")
    city.runs()
    city.issues()
    city.receives(contracts="C9,A2,cn/yangquan/domestic-waste,2026-01-01,,payer=household;households=2;relief=ordinary\n")
    city.runs()
    city.issues()
    numbers = {row["number"][-6:]: row["account"] for row in city.rows("documents") if row["number"]}
    assert numbers == {"000001": "A1", "000002": "A3", "000003": "A0", "000004": "A2"}


@pytest.mark.parametrize("days", ["2026-10-05,2026-11-05", "2026-09-15,2026-10-01"])
def test_days_read_twice_across_two_months_are_found(city: Office, days: str) -> None:
    city.receives(usage=f"U8,A1,M5,water,2026-09-20,2026-10-10,1,m3,actual,,\nU9,A1,M5,water,{days},20,m3,actual,,\n")
    done = city.runs()
    found = [(one["code"], one["contract"]) for one in city.exceptions(done["id"])]
    assert ("records-overlap", "C1") in found


@pytest.mark.both_databases
def test_a_second_run_bills_nobody_and_says_so(city: Office) -> None:
    city.runs()
    waiting = city.runs()
    assert (waiting["id"], waiting["invoices"], waiting["waiting"]) == ("", 0, 4)
    city.issues()
    again = city.runs()
    assert (again["id"], again["invoices"], again["differences"], again["unchanged"]) == ("", 0, 0, 4)
    assert "Nobody is billed twice: 4" in city.says("run", "--period", OCTOBER, by="li").out
    assert len(city.rows("runs")) == 1


def test_a_missing_reading_parks_its_contract_and_is_billed_when_it_comes(city: Office) -> None:
    city.receives(contracts="C5,A2,cn/yangquan/domestic-waste-by-volume,2026-01-01,,\n")
    city.receives(accounts="A4,Li,household,,\n", contracts="C6,A4,cn/yangquan/sewage,2026-01-01,,user=resident\n")
    first = city.runs()
    parked = city.exceptions(first["id"])
    assert [(one["account"], one["contract"], one["code"]) for one in parked] == [("A2", "C5", "missing-fact"), ("A4", "C6", "missing-fact")]
    assert parked[1]["file"].endswith("contracts.csv")
    assert parked[1]["line"] == 2
    assert parked[1]["reason"].startswith("water: missing")
    city.issues()
    city.receives(usage="U4,A4,M4,water,2026-10-01,2026-11-01,7,m3,actual,,\n")
    second = city.runs()
    assert (second["invoices"], second["differences"], second["unchanged"]) == (1, 0, 4)
    city.issues()
    assert ("A4", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("7.00")) in city.lines()


@pytest.mark.both_databases
def test_a_corrected_reading_gives_the_difference_and_then_nothing(city: Office) -> None:
    city.runs()
    city.issues()
    city.receives(corrections="U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n")
    done = city.runs()
    assert (done["invoices"], done["differences"], done["unchanged"]) == (0, 1, 3)
    city.issues()
    assert [line for line in city.lines() if line[1] == "difference"] == [("A1", "difference", "cn/yangquan/sewage", "sewage_fee", "line", D("-8.00"))]
    assert city.runs()["id"] == ""


@pytest.mark.both_databases
def test_a_contract_that_turns_out_to_be_another_tariffs_is_taken_back_and_billed_anew(city: Office, tmp_path: Path) -> None:
    city.runs()
    city.issues()
    city.receives(contracts="C2,A1,cn/yangquan/domestic-waste-by-volume,2026-10-01,,households=1\n")
    done = city.runs()
    assert (done["invoices"], done["differences"], done["parked"]) == (1, 1, 0)
    city.issues()
    found = {(line[1], line[2].split("/")[-1], line[3]): line[5] for line in city.lines() if line[0] == "A1"}
    assert found["difference", "domestic-waste", "household_fee"] == D("-4.50")
    assert found["invoice", "domestic-waste-by-volume", "base_fee"] == D("2.00")
    assert city.does("export", "-o", tmp_path / "out")["invoices"] == 2
    assert city.runs()["id"] == ""


def test_known_bills_the_month_as_it_was_known_on_a_day(city: Office) -> None:
    city.receives(corrections="U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n")
    city.runs("--known", "2026-11-05")
    city.issues()
    assert ("A1", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("20.00")) in city.lines()
    assert city.runs()["differences"] == 1


def test_a_correction_that_moves_a_record_to_another_month_takes_it_out_of_this_one(city: Office) -> None:
    city.receives(
        usage="U9,A3,M9,water,2026-10-01,2026-11-01,5,m3,actual,,2026-11-02\n",
        corrections="U9b,A3,M9,water,2026-11-01,2026-12-01,5,m3,actual,U9,2026-11-12\n",
    )
    city.runs()
    city.issues()
    assert ("A3", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("145.00")) in city.lines()


def test_contained_tax_stands_on_the_invoice_outside_its_total(office: Office) -> None:
    office.receives(accounts="A1,Zhao,shop,,\n", contracts="C1,A1,test/contained-tax,2026-01-01,,bags=100\n")
    office.runs()
    office.issues()
    assert [line[3:] for line in office.lines()] == [("fee", "line", D("106.00")), ("tax", "included", D("6.00"))]
    assert office.rows("documents")[0]["total"] == D("106.00")


@pytest.mark.both_databases
def test_what_is_paid_to_an_operator_is_a_document_of_its_own_in_its_own_series(office: Office) -> None:
    office.does("adopt", "test/operator-pay", "2026-10-01", "--document", "contract 1", by="li")
    office.receives(
        accounts="P1,Plant,operator,,\n",
        contracts="C1,P1,test/operator-pay,2026-01-01,,\nC2,P1,test/contained-tax,2026-01-01,,bags=1\n",
        usage="U1,P1,,treated,2026-10-01,2026-11-01,1000,m3,actual,,\n",
    )
    assert office.runs()["invoices"] == 2
    office.issues()
    found = {(row["direction"], row["series"], row["number"][:3], row["total"]) for row in office.rows("documents")}
    assert found == {("payable", "settlement", "SET", D("1250.00")), ("receivable", "invoice", "INV", D("1.06"))}


def test_what_nobody_reads_is_an_exception_at_its_row(city: Office) -> None:
    city.receives(
        accounts="A9,Wu,household,,\n",
        usage="""
            U7,A9,,water,2026-10-01,2026-11-01,5,m3,actual,,
            U8,A1,,steam,2026-10-01,2026-11-01,5,t,actual,,
            U9,A1,,steam,2026-09-01,2026-10-01,5,t,actual,,
        """,
    )
    found = city.exceptions(city.runs()["id"])
    assert [(one["code"], one["account"], one["line"]) for one in found] == [("usage-not-read", "A1", 3), ("usage-without-contract", "A9", 2)]


def test_a_bad_reading_is_told_at_the_usage_row(city: Office) -> None:
    city.receives(
        accounts="A4,Li,household,,\n",
        contracts="C6,A4,cn/yangquan/sewage,2026-01-01,,user=resident\n",
        usage="U5,A4,,water,2026-10-01,2026-10-10,3,m3,actual,,\nU6,A4,,water,2026-10-10,2026-11-01,-9,m3,actual,,\n",
    )
    (found,) = city.exceptions(city.runs()["id"])
    assert (found["code"], Path(found["file"]).name, found["line"]) == ("below-minimum", "usage.csv", 3)


def test_terms_that_do_not_hold_all_of_the_period_wait(city: Office) -> None:
    city.receives(
        accounts="B1,a,household,,\nB2,b,household,,\nB3,c,household,,\n",
        contracts="""
            K1,B1,cn/yangquan/sewage,2026-10-15,,user=resident
            K2,B2,cn/yangquan/sewage,2026-01-01,2026-10-15,user=resident
            K3,B3,cn/yangquan/sewage,2026-01-01,,user=resident
            K3,B3,cn/yangquan/sewage,2026-06-01,,user=non_resident
            K4,B3,cn/yangquan/domestic-waste,2026-11-01,,payer=household;households=1;relief=ordinary
        """,
        usage="W3,B3,,water,2026-10-01,2026-11-01,10,m3,actual,,\n",
    )
    done = city.runs()
    found = {(one["contract"], one["code"]) for one in city.exceptions(done["id"])}
    assert found == {("K1", "partial-missing"), ("K2", "partial-missing")}
    city.issues()
    assert ("B3", "invoice", "cn/yangquan/sewage", "sewage_fee", "line", D("14.50")) in city.lines()


def test_days_already_billed_are_not_billed_in_an_overlapping_period(office: Office) -> None:
    office.receives(accounts="A1,Zhao,shop,,\n", contracts="C1,A1,test/contained-tax,2026-01-01,,bags=100\n")
    office.runs()
    office.issues()
    done = office.does("run", "--from", "2026-10-15", "--to", "2026-11-15", by="li")
    assert done["invoices"] == 0
    assert [one["code"] for one in office.exceptions(done["id"])] == ["period-overlaps"]


@pytest.mark.both_databases
def test_a_cancelled_run_gives_its_contracts_back(city: Office) -> None:
    first = city.runs()
    city.does("cancel", by="li")
    second = city.runs()
    assert (first["id"], second["id"], second["invoices"]) == ("2026-10-1", "2026-10-2", 3)


# --- the generated city -------------------------------------------------------------------------------------------


@pytest.fixture
def small_city(office: Office, tmp_path: Path) -> Office:
    write(50, 7, read_month(OCTOBER), tmp_path / "data")
    office.adopts_all()
    office.says("import", tmp_path / "data", by="li")
    return office


@pytest.mark.both_databases
def test_differences_equal_full_recomputation_minus_everything_issued(small_city: Office, tmp_path: Path, make_office: Callable[[str], Office]) -> None:
    with (tmp_path / "data" / "usage.csv").open(encoding="utf-8", newline="") as file:
        readings = [row for row in csv.DictReader(file) if row["measure"] == "water" and row["value"].isdigit()]
    changed = [
        f"X{row['id']},{row['account']},{row['point']},water,{row['start']},{row['end']},{int(row['value']) * 3 // 2 + 1},m3,actual,{row['id']},2026-11-12"
        for row in readings[::3]
    ]
    small_city.runs()
    small_city.issues()
    small_city.receives(corrections="\n".join(changed))
    assert small_city.runs()["differences"] > 5
    small_city.issues()

    afresh = make_office("afresh")
    afresh.adopts_all()
    afresh.says("import", tmp_path / "data", by="li")
    afresh.receives(corrections="\n".join(changed))
    afresh.runs()
    afresh.issues()
    assert _sums(small_city) == _sums(afresh)
    assert small_city.runs()["differences"] == 0


def _sums(office: Office) -> dict[tuple[Any, ...], Decimal]:
    found: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for account, _, *charge, amount in office.lines():
        found[(account, *charge)] += amount
    return dict(found)


@pytest.mark.both_databases
def test_every_document_is_reproduced_from_the_database_alone(small_city: Office) -> None:
    small_city.runs()
    small_city.issues()
    lines: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for row in small_city.rows("lines"):
        lines[row["document"], row["tariff"]][row["charge"]] = row["amount"]
    kept = {row["digest"]: row for row in small_city.rows("versions")}
    parts = small_city.rows("parts")
    assert len(parts) > 50
    for part in parts:
        row = kept[part["digest"]]
        assert hashlib.sha256(row["content"]).hexdigest() == part["digest"]
        version = tariffs.parse(row["content"], tariff=row["tariff"], effective=row["effective"], revision=row["revision"], end=row["end"])
        rating = version.explain(json.loads(part["facts"]), period=("2026-10-01", "2026-11-01"))
        assert {line.charge.full_name: line.amount for line in rating.lines if line.charge.kind != "working"} == lines[part["document"], part["tariff"]]


def test_exports_say_what_the_store_holds(small_city: Office, tmp_path: Path) -> None:
    run = small_city.runs()["id"]
    small_city.issues()
    done = small_city.does("export", "-o", tmp_path / "out")
    documents = small_city.rows("documents")
    with (tmp_path / "out" / "invoices.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    assert sorted((row["id"], D(row["total"])) for row in listed) == sorted((row["id"], row["total"]) for row in documents)
    book = openpyxl.load_workbook(tmp_path / "out" / "run.xlsx", read_only=True)
    assert book.sheetnames == ["summary", "invoices", "lines", "exceptions"]
    head, *rows = book["lines"].iter_rows(values_only=True)
    amount = head.index("amount")
    assert sum(D(str(row[amount])) for row in rows) == sum(row["amount"] for row in small_city.rows("lines"))
    *_, last = book["summary"].iter_rows(values_only=True)
    assert D(str(last[-1])) == sum(row["total"] for row in documents)
    numbered = {row["number"] for row in documents if row["number"]}
    assert {path.stem for path in (tmp_path / "out" / "invoices").glob("*.json")} == numbered
    assert (done["run"], done["invoices"]) == (run, len(numbered))


def test_the_json_of_an_invoice_names_clause_version_and_explanation(city: Office, tmp_path: Path) -> None:
    city.runs()
    city.issues()
    city.does("export", "-o", tmp_path / "out")
    year = city.rows("series")[0]["year"]
    found = json.loads((tmp_path / "out" / "invoices" / f"INV-{year}-000001.json").read_text("utf-8"))
    assert (found["total"], found["account"]["class"], found["period_start"], found["period_end"]) == ("24.50", "household", "2026-10-01", "2026-11-01")
    part = next(part for part in found["parts"] if part["tariff"] == "cn/yangquan/sewage")
    with city.opened() as engine, connect.reading(engine, "main") as conn:
        content = versions.content(conn, "main", part["digest"])
    assert content is not None
    version = tariffs.parse(content, tariff=part["tariff"], effective=date.fromisoformat(part["effective"]), revision=part["revision"])
    told = json.dumps(as_json(version.explain(part["facts"], period=("2026-10-01", "2026-11-01"))), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert part["explanation_digest"] == hashlib.sha256(told.encode()).hexdigest()
    assert (part["language"], part["contract"]) == (1, "C1")


def test_every_fault_planted_in_the_sample_city_shows_up_where_it_must(office: Office) -> None:
    with (CITY / "data" / "planted.csv").open(encoding="utf-8", newline="") as file:
        planted = list(csv.DictReader(file))
    office.adopts_all()
    imported = office.says("import", CITY / "data", "--json", by="li")
    assert imported.code == 1
    refused = {(Path(one["file"]).name, str(one["line"])) for file in imported.json["files"] for one in file["problems"]}
    assert refused == {(row["file"], row["line"]) for row in planted if row["stage"] == "import"}
    run = office.runs()["id"]
    parked = {one["account"] for one in office.exceptions(run)}
    assert {row["account"] for row in planted if row["stage"] == "run"} <= parked
    office.issues()
    office.does("import", CITY / "data" / "late", by="li")
    again = office.runs()
    late = {row["account"] for row in planted if row["stage"] == "late"}
    assert {row["account"] for row in office.rows("documents") if row["run"] == again["id"]} == late
    assert again["invoices"] == 0


def test_a_difference_that_waits_in_an_open_run_is_not_drafted_again(city: Office) -> None:
    city.runs()
    city.issues()
    city.receives(corrections="U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n")
    assert city.runs()["differences"] == 1
    again = city.runs()
    assert (again["id"], again["differences"], again["waiting"]) == ("", 0, 1)
    city.does("cancel", by="li")
    assert city.runs()["differences"] == 1


def test_text_from_users_never_runs_as_a_formula_in_a_spreadsheet(office: Office, tmp_path: Path) -> None:
    office.receives(accounts='A1,"=HYPERLINK(""http://x"")",shop,@SUM(A1),-1\n', contracts="C1,A1,test/contained-tax,2026-01-01,,bags=100\n")
    office.runs()
    office.issues()
    office.does("export", "-o", tmp_path / "out")
    with (tmp_path / "out" / "invoices.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["district"]) == ('\'=HYPERLINK("http://x")', "'-1")
    assert not row["total"].startswith("'")
