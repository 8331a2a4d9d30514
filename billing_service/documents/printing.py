"""Documents to files: one by its number, or all of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from billing_service.documents import paper
from billing_service.documents.invoice_book import invoice_xlsx
from billing_service.documents.pdf import Page, invoice_page, invoice_pdf, run_pdf, typeset_all
from billing_service.problems import refused
from billing_service.review import Review, run_day
from billing_service.settings import Settings
from billing_service.store import utilities
from billing_service.store.connect import Connection

_FORMS = {".pdf": invoice_pdf, ".xlsx": invoice_xlsx}


def print_one(conn: Connection, settings: Settings, number: str, path: Path, locale: str) -> None:
    """An issued document as the kind of file that its name asks for."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise refused("document-format", file=path)
    found = paper.by_number(conn, settings, number)
    if found is None:
        raise refused("no-such-document", number=number)
    if not path.parent.is_dir():
        raise refused("document-folder", file=path, folder=path.parent)
    path.write_bytes(form(found, locale))


def print_run(conn: Connection, settings: Settings, review: Review, folder: Path, locale: str, progress: Callable[[str, int, int], None]) -> int:
    """``run.pdf``, and a PDF of each document in ``pdf/``, drafts too, marked as such; how many documents."""
    (folder / "pdf").mkdir(parents=True, exist_ok=True)
    row = review.run
    (folder / "run.pdf").write_bytes(run_pdf(review, utilities.name_of(conn, settings.utility, row.issued_at), run_day(review, settings.timezone), locale))
    names: list[str] = []
    done = 0
    for done, content in enumerate(typeset_all(_pages(conn, settings, row.id, locale, names), os.cpu_count() or 1), 1):
        (folder / "pdf" / f"{names[done - 1]}.pdf").write_bytes(content)
        progress("invoices", done, sum(count for *_, count, _total in review.sums))
    return done


def _pages(conn: Connection, settings: Settings, run: str, locale: str, names: list[str]) -> Iterator[Page]:
    for one in paper.of_run(conn, settings, run):
        names.append(one.file_name)
        yield invoice_page(one, locale)
