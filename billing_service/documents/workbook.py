"""Rows -> a workbook. Text is written as text, never as a formula; dates as dates; money as a number only where a double holds it exactly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter

from billing_service.documents.invoice import money
from billing_service.messages import text

#: Rows below the head that a tab can hold; what is more goes on a further tab, where a spreadsheet would drop it in silence.
ROWS = 1_048_575
_EXACT_DIGITS = 15  # what a double holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be written; ``columns`` are its machine names, ``heads`` what stands above them where that is not in the catalogue."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    heads: Sequence[str] = ()


def write(path: Path | BytesIO, sheets: Sequence[tuple[str, Sheet]], money_columns: Collection[str], locale: str, created: date | None = None) -> None:
    """One tab a sheet (more where a tab is full), the first row frozen and bold. With a date of creation the same rows give the same bytes."""
    target = path if isinstance(path, BytesIO) else str(path)
    with xlsxwriter.Workbook(target, {"constant_memory": True}) as book:
        if created is not None:
            book.set_properties({"created": datetime(created.year, created.month, created.day)})  # noqa: DTZ001 - a workbook's times have no zone
        head, amount = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00##"})
        day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        for title, sheet in sheets:
            for part, first in enumerate(range(0, max(len(sheet.rows), 1), ROWS), 1):
                tab = book.add_worksheet(title if part == 1 else f"{title} {part}")
                tab.freeze_panes(1, 0)
                tab.set_column(0, len(sheet.columns) - 1, 16)
                for at, words in enumerate(sheet.heads or [text(f"column.{name}", locale) for name in sheet.columns]):
                    tab.write_string(0, at, words, head)
                for down, row in enumerate(sheet.rows[first : first + ROWS], 1):
                    for at, (name, cell) in enumerate(zip(sheet.columns, row, strict=True)):
                        _write_cell(tab, down, at, cell, amount if name in money_columns else None, day)


def _write_cell(tab: Any, down: int, at: int, cell: Any, amount: Any, day: Any) -> None:
    if isinstance(cell, Decimal):
        if len(cell.as_tuple().digits) <= _EXACT_DIGITS:
            tab.write_number(down, at, cell, amount)
        else:
            tab.write_string(down, at, money(cell))
    elif isinstance(cell, date):
        tab.write_datetime(down, at, cell, day)
    elif isinstance(cell, int):
        tab.write_number(down, at, cell)
    else:
        tab.write_string(down, at, str(cell))
