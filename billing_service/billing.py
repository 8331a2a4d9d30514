"""What a run makes of its ratings: invoices for what was never billed, differences for what was. Pure arithmetic, no store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tariffs.money import EXACT, total

#: Derived ids live under this name, so the same run always gives its documents the same ids.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tariffs:billing:document")

_PREFIX = {"invoice": "INV", "difference": "DIF", "settlement": "SET"}

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
    """What one contract gives for one period: ``digest`` and ``facts`` (JSON) reproduce ``lines`` for ever."""

    account: str
    tariff: str
    contract: str
    digest: str
    currency: str
    direction: str
    facts: str
    lines: tuple[Line, ...]


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


def bill(utility: str, run: str, parts: Iterable[Part], issued: Mapping[Key, Mapping[ChargeKey, Line]], waiting: frozenset[Key] | set[Key]) -> Batch:
    """Documents for ``parts``. ``issued``: the sum of everything issued by (account, tariff), by charge; ``waiting``: in another open run."""
    groups: dict[tuple[str, str, str, str], list[tuple[Part, Sequence[Line]]]] = {}
    unchanged = held = 0
    first_time: list[Key] = []
    for part in parts:
        key = (part.account, part.tariff)
        if key in waiting:
            held += 1
            continue
        if key in issued:
            kind, lines = "difference", difference(part.lines, issued[key])
            if not lines:
                unchanged += 1
                continue
        else:
            kind, lines = "invoice", part.lines
            first_time.append(key)
        groups.setdefault((part.account, kind, part.direction, part.currency), []).append((part, lines))
    drafts = tuple(_draft(utility, run, *group, found) for group, found in sorted(groups.items(), key=lambda item: item[0]))
    return Batch(drafts, unchanged, held, tuple(first_time))


def difference(now: Sequence[Line], before: Mapping[ChargeKey, Line]) -> tuple[Line, ...]:
    """Full recomputation minus everything issued, by charge; charges that did not change are left out."""
    found: list[Line] = []
    for line in now:
        old = before.get((line.charge, line.kind))
        amount = EXACT.subtract(line.amount, old.amount) if old else line.amount
        if amount:
            found.append(replace(line, amount=amount))
    charges = {(line.charge, line.kind) for line in now}
    gone = [line for key, line in before.items() if key not in charges and line.amount]
    return (*found, *(replace(line, amount=EXACT.minus(line.amount)) for line in gone))


def sum_of(lines: Iterable[Line]) -> Decimal:
    """What is due: lines of kind ``line``; contained tax and refunds stand outside."""
    return total(line.amount for line in lines if line.kind == "line")


def series_of(kind: str, direction: str) -> str:
    """The number series of a document: what is paid to an operator is a settlement, not an invoice."""
    return "settlement" if kind == "invoice" and direction == "payable" else kind


def number(series: str, year: int, rank: int) -> str:
    """``INV-2026-000001``."""
    return f"{_PREFIX[series]}-{year}-{rank:06d}"


def _draft(utility: str, run: str, account: str, kind: str, direction: str, currency: str, found: list[tuple[Part, Sequence[Line]]]) -> Draft:
    found = sorted(found, key=lambda pair: (pair[0].tariff, pair[0].contract))
    lines = tuple(line for _, group in found for line in group)
    name = f"{utility}\x1f{run}\x1f{account}\x1f{kind}\x1f{direction}\x1f{currency}"
    return Draft(str(uuid.uuid5(_NAMESPACE, name)), kind, account, currency, direction, tuple(part for part, _ in found), lines, sum_of(lines))
