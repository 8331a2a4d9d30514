"""Proving a database: the chain of events, the numbers, and documents computed again from nothing but what it holds.

An invoice is what its kept versions give for its kept facts; a difference is that, less what was issued before it. So every line is
computed twice, years apart, and must be the same to the last sign: amount, kind, words, clause, version and order.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing_service import witness
from billing_service.billing import ChargeKey, Line, by_charge, difference, line_of, number, sum_of
from billing_service.chunk import Progress
from billing_service.documents.invoice import kept_versions
from billing_service.partial import explained
from billing_service.problems import problem
from billing_service.staged import lines_of
from billing_service.store import credit_notes, documents, events, versions
from billing_service.store import verify as store
from billing_service.store.connect import Connection, Row
from tariffs import TariffError, TariffVersion
from tariffs.errors import Problem

SAMPLE = 1_000
Anchor = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and everything that is not as it must be. ``head`` is the hash of the last good event."""

    events: int
    head: str
    versions: int
    documents: int
    issued: int
    lines: int
    numbers: int
    problems: tuple[Problem, ...]


def verify(conn: Connection, utility: str, progress: Progress, *, sample: int | None = SAMPLE, seed: int = 0, anchor: Anchor | None = None) -> Verified:
    """Check all events, versions and numbers, and ``sample`` documents chosen by ``seed`` (None: all)."""
    chain = events.verify(conn, utility, anchor)
    found = [] if chain.broken is None else [problem("verify-chain", seq=chain.broken)]
    kept, changed = _versions(conn, utility)
    numbered, gaps = _numbers(conn, utility)
    found += changed + gaps + witness.compare(conn, utility)
    every = store.ids(conn, utility)
    chosen = every if sample is None or sample >= len(every) else sorted(random.Random(seed).sample(every, sample))  # noqa: S311  a sample, no secret
    lines = 0
    for at, key in enumerate(chosen, 1):
        count, wrong = _document(conn, utility, key)
        found += wrong
        lines += count
        if at % 100 == 0 or at == len(chosen):
            progress("verify", at, len(chosen))
    return Verified(chain.count, chain.head, kept, len(chosen), len(every), lines, numbered, tuple(found))


def one(conn: Connection, utility: str, named: str) -> tuple[int, tuple[Problem, ...]] | None:
    """Compute one issued document again: how many lines it has, and what differs. None: no such number."""
    row = documents.by_number(conn, utility, named)
    if row is None:
        return None
    count, found = _document(conn, utility, row.id)
    return count, tuple(found)


def _versions(conn: Connection, utility: str) -> tuple[int, list[Problem]]:
    """Whether the kept text of every version has the digest it is kept under."""
    rows = versions.of_digests(conn, utility)
    found = []
    for digest, row in rows.items():
        content = versions.content(conn, utility, digest)
        if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != digest:
            found.append(problem("verify-version", tariff=row.tariff, effective=row.effective, digest=digest[:12]))
    return len(rows), found


def _numbers(conn: Connection, utility: str) -> tuple[int, list[Problem]]:
    """Whether each series holds every number from 1 to the last one taken, once, and none beyond it."""
    expected = {(row.kind, row.year): row.next - 1 for row in store.taken(conn, utility)}
    seen: dict[tuple[str, int], int] = {}
    found: list[Problem] = []
    count = 0
    for row in store.numbers(conn, utility):
        count += 1
        _, year, rank = row.number.rsplit("-", 2) if row.number.count("-") == 2 else ("", "0", "0")
        key = (row.series, int(year) if year.isdigit() else 0)
        if key not in expected or not rank.isdigit() or not 0 < int(rank) <= expected[key] or row.number != number(row.series, key[1], int(rank)):
            found.append(problem("verify-number-strange", number=row.number, series=row.series))
        else:
            seen[key] = seen.get(key, 0) + 1  # numbers are unique in the database, so a full count is a full series
    missing = {key: last - seen.get(key, 0) for key, last in expected.items() if last > seen.get(key, 0)}
    if sum(missing.values()) != store.being_numbered(conn, utility):
        found += [problem("verify-number-missing", series=kind, year=year, count=gone, last=expected[kind, year]) for (kind, year), gone in missing.items()]
    return count, found


def _document(conn: Connection, utility: str, key: str) -> tuple[int, list[Problem]]:
    """Compare one document with what it must be; the count of its lines."""
    row, stored, parts = store.document(conn, utility, key)
    name = row.number or row.id
    lines = [line_of(line) for line in stored]
    found: list[Problem] = []
    if sum_of(lines) != row.total:
        found.append(problem("verify-total", number=name, stored=row.total, computed=sum_of(lines)))
    if row.kind == documents.CREDIT:
        return len(lines), found + _credit(conn, utility, row)
    try:
        kept = kept_versions(conn, utility, parts)
        wanted = recomputed(row, parts, kept, by_charge(store.before(conn, utility, row)))
    except (TariffError, KeyError, TypeError, ValueError, ArithmeticError) as error:  # tampered facts may be anything at all
        return len(lines), [*found, problem("verify-not-computed", number=name, reason=str(error)[:200])]
    return len(lines), found + _compare(name, lines, {part.tariff for part in parts}, wanted)


def recomputed(
    row: Row[Any], parts: Sequence[Row[Any]], kept: Mapping[tuple[str, str], TariffVersion], before: Mapping[str, Mapping[ChargeKey, Line]]
) -> dict[str, list[Line]]:
    """The lines a document must have, by tariff, from its parts alone and what was ``before`` it by tariff."""
    period = row.period_start, row.period_end
    now: dict[str, list[Line]] = {}
    for part in parts:
        version = kept[part.tariff, part.digest]
        now.setdefault(part.tariff, []).extend(lines_of(version, explained(version, json.loads(part.facts), period)))
    if row.kind != "difference":
        return now
    found = {tariff: list(difference(lines, before.get(tariff, {}))) for tariff, lines in now.items()}
    return found | {tariff: list(difference((), charges)) for tariff, charges in before.items() if tariff not in now}


def _compare(name: str, lines: Sequence[Line], tariffs: AbstractSet[str], wanted: Mapping[str, Sequence[Line]]) -> list[Problem]:
    """Line by line within each tariff of the document; a tariff that was only issued before may be on another document."""
    by_tariff: dict[str, list[Line]] = {}
    for line in lines:
        by_tariff.setdefault(line.tariff, []).append(line)
    found: list[Problem] = []
    for tariff in sorted(by_tariff.keys() | tariffs):
        stored = by_tariff.get(tariff, [])
        computed = list(wanted.get(tariff, ()))
        if stored == computed:
            continue
        old, new = _by_place(stored), _by_place(computed)
        wrong = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
        said = {"number": name, "tariff": tariff}
        found += [problem("verify-line", charge=key[0], stored=old.get(key, "-"), computed=new.get(key, "-"), **said) for key in wrong]
        if not wrong:
            found.append(problem("verify-words", **said))
    return found


def _by_place(found: Sequence[Line]) -> dict[tuple[str, str, int], Decimal]:
    """Amounts by charge, kind and, where parts of a period have the same, the how many-th it is."""
    counted: Counter[tuple[str, str]] = Counter()
    amounts: dict[tuple[str, str, int], Decimal] = {}
    for one in found:
        key = (one.charge, one.kind)
        counted[key] += 1
        amounts[(*key, counted[key])] = one.amount
    return amounts


def _credit(conn: Connection, utility: str, row: Row[Any]) -> list[Problem]:
    """A credit note takes away, names what it stands against and why."""
    good = row.total < Decimal(0) and bool(row.reason) and bool(row.corrects) and credit_notes.number_of(conn, utility, row.corrects) != row.corrects
    return [] if good else [problem("verify-credit", number=row.number)]
