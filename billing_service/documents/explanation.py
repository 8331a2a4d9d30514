"""Why an issued document says what it says: each line with its reasons, as they were known on its day.

Everything comes from what the document itself keeps (the versions' bytes and the facts), so no rule file and no later record can
change it. A difference shows, charge by charge, the whole computed anew, what was issued before, and the amount between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing_service.billing import ChargeKey, by_charge
from billing_service.documents import paper as papers
from billing_service.documents.invoice import money
from billing_service.documents.layout import as_words, called_as, facts, figure, notices, title, total_label
from billing_service.documents.paper import Entry, Paper
from billing_service.messages import text
from billing_service.settings import Settings
from billing_service.store import documents, runs
from billing_service.store import verify as store
from billing_service.store.connect import Connection, Row
from tariffs import Rating, report
from tariffs.messages import label
from tariffs.model import Version
from tariffs.money import EXACT

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Told:
    """One charge. ``amount`` is what the document says, 0 where a difference leaves it out because nothing changed; ``now`` and
    ``before`` are None on everything but a difference.
    """

    entry: Entry
    amount: Decimal
    now: Decimal | None = None
    before: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """What one tariff gives to the document, for all of its period or for the days of ``rating``; that is None where nothing is
    computed: a credit note, or what is taken back whole. The charges of a difference are those of all parts of a tariff together,
    and stand with the first.
    """

    tariff: str
    contract: str
    version: Version
    rating: Rating | None
    charges: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A document and its reasons. ``known``: the day up to which facts counted; None: all that had arrived at ``as_of``, its run's clock."""

    paper: Paper
    known: date | None
    as_of: datetime | None
    parts: tuple[ExplainedPart, ...]


def by_number(conn: Connection, settings: Settings, number: str) -> Explained | None:
    """The issued document that bears this number, explained."""
    row = documents.by_number(conn, settings.utility, number)
    found = papers.by_number(conn, settings, number)
    if row is None or found is None:
        return None
    run = runs.get(conn, settings.utility, row.run)
    before = _before(conn, settings.utility, row) if row.kind == "difference" else None
    tariffs = sorted({entry.tariff for entry in found.entries} | found.ratings.keys())
    contracts = {part.tariff: part.contract for part in documents.parts_of(conn, settings.utility, document=row.id)}
    by_tariff = [_parts(found, tariff, contracts.get(tariff, ""), None if before is None else before.get(tariff, {})) for tariff in tariffs]
    parts = tuple(part for own in by_tariff for part in own)
    return Explained(found, row.known, run.as_of if run is not None and row.kind != documents.CREDIT else None, parts)


def _before(conn: Connection, utility: str, row: Row[Any]) -> dict[str, dict[ChargeKey, Entry]]:
    """What was issued before, by tariff and charge."""
    return {tariff: {key: papers.entry_of(line) for key, line in charges.items()} for tariff, charges in by_charge(store.before(conn, utility, row)).items()}


def _parts(paper: Paper, tariff: str, contract: str, before: Mapping[ChargeKey, Entry] | None) -> Iterator[ExplainedPart]:
    ratings = paper.ratings.get(tariff, ())
    own = [entry for entry in paper.entries if entry.tariff == tariff]
    if not ratings:
        charges = [Told(entry, entry.amount) for entry in own] if before is None else list(_compared(own, ratings, before))
        yield ExplainedPart(tariff, contract, paper.versions[own[-1].digest].model, None, tuple(charges))
    for at, rating in enumerate(ratings):
        if before is None:
            charges = [Told(entry, entry.amount) for entry in own if entry.part == at]
        else:
            charges = list(_compared(own, ratings, before)) if at == 0 else []
        yield ExplainedPart(tariff, contract, rating.version, rating, tuple(charges))


def _compared(own: list[Entry], ratings: Sequence[Rating], before: Mapping[ChargeKey, Entry]) -> Iterator[Told]:
    """Every charge of now or before, also those that did not change: who reads a difference sees that they were looked at."""
    told = {(entry.charge, entry.kind): entry for entry in own}
    now: dict[ChargeKey, Entry] = {}
    for version, line in [(rating.version, line) for rating in ratings for line in rating.lines if line.charge.kind != "working"]:
        key = (line.charge.full_name, line.charge.kind)
        whole = EXACT.add(now[key].amount, line.amount) if key in now else line.amount
        now[key] = Entry(version.tariff, version.digest, *key, line.charge.label, line.charge.clause, whole)
    for key, entry in now.items():
        amount = told[key].amount if key in told else _NOTHING
        yield Told(told.get(key, entry), amount, entry.amount, before[key].amount if key in before else _NOTHING)
    for key, entry in before.items():
        if key not in now and (entry.amount or key in told):
            yield Told(told.get(key, entry), told[key].amount if key in told else _NOTHING, _NOTHING, entry.amount)


# --- words --------------------------------------------------------------------------------------------------------


def as_text(found: Explained, locale: str) -> str:
    """The whole explanation for a person: the document, then each tariff by itself, then what it comes to."""
    paper = found.paper
    head = [title(paper, locale), *report.aligned([(f"  {name}", as_words(value)) for name, value in facts(paper, locale)])]
    head += [f"  {line}" for line in (_known(found, locale), *notices(paper, locale)) if line]
    parts = [head, *([text("explain.parts", locale, count=len(found.parts))] for _ in found.parts[1:2])]
    for one in found.parts:
        parts += [*_table(found, one, locale), part_text(found, one, locale).splitlines()]
    total = f"{total_label(paper, locale)}: {figure(paper.total.copy_abs())} {paper.currency}"
    return "\n\n".join("\n".join(part) for part in [*parts, [total]]) + "\n"


def part_text(found: Explained, one: ExplainedPart, locale: str) -> str:
    """The reasons of one tariff's lines, as the library words them, with the days of a tariff that works by day."""
    if one.rating is None:
        code = "explain.credit" if found.paper.kind == documents.CREDIT else "explain.taken-back"
        named = label(one.version.title, locale, one.tariff)
        return text(code, locale, title=named, corrects=", ".join(found.paper.corrects))
    days = report.appendix(one.rating, locale)
    return report.text(one.rating, locale) + (f"\n{days}" if days else "")


def _table(found: Explained, one: ExplainedPart, locale: str) -> Iterator[list[str]]:
    """The lines of a document whose amounts are not those of the rating below them."""
    paper = found.paper
    if paper.kind not in {"difference", documents.CREDIT} or not one.charges:
        return
    columns = ("now", "before", "difference") if paper.kind == "difference" else ("amount",)
    rows = [("", *(text(f"explain.{name}", locale) for name in columns))]
    for told in one.charges:
        amounts = (told.now, told.before, told.amount) if paper.kind == "difference" else (told.amount,)
        rows.append((called_as(paper, told.entry, locale), *(figure(amount) for amount in amounts if amount is not None)))
    yield [label(one.version.title, locale, one.tariff), *(f"  {line}" for line in report.aligned(rows))]


def _known(found: Explained, locale: str) -> str:
    if found.known is not None:
        return text("explain.known", locale, day=found.known)
    return text("explain.as-of", locale, at=found.as_of.isoformat(timespec="seconds")) if found.as_of is not None else ""


# --- JSON ---------------------------------------------------------------------------------------------------------


def as_json(found: Explained, locale: str) -> dict[str, Any]:
    """The same for machines: amounts as text, periods half-open, ``explanation`` in format 1 of ``docs/explanation.md``."""
    paper = found.paper
    return {
        "number": paper.number,
        "id": paper.id,
        "kind": paper.kind,
        "direction": paper.direction,
        "account": paper.account,
        "period_start": paper.period[0],
        "period_end": paper.period[1],
        "currency": paper.currency,
        "total": money(paper.total),
        "known": found.known,
        "as_of": found.as_of,
        "corrects": list(paper.corrects),
        "reason": paper.reason,
        "text": as_text(found, locale),
        "parts": [_part_json(found, one, locale) for one in found.parts],
    }


def _part_json(found: Explained, one: ExplainedPart, locale: str) -> dict[str, Any]:
    return {
        "tariff": one.tariff,
        "contract": one.contract,
        "digest": one.version.digest,
        "title": dict(one.version.title),
        "lines": [_told_json(told) for told in one.charges],
        "text": part_text(found, one, locale),
        "explanation": None if one.rating is None else report.as_json(one.rating),
    }


def _told_json(told: Told) -> dict[str, Any]:
    entry = told.entry
    return {
        "charge": entry.charge,
        "kind": entry.kind,
        "label": dict(entry.label),
        "clause": entry.clause,
        "amount": money(told.amount),
        "now": None if told.now is None else money(told.now),
        "before": None if told.before is None else money(told.before),
    }
