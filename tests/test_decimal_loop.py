"""A decimal loop written out from each version gives what every path of ``rate`` and ``explain`` give, on edges and exact halves; and it can tell a fault."""

from __future__ import annotations

import contextlib
import decimal
from datetime import date
from decimal import Decimal as D
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tariffs
from soak import decimal_words
from soak.decimal_loop import WORDS, build, rate_all, source
from soak.pack_paths import Halves, by_loop, counting, differences, in_memory, ways
from soak.pack_rows import draw, study
from soak.pack_tables import Tables, tables
from soak.packs import line, packs, run, soak
from tariffs.money import Mode, round_fraction
from tests import random_plants
from tests.random_versions import random_version

BEIJING = "cn/beijing/kitchen-waste"
RULES, ELSEWHERE = list(tariffs.versions()), [file for file in packs(everywhere=True) if file not in tariffs.versions()]


@pytest.mark.parametrize("part", range(4))
def test_every_pack_is_rated_alike_by_the_loop_by_every_path_and_by_explain(part: int) -> None:
    tallies = [soak(tariffs.read(file), rows=600, explained=60, seed=0, seconds=1) for file in RULES[part::4]]
    assert [line(tally) for tally in tallies if tally.wrong] == []
    assert sum(tally.halves for tally in tallies) > 500, "halves are solved for"
    assert sum(tally.rows - tally.refused for tally in tallies) > 500 * len(tallies), "most rows are rated"


def test_several_processes_find_what_one_finds(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for jobs in (1, 2):
        assert run(60, 3, explained=6, tariff="beijing/construction-waste", jobs=jobs) == 0
        told.append([said.partition("; k rows/s")[0] for said in capsys.readouterr().out.splitlines()])
    assert told[0] == told[1]
    assert len(told[0]) == 3, "a line a version, and one of all"


def test_packs_with_a_stage_are_rated_alike_too() -> None:
    staged = [version for file in ELSEWHERE if (version := tariffs.read(file)).model.stage is not None]
    tallies = [soak(version, rows=600, explained=8, seed=0, seconds=1) for version in staged]
    assert [line(tally) for tally in tallies if tally.wrong] == []
    assert {version.model.stage.grain for version in staged if version.model.stage} == {"day", "record"}
    assert 2 * sum("fused" in tally.without for tally in tallies) < len(tallies), "most stages are compiled"


@pytest.mark.parametrize("seed", range(6))
def test_random_versions_are_rated_alike(seed: int) -> None:
    versions = [random_plants.random_version(Random(seed))]
    with contextlib.suppress(tariffs.PackError):  # a few do not check
        versions.append(tariffs.parse(random_version(Random(seed))[0], tariff="xx/random", effective=date(2026, 1, 1)))
    for version in versions:
        if all(item.type.high < 10**9 and item.type.places <= 6 for item in version.model.inputs):
            tally = soak(version, rows=400, explained=30, seed=seed, seconds=1)
            assert not tally.wrong, line(tally)


def test_a_divisor_that_is_missing_or_0_refuses_its_row_and_nothing_else(tmp_path: Path) -> None:
    pack = b"""\
language: 1
title: {en: a divisor its bounds keep from 0}
status: illustrative
source: {document: made for a test}
currency: CNY
direction: receivable
period: any
inputs:
  a: {unit: CNY, step: 0.01, min: 0, max: 100}
  b: {unit: t, step: 0.001, min: 0.001, max: 1000}
values: {one: {value: 1, unit: t}}
charges: {fee: {formula: "divide(a * one, b, 0.01, up)"}}
"""
    version = tariffs.parse(pack, tariff="xx/divisor", effective=date(2026, 1, 1))
    numbers = pa.array([D(1), None, D(0), D(-1), D("0.003")], pa.decimal128(9, 3))
    given = Tables(pa.table({"a": pa.array([D(1), D(1), D(1), D(1), D("0.03")], pa.decimal128(9, 2)), "b": numbers}), None)
    for way in ways(version.model).values():
        found = way(version, given, tmp_path)
        assert sorted(found.refused) == [1, 2, 3]
        assert found.amounts["fee"].to_pylist() == [D("1.00"), D("10.00")]


def _half_down(x: D, step: D, mode: str) -> D:
    return decimal_words.round_to(x, step, decimal.ROUND_HALF_DOWN if mode == decimal.ROUND_HALF_UP else mode)


def _open_edge(quantity: D, edges: Any, rates: Any) -> D:
    return decimal_words.blocks(quantity, [edge + 1 for edge in edges], rates)


@pytest.mark.parametrize(
    ("tariff", "day", "fault"), [("cn/beijing/construction-waste", "2014-06-30", {"round_to": _half_down}), (BEIJING, "2022-10-31", {"blocks": _open_edge})]
)
def test_a_loop_with_a_fault_differs(tariff: str, day: str, fault: dict[str, Any], tmp_path: Path) -> None:
    version = tariffs.load(tariff, on=day)
    made, random = study(version.model, 0), np.random.default_rng(0)
    given = tables(made, draw(made, random, 400), random, "decimals")
    found = in_memory(engine="numpy")(version, given, tmp_path)
    for loop, differs in ((made.loop, False), (build(version.model, fault), True)):
        answers, _ = by_loop(loop, made, given)
        assert (differences("numpy", loop, answers, found) is not None) is differs


def test_the_written_loop_is_plain_python_one_can_read_and_run() -> None:
    version = tariffs.load(BEIJING, on="2022-10-31").model
    text = source(version)
    assert "if payer == 'quota_unit':" in text
    assert "# plain_fee: round(weight * standard, 0.01)" in text
    module: dict[str, Any] = dict(WORDS)
    exec(text, module)
    assert module["rate"]("quota_unit", D("5.001"), D(10)) == (D("1500.30"), None, D("1500.30"))
    loop = build(version)
    assert loop.arguments == ("payer", "weight", "quota")
    assert loop.outputs == ("quota_fee", "plain_fee", "total")
    given = [
        ("other", D(1), None),
        ("quota_unit", D(1), None),
        (None, D(1), D(1)),
        ("other", D("0.0001"), D(1)),
        ("other", D(1), D(-1)),
        ("nobody", D(1), D(1)),
    ]
    assert rate_all(loop, given) == [(None, D(300), D(300)), *["facts"] * 5]


def test_the_loop_would_rather_stop_than_lose_a_digit() -> None:
    with decimal.localcontext(decimal_words.EXACT), pytest.raises(decimal.Inexact):
        D(1) / D(3)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_loop_divides_and_rounds_as_fractions_do(mode: Mode) -> None:
    random, name = Random(0), f"ROUND_{mode.value.upper()}"
    with decimal.localcontext(decimal_words.EXACT):
        for _ in range(300):
            top, bottom = D(random.randint(-60, 60)) / 4, D(random.choice([-8, -3, 2, 7, 40])) / 10
            step = D(random.choice(["0.01", "0.05", "0.25", "1", "3"]))
            assert decimal_words.divide(top, bottom, step, name) == round_fraction(Fraction(top) / Fraction(bottom), step, mode)
            assert decimal_words.round_to(top, D("0.1"), name) == round_fraction(Fraction(top), D("0.1"), mode)


def test_an_exact_half_is_counted() -> None:
    halves = Halves()
    words = counting(halves)
    words["round_to"](D("2.775"), D("0.01"), decimal.ROUND_HALF_UP)
    words["round_to"](D("2.776"), D("0.01"), decimal.ROUND_HALF_UP)
    words["divide"](D(-5), D(2), D(1), decimal.ROUND_HALF_EVEN)
    words["divide"](D(4), D(2), D(1), decimal.ROUND_HALF_EVEN)
    assert halves.count == 2
