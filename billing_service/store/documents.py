"""Documents, their parts and lines, and their numbers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, case, exists, func, insert, select, update
from sqlalchemy import text as sql

from billing_service.billing import ChargeKey, Draft, Issued, Key, Line, Part, add_up
from billing_service.store.accounts import beside_documents, of_document
from billing_service.store.bulk import insert_columns
from billing_service.store.ledger import EVERYBODY, Among, chunks, within
from billing_service.store.tables import documents, holds, lines, parts, run_chunks, series

#: Documents that count as issued; one over zero is recorded and has no number.
ISSUED = ("issued", "zero")
#: What a person gave back, whatever the tariff says.
CREDIT = "credit_note"
#: Not issued yet; one that is held waits for a person.
OPEN = ("draft", "held")


def add(
    conn: Connection, utility: str, run: str, start: date, end: date, drafts: Iterable[Draft], known: date | None = None, held: Container[str] = ()
) -> None:
    """Store documents of a run with their parts and lines; those whose id is in ``held`` wait for a person."""
    for piece in chunks(drafts):
        count = len(piece)
        columns: dict[str, list[Any]] = {name: [getattr(draft, name) for draft in piece] for name in _OF_DRAFT}
        columns |= {"run": [run] * count, "period_start": [start] * count, "period_end": [end] * count, "known": [known] * count}
        insert_columns(conn, documents, utility, {**columns, "state": ["held" if draft.id in held else "draft" for draft in piece]})
        given = [(draft.id, seq, part) for draft in piece for seq, part in _counted(draft.parts)]
        columns = {name: [getattr(part, name) for *_, part in given] for name in ("tariff", "contract", "digest", "facts")}
        insert_columns(conn, parts, utility, {"document": [one for one, *_ in given], "seq": [seq for _, seq, _ in given], **columns})
        told = [(draft.id, seq, line) for draft in piece for seq, line in enumerate(draft.lines, 1)]
        columns = {name: [getattr(line, name) for *_, line in told] for name in ("tariff", "digest", "charge", "kind", "label", "clause", "amount")}
        insert_columns(conn, lines, utility, {"document": [one for one, *_ in told], "seq": [seq for _, seq, _ in told], **columns})


def _counted(found: Iterable[Part]) -> Iterator[tuple[int, Part]]:
    """The parts of a document, those of each tariff counted from 1."""
    for _, own in groupby(found, key=lambda part: part.tariff):
        yield from enumerate(own, 1)


def issued(conn: Connection, utility: str, start: date, end: date, among: Among = EVERYBODY) -> dict[Key, Issued]:
    """Everything issued for exactly this period, summed by account, tariff and charge; the newest text of each line stands.

    Credit notes stand beside it: what was forgiven is not billed again by the next correction (decision 30).
    """
    found: dict[Key, tuple[str, str, dict[ChargeKey, Line]]] = {}
    document = documents.c
    query = select(document.account, document.currency, document.direction, *_LINE).select_from(lines.join(documents, _same_document(lines)))
    query = query.where(document.utility == utility, document.period_start == start, document.period_end == end, document.state.in_(ISSUED))
    query = query.where(*within(document.account, among), document.kind != CREDIT)
    for account, currency, direction, *values in conn.execute(query.order_by(document.issued_at, document.id, lines.c.seq)):
        line = Line(*values)
        _, _, charges = found.setdefault((account, line.tariff), (currency, direction, {}))
        add_up(charges, (line.charge, line.kind), line)
    return {key: Issued(*values) for key, values in found.items()}


def drafted(conn: Connection, utility: str, start: date, end: date, among: Among = EVERYBODY) -> set[Key]:
    """(account, tariff) with a line on a document of exactly this period that is not issued yet: also a difference, which claims nothing."""
    document = documents.c
    query = select(document.account, lines.c.tariff).select_from(lines.join(documents, _same_document(lines))).distinct()
    query = query.where(document.utility == utility, document.period_start == start, document.period_end == end, document.state.in_(OPEN))
    query = query.where(*within(document.account, among))
    return {(row.account, row.tariff) for row in conn.execute(query)}


def payable_to(conn: Connection, utility: str, account: str, start: date, end: date) -> list[Row[Any]]:
    """What was issued or is being drafted to be paid to an account, for periods that touch [start, end); by period."""
    document = documents.c
    query = select(documents).where(document.utility == utility, document.account == account, document.direction == "payable")
    query = query.where(document.state.in_((*ISSUED, *OPEN)), document.period_start < end, document.period_end > start)
    return list(conn.execute(query.order_by(document.period_start, document.period_end, document.id)))


def of_run(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's documents with their account's name and class as the run knew them, by account."""
    document = documents.c
    query = _with_account(conn, utility, run).where(document.utility == utility, *_standing(run))
    return list(conn.execute(query.order_by(document.account, document.kind, document.id)))


def by_number(conn: Connection, utility: str, number: str) -> Row[Any] | None:
    """The issued document that bears this number, or this id: one over zero has no number, and is a document all the same."""
    mine = documents.c
    query = select(mine.id, mine.run).where(mine.utility == utility)
    found = conn.execute(query.where(mine.number == number)).first() or conn.execute(query.where(mine.id == number, mine.state.in_(ISSUED))).first()
    return found and conn.execute(_with_account(conn, utility, found.run).where(mine.utility == utility, mine.id == found.id)).first()


def lines_of(conn: Connection, utility: str, *, run: str = "", document: str = "") -> list[Row[Any]]:
    """The lines of a run's documents, or of one; with document number and account, by account and sequence."""
    query = select(lines, documents.c.account, documents.c.number, documents.c.kind.label("document_kind"), documents.c.currency)
    query = query.select_from(lines.join(documents, _same_document(lines))).where(lines.c.utility == utility)
    query = query.where(*_standing(run)) if run else query.where(documents.c.id == document)
    return list(conn.execute(query.order_by(documents.c.account, documents.c.kind, documents.c.id, lines.c.seq)))


def parts_of(conn: Connection, utility: str, *, run: str = "", document: str = "") -> list[Row[Any]]:
    """What each contract gave to a run's documents, or to one; the parts of a tariff in the order of their days."""
    query = select(parts).select_from(parts.join(documents, _same_document(parts))).where(parts.c.utility == utility)
    query = query.where(*_standing(run)) if run else query.where(documents.c.id == document)
    return list(conn.execute(query.order_by(documents.c.account, documents.c.kind, documents.c.id, parts.c.tariff, parts.c.seq)))


def sums(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's documents by kind, direction and currency: how many, how many over zero, their total."""
    document = documents.c
    by = (document.kind, document.direction, document.currency)
    zero = func.sum(case((document.total == Decimal(0), 1), else_=0)).label("zero")
    query = select(*by, func.count().label("count"), zero, func.sum(document.total).label("total")).where(document.utility == utility, *_standing(run))
    return list(conn.execute(query.group_by(*by).order_by(*by)))


def count_billed(conn: Connection, utility: str, run: str) -> int:
    """How many accounts have a document of the run."""
    query = select(func.count(documents.c.account.distinct())).where(documents.c.utility == utility, *_standing(run))
    return conn.execute(query).scalar_one()


def largest(conn: Connection, utility: str, run: str, count: int) -> list[Row[Any]]:
    """The documents of a run with the largest amounts, whatever their sign."""
    query = _with_account(conn, utility, run).where(documents.c.utility == utility, *_standing(run))
    return list(conn.execute(query.order_by(func.abs(documents.c.total).desc(), documents.c.account, documents.c.id).limit(count)))


def differences(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's difference documents, by account."""
    query = _with_account(conn, utility, run).where(documents.c.utility == utility, documents.c.kind == "difference", *_standing(run))
    return list(conn.execute(query.order_by(documents.c.account, documents.c.id)))


def totals(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """Sums by document kind, direction, currency, tariff, class of account and kind of line, with the number of accounts."""
    joined = beside_documents(conn, utility, run, lines.join(documents, _same_document(lines)))
    document, (payer_class,) = documents.c, of_document("class")
    by = (document.kind, document.direction, document.currency, lines.c.tariff, payer_class, lines.c.kind.label("line_kind"))
    query = select(*by, func.count(documents.c.account.distinct()).label("accounts"), func.sum(lines.c.amount).label("amount"))
    query = query.select_from(joined).where(documents.c.utility == utility, *_standing(run))
    return list(conn.execute(query.group_by(*by).order_by(*by)))


def drafts_of(conn: Connection, utility: str, run: str, among: Among) -> list[Row[Any]]:
    """What is to be numbered, in the order of numbers: by account."""
    document = documents.c
    query = select(document.id, document.kind, document.direction, document.total)
    query = query.where(document.utility == utility, document.run == run, document.state == "draft", *within(document.account, among))
    return list(conn.execute(query.order_by(document.account, document.kind, document.id)))


def draft_counts(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """How many documents of each kind and direction are to be numbered in each chunk of a run, in order."""
    document, chunk = documents.c, run_chunks.c
    here = (chunk.utility == document.utility) & (chunk.run == document.run) & document.account.between(chunk.first_account, chunk.last_account)
    query = select(chunk.seq, document.kind, document.direction, func.count().label("count")).select_from(run_chunks.join(documents, here))
    query = query.where(chunk.utility == utility, chunk.run == run, document.state == "draft", document.total != Decimal(0))
    return list(conn.execute(query.group_by(chunk.seq, document.kind, document.direction).order_by(chunk.seq)))


def issue(conn: Connection, utility: str, numbers: Sequence[tuple[str, str, str]], zeros: Sequence[str], at: datetime) -> None:
    """Give documents their numbers, (id, series, number), and mark those over zero as recorded only."""
    ids, kinds, given = (list(column) for column in zip(*numbers, strict=True)) if numbers else ([], [], [])
    mine = update(documents).where(documents.c.utility == utility)
    if conn.dialect.name == "postgresql":
        conn.execute(_NUMBER_ALL, {"utility": utility, "at": at, "ids": ids, "kinds": kinds, "numbers": given})
    elif numbers:
        values = [{"one": one, "kind_": kind, "number_": number} for one, kind, number in numbers]
        change = mine.where(documents.c.id == bindparam("one"))
        conn.execute(change.values(state="issued", series=bindparam("kind_"), number=bindparam("number_"), issued_at=at), values)
    for piece in chunks(zeros):
        conn.execute(mine.where(documents.c.id.in_(piece)).values(state="zero", issued_at=at))


_NUMBER_ALL = sql(
    "UPDATE documents SET state = 'issued', series = given.kind, number = given.number, issued_at = :at "
    "FROM unnest(CAST(:ids AS text[]), CAST(:kinds AS text[]), CAST(:numbers AS text[])) AS given(id, kind, number) "
    "WHERE documents.utility = :utility AND documents.id = given.id"
)


def cancel(conn: Connection, utility: str, run: str) -> None:
    """A cancelled run's documents stay, as cancelled."""
    mine = (documents.c.utility == utility, documents.c.run == run, documents.c.state.in_(OPEN))
    conn.execute(update(documents).where(*mine).values(state="cancelled"))


def change_state(conn: Connection, utility: str, document: str, state: str) -> None:
    """Hold, release or set aside one that is not issued."""
    conn.execute(update(documents).where(documents.c.utility == utility, documents.c.id == document).values(state=state))


def reserve(conn: Connection, utility: str, kind: str, year: int, count: int) -> int:
    """The first of ``count`` numbers, taken from the series for good; without gaps as long as the transaction holds."""
    where = (series.c.utility == utility, series.c.kind == kind, series.c.year == year)
    first = conn.execute(select(series.c.next).where(*where)).scalar()
    if first is None:
        conn.execute(insert(series).values(utility=utility, kind=kind, year=year, next=1 + count))
        return 1
    conn.execute(update(series).where(*where).values(next=first + count))
    return int(first)


_OF_DRAFT = ("id", "kind", "account", "currency", "direction", "total")
_LINE = (lines.c.tariff, lines.c.digest, lines.c.charge, lines.c.kind, lines.c.label, lines.c.clause, lines.c.amount)


def _same_document(table: Any) -> Any:
    return (table.c.utility == documents.c.utility) & (table.c.document == documents.c.id)


def _standing(run: str) -> tuple[ColumnElement[bool], ...]:
    """Documents of a run without those a person set aside to be billed later."""
    aside = (holds.c.utility == documents.c.utility) & (holds.c.document == documents.c.id) & (holds.c.state == "removed")
    return documents.c.run == run, ~exists().where(aside)


def _with_account(conn: Connection, utility: str, run: str) -> Select[Any]:
    """Documents of a run with their accounts as it knew them."""
    return select(documents, *of_document("name", "class", "address", "district")).select_from(beside_documents(conn, utility, run, documents))
