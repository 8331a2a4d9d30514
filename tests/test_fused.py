"""The fused path: compiled code gives what ``explain`` gives, says of every row it cannot take that it is bad, and is compiled only where that pays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal as D
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest

import tariffs
from soak.differential import Facts, as_texts, one_by_one
from soak.pack_rows import periods_of
from soak.packs import _facts
from tariffs import binding, columns, compiled, rate
from tariffs.model import Version
from tariffs.money import Mode, round_ratio
from tariffs.program import program_of
from tariffs.registers import DOUBLE
from tariffs.scaled import SMALL
from tests.fused_alone import Form, Period, amounts, as_arrow, as_lists, bind, compare, plain
from tests.random_versions import PERIODS, random_facts, random_version
from tests.test_rate import BODY, FRAME, QUOTA, refusal, version

SEEDS = int(os.environ.get("DIFFERENTIAL_VERSIONS", "120")) // 5  # each is compiled, which takes a tenth of a second
MANY = compiled.CHUNK + 3000


# --- the same numbers ---------------------------------------------------------------------------------------------


def same(rule: tariffs.TariffVersion, facts: Sequence[Facts], period: Period, form: Form) -> bool:
    told = [one_by_one(rule, row, period) for row in facts]
    return compare(rule, facts, period, [outcome if isinstance(outcome, dict) else None for outcome in told], form)


@pytest.mark.parametrize("part", range(2))
def test_compiled_code_agrees_with_explain_on_random_versions_and_facts(part: int) -> None:
    used = 0
    for seed in range(part, SEEDS, 2):
        random = Random(f"fused {seed}")
        content, draft = random_version(random)
        try:
            rule = tariffs.parse(content, tariff="xx/random", effective=date(2026, 1, 1))
        except tariffs.PackError:
            continue
        facts: list[Facts] = [random_facts(random, draft, faulty=random.randrange(8) == 0) for _ in range(40)]
        period = random.choice(PERIODS)
        used += (
            same(rule, plain(rule, facts), period, as_arrow)
            if seed % 4
            else same(rule, facts, period, as_lists) & same(rule, as_texts(facts), period, as_lists)
        )
    assert used > SEEDS // 2 // 3, "most random versions check, and fit 64 bits"


def test_compiled_code_agrees_with_explain_on_every_published_version() -> None:
    used, wide = 0, []
    for rule in (tariffs.read(file) for file in tariffs.versions()):
        periods = periods_of(rule.model)
        if periods and rule.model.stage is None:
            random = Random(rule.model.name)
            marks = sorted({number for value in rule.model.values for cell in value.cells.values() for number in cell} | {D(0)})
            used += 1
            facts = [_facts(rule.model, random, marks) for _ in range(50)]
            wide += [] if same(rule, facts, periods[0], as_lists) else [rule.id]
    assert used > len(wide) * 20, f"few versions need more than 64 bits for small numbers too: {wide}"


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("step", ["0.03", "0.07", "0.5", "1", "999.9999", "123456.7891"])
@pytest.mark.parametrize("most", [DOUBLE, SMALL, SMALL // 2, 2 * SMALL], ids=["a double", "32 bits", "31 bits", "33 bits"])
def test_rounding_by_a_constant_is_exact_up_to_the_last_number_that_is_taken(most: int, mode: Mode, step: str) -> None:
    unit = int(D(step) * 10**4)
    if 2 * unit > most - 10**5:
        pytest.skip("no number is left")
    limit = D(most - 2 * unit) // 10**4  # what is added for rounding still fits
    rule = version(f"""
inputs:
  x: {{unit: CNY, step: 0.0001, min: {-limit}, max: {limit}}}
values:
  s: {{value: {step}, unit: CNY}}
charges:
  fee: {{kind: working, unit: CNY, formula: "round(x, s, {mode})"}}
  bill: {{formula: "round(x * 0, 0.01)"}}
""")
    random = Random(step)
    past = int(limit * 10**4) // unit
    quotients = [q for q in (0, 1, 2, 3, past - 1, *(random.randrange(past) for _ in range(300) if past)) if 0 <= q < past]
    given = [sign * (q * unit + rest) for q in quotients for sign in (1, -1) for rest in (0, 1, unit - 1, unit // 2, unit // 2 + 1, (unit - 1) // 2)]
    bound = bind(rule, {"x": pa.array([D(x).scaleb(-4) for x in given], pa.decimal128(20, 4))}, None)
    assert bound is not None
    assert [row["fee"] for row in amounts(bound)] == [D(round_ratio(x, unit, mode)) * D(step) for x in given]


def test_what_32_bits_do_not_hold_of_a_bad_row_divides_nothing() -> None:
    """Its lower half may be 0, and the processor would stop the process."""
    asked = "divide(a, b, 0.01)", "divide(a, b, 0.01) if b <= many else 0", "divide(a, b - c, 0.01) if b - c > 0 else 0", "divide(a, b * two, 0.01)"
    for formula, most in zip(asked, ("1000", "100000000000", "100000000000", "1000"), strict=True):
        c = "  c: {unit: t, step: 1, min: 0, max: 100000000000}\n" if " c" in formula else ""
        rule = version(f"""
inputs:
  a: {{unit: CNY, step: 0.01, min: 0, max: 1000}}
  b: {{unit: t, step: 1, min: 1, max: {most}}}
{c}values: {{one: {{value: 1, unit: t}}{", many: {value: 1000, unit: t}" if "many" in formula else ""}{", two: {value: 2}" if "two" in formula else ""}}}
charges: {{fee: {{formula: "{formula.replace("(a,", "(a * one,")}"}}}}
""")
        rows = [7, 2**32, 2**33, 1, 1000, 3 * 2**32, 8]
        table = pa.table({"a": [10] * len(rows), "b": rows} | ({"c": [0] * len(rows)} if c else {}))
        expected, told = rule.rate(table, errors="return", engine="numpy")
        found, refused = rule.rate(table, errors="return", engine="fused")
        assert found.equals(expected) and refused.equals(told)


def test_what_numbers_are_multiples_of_is_taken_out_of_sums_choices_comparisons_and_quotients() -> None:
    """Products with 60, 90 and -30 have factors in common, with each other and with what they are rounded to."""
    rule = version("""
inputs:
  kind: {choices: {a: {en: one}, b: {en: other}}}
  x: {unit: kg, step: 1, min: -1000000, max: 1000000}
  y: {unit: kg, step: 1, min: 0, max: 1000000}
values:
  six: {value: 60, unit: CNY/kg}
  nine: {value: 90, unit: CNY/kg}
  loss: {value: -30, unit: CNY/kg}
  fixed: {value: 120, unit: CNY}
  none: {value: 0, unit: CNY}
  seven: {value: 7, unit: CNY}
  ninety: {value: 90, unit: CNY}
  many: {value: 300, unit: CNY}
  part: {value: 0.45}
charges:
  added: {kind: working, unit: CNY, formula: "x * six + y * nine - fixed"}
  less: {kind: working, unit: CNY, formula: "fixed - (x * six - y * loss)"}
  chosen: {kind: working, unit: CNY, formula: 'x * six if kind == "a" else y * nine'}
  or_fixed: {kind: working, unit: CNY, formula: 'x * six if kind == "a" else fixed'}
  or_none: {kind: working, unit: CNY, formula: 'x * six if kind == "a" else none'}
  ends: {kind: working, unit: CNY, formula: "min(x * six, y * nine) + max(x * nine, fixed) + max(y * loss, x * loss)"}
  shown: {kind: working, unit: CNY, formula: "round(x * six, seven, half_up) + round(added, ninety, half_even) + round(chosen, many, floor)"}
  quotient: {kind: working, unit: CNY, formula: "divide(x * six, y * nine, 0.01) * fixed if y * nine > none else none"}
  taken: {kind: working, unit: CNY, formula: "nine * y if x * part <= y * part and x * loss < y * loss or x * six == y * nine else six * x"}
  bill: {formula: "round(added + less * part, 0.01)"}
""")
    random = Random("multiples")
    marks = [0, 1, -1, 2, 3, 4, 7, 150, 10**6, -(10**6)]
    facts: list[Facts] = [
        {
            "kind": random.choice("ab"),
            "x": random.choice([*marks, random.randint(-(10**6), 10**6)]),
            "y": abs(random.choice([*marks, random.randint(0, 10**6)])),
        }
        for _ in range(400)
    ]
    assert same(rule, facts, PERIODS[0], as_lists)


@pytest.mark.parametrize("again", ["x * six if x > ten else none", "none if x <= ten else x * six", "x * six if x < ten else x * six"])
def test_a_product_met_again_under_a_condition_keeps_its_own_bounds_elsewhere(again: str) -> None:
    rule = version(f"""
inputs:
  x: {{unit: kg, step: 1, min: -1000, max: 1000}}
values:
  six: {{value: 60, unit: CNY/kg}}
  ten: {{value: 10, unit: kg}}
  limit: {{value: 300, unit: CNY}}
  none: {{value: 0, unit: CNY}}
charges:
  first: {{kind: working, unit: CNY, formula: "x * six"}}
  again: {{kind: working, unit: CNY, formula: "{again}"}}
  bill: {{formula: "round(limit if first > limit else again if again > none else none, 1)"}}
""")
    facts: list[Facts] = [{"x": x} for x in (-1000, -11, -10, -7, -1, 0, 1, 5, 6, 9, 10, 11, 1000)]
    assert same(rule, facts, PERIODS[0], as_lists)


def test_a_product_met_again_in_a_stage_keeps_its_own_bounds_too() -> None:
    rule = version("""
stage:
  grain: day
  inputs: {flow: {unit: m3, step: 1, min: -50, max: 50, collect: sum, missing: {fill: refuse}}}
  charges:
    first: {unit: CNY, formula: "flow * six"}
    again: {unit: CNY, formula: "flow * six if flow > ten else none"}
    paid: {unit: CNY, formula: "one if first > limit else two"}
inputs:
  amount: {unit: CNY, step: 1, min: 0, max: 5000, collect: sum, of: stage.paid}
values:
  six: {value: 60, unit: CNY/m3}
  ten: {value: 10, unit: m3}
  limit: {value: 300, unit: CNY}
  none: {value: 0, unit: CNY}
  one: {value: 1, unit: CNY}
  two: {value: 2, unit: CNY}
charges:
  fee: {formula: "round(amount, 0.01)"}
""")
    flow = [D(-5), D(1), D(20), *[D(3)] * 25]
    days = pa.table({"account": ["a"] * 28, "start": [date(2026, 2, 1 + day) for day in range(28)], "flow": pa.array(flow, pa.decimal64(9, 0))})
    engines: tuple[rate.Engine, ...] = ("numpy", "fused")
    for engine in engines:
        found = rule.rate({"account": ["a"]}, stage=days, period=(date(2026, 2, 1), date(2026, 3, 1)), engine=engine)
        assert found["fee"] == [D("55.00")]


@pytest.mark.skipif(not compiled.STREAMABLE, reason="no processor of that kind")
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 511, 512, 513, MANY])
def test_amounts_written_past_the_caches_are_the_same_to_the_last_row(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "STREAMS", 0)
    monkeypatch.setattr(compiled, "FASTER", ("",))
    codes = (np.arange(rows) % 2).astype(np.int8)
    whole = quotas(rows, np.zeros(rows, bool), ["other", "quota_unit"], codes)
    faulty = quotas(rows, np.arange(rows) % 97 == 1, ["other", "quota_unit"], codes)
    rule, made, original = version(QUOTA + f"# {rows} written past the caches\n"), list[bool](), compiled._machine

    def noted(version: Version, shapes: tuple[compiled.Shape, ...], outputs: tuple[compiled.Output, ...], streamed: bool) -> compiled.Machine | None:
        made.append(streamed)
        return original(version, shapes, outputs, streamed)

    monkeypatch.setattr(compiled, "_machine", noted)
    for narrow in (False, True):
        assert rule.rate(whole, engine="fused", narrow=narrow, threads=2).equals(rule.rate(whole, engine="numpy", narrow=narrow))
        found, refused = rule.rate(faulty, engine="fused", errors="return", narrow=narrow)
        expected, told = rule.rate(faulty, engine="numpy", errors="return", narrow=narrow)
        assert found.equals(expected) and refused.equals(told)
    assert made and all(made), "each was written so"


def test_large_frames_alone_are_written_past_the_caches_and_only_where_that_was_seen_to_be_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FASTER", ("",))
    few = (compiled.Output("fee", 2, 128, 2), compiled.Output("unseen", 2, 0, 2))
    assert [compiled.streams(rows, few) for rows in (compiled.STREAMS - 1, compiled.STREAMS)] == [False, compiled.STREAMABLE]
    most = compiled.NEAR // compiled.STREAMED // 16
    assert [compiled.streams(compiled.STREAMS, few[:1] * count) for count in (most, most + 1)] == [compiled.STREAMABLE, False], "their blocks lie on the stack"
    monkeypatch.setattr(compiled, "FASTER", ("no such processor",))
    assert not compiled.streams(compiled.STREAMS, few)


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_memory_of_amounts_is_whole_lines(bits: int) -> None:
    """Compiled code writes the last of them whole; what is told is as many rows as there are."""
    reach = {32: 10**8, 64: 10**17, 128: 10**37}[bits]
    for rows in (0, 1, 15, 16, 17):
        made = columns.new_amounts("x", rows, 2, reach, signed=True, narrow=True)
        assert (made.memory.size % compiled.LINE, len(made.words), columns.bits_of(made)) == (0, rows, bits)
        assert made.memory.size >= rows * bits // 8
        found = columns.finish(made)
        assert (len(found), found.buffers()[1].size) == (rows, rows * bits // 8), "and nothing behind them is written to a file"


@pytest.mark.parametrize("formula", ["(x if x == y else x) * v", "x * v if x == y else x * v", "(x if x > y else x) * v", "min(x, y) * v if x < y else x * v"])
def test_what_a_condition_says_of_a_number_holds_on_its_side_only(formula: str) -> None:
    """Where ``x == y`` both are at most 3, and 32 bits hold them; elsewhere ``x`` is as large as its own bounds say."""
    rule = version(f"""
inputs:
  x: {{unit: kg, step: 1, min: 0, max: 4294967296}}
  y: {{unit: kg, step: 0.01, min: 1, max: 3}}
values:
  v: {{value: 0.45, unit: CNY/kg}}
  step: {{value: 0.6, unit: CNY}}
charges:
  bill: {{formula: "round({formula}, step, ceiling)"}}
""")
    facts: list[Facts] = [{"x": x, "y": y} for x in (0, 1, 2, 3, 4, 2**31 - 1, 2**31, 2**32 - 1, 2**32) for y in (1, 2, 3)]
    assert same(rule, facts, PERIODS[0], as_lists)
    assert same(rule, plain(rule, [{name: D(str(value)) for name, value in row.items()} for row in facts]), PERIODS[0], as_arrow)


# --- columns as they come -----------------------------------------------------------------------------------------

NARROW = pa.array([D("12.000"), None, D("-0.001"), D("100000.000"), D("0.005"), D("100000.001"), D("0.000")], pa.decimal32(9, 3))


def test_columns_of_32_bits_come_in_as_they_lie_and_are_held_to_bounds_and_step() -> None:
    """Whole, cut out of a longer one, at another scale than the input's, and in pieces; what lies under a null means nothing."""
    rule = version('inputs: {x: {unit: CNY, step: 0.005, min: 0, max: 100000}}\ncharges: {fee: {formula: "round(x * 1.06, 0.01)"}}\n')
    bits: Any = NARROW.buffers()[1]
    words = np.frombuffer(bits, np.int32).copy()
    words[1] = -(2**31)
    memory: Any = words
    hidden = pa.Array.from_buffers(NARROW.type, len(NARROW), [NARROW.buffers()[0], pa.py_buffer(memory)])
    other = pa.array([D("12.00"), D("-0.01"), D("100000.01"), None, D("100000.00")], pa.decimal32(9, 2))
    columns_: list[Any] = [
        NARROW,
        hidden,
        NARROW.slice(3),
        pa.concat_arrays([NARROW] * 100).slice(5),
        pa.chunked_array([NARROW, hidden]),
        other,
        other.slice(1),
    ]
    engines: tuple[rate.Engine, ...] = ("numpy", "fused")
    for column in columns_:
        table = pa.table({"x": column})
        expected, told = rule.rate({"x": column.to_pylist()}, errors="return", engine="numpy")
        for engine in engines:
            found, refused = rule.rate(table, errors="return", engine=engine, narrow=True)
            assert found["fee"].to_pylist() == expected["fee"]
            assert refused.to_pydict() == told


WEIGHTS: list[Any] = [
    pa.array([12, 5], pa.int8()),
    pa.array([12, 5], pa.uint32()),
    pa.array([12, 5], pa.int64()),
    pa.array([12, 5], pa.uint64()),
    pa.array([D(12), D(5)], pa.decimal32(5, 2)),
    pa.array([D(12), D(5)], pa.decimal64(12, 3)),
    pa.array([D(12), D(5)], pa.decimal128(5, 1)),
    pa.array([D(12), D(5)], pa.decimal128(38, 9)),
    pa.array([D(12), D(5)], pa.decimal256(60, 20)),
    pa.array(["12", "5.000"]),
    pa.array([D(7), D(12), D(5)]).slice(1),
    pa.chunked_array([pa.array([12]), pa.array([5])]),
    pd.Series([12, 5]),
    [12, "5"],
]


@pytest.mark.parametrize("column", WEIGHTS, ids=lambda c: f"{type(c).__name__}-{getattr(c, 'dtype', getattr(c, 'type', ''))}")
def test_every_exact_kind_of_number_is_taken_compiled(column: Any) -> None:
    bound = bind(version(QUOTA), {"payer": ["other", "other"], "weight": column}, None)
    assert bound is not None
    assert [row["total"] for row in amounts(bound)] == [D("3600.00"), D("1500.00")]


def quotas(rows: int, null: Any, payers: Sequence[str], codes: Any, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    weight, quota = (pa.array([D(int(n)).scaleb(-3) for n in random.integers(0, 10**8, rows)], pa.decimal128(9, 3)) for _ in range(2))
    payer = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(payers))
    empty: Any = pa.array(null)
    return pa.table({"payer": payer, "weight": weight, "quota": pa.compute.if_else(empty, None, quota)})


def assert_taken(rule: tariffs.TariffVersion, frame: pa.Table, period: Period | None = None) -> None:
    """Compiled code takes every row, and gives what NumPy gives."""
    bound = bind(rule, frame, period)
    assert bound is not None
    assert [binding.run(bound, start, stop) for start, stop in binding.stretches(bound)] == [[]] * len(list(binding.stretches(bound)))
    found = {name: columns.finish(column) for name, column in bound.amounts.items()}
    assert pa.table(found).equals(rule.rate(frame, period=period, workings=True, engine="numpy"))


@pytest.mark.parametrize("kind", [pa.decimal128(20, 2), pa.decimal128(20, 4), pa.decimal64(15, 3), pa.decimal128(20, 1), pa.int64(), pa.int16()], ids=str)
def test_bounds_and_step_are_held_where_columns_lie(kind: Any) -> None:
    rule = version('inputs: {x: {unit: CNY, step: 0.05, min: -3, max: 50}}\ncharges: {fee: {formula: "round(x, 0.01)"}}\n')
    unit = D(1).scaleb(-getattr(kind, "scale", 0))
    near = [D(edge) + step * unit for edge in (-3, 0, 50) for step in (-5, -2, -1, 0, 1, 2, 5)]
    for value in near:
        bound = bind(rule, pa.table({"x": pa.array([int(value) if pa.types.is_integer(kind) else value], kind)}), None)
        assert bound is not None
        good = -3 <= value <= 50 and value % D("0.05") == 0
        assert binding.run(bound, 0, 1) == ([] if good else [0]), value
        assert not good or columns.finish(bound.amounts["fee"]).to_pylist() == [value]


def test_slices_pieces_nulls_and_dictionaries_in_any_order_are_taken_as_they_lie() -> None:
    codes = np.arange(MANY) % 2
    frame = quotas(MANY, codes == 0, ["other", "quota_unit"], codes.astype(np.int16))
    for begin, end in ((0, 1), (0, 7), (0, 64), (1, 66), (5, 4101), (3, MANY), (MANY - 9, MANY)):
        assert_taken(version(QUOTA), frame.slice(begin, end - begin))
    turned = quotas(777, np.ones(777, bool), ["nobody", "quota_unit", "other"], np.full(777, 2, np.int16), 1)
    assert_taken(version(QUOTA), pa.concat_tables([frame.slice(0, 70), turned, frame.slice(100)]))
    assert_taken(version(QUOTA), frame.slice(1, 500).set_column(0, "payer", pa.array(["quota_unit", "other"] * 250)))
    assert_taken(version(QUOTA), quotas(600, codes[:600] == 1, ["quota_unit", "other", "x"], codes[:600].astype(np.int64)))


def test_bits_that_end_where_their_memory_ends_are_not_read_beyond() -> None:
    words: Any = np.full(64, 1000, np.int64)
    valid: Any = pa.py_buffer(bytes([255] * 8))
    quota = pa.Array.from_buffers(pa.decimal64(9, 3), 64, [valid, pa.py_buffer(words)])
    lost: Any = pa.Array.from_buffers(pa.decimal64(9, 3), 64, [pa.py_buffer(bytes([0] + [255] * 7)), pa.py_buffer(words)])
    assert_taken(version(QUOTA), pa.table({"payer": ["quota_unit"] * 64, "weight": quota, "quota": quota}))
    assert_taken(version(QUOTA), pa.table({"payer": ["other"] * 8 + ["quota_unit"] * 56, "weight": quota, "quota": lost}).slice(3))


def test_more_members_than_are_compared_one_by_one_are_looked_up() -> None:
    for count in (compiled.CHAIN, compiled.CHAIN + 1, 200):
        members = [f"m{i}" for i in range(count)]
        rule = version(f"""
inputs:
  k: {{choices: {{{", ".join(f"{member}: {{en: {member}}}" for member in members)}}}}}
  x: {{unit: CNY, step: 0.01, min: 0, max: 100}}
values:
  f: {{by: [k], table: {{{", ".join(f"{member}: {i}" for i, member in enumerate(members))}}}}}
charges:
  fee: {{formula: "round(x * f[k], 0.01)"}}
""")
        turned: Any = pa.array(members[::-1])
        codes: Any = pa.array(np.arange(1000) % count)
        assert_taken(rule, pa.table({"k": pa.DictionaryArray.from_arrays(codes, turned), "x": pa.array(np.arange(1000) % 100)}))
        stranger = pa.table({"k": pa.array(["nobody"]).dictionary_encode(), "x": [1]})
        bound = bind(rule, stranger, None)
        assert bound is not None and binding.run(bound, 0, 1) == [0]


def test_periods_of_all_rows_and_of_each() -> None:
    rule = version("""
inputs:
  x: {unit: CNY/day, step: 0.01, min: 0, max: 100}
charges:
  fee: {formula: "round(x * period_days, 0.01)"}
""")
    days = {"period_start": pa.array([date(2026, 1, 1), date(2026, 2, 1)]), "period_end": pa.array([date(2026, 2, 1), date(2026, 3, 1)])}
    assert_taken(rule, pa.table({"x": [1, 2]}), (date(2026, 2, 1), date(2026, 3, 1)))
    assert_taken(rule, pa.table({"x": [1, 2], **days}))
    for frame, period in ((pa.table({"x": [1]}), None), (pa.table({"x": [1, 2], **days, "period_start": days["period_end"]}), None)):
        bound = bind(rule, frame, period)
        assert bound is not None and binding.run(bound, 0, frame.num_rows) == [0]


# --- something is wrong -------------------------------------------------------------------------------------------


def test_a_chunk_with_a_bad_row_goes_to_numpy_and_the_others_do_not() -> None:
    codes = np.zeros(3 * compiled.CHUNK, np.int8)
    codes[compiled.CHUNK + 5] = 1
    frame = quotas(len(codes), np.zeros(len(codes), bool), ["other", "nobody"], codes)
    bound = bind(version(QUOTA), frame, None)
    assert bound is not None
    assert [binding.run(bound, *part) for part in binding.stretches(bound)] == [[compiled.CHUNK]]
    found, problems = version(QUOTA).rate(frame, errors="return", engine="fused", threads=2)
    expected, told = version(QUOTA).rate(frame, errors="return", engine="numpy")
    assert found.equals(expected) and problems.equals(told)
    assert problems["row"].to_pylist() == [compiled.CHUNK + 5]


def test_columns_that_cannot_be_read_are_refused_in_the_words_of_numpy() -> None:
    for bad in ({"weight": [1.5, 2.5]}, {"weight": ["x", "1"]}, {"quota": [None, None]}, {"payer": ["x", None]}, {"weight": [-1, 1]}):
        assert refusal({**FRAME, **bad}, engine="fused") == refusal({**FRAME, **bad}, engine="numpy")
    assert refusal({"payer": ["quota_unit"], "weight": [1]}, engine="fused") == [("column-absent", "quota")]


# --- options ------------------------------------------------------------------------------------------------------


def test_options_that_cannot_be_are_all_told() -> None:
    with pytest.raises(tariffs.TariffError) as caught:
        version(QUOTA).rate(FRAME, errors="x", engine="gpu", threads=0)  # type: ignore[arg-type]
    assert [problem.code for problem in caught.value.problems] == ["option-unknown", "option-unknown", "threads-few"]
    for threads in (-1, True, "2"):
        with pytest.raises(tariffs.TariffError, match="threads="):
            version(QUOTA).rate(FRAME, threads=threads)  # type: ignore[arg-type]


def test_narrow_amounts_are_as_narrow_as_they_always_fit_and_pandas_is_told_to_leave_it() -> None:
    frame = pa.table(FRAME)
    engines: tuple[rate.Engine, ...] = ("numpy", "fused")
    for engine in engines:
        found = version(QUOTA).rate(frame, narrow=True, engine=engine)
        assert set(found.schema.types) == {pa.decimal64(18, 2)}
        assert found.to_pylist() == version(QUOTA).rate(frame).to_pylist()
    with pytest.raises(tariffs.TariffError, match="decimal64"):
        version(QUOTA).rate(pd.DataFrame(FRAME), narrow=True)
    kinds = {
        "9999999.99": pa.decimal32(9, 2),
        "10000000": pa.decimal64(18, 2),
        "9999999999999999.99": pa.decimal64(18, 2),
        "10000000000000000": pa.decimal128(38, 2),
    }
    for most, kind in kinds.items():
        rule = version(f'inputs: {{x: {{unit: CNY, step: 0.01, min: -{most}, max: {most}}}}}\ncharges: {{fee: {{formula: "round(x, 0.01)"}}}}\n')
        for engine in engines:
            found = rule.rate(pa.table({"x": ["-0.01", most, f"-{most}"]}), narrow=True, engine=engine)
            assert set(found.schema.types) == {kind}
            assert found["total"].to_pylist() == [D("-0.01"), D(most), -D(most)]
            assert set(rule.rate(pa.table({"x": ["-0.01"]}), engine=engine).schema.types) == {pa.decimal128(38, 2)}
    fine = version(
        'inputs: {x: {unit: CNY, step: 0.0000000001, min: 0, max: 0.00000001}}\ncharges: {w: {kind: working, formula: "x"}, fee: {formula: "round(x, 0.01)"}}\n'
    )
    for engine in engines:  # two digits, and ten places: no reader of files knows a decimal with more places than digits
        assert fine.rate(pa.table({"x": [D("0.0000000042")]}), narrow=True, workings=True, engine=engine).schema.field("w").type == pa.decimal64(18, 10)


def test_fused_says_why_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = version(
        "inputs: {x: {unit: CNY, step: 0.01, min: 0, max: 1000}}\n"
        "values: {v: {value: 1.00000000000000000000001}}\n"
        'charges: {fee: {formula: "round(x * v, 0.01)"}}\n'
    )
    assert wide.rate({"x": ["1.00"]}, engine="numpy")["total"] == [D("1.00")]
    for rule, facts in ((wide, {"x": ["1.00"]}), (staged(), {"account": ["a"]})):
        with pytest.raises(tariffs.TariffError) as caught:
            rule.rate(facts, engine="fused", period=(date(2026, 2, 1), date(2026, 3, 1)))
        assert [problem.code for problem in caught.value.problems] == ["fused-wide"]
        assert all(problem.text("en") and problem.text("zh") for problem in caught.value.problems)
    monkeypatch.setitem(sys.modules, "llvmlite", None)  # as where it is not installed
    with pytest.raises(tariffs.TariffError, match="llvmlite"):
        version(QUOTA).rate(FRAME, engine="fused")


def staged() -> tariffs.TariffVersion:
    return version("""
stage:
  grain: day
  inputs: {flow: {unit: m3, step: 1, min: 0, max: 100, collect: sum}}
  charges: {paid: {unit: m3, formula: flow}}
inputs:
  volume: {unit: m3, step: 1, min: 0, max: 5000, collect: top_mean(3), mode: half_up, of: stage.paid}
values: {price: {value: 1, unit: CNY/m3}}
charges:
  fee: {formula: "round(volume * price, 0.01)"}
""")


def test_a_thousand_rows_of_a_version_never_seen_compile_nothing() -> None:
    program = f"""
import sys
import pyarrow as pa, tariffs
from datetime import date
rule = tariffs.parse({(BODY + QUOTA)!r}.encode(), tariff="xx/trial", effective=date(2026, 1, 1))
frame = pa.table({{"payer": ["other"] * 1000, "weight": ["5"] * 1000}})
assert rule.rate(frame)["total"][0].as_py() == 1500
from tariffs import compiled
assert "llvmlite" not in sys.modules and compiled._slot.cache_info().currsize == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_threads_that_come_at_once_compile_once_and_auto_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = version(QUOTA + "# two of its own\n")
    frame = quotas(rate.LARGE, np.zeros(rate.LARGE, bool), ["other", "quota_unit"], (np.arange(rate.LARGE) % 2).astype(np.int8))
    program = program_of(rule.model)
    opened = columns.open_frame(frame, frame.column_names)
    outputs = rate._outputs(program, opened.rows, False, True, "raise")
    with ThreadPoolExecutor(4) as pool:
        bound = list(pool.map(lambda _: rate._bind(program, opened, None, False, outputs), range(4)))
    machines = [one.machine for one in bound if one is not None]
    assert len(machines) == 4
    assert all(one is machines[0] for one in machines)
    monkeypatch.setattr(rate, "COMPILES", 0)
    found = []
    assert bound[0] is not None
    key = rule.model, bound[0].shapes, bound[0].outputs
    slot = compiled._slot(*key, False)
    assert slot.machine is machines[0]
    slot.done, slot.machine = False, None
    with slot.lock:  # another thread compiles it
        found.append(rule.rate(frame, narrow=True))
        assert slot.machine is None
    found.append(rule.rate(frame, narrow=True))
    assert compiled.machine(*key) is not machines[0]
    assert found[0].equals(found[1])


def test_auto_compiles_once_rows_enough_were_rated_and_only_for_large_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = version(QUOTA + "# one of its own\n")
    frame = quotas(rate.LARGE, np.zeros(rate.LARGE, bool), ["other", "quota_unit"], (np.arange(rate.LARGE) % 2).astype(np.int8))
    monkeypatch.setattr(rate, "COMPILES", 2 * rate.LARGE)
    before = compiled._slot.cache_info().misses
    first = rule.rate(frame)
    assert compiled._slot.cache_info().misses == before
    assert rule.rate(frame).equals(first)
    assert compiled._slot.cache_info().misses == before + 1
    rule.rate(frame.slice(0, 1000))
    assert compiled._slot.cache_info().misses == before + 1
    assert compiled._slot.cache_info().hits == 0 or rule.rate(frame).equals(first)
