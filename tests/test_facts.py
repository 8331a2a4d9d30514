"""Facts are read exactly or refused, every problem at once, each with what to do."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from fractions import Fraction
from typing import Any

import pytest

import tariffs
from tariffs.errors import FactsError
from tariffs.facts import read_facts
from tariffs.model import Version

WASTE = """\
language: 1
title: {en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: any
dimensions: {stuff: {glass: {en: glass}, paper: {en: paper}}}
inputs:
  payer: {choices: {quota: {en: under quota}, plain: {en: plain}, long_stay: {en: by the day}}}
  weight: {unit: t, step: 0.001, min: 0, max: 100}
  quota: {unit: t, step: 0.001, min: 0, max: 100}
  share: {unit: "1", step: 0.1, min: 0, max: 1}
  kept: {by: stuff, unit: t, step: 1, min: 0, max: 9}
values:
  price: {value: 3, unit: CNY/t}
  daily: {value: 2, unit: CNY/day}
charges:
  under: {when: payer == "quota", formula: "round(min(weight, quota) * price, 0.01)"}
  plain_fee: {when: payer == "plain", formula: "round((weight + sum(each(stuff, kept[stuff]))) * price * share, 0.01)"}
  stay: {when: payer == "long_stay", formula: "round(period_days * daily, 0.01)"}
"""
QUOTA = {"payer": "quota", "weight": "5", "quota": "10"}
PLAIN = {"payer": "plain", "weight": 5, "share": 1, "kept": {"glass": 1, "paper": 2}}


@pytest.fixture(scope="module")
def version() -> Version:
    return tariffs.parse(WASTE.encode(), tariff="xx/waste", effective=date(2026, 1, 1), end=date(2027, 1, 1)).model


def refusals(version: Version, given: dict[str, Any], period: tuple[date, date] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(FactsError) as caught:
        read_facts(version, given, period)
    for problem in caught.value.problems:
        assert problem.sentence("en")
        assert problem.sentence("zh")
    return [(problem.code, problem.values.get("name", "")) for problem in caught.value.problems]


def sentence(version: Version, given: dict[str, Any], locale: str = "en") -> str:
    with pytest.raises(FactsError) as caught:
        read_facts(version, given, None)
    return caught.value.text(locale)


@pytest.mark.parametrize("value", ["5.001", D("5.001"), D("5.0010")])
def test_a_number_is_text_or_decimal_in_the_unit_of_the_input(version: Version, value: object) -> None:
    assert read_facts(version, {**QUOTA, "weight": value}, None).numbers["weight"] == D("5.001")


@pytest.mark.parametrize("value", [5, "5", D(5), D("5E+0"), "5.000"])
def test_whole_numbers_in_every_form_are_the_same(version: Version, value: object) -> None:
    assert read_facts(version, {**QUOTA, "weight": value}, None).numbers["weight"] == 5


@pytest.mark.parametrize("value", [5.001, 5.0, float("nan"), float("inf")])
def test_a_float_is_refused_with_the_cure(version: Version, value: object) -> None:
    assert refusals(version, {**QUOTA, "weight": value}) == [("float-fact", "weight")]
    assert 'write it as text, such as "5.001", or as a Decimal' in sentence(version, {**QUOTA, "weight": value})


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, "", " 5", "5 ", "+5", "5.", ".5", "5,001", "1_000", "5e3", "\uff15", "0x5", "NaN", "Infinity", "5t", "1" * 31),
        *(10**30, 10**5000, D("NaN"), D("sNaN"), D("Infinity"), D("1E+40"), D("1E-40"), Fraction(1, 2), b"5", [5], (), object),
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, int) else f"int of {value.bit_length()} bits",
)
def test_what_is_no_plain_number_is_refused_not_guessed(version: Version, value: object) -> None:
    assert refusals(version, {**QUOTA, "weight": value}) == [("not-a-number", "weight")]


def test_a_minus_zero_is_zero(version: Version) -> None:
    assert str(read_facts(version, {**QUOTA, "weight": "-0.000"}, None).numbers["weight"]) == "0"


def test_bounds_belong_to_the_range_and_beyond_them_is_refused(version: Version) -> None:
    assert read_facts(version, {**QUOTA, "weight": "0", "quota": "100"}, None).numbers == {"weight": 0, "quota": 100}
    assert sentence(version, {**QUOTA, "weight": "-1"}) == "weight: -1 is below 0; give a weight of at least 0 t"
    assert sentence(version, {**QUOTA, "weight": "100.001"}) == "weight: 100.001 is above 100; give a weight of at most 100 t"
    assert sentence(version, {**QUOTA, "weight": "5.0005"}) == "weight: 5.0005 is not a whole multiple of 0.001; give a weight in steps of 0.001 t"


def test_a_pure_number_is_told_without_a_unit(version: Version) -> None:
    assert sentence(version, {**PLAIN, "share": "-1"}).rstrip() == "share: -1 is below 0; give a share of at least 0"


def test_all_problems_come_at_once(version: Version) -> None:
    given = {"payer": "quota", "weight": "-1.0005", "qouta": "5", "nonsense": 1, "share": 0.5}
    assert refusals(version, given) == [
        ("below-minimum", "weight"),
        ("off-step", "weight"),
        ("unknown-fact-like", "qouta"),
        ("unknown-fact", "nonsense"),
        ("float-fact", "share"),
    ]


def test_a_misspelt_name_is_told_what_it_could_be_and_is_not_missing_too(version: Version) -> None:
    assert sentence(version, {"payer": "quota", "wieght": "5", "quota": "1"}) == "wieght: this tariff has no such fact; did you mean weight?"
    assert sentence(version, {"payer": "quota", "Weight": "5", "quota": "1"}) == "Weight: this tariff has no such fact; did you mean weight?"


def test_only_what_these_choices_need_is_asked_for(version: Version) -> None:
    assert read_facts(version, QUOTA, None).surplus == ()
    assert refusals(version, {"payer": "quota", "weight": "5"}) == [("missing-fact", "quota")]
    assert sentence(version, {"payer": "quota", "weight": "5"}) == "quota: missing, and these facts need it; give quota (0 … 100 t)"
    assert sentence(version, {"payer": "quota", "weight": "5"}, "zh") == "quota：缺少该项，本次计费需要它；请提供 quota（0 … 100 t）"


def test_an_open_choice_is_asked_for_before_the_facts_of_its_classes(version: Version) -> None:
    assert refusals(version, {}) == [("missing-fact", "payer")]
    assert refusals(version, {"payer": "nobody"}) == [("unknown-choice", "payer")]
    assert sentence(version, {"payer": "nobody"}) == "payer: nobody is not one of its choices; give one of: quota, plain, long_stay"


@pytest.mark.parametrize("value", [1, True, ["quota"], "", "QUOTA", " quota"])
def test_a_choice_is_one_of_its_members_exactly(version: Version, value: object) -> None:
    assert refusals(version, {**QUOTA, "payer": value}) == [("unknown-choice", "payer")]


def test_a_surplus_fact_is_listed_and_still_checked(version: Version) -> None:
    assert read_facts(version, {**QUOTA, "share": "0.5"}, None).surplus == ("share",)
    assert refusals(version, {**QUOTA, "share": "0.55"}) == [("off-step", "share")]


def test_none_is_not_given(version: Version) -> None:
    assert read_facts(version, {**QUOTA, "share": None}, None).surplus == ()
    assert refusals(version, {**QUOTA, "weight": None}) == [("missing-fact", "weight")]


def test_a_family_is_given_nested_or_member_by_member(version: Version) -> None:
    nested = read_facts(version, PLAIN, None)
    by_name = {"payer": "plain", "weight": 5, "share": 1, "kept[glass]": 1, "kept[paper]": 2}
    assert nested.numbers == read_facts(version, by_name, None).numbers
    assert nested.numbers["kept[paper]"] == 2


def test_a_family_member_may_be_missing_unknown_or_twice(version: Version) -> None:
    assert refusals(version, {**PLAIN, "kept": {"glass": 1}}) == [("missing-fact", "kept[paper]")]
    assert refusals(version, {**PLAIN, "kept": {"glass": 1, "papr": 1}}) == [("unknown-fact-like", "kept[papr]")]
    assert refusals(version, {**PLAIN, "kept[glass]": 1}) == [("fact-twice", "kept[glass]")]
    assert ("unknown-fact-like", "weight[x]") in refusals(version, {**PLAIN, "weight": {"x": 1}})
    assert "kept: this tariff has no such fact; did you mean kept[glass]?" in sentence(version, {**PLAIN, "kept": 1})


def test_a_period_is_asked_for_only_where_days_are_counted(version: Version) -> None:
    assert read_facts(version, QUOTA, None).period is None
    assert refusals(version, {"payer": "long_stay"}) == [("period-needed", "")]
    assert read_facts(version, {"payer": "long_stay"}, (date(2026, 1, 5), date(2026, 1, 6))).period == (date(2026, 1, 5), date(2026, 1, 6))


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (date(2026, 2, 1), date(2026, 2, 1), "period-empty"),
        (date(2026, 2, 2), date(2026, 2, 1), "period-empty"),
        (date(2025, 12, 31), date(2026, 2, 1), "period-outside"),
        (date(2026, 12, 1), date(2027, 1, 2), "period-outside"),
    ],
)
def test_a_period_lies_inside_the_version(version: Version, start: date, end: date, code: str) -> None:
    assert refusals(version, {"payer": "long_stay"}, (start, end)) == [(code, "")]
    assert refusals(version, QUOTA, (start, end)) == [(code, "")]


@pytest.mark.parametrize(
    ("start", "end", "whole"),
    [
        (date(2026, 1, 1), date(2026, 2, 1), True),
        (date(2026, 1, 15), date(2026, 2, 15), True),
        (date(2026, 1, 1), date(2026, 3, 1), False),
        (date(2026, 1, 1), date(2026, 1, 31), False),
        (date(2026, 1, 31), date(2026, 3, 3), False),
    ],
)
def test_a_monthly_version_rates_one_month_at_a_time(start: date, end: date, whole: bool) -> None:
    monthly = tariffs.parse(WASTE.replace("period: any", "period: month").encode(), tariff="xx/waste", effective=date(2026, 1, 1)).model
    if whole:
        assert read_facts(monthly, QUOTA, (start, end)).period == (start, end)
    else:
        assert refusals(monthly, QUOTA, (start, end)) == [("period-not-whole", "")]
