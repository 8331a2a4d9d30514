"""``billing import-lab``: a plant's sheet becomes usage records, all of it or nothing, and a month is settled from it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.billing.conftest import ROOT, Office

D = Decimal
SHEETS = ROOT / "tests" / "laboratory" / "sheets"
RULES = ROOT / "examples" / "operators" / "rules"
TARIFF = "cn/sample/operators/removal-by-equivalent"
DAYS = ("--from", "2026-10-01", "--to", "2026-10-06")
POLLUTANTS = {"COD": "300.5", "NH3-N": "31.2", "SS": "180", "BOD5": "120"}


@pytest.fixture
def plant(make_office: Callable[[str], Office]) -> Office:
    """A plant paid by what it removes."""
    office = make_office("plant")
    office.receives(accounts="P1,East works,plant,Road 1,East\nP2,West works,plant,Road 2,West", contracts=f"C1,P1,{TARIFF},2026-01-01,,unit_price=0.8\n")
    office.does("adopt", TARIFF, "2026-10-01", "--document", "sample", "--rules", RULES, by="li")
    return office


def lab(office: Office, sheet: Path | str, *more: object) -> Any:
    return office.says("import-lab", SHEETS / sheet, "--plant", "P1", *DAYS, "--rules", RULES, "--json", *more, by="li")


def codes(answer: Any, name: str = "problems") -> list[str]:
    return [one["code"] for one in answer.json[name]]


def test_a_sheet_is_stored_once_with_its_cells(plant: Office) -> None:
    first = lab(plant, "below.csv")
    assert (first.code, first.json["stored"], first.json["new"], first.json["same"]) == (0, True, 25, 0), first.out
    again = lab(plant, "below.csv")
    assert (again.code, again.json["new"], again.json["same"]) == (0, 0, 25)
    stored = {row["id"]: row for row in plant.rows("usage_records")}
    one = stored["lab/P1//outflow[NH3N]/2026-10-03/1"]
    assert (one["value"], one["unit"], one["below"], one["account"], one["quality"]) == (D("0.025"), "mg/L", True, "P1", "actual")
    assert one["file"].endswith("below.csv[E4]") and one["line"] == 4
    assert sum(row["below"] for row in stored.values()) == 5


def test_another_value_for_the_same_sample_is_a_conflict_and_nothing_of_the_sheet_is_stored(plant: Office) -> None:
    lab(plant, "good.csv")
    before = plant.rows("usage_records")
    other = lab(plant, "below.csv")
    assert (other.code, other.json["stored"], codes(other)) == (1, False, ["conflict"] * 5)
    assert [one["line"] for one in other.json["problems"]] == [2, 3, 4, 5, 6]
    assert plant.rows("usage_records") == before


def test_a_rehearsal_and_a_refused_sheet_store_nothing(plant: Office) -> None:
    imports = len(plant.rows("imports"))
    assert lab(plant, "good.csv", "--dry-run").json["new"] == 25
    refused = lab(plant, "not_numbers.csv")
    assert (refused.code, codes(refused)) == (1, ["lab-not-a-number"] * 4)
    assert plant.rows("usage_records") == [] and len(plant.rows("imports")) == imports


def test_a_value_a_thousand_times_too_large_is_refused_by_the_contracts_bounds(plant: Office) -> None:
    found = lab(plant, "thousand_times.csv")
    assert [(one["code"], one["values"]["cell"], one["values"]["high"]) for one in found.json["problems"]] == [("lab-outside-bounds", "B4", "5000")]
    assert "lab-no-bounds" not in codes(found, "warnings")


def test_a_plant_nobody_knows_a_file_that_is_none_and_a_large_one_are_refused(plant: Office, tmp_path: Path) -> None:
    found = plant.says("import-lab", SHEETS / "good.csv", "--plant", "P9", *DAYS, "--json", by="li")
    assert (found.code, codes(found)) == (1, ["unknown-account"])
    assert plant.rows("usage_records") == []
    large = tmp_path / "large.csv"
    with large.open("wb") as stream:
        stream.truncate(100_000_000)
    for path, code in ((tmp_path / "none.csv", "no-such-file"), (large, "lab-too-large")):
        assert plant.refuses("import-lab", path, "--plant", "P1", *DAYS, by="li").codes == [code]


def test_a_mapping_file_says_what_a_laboratorys_own_words_mean(plant: Office, tmp_path: Path) -> None:
    words = tmp_path / "map.csv"
    words.write_text("name,means,unit,limit\n采样日,date,,\nJS-1,inflow[COD],mg/L,\n记事,ignore,,\n城东厂,account P1,,\n城西厂,account P2,,\n", "utf-8")
    assert lab(plant, "own_words.csv", "--map", words).json["new"] == 10
    both = plant.says("import-lab", SHEETS / "two_plants.csv", *DAYS, "--map", words, "--json", by="li")
    assert both.json["new"] == 10 and {row["account"] for row in plant.rows("usage_records") if row["measure"] == "flow"} == {"P1", "P2"}
    words.write_text("name,means,unit,limit\nA,COD in,,\nA,ignore,furlong per,\nB,inflow[COD],mg/L,0\n,ignore,,\n", "utf-8")
    wrong = plant.refuses("import-lab", SHEETS / "good.csv", "--plant", "P1", *DAYS, "--map", words, by="li")
    assert wrong.codes == ["lab-map-means", "lab-map-unit", "lab-map-limit", "lab-map-name"]


def test_a_limit_of_the_mapping_file_serves_what_was_not_found(plant: Office, tmp_path: Path) -> None:
    words = tmp_path / "map.csv"
    words.write_text("name,means,unit,limit\noutflow[NH3N],,,0.025\n", "utf-8")
    assert lab(plant, "nd.csv", "--map", words).json["new"] == 25
    assert {(row["value"], row["below"]) for row in plant.rows("usage_records") if row["below"]} == {(D("0.025"), True)}


def test_a_person_is_told_what_was_recognised_and_what_was_not_read(plant: Office) -> None:
    shown = plant.says("import-lab", SHEETS / "totals.csv", "--plant", "P1", *DAYS, "--rules", RULES, by="li")
    assert shown.code == 0
    for word in ("进水COD(mg/L)", "inflow[COD]", "A7: the row 合计 is a total", "25 records stored"):
        assert word in shown.out
    refused = plant.says("import-lab", SHEETS / "swapped.csv", "--plant", "P1", *DAYS, "--locale", "zh", by="li")
    assert "进出水可能颠倒" in refused.out and "20 处问题" in refused.out  # the same days with other values


def test_a_month_is_settled_from_its_sheet(plant: Office, tmp_path: Path) -> None:
    """31 days; on the 5th ammonia leaves below 0.5 (half counts), on the 9th nobody measured COD (the day before counts)."""
    head = ["日期", "流量(m3/d)", *(f"进水{name}(mg/L)" for name in POLLUTANTS), *(f"出水{name}(mg/L)" for name in POLLUTANTS)]
    rows = [[f"10月{day}日", str(40_000 + day), *POLLUTANTS.values(), "28", "1.2", "8", "6"] for day in range(1, 32)]
    rows[4][7] = "<0.5"
    rows[8][2] = "-"
    rows[7][2] = "310.5"
    sheet = tmp_path / "october.csv"
    sheet.write_text("\n".join(",".join(row) for row in [head, *rows]), "gbk")
    read = plant.does("import-lab", sheet, "--plant", "P1", "--period", "2026-10", "--rules", RULES, by="li")
    assert (read["new"], [one["code"] for one in read["warnings"]]) == (31 * 9 - 1, ["lab-gap"])
    settled = plant.does("settle", "--plant", "P1", "--period", "2026-10", "-o", tmp_path / "out", "--rules", RULES, by="li")
    removed = {
        "COD": sum(D(40_000 + day) * ((D("310.5") if day in {8, 9} else D("300.5")) - 28) for day in range(1, 32)),
        "NH3N": sum(D(40_000 + day) * (D("31.2") - (D("0.25") if day == 5 else D("1.2"))) for day in range(1, 32)),
        "SS": sum(D(40_000 + day) * (D(180) - 8) for day in range(1, 32)),
        "BOD5": sum(D(40_000 + day) * (D(120) - 6) for day in range(1, 32)),
    }
    weights = {"COD": D(1), "NH3N": D("0.8"), "SS": D(4), "BOD5": D("0.5")}
    equivalents = {name: (D(mass) / 1000 / weights[name]).quantize(D("0.01"), "ROUND_HALF_UP") for name, mass in removed.items()}
    total = sum((one * D("0.8")).quantize(D("0.01"), "ROUND_HALF_UP") for one in equivalents.values())
    assert settled["id"]
    assert [row["total"] for row in plant.rows("documents")] == [total]
