"""Usage records become facts: which records count, how they are collected, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest

import tariffs
from tariffs.gather import gather
from tariffs.model import UsageRecord, Version
from tariffs.units import parse_unit

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
TEXT = """\
language: 1
title: {{en: trial}}
status: illustrative
source: {{document: made for a test}}
currency: CNY
direction: receivable
period: month
inputs:
  w: {{unit: t, step: 0.001, min: 0, max: 1000, {collect}}}
  f: {{unit: m3, step: 1, min: 0, max: 1000, collect: sum, measure: flow, empty: 0}}
values: {{price: {{value: 2, unit: CNY/t}}, other: {{value: 2, unit: CNY/m3}}}}
charges: {{x: {{formula: "round(w * price + f * other, 0.01)"}}}}
"""


def version(collect: str) -> Version:
    text = TEXT.format(collect=collect)
    return tariffs.parse(text.encode(), tariff="xx/trial", effective=date(2026, 1, 1)).model


def record(name: str, value: str, first: int = 1, after: int = 2, *, unit: str = "t", measure: str = "w", month: int = 10, **more: Any) -> UsageRecord:
    return UsageRecord(name, "a1", measure, date(2026, month, first), date(2026, month, after), D(value), parse_unit(unit), **more)


def collected(how: str, *records: UsageRecord, **more: Any) -> tuple[object, list[str]]:
    given, problems = gather(version(how), records, {}, OCTOBER, **more)
    for problem in problems:
        assert problem.sentence("en")
        assert problem.sentence("zh")
    return given.get("w"), [problem.code for problem in problems]


THREE = (record("r1", "1.5", 1, 5), record("r2", "4", 5, 9), record("r3", "2", 9, 20))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("collect: sum", "7.5"),
        ("collect: min", "1.5"),
        ("collect: max", "4"),
        ("collect: last", "2"),
        ("collect: count", "3"),
        ("collect: mean, mode: half_up", "2.5"),
        ("collect: top_mean(2), mode: half_up", "3"),
    ],
)
def test_each_way_to_collect(how: str, expected: str) -> None:
    assert collected(how, *THREE) == (D(expected), [])


def test_a_mean_is_rounded_once_to_the_inputs_grid() -> None:
    assert collected("collect: mean, mode: half_up", *THREE[:2], record("r4", "0", 25, 26)) == (D("1.833"), [])
    assert collected("collect: mean, mode: up", *THREE[:2], record("r4", "0", 25, 26)) == (D("1.834"), [])


def test_a_record_belongs_to_the_period_that_holds_its_last_day() -> None:
    before = record("r1", "1", 1, 30, month=9)
    ends_on_the_last_of_september = UsageRecord("r2", "a1", "w", date(2026, 9, 30), date(2026, 10, 1), D(2), parse_unit("t"))
    ends_on_the_first_of_october = UsageRecord("r3", "a1", "w", date(2026, 10, 1), date(2026, 10, 2), D(4), parse_unit("t"))
    ends_on_the_last_of_october = UsageRecord("r4", "a1", "w", date(2026, 10, 2), date(2026, 11, 1), D(8), parse_unit("t"))
    ends_in_november = UsageRecord("r5", "a1", "w", date(2026, 11, 1), date(2026, 11, 2), D(16), parse_unit("t"))
    records = (before, ends_on_the_last_of_september, ends_on_the_first_of_october, ends_on_the_last_of_october, ends_in_november)
    assert collected("collect: sum", *records) == (D(12), [])
    assert collected("collect: previous", *records) == (D(2), [])


def test_no_record_is_missing_and_not_zero() -> None:
    assert collected("collect: sum") == (None, [])
    assert collected("collect: sum, empty: 0") == (D(0), [])


def test_a_replaced_record_is_dropped_along_the_whole_chain() -> None:
    first, second, third = record("r1", "1"), record("r2", "2", replaces="r1"), record("r3", "4", replaces="r2")
    assert collected("collect: sum", first, second, third) == (D(4), [])
    assert collected("collect: sum", third, second, first) == (D(4), [])


def test_only_what_was_known_replaces() -> None:
    first = record("r1", "1", known=date(2026, 11, 2))
    late = record("r2", "2", replaces="r1", known=date(2026, 11, 20))
    assert collected("collect: sum", first, late, known=date(2026, 11, 19)) == (D(1), [])
    assert collected("collect: sum", first, late, known=date(2026, 11, 20)) == (D(2), [])
    assert collected("collect: sum", first, late) == (D(2), [])
    assert collected("collect: sum", first, late, known=date(2026, 11, 1)) == (None, [])


def test_units_convert_exactly_or_not_at_all() -> None:
    assert collected("collect: sum", record("r1", "1500", unit="kg"), record("r2", "2", 2, 3)) == (D("3.5"), [])
    assert collected("collect: sum", record("r1", "1500", unit="L")) == (None, ["record-unit"])
    assert collected("collect: sum", record("r1", "1", unit="lb")) == (D("0.00045359237"), [])


def test_a_factor_whose_digits_do_not_end_is_refused() -> None:
    in_pounds = tariffs.parse(
        TEXT.format(collect="collect: sum").replace("unit: t,", "unit: lb,").replace("CNY/t", "CNY/lb").encode(), tariff="xx/t", effective=date(2026, 1, 1)
    )
    given, problems = gather(in_pounds.model, [record("r1", "1", unit="kg")], {}, OCTOBER)
    assert "w" not in given
    assert [problem.sentence() for problem in problems] == ["record r1: kg does not convert exactly into lb; give the value in lb"]


@pytest.mark.parametrize(
    ("records", "codes"),
    [
        ([record("r1", "1"), record("r1", "2", 5, 6)], ["duplicate-record"]),
        ([record("r1", "1"), record("r2", "1")], ["duplicate-record"]),
        ([record("r1", "1"), record("r2", "1", replaces="r9")], ["replaces-unknown", "duplicate-record"]),
        ([record("r1", "1", 1, 5), record("r2", "1", 4, 6)], ["records-overlap"]),
        ([record("r1", "1", 1, 20), record("r2", "1", 4, 6), record("r3", "1", 8, 9)], ["records-overlap", "records-overlap"]),
        ([record("r1", "1", replaces="r2"), record("r2", "1", replaces="r1")], ["replaces-itself", "replaces-itself"]),
        ([record("r1", "1", replaces="r1")], ["replaces-itself"]),
        ([record("r1", "1", 5, 5)], ["record-empty"]),
        ([record("r1", "1", 1, 5), record("r2", "1", 5, 6)], []),
        ([record("r1", "1", point="p1"), record("r2", "1", point="p2")], []),
    ],
)
def test_nothing_is_counted_twice(records: list[UsageRecord], codes: list[str]) -> None:
    assert collected("collect: sum", *records)[1] == codes


def test_what_no_input_measures_is_not_looked_at() -> None:
    stray = record("x", "1", measure="noise", unit="day")
    assert collected("collect: sum", record("r1", "1"), stray, stray) == (D(1), [])


def test_a_mean_may_be_weighted_by_a_paired_measure() -> None:
    how = "collect: weighted_mean, weight: f, mode: half_up"
    values = (record("r1", "10", 1, 2), record("r2", "40", 2, 3))
    weights = (record("f1", "3", 1, 2, measure="flow", unit="m3"), record("f2", "1000", 2, 3, measure="flow", unit="L"))
    assert collected(how, *values, *weights) == (D("17.5"), [])
    assert collected(how, *values, weights[0]) == (None, ["weight-missing"])
    nothing = (record("f1", "0", 1, 2, measure="flow", unit="m3"), record("f2", "0", 2, 3, measure="flow", unit="m3"))
    assert collected(how, *values, *nothing) == (None, ["weights-zero"])


def test_standing_facts_pass_through_and_do_not_rival_records() -> None:
    given, problems = gather(version("collect: sum"), [record("r1", "1")], {"class": "a", "quota": "10"}, OCTOBER)
    assert (given, problems) == ({"class": "a", "quota": "10", "w": D(1), "f": D(0)}, ())
    _, problems = gather(version("collect: sum"), [record("r1", "1")], {"w": "10"}, OCTOBER)
    assert [problem.code for problem in problems] == ["fact-twice"]
