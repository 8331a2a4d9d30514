"""Readings at equal intervals become the same facts as the same readings handed in one by one as usage records."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import tariffs
from tariffs.collect import collect
from tariffs.intervals import collect_intervals

START, MONTHS = date(2027, 1, 1), [date(2027, 1, 1), date(2027, 2, 1), date(2027, 3, 1)]
ALL = "used: {collect: sum, F} mean: {collect: mean, mode: half_even, F} least: {collect: min, F} most: {collect: max, F} end: {collect: last, F} tops: {collect: top_mean(3), mode: half_up, F}"


def version(inputs: str) -> tariffs.TariffVersion:
    fields = "unit: m3, step: 0.01, min: 0, max: 100000"
    names = [part.split(":", 1)[0].strip() for part in inputs.replace(", F}", "\n").splitlines()]
    text = "\n".join(f"  {part.strip()}, {fields}}}" for part in inputs.replace(", F}", "\n").splitlines())
    lines = "\n".join(f"  c_{name}: {{formula: 'round({name} * price, 0.01)'}}" for name in names if name)
    return tariffs.parse(
        f"language: 1\ntitle: {{en: illustrative}}\nstatus: illustrative\nsource: {{document: a test}}\ncurrency: CNY\ndirection: receivable\nperiod: month\n"
        f"inputs:\n{text}\nvalues:\n  price: {{value: 1.37, unit: CNY/m3}}\ncharges:\n{lines}\n".encode(),
        tariff="xx/hours",
        effective=START,
    )


def daily(random: Random, days: int) -> list[D]:
    """A reading a day (``a_day=1``), so that a usage record can say the same; ties and halves are frequent."""
    return [D(random.choice([0, 5, 5, 10, 25, random.randrange(10000)])).scaleb(-2) for _ in range(days)]


@pytest.mark.parametrize("kind", [pa.list_(pa.decimal128(9, 2)), pa.large_list(pa.decimal64(9, 2)), pa.list_(pa.decimal128(9, 2), 59)])
def test_facts_are_those_of_usage_records(kind: Any) -> None:
    random, rule = Random(7), version(ALL)
    names = [item.full_name for item in rule.model.inputs]
    meters = {f"m{i}": {name: daily(random, 59) for name in names} for i in range(5)}
    frame: dict[str, Any] = {"account": list(meters), "start": pa.array([START] * 5)} | {
        name: pa.array([m[name] for m in meters.values()], kind) for name in names
    }
    found, lacking = collect_intervals(rule.model, pa.table(frame), a_day=1)
    assert lacking.num_rows == 0
    days = [START + timedelta(days=i) for i in range(59)]
    rows = [
        {"account": a, "measure": n, "start": d, "end": d + timedelta(days=1), "value": v, "unit": "m3"}
        for a, own in meters.items() for n, values in own.items() for d, v in zip(days, values, strict=True)
    ]  # fmt: skip
    for start, end in pairwise(MONTHS):
        expected, problems = collect(rule.model, pa.Table.from_pylist(rows), (start, end))
        assert problems.num_rows == 0
        own = found.filter(pa.compute.equal(found["period_start"], pa.scalar(start)))
        assert own["period_end"].to_pylist() == [end] * 5
        for name in ("account", *names):
            assert own[name].to_pylist() == expected[name].to_pylist(), name
    assert rule.rate(found)["total"].null_count == 0


def test_a_meter_that_lacks_a_reading_has_no_fact_that_month_and_is_told() -> None:
    rule, hours = version("used: {collect: sum, F}"), [D("0.01")] * 31 * 24
    gap = [*hours[:5], None, *hours[6:]]
    frame: dict[str, Any] = {"account": ["a", "b"], "start": pa.array([START] * 2), "used": pa.array([hours, gap], pa.list_(pa.decimal128(9, 2)))}
    found, lacking = collect_intervals(rule.model, pa.table(frame))
    assert found["used"].to_pylist() == [D("7.44"), None]
    assert lacking.to_pylist() == [{"account": "b", "period_start": START, "input": "used", "lacking": 1}]
    _, refused = rule.rate(found, errors="return")
    assert refused["row"].to_pylist() == [1]


def test_meters_may_cover_different_months_and_none() -> None:
    rule = version("used: {collect: sum, F}")
    lists = pa.array([[1] * 28, None, [2] * 59], pa.list_(pa.int64()))
    frame = pa.table({"account": ["a", "b", "c"], "start": pa.array([MONTHS[1], START, START]), "used": lists})
    found, _ = collect_intervals(rule.model, frame, a_day=1)
    assert [(r["account"], r["period_start"], r["used"]) for r in found.to_pylist()] == [("a", MONTHS[1], 28), ("c", START, 62), ("c", MONTHS[1], 56)]


def test_a_slice_of_a_table_is_its_own_rows() -> None:
    rule = version("used: {collect: sum, F}")
    for kind in (pa.list_(pa.int64()), pa.list_(pa.int64(), 31)):
        frame = pa.table({"account": ["a", "b", "c"], "start": pa.array([START] * 3), "used": pa.array([[i] * 31 for i in range(3)], kind)})
        found, _ = collect_intervals(rule.model, frame.slice(1), a_day=1)
        assert found["used"].to_pylist() == [31, 62]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"account": ["a"], "start": [START], "used": pa.array([[1.5] * 31])}, "float-fact"),
        ({"account": ["a"], "start": [START], "used": pa.array([5])}, "intervals-lists"),
        ({"account": ["a"], "start": [START], "used": pa.array([[1] * 30])}, "intervals-months"),
        ({"account": ["a"], "start": [date(2027, 1, 2)], "used": pa.array([[1] * 31])}, "intervals-months"),
        ({"account": ["a"], "used": pa.array([[1] * 31])}, "column-absent"),
    ],
)
def test_what_cannot_be_readings_is_refused(frame: dict[str, Any], code: str) -> None:
    with pytest.raises(tariffs.FactsError) as error:
        collect_intervals(version("used: {collect: sum, F}").model, pa.table(frame), a_day=1)
    assert [problem.code for problem in error.value.problems] == [code]
    assert "{" not in str(error.value)


def test_gaps_that_may_be_filled_are_left_to_usage_records() -> None:
    with pytest.raises(tariffs.FactsError, match="usage records"):
        collect_intervals(version("used: {collect: mean, mode: half_up, missing: {fill: previous, at_most: 2}, F}").model, pa.table({"account": ["a"]}))
