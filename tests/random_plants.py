"""Random versions with a stage, and random plants: rows with gaps, bounds, edges and halves, now and then wrong."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal as D
from random import Random
from typing import Any

import tariffs
from tariffs.rows import spans

EFFECTIVE = date(2026, 1, 1)
PERIODS = [(date(2026, 2, 1), date(2026, 3, 1)), (date(2026, 4, 10), date(2026, 5, 10))]
MODES = ["half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"]
HOWS = ["sum", "mean", "weighted_mean", "min", "max", "last", "count", "top_mean(2)", "top_mean(3)"]
KEYS = ("COD", "TN")

HEAD = """\
language: 1
title: {en: random plants}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: payable
period: month
dimensions: {pollutant: {COD: {en: COD}, TN: {en: TN}}}
"""


def random_version(random: Random) -> tariffs.TariffVersion:
    """A version whose stage has every kind of evidence and whose inputs collect it in random ways."""
    stage = f"""\
stage:
  grain: {random.choice(["day", "day", "month", "record"])}
  inputs:
    flow: {{unit: m3, step: {random.choice(["1", "0.5"])}, min: 0, max: 100, {_collect(random, staged=True)}}}
    inflow: {{unit: mg/L, step: 0.1, min: 0, max: 500, by: pollutant, {_collect(random, staged=True)}}}
    outflow: {{unit: mg/L, step: 0.5, min: 0, max: 500, by: pollutant, {_collect(random, staged=True)}}}
  charges:
    paid: {{unit: m3, formula: "min(flow, cap * design)"}}
    over: {{unit: m3, when: 'outflow["COD"] > limit', formula: flow}}
    removed: {{by: pollutant, unit: kg, formula: "flow * max(0, inflow[pollutant] - outflow[pollutant])"}}
    dear: {{unit: CNY, when: 'kind == "a" or over > half_full', formula: "round(over * fine * 0.5 + paid * price[kind], {random.choice(["0.01", "0.1"])})"}}
"""
    inputs, terms = "", []
    for index in range(random.randint(1, 4)):
        of, unit = random.choice([("flow", "m3"), ("inflow", "mg/L"), ("paid", "L"), ("over", "m3"), ("removed", "kg"), ("dear", "CNY")])
        how, family = random.choice(HOWS), ", by: pollutant" if of in ("inflow", "removed") else ""
        weight = f", weight: stage.{random.choice(['flow', 'over', 'paid'])}" if how == "weighted_mean" else ""
        mode = f", mode: {random.choice(MODES)}" if "mean" in how else ""
        empty = random.choice(["", "", ", empty: 0"])
        unit, step = ("1", "1") if how == "count" else (unit, random.choice(["0.01", "0.3"]) if mode else "0.00001")
        high = random.choice(["100", "600", "3000"]) if random.randrange(4) == 0 else "90000000"
        high = str(int(D(high) / D("0.3")) * D("0.3")) if step == "0.3" else high
        inputs += f"  d{index}: {{unit: {unit}, step: {step}, min: 0, max: {high}, collect: {how}, of: stage.{of}{weight}{mode}{empty}{family}}}\n"
        price = f"{{value: 0.37, unit: {'CNY' if unit == '1' else '1' if unit == 'CNY' else f'CNY/({unit})'}}}"
        terms.append((f"p{index}", price, f"sum(each(pollutant, d{index}[pollutant]))" if family else f"d{index}"))
    values = "".join(f"  {name}: {price}\n" for name, price, _ in terms)
    charges = "".join(f'  c{i}: {{formula: "round({text} * {name}, 0.01, {random.choice(MODES)})"}}\n' for i, (name, _, text) in enumerate(terms))
    body = f"""\
inputs:
  design: {{unit: m3, step: 1, min: 1, max: 100}}
  kind: {{choices: {{a: {{en: a}}, b: {{en: b}}}}}}
  note: {{unit: m3, step: 0.1, min: 0, max: 100, {_collect(random, staged=False)}}}
{inputs}{stage}values:
  cap: {{value: 1.3}}
  limit: {{value: 50, unit: mg/L}}
  half_full: {{value: 50, unit: m3}}
  fine: {{value: 2, unit: CNY/m3}}
  price: {{by: kind, unit: CNY/m3, table: {{a: 1.05, b: 0.95}}}}
  per_note: {{value: 1, unit: CNY/m3}}
{values}charges:
  noted: {{when: 'kind == "b"', formula: "round(note * per_note, 0.01)"}}
{charges}"""
    return tariffs.parse((HEAD + body).encode(), tariff="xx/plants", effective=EFFECTIVE)


def _collect(random: Random, *, staged: bool) -> str:
    how = random.choice(["sum", "mean", "min", "max", "last", "top_mean(2)", *(["weighted_mean"] if staged else [])])
    fill = random.choice(["refuse", "previous", "previous", "7.5", *(["period_mean"] if staged else [])])
    fill = "8" if fill == "7.5" and random.randrange(2) else fill
    found = [f"collect: {how}"]
    if "mean" in how or fill == "period_mean":
        found.append(f"mode: {random.choice(MODES)}")
    if how == "weighted_mean":
        found.append("weight: flow")
    if fill != "refuse":
        found.append(f"missing: {{fill: {8 if fill == '7.5' else fill}, at_most: {random.choice([1, 2, 5, 40])}}}")
    if random.randrange(3):
        found.append(f"below_limit: {random.choice(['limit', 'half', 'zero'])}")
    if random.randrange(4) == 0:
        found.append("samples: 2")
    return ", ".join(found)


# --- rows ---------------------------------------------------------------------------------------------------------


def random_rows(random: Random, version: tariffs.TariffVersion, period: tuple[date, date], sound: bool) -> list[dict[str, Any]]:
    """Rows for one plant; where it is not ``sound`` one or two things are wrong with them."""
    stage = version.model.stage
    assert stage is not None
    if stage.grain == "record":
        count = random.choice([0, 1, 3, 8])
        starts = [period[0] + timedelta(days=random.randint(-1, (period[1] - period[0]).days - 2)) for _ in range(count)]
        places = [(start, start + timedelta(days=random.choice([1, 1, 2]) + (start < period[0])), f"p{i}") for i, start in enumerate(starts)]
    else:
        places = [(start, end, "") for start, end in spans(stage.grain, period)]
    lossy = random.choice([0, 0, 0, 3, 9])
    rows = []
    for start, end, point in places:
        row: dict[str, Any] = {"start": start, "end": end, "point": point}
        for item in stage.inputs:
            gone = lossy and random.randrange(10) < lossy and random.randrange(3) == 0
            row[item.full_name] = None if gone else number(random, item.type)
        rows.append(row)
    if not sound and rows:
        for _ in range(random.randint(1, 2)):
            _break(random, rows)
    random.shuffle(rows)
    return rows


def number(random: Random, kind: Any) -> Any:
    """On bounds, on the limits of the version and one step beside, at halves; else small."""
    mark = random.choice(
        [kind.low, kind.high, D(50), D(50), D(0), kind.grid * random.randint(0, 30), kind.grid * random.randint(0, int(kind.high / kind.grid))]
    )
    found = min(max(mark + kind.grid * random.choice([-1, 0, 0, 0, 1]), kind.low), kind.high)
    return random.choice([found, str(found)])


def _break(random: Random, rows: list[dict[str, Any]]) -> None:
    row = random.choice(rows)
    match random.randrange(7):
        case 0 if len(rows) > 1:
            rows.remove(row)
        case 1:
            rows.append(dict(row))
        case 2:
            row["flow"] = random.choice(["-1", "101", "0.25", "x"])
        case 3:
            row["start"], row["end"] = row["start"] + timedelta(days=40), row["end"] + timedelta(days=40)
        case 4:
            row["end"] += timedelta(days=1)
        case 5:
            row["inflow[COD]"] = None
        case _:
            row["outflow[TN]"] = "0.3"
