"""NumPy: doubles, rounded half up as one does it with doubles; and int64 and int32 scaled by hand, a piece at a time into buffers used again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.workloads import CHECKED, NOTHING, Data, Ints, Way

PIECE = 2**15


def three_blocks(data: Data) -> list[Way]:
    return [_doubles(data, block_doubles), _ints(data, np.int64), _ints(data, np.int32)]


def quota(data: Data) -> list[Way]:
    return [_doubles(data, quota_doubles)]


def _doubles(data: Data, work: Any) -> Way:
    columns = [column if name == "payer" else column / 10 ** data.work.places[name] for name, column in data.columns.items()]
    return Way("NumPy, float64, floor(100 x + 0.5)", "numpy float64", data.rows, lambda: work(*columns), fen_of_doubles)


def fen_of_doubles(found: Sequence[Ints]) -> list[Ints]:
    """To the nearest fen, as it would be printed."""
    return [np.where(np.isnan(column[:CHECKED]), NOTHING, np.rint(column[:CHECKED].astype(np.float64) * 100)).astype(np.int64) for column in found]


def _round(amounts: Ints) -> Ints:
    found: Ints = np.floor(amounts * 100 + 0.5) / 100
    return found


def block_doubles(volume: Ints) -> list[Ints]:
    first = _round(np.minimum(volume, 18) * 2.45)
    second = _round(np.maximum(np.minimum(volume, 30) - 18, 0) * 3.95)
    third = _round(np.maximum(volume - 30, 0) * 6.75)
    fixed = np.full(len(volume), 7.25)
    net = first + second + third + fixed
    tax = _round(net * 0.06)
    return [first, second, third, fixed, tax, net + tax]


def quota_doubles(payer: Ints, weight: Ints, allowed: Ints) -> list[Ints]:
    over = np.minimum(weight, allowed) * 300 + np.maximum(weight - allowed, 0) * 600
    fee, plain, own = _round(np.where(weight <= allowed * 0.5, weight * 200, over)), _round(weight * 300), payer == 0
    return [np.where(own, fee, np.nan), np.where(own, np.nan, plain), np.where(own, fee, plain)]


def _ints(data: Data, kind: Any) -> Way:
    volume = data.columns["volume"].astype(kind)
    found = np.empty((6, data.rows), kind)
    name = f"NumPy, {np.dtype(kind)} scaled by hand, result used again"
    return Way(name, "numpy int", data.rows, lambda: block_ints(volume, found), lambda out: list(out[:, :CHECKED].astype(np.int64)))


def block_ints(volume: Ints, found: Ints) -> Ints:
    """Half up is a whole division after half a fen was added; prices and divisors without what they have in common, so that all fits 32 bits."""
    for start in range(0, len(volume), PIECE):
        given = volume[start : start + PIECE]
        first, second, third, fixed, tax, total = found[:, start : start + PIECE]
        for line, low, high, price, unit in ((first, 0, 1800, 49, 20), (second, 1800, 3000, 79, 20), (third, 3000, 2**31 - 1, 27, 4)):
            np.clip(given, low, high, out=line)
            np.subtract(line, low, out=line)
            np.multiply(line, price, out=line)
            np.add(line, unit // 2, out=line)
            np.floor_divide(line, unit, out=line)
        fixed[:] = 725
        np.add(first, second, out=total)
        total += third
        total += 725
        np.multiply(total, 3, out=tax)
        tax += 25
        tax //= 50
        total += tax
    return found
