"""The difference between two settlements by cause: the shares add up, and each cause moves only by its own facts."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tariffs.decompose import CAUSES, Settlement, decompose
from tests.test_language import parse

BODY = """
dimensions: {pollutant: {COD: {zh: 化学需氧量}, NH3N: {zh: 氨氮}}}
stage:
  grain: day
  inputs:
    flow: {unit: m3, step: 1, min: 0, max: 200000, collect: sum}
    inflow: {unit: mg/L, step: 0.1, min: 0, max: 5000, by: pollutant, collect: mean, mode: half_up}
    outflow: {unit: mg/L, step: 0.1, min: 0, max: 5000, by: pollutant, collect: mean, mode: half_up}
    temperature: {unit: degC, step: 0.1, min: 0, max: 40, collect: mean, mode: half_up}
  charges:
    paid: {unit: m3, formula: "floor(min(flow, cap * design), 1)"}
    removed: {by: pollutant, unit: kg, formula: "flow * max(inflow[pollutant] - outflow[pollutant], 0)"}
    over: {unit: m3, when: 'outflow["NH3N"] > (cold_limit if temperature <= cold else warm_limit)', formula: flow}
inputs:
  design: {unit: m3, step: 1, min: 1, max: 200000}
  score: {unit: point, step: 0.1, min: 0, max: 100}
  index: {unit: "1", step: 0.0001, min: 0.5, max: 2}
  volume: {unit: m3, step: 1, min: 0, max: 6200000, collect: sum, of: stage.paid}
  kg: {unit: kg, step: 0.0001, min: 0, max: 1000000000, by: pollutant, collect: sum, of: stage.removed}
  bad_days: {unit: day, step: 1, min: 0, max: 31, collect: count, of: stage.over, empty: 0}
values:
  cap: {value: 1.3}
  cold: {value: 12, unit: degC}
  cold_limit: {value: 8, unit: mg/L}
  warm_limit: {value: 5, unit: mg/L}
  price: {value: PRICE, unit: CNY/m3}
  fine: {value: 1000, unit: CNY/day}
  per_kg: {by: pollutant, unit: CNY/kg, table: {COD: 0.5, NH3N: 4}}
  good: {value: 90, unit: point}
  slope: {value: 0.005, unit: 1/point}
charges:
  base: {formula: "round(volume * price * index, 0.01)"}
  removal: {by: pollutant, formula: "round(kg[pollutant] * per_kg[pollutant], 0.01)"}
  coefficient: {kind: working, formula: "1 if score >= good else 1 - (good - score) * slope"}
  adjusted: {formula: "round(subtotal * coefficient, 0.01) - subtotal"}
  deduction: {formula: "0 - bad_days * fine"}
"""
CONTRACT, OTHER = parse(BODY.replace("PRICE", "1.05")).model, parse(BODY.replace("PRICE", "0.98")).model
OCTOBER, NOVEMBER = (date(2026, 10, 1), date(2026, 11, 1)), (date(2026, 11, 1), date(2026, 12, 1))


def month(chance: random.Random, period: tuple[date, date] = OCTOBER) -> dict[str, Any]:
    def row(day: date) -> dict[str, Any]:
        inflow = {"COD": D(chance.choice([0, 1500, 2501, chance.randrange(50000)])) / 10, "NH3N": D(chance.randrange(800)) / 10}
        outflow = {"COD": D(chance.randrange(800)) / 10, "NH3N": D(chance.choice([50, 51, 80, 81, chance.randrange(150)])) / 10}
        return {
            "start": day,
            "flow": chance.randrange(200_001),
            "inflow": inflow,
            "outflow": outflow,
            "temperature": D(chance.choice([120, 121, chance.randrange(400)])) / 10,
        }

    days = (period[1] - period[0]).days
    return {
        "design": 100_000,
        "score": D(chance.choice([900, 899, chance.randrange(1001)])) / 10,
        "index": D(chance.randrange(5000, 20001)) / 10000,
        "stage": [row(period[0] + timedelta(days=i)) for i in range(days)],
    }


@pytest.mark.parametrize("seed", range(15))
def test_the_causes_add_up_to_the_difference(seed: int) -> None:
    chance = random.Random(seed)
    before, after = Settlement(CONTRACT, month(chance), OCTOBER), Settlement(OTHER if seed % 3 else CONTRACT, month(chance, NOVEMBER), NOVEMBER)
    found = decompose(before, after)
    assert [cause.name for cause in found.causes] == list(CAUSES)
    assert found.before + sum(cause.amount for cause in found.causes) == found.after
    assert found.after == decompose(after, after).before


def test_nothing_changed_nothing_is_anybodys_doing() -> None:
    one = Settlement(CONTRACT, month(random.Random(1)), OCTOBER)
    assert all(cause.amount == 0 for cause in decompose(one, one).causes)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda given: {**given, "score": D(70)}, "score"),
        (lambda given: {**given, "index": D("1.5")}, "index"),
        (lambda given: {**given, "stage": [{**row, "flow": row["flow"] // 2} for row in given["stage"]]}, "volume"),
        (
            lambda given: {
                **given,
                "stage": [{**row, "outflow": {k: v / 2 // D("0.1") * D("0.1") for k, v in row["outflow"].items()}} for row in given["stage"]],
            },
            "removal",
        ),
        (lambda given: {**given, "stage": [{**row, "temperature": D(5)} for row in given["stage"]]}, "limits"),
        (lambda given: {**given, "design": 50_000}, "other"),
    ],
)
def test_a_single_change_is_told_as_that_cause(change: Any, cause: str) -> None:
    given = month(random.Random(7))
    found = decompose(Settlement(CONTRACT, given, OCTOBER), Settlement(CONTRACT, change(given), OCTOBER))
    assert {c.name for c in found.causes if c.amount} == {cause}


def test_dilution_is_the_networks_doing() -> None:
    """Half the strength at the same removal ratio: the loss is the influent's; the plant's own share is none."""
    given = month(random.Random(3))
    rows = [{**row, "inflow": {"COD": D(400), "NH3N": D(40)}, "outflow": {"COD": D(40), "NH3N": D(4)}} for row in given["stage"]]
    thin = [{**row, "inflow": {"COD": D(200), "NH3N": D(20)}, "outflow": {"COD": D(20), "NH3N": D(2)}} for row in rows]
    found = decompose(Settlement(CONTRACT, {**given, "stage": rows}, OCTOBER), Settlement(CONTRACT, {**given, "stage": thin}, OCTOBER))
    assert {c.name for c in found.causes if c.amount} == {"influent"}
    assert found.after < found.before


def test_another_contract_form_is_the_contracts_doing() -> None:
    given = month(random.Random(5))
    found = decompose(Settlement(CONTRACT, given, OCTOBER), Settlement(OTHER, given, OCTOBER))
    assert {c.name for c in found.causes if c.amount} == {"contract"}
