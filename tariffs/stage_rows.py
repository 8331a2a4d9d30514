"""The rows of a stage by whom they belong to: read, brought into order, and held to the periods of their owners.

A frame of rows has ``account``, ``start``, ``end`` (not needed by day), ``point`` (where a record has one) and the stage's
inputs by full name; the frame that is rated names its rows by ``account``. Whether a row is sound is found here by columns, and
said by the one-at-a-time reader.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
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
_BLOCK = 2**18  # rows looked at together: what is found out of them stays in the cache
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows sorted by the row of the rated frame they belong to (its owner), then by days and point; owner i has those from ``begins[i]`` to ``begins[i + 1]``.

    ``frame`` lies in that order; ``start`` and ``end`` are its days, counted from 1970, ``end`` None where every row is a day;
    ``point`` ranks its points, None where no two rows of an account begin on one day. ``low`` and ``high`` are the owners' periods
    as ordinals, None where they have none. ``code`` is the stage compiled, where that pays; ``whole``: every owner has a row for
    each day of its period, and no other. Numbers are read by the chunk, while they fit the cache.
    """

    frame: Frame
    begins: Ints
    start: Ints
    end: Ints | None
    point: Ints | None
    low: Ints | None
    high: Ints | None
    code: stage_code.Code | None = None
    whole: bool = False


# --- reading ------------------------------------------------------------------------------------------------------


def open_rows(stage: Stage, outer: Frame, start: Ints | None, end: Ints | None, frame: Any, threads: int = 1) -> Rows:
    """The rows of ``frame`` by owner; ``start`` and ``end`` are each owner's period as ordinals, None where it has none;
    ``threads``: how many look whether rows lie in order.

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
    expected = _expected(start, end, opened.rows) if stage.grain == "day" and after is None else None
    runs = None
    if order is None:
        runs = _runs(theirs, first, held, threads, None if expected is None else partial(_ends_fit, *expected, own, theirs, first))
    if runs is not None:
        edges, whole = runs
        if whole and expected is not None:
            return Rows(opened, expected[0], first, None, None, start, end, whole=True)
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
    known = own.dictionary if _names_in_order(own) else pc.take(own.dictionary, own.indices.unique()).unique()
    (code, _), (wanted, strange) = (_lookup(array, known) for array in (own, theirs))
    if strange and len(wanted) and int(wanted.min()) < 0:
        nobody = wanted < 0
        raise fail(FactsError, "rows-of-nobody", account=intake.value_at(theirs, int(np.flatnonzero(nobody)[0])), count=int(nobody.sum()))
    return code, wanted


def _names_in_order(array: Any) -> bool:
    """Whether a dictionary has each name once, every name is used, and rows use them in its order."""
    codes, count = np.asarray(array.indices), len(array.dictionary)
    steps = np.flatnonzero(codes[1:] != codes[:-1]) if len(codes) else codes
    if len(steps) + 1 != count or codes[0] != 0 or not np.array_equal(codes[steps + 1], np.arange(1, count)):
        return False
    return int(pc.count_distinct(array.dictionary).as_py()) == count


def _named(frame: Frame) -> Any:
    """The accounts of a frame, each name once: text is compared for every account, not for every row."""
    piece = columns.cut(frame.columns["account"], 0, frame.rows)
    array = piece if isinstance(piece, pa.Array) else pa.array(piece)
    coded: Any = array
    if not pa.types.is_dictionary(coded.type) or coded.null_count or coded.dictionary.null_count:
        coded = pc.fill_null(pc.cast(coded, pa.string()), "").dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, pc.cast(coded.dictionary, pa.string()), safe=False)  # they were a dictionary's before


def _lookup(array: Any, known: Any) -> tuple[Ints, bool]:
    """Each row's place among the known names, -1 where it is none of them, and whether there may be such rows; the codes as they
    lie where they are those places already.
    """
    codes = np.asarray(array.indices)
    if array.dictionary.equals(known):
        return codes, False
    place = np.asarray(pc.fill_null(pc.index_in(array.dictionary, value_set=known), -1))
    return codes if np.array_equal(place, np.arange(len(place))) else place[codes], bool((place < 0).any())


def _owner_order(outer: Frame, code: Ints, start: Ints, end: Ints | None) -> Ints | None:
    """What sorts the owners by account and period; None where they lie so. FactsError where an account has two rows for one day."""
    order = None if _ascending(code, start) else np.lexsort((start, code))
    place = slice(None) if order is None else order
    code, start = code[place], start[place]
    again = (code[1:] == code[:-1]) & (True if end is None else start[1:] < end[place][:-1])
    if again.any():
        row = int(np.flatnonzero(again)[0]) + 1
        raise fail(FactsError, "account-twice", account=intake.value_at(_texts(outer, "account"), row if order is None else int(order[row])))
    return order


def _ascending(*by: Ints) -> bool:
    """Whether rows lie in the order of the columns, the first of which weighs most."""
    equal: Mask | bool = True
    for column in by:
        if bool((equal & (column[1:] < column[:-1])).any()):
            return False
        equal = equal & (column[1:] == column[:-1])
    return True


def _runs(code: Ints, first: Ints, held: Ints, threads: int, whole: Callable[[slice], bool] | None) -> tuple[Ints, bool] | None:
    """Where each account's rows begin, and where the last end, and whether ``whole`` held in every part; None where rows do not lie
    by account and, day after day, in order.
    """
    days = (first,) if held is first else (first, held)
    parts = [slice(start, min(start + _BLOCK, len(code))) for start in range(1, len(code), _BLOCK)]

    def look(part: slice) -> tuple[Ints | None, bool]:
        return _edges(code, days, part), whole is not None and whole(part)

    if threads == 1 or len(parts) < 2 * threads:
        found = [look(part) for part in parts]
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(look, parts))
    edges = [part for part, _ in found if part is not None]
    if len(edges) < len(found):
        return None
    return np.concatenate([[0], *edges, [len(code)]]) if len(code) else np.zeros(1, np.int64), bool(found) and all(one for _, one in found)


def _edges(code: Ints, days: tuple[Ints, ...], part: slice) -> Ints | None:
    """The rows of a part at which an account begins, each row held against the one before it; None where the two are not in order."""
    before = slice(part.start - 1, part.stop - 1)
    other = code[part] != code[before]
    for column in days:
        if bool(np.greater(column[part] <= column[before], other).any()):  # an account's, and not a later day
            return None
    edges = np.flatnonzero(other) + part.start
    return None if bool((code[edges] < code[edges - 1]).any()) else edges


def _expected(low: Ints | None, high: Ints | None, rows: int) -> tuple[Ints, Ints, Ints] | None:
    """Where each owner's rows begin, if every owner has one for each day of its period, and those periods; None where there are more
    rows, or fewer.
    """
    if low is None or high is None:
        return None
    begins = np.append(0, np.cumsum(high - low))
    return (begins, low, high) if len(low) and begins[-1] == rows and bool((high > low).all()) else None


def _ends_fit(begins: Ints, low: Ints, high: Ints, own: Ints, code: Ints, day: Ints, part: slice) -> bool:
    """Whether owners that begin in a part of the rows do so with their first day, and the owners before them end with their last.

    Where that holds and rows lie in order, each owner has a row for every day. The ends are looked at while the part is in the cache.
    """
    start, stop = np.searchsorted(begins[:-1], (part.start, part.stop))
    first, owners, before = begins[start:stop], slice(start, stop), slice(start - 1, stop - 1)
    fits = (day[first] == low[owners] - _EPOCH) & (code[first] == own[owners])
    fits &= (day[first - 1] == high[before] - (_EPOCH + 1)) & (code[first - 1] == own[before])
    if part.stop == len(code):
        edges = code[0] == own[0] and day[0] == low[0] - _EPOCH, code[-1] == own[-1] and day[-1] == high[-1] - (_EPOCH + 1)
        return bool(fits.all()) and all(edges)
    return bool(fits.all())


def _begins(own: Ints, start: Ints, theirs: Ints, edges: Ints, held: Ints) -> Ints:
    """Where each owner's rows begin, when owners and rows lie in the same order."""
    accounts = theirs[edges[:-1]]
    if np.array_equal(accounts, np.arange(len(accounts))):  # every account has rows, or only the last have none
        low, high = edges[np.minimum(own, len(accounts))], edges[np.minimum(own + 1, len(accounts))]
    else:
        low, high = edges[np.searchsorted(accounts, own)], edges[np.searchsorted(accounts, own, side="right")]
    owners = np.flatnonzero(own[1:] == own[:-1]) + 1  # an account's first period also has what lies before it
    owners = owners[low[owners] < high[owners]]
    at = low[owners] + start[owners] - held[low[owners]]  # where no day is missing before it
    sure = (at >= low[owners]) & (at < high[owners]) & (held.take(at, mode="clip") == start[owners])
    low[owners[sure]], owners = at[sure], owners[~sure]
    while len(owners := owners[low[owners] < high[owners]]):
        middle = (low[owners] + high[owners]) // 2
        before = held[middle] < start[owners]
        low[owners[before]] = middle[before] + 1
        high[owners[~before]] = middle[~before]
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
    if rows.low is None or rows.high is None or rows.whole:
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
    wrong = part.sizes != end - start
    if len(rows.start):
        first = part.begins + part.rows.start
        wrong |= rows.start.take(first[:-1], mode="clip") != start
        wrong |= rows.start.take(first[1:] - 1, mode="clip") != end - 1
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
