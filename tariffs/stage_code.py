"""The stage as compiled code: the rows of every owner run through once, its charges worked out and added up on the way.

``fused`` writes a row, this the loops around it. What comes out is whole numbers an owner (sums, counts, extremes); means
are divided, and everything is held to bounds, where NumPy does it too. Rows come in filled and within their bounds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np

from tariffs import compiled
from tariffs.fused import Bit, Num, Path, Row, TooWideError, bit, const, multiply, number, put, select, test
from tariffs.kernel import Layout
from tariffs.model import Charge, Collect, Input
from tariffs.scaled import NARROW, Ints

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
class Code:
    """``call`` takes the addresses of all columns, how many owners, where their rows begin (one more than owners), and of a flag for anything wrong.

    Columns are ``rows`` (one number a row), ``owners`` (one an owner), then ``sums``; ``engine`` owns the memory of the code.
    """

    call: Callable[[int, int, int, int], None]
    engine: Any
    rows: tuple[str, ...]
    owners: tuple[str, ...]
    sums: tuple[Sum, ...]


@dataclass(slots=True)
class _Loop:
    """What is written before all owners, at the start of each, and at its end."""

    before: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)


def wanted(how: Collect) -> tuple[Sum, ...]:
    """What a fact is collected from; whether it has a row at all is told by a count."""
    kinds = [Sum(kind, how.of, how.weight if kind in ("product", "weight") else "") for kind in _KINDS[how.how]]
    return (*kinds, Sum("count", how.of))


@lru_cache(maxsize=256)
def code(plan: Plan) -> Code | None:
    """Compiled once. None where a number may pass 64 bits, or something is collected that is not a sum."""
    if any(how.how not in _KINDS for how in plan.collected):
        return None
    sums = tuple(dict.fromkeys(one for how in plan.collected for one in wanted(how)))
    text = write(plan.layout, plan.inputs, plan.standing, plan.charges, sums)
    if text is None:
        return None
    engine = compiled.translated(text)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address("stage"))
    rows, owners = (tuple(item.full_name for item in items) for items in (plan.inputs, plan.standing))
    return Code(call, engine, rows, (*owners, *plan.layout.codes), sums)


def write(layout: Layout, inputs: Sequence[Input], standing: Sequence[Input], charges: Sequence[Charge], sums: Sequence[Sum]) -> str | None:
    """The module in LLVM's notation; None where a number may pass 64 bits."""
    try:
        return _write(layout, inputs, standing, charges, sums)
    except TooWideError:
        return None


def _write(layout: Layout, inputs: Sequence[Input], standing: Sequence[Input], charges: Sequence[Charge], sums: Sequence[Sum]) -> str:
    loop, row = _Loop(), Row(layout, "r")
    for place, item in enumerate(inputs):
        loop.before += _pointer(f"c{place}", place)
        row.numbers[item.full_name] = _bounded(put(row, f"load i64, ptr {put(row, f'getelementptr i64, ptr %c{place}, i64 %at')}"), item)
    names = [*(item.full_name for item in standing), *layout.codes]
    for place, name in enumerate(names, len(inputs)):
        loop.before += _pointer(f"c{place}", place)
        loop.first += [f"%s{place}.at = getelementptr i64, ptr %c{place}, i64 %o", f"%s{place} = load i64, ptr %s{place}.at"]
        if name in layout.codes:
            row.codes[name] = f"%s{place}"
        else:
            row.numbers[name] = _bounded(f"%s{place}", standing[place - len(inputs)])
    applied = _charges(charges, row)
    steps: list[str] = []
    for place, one in enumerate(sums):
        loop.before += [*_pointer(f"o{place}", len(inputs) + len(names) + place), f"%a{place} = alloca i64"]
        steps += _step(row, place, one, applied.get(one.of, True))
        loop.first.append(f"store i64 {_start(one)}, ptr %a{place}")
        loop.last += [
            f"%t{place} = load i64, ptr %a{place}",
            f"%t{place}.at = getelementptr i64, ptr %o{place}, i64 %o",
            f"store i64 %t{place}, ptr %t{place}.at",
        ]
    return _module(loop, row, steps)


def _pointer(name: str, place: int) -> list[str]:
    return [f"%{name}.slot = getelementptr ptr, ptr %slots, i64 {place}", f"%{name} = load ptr, ptr %{name}.slot"]


def _bounded(text: str, item: Input) -> Num:
    scale = 10**item.type.places
    low, high = floor(item.type.low * scale), ceil(item.type.high * scale)
    if max(-low, high) >= NARROW:
        raise TooWideError
    return Num(text, low, high)


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


def _module(loop: _Loop, row: Row, steps: Sequence[str]) -> str:
    parts = [
        *row.tables,
        "define void @stage(ptr noalias %slots, i64 %owners, ptr noalias %begins, ptr noalias %flag) {\nentry:\n%bad = alloca i1\nstore i1 false, ptr %bad",
        *loop.before,
        "br label %owner\nowner:\n%o = phi i64 [ 0, %entry ], [ %o.next, %told ]\n%o.next = add nuw nsw i64 %o, 1",
        "%from.at = getelementptr i64, ptr %begins, i64 %o\n%from = load i64, ptr %from.at",
        "%to.at = getelementptr i64, ptr %begins, i64 %o.next\n%to = load i64, ptr %to.at",
        *loop.first,
        "%some = icmp slt i64 %from, %to\nbr i1 %some, label %row, label %told\nrow:\n%at = phi i64 [ %from, %owner ], [ %at.next, %row ]",
        *row.lines,
        f"%bad.was = load i1, ptr %bad\n%bad.is = or i1 %bad.was, {bit(row.bad)}\nstore i1 %bad.is, ptr %bad",
        *steps,
        "%at.next = add nuw nsw i64 %at, 1\n%at.end = icmp eq i64 %at.next, %to\nbr i1 %at.end, label %told, label %row\ntold:",
        *loop.last,
        "%over = icmp eq i64 %o.next, %owners\nbr i1 %over, label %done, label %owner\ndone:",
        "%bad.found = load i1, ptr %bad\n%bad.byte = zext i1 %bad.found to i8\nstore i8 %bad.byte, ptr %flag\nret void\n}",
        "declare i64 @llvm.umin.i64(i64, i64)\n!0 = distinct !{}",
    ]
    return "\n".join(parts)


def run(code: Code, begins: Ints, columns: Mapping[str, Ints]) -> dict[Sum, Ints] | None:
    """Every sum by owner; None where a row cannot be worked out. Columns are of machine words."""
    owners = len(begins) - 1
    kept = [np.ascontiguousarray(columns[name], np.int64) for name in (*code.rows, *code.owners)]
    found = {one: np.empty(owners, np.int64) for one in code.sums}
    slots = np.array([column.ctypes.data for column in (*kept, *found.values())], np.int64)
    flag, begins = np.zeros(1, np.uint8), np.ascontiguousarray(begins, np.int64)
    if owners:
        code.call(slots.ctypes.data, owners, begins.ctypes.data, flag.ctypes.data)
    return None if flag[0] else found
