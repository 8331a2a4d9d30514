"""The stage as compiled code: the rows of every owner run through once, filled, rated and added up on the way.

``fused`` writes a row, this the loops around it. What comes out is whole numbers an owner (sums, counts, extremes), and
which owners are spoilt; means are divided, and facts held to their bounds, where NumPy does it too. Numbers are taken as
they lie in memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from tariffs import compiled
from tariffs.fused import Path, number, test
from tariffs.intake import Piece, limits, null_mask, read_numbers
from tariffs.kernel import Layout
from tariffs.model import Charge, Collect, Input
from tariffs.registers import Bit, Num, Row, TooWideError, bit, both, const, either, multiply, negated, put, rounded, select, spoil
from tariffs.scaled import NARROW, Ints, Mask, scaled

LONGEST = 2**12  # rows an owner may have: what is added up is proven to fit for so many
_KINDS = {"sum": ("sum",), "mean": ("sum", "count"), "weighted_mean": ("product", "weight"), "min": ("min",), "max": ("max",), "last": ("last",), "count": ()}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is compiled: the stage's inputs and charges, the standing inputs and choices it knows, and how its rows are collected."""

    layout: Layout
    inputs: tuple[Input, ...]
    standing: tuple[Input, ...]
    charges: tuple[Charge, ...]
    collected: tuple[Collect, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """One number an owner: ``sum``, ``count``, ``min``, ``max`` or ``last`` of ``of``; its ``product`` with ``by`` added up, or ``by`` alone (``weight``)."""

    kind: str
    of: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an input of the stage lies in memory: ``bits`` a number (128: of two words, the upper only a sign where ``trusted``),
    at ``scale``; or NumPy has to ``read`` it first.
    """

    bits: int
    signed: bool = True
    scale: int = 0
    trusted: bool = True
    nullable: bool = True
    read: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """``call`` takes the addresses of all columns, how many owners, where their rows begin (one more than owners), and of a byte an owner: spoilt.

    Columns: two a stage input (numbers, and a byte a row where null), then ``owners`` (one number an owner each), then
    ``sums``; ``engine`` owns the memory of the code.
    """

    call: Callable[[int, int, int, int], None]
    engine: Any
    inputs: tuple[Input, ...]
    shapes: tuple[Shape, ...]
    owners: tuple[str, ...]
    sums: tuple[Sum, ...]


@dataclass(slots=True)
class _Loop:
    """What is written before all owners, at the start of each, for each row ahead of the main loop, between the two, in each row, and at an owner's end."""

    before: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)


def wanted(how: Collect) -> tuple[Sum, ...]:
    """What a fact is collected from; whether it has a row at all is told by a count."""
    kinds = [Sum(kind, how.of, how.weight if kind in ("product", "weight") else "") for kind in _KINDS[how.how]]
    return (*kinds, Sum("count", how.of))


@lru_cache(maxsize=256)
def code(plan: Plan, shapes: tuple[Shape, ...]) -> Code | None:
    """Compiled once. None where a number may pass 64 bits, or something is collected that is not a sum."""
    if any(how.how not in _KINDS for how in plan.collected):
        return None
    sums = tuple(dict.fromkeys(one for how in plan.collected for one in wanted(how)))
    try:
        text = _write(plan, shapes, sums)
    except TooWideError:
        return None
    engine = compiled.translated(text)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address("stage"))
    return Code(call, engine, plan.inputs, shapes, _owner_names(plan), sums)


def shape(column: Any, item: Input) -> Shape:
    """Of a column of the frame; what is not numbers in Arrow is read first, and then lies like this."""
    kind = column.type if isinstance(column, pa.ChunkedArray) else None
    null = kind is None or column.null_count > 0
    if kind is not None and types.is_integer(kind) and kind != pa.uint64():
        return Shape(kind.bit_width, types.is_signed_integer(kind), nullable=null)
    if kind is not None and types.is_decimal(kind) and kind.bit_width <= 128 and kind.scale >= 0:
        return Shape(kind.bit_width, scale=kind.scale, trusted=kind.precision <= 18, nullable=null)
    return Shape(64, scale=item.type.places, read=True)


def _owner_names(plan: Plan) -> tuple[str, ...]:
    return (*(item.full_name for item in plan.standing), *plan.layout.codes)


def _write(plan: Plan, shapes: Sequence[Shape], sums: Sequence[Sum]) -> str:
    """The module in LLVM's notation."""
    loop, row, ahead = _Loop(), Row(plan.layout, "r"), Row(plan.layout, "m")
    between = Row(plan.layout, "d")
    for place, (item, one) in enumerate(zip(plan.inputs, shapes, strict=True)):
        loop.before += [*_pointer(f"c{place}", 2 * place), *_pointer(f"n{place}", 2 * place + 1)]
        row.numbers[item.full_name] = _given(loop, row, ahead, between, place, item, one)
    names = _owner_names(plan)
    for place, name in enumerate(names):
        loop.before += _pointer(f"s{place}.column", 2 * len(shapes) + place)
        loop.first += [f"%s{place}.at = getelementptr i64, ptr %s{place}.column, i64 %o", f"%s{place} = load i64, ptr %s{place}.at"]
        if name in plan.layout.codes:
            row.codes[name] = f"%s{place}"
        else:
            row.numbers[name] = _bounded(f"%s{place}", plan.standing[place])
    applied = _charges(plan.charges, row)
    for place, total in enumerate(sums):
        loop.before += [*_pointer(f"o{place}", 2 * len(shapes) + len(names) + place), f"%a{place} = alloca i64"]
        loop.steps += _step(row, place, total, applied.get(total.of, True))
        loop.first.append(f"store i64 {_start(total)}, ptr %a{place}")
        loop.last += [
            f"%t{place} = load i64, ptr %a{place}",
            f"%t{place}.at = getelementptr i64, ptr %o{place}, i64 %o",
            f"store i64 %t{place}, ptr %t{place}.at",
        ]
    return _module(loop, row, ahead, between)


def _pointer(name: str, place: int) -> list[str]:
    return [f"%{name}.slot = getelementptr ptr, ptr %slots, i64 {place}", f"%{name} = load ptr, ptr %{name}.slot"]


def _bounded(text: str, item: Input) -> Num:
    scale = 10**item.type.places
    low, high = floor(item.type.low * scale), ceil(item.type.high * scale)
    if max(-low, high) >= NARROW:
        raise TooWideError
    return Num(text, low, high)


# --- a number of a row --------------------------------------------------------------------------------------------


def _given(loop: _Loop, row: Row, ahead: Row, between: Row, place: int, item: Input, one: Shape) -> Num:
    """The number of a row at its input's places, filled where it is a gap; what is no good spoils the owner, and counts as its least."""
    value, wrong = _read(row, place, item, one)
    least = const(value.low)
    if not one.nullable:
        spoil(row, wrong)
        return select(row, wrong, least, value)
    null = _null(row, place)
    spoil(row, both(row, wrong, negated(row, null)))
    good = select(row, either(row, wrong, null), least, value)
    assert item.collect is not None, "inputs of a stage are collected"
    evidence = item.collect.evidence
    if evidence.fill == "refuse":
        spoil(row, null)
        return good
    _count_gaps(loop, place, null, evidence.at_most)
    if evidence.fill == "previous":
        return _previous(loop, row, place, null, good)
    if evidence.fill == "period_mean":
        return select(row, null, _mean(loop, ahead, between, row, place, item, one, null), good)
    assert evidence.value is not None, "a fixed value"
    return select(row, null, const(scaled(evidence.value, item.type.places)), good)


def _null(row: Row, place: int) -> str:
    at = put(row, f"getelementptr i8, ptr %n{place}, i64 %at")
    return put(row, f"icmp ne i8 {put(row, f'load i8, ptr {at}')}, 0")


def _read(row: Row, place: int, item: Input, one: Shape) -> tuple[Num, Bit]:
    """A number as it lies, at its input's places; and whether it is out of bounds or off its step."""
    wrong: Bit = False
    if one.bits == 128:
        first = put(row, "shl i64 %at, 1")
        value = _load(row, "i64", place, first)
        if not one.trusted:
            upper = _load(row, "i64", place, put(row, f"or i64 {first}, 1"))
            wrong = put(row, f"icmp ne i64 {upper}, {put(row, f'ashr i64 {value}, 63')}")
    else:
        value = _load(row, f"i{one.bits}", place, "%at")
        value = value if one.bits == 64 else put(row, f"{'sext' if one.signed else 'zext'} i{one.bits} {value} to i64")
    fine = max(one.scale, item.type.places)
    low, high, step = limits(item.type.low, item.type.high, item.type.grid, one.scale, fine)
    if max(-low, high) * 10 ** (fine - one.scale) >= NARROW:
        raise TooWideError
    wrong = either(row, wrong, put(row, f"icmp ugt i64 {put(row, f'sub i64 {value}, {low}')}, {high - low}"))
    number_ = multiply(row, Num(value, low, high), const(10 ** (fine - one.scale)))
    if step and 10 ** (fine - one.scale) % step:
        wrong = either(row, wrong, put(row, f"icmp ne i64 {put(row, f'srem i64 {number_.text}, {step}')}, 0"))
    unit = 10 ** (fine - item.type.places)
    if unit > 1:
        number_ = Num(put(row, f"sdiv i64 {number_.text}, {unit}"), -(-number_.low // unit), number_.high // unit)
    return number_, wrong


def _load(row: Row, kind: str, place: int, at: str) -> str:
    return put(row, f"load {kind}, ptr {put(row, f'getelementptr {kind}, ptr %c{place}, i64 {at}')}")


def _count_gaps(loop: _Loop, place: int, null: str, most: int) -> None:
    loop.before.append(f"%g{place} = alloca i64")
    loop.first.append(f"store i64 0, ptr %g{place}")
    loop.steps += [f"%g{place}.was = load i64, ptr %g{place}", f"%g{place}.one = zext i1 {null} to i64"]
    loop.steps += [f"%g{place}.is = add i64 %g{place}.was, %g{place}.one", f"store i64 %g{place}.is, ptr %g{place}"]
    loop.last += [f"%g{place}.all = load i64, ptr %g{place}", f"%g{place}.over = icmp sgt i64 %g{place}.all, {most}", *_spoilt(f"g{place}", f"%g{place}.over")]


def _spoilt(name: str, wrong: str) -> list[str]:
    return [f"%{name}.bad.was = load i1, ptr %bad", f"%{name}.bad.is = or i1 %{name}.bad.was, {wrong}", f"store i1 %{name}.bad.is, ptr %bad"]


def _previous(loop: _Loop, row: Row, place: int, null: str, good: Num) -> Num:
    """The last number before; a gap before any spoils the owner. What is carried from row to row is read where the row begins."""
    loop.before += [f"%p{place} = alloca i64", f"%h{place} = alloca i1"]
    loop.first += [f"store i64 {good.low}, ptr %p{place}", f"store i1 false, ptr %h{place}"]
    before, has = put(row, f"load i64, ptr %p{place}"), put(row, f"load i1, ptr %h{place}")
    spoil(row, both(row, null, negated(row, has)))
    found = select(row, null, Num(before, good.low, good.high), good)
    loop.steps += [f"store i64 {found.text}, ptr %p{place}", f"%h{place}.is = or i1 {has}, {negated(row, null)}", f"store i1 %h{place}.is, ptr %h{place}"]
    return found


def _mean(loop: _Loop, ahead: Row, between: Row, row: Row, place: int, item: Input, one: Shape, null: str) -> Num:
    """The mean of the owner's numbers, added up in a loop ahead of the main one; a gap where there is none at all spoils the owner."""
    assert item.collect is not None, "inputs of a stage are collected"
    value, wrong = _read(ahead, place, item, one)
    value = select(ahead, either(ahead, wrong, _null(ahead, place)), const(0), value)
    present = put(ahead, f"zext i1 {put(ahead, f'xor i1 {_null(ahead, place)}, true')} to i64")
    for name, text in ((f"u{place}", value.text), (f"k{place}", present)):
        loop.before.append(f"%{name} = alloca i64")
        loop.first.append(f"store i64 0, ptr %{name}")
        loop.ahead += [f"%{name}.was = load i64, ptr %{name}", f"%{name}.is = add i64 %{name}.was, {text}", f"store i64 %{name}.is, ptr %{name}"]
    low, high = min(value.low, 0) * LONGEST, max(value.high, 0) * LONGEST
    if max(-low, high) >= NARROW // 4:
        raise TooWideError
    count = put(between, f"load i64, ptr %k{place}")
    divisor = multiply(between, Num(put(between, f"call i64 @llvm.umax.i64(i64 {count}, i64 1)"), 1, LONGEST), const(scaled(item.type.grid, item.type.places)))
    mean = rounded(between, Num(put(between, f"load i64, ptr %u{place}"), low, high), divisor, item.collect.mode, taken=True)
    mean = multiply(between, mean, const(scaled(item.type.grid, item.type.places)))
    spoil(row, both(row, null, put(row, f"icmp eq i64 {count}, 0")))
    return Num(mean.text, min(value.low, 0), max(value.high, 0))


# --- the loops ----------------------------------------------------------------------------------------------------


def _charges(charges: Sequence[Charge], row: Row) -> dict[str, Bit]:
    applied: dict[str, Bit] = {}
    for charge in charges:
        holds: Bit = True
        if charge.when is not None:
            holds = test(charge.when, row, Path()).holds
        amount = number(charge.formula, row.layout.places[charge.full_name], row, Path(taken=holds))
        row.amounts[charge.full_name] = select(row, holds, amount, const(0))
        applied[charge.full_name] = holds
    return applied


def _start(one: Sum) -> int:
    return {"min": 2**62, "max": -(2**62)}.get(one.kind, 0)


def _step(row: Row, place: int, one: Sum, applies: Bit) -> list[str]:
    """What one row adds. Its numbers are written into ``row``; what is carried from row to row is not."""

    def of(name: str) -> Num:
        found = row.amounts.get(name)
        return row.numbers[name] if found is None else found

    carried = f"%a{place}.was"
    lines = [f"{carried} = load i64, ptr %a{place}"]
    if one.kind == "count":
        value = "1" if applies is True else put(row, f"zext i1 {bit(applies)} to i64")
        return [*lines, f"%a{place}.is = add i64 {carried}, {value}", f"store i64 %a{place}.is, ptr %a{place}"]
    if one.kind in ("sum", "product", "weight"):
        number_ = {"sum": lambda: of(one.of), "product": lambda: multiply(row, of(one.of), of(one.by)), "weight": lambda: of(one.by)}[one.kind]()
        number_ = select(row, applies, number_, const(0))
        if max(-number_.low, number_.high) * LONGEST >= NARROW:
            raise TooWideError
        return [*lines, f"%a{place}.is = add i64 {carried}, {number_.text}", f"store i64 %a{place}.is, ptr %a{place}"]
    value = of(one.of).text
    better = "true" if one.kind == "last" else f"%a{place}.better"
    if one.kind != "last":
        lines.append(f"{better} = icmp {'slt' if one.kind == 'min' else 'sgt'} i64 {value}, {carried}")
    lines.append(f"%a{place}.take = and i1 {better}, {bit(applies)}")
    return [*lines, f"%a{place}.is = select i1 %a{place}.take, i64 {value}, i64 {carried}", f"store i64 %a{place}.is, ptr %a{place}"]


def _module(loop: _Loop, row: Row, ahead: Row, between: Row) -> str:
    parts = [
        *(table for one in (row, ahead, between) for table in one.tables),
        "define void @stage(ptr noalias %slots, i64 %owners, ptr noalias %begins, ptr noalias %flags) {\nentry:\n%bad = alloca i1",
        *loop.before,
        "br label %owner\nowner:\n%o = phi i64 [ 0, %entry ], [ %o.next, %told ]\n%o.next = add nuw nsw i64 %o, 1",
        "%from.at = getelementptr i64, ptr %begins, i64 %o\n%from = load i64, ptr %from.at",
        "%to.at = getelementptr i64, ptr %begins, i64 %o.next\n%to = load i64, ptr %to.at\nstore i1 false, ptr %bad",
        *loop.first,
        f"%some = icmp slt i64 %from, %to\nbr i1 %some, label %{'ahead' if loop.ahead else 'between'}, label %told",
    ]
    if loop.ahead:
        parts += _each("ahead", "owner", [*ahead.lines, *loop.ahead], "between")
    parts += ["between:", *between.lines, "br label %row"]
    parts += _each("row", "between", [*row.lines, *_spoilt("row", bit(row.bad)), *loop.steps], "told")
    parts += [
        "told:",
        *loop.last,
        "%bad.found = load i1, ptr %bad\n%bad.byte = zext i1 %bad.found to i8",
        "%flag = getelementptr i8, ptr %flags, i64 %o\nstore i8 %bad.byte, ptr %flag",
        "%over = icmp eq i64 %o.next, %owners\nbr i1 %over, label %done, label %owner\ndone:\nret void\n}",
        "declare i64 @llvm.umin.i64(i64, i64)\ndeclare i64 @llvm.umax.i64(i64, i64)\n!0 = distinct !{}",
    ]
    return "\n".join(parts)


def _each(name: str, before: str, body: Sequence[str], after: str) -> list[str]:
    """``body`` for every row of an owner that has some."""
    at = "%at" if name == "row" else f"%{name}.at"
    return [
        f"{name}:\n{at} = phi i64 [ %from, %{before} ], [ {at}.next, %{name} ]",
        *(line.replace("%at", at) if at != "%at" else line for line in body),
        f"{at}.next = add nuw nsw i64 {at}, 1\n{at}.end = icmp eq i64 {at}.next, %to\nbr i1 {at}.end, label %{after}, label %{name}",
    ]


# --- running ------------------------------------------------------------------------------------------------------


def run(code: Code, begins: Ints, pieces: Mapping[str, Piece], owners: Mapping[str, Ints]) -> tuple[dict[Sum, Ints], Mask] | None:
    """Every sum by owner, and the owners with a number that cannot be used or a gap that stays open; None where a column is not as the code takes it."""
    count = len(begins) - 1
    found = {one: np.zeros(count, np.int64) for one in code.sums}
    flags, kept, addresses = np.zeros(count, np.uint8), [np.ascontiguousarray(begins, np.int64)], []
    for item, one in zip(code.inputs, code.shapes, strict=True):
        column = _column(pieces[item.full_name], item, one, kept)
        if column is None:
            return None
        addresses += column
    kept += [np.ascontiguousarray(owners[name], np.int64) for name in code.owners]
    addresses += [column.ctypes.data for column in (*kept[len(kept) - len(code.owners) :], *found.values())]
    slots = np.array(addresses, np.int64)
    if count:
        code.call(slots.ctypes.data, count, kept[0].ctypes.data, flags.ctypes.data)
    return found, flags.astype(np.bool_)


def _column(piece: Piece, item: Input, one: Shape, kept: list[Any]) -> list[int] | None:
    """Where the numbers lie, and the bytes of their nulls."""
    if not one.read:
        null, buffer = null_mask(piece), piece.buffers()[1]
        address = (buffer.address if buffer is not None else 0) + piece.offset * one.bits // 8
    else:
        column = read_numbers(piece, item)
        if column.bad is not None or column.values.dtype == object:
            return None
        null, numbers = column.null, np.ascontiguousarray(column.values)
        kept.append(numbers)
        address = numbers.ctypes.data
    bytes_ = null.view(np.uint8) if null is not None else np.zeros(len(piece) if one.nullable else 0, np.uint8)
    kept += [piece, bytes_]
    return [address, bytes_.ctypes.data]
