"""A year with a plant's operator: twelve settlements and a final, nothing twice, and one document for a correction."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import tariffs
from examples.operators.generate import CONTRACT, FINAL, TERMS, USAGE, records, write
from tariffs.gather import gather
from tariffs.units import parse_unit
from tests.billing.conftest import ROOT, Office

D = Decimal
RULES = ROOT / "examples" / "operators" / "rules"
PLANT = "P0001"
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]
MARCH = (date(2024, 3, 1), date(2024, 4, 1))
YEAR = (date(2024, 1, 1), date(2025, 1, 1))


@dataclass(frozen=True)
class Desk:
    """An office that settles with plants by the sample contract."""

    office: Office

    def does(self, *words: object, by: str = "li") -> Any:
        return self.office.does(*words, *self._rules(words), by=by)

    def refuses(self, *words: object) -> list[str]:
        return self.office.refuses(*words, *self._rules(words), by="li").codes

    def settles(self, period: str, *more: object) -> Any:
        return self.does("settle", "--plant", PLANT, "--period", period, "-o", self.office.folder / "out" / period, *more)

    def issues(self) -> None:
        for step in ("review", "approve", "issue"):
            self.office.does(step, by="wang")

    def documents(self) -> list[tuple[str, str, str, D]]:
        """Kind, number without its year, period and total of all that was issued, as numbered."""
        found = [row for row in self.office.rows("documents") if row["state"] == "issued"]
        return sorted((row["kind"], row["number"][:3] + row["number"][-3:], f"{row['period_start']:%Y-%m}", row["total"]) for row in found)

    def corrects(self, day: str, measure: str, value: str) -> None:
        one = f"{PLANT}-{day.replace('-', '')}-{measure}"
        after = date.fromordinal(date.fromisoformat(day).toordinal() + 1)
        answer = self.office.receives(corrections=f"{one}-b,{PLANT},,{measure},{day},{after},{value},mg/L,actual,{one},2025-02-01\n")
        assert answer.code == 0, answer.out

    @staticmethod
    def _rules(words: tuple[object, ...]) -> tuple[object, ...]:
        return ("--rules", RULES) if words[0] in {"adopt", "run", "settle"} else ()


@pytest.fixture
def desk(make_office: Callable[[str], Office]) -> Desk:
    """A plant's year has come in, its contract and the final one are adopted."""
    desk = Desk(make_office("desk"))
    write(1, 165, 2024, desk.office.folder / "in")
    desk.does("import", desk.office.folder / "in")
    for tariff in (CONTRACT, FINAL):
        desk.does("adopt", tariff, "2024-01-01", "--document", "sample contract")
    return desk


def explained(tariff: str, period: tuple[date, date], changed: dict[str, str] | None = None, **more: object) -> tariffs.Rating:
    """The full computation from the records themselves, past the service: ``changed`` by record id."""
    version = tariffs.load(tariff, on=period[0], rules=RULES)
    usage = []
    for row in records(PLANT, 1, 165, 2024):
        cells = dict(zip(USAGE, row, strict=True))
        value = (changed or {}).get(cells["id"], cells["value"])
        usage.append(
            tariffs.UsageRecord(
                id=cells["id"],
                account=PLANT,
                measure=cells["measure"],
                start=date.fromisoformat(cells["start"]),
                end=date.fromisoformat(cells["end"]),
                value=D(value),
                unit=parse_unit(cells["unit"]),
                below=cells["below"] == "yes" and cells["id"] not in (changed or {}),
            )
        )
    facts, problems = gather(version.model, usage, {"design": "50000", **TERMS}, period)
    assert problems == ()
    return version.explain({**facts, **more}, period=period)


def settle_year(desk: Desk) -> None:
    for month in MONTHS:
        assert desk.settles(month)["invoices"] == 1
        desk.issues()


def test_a_year_gives_twelve_settlements_and_a_final_and_settling_again_gives_nothing(desk: Desk) -> None:
    settle_year(desk)
    months = desk.documents()
    assert [(kind, number, month) for kind, number, month, _ in months] == [("invoice", f"SET{at:03d}", month) for at, month in enumerate(MONTHS, 1)]
    assert months[2][3] == explained(CONTRACT, MARCH).total
    settled = sum((total for *_, total in months), D(0))
    final = desk.settles("2024")
    assert (final["id"], final["invoices"], final["parked"]) == ("2024-1", 1, 0)
    desk.issues()
    last = [row for row in desk.documents() if row not in months]
    assert last == [("invoice", "SET013", "2024-01", explained(FINAL, YEAR, settled=settled).total)]
    again = desk.settles("2024")
    assert (again["id"], again["unchanged"], again["parked"], again["files"]) == ("", 1, 0, [])
    assert len(desk.office.rows("runs")) == 13


def test_settling_a_month_again_is_a_no_op(desk: Desk) -> None:
    desk.settles("2024-03")
    waiting = desk.settles("2024-03")
    assert (waiting["id"], waiting["waiting"]) == ("", 1)
    desk.issues()
    again = desk.settles("2024-03")
    assert (again["id"], again["unchanged"], again["waiting"], again["parked"]) == ("", 1, 0, 0)


@pytest.mark.both_databases
def test_one_days_cod_corrected_in_march_gives_exactly_one_difference(desk: Desk) -> None:
    for month in MONTHS[:4]:
        desk.settles(month)
        desk.issues()
    before = desk.documents()
    desk.corrects("2024-03-05", "outflow[COD]", "61.5")
    found = {month: desk.settles(month) for month in MONTHS[:4]}
    assert {month: (done["invoices"], done["differences"]) for month, done in found.items()} == {month: (0, int(month == "2024-03")) for month in found}
    assert desk.settles("2024-03")["id"] == ""  # it waits, and is not drafted twice
    desk.issues()
    (new,) = [row for row in desk.documents() if row not in before]
    now, then = explained(CONTRACT, MARCH, {f"{PLANT}-20240305-outflow[COD]": "61.5"}), explained(CONTRACT, MARCH)
    assert new == ("difference", "DIF001", "2024-03", now.total - then.total)
    lines = {charge: amount for _, kind, _, charge, _, amount in desk.office.lines() if kind == "difference"}
    by_charge = {line.charge.full_name: now[line.charge.full_name] - line.amount for line in then.lines if line.charge.kind == "line"}
    assert lines == {charge: amount for charge, amount in by_charge.items() if amount}
    assert desk.settles("2024-03")["unchanged"] == 1


def test_after_the_final_a_correction_changes_the_final_alone(desk: Desk) -> None:
    settle_year(desk)
    desk.settles("2024")
    desk.issues()
    before = desk.documents()
    settled = sum((total for _, _, _, total in before[:12]), D(0))
    desk.corrects("2024-03-05", "outflow[COD]", "61.5")
    assert desk.refuses("settle", "--plant", PLANT, "--period", "2024-03") == ["year-closed"]
    assert desk.settles("2024")["differences"] == 1
    desk.issues()
    (new,) = [row for row in desk.documents() if row not in before]
    changed = {f"{PLANT}-20240305-outflow[COD]": "61.5"}
    assert new[3] == explained(FINAL, YEAR, changed, settled=settled).total - explained(FINAL, YEAR, settled=settled).total
    assert desk.settles("2024")["id"] == ""


def test_an_open_draft_stops_what_overlaps_it(desk: Desk) -> None:
    desk.settles("2024-03")
    assert desk.refuses("settle", "--plant", PLANT, "--period", "2024") == ["settlement-open"]
    assert desk.settles("2024-04")["invoices"] == 1


def test_nothing_settled_is_no_final(desk: Desk) -> None:
    done = desk.settles("2024")
    assert (done["invoices"], done["parked"]) == (0, 1)
    (parked,) = desk.office.does("review", "--run", done["id"])["exceptions"]
    assert (parked["code"], parked["reason"].split(":")[0]) == ("missing-fact", "settled")


def test_the_documents_read_in_both_languages_with_every_day(desk: Desk, tmp_path: Path) -> None:
    done = desk.settles("2024-03")
    names = {"json", "en.txt", "zh.txt", "en.xlsx", "zh.xlsx"}
    assert {name.split(".", 1)[1] for name in done["files"]} == names
    desk.issues()
    exported = desk.office.does("export", "-o", tmp_path / "out")
    settlements = [name for name in exported["files"] if name.startswith("settlements/SET-")]
    assert {name.split(".", 1)[1] for name in settlements} == names
    number = settlements[0].split("/")[1].split(".")[0]
    folder = tmp_path / "out" / "settlements"
    for locale, words in {"en": ("ILLUSTRATIVE", "Total to pay", "Appendix: the days"), "zh": ("示例：数字为演示而虚构", "应付合计", "附表：逐日")}.items():
        said = (folder / f"{number}.{locale}.txt").read_text("utf-8")
        assert all(word in said for word in words)
        assert number in said
        assert all(f"2024-03-{day:02d}" in said for day in range(1, 32))
        book = openpyxl.load_workbook(folder / f"{number}.{locale}.xlsx")
        money, _, days = (list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
        assert D(str(money[-1][1])) == explained(CONTRACT, MARCH).total
        assert len(days) == 32
        assert days[17][-1]  # the gap of 17 March is named
        assert isinstance(days[17][0], date)
        assert all(isinstance(cell, int | float | str) for cell in days[17][1:])
        book.close()
    whole = json.loads((folder / f"{number}.json").read_text("utf-8"))
    (explanation,) = whole["explanations"]
    assert whole["total"] == explanation["total"]
    assert [row["start"] for row in explanation["stage"]] == [f"2024-03-{day:02d}" for day in range(1, 32)]
    assert whole["parts"][0]["facts"]["stage"][16]["filled"] == {"inflow[COD]": "previous"}


def test_a_month_with_a_hole_waits_with_its_reason(desk: Desk) -> None:
    """Volume is never filled: without it the month is parked, and settled once it has come."""
    source = desk.office.folder / "in" / "usage.csv"
    with source.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    desk = Desk(Office(desk.office.folder / "again"))
    desk.office.folder.mkdir()
    desk.office.does("init")
    (desk.office.folder / "first").mkdir()
    for name in ("accounts.csv", "contracts.csv"):
        (desk.office.folder / "first" / name).write_bytes((source.parent / name).read_bytes())
    with (desk.office.folder / "first" / "usage.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(row for row in rows if row[0] != f"{PLANT}-20240312-flow")
    desk.does("import", desk.office.folder / "first")
    for tariff in (CONTRACT, FINAL):
        desk.does("adopt", tariff, "2024-01-01", "--document", "sample contract")
    done = desk.settles("2024-03")
    assert (done["invoices"], done["parked"]) == (0, 1)
    (parked,) = desk.office.does("review", "--run", done["id"])["exceptions"]
    assert "stage[2024-03-12].flow" in parked["reason"]
    desk.does("import", source.parent)
    assert desk.settles("2024-03")["invoices"] == 1


@pytest.mark.parametrize(("plant", "period", "code"), [("P9999", "2024-03", "no-such-plant"), (PLANT, "2023-03", "nothing-to-settle")])
def test_what_cannot_be_settled_is_said(desk: Desk, plant: str, period: str, code: str) -> None:
    assert desk.refuses("settle", "--plant", plant, "--period", period) == [code]


def test_a_period_that_is_none_is_wrong_use(desk: Desk) -> None:
    assert desk.office.says("settle", "--plant", PLANT, "--period", "March", "--rules", RULES).code == 2


def test_parts_of_one_plant_stand_on_one_settlement(desk: Desk) -> None:
    """A part by columns and a part by day, each a contract of its own."""
    volume, removal = "cn/sample/operators/price-by-volume", "cn/sample/operators/removal-by-kg"
    prices = ";".join(f"{name}={value}" for name, value in TERMS.items() if name.startswith("kg_price"))
    desk.office.receives(
        accounts="P0002,Other plant,operator,,\n",
        contracts=f"C1,P0002,{volume},2024-01-01,,price=1.05\nC2,P0002,{removal},2024-01-01,,{prices}\n",
        usage="\n".join(
            ",".join(row[:-1]) for row in records("P0002", 2, 165, 2024) if row[4].startswith("2024-05") and row[3] not in {"score", "temperature"}
        ),
    )
    for tariff in (volume, removal):
        desk.does("adopt", tariff, "2024-01-01", "--document", "sample contract")
    done = desk.does("settle", "--plant", "P0002", "--period", "2024-05", "-o", desk.office.folder / "out")
    assert (done["invoices"], done["parked"]) == (1, 0)
    desk.issues()
    lines = {charge: amount for account, _, _, charge, _, amount in desk.office.lines() if account == "P0002"}
    assert set(lines) == {"volume_fee", *(f"removal_fee[{name}]" for name in ("COD", "NH3N", "TN", "TP"))}
    water = sum(D(row[6]) for row in records("P0002", 2, 165, 2024) if row[3] == "flow" and row[4].startswith("2024-05"))
    assert lines["volume_fee"] == (water * D("1.05")).quantize(D("0.01"))


def test_what_stands_in_for_a_measurement_is_marked_on_the_document(office: Office) -> None:
    office.does("adopt", "test/filled-score", "2026-10-01", "--document", "a test", by="li")
    office.receives(
        accounts="P1,Plant,operator,,\n", contracts="C1,P1,test/filled-score,2026-01-01,,\n", usage="U1,P1,,score,2026-09-01,2026-10-01,91.5,1,actual,,\n"
    )
    assert office.runs()["invoices"] == 1
    office.issues()
    assert [line[-1] for line in office.lines()] == [D("915.00")]
    exported = office.does("export", "-o", office.folder / "out")
    (name,) = [name for name in exported["files"] if name.endswith(".json")]
    whole = json.loads((office.folder / "out" / name).read_text("utf-8"))
    assert whole["parts"][0]["facts"] == {"score": {"value": "91.5", "filled": "previous"}}
    assert whole["explanations"][0]["filled"] == {"score": "previous"}
    assert "the previous value" in (office.folder / "out" / name.replace(".json", ".en.txt")).read_text("utf-8")
