"""The compiled stage gives what NumPy gives, and refuses what NumPy refuses, however its columns lie in memory."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import tariffs
from tariffs import rate, stage_code
from tests.random_plants import PERIODS, random_rows, random_version

KINDS: list[Any] = [pa.decimal128(30, 1), pa.decimal128(9, 2), pa.decimal64(12, 1), pa.decimal128(20, 3)]


def as_arrow(random: Random, version: tariffs.TariffVersion, plants: list[list[dict[str, Any]]]) -> pa.Table:
    """Rows of all plants, sorted or not, each input as one of several kinds; now and then a number off its bounds or its step."""
    assert version.model.stage is not None
    rows = [{"account": f"n{i}", **row} for i, own in enumerate(plants) for row in own]
    if random.randrange(3) == 0:
        random.shuffle(rows)
    columns: dict[str, Any] = {"account": pa.array([row["account"] for row in rows]), "start": pa.array([row["start"] for row in rows], pa.date32())}
    if version.model.stage.grain != "day" or random.randrange(2):
        columns["end"] = pa.array([row["end"] for row in rows], pa.date32())
    if version.model.stage.grain == "record":
        columns["point"] = pa.array([str(row.get("point") or "") for row in rows])
    for item in version.model.stage.inputs:
        kind, found = random.choice(KINDS), []
        for row in rows:
            value = row.get(item.full_name)
            value = D(random.choice(["-0.1", "99999", "0.1"])) if value is not None and random.randrange(150) == 0 else value
            try:
                found.append(None if value is None else D(str(value)).quantize(D(1).scaleb(-kind.scale)))
            except ArithmeticError:
                found.append(None)
        columns[item.full_name] = pa.array(found, kind)
    return pa.table(columns)


@pytest.mark.parametrize("part", range(4))
def test_compiled_and_numpy_agree_on_columns_of_every_kind(part: int) -> None:
    rated = refused = 0
    for seed in range(part, 80, 4):
        random = Random(f"lie {seed}")
        version, period = random_version(random), random.choice(PERIODS)
        plants = [random_rows(random, version, period, sound=random.randrange(8) > 0) for _ in range(20)]
        stage = as_arrow(random, version, plants)
        frame = {"account": [f"n{i}" for i in range(20)], "design": ["40"] * 20, "kind": random.choices("ab", k=20), "note": ["3.5"] * 20}
        collected = {item.collect.how for item in version.model.inputs if item.collect and item.collect.of}
        if "top_mean" in collected:
            with pytest.raises(tariffs.TariffError, match="largest"):
                version.rate(frame, stage=stage, period=period, engine="fused")
            continue
        answers = [version.rate(frame, stage=stage, period=period, errors="return", workings=True, engine=engine) for engine in ("numpy", "fused")]
        assert answers[0] == answers[1], f"seed {seed}\n{version.model.content.decode()}"
        bad = len(set(answers[0][1]["row"]))
        rated, refused = rated + 20 - bad, refused + bad
    assert rated > 40
    assert refused > 40


FEBRUARY = date(2026, 2, 1), date(2026, 3, 1)
TEXT = """
language: 1
title: {en: illustrative}
status: illustrative
source: {document: a test}
currency: CNY
direction: payable
period: month
stage:
  grain: day
  inputs:
    flow: {unit: m3, step: 0.5, min: 0, max: 50, collect: sum, FILL}
  charges: {paid: {unit: m3, formula: flow}}
inputs:
  volume: {unit: m3, step: 0.1, min: 0, max: 5000, collect: HOW, of: stage.paid}
values: {price: {value: 1.01, unit: CNY/m3}}
charges:
  fee: {formula: "round(volume * price, 0.01)"}
"""


def rule(how: str, fill: str) -> tariffs.TariffVersion:
    return tariffs.parse(TEXT.replace("HOW", how).replace("FILL", fill).encode(), tariff="xx/days", effective=date(2026, 1, 1))


def days(values: list[Any], kind: Any) -> pa.Table:
    return pa.table({"account": ["a"] * len(values), "start": pa.array([date(2026, 2, 1 + i) for i in range(len(values))]), "flow": pa.array(values, kind)})


@pytest.mark.parametrize("engine", ["numpy", "fused"])
@pytest.mark.parametrize(
    ("fill", "first", "volume"),
    [
        ("missing: {fill: previous, at_most: 2}", [D(7), None, None], D(46)),
        ("missing: {fill: previous, at_most: 2}", [D(7), None, None, None], None),
        ("missing: {fill: previous, at_most: 2}", [None, D(7)], None),
        ("mode: half_up, missing: {fill: period_mean, at_most: 2}", [D(7), None, D("7.5")], D(41)),
        ("missing: {fill: 2.5, at_most: 1}", [D(7), None], D("35.5")),
        ("missing: {fill: refuse}", [D(7), None], None),
        ("missing: {fill: refuse}", [D("7.2")], None),
        ("missing: {fill: refuse}", [D("50.5")], None),
        ("missing: {fill: refuse}", [D(50)], D(77)),
    ],
)
def test_gaps_bounds_and_steps(engine: Any, fill: str, first: list[Any], volume: D | None) -> None:
    stage = days(first + [D(1)] * (28 - len(first)), pa.decimal128(9, 1))
    found, bad = rule("sum", fill).rate({"account": ["a"]}, stage=stage, period=FEBRUARY, errors="return", engine=engine)
    assert found["fee"] == [None if volume is None else (volume * D("1.01")).quantize(D("0.01"))]
    assert len(set(bad["row"])) == (volume is None)


def test_it_is_compiled_once_for_columns_of_one_kind() -> None:
    version, before = rule("max", "missing: {fill: refuse}"), stage_code.code.cache_info().misses
    for _ in range(3):
        version.rate({"account": ["a"]}, stage=days([D(1)] * 28, pa.decimal64(9, 1)), period=FEBRUARY, engine="fused")
    assert stage_code.code.cache_info().misses == before + 1


@pytest.mark.parametrize("engine", ["numpy", "fused"])
def test_accounts_in_parts_of_any_size_are_rated_alike(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    version, accounts = rule("sum", "missing: {fill: previous, at_most: 2}"), 101
    flows = [D(50 + (number % 977 == 0)) if number % 19 else None for number in range(1, 28 * accounts + 1)]
    stage = pa.table(
        {
            "account": [f"n{number // 28}" for number in range(len(flows))],
            "start": pa.array([date(2026, 2, 1 + number % 28) for number in range(len(flows))]),
            "flow": pa.array(flows, pa.decimal64(9, 1)),
        }
    )
    frame = {"account": [f"n{number}" for number in range(accounts)]}

    def found(threads: int) -> Any:
        return version.rate(frame, stage=stage, period=FEBRUARY, errors="return", engine=engine, threads=threads)

    whole = found(1)
    assert 0 < len(set(whole[1]["row"])) < accounts
    monkeypatch.setattr(rate, "STAGED", 8)
    for longest in (2**20, 500, 1):
        monkeypatch.setattr(rate, "RUN", longest)
        for threads in (1, 2, 3, 200):
            assert found(threads) == whole
