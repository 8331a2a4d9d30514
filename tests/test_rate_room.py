"""Buffers that are used again: what one expression or chunk writes, no other finds in its numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tariffs
from soak.differential import amounts, one_by_one
from tariffs import rate
from tariffs.rate import PART
from tests.test_rate import MONTH, version


def frame(rows: int) -> pa.Table:
    """Rows of Beijing's quota rule in memory that could be written to."""
    random = np.random.default_rng(5)
    payers: Any = pa.array(random.integers(0, 2, rows).astype(np.int8))
    columns: dict[str, Any] = {"payer": pa.DictionaryArray.from_arrays(payers, pa.array(["quota_unit", "other"]))}
    for name in ("weight", "quota"):
        words: Any = random.integers(0, 20_001, rows)
        columns[name] = pa.Array.from_buffers(pa.decimal64(9, 3), rows, [None, pa.py_buffer(words)])
    return pa.table(columns)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_chunk_does_not_see_the_one_before(threads: int) -> None:
    version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
    given = frame(2 * PART + 77)
    before = pa.table({name: pa.array(column.to_pylist(), column.type) for name, column in zip(("weight", "quota"), given.columns[1:], strict=True)})
    found = version.rate(given, engine="numpy", threads=threads)
    parts = [version.rate(given.slice(start, PART // 2), engine="numpy", threads=1) for start in range(0, given.num_rows, PART // 2)]
    assert found.combine_chunks().equals(pa.concat_tables(parts).combine_chunks())
    assert given.select(["weight", "quota"]).combine_chunks().equals(before), "what was given is as it was"
    for row in (0, PART - 1, PART, 2 * PART + 76):
        facts = {name: given.column(name)[row].as_py() for name in given.column_names}
        assert found.column("total")[row].as_py() == version.explain(facts).total


SIGNED = """
inputs:
  used: {unit: m3, step: 0.01, min: -100000000, max: 100000000}
  owed: {unit: CNY, step: 0.01, min: 0, max: 10000000000}
values:
  price: {value: 3.755, unit: CNY/m3}
  free: {value: 10, unit: CNY}
charges:
  water: {formula: "round(max(0, used) * price, 0.01)"}
  back: {formula: "round(min(0, used) * price, 0.01)"}
  again: {kind: working, formula: "water"}
  late: {when: "owed > free", formula: "round(owed * 0.0005, 0.01)"}
  tax: {formula: "round(subtotal * 0.06, 0.01)"}
  levy: {formula: "round(subtotal * 0.015, 0.01)"}
"""


@pytest.mark.parametrize("narrow", [False, True])
def test_numbers_of_every_size_come_to_the_same(narrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed in 32 bits, because these numbers are small, and what is not, because one more bit would be too much."""
    monkeypatch.setattr(rate, "LONG", 1)
    rule = version(SIGNED)
    for bits in range(34):
        sizes = [Decimal(number).scaleb(-2) for number in (2**bits - 1, 2**bits, 2**bits // 3) if number <= 10**10]
        rows = [{"used": sign * size, "owed": size * 100 if size * 100 <= 10**10 else size} for size in sizes for sign in (1, -1)]
        frame = pa.table({name: pa.array([row[name] for row in rows], pa.decimal128(14, 2)) for name in ("used", "owed")})
        columns = rule.rate(frame, engine="numpy", narrow=narrow, workings=True).to_pydict()
        for at, row in enumerate(rows):
            assert amounts(columns, at) == one_by_one(rule, row, MONTH), (bits, row)


@pytest.mark.parametrize("least", [-100_000_000, 0])
def test_amounts_computed_where_they_belong_outlive_what_is_computed_after_them(least: int) -> None:
    """Columns of the result are lent as buffers: of chunks of other lengths, with rows refused between, none is written over."""
    rule, random = version(SIGNED.replace("min: -100000000", f"min: {least}")), np.random.default_rng(3)
    used, owed = random.integers(max(least, -20_000), 5 * 10**9, 2 * PART + 4099), random.integers(0, 4_000, 2 * PART + 4099)
    used[PART + 5] = 10**11  # refused
    frame = pa.table({"used": _decimal(used, pa.decimal64(14, 2)), "owed": _decimal(owed, pa.decimal64(14, 2))})
    for narrow in (True, False):
        found, problems = rule.rate(frame, engine="numpy", threads=2, narrow=narrow, workings=True, errors="return")
        assert problems.column("row").to_pylist() == [PART + 5]
        assert not found.column("total")[PART + 5].is_valid
        back, water = (round_half_up(3755 * part, 1000) for part in (np.minimum(used, 0), np.maximum(used, 0)))
        late = np.where(owed > 1000, round_half_up(5 * owed, 10_000), 0)
        tax = round_half_up((water + back + late) * 6, 100)
        levy = round_half_up((water + back + late + tax) * 15, 1000)
        columns = {"water": water, "back": back, "again": water, "late": late, "tax": tax, "levy": levy, "total": water + back + late + tax + levy}
        for name, expected in columns.items():
            mine = np.array(found.column(name).fill_null(Decimal(0)).cast(pa.decimal128(38, 2)).combine_chunks().buffers()[1]).view(np.int64)[::2]
            np.testing.assert_array_equal(np.delete(mine, PART + 5), np.delete(expected, PART + 5), name)


SUMS = """
inputs:
  x: {unit: CNY, step: 0.01, min: 0, max: MOST}
  y: {unit: CNY, step: 0.01, min: 0, max: MOST}
  z: {unit: CNY, step: 0.01, min: 0, max: 1000}
values:
  five: {value: 5, unit: CNY}
  hundred: {value: 100, unit: CNY}
  thousand: {value: 1000, unit: CNY}
  huge: {value: 100000000.01, unit: CNY}
charges:
  a: {formula: "x"}
  b: {formula: "y"}
  fixed: {kind: working, formula: "round(blocks(huge, [hundred], [1.5, 164.4]), 0.01)"}
  small: {kind: working, when: "fixed <= z", formula: "fixed if a > hundred else z"}
  largest: {kind: working, formula: "top(1, fixed, five)"}
  part: {kind: working, formula: "round(subtotal * 0.06, 0.01)"}
  large: {kind: working, when: "x > hundred", formula: "subtotal"}
  c: {when: "z <= five and a <= hundred and b <= hundred", formula: "round((a + b) * 0.1, 0.01)"}
  d: {when: "z > five and a <= hundred and b <= hundred", formula: "round((a + b) * 0.2, 0.01)"}
  e: {when: "a <= thousand and b <= thousand", formula: "round((a + b) * 0.3, 0.01)"}
  base: {formula: "a + b"}
"""


@pytest.mark.parametrize("long", [1, rate.LONG])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("most", [20_000_000, 10**17])
def test_a_sum_that_is_gone_on_from_is_right_in_every_row(most: int, narrow: bool, long: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in those that the condition around it excluded where it was first added up; and it does not lie where another amount is written."""
    monkeypatch.setattr(rate, "LONG", long)
    rule = version(SUMS.replace("MOST", str(most)))
    rows = [(10, 20, 1), (10, 20, 9), (210, 20, 1), (most, 20, 1), (20_000_000, 5_000_000, 7), (100, 100, 5), (0, 0, 0), (100, 0, 1000)]
    facts = [dict(zip("xyz", map(Decimal, row), strict=True)) for row in rows]
    for some in (facts, *([one] for one in facts)):
        frame = pa.table({name: pa.array([row[name] for row in some], pa.decimal128(38, 2)) for name in "xyz"})
        columns = rule.rate(frame, engine="numpy", narrow=narrow, workings=True).to_pydict()
        for at, row in enumerate(some):
            assert amounts(columns, at) == one_by_one(rule, row, MONTH), row


def test_numbers_written_with_many_more_places_than_they_need_are_rated() -> None:
    rule = version("inputs:\n  x: {unit: CNY, step: 1, min: 0, max: 1000}\ncharges:\n  a: {formula: x}\n")
    for numbers in ([0, 0], [7, 0]):
        frame = pa.table({"x": pa.array([Decimal(number) for number in numbers], pa.decimal128(38, 20))})
        assert rule.rate(frame, engine="numpy").column("a").to_pylist() == numbers


def round_half_up(numbers: Any, unit: int) -> Any:
    """Halves away from zero."""
    return np.sign(numbers) * ((2 * np.abs(numbers) + unit) // (2 * unit))


def _decimal(numbers: Any, kind: Any) -> Any:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers.astype(np.int64))])
