"""One rating at a time: what each construct gives, and the step that says why. Amounts here are worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal as D

import pytest

import tariffs
from tariffs.errors import FactsError
from tariffs.explain import explain
from tariffs.model import Rating, Step

HEAD = """\
language: 1
title: {en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: any
inputs:
  user: {choices: {home: {en: home}, shop: {en: shop}}}
  q: {unit: t, step: 0.5, min: 0, max: 1000}
  p: {unit: t, step: 0.5, min: 0, max: 1000}
values:
  low: {value: 2, unit: CNY/t}
  mid: {value: 3, unit: CNY/t}
  high: {value: 10, unit: CNY/t}
  a: {value: 10, unit: t}
  b: {value: 20, unit: t}
  one: {value: 1, unit: t}
  fee: {value: 7, unit: CNY}
  by_user: {by: user, table: {home: 4, shop: 6}, unit: CNY/t}
"""
USED = "  used: {kind: working, formula: 'q * low + q * mid + q * high + p * low + a * low + b * low + one * low + fee + q * by_user[user]'}\n"


def rating(charges: str, q: object = 0, p: object = 0, user: str = "home", requires: str = "") -> Rating:
    text = HEAD + requires + "charges:\n" + charges + USED
    return explain(tariffs.parse(text.encode(), tariff="xx/trial", effective=date(2026, 1, 1)).model, {"q": q, "p": p, "user": user})


def amount(formula: str, q: object = 0, p: object = 0, user: str = "home") -> D:
    return rating(f'  x: {{formula: "{formula}"}}\n', q, p, user)["x"]


def step(formula: str, q: object = 0, p: object = 0, user: str = "home") -> Step:
    return rating(f'  x: {{formula: "{formula}"}}\n', q, p, user).lines[0].step


def kinds(top: Step) -> Iterator[str]:
    yield top.kind
    for child in top.children:
        yield from kinds(child)


@pytest.mark.parametrize(("q", "expected"), [("0", "0"), ("9.5", "19"), ("10", "20"), ("10.5", "21.5"), ("20", "50"), ("20.5", "55"), ("100", "850")])
def test_blocks_price_each_slice_at_its_own_rate(q: str, expected: str) -> None:
    assert amount("round(blocks(q, [a, b], [low, mid, high]), 0.01)", q) == D(expected)


@pytest.mark.parametrize(
    ("q", "slices"), [("0", []), ("10", [("0", "10", "10", "2", "20")]), ("12.5", [("0", "10", "10", "2", "20"), ("10", "20", "2.5", "3", "7.5")])]
)
def test_only_blocks_that_hold_something_are_shown(q: str, slices: list[tuple[str, ...]]) -> None:
    found = step("round(blocks(q, [a, b], [low, mid, high]), 0.01)", q).children[0]
    assert [tuple(part.detail[key] for key in ("from", "to", "quantity", "rate", "amount")) for part in found.children[1:]] == slices


def test_a_block_between_equal_edges_holds_nothing() -> None:
    found = step("round(blocks(q, [p], [low, mid]), 0.01)", 3, 0).children[0]
    assert [part.detail["rate"] for part in found.children[1:]] == ["3"]


@pytest.mark.parametrize(("q", "expected"), [("0", "0"), ("10", "20"), ("10.5", "31.5"), ("19.5", "58.5"), ("20", "200")])
def test_an_edge_is_in_the_lower_band_with_upto_and_in_the_upper_with_below(q: str, expected: str) -> None:
    assert amount("round(whole(q, [upto(a), below(b)], [low, mid, high]), 0.01)", q) == D(expected)


@pytest.mark.parametrize(("q", "expected", "ends"), [("10", "7", ("", "10", "yes")), ("10.5", "0", ("10", "20", "no")), ("20", "14", ("20", "", "no"))])
def test_a_flat_amount_shows_the_band_it_came_from(q: str, expected: str, ends: tuple[str, str, str]) -> None:
    found = step("flat(q, [upto(a), below(b)], [fee, 0, fee + fee])", q)
    assert found.value == D(expected)
    band = found.children[1]
    assert (band.kind, band.detail["from"], band.detail["to"], band.detail["to_included"]) == ("band", *ends)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("half_up", "3"), ("half_even", "2"), ("half_down", "2"), ("up", "3"), ("down", "2"), ("ceiling", "3"), ("floor", "2")],
)
def test_two_and_a_half_is_rounded_as_its_mode_says(mode: str, expected: str) -> None:
    assert rating(f'  w: {{kind: working, formula: "divide(q, a, 1, {mode})"}}\n  x: {{formula: "round(q * low, 1)"}}\n', 25)["w"] == D(expected)


@pytest.mark.parametrize(("q", "p", "expected"), [("1", "3", "0.33"), ("2", "3", "0.67"), ("1", "8", "0.13"), ("0", "3", "0.00")])
def test_a_quotient_is_rounded_once_and_exactly(q: str, p: str, expected: str) -> None:
    charges = '  w: {kind: working, formula: "divide(q, p, 0.01) if p > 0 else 0"}\n  x: {formula: "round(q * low, 1)"}\n'
    assert rating(charges, q, p)["w"] == D(expected)


def test_only_the_branch_taken_is_computed_and_shown() -> None:
    found = step("round(q * low if q <= a else p * mid, 0.01)", 5, 7)
    branch = found.children[0]
    assert (branch.detail["branch"], [child.text for child in branch.children]) == ("then", ["q <= a", "q * low"])
    assert "p" not in {child.text for child in branch.children[1].children}


def test_and_or_stop_at_the_test_that_settles_them() -> None:
    assert len(step("fee if q > a and p > a else 0", 5, 50).children[0].children) == 1
    assert len(step("fee if q > a and p > a else 0", 15, 50).children[0].children) == 2
    assert len(step("fee if q > a or p > a else 0", 15, 50).children[0].children) == 1
    assert amount("fee if not (q > a) else 0", 5) == 7


def test_least_greatest_sum_and_top() -> None:
    assert amount("min(fee, round(q * low, 1))", 2) == 4
    assert amount("max(fee, round(q * low, 1))", 2) == 7
    assert amount("sum(fee, fee, round(q * low, 1))", 2) == 18
    assert amount("top(2, fee, round(q * low, 1), round(q * mid, 1))", 3) == 16


def test_a_table_is_looked_up_by_the_choice() -> None:
    assert amount("round(q * by_user[user], 0.01)", 2, user="home") == 8
    found = step("round(q * by_user[user], 0.01)", 2, user="shop")
    assert found.value == 12
    table = found.children[0].children[1]
    assert (table.kind, table.detail["key"], table.value) == ("table", "by_user[shop]", D(6))


def test_a_charge_that_does_not_apply_gives_no_line_and_counts_as_nothing() -> None:
    found = rating('  home_fee: {when: user == "home", formula: "fee"}\n  both: {formula: "home_fee + fee"}\n', user="shop")
    assert [line.charge.name for line in found.lines] == ["both", "used"]
    assert found["both"] == 7
    with pytest.raises(KeyError):
        found["home_fee"]


def test_the_total_is_the_sum_of_the_lines_alone() -> None:
    charges = '  x: {formula: "fee"}\n  y: {formula: "fee"}\n  t: {kind: included, formula: "fee"}\n  r: {kind: refund, formula: "fee"}\n'
    assert rating(charges).total == 14


def test_all_requirements_that_fail_are_told_with_the_rules_own_words() -> None:
    requires = """require:
  - {that: q <= a, say: {en: too much, zh: 超量}, clause: 三}
  - {that: p <= a, say: {en: too much of p}}
  - {that: q >= a, say: {en: never asked}, when: user == "shop"}
"""
    assert rating('  x: {formula: "fee"}\n', 10, 10, requires=requires).requires[0].value is True
    with pytest.raises(FactsError) as caught:
        rating('  x: {formula: "fee"}\n', 11, 12, requires=requires)
    assert [problem.code for problem in caught.value.problems] == ["refused", "refused"]
    assert caught.value.problems[0].sentence().startswith("refused: too much (三)")
    assert caught.value.problems[0].sentence("zh").startswith("不予计费：超量（依据：三）")
    assert caught.value.problems[0].where is not None
    assert caught.value.problems[1].sentence().startswith("refused: too much of p (made for a test)")


def test_where_no_charge_applies_the_facts_are_refused() -> None:
    text = HEAD + "charges:\n" + '  x: {when: user == "shop", formula: "fee"}\n' + USED.replace("{kind", '{when: user == "shop", kind')
    version = tariffs.parse(text.encode(), tariff="xx/trial", effective=date(2026, 1, 1))
    with pytest.raises(FactsError) as caught:
        version.explain(user="home", q=0, p=0)
    assert [problem.code for problem in caught.value.problems] == ["nothing-applies"]


def test_every_step_has_the_words_of_its_author() -> None:
    found = step("round(q * low if q <= a else blocks(q, [a], [low, mid]), 0.01)", 12)
    assert list(kinds(found)) == ["round", "if", "compare", "fact", "const", "blocks", "fact", "slice", "const", "const", "slice", "const"]
    assert found.children[0].text == "q * low if q <= a else blocks(q, [a], [low, mid])"


@pytest.mark.parametrize(
    ("facts", "total"),
    [
        ({"payer": "quota_unit", "weight": "5.001", "quota": "10"}, "1500.30"),
        ({"payer": "quota_unit", "weight": "5", "quota": "10"}, "1000.00"),
        ({"payer": "quota_unit", "weight": "12", "quota": "10"}, "4200.00"),
        ({"payer": "other", "weight": "5.001"}, "1500.30"),
    ],
)
def test_beijing_kitchen_waste(facts: dict[str, str], total: str) -> None:
    found = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31").explain(facts)
    assert found.total == D(total)
    assert str(found.total) == total
