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

from tariffs import columns, fills, groups, intake, stage_code
from tariffs.columns import Frame
from tariffs.errors import FactsError, Problem, fail
from tariffs.facts import missing
from tariffs.figures import number_problems
from tariffs.intake import Column, Piece
from tariffs.kernel import Check, Layout, check, plan
from tariffs.model import Charge, Collect, Fact, Input, Stage, Version, full_name
from tariffs.money import EXACT, places
from tariffs.needs import needed
from tariffs.periods_in import days_in
from tariffs.scaled import NARROW, Answer, Batch, Ints, Mask, Plan, enclose, scaled, select
from tariffs.walk import choices_in, everything

pc: Any = pyarrow.compute
_FAR = 4_000_000  # more days than a calendar has
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class _Charge:
    charge: Charge
    when: Check | None
    formula: Plan


@dataclass(frozen=True, slots=True)
class Program:
    """The stage of a version, planned: made once, run for every chunk. ``named``: the version's own inputs and choices its charges ask for."""

    version: Version
    stage: Stage
    layout: Layout
    charges: tuple[_Charge, ...]
    derived: tuple[Input, ...]
    named: tuple[str, ...]
    source: stage_code.Plan


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows sorted by the row of the rated frame they belong to (its owner), then by days and point; owner i has those from ``begins[i]`` to ``begins[i + 1]``.

    ``frame`` lies in that order; ``start`` and ``end`` are its days, counted from 1970, ``end`` None where every row is a day;
    ``point`` ranks its points, None where no two rows of an account begin on one day. ``low`` and ``high`` are the owners' periods
    as ordinals, None where they have none. ``code`` is the stage compiled, where that pays. Numbers are read by the chunk,
    while they fit the cache.
    """

    frame: Frame
    begins: Ints
    start: Ints
    end: Ints | None
    point: Ints | None
    low: Ints | None
    high: Ints | None
    code: stage_code.Code | None = None


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
    named = _named_in(version, stage)
    needs = needed(version, {}).derived
    derived = tuple(item for item in version.inputs if item.collect and item.collect.of)
    standing = tuple(item for item in version.inputs if item.full_name in named)
    asked = Layout({name: codes[name] for name in codes if name in named}, kept)
    collected = tuple(item.collect for item in derived if item.collect and item.full_name in needs)
    return Program(version, stage, layout, charges, derived, named, stage_code.Plan(asked, stage.inputs, standing, stage.charges, collected))


def _named_in(version: Version, stage: Stage) -> tuple[str, ...]:
    tests = [node for charge in stage.charges for node in (charge.when, charge.formula)]
    facts = {full_name(n.name, n.key) for test in tests for n in everything(test) if isinstance(n, Fact)} & {item.full_name for item in version.inputs}
    return (*sorted(facts), *sorted(choices_in(*tests)))


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
            return Rows(columns.open_frame(frame, ["start"]), np.zeros(outer.rows + 1, np.int64), none, None, None, start, end)
    opened = columns.open_frame(frame, ["account", "start", "end", "point", *(item.full_name for item in stage.inputs)])
    absent = [Problem("column-absent", {"name": name}) for name in ("account", "start") if name not in opened.columns]
    absent += [Problem("column-absent", {"name": "account"})] if "account" not in outer.columns else []
    absent += [Problem("column-absent", {"name": "end"})] if "end" not in opened.columns and stage.grain != "day" else []
    if absent:
        raise FactsError(absent)
    first = _days(opened, "start")
    after = _days(opened, "end") if "end" in opened.columns else None
    own, theirs = _codes(outer, opened)
    low = np.zeros(outer.rows, np.int64) if start is None else start
    held = after - 1 if stage.grain == "record" and after is not None else first
    order = _owner_order(outer, own, low, end)
    edges = _runs(theirs, first, held) if order is None else None
    if edges is not None:
        return Rows(opened, _begins(own, low - _EPOCH, theirs, edges, held), first, after, None, start, end)
    owner, rank = _owners(own, low - _EPOCH, np.arange(outer.rows) if order is None else order, theirs, held), _ranks(opened)
    rows = np.lexsort((rank, first if after is None else after, first, owner))
    begins = np.searchsorted(owner[rows], np.arange(outer.rows + 1))
    return Rows(_taken(opened, rows), begins, first[rows], None if after is None else after[rows], rank[rows], start, end)


def compiled_for(planned: Program, rows: Rows) -> stage_code.Code | None:
    """The stage compiled for columns like these; None where it cannot be."""
    shapes = tuple(stage_code.shape(rows.frame.columns.get(item.full_name), item) for item in planned.stage.inputs)
    return stage_code.code(planned.source, shapes)


def _days(opened: Frame, name: str) -> Ints:
    """Days since 1970, as they lie in memory."""
    piece = columns.cut(opened.columns[name], 0, opened.rows)
    if isinstance(piece, pa.Array) and piece.type == pa.date32() and not piece.null_count:
        return np.frombuffer(intake.memory(piece, 1), np.int32)[piece.offset : piece.offset + len(piece)]
    found, null = days_in(piece, name)
    if null.any():
        raise fail(FactsError, "column-nulls", name=name, count=int(null.sum()))
    return (found - _EPOCH).astype(np.int32)


def _ranks(opened: Frame) -> Ints:
    """The order of the rows' points as texts."""
    if "point" not in opened.columns or not opened.rows:
        return np.zeros(opened.rows, np.int64)
    return np.asarray(pc.rank(_texts(opened, "point"), tiebreaker="dense")).astype(np.int64)


def _texts(opened: Frame, name: str) -> Any:
    piece = columns.cut(opened.columns[name], 0, opened.rows)
    array = piece if isinstance(piece, pa.Array) else pa.array(piece)
    return pc.fill_null(pc.cast(array, pa.string()), "")


def _codes(outer: Frame, opened: Frame) -> tuple[Ints, Ints]:
    """The accounts of both frames as numbers, in the order in which the rated frame names them. FactsError: rows of nobody."""
    own, theirs = (_named(frame) for frame in (outer, opened))
    known = pc.take(own.dictionary, own.indices.unique()).unique()
    code, wanted = (_lookup(array, known) for array in (own, theirs))
    if len(wanted) and int(wanted.min()) < 0:
        nobody = wanted < 0
        raise fail(FactsError, "rows-of-nobody", account=theirs[int(np.flatnonzero(nobody)[0])].as_py(), count=int(nobody.sum()))
    return code, wanted


def _named(frame: Frame) -> Any:
    """The accounts of a frame, each name once: text is compared for every account, not for every row."""
    piece = columns.cut(frame.columns["account"], 0, frame.rows)
    array = piece if isinstance(piece, pa.Array) else pa.array(piece)
    coded: Any = array
    if not pa.types.is_dictionary(coded.type) or coded.null_count or coded.dictionary.null_count:
        coded = pc.fill_null(pc.cast(coded, pa.string()), "").dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, pc.cast(coded.dictionary, pa.string()))


def _lookup(array: Any, known: Any) -> Ints:
    """Each row's place among the known names, -1 where it is none of them; the codes as they lie where they are those places already."""
    place = np.asarray(pc.fill_null(pc.index_in(array.dictionary, value_set=known), -1))
    codes = np.asarray(array.indices)
    return codes if np.array_equal(place, np.arange(len(place))) else place[codes]


def _owner_order(outer: Frame, code: Ints, start: Ints, end: Ints | None) -> Ints | None:
    """What sorts the owners by account and period; None where they lie so. FactsError where an account has two rows for one day."""
    order = None if _ascending(code, start) else np.lexsort((start, code))
    place = slice(None) if order is None else order
    code, start = code[place], start[place]
    again = (code[1:] == code[:-1]) & (True if end is None else start[1:] < end[place][:-1])
    if again.any():
        row = int(np.flatnonzero(again)[0]) + 1
        raise fail(FactsError, "account-twice", account=_texts(outer, "account")[row if order is None else int(order[row])].as_py())
    return order


def _ascending(*by: Ints) -> bool:
    """Whether rows lie in the order of the columns, the first of which weighs most."""
    equal: Mask | bool = True
    for column in by:
        if bool((equal & (column[1:] < column[:-1])).any()):
            return False
        equal = equal & (column[1:] == column[:-1])
    return True


def _runs(code: Ints, first: Ints, held: Ints) -> Ints | None:
    """Where each account's rows begin, and where the last end; None where rows do not lie by account and, day after day, in order."""
    edges = np.flatnonzero(code[1:] != code[:-1]) + 1
    for column in (first,) if held is first else (first, held):
        back = np.flatnonzero(column[1:] <= column[:-1]) + 1
        if bool((code[back] == code[back - 1]).any()):
            return None
    if bool((code[edges] < code[edges - 1]).any()):
        return None
    return np.concatenate([[0], edges, [len(code)]]) if len(code) else np.zeros(1, np.int64)


def _begins(own: Ints, start: Ints, theirs: Ints, edges: Ints, held: Ints) -> Ints:
    """Where each owner's rows begin, when owners and rows lie in the same order: a search an owner among its account's days."""
    accounts = theirs[edges[:-1]]
    if np.array_equal(accounts, np.arange(len(accounts))):  # every account has rows
        low, high = edges[np.minimum(own, len(accounts))], edges[np.minimum(own + 1, len(accounts))]
    else:
        low, high = edges[np.searchsorted(accounts, own)], edges[np.searchsorted(accounts, own, side="right")]
    later = np.append(False, own[1:] == own[:-1])[: len(own)]  # an account's first period also has what lies before it
    if len(held):
        at = np.where(later, low + start - held[np.minimum(low, len(held) - 1)], low)  # where no day is missing before it
        if bool(((at >= low) & (at < high) | ~later).all()) and bool(((held[np.minimum(at, len(held) - 1)] == start) | ~later).all()):
            return np.append(at, len(theirs))
    while (open_ := later & (low < high)).any():
        middle = (low + high) // 2
        before = held[np.minimum(middle, max(len(held) - 1, 0))] < start
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return np.append(low, len(theirs))


def _owners(own: Ints, start: Ints, order: Ints, theirs: Ints, held: Ints) -> Ints:
    """The row of the rated frame each stage row belongs to: the account's period that begins last before it."""
    if not len(order):
        return np.zeros(0, np.int64)
    code = own.astype(np.int64)[order]
    place = np.searchsorted(code * _FAR + start[order], theirs.astype(np.int64) * _FAR + held, side="right") - 1
    before = (place < 0) | (code[np.maximum(place, 0)] != theirs)
    return order[np.where(before, place + 1, place)]


def _taken(opened: Frame, order: Ints) -> Frame:
    """The frame's rows in another order."""
    places_: Any = pa.array(order)
    taken = {name: column.take(places_) if isinstance(column, pa.ChunkedArray) else [column[i] for i in order] for name, column in opened.columns.items()}
    return Frame(opened.kind, opened.rows, opened.names, taken)


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of some owners: ``sizes`` an owner, ``begins`` within the part."""

    rows: slice
    sizes: Ints
    begins: Ints


def _part_of(rows: Rows, begin: int, stop: int) -> _Part:
    first = int(rows.begins[begin])
    return _Part(slice(first, int(rows.begins[stop])), np.diff(rows.begins[begin : stop + 1]), rows.begins[begin : stop + 1] - first)


def _wrong_spans(grain: str, rows: Rows, part: _Part, begin: int, stop: int) -> Mask:
    """Owners with a row outside their period, of the wrong length, or twice; or with rows, but not one for every day or month."""
    wrong = np.zeros(stop - begin, np.bool_)
    if rows.low is None or rows.high is None:
        return wrong
    start, end = rows.low[begin:stop] - _EPOCH, rows.high[begin:stop] - _EPOCH
    if grain == "day" and rows.end is None and rows.point is None:
        return _wrong_days(rows, part, start, end)
    first = rows.start[part.rows].astype(np.int64)
    after = first + 1 if rows.end is None else rows.end[part.rows].astype(np.int64)
    owner, low, high = (np.repeat(column, part.sizes) for column in (np.arange(stop - begin), start, end))
    same = (owner[1:] == owner[:-1]) & (first[1:] == first[:-1]) & (after[1:] == after[:-1])
    if grain == "record":
        rank = np.zeros(len(first), np.int64) if rows.point is None else rows.point[part.rows]
        bad, same = (after <= low) | (after > high) | (after <= first), same & (rank[1:] == rank[:-1])
    elif grain == "day":
        bad = (first < low) | (after > high) | (after != first + 1)
    else:
        month = _months(first)
        bad = (first < low) | (after > high) | (first != np.maximum(_first_day(month), low)) | (after != np.minimum(_first_day(month + 1), high))
    wrong[owner[bad]] = True
    wrong[owner[1:][same]] = True
    if grain != "record":
        need = end - start if grain == "day" else _months(end - 1) - _months(start) + 1
        wrong |= (part.sizes > 0) & (part.sizes != need)
    return wrong


def _wrong_days(rows: Rows, part: _Part, start: Ints, end: Ints) -> Mask:
    """Days ascend within each owner: as many as the period has, from its first to its last, are all of them."""
    some = np.flatnonzero(part.sizes)
    wrong = part.sizes != end - start
    first, last = (rows.start[part.rows.start + at] for at in (part.begins[some], part.begins[some] + part.sizes[some] - 1))
    wrong[some] |= (first != start[some]) | (last != end[some] - 1)
    found: Mask = wrong & (part.sizes > 0)
    return found


def _months(day: Ints) -> Ints:
    found: Ints = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return found


def _first_day(month: Ints) -> Ints:
    found: Ints = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return found


def rows_of(planned: Program, rows: Rows, owner: int) -> list[dict[str, object]]:
    """One owner's rows as the one-at-a-time reader takes them."""
    found = []
    names = [name for name in ("point", *(item.full_name for item in planned.stage.inputs)) if name in rows.frame.columns]
    for place in range(int(rows.begins[owner]), int(rows.begins[owner + 1])):
        row: dict[str, object] = {name: intake.value_at(columns.cut(rows.frame.columns[name], place, place + 1), 0) for name in names}
        first = int(rows.start[place]) + _EPOCH
        after = first + 1 if rows.end is None else int(rows.end[place]) + _EPOCH
        found.append({"start": date.fromordinal(first), "end": date.fromordinal(after), **row})
    return found


# --- rating and collecting ----------------------------------------------------------------------------------------


def derive(planned: Program, rows: Rows, begin: int, stop: int, read: Mapping[str, Column], needs: Callable[[str], Mask], bad: Mask) -> Derived:
    """The facts collected for the owners ``begin`` to ``stop``, whose other facts are ``read``; ``needs`` tells for a name which of them need it.

    ``bad`` owners are refused already, and theirs count for nothing.
    """
    part = _part_of(rows, begin, stop)
    bad = bad | _wrong_spans(planned.stage.grain, rows, part, begin, stop)
    wanted = {item.full_name: needs(item.full_name) for item in planned.derived}
    if planned.stage.grain != "record":
        for mask in wanted.values():
            bad |= mask & (part.sizes == 0)
    collect, spoilt = _collector(planned, rows, part, read, needs, bad)
    bad |= spoilt
    found: dict[str, Column] = {}
    faults: list[tuple[Input, _Collected, Mask]] = []
    late = np.zeros(stop - begin, np.bool_)
    for item in planned.derived:
        assert item.collect is not None, "derived facts are collected"
        if not wanted[item.full_name].any():
            found[item.full_name] = Column(np.full(stop - begin, intake.safe(item), np.int64))
            continue
        result = collect(item, item.collect)
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


def _complete(planned: Program, rows: Rows, part: _Part, needs: Callable[[str], Mask]) -> tuple[dict[str, Ints], Mask]:
    """The stage's inputs with gaps filled where they are needed; and the owners with a number that cannot be used or a gap that stays open."""
    owners = len(part.sizes)
    spoilt, numbers = np.zeros(owners, np.bool_), {}
    owner: Ints | None = None
    for item in planned.stage.inputs:
        read = intake.read_numbers(_piece(rows, item, part), item)
        values = read.values
        if read.bad is None and read.null is None:
            numbers[item.full_name] = values
            continue
        owner = np.repeat(np.arange(owners), part.sizes) if owner is None else owner
        if read.bad is not None:
            spoilt[owner[read.bad]] = True
        if read.null is not None:
            needed = needs(item.full_name)
            gap = read.null if needed.all() else read.null & needed[owner]
            found = fills.fill(item, values, item.type.places, read.null, gap, owner)
            values = found.values
            spoilt[owner[gap & ~found.filled]] = True
        numbers[item.full_name] = values
    return numbers, spoilt


def _collector(
    planned: Program, rows: Rows, part: _Part, read: Mapping[str, Column], needs: Callable[[str], Mask], bad: Mask
) -> tuple[Callable[[Input, Collect], _Collected], Mask]:
    """How facts are collected from the rows, and the owners with a number that cannot be used or a gap that stays open: by compiled code
    where there is some for rows like these, else by NumPy.
    """
    if rows.code is not None and int(part.sizes.max(initial=0)) <= stage_code.LONGEST:
        gaps = [item.full_name for item, shape in zip(rows.code.inputs, rows.code.shapes, strict=True) if shape.nullable]
        pieces = {item.full_name: _piece(rows, item, part) for item in planned.stage.inputs}
        owners = {name: read[name].values for name in planned.named}
        done = stage_code.run(rows.code, part.begins, pieces, owners) if all(needs(name).all() for name in gaps) else None
        if done is not None:
            return lambda item, how: _from_sums(planned, item, how, done[0]), done[1]
    numbers, spoilt = _complete(planned, rows, part, needs)
    stage = _rate(planned, numbers, read, part, ~(bad | spoilt))
    return lambda item, how: _collect(planned, item, how, stage, part), spoilt


def _piece(rows: Rows, item: Input, part: _Part) -> Piece:
    column = rows.frame.columns.get(item.full_name)
    return [None] * (part.rows.stop - part.rows.start) if column is None else columns.cut(column, part.rows.start, part.rows.stop)


def _from_sums(planned: Program, item: Input, how: Collect, sums: Mapping[stage_code.Sum, Ints]) -> _Collected:
    """The same from sums by owner as ``_combined`` makes of rows."""
    counts, factor = sums[stage_code.Sum("count", how.of)], places(how.factor)
    keys = np.flatnonzero(counts)
    scale = planned.layout.places[how.of] + factor
    parts = [sums[one][keys] for one in stage_code.wanted(how)]
    none = np.zeros(0, np.int64)
    if how.how == "count":
        return _dense(how, keys, parts[0], 0, none, len(counts))
    values = groups.product(parts[0], scaled(how.factor, factor))
    if how.how not in ("mean", "weighted_mean"):
        return _dense(how, keys, values, scale, none, len(counts))
    some = parts[1] != 0
    means = groups.mean(values[some], parts[1][some], scale, item.type.grid, how.mode)
    return _dense(how, keys[some], means, item.type.places, keys[~some], len(counts))


@dataclass(frozen=True, slots=True)
class _Rated:
    """The stage's numbers and amounts by row; where each charge applies, and which rows count at all (True: every one)."""

    batch: Batch
    applied: Mapping[str, Answer]
    alive: Answer


def _rate(planned: Program, numbers: Mapping[str, Ints], read: Mapping[str, Column], part: _Part, good: Mask) -> _Rated:
    """The stage's charges in every row. What stands in the contract is spread over the rows only where a charge names it."""

    def spread(name: str) -> Ints:
        return np.repeat(read[name].values, part.sizes)

    standing = {name: spread(name) for name in planned.named if name in read and name not in planned.layout.codes}
    alive: Answer = True if good.all() else np.repeat(good, part.sizes)
    batch = Batch({**standing, **numbers}, {name: spread(name) for name in planned.named if name in planned.layout.codes}, {}, {})
    taken = enclose((), alive, True)
    applied: dict[str, Answer] = {}
    for item in planned.charges:
        when: Answer = True if item.when is None else item.when(batch, taken)
        amount = item.formula.run(batch, enclose(taken, when, True)) if when is not False else 0
        applied[item.charge.full_name] = when
        batch.amounts[item.charge.full_name] = select(when, amount, 0, item.formula.reach) if isinstance(when, np.ndarray) else amount
    return _Rated(batch, applied, alive)


@dataclass(frozen=True, slots=True)
class _Collected:
    """One number an owner at ``places``; ``weightless`` owners have rows whose weights are 0 together."""

    values: Ints
    places: int
    null: Mask
    weightless: Mask


def _numbers(name: str, stage: _Rated, rows: int) -> Ints:
    """An input or a charge of the stage, one number a row."""
    amount = stage.batch.amounts.get(name)
    if amount is None:
        return stage.batch.numbers[name]
    return np.full(rows, amount, object if abs(amount) >= NARROW else np.int64) if isinstance(amount, int) else amount


def _having(name: str, stage: _Rated, rows: int) -> Mask | None:
    """The rows that have a number and count; None: all."""
    applies = stage.applied.get(name, True)
    if applies is True and stage.alive is True:
        return None
    return np.broadcast_to(np.logical_and(applies, stage.alive), rows)


def _collect(planned: Program, item: Input, how: Collect, stage: _Rated, part: _Part) -> _Collected:
    rows, count, scale = part.rows.stop - part.rows.start, len(part.sizes), planned.layout.places[how.of]
    having = _having(how.of, stage, rows)
    runs = groups.runs(part.begins if having is None else np.append(0, np.cumsum(having))[part.begins])

    def kept(name: str) -> Ints:
        return _numbers(name, stage, rows) if having is None else _numbers(name, stage, rows)[having]

    values, weights = kept(how.of) if how.how != "count" else np.zeros(0, np.int64), kept(how.weight) if how.weight else None
    if how.how != "count":
        digits = places(how.factor)
        values, scale = groups.product(values, scaled(how.factor, digits)), scale + digits
    return _dense(how, *_combined(item, how, runs, values, weights, scale), count)


def _dense(how: Collect, keys: Ints, found: Ints, fine: int, weightless: Ints, count: int) -> _Collected:
    """A number for every owner: those found, else what the rule says where there is nothing."""
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


def _combined(item: Input, how: Collect, split: groups.Groups, values: Ints, weights: Ints | None, scale: int) -> tuple[Ints, Ints, int, Ints]:
    """Owners, their numbers, the numbers' places; and owners whose weights add up to 0."""
    if how.how == "top_mean":
        kept = np.sort(groups.largest(np.repeat(split.keys, split.sizes), values, how.count))
        values, weights = values[kept], None if weights is None else weights[kept]
        sizes = np.minimum(split.sizes, how.count)
        split = groups.Groups(split.keys, None, np.cumsum(sizes) - sizes, sizes)
    none = np.zeros(0, np.int64)
    match how.how:
        case "sum":
            return split.keys, groups.total(split, values), scale, none
        case "min":
            return split.keys, groups.least(split, values), scale, none
        case "max":
            return split.keys, groups.greatest(split, values), scale, none
        case "last":
            return split.keys, values[split.starts + split.sizes - 1], scale, none
        case "count":
            return split.keys, split.sizes, 0, none
    weight = split.sizes if weights is None else groups.total(split, weights)
    products = groups.total(split, values if weights is None else groups.product(values, weights))
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
