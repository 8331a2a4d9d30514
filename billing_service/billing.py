"""What a run makes of its ratings: invoices for what was never billed, differences for what was. Pure arithmetic, no store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tariffs.money import EXACT, total

#: Derived ids live under this name, so the same run always gives its documents the same ids.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tariffs:billing:document")

_PREFIX = {"invoice": "INV", "difference": "DIF", "settlement": "SET", "credit_note": "CRN"}

Key = tuple[str, str]  # account, tariff
ChargeKey = tuple[str, str]  # charge, kind


@dataclass(frozen=True, slots=True)
class Line:
    """One amount. ``kind`` is ``line``, ``included`` or ``refund``; only ``line`` counts in a total. ``label`` is JSON by language."""

    tariff: str
    digest: str
    charge: str
    kind: str
    label: str
    clause: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What one contract gives for one period, or for some days of it where the period is split: ``digest`` and ``facts`` (JSON)
    reproduce ``lines`` for ever.
    """

    account: str
    tariff: str
    contract: str
    digest: str
    currency: str
    direction: str
    facts: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """The sum of everything issued for one (account, tariff, period), by charge."""

    currency: str
    direction: str
    charges: Mapping[ChargeKey, Line]


@dataclass(frozen=True, slots=True)
class Draft:
    """A document not yet issued; its total is the sum of its lines of kind ``line`` and nothing else."""

    id: str
    kind: str
    account: str
    currency: str
    direction: str
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    total: Decimal

    def __post_init__(self) -> None:
        assert self.total == sum_of(self.lines), "a document's total is the sum of its lines"


@dataclass(frozen=True, slots=True)
class Batch:
    """A run's documents, and how many contracts needed none: unchanged since issued, or waiting in another open run."""

    drafts: tuple[Draft, ...]
    unchanged: int = 0
    waiting: int = 0
    first_time: tuple[Key, ...] = field(default=())


def bill(utility: str, run: str, parts: Iterable[Part], issued: Mapping[Key, Issued], waiting: AbstractSet[Key], parked: AbstractSet[Key]) -> Batch:
    """Documents for ``parts``: invoices where nothing was issued, differences where something was and has changed.

    The parts of one (account, tariff) are one contract's, in the order of their days. A bill has the lines of each; a difference
    is about the sum of them all by charge.
    ``waiting``: (account, tariff) in another open run; ``parked``: those that could not be rated now. What was issued and
    is in none of the three is owed no longer, as where a contract turned out to be another tariff's: it is taken back.
    """
    groups: dict[tuple[str, str, str, str], list[_Share]] = {}
    unchanged = held = 0
    first_time: list[Key] = []
    rated: dict[Key, list[Part]] = {}
    for part in parts:
        rated.setdefault((part.account, part.tariff), []).append(part)
    for key, own in rated.items():
        now = tuple(line for part in own for line in part.lines)
        if key in waiting:
            held += 1
            continue
        if key in issued:
            kind, lines = "difference", difference(now, issued[key].charges)
            if not lines:
                unchanged += 1
                continue
        else:
            kind, lines = "invoice", now
            first_time.append(key)
        groups.setdefault((key[0], kind, own[0].direction, own[0].currency), []).append(_Share(key[1], tuple(own), lines))
    for key in issued.keys() - rated.keys() - waiting - parked:
        lines = difference((), issued[key].charges)
        if lines:
            groups.setdefault((key[0], "difference", issued[key].direction, issued[key].currency), []).append(_Share(key[1], (), lines))
    drafts = tuple(_draft(utility, run, *group, found) for group, found in sorted(groups.items(), key=lambda item: item[0]))
    return Batch(drafts, unchanged, held, tuple(first_time))


def difference(now: Sequence[Line], before: Mapping[ChargeKey, Line]) -> tuple[Line, ...]:
    """Full recomputation minus everything issued, by charge; charges that did not change are left out.

    A charge that several parts of a period have is added up first, and the text of the last stands.
    """
    whole: dict[ChargeKey, Line] = {}
    for line in now:
        add_up(whole, (line.charge, line.kind), line)
    found: list[Line] = []
    for key, line in whole.items():
        old = before.get(key)
        amount = EXACT.subtract(line.amount, old.amount) if old else line.amount
        if amount:
            found.append(replace(line, amount=amount))
    gone = [line for key, line in before.items() if key not in whole and line.amount]
    return (*found, *(replace(line, amount=EXACT.minus(line.amount)) for line in gone))


def line_of(row: Any) -> Line:
    """A stored line."""
    return Line(row.tariff, row.digest, row.charge, row.kind, row.label, row.clause, row.amount)


def add_up(found: dict[tuple[str, str], Line], key: tuple[str, str], line: Line) -> None:
    """Add a line to what stands under its key; the newest text of each stands."""
    old = found.get(key)
    found[key] = replace(line, amount=EXACT.add(old.amount, line.amount)) if old else line


def by_charge(rows: Iterable[Any]) -> dict[str, dict[ChargeKey, Line]]:
    """What stored lines, oldest first, come to by tariff and charge."""
    found: dict[str, dict[ChargeKey, Line]] = {}
    for row in rows:
        add_up(found.setdefault(row.tariff, {}), (row.charge, row.kind), line_of(row))
    return found


def document_id(utility: str, run: str, account: str, kind: str, direction: str, currency: str) -> str:
    """The id of a document of a run, the same however often the run is begun again."""
    return str(uuid.uuid5(_NAMESPACE, f"{utility}\x1f{run}\x1f{account}\x1f{kind}\x1f{direction}\x1f{currency}"))


def sum_of(lines: Iterable[Line]) -> Decimal:
    """What is due: lines of kind ``line``; contained tax and refunds stand outside."""
    return total(line.amount for line in lines if line.kind == "line")


def series_of(kind: str, direction: str) -> str:
    """The number series of a document: what is paid to an operator is a settlement, not an invoice."""
    return "settlement" if kind == "invoice" and direction == "payable" else kind


def number(series: str, year: int, rank: int) -> str:
    """``INV-2026-000001``."""
    return f"{_PREFIX[series]}-{year}-{rank:06d}"


@dataclass(frozen=True, slots=True)
class _Share:
    """One tariff's lines on a document; without parts where what was issued is taken back whole."""

    tariff: str
    parts: tuple[Part, ...]
    lines: Sequence[Line]


def _draft(utility: str, run: str, account: str, kind: str, direction: str, currency: str, found: list[_Share]) -> Draft:
    found = sorted(found, key=lambda share: share.tariff)
    lines = tuple(line for share in found for line in share.lines)
    name = document_id(utility, run, account, kind, direction, currency)
    parts = tuple(part for share in found for part in share.parts)
    return Draft(name, kind, account, currency, direction, parts, lines, sum_of(lines))
