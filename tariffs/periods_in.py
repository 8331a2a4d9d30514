"""The period of a rating by columns: one for all rows, or one a row in the date columns ``period_start`` and ``period_end``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from tariffs.columns import Frame
from tariffs.errors import FactsError, fail
from tariffs.facts import Period, whole_months
from tariffs.intake import Piece, memory, null_mask, value_at
from tariffs.model import Version
from tariffs.scaled import Ints, Mask, Number

COLUMNS = ("period_start", "period_end")
_DAYS = 31  # the most days that lie before another in its month, and all bits below the month


@dataclass(frozen=True, slots=True)
class Span:
    """What formulas see of the period, rows whose period cannot be rated at all, rows that lack a built-in, and each row's period."""

    built_ins: Mapping[str, Number]
    bad: Mask | None
    null: Mapping[str, Mask]
    period_at: Callable[[int], Period | None]


def has_columns(frame: Frame) -> bool:
    """Whether the frame gives a period a row."""
    return all(name in frame.columns for name in COLUMNS)


def one_span(period: Period | None, rows: int, wanted: Collection[str] = ("period_days", "period_months")) -> Span:
    """One period for all rows; which lack a built-in is told of those that are ``wanted``."""
    days, months = (None, None) if period is None else ((period[1] - period[0]).days, whole_months(period))
    found = {"period_days": days, "period_months": months}
    null = {name: np.ones(rows, np.bool_) for name, value in found.items() if value is None and name in wanted}
    return Span({name: value or 0 for name, value in found.items()}, None, null, lambda row: period)


def read_span(version: Version, given: Mapping[str, Piece]) -> Span:
    """A period a row; the end is the day after the last."""
    (start, no_start), (end, no_end) = (days_in(given[name], name) for name in COLUMNS)
    absent, months = no_start | no_end, _whole_months(start, end)
    wrong = months != version.period_months if version.period_months else end <= start
    if version.period == "day":
        wrong |= end - start != 1
    low, high = version.effective.toordinal(), (version.end or date.max).toordinal()
    if len(start) and (int(start.min()) < low or int(end.max()) > high):
        wrong |= (start < low) | (end > high)
    bad = wrong & ~absent
    null = {"period_days": absent, "period_months": absent | (months < 0)}
    built_ins: dict[str, Number] = {"period_days": _or_1(bad | absent, end - start), "period_months": _or_1(bad | null["period_months"], months)}
    return Span(built_ins, bad if bad.any() else None, {name: mask for name, mask in null.items() if mask.any()}, lambda row: _period_at(given, row))


def _or_1(unusable: Mask, values: Ints) -> Ints:
    found: Ints = np.where(unusable, 1, values) if unusable.any() else values
    return found


def _period_at(given: Mapping[str, Piece], row: int) -> Period | None:
    first, last = (_as_date(value_at(given[name], row)) for name in COLUMNS)
    return None if first is None or last is None else (first, last)


def _as_date(value: object) -> date | None:
    found = value.date() if isinstance(value, datetime) else value
    assert found is None or isinstance(found, date), "a column of dates"
    return found


def days_in(piece: Piece, name: str) -> tuple[Ints, Mask]:
    """Proleptic ordinals (1 where null) and the null rows. FactsError where the column holds no dates."""
    try:
        array = (piece if isinstance(piece, pa.Array) else pa.array(piece, pa.date32())).cast(pa.date32())
    except (pa.ArrowException, TypeError, ValueError):
        raise fail(FactsError, "column-not-dates", name=name) from None
    null = null_mask(array)
    numbers = np.frombuffer(memory(array, 1), np.int32)[array.offset : array.offset + len(array)].astype(np.int64) + date(1970, 1, 1).toordinal()
    return (numbers, np.zeros(len(array), np.bool_)) if null is None else (np.where(null, 1, numbers), null)


def _whole_months(start: Ints, end: Ints) -> Ints:
    """Months of each half-open period; -1 where it does not start and end on one day of the month."""
    first, last = _calendar(start, end)
    between = last - first
    return np.where(between & _DAYS, -1, between >> _DAYS.bit_length())


def _calendar(*columns: Ints) -> list[Ints]:
    """Month and day of the month of each day, as one number: looked up where days are more than the calendar they lie in."""
    if not len(columns[0]):
        return list(columns)
    low, high = min(int(column.min()) for column in columns), max(int(column.max()) for column in columns)
    if high - low >= len(columns[0]):
        return [_month_and_day(column) for column in columns]
    known = _month_and_day(np.arange(low, high + 1))
    return [known[column - low] for column in columns]


def _month_and_day(ordinal: Ints) -> Ints:
    """The months since 1970 times 32, and the days before in the month; so two days of one number in their months differ by whole 32s."""
    day = (ordinal - date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    found: Ints = (month.astype(np.int64) << _DAYS.bit_length()) + (day - month.astype("datetime64[D]")).astype(np.int64)
    return found
