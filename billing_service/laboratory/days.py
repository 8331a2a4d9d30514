"""What a cell says of a day, held against the period the caller names. Nothing is guessed: what the period does not settle is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from billing_service.laboratory.cells import Cell

Period = tuple[date, date]
_CLOCK = re.compile(r"^(.*?)[ T]*\b([0-2]?[0-9]):([0-5][0-9])(?::[0-5][0-9])?$")
_YEAR_FIRST = re.compile(r"(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})\s?[日号]?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_MONTH_DAY = re.compile(r"(\d{1,2})\s?[-/.月]\s?(\d{1,2})\s?[日号]?")
_DAY = re.compile(r"(\d{1,2})\s?[日号]?")
_WEEKDAY = re.compile(r"\s*\(?(?:星期|周)[一二三四五六日天]\)?$")


@dataclass(frozen=True, slots=True)
class Found:
    """A day and the clock beside it, or the code of what is wrong. ``loose``: ``10.1``, which was 10.10 where a spreadsheet took it for a number."""

    day: date | None
    clock: str = ""
    wrong: str = ""
    loose: bool = False


def read_day(cell: Cell, period: Period, *, since_1904: bool = False) -> Found:
    """``wrong``: lab-no-date, lab-not-a-day, lab-day-unclear, lab-day-outside."""
    if cell.day is not None:
        return _held(cell.day, cell.clock, period)
    if cell.kind == "number":
        return _number(cell.text, period, since_1904=since_1904)
    if cell.kind != "text":
        return Found(None, wrong="lab-not-a-day")
    text, clock = _split(_WEEKDAY.sub("", cell.text))
    if not text:
        return Found(None, wrong="lab-no-date")
    return _text(text, clock, period)


def _split(text: str) -> tuple[str, str]:
    match = _CLOCK.match(text)
    if match is None:
        return text, ""
    clock = f"{int(match[2]):02}:{match[3]}"
    return match[1].strip(), "" if clock == "00:00" else clock


def _text(text: str, clock: str, period: Period) -> Found:
    for pattern in (_YEAR_FIRST, _COMPACT):
        if match := pattern.fullmatch(text):
            return _held(_made(int(match[1]), int(match[2]), int(match[3])), clock, period)
    if match := _YEAR_LAST.fullmatch(text):
        year, one, other = int(match[3]), int(match[1]), int(match[2])
        return _only({_made(year, one, other), _made(year, other, one)}, clock, period)
    if match := _MONTH_DAY.fullmatch(text):
        loose = "." in text and match[2] in {"1", "2", "3"}
        return _only({_made(year, int(match[1]), int(match[2])) for year in _years(period)}, clock, period, loose=loose)
    if match := _DAY.fullmatch(text):
        return _only({_made(year, month, int(match[1])) for year, month in _months(period)}, clock, period)
    return Found(None, wrong="lab-not-a-day")


def _number(text: str, period: Period, *, since_1904: bool) -> Found:
    """An XLSX number without a date's format: Excel's own count of days, a day of the month, or month.day.

    As numbers 10.1 and 10.10 are one, so days 1 to 3 so written are unclear.
    """
    whole, _, rest = text.partition(".")
    if not whole.isdigit() or len(whole) > 8:
        return Found(None, wrong="lab-not-a-day")
    if not rest and len(whole) == 5:
        first = date(1904, 1, 1) if since_1904 else date(1899, 12, 30)
        return _held(first + timedelta(days=int(whole)), "", period)
    if rest and len(whole) <= 2 and rest in {"1", "2", "3"}:
        return Found(None, wrong="lab-day-unclear")
    return _text(text, "", period)


def _only(days: set[date | None], clock: str, period: Period, *, loose: bool = False) -> Found:
    """The one reading that lies in the period."""
    real = {day for day in days if day is not None}
    inside = {day for day in real if period[0] <= day < period[1]}
    if len(inside) == 1:
        return Found(inside.pop(), clock, loose=loose)
    return Found(None, wrong="lab-day-unclear" if inside else "lab-day-outside" if real else "lab-not-a-day")


def _held(day: date | None, clock: str, period: Period) -> Found:
    if day is None:
        return Found(None, wrong="lab-not-a-day")
    return Found(day, clock) if period[0] <= day < period[1] else Found(None, wrong="lab-day-outside")


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _years(period: Period) -> range:
    return range(period[0].year, (period[1] - timedelta(days=1)).year + 1)


def _months(period: Period) -> list[tuple[int, int]]:
    """Every (year, month) the period touches."""
    last = period[1] - timedelta(days=1)
    return [(number // 12, number % 12 + 1) for number in range(period[0].year * 12 + period[0].month - 1, last.year * 12 + last.month)]


def written_months(text: str) -> set[tuple[int | None, int]]:
    """(year or None, month) of every month a title names: ``2026年9月``, ``9月份``, ``2026-09``; days are not months."""
    found: set[tuple[int | None, int]] = set()
    for match in re.finditer(r"(?:(\d{4})\s?(?:年|[-/.]))?\s?(?<!\d)(\d{1,2})\s?月(?!\s?\d)", text):
        found.add((int(match[1]) if match[1] else None, int(match[2])))
    for match in re.finditer(r"(?<!\d)(20\d\d)[-/.](\d{1,2})(?![-/.\d年月])", text):
        found.add((int(match[1]), int(match[2])))
    return found


def names_other_month(text: str, period: Period) -> bool:
    """Whether a title names months, and none of them is in the period."""
    months = _months(period)
    named = written_months(text)
    return bool(named) and not any(month == one and year in (None, of) for year, one in named for of, month in months)
