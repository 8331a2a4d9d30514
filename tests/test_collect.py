"""Collecting is arithmetic too: by columns it gives what ``gather`` gives account by account, and finds the same problems."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal as D
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import tariffs
from tariffs.collect import collect
from tariffs.gather import gather
from tariffs.model import UsageRecord
from tariffs.units import parse_unit

PERIOD = (date(2026, 2, 1), date(2026, 3, 1))
MODES = ["half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"]
VALUES = [D(0), D(1), D("2.5"), D("0.125"), D("19.99"), D("3.07"), D(10) ** 14, D("-0.5")]
HOWS = ["sum", "mean", "weighted_mean", "min", "max", "last", "previous", "count", "top_mean(2)"]


def version(random: Random) -> tariffs.TariffVersion:
    """An input for each way to collect, some sharing a measure."""
    inputs = ""
    for index, how in enumerate(HOWS):
        rounds = f", mode: {random.choice(MODES)}" if "mean" in how else ""
        weight = ", weight: flow" if how == "weighted_mean" else ""
        empty = random.choice(["", ", empty: 0"])
        step, measure = random.choice(["0.01", "0.5", "1", "0.001"]), random.choice(["a", "b"])
        inputs += f"  i{index}: {{unit: kg, step: {step}, min: -1000000, max: 1000000, collect: {how}, measure: {measure}{rounds}{weight}{empty}}}\n"
    return tariffs.parse(
        f"""\
language: 1
title: {{en: trial}}
status: illustrative
source: {{document: made for a test}}
currency: CNY
direction: receivable
period: month
inputs:
  flow: {{unit: m3, step: 0.001, min: 0, max: 1000000, collect: sum}}
{inputs}values: {{price: {{value: 1, unit: CNY/kg}}, other: {{value: 1, unit: CNY/m3}}}}
charges:
  fee: {{formula: "round(sum({", ".join(f"i{i}" for i in range(len(HOWS)))}) * price + flow * other, 0.01)"}}
""".encode(),
        tariff="xx/collect",
        effective=date(2026, 1, 1),
    )


def record(random: Random, number: int, tidy: bool) -> dict[str, Any]:
    """A record near the period; untidy ones overlap, repeat, replace each other and come in units that do not fit."""
    measure = ["a", "b", "flow"][number % 3] if tidy else random.choice(["a", "b", "flow", "flow", "c"])
    start = PERIOD[0] + timedelta(days=number // 3 % 34 - 3 if tidy else random.randint(-6, 30))
    units = ["m3", "L"] if measure == "flow" else ["kg", "g", "t"]
    return {
        "id": f"r{number if tidy else random.randint(0, 40)}",
        "account": "AB"[number // 102 % 2] if tidy else random.choice("ABC"),
        "point": "" if tidy else random.choice(["", "p"]),
        "measure": measure,
        "start": start,
        "end": start + timedelta(days=1 if tidy else random.choice([1, 1, 3, 0, 30])),
        "value": D(random.randint(1, 9)) if tidy and measure == "flow" else random.choice(VALUES),
        "unit": random.choice(units if tidy else [*units, units[0], units[0], "lb", "day"]),
        "quality": "actual",
        "replaces": "" if (tidy and number % 10) or random.random() < 0.7 else f"r{random.randint(0, 29) * 3 if tidy else random.randint(0, 40)}",
        "known": None if tidy and number != 90 else random.choice([None, date(2026, 2, 10), date(2026, 3, 5)]),
    }


def as_record(given: dict[str, Any]) -> UsageRecord:
    return UsageRecord(**{**given, "unit": parse_unit(given["unit"])})


def table(records: list[dict[str, Any]], value: pa.DataType | None = None) -> pa.Table:
    kinds = {"value": value or pa.decimal128(38, 3), "start": pa.date32(), "end": pa.date32(), "known": pa.date32()}
    names = list(records[0])
    return pa.table({name: pa.array([str(r[name]) if name == "value" and value else r[name] for r in records], kinds.get(name, pa.string())) for name in names})


@pytest.mark.parametrize("seed", range(60))
def test_columns_collect_what_gather_gathers(seed: int) -> None:
    random = Random(seed)
    rule, tidy = version(random), seed % 2 == 0
    records = [record(random, number, tidy) for number in range(random.choice([3, 9, 102, 204] if tidy else [1, 5, 30]))]
    known = random.choice([None, date(2026, 2, 20)])
    facts, problems = collect(rule.model, table(records, random.choice([None, pa.string()])), PERIOD, known, accounts=["A", "B", "C"])
    rows = {row["account"]: row for row in facts.to_pylist()}
    for account in "ABC":
        own = [as_record(given) for given in records if given["account"] == account]
        given, found = gather(rule.model, own, {}, PERIOD, known=known)
        mine = Counter((p["code"], p["id"]) for p in problems.to_pylist() if p["account"] == account)
        assert mine == Counter((p.code, p.values.get("id", "")) for p in found)
        for item in rule.model.inputs:
            if not found:
                assert rows[account][item.full_name] == given.get(item.full_name), (account, item.full_name, own)
    assert all(reason for reason in problems["reason"].to_pylist())


def test_what_is_collected_goes_straight_into_rate() -> None:
    rule = version(Random(1))
    records = [{**record(Random(n), n, True), "account": f"n{n % 3}", "replaces": "", "known": None, "value": D(n)} for n in range(30)]
    facts, _ = collect(rule.model, table(records), PERIOD)
    result, _ = rule.rate(facts, period=PERIOD, errors="return")
    assert result.num_rows == facts.num_rows == 3


def test_a_replaced_record_counts_as_what_was_known() -> None:
    rule = version(Random(2))
    first = {**record(Random(3), 9, True), "id": "one", "account": "A", "measure": "flow", "unit": "m3", "value": D(5), "replaces": "", "known": None}
    late = {**first, "id": "two", "value": D(7), "replaces": "one", "known": date(2026, 3, 9)}
    for known, expected in ((date(2026, 3, 8), D(5)), (date(2026, 3, 9), D(7)), (None, D(7))):
        facts, problems = collect(rule.model, table([first, late]), PERIOD, known)
        assert problems.num_rows == 0
        assert facts["flow"].to_pylist() == [expected]


def test_values_that_are_no_numbers_and_columns_that_are_not_there_are_told() -> None:
    rule = version(Random(2))
    bad = {**record(Random(3), 9, True), "account": "A", "measure": "flow", "unit": "m3", "value": "1e3", "replaces": "", "known": None}
    facts, problems = collect(rule.model, table([bad], pa.string()), PERIOD)
    assert problems["code"].to_pylist() == ["record-value"]
    assert facts["flow"].to_pylist() == [None]
    with pytest.raises(tariffs.FactsError) as caught:
        collect(rule.model, table([bad], pa.string()).drop_columns(["unit", "value"]), PERIOD)
    assert [problem.values["name"] for problem in caught.value.problems] == ["value", "unit"]
    with pytest.raises(tariffs.FactsError):
        collect(rule.model, table([bad], pa.string()).set_column(6, "value", pa.array([1.5])), PERIOD)


def test_an_account_without_records_has_the_empty_value_or_none() -> None:
    rule = version(Random(2))
    one = {**record(Random(3), 9, True), "account": "A", "measure": "flow", "unit": "m3"}
    facts, _ = collect(rule.model, table([one]).slice(0, 0), PERIOD, accounts=["Z"])
    for item in rule.model.inputs:
        assert item.collect is not None
        assert facts[item.full_name].to_pylist() == [item.collect.empty]
