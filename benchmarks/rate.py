"""Beijing's kitchen-waste rule over rows biased to its edges: by ``rate``, and by DuckDB in DECIMAL written with care.

Both start from the same Arrow table in memory and end in Arrow decimals. DuckDB also runs from its own tables to its
own tables, on one thread and on all; its fastest way is the one compared. Nothing is timed that is not exact.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import tariffs
from benchmarks.measure import timed

TARIFF, DAY = "cn/beijing/kitchen-waste", "2022-10-31"
PAYERS = ["quota_unit", "other"]
MAXIMUM = 100_000_000  # kg, the bound of both inputs
SAMPLE = 10_000
OURS = "tariffs.rate, Arrow to Arrow, threads 1"
Ints = npt.NDArray[np.int64]

#: The rule as a careful author writes it in SQL: literals as narrow as they are, so that products stay in 64 bits.
SQL = """
WITH lines AS (
    SELECT
        CASE WHEN payer = 'quota_unit' THEN round(
            CASE WHEN weight * 2::DECIMAL(1,0) <= quota THEN weight * 200::DECIMAL(3,0)
                 ELSE least(weight, quota) * 300::DECIMAL(3,0) + greatest(weight - quota, 0::DECIMAL(9,3)) * 600::DECIMAL(3,0) END, 2) END AS quota_fee,
        CASE WHEN payer = 'other' THEN round(weight * 300::DECIMAL(3,0), 2) END AS plain_fee
    FROM {source})
SELECT quota_fee, plain_fee, coalesce(quota_fee, plain_fee) AS total FROM lines
"""


def made_rows(count: int, seed: int) -> pa.Table:
    """Payers, weights and quotas (kg as decimals of a tonne); weights lie on the rule's edges and one step beside them more often than not."""
    random = np.random.default_rng(seed)
    quota = mixed(random, [random.integers(0, 20_000, count), random.integers(0, MAXIMUM + 1, count), np.full(count, 10_000), np.zeros(count, np.int64)])
    step = random.integers(-1, 2, count)
    anywhere, small = random.integers(0, MAXIMUM + 1, count), random.integers(0, 20_000, count)
    weight = mixed(random, [quota // 2 + step, quota + step, np.full(count, MAXIMUM), small, anywhere])
    codes: Any = pa.array(random.integers(0, 2, count).astype(np.int8))
    payer = pa.DictionaryArray.from_arrays(codes, pa.array(PAYERS))
    return pa.table({"payer": payer, "weight": tonnes(np.clip(weight, 0, MAXIMUM)), "quota": tonnes(quota)})


def mixed(random: np.random.Generator, columns: list[Ints]) -> Ints:
    """Each row from one of the columns."""
    return np.choose(random.integers(0, len(columns), len(columns[0])), columns)


def tonnes(kilograms: Ints) -> Any:
    """decimal128(9, 3) from whole kilograms."""
    words = np.zeros((len(kilograms), 2), np.int64)
    words[:, 0] = kilograms
    memory: Any = words
    return pa.Array.from_buffers(pa.decimal128(9, 3), len(kilograms), [None, pa.py_buffer(memory)])


def check_by_explain(version: tariffs.TariffVersion, table: pa.Table, result: pa.Table, seed: int) -> int:
    """How many rows of a sample differ from ``explain`` in any column."""
    at = np.random.default_rng(seed).choice(table.num_rows, min(SAMPLE, table.num_rows), replace=False)
    indices: Any = pa.array(at)
    wrong = 0
    for given, found in zip(table.take(indices).to_pylist(), result.take(indices).to_pylist(), strict=True):
        rating = version.explain(given)
        expected: dict[str, Decimal] = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
        wrong += {name: amount for name, amount in found.items() if amount is not None} != expected
    return wrong


def duckdb_ways(table: pa.Table) -> dict[str, Callable[[], Any]]:
    """The peer's ways: Arrow in and out, and its own tables in and out, on all threads and on one."""
    import duckdb

    ways: dict[str, Callable[[], Any]] = {}
    for threads in sorted({1, os.cpu_count() or 1}, reverse=True):
        connection: Any = duckdb.connect(config={"threads": threads})
        connection.register("given", table)
        connection.execute("CREATE TABLE own AS SELECT payer::ENUM('quota_unit', 'other') AS payer, weight, quota FROM given")
        ways[f"DuckDB DECIMAL, Arrow to Arrow, threads {threads}"] = partial(arrow_to_arrow, connection)
        ways[f"DuckDB DECIMAL, own tables, threads {threads}"] = partial(connection.execute, "CREATE OR REPLACE TABLE found AS " + SQL.format(source="own"))
    return ways


def arrow_to_arrow(connection: Any) -> pa.Table:
    found: pa.Table = connection.sql(SQL.format(source="given")).to_arrow_table()
    return found


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Whether every row of every column is the same number."""
    return all(ours[name].equals(theirs[name].cast(ours[name].type)) for name in ours.column_names)


def run(rows: int = 1_000_000, beside: str | None = None, repeat: int = 9, seed: int = 0) -> None:
    """Prints rows a second of each way, the ratio, and what was checked; AssertionError where anything is not exact."""
    version = tariffs.load(TARIFF, on=DAY)
    table = made_rows(rows, seed)
    result = version.rate(table)
    wrong = check_by_explain(version, table, result, seed)
    assert wrong == 0, f"{wrong} sampled rows differ from explain"
    print(f"{version.model.name}, {rows:,} rows, median of {repeat} warm runs")
    ways: dict[str, Callable[[], Any]] = {OURS: lambda: version.rate(table)}
    if beside == "duckdb":
        peers = duckdb_ways(table)
        assert same(result, next(iter(peers.values()))()), "DuckDB gives other amounts"
        ways |= peers
    spent = timed(ways, repeat)
    for name, seconds in spent.items():
        print(f"  {rows / seconds / 1e6:8.1f} M rows/s  {name}")
    ours = spent.pop(OURS)
    if spent:
        print(f"  {min(spent.values()) / ours:8.1f} x the fastest peer")
    print(f"  equal to explain on {min(SAMPLE, rows):,} sampled rows" + (", equal to DuckDB on all rows" if spent else ""))
