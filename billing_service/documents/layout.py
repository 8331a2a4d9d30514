"""A document or a run as the words and figures of its printed form: every label from the catalogues, every number already text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from math import ceil
from typing import Any

from billing_service.documents.capitals import renminbi
from billing_service.documents.invoice import money
from billing_service.documents.paper import Entry, Paper
from billing_service.messages import known, text
from billing_service.review import Review, exception_json, grouped
from billing_service.store.documents import CREDIT
from tariffs import Rating, daily, report
from tariffs.messages import label, language_of
from tariffs.messages import text as say
from tariffs.money import EXACT, total
from tariffs.words import Sentence, called, reader, sentences

#: Reasons under one line; the whole explanation is in the document's JSON.
REASONS = 8
#: Exceptions of one code in a run's summary.
SHOWN = 5

#: Columns of figures beside the day.
COLUMNS = 12

Laid = dict[str, Any]


def title(paper: Paper, locale: str) -> str:
    """What kind of document it is, for whom."""
    kind = "settlement" if paper.direction == "payable" else "invoice"
    if paper.kind == CREDIT:
        kind = "credit"
    elif paper.kind == "difference":
        kind = "settlement-difference" if kind == "settlement" else "credit" if paper.total < 0 else "difference"
    return text(f"paper.title.{kind}", locale)


def facts(paper: Paper, locale: str) -> list[tuple[str, str | date]]:
    """Label and value of everything said about the document and who it goes to; a date as a date."""
    first, after = paper.period
    found: list[tuple[str, str | date]] = [
        (text("paper.number", locale), paper.number or (paper.id if paper.state == "zero" else text("paper.no-number", locale)))
    ]
    if paper.issued:
        found.append((text("paper.issued", locale), paper.issued))
    found += [(text("paper.first-day", locale), first), (text("paper.last-day", locale), after - timedelta(days=1))]
    found.append((text("paper.run", locale), paper.run))
    if paper.corrects:
        found.append((text("paper.corrects", locale), ", ".join(paper.corrects)))
    if paper.reason:
        found.append((text("paper.reason", locale), paper.reason))
    found += [(text("paper.account", locale), paper.account), (text("paper.name", locale), paper.name)]
    rest = {"address": paper.address, "district": paper.district, "class": paper.payer_class}
    return found + [(text(f"paper.{name}", locale), value) for name, value in rest.items() if value]


def document(paper: Paper, locale: str) -> Laid:
    """The whole document; ``groups`` by tariff and part of the period, each with its subtotal."""
    groups = [_group(paper, list(entries), locale) for _, entries in groupby(paper.entries, key=lambda entry: (entry.tariff, entry.part))]
    head = facts(paper, locale)
    split = next(at for at, (name, _) in enumerate(head) if name == text("paper.account", locale))
    return {
        **_frame(title(paper, locale), paper.number, paper.issued or paper.period[1], paper.utility, locale),
        "watermark": "" if paper.state in {"issued", "zero"} else text(f"paper.watermark.{'cancelled' if paper.state == 'cancelled' else 'draft'}", locale),
        "notices": list(notices(paper, locale)),
        "about": _plain(head[:split]),
        "whom": _plain(head[split:]),
        "columns": [text(f"paper.column.{name}", locale) for name in ("item", "clause", "amount")],
        "groups": groups,
        "sums": [[total_label(paper, locale), f"{figure(paper.total.copy_abs())} {paper.currency}"]],
        "words": _in_words(paper, locale),
        "versions": [text("paper.versions", locale), [_version(paper, digest, locale) for digest in applied(paper)]],
        "appendix": [table for own in paper.ratings.values() for rating in own if rating.rows for table in _days(rating, locale)],
    }


def total_label(paper: Paper, locale: str) -> str:
    """Who owes the total to whom; what is below zero goes the other way and is shown without its sign."""
    if paper.total < 0:
        return text("paper.total.from-operator" if paper.direction == "payable" else "paper.total.credited", locale)
    return text("paper.total.to-operator" if paper.direction == "payable" else "paper.total.due", locale)


def figure(amount: Decimal) -> str:
    """An amount for reading, its thousands apart."""
    return f"{Decimal(money(amount)):,}"


def reasons(paper: Paper, entry: Entry, locale: str) -> list[str]:
    """Where a line's amount comes from, in short: the quantities and prices, and for a difference what it stands between."""
    ratings = paper.ratings.get(entry.tariff, ())
    own = ratings if entry.part is None else ratings[entry.part : entry.part + 1]
    lines = [(rating, line) for rating in own for line in rating.lines if (line.charge.full_name, line.charge.kind) == (entry.charge, entry.kind)]
    found: list[str] = []
    if paper.kind == "difference":
        now = total(line.amount for _, line in lines)
        found.append(text("paper.difference", locale, now=figure(now), before=figure(EXACT.subtract(now, entry.amount))))
    for rating, line in lines:
        if len(lines) > 1 and rating.period:
            found.append(text("paper.part", locale, **_days_of(rating.period)))
        told = _short(list(sentences(reader(rating.version, locale), line.step)))
        found += told[:REASONS] + ([text("paper.more-reasons", locale)] if len(told) > REASONS else [])
    return found


def heading(paper: Paper, entry: Entry, locale: str) -> str:
    """The title of a line's version, with its days where they are not the whole period."""
    named = label(paper.versions[entry.digest].title, locale, entry.tariff)
    ratings = paper.ratings.get(entry.tariff, ())
    days = ratings[entry.part].period if entry.part is not None and entry.part < len(ratings) else None
    return named if days in (None, paper.period) else text("paper.of-days", locale, title=named, **_days_of(days))


def applied(paper: Paper) -> list[str]:
    """The digests of all versions a document is computed by, also of parts that left no line of their own on a difference."""
    rated = (rating.version.digest for own in paper.ratings.values() for rating in own)
    return [digest for digest in dict.fromkeys((*rated, *(one.digest for one in paper.entries))) if digest in paper.versions]


def _days_of(days: tuple[date, date]) -> dict[str, date]:
    return {"first": days[0], "last": days[1] - timedelta(days=1)}


def _short(told: list[Sentence]) -> list[str]:
    """The two upper levels; what only announces a level left out ("the sum of:") is left out with it."""
    after = [*(depth for depth, _ in told[1:]), 0]
    return [words for (depth, words), following in zip(told, after, strict=True) if depth == 0 or (depth == 1 and following <= 1)]


def called_as(paper: Paper, entry: Entry, locale: str) -> str:
    """The line's label with the members of its key, and its kind where it is not simply billed."""
    who = reader(paper.versions[entry.digest].model, locale)
    name = called(who, entry.charge) if label(entry.label, locale) else entry.charge
    return name if entry.kind == "line" else text("paper.contained" if entry.kind == "included" else "paper.refund", locale, label=name)


def run(review: Review, utility: str, day: date, locale: str) -> Laid:
    """A run's summary: what was billed, by kind and by tariff, and what was not, with reasons."""
    row = review.run
    last = row.period_end - timedelta(days=1)
    who = {"created": row.created_by, "reviewed": row.reviewed_by, "approved": row.approved_by, "issued": row.issued_by}
    return {
        **_frame(text("paper.title.run", locale), row.id, day, utility, locale),
        "watermark": "",
        "about": [
            [text("paper.run", locale), row.id],
            [text("paper.first-day", locale), row.period_start.isoformat()],
            [text("paper.last-day", locale), last.isoformat()],
            [text("column.state", locale), _word("state", row.state, locale)],
            [text("paper.accounts", locale), text("paper.billed-of", locale, billed=review.billed, accounts=review.accounts)],
        ],
        "whom": [[text(f"paper.by.{step}", locale), name] for step, name in who.items() if name],
        "notices": [],
        "tables": list(_run_tables(review, locale)),
    }


def _run_tables(review: Review, locale: str) -> Iterator[Laid]:
    sums = [
        [_word("kind", kind, locale), _word("direction", way, locale), currency, str(count), figure(amount)]
        for kind, way, currency, count, amount in review.sums
    ]
    yield _table("documents", ("kind", "direction", "currency", "count", "total"), sums, 2, locale)
    rows = [
        [
            _word("kind", row.kind, locale),
            row.tariff,
            row.payer_class,
            _word("line", row.line_kind, locale),
            str(row.accounts),
            row.currency,
            figure(row.amount),
        ]
        for row in review.totals
    ]
    yield _table("by-tariff", ("kind", "tariff", "class", "line_kind", "accounts", "currency", "amount"), rows, 1, locale)
    if review.largest:
        large = [[row.account, row.name, row.currency, figure(row.total)] for row in review.largest]
        yield _table("largest", ("account", "name", "currency", "total"), large, 1, locale)
    if review.exceptions:
        odd = []
        for code, _, group in grouped(review.exceptions):
            told = [exception_json(row, locale) for row in group[:SHOWN]]
            odd += [[one["code"], one["account"], one["reason"], f"{one['file']}:{one['line']}"] for one in told]
            if len(group) > SHOWN:
                odd.append([code, "", text("paper.more-exceptions", locale, count=len(group) - SHOWN), ""])
        yield _table("exceptions", ("code", "account", "reason", "file"), odd, 0, locale)


def _table(name: str, columns: tuple[str, ...], rows: list[list[str]], right: int, locale: str) -> Laid:
    """``right`` columns at the end hold figures."""
    heads = [text(f"column.{column}", locale) for column in columns]
    return {"title": text(f"paper.table.{name}", locale), "heads": heads, "rows": rows, "right": right}


def _frame(name: str, number: str, day: date, utility: str, locale: str) -> Laid:
    language = language_of(locale)
    page = text("paper.page", locale, page="{n}", pages="{of}")
    return {"title": name, "number": number, "date": [day.year, day.month, day.day], "issuer": utility, "lang": language, "page": page}


def notices(paper: Paper, locale: str) -> Iterator[str]:
    """What must not be overlooked: not issued, not law, only a difference, part of a shared meter."""
    if paper.state in {"draft", "cancelled", "zero"}:
        yield text(f"paper.notice.{paper.state}", locale)
    for status in dict.fromkeys(version.status for version in paper.versions.values()):
        if status != "published":
            yield say(f"report.status.{status}", locale)
    if paper.kind == "difference":
        yield text("paper.notice.difference", locale)
    for one in paper.divided:
        last = date.fromisoformat(one["end"]) - timedelta(days=1)
        yield text("paper.notice.shared-meter", locale, **one, last=last)


def _group(paper: Paper, entries: list[Entry], locale: str) -> Laid:
    counted = total(entry.amount for entry in entries if entry.kind == "line")
    rows = [
        {
            "name": called_as(paper, one, locale),
            "why": reasons(paper, one, locale),
            "clause": one.clause,
            "amount": figure(one.amount),
            "aside": one.kind != "line",
        }
        for one in entries
    ]
    return {"title": heading(paper, entries[-1], locale), "rows": rows, "subtotal": [text("paper.subtotal", locale), figure(counted)]}


def _in_words(paper: Paper, locale: str) -> list[str]:
    if language_of(locale) != "zh" or paper.currency != "CNY":
        return []
    return [text("paper.in-words", locale), renminbi(paper.total.copy_abs())]


def _version(paper: Paper, digest: str, locale: str) -> list[str]:
    version = paper.versions[digest].model
    return [
        text("paper.version", locale, title=label(version.title, locale, version.tariff), rule=report.in_force(version, locale)),
        say("report.source", locale, source=report.source_line(version.source)),
        say("report.digest", locale, digest=digest),
    ]


def _days(rating: Rating, locale: str) -> Iterator[Laid]:
    """The days of a settlement, as many tables as keep the figures large enough to read; the day stands in each."""
    who = reader(rating.version, locale)
    heads, rows = daily.table(who, rating)
    marks = [f"* {words}" for words in daily.filled(who, rating)]
    wide = ceil((len(heads) - 1) / ceil((len(heads) - 1) / COLUMNS))
    for at in range(1, len(heads), wide):
        part = [[row[0], *row[at : at + wide]] for row in (heads, *rows)]
        yield {"title": daily.title(rating, locale), "heads": part[0], "rows": part[1:], "marks": marks if at + wide >= len(heads) else []}


def _word(kind: str, value: str, locale: str) -> str:
    return text(f"{kind}.{value}", locale) if known(f"{kind}.{value}") else value


def _plain(found: list[tuple[str, str | date]]) -> list[Mapping[str, str] | list[str]]:
    return [[name, as_words(value)] for name, value in found]


def as_words(value: str | date) -> str:
    """A fact of a document as text; a day as ISO 8601 has it."""
    return value.isoformat() if isinstance(value, date) else value
