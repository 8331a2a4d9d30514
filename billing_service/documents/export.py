"""A run as files: ``run.xlsx``, three CSV and one JSON per numbered document. Rows are built once and written twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

from billing_service.documents.invoice import assemble, kept_versions, money
from billing_service.documents.settlement import write_settlements
from billing_service.documents.workbook import Sheet, write
from billing_service.messages import stored_label, text
from billing_service.problems import own_name, refused, stored
from billing_service.review import TOTALS, Review, total_cells
from billing_service.store import documents, runs
from billing_service.store.connect import Connection
from tariffs.money import EXACT

INVOICES = ("number", "kind", "direction", "state", "account", "name", "class", "district", "period_start", "period_end", "currency", "total", "id")
LINES = ("number", "account", "document_kind", "seq", "tariff", "digest", "charge", "kind", "label", "clause", "currency", "amount")
EXCEPTIONS = ("account", "contract", "tariff", "code", "reason", "file", "line")
MONEY = frozenset({"total", "amount"})
#: Documents of a run whose workbook is made in memory, for one answer.
MOST = 50_000


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the files are."""

    folder: Path
    files: tuple[str, ...]
    invoices: int


def export(conn: Connection, utility: str, review: Review, folder: Path, locale: str, progress: Callable[[str, int, int], None]) -> Exported:
    """Write a run's files into ``folder``; files of an earlier export of the same run are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    run = review.run.id
    found = documents.of_run(conn, utility, run)
    sheets = _sheets(conn, utility, review, found, locale)
    for sheet in sheets[1:]:
        _write_csv(folder / f"{sheet.name}.csv", sheet.columns, sheet.rows)
    write(folder / "run.xlsx", _titled(sheets, locale), MONEY, locale)
    written = _write_invoices(conn, utility, run, found, folder / "invoices", progress)
    settled = [f"settlements/{name}" for name in write_settlements(conn, utility, run, folder / "settlements")]
    return Exported(folder, ("run.xlsx", "invoices.csv", "lines.csv", "exceptions.csv", *settled), written)


def run_xlsx(conn: Connection, utility: str, review: Review, day: date, locale: str) -> bytes:
    """The workbook of a run by itself; the same run gives the same bytes. Refused: more documents than an answer should hold."""
    count = sum(one for *_, one, _total in review.sums)
    if count > MOST:
        raise refused("run-too-large", run=review.run.id, count=count, most=MOST)
    found = BytesIO()
    sheets = _sheets(conn, utility, review, documents.of_run(conn, utility, review.run.id), locale)
    write(found, _titled(sheets, locale), MONEY, locale, day)
    return found.getvalue()


def _sheets(conn: Connection, utility: str, review: Review, found: Sequence[Any], locale: str) -> list[Sheet]:
    run = review.run.id
    return [
        Sheet("summary", TOTALS, [*(total_cells(row) for row in review.totals), *_sums(review, locale)]),
        Sheet("invoices", INVOICES, [_invoice_row(row) for row in found]),
        Sheet("lines", LINES, [_line_row(row, locale) for row in documents.lines_of(conn, utility, run=run)]),
        Sheet("exceptions", EXCEPTIONS, [_exception_row(row, locale) for row in runs.exceptions_of(conn, utility, run)]),
    ]


def _titled(sheets: Iterable[Sheet], locale: str) -> list[tuple[str, Sheet]]:
    return [(text(f"sheet.{sheet.name}", locale), sheet) for sheet in sheets]


def _sums(review: Review, locale: str) -> list[list[Any]]:
    """What the documents come to: the lines of each kind of document; refunds and contained tax are no part of it."""
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in review.totals:
        if row.line_kind == "line":
            key = (row.kind, row.direction, row.currency)
            sums[key] = EXACT.add(sums.get(key, Decimal(0)), row.amount)
    return [[*key, text("summary.total", locale), "", "line", "", amount] for key, amount in sums.items()]


def _write_invoices(conn: Connection, utility: str, run: str, found: Sequence[Any], folder: Path, progress: Callable[[str, int, int], None]) -> int:
    numbered = [row for row in found if row.number]
    if not numbered:
        return 0
    folder.mkdir(exist_ok=True)
    lines = {key: list(group) for key, group in groupby(documents.lines_of(conn, utility, run=run), key=lambda row: row.document)}
    parts = {key: list(group) for key, group in groupby(documents.parts_of(conn, utility, run=run), key=lambda row: row.document)}
    kept = kept_versions(conn, utility, [part for group in parts.values() for part in group])
    for done, row in enumerate(numbered):
        invoice = assemble(row, lines.get(row.id, []), parts.get(row.id, []), kept)
        (folder / f"{row.number}.json").write_text(json.dumps(invoice.model_dump(mode="json", by_alias=True), ensure_ascii=False, indent=1) + "\n", "utf-8")
        if done % 500 == 0:
            progress("invoices", done, len(numbered))
    return len(numbered)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    # With a byte order mark, since spreadsheets take a CSV without one for the local encoding.
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([money(cell) if name in MONEY else _plain(cell) for name, cell in zip(columns, row, strict=True)] for row in rows)


def _plain(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula, kept text by an apostrophe; the JSON has it as it was given."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _invoice_row(row: Any) -> list[Any]:
    period = (row.period_start, row.period_end)
    who = (row.account, row.name, row.payer_class, row.district)
    return [row.number or "", row.kind, row.direction, row.state, *who, *period, row.currency, row.total, row.id]


def _line_row(row: Any, locale: str) -> list[Any]:
    label = stored_label(row.label, locale, row.charge)
    return [
        row.number or "",
        row.account,
        row.document_kind,
        row.seq,
        row.tariff,
        row.digest,
        row.charge,
        row.kind,
        label,
        row.clause,
        row.currency,
        row.amount,
    ]


def _exception_row(row: Any, locale: str) -> list[Any]:
    reason = stored(row.code, json.loads(row.values), row.reason, locale)
    return [row.account, row.contract, row.tariff, row.code, reason, own_name(row.file), row.line]
