"""Parquet to Parquet as its peers would be written by hand: DuckDB in DECIMAL, Polars in whole numbers of the last place, Polars in Decimal.

``python -m benchmarks.files_peers WAY IN OUT`` is one way as a process of its own. Each keeps all columns that came in, and the order of the rows.
Writers were tuned by trying: uncompressed is the fastest of each, statistics are left out, row groups are as large as ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

GROUP = 2**19

BLOCK_LINES = """
WITH lines AS (
    SELECT *,
        round(least(volume, 18::DECIMAL(9,2)) * 2.45::DECIMAL(3,2), 2)::DECIMAL(18,2) AS first,
        round(greatest(least(volume, 30::DECIMAL(9,2)) - 18::DECIMAL(9,2), 0::DECIMAL(9,2)) * 3.95::DECIMAL(3,2), 2)::DECIMAL(18,2) AS second,
        round(greatest(volume - 30::DECIMAL(9,2), 0::DECIMAL(9,2)) * 6.75::DECIMAL(3,2), 2)::DECIMAL(18,2) AS third,
        7.25::DECIMAL(18,2) AS fixed
    FROM '{source}'),
sums AS (SELECT *, (first + second + third + fixed)::DECIMAL(12,2) AS net FROM lines),
taxed AS (SELECT * EXCLUDE net, net, round(net * 0.06::DECIMAL(3,2), 2)::DECIMAL(18,2) AS tax FROM sums)
"""
BLOCKS = f"{BLOCK_LINES} SELECT account, volume, first, second, third, fixed, tax, (net + tax)::DECIMAL(18,2) AS total FROM taxed"  # noqa: S608  # our own text
_FIVE = "first, second, third, fixed, tax"
LONG = f"{BLOCK_LINES} SELECT * FROM (UNPIVOT (SELECT account, {_FIVE} FROM taxed) ON {_FIVE} INTO NAME charge VALUE amount)"  # noqa: S608
QUOTA = """
WITH lines AS (
    SELECT *,
        CASE WHEN payer = 'quota_unit' THEN round(
            CASE WHEN weight * 2::DECIMAL(1,0) <= quota THEN weight * 200::DECIMAL(3,0)
                 ELSE least(weight, quota) * 300::DECIMAL(3,0) + greatest(weight - quota, 0::DECIMAL(9,3)) * 600::DECIMAL(3,0) END, 2)
        END::DECIMAL(18,2) AS quota_fee,
        CASE WHEN payer = 'other' THEN round(weight * 300::DECIMAL(3,0), 2) END::DECIMAL(18,2) AS plain_fee
    FROM '{source}')
SELECT *, coalesce(quota_fee, plain_fee) AS total FROM lines
"""


def duckdb_decimal(query: str, source: str, target: str) -> None:
    import duckdb

    asked = query.format(source=source)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({asked}) TO '{target}' (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE {GROUP})")


def polars_blocks(source: str, target: str) -> None:
    """The volume in hundredths of a cubic metre, amounts in fen."""
    import polars as pl

    volume = pl.col("volume")
    lines = pl.scan_parquet(source).with_columns(
        first=(volume.clip(upper_bound=1800) * 245 + 50) // 100,
        second=((volume.clip(1800, 3000) - 1800) * 395 + 50) // 100,
        third=((volume.clip(lower_bound=3000) - 3000) * 675 + 50) // 100,
        fixed=pl.lit(725, pl.Int64),
    )
    net = lines.with_columns(total=pl.sum_horizontal("first", "second", "third", "fixed"))
    taxed = net.with_columns(tax=(pl.col("total") * 6 + 50) // 100)
    _sink(taxed.select("account", "volume", "first", "second", "third", "fixed", "tax", total=pl.col("total") + pl.col("tax")), target)


def polars_quota(source: str, target: str) -> None:
    """Kilograms; one at 300 yuan a tonne is 30 fen, so nothing is rounded."""
    import polars as pl

    weight, allowed = pl.col("weight"), pl.col("quota")
    excess = pl.when(weight > allowed).then(allowed * 30 + (weight - allowed) * 60).otherwise(weight * 30)
    under = pl.when(weight * 2 <= allowed).then(weight * 20).otherwise(excess)
    lines = pl.scan_parquet(source).with_columns(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under),
        plain_fee=pl.when(pl.col("payer") == "other").then(weight * 30),
    )
    _sink(lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee")), target)


def polars_decimal_blocks(source: str, target: str) -> None:
    """Four places throughout: a product keeps no more places than its factors have."""
    import polars as pl

    volume = pl.col("volume").cast(pl.Decimal(18, 4))
    first, second, third = (
        slice_.round(2, mode="half_away_from_zero")
        for slice_ in (
            pl.min_horizontal(volume, _exact("18")) * _exact("2.45"),
            pl.max_horizontal(_exact("0"), pl.min_horizontal(volume, _exact("30")) - _exact("18")) * _exact("3.95"),
            pl.max_horizontal(_exact("0"), volume - _exact("30")) * _exact("6.75"),
        )
    )
    lines = pl.scan_parquet(source).with_columns(first=first, second=second, third=third, fixed=_exact("7.25"))
    net = pl.col("first") + pl.col("second") + pl.col("third") + pl.col("fixed")
    _sink(lines.with_columns(tax=(net * _exact("0.06")).round(2, mode="half_away_from_zero")).with_columns(total=net + pl.col("tax")), target)


def polars_decimal_quota(source: str, target: str) -> None:
    import polars as pl

    weight, allowed = (pl.col(name).cast(pl.Decimal(18, 4)) for name in ("weight", "quota"))
    excess = pl.min_horizontal(weight, allowed) * _exact("300") + pl.max_horizontal(weight - allowed, _exact("0")) * _exact("600")
    under = pl.when(weight * _exact("2") <= allowed).then(weight * _exact("200")).otherwise(excess)
    lines = pl.scan_parquet(source).with_columns(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under.round(2, mode="half_away_from_zero")),
        plain_fee=pl.when(pl.col("payer") == "other").then((weight * _exact("300")).round(2, mode="half_away_from_zero")),
    )
    _sink(lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee")), target)


def _exact(text: str) -> Any:
    import polars as pl

    return pl.lit(Decimal(text), dtype=pl.Decimal(18, 4))


def _sink(frame: Any, target: str) -> None:
    """Streaming, which was faster than collecting first."""
    frame.sink_parquet(target, compression="uncompressed", statistics=False, row_group_size=GROUP)


#: By the work and the group of the way.
WAYS: dict[str, Callable[[str, str], None]] = {
    "W1 duckdb": partial(duckdb_decimal, BLOCKS),
    "W1 polars int": polars_blocks,
    "W1 polars decimal": polars_decimal_blocks,
    "W1 duckdb long": partial(duckdb_decimal, LONG),
    "W2 duckdb": partial(duckdb_decimal, QUOTA),
    "W2 polars int": polars_quota,
    "W2 polars decimal": polars_decimal_quota,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], sys.argv[3])
