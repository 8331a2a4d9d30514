"""The contracts of ``plants`` as careful authors write them for Polars, in whole numbers scaled by hand, and for DuckDB, in DECIMAL.

Peers start from the same rows, with plants as small numbers and readings as whole numbers at the right scale, and check nothing. In
Polars a missing inflow is filled forward without looking where a plant or month begins, which these days allow. ``key given``: plant and
month are one sorted number a row before the clock starts; DuckDB always has that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
LIMITS = {"COD": 500, "NH3N": 50, "TN": 150, "TP": 5}  # tenths of mg/L
PER_KG = {"COD": 5, "NH3N": 40, "TN": 60, "TP": 200}  # tenths of CNY


def ways(contract: str, frame: pa.Table, rows: pa.Table) -> dict[str, Callable[[], Mapping[str, Ints]]]:
    """The peers by name; each gives amounts in fen by line, in the order of the plant-months."""
    threads = os.cpu_count() or 1
    polars = {"full": _polars_full, "simple": _polars_simple}[contract]
    months, days = _polars_frames(frame, rows)
    keyed = _keyed(days.lazy(), "start").collect().drop("plant", "start").with_columns(key=_sorted_key())
    return {
        f"Polars int64, threads {threads}": lambda: polars(months, _keyed(days.lazy(), "start")),
        f"Polars int64, key given, threads {threads}": lambda: polars(months, keyed.lazy()),
        f"DuckDB DECIMAL, threads {threads}": partial(_duckdb, _duckdb_tables(frame, rows), {"full": SQL_FULL, "simple": SQL_SIMPLE}[contract]),
    }


def missed(found: Mapping[str, Ints], ours: Mapping[str, Ints]) -> int:
    """Plant-months with any line that is not ours."""
    return int(np.any([np.asarray(found[name]) != column for name, column in ours.items()], axis=0).sum())


def _scaled(column: Any) -> Any:
    """Decimals of one chunk as whole numbers at their own scale; other columns as they are."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    whole: Any = array
    return pa.Array.from_buffers(pa.int64(), len(whole), whole.buffers(), whole.null_count) if pa.types.is_decimal(whole.type) else whole


# --- Polars -------------------------------------------------------------------------------------------------------


def _polars_frames(frame: pa.Table, rows: pa.Table) -> tuple[Any, Any]:
    """The plant-months with their key, and the days without."""
    import polars as pl

    made: list[Any] = []
    for table in (frame, rows):
        names = [name for name in table.column_names if name not in ("account", "period_end")]
        made.append(pl.from_arrow(pa.table({"plant": _scaled(table["account"]).indices, **{name: _scaled(table[name]) for name in names}})))
    return _keyed(made[0], "period_start"), made[1]


def _keyed(frame: Any, day: str) -> Any:
    """Plant and month as one small number a row: the fastest key there is."""
    import polars as pl

    return frame.with_columns(key=pl.col("plant") * 12 + pl.col(day).dt.month().cast(pl.Int32) - 1)


def _sorted_key() -> Any:
    import polars as pl

    return pl.col("key").set_sorted()


def _half_up(above: Any, below: Any) -> Any:
    """A quotient that is not negative, to the nearest whole number."""
    return (above * 2 + below) // (below * 2)


def _polars_simple(frame: Any, rows: Any) -> dict[str, Ints]:
    import polars as pl

    kg = pl.col("kg")
    first, second = 200_000 * 10_000, 600_000 * 10_000  # at 0.0001 kg
    blocks = kg.clip(upper_bound=first) * 85 + (kg.clip(first, second) - first) * 72 + (kg.clip(lower_bound=second) - second) * 61
    found = (
        rows.group_by("key")
        .agg(kg=(pl.col("flow") * pl.col("inflow")).sum())
        .sort("key")
        .select(fee=_half_up(blocks, 10_000))
        .with_columns(total=pl.col("fee"))
        .collect()
    )
    assert len(found) == len(frame)
    return {name: found[name].to_numpy() for name in found.columns}


def _polars_full(frame: Any, rows: Any) -> dict[str, Ints]:
    import polars as pl

    flow, col = pl.col("flow"), pl.col
    outs = [col(f"outflow[{key}]") for key in LIMITS]
    means = rows.group_by("key").agg(*(_half_up(out.sum(), out.count()).alias(f"mean {key}") for key, out in zip(LIMITS, outs, strict=True)))
    filled = rows.join(means, on="key", how="left").join(frame.lazy().select("key", "design"), on="key", how="left")
    filled = filled.with_columns(
        *(col(f"inflow[{key}]").forward_fill() for key in LIMITS),
        *(col(f"outflow[{key}]").fill_null(col(f"mean {key}")) for key in LIMITS),
    )
    over = pl.any_horizontal(*(out > LIMITS[key] for key, out in zip(LIMITS, outs, strict=True)))
    month = filled.group_by("key").agg(
        volume=pl.min_horizontal(flow, col("design") * 13 // 10).sum(),
        bad=over.sum().cast(pl.Int64),
        weighted=(flow * col("inflow[COD]")).sum(),
        flow=flow.sum(),
        **{f"kg {key}": (flow * (col(f"inflow[{key}]") - col(f"outflow[{key}]")).clip(lower_bound=0)).sum() for key in LIMITS},
    )
    strong = _half_up(col("weighted"), col("flow")) > 3000
    lines = month.sort("key").select(
        "bad",
        base=col("volume") * 105,
        strength_adder=pl.when(strong).then(col("volume") * 12).otherwise(0),
        **{f"removal[{key}]": _half_up(col(f"kg {key}") * PER_KG[key], pl.lit(1000)) for key in LIMITS},
    )
    before = pl.sum_horizontal("base", "strength_adder", *(f"removal[{key}]" for key in LIMITS))
    lines = lines.with_columns(before=before).with_columns(deduction=-col("bad") * _half_up(col("before") * 5, pl.lit(1000)))
    lines = lines.with_columns(tax=_half_up((col("before") + col("deduction")) * 6, pl.lit(100)))
    found = lines.with_columns(total=col("before") + col("deduction") + col("tax")).collect()
    return {name: found[name].to_numpy() for name in found.columns}


# --- DuckDB -------------------------------------------------------------------------------------------------------

SQL_SIMPLE = """
WITH months AS (SELECT key, sum(flow::DECIMAL(9,0) * inflow)::DECIMAL(18,1) AS grams FROM days GROUP BY key),
edges AS (SELECT key, grams, least(grams, 200000000::DECIMAL(18,1)) AS first, least(grams, 600000000::DECIMAL(18,1)) AS second FROM months),
priced AS (SELECT key, first * 0.00085::DECIMAL(5,5) + (second - first) * 0.00072::DECIMAL(5,5) + (grams - second) * 0.00061::DECIMAL(5,5) AS fee FROM edges)
SELECT round(fee, 2)::DECIMAL(18,2) AS fee, round(fee, 2)::DECIMAL(18,2) AS total FROM priced ORDER BY key
"""

_PER_KEY = {key: (f'"inflow[{key}]"', f'"outflow[{key}]"') for key in LIMITS}
SQL_FULL = f"""
WITH means AS (SELECT key, {
    ", ".join(f"(((sum({out}) * 20)::BIGINT + count({out})) // (count({out}) * 2)) * 0.1::DECIMAL(2,1) AS mean_{key}" for key, (_, out) in _PER_KEY.items())
} FROM days GROUP BY key),
filled AS (SELECT days.key, flow, design, {
    ", ".join(
        f"coalesce({in_}, last_value({in_} IGNORE NULLS) OVER w) AS in_{key}, coalesce({out}, mean_{key})::DECIMAL(6,1) AS out_{key}"
        for key, (in_, out) in _PER_KEY.items()
    )
}
    FROM days JOIN means ON days.key = means.key JOIN plants ON days.key = plants.key
    WINDOW w AS (PARTITION BY days.key ORDER BY start)),
months AS (SELECT key,
    sum(least(flow, design * 13 // 10))::DECIMAL(12,0) AS volume,
    count(*) FILTER (WHERE {" OR ".join(f"out_{key} > {limit / 10}::DECIMAL(4,1)" for key, limit in LIMITS.items())}) AS bad,
    ((sum(flow::DECIMAL(9,0) * in_COD) * 20)::BIGINT + sum(flow)) // (sum(flow) * 2) AS strength,
    {", ".join(f"sum(flow::DECIMAL(9,0) * greatest(in_{key} - out_{key}, 0::DECIMAL(6,1)))::DECIMAL(14,1) AS grams_{key}" for key in LIMITS)}
    FROM filled GROUP BY key),
lines AS (SELECT key, bad, (volume * 1.05::DECIMAL(3,2))::DECIMAL(18,2) AS base,
    CASE WHEN strength > 3000 THEN volume * 0.12::DECIMAL(3,2) ELSE 0 END::DECIMAL(18,2) AS strength_adder,
    {", ".join(f"round(grams_{key} * {price / 10000:.4f}::DECIMAL(5,4), 2)::DECIMAL(18,2) AS removal_{key}" for key, price in PER_KG.items())} FROM months),
sums AS (SELECT *, (base + strength_adder + {" + ".join(f"removal_{key}" for key in LIMITS)})::DECIMAL(18,2) AS before FROM lines),
deducted AS (SELECT *, (-bad * round(before * 0.005::DECIMAL(4,3), 2))::DECIMAL(18,2) AS deduction FROM sums),
taxed AS (SELECT *, round((before + deduction) * 0.06::DECIMAL(3,2), 2)::DECIMAL(18,2) AS tax FROM deducted)
SELECT base, strength_adder, {", ".join(f'removal_{key} AS "removal[{key}]"' for key in LIMITS)}, deduction, tax, before + deduction + tax AS total
FROM taxed ORDER BY key
"""  # noqa: S608


def _duckdb_tables(frame: pa.Table, rows: pa.Table) -> Any:
    """Its own tables, so that reading Arrow is not counted against it."""
    import duckdb

    connection: Any = duckdb.connect()
    for name, table, day in (("plants", frame, "period_start"), ("days", rows, "start")):
        wide: Any = table
        for place, field in enumerate(table.schema):
            if pa.types.is_decimal(field.type):
                wide = wide.set_column(place, field.name, table[field.name].cast(pa.decimal128(6, 1)))
        plant: Any = _scaled(table["account"]).indices
        connection.register("given", wide.drop_columns("account").append_column("plant", plant))
        kept = "plant, period_start, period_end" if name == "plants" else "plant"
        bounds = "REPLACE (flow::INTEGER AS flow)" if name == "days" else ""
        connection.execute(f"CREATE TABLE {name} AS SELECT * EXCLUDE ({kept}) {bounds}, plant * 12 + month({day}) - 1 AS key FROM given")  # noqa: S608
        connection.unregister("given")
    return connection


def _duckdb(connection: Any, sql: str) -> dict[str, Ints]:
    found = connection.sql(sql).to_arrow_table()
    return {name: np.asarray(_fen(found[name])) for name in found.column_names}


def _fen(column: Any) -> Ints:
    array: Any = column.cast(pa.decimal128(38, 2)).combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return np.frombuffer(array.buffers()[1], np.int64)[::2][array.offset : array.offset + len(array)]
