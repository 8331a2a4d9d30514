"""Random months: versions, terms, reliefs and contracts that begin and end on any day, held against arithmetic day by day.

Use is a whole number a day, so that no way to split a record can lose or move any of it; what is left is plain Decimal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP
from decimal import Decimal as D
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from tests.billing.conftest import Office
from tests.billing.test_crossing import holds_still, pack, relief, run
from tests.billing.test_plain import both_ways

pytestmark = pytest.mark.both_databases

DAYS = [date(2026, 10, 1) + timedelta(days=at) for at in range(31)]
END = date(2026, 11, 1)
TEXT = """language: 1
title: {zh: 试用, en: Homes and use}
status: published
source: {document: made for a test}
currency: CNY
direction: receivable
period: month
inputs:
  water: {unit: m3, step: 1, min: 0, max: 100000, collect: sum}
  homes: {unit: household, step: 1, min: 0, max: 1000}
  rate: {choices: {full: {en: full}, reduced: {en: reduced}}}
values:
  standing: {value: %s, unit: CNY/(household*month)}
  price: {by: rate, unit: CNY/m3, table: {full: %s, reduced: %s}}
charges:
  fee: {formula: homes * standing * period_months}
  use: {formula: "round(water * price[rate], 0.01)"}
change: {usage: by_days, partial: by_days}
"""


@dataclass(frozen=True)
class Prices:
    standing: D
    full: D
    reduced: D


@dataclass(frozen=True)
class Account:
    """What is true of an account on each day of the month; ``used`` a day of its contract."""

    name: str
    days: tuple[date, date]
    homes: Mapping[date, int]
    reduced: frozenset[date]
    used: int


def fen(value: D) -> D:
    return value.quantize(D("0.01"), ROUND_HALF_UP)


def owed(one: Account, prices: Mapping[date, Prices]) -> dict[str, list[D]]:
    """By charge what each stretch of equal days costs: the fee by the days of the contract before it and with it, of 31."""
    live = [day for day in DAYS if one.days[0] <= day < one.days[1]]
    found: dict[str, list[D]] = {"fee": [], "use": []}
    for (rates, homes, reduced), group in groupby(live, key=lambda day: (prices[day], one.homes[day], day in one.reduced)):
        days = list(group)
        before = D((days[0] - live[0]).days)
        month = homes * rates.standing
        found["fee"].append(fen(month * (before + len(days)) / 31) - fen(month * before / 31))
        found["use"].append(fen(len(days) * one.used * (rates.reduced if reduced else rates.full)))
    return found


def world(at: random.Random) -> tuple[dict[str, Prices], list[Account]]:
    starts = ["2026-01-01", *(str(day) for day in sorted(at.sample(DAYS[1:], at.choice([0, 1, 1, 2]))))]
    versions = {day: Prices(D(at.randrange(1, 2000)) / 100, D(at.randrange(1, 900)) / 100, D(at.randrange(0, 300)) / 100) for day in starts}
    accounts = []
    for number in range(24):
        first, after = (DAYS[0], END) if at.random() < 0.5 else tuple(sorted(at.sample([*DAYS, END], 2)))
        changes = sorted(at.sample(DAYS, at.choice([0, 0, 1, 2])))
        values = {day: at.randrange(1, 5) for day in [date(2026, 1, 1), *changes]}
        homes = {day: values[max(start for start in values if start <= day)] for day in DAYS}
        begins, ends = sorted(at.sample([*DAYS, END], 2))
        reduced = frozenset(day for day in DAYS if begins <= day < ends) if at.random() < 0.4 else frozenset()
        accounts.append(Account(f"A{number:02}", (first, after), homes, reduced, at.randrange(0, 9)))
    return versions, accounts


def contracts(one: Account) -> Iterator[str]:
    first, after = one.days
    live = [day for day in DAYS if first <= day < after]
    cuts = [live[0], *(day for last, day in pairwise(live) if one.homes[day] != one.homes[last]), after]
    for start, end in pairwise(cuts):
        begins = "2026-01-01" if start == DAYS[0] else start
        yield f"C{one.name},{one.name},own/homes,{begins},{'' if end == END else end},homes={one.homes[start]};rate=full\n"


def usage(one: Account, at: random.Random) -> Iterator[str]:
    """Readings on some days of the contract, its first and its last among them."""
    first, after = one.days
    inner = [day for day in DAYS if first < day < after]
    for number, (start, end) in enumerate(pairwise([first, *sorted(at.sample(inner, min(len(inner), at.choice([0, 0, 1, 3])))), after])):
        yield f"U{one.name}-{number},{one.name},,water,{start},{end},{(end - start).days * one.used},m3,actual,,\n"


@pytest.mark.parametrize("seed", range(2))
def test_every_stretch_of_days_costs_what_it_costs(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    at = random.Random(seed)
    versions, accounts = world(at)
    rules = pack(tmp_path / "rules", "own/homes", {day: TEXT % (one.standing, one.full, one.reduced) for day, one in versions.items()})
    prices = {day: versions[max(start for start in versions if start <= str(day))] for day in DAYS}
    answer = office.receives(
        accounts="".join(f"{one.name},x,household,,\n" for one in accounts),
        contracts="".join(row for one in accounts for row in contracts(one)),
        usage="".join(row for one in accounts for row in usage(one, at)),
    )
    assert answer.code == 0, answer.out
    for one in accounts:
        for days in stretches(one.reduced):
            relief(office, str(days[0]), str(days[1]), account=one.name, name=f"R{one.name}", rate="reduced")
    monkeypatch.setenv("TARIFFS_RULES", str(rules))
    counts, _ = both_ways(office, 7)
    monkeypatch.delenv("TARIFFS_RULES")
    done = run(office, rules, "--chunk", "7")
    assert counts["invoices"] == done["invoices"]
    assert (done["invoices"], done["parked"]) == (len(accounts), 0), office.exceptions(done["id"])
    office.issues()
    issued = {row["id"]: row for row in office.rows("documents")}
    for one in accounts:
        (document,) = [key for key, row in issued.items() if row["account"] == one.name]
        told: dict[str, list[D]] = {"fee": [], "use": []}
        for row in office.rows("lines"):
            if row["document"] == document:
                told[row["charge"]].append(row["amount"])
        assert told == owed(one, prices), one
        assert issued[document]["total"] == sum(sum(amounts) for amounts in told.values())
    holds_still(office, rules)
    # A new price becomes known that counts from some day of the month: all differences together are the whole anew less what was issued.
    day = at.choice(DAYS)
    later = Prices(D("7.77"), D("3.33"), D("1.11"))
    pack(
        rules,
        "own/homes",
        {
            str(day) + (".r2" if str(day) in versions else ""): TEXT.replace("status:", "known: 2026-11-20\nstatus:")
            % (later.standing, later.full, later.reduced)
        },
    )
    after = min((date.fromisoformat(start) for start in versions if start > str(day)), default=END)
    anew = {one: later if day <= one < after else before for one, before in prices.items()}
    assert office.does("run", "--period", "2026-10", "--known", "2026-11-19", "--rules", rules, by="li")["differences"] == 0
    if office.does("correct", "--known", "2026-11-20", "--rules", rules, by="li")["corrections"][0]["differences"]:
        office.issues()
    whole = sum(sum(map(sum, owed(one, anew).values())) for one in accounts)
    assert sum(row["total"] for row in office.rows("documents") if row["state"] in {"issued", "zero"}) == whole
    holds_still(office, rules)


def stretches(days: frozenset[date]) -> list[tuple[date, date]]:
    return [(min(days), max(days) + timedelta(days=1))] if days else []
