"""What the writers were answered, held against what the database has: nothing lost, nothing twice, no gap, no credit too much."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from billing_service.settings import Settings
from billing_service.store import connect, tables
from soak.machine import PRICES
from soak.retroactive import HOUSEHOLD, SEWAGE
from soak.serving import Sent, Served, command

PLACES = {"accounts": "accounts", "contracts": "contracts", "usage": "usage_records"}

#: An answer from here on took nothing.
_REFUSED = 400

Rows = Callable[[str], list[Any]]


def check(served: Served, log: list[Sent]) -> list[str]:
    """Every finding, in words for whoever mends it."""
    with connect.opened(Settings(db=served.db).url) as engine, connect.reading(engine, "main") as conn:
        kept: dict[str, list[Any]] = {}

        def rows(name: str) -> list[Any]:
            if name not in kept:
                table = tables.metadata.tables[name]
                kept[name] = [one._mapping for one in conn.execute(select(table).where(table.c.utility == "main").order_by(*table.primary_key.columns))]
            return kept[name]

        parts = (_answers(rows, log), _batches(rows, log), _reliefs(rows, log), _numbers(rows), _credits(rows, log), _runs(rows), _sums(rows))
        found = [one for part in parts for one in part]
    done = command(["verify", "--all", "--json"], served.db)
    if done.returncode != 0:
        found.append(f"verify: {done.stdout[:1000]} {done.stderr[:500]}")
    return found


def _answers(rows: Rows, log: list[Sent]) -> Iterator[str]:
    """One kept answer for each attempt, the first; and none that nobody was given."""
    kept = {(one["path"], one["key"]): (one["status"], one["response"]) for one in rows("idempotency")}
    told = {(one.path, one.key): (one.status, one.answer) for one in log}
    yield from (f"the answer to {key} is not kept as it was given" for key, answer in told.items() if kept.get(key) != answer)
    yield from (f"an answer is kept for {key}, which nobody was given" for key in kept.keys() - told.keys())


def _batches(rows: Rows, log: list[Sent]) -> Iterator[str]:
    """Each row that was taken is there as it was sent, once; each that was refused as a conflict is there with other content."""
    imports = [one["id"] for one in rows("imports")]
    if imports != list(range(1, len(imports) + 1)):
        yield "imports are not numbered without gaps"
    batches = [one for one in log if one.kind in PLACES]
    if len(imports) != len(batches):
        yield f"{len(batches)} batches were taken and {len(imports)} are there"
    for name, table in PLACES.items():
        there: dict[str, list[Any]] = {}
        for one in rows(table):
            there.setdefault(one["id" if name == "usage" else name.rstrip("s")], []).append(one)
        new = 0
        for sent in batches:
            if sent.kind == name:
                answer = json.loads(sent.answer)
                new += answer["new"]
                yield from _batch(sent, answer, name, there)
        if new != len(rows(table)):
            yield f"{name}: {new} were taken as new, and {len(rows(table))} are there"


def _batch(sent: Sent, answer: Any, name: str, there: Mapping[str, list[Any]]) -> Iterator[str]:
    refused = {one["line"]: one["code"] for one in answer["problems"]}
    if answer["refused"] != len(refused):
        yield f"{name} {sent.key}: {answer['refused']} refused, {len(refused)} told"
    for line, row in enumerate(json.loads(sent.body)[name], 1):
        asked = {"known": None, **row} if name == "contracts" else row
        same = [one for one in there.get(row["id" if name == "usage" else name.rstrip("s")], ()) if _same(one, asked)]
        code = refused.get(line, "")
        if not code and len(same) != 1:
            yield f"{name} {sent.key}, row {line} of {sent.body.count('account')}: {row} was taken, and is there {len(same)} times"
        if code == "conflict" and name != "contracts" and same:
            yield f"{name}: {row} was a conflict with what it is itself"


def _same(kept: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    for name, value in row.items():
        stored = kept[name]
        match stored:
            case Decimal():
                good = stored == Decimal(value)
            case date():
                good = stored.isoformat() == value
            case _ if name == "facts":
                good = json.loads(stored) == value
            case _:
                good = stored == value
        if not good:
            return False
    return True


def _reliefs(rows: Rows, log: list[Sent]) -> Iterator[str]:
    there = Counter((one["id"], one["proof"]) for one in rows("reliefs"))
    sent = {(asked["id"], asked["proof"]) for asked in (json.loads(one.body) for one in log if one.kind == "relief" and one.status < _REFUSED)}
    yield from (f"relief {one} was recorded and is there {there[one]} times" for one in sent if there[one] != 1)
    yield from (f"relief {one} is there and nobody was told" for one in there.keys() - sent)


def _numbers(rows: Rows) -> Iterator[str]:
    """Each series from 1 to what was taken last, each number once."""
    ranks: dict[tuple[str, int], list[int]] = {}
    for one in rows("documents"):
        if one["number"]:
            _, year, rank = one["number"].rsplit("-", 2)
            ranks.setdefault((one["series"], int(year)), []).append(int(rank))
    expected = {(one["kind"], one["year"]): one["next"] - 1 for one in rows("series")}
    for key in expected.keys() | ranks.keys():
        if sorted(ranks.get(key, ())) != list(range(1, expected.get(key, 0) + 1)):
            yield f"series {key}: {len(ranks.get(key, ()))} numbers, {expected.get(key)} taken"


def _credits(rows: Rows, log: list[Sent]) -> Iterator[str]:
    """Every note that was answered is there; walking each bill in time, no note took more than there was, by charge and in all."""
    notes = {one["number"]: one["total"] for one in rows("documents") if one["kind"] == "credit_note"}
    told = {answer["number"]: Decimal(answer["total"]) for answer in (json.loads(one.answer) for one in log if one.kind == "credit" and one.status < _REFUSED)}
    if notes != told:
        yield f"credit notes: {len(told)} were given and {len(notes)} are there; {sorted(notes.items() ^ told.items())[:5]}"
    lines: dict[str, list[Any]] = {}
    for one in rows("lines"):
        lines.setdefault(one["document"], []).append(one)
    left: Counter[tuple[str, ...]] = Counter()
    issued = [one for one in rows("documents") if one["issued_at"] is not None]
    for one in sorted(issued, key=lambda one: (one["issued_at"], one["kind"] == "credit_note", one["number"] or "")):
        bill = one["account"], str(one["period_start"]), one["direction"]
        for line in lines.get(one["id"], ()):
            if line["kind"] == "line":
                charge = *bill, line["tariff"], line["charge"]
                left[charge] += line["amount"]
                if one["kind"] == "credit_note" and (left[charge] < 0 or line["amount"] >= 0):
                    yield f"{one['number']} takes {line['amount']} of {charge}, which leaves {left[charge]}"


def _runs(rows: Rows) -> Iterator[str]:
    """A run took each step once at most, and its documents are where it is."""
    steps = Counter((one["kind"], one["subject"]) for one in rows("events") if one["kind"].startswith("run."))
    yield from (f"{step} happened {count} times" for step, count in steps.items() if count > 1)
    states: dict[str, set[str]] = {}
    for one in rows("documents"):
        states.setdefault(one["run"], set()).add(one["state"])
    for one in rows("runs"):
        found = states.get(one["id"], set())
        if one["state"] not in ("issued", "empty", "cancelled", "issued-singly"):
            yield f"run {one['id']} is still {one['state']}"
        if not found <= {"issued": {"issued", "zero"}, "issued-singly": {"issued"}, "cancelled": {"cancelled"}}.get(one["state"], set()):
            yield f"run {one['id']} is {one['state']}, its documents {found}"
        if {"issued", "cancelled"} <= {kind.removeprefix("run.") for kind, subject in steps if subject == one["id"]}:
            yield f"run {one['id']} was issued and taken back"


def _sums(rows: Rows) -> Iterator[str]:
    """Each account paid, in bills and their differences, what the last terms and all standing records come to."""
    terms = {(one["account"], one["tariff"]): json.loads(one["facts"]) for one in rows("contracts")}  # the last revision stands
    replaced = {one["replaces"] for one in rows("usage_records")}
    water: Counter[tuple[str, date]] = Counter()
    for one in rows("usage_records"):
        if one["id"] not in replaced:
            water[one["account"], one["start"]] += one["value"]
    expected: dict[tuple[str, str, date], Decimal] = {}
    for start in (date(2026, 9, 1), date(2026, 10, 1)):
        for (account, tariff), facts in terms.items():
            if tariff != SEWAGE:
                expected[account, tariff, start] = HOUSEHOLD
            elif (account, start) in water:
                expected[account, tariff, start] = water[account, start] * PRICES[facts["user"]]
    documents = {one["id"]: one for one in rows("documents") if one["state"] in ("issued", "zero") and one["kind"] != "credit_note"}
    found: dict[tuple[str, str, date], Decimal] = {}
    for line in rows("lines"):
        if line["document"] in documents and line["kind"] == "line":
            key = documents[line["document"]]["account"], line["tariff"], documents[line["document"]]["period_start"]
            found[key] = found.get(key, Decimal(0)) + line["amount"]
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    yield from (f"{key} should have been billed {expected.get(key)} and was billed {found.get(key)}" for key in sorted(wrong)[:20])
    yield from _twice(documents.values())


def _twice(documents: Iterable[Any]) -> Iterator[str]:
    seen = Counter((one["run"], one["account"], one["period_start"], one["kind"], one["direction"]) for one in documents)
    yield from (f"{key} was billed {count} times" for key, count in seen.items() if count > 1)
