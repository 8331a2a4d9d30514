"""What arrives is stored once, or listed with its place and reason; never half, never in silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from billing_service.store.ledger import FEW
from tests.billing.conftest import HEADS, Office

READING = "U1,A1,M1,water,2026-10-01,2026-11-01,{value},m3,actual,,2026-11-02\n"
ACCOUNT = "A1,Zhao,household,,\n"


def counts(answer: object) -> list[tuple[int, int, int]]:
    return [(one["new"], one["same"], one["refused"]) for one in answer.json["files"]]  # type: ignore[attr-defined]


def problems(answer: object) -> list[tuple[str, str, int]]:
    return [(one["code"], Path(one["file"]).name, one["line"]) for file in answer.json["files"] for one in file["problems"]]  # type: ignore[attr-defined]


@pytest.mark.both_databases
def test_the_same_file_twice_is_no_error_and_nothing_new(office: Office) -> None:
    files = {"accounts": ACCOUNT, "contracts": "C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident\n", "usage": READING.format(value=20)}
    assert counts(office.receives(**files)) == [(1, 0, 0)] * 3
    again = office.receives(**files)
    assert (again.code, counts(again)) == (0, [(0, 1, 0)] * 3)
    assert "nothing new" in office.says("import", office.folder / "in").out


def test_the_same_record_written_otherwise_is_the_same(office: Office) -> None:
    office.receives(accounts=ACCOUNT, usage=READING.format(value="20"), contracts="C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident;x=1\n")
    again = office.receives(usage=READING.format(value="20.000"), contracts="C1,A1,cn/yangquan/sewage,2026-01-01,, x = 1 ; user=resident ;\n")
    assert counts(again) == [(0, 1, 0)] * 2


@pytest.mark.both_databases
def test_the_same_id_with_other_content_is_a_conflict_by_row_and_the_first_stands(office: Office) -> None:
    office.receives(accounts=ACCOUNT, usage=READING.format(value=20))
    answer = office.receives(usage="\n".join([READING.format(value=21).strip(), READING.replace("U1", "U2").format(value=5)]))
    assert (answer.code, counts(answer), problems(answer)) == (1, [(1, 0, 1)], [("conflict", "usage.csv", 2)])
    assert "value differ" in answer.json["files"][0]["problems"][0]["message"]
    assert {row["id"]: str(row["value"]) for row in office.rows("usage_records")} == {"U1": "20.000000", "U2": "5.000000"}


def test_a_conflict_inside_one_file_is_found_too(office: Office) -> None:
    answer = office.receives(accounts=ACCOUNT + "A1,Other,household,,\n" + ACCOUNT)
    assert (counts(answer), problems(answer)) == ([(1, 1, 1)], [("conflict", "accounts.csv", 3)])


BAD = {
    "1.2.3": "not-a-number-cell",
    "12,5": "cells-missing",
    "１２": "not-a-number-cell",
    "1e3": "not-a-number-cell",
    "NaN": "not-a-number-cell",
    "0.0000001": "number-too-long",
    "99999999999999": "number-too-long",
    "": "cell-empty",
}


@pytest.mark.parametrize(("value", "code"), BAD.items())
def test_a_value_that_is_no_exact_number_is_refused_at_its_row(office: Office, value: str, code: str) -> None:
    answer = office.receives(accounts=ACCOUNT, usage=READING.format(value=value))
    assert problems(answer) == [(code, "usage.csv", 2)]
    assert office.rows("usage_records") == []


ROWS = {
    "U1,A1,M1,water,2026-11-01,2026-10-01,1,m3,actual,,": ["dates-backwards"],
    "U1,A1,M1,water,2026-10-01,2026-11-31,1,m3,actual,,": ["not-a-date"],
    "U1,A1,M1,water,20261001,2026/11/01,1,m3,actual,,": ["not-a-date", "not-a-date"],
    "U1,A1,M1,water,2026-10-01,2026-11-01,1,方,actual,,": ["unknown-unit"],
    "U1,A1,M1,water,2026-10-01,2026-11-01,1,m3,guessed,,": ["unknown-quality"],
    "U1,A1,M1,water,2026-10-01,2026-11-01,1,m3,actual,U1,": ["replaces-itself"],
    "U1,A1,M1,water,2026-10-01,2026-11-01,1,m3,actual,U0,": ["replaces-unknown"],
    "U1,A9,M1,water,2026-10-01,2026-11-01,1,m3,actual,,": ["unknown-account"],
    ",,M1,,2026-10-01,2026-11-01,,,actual,,": ["cell-empty"] * 5,
    "U1,A1,M1,water,2026-10-01": ["cells-missing"],
    "U1,A1,M\x001,water,2026-10-01,2026-11-01,1,m3,actual,,": ["control-character"],
}


@pytest.mark.parametrize(("row", "codes"), ROWS.items())
def test_every_fault_of_a_row_is_named_and_the_other_rows_are_stored(office: Office, row: str, codes: list[str]) -> None:
    answer = office.receives(accounts=ACCOUNT, usage=row + "\n" + READING.replace("U1", "U2").format(value=1))
    assert [code for code, _, _ in problems(answer)] == codes
    assert counts(answer)[1] == (1, 0, 1)
    stored = office.rows("import_problems")
    assert [one["code"] for one in stored] == codes
    assert all(one["line"] == 2 and one["reason"] for one in stored)


@pytest.mark.both_databases
def test_a_correction_must_be_of_the_same_account_and_measure(office: Office) -> None:
    office.receives(accounts=ACCOUNT + "A2,Qian,household,,\n", usage=READING.format(value=1))
    answer = office.receives(corrections="U2,A2,M1,water,2026-10-01,2026-11-01,2,m3,actual,U1,\nU3,A1,M1,steam,2026-10-01,2026-11-01,2,t,actual,U1,\n")
    assert problems(answer) == [("replaces-other", "corrections.csv", 2), ("replaces-other", "corrections.csv", 3)]


def test_a_row_is_not_there_already_because_a_refused_one_says_the_same(office: Office) -> None:
    stranger = READING.replace("A1", "A9").format(value=1)
    answer = office.receives(accounts=ACCOUNT, usage=stranger + stranger + "U2,A9,M1,water,2026-10-01,2026-11-01,2,m3,actual,U1,\n")
    assert [code for code, _, _ in problems(answer)] == ["unknown-account"] * 3
    assert counts(answer)[1] == (0, 0, 3)
    assert office.rows("usage_records") == []


def test_facts_of_a_contract_are_read_strictly(office: Office) -> None:
    answer = office.receives(
        accounts=ACCOUNT, contracts="C1,A1,cn/x/y,2026-01-01,,a=1;a=2\nC2,A1,cn/x/y,2026-01-01,,a:1\nC3,A1,Water,2026-01-01,2025-01-01,a=\n"
    )
    assert [code for code, _, _ in problems(answer)] == ["fact-twice", "not-a-fact", "not-a-tariff", "dates-backwards", "not-a-fact"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_another_encoding_is_refused_at_its_line_and_nothing_is_stored(office: Office, encoding: str) -> None:
    folder = office.folder / "in"
    folder.mkdir()
    (folder / "accounts.csv").write_text(f"{HEADS['accounts']}\nA1,Zhao,household,,\n", "utf-8")
    (folder / "usage.csv").write_bytes(f"{HEADS['usage']}\nU1,A1,表,water,2026-10-01,2026-11-01,1,m3,actual,,\n".encode(encoding))
    answer = office.refuses("import", folder)
    assert answer.codes == ["not-utf8"]
    assert answer.json["problems"][0]["line"] == (2 if encoding == "gb18030" else 1)
    assert office.rows("accounts") == office.rows("imports") == []


def test_a_byte_order_mark_is_fine(office: Office) -> None:
    folder = office.folder / "in"
    folder.mkdir()
    (folder / "accounts.csv").write_text(f'{HEADS["accounts"]}\r\nA1,"Zhao, the elder",household,"Road\n1",\r\nA2,Qian,,,\r\n', "utf-8-sig")
    answer = office.says("import", folder, "--json")
    assert (counts(answer), problems(answer)) == ([(1, 0, 1)], [("cell-empty", "accounts.csv", 4)])
    assert office.rows("accounts")[0]["name"] == "Zhao, the elder"


HEADERS = {
    "account,name,address": ["columns-missing"],
    "account,name,class,adress": ["columns-unknown"],
    "account,name,class,name": ["columns-twice"],
    "": ["columns-missing"],
    'account,name,class\nA1,"Zhao,household': ["broken-csv"],
}


@pytest.mark.parametrize(("content", "codes"), HEADERS.items())
def test_wrong_columns_are_named_and_refuse_the_file(office: Office, content: str, codes: list[str]) -> None:
    (office.folder / "accounts.csv").write_text(content, "utf-8")
    assert office.refuses("import", office.folder).codes == codes


def test_a_folder_with_nothing_to_import_is_told(office: Office) -> None:
    assert office.refuses("import", office.folder).codes == ["nothing-to-import"]
    assert office.refuses("import", office.folder / "absent").codes == ["no-such-folder"]


def test_optional_columns_may_be_left_out(office: Office) -> None:
    (office.folder / "accounts.csv").write_text("class,account,name\nhousehold,A1,Zhao\n", "utf-8")
    (office.folder / "usage.csv").write_text("id,account,measure,start,end,value,unit\nU1,A1,water,2026-10-01,2026-11-01,1,m3\n", "utf-8")
    assert office.says("import", office.folder, "--json").code == 0
    assert office.rows("usage_records")[0]["quality"] == "actual"


def test_a_contract_is_never_that_of_two_accounts_on_one_day(city: Office) -> None:
    def sends(*rows: str) -> list[tuple[str, str, int]]:
        path = city.folder / "contracts.csv"
        path.write_text("\n".join([HEADS["contracts"] + ",known", *rows]) + "\n", "utf-8")
        return problems(city.says("import", path, "--json", by="li"))

    moved, ended = "C3,A3,cn/yangquan/sewage,2026-10-01,,user=resident,", "C3,A2,cn/yangquan/sewage,2026-01-01,{to},user=resident,{known}"
    assert sends(moved) == [("contract-moves", "contracts.csv", 2)]
    # The row that ends the contract too late is refused beside the one it overlaps, and then that one, since nothing ends the contract any more.
    late = ended.format(to="2026-12-01", known="2026-09-20")
    assert sends(moved, late) == [("contract-moves", "contracts.csv", 2), ("contract-moves", "contracts.csv", 3)]
    good = [moved, ended.format(to="2026-10-01", known="2026-09-20")]
    assert sends(*good) == sends(*good) == []
    assert sends(ended.format(to="", known="2026-11-20")) == [("contract-moves", "contracts.csv", 2)]
    # A row recorded for the wrong account is corrected by its next revision, and terms of one account change as before.
    assert sends("C4,A2,cn/yangquan/sewage,2026-01-01,,user=non_resident,2026-11-20", "C4,A2,cn/yangquan/sewage,2026-09-01,,user=resident,") == []
    city.runs()
    accounts = {row["id"]: row["account"] for row in city.rows("documents")}
    assert {(row["contract"], accounts[row["document"]]) for row in city.rows("parts")} == {("C1", "A1"), ("C2", "A1"), ("C3", "A3"), ("C4", "A2")}


@pytest.mark.both_databases
def test_many_rows_are_stored_as_few_are(make_office: Callable[[str], Office]) -> None:
    office, second = make_office("many"), make_office("few")
    many = FEW + 7
    accounts = "".join(f"B{at:03},Zhào {at},household,Road {at},\n" for at in range(many))
    contracts = "".join(f"K{at:03},B{at:03},cn/yangquan/sewage,2026-01-01,{'2026-12-01' if at % 2 else ''},user=resident\n" for at in range(many))
    usage = "".join(f"V{at:03},B{at:03},M1,water,2026-10-01,2026-11-01,{at}.000001,m3,{'actual' if at % 3 else 'estimated'},,\n" for at in range(many))
    assert counts(office.receives(accounts=accounts, contracts=contracts, usage=usage)) == [(many, 0, 0)] * 3
    tables = {"accounts": accounts, "contracts": contracts, "usage_records": usage}
    stored = {name: office.rows(name) for name in tables}
    assert [row["name"] for row in stored["accounts"]] == [f"Zhào {at}" for at in range(many)]
    assert [str(row["value"]) for row in stored["usage_records"]] == [f"{at}.000001" for at in range(many)]
    assert {row["to"] for row in stored["contracts"]} == {None, date(2026, 12, 1)}
    first = {name: rows.splitlines()[0] + "\n" for name, rows in tables.items()}
    assert counts(second.receives(accounts=first["accounts"], contracts=first["contracts"], usage=first["usage_records"])) == [(1, 0, 0)] * 3
    for name, rows in stored.items():
        (alone,) = second.rows(name)
        assert alone == {**rows[0], "file": alone["file"]}, name
    assert counts(office.receives(accounts=accounts, contracts=contracts, usage=usage)) == [(0, many, 0)] * 3
