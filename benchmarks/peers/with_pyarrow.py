"""pyarrow's compute functions over decimal128; its ``half_towards_infinity`` is what others call half up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from benchmarks.workloads import Data, Way, arrow, fen_of_arrow, head

pc: Any = pyarrow.compute
ROWS = 1_000_000


def three_blocks(data: Data) -> list[Way]:
    return [_way(data, block_amounts)]


def quota(data: Data) -> list[Way]:
    return [_way(data, quota_amounts)]


def _way(data: Data, work: Any) -> Way:
    few = head(data, ROWS)
    table = arrow(few)
    return Way("pyarrow compute, decimal128", "pyarrow", few.rows, lambda: work(table), lambda result: fen_of_arrow(result, data.work.outputs))


def _round(values: Any) -> Any:
    return pc.round(values, ndigits=2, round_mode="half_towards_infinity").cast(pa.decimal128(14, 2))


def _number(text: str, digits: int, places: int) -> Any:
    return pa.scalar(Decimal(text), pa.decimal128(digits, places))


def block_amounts(table: pa.Table) -> pa.Table:
    volume: Any = table["volume"]
    low, high, none = _number("18", 8, 2), _number("30", 8, 2), _number("0", 9, 2)
    first = _round(pc.multiply(pc.min_element_wise(volume, low), _number("2.45", 3, 2)))
    above = pc.max_element_wise(pc.subtract(pc.min_element_wise(volume, high), low), none)
    second = _round(pc.multiply(above, _number("3.95", 3, 2)))
    third = _round(pc.multiply(pc.max_element_wise(pc.subtract(volume, high), none), _number("6.75", 3, 2)))
    fixed: Any = pa.repeat(_number("7.25", 14, 2), table.num_rows)
    net = pc.add(pc.add(first, second), pc.add(third, fixed)).cast(pa.decimal128(14, 2))
    tax = _round(pc.multiply(net, _number("0.06", 3, 2)))
    return pa.table({"first": first, "second": second, "third": third, "fixed": fixed, "tax": tax, "total": pc.add(net, tax)})


def quota_amounts(table: pa.Table) -> pa.Table:
    payer, weight, allowed = (table[name] for name in ("payer", "weight", "quota"))
    under = pc.multiply(weight, _number("200", 3, 0))
    excess = pc.max_element_wise(pc.subtract(weight, allowed), _number("0", 10, 3))
    over = pc.add(pc.multiply(pc.min_element_wise(weight, allowed), _number("300", 3, 0)), pc.multiply(excess, _number("600", 3, 0)))
    low = pc.less_equal(pc.multiply(weight, _number("2", 1, 0)), allowed)
    wide = pa.decimal128(18, 3)
    own = pc.equal(payer, "quota_unit")
    nothing = pa.scalar(None, pa.decimal128(14, 2))
    quota_fee = pc.if_else(own, _round(pc.if_else(low, under.cast(wide), over.cast(wide))), nothing)
    plain_fee = pc.if_else(own, nothing, _round(pc.multiply(weight, _number("300", 3, 0))))
    return pa.table({"quota_fee": quota_fee, "plain_fee": plain_fee, "total": pc.coalesce(quota_fee, plain_fee)})
