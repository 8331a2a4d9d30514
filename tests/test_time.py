"""Time, as a table: dated cases that say what a period costs when prices change inside it or a contract joins or leaves.

The table is the specification. Every row was worked out by hand from design section 5; the arithmetic stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

import tariffs
from tariffs import model as m
from tariffs.periods import explain_part, inclusive, rate_period
from tariffs.units import parse_unit

HEAD = "language: 1\ntitle: {zh: 试, en: trial}\nstatus: illustrative\nsource: {document: made for a test}\ncurrency: CNY\ndirection: receivable\nperiod: %s\n"
USE = "inputs: {use: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}}\nvalues: {price: {value: %s, unit: CNY/m3}}\ncharges: {fee: {formula: 'round(use * price, 0.01)'}}\n"
QUOTA = (
    "inputs:\n  use: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}\n  quota: {unit: m3, step: 1, min: 0, max: 100000}\n"
    "values: {low: {value: 1, unit: CNY/m3}, high: {value: %s, unit: CNY/m3}}\ncharges: {fee: {formula: 'round(blocks(use, [quota], [low, high]), 0.01)'}}\n"
)
EDGE = (
    "inputs: {use: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}}\n"
    "values: {edge: {value: 31, unit: m3}, low: {value: 1, unit: CNY/m3}, high: {value: %s, unit: CNY/m3}}\ncharges: {fee: {formula: 'round(blocks(use, [edge], [low, high]), 0.01)'}}\n"
)
MONTHLY = "inputs: {homes: {unit: household, step: 1, min: 0, max: 1000}}\nvalues: {rate: {value: %s, unit: CNY/(household*month)}}\ncharges: {fee: {formula: homes * rate * period_months}}\n"
DAILY = "inputs: {homes: {unit: household, step: 1, min: 0, max: 1000}}\nvalues: {rate: {value: %s, unit: CNY/(household*day)}}\ncharges: {fee: {formula: homes * rate * period_days}}\n"
BOTH = (
    "inputs: {use: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}}\nvalues: {price: {value: 2, unit: CNY/m3}, rate: {value: %s, unit: CNY/month}}\n"
    "charges:\n  standing: {formula: rate * period_months}\n  usage: {formula: use * price}\n  levy: {formula: 'round(subtotal * tenth, 0.01)'}\n"
).replace("rate: {value: %s, unit: CNY/month}", "rate: {value: %s, unit: CNY/month}, tenth: {value: 10, unit: '%%'}")

OCT = (date(2026, 10, 1), date(2026, 11, 1))
CHANGE = "2026-10-11"  # 10 days of October before it, 21 from it on


def change(usage: str, scale: str = "", partial: str = "") -> str:
    return f"change: {{usage: {usage}{f', scale: [{scale}]' if scale else ''}{f', partial: {partial}' if partial else ''}}}\n"


def history(*versions: tuple[str, str], period: str = "month") -> tuple[m.Version, ...]:
    starts = [date.fromisoformat(day) for day, _ in versions]
    return tuple(
        tariffs.parse((HEAD % period + body).encode(), tariff="xx/time", effective=start, end=end).model
        for (_, body), start, end in zip(versions, starts, [*starts[1:], None], strict=True)
    )


def use(start: str, end: str, value: str, unit: str = "m3", *, id: str = "", **more: Any) -> m.UsageRecord:  # noqa: A002
    return m.UsageRecord(
        id=id or f"{start}/{end}",
        account="A",
        measure="use",
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        value=D(value),
        unit=parse_unit(unit),
        **more,
    )


@dataclass(frozen=True)
class Case:
    """What is billed and what it must cost; ``parts`` are the totals of the parts, in order."""

    versions: tuple[m.Version, ...]
    total: str
    records: Sequence[m.UsageRecord] = ()
    standing: dict[str, object] = field(default_factory=dict)
    period: tuple[date, date] = OCT
    contract: tuple[date | None, date | None] = (None, None)
    parts: tuple[str, ...] = ()
    changes: tuple[tuple[date, dict[str, object]], ...] = ()


def two(body: str, old: str, new: str, how: str) -> tuple[m.Version, ...]:
    return history(("2026-01-01", body % old), (CHANGE, body % new + how))


ONE_MONTH = [use("2026-10-01", "2026-11-01", "31")]
CASES = {
    "usage by days: 31 m3 over 31 days is 10 at 1 and 21 at 2": Case(two(USE, "1", "2", change("by_days")), "52.00", ONE_MONTH, parts=("10.00", "42.00")),
    "usage is split at its step by largest remainder: 10 m3 is 3 (3.23) and 7 (6.77)": Case(
        two(USE, "1", "2", change("by_days")), "17.00", [use("2026-10-01", "2026-11-01", "10")], parts=("3.00", "14.00")
    ),
    "records that do not cross are not split: 5 at 1, 7 at 2": Case(
        two(USE, "1", "2", change("by_days")), "19.00", [use("2026-10-01", CHANGE, "5"), use(CHANGE, "2026-11-01", "7")]
    ),
    "a record's own days count: 30 m3 from 20 Sep to 20 Oct is 21 days at 1 and 9 at 2": Case(
        two(USE, "1", "2", change("by_days")), "39.00", [use("2026-09-20", "2026-10-20", "30")], parts=("21.00", "18.00")
    ),
    "a record read in another unit splits in the input's unit: 31,000 L": Case(two(USE, "1", "2", change("by_days")), "52.00", [use("2026-10-01", "2026-11-01", "31000", "L")]),
    "by reading: a reading on the day of the change": Case(two(USE, "1", "2", change("by_reading")), "19.00", [use("2026-10-01", CHANGE, "5"), use(CHANGE, "2026-11-01", "7")]),
    "old: the crossing period goes whole to the old version": Case(two(USE, "1", "2", change("old")), "31.00", ONE_MONTH),
    "new: the crossing period goes whole to the new version (bill-date rules: a bill issued after the change)": Case(two(USE, "1", "2", change("new")), "62.00", ONE_MONTH),
    "a quota shrinks with the days: 31 is 10 and 21": Case(two(QUOTA, "3", "5", change("by_days", "quota")), "31.00", ONE_MONTH, {"quota": 31}),
    "a quota splits at its own step: 10 is 3 and 7, so 7 at 3 and 14 at 5 above it": Case(two(QUOTA, "3", "5", change("by_days", "quota")), "101.00", ONE_MONTH, {"quota": 10}, parts=("24.00", "77.00")),
    "a quota that is not scaled counts whole in each part: 10 of 10, 10 of 21": Case(two(QUOTA, "3", "5", change("by_days")), "75.00", ONE_MONTH, {"quota": 10}, parts=("10.00", "65.00")),
    "an edge of the rule shrinks too: 31 is 10 and 21, so 10 + 2 x 3 and 21": Case(two(EDGE, "3", "5", change("by_days", "edge")), "37.00", [use("2026-10-01", CHANGE, "12"), use(CHANGE, "2026-11-01", "21")], parts=("16.00", "21.00")),
    "an amount of whole months takes its days' share: 5 x 10/31 = 1.61, 8 x 21/31 = 5.42": Case(two(MONTHLY, "5", "8", change("by_days")), "7.03", standing={"homes": 1}, parts=("1.61", "5.42")),
    "the same price on both sides adds up to itself: 1.61 + 3.39": Case(two(MONTHLY, "5", "5", change("by_days")), "5.00", standing={"homes": 1}),
    "three parts of one price add up to it: 1.61, 3.23 - 1.61 and 5.00 - 3.23": Case(
        history(("2026-01-01", MONTHLY % "5"), (CHANGE, MONTHLY % "5" + change("by_days")), ("2026-10-21", MONTHLY % "5" + change("by_days"))),
        "5.00", standing={"homes": 1}, parts=("1.61", "1.62", "1.77"),
    ),
    "two halves of an odd fen add up: 2.26 and 4.51 - 2.26": Case(
        history(("2026-01-01", MONTHLY % "4.51"), ("2026-11-16", MONTHLY % "4.51" + change("by_days"))),
        "4.51", standing={"homes": 1}, period=(date(2026, 11, 1), date(2026, 12, 1)), parts=("2.26", "2.25"),
    ),
    "a daily price counts its own days: 10 x 0.10 + 21 x 0.20": Case(two(DAILY, "0.10", "0.20", change("by_days")), "5.20", standing={"homes": 1}),
    "a line on a shared line is not shared again: (3.23 + 10 x 2) x 10 %, (6.77 + 21 x 2) x 10 %": Case(
        two(BOTH, "10", "10", change("by_days")), "79.20", ONE_MONTH, parts=("25.55", "53.65")
    ),
    "joining on the 22nd, partial by days: 8 x 10/31": Case(history(("2026-01-01", MONTHLY % "8" + change("by_days", partial="by_days"))), "2.58", standing={"homes": 1}, contract=(date(2026, 10, 22), None)),
    "joining, partial whole: the month counts whole": Case(history(("2026-01-01", MONTHLY % "8" + change("by_days", partial="whole"))), "8.00", standing={"homes": 1}, contract=(date(2026, 10, 22), None)),
    "joining, partial none: the fixed part waits for the first full period, usage is billed": Case(
        history(("2026-01-01", BOTH % "8" + change("by_days", partial="none"))), "22.00", [use("2026-10-22", "2026-11-01", "10")], contract=(date(2026, 10, 22), None)
    ),
    "the first full period after joining costs the whole month": Case(
        history(("2026-01-01", BOTH % "8" + change("by_days", partial="none"))), "30.80", [use("2026-11-01", "2026-12-01", "10")], period=(date(2026, 11, 1), date(2026, 12, 1)), contract=(date(2026, 10, 22), None)
    ),
    "leaving on the 11th: 10 days of 31, quota too (31 -> 10)": Case(
        history(("2026-01-01", QUOTA % "3" + change("by_days", "quota", "by_days"))), "40.00", [use("2026-10-01", CHANGE, "20")], {"quota": 31}, contract=(None, date(2026, 10, 11))
    ),
    "joining on the 6th and a change on the 11th: 5 and 21 of 31 days": Case(
        history(("2026-01-01", MONTHLY % "5" + change("by_days", partial="by_days")), (CHANGE, MONTHLY % "8" + change("by_days", partial="by_days"))),
        "6.23", standing={"homes": 1}, contract=(date(2026, 10, 6), None), parts=("0.81", "5.42"),
    ),
    "two changes in one period: 10, 10 and 11 days": Case(
        history(("2026-01-01", USE % "1"), (CHANGE, USE % "2" + change("by_days")), ("2026-10-21", USE % "4" + change("by_days"))), "74.00", ONE_MONTH, parts=("10.00", "20.00", "44.00")
    ),
    "new then by days: the first twenty days at 2, the rest at 4": Case(
        history(("2026-01-01", USE % "1"), (CHANGE, USE % "2" + change("new")), ("2026-10-21", USE % "4" + change("by_days"))), "84.00", ONE_MONTH, parts=("40.00", "44.00")
    ),
    "a quarter with a change after 31 of its 92 days: 30 x 31/92 + 60 x 61/92": Case(
        history(("2026-01-01", MONTHLY % "10"), ("2026-11-01", MONTHLY % "20" + change("by_days")), period="quarter"), "49.89", standing={"homes": 1}, period=(date(2026, 10, 1), date(2027, 1, 1)), parts=("10.11", "39.78")
    ),
    "February of a leap year has 29 days: 29 m3 with a change on the 15th": Case(
        history(("2024-01-01", USE % "1"), ("2024-02-15", USE % "2" + change("by_days"))), "44.00", [use("2024-02-01", "2024-03-01", "29")], period=(date(2024, 2, 1), date(2024, 3, 1))
    ),
    "a bill that names its last day counts it: 1 to 31 October is the whole month": Case(two(DAILY, "0.10", "0.20", change("by_days")), "5.20", standing={"homes": 1}, period=inclusive(date(2026, 10, 1), date(2026, 10, 31))),
    "a period that ends on the day of the change does not cross": Case(two(USE, "1", "2", ""), "30.00", [use("2026-09-01", "2026-10-01", "30")], period=(date(2026, 9, 1), date(2026, 10, 1))),
    "an untouched period needs no change rule": Case(history(("2026-01-01", USE % "1"), ("2026-11-01", USE % "2")), "31.00", ONE_MONTH),
    "a bill of any days may cross a change: 20 m3 of 20 days is 10 at 1 and 10 at 2": Case(
        history(("2026-01-01", USE % "1"), (CHANGE, USE % "2" + change("by_days")), period="any"), "30.00", [use("2026-10-01", "2026-10-21", "20")], period=(date(2026, 10, 1), date(2026, 10, 21)), parts=("10.00", "20.00")
    ),
    "one home becomes two on the 11th: 5 x 10/31 = 1.61, then 10.00 - 10 x 10/31 (3.23) = 6.77": Case(
        history(("2026-01-01", MONTHLY % "5" + change("by_days"))), "8.38", standing={"homes": 1}, parts=("1.61", "6.77"), changes=((date(2026, 10, 11), {"homes": 2}),)
    ),
    "a quota of 31 becomes 62: 10 and 42 of 20 and 42 used, so 10 + 10 x 3 and 42": Case(
        history(("2026-01-01", QUOTA % "3" + change("by_days", "quota"))), "82.00", [use("2026-10-01", "2026-11-01", "62")], {"quota": 31},
        parts=("40.00", "42.00"), changes=((date(2026, 10, 11), {"quota": 62}),)
    ),
    "terms on the 11th and a new price on the 21st: 5 x 10/31, 10 x (20 - 10)/31 as 6.45 - 3.23, and 16 - 16 x 20/31 (10.32)": Case(
        history(("2026-01-01", MONTHLY % "5" + change("by_days")), ("2026-10-21", MONTHLY % "8" + change("by_days"))), "10.51", standing={"homes": 1},
        parts=("1.61", "3.22", "5.68"), changes=((date(2026, 10, 11), {"homes": 2}),)
    ),
    "terms and price on one day are one cut: 1.61 and 16 - 5.16": Case(
        two(MONTHLY, "5", "8", change("by_days")), "12.45", standing={"homes": 1}, parts=("1.61", "10.84"), changes=((date(2026, 10, 11), {"homes": 2}),)
    ),
    "terms that say the same split nothing": Case(
        history(("2026-01-01", MONTHLY % "5")), "5.00", standing={"homes": 1}, parts=("5.00",), changes=((date(2026, 10, 11), {"homes": 1}),)
    ),
    "until on the first day after the period is no expiry": Case(history(("2026-01-01", "until: 2026-11-01\n" + USE % "1")), "31.00", ONE_MONTH),
}  # fmt: skip

REFUSED = {
    "other terms, and nothing says how to split": (
        Case(history(("2026-01-01", MONTHLY % "5")), "", standing={"homes": 1}, changes=((date(2026, 10, 11), {"homes": 2}),)),
        "terms-change-missing",
    ),
    "other terms, where a crossing goes whole to one version": (
        Case(history(("2026-01-01", MONTHLY % "5" + change("new"))), "", standing={"homes": 1}, changes=((date(2026, 10, 11), {"homes": 2}),)),
        "terms-change-missing",
    ),
    "by reading without a reading": (Case(two(USE, "1", "2", change("by_reading")), "", ONE_MONTH), "reading-missing"),
    "no change rule": (Case(two(USE, "1", "2", ""), "", ONE_MONTH), "change-missing"),
    "a gap: the old version ended before the new one began": (
        Case(history(("2026-01-01", "until: 2026-10-06\n" + USE % "1"), (CHANGE, USE % "2" + change("by_days"))), "", ONE_MONTH),
        "no-version-on",
    ),
    "expired inside the period": (Case(history(("2026-01-01", "until: 2026-10-16\n" + USE % "1")), "", ONE_MONTH), "no-version-on"),
    "before the first version": (Case(history((CHANGE, USE % "1" + change("by_days"))), "", ONE_MONTH), "no-version-on"),
    "joining where the rule does not say what a part costs": (
        Case(history(("2026-01-01", MONTHLY % "8")), "", standing={"homes": 1}, contract=(date(2026, 10, 22), None)),
        "partial-missing",
    ),
    "two months of a monthly quota, across a change": (
        Case(
            two(QUOTA, "3", "5", change("by_days", "quota")),
            "",
            [use("2026-09-01", "2026-11-01", "61")],
            {"quota": 31},
            period=(date(2026, 9, 1), date(2026, 11, 1)),
        ),
        "period-not-whole",
    ),
    "a month of a yearly quota, across a change": (
        Case(history(("2026-01-01", QUOTA % "3"), (CHANGE, QUOTA % "5" + change("by_days", "quota")), period="year"), "", ONE_MONTH, {"quota": 365}),
        "period-not-whole",
    ),
    "a month of a daily quota": (Case(history(("2026-01-01", QUOTA % "3"), period="day"), "", ONE_MONTH, {"quota": 1}), "period-not-whole"),
    "twenty days of amounts by the month, across a change": (
        Case(
            history(("2026-01-01", MONTHLY % "5"), (CHANGE, MONTHLY % "8" + change("by_days")), period="any"),
            "",
            standing={"homes": 1},
            period=(date(2026, 10, 1), date(2026, 10, 21)),
        ),
        "period-not-whole",
    ),
    "a contract of other days": (Case(history(("2026-01-01", USE % "1")), "", ONE_MONTH, contract=(date(2026, 12, 1), None)), "contract-outside"),
    "usage before the contract began": (
        Case(history(("2026-01-01", BOTH % "8" + change("by_days", partial="by_days"))), "", ONE_MONTH, contract=(date(2026, 10, 22), None)),
        "record-outside-contract",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_dated_case(name: str) -> None:
    case = CASES[name]
    rating = rate_period(case.versions, case.period, case.standing, case.records, contract=case.contract, changes=case.changes)
    assert rating.total == D(case.total)
    if case.parts:
        assert [part.total for part in rating.parts] == [D(part) for part in case.parts]
    for part, piece in zip(rating.parts, rating.pieces, strict=True):  # what is kept of a part reproduces it
        if piece is not None and part.period is not None:
            whole = next(version for version in case.versions if (version.digest, version.effective) == (part.version.digest, part.version.effective))
            again = explain_part(whole, piece, part.facts, part.period)
            assert (again.lines, again.period) == (part.lines, part.period)
    if case.records:
        billed = sum((part.facts["use"] for part in rating.parts if "use" in part.facts), D(0))
        factor = 1000 if case.records[0].unit == parse_unit("L") else 1
        assert billed * factor == sum(record.value for record in case.records), "nothing of the usage is lost or doubled"


@pytest.mark.parametrize("name", REFUSED)
def test_refused_never_guessed(name: str) -> None:
    case, code = REFUSED[name]
    with pytest.raises(tariffs.FactsError) as caught:
        rate_period(case.versions, case.period, case.standing, case.records, contract=case.contract, changes=case.changes)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert all(problem.text("zh") for problem in caught.value.problems)


def root(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "xx" / "time"
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / f"{name.replace('_', '-').replace('-r2', '.r2')}.yaml").write_text(HEAD % "month" + body)
    return tmp_path


def test_a_retroactive_version_counts_from_the_day_it_was_known(tmp_path: Path) -> None:
    """Published on 5 November with force from 11 October: before that day October costs 31, after it 52."""
    rules = root(tmp_path, **{"2026_01_01": USE % "1", "2026_10_11": "known: 2026-11-05\n" + USE % "2" + change("by_days")})
    costs = {
        known: tariffs.rate_period("xx/time", period=OCT, records=ONE_MONTH, known=known, rules=rules).total for known in ("2026-11-04", "2026-11-05", None)
    }
    assert costs == {"2026-11-04": D(31), "2026-11-05": D(52), None: D(52)}


def test_two_revisions_of_one_date(tmp_path: Path) -> None:
    """The second file of a date replaces the first from the day it was known."""
    rules = root(tmp_path, **{"2026_01_01": USE % "1", "2026_01_01_r2": "known: 2026-12-01\n" + USE % "3"})
    costs = {known: tariffs.rate_period("xx/time", period=OCT, records=ONE_MONTH, known=known, rules=rules).total for known in ("2026-11-30", "2026-12-01")}
    assert costs == {"2026-11-30": D(31), "2026-12-01": D(93)}
    assert tariffs.load("xx/time", on="2026-10-01", rules=rules).revision == 2
    assert tariffs.load("xx/time", on="2026-10-01", known="2026-11-30", rules=rules).revision == 1


def test_a_correction_counts_from_the_day_it_was_known(tmp_path: Path) -> None:
    rules = root(tmp_path, **{"2026_01_01": USE % "1"})
    records = [*ONE_MONTH, use("2026-10-01", "2026-11-01", "40", id="late", replaces=ONE_MONTH[0].id, known=date(2026, 11, 20))]
    costs = [tariffs.rate_period("xx/time", period=OCT, records=records, known=known, rules=rules).total for known in ("2026-11-19", "2026-11-20")]
    assert costs == [D(31), D(40)]


def test_annual_blocks_are_cumulative() -> None:
    """220 m3 a year at 2, then 4: 200 m3 were used before, so 30 m3 now are 20 at 2 and 10 at 4; the year adds up."""
    body = (
        "inputs:\n  use: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}\n  before: {unit: m3, step: 1, min: 0, max: 100000}\n"
        "values: {edge: {value: 220, unit: m3}, low: {value: 2, unit: CNY/m3}, high: {value: 4, unit: CNY/m3}}\n"
        "charges: {fee: {formula: 'blocks(before + use, [edge], [low, high]) - blocks(before, [edge], [low, high])'}}\n"
    )
    versions = history(("2026-01-01", body))
    assert rate_period(versions, OCT, {"before": 200}, [use("2026-10-01", "2026-11-01", "30")]).total == D(80)
    months = [25, 0, 19, 40, 100, 61, 3]
    year = [rate_period(versions, OCT, {"before": sum(months[:i])}, [use("2026-10-01", "2026-11-01", str(q))]).total for i, q in enumerate(months)]
    assert sum(year) == 220 * 2 + (sum(months) - 220) * 4


@pytest.mark.parametrize("day", ["2026-02-30", "2026-1-1", "20260101", "9999-12-31", "２０２６-01-01", ""])
def test_a_day_that_is_none_is_refused(day: str) -> None:
    with pytest.raises(tariffs.TariffError) as caught:
        tariffs.load("cn/beijing/kitchen-waste", on=day)
    assert [problem.code for problem in caught.value.problems] == ["bad-date"]


def test_a_daily_tariff_bills_days_one_by_one_and_by_columns() -> None:
    version = tariffs.parse((HEAD % "day" + USE % "2").encode(), tariff="xx/time", effective=date(2026, 1, 1))
    frame = {"use": [5, 5], "period_start": [date(2026, 10, 1)] * 2, "period_end": [date(2026, 10, 2), date(2026, 11, 1)]}
    amounts, problems = version.rate(frame, errors="return")
    assert list(amounts["total"]) == [D(10), None]
    assert list(problems["code"]) == ["period-not-whole"]
    assert version.explain(use=5, period=("2026-10-01", "2026-10-02")).total == 10
