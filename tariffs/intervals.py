"""Readings at equal intervals (an hour, a quarter of an hour) to the facts of each month: meters that send a profile instead of records.

A row an account: ``account``, ``start`` (the day its readings begin, at midnight) and for each measured input a list of
numbers in the input's unit, in the order of time. A year of hours is 8,760 numbers that lie side by side, so a month is a
run of them, and collecting is one pass. Clocks are the sender's business: a day has the same number of readings all the
year round, as meters count in standard time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from tariffs import columns, groups
from tariffs.columns import Frame
from tariffs.errors import FactsError, Problem, fail
from tariffs.intake import exact_numbers, value_at
from tariffs.model import Collect, Evidence, Input, Version
from tariffs.periods_in import days_in
from tariffs.scaled import Ints, Mask

pc: Any = pyarrow.compute
_EPOCH = date(1970, 1, 1).toordinal()
_HOW = ("sum", "mean", "min", "max", "last", "count", "top_mean")
_AT_ONCE = 2**19  # readings looked at together: they stay in the cache between one pass and the next


@dataclass(frozen=True, slots=True)
class _Months:
    """The months of all rows, one after the other: whose each is, its first day and the day after, as ordinals; row i has those from ``begins[i]``."""

    row: Ints
    start: Ints
    end: Ints
    begins: Ints


def collect_intervals(version: Version, frame: Any, *, a_day: int = 24) -> tuple[Any, Any]:
    """Two Arrow tables: a row an account and month, as ``rate`` takes them (``account``, ``period_start``, ``period_end``, the facts), and the
    months that lack readings (``account``, ``period_start``, ``input``, ``lacking``), whose fact is null.

    ``a_day``: readings a day. A row's readings are whole calendar months from its ``start`` on.
    FactsError: a column is absent, holds floats or no lists; readings that are not whole months; an input that is collected otherwise.
    """
    items = [item for item in version.inputs if item.collect is not None and not item.collect.of]
    opened = columns.open_frame(frame, ["account", "start", *(item.full_name for item in items)])
    problems = [Problem("column-absent", {"name": name}) for name in ("account", "start", *(i.full_name for i in items)) if name not in opened.columns]
    problems += [Problem("intervals-collect", {"name": i.full_name, "how": i.collect.how}) for i in items if i.collect and not _plain(i.collect)]
    if problems:
        raise FactsError(problems)
    start, null = days_in(columns.cut(opened.columns["start"], 0, opened.rows), "start")
    if null.any():
        raise fail(FactsError, "column-nulls", name="start", count=int(null.sum()))
    lists = {item.full_name: _lists(opened, item.full_name) for item in items}
    months = _months(opened, start, lists, a_day)
    facts: dict[str, Any] = {}
    lacking = []
    for item in items:
        facts[item.full_name], missing = _collected(item, lists[item.full_name], months, a_day)
        lacking.append((item.full_name, missing))
    account = columns.cut(opened.columns["account"], 0, opened.rows)
    whose: Any = pa.array(months.row)
    table = {"account": (account if isinstance(account, pa.Array) else pa.array(account)).take(whose)}
    table |= {"period_start": _dates(months.start), "period_end": _dates(months.end)}
    return pa.table({**table, **facts}), _lacking_table(table, lacking)


def _plain(how: Collect) -> bool:
    return how.how in _HOW and not how.weight and how.evidence == Evidence()


def _lists(opened: Frame, name: str) -> Any:
    """A column of lists; of one chunk, so that its numbers lie side by side."""
    piece = columns.cut(opened.columns[name], 0, opened.rows)
    array: Any = piece if isinstance(piece, pa.Array) else pa.array(piece)
    kind = array.type
    if pa.types.is_null(kind):
        array = pa.nulls(len(array), pa.list_(pa.int64()))
    elif not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise fail(FactsError, "intervals-lists", name=name)
    return pc.fill_null(array.cast(pa.large_list(kind.value_type)), []) if array.null_count else array


def _edges(lists: Any) -> Ints:
    """Where each row's numbers begin among all, and where the last end."""
    if pa.types.is_fixed_size_list(lists.type):
        found: Ints = (np.arange(len(lists) + 1) + lists.offset) * lists.type.list_size
        return found
    return np.asarray(lists.offsets).astype(np.int64)


def _months(opened: Frame, start: Ints, lists: dict[str, Any], a_day: int) -> _Months:
    """FactsError where readings do not make whole months, or two columns of a row do not cover the same days."""
    counts = [np.diff(_edges(one)) for one in lists.values()]
    count = counts[0] if counts else np.zeros(opened.rows, np.int64)
    first, last = (_month(day) for day in (start, start + count // a_day))
    wrong = (count % a_day != 0) | (_first_day(first) != start) | (_first_day(last) != start + count // a_day)
    for other in counts[1:]:
        wrong |= other != count
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        said = {"account": str(value_at(opened.columns["account"], row)), "count": str(int(count[row])), "rows": str(int(wrong.sum()))}
        raise fail(FactsError, "intervals-months", a_day=str(a_day), start=str(date.fromordinal(int(start[row]))), **said)
    sizes = last - first
    begins = np.append(0, np.cumsum(sizes))
    whose = np.repeat(np.arange(opened.rows), sizes)
    month = np.arange(len(whose)) - np.repeat(begins[:-1] - first, sizes)
    return _Months(whose, _first_day(month), _first_day(month + 1), begins)


def _month(day: Ints) -> Ints:
    found: Ints = (day - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return found


def _first_day(month: Ints) -> Ints:
    found: Ints = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + _EPOCH
    return found


def _dates(days: Ints) -> Any:
    return pa.array((days - _EPOCH).astype(np.int32), pa.int32()).cast(pa.date32())


def _collected(item: Input, lists: Any, months: _Months, a_day: int) -> tuple[Any, Ints]:
    """The fact of every month, null where a reading is lacking; and how many are."""
    assert item.collect is not None, "only measured inputs are collected"
    edges = _edges(lists)
    begins = np.append(
        np.repeat(edges[:-1], np.diff(months.begins)) + (months.start - np.repeat(months.start[_firsts(months)], _sizes(months))) * a_day, edges[-1:]
    )
    numbers: list[tuple[Ints, int]] = []
    lacking = np.zeros(len(months.row), np.int64)
    for first, after in _stretches(months, begins):
        own = begins[first : after + 1] - begins[first]
        values, places, bad = exact_numbers(lists.values.slice(int(begins[first]), int(own[-1])), item.full_name)
        lacking[first:after] = np.add.reduceat(bad, own[:-1], dtype=np.int64) if bad.any() else 0
        numbers.append(_reduced(item, item.collect, groups.runs(own), values, places))
    fine = max([item.type.places, *(places for _, places in numbers)])
    found = np.concatenate([groups.product(values, 10 ** (fine - places)) for values, places in numbers]) if numbers else np.zeros(0, np.int64)
    amounts = columns.new_amounts(item.full_name, len(found), fine, max(groups.size(found), 1), True)
    columns.write(amounts, 0, len(found), found, lacking == 0)
    return columns.finish(amounts), lacking


def _sizes(months: _Months) -> Ints:
    sizes = np.diff(months.begins)
    return sizes[sizes > 0]


def _firsts(months: _Months) -> Ints:
    return months.begins[:-1][np.diff(months.begins) > 0]


def _stretches(months: _Months, begins: Ints) -> list[tuple[int, int]]:
    """Months in a row that have about as many readings together as are looked at at once."""
    found, first, count = [], 0, len(months.row)
    while first < count:
        after = max(first + 1, int(np.searchsorted(begins, begins[first] + _AT_ONCE, side="right")) - 1)
        found.append((first, min(after, count)))
        first = found[-1][1]
    return found


def _reduced(item: Input, how: Collect, runs: groups.Groups, values: Ints, places: int) -> tuple[Ints, int]:
    match how.how:
        case "sum":
            return groups.total(runs, values), places
        case "min":
            return groups.least(runs, values), places
        case "max":
            return groups.greatest(runs, values), places
        case "last":
            return values[runs.starts + runs.sizes - 1], places
        case "count":
            return runs.sizes, 0
    if how.how == "top_mean":
        kept = np.sort(groups.largest(np.repeat(runs.keys, runs.sizes), values, how.count))
        sizes = np.minimum(runs.sizes, how.count)
        values, runs = values[kept], groups.Groups(runs.keys, None, np.cumsum(sizes) - sizes, sizes)
    return groups.mean(groups.total(runs, values), runs.sizes, places, item.type.grid, how.mode), item.type.places


def _lacking_table(table: dict[str, Any], lacking: list[tuple[str, Ints]]) -> Any:
    parts = []
    for name, counts in lacking:
        rows: Mask = counts > 0
        at: Any = pa.array(np.flatnonzero(rows))
        own = {"account": table["account"].take(at).cast(pa.string()), "period_start": table["period_start"].take(at)}
        told: Any = pa.array(counts[rows])
        parts.append(pa.table({**own, "input": pa.array([name] * len(at), pa.string()), "lacking": told}))
    return pa.concat_tables(parts)
