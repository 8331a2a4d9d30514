"""Polars: whole numbers scaled by hand, of 64 bits and of 32, by both of its engines; its Decimal written with care, and as one would write it at first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl

from benchmarks.workloads import CHECKED, NOTHING, PAYERS, Data, Ints, Way, fen_of_objects

CARE = pl.Decimal(18, 4)
_ENGINES: dict[Literal["in-memory", "streaming"], str] = {"in-memory": "a column at a time", "streaming": "a piece at a time"}


def three_blocks(data: Data) -> list[Way]:
    return [
        *_ints(data, block_ints, pl.Int64),
        *_ints(data, block_small, pl.Int32),
        _decimals(data, block_decimals, "with care"),
        _decimals(data, block_naturally, "as naturally written"),
    ]


def quota(data: Data) -> list[Way]:
    return [
        *_ints(data, quota_ints, pl.Int64),
        *_ints(data, quota_small, pl.Int32),
        _decimals(data, quota_decimals, "with care"),
        _decimals(data, quota_naturally, "as naturally written"),
    ]


# --- whole numbers of the last place -------------------------------------------------------------------------------


def block_ints(frame: pl.LazyFrame) -> pl.LazyFrame:
    volume = pl.col("volume")
    lines = frame.select(
        first=(volume.clip(upper_bound=1800) * 245 + 50) // 100,
        second=((volume.clip(1800, 3000) - 1800) * 395 + 50) // 100,
        third=((volume.clip(lower_bound=3000) - 3000) * 675 + 50) // 100,
        fixed=pl.lit(725, pl.Int64),
    )
    before = pl.col("first") + pl.col("second") + pl.col("third") + pl.col("fixed")
    taxed = lines.with_columns(total=before).with_columns(tax=(pl.col("total") * 6 + 50) // 100)
    return taxed.select("first", "second", "third", "fixed", "tax", total=pl.col("total") + pl.col("tax"))


def block_small(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Prices and divisors without what they have in common, so that every step fits 32 bits: 675 / 100 is 27 / 4."""
    volume = pl.col("volume")
    lines = frame.select(
        first=(volume.clip(upper_bound=1800) * 49 + 10) // 20,
        second=((volume.clip(1800, 3000) - 1800) * 79 + 10) // 20,
        third=((volume.clip(lower_bound=3000) - 3000) * 27 + 2) // 4,
        fixed=pl.lit(725, pl.Int32),
    )
    before = pl.col("first") + pl.col("second") + pl.col("third") + pl.col("fixed")
    taxed = lines.with_columns(total=before).with_columns(tax=(pl.col("total") * 3 + 25) // 50)
    return taxed.select("first", "second", "third", "fixed", "tax", total=pl.col("total") + pl.col("tax"))


def quota_small(frame: pl.LazyFrame) -> pl.LazyFrame:
    """In tens of fen, which fit 32 bits; in fen they do not, so they are widened as the last step."""
    weight, allowed = pl.col("weight"), pl.col("quota")
    excess = pl.when(weight > allowed).then(weight * 6 - allowed * 3).otherwise(weight * 3)
    under = pl.when(weight * 2 <= allowed).then(weight * 2).otherwise(excess)
    lines = frame.select(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under.cast(pl.Int64) * 10),
        plain_fee=pl.when(pl.col("payer") == "other").then((weight * 3).cast(pl.Int64) * 10),
    )
    return lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee"))


def quota_ints(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A kilogram at 300 yuan a tonne is 30 fen, so nothing is rounded."""
    weight, allowed = pl.col("weight"), pl.col("quota")
    excess = pl.when(weight > allowed).then(allowed * 30 + (weight - allowed) * 60).otherwise(weight * 30)
    under = pl.when(weight * 2 <= allowed).then(weight * 20).otherwise(excess)
    lines = frame.select(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under),
        plain_fee=pl.when(pl.col("payer") == "other").then(weight * 30),
    )
    return lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee"))


# --- decimals ------------------------------------------------------------------------------------------------------


def _exact(text: str) -> pl.Expr:
    """A constant of four places: a product keeps no more places than its factors have."""
    return pl.lit(Decimal(text), dtype=CARE)


def block_decimals(frame: pl.DataFrame) -> pl.DataFrame:
    volume = pl.col("volume").cast(CARE)
    first, second, third = (
        slice_.round(2, mode="half_away_from_zero")
        for slice_ in (
            pl.min_horizontal(volume, _exact("18")) * _exact("2.45"),
            pl.max_horizontal(_exact("0"), pl.min_horizontal(volume, _exact("30")) - _exact("18")) * _exact("3.95"),
            pl.max_horizontal(_exact("0"), volume - _exact("30")) * _exact("6.75"),
        )
    )
    lines = frame.lazy().select(first=first, second=second, third=third, fixed=_exact("7.25"))
    before = pl.col("first") + pl.col("second") + pl.col("third") + pl.col("fixed")
    taxed = lines.with_columns(tax=(before * _exact("0.06")).round(2, mode="half_away_from_zero"))
    return taxed.with_columns(total=before + pl.col("tax")).collect()


def block_naturally(frame: pl.DataFrame) -> pl.DataFrame:
    volume = pl.col("volume")
    lines = frame.lazy().select(
        first=(pl.min_horizontal(volume, Decimal(18)) * Decimal("2.45")).round(2),
        second=(pl.max_horizontal(Decimal(0), pl.min_horizontal(volume, Decimal(30)) - Decimal(18)) * Decimal("3.95")).round(2),
        third=(pl.max_horizontal(Decimal(0), volume - Decimal(30)) * Decimal("6.75")).round(2),
        fixed=pl.lit(Decimal("7.25")),
    )
    before = pl.col("first") + pl.col("second") + pl.col("third") + pl.col("fixed")
    return lines.with_columns(tax=(before * Decimal("0.06")).round(2)).with_columns(total=before + pl.col("tax")).collect()


def quota_decimals(frame: pl.DataFrame) -> pl.DataFrame:
    weight, allowed = pl.col("weight").cast(CARE), pl.col("quota").cast(CARE)
    excess = pl.min_horizontal(weight, allowed) * _exact("300") + pl.max_horizontal(weight - allowed, _exact("0")) * _exact("600")
    under = pl.when(weight * _exact("2") <= allowed).then(weight * _exact("200")).otherwise(excess)
    lines = frame.lazy().select(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under.round(2, mode="half_away_from_zero")),
        plain_fee=pl.when(pl.col("payer") == "other").then((weight * _exact("300")).round(2, mode="half_away_from_zero")),
    )
    return lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee")).collect()


def quota_naturally(frame: pl.DataFrame) -> pl.DataFrame:
    weight, allowed = pl.col("weight"), pl.col("quota")
    excess = pl.min_horizontal(weight, allowed) * Decimal(300) + pl.max_horizontal(weight - allowed, Decimal(0)) * Decimal(600)
    under = pl.when(weight <= Decimal("0.5") * allowed).then(weight * Decimal(200)).otherwise(excess)
    lines = frame.lazy().select(
        quota_fee=pl.when(pl.col("payer") == "quota_unit").then(under.round(2)),
        plain_fee=pl.when(pl.col("payer") == "other").then((weight * Decimal(300)).round(2)),
    )
    return lines.with_columns(total=pl.coalesce("quota_fee", "plain_fee")).collect()


# --- in and out ----------------------------------------------------------------------------------------------------


def _payers(codes: Ints) -> pl.Series:
    return pl.Series(np.array(PAYERS)[codes]).cast(pl.Enum(PAYERS))


def _ints(data: Data, work: Callable[[pl.LazyFrame], pl.LazyFrame], kind: Any) -> list[Way]:
    columns = {name: _payers(column) if name == "payer" else pl.Series(column).cast(kind) for name, column in data.columns.items()}
    asked = work(pl.DataFrame(columns).lazy())
    name = f"Polars, {str(kind).lower()} scaled by hand"
    return [
        Way(f"{name}, {says}", "polars int", data.rows, partial(asked.collect, engine=engine), partial(_fen_of_ints, outputs=data.work.outputs), _threads())
        for engine, says in _ENGINES.items()
    ]


def _decimals(data: Data, work: Any, how: str) -> Way:
    digits = len(str(data.work.largest))
    series = {
        name: _payers(column)
        if name == "payer"
        else (pl.Series(column).cast(pl.Decimal(38, 0)) * _unit(data.work.places[name])).cast(_kind(digits, data, name))
        for name, column in data.columns.items()
    }
    frame = pl.DataFrame(series)
    return Way(
        f"Polars Decimal, {how}", f"polars decimal {how}", data.rows, lambda: work(frame), lambda found: _fen_of_decimals(found, data.work.outputs), _threads()
    )


def _kind(digits: int, data: Data, name: str) -> pl.Decimal:
    return pl.Decimal(digits, data.work.places[name])


def _unit(places: int) -> pl.Series:
    return pl.Series([Decimal(1).scaleb(-places)], dtype=pl.Decimal(38, places))


def _threads() -> str:
    return f"{pl.thread_pool_size()} threads"


def _fen_of_ints(found: pl.DataFrame, outputs: Sequence[str]) -> list[Ints]:
    return [found[name].head(CHECKED).fill_null(NOTHING).to_numpy() for name in outputs]


def _fen_of_decimals(found: pl.DataFrame, outputs: Sequence[str]) -> list[Ints]:
    return fen_of_objects([found[name].head(CHECKED).to_list() for name in outputs])
