"""A new tariff beside the old one: Beijing's kitchen waste before and since the quota, by ``tariffs.compare``, Polars and DuckDB.

The question: totals by class, who pays more and who less and how much, eleven quantiles by nearest rank, the ten largest
changes each way. Ours also bins the changes, counts who crossed which edge, and explains the twenty rows by both versions; its
readings are decimals that are checked, Polars' whole numbers scaled by hand. Every number of the answer must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

import tariffs
from benchmarks.measure import timed
from benchmarks.results import Figure, as_data, conclude, show

TARIFF, BEFORE, SINCE = "cn/beijing/kitchen-waste", "2022-01-01", "2022-10-31"
PAYERS = ("quota_unit", "other")
Answer = Mapping[str, Any]
#: Quantiles by nearest rank: the smallest change that at least so many tenths of the rows do not exceed.
TENTHS = range(11)


def accounts(count: int, seed: int) -> pa.Table:
    """Weights on half the quota, on the quota and one kilogram beside, or anywhere; decimals of a tonne."""
    random = np.random.default_rng(seed)
    quota = random.integers(1_000, 100_000, count)
    step = random.integers(-1, 2, count)
    weight = np.choose(random.integers(0, 4, count), [quota // 2 + step, quota + step, quota * 3 // 2, random.integers(0, 100_000, count)])
    codes: Any = pa.array(random.integers(0, 2, count).astype(np.int8))
    return pa.table({"payer": pa.DictionaryArray.from_arrays(codes, pa.array(PAYERS)), "weight": _tonnes(weight), "quota": _tonnes(quota)})


def _tonnes(kilograms: Any) -> Any:
    words = np.zeros((len(kilograms), 2), np.int64)
    words[:, 0] = kilograms
    memory: Any = words
    return pa.Array.from_buffers(pa.decimal128(9, 3), len(kilograms), [None, pa.py_buffer(memory)])


def ours(old: tariffs.TariffVersion, new: tariffs.TariffVersion, table: pa.Table) -> Answer:
    found = tariffs.compare(old, new, table, by=["payer"])
    assert found.compared == found.rows
    return {
        "classes": [(g.members[0], g.rows, _fen(g.old), _fen(g.new)) for g in found.groups],
        "payers": (found.more, found.less, _fen(found.more_sum), _fen(found.less_sum)),
        "quantiles": [_fen(value) for value in found.deciles],
        "rises": [(one.row, _fen(one.old), _fen(one.new)) for one in found.rises],
        "falls": [(one.row, _fen(one.old), _fen(one.new)) for one in found.falls],
    }


def _fen(amount: Any) -> int:
    return int(amount.scaleb(2))


# --- Polars -------------------------------------------------------------------------------------------------------


def polars_frame(table: pa.Table) -> Any:
    """Whole kilograms, and payers as Polars holds them best."""
    import polars as pl

    kilograms: dict[str, Any] = {n: np.frombuffer(_whole(table, n).buffers()[1], np.int64)[::2].copy() for n in ("weight", "quota")}
    payer: Any = pl.Series("payer", _whole(table, "payer").cast(pa.string())).cast(pl.Enum(PAYERS))
    return pl.DataFrame({"payer": payer, **kilograms}).with_row_index("row")


def _whole(table: pa.Table, name: str) -> Any:
    return table[name].chunk(0)


def by_polars(frame: Any) -> Answer:
    import polars as pl

    weight, quota = pl.col("weight"), pl.col("quota")
    above = pl.min_horizontal(weight, quota) * 30 + (weight - quota).clip(lower_bound=0) * 60
    quota_fee = pl.when(weight * 2 <= quota).then(weight * 20).otherwise(above)
    priced = frame.lazy().with_columns(old=weight * 30, new=pl.when(pl.col("payer") == "quota_unit").then(quota_fee).otherwise(weight * 30))
    rated = priced.with_columns(change=pl.col("new") - pl.col("old")).collect()
    change = pl.col("change")
    more, less = change > 0, change < 0
    classes = rated.lazy().group_by("payer").agg(pl.len(), pl.col("old").sum(), pl.col("new").sum())
    payers = rated.lazy().select(
        a=more.sum(), b=less.sum(), c=change.filter(more).sum(), d=change.filter(less).sum(),
    )  # fmt: skip
    ordered = rated.lazy().select(change.sort())
    largest = [
        rated.lazy().filter(side).select("row", "old", "new", by=change * sign).bottom_k(10, by=["by", "row"]).sort("by", "row")
        for side, sign in ((more, -1), (less, 1))
    ]
    got_classes, got_payers, sorted_, rises, falls = pl.collect_all([classes, payers, ordered, *largest])
    column = sorted_["change"]
    by_name = {row[0]: row for row in got_classes.rows()}
    return {
        "classes": [by_name[payer] for payer in PAYERS],
        "payers": got_payers.row(0),
        "quantiles": [column[max(1, -(-tenth * len(column) // 10)) - 1] for tenth in TENTHS],
        "rises": [row[:3] for row in rises.rows()],
        "falls": [row[:3] for row in falls.rows()],
    }


# --- DuckDB -------------------------------------------------------------------------------------------------------

SQL = """
CREATE OR REPLACE TEMP TABLE rated AS
WITH lines AS (
    SELECT row, payer, round(weight * 300::DECIMAL(3,0), 2)::DECIMAL(18,2) AS old,
        CASE WHEN payer = 'other' THEN round(weight * 300::DECIMAL(3,0), 2)
             WHEN weight * 2::DECIMAL(1,0) <= quota THEN round(weight * 200::DECIMAL(3,0), 2)
             ELSE round(least(weight, quota) * 300::DECIMAL(3,0) + greatest(weight - quota, 0::DECIMAL(9,3)) * 600::DECIMAL(3,0), 2) END::DECIMAL(18,2) AS new
    FROM own)
SELECT *, new - old AS change FROM lines
"""
CLASSES = "SELECT payer::VARCHAR, count(*), sum(old), sum(new) FROM rated GROUP BY payer"
CHANGES = """
SELECT count(*) FILTER (WHERE change > 0), count(*) FILTER (WHERE change < 0),
    coalesce(sum(change) FILTER (WHERE change > 0), 0), coalesce(sum(change) FILTER (WHERE change < 0), 0),
    quantile_disc(change, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]) FROM rated
"""
LARGEST = "SELECT row, old, new FROM rated WHERE change {sign} 0 ORDER BY change {order}, row LIMIT 10"


def duckdb_table(table: pa.Table) -> Any:
    import duckdb

    connection: Any = duckdb.connect()
    connection.register("given", table.append_column("row", pa.array(range(table.num_rows), pa.int64())))
    connection.execute("CREATE TABLE own AS SELECT payer::ENUM('quota_unit', 'other') AS payer, weight, quota, row FROM given")
    return connection


def by_duckdb(connection: Any) -> Answer:
    connection.execute(SQL)
    by_name = {row[0]: row for row in connection.sql(CLASSES).fetchall()}
    more, less, more_sum, less_sum, quantiles = connection.sql(CHANGES).fetchall()[0]
    largest = [connection.sql(LARGEST.format(sign=sign, order=order)).fetchall() for sign, order in ((">", "DESC"), ("<", "ASC"))]
    rises, falls = ([(row, _fen(old), _fen(new)) for row, old, new in rows] for rows in largest)
    return {
        "classes": [(payer, by_name[payer][1], *map(_fen, by_name[payer][2:])) for payer in PAYERS],
        "payers": (more, less, _fen(more_sum), _fen(less_sum)),
        "quantiles": [_fen(value) for value in quantiles],
        "rises": rises,
        "falls": falls,
    }


def run(rows: int = 1_000_000, repeat: int = 5, seed: int = 0, record: bool = False) -> None:
    """Accounts compared; every number of the peers' answers must be ours. Recorded under the number of rows: 1 and 10 million are what is promised."""
    table = accounts(rows, seed)
    old, new = (tariffs.load(TARIFF, on=day) for day in (BEFORE, SINCE))
    frame, connection = polars_frame(table), duckdb_table(table)
    ways: dict[str, Callable[[], Answer]] = {
        "tariffs.compare": lambda: ours(old, new, table),
        "Polars int64": lambda: by_polars(frame),
        "DuckDB DECIMAL": lambda: by_duckdb(connection),
    }
    expected = ours(old, new, table)
    wrong = {way: [name for name, told in answer().items() if list(told) != list(expected[name])] for way, answer in ways.items()}
    spent = timed(ways, repeat)
    figures = [Figure(way, rows, seconds, len(wrong[way]), len(expected), "wrong: parts of the answer") for way, seconds in spent.items()]
    show(f"two versions over {rows:,} accounts", figures)
    assert not any(wrong.values()), f"another answer: {wrong}"
    beside = {peer: f"{seconds / spent['tariffs.compare']:.2f}" for peer, seconds in spent.items()}
    conclude(f"compare {rows}", {"figures": as_data(figures), "times ours": beside}, [], to_record=record)
