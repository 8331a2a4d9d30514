"""The rows of a stage by whom they belong to: read, brought into order, and held to the periods of their owners.

A frame of rows has ``account``, ``start``, ``end`` (not needed by day), ``point`` (where a record has one) and the stage's
inputs by full name; the frame that is rated names its rows by ``account``. Whether a row is sound is found here by columns, and
said by the one-at-a-time reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from tariffs import columns, intake, stage_code
from tariffs.columns import Frame
from tariffs.errors import FactsError, Problem, fail
from tariffs.model import Stage
from tariffs.periods_in import days_in
from tariffs.scaled import Ints, Mask

pc: Any = pyarrow.compute
_FAR = 4_000_000  # more days than a calendar has
_EPOCH = date(1970, 1, 1).toordinal()


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


# --- reading ------------------------------------------------------------------------------------------------------


def open_rows(stage: Stage, outer: Frame, start: Ints | None, end: Ints | None, frame: Any) -> Rows:
    """The rows of ``frame`` by owner; ``start`` and ``end`` are each owner's period as ordinals, None where it has none.

    FactsError: a column is absent or of the wrong kind, an account has two rows for one period, or rows belong to nobody.
    """
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
class Part:
    """The rows of some owners: ``sizes`` an owner, ``begins`` within the part."""

    rows: slice
    sizes: Ints
    begins: Ints


def part_of(rows: Rows, begin: int, stop: int) -> Part:
    first = int(rows.begins[begin])
    return Part(slice(first, int(rows.begins[stop])), np.diff(rows.begins[begin : stop + 1]), rows.begins[begin : stop + 1] - first)


def wrong_spans(grain: str, rows: Rows, part: Part, begin: int, stop: int) -> Mask:
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


def _wrong_days(rows: Rows, part: Part, start: Ints, end: Ints) -> Mask:
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


def rows_of(stage: Stage, rows: Rows, owner: int) -> list[dict[str, object]]:
    """One owner's rows as the one-at-a-time reader takes them."""
    found = []
    names = [name for name in ("point", *(item.full_name for item in stage.inputs)) if name in rows.frame.columns]
    for place in range(int(rows.begins[owner]), int(rows.begins[owner + 1])):
        row: dict[str, object] = {name: intake.value_at(columns.cut(rows.frame.columns[name], place, place + 1), 0) for name in names}
        first = int(rows.start[place]) + _EPOCH
        after = first + 1 if rows.end is None else int(rows.end[place]) + _EPOCH
        found.append({"start": date.fromordinal(first), "end": date.fromordinal(after), **row})
    return found
