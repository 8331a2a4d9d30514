"""Cliffs, falls and steps: the known ones are found, with the amounts ``explain`` gives, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from decimal import Decimal as D
from fractions import Fraction as F
from random import Random
from typing import Any

import pytest

import tariffs
from tariffs import cliffs, pieces
from tariffs import model as m
from tariffs.errors import PackError, Problem
from tariffs.explain import _number, _test, _World
from tariffs.money import show, total
from tariffs.reach import unreachable
from tariffs.units import named
from tests.random_versions import random_facts, random_version

HEAD = """\
language: 1
title: {zh: 试, en: trial}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
"""
PERIOD = (date(2026, 1, 1), date(2026, 2, 1))


def version(body: str) -> m.Version:
    return tariffs.parse((HEAD + body).encode(), tariff="xx/trial", effective=date(2026, 1, 1)).model


def look(body: str, *cases: Mapping[str, object]) -> list[Problem]:
    read = version(body)
    given = [
        (
            f"case {index}",
            {name: str(value) for name, value in case.items() if name in read.choices},
            {name: D(str(value)) for name, value in case.items() if name not in read.choices},
            PERIOD,
        )
        for index, case in enumerate(cases)
    ]
    return cliffs.findings(read, cliffs.situations(read, given))


def brief(problems: list[Problem]) -> list[tuple[str, ...]]:
    names = ("input", "edge", "from", "before", "to", "after")
    return [(problem.code, *(problem.values[name] for name in names if name in problem.values)) for problem in problems]


QUOTA = """
inputs:
  payer: {choices: {quota_unit: {en: under quota}, other: {en: other}}}
  weight: {unit: t, step: 0.001, min: 0, max: 100000, collect: sum}
  quota: {unit: t, step: 0.001, min: 0, max: 100000}
values:
  reduced: {value: 200, unit: CNY/t}
  standard: {value: 300, unit: CNY/t}
  excess: {value: 600, unit: CNY/t}
  half: {value: 50, unit: "%"}
charges:
  fee:
    formula: |
      round((weight * reduced if weight <= half * quota else blocks(weight, [quota], [standard, excess]))
            if payer == "quota_unit" else weight * standard, 0.01)
"""


def test_beijing_jumps_at_half_the_quota_and_nowhere_else() -> None:
    found = look(QUOTA, {"payer": "quota_unit", "weight": 4, "quota": 10}, {"payer": "quota_unit", "weight": 4, "quota": 20})
    assert ("cliff", "weight", "half * quota", "5.000", "1000.00", "5.001", "1500.30") in brief(found)
    assert len([p for p in found if p.values["input"] == "weight"]) == 1, "told once, whatever the quota"
    assert found[-1].values["facts"] == "payer=quota_unit, quota=10"
    assert {p.values["method"] for p in found} == {"exact"}


def test_choices_of_no_case_are_looked_at_too() -> None:
    assert ("cliff", "weight", "half * quota", "5.000", "1000.00", "5.001", "1500.30") in brief(look(QUOTA, {"payer": "other", "weight": 4, "quota": 10}))


def test_all_units_at_a_lower_price_fall_at_the_edge() -> None:
    """Catering in Xiamen: 40.00 at 500 kg, 30.06 at 501."""
    body = """
inputs: {weight: {unit: kg, step: 1, min: 0, max: 5000, collect: sum}}
values:
  edge: {value: 500, unit: kg}
  small: {value: 0.08, unit: CNY/kg}
  large: {value: 0.06, unit: CNY/kg}
charges: {fee: {formula: "round(whole(weight, [upto(edge)], [small, large]), 0.01)"}}
"""
    assert brief(look(body, {})) == [
        ("cliff", "weight", "edge = 500 kg", "500", "40.00", "501", "30.06"),
        ("fall", "weight", "edge = 500 kg", "500", "40.00", "501", "30.06"),
    ]


def test_a_falling_stretch_is_told_from_its_top_to_its_bottom_and_only_for_what_is_measured() -> None:
    body = """
inputs: {use: {unit: t, step: 1, min: 0, max: 100%s}}
values:
  price: {value: 2, unit: CNY/t}
  start: {value: 10, unit: t}
  least: {value: 5, unit: CNY}
charges: {fee: {formula: "round(max(use * price - 3 * max(use - start, 0) * price, least), 0.01)"}}
"""
    assert brief(look(body % ", collect: sum", {})) == [("fall", "use", "-", "10", "20.00", "14", "5.00")]
    assert brief(look(body % "", {})) == []


FALLS_BEYOND, FALLS_BEFORE = "use * price if use {} edge else much - use * price", "much - use * price if use {} edge else much + use * price"


@pytest.mark.parametrize(
    ("formula", "edge", "side", "fall"),
    [
        (FALLS_BEYOND, "2.5", "<=", ("3", "34.00", "10", "20.00")),
        (FALLS_BEYOND, "2.5", "<", ("3", "34.00", "10", "20.00")),
        (FALLS_BEYOND, "3", "<=", ("4", "32.00", "10", "20.00")),
        (FALLS_BEYOND, "3", "<", ("3", "34.00", "10", "20.00")),
        (FALLS_BEFORE, "7.5", "<=", ("0", "40.00", "7", "26.00")),
        (FALLS_BEFORE, "7.5", "<", ("0", "40.00", "7", "26.00")),
        (FALLS_BEFORE, "7", "<=", ("0", "40.00", "7", "26.00")),
        (FALLS_BEFORE, "7", "<", ("0", "40.00", "6", "28.00")),
    ],
)
def test_what_falls_beside_an_edge_falls_from_and_to_the_values_next_to_it(formula: str, edge: str, side: str, fall: tuple[str, ...]) -> None:
    """Also where the edge is no value that can be given."""
    body = f"""
inputs: {{use: {{unit: t, step: 1, min: 0, max: 10, collect: sum}}}}
values: {{price: {{value: 2, unit: CNY/t}}, much: {{value: 40, unit: CNY}}, edge: {{value: {edge}, unit: t}}}}
charges: {{fee: {{formula: "round({formula.format(side)}, 0.01)"}}}}
"""
    assert ("fall", "use", "-", *fall) in brief(look(body, {}))


def test_started_steps_are_told_once_and_a_cliff_among_them_where_it_lies() -> None:
    body = """
inputs: {weight: {unit: t, step: 0.1, min: 0, max: 10000, collect: sum}}
values:
  step: {value: 1, unit: t}
  edge: {value: 4, unit: t}
  price: {value: 30, unit: CNY/t}
  higher: {value: 40, unit: CNY/t}
charges:
  started: {kind: working, unit: t, formula: "ceil(weight, step)"}
  fee: {formula: "round(whole(started, [below(edge)], [price, higher]), 0.01)"}
"""
    found = look(body, {})
    assert brief(found) == [("stepped", "weight"), ("cliff", "weight", "edge = 4 t", "3.0", "90.00", "3.1", "160.00")]
    assert (found[0].values["step"], found[0].values["every"]) == ("1", "1 t")


def test_facts_that_are_refused_make_no_cliff() -> None:
    body = """
inputs: {use: {unit: t, step: 1, min: 0, max: 100, collect: sum}}
values: {price: {value: 2, unit: CNY/t}, edge: {value: 50, unit: t}}
require: [{that: "use <= edge", say: {en: too much}}]
charges: {fee: {formula: "round(use * price if use <= edge else 2 * use * price, 0.01)"}}
"""
    assert look(body, {}) == []


def test_choices_that_are_refused_are_not_looked_at() -> None:
    body = """
inputs:
  kind: {choices: {a: {en: a}, b: {en: b}}}
  use: {unit: t, step: 1, min: 0, max: 100, collect: sum}
values: {price: {by: kind, unit: CNY/t, table: {a: 2}}, edge: {value: 50, unit: t}}
require: [{that: 'kind == "a"', say: {en: only a}}]
charges: {fee: {formula: "round(use * price[kind] if use <= edge else 2 * use * price[kind], 0.01)"}}
"""
    assert brief(look(body, {"kind": "a"})) == [("cliff", "use", "edge = 50 t", "50", "100.00", "51", "204.00")]


@pytest.mark.parametrize(("high", "method"), [(1000, "grid"), (10_000_000, "near")])
def test_a_square_is_computed_value_by_value(high: int, method: str) -> None:
    body = f"""
inputs: {{use: {{unit: t, step: 1, min: 0, max: {high}, collect: sum}}}}
values: {{price: {{value: 0.01, unit: CNY/t}}, more: {{value: 0.02, unit: CNY/t}}, edge: {{value: 50, unit: t}}, each: {{value: 1, unit: 1/t}}}}
charges: {{fee: {{formula: "round(use * use * each * (price if use <= edge else more), 0.01)"}}}}
"""
    found = look(body.replace("each", "per"), {})
    assert [(*b, p.values["method"]) for b, p in zip(brief(found), found, strict=True)] == [
        ("cliff", "use", "edge = 50 t", "50", "25.00", "51", "52.02", method)
    ]


def test_a_rounded_share_of_two_that_vary_goes_by_uneven_steps() -> None:
    """San Francisco's diversion discount: whole percents of the containers."""
    body = """
inputs:
  black: {unit: gal, step: 1, min: 1, max: 200}
  blue: {unit: gal, step: 1, min: 0, max: 200}
values: {price: {value: 0.8, unit: USD/gal}}
charges:
  earned: {kind: working, unit: "%", formula: "divide(blue, black + blue, 1)"}
  fee: {formula: "round((black + blue) * price - (black + blue) * price * earned, 0.01)"}
""".replace("USD", "CNY")
    assert brief(look(body, {"black": 96, "blue": 96})) == [("stepped-unevenly", "black"), ("stepped-unevenly", "blue")]


def test_what_nobody_can_reach_is_named() -> None:
    body = """
inputs:
  kind: {choices: {a: {en: a}, b: {en: b}}}
  use: {unit: t, step: 1, min: 0, max: 100}
values: {price: {value: 2, unit: CNY/t}, far: {value: 100, unit: t}, farther: {value: 200, unit: t}}
require: [{that: 'kind == "a"', say: {en: only a}}]
charges:
  fee: {formula: "round(blocks(use, [far, farther], [price, 2 * price, 3 * price]), 0.01)"}
  extra: {formula: "round(use * price if use <= far else use * 2 * price, 0.01)"}
  never: {when: 'kind == "b"', formula: "round(use * price, 0.01)"}
"""
    assert [(p.code, p.charge, p.values.get("number", "")) for p in unreachable(version(body))] == [
        ("band-unreachable", "fee", "2"),
        ("band-unreachable", "fee", "3"),
        ("branch-unreachable", "extra", ""),
        ("charge-unreachable", "never", ""),
    ]


# --- random versions ----------------------------------------------------------------------------------------------


def bare(node: Any, step: D, money: Any) -> Any:
    """The expression without its rounding of money to the currency's step or finer."""
    if isinstance(node, (m.Round, m.Divide)) and node.type.unit == money and node.step <= step:
        return bare(node.arg, step, money) if isinstance(node, m.Round) else replace(node, left=bare(node.left, step, money), step=D("1e-60"))
    if is_dataclass(node) and not isinstance(node, (type, m.Type)):
        return replace(node, **{f.name: bare(getattr(node, f.name), step, money) for f in fields(node)})
    return tuple(bare(part, step, money) for part in node) if isinstance(node, tuple) else node


def billed(read: m.Version, choices: Mapping[str, str], numbers: Mapping[str, D]) -> D:
    """The total before rounding as the step-by-step evaluator gives it, on the grid or beside it."""
    world = _World(choices, numbers, PERIOD)
    for charge in read.charges:
        holds = charge.when is None or _test(charge.when)(world)[0]
        world.amounts[charge.full_name] = _number(charge.formula)(world)[0] if holds else D(0)
    return total(world.amounts[charge.full_name] for charge in read.charges if charge.kind == "line")


def leap(amount: Any, a: F, b: F, depth: int = 22) -> F:
    """The change from ``a`` to ``b`` without what lies on straight lines, by halving: the height of its jumps."""
    left, right = amount(a), amount(b)
    inside = [(F(i, 16), amount(a + (b - a) * i / 16)) for i in (1, 3, 8, 11, 15)]  # a tooth begins or ends near a value that can be given
    if all(abs(left + (right - left) * at - found) < F(1, 10**30) for at, found in inside):
        return F(0)
    if depth == 0:
        return F(right - left)
    middle = (a + b) / 2
    return leap(amount, a, middle, depth - 1) + leap(amount, middle, b, depth - 1)


@pytest.mark.parametrize("part", range(4))
def test_jumps_of_random_versions_are_those_found_by_halving(part: int) -> None:
    used = 0
    for seed in range(part, 80, 4):
        dice = Random(seed)
        content, draft = random_version(dice)
        try:
            read = tariffs.parse(content, tariff="xx/random", effective=date(2026, 1, 1)).model
        except PackError:
            continue
        money = named(read.currency)
        plain = replace(read, charges=tuple(replace(c, formula=bare(c.formula, read.step, money), when=bare(c.when, read.step, money)) for c in read.charges))
        facts = random_facts(dice, draft)
        choices = {name: str(value) for name, value in facts.items() if name in read.choices}
        numbers = {name: D(str(value)) for name, value in facts.items() if name not in read.choices}
        used += sum(_same_jumps(read, plain, item, choices, numbers) for item in read.inputs)
    assert used > 3


def _same_jumps(read: m.Version, plain: m.Version, item: m.Input, choices: Mapping[str, str], numbers: Mapping[str, D]) -> bool:
    grid = F(item.type.grid)
    low = F(max(item.type.low, numbers[item.full_name] - 6 * item.type.grid)) // grid * grid
    high = min(F(item.type.high), low + 12 * grid)
    given = {name: F(value) for name, value in numbers.items()} | {"period_days": F(31), "period_months": F(1)}
    world = pieces.World(item.full_name, low, high, grid, choices, given, named(read.currency), F(read.step), stepwise=True)
    try:
        curves = cliffs.amounts(replace(read, requires=()), world)
    except pieces.NotLinear:
        return False
    found = {jump.at: jump.by for jump in cliffs.jumps(replace(curves, defined=F(1)), world)}

    def amount(x: F) -> F:
        exact = D(x.numerator) / D(x.denominator)
        return F(billed(plain, choices, {**numbers, item.full_name: exact}))

    curve = pieces.total(curves.lines.values(), world)
    if not isinstance(curve, pieces.Pieces) or len(curve.at) > 24:
        return False
    for k in range(int(low / grid), int(high / grid)):
        a, b = k * grid, (k + 1) * grid
        assert abs(pieces.value_at(curve, a) - amount(a)) < F(1, 10**40), (show(item.type.low), choices, numbers)
        halved = leap(amount, a, b)
        assert abs(halved - found.get(k, F(0))) < F(read.step) + F(1, 1000), (item.full_name, k, halved, found.get(k))
    runs = cliffs.falls(curve, replace(curves, defined=F(1)), cliffs.jumps(replace(curves, defined=F(1)), world), world)
    down = {k for k in range(int(low / grid), int(high / grid)) if amount((k + 1) * grid) < amount(k * grid) - F(1, 10**30)}
    assert down <= {k for run in runs for k in range(run.start, run.end)}
    assert all(run.start in down and run.end - 1 in down for run in runs), (runs, down, low, high, grid, curve)
    return bool(found)
