"""Writes the sheets of ``tests/laboratory/sheets``, the same bytes each time: python -m tests.laboratory.make_sheets

One good sheet of five days, and one file for every way laboratories write it otherwise. ``locked.xlsx`` is not written here: a password's
salt is chance. It is ``good.xlsx`` under the password ``sheet``, locked with msoffcrypto-tool 6.
"""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

FOLDER = Path(__file__).parent / "sheets"
HEAD = ["日期", "进水COD(mg/L)", "出水COD(mg/L)", "进水氨氮(mg/L)", "出水氨氮(mg/L)", "流量(m3/d)"]
GOOD = [
    ["2026-10-01", "312", "28", "31.5", "1.2", "41250"],
    ["2026-10-02", "298.5", "26.4", "30.2", "0.98", "40980"],
    ["2026-10-03", "305", "31", "29.75", "1.05", "42015.5"],
    ["2026-10-04", "276", "24.8", "28", "0.75", "39870"],
    ["2026-10-05", "287", "27", "32.4", "1.1", "41100"],
]
MARK = 987654321  # stands where a formula's result will be taken out
Rows = Sequence[Sequence[object]]


def changed(**cells: str) -> list[list[str]]:
    """The good sheet with cells written otherwise: ``B2="<0.5"``."""
    rows = [list(row) for row in (HEAD, *GOOD)]
    for name, value in cells.items():
        rows[int(name[1:]) - 1][ord(name[0]) - 65] = value
    return rows


def days(*written: str) -> list[list[str]]:
    """The good sheet with its days written otherwise."""
    return [HEAD, *([day, *row[1:]] for day, row in zip(written, GOOD, strict=True))]


def text(rows: Rows, encoding: str = "utf-8", sign: str = ",") -> bytes:
    lines = [sign.join(f'"{cell}"' if sign in str(cell) else str(cell) for cell in row) for row in rows]
    return ("\n".join(lines) + "\n").encode(encoding)


def book(*sheets: Callable[[xlsxwriter.Workbook], None], since_1904: bool = False) -> bytes:
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": since_1904})
    made.set_properties({"created": datetime(2026, 11, 1)})  # noqa: DTZ001
    for sheet in sheets:
        sheet(made)
    made.close()
    return out.getvalue()


def put(sheet: Worksheet, rows: Rows, first: int = 0, *, dates: object = None) -> None:
    """Numbers as numbers, days as days where a format for them is given."""
    for number, row in enumerate(rows, first):
        for column, cell in enumerate(row):
            if isinstance(cell, date) and dates is not None:
                sheet.write_datetime(number, column, datetime(cell.year, cell.month, cell.day), dates)  # noqa: DTZ001
            elif isinstance(cell, int | float):
                sheet.write_number(number, column, cell)
            elif cell not in {"", None}:
                sheet.write_string(number, column, str(cell))


def numbers(rows: Rows) -> list[list[object]]:
    """Texts of numbers as the doubles a spreadsheet keeps."""
    return [[float(str(cell)) if str(cell).replace(".", "", 1).isdigit() else cell for cell in row] for row in rows]


def plain(name: str, rows: Rows, days: Sequence[object] | None = None, form: str = "yyyy-mm-dd") -> Callable[[xlsxwriter.Workbook], None]:
    def make(made: xlsxwriter.Workbook) -> None:
        body = numbers(rows)
        for row, day in zip(body[1:], days or [date(2026, 10, number) for number in range(1, 6)], strict=False):
            row[0] = day
        put(made.add_worksheet(name), body, dates=made.add_format({"num_format": form}))

    return make


def merged(made: xlsxwriter.Workbook) -> None:
    """A title over all columns, sides over their pollutants, the day's word over two rows, and a note over a whole row."""
    sheet, form = made.add_worksheet("水质"), made.add_format({"num_format": 'm"月"d"日"'})
    sheet.merge_range(0, 0, 0, 5, "城东污水处理厂2026年10月水质日报表")
    sheet.merge_range(1, 0, 2, 0, "日期")
    sheet.merge_range(1, 1, 1, 2, "进水")
    sheet.merge_range(1, 3, 1, 4, "出水")
    sheet.merge_range(1, 5, 2, 5, "处理水量\n(m³/d)")
    put(sheet, [["", "CODcr (mg/L)", "NH₃-N (mg/L)", "CODcr (mg/L)", "NH₃-N (mg/L)"]], 2)
    for number, row in enumerate(numbers(GOOD)):
        put(sheet, [[date(2026, 10, number + 1), row[1], row[3], row[2], row[4], row[5]]], 3 + number, dates=form)
    sheet.merge_range(8, 0, 8, 5, "注：10月3日停电检修2小时")


def samples(made: xlsxwriter.Workbook) -> None:
    """Two samples a day; day and flow are merged over both."""
    sheet, form = made.add_worksheet("Sheet1"), made.add_format({"num_format": "yyyy/m/d"})
    put(sheet, [["日期", "采样时间", "进水COD(mg/L)", "流量(m3/d)"]])
    for number, row in enumerate(numbers(GOOD)):
        top = 1 + 2 * number
        sheet.merge_range(top, 0, top + 1, 0, "")
        put(sheet, [[date(2026, 10, number + 1), "08:00", row[1], row[5]], ["", "20:00", row[1]]], top, dates=form)
        sheet.merge_range(top, 3, top + 1, 3, "")
        sheet.write_number(top, 3, float(str(row[5])))


def over_days(made: xlsxwriter.Workbook) -> None:
    """One number merged over two days."""
    plain("Sheet1", [HEAD, *GOOD])(made)
    made.get_worksheet_by_name("Sheet1").merge_range(1, 1, 2, 1, 312, made.add_format({"align": "center"}))


def hidden(made: xlsxwriter.Workbook) -> None:
    plain("10月", [HEAD, *GOOD])(made)
    plain("草稿", [HEAD, ["2026-10-01", "999", "1", "1", "1", "1"]])(made)
    made.get_worksheet_by_name("草稿").hide()


def hidden_row(made: xlsxwriter.Workbook) -> None:
    plain("10月", [HEAD, *GOOD])(made)
    made.get_worksheet_by_name("10月").set_row(2, None, None, {"hidden": True})


def two_sheets(made: xlsxwriter.Workbook) -> None:
    """Sides as names of sheets, and one sheet of words."""
    rows = [["日期", "COD(mg/L)", "氨氮(mg/L)"], *([row[0], row[1], row[3]] for row in GOOD)]
    plain("进水", rows)(made)
    plain("出水", [["日期", "COD(mg/L)", "氨氮(mg/L)"], *([row[0], row[2], row[4]] for row in GOOD)])(made)
    plain("水量", [["日期", "流量(m3/d)"], *([row[0], row[5]] for row in GOOD)])(made)
    put(made.add_worksheet("说明"), [["化验员：张三"]])


def formulas(made: xlsxwriter.Workbook) -> None:
    """B2 a result, C3 never computed, D4 an error; a mean at the foot never computed either, which nobody reads."""
    plain("Sheet1", [HEAD, *GOOD])(made)
    sheet = made.get_worksheet_by_name("Sheet1")
    sheet.write_formula("B2", "=300+12", None, 312)
    sheet.write_formula("C3", "=26+0.4", None, MARK)
    sheet.write_formula("D4", "=1/0", None, "#DIV/0!")
    sheet.write_string("A7", "平均")
    sheet.write_formula("B7", "=AVERAGE(B2:B6)", None, MARK)


def uncomputed(content: bytes) -> bytes:
    """The workbook with the results marked by MARK taken out, as libraries write formulas they cannot compute."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item, old.read(item).replace(f"<v>{MARK}</v>".encode(), b"<v></v>"))
    return out.getvalue()


def lost_digits(made: xlsxwriter.Workbook) -> None:
    plain("Sheet1", [HEAD, *GOOD])(made)
    made.get_worksheet_by_name("Sheet1").write_number("B2", 936 / 3.1)


def sheets() -> Mapping[str, bytes]:
    chinese = ["日期", "进水化学需氧量(mg/L)", "出水化学需氧量(mg/L)", "进水NH3-N(mg/L)", "出水NH3-N(mg/L)", "水量(立方米/日)"]
    others = ["日期", "进水总磷 mg/L", "进水TP出水", "进水总氮(mg/L)", "进水悬浮物，mg/L", "进水BOD5/mg/L"]
    by_side = [[row[0], side, *(row[1:5:2] if side == "进水" else row[2:5:2])] for row in GOOD for side in ("进水", "出水")]
    foot = [
        ["合计", "1478.5", "137.2", "151.85", "5.08", "205215.5"],
        ["平均", "295.7", "27.44", "30.37", "1.016", "41043.1"],
        ["最大值", "312", "31", "32.4", "1.2", "42015.5"],
    ]
    wide = [[cell.translate(str.maketrans("0123456789.-", "０１２３４５６７８９．－")) for cell in row] for row in GOOD]
    ug = [[row[0], row[1], row[2], row[3], str(int(float(row[4]) * 1000)), row[5]] for row in GOOD]
    swapped = [[row[0], row[2], row[1], row[4], row[3], row[5]] for row in GOOD]
    parted = [*GOOD[:2], ["注：10月2日进水泵检修", "", "", "", "", ""], ["", "化验室搬迁", "", "", "", ""], *GOOD[2:]]
    other_plant = [["城西厂", row[0], str(int(row[5].partition(".")[0]) // 2)] for row in GOOD]
    return {
        "good.csv": text([HEAD, *GOOD]),
        "unit_row.csv": text([["日期", "进水COD", "出水COD", "进水氨氮", "出水氨氮", "流量"], ["单位", "mg/L", "mg/L", "mg/L", "mg/L", "m3/d"], *GOOD]),
        "no_unit.csv": text(changed(B1="进水COD")),
        "two_header_rows.csv": text(
            [["", "进水", "", "出水", "", ""], ["日期", "COD(mg/L)", "氨氮(mg/L)", "COD(mg/L)", "氨氮(mg/L)", "流量(m3/d)"]]
            + [[row[0], row[1], row[3], row[2], row[4], row[5]] for row in GOOD]
        ),
        "merged.xlsx": book(merged),
        "merged_over_days.xlsx": book(over_days),
        "chinese_names.csv": text([chinese, *GOOD]),
        "other_pollutants.csv": text([[*others[:2], *others[3:]], *([row[0], "4.2", "38.5", "180", "120"] for row in GOOD)]),
        "unclear_name.csv": text([[*others[:3]], *([row[0], "4.2", "0.3"] for row in GOOD)]),
        "no_side.csv": text(changed(B1="COD(mg/L)")),
        "below.csv": text(changed(E2="<0.5", E3="＜0.5", E4="0.025L", E5="ND(0.5)", E6="< 0.5 mg/L")),
        "nd.csv": text(changed(E2="ND", E3="未检出")),
        "nd_with_limit.csv": text(changed(E1="出水氨氮(mg/L)(检出限 0.5)", E2="ND", E3="未检出")),
        "limit_row.csv": text([HEAD, ["检出限", "4", "4", "0.025", "0.025", ""], *changed(E2="未检出")[1:]]),
        "missing_values.csv": text(changed(B2="", C2="-", D3="—", E3="/", F4="停产")),
        "samples.xlsx": book(samples),
        "sides_as_rows.csv": text([["日期", "采样点", "COD(mg/L)", "氨氮(mg/L)"], *by_side]),
        "two_plants.csv": text([["厂名", "日期", "流量(m3/d)"], *(["城东厂", row[0], row[5]] for row in GOOD), *other_plant]),
        "two_plants_beside.csv": text(
            [["", "城东厂", "城西厂"], ["日期", "流量(m3/d)", "流量(m3/d)"], *([row[0], row[5], str(int(row[5].partition(".")[0]) // 2)] for row in GOOD)]
        ),
        "two_plants_below.csv": text(
            [["城东厂", "", ""], ["日期", "流量(m3/d)"], *([row[0], row[5]] for row in GOOD), ["", ""], ["城西厂", ""], ["日期", "流量(m3/d)"]]
            + [row[1:] for row in other_plant]
        ),
        "dates_as_text.csv": text(days("2026/10/1", "2026.10.2", "20261003", "2026-10-4", "2026-10-05 00:00:00")),
        "dates_formatted.xlsx": book(plain("Sheet1", [HEAD, *GOOD])),
        "dates_as_numbers.xlsx": book(plain("Sheet1", [HEAD, *GOOD], [46296, 46297, 46298, 46299, 46300])),
        "dates_as_numbers_1904.xlsx": book(plain("Sheet1", [HEAD, *GOOD], [44834, 44835, 44836, 44837, 44838]), since_1904=True),
        "dates_formatted_1904.xlsx": book(plain("Sheet1", [HEAD, *GOOD]), since_1904=True),
        "dates_10.1.csv": text(days("10.1", "10.2", "10.3", "10.4", "10.5")),
        "dates_10.1.xlsx": book(plain("Sheet1", [HEAD, *GOOD], [10.1, 10.2, 10.3, 10.4, 10.5])),
        "dates_9.1.csv": text(days("9.1", "10.2", "10.3", "10.4", "10.5")),
        "dates_chinese.csv": text(days("10月1日", "2026年10月2日", "10月3号", "4日", "5")),
        "title_other_month.csv": text([["城东污水处理厂2026年9月水质日报表", "", "", "", "", ""], *days("1日", "2日", "3日", "4日", "5日")]),
        "dates_unclear.csv": text(days("31/32", "十月二日", "", "10/4", "01.02.2026")),
        "missing_day.csv": text([HEAD, *GOOD[:2], *GOOD[3:]]),
        "doubled_day.csv": text([HEAD, *GOOD, GOOD[2]]),
        "out_of_order.csv": text([HEAD, GOOD[3], GOOD[0], GOOD[4], GOOD[2], GOOD[1]]),
        "totals.csv": text([HEAD, *GOOD, *foot]),
        "notes_between.csv": text([HEAD, *parted]),
        "spaces_and_commas.csv": text(changed(F2="41,250", F3="40 980", F4="42,015.5", F5=" 39870 ", B2="312 ")),
        "decimal_commas.csv": text(changed(B2="312,0", D3="30,2")),
        "full_width.csv": text([HEAD, *wide]),
        "gbk.csv": text([HEAD, *GOOD], "gbk"),
        "bom.csv": text([HEAD, *GOOD], "utf-8-sig"),
        "utf16.csv": text([HEAD, *GOOD], "utf-16", "\t"),
        "semicolons.csv": text([HEAD, *GOOD], sign=";"),
        "semicolons_and_commas.csv": text(changed(F2="41,250", D3="30,2"), sign=";"),
        "hidden_sheet.xlsx": book(hidden),
        "hidden_row.xlsx": book(hidden_row),
        "words_beside.csv": text([HEAD, *GOOD[:2], [*GOOD[2], "停电2小时"], *GOOD[3:]]),
        "two_sheets.xlsx": book(two_sheets),
        "formulas.xlsx": uncomputed(book(formulas)),
        "lost_digits.xlsx": book(lost_digits),
        "swapped.csv": text([HEAD, *swapped]),
        "thousand_times.csv": text(changed(B4="305000")),
        "negative.csv": text(changed(B4="-305")),
        "micrograms.csv": text([[*HEAD[:4], "出水氨氮(ug/L)", HEAD[5]], *ug]),
        "mixed_units.csv": text(changed(E3="980 ug/L", E4="1.05 mg/L")),
        "two_units.csv": text([HEAD, ["", "mg/L", "ug/L", "mg/L", "mg/L", "m3/d"], *GOOD]),
        "unknown_column.csv": text([[*HEAD, "CDO"], *([*row, "1"] for row in GOOD)]),
        "own_words.csv": text([["采样日", "JS-1", "出水COD(mg/L)", "记事"], *([row[0], row[1], row[2], "晴"] for row in GOOD)]),
        "no_heading.csv": text([[*HEAD, ""], *([*row, "7"] for row in GOOD)]),
        "not_numbers.csv": text(changed(B2="约300", C3="28?", D4="见附表", F6="1.2E5")),
        "empty.csv": b"",
        "blank.csv": b"\n\n , ,\n",
        "only_words.csv": text([["城东污水处理厂"], ["本月无数据"]]),
        "old.xls": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504),
        "cut_off.xlsx": book(plain("Sheet1", [HEAD, *GOOD]))[:2000],
        "good.xlsx": book(plain("Sheet1", [HEAD, *GOOD])),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in sheets().items():
        (FOLDER / name).write_bytes(content)
