"""Every way laboratories write a sheet: read right, or refused with sheet, row and column. One committed file each, listed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from billing_service.laboratory.cells import MAX_BYTES
from billing_service.laboratory.mapping import Meaning, Words
from billing_service.laboratory.reading import Asked, Reading, read_sheet
from billing_service.laboratory.words import key
from billing_service.problems import sentence
from tests.laboratory.make_sheets import GOOD, book, plain, sheets, text

SHEETS = Path(__file__).parent / "sheets"
FIVE_DAYS = (date(2026, 10, 1), date(2026, 10, 6))
PLANT = Asked("P1", FIVE_DAYS)
MEASURES = ("inflow[COD]", "outflow[COD]", "inflow[NH3N]", "outflow[NH3N]", "flow")
#: (measure, day of October) -> the value, as text; ``<0.5`` lies below a limit.
Values = Mapping[tuple[str, int], str]
STANDARD: Values = {(measure, day): row[column] for day, row in enumerate(GOOD, 1) for column, measure in enumerate(MEASURES, 1)}
BOTH_PLANTS = Asked("", FIVE_DAYS, words=Words(plants={"城东厂": "P1", "城西厂": "P2"}))
FLOWS = {("P1", f"2026-10-0{day}"): row[5] for day, row in enumerate(GOOD, 1)} | {
    ("P2", f"2026-10-0{day}"): str(int(float(row[5])) // 2) for day, row in enumerate(GOOD, 1)
}


def without(*gone: tuple[str, int]) -> Values:
    return {what: value for what, value in STANDARD.items() if what not in gone}


@dataclass(frozen=True)
class Case:
    """What a file gives: ``values``, or ``problems`` as (code, cell); and what is said beside it."""

    values: Values | None = None
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    asked: Asked = field(default=PLANT)


def read(**changes: str) -> Case:
    """The good values, with those of ``outflow_NH3N_2``-like names otherwise."""
    names = {"inflow_COD": "inflow[COD]", "outflow_COD": "outflow[COD]", "inflow_NH3N": "inflow[NH3N]", "outflow_NH3N": "outflow[NH3N]", "flow": "flow"}
    return Case(dict(STANDARD) | {(names[name[:-2]], int(name[-1])): value for name, value in changes.items()})


def refused(*problems: tuple[str, str], warnings: tuple[str, ...] = (), left_out: tuple[tuple[str, str], ...] = (), asked: Asked = PLANT) -> Case:
    return Case(None, problems, warnings, left_out, asked)


SWAP = {"inflow": "outflow", "outflow": "inflow"}
SWAPPED = {(SWAP[name.split("[")[0]] + "[" + name.split("[")[1] if "[" in name else name, day): value for (name, day), value in STANDARD.items()}
CASES: Mapping[str, Case] = {
    "good.csv": read(),
    "good.xlsx": read(),
    # headings
    "unit_row.csv": read(),
    "no_unit.csv": refused(("lab-no-unit", "B1")),
    "two_header_rows.csv": read(),
    "merged.xlsx": Case(STANDARD, left_out=(("lab-left-note", "水质!A9"),)),
    "merged_over_days.xlsx": refused(("lab-merged-value", "Sheet1!B2"), warnings=("lab-gap",)),
    "chinese_names.csv": read(),
    "other_pollutants.csv": Case(
        {
            (name, day): value
            for day in range(1, 6)
            for name, value in (("inflow[TP]", "4.2"), ("inflow[TN]", "38.5"), ("inflow[SS]", "180"), ("inflow[BOD5]", "120"))
        }
    ),
    "unclear_name.csv": refused(("lab-unknown-column", "C1")),
    "no_side.csv": refused(("lab-no-side", "B1")),
    "unknown_column.csv": refused(("lab-unknown-column", "G1")),
    "no_heading.csv": refused(("lab-no-heading", "G2")),
    "own_words.csv": Case(
        {what: value for what, value in STANDARD.items() if "COD" in what[0]},
        left_out=(("lab-left-column", "D1"),),
        asked=Asked(
            "P1",
            FIVE_DAYS,
            words=Words({key("采样日"): Meaning("date"), key("JS-1"): Meaning("inflow[COD]", "mg/L"), key("记事"): Meaning("ignore")}),
        ),
    ),
    "sides_as_rows.csv": Case(without(*((measure, day) for measure, day in STANDARD if measure == "flow"))),
    "two_sheets.xlsx": Case(STANDARD, warnings=("lab-no-table",)),
    # values
    "below.csv": read(outflow_NH3N_1="<0.5", outflow_NH3N_2="<0.5", outflow_NH3N_3="<0.025", outflow_NH3N_4="<0.5", outflow_NH3N_5="<0.5"),
    "nd.csv": refused(("lab-no-limit", "E2"), ("lab-no-limit", "E3")),
    "nd_with_limit.csv": read(outflow_NH3N_1="<0.5", outflow_NH3N_2="<0.5"),
    "limit_row.csv": read(outflow_NH3N_1="<0.025"),
    "missing_values.csv": Case(
        without(("inflow[COD]", 1), ("outflow[COD]", 1), ("inflow[NH3N]", 2), ("outflow[NH3N]", 2), ("flow", 3)), warnings=("lab-gap", "lab-gap", "lab-gap")
    ),
    "spaces_and_commas.csv": read(),
    "decimal_commas.csv": refused(("lab-comma", "B2"), ("lab-comma", "D3")),
    "full_width.csv": read(),
    "not_numbers.csv": refused(("lab-not-a-number", "B2"), ("lab-not-a-number", "C3"), ("lab-not-a-number", "D4"), ("lab-not-a-number", "F6")),
    "negative.csv": refused(("lab-negative", "B4")),
    "thousand_times.csv": refused(
        ("lab-outside-bounds", "B4"), asked=Asked("P1", FIVE_DAYS, bounds=dict.fromkeys(MEASURES[:4], (Decimal(0), Decimal(2000), "mg/L")))
    ),
    "micrograms.csv": read(),
    "mixed_units.csv": refused(("lab-cell-unit", "E3")),
    "two_units.csv": refused(("lab-two-units", "C1")),
    "formulas.xlsx": refused(("lab-formula", "Sheet1!C3"), ("lab-error-cell", "Sheet1!D4"), left_out=(("lab-left-total", "Sheet1!A7"),)),
    "lost_digits.xlsx": refused(("lab-too-many-digits", "Sheet1!B2")),
    # days
    "dates_as_text.csv": read(),
    "dates_formatted.xlsx": read(),
    "dates_as_numbers.xlsx": read(),
    "dates_as_numbers_1904.xlsx": read(),
    "dates_formatted_1904.xlsx": read(),
    "dates_10.1.csv": read(),
    "dates_10.1.xlsx": refused(("lab-day-unclear", "Sheet1!A2"), ("lab-day-unclear", "Sheet1!A3"), ("lab-day-unclear", "Sheet1!A4")),
    "dates_9.1.csv": refused(("lab-day-outside", "A2")),
    "dates_chinese.csv": read(),
    "dates_unclear.csv": refused(("lab-not-a-day", "A2"), ("lab-not-a-day", "A3"), ("lab-no-date", "A4"), ("lab-day-outside", "A6")),
    "title_other_month.csv": refused(("lab-other-month", "A1")),
    "missing_day.csv": Case(without(*((measure, 3) for measure in MEASURES)), warnings=("lab-gap",)),
    "doubled_day.csv": refused(("lab-day-twice", "A7")),
    "out_of_order.csv": read(),
    # rows that are no measurement
    "totals.csv": Case(STANDARD, left_out=(("lab-left-total", "A7"), ("lab-left-total", "A8"), ("lab-left-total", "A9"))),
    "notes_between.csv": Case(STANDARD, left_out=(("lab-left-note", "A4"), ("lab-left-note", "B5"))),
    # plants
    "two_plants.csv": refused(("lab-plant", "A2"), ("lab-plant", "A7")),
    "two_plants_beside.csv": refused(("lab-column-twice", "C2")),
    "two_plants_below.csv": refused(*(("lab-day-twice", f"A{row}") for row in range(11, 16)), left_out=(("lab-left-note", "A9"),)),
    "swapped.csv": Case(SWAPPED, warnings=("lab-swapped",)),
    # files
    "gbk.csv": read(),
    "bom.csv": read(),
    "utf16.csv": read(),
    "semicolons.csv": read(),
    "semicolons_and_commas.csv": refused(("lab-comma", "F2"), ("lab-comma", "D3")),
    "hidden_sheet.xlsx": Case(STANDARD, warnings=("lab-hidden-sheet",)),
    "hidden_row.xlsx": Case(STANDARD, warnings=("lab-hidden-part",)),
    "words_beside.csv": Case(STANDARD, left_out=(("lab-left-words", "G4"),)),
    "empty.csv": refused(("lab-empty-file", "")),
    "blank.csv": refused(("lab-nothing", "")),
    "only_words.csv": refused(("lab-no-table", "A1")),
    "locked.xlsx": refused(("lab-password", "")),
    "old.xls": refused(("lab-old-workbook", "")),
    "cut_off.xlsx": refused(("lab-broken-workbook", "")),
}


def taken(found: Reading) -> Values:
    return {(one.record.measure, one.record.start.day): f"{'<' if one.record.below else ''}{one.record.value.normalize():f}" for one in found.samples}


def normal(values: Values) -> Values:
    return {what: f"{value[: value.startswith('<')]}{Decimal(value.lstrip('<')).normalize():f}" for what, value in values.items()}


def look(name: str, asked: Asked) -> Reading:
    return read_sheet((SHEETS / name).read_bytes(), name, asked)


def told(found: Iterable[object]) -> list[tuple[str, str]]:
    return [(one.code, one.values.get("cell", "")) for one in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_sheet_is_read_right_or_refused_with_its_cell(name: str) -> None:
    case = CASES[name]
    found = look(name, case.asked)
    assert told(found.problems) == list(case.problems)
    if case.values is not None:
        assert taken(found) == normal(case.values)
    assert [one.code for one in found.warnings if one.code != "lab-no-bounds"] == list(case.warnings)
    assert told(found.left_out) == list(case.left_out)


def test_every_sheet_has_its_case_and_every_case_its_sheet() -> None:
    assert {path.name for path in SHEETS.iterdir()} == set(CASES) | {"samples.xlsx"}


def test_the_sheets_are_what_their_script_writes() -> None:
    written = sheets()
    assert {path.name for path in SHEETS.iterdir()} == {*written, "locked.xlsx"}
    assert [name for name, content in written.items() if content != (SHEETS / name).read_bytes()] == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_problem_has_its_place_and_sentence_in_both_languages(name: str) -> None:
    found = look(name, CASES[name].asked)
    for one in (*found.problems, *found.warnings, *found.left_out):
        assert one.where is not None and one.where.file.startswith(name)
        if cell := one.values.get("cell"):
            assert sentence(one, "en").startswith(cell) and sentence(one, "zh").startswith(cell) and one.where.line
        assert sentence(one, "en") != sentence(one, "zh")
    assert {one.severity for one in found.problems} <= {"error"} and {one.severity for one in (*found.warnings, *found.left_out)} <= {"warning"}


def test_samples_of_a_day_are_told_apart_and_a_merged_flow_is_the_days() -> None:
    found = look("samples.xlsx", PLANT)
    assert (found.problems, len(found.samples)) == ([], 15)
    first = [(one.record.id, str(one.record.value), one.cell) for one in found.samples if one.record.start.day == 1]
    assert first == [
        ("lab/P1//inflow[COD]/2026-10-01/08:00", "312", "Sheet1!C2"),
        ("lab/P1//flow/2026-10-01/08:00", "41250", "Sheet1!D2"),
        ("lab/P1//inflow[COD]/2026-10-01/20:00", "312", "Sheet1!C3"),
    ]


@pytest.mark.parametrize("name", ["two_plants.csv", "two_plants_beside.csv", "two_plants_below.csv"])
def test_two_plants_in_one_sheet_are_told_apart_by_the_mapping(name: str) -> None:
    found = look(name, BOTH_PLANTS)
    assert found.problems == []
    assert {(one.record.account, str(one.record.start)): str(one.record.value) for one in found.samples} == FLOWS
    assert len(found.samples) == len(FLOWS)


def test_a_record_is_one_day_with_unit_point_and_quality() -> None:
    rows = [["日期", "采样点", "进水COD(mg/L)", "数据性质"], ["2026-10-01", "1号线", "312", "估算"], ["2026-10-01", "2号线", "298", ""]]
    found = read_sheet(text(rows), "f.csv", Asked("P1", FIVE_DAYS))
    one, other = (sample.record for sample in found.samples)
    assert (one.account, one.point, one.start, one.end, str(one.unit), one.quality) == (
        "P1",
        "1号线",
        date(2026, 10, 1),
        date(2026, 10, 2),
        "mg/L",
        "estimated",
    )
    assert (other.point, other.quality) == ("2号线", "actual")


@pytest.mark.parametrize(
    ("unit", "value", "stored"),
    [
        ("万m³/d", "4.125", "41250"),
        ("m3", "41250", "41250"),
        ("立方米/日", "41,250", "41250"),
        ("L", "41250000", "41250"),
        ("ML/d", "41", ""),
        ("万吨/日", "4", ""),
    ],
)
def test_a_flow_is_stored_in_cubic_metres_or_its_unit_is_refused(unit: str, value: str, stored: str) -> None:
    found = read_sheet(text([["日期", f"处理水量({unit})"], ["10月1日", value]]), "f.csv", PLANT)
    if stored:
        assert found.samples[0].record.value == Decimal(stored) and str(found.samples[0].record.unit) == "m3"
    else:
        assert told(found.problems) == [("lab-unit", "B1")]


HEADINGS = {
    "english": [["Date", "Influent COD (mg/L)", "Effluent NH3-N mg/L", "Flow (m3/d)"]],
    "units with the sides": [["", "进水水质(mg/L)", "出水水质(mg/L)", ""], ["日期\\项目", "COD", "氨氮", "流量 m³/d"]],
    "sides in one cell with a unit": [["日期", "进水\nCODcr\nmg/L", "出水\n氨氮(以N计)\nmg/L", "处理水量/万m3"]],
    "limit with the unit": [["序号", "", "", ""], ["日期", "进水CODcr(mg/L)", "出水氨氮(mg/L,检出限0.025)", "日处理水量(m3)"]],
    "three rows": [["日期", "进水", "出水", "流量"], ["", "化学需氧量", "氨氮", ""], ["单位", "mg/L", "mg/L", "m3/d"]],
}


@pytest.mark.parametrize("name", HEADINGS)
def test_headings_of_many_kinds_are_understood(name: str) -> None:
    rows = [[f'"{cell}"' if "\n" in cell or "," in cell else cell for cell in row] for row in HEADINGS[name]]
    content = "\n".join(",".join(row) for row in [*rows, ["10月1日", "300", "1.2", "4"]]).encode()
    found = read_sheet(content, "f.csv", PLANT)
    assert [one.code for one in found.problems] == []
    assert [one.record.measure for one in found.samples] == ["inflow[COD]", "outflow[NH3N]", "flow"]


@pytest.mark.parametrize("heading", ["进水(mg/L)", "(mg/L)", "进出水COD(mg/L)", "COD进水出水(mg/L)", "进水COD去除", "出水水量(m3)"])
def test_a_column_that_says_too_little_is_refused(heading: str) -> None:
    found = read_sheet(text([["日期", "流量(m3)", heading], ["10月1日", "4", "300"]]), "f.csv", PLANT)
    assert told(found.problems) == [("lab-unknown-column", "C1")]


def test_a_title_with_both_sides_says_none() -> None:
    rows = [["城东厂进出水水质", ""], ["日期", "COD(mg/L)"], ["10月1日", "300"]]
    assert told(read_sheet(text(rows), "f.csv", PLANT).problems) == [("lab-no-side", "B2")]


def test_a_day_that_lost_its_last_digit_is_refused_where_it_stands_out_of_order() -> None:
    rows = [["日期", "进水COD(mg/L)"], ["10.3", "300"], ["10.1", "310"], ["10.17", "290"]]
    october = Asked("P1", (date(2026, 10, 1), date(2026, 11, 1)))
    assert told(read_sheet(text(rows), "f.csv", october).problems) == [("lab-day-unclear", "A3")]


def test_a_word_of_totals_in_a_dated_row_or_a_find_without_a_day_drops_nothing() -> None:
    rows = [["日期", "进水COD(mg/L)", "备注"], ["10月1日", "300", "最大流量时段"], ["", "ND", ""]]
    found = read_sheet(text(rows), "f.csv", PLANT)
    assert [one.cell for one in found.samples] == ["B2"]
    assert told(found.problems) == [("lab-no-date", "A3"), ("lab-no-limit", "B3")]


def test_an_outgoing_flow_is_not_taken_for_the_flow() -> None:
    assert told(read_sheet(text([["日期", "出水流量(m3/d)"], ["10月1日", "40000"]]), "f.csv", PLANT).problems)[0] == ("lab-unknown-column", "B1")


def test_a_number_hidden_under_a_merged_one_and_too_many_decimals_are_refused() -> None:
    micro = text([["日期", "进水总磷(ug/L)"], ["10月1日", "12.3456"]])
    assert told(read_sheet(micro, "f.csv", PLANT).problems) == [("lab-too-fine", "B2")]


def test_days_not_written_in_full_are_those_of_the_period_even_over_a_new_year() -> None:
    rows = [["日期", "进水COD(mg/L)"], ["12月31日", "300"], ["1月1日", "310"]]
    found = read_sheet(text(rows), "f.csv", Asked("P1", (date(2026, 12, 1), date(2027, 2, 1))))
    assert [one.record.start for one in found.samples] == [date(2026, 12, 31), date(2027, 1, 1)]
    bare = read_sheet(text([["日期", "进水COD(mg/L)"], ["5日", "300"]]), "f.csv", Asked("P1", (date(2026, 12, 1), date(2027, 2, 1))))
    assert told(bare.problems) == [("lab-day-unclear", "A2")]


def test_a_file_over_the_limit_is_refused_before_it_is_looked_at() -> None:
    found = read_sheet(b"PK\x03\x04" + bytes(100_000_000), "big.xlsx", PLANT)
    assert told(found.problems) == [("lab-too-large", "")]
    assert MAX_BYTES < 100_000_000


def test_a_cell_far_out_is_refused_before_the_sheet_is_loaded() -> None:
    def far(made: object) -> None:
        plain("Sheet1", [["日期"]])(made)
        made.get_worksheet_by_name("Sheet1").write_number(1_048_575, 16_383, 1)  # type: ignore[attr-defined]

    assert told(read_sheet(book(far), "far.xlsx", PLANT).problems) == [("lab-too-many-cells", "")]


@pytest.mark.parametrize("name", ["good.xlsx", "merged.xlsx", "good.csv", "locked.xlsx"])
def test_a_damaged_file_never_ends_in_a_traceback(name: str) -> None:
    content = (SHEETS / name).read_bytes()
    for cut in range(0, len(content), max(1, len(content) // 40)):
        read_sheet(content[:cut], name, PLANT)
        read_sheet(content[:cut] + b"\xff\x00<" + content[cut + 3 :], name, PLANT)
