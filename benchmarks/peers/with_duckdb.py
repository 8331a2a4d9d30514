"""DuckDB in DECIMAL, from Arrow to Arrow and from its own tables to its own, on one thread and on all.

Literals are as narrow as they are, so that products stay in 64 bits.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.workloads import CHECKED, Data, Way, arrow, fen_of_arrow

BLOCKS = """
WITH lines AS (
    SELECT
        round(least(volume, 18::DECIMAL(9,2)) * 2.45::DECIMAL(3,2), 2) AS first,
        round(greatest(least(volume, 30::DECIMAL(9,2)) - 18::DECIMAL(9,2), 0::DECIMAL(9,2)) * 3.95::DECIMAL(3,2), 2) AS second,
        round(greatest(volume - 30::DECIMAL(9,2), 0::DECIMAL(9,2)) * 6.75::DECIMAL(3,2), 2) AS third,
        7.25::DECIMAL(12,2) AS fixed
    FROM {source}),
sums AS (SELECT *, (first + second + third + fixed)::DECIMAL(12,2) AS net FROM lines),
taxed AS (SELECT *, round(net * 0.06::DECIMAL(3,2), 2) AS tax FROM sums)
SELECT first, second, third, fixed, tax, net + tax AS total FROM taxed
"""
QUOTA = """
WITH lines AS (
    SELECT
        CASE WHEN payer = 'quota_unit' THEN round(
            CASE WHEN weight * 2::DECIMAL(1,0) <= quota THEN weight * 200::DECIMAL(3,0)
                 ELSE least(weight, quota) * 300::DECIMAL(3,0) + greatest(weight - quota, 0::DECIMAL(9,3)) * 600::DECIMAL(3,0) END, 2) END AS quota_fee,
        CASE WHEN payer = 'other' THEN round(weight * 300::DECIMAL(3,0), 2) END AS plain_fee
    FROM {source})
SELECT quota_fee, plain_fee, coalesce(quota_fee, plain_fee) AS total FROM lines
"""


def three_blocks(data: Data) -> list[Way]:
    return _ways(data, BLOCKS, "volume")


def quota(data: Data) -> list[Way]:
    return _ways(data, QUOTA, "payer::ENUM('quota_unit', 'other') AS payer, weight, quota")


def _ways(data: Data, query: str, own: str) -> list[Way]:
    found, table = [], arrow(data)
    for threads in sorted({1, os.cpu_count() or 1}):
        connection: Any = duckdb.connect(config={"threads": threads})
        connection.register("given", table)
        connection.execute(f"CREATE TABLE own AS SELECT {own} FROM given")  # noqa: S608  # our own text
        says = "one thread" if threads == 1 else f"{threads} threads"
        found.append(
            Way(
                f"DuckDB DECIMAL, Arrow to Arrow, {says}",
                "duckdb",
                data.rows,
                partial(_arrow_to_arrow, connection, query.format(source="given")),
                lambda result: fen_of_arrow(result, data.work.outputs),
            )
        )
        found.append(
            Way(
                f"DuckDB DECIMAL, own tables, {says}",
                "duckdb",
                data.rows,
                partial(connection.execute, "CREATE OR REPLACE TABLE found AS " + query.format(source="own")),
                lambda done: fen_of_arrow(done.sql(f"FROM found LIMIT {CHECKED}").to_arrow_table(), data.work.outputs),
            )
        )
    return found


def _arrow_to_arrow(connection: Any, query: str) -> pa.Table:
    found: pa.Table = connection.sql(query).to_arrow_table()
    return found
