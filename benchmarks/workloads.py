"""The two rules that are timed in memory, their rows, and what every row must come to.

W1: three blocks of water, a fixed charge, 6 % tax, each line rounded half up; one column in, six out. W2: Beijing's
quota rule, a class of payer and two weights in, three columns out. Rows lie on the edges of the rules, one step beside
them, and on halves of a fen more often than chance would have it, so that a way that rounds otherwise is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import tariffs

RULES = Path(__file__).parent / "rules"
PAYERS = ["quota_unit", "other"]
CHECKED = 200_000  # rows on which every way is held against the exact amounts
NOTHING = -1  # stands for no amount; no amount of these rules is negative
FEN = Decimal("0.01")
Ints: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Work:
    """A rule to be rated. ``places`` are those of its inputs; a class of payer has none. ``largest`` is the most an input can be, in its last place."""

    name: str
    version: tariffs.TariffVersion
    places: dict[str, int]
    largest: int
    outputs: tuple[str, ...]
    make: Callable[[int, np.random.Generator], dict[str, Ints]]
    amounts: Callable[..., tuple[Decimal | None, ...]]


@dataclass(frozen=True, slots=True)
class Data:
    """Rows of a work: each input as whole numbers of its last place; classes of payers as their place in ``PAYERS``."""

    work: Work
    columns: dict[str, Ints]
    rows: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way to rate ``rows`` rows, from data that lie ready in its own form to a result in its own form.

    ``fen``: the first ``CHECKED`` rows of such a result, a column of whole fen for each output; None for a floor, which computes nothing.
    ``group`` is what the ratios name it by.
    """

    name: str
    group: str
    rows: int
    run: Callable[[], Any]
    fen: Callable[[Any], Sequence[Ints]] | None
    note: str = ""


# --- the works ----------------------------------------------------------------------------------------------------


def blocks() -> Work:
    version = tariffs.load("xx/benchmark/three-blocks", on="2026-02-01", rules=RULES)
    return Work("W1", version, {"volume": 2}, 10_000_000, ("first", "second", "third", "fixed", "tax", "total"), _volumes, block_amounts)


def quota() -> Work:
    version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
    return Work("W2", version, {"weight": 3, "quota": 3}, 100_000_000, ("quota_fee", "plain_fee", "total"), _weights, quota_amounts)


def data(work: Work, rows: int, seed: int) -> Data:
    return Data(work, work.make(rows, np.random.default_rng(seed)), rows)


def head(given: Data, rows: int) -> Data:
    """The first rows alone, for ways too slow for all; rows have no order, so they are as good a sample as any."""
    return Data(given.work, {name: column[:rows] for name, column in given.columns.items()}, min(rows, given.rows))


def _volumes(count: int, random: np.random.Generator) -> dict[str, Ints]:
    """Households up to 60 m3; an edge or a step beside it; whole tenths, which end in halves of a fen; one in twenty large."""
    edge = np.take([0, 1_800, 3_000], random.integers(0, 3, count)) + random.integers(-1, 2, count)
    household = random.integers(0, 6_001, count)
    kinds = [household, household, np.clip(edge, 0, None), random.integers(0, 601, count) * 10]
    found = _mixed(random, kinds)
    return {"volume": np.where(random.integers(0, 20, count) == 0, random.integers(0, 500_001, count), found)}


def _weights(count: int, random: np.random.Generator) -> dict[str, Ints]:
    """Canteens up to 20 t a month, on half their quota, on it, or a step beside; one in twenty anywhere up to the bound."""
    small = random.integers(0, 20_001, count)
    allowed = _mixed(random, [small, np.full(count, 10_000), random.integers(0, 2_001, count) * 10, np.where(random.integers(0, 2, count) == 0, 0, small)])
    step, found = random.integers(-1, 2, count), random.integers(0, 20_001, count)
    weight = _mixed(random, [allowed // 2 + step, allowed + step, found, found // 10 * 10 + 5])
    weight = np.where(random.integers(0, 20, count) == 0, random.integers(0, 100_000_001, count), np.clip(weight, 0, None))
    return {"payer": random.integers(0, 2, count).astype(np.int8), "weight": weight, "quota": allowed}


def _mixed(random: np.random.Generator, columns: list[Ints]) -> Ints:
    """Each row from one of the columns."""
    return np.choose(random.integers(0, len(columns), len(columns[0])), columns)


# --- what rows come to: a plain loop over decimals, the reference of all and a peer itself ------------------------------


def block_amounts(volume: Decimal) -> tuple[Decimal, ...]:
    first = (min(volume, Decimal(18)) * Decimal("2.45")).quantize(FEN, ROUND_HALF_UP)
    second = (max(Decimal(0), min(volume, Decimal(30)) - 18) * Decimal("3.95")).quantize(FEN, ROUND_HALF_UP)
    third = (max(Decimal(0), volume - 30) * Decimal("6.75")).quantize(FEN, ROUND_HALF_UP)
    fixed = Decimal("7.25")
    lines = first + second + third + fixed
    tax = (lines * Decimal("0.06")).quantize(FEN, ROUND_HALF_UP)
    return first, second, third, fixed, tax, lines + tax


def quota_amounts(payer: str, weight: Decimal, quota: Decimal) -> tuple[Decimal | None, ...]:
    if payer == "other":
        fee = (weight * 300).quantize(FEN, ROUND_HALF_UP)
        return None, fee, fee
    over = min(weight, quota) * 300 + max(Decimal(0), weight - quota) * 600
    fee = (weight * 200 if weight * 2 <= quota else over).quantize(FEN, ROUND_HALF_UP)
    return fee, None, fee


def decimals(given: Data) -> list[list[Any]]:
    """Every input as Python objects: decimals, and payers by name."""
    return [
        [PAYERS[code] for code in column.tolist()] if name == "payer" else [Decimal(value).scaleb(-given.work.places[name]) for value in column.tolist()]
        for name, column in given.columns.items()
    ]


def exact(given: Data) -> list[Ints]:
    """The exact amounts of all given rows, in fen, a column an output."""
    found = [given.work.amounts(*row) for row in zip(*decimals(given), strict=True)]
    return fen_of_objects(list(zip(*found, strict=True)))


def fen_of_objects(columns: Sequence[Sequence[Any]]) -> list[Ints]:
    """Columns of decimals or None as fen. AssertionError for an amount finer than a fen, which nobody can pay."""
    return [np.array([NOTHING if amount is None else _fen(amount) for amount in column[:CHECKED]], np.int64) for column in columns]


def _fen(amount: Decimal) -> int:
    whole = int(amount.scaleb(2))
    assert whole == amount.scaleb(2), f"{amount} is finer than a fen"
    return whole


def wrong(found: Sequence[Ints], expected: Sequence[Ints]) -> int:
    """How many invoices differ in any output."""
    bad = np.zeros(len(found[0]), np.bool_)
    for mine, right in zip(found, expected, strict=True):
        bad |= mine != right[: len(mine)]
    return int(bad.sum())


# --- Arrow, which several ways start from -----------------------------------------------------------------------------


def arrow(given: Data, *, narrow: bool = False) -> pa.Table:
    """decimal128 columns (``narrow``: decimal32 where nine digits suffice, else decimal64), and payers as a dictionary."""
    return pa.table({name: _arrow(given, name, column, narrow=narrow) for name, column in given.columns.items()})


def _arrow(given: Data, name: str, column: Ints, *, narrow: bool) -> Any:
    if name == "payer":
        codes: Any = pa.array(column)
        return pa.DictionaryArray.from_arrays(codes, pa.array(PAYERS))
    digits, places = len(str(given.work.largest)), given.work.places[name]
    words: Ints = np.zeros((len(column), 1 if narrow else 2), np.int32 if narrow and digits <= 9 else np.int64)
    words[:, 0] = column
    memory: Any = words
    kind = pa.decimal128(digits, places) if not narrow else pa.decimal32(digits, places) if digits <= 9 else pa.decimal64(digits, places)
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(memory)])


def fen_of_arrow(table: pa.Table, outputs: Sequence[str]) -> list[Ints]:
    """The first rows of decimal columns, of whatever scale, as fen."""
    return fen_of_objects([table.column(name).slice(0, CHECKED).to_pylist() for name in outputs])
