"""Random versions and facts for them, over all nodes of the language, biased to where evaluators go wrong.

A version is written as text and read by the whole front end. Numbers are drawn so that ties, edges and bounds are
common: steps of 0.5 and 0.25, prices that give exact halves, facts on band edges and one step beside them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from tariffs.money import Mode, show

MODES = [mode.value for mode in Mode]
STEPS = ["0.001", "0.01", "0.1", "0.25", "0.5", "1", "5"]
PERIODS = [(date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 2, 1), date(2026, 3, 1)), (date(2026, 12, 1), date(2027, 1, 1))]


@dataclass
class Draft:
    """A version being written; names are declared when a formula first needs them, so nothing stays unused."""

    random: Random
    choices: dict[str, list[str]] = field(default_factory=dict)
    dimensions: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    require: list[dict[str, Any]] = field(default_factory=list)
    money: list[str] = field(default_factory=list)
    bound: str = ""

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0


def random_version(random: Random) -> tuple[bytes, Draft]:
    """The bytes of a version file that checks in most cases, and what it was made of."""
    draft = Draft(random)
    for index in range(random.randint(1, 5)):
        _charge(draft, f"c{index}")
    if draft.chance(3):
        rule: dict[str, Any] = {"that": test(draft, 1), "say": {"en": "not so"}}
        if draft.chance(2):
            rule["when"] = test(draft, 1)
        draft.require.append(rule)
    _prune(draft)
    body: dict[str, Any] = {
        "language": "1",
        "title": {"en": "random"},
        "status": "illustrative",
        "source": {"document": "random"},
        "currency": "CNY",
        "direction": "receivable",
        "period": "month",
    }
    if draft.dimensions:
        body["dimensions"] = {name: {member: {"en": member} for member in members} for name, members in draft.dimensions.items()}
    body["inputs"] = {name: {"choices": {member: {"en": member} for member in members}} for name, members in draft.choices.items()} | draft.inputs
    if draft.values:
        body["values"] = draft.values
    if draft.require:
        body["require"] = draft.require
    body["charges"] = draft.charges
    return json.dumps({name: part for name, part in body.items() if part != {}}, indent=1).encode(), draft


def _prune(draft: Draft) -> None:
    """Takes out what no formula names: some are drawn and not used."""
    words = set(re.findall(r"\w+", " ".join(str(text) for part in (*draft.charges.values(), *draft.require) for text in part.values())))
    for section in (draft.inputs, draft.values, draft.choices, draft.dimensions):
        for name in [name for name in section if name not in words]:
            del section[name]


def _charge(draft: Draft, name: str) -> None:
    kind = draft.pick("line", "line", "line", "working", "refund", "included")
    family = draft.chance(5)
    draft.bound = dimension(draft) if family else ""
    if kind == "working":
        unit = draft.pick("CNY", "t", "m3")
        charge: dict[str, Any] = {"kind": kind, "formula": number(draft, unit, 3), "unit": unit}
    else:
        unit = "CNY"
        step = draft.pick("0.01", "0.01", "0.05", "0.1", "1")
        charge = {"kind": kind, "formula": f"round({number(draft, 'CNY', 3)}, {step}, {draft.pick(*MODES)})"}
    if draft.chance(2):
        charge["when"] = test(draft, 2)
    if family:
        charge["by"] = draft.bound
    draft.charges[name] = charge
    if unit == "CNY" and not family:
        draft.money.append(name)
    draft.bound = ""


# --- names --------------------------------------------------------------------------------------------------------


def choice(draft: Draft) -> str:
    name = f"k{draft.random.randrange(2)}"
    draft.choices.setdefault(name, [f"{name}{letter}" for letter in "abc"[: draft.random.randint(2, 3)]])
    return name


def dimension(draft: Draft) -> str:
    draft.dimensions.setdefault("dim", ["p", "q", "r"][: draft.random.randint(2, 3)])
    return "dim"


def figure(draft: Draft) -> str:
    return str(draft.pick("0", "0.5", "1", "1.5", "2", "2.5", "10", "0.25", "3.75", "0.125", "7", "100", "33.3", "0.005", "1.05"))


def value(draft: Draft, unit: str, least: str = "") -> str:
    """A value of the version, plain or a table over a choice."""
    name = f"v{len(draft.values)}"
    entry: dict[str, Any] = {"unit": unit} if unit != "1" else {}
    if not least and draft.chance(4):
        axis = choice(draft)
        draft.values[name] = entry | {"by": [axis], "table": {member: figure(draft) for member in draft.choices[axis]}}
        return f"{name}[{axis}]"
    draft.values[name] = entry | {"value": least or figure(draft)}
    return name


def fact(draft: Draft, unit: str, *, positive: bool = False, low: bool = True) -> str:
    """An input, shared with earlier uses where one fits."""
    least = Decimal(0) if not low else None
    fitting = [name for name, entry in draft.inputs.items() if _fits(entry, unit, least, positive)]
    if fitting and not draft.chance(3):
        return str(draft.pick(*fitting))
    name, step = f"x{len(draft.inputs)}", Decimal(draft.pick(*STEPS))
    span = step * draft.pick(4, 10, 40, 1000, 10**6, 10 ** draft.pick(13, 16, 20) if draft.chance(4) else 20)
    begin = step * draft.pick(1, 2) if positive else -span if low and draft.chance(5) else Decimal(0)
    draft.inputs[name] = {"step": show(step), "min": show(begin), "max": show(begin + span)} | ({"unit": unit} if unit != "1" else {})
    return name


def _fits(entry: dict[str, Any], unit: str, least: Decimal | None, positive: bool) -> bool:
    low = Decimal(entry["min"])
    return entry.get("unit", "1") == unit and "by" not in entry and (not positive or low > 0) and (least is None or low >= least)


def member(draft: Draft, unit: str) -> str:
    """A member of a family of inputs, where a dimension is bound; else the sum over the family."""
    axis = dimension(draft)
    name = f"f{unit}"
    draft.inputs.setdefault(name, {"by": [axis], "unit": unit, "step": draft.pick("0.5", "0.1"), "min": "0", "max": draft.pick("5", "1000")})
    return f"{name}[{axis}]" if draft.bound else f"sum(each({axis}, {name}[{axis}]))"


# --- numbers ------------------------------------------------------------------------------------------------------


def number(draft: Draft, unit: str, depth: int) -> str:
    """A formula of this unit: CNY, t, m3 or 1."""
    if depth <= 0:
        return leaf(draft, unit)
    if unit == "CNY" and draft.chance(2):
        return money(draft, depth)
    if unit == "1" and draft.chance(2):
        return quotient(draft, "t", "t", "1", depth)
    deeper = [number(draft, unit, depth - 1) for _ in range(draft.random.randint(2, 3))]
    a, b = deeper[:2]
    many = ", ".join(deeper)
    match draft.random.randrange(9):
        case 0:
            return f"({a} + {b})"
        case 1:
            return f"({a} - {b})"
        case 2 | 3:
            return f"({a} if {test(draft, depth - 1)} else {b})"
        case 4:
            return f"{draft.pick('min', 'max', 'sum')}({many})"
        case 5:
            return f"top({draft.random.randint(1, 3)}, {many})"
        case 6:
            return rounded(draft, a, unit)
        case 7:
            return banded(draft, "flat", unit, [a, b], depth)
        case _:
            return f"({share(draft)} * {a})"


def leaf(draft: Draft, unit: str) -> str:
    match draft.random.randrange(6):
        case 0:
            return value(draft, unit)
        case 1 if unit == "t":
            return fact(draft, "kg")
        case 1 if unit == "CNY" and draft.money:
            return str(draft.pick("subtotal", *draft.money)) if any(c["kind"] == "line" for c in draft.charges.values()) else str(draft.pick(*draft.money))
        case 2 if unit in ("t", "m3"):
            return member(draft, unit)
        case 3:
            return f"-{fact(draft, unit)}" if draft.chance(3) else fact(draft, unit)
        case _:
            return fact(draft, unit)


def share(draft: Draft) -> str:
    """A pure factor, as a fraction or in percent."""
    return value(draft, "%") if draft.chance(3) else value(draft, "1")


def rounded(draft: Draft, inner: str, unit: str) -> str:
    step = value(draft, unit, least=draft.pick("0.01", "0.5", "0.25", "1", "5"))
    name = draft.pick("round", "round", "ceil", "floor")
    return f"{name}({inner}, {step}{f', {draft.pick(*MODES)}' if name == 'round' else ''})"


def quotient(draft: Draft, above: str, below: str, unit: str, depth: int) -> str:
    """A division with its divisor kept from zero by bounds or by a condition."""
    top, bottom = number(draft, above, depth - 1), fact(draft, below, positive=draft.chance(2))
    step = draft.pick("0.01", "0.5", "1", "0.001") if unit in ("1", "CNY") else value(draft, unit, least=draft.pick("0.01", "0.5"))
    divided = f"divide({top}, {bottom}, {step}, {draft.pick(*MODES)})"
    return f"({divided} if {bottom} > 0 else {leaf(draft, unit)})"


def money(draft: Draft, depth: int) -> str:
    quantity_unit = draft.pick("t", "m3")
    price = f"CNY/{quantity_unit}"
    match draft.random.randrange(9):
        case 0:
            return f"{number(draft, quantity_unit, depth - 1)} * {value(draft, price)}"
        case 1:
            return f"{fact(draft, quantity_unit)} * {fact(draft, price)}"
        case 2:
            return banded(draft, "blocks", quantity_unit, [value(draft, price) for _ in range(draft.random.randint(2, 4))], depth)
        case 3:
            return banded(draft, "whole", quantity_unit, [value(draft, price) for _ in range(draft.random.randint(2, 3))], depth)
        case 4:
            top = f"{number(draft, quantity_unit, depth - 1)} * {value(draft, 'CNY')}"
            return f"divide({top}, {fact(draft, quantity_unit, positive=True)}, 0.01, {draft.pick(*MODES)})"
        case 5:
            return f"period_days * {value(draft, 'CNY/day')} + {number(draft, 'CNY', depth - 1)}"
        case 6 | 7 if len(draft.money) > 1:
            return added(draft)
        case _:
            return f"period_months * {value(draft, 'CNY/month')}"


def added(draft: Draft) -> str:
    """Earlier charges added up, also where a condition says how large they are."""
    one, other = draft.random.sample(draft.money, 2)
    if draft.chance(2):
        return f"({one} + {other})"
    return f"({one} + {other} if {one} <= {value(draft, 'CNY')} and {other} <= {value(draft, 'CNY')} else {leaf(draft, 'CNY')})"


def banded(draft: Draft, name: str, unit: str, rates: list[str], depth: int) -> str:
    """blocks, whole or flat; edges are constants, a list, or growing multiples of one fact."""
    quantity_unit = unit if name != "flat" else draft.pick("t", "m3")
    quantity = fact(draft, quantity_unit, low=False) if draft.chance(2) else f"max(0, {number(draft, quantity_unit, depth - 1)})"
    count = len(rates) - 1
    if draft.chance(3):
        base = fact(draft, quantity_unit, low=False)
        edges = [base, *(f"{value(draft, '1', least=str(2 + index))} * {base}" for index in range(count - 1))]
    else:
        numbers = sorted({Decimal(draft.pick("0", "0.5", "1", "2.5", "5", "10", "20", "500", "100000")) for _ in range(count)})
        rates = rates[: len(numbers) + 1]
        listed = f"v{len(draft.values)}"
        draft.values[listed] = {"unit": quantity_unit, "list": [show(n) for n in numbers]}
        if name == "blocks":
            return f"blocks({quantity}, {listed}, [{', '.join(rates)}])"
        return f"{name}({quantity}, [{draft.pick('upto', 'below')}({listed})], [{', '.join(rates)}])"
    ends = edges if name == "blocks" else [f"{draft.pick('upto', 'below')}({edge})" for edge in edges]
    return f"{name}({quantity}, [{', '.join(ends)}], [{', '.join(rates)}])"


# --- yes or no ----------------------------------------------------------------------------------------------------


def test(draft: Draft, depth: int) -> str:
    if depth > 0 and draft.chance(2):
        a, b = test(draft, depth - 1), test(draft, depth - 1)
        return str(draft.pick(f"({a} and {b})", f"({a} or {b})", f"not ({a})"))
    if draft.chance(2):
        name = choice(draft)
        return f'{name} {draft.pick("==", "!=")} "{draft.pick(*draft.choices[name])}"'
    unit = draft.pick("t", "m3", "CNY")
    op = draft.pick("<", "<=", ">", ">=", "==", "!=")
    if draft.chance(4):
        axis, low = dimension(draft), value(draft, "t")
        draft.inputs.setdefault("ft", {"by": [axis], "unit": "t", "step": "0.5", "min": "0", "max": "5"})
        return f"{draft.pick('any', 'all')}(each({axis}, ft[{axis}] {op} {low}))"
    return f"{fact(draft, unit)} {op} {leaf(draft, unit)}"


# --- facts --------------------------------------------------------------------------------------------------------


def random_facts(random: Random, draft: Draft, faulty: bool = False) -> dict[str, object]:
    """One set of facts by full name: bounds, edges and their neighbours more often than anything else."""
    given: dict[str, object] = {name: random.choice(members) for name, members in draft.choices.items()}
    marks = [Decimal(number) for entry in draft.values.values() for number in [entry.get("value", "0"), *entry.get("list", [])]]
    for name, entry in draft.inputs.items():
        for full in [f"{name}[{key}]" for key in draft.dimensions["dim"]] if "by" in entry else [name]:
            given[full] = _number(random, entry, marks)
    if faulty and given:
        for name in random.sample(sorted(given), min(len(given), random.randint(1, 2))):
            family = name.split("[")[0]
            given[name] = _bad_number(random, draft.inputs[family]) if family in draft.inputs else random.choice([None, "x", "nobody", "1e3"])
    return given


def _number(random: Random, entry: dict[str, Any], marks: list[Decimal]) -> object:
    step, low, high = (Decimal(entry[key]) for key in ("step", "min", "max"))
    mark = random.choice(marks) if marks else low
    near = low + ((mark - low) // step + random.choice([-1, 0, 0, 1])) * step
    whole = int((high - low) / step)
    anywhere, small = low + step * random.randint(0, whole), low + step * random.randint(0, min(whole, 20))
    number = random.choice([low, high, low + step, high - step, near, near, anywhere, small])
    number = min(max(number, low), high)
    return random.choice([number, show(number), int(number) if number == int(number) else number])


def _bad_number(random: Random, entry: dict[str, Any]) -> object:
    step, low, high = (Decimal(entry[key]) for key in ("step", "min", "max"))
    return random.choice([low - step, high + step, low + step / 2, None, "1e3", " 1", "１", 1.5, True, "9" * 31, "", low - step / 3, 10**40, Decimal("NaN")])
