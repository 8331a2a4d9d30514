"""pandas: Arrow-backed decimal columns, and columns of Decimal objects.

pandas' own ``round`` rounds half to even; who knows it rounds by Arrow's function, or quantizes each object.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from benchmarks.workloads import CHECKED, FEN, PAYERS, Data, Way, arrow, decimals, fen_of_objects, head

pc: Any = pyarrow.compute
ROWS_ARROW, ROWS_OBJECT = 1_000_000, 200_000


def three_blocks(data: Data) -> list[Way]:
    return [_arrow(data, block_arrow), _objects(data, block_objects)]


def quota(data: Data) -> list[Way]:
    return [_arrow(data, quota_arrow), _objects(data, quota_objects)]


def _arrow(data: Data, work: Any) -> Way:
    few = head(data, ROWS_ARROW)
    frame = arrow(few).to_pandas(types_mapper=pd.ArrowDtype)
    return Way("pandas, ArrowDtype decimal128", "pandas arrow", few.rows, lambda: work(frame), lambda found: _fen(found, data))


def _objects(data: Data, work: Any) -> Way:
    few = head(data, ROWS_OBJECT)
    frame = pd.DataFrame(dict(zip(few.columns, decimals(few), strict=True)), dtype=object)
    return Way("pandas, columns of Decimal objects", "pandas object", few.rows, lambda: work(frame), lambda found: _fen(found, data))


def _fen(found: pd.DataFrame, data: Data) -> Any:
    return fen_of_objects([[None if value is pd.NA or value is None else value for value in found[name].head(CHECKED)] for name in data.work.outputs])


# --- Arrow-backed --------------------------------------------------------------------------------------------------


def _rounded(series: Any) -> Any:
    """Half up, through Arrow's own rounding: ``Series.round`` would round half to even."""
    rounded = pc.round(pa.chunked_array([pa.array(series)]), ndigits=2, round_mode="half_towards_infinity")
    return pd.Series(pd.arrays.ArrowExtensionArray(rounded.cast(pa.decimal128(14, 2))), index=series.index)


def block_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    volume: Any = frame["volume"]
    first = _rounded(volume.clip(upper=Decimal(18)) * Decimal("2.45"))
    second = _rounded((volume.clip(Decimal(18), Decimal(30)) - Decimal(18)) * Decimal("3.95"))
    third = _rounded((volume.clip(lower=Decimal(30)) - Decimal(30)) * Decimal("6.75"))
    fixed = pd.Series(Decimal("7.25"), index=frame.index, dtype=pd.ArrowDtype(pa.decimal128(14, 2)))
    net = first + second + third + fixed
    tax = _rounded(net * Decimal("0.06"))
    return pd.DataFrame({"first": first, "second": second, "third": third, "fixed": fixed, "tax": tax, "total": net + tax})


def quota_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    weight: Any = frame["weight"]
    allowed: Any = frame["quota"]
    below = weight.where(weight <= allowed, allowed)
    over = below * Decimal(300) + (weight - below) * Decimal(600)
    under = (weight * Decimal(200)).astype(over.dtype)
    own = frame["payer"] == "quota_unit"
    quota_fee = _rounded(over.where(weight * Decimal(2) > allowed, under)).where(own)
    plain_fee = _rounded(weight * Decimal(300)).where(~own)
    return pd.DataFrame({"quota_fee": quota_fee, "plain_fee": plain_fee, "total": quota_fee.fillna(plain_fee)})


# --- objects ---------------------------------------------------------------------------------------------------------


def _quantized(series: Any) -> Any:
    return series.map(lambda amount: amount.quantize(FEN, ROUND_HALF_UP))


def block_objects(frame: pd.DataFrame) -> pd.DataFrame:
    volume: Any = frame["volume"]
    first = _quantized(volume.where(volume < Decimal(18), Decimal(18)) * Decimal("2.45"))
    upper = volume.where(volume < Decimal(30), Decimal(30)) - Decimal(18)
    second = _quantized(upper.where(upper > 0, Decimal(0)) * Decimal("3.95"))
    above = volume - Decimal(30)
    third = _quantized(above.where(above > 0, Decimal(0)) * Decimal("6.75"))
    fixed = pd.Series([Decimal("7.25")] * len(frame), index=frame.index, dtype=object)
    net = first + second + third + fixed
    tax = _quantized(net * Decimal("0.06"))
    return pd.DataFrame({"first": first, "second": second, "third": third, "fixed": fixed, "tax": tax, "total": net + tax})


def quota_objects(frame: pd.DataFrame) -> pd.DataFrame:
    weight: Any = frame["weight"]
    allowed: Any = frame["quota"]
    below = weight.where(weight <= allowed, allowed)
    over = below * Decimal(300) + (weight - below) * Decimal(600)
    fee = _quantized((weight * Decimal(200)).where(weight * 2 <= allowed, over))
    plain = _quantized(weight * Decimal(300))
    own = (frame["payer"] == PAYERS[0]).to_numpy()
    quota_fee, plain_fee = np.where(own, fee, None), np.where(own, None, plain)
    return pd.DataFrame({"quota_fee": quota_fee, "plain_fee": plain_fee, "total": np.where(own, fee, plain)})
