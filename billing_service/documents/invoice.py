"""An issued document as its JSON: lines, clauses, versions, facts, and the digest of its explanation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from billing_service.partial import explained
from billing_service.schemas import Account, Invoice, InvoiceLine, InvoicePart
from billing_service.store import documents, versions
from billing_service.store.connect import Connection, Row
from tariffs import TariffVersion, parse
from tariffs.money import show
from tariffs.report import as_json


def by_number(conn: Connection, utility: str, number: str) -> Invoice | None:
    """The issued document that bears this number."""
    found = documents.by_number(conn, utility, number)
    if found is None:
        return None
    lines = documents.lines_of(conn, utility, document=found.id)
    parts = documents.parts_of(conn, utility, document=found.id)
    return assemble(found, lines, parts, kept_versions(conn, utility, parts))


def kept_versions(conn: Connection, utility: str, rows: Iterable[Any]) -> dict[versions.Name, TariffVersion]:
    """The versions that parts or lines name, by tariff and digest, read from the bytes the store kept: no rule file is needed to tell what was billed."""
    known = versions.named(conn, utility)
    found = {}
    for tariff, digest in {(row.tariff, row.digest) for row in rows}:
        content = versions.content(conn, utility, digest)
        assert content is not None, "a billed version is kept"
        row = known[tariff, digest]
        found[tariff, digest] = parse(content, tariff=tariff, effective=row.effective, revision=row.revision, end=row.end)
    return found


def assemble(document: Row[Any], lines: Sequence[Row[Any]], parts: Sequence[Row[Any]], kept: Mapping[versions.Name, TariffVersion]) -> Invoice:
    """The wire form of a stored document."""
    return Invoice(
        number=document.number,
        id=document.id,
        kind=document.kind,
        direction=document.direction,
        state=document.state,
        utility=document.utility,
        run=document.run,
        account=Account(account=document.account, name=document.name, payer_class=document.payer_class, address=document.address, district=document.district),
        period_start=document.period_start,
        period_end=document.period_end,
        currency=document.currency,
        total=money(document.total),
        issued_at=document.issued_at,
        corrects=document.corrects,
        reason=document.reason,
        lines=[_line(line) for line in lines],
        parts=[_part(document, part, kept[part.tariff, part.digest]) for part in parts],
    )


def money(amount: Any) -> str:
    """An amount as text, with two places at least."""
    return show(amount, 2)


def _line(line: Row[Any]) -> InvoiceLine:
    return InvoiceLine(
        seq=line.seq,
        tariff=line.tariff,
        digest=line.digest,
        charge=line.charge,
        kind=line.kind,
        label=json.loads(line.label),
        clause=line.clause,
        amount=money(line.amount),
    )


def _part(document: Row[Any], part: Row[Any], version: TariffVersion) -> InvoicePart:
    facts = json.loads(part.facts)
    rating = explained(version, facts, (document.period_start, document.period_end))
    canonical = json.dumps(as_json(rating), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return InvoicePart(
        tariff=part.tariff,
        effective=version.effective,
        revision=version.revision,
        digest=part.digest,
        language=version.language,
        contract=part.contract,
        facts=facts,
        explanation_digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )
