"""Documents as PDF (PDF/A-2u), by typst: data in, bytes out, the same bytes for the same data.

What people typed reaches typst as JSON in ``sys.inputs``, never as text of a template, so nothing in it is markup.
A character the font does not have, or that steers a line's direction, is printed as 〓 and named by its code point
in a note: the bill goes out, and says what it could not print. Whatever slips past is an error of PDF/A, not an empty box.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import cache
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import typst
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from billing_service.documents import layout
from billing_service.documents.paper import Paper
from billing_service.messages import text
from billing_service.problems import refused
from billing_service.review import Review
from tariffs.fonts import packaged

FAMILY = "Noto Sans SC"
MISSING = "〓"  # what Chinese printing sets where the type is lacking
_TEMPLATES = Path(__file__).parent / "templates"
_LONG_WORD = re.compile(r"([!-~]{24})(?=[!-~])")
_BREAK = "\u200b"  # a place where a long word may be broken; it has no glyph

_FEW, _PART = 100, 1000  # pages one process sets sooner than others can be started; pages handed out at a time

Page = tuple[str, str]  # name of the template, data as JSON


def invoice_pdf(paper: Paper, locale: str) -> bytes:
    """An invoice, a difference or a settlement: one layout, since a settlement is an invoice whose direction is payable."""
    return typeset(invoice_page(paper, locale))


def run_pdf(review: Review, utility: str, day: date, locale: str) -> bytes:
    """The summary of a run; ``utility`` is the issuer's name, ``day`` the date the paper bears."""
    return typeset(_page("run.typ", layout.run(review, utility, day, locale), locale))


def invoice_page(paper: Paper, locale: str) -> Page:
    """What ``typeset`` takes, small and picklable, so that other processes can set it."""
    return _page("document.typ", layout.document(paper, locale), locale)


def typeset(page: Page) -> bytes:
    """The PDF of a page. A compiler of its own each time: typst's may not be shared between threads."""
    template, data = page
    compiler = typst.Compiler(str(_TEMPLATES / template), root=str(_TEMPLATES), font_paths=_fonts(), sys_inputs={"data": data})
    year, month, day = json.loads(data)["date"]
    found, warnings = compiler.compile_with_warnings(format="pdf", pdf_standards="a-2u", timestamp=datetime(year, month, day, tzinfo=UTC))
    assert not warnings, [warning.message for warning in warnings]
    assert isinstance(found, bytes), "a PDF is one file"
    return found


def typeset_all(pages: Iterable[Page], processes: int) -> Iterator[bytes]:
    """Many pages in their order, a few of them in this process. typst does not run faster on threads, so each process sets its own share."""
    waiting = iter(pages)
    first = list(islice(waiting, _FEW))
    if processes < 2 or len(first) < _FEW:
        yield from map(typeset, chain(first, waiting))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        while first:  # a part at a time: a pool takes all it is given into memory
            yield from pool.map(typeset, first, chunksize=16)
            first = list(islice(waiting, _PART))


def _page(template: str, laid: layout.Laid, locale: str) -> Page:
    missing: dict[str, None] = {}
    shown = _printable(laid, missing)
    note = text("paper.missing", locale, mark=MISSING, points=", ".join(missing)) if missing else ""
    return template, json.dumps({**shown, "missing": note}, ensure_ascii=False)


def _printable(value: Any, missing: dict[str, None]) -> Any:
    """The same data with every text printable; code points that are not are added to ``missing``."""
    if isinstance(value, dict):
        return {name: _printable(one, missing) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one, missing) for one in value]
    return _printable_text(value, missing) if isinstance(value, str) else value


def _printable_text(words: str, missing: dict[str, None]) -> str:
    known, found = _covered(), []
    for sign in " ".join(unicodedata.normalize("NFC", words).split()):
        if sign == " " or (ord(sign) in known and unicodedata.category(sign) not in {"Cc", "Cf"}):
            found.append(sign)
        else:
            missing[f"U+{ord(sign):04X}"] = None
            found.append(MISSING)
    return _LONG_WORD.sub(rf"\1{_BREAK}", "".join(found))


@cache
def _font_file() -> Path:
    """The variable font of simplified Chinese from the package that carries it (SIL Open Font License)."""
    found = packaged()
    if found is None:
        raise refused("pdf-font-missing", family=FAMILY)
    return found


@cache
def _fonts() -> typst.Fonts:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_font_file().parent)])
    if FAMILY not in fonts.families():
        raise refused("pdf-font-missing", family=FAMILY)
    return fonts


@cache
def _covered() -> frozenset[int]:
    with TTFont(str(_font_file()), lazy=True) as font:
        return frozenset(font.getBestCmap())
