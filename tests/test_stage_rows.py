"""Whose a row of a stage is: rows in order are taken as they lie, all others come to the same, and both ways say what ``explain`` says."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal as D
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import tariffs
from tariffs import periods_in, stage_rows
from tariffs.columns import open_frame
from tests.raw_texts import texts

RULE = tariffs.parse(
    b"""
language: 1
title: {en: illustrative}
status: illustrative
source: {document: a test}
currency: CNY
direction: payable
period: any
stage:
  grain: day
  inputs:
    flow: {unit: m3, step: 1, min: 0, max: 1000, collect: sum}
  charges: {paid: {unit: m3, formula: "min(flow, design)"}}
inputs:
  design: {unit: m3, step: 1, min: 0, max: 1000}
  volume: {unit: m3, step: 1, min: 0, max: 100000, collect: sum, of: stage.paid}
values: {price: {value: 1.01, unit: CNY/m3}}
charges:
  fee: {formula: "round(volume * price, 0.01)"}
""",
    tariff="xx/days",
    effective=date(2026, 1, 1),
)
Owner = tuple[str, date, date, int]
Row = tuple[str, date, int]
WAYS: list[tuple[Any, int]] = [("numpy", 1), ("numpy", 2), ("fused", 2)]


def owners_of(random: Random) -> list[Owner]:
    """A few accounts with a few periods that follow each other, now and then with days between them."""
    found = []
    for index in range(random.randint(1, 4)):
        day = date(2026, 1, 1) + timedelta(days=random.randint(0, 40))
        for _ in range(random.randint(1, 3)):
            end = day + timedelta(days=random.choice([1, 2, 5, 9]))
            found.append((f"n{index}", day, end, random.choice([0, 300, 1000])))
            day = end + timedelta(days=random.choice([0, 0, 0, 3]))
    return found


def rows_of(random: Random, owners: list[Owner]) -> list[Row]:
    """A row a day; then, mostly, something is wrong with one or two of them, or with their order."""
    rows = [(name, start + timedelta(days=day), random.randint(0, 999)) for name, start, end, _ in owners for day in range((end - start).days)]
    for _ in range(random.choice([0, 1, 1, 2])):
        at = random.randrange(len(rows))
        name, day, flow = rows[at]
        match random.randrange(8):
            case 0 if len(rows) > 1:
                del rows[at]
            case 1:
                rows.insert(at, rows[at])
            case 2:
                rows[at] = name, day + timedelta(days=random.choice([-40, -1, 1, 2, 40])), flow
            case 3:
                rows[at] = random.choice(owners)[0], day, flow
            case 4:
                other = random.randrange(len(rows))
                rows[at], rows[other] = rows[other], rows[at]
            case 5 if {row[0] for row in rows} != {name}:
                rows = [row for row in rows if row[0] != name]
            case 6:
                rows[at] = name, day, 1001
            case _:
                random.shuffle(rows)
    return rows


def as_tables(random: Random, owners: list[Owner], rows: list[Row]) -> tuple[pa.Table, pa.Table]:
    """Accounts as texts, or as a dictionary in any order with names nobody has; days as dates, instants or texts; in one chunk or two."""

    def accounts(names: list[str]) -> Any:
        if random.randrange(3) == 0:
            return pa.array(names)
        words = sorted({*names}) if random.randrange(2) else random.sample([*{*names}, "nobody"], len({*names}) + 1)
        codes: Any = pa.array([words.index(name) for name in names], random.choice([pa.int8(), pa.int32(), pa.uint16()]))
        return pa.DictionaryArray.from_arrays(codes, pa.array(words))

    days = pa.array([day for _, day, _ in rows], pa.date32())
    kind: Any = random.choice([pa.date32(), pa.date32(), pa.timestamp("us"), pa.date64(), pa.string()])
    stage = pa.table({"account": accounts([name for name, _, _ in rows]), "start": days.cast(kind), "flow": [flow for _, _, flow in rows]})
    frame = pa.table(
        {
            "account": accounts([name for name, *_ in owners]),
            "design": [design for *_, design in owners],
            "period_start": pa.array([start for _, start, _, _ in owners], pa.date32()),
            "period_end": pa.array([end for _, _, end, _ in owners], pa.date32()),
        }
    )
    cut = random.randrange(stage.num_rows)
    return frame, pa.concat_tables([stage.slice(0, cut), stage.slice(cut)]) if random.randrange(3) == 0 else stage


def by_explain(owners: list[Owner], rows: list[Row]) -> list[D | set[str]]:
    """A fee, or the codes of what is wrong: a row is of its account's last period that begins no later, or of the first."""
    found: list[D | set[str]] = []
    for owner in owners:
        periods = sorted(one for one in owners if one[0] == owner[0])
        mine = [row for row in rows if row[0] == owner[0] and ([one for one in periods if one[1] <= row[1]] or periods[:1])[-1] == owner]
        try:
            rating = RULE.explain(design=owner[3], stage=[{"start": day, "flow": flow} for _, day, flow in mine], period=owner[1:3])
            found.append(rating.total)
        except tariffs.FactsError as error:
            found.append({problem.code for problem in error.problems})
    return found


@pytest.mark.parametrize("block", [2, 5, 2**18])
def test_rows_in_any_order_are_rated_as_explain_rates_them(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(stage_rows, "_BLOCK", block)
    rated = refused = 0
    for seed in range(150):
        random = Random(f"rows {seed}")
        owners = owners_of(random)
        rows = rows_of(random, owners)
        if random.randrange(4) == 0:
            random.shuffle(owners)
        expected = by_explain(owners, rows)
        frame, stage = as_tables(random, owners, rows)
        for engine, threads in WAYS:
            found, bad = RULE.rate(frame, stage=stage, errors="return", engine=engine, threads=threads)
            problems: dict[int, set[str]] = {}
            for one in bad.to_pylist():
                problems.setdefault(one["row"], set()).add(one["code"])
            got = [problems.get(row, amount) for row, amount in enumerate(found["total"].to_pylist())]
            assert got == expected, f"seed {seed}, {engine}\n{owners}\n{rows}"
        rated, refused = rated + sum(isinstance(one, D) for one in expected), refused + sum(isinstance(one, set) for one in expected)
    assert min(rated, refused) > 100


def opened(days: list[date], accounts: list[str], owners: list[Owner]) -> stage_rows.Rows:
    frame, _ = as_tables(Random(0), owners, [(name, day, 0) for name, day in zip(accounts, days, strict=True)])
    start, end = (periods_in.days_in(frame[name].combine_chunks(), name)[0] for name in periods_in.COLUMNS)
    outer = open_frame(frame, frame.column_names)
    assert RULE.model.stage is not None
    return stage_rows.open_rows(RULE.model.stage, outer, start, end, pa.table({"account": accounts, "start": pa.array(days, pa.date32())}))


JANUARY: list[Owner] = [("a", date(2026, 1, 1), date(2026, 1, 3), 1), ("b", date(2026, 1, 1), date(2026, 1, 3), 1)]
FIRST, SECOND, THIRD = (date(2026, 1, day) for day in (1, 2, 3))


@pytest.mark.parametrize(
    ("accounts", "days", "whole"),
    [
        ("aabb", [FIRST, SECOND, FIRST, SECOND], True),
        ("aabb", [FIRST, SECOND, SECOND, THIRD], False),
        ("aaab", [FIRST, SECOND, THIRD, SECOND], False),
        ("aabb", [FIRST, THIRD, FIRST, SECOND], False),
        ("aab", [FIRST, SECOND, FIRST], False),
        ("bbaa", [FIRST, SECOND, FIRST, SECOND], False),
    ],
)
def test_only_rows_that_are_all_there_are_taken_for_whole(accounts: str, days: list[date], whole: bool) -> None:
    assert opened(days, list(accounts), JANUARY).whole is whole


@pytest.mark.parametrize(("day", "whole"), [(FIRST, True), (SECOND, False)])
def test_a_single_row_is_looked_at_too(day: date, whole: bool) -> None:
    found = RULE.rate({"account": ["a"], "design": [5]}, stage={"account": ["a"], "start": [day], "flow": [3]}, period=(FIRST, SECOND), errors="return")
    assert (found[0]["total"] == [D("3.03")]) is whole
    assert opened([day], ["a"], [("a", FIRST, SECOND, 1)]).whole is False  # too few to be worth it


def test_accounts_whose_names_are_no_utf_8_are_told_by_their_bytes() -> None:
    def refusal(own: list[bytes], theirs: list[bytes]) -> str:
        stage = pa.table({"account": texts(pa.string(), theirs), "start": pa.array([FIRST], pa.date32()), "flow": [3]})
        with pytest.raises(tariffs.FactsError) as caught:
            RULE.rate(pa.table({"account": texts(pa.string(), own), "design": [5] * len(own)}), stage=stage, period=(FIRST, SECOND))
        return str(caught.value)

    assert "b'\\xb5\\xa5'" in refusal([b"a"], [b"\xb5\xa5"])
    assert "b'\\xb5\\xa5'" in refusal([b"\xb5\xa5", b"\xb5\xa5"], [b"\xb5\xa5"])
