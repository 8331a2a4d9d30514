"""Rows -> a workbook. Text is written as text, never as a formula; money as a number only where a double holds it exactly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from billing_service.documents.invoice import money
from billing_service.messages import text

_EXACT_DIGITS = 15  # what a double holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be written; ``columns`` are its machine names, ``heads`` what stands above them where that is not in the catalogue."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    heads: Sequence[str] = ()


def write(path: Path, sheets: Sequence[tuple[str, Sheet]], money_columns: Collection[str], locale: str) -> None:
    """One tab a sheet, the first row frozen and bold."""
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        head, amount = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00##"})
        for title, sheet in sheets:
            tab = book.add_worksheet(title)
            tab.freeze_panes(1, 0)
            tab.set_column(0, len(sheet.columns) - 1, 16)
            for at, words in enumerate(sheet.heads or [text(f"column.{name}", locale) for name in sheet.columns]):
                tab.write_string(0, at, words, head)
            for down, row in enumerate(sheet.rows, 1):
                for at, (name, cell) in enumerate(zip(sheet.columns, row, strict=True)):
                    _write_cell(tab, down, at, cell, amount if name in money_columns else None)


def _write_cell(tab: Any, down: int, at: int, cell: Any, amount: Any) -> None:
    if isinstance(cell, Decimal):
        if len(cell.as_tuple().digits) <= _EXACT_DIGITS:
            tab.write_number(down, at, cell, amount)
        else:
            tab.write_string(down, at, money(cell))
    elif isinstance(cell, int):
        tab.write_number(down, at, cell)
    else:
        tab.write_string(down, at, str(cell))
