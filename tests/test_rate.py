"""Columns in, columns out: what is taken, what is refused and how, and that nothing ever overflows."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tariffs
from tariffs import rate as rate_module
from tariffs.money import Mode, round_ratio
from tariffs.program import program_of
from tariffs.scaled import round_whole
from tests.raw_texts import texts

BODY = """\
language: 1
title: {en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
"""
QUOTA = """
inputs:
  payer: {choices: {quota_unit: {en: by quota}, other: {en: other}}}
  weight: {unit: t, step: 0.001, min: 0, max: 100000}
  quota: {unit: t, step: 0.001, min: 0, max: 100000}
values:
  standard: {value: 300, unit: CNY/t}
  excess: {value: 600, unit: CNY/t}
charges:
  quota_fee: {when: payer == "quota_unit", formula: "round(blocks(weight, [quota], [standard, excess]), 0.01)"}
  plain_fee: {when: payer == "other", formula: "round(weight * standard, 0.01)"}
"""
FRAME: dict[str, list[object]] = {"payer": ["quota_unit", "other"], "weight": ["12", "5.001"], "quota": ["10", None]}
MONTH = (date(2026, 2, 1), date(2026, 3, 1))


def version(body: str) -> tariffs.TariffVersion:
    return tariffs.parse((BODY + body).encode(), tariff="xx/trial", effective=date(2026, 1, 1))


def refusal(frame: Any, body: str = QUOTA, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(tariffs.FactsError) as caught:
        version(body).rate(frame, **more)
    assert all(problem.text("en") and problem.text("zh") for problem in caught.value.problems)
    return [(problem.code, problem.values.get("name", "")) for problem in caught.value.problems]


# --- kinds of frames ----------------------------------------------------------------------------------------------


def test_a_mapping_of_lists_gives_lists_of_decimals() -> None:
    assert version(QUOTA).rate(FRAME) == {"quota_fee": [D("4200.00"), None], "plain_fee": [None, D("1500.30")], "total": [D("4200.00"), D("1500.30")]}


def test_a_dataframe_keeps_its_index_and_gets_decimal_columns() -> None:
    assert list(version(QUOTA).rate(pd.DataFrame(FRAME, index=["a", "a"])).index) == ["a", "a"]
    frame = pd.DataFrame(FRAME, index=["a", "b"])
    result = version(QUOTA).rate(frame)
    assert list(result.index) == ["a", "b"]
    assert {str(kind) for kind in result.dtypes} == {"decimal128(38, 2)[pyarrow]"}
    assert list(result["total"]) == [D("4200.00"), D("1500.30")]
    assert pd.isna(result["plain_fee"]["a"])


def test_an_arrow_table_and_a_record_batch_give_a_table() -> None:
    for frame in (pa.table(FRAME), pa.RecordBatch.from_pydict(FRAME)):
        result = version(QUOTA).rate(frame)
        assert isinstance(result, pa.Table)
        assert result.schema.field("total").type == pa.decimal128(38, 2)
        assert result["total"].to_pylist() == [D("4200.00"), D("1500.30")]


def test_no_rows_give_no_rows() -> None:
    empty: dict[str, list[object]] = {name: [] for name in FRAME}
    assert version(QUOTA).rate(empty)["total"] == []
    assert version(QUOTA).rate(pa.table(FRAME).slice(0, 0))["total"].to_pylist() == []
    assert version(QUOTA).rate(pd.DataFrame(FRAME)[:0]).empty


def test_what_is_no_frame_is_refused() -> None:
    assert refusal([1, 2]) == [("not-a-frame", "")]
    assert refusal({**FRAME, "weight": [1]}) == [("columns-uneven", "")]
    assert refusal(pa.table([pa.array([1]), pa.array([1])], names=["weight", "weight"])) == [("column-twice", "weight")]


# --- numbers ------------------------------------------------------------------------------------------------------

NUMBERS: list[Any] = [
    [12, 5],
    ["12", "5.000"],
    [D("12.0"), D(5)],
    [12, "5"],
    np.array([12, 5], np.int8),
    np.array([12, 5], np.uint64),
    pa.array([12, 5], pa.int16()),
    pa.array([D(12), D(5)], pa.decimal128(38, 9)),
    pa.array([D(12), D(5)], pa.decimal128(5, 1)),
    pa.array([D(12), D(5)], pa.decimal256(60, 20)),
    pa.array([D(12), D(5)], pa.decimal32(5, 2)),
    pa.array([D(12), D(5)], pa.decimal64(12, 2)),
    pa.array(["12", "5"], pa.large_string()),
    pa.array(["12", "5"], pa.string_view()),
    pa.array(["12", "5"]).dictionary_encode(),
    pa.chunked_array([pa.array([12]), pa.array([5])]),
    pa.array([D(7), D(12), D(5)]).slice(1),
    pd.Series([12, 5]),
    pd.Series([12, 5], dtype="Int64"),
    pd.Series(["12", "5"]),
    pd.Series([D(12), D(5)]),
    pd.Series([D(12), D(5)], dtype=pd.ArrowDtype(pa.decimal128(9, 3))),
]


@pytest.mark.parametrize("column", NUMBERS, ids=lambda c: f"{type(c).__name__}-{getattr(c, 'dtype', getattr(c, 'type', ''))}")
def test_every_exact_kind_of_number_is_taken(column: Any) -> None:
    frame = {"payer": ["other", "other"], "weight": column}
    assert version(QUOTA).rate({**frame, "quota": [None, None]})["total"] == [D("3600.00"), D("1500.00")]


@pytest.mark.parametrize("column", [np.array([1.0, 2.0]), pa.array([1.0, 2.0], pa.float32()), pd.Series([1.0, None])], ids=["numpy", "arrow", "pandas"])
def test_a_column_of_floats_is_refused_by_name_with_the_cure(column: Any) -> None:
    assert refusal({**FRAME, "weight": column}) == [("float-fact", "weight")]
    assert refusal({**FRAME, "weight": column}, errors="return") == [("float-fact", "weight")]


def test_floats_and_bools_among_objects_are_refused_by_row() -> None:
    _, problems = version(QUOTA).rate({"payer": ["other"] * 4, "weight": [1.5, True, D("NaN"), 1]}, errors="return")
    assert list(zip(problems["row"], problems["code"], strict=True)) == [(0, "float-fact"), (1, "not-a-number"), (2, "not-a-number")]


@pytest.mark.parametrize("text", ["1e3", " 1", "1 ", "1\n", "+1", "1.", ".5", "1_000", "1,5", "１", "-", "", "1" * 31, "0x10", "NaN"])
def test_text_that_is_no_plain_number_is_refused(text: str) -> None:
    for column in (["2", text], pa.array(["2", text])):
        result, problems = version(QUOTA).rate({"payer": ["other"] * 2, "weight": column}, errors="return")
        assert result["total"] == [D("600.00"), None]
        assert (problems["row"], problems["code"]) == ([1], ["not-a-number"])


def test_long_texts_that_arrow_would_wrap_silently_are_read_exactly() -> None:
    big = version("""
inputs: {x: {unit: CNY, step: 0.01, min: 0, max: 999999999999999999999999999999}}
charges: {fee: {formula: "x"}}
""")
    assert big.rate({"x": pa.array(["111111111111111111111111111111", "0.25"])})["total"] == [D("111111111111111111111111111111.00"), D("0.25")]


def test_bounds_and_steps_are_checked_before_anything_is_scaled() -> None:
    weights = [2**62, -(2**62), 2**63 - 1, 100000, 0]
    _, problems = version(QUOTA).rate({"payer": ["other"] * 5, "weight": pa.array(weights)}, errors="return")
    assert list(zip(problems["row"], problems["code"], strict=True)) == [(0, "above-maximum"), (1, "below-minimum"), (2, "above-maximum")]
    _, problems = version(QUOTA).rate({"payer": ["other"] * 2, "weight": pa.array([D("5.0005"), D("5.0010")])}, errors="return")
    assert (problems["row"], problems["code"]) == ([0], ["off-step"])
    assert problems["reason"][0].startswith("weight: 5.0005 is not a whole multiple of 0.001")


def test_decimals_of_negative_scale_and_what_lies_under_a_null_are_read_rightly() -> None:
    hundreds = pa.array([D(1200), D(100)], pa.decimal128(9, -2))
    assert version(QUOTA).rate({"payer": ["other"] * 2, "weight": hundreds})["total"] == [D("360000.00"), D("30000.00")]
    memory: Any = np.array([[5000, 0], [2**62, 7]])
    hidden: Any = pa.Array.from_buffers(pa.decimal128(38, 3), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(memory)])
    result, problems = version(QUOTA).rate({"payer": ["other"] * 2, "weight": hidden}, errors="return")
    assert (result["total"], problems["code"]) == ([D("1500.00"), None], ["missing-fact"])


# --- choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        ["quota_unit", "other"],
        pa.array(["quota_unit", "other"]).dictionary_encode(),
        pa.array(["x", "other", "quota_unit", "other"]).dictionary_encode().slice(2),
        pa.array(["quota_unit", "other"], pa.large_string()),
        pd.Series(["quota_unit", "other"], dtype="category"),
        pd.Series(["quota_unit", "other"]),
        pd.Series(["quota_unit", "other"], dtype=object),
        np.array(["quota_unit", "other"]),
    ],
    ids=["list", "dictionary", "sliced", "large", "category", "str", "object", "numpy"],
)
def test_every_kind_of_text_is_taken_for_a_choice(column: Any) -> None:
    assert version(QUOTA).rate({**FRAME, "payer": column})["total"] == [D("4200.00"), D("1500.30")]


def test_a_choice_that_is_unknown_or_not_given_is_refused() -> None:
    for column in (["nobody", None], pa.array(["nobody", None]).dictionary_encode(), ["nobody", 7]):
        _, problems = version(QUOTA).rate({**FRAME, "payer": column}, errors="return")
        found = list(zip(problems["row"], problems["input"], problems["code"], strict=True))
        assert found[0] == (0, "payer", "unknown-choice")
        assert (1, "payer", "missing-fact" if column[1] is None or not isinstance(column, list) else "unknown-choice") in found


# --- what is needed -----------------------------------------------------------------------------------------------


def test_a_null_is_refused_exactly_where_the_fact_is_needed() -> None:
    frame = {"payer": ["quota_unit", "other", "other"], "weight": ["1", "1", None], "quota": [None, None, None]}
    result, problems = version(QUOTA).rate(frame, errors="return")
    assert result["total"] == [None, D("300.00"), None]
    assert list(zip(problems["row"], problems["input"], problems["code"], strict=True)) == [(0, "quota", "missing-fact"), (2, "weight", "missing-fact")]


def test_an_absent_column_is_refused_where_some_row_needs_it() -> None:
    assert version(QUOTA).rate({"payer": ["other"], "weight": ["5"]})["total"] == [D("1500.00")]
    assert refusal({"payer": ["other", "quota_unit"], "weight": ["5", "5"]}) == [("column-absent", "quota")]
    assert refusal({"payer": ["other"], "wieght": ["5"]}) == [("column-absent-like", "weight")]


def test_a_row_whose_choice_is_no_good_asks_for_no_column() -> None:
    """One typing error must not refuse a whole file for a column that no other row needs."""
    frame = {"payer": ["other", "othre", None], "weight": ["5", "5", "5"]}
    result, problems = version(QUOTA).rate(frame, errors="return")
    assert result["total"] == [D("1500.00"), None, None]
    assert list(zip(problems["row"], problems["input"], problems["code"], strict=True)) == [(1, "payer", "unknown-choice"), (2, "payer", "missing-fact")]


def test_other_columns_are_passed_over() -> None:
    assert version(QUOTA).rate({**FRAME, "name": ["x", 1.5]})["total"] == [D("4200.00"), D("1500.30")]


def test_raise_counts_every_row_and_tells_the_first_twenty() -> None:
    frame = {"payer": ["other"] * 100, "weight": [-1] * 50 + [1] * 50}
    with pytest.raises(tariffs.FactsError) as caught:
        version(QUOTA).rate(frame)
    first, *told = caught.value.problems
    assert first.values == {"count": "50", "told": "20"}
    assert [problem.values["row"] for problem in told] == [str(row) for row in range(20)]
    assert "[19]: weight: -1 is below 0" in str(caught.value)


def test_requires_refuse_rows_with_their_words() -> None:
    body = QUOTA + 'require: [{that: "weight <= quota", when: payer == "quota_unit", say: {en: too much}}]\n'
    _, problems = version(body).rate({**FRAME, "quota": ["10", "1"]}, errors="return")
    assert (problems["row"], problems["code"]) == ([0], ["refused"])
    assert "too much" in problems["reason"][0]


def test_a_row_to_which_nothing_applies_is_refused() -> None:
    body = QUOTA.replace('when: payer == "other"', 'when: payer == "other" and weight > 0')
    result, problems = version(body).rate({"payer": ["other", "other"], "weight": ["0", "5.001"]}, errors="return")
    assert result["total"] == [None, D("1500.30")]
    assert (problems["row"], problems["code"]) == ([0], ["nothing-applies"])


# --- amounts ------------------------------------------------------------------------------------------------------

KINDS = """
inputs: {x: {unit: CNY, step: 0.01, min: -100, max: 100}}
charges:
  half: {kind: working, unit: CNY, formula: "x * 0.5"}
  fee: {formula: "round(half, 0.01, up)"}
  back: {kind: refund, formula: "round(fee * 0.1, 0.01)"}
  tax: {kind: included, formula: "round(fee * 0.06, 0.01)"}
"""


def test_kinds_of_charges_are_columns_and_only_lines_are_in_the_total() -> None:
    assert list(version(KINDS).rate({"x": ["1"]})) == ["fee", "back", "tax", "total"]
    result = version(KINDS).rate({"x": ["1.11", "-1.11"]}, workings=True)
    assert result == {
        "half": [D("0.555"), D("-0.555")],
        "fee": [D("0.56"), D("-0.56")],
        "back": [D("0.06"), D("-0.06")],
        "tax": [D("0.03"), D("-0.03")],
        "total": [D("0.56"), D("-0.56")],
    }


def test_what_does_not_fit_a_machine_word_stays_exact() -> None:
    wide = version("""
inputs:
  x: {unit: t, step: 0.000001, min: -1000000000000, max: 1000000000000}
  y: {unit: CNY/t, step: 0.000001, min: 0, max: 1000000000000}
charges: {fee: {formula: "round(x * y, 0.01)"}}
""")
    assert wide.rate({"x": ["999999999999.999999", "-999999999999.999999", "2"], "y": ["999999999999.999999", "999999999999.999999", "3"]})["total"] == [
        D("999999999999999998000000.00"),
        D("-999999999999999998000000.00"),
        D("6.00"),
    ]


EVERY_KIND = """
inputs:
  kind: {{choices: {{a: {{en: a}}, b: {{en: b}}}}}}
  x: {{unit: t, step: 1, min: {low}, max: {most}}}
  y: {{unit: t, step: 0.5, min: 0, max: 1000}}
values:
  price: {{value: {price}, unit: CNY/t}}
  low: {{value: 3, unit: CNY/t}}
  odd: {{value: 1.237, unit: CNY/t}}
  end: {{value: 2000, unit: t}}
charges:
  least: {{formula: "min(x, end) * price"}}
  greatest: {{formula: "max(x, y) * price"}}
  parted: {{formula: "round(blocks(max(0, x), [y, end], [low, price, odd]), 0.01)"}}
  banded: {{formula: "round(whole(max(0, x), [upto(y), below(end)], [low, price, odd]), 10)"}}
  either: {{when: kind == "a", formula: "x * price if x > y else y * low"}}
  rounded: {{formula: "round(x * odd, 0.05)"}}
  even: {{formula: "round(x * odd, 1, half_even)"}}
"""


@pytest.mark.parametrize("low", [0, -50])
@pytest.mark.parametrize("price", ["1", "3.5", "100"])
@pytest.mark.parametrize("most", [10_000, 2**31 // 1000, 2**31 // 350, 2**31 // 100, 2**31 // 35, 2**31 - 1, 2**31, 2**32 + 1])
def test_numbers_about_the_end_of_32_bits_stay_exact(most: int, price: str, low: int) -> None:
    rated = version(EVERY_KIND.format(low=low, most=most, price=price))
    xs = sorted({low, 0, 1, 2, 999, 1000, 1001, 2000, 2001, most // 2, most - 1, most})
    facts = [{"kind": kind, "x": x, "y": D(y)} for x in xs for y in ("0", "0.5", "999.5", "1000") for kind in "ab"]
    frame: dict[str, list[Any]] = {name: [row[name] for row in facts] for name in ("kind", "x", "y")}
    found = rated.rate(frame, engine="numpy")
    for index, row in enumerate(facts):
        rating = rated.explain(row)
        assert {name: column[index] for name, column in found.items() if column[index] is not None} == {
            **{line.charge.full_name: line.amount for line in rating.lines},
            "total": rating.total,
        }


COMPARED = """
inputs:
  x: {{unit: t, step: 0.001, min: -{most}, max: {most}}}
  y: {{unit: kg, step: 0.001, min: -{most}000, max: {most}000}}
values:
  share: {{value: {share}, unit: "%"}}
  other: {{value: {other}}}
  edge: {{value: 10, unit: t}}
  one: {{value: 1, unit: CNY}}
  none: {{value: 0, unit: CNY}}
charges:
"""
SIDES = (
    "x {} share * y",
    "share * x {} other * y",
    "3 * x {} y * other",
    "other * (3 * x) {} edge * share",
    "-x {} share * -y",
    "min(x, edge) * other {} 0.07 * y",
)
SIGNS = ("<", "<=", ">", ">=", "==", "!=")


@pytest.mark.parametrize("most", [100, 5_000_000, 10**13, 10**17])
@pytest.mark.parametrize(
    ("share", "other"),
    [("50", "3"), ("33.3333", "0.000001"), ("0", "1"), ("0", "0.12345678901234567890123"), ("-50", "-3"), ("125", "-0.75"), ("3", "30000000")],
)
def test_sides_that_share_a_factor_compare_as_they_stand(share: str, other: str, most: int) -> None:
    tests = {f"side{i}_{j}": side.format(sign) for i, side in enumerate(SIDES) for j, sign in enumerate(SIGNS)}
    charges = [f'  {name}: {{formula: "one if {test} else none"}}' for name, test in tests.items()]
    charges += [f'  inner_{name}: {{formula: "(one if {test} else none) if x < edge else none"}}' for name, test in tests.items()]
    rated = version(COMPARED.format(most=most, share=share, other=other) + "\n".join(charges))
    xs = [D(0), D("0.001"), D("-0.001"), D("0.333"), D(most), D(-most), D("2.5"), D("10"), D("-7.5")]
    ys = sorted({y for x in xs for y in (x * 1000, x * 2000, x * 3000, -x * 1000, x * 2000 + D("0.001"), D(0)) if abs(y) <= most * 1000})
    facts = [{"x": x, "y": y} for x in xs for y in ys]
    found = rated.rate({name: [row[name] for row in facts] for name in ("x", "y")}, engine="numpy")
    for index, row in enumerate(facts):
        assert {line.charge.full_name: line.amount for line in rated.explain(row).lines} == {
            name: column[index] for name, column in found.items() if name != "total"
        }


def test_amounts_beyond_38_digits_leave_as_decimal256() -> None:
    wide = version("""
inputs: {x: {unit: CNY, step: 0.01, min: 0, max: 999999999999999999999}}
values: {big: {value: 999999999999999999999}}
charges: {fee: {formula: "x * big"}}
""")
    result = wide.rate(pa.table({"x": ["999999999999999999999", "0.01"]}))
    assert result.schema.field("total").type == pa.decimal256(76, 2)
    assert result["total"].to_pylist() == [D("999999999999999999998000000000000000000001.00"), D("9999999999999999999.99")]


def test_rows_a_condition_excludes_never_divide() -> None:
    body = """
inputs: {x: {unit: t, step: 1, min: 0, max: 10}, y: {unit: t, step: 1, min: 0, max: 10}}
values: {unit_price: {value: 1, unit: CNY}}
charges: {fee: {formula: "round((divide(x, y, 0.01) if y > 0 else 0) * unit_price, 0.01)"}}
"""
    assert version(body).rate({"x": [1, 1, 0], "y": [3, 0, 0]})["total"] == [D("0.33"), D("0.00"), D("0.00")]


@pytest.mark.parametrize("mode", list(Mode))
def test_every_way_to_round_is_decimal_s_own(mode: Mode) -> None:
    numbers = list(range(-60, 61))
    for step in (1, 2, 3, 4, 5, 7, 10):
        expected = [round_ratio(n, step, mode) for n in numbers]
        assert list(np.asarray(round_whole(np.array(numbers), step, mode))) == expected
        assert list(np.asarray(round_whole(np.array(numbers, object), step, mode))) == expected
        assert [round_whole(n, step, mode) for n in numbers] == expected


# --- periods and chunks -------------------------------------------------------------------------------------------

DAILY = """
inputs: {x: {unit: bed, step: 1, min: 0, max: 10}}
values: {price: {value: 1.25, unit: CNY/(bed*day)}}
charges: {fee: {formula: "round(x * price * period_days, 0.01)"}}
"""


def test_the_period_is_one_for_all_rows_or_one_a_row() -> None:
    assert version(DAILY).rate({"x": [2]}, period=MONTH)["total"] == [D("70.00")]
    spans = {"period_start": [date(2026, 1, 1), MONTH[0], date(2026, 1, 15), None], "period_end": [date(2026, 2, 1), MONTH[1], date(2026, 2, 16), None]}
    result, problems = version(DAILY).rate({"x": [2, 2, 2, 2], **spans}, errors="return")
    assert result["total"] == [D("77.50"), D("70.00"), None, None]
    assert list(zip(problems["row"], problems["code"], strict=True)) == [(2, "period-not-whole"), (3, "period-needed")]


def test_a_period_that_cannot_be_rated_is_refused_at_once() -> None:
    assert refusal({"x": [2]}, DAILY) == [("period-needed", "")]
    assert refusal({"x": [2]}, DAILY, period=(date(2025, 2, 1), date(2025, 3, 1))) == [("period-outside", "")]
    assert refusal({"x": [2]}, DAILY, period=(date(2026, 2, 2), date(2026, 3, 1))) == [("period-not-whole", "")]
    assert refusal({"x": [2], "period_start": ["soon"], "period_end": ["later"]}, DAILY) == [("column-not-dates", "period_start")]


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    frame: dict[str, list[Any]] = {"payer": ["other", "quota_unit", None] * 50, "weight": [str(i) for i in range(150)], "quota": ["70", None, "1"] * 50}
    whole = version(QUOTA).rate(frame, errors="return")
    monkeypatch.setattr(rate_module, "PART", 8)
    assert version(QUOTA).rate(frame, errors="return") == whole
    table = pa.concat_tables([pa.table(frame).slice(0, 40), pa.table(frame).slice(40)])
    assert version(QUOTA).rate(table, errors="return")[0].to_pydict() == whole[0]


def test_combinations_too_many_for_a_table_are_sorted_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    cities = "inputs:\n  city: {choices: {a: {en: a}, b: {en: b}, c: {en: c}}}\n  payer: {choices: {quota_unit: {en: by quota}, other: {en: other}}}\n"
    body = QUOTA.replace("\ninputs:\n  payer: {choices: {quota_unit: {en: by quota}, other: {en: other}}}\n", "\n" + cities)
    body += '  city_fee: {when: \'city == "a" and payer == "other"\', formula: "round(quota * standard, 0.01)"}\n'
    frame = {
        "city": ["a", "b", "c", None, "a", "b", "nowhere"] * 9,
        "payer": ["other", "quota_unit", None, "other", "quota_unit"] * 12 + ["other"] * 3,
        "weight": ["3"] * 63,
        "quota": [None, "1"] * 31 + ["2"],
    }
    looked_up, told = version(body).rate(frame, errors="return")
    assert 0 < len(set(told["row"])) < 63
    monkeypatch.setattr(rate_module, "TABLE", 1)
    assert version(body).rate(frame, errors="return") == (looked_up, told)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int16()])
def test_a_dictionary_of_bytes_reads_like_any_other(kind: Any) -> None:
    """In another order than the rule's, with strangers, a null, and from the middle of a column."""
    words = ["nobody", "other", "quota_unit"]
    places: Any = pa.array([2, 1, 0, None, 2, 1, 1], kind)
    payer: Any = pa.DictionaryArray.from_arrays(places, pa.array(words))
    table = pa.table({"payer": payer, "weight": pa.array([1] * 7), "quota": pa.array([1] * 7)}).slice(1)
    found, told = version(QUOTA).rate(table, errors="return")
    assert found["quota_fee"].to_pylist() == [None, None, None, D("300.00"), None, None]
    assert found["plain_fee"].to_pylist() == [D("300.00"), None, None, None, D("300.00"), D("300.00")]
    assert list(zip(told["row"].to_pylist(), told["code"].to_pylist(), strict=True)) == [(1, "unknown-choice"), (2, "missing-fact")]


BAD_TEXT = b"\xb5\xa5\xce\xbb"
LONG_TEXTS = [b"1" * 25, b"0." + b"1" * 28]  # no type of Arrow's holds both


@pytest.mark.parametrize("engine", ["numpy", "fused"])
@pytest.mark.parametrize("rows", [5, 200])
@pytest.mark.parametrize("coded", [None, pa.int8(), pa.int32()])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_that_are_no_utf_8_are_refused_by_row(kind: Any, coded: Any, rows: int, engine: Any) -> None:
    def column(*given: bytes) -> Any:
        words = list(dict.fromkeys([given[0], BAD_TEXT, *given]))  # some are no row's
        found = [*given, *[given[0]] * (rows - len(given))]
        if coded is None:
            return texts(kind, found)
        return pa.DictionaryArray.from_arrays(pa.array([words.index(word) for word in found], coded), texts(kind, words))

    for more in ([], LONG_TEXTS):
        table = pa.table({"payer": column(b"other", BAD_TEXT), "weight": column(b"1", b"1", BAD_TEXT, *more), "quota": [1] * rows})
        told = version(QUOTA).rate(table, errors="return", engine=engine)[1]
        refused = dict(zip(told["row"].to_pylist(), told["reason"].to_pylist(), strict=True))
        assert list(refused) == [1, 2, *range(3, 3 + len(more))]
        assert refused[1].startswith("payer: b'\\xb5\\xa5\\xce\\xbb' is not one of its choices")
        assert refused[2].startswith("weight: b'\\xb5\\xa5\\xce\\xbb' is not a plain decimal number")
    good = pa.table({"payer": column(b"other"), "weight": column(b"1"), "quota": [1] * rows})
    assert version(QUOTA).rate(good, engine=engine)["total"].to_pylist() == [D("300.00")] * rows


@pytest.mark.parametrize(
    "body", [QUOTA, QUOTA + 'require: [{that: "weight <= quota", when: payer == "quota_unit", say: {en: too much}}]\n'], ids=["plain", "require"]
)
def test_threads_make_no_difference(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_module, "PART", 8)
    count = 1003
    frame = pa.table(
        {
            "payer": [["other", "quota_unit", None, "nobody"][i % 4 if i % 5 else 0] for i in range(count)],
            "weight": [None if i % 17 == 0 else "-1" if i % 13 == 0 else str(i) for i in range(count)],
            "quota": [None if i % 7 == 0 else "70" for i in range(count)],
        }
    )
    one, told = version(body).rate(frame, errors="return", threads=1)
    assert {"missing-fact", "unknown-choice", "below-minimum"} <= set(told["code"].to_pylist())
    assert told["row"].to_pylist() == sorted(told["row"].to_pylist())
    for _ in range(5):
        four, told_of_four = version(body).rate(frame, errors="return", threads=4)
        assert four.equals(one)
        assert told_of_four.equals(told)
    with pytest.raises(tariffs.FactsError) as alone:
        version(body).rate(frame, threads=1)
    with pytest.raises(tariffs.FactsError) as together:
        version(body).rate(frame, threads=4)
    assert together.value.problems == alone.value.problems
    for wrong in (frame.drop_columns(["quota"]), frame.set_column(1, "weight", pa.array([1.5] * count))):
        assert refusal(wrong, body, threads=4) == refusal(wrong, body, threads=1)


def test_few_rows_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_module, "ThreadPoolExecutor", None)
    assert version(QUOTA).rate(pa.table({"payer": ["other"] * 200_000, "weight": ["1"] * 200_000}))["total"][-1].as_py() == D("300.00")


def test_importing_the_library_imports_no_columns() -> None:
    code = "import sys, tariffs; assert not {'numpy', 'pyarrow', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, tariffs.rate; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_refused_row_of_an_input_with_bounds_beyond_int64() -> None:
    body = """language: 1
title: {zh: 试, en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
inputs: {x: {unit: CNY, step: 0.001, min: -100000000000000000, max: 0}}
charges: {fee: {formula: "round(x, 0.01)"}}
"""
    version = tariffs.parse(body.encode(), tariff="xx/wide", effective=date(2026, 1, 1))
    result, problems = version.rate({"x": [1, -3, None]}, errors="return")
    assert result["fee"] == [None, D("-3.00"), None]
    assert problems["code"] == ["above-maximum", "missing-fact"]


def test_periods_by_row_are_not_overruled_by_the_day_a_version_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "xx" / "days"
    folder.mkdir(parents=True)
    (folder / "2026-01-01.yaml").write_text("""language: 1
title: {zh: 试, en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
inputs: {beds: {unit: bed, step: 1, min: 0, max: 100}}
values: {rate: {value: 1, unit: CNY/(bed*day)}}
charges: {fee: {formula: beds * rate * period_days}}
""")
    version = tariffs.load("xx/days", on="2026-01-15", rules=tmp_path)
    rows: dict[str, list[Any]] = {"beds": [1, 1], "period_start": [date(2026, 2, 1), date(2026, 4, 1)], "period_end": [date(2026, 3, 1), date(2026, 5, 1)]}
    for frame in (rows, pa.table(rows), pd.DataFrame(rows)):
        assert [int(amount) for amount in pd.Series(version.rate(frame)["total"])] == [28, 30]
    assert version.rate({"beds": [1]})["total"] == [D(31)]


@pytest.mark.parametrize("engine", ["numpy", "fused"])
def test_only_a_column_that_may_lack_an_amount_has_marks(engine: Any) -> None:
    frame = pa.table(
        {"payer": ["other", "quota_unit", "other"], "weight": pa.array([D(1), D(2), D("1e6")]), "quota": pa.array([None, D(9), None], pa.decimal128(9, 3))}
    )
    result = version(QUOTA).rate(frame.slice(0, 2), engine=engine)
    assert [result.column(name).chunk(0).buffers()[0] is None for name in ("quota_fee", "plain_fee", "total")] == [False, False, True]
    assert result.column("total").to_pylist() == [D(300), D(600)]
    result, _ = version(QUOTA).rate(frame, engine=engine, errors="return")
    assert result.column("total").to_pylist() == [D(300), D(600), None]


@pytest.mark.parametrize("engine", ["numpy", "fused"])
def test_a_charge_that_applies_to_all_is_known_from_the_choices_alone(engine: Any) -> None:
    """Every payer has a charge of its own, whatever the number; without one of them, a row of that payer has none."""
    whole, lacking = version(QUOTA), version(QUOTA.replace('payer == "other"', 'payer == "other" and weight > quota'))
    assert (program_of(whole.model).always, program_of(lacking.model).always) == (True, False)
    frame: dict[str, list[object]] = {"payer": ["quota_unit", "other", None, "other"], "weight": ["1", "1", "2", "2"], "quota": ["1"] * 4}
    kept, told = whole.rate(frame, errors="return", engine=engine)
    assert (kept["total"], told["row"], told["code"]) == ([D("300.00"), D("300.00"), None, D("600.00")], [2], ["missing-fact"])
    kept, told = lacking.rate(frame, errors="return", engine=engine)
    assert (kept["total"], told["row"], told["code"]) == ([D("300.00"), None, None, D("600.00")], [1, 2], ["nothing-applies", "missing-fact"])
    by_days = version(QUOTA.replace('payer == "other"', "period_days > few").replace("values:", "values:\n  few: {value: 1, unit: day}"))
    assert by_days.rate({**frame, "payer": ["other"] * 4}, period=MONTH, engine=engine)["quota_fee"] == [None] * 4


def test_half_a_pair_of_a_text_is_told_as_its_escape() -> None:
    """A list may hold what no column of texts does; the reasons are columns of texts."""
    frame = {"payer": ["\udcb5", "other"], "weight": ["5", "\ud800"]}
    _, reasons = version(QUOTA).rate(frame, errors="return")
    assert reasons["code"] == ["unknown-choice", "not-a-number"]
    assert [name in reason for name, reason in zip(("\\udcb5", "\\ud800"), reasons["reason"], strict=True)] == [True, True]
