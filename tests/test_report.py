"""A rating as a reader sees it: which price applied, why, by which clause; in two languages and three forms."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

import tariffs
from tariffs import report, sheet
from tariffs.explain import explain
from tariffs.model import Rating

TRIAL = """\
language: 1
title: {zh: 试算, en: Trial <b>}
status: illustrative
source: {document: 文〔2026〕1号, issuer: nobody}
currency: CNY
direction: payable
period: any
dimensions: {pollutant: {COD: {zh: 化学需氧量}, NH3N: {zh: 氨氮}}}
inputs:
  user: {choices: {home: {zh: 居民, en: household}, shop: {zh: 商户}}, label: {zh: 类别, en: class}}
  flow: {unit: m3, step: 1, min: 0, max: 1000000, label: {zh: 水量, en: water}}
  conc: {by: pollutant, unit: mg/L, step: 0.1, min: 0, max: 1000, label: {zh: 浓度}}
  people: {unit: person, step: 1, min: 1, max: 100}
values:
  price: {value: 1.4, unit: CNY/kg, label: {zh: 单价, en: price of removal}, clause: 四}
  limit: {by: user, table: {home: 100, shop: 50}, unit: mg/L}
  edge: {value: 100, unit: m3}
  low: {value: 1, unit: CNY/m3}
  high: {value: 2, unit: CNY/m3}
  tax_share: {value: 6, unit: "%"}
  head: {value: 3, unit: CNY/(person*day)}
require:
  - {that: 'conc["COD"] <= limit[user]', say: {zh: 超标, en: over the limit}, clause: 二, when: user == "shop"}
charges:
  removal: {by: pollutant, clause: 三, formula: "round(flow * conc[pollutant] * price, 0.01)", label: {zh: 去除费, en: Removal}}
  water: {formula: "round(whole(flow, [upto(edge)], [low, high]), 0.01)", label: {zh: 水费}}
  heads: {formula: "round(people * head * period_days, 0.01)", when: user == "home" and flow > 0}
  tiny: {kind: working, formula: "divide(flow, edge, 0.001, down) if flow > edge else 0"}
  share: {kind: refund, formula: "round(water * tax_share, 1)"}
  tax: {kind: included, formula: "round(water * tax_share, 0.01)"}
assumptions: [{zh: 一种理解, en: one reading}]
"""
PERIOD = (date(2026, 1, 1), date(2026, 2, 1))


def version() -> tariffs.TariffVersion:
    return tariffs.parse(TRIAL.encode(), tariff="xx/trial", effective=date(2026, 1, 1))


@pytest.fixture(scope="module")
def home() -> Rating:
    return version().explain({"user": "home", "flow": 321, "conc": {"COD": "50.5", "NH3N": "3"}, "people": 3}, period=PERIOD)


@pytest.fixture(scope="module")
def shop() -> Rating:
    return version().explain({"user": "shop", "flow": 50, "conc": {"COD": "50", "NH3N": "3"}, "people": 3}, period=PERIOD)


def kitchen(locale: str, **facts: object) -> str:
    return report.text(tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31").explain(facts), locale)


def test_a_reader_sees_which_price_applied_and_why() -> None:
    words = kitchen("en", payer="quota_unit", weight="5.001", quota="10")
    assert "weight 5.001 t ≤ half 50 % × quota 10 t (= 5 t): no" in words
    assert "up to quota 10 t: 5.001 t × standard 300 CNY/t = 1500.30 CNY" in words
    assert "Total to pay  1500.30 CNY" in words


def test_a_chinese_reader_sees_the_labels_of_the_rule() -> None:
    words = kitchen("zh_CN", payer="quota_unit", weight="12", quota="10")
    assert "实际运输量 12 t ≤ 减按收费的定额比例 50 % × 定额 10 t (= 5 t)：否" in words
    assert "不超过 定额 10 t 的部分：10 t × 处理费标准 300 CNY/t = 3000.00 CNY" in words
    assert "超过 10 t 的部分：2 t × 超定额部分的标准 600 CNY/t = 1200.00 CNY" in words
    assert "应缴合计  4200.00 CNY" in words


def test_half_the_quota_is_the_low_price_and_no_block_is_shown() -> None:
    words = kitchen("en", payer="quota_unit", weight="5", quota="10")
    assert "(= 5 t): yes" in words
    assert "so weight 5 t × reduced 200 CNY/t = 1000.00 CNY" in words
    assert "block" not in words


@pytest.mark.parametrize(("locale", "sign"), [("en", "ILLUSTRATIVE"), ("zh", "示例")])
def test_a_status_that_is_no_law_stands_right_below_the_title(home: Rating, locale: str, sign: str) -> None:
    assert report.text(home, locale).splitlines()[1].strip().startswith(sign)
    assert report.markdown(home, locale).splitlines()[2].startswith(f"- {sign}")


def test_lines_name_their_clause_and_the_member_of_their_family(home: Rating) -> None:
    assert "Removal[COD] (clause 三)  22.69 CNY" in report.text(home, "en")
    assert "去除费[化学需氧量]（三）  22.69 CNY" in report.text(home, "zh")


def test_rounding_is_told_where_it_changed_something_only(home: Rating, shop: Rating) -> None:
    assert "= 22.6947 CNY, rounded to 0.01 (half up): 22.69 CNY" in report.text(home, "en")
    assert "conc[COD] 50 mg/L × price 1.4 CNY/kg = 3.50 CNY\n" in report.text(shop, "en")


def test_a_charge_with_a_condition_says_why_it_applies(home: Rating, shop: Rating) -> None:
    assert "applies because user = home and flow 321 m3 > 0 m3" in report.text(home, "en")
    assert "people 3 person × head 3 CNY/(day*person) × days of the period 31 day = 279.00 CNY" in report.text(home, "en")
    assert "heads" not in report.text(shop, "en")


def test_bands_tell_their_ends(home: Rating, shop: Rating) -> None:
    assert "flow 321 m3 is in the band over 100 m3, so all of it × high 2 CNY/m3 = 642.00 CNY" in report.text(home, "en")
    assert "水量 50 m3 属于 不超过 100 m3 一档，全部数量 × low 1 CNY/m3 = 50.00 CNY" in report.text(shop, "zh")


def test_conditions_that_held_are_shown_with_their_clause(home: Rating, shop: Rating) -> None:
    assert "conc[COD] 50 mg/L ≤ limit[shop] 50 mg/L: yes (clause 二)" in report.text(shop, "en")
    assert "over the limit" not in report.text(home, "en")
    assert "limit[" not in report.text(home, "en")


def test_contained_tax_and_refunds_stand_apart_from_the_total(home: Rating) -> None:
    words = report.text(home, "en")
    assert re.search(r"Total payable to the operator +945.04 CNY\n", words)
    assert re.search(r"of which contained: tax +38.52 CNY\n", words)
    assert re.search(r"paid back after payment, once the entitlement is proven: share +39.00 CNY\n", words)
    assert home.total == D("945.04")


def test_what_was_given_in_vain_is_named(shop: Rating) -> None:
    assert "Given, but not needed for this case: people" in report.text(shop, "en")


def test_the_last_day_of_a_period_is_shown_not_the_day_after(home: Rating) -> None:
    assert "Period: 2026-01-01 to 2026-01-31" in report.text(home, "en")


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_text_and_markdown_say_the_same_sentences(home: Rating, locale: str) -> None:
    plain = re.sub(r"\\(.)", r"\1", report.markdown(home, locale))
    said = [line.strip() for line in report.text(home, locale).splitlines() if "×" in line or "≤" in line]
    assert len(said) >= 6
    assert [line for line in said if line not in plain] == []


def test_markdown_escapes_what_rules_and_facts_bring(home: Rating) -> None:
    assert report.markdown(home, "en").startswith("# Trial \\<b\\>\n")
    assert "CNY/(day\\*person)" in report.markdown(home, "en")


def numbers(found: Any) -> list[object]:
    if isinstance(found, dict):
        return [item for value in found.values() for item in numbers(value)]
    if isinstance(found, list):
        return [item for value in found for item in numbers(value)]
    return [found] if isinstance(found, int | float) and not isinstance(found, bool) else []


def test_json_holds_decimals_as_strings_and_no_other_numbers_than_its_versions(home: Rating) -> None:
    found = report.as_json(home)
    assert numbers(found) == [1, 1, 1]  # format, revision, language
    assert json.loads(json.dumps(found, ensure_ascii=False)) == found


def test_json_says_everything_a_reader_of_the_text_sees(home: Rating) -> None:
    found = report.as_json(home)
    assert list(found) == [
        *("format", "tariff", "effective", "revision", "digest", "language", "status", "title", "source", "direction", "currency"),
        *("period", "facts", "filled", "surplus", "stage", "derived", "requires", "lines", "total", "assumptions"),
    ]
    assert found["facts"] == {"user": "home", "flow": "321", "conc[COD]": "50.5", "conc[NH3N]": "3", "people": "3"}
    assert found["period"] == {"start": "2026-01-01", "end": "2026-02-01"}
    assert (found["total"], found["currency"]) == ("945.04", "CNY")
    line = found["lines"][0]
    assert (line["name"], line["key"], line["kind"], line["clause"], line["amount"], line["unit"]) == ("removal[COD]", ["COD"], "line", "三", "22.69", "CNY")
    assert line["label"] == {"zh": "去除费", "en": "Removal"}
    assert (line["steps"]["kind"], line["steps"]["detail"]) == ("round", {"before": "22.6947", "step": "0.01", "mode": "half_up"})


def test_what_one_reader_does_to_the_json_no_other_sees(home: Rating) -> None:
    def spoil(found: Any) -> None:
        for inner in list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, list) else ():
            spoil(inner)
        if isinstance(found, dict | list):
            found.clear()

    before = json.dumps(report.as_json(home))
    spoil(report.as_json(home))
    assert json.dumps(report.as_json(home)) == before
    again = explain(home.version, home.facts, home.period)
    assert json.dumps(report.as_json(again)) == before


def test_the_facts_of_the_json_rate_to_the_same_total(home: Rating) -> None:
    found = report.as_json(home)
    again = version().explain(found["facts"], period=(found["period"]["start"], found["period"]["end"]))
    assert report.as_json(again) == found


def test_a_version_of_workings_gives_quantities_and_no_total() -> None:
    text = TRIAL[: TRIAL.index("charges:")].replace("payable", "receivable")
    used = "flow * low + flow * high + edge * low + people * head * period_days"
    load = "round(flow * conc['COD'] * price * tax_share + flow * conc['NH3N'] * price, 1)"
    body = f'{text}charges: {{x: {{kind: working, formula: "{used}"}}, y: {{kind: working, formula: "{load}"}}}}\n'
    rating = tariffs.parse(body.encode(), tariff="xx/trial", effective=date(2026, 1, 1)).explain(
        {"user": "home", "flow": 1, "conc": {"COD": 1, "NH3N": 1}, "people": 1}, period=PERIOD
    )
    assert "This rule gives quantities only; there is nothing to bill." in report.text(rating, "en")


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_version_is_shown_with_inputs_prices_formulas_and_clauses(locale: str) -> None:
    words = sheet.text(version().model, locale)
    for piece in ("1.4 CNY/kg", "round(flow * conc[pollutant] * price, 0.01)", "四", "COD", 'user == "home" and flow > 0', "0.1", "100 mg/L"):
        assert piece in words
    assert json.loads(json.dumps(sheet.as_json(version().model))) == sheet.as_json(version().model)


def test_every_key_and_kind_of_the_json_is_documented(home: Rating, shop: Rating) -> None:
    described = (Path(__file__).parent.parent / "docs" / "explanation.md").read_text(encoding="utf-8")
    for found in (report.as_json(home), report.as_json(shop)):
        named = {*found, *found["lines"][0], *(key for line in found["lines"] for key in described_keys(line["steps"]))}
        assert [key for key in named if f"`{key}`" not in described] == []


def described_keys(step: dict[str, Any]) -> set[str]:
    inner = [key for child in step.get("steps", []) for key in described_keys(child)]
    return {*step, step["kind"], *step.get("detail", {}), *inner}
