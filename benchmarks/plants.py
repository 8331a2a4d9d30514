"""Operators paid by the day and billed by the month: two contracts over a year of days, beside Polars and DuckDB.

``full`` is an operator contract as they are signed: a daily cap against design, payment by volume and by mass removed,
deductions for days over the limit, VAT; some readings are missing and filled. ``simple`` is load alone: volume x
concentration, summed by month, priced in blocks. Days are biased to the cap, the limit and the blocks. Both are made up.
Ours starts from decimals and dates as they come from a file and checks bounds, steps and that every day is there; the peers are
given whole numbers scaled by hand and are trusted to be right. Equal to the fen on every plant-month, or nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import tariffs
from benchmarks import plants_peers
from benchmarks.measure import timed
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from benchmarks.workloads import RULES

YEAR = 2028
FIRST, END = date(YEAR, 1, 1), date(YEAR + 1, 1, 1)
KEYS = ("COD", "NH3N", "TN", "TP")
LIMITS = {"COD": 500, "NH3N": 50, "TN": 150, "TP": 5}  # in tenths of mg/L
Ints = npt.NDArray[np.int64]


def days(plants: int, random: np.random.Generator, design: Ints) -> pa.Table:
    """A row a plant and day: flows on the cap and one step beside, outflows on the limit and one step beside, now and then nothing."""
    count = (END - FIRST).days
    rows = plants * count
    full = np.repeat(design, count)
    flow = np.choose(random.integers(0, 4, rows), [full * 13 // 10 + random.integers(-1, 2, rows), full, full // 2, random.integers(0, 250_000, rows)])
    found: dict[str, Any] = {**_keys(plants), "flow": _any(flow)}
    for key in KEYS:
        edge = np.full(rows, LIMITS[key]) + random.integers(-1, 2, rows)
        outflow = np.where(random.integers(0, 20, rows) == 0, edge, random.integers(0, LIMITS[key], rows))
        found[f"inflow[{key}]"] = tenths(random.integers(LIMITS[key], LIMITS[key] * 12, rows), _lost(random, count, rows))
        found[f"outflow[{key}]"] = tenths(outflow, _lost(random, count, rows))
    return pa.table(found)


def simple_days(plants: int, random: np.random.Generator) -> pa.Table:
    """A row a plant and day; months come to less than the first block, more, and beyond the second."""
    count = (END - FIRST).days
    rows = plants * count
    flow = np.repeat(random.integers(1_000, 90_000, plants), count) + random.integers(-1_000, 1_000, rows)
    return pa.table({**_keys(plants), "flow": _any(flow), "inflow": tenths(random.integers(0, 5_000, rows), None)})


def _keys(plants: int) -> dict[str, Any]:
    count = (END - FIRST).days
    start = np.tile(np.arange(count) + (FIRST - date(1970, 1, 1)).days, plants).astype(np.int32)
    account = pa.DictionaryArray.from_arrays(_any(np.repeat(np.arange(plants, dtype=np.int32), count)), pa.array([f"plant {i}" for i in range(plants)]))
    return {"account": account, "start": _any(start).cast(pa.date32())}


def _any(values: Any) -> Any:
    return pa.array(values)


def _lost(random: np.random.Generator, count: int, rows: int) -> npt.NDArray[np.bool_]:
    """One day in thirty, but never the first of a month: nothing stands in there."""
    first = np.array([date.fromordinal(FIRST.toordinal() + day).day == 1 for day in range(count)])
    found: npt.NDArray[np.bool_] = (random.integers(0, 30, rows) == 0) & ~np.tile(first, rows // count)
    return found


def tenths(values: Ints, lost: npt.NDArray[np.bool_] | None) -> Any:
    """decimal64(6, 1) from tenths; null where lost."""
    memory: Any = values.astype(np.int64)
    bits: Any = None if lost is None else np.packbits(~lost, bitorder="little")
    return pa.Array.from_buffers(pa.decimal64(6, 1), len(values), [None if bits is None else pa.py_buffer(bits), pa.py_buffer(memory)])


def months(plants: int, design: Ints) -> pa.Table:
    """A row a plant and month, with its period."""
    edges = [date(YEAR + month // 12, month % 12 + 1, 1) for month in range(13)]
    code = _any(np.repeat(np.arange(plants, dtype=np.int32), 12))
    return pa.table(
        {
            "account": pa.DictionaryArray.from_arrays(code, pa.array([f"plant {i}" for i in range(plants)])),
            "design": _any(np.repeat(design, 12)),
            "period_start": pa.array(edges[:-1], pa.date32()).take(_any(np.tile(np.arange(12), plants))),
            "period_end": pa.array(edges[1:], pa.date32()).take(_any(np.tile(np.arange(12), plants))),
        }
    )


def unequal(version: tariffs.TariffVersion, frame: pa.Table, rows: pa.Table, result: pa.Table, plants: int) -> int:
    """How many months of the first ``plants`` plants ``explain`` gives otherwise, in any line, working or the total."""
    count, names, wrong = (END - FIRST).days, [name for name in rows.column_names if name != "account"], 0
    facts = [name for name in frame.column_names if name in {item.full_name for item in version.model.inputs}]
    for index, (given, found) in enumerate(zip(frame.slice(0, plants * 12).to_pylist(), result.slice(0, plants * 12).to_pylist(), strict=True)):
        begin = index // 12 * count + (given["period_start"] - FIRST).days
        own = rows.slice(begin, (given["period_end"] - given["period_start"]).days).select(names).to_pylist()
        rating = version.explain({name: given[name] for name in facts}, stage=own, period=(given["period_start"], given["period_end"]))
        expected = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
        wrong += {name: amount for name, amount in found.items() if amount is not None} != expected
    return wrong


def fen(column: Any) -> Ints:
    """Amounts in whole fen; nothing is 0."""
    return np.array([0 if value is None else int(Decimal(value).scaleb(2)) for value in column.to_pylist()], np.int64)


def contracts(full: int, simple: int, seed: int) -> dict[str, tuple[tariffs.TariffVersion, pa.Table, pa.Table]]:
    """By name: the version, a row a plant-month, a row a day."""
    random = np.random.default_rng(seed)
    design = random.integers(1_000, 150_000, full)
    read = partial(tariffs.load, on=FIRST, rules=RULES)
    return {
        "full": (read("xx/benchmark/operator"), months(full, design), days(full, random, design)),
        "simple": (read("xx/benchmark/load"), months(simple, np.ones(simple, np.int64)).drop_columns("design"), simple_days(simple, random)),
    }


def run(full: int = 2_700, simple: int = 27_000, explained: int = 20, repeat: int = 5, seed: int = 0, record: bool = False) -> None:
    """Plants of the full and of the simple contract, a year each; all plant-months beside the peers, those of the plants explained beside explain."""
    ratios: list[Ratio] = []
    entry: dict[str, object] = {}
    for name, (version, frame, rows) in contracts(full, simple, seed).items():
        result = version.rate(frame, stage=rows, workings=True)
        wrong = unequal(version, frame, rows, result, explained)
        lines = {line: fen(result[line]) for line in result.column_names if line != "per_day"}
        ways: dict[str, Callable[[], Any]] = {"tariffs": lambda v=version, f=frame, r=rows: v.rate(f, stage=r)}  # type: ignore[misc]
        ways |= {"tariffs, NumPy": lambda v=version, f=frame, r=rows: v.rate(f, stage=r, engine="numpy")}  # type: ignore[misc]
        peers = plants_peers.ways(name, frame, rows)
        ways |= peers
        missed = {way: plants_peers.missed(peer(), lines) for way, peer in peers.items()}
        spent = timed(ways, repeat)
        figures = [Figure(way, rows.num_rows, spent[way], missed.get(way, wrong), explained * 12 if way not in missed else frame.num_rows) for way in ways]
        # With plant and month as one sorted number given before the clock starts, Polars stands in the table without a promise: ours finds them.
        polars = min(seconds for way, seconds in spent.items() if way.startswith("Polars int64, threads"))
        own = [Ratio(f"plants, {name} contract: tariffs beside Polars, both from plant and day", polars / spent["tariffs"], at_least=3)]
        show(f"plants, {name} contract: {frame.num_rows:,} plant-months", figures, own)
        assert not wrong, f"{wrong} plant-months differ from explain"
        assert not any(missed.values()), f"plant-months differ from a peer: {missed}"
        ratios += own
        entry[name] = as_data(figures)
    conclude("plants", entry, ratios, to_record=record)
