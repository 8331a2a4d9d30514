"""A year of operator settlements: plants x 366 days through ``rate``, and every plant-month again through ``explain``.

The contract is illustrative: a daily cap against design, payment by volume and by mass removed, deductions for days over
the limit, VAT. Days are biased to the cap and the limit; some readings are missing and filled. Times are stated only
where every plant-month is equal.
"""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import tariffs

YEAR = 2028
FIRST, END = date(YEAR, 1, 1), date(YEAR + 1, 1, 1)
KEYS = ("COD", "NH3N", "TN", "TP")
LIMITS = {"COD": 500, "NH3N": 50, "TN": 150, "TP": 5}  # in tenths of mg/L
Ints = npt.NDArray[np.int64]

CONTRACT = b"""\
language: 1
title: {en: illustrative operator contract}
status: illustrative
source: {document: made for a benchmark}
currency: CNY
direction: payable
period: month
dimensions: {pollutant: {COD: {en: COD}, NH3N: {en: ammonia}, TN: {en: total nitrogen}, TP: {en: total phosphorus}}}
stage:
  grain: day
  inputs:
    flow: {unit: m3, step: 1, min: 0, max: 400000, collect: sum}
    inflow: {unit: mg/L, step: 0.1, min: 0, max: 2000, by: pollutant, collect: mean, mode: half_up, missing: {fill: previous, at_most: 31}}
    outflow: {unit: mg/L, step: 0.1, min: 0, max: 2000, by: pollutant, collect: mean, mode: half_up, missing: {fill: period_mean, at_most: 31}}
  charges:
    paid: {unit: m3, formula: "floor(min(flow, cap * design), 1)"}
    removed: {by: pollutant, unit: kg, formula: "flow * max(0, inflow[pollutant] - outflow[pollutant])"}
    over: {unit: m3, when: "any(each(pollutant, outflow[pollutant] > limit[pollutant]))", formula: flow}
inputs:
  design: {unit: m3, step: 1, min: 1, max: 200000}
  volume: {unit: m3, step: 1, min: 0, max: 20000000, collect: sum, of: stage.paid}
  kg: {unit: kg, step: 0.0001, min: 0, max: 100000000, by: pollutant, collect: sum, of: stage.removed}
  strength: {unit: mg/L, step: 0.1, min: 0, max: 2000, collect: weighted_mean, mode: half_up, weight: stage.flow, of: stage.inflow, by: pollutant}
  bad_days: {unit: day, step: 1, min: 0, max: 31, collect: count, of: stage.over, empty: 0}
values:
  cap: {value: 1.3}
  limit: {by: pollutant, unit: mg/L, table: {COD: 50, NH3N: 5, TN: 15, TP: 0.5}}
  price: {value: 1.05, unit: CNY/m3}
  adder: {value: 0.12, unit: CNY/m3}
  strong: {value: 300, unit: mg/L}
  per_kg: {by: pollutant, unit: CNY/kg, table: {COD: 0.5, NH3N: 4, TN: 6, TP: 20}}
  one_day: {value: 1, unit: day}
  share: {value: 0.5, unit: "%"}
  vat: {value: 6, unit: "%"}
charges:
  base: {formula: "round(volume * price, 0.01)"}
  strength_adder: {when: 'strength["COD"] > strong', formula: "round(volume * adder, 0.01)"}
  removal: {by: pollutant, formula: "round(kg[pollutant] * per_kg[pollutant], 0.01)"}
  per_day: {kind: working, formula: "round(subtotal * share, 0.01)"}
  deduction: {formula: "0 - round(bad_days * divide(per_day, one_day, 0.01), 0.01)"}
  tax: {formula: "round(subtotal * vat, 0.01)"}
"""


def days(plants: int, random: np.random.Generator, design: Ints) -> pa.Table:
    """A row a plant and day: flows on the cap and one step beside, outflows on the limit and one step beside, now and then nothing."""
    count = (END - FIRST).days
    start = np.tile(np.arange(count) + (FIRST - date(1970, 1, 1)).days, plants).astype(np.int32)
    rows = plants * count
    full = np.repeat(design, count)
    flow = np.choose(random.integers(0, 4, rows), [full * 13 // 10 + random.integers(-1, 2, rows), full, full // 2, random.integers(0, 250_000, rows)])
    found: dict[str, Any] = {
        "account": pa.array([f"plant {i}" for i in range(plants)]).take(_any(np.repeat(np.arange(plants), count))),
        "start": _any(start).cast(pa.date32()),
        "flow": _any(flow),
    }
    for key in KEYS:
        edge = np.full(rows, LIMITS[key]) + random.integers(-1, 2, rows)
        outflow = np.where(random.integers(0, 20, rows) == 0, edge, random.integers(0, LIMITS[key], rows))
        found[f"inflow[{key}]"] = tenths(random.integers(LIMITS[key], LIMITS[key] * 12, rows), _lost(random, count, rows))
        found[f"outflow[{key}]"] = tenths(outflow, _lost(random, count, rows))
    return pa.table(found)


def _any(values: Any) -> Any:
    return pa.array(values)


def _lost(random: np.random.Generator, count: int, rows: int) -> npt.NDArray[np.bool_]:
    """One day in thirty, but never the first of a month: nothing stands in there."""
    first = np.array([date.fromordinal(FIRST.toordinal() + day).day == 1 for day in range(count)])
    found: npt.NDArray[np.bool_] = (random.integers(0, 30, rows) == 0) & ~np.tile(first, rows // count)
    return found


def tenths(values: Ints, lost: npt.NDArray[np.bool_]) -> Any:
    """decimal128(6, 1) from tenths; null where lost."""
    return pa.array([None if gone else Decimal(value).scaleb(-1) for value, gone in zip(values.tolist(), lost.tolist(), strict=True)], pa.decimal128(6, 1))


def months(plants: int, design: Ints) -> pa.Table:
    """A row a plant and month, with its period."""
    edges = [date(YEAR + month // 12, month % 12 + 1, 1) for month in range(13)]
    return pa.table(
        {
            "account": pa.array([f"plant {i}" for i in range(plants) for _ in range(12)]),
            "design": _any(np.repeat(design, 12)),
            "period_start": pa.array(edges[:-1] * plants, pa.date32()),
            "period_end": pa.array(edges[1:] * plants, pa.date32()),
        }
    )


def unequal(version: tariffs.TariffVersion, frame: pa.Table, rows: pa.Table, result: pa.Table) -> int:
    """How many plant-months ``explain`` gives otherwise, in any line, working or the total."""
    count, names, wrong = (END - FIRST).days, [name for name in rows.column_names if name != "account"], 0
    for index, (given, found) in enumerate(zip(frame.to_pylist(), result.to_pylist(), strict=True)):
        begin = index // 12 * count + (given["period_start"] - FIRST).days
        own = rows.slice(begin, (given["period_end"] - given["period_start"]).days).select(names).to_pylist()
        rating = version.explain(design=given["design"], stage=own, period=(given["period_start"], given["period_end"]))
        expected = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
        wrong += {name: amount for name, amount in found.items() if amount is not None} != expected
    return wrong


def run(plants: int = 1_000, seed: int = 0) -> None:
    """Prints both times; AssertionError where a plant-month differs."""
    version = tariffs.parse(CONTRACT, tariff="xx/operator", effective=FIRST)
    random = np.random.default_rng(seed)
    design = random.integers(1_000, 150_000, plants)
    rows, frame = days(plants, random, design), months(plants, design)
    begin = time.perf_counter()
    result = version.rate(frame, stage=rows, workings=True)
    by_columns = time.perf_counter() - begin
    begin = time.perf_counter()
    wrong = unequal(version, frame, rows, result)
    one_by_one = time.perf_counter() - begin
    assert wrong == 0, f"{wrong} plant-months differ from explain"
    print(f"{plants:,} plants x {(END - FIRST).days} days: {rows.num_rows:,} days, {frame.num_rows:,} plant-months, all equal")
    print(f"  {by_columns:8.2f} s  tariffs.rate, {rows.num_rows / by_columns / 1e6:.2f} M days/s")
    print(f"  {one_by_one:8.2f} s  explain, one plant-month at a time, {one_by_one / frame.num_rows * 1000:.1f} ms each, {one_by_one / by_columns:.0f} x")
