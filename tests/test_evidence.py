"""Gaps, readings below a limit and too few samples: what each rule gives, to the number, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

import tariffs
from tariffs import report
from tariffs.gather import gather
from tariffs.model import Filled, UsageRecord
from tariffs.units import parse_unit
from tests.test_language import codes, parse

FIVE = (date(2026, 10, 1), date(2026, 10, 6))
BODY = """\
stage:
  grain: day
  inputs:
    flow: {{unit: m3, step: 1, min: 0, max: 1000, collect: sum}}
    cod: {{unit: mg/L, step: 0.1, min: 0, max: 500, {cod}}}
  charges:
    over: {{unit: m3, when: cod > limit, formula: flow}}
inputs:
  volume: {{unit: m3, step: 1, min: 0, max: 40000, collect: sum, of: stage.flow}}
  strength: {{unit: mg/L, step: 0.1, min: 0, max: 500, collect: {strength}, of: stage.cod}}
  bad: {{unit: day, step: 1, min: 0, max: 31, collect: count, of: stage.over{empty}}}
values: {{limit: {{value: 50, unit: mg/L}}, price: {{value: 1, unit: CNY/m3}}, fine: {{value: 10, unit: CNY/day}}, adder: {{value: 1, unit: CNY*L/mg}}}}
charges:
  base: {{formula: "round(volume * price, 0.01)"}}
  adder_fee: {{formula: "round(strength * adder, 0.01)"}}
  deduction: {{formula: "0 - bad * fine"}}
"""


def version(cod: str = "collect: mean, mode: half_up", strength: str = "mean, mode: half_up", empty: str = ", empty: 0") -> tariffs.TariffVersion:
    return parse(BODY.format(cod=cod, strength=strength, empty=empty), period="any")


def reading(day: int, value: str, measure: str = "cod", *, part: str = "", **more: Any) -> UsageRecord:
    start = FIVE[0] + timedelta(days=day - 1)
    unit = parse_unit("m3" if measure == "flow" else "mg/L")
    return UsageRecord(f"{measure}{day}{part}", "a", measure, start, start + timedelta(days=1), D(value), unit, point=part, **more)


FLOWS = [reading(day, "100", "flow") for day in range(1, 6)]


def gathered(cod: str, *records: UsageRecord) -> tuple[list[object], list[Mapping[str, str]], list[str]]:
    """The five days' COD, how it was filled, and the problems."""
    given, problems = gather(version(cod).model, [*FLOWS, *records], {}, FIVE)
    rows = given["stage"]
    assert isinstance(rows, list)
    return [row.get("cod") for row in rows], [row.get("filled", {}) for row in rows], [problem.code for problem in problems]


MEAN = "collect: mean, mode: half_up"
THREE = (reading(1, "10"), reading(3, "30.1"), reading(4, "20"))


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("{fill: previous, at_most: 2}", ["10", "10", "30.1", "20", "20"]),
        ("{fill: period_mean, at_most: 2}", ["10", "20", "30.1", "20", "20"]),
        ("{fill: 55.5, at_most: 2}", ["10", "55.5", "30.1", "20", "55.5"]),
    ],
)
def test_a_gap_is_filled_as_the_rule_says_and_marked(missing: str, expected: list[str]) -> None:
    values, filled, problems = gathered(f"{MEAN}, missing: {missing}", *THREE)
    assert values == [D(value) for value in expected]
    assert problems == []
    assert [bool(mark) for mark in filled] == [False, True, False, False, True]


def test_the_mean_of_the_period_is_rounded_to_the_inputs_step() -> None:
    values, *_ = gathered("collect: mean, mode: up, missing: {fill: period_mean, at_most: 3}", reading(1, "10"), reading(2, "10.1"))
    assert values[2:] == [D("10.1")] * 3
    values, *_ = gathered("collect: mean, mode: down, missing: {fill: period_mean, at_most: 3}", reading(1, "10"), reading(2, "10.1"))
    assert values[2:] == [D("10")] * 3


def test_before_the_first_row_comes_the_last_record_before_the_period() -> None:
    rule = f"{MEAN}, missing: {{fill: previous, at_most: 3}}"
    values, filled, _ = gathered(rule, reading(-3, "7"), reading(-1, "8"), *THREE)
    assert values[0] == D("10")
    values, filled, problems = gathered(rule, reading(-3, "7"), reading(-1, "8"), *THREE[1:])
    assert (values[:2], filled[0], problems) == ([D("8"), D("8")], {"cod": "previous"}, [])
    values, _, problems = gathered(rule, *THREE[1:])
    assert (values[0], problems) == (None, [])  # nothing before it: explain then names the day


def test_more_gaps_than_the_rule_allows_fill_none() -> None:
    values, filled, problems = gathered(f"{MEAN}, missing: {{fill: previous, at_most: 1}}", *THREE)
    assert values == [D("10"), None, D("30.1"), D("20"), None]
    assert (problems, any(filled)) == (["too-many-gaps"], False)


def test_a_gap_is_refused_where_nothing_is_said() -> None:
    given, problems = gather(version().model, [*FLOWS, *THREE], {}, FIVE)
    assert problems == ()
    with pytest.raises(tariffs.FactsError) as caught:
        version().explain(given, period=FIVE)
    assert [(problem.code, problem.values["name"]) for problem in caught.value.problems] == [
        ("row-lacks", "stage[2026-10-02].cod"),
        ("row-lacks", "stage[2026-10-05].cod"),
    ]


@pytest.mark.parametrize(("rule", "expected"), [("limit", "0.4"), ("half", "0.2"), ("zero", "0")])
def test_a_reading_below_its_limit_counts_as_the_rule_says(rule: str, expected: str) -> None:
    records = [*THREE, reading(2, "0.4", below=True), reading(5, "1")]
    values, filled, problems = gathered(f"{MEAN}, below_limit: {rule}", *records)
    assert (values[1], filled[1], problems) == (D(expected), {"cod": rule}, [])


def test_a_reading_below_its_limit_is_refused_where_nothing_is_said() -> None:
    _, problems = gather(version().model, [*FLOWS, *THREE, reading(2, "0.4", below=True)], {}, FIVE)
    assert [(problem.code, problem.values["id"]) for problem in problems] == [("below-limit", "cod2")]
    assert all("below_limit" in problem.sentence(locale) for problem in problems for locale in ("en", "zh"))


def test_fewer_samples_than_asked_for_are_refused_but_none_is_a_gap() -> None:
    rule = f"{MEAN}, samples: 2, missing: {{fill: previous, at_most: 3}}"
    pairs = [reading(day, value, part=part) for day, value in ((1, "10"), (3, "20")) for part in ("", "b")]
    values, _, problems = gathered(rule, *pairs)
    assert (values, problems) == ([D(10), D(10), D(20), D(20), D(20)], [])
    _, found = gather(version(rule).model, [*FLOWS, *pairs, reading(4, "5")], {}, FIVE)
    assert [(p.code, p.values["name"], p.values["count"]) for p in found] == [("too-few-samples", "stage[2026-10-04].cod", "1")]


def test_an_input_outside_a_stage_has_evidence_too() -> None:
    body = "inputs: {cod: {unit: mg/L, step: 0.1, min: 0, max: 500, collect: last, missing: {fill: %s, at_most: 1}, below_limit: half}}\n"
    body += 'values: {price: {value: 1, unit: CNY*L/mg}}\ncharges: {fee: {formula: "round(cod * price, 0.01)"}}\n'
    rule = parse(body % "previous", period="any")
    given, problems = gather(rule.model, [reading(-2, "0.6", below=True)], {}, FIVE)
    assert (given, problems) == ({"cod": Filled(D("0.3"), "previous")}, ())
    rating = rule.explain(given, period=FIVE)
    assert (rating.total, rating.filled) == (D("0.3"), {"cod": "previous"})
    assert "the previous value" in rating.text()
    assert gather(parse(body % "3", period="any").model, [], {}, FIVE)[0] == {"cod": Filled(D(3), "value")}
    assert gather(rule.model, [reading(2, "0.6", below=True)], {}, FIVE)[0] == {"cod": Filled(D("0.3"), "half")}


# --- what is collected --------------------------------------------------------------------------------------------

ROWS = [{"start": f"2026-10-0{day}", "flow": flow, "cod": cod} for day, flow, cod in ((1, 100, 50), (2, 300, "50.1"), (3, 0, 400), (4, 100, 20), (5, 100, 20))]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean, mode: half_up", "108"),
        ("mean, mode: up", "108.1"),
        ("weighted_mean, weight: stage.flow, mode: half_up", "40.1"),
        ("weighted_mean, weight: stage.over, mode: half_up", "50.1"),
        ("min", "20"),
        ("max", "400"),
        ("last", "20"),
        ("top_mean(2), mode: half_up", "225.1"),
    ],
)
def test_each_way_to_collect_from_the_stage(how: str, expected: str) -> None:
    rule = version(strength=how)
    rating = rule.explain(stage=ROWS, period=FIVE)
    assert rating["adder_fee"] == D(expected)
    assert (rating["base"], rating["deduction"]) == (D(600), D(-20))  # over the limit: 50.1 and 400, not 50
    frame = {"account": ["a"]}
    rows = {name: [row[name] for row in ROWS] for name in ("flow", "cod")} | {"account": ["a"] * 5, "start": [FIVE[0] + timedelta(days=i) for i in range(5)]}
    assert rule.rate(frame, stage=rows, period=FIVE)["total"] == [rating.total]


@pytest.mark.parametrize(("mode", "expected"), [("up", "40.1"), ("down", "40"), ("half_up", "40.1"), ("ceiling", "40.1"), ("floor", "40")])
def test_weights_below_zero_weigh_like_their_size(mode: str, expected: str) -> None:
    body = BODY.format(cod=MEAN, strength=f"weighted_mean, weight: stage.owed, mode: {mode}", empty=", empty: 0")
    rule = parse(body.replace("  charges:\n", '  charges:\n    owed: {unit: m3, formula: "0 - flow"}\n', 1), period="any")
    rows = {name: [row[name] for row in ROWS] for name in ("flow", "cod")} | {"account": ["a"] * 5, "start": [FIVE[0] + timedelta(days=i) for i in range(5)]}
    assert rule.explain(stage=ROWS, period=FIVE)["adder_fee"] == D(expected)  # 24030 / 600 = 40.05
    assert rule.rate({"account": ["a"]}, stage=rows, period=FIVE)["adder_fee"] == [D(expected)]


def test_no_row_that_has_it_is_missing_or_what_the_rule_says() -> None:
    clean = [{**row, "cod": 10} for row in ROWS]
    assert version().explain(stage=clean, period=FIVE)["deduction"] == 0
    with pytest.raises(tariffs.FactsError) as caught:
        version(empty="").explain(stage=clean, period=FIVE)
    assert [(p.code, p.values["name"]) for p in caught.value.problems] == [("missing-fact", "bad")]


def test_weights_that_are_nothing_weigh_nothing() -> None:
    with pytest.raises(tariffs.FactsError) as caught:
        version(strength="weighted_mean, weight: stage.flow, mode: half_up").explain(stage=[{**row, "flow": 0} for row in ROWS], period=FIVE)
    assert [problem.code for problem in caught.value.problems] == ["weights-zero"]


def test_a_collected_fact_is_never_given() -> None:
    with pytest.raises(tariffs.FactsError) as caught:
        version().explain(stage=ROWS, volume=600, period=FIVE)
    assert [problem.code for problem in caught.value.problems] == ["derived-fact"]
    with pytest.raises(tariffs.FactsError) as caught:
        version().rate({"account": ["a"], "volume": [600]}, period=FIVE)
    assert [problem.code for problem in caught.value.problems] == ["derived-fact"]


def test_a_collected_fact_is_held_to_its_bounds() -> None:
    rule = parse(BODY.format(cod=MEAN, strength="mean, mode: half_up", empty=", empty: 0").replace("max: 40000", "max: 599"), period="any")
    with pytest.raises(tariffs.FactsError) as caught:
        rule.explain(stage=ROWS, period=FIVE)
    assert [(p.code, p.values["name"], p.values["value"]) for p in caught.value.problems] == [("above-maximum", "volume", "600")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROWS[:-1], "row-gap"),
        ([*ROWS, ROWS[0]], "row-twice"),
        ([{**ROWS[0], "start": "2026-10-07"}, *ROWS[1:]], "row-outside"),
        ([{**ROWS[0], "end": "2026-10-03"}, *ROWS[1:]], "row-span"),
        ([{**ROWS[0], "start": "1.10.2026"}, *ROWS[1:]], "row-date"),
        ([{**ROWS[0], "flow": 0.5}, *ROWS[1:]], "float-fact"),
        ([{**ROWS[0], "flwo": 1}, *ROWS[1:]], "unknown-fact-like"),
        ([{**ROWS[0], "filled": {"cod": "guess"}}, *ROWS[1:]], "filled-unknown"),
        (["x", *ROWS[1:]], "row-form"),
        ("x", "rows-form"),
        (None, "rows-missing"),
    ],
)
def test_rows_that_cannot_be_used_are_named(rows: object, expected: str) -> None:
    with pytest.raises(tariffs.FactsError) as caught:
        version().explain(stage=rows, period=FIVE)
    assert expected in [problem.code for problem in caught.value.problems]
    assert all(problem.sentence("en") and problem.sentence("zh") for problem in caught.value.problems)


def test_rows_need_a_period() -> None:
    with pytest.raises(tariffs.FactsError) as caught:
        version().explain(stage=ROWS)
    assert [problem.code for problem in caught.value.problems] == ["period-needed"]


# --- rules that cannot be meant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cod", "expected"),
    [
        ("collect: previous", "stage-previous"),
        ("collect: count, missing: {fill: previous, at_most: 1}", "fill-pointless"),
        ("collect: sum, missing: {fill: 501, at_most: 1}", "fill-value-bounds"),
        ("collect: sum, missing: {fill: 0.05, at_most: 1}", "fill-value-bounds"),
        ("collect: sum, missing: {fill: previous}", "fill-unbounded"),
    ],
)
def test_evidence_that_cannot_be_meant_is_refused(cod: str, expected: str) -> None:
    assert expected in codes(BODY.format(cod=cod, strength="mean, mode: half_up", empty=""))


def test_evidence_stands_at_the_records_and_means_something_there() -> None:
    sound = BODY.format(cod=MEAN, strength="mean, mode: half_up, samples: 2", empty="")
    assert codes(sound) == ["evidence-of"]
    outside = "inputs: {x: {unit: t, step: 1, min: 0, max: 9, collect: sum, mode: half_up, missing: {fill: period_mean, at_most: 1}}}\n"
    assert "fill-pointless" in codes(outside + 'values: {p: {value: 1, unit: CNY/t}}\ncharges: {c: {formula: "round(x * p, 0.01)"}}\n')
    assert "stage-own-name" in codes(BODY.format(cod=MEAN, strength="mean, mode: half_up", empty="").replace("    flow:", "    point:"))


# --- for readers --------------------------------------------------------------------------------------------------


def test_what_was_filled_is_said_in_every_form() -> None:
    rule = version(f"{MEAN}, below_limit: half, missing: {{fill: previous, at_most: 3}}")
    given, problems = gather(rule.model, [*FLOWS, reading(1, "9", below=True), reading(3, "60")], {}, FIVE)
    rating = rule.explain(given, period=FIVE)
    assert problems == ()
    for words in (rating.text(), rating.markdown(), report.appendix(rating), report.appendix(rating, as_markdown=True)):
        assert re.search(r"cod: the previous value: 2026-10-02; 2026-10-04; 2026-10-05 \(3 in all\)", words)
        assert "cod: below its limit, counted as half the limit: 2026-10-01" in words
    assert re.search(r"2026-10-04 +100 +60 \* +100", report.appendix(rating))
    assert "取上一个值" in report.appendix(rating, "zh_CN")
    found = rating.as_json()
    assert [row["filled"] for row in found["facts"]["stage"] if "filled" in row] == [{"cod": "half"}, *[{"cod": "previous"}] * 3]
    derived = {step["text"]: step for step in found["derived"]}
    assert [(row["detail"]["start"], row["value"]) for row in derived["bad"]["steps"]] == [(f"2026-10-0{day}", "100") for day in (3, 4, 5)]
    assert derived["bad"]["value"] == "3"
    assert found["stage"][2]["charges"][0]["name"] == "over"


def test_the_facts_of_an_explanation_give_it_again() -> None:
    rule = version()
    rating = rule.explain(stage=ROWS, period=FIVE)
    stored = json.loads(json.dumps(rating.as_json()))
    assert rule.explain(stored["facts"], period=FIVE) == rating
