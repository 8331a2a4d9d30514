"""The stage by columns: rows of all accounts are rated by the same kernel, and what the rating needs is collected from them.

A frame of rows has ``account``, ``start``, ``end`` (not needed by day), ``point`` (where a record has one) and the stage's
inputs by full name; the frame that is rated names its rows by ``account``. Written apart from ``rows`` and ``derive``;
whether a row is sound is found here by columns, and said by the one-at-a-time reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from tariffs import columns, fills, groups, intake
from tariffs.columns import Frame
from tariffs.errors import FactsError, Problem, fail
from tariffs.facts import missing
from tariffs.figures import number_problems
from tariffs.intake import Column, Piece
from tariffs.kernel import Check, Layout, check, plan
from tariffs.model import Charge, Collect, Input, Stage, Version
from tariffs.money import EXACT, places
from tariffs.periods_in import days_in
from tariffs.scaled import NARROW, Batch, Ints, Mask, Plan, enclose, scaled, select

pc: Any = pyarrow.compute
_FAR = 4_000_000  # more days than a calendar has


@dataclass(frozen=True, slots=True)
class _Charge:
    charge: Charge
    when: Check | None
    formula: Plan


@dataclass(frozen=True, slots=True)
class Program:
    """The stage of a version, planned: made once, run for every chunk."""

    version: Version
    stage: Stage
    layout: Layout
    charges: tuple[_Charge, ...]
    derived: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows sorted by the row of the rated frame they belong to (``owner``), then by days; owner i has those from ``begins[i]`` to ``begins[i + 1]``.

    ``order`` finds them in the frame as it was given; ``wrong`` marks owners whose rows are not one for each day, month or record.
    """

    frame: Frame
    order: Ints
    owner: Ints
    begins: Ints
    start: Ints
    end: Ints
    points: Any
    numbers: Mapping[str, Column]
    wrong: Mask


@dataclass(frozen=True, slots=True)
class Derived:
    """The collected facts of a chunk; ``bad`` rows have none to rate with, and ``tell`` says why (nothing where the rows themselves are at fault)."""

    read: Mapping[str, Column]
    bad: Mask
    tell: Callable[[int], list[Problem]]


def program(version: Version, scales: Mapping[str, int], codes: Mapping[str, Mapping[str, int]]) -> Program:
    """``scales`` and ``codes`` are those of the version's own inputs."""
    assert version.stage is not None, "only a stage is planned"
    stage = version.stage
    kept = dict(scales) | {item.full_name: item.type.places for item in stage.inputs}
    kept |= {charge.full_name: charge.formula.type.places for charge in stage.charges}
    layout = Layout(codes, kept)
    charges = tuple(_Charge(c, None if c.when is None else check(c.when, layout), plan(c.formula, kept[c.full_name], layout)) for c in stage.charges)
    return Program(version, stage, layout, charges, tuple(item for item in version.inputs if item.collect and item.collect.of))


# --- reading ------------------------------------------------------------------------------------------------------


def open_rows(planned: Program, outer: Frame, start: Ints | None, end: Ints | None, frame: Any) -> Rows:
    """The rows of ``frame`` by owner; ``start`` and ``end`` are each owner's period as ordinals, None where it has none.

    FactsError: a column is absent or of the wrong kind, an account has two rows for one period, or rows belong to nobody.
    """
    stage = planned.stage
    if frame is None:
        empty = {name: pa.array([], kind) for name, kind in (("account", pa.string()), ("start", pa.date32()), ("end", pa.date32()))}
        frame = pa.table(empty)
        if "account" not in outer.columns:
            none = np.zeros(0, np.int64)
            return _sorted(planned, columns.open_frame(frame, ["start"]), none, none, none, pa.array([], pa.string()), outer.rows, start, end)
    opened = columns.open_frame(frame, ["account", "start", "end", "point", *(item.full_name for item in stage.inputs)])
    absent = [Problem("column-absent", {"name": name}) for name in ("account", "start") if name not in opened.columns]
    absent += [Problem("column-absent", {"name": "account"})] if "account" not in outer.columns else []
    absent += [Problem("column-absent", {"name": "end"})] if "end" not in opened.columns and stage.grain != "day" else []
    if absent:
        raise FactsError(absent)
    first = _days(opened, "start")
    after = _days(opened, "end") if "end" in opened.columns else first + 1
    own, theirs = _names(outer, "account"), _names(opened, "account")
    points = _names(opened, "point") if "point" in opened.columns else pa.array([""] * opened.rows, pa.string())
    held = after - 1 if stage.grain == "record" else first
    owner = _owners(own, theirs, np.zeros(outer.rows, np.int64) if start is None else start, end, held)
    return _sorted(planned, opened, owner, first, after, points, outer.rows, start, end)


def _days(opened: Frame, name: str) -> Ints:
    found, null = days_in(columns.cut(opened.columns[name], 0, opened.rows), name)
    if null.any():
        raise fail(FactsError, "column-nulls", name=name, count=int(null.sum()))
    return found


def _names(opened: Frame, name: str) -> Any:
    piece = columns.cut(opened.columns[name], 0, opened.rows)
    array = piece if isinstance(piece, pa.Array) else pa.array(piece)
    return pc.fill_null(pc.cast(array, pa.string()), "")


def _owners(own: Any, theirs: Any, start: Ints, end: Ints | None, held: Ints) -> Ints:
    """The row of the rated frame each stage row belongs to: the account's period that begins last before it."""
    known = own.unique()
    code, wanted = (np.asarray(pc.fill_null(pc.index_in(a, value_set=known), -1)).astype(np.int64) for a in (own, theirs))
    if (wanted < 0).any():
        raise fail(FactsError, "rows-of-nobody", account=theirs[int(np.flatnonzero(wanted < 0)[0])].as_py(), count=int((wanted < 0).sum()))
    order = np.lexsort((start, code))
    key = code[order] * _FAR + start[order]
    again = (code[order][1:] == code[order][:-1]) & (True if end is None else start[order][1:] < end[order][:-1])
    if again.any():
        raise fail(FactsError, "account-twice", account=own[int(order[1:][again][0])].as_py())
    place = np.searchsorted(key, wanted * _FAR + held, side="right") - 1
    before = (place < 0) | (code[order][np.maximum(place, 0)] != wanted) if len(order) else np.zeros(0, np.bool_)
    return order[np.where(before, place + 1, place)] if len(order) else place


def _sorted(planned: Program, opened: Frame, owner: Ints, first: Ints, after: Ints, points: Any, count: int, start: Ints | None, end: Ints | None) -> Rows:
    rank = np.asarray(pc.rank(points, tiebreaker="dense")).astype(np.int64) if len(points) else np.zeros(0, np.int64)
    order = np.lexsort((rank, after, first, owner))
    owner, first, after, rank = owner[order], first[order], after[order], rank[order]
    begins = np.searchsorted(owner, np.arange(count + 1))
    numbers = {}
    for item in planned.stage.inputs:
        column = opened.columns.get(item.full_name)
        piece: Piece = [None] * opened.rows if column is None else columns.cut(column, 0, opened.rows)
        read = intake.read_numbers(piece, item)
        numbers[item.full_name] = Column(read.values[order], *(None if mask is None else mask[order] for mask in (read.null, read.bad)))
    wrong = np.zeros(count, np.bool_)
    for column in numbers.values():
        if column.bad is not None:
            wrong[owner[column.bad]] = True
    if start is not None and end is not None:
        wrong |= _wrong_spans(planned.stage.grain, owner, first, after, rank, start, end)
    return Rows(opened, order, owner, begins, first, after, points, numbers, wrong)


def _wrong_spans(grain: str, owner: Ints, first: Ints, after: Ints, rank: Ints, start: Ints, end: Ints) -> Mask:
    """Owners with a row outside their period, of the wrong length, or twice; or with rows, but not one for every day or month."""
    low, high = start[owner], end[owner]
    same = (owner[1:] == owner[:-1]) & (first[1:] == first[:-1]) & (after[1:] == after[:-1])
    if grain == "record":
        bad, same = (after <= low) | (after > high) | (after <= first), same & (rank[1:] == rank[:-1])
    elif grain == "day":
        bad = (first < low) | (after > high) | (after != first + 1)
    else:
        month = _months(first)
        bad = (first < low) | (after > high) | (first != np.maximum(_first_day(month), low)) | (after != np.minimum(_first_day(month + 1), high))
    wrong = np.zeros(len(start), np.bool_)
    wrong[owner[bad]] = True
    wrong[owner[1:][same]] = True
    if grain != "record":
        have = np.bincount(owner, minlength=len(start))
        need = end - start if grain == "day" else _months(end - 1) - _months(start) + 1
        wrong |= (have > 0) & (have != need)
    return wrong


def _months(day: Ints) -> Ints:
    found: Ints = (day - date(1970, 1, 1).toordinal()).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return found


def _first_day(month: Ints) -> Ints:
    found: Ints = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + date(1970, 1, 1).toordinal()
    return found


def rows_of(planned: Program, rows: Rows, owner: int) -> list[dict[str, object]]:
    """One owner's rows as the one-at-a-time reader takes them."""
    found = []
    for place in range(int(rows.begins[owner]), int(rows.begins[owner + 1])):
        at = int(rows.order[place])
        first, after = (date.fromordinal(int(days[place])) for days in (rows.start, rows.end))
        row: dict[str, object] = {"start": first, "end": after, "point": rows.points[at].as_py()}
        for item in planned.stage.inputs:
            if item.full_name in rows.frame.columns:
                row[item.full_name] = intake.value_at(columns.cut(rows.frame.columns[item.full_name], at, at + 1), 0)
        found.append(row)
    return found


# --- rating and collecting ----------------------------------------------------------------------------------------


def derive(planned: Program, rows: Rows, begin: int, stop: int, read: Mapping[str, Column], needs: Callable[[str], Mask], bad: Mask) -> Derived:
    """The facts collected for the owners ``begin`` to ``stop``, whose other facts are ``read``; ``needs`` tells for a name which of them need it.

    ``bad`` owners are refused already, and theirs count for nothing.
    """
    part = slice(int(rows.begins[begin]), int(rows.begins[stop]))
    owner = rows.owner[part] - begin
    bad = bad | rows.wrong[begin:stop]
    wanted = {item.full_name: needs(item.full_name) for item in planned.derived}
    if planned.stage.grain != "record":
        lacks = rows.begins[begin + 1 : stop + 1] == rows.begins[begin:stop]
        for mask in wanted.values():
            bad |= mask & lacks
    numbers, spoilt = _complete(planned, rows, part, owner, needs, stop - begin)
    bad |= spoilt
    batch, applied = _rate(planned, numbers, read, owner, ~bad)
    alive = ~bad[owner]
    found: dict[str, Column] = {}
    faults: list[tuple[Input, _Collected, Mask]] = []
    late = np.zeros(stop - begin, np.bool_)
    for item in planned.derived:
        assert item.collect is not None, "derived facts are collected"
        result = _collect(planned, item, item.collect, batch, applied, owner, alive, stop - begin)
        column = intake.from_whole(result.values, result.places, result.null, item)
        wrong = wanted[item.full_name] & ~bad & _either(column.null, column.bad, stop - begin)
        late |= wrong
        faults.append((item, result, wrong))
        found[item.full_name] = column

    def tell(row: int) -> list[Problem]:
        return [problem for item, result, wrong in faults if wrong[row] for problem in _why(planned.version, item, result, row)]

    return Derived(found, bad | late, tell)


def _either(null: Mask | None, bad: Mask | None, count: int) -> Mask:
    found = intake.merge(null, bad)
    return np.zeros(count, np.bool_) if found is None else found


def _complete(planned: Program, rows: Rows, part: slice, owner: Ints, needs: Callable[[str], Mask], count: int) -> tuple[dict[str, Ints], Mask]:
    """The stage's inputs with gaps filled where they are needed; and the owners for whom a gap stays open."""
    spoilt = np.zeros(count, np.bool_)
    numbers = {}
    for item in planned.stage.inputs:
        column = rows.numbers[item.full_name]
        values = column.values[part]
        if column.null is not None:
            null = column.null[part]
            gap = null & needs(item.full_name)[owner]
            found = fills.fill(item, values, item.type.places, null, gap, owner)
            values = found.values
            spoilt[owner[gap & ~found.filled]] = True
        numbers[item.full_name] = values
    return numbers, spoilt


def _rate(planned: Program, numbers: Mapping[str, Ints], read: Mapping[str, Column], owner: Ints, good: Mask) -> tuple[Batch, dict[str, Mask]]:
    """The stage's charges in every row, and where each applies."""
    version = planned.version
    standing = {item.full_name: read[item.full_name].values[owner] for item in version.inputs if item.full_name in read}
    batch = Batch({**standing, **numbers}, {name: read[name].values[owner] for name in version.choices}, {}, {})
    taken = ((good[owner], True),)
    applied: dict[str, Mask] = {}
    for item in planned.charges:
        when = True if item.when is None else item.when(batch, taken)
        name = item.charge.full_name
        amount = item.formula.run(batch, enclose(taken, when, True)) if when is not False else 0
        amount = select(when, amount, 0, item.formula.reach) if isinstance(when, np.ndarray) else amount
        applied[name] = np.broadcast_to(when, len(owner)).astype(np.bool_)
        batch.amounts[name] = np.full(len(owner), amount, object if abs(amount) >= NARROW else np.int64) if isinstance(amount, int) else amount
    return batch, applied


@dataclass(frozen=True, slots=True)
class _Collected:
    """One number an owner at ``places``; ``weightless`` owners have rows whose weights are 0 together."""

    values: Ints
    places: int
    null: Mask
    weightless: Mask


def _part(planned: Program, name: str, batch: Batch, applied: Mapping[str, Mask], rows: int) -> tuple[Ints, int, Mask]:
    """An input or a charge of the stage: its numbers, their places, and the rows that have it."""
    scale = planned.layout.places[name]
    if name in applied:
        return np.asarray(batch.amounts[name]), scale, applied[name]
    return batch.numbers[name], scale, np.ones(rows, np.bool_)


def _collect(planned: Program, item: Input, how: Collect, batch: Batch, applied: Mapping[str, Mask], owner: Ints, alive: Mask, count: int) -> _Collected:
    values, scale, having = _part(planned, how.of, batch, applied, len(owner))
    having = having & alive
    values, owner = values[having], owner[having]
    if how.how != "count":
        digits = places(how.factor)
        values, scale = groups.product(values, scaled(how.factor, digits)), scale + digits
    weights = np.ones(len(values), np.int64)
    if how.weight:
        weights = _part(planned, how.weight, batch, applied, len(having))[0][having]
    keys, found, fine, weightless = _combined(item, how, owner, values, weights, scale)
    wide = found.dtype == object or (how.empty is not None and abs(scaled(how.empty, max(fine, places(how.empty)))) >= NARROW)
    dense = np.zeros(count, object if wide else np.int64)
    null = np.ones(count, np.bool_)
    dense[keys], null[keys] = found, False
    without = np.zeros(count, np.bool_)
    without[weightless] = True
    if how.empty is not None:
        finest = max(fine, places(how.empty))
        dense, fine = groups.product(dense, 10 ** (finest - fine)), finest
        dense = np.where(null & ~without, scaled(how.empty, finest), dense)
        null = null & without
    return _Collected(dense, fine, null, without)


def _combined(item: Input, how: Collect, owner: Ints, values: Ints, weights: Ints, scale: int) -> tuple[Ints, Ints, int, Ints]:
    """Owners, their numbers, the numbers' places; and owners whose weights add up to 0."""
    if how.how == "top_mean":
        kept = groups.largest(owner, values, how.count)
        owner, values, weights = owner[kept], values[kept], weights[kept]
    split = groups.split(owner)
    none = np.zeros(0, np.int64)
    match how.how:
        case "sum":
            return split.keys, groups.total(split, values), scale, none
        case "min":
            return split.keys, groups.least(split, values), scale, none
        case "max":
            return split.keys, groups.greatest(split, values), scale, none
        case "last":
            return split.keys, values[split.order[split.starts + split.sizes - 1]], scale, none
        case "count":
            return split.keys, split.sizes, 0, none
    weight = groups.total(split, weights)
    products = groups.total(split, groups.product(values, weights))
    some = np.asarray(weight != 0, np.bool_)
    means = groups.mean(products[some], weight[some], scale, item.type.grid, how.mode)
    return split.keys[some], means, item.type.places, split.keys[~some]


def _why(version: Version, item: Input, result: _Collected, row: int) -> list[Problem]:
    """Why a collected fact cannot be used, in the words of the one-at-a-time reader."""
    assert item.collect is not None, "derived facts are collected"
    if result.weightless[row]:
        return [Problem("weights-zero", {"name": item.full_name, "weight": item.collect.weight})]
    if result.null[row]:
        return [missing(version, item.full_name)]
    return number_problems(item, EXACT.scaleb(Decimal(int(result.values[row])), -result.places))
