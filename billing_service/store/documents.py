"""Documents, their parts and lines, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from billing_service.billing import ChargeKey, Draft, Issued, Key, Line
from billing_service.store.ledger import chunks
from billing_service.store.tables import accounts, documents, lines, parts, series
from tariffs.money import EXACT

#: Documents that count as issued; one over zero is recorded and has no number.
ISSUED = ("issued", "zero")


def add(conn: Connection, utility: str, run: str, start: date, end: date, drafts: Iterable[Draft]) -> None:
    """Store a run's documents with their parts and lines."""
    for piece in chunks(drafts):
        conn.execute(insert(documents), [_document_row(utility, run, start, end, draft) for draft in piece])
        if any(draft.parts for draft in piece):
            conn.execute(insert(parts), [row for draft in piece for row in _part_rows(utility, draft)])
        conn.execute(insert(lines), [row for draft in piece for row in _line_rows(utility, draft)])


def issued(conn: Connection, utility: str, start: date, end: date) -> dict[Key, Issued]:
    """Everything issued for exactly this period, summed by account, tariff and charge; the newest text of each line stands."""
    found: dict[Key, tuple[str, str, dict[ChargeKey, Line]]] = {}
    document = documents.c
    query = select(document.account, document.currency, document.direction, *_LINE).select_from(lines.join(documents, _same_document(lines)))
    query = query.where(document.utility == utility, document.period_start == start, document.period_end == end, document.state.in_(ISSUED))
    for account, currency, direction, *values in conn.execute(query.order_by(document.issued_at, document.id, lines.c.seq)):
        line = Line(*values)
        _, _, charges = found.setdefault((account, line.tariff), (currency, direction, {}))
        old = charges.get((line.charge, line.kind))
        charges[line.charge, line.kind] = replace(line, amount=EXACT.add(old.amount, line.amount)) if old else line
    return {key: Issued(*values) for key, values in found.items()}


def drafted(conn: Connection, utility: str, start: date, end: date) -> set[Key]:
    """(account, tariff) with a line on a document of exactly this period that is not issued yet: also a difference, which claims nothing."""
    document = documents.c
    query = select(document.account, lines.c.tariff).select_from(lines.join(documents, _same_document(lines))).distinct()
    query = query.where(document.utility == utility, document.period_start == start, document.period_end == end, document.state == "draft")
    return {(row.account, row.tariff) for row in conn.execute(query)}


def payable_to(conn: Connection, utility: str, account: str, start: date, end: date) -> list[Row[Any]]:
    """What was issued or is being drafted to be paid to an account, for periods that touch [start, end); by period."""
    document = documents.c
    query = select(documents).where(document.utility == utility, document.account == account, document.direction == "payable")
    query = query.where(document.state.in_((*ISSUED, "draft")), document.period_start < end, document.period_end > start)
    return list(conn.execute(query.order_by(document.period_start, document.period_end, document.id)))


def of_run(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's documents with their account's name and class, by account."""
    document = documents.c
    return list(conn.execute(_with_account().where(document.utility == utility, document.run == run).order_by(document.account, document.kind, document.id)))


def by_number(conn: Connection, utility: str, number: str) -> Row[Any] | None:
    """The issued document that bears this number."""
    return conn.execute(_with_account().where(documents.c.utility == utility, documents.c.number == number)).first()


def lines_of(conn: Connection, utility: str, *, run: str = "", document: str = "") -> list[Row[Any]]:
    """The lines of a run's documents, or of one; with document number and account, by account and sequence."""
    query = select(lines, documents.c.account, documents.c.number, documents.c.kind.label("document_kind"), documents.c.currency)
    query = query.select_from(lines.join(documents, _same_document(lines))).where(lines.c.utility == utility)
    query = query.where(documents.c.run == run) if run else query.where(documents.c.id == document)
    return list(conn.execute(query.order_by(documents.c.account, documents.c.kind, documents.c.id, lines.c.seq)))


def parts_of(conn: Connection, utility: str, *, run: str = "", document: str = "") -> list[Row[Any]]:
    """What each contract gave to a run's documents, or to one."""
    query = select(parts).select_from(parts.join(documents, _same_document(parts))).where(parts.c.utility == utility)
    query = query.where(documents.c.run == run) if run else query.where(documents.c.id == document)
    return list(conn.execute(query.order_by(documents.c.account, documents.c.kind, documents.c.id, parts.c.tariff)))


def totals(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """Sums by document kind, direction, currency, tariff, class of account and kind of line, with the number of accounts."""
    joined = lines.join(documents, _same_document(lines)).join(accounts, _same_account())
    by = (
        documents.c.kind,
        documents.c.direction,
        documents.c.currency,
        lines.c.tariff,
        accounts.c["class"].label("payer_class"),
        lines.c.kind.label("line_kind"),
    )
    query = select(*by, func.count(documents.c.account.distinct()).label("accounts"), func.sum(lines.c.amount).label("amount"))
    query = query.select_from(joined).where(documents.c.utility == utility, documents.c.run == run)
    return list(conn.execute(query.group_by(*by).order_by(*by)))


def issue(conn: Connection, utility: str, run: str, numbers: Sequence[tuple[str, str, str]], zeros: Sequence[str], at: datetime) -> None:
    """Give documents their numbers, (id, series, number), and mark those over zero as recorded only."""
    change = update(documents).where(documents.c.utility == utility, documents.c.run == run, documents.c.id == bindparam("one"))
    for piece in chunks(numbers):
        values = [{"one": one, "kind_": kind, "number_": number} for one, kind, number in piece]
        conn.execute(change.values(state="issued", series=bindparam("kind_"), number=bindparam("number_"), issued_at=at), values)
    for piece in chunks(zeros):
        conn.execute(change.values(state="zero", issued_at=at), [{"one": one} for one in piece])


def cancel(conn: Connection, utility: str, run: str) -> None:
    """A cancelled run's documents stay, as cancelled."""
    conn.execute(update(documents).where(documents.c.utility == utility, documents.c.run == run).values(state="cancelled"))


def reserve(conn: Connection, utility: str, kind: str, year: int, count: int) -> int:
    """The first of ``count`` numbers, taken from the series for good; without gaps as long as the transaction holds."""
    where = (series.c.utility == utility, series.c.kind == kind, series.c.year == year)
    first = conn.execute(select(series.c.next).where(*where)).scalar()
    if first is None:
        conn.execute(insert(series).values(utility=utility, kind=kind, year=year, next=1 + count))
        return 1
    conn.execute(update(series).where(*where).values(next=first + count))
    return int(first)


_LINE = (lines.c.tariff, lines.c.digest, lines.c.charge, lines.c.kind, lines.c.label, lines.c.clause, lines.c.amount)


def _same_document(table: Any) -> Any:
    return (table.c.utility == documents.c.utility) & (table.c.document == documents.c.id)


def _same_account() -> Any:
    return (documents.c.utility == accounts.c.utility) & (documents.c.account == accounts.c.account)


def _with_account() -> Select[Any]:
    joined = documents.join(accounts, _same_account())
    account = accounts.c
    return select(documents, account.name, account["class"].label("payer_class"), account.address, account.district).select_from(joined)


def _document_row(utility: str, run: str, start: date, end: date, draft: Draft) -> dict[str, Any]:
    return {
        "utility": utility,
        "id": draft.id,
        "run": run,
        "kind": draft.kind,
        "account": draft.account,
        "period_start": start,
        "period_end": end,
        "currency": draft.currency,
        "direction": draft.direction,
        "total": draft.total,
        "state": "draft",
    }


def _part_rows(utility: str, draft: Draft) -> list[dict[str, Any]]:
    return [
        {"utility": utility, "document": draft.id, "tariff": part.tariff, "contract": part.contract, "digest": part.digest, "facts": part.facts}
        for part in draft.parts
    ]


def _line_rows(utility: str, draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "utility": utility,
            "document": draft.id,
            "seq": seq,
            "tariff": line.tariff,
            "digest": line.digest,
            "charge": line.charge,
            "kind": line.kind,
            "label": line.label,
            "clause": line.clause,
            "amount": line.amount,
        }
        for seq, line in enumerate(draft.lines, 1)
    ]
