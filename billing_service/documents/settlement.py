"""A settlement as files, for the city and the operator alike: the amounts, the reasons down to the day, and the days themselves.

Text and workbook in both languages, JSON once. A draft is written too, so that both sides can look before it is issued.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from billing_service.billing import series_of
from billing_service.documents.invoice import assemble, kept_versions, money
from billing_service.documents.workbook import Sheet, write
from billing_service.messages import stored_label, text
from billing_service.partial import explained
from billing_service.store import documents
from billing_service.store.connect import Connection
from tariffs import Rating, TariffVersion, daily, report
from tariffs.messages import LANGUAGES, label
from tariffs.messages import text as say
from tariffs.model import RatedRow
from tariffs.report import as_json
from tariffs.words import Reader, called, reader


@dataclass(frozen=True, slots=True)
class Settlement:
    """A stored document with its lines, its wire form, and the rating behind each part."""

    row: Any
    lines: Sequence[Any]
    wire: dict[str, Any]
    kept: dict[tuple[str, str], TariffVersion]
    ratings: tuple[Rating, ...]

    @property
    def name(self) -> str:
        """The number; before there is one, the kind and the account."""
        return str(self.row.number or f"{self.row.state}-{series_of(self.row.kind, self.row.direction)}-{self.row.account}")


def write_settlements(conn: Connection, utility: str, run: str, folder: Path) -> list[str]:
    """All documents of a run that pay an operator, each as five files; their names."""
    found = [row for row in documents.of_run(conn, utility, run) if row.direction == "payable"]
    if found:
        folder.mkdir(parents=True, exist_ok=True)
    return [name for row in found for name in _write(_read(conn, utility, row), folder)]


def _read(conn: Connection, utility: str, row: Any) -> Settlement:
    lines, parts = documents.lines_of(conn, utility, document=row.id), documents.parts_of(conn, utility, document=row.id)
    kept = kept_versions(conn, utility, (*lines, *parts))
    ratings = tuple(explained(kept[part.tariff, part.digest], json.loads(part.facts), (row.period_start, row.period_end)) for part in parts)
    return Settlement(row, lines, assemble(row, lines, parts, kept).model_dump(mode="json", by_alias=True), kept, ratings)


def _write(one: Settlement, folder: Path) -> Iterator[str]:
    whole = one.wire | {"explanations": [as_json(rating) for rating in one.ratings]}
    (folder / f"{one.name}.json").write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
    yield f"{one.name}.json"
    for locale in LANGUAGES:
        (folder / f"{one.name}.{locale}.txt").write_text(as_text(one, locale), "utf-8")
        yield f"{one.name}.{locale}.txt"
        write(folder / f"{one.name}.{locale}.xlsx", list(_sheets(one, locale)), {"amount"}, locale)
        yield f"{one.name}.{locale}.xlsx"


# --- text ---------------------------------------------------------------------------------------------------------


def as_text(one: Settlement, locale: str) -> str:
    """The document, then the explanation of each contract, then its days."""
    parts = [[*_head(one, locale)], report.aligned([(name, shown) for name, _, shown in _amounts(one, locale)])]
    if not one.ratings:
        parts.append([text("settlement.taken-back", locale)])
    elif one.row.kind == "difference":
        parts.append([text("settlement.is-difference", locale)])
    found = ["\n".join(part) + "\n" for part in parts]
    for rating in one.ratings:
        found.append(report.text(rating, locale))
        if days := report.appendix(rating, locale):
            found.append(f"{text('settlement.appendix', locale)}\n\n{days}")
    return "\n".join(found)


def _head(one: Settlement, locale: str) -> Iterator[str]:
    row = one.row
    kind = "difference" if row.kind == "difference" else "settlement"
    yield text(f"settlement.title.{kind}", locale, number=row.number or f"({text('settlement.draft', locale)})")
    yield text("settlement.plant", locale, name=row.name, account=row.account)
    yield text("settlement.period", locale, start=row.period_start, last=row.period_end - timedelta(days=1))
    for version in one.kept.values():
        yield label(version.title, locale, version.id)
        if version.status != "published":
            yield say(f"report.status.{version.status}", locale)
    if row.issued_at is not None:
        yield text("settlement.issued", locale, at=row.issued_at.isoformat(timespec="seconds"))


def _amounts(one: Settlement, locale: str) -> Iterator[tuple[str, Decimal, str]]:
    """Item, amount, and the amount as text; the total last."""
    who: dict[tuple[str, str], Reader] = {name: reader(version.model, locale) for name, version in one.kept.items()}
    for line in one.lines:
        name = called(who[line.tariff, line.digest], line.charge) if stored_label(line.label, locale, "") else line.charge
        if line.kind != "line":
            name = text("settlement.contained" if line.kind == "included" else "settlement.refund", locale, label=name)
        yield name, line.amount, f"{money(line.amount)} {one.row.currency}"
    total = one.row.total
    yield text("settlement.to-pay-back" if total < 0 else "settlement.total", locale), total.copy_abs(), f"{money(total.copy_abs())} {one.row.currency}"


# --- workbook -----------------------------------------------------------------------------------------------------


def _sheets(one: Settlement, locale: str) -> Iterator[tuple[str, Sheet]]:
    amounts = [*((line, "") for line in _head(one, locale)), *((name, amount) for name, amount, _ in _amounts(one, locale))]
    yield text("sheet.settlement", locale), Sheet("settlement", ("item", "amount"), amounts)
    for at, rating in enumerate(one.ratings):
        behind = f" {at + 1}" if at else ""
        words = report.text(rating, locale).splitlines()
        yield text("sheet.explanation", locale) + behind, Sheet("explanation", ("explained",), [(line,) for line in words])
        if rating.rows:
            yield text("sheet.days", locale) + behind, days(rating, locale)


def days(rating: Rating, locale: str) -> Sheet:
    """Numbers as numbers; what stands in for a measurement is named in the last column."""
    stage, who = rating.version.stage, reader(rating.version, locale)
    assert stage is not None, "only a stage has rows"
    inputs, charges = stage.inputs, stage.charges
    heads = [f"{called(who, name)} ({unit})" if unit.powers else called(who, name) for name, unit in [
        *((item.full_name, item.type.unit) for item in inputs),
        *((charge.full_name, charge.formula.type.unit) for charge in charges),
    ]]  # fmt: skip
    rows = []
    for rated in rating.rows:
        amounts = {line.charge.full_name: line.amount for line in rated.lines}
        numbers = [*(rated.row.numbers.get(item.full_name) for item in inputs), *(amounts.get(charge.full_name) for charge in charges)]
        stands_in = [f"{called(who, name)}: {say(f'report.fill.{how}', locale)}" for name, how in rated.row.filled.items()]
        rows.append([_day(rated), *("" if number is None else number for number in numbers), "; ".join(stands_in)])
    return Sheet("days", ("day", *("amount" for _ in heads), "filled"), rows, (say("report.day", locale), *heads, text("column.filled", locale)))


def _day(rated: RatedRow) -> date | str:
    """A single day as a date a spreadsheet can sort by; a span, or a day at one of several points, in words."""
    one = rated.row.end - rated.row.start == timedelta(days=1) and not rated.row.point
    return rated.row.start if one else daily.day(rated.row)
