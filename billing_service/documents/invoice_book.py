"""One document as a workbook: what it is, its lines with their reasons, the prices applied, and the days of a settlement."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

from billing_service.documents.capitals import renminbi
from billing_service.documents.layout import applied, called_as, facts, heading, notices, reasons, title, total_label
from billing_service.documents.paper import Paper
from billing_service.documents.settlement import days
from billing_service.documents.workbook import Sheet, write
from billing_service.messages import text
from tariffs.messages import label
from tariffs.report import source_line

LINES = ("seq", "tariff", "title", "label", "clause", "line_kind", "currency", "amount", "reasons")
VERSIONS = ("tariff", "title", "effective", "status", "source", "digest")


def invoice_xlsx(paper: Paper, locale: str) -> bytes:
    """The same document gives the same bytes. The signed total is a number, as are all amounts up to 15 digits."""
    found = BytesIO()
    sheets = [
        (text("paper.sheet.document", locale), Sheet("document", ("item", "amount"), list(_document(paper, locale)))),
        (text("sheet.lines", locale), Sheet("lines", LINES, list(_lines(paper, locale)))),
        (text("paper.sheet.versions", locale), Sheet("versions", VERSIONS, list(_versions(paper, locale)))),
    ]
    measured = [rating for own in paper.ratings.values() for rating in own if rating.rows]
    sheets += [(f"{text('sheet.days', locale)} {at}", days(rating, locale)) for at, rating in enumerate(measured, 1)]
    write(found, sheets, {"amount"}, locale, paper.issued or paper.period[1])
    return found.getvalue()


def _document(paper: Paper, locale: str) -> Iterator[tuple[str, Any]]:
    yield title(paper, locale), paper.utility
    yield from facts(paper, locale)
    yield total_label(paper, locale), paper.total.copy_abs()
    yield text("column.currency", locale), paper.currency
    if paper.currency == "CNY":
        yield text("paper.in-words", locale), renminbi(paper.total.copy_abs())
    for words in notices(paper, locale):
        yield words, ""


def _lines(paper: Paper, locale: str) -> Iterator[tuple[int | str | Decimal, ...]]:
    for seq, entry in enumerate(paper.entries, 1):
        about = (entry.tariff, heading(paper, entry, locale), called_as(paper, entry, locale), entry.clause, text(f"line.{entry.kind}", locale), paper.currency)
        yield seq, *about, entry.amount, "; ".join(reasons(paper, entry, locale))


def _versions(paper: Paper, locale: str) -> Iterator[tuple[Any, ...]]:
    for digest in applied(paper):
        version = paper.versions[digest].model
        named = label(version.title, locale, version.tariff)
        yield version.tariff, named, version.effective, version.status, source_line(version.source), digest
