"""``python -m soak retroactive --accounts 10000 --db both``: what became known later is billed by one ``billing correct``.

A city is billed and issued for two months. Then dearer versions of two tariffs come with the same date, and one that begins inside
the second month; records are corrected or come late, terms are revised and contracts withdrawn. What is owed then is computed here,
by plain Decimal over the rows as they were sent; the documents of the one correction must be that, less what was issued, for every
account, month, tariff and charge.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from billing_service import runs, working
from billing_service.settings import Settings
from billing_service.store import connect, tables
from billing_service.verify import verify
from soak.kills import CITY, place, start
from soak.machine import PRICES
from tariffs.money import total

MONTHS = ((date(2026, 8, 1), date(2026, 9, 1)), (date(2026, 9, 1), date(2026, 10, 1)))
#: Before anything became known later, and the day from which it was.
THEN, LATER, DEARER = date(2026, 11, 10), date(2026, 11, 15), date(2026, 11, 20)
#: The first day of a still dearer price of water, known as late: the 11th of 30 days.
INSIDE = date(2026, 9, 11)
SEWAGE, WASTE, KITCHEN = "cn/yangquan/sewage", "cn/yangquan/domestic-waste", "cn/yangquan/non-residential-waste"
HOUSEHOLD = Decimal("4.50")
FEN = Decimal("0.01")
CONTRACTS = ("contract", "account", "tariff", "from", "to", "facts", "known")
USAGE = ("id", "account", "point", "measure", "start", "end", "value", "unit", "quality", "replaces", "known")
Row = dict[str, Any]
Amounts = dict[tuple[str, date, str, str, str], Decimal]  # account, first day, tariff, charge, kind


@dataclass(frozen=True, slots=True)
class Prices:
    """What is charged for water by class, before INSIDE and from it on, and for a household."""

    water: Mapping[str, Decimal]
    inside: Mapping[str, Decimal]
    household: Decimal


BEFORE = Prices(PRICES, PRICES, HOUSEHOLD)
_WATER, _INSIDE = ({user: price + Decimal(more) for user, price in PRICES.items()} for more in ("0.10", "0.20"))
AFTER = Prices(_WATER, _INSIDE, Decimal("4.80"))


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows as a utility sends them: terms, and usage records."""

    contracts: list[Row] = field(default_factory=list)
    usage: list[Row] = field(default_factory=list)


# --- the city -----------------------------------------------------------------------------------------------------


def city(accounts: int, seed: int) -> tuple[list[str], Sent, Sent]:
    """Account names, what is sent in time, and what is sent later."""
    random, names, first, late = Random(seed), [f"A{number:06d}" for number in range(accounts)], Sent(), Sent()
    for name in names:
        _terms(random, name, first, late)
        for month in MONTHS:
            _records(random, name, month, first, late)
    return names, first, late


def _terms(random: Random, name: str, first: Sent, late: Sent) -> None:
    user = random.choices(list(PRICES), [6, 3, 1])[0]
    first.contracts.append(_contract("S", name, SEWAGE, {"user": user}))
    if random.random() < 0.03:
        late.contracts.append({**first.contracts[-1], "facts": {"user": random.choice(list(PRICES))}, "known": LATER})
    if user == "resident":
        relief = {"relief": "low_income", "refund_share": random.randint(0, 100)} if random.random() < 0.1 else {"relief": "ordinary"}
        first.contracts.append(_contract("W", name, WASTE, {"payer": "household", "households": random.randint(1, 9), **relief}))
    else:
        first.contracts.append(_contract("W", name, WASTE, {"payer": "shop", "area": Decimal(random.randint(0, 50_000)) / 100}))
    if random.random() < 0.02:
        late.contracts.append({**first.contracts[-1], "to": first.contracts[-1]["from"], "known": LATER})  # it never held
    if user != "resident" and random.random() < 0.5:
        quota = Decimal(random.randint(0, 4000)) / 1000
        first.contracts.append(_contract("K", name, KITCHEN, {"basis": "sorted", "kitchen": "metered", "kitchen_quota": quota}))
        if random.random() < 0.05:
            late.contracts.append({**first.contracts[-1], "facts": {**first.contracts[-1]["facts"], "kitchen_quota": quota + 1}, "known": LATER})


def _contract(letter: str, name: str, tariff: str, facts: Row) -> Row:
    return {"contract": f"{letter}{name[1:]}", "account": name, "tariff": tariff, "from": date(2026, 1, 1), "to": "", "facts": facts, "known": ""}


def _records(random: Random, name: str, month: tuple[date, date], first: Sent, late: Sent) -> None:
    tariffs = {one["tariff"] for one in first.contracts[-3:] if one["account"] == name}
    wanted = [("water", "m3", f"M{at}", Decimal(random.randint(0, 60))) for at in range(random.choice([1, 1, 2]))]
    if KITCHEN in tariffs:
        wanted += [(measure, "t", "", Decimal(random.randint(0, 5000)) / 1000) for measure in ("other_weight", "kitchen_weight")]
    too_late = random.random() < 0.02
    for at, (measure, unit, point, value) in enumerate(wanted):
        quality = "estimated" if random.random() < 0.05 else "actual"
        row = {"id": f"U{name[1:]}-{month[0]:%m}-{at}", "account": name, "point": point, "measure": measure, "start": month[0], "end": month[1]}
        row |= {"value": value, "unit": unit, "quality": quality, "replaces": "", "known": LATER if too_late else ""}
        (late if too_late else first).usage.append(row)
        for turn in range(random.choices([0, 1, 2], [20, 2, 1])[0]):  # corrected, and perhaps the correction too
            row = {**row, "id": f"{row['id']}{'ab'[turn]}", "value": value + random.randint(0, 9), "quality": "actual", "replaces": row["id"], "known": LATER}
            late.usage.append(row)


def written(folder: Path, names: Sequence[str], sent: Sent) -> Path:
    """The rows as files to import."""
    folder.mkdir()
    _csv(folder / "accounts.csv", ("account", "name", "class"), [{"account": name, "name": name, "class": "any"} for name in names])
    terms = [{**row, "facts": ";".join(f"{name}={value}" for name, value in row["facts"].items())} for row in sent.contracts]
    _csv(folder / "contracts.csv", CONTRACTS, terms)
    _csv(folder / "usage.csv", USAGE, sent.usage)
    return folder


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def dearer(rules: Path) -> None:
    """Write the later known versions of the same date, and the one of a later date."""
    _revise(rules, SEWAGE, {f" {price}": f" {AFTER.water[user]}" for user, price in PRICES.items()})
    _revise(rules, SEWAGE, {f" {price}": f" {AFTER.inside[user]}" for user, price in PRICES.items()}, str(INSIDE), "change: {usage: by_days}\n")
    _revise(rules, WASTE, {f"value: {BEFORE.household}": f"value: {AFTER.household}"})


def _revise(rules: Path, tariff: str, changes: Mapping[str, str], name: str = "2026-01-01.r2", more: str = "") -> None:
    first = rules / tariff / "2026-01-01.yaml"
    text = first.read_text("utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, (old, text.count(old))  # no new price is an old one of another
        text = text.replace(old, new)
    (first.parent / f"{name}.yaml").write_text(f"known: {DEARER}\n{more}{text}", "utf-8")


# --- what is owed -------------------------------------------------------------------------------------------------


def owed(sent: Sequence[Sent], prices: Prices) -> Amounts:
    """Every amount by the rows as they stand after all of ``sent``; nothing where a record is missing."""
    terms: dict[str, Row] = {}
    for row in (row for one in sent for row in one.contracts):
        terms[row["contract"]] = row  # the last word counts
    usage = [row for one in sent for row in one.usage]
    replaced = {row["replaces"] for row in usage}
    measured: dict[tuple[str, date, str], Decimal] = defaultdict(Decimal)
    for row in usage:
        if row["id"] not in replaced:
            measured[row["account"], row["start"], row["measure"]] += row["value"]
            # A third of the days are before INSIDE, and of whole cubic metres that is the nearest.
            early = (row["value"] + 1) // 3 if row["start"] == INSIDE.replace(day=1) else row["value"]
            measured[row["account"], row["start"], f"early {row['measure']}"] += early
    found: Amounts = {}
    for row in terms.values():
        if row["to"] != row["from"]:
            for start_, _ in MONTHS:
                for charge, kind, amount in _charges(row, {name: measured.get((row["account"], start_, name)) for name in _MEASURES}, prices):
                    found[row["account"], start_, row["tariff"], charge, kind] = amount
    return found


_MEASURES = ("water", "early water", "other_weight", "kitchen_weight")


def _charges(terms: Row, measured: Mapping[str, Decimal | None], prices: Prices) -> list[tuple[str, str, Decimal]]:
    facts, water, early = terms["facts"], measured["water"], measured["early water"]
    if terms["tariff"] == SEWAGE:
        if water is None or early is None:
            return []
        return [("sewage_fee", "line", _fen(early * prices.water[facts["user"]]) + _fen((water - early) * prices.inside[facts["user"]]))]
    if terms["tariff"] == WASTE:
        if facts["payer"] == "shop":
            return [("area_fee", "line", _fen(facts["area"] * Decimal("1.10")))]
        fee = _fen(facts["households"] * prices.household)
        refund = [("relief_refund", "refund", _fen(fee * facts["refund_share"] / 100))] if facts["relief"] == "low_income" else []
        return [("household_fee", "line", fee), *refund]
    other, kitchen, quota = measured["other_weight"], measured["kitchen_weight"], facts["kitchen_quota"]
    if other is None or kitchen is None:
        return []
    fee = kitchen * 60 if kitchen * 2 <= quota else min(kitchen, quota) * 90 + max(kitchen - quota, Decimal(0)) * 180
    return [("other_fee", "line", _fen(other * 120)), ("kitchen_fee", "line", _fen(fee))]


def _fen(amount: Decimal) -> Decimal:
    return amount.quantize(FEN, ROUND_HALF_UP)


def less(now: Amounts, before: Amounts) -> Amounts:
    """``now`` minus ``before``, without what is the same."""
    return {key: found for key in now.keys() | before.keys() if (found := now.get(key, Decimal(0)) - before.get(key, Decimal(0)))}


# --- the soak -----------------------------------------------------------------------------------------------------


class Wrong(Exception):
    """Documents that are not what is owed."""


def soak(accounts: int, kind: str, seed: int) -> int:
    """On one kind of database or both; raises where an amount is not what it must be."""
    for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
        with place(one) as where:
            print(correction(where.prepared, accounts, seed))
    return 0


def correction(url: str, accounts: int, seed: int, tell: Callable[[str], None] = print) -> str:
    """The whole story on an empty database; one line that sums it up."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, connect.opened(Settings(db=url).url) as db:
        rules = Path(folder) / "rules"
        shutil.copytree(CITY / "rules", rules)
        names, first, late = city(accounts, seed)
        own = Settings(db=url, rules=(rules,), user="li")
        _adopt(db, own, (SEWAGE, WASTE, KITCHEN))
        _must(url, "import", str(written(Path(folder) / "first", names, first)))
        for month in MONTHS:
            working.start_run(db, own, month, None, runs.clock(), _silent)
            _issue_all(db, own)
        issued = _amounts(db, ("issued", "zero"))
        _equal("issued", issued, owed([first], BEFORE))
        tell(f"issued {len(issued)} amounts, {total(issued.values())}")
        dearer(rules)
        _adopt(db, own, (SEWAGE, WASTE))
        runs.adopt(db, own, SEWAGE, INSIDE, "sample", runs.clock())
        _must(url, "import", str(written(Path(folder) / "late", names, late)))
        documents = _count(db, "documents")
        _must(url, "correct", "--known", str(THEN), "--rules", str(rules))
        assert _count(db, "documents") == documents, "as it was known then, nothing differs"
        _must(url, "correct", "--known", "now", "--rules", str(rules))
        wanted = less(owed([first, late], AFTER), issued)
        _equal("corrected", _amounts(db, ("draft",)), wanted)
        made = _issue_all(db, own)
        told = f"{made['difference']} differences and {made['invoice']} late invoices, {total(wanted.values())} in {len(wanted)} amounts"
        tell(f"corrected: {told}")
        _twice(db, url, rules)
        _as_known_then(db, own, issued, owed([first, late], AFTER))
        verified = _verified(db)
        spent = f"{time.monotonic() - began:.0f} s"
        return f"{db.dialect.name}: {accounts} accounts, {len(MONTHS)} months: {told}; again: nothing; {verified} documents are themselves; {spent}"


def _twice(db: connect.Engine, url: str, rules: Path) -> None:
    """The same again leaves neither a document nor a run."""
    before = _count(db, "documents"), _count(db, "runs"), _count(db, "run_chunks")
    _must(url, "correct", "--known", "now", "--rules", str(rules))
    after = _count(db, "documents"), _count(db, "runs"), _count(db, "run_chunks")
    if after != before:
        raise Wrong(f"corrected again: documents, runs, chunks were {before} and are {after}")


def _as_known_then(db: connect.Engine, own: Settings, issued: Amounts, now: Amounts) -> None:
    """By what was known when the invoices were made, each comes out as it was issued: the run would take back the whole correction."""
    for month in MONTHS:
        working.start_run(db, own, month, THEN, runs.clock(), _silent)
    late = {key[:3] for key in now} - {key[:3] for key in issued}  # parked then: nothing is known of them
    _equal("as known then", _amounts(db, ("draft",)), {key: amount for key, amount in less(issued, now).items() if key[:3] not in late})
    for run in _states(db, "draft"):
        runs.cancel(db, own, run, runs.clock())


def _verified(db: connect.Engine) -> int:
    with connect.reading(db, "main") as conn:
        found = verify(conn, "main", _silent, sample=None)
    if found.problems:
        raise Wrong(str(found.problems[:5]))
    return found.documents


def _equal(what: str, found: Amounts, wanted: Amounts) -> None:
    """Nothing and an amount of nothing are the same: a late bill over zero has a line, and owes none."""
    nothing = Decimal(0)
    wrong = [(key, found.get(key), wanted.get(key)) for key in sorted(found.keys() | wanted.keys()) if found.get(key, nothing) != wanted.get(key, nothing)]
    if wrong:
        raise Wrong(f"{what}: {len(wrong)} of {len(wanted)} amounts differ; the first, as found and as owed: {wrong[:5]}")


def _adopt(db: connect.Engine, own: Settings, tariffs: Iterable[str]) -> None:
    for tariff in tariffs:
        runs.adopt(db, own, tariff, MONTHS[0][0], "sample", runs.clock())


def _issue_all(db: connect.Engine, own: Settings) -> Counter[str]:
    """Review, approve and issue every draft; the documents of it by kind."""
    wang = Settings(db=own.db, user="wang")
    found: Counter[str] = Counter()
    for run in _states(db, "draft"):
        runs.review(db, wang, run, runs.clock())
        runs.approve(db, wang, run, runs.clock())
        working.issue(db, wang, run, runs.clock())
        with connect.reading(db, "main") as conn:
            found.update(conn.execute(select(tables.documents.c.kind).where(tables.documents.c.run == run)).scalars())
    return found


def _states(db: connect.Engine, state: str) -> list[str]:
    with connect.reading(db, "main") as conn:
        return sorted(conn.execute(select(tables.runs.c.id).where(tables.runs.c.state == state)).scalars())


def _amounts(db: connect.Engine, states: Sequence[str]) -> Amounts:
    """The sum of the lines of all documents in these states."""
    line, document = tables.lines.c, tables.documents.c
    joined = tables.lines.join(tables.documents, (line.utility == document.utility) & (line.document == document.id))
    query = select(document.account, document.period_start, line.tariff, line.charge, line.kind, line.amount).select_from(joined)
    found: Amounts = {}
    with connect.reading(db, "main") as conn:
        for *key, amount in conn.execute(query.where(document.state.in_(states))):
            at: Any = tuple(key)
            found[at] = found.get(at, Decimal(0)) + amount
    return found


def _count(db: connect.Engine, name: str) -> int:
    with connect.reading(db, "main") as conn:
        return len(conn.execute(select(tables.metadata.tables[name].c.utility)).all())


def _must(url: str, *command: str) -> None:
    code = start((*command, "--as", "li"), url).wait()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")


def _silent(_what: str, _done: int, _of: int) -> None:
    """Nobody watches."""
