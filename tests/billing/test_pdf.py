"""Printed documents: a payer can read them, an auditor can check them, and nothing in them is lost in silence."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import typst
from pypdf import PdfReader

import tariffs
from billing_service.documents import paper, pdf
from billing_service.documents.capitals import renminbi
from billing_service.documents.invoice_book import invoice_xlsx
from billing_service.documents.paper import Entry, Paper
from billing_service.review import look
from billing_service.settings import Settings
from billing_service.store import connect
from billing_service.store import runs as stored_runs
from tests.billing.conftest import RULES, Office

D = Decimal
VERSION = tariffs.load("cn/yangquan/sewage", on="2026-10-01", rules=RULES)
OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))


def sample(**changes: object) -> Paper:
    """An issued invoice over one line."""
    rating = VERSION.explain({"user": "resident", "water": "20"}, period=OCTOBER)
    entries = tuple(
        Entry(VERSION.id, VERSION.digest, line.charge.full_name, line.charge.kind, line.charge.label, "二（一）", line.amount)
        for line in rating.lines
        if line.charge.kind != "working"
    )
    made = Paper(
        id="0f" * 16,
        number="INV-2026-000007",
        kind="invoice",
        direction="receivable",
        state="issued",
        utility="阳泉市排水公司",
        run="2026-10-1",
        account="A7",
        name="张伟",
        payer_class="household",
        address="南大街 1 号",
        district="城区",
        period=OCTOBER,
        currency="CNY",
        total=rating.total,
        issued=date(2026, 11, 3),
        corrects=(),
        entries=entries,
        versions={VERSION.digest: VERSION},
        ratings={VERSION.id: (rating,)},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


def words(content: bytes) -> str:
    """All text, without the blanks a column or a break puts into it."""
    return re.sub(r"[\s\u200b]+", "", "".join(pages(content)))


def test_the_chinese_invoice_tells_who_pays_what_why_and_by_which_text() -> None:
    told = words(pdf.invoice_pdf(sample(), "zh"))
    for said in (
        "INV-2026-000007",
        "阳泉市排水公司",
        "张伟",
        "南大街1号",
        "2026-11-03",
        "2026-10-31",
        "二（一）",
        "20.00CNY",
        "人民币贰拾元整",
        VERSION.digest,
        "示例",
    ):
        assert said in told
    assert "用水量20m3" in told


def test_the_english_invoice_says_the_same_without_capital_numerals() -> None:
    told = words(pdf.invoice_pdf(sample(), "en"))
    for said in ("Invoice", "INV-2026-000007", "张伟", "Amountdue20.00CNY", "water20m3", "ILLUSTRATIVE", "Page1of1"):
        assert said in told
    assert "人民币" not in told


def test_the_same_document_gives_the_same_bytes_and_another_other_ones() -> None:
    assert pdf.invoice_pdf(sample(), "zh") == pdf.invoice_pdf(sample(), "zh")
    assert invoice_xlsx(sample(), "zh") == invoice_xlsx(sample(), "zh")
    assert pdf.invoice_pdf(sample(), "zh") != pdf.invoice_pdf(sample(name="李伟"), "zh")


def test_other_processes_set_the_same_bytes_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_FEW", 2)
    made = [pdf.invoice_page(sample(number=f"INV-2026-00000{at}"), "en") for at in range(3)]
    assert list(pdf.typeset_all(made, 2)) == [pdf.typeset(one) for one in made]


def test_what_the_font_lacks_is_marked_and_named_and_the_bill_goes_out() -> None:
    told = words(pdf.invoice_pdf(sample(name="张𠮷😀", address="a\u202ebc\x07"), "en"))
    assert "张〓〓" in told and "a〓bc〓" in told
    assert "U+20BB7,U+1F600,U+202E,U+0007" in told
    assert "cannotbeprinted" not in words(pdf.invoice_pdf(sample(name="囧堃喆 Łukasz" if 0x141 in pdf._covered() else "囧堃喆"), "en"))


def test_a_character_that_slips_past_is_an_error_and_no_empty_box() -> None:
    template, data = pdf.invoice_page(sample(), "zh")
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        pdf.typeset((template, data.replace("张伟", "张𠮷")))


def test_a_missing_font_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[])
    monkeypatch.setattr(pdf, "_fonts", lambda: empty)
    with pytest.raises((AssertionError, typst.TypstError)):
        pdf.typeset(pdf.invoice_page(sample(), "zh"))


def test_what_people_typed_is_never_markup() -> None:
    nasty = '#read("paper.typ") *b* $x$ \\ "]} #panic() <a> @b // c'
    assert re.sub(r"\s", "", nasty) in words(pdf.invoice_pdf(sample(name=nasty, address=nasty, account="#x"), "en"))


def test_two_hundred_lines_repeat_their_head_and_count_their_pages() -> None:
    one = sample().entries[0]
    many = [replace(one, charge=one.charge, amount=D(at) / 100) for at in range(-1, 199)]
    found = pages(pdf.invoice_pdf(sample(entries=tuple(many), ratings={}, total=sum((line.amount for line in many), D(0))), "en"))
    assert len(found) > 3
    for at, page in enumerate(found, 1):
        assert "INV-2026-000007" in page and f"Page {at} of {len(found)}" in " ".join(page.split())
    assert all("Clause" in page for page in found)
    told = "".join(found)
    assert "-0.01" in told and re.search(r"\b0\.00\b", told) and "1.98" in told


def test_long_words_stay_on_the_page() -> None:
    long = "x" * 400
    assert long in words(pdf.invoice_pdf(sample(name=long, address="很长的地址" * 60), "zh"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "draft", "number": "", "issued": None}, ("NOTISSUED:", "noneyet")),
        ({"state": "cancelled", "number": "", "issued": None}, ("CANCELLED:",)),
        ({"state": "zero", "number": "", "total": D(0)}, ("Recordedoverzero", "Amountdue0.00CNY")),
        ({"direction": "payable"}, ("Settlementwiththeoperator", "Tobepaidtotheoperator20.00CNY")),
        ({"direction": "payable", "total": D(-3)}, ("Tobepaidbackbytheoperator3.00CNY",)),
        ({"kind": "difference", "corrects": ("INV-2026-000003",)}, ("Differenceinvoice", "INV-2026-000003", "Computedanew20.00,less0.00issuedbefore")),
        ({"kind": "difference", "total": D(-5)}, ("Creditnote", "Amountinyourfavour5.00CNY")),
    ],
)
def test_what_a_document_is_stands_on_it(changes: dict[str, object], said: tuple[str, ...]) -> None:
    told = words(pdf.invoice_pdf(sample(**changes), "en"))
    assert [one for one in said if one not in told] == []


def test_a_workbook_of_one_document_holds_dates_as_dates_and_text_as_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(invoice_xlsx(sample(name="=1+1", total=D("12345678901234.56")), "en")))
    about: dict[Any, Any] = {row[0].value: row[1] for row in book["Document"].iter_rows()}
    assert (about["Issued"].value.date(), about["Issued"].is_date) == (date(2026, 11, 3), True)
    assert (about["Name"].value, about["Name"].data_type) == ("=1+1", "s")
    assert about["Amount due"].value == "12345678901234.56"  # a double would not hold it
    head, line = book["lines"].iter_rows(values_only=True)
    assert D(str(dict(zip(head, line, strict=True))["amount"])) == D(20)


def test_amounts_in_capital_numerals_follow_the_published_examples() -> None:
    published = {"16409.02": "人民币壹万陆仟肆佰零玖元零贰分", "325.04": "人民币叁佰贰拾伍元零肆分"}
    assert {amount: renminbi(D(amount)) for amount in published} == published


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "零元整"),
        ("0.01", "壹分"),
        ("0.50", "伍角整"),
        ("0.55", "伍角伍分"),
        ("1", "壹元整"),
        ("10", "壹拾元整"),
        ("10.05", "壹拾元零伍分"),
        ("1409.50", "壹仟肆佰零玖元伍角整"),
        ("1500.30", "壹仟伍佰元叁角整"),
        ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("107000.53", "壹拾万柒仟元伍角叁分"),
        ("10001000", "壹仟万壹仟元整"),
        ("100500", "壹拾万零伍佰元整"),
        ("100001000", "壹亿零壹仟元整"),
        ("100000001", "壹亿零壹元整"),
        ("120000000", "壹亿贰仟万元整"),
        ("1000010000", "壹拾亿零壹万元整"),
        ("1000000000000", "壹万亿元整"),
        ("1000100000000", "壹万零壹亿元整"),
        ("-3.20", "负叁元贰角整"),
    ],
)
def test_an_amount_in_capital_numerals(amount: str, said: str) -> None:
    assert renminbi(D(amount)) == f"人民币{said}"


def read_back(said: str) -> Decimal:
    """The number that capital numerals mean, by a reading of their own: digits times places, 万 and 亿 times what is before them."""
    body = said.removeprefix("人民币").removesuffix("整")
    yuan, _, coins = body.partition("元") if "元" in body else ("", "", body)
    digits, places = "零壹贰叁肆伍陆柒捌玖", {"拾": 10, "佰": 100, "仟": 1000}

    def whole(text: str) -> int:
        for word, unit in (("亿", 10**8), ("万", 10**4)):
            before, found, after = text.rpartition(word) if word == "亿" else text.partition(word)
            if found:
                return whole(before) * unit + whole(after)
        total, last = 0, 0
        for sign in text:
            total, last = (total + last * places[sign], 0) if sign in places else (total, digits.index(sign))
        return total + last

    fen = sum(digits.index(digit) * (10 if place == "角" else 1) for digit, place in re.findall("(.)([角分])", coins))
    return D(whole(yuan) * 100 + fen) / 100


def test_capital_numerals_read_back_to_the_amount_and_never_double_a_zero() -> None:
    fen = [
        *range(0, 20_000, 7),
        *(digit * 10**place + rest for place in range(2, 17) for digit in (1, 9, 10, 11, 101) for rest in (0, 1, 10, 505, 100_000, 10_000_001)),
    ]
    for amount in (D(one) / 100 for one in fen):
        said = renminbi(amount)
        assert read_back(said) == amount, said
        assert "零零" not in said and not re.search("零[万亿]", said) and (amount < 1 or "零元" not in said), said


def test_a_person_prints_a_document_and_a_run(city: Office, tmp_path: Path) -> None:
    city.runs()
    city.issues()
    number = min(row["number"] for row in city.rows("documents") if row["number"])
    city.does("document", number, "-o", tmp_path / "one.pdf", "--locale", "zh")
    assert number in words((tmp_path / "one.pdf").read_bytes())
    city.does("document", number, "-o", tmp_path / "one.xlsx")
    assert openpyxl.load_workbook(tmp_path / "one.xlsx").sheetnames == ["Document", "lines", "Prices applied"]
    assert city.refuses("document", "INV-1999-1", "-o", tmp_path / "none.pdf").codes == ["no-such-document"]
    assert city.refuses("document", number, "-o", tmp_path / "one.doc").codes == ["document-format"]
    assert city.refuses("document", number, "-o", tmp_path / "new" / "one.pdf").codes == ["document-folder"] and not (tmp_path / "new").exists()
    done = city.does("export", "-o", tmp_path / "out", "--pdf")
    assert {"run.pdf", "pdf/"} <= set(done["files"])
    documents = city.rows("documents")
    assert len(list((tmp_path / "out" / "pdf").glob("*.pdf"))) == len(documents)
    assert (tmp_path / "out" / "pdf" / f"{number}.pdf").is_file()
    told = words((tmp_path / "out" / "run.pdf").read_bytes())
    assert "169.50" in told and "3billedof3" in told and "Sun'sshop" in told
    book = openpyxl.load_workbook(tmp_path / "out" / "run.xlsx")["invoices"]
    head, first = list(book.iter_rows(max_row=2, values_only=True))
    row: dict[Any, Any] = dict(zip(head, first, strict=True))
    assert [cell.date() for cell in row.values() if isinstance(cell, datetime)] == list(OCTOBER)


def test_a_difference_names_what_it_corrects(city: Office) -> None:
    city.runs()
    city.issues()
    city.receives(corrections="U1b,A1,M1,water,2026-10-01,2026-11-01,15,m3,actual,U1,2026-12-01")
    run = city.runs()["id"]
    settings = Settings()
    with city.opened() as engine, connect.reading(engine, "main") as conn:
        (found,) = paper.of_run(conn, settings, run)
        (first,) = (one for one in paper.of_run(conn, settings, "2026-10-1") if one.account == "A1")
        assert look(conn, "main", stored_runs.every(conn, "main")[0]).run.id == run
    assert found.corrects == (first.number,)
    assert first.corrects == ()
    told = words(pdf.invoice_pdf(found, "zh"))
    assert first.number in told and "尚未开具" in told and "重新计算15.00，减去此前已开具20.00" in told and "人民币伍元整" in told
