"""chDB (ClickHouse in the process) in Decimal64, from its own tables in memory to its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from chdb import session

from benchmarks.workloads import CHECKED, Data, Way, arrow, fen_of_arrow

IN_ORDER = "max_threads = 1, max_insert_threads = 1, input_format_parquet_preserve_order = 1"
BLOCKS = """
WITH
    round(least(volume, toDecimal64('18', 2)) * toDecimal64('2.45', 2), 2) AS first_,
    round(greatest(least(volume, toDecimal64('30', 2)) - toDecimal64('18', 2), toDecimal64('0', 2)) * toDecimal64('3.95', 2), 2) AS second_,
    round(greatest(volume - toDecimal64('30', 2), toDecimal64('0', 2)) * toDecimal64('6.75', 2), 2) AS third_,
    first_ + second_ + third_ + toDecimal64('7.25', 4) AS net,
    round(net * toDecimal64('0.06', 2), 2) AS tax_
SELECT first_ AS first, second_ AS second, third_ AS third, toDecimal64('7.25', 2) AS fixed, tax_ AS tax, net + tax_ AS total FROM given
"""
QUOTA = """
WITH
    if(payer = 'quota_unit', round(if(weight * 2 <= quota, weight * 200,
        least(weight, quota) * 300 + greatest(weight - quota, toDecimal64('0', 3)) * 600), 2), NULL) AS quota_fee,
    if(payer = 'other', round(weight * 300, 2), NULL) AS plain_fee
SELECT quota_fee, plain_fee, coalesce(quota_fee, plain_fee) AS total FROM given
"""


def three_blocks(data: Data) -> list[Way]:
    return _ways(data, "volume Decimal64(2)", BLOCKS)


def quota(data: Data) -> list[Way]:
    return _ways(data, "payer Enum8('quota_unit' = 0, 'other' = 1), weight Decimal64(3), quota Decimal64(3)", QUOTA)


def _ways(data: Data, columns: str, query: str) -> list[Way]:
    """The session holds one set of tables, so the works are timed one after the other."""
    connection: Any = session.Session()
    connection.query("DROP TABLE IF EXISTS given")
    connection.query("DROP TABLE IF EXISTS found")
    connection.query(f"CREATE TABLE given ({columns}) ENGINE = Memory")
    with tempfile.TemporaryDirectory() as folder:
        table, file = arrow(data), Path(folder) / "given.parquet"
        pq.write_table(table, file)
        names = ", ".join(table.column_names)
        connection.query(f"INSERT INTO given SELECT {names} FROM file('{file}') SETTINGS {IN_ORDER}")  # noqa: S608  # our own text
    connection.query(f"CREATE TABLE found ENGINE = Memory AS {query} LIMIT 0")

    def run() -> Any:
        connection.query("TRUNCATE TABLE found")
        connection.query(f"INSERT INTO found {query}")
        return connection

    return [Way("chDB Decimal64, own tables, all threads", "chdb", data.rows, run, lambda done: fen_of_arrow(_first_rows(done, query), data.work.outputs))]


def _first_rows(connection: Any, query: str) -> pa.Table:
    """Rated once more, on one thread: a table that several threads wrote has no order."""
    with pa.ipc.open_file(connection.query(f"{query} LIMIT {CHECKED} SETTINGS {IN_ORDER}", "Arrow").bytes()) as reader:
        found: pa.Table = reader.read_all()
    return found
