"""What the command line prints: sentences from the catalogues, tables by rich, text from users never read as markup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing_service import problems
from billing_service.documents.export import Exported
from billing_service.documents.invoice import money
from billing_service.importing import Imported
from billing_service.laboratory.importing import Done
from billing_service.messages import known, text
from billing_service.problems import stored
from billing_service.review import Review, grouped, held_by_rule
from billing_service.runs import Outcome, period_name
from tariffs.errors import Problem

SHOWN = 5
_RIGHT = frozenset({"amount", "total", "accounts", "count", "new", "same", "bad", "values", "below_limit"})


def console(*, error: bool = False) -> Console:
    """Wide enough for a table where nobody's terminal says otherwise."""
    found = Console(stderr=error, highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = 160
    return found


def tell(out: Console, key: str, locale: str, **values: object) -> None:
    """One sentence of the catalogue."""
    out.print(Text(text(key, locale, **values)), soft_wrap=True)


def table(out: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], locale: str) -> None:
    """A plain table; ``columns`` are machine names whose headings the catalogue knows."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(text(f"column.{name}", locale), justify="right" if name in _RIGHT else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    out.print(made)


def word(kind: str, value: str, locale: str) -> str:
    """A machine word (a state, a kind) as people say it."""
    return text(f"{kind}.{value}", locale) if known(f"{kind}.{value}") else value


def shown(amount: Decimal) -> str:
    """An amount for reading, its thousands apart; files and JSON have it plain."""
    return f"{Decimal(money(amount)):,}"


def troubles(out: Console, found: Sequence[Problem], locale: str, limit: int = 0) -> None:
    """Problems with their places; the first ``limit`` where one is given."""
    for one in found[: limit or len(found)]:
        out.print(Text(problems.line_of(one, locale)), soft_wrap=True)
    if limit and len(found) > limit:
        tell(out, "say.more-rows", locale, count=len(found) - limit)


def imported(out: Console, found: Sequence[Imported], locale: str, limit: int) -> None:
    """What each file gave, and every row that was not taken."""
    rows = [(one.file, one.new, one.same, one.bad) for one in found]
    table(out, ("file", "new", "same", "bad"), rows, locale)
    for one in found:
        if not one.new and not one.problems:
            tell(out, "say.nothing-new", locale, file=one.file)
        troubles(out, one.problems, locale, limit)


def laboratory(out: Console, done: Done, locale: str, limit: int) -> None:
    """What a sheet's columns were taken for, how much was read, what was not, and what is wrong or worth a look."""
    found = done.reading
    headings = [(one.cell, one.heading, one.measure or word("lab-role", one.role, locale), one.unit) for one in found.headings]
    if headings:
        table(out, ("cell", "heading", "means", "read_unit"), headings, locale)
    counts: dict[tuple[str, str], list[bool]] = {}
    for one in found.samples:
        counts.setdefault((one.record.account, one.record.measure), []).append(one.record.below)
    if counts:
        table(out, ("account", "measure", "values", "below_limit"), [(*what, len(each), sum(each)) for what, each in counts.items()], locale)
    for key, notes in (("say.lab-left-out", found.left_out), ("say.lab-warnings", found.warnings)):
        if notes:
            tell(out, key, locale)
            troubles(out, notes, locale, limit)
    troubles(out, found.problems, locale, limit)
    if found.problems:
        tell(out, "say.lab-refused", locale, count=len(found.problems))
    else:
        tell(out, "say.lab-stored" if done.stored else "say.lab-would", locale, new=done.imported.new, same=done.imported.same)


def ran(out: Console, outcome: Outcome, locale: str) -> None:
    """What a run did, and what comes next."""
    if outcome.invoices or outcome.differences:
        tell(
            out,
            "say.ran",
            locale,
            run=outcome.id,
            accounts=outcome.accounts,
            contracts=outcome.contracts,
            invoices=outcome.invoices,
            differences=outcome.differences,
        )
    else:
        tell(out, "say.nothing-to-bill", locale, contracts=outcome.contracts)
    if outcome.unchanged or outcome.waiting:
        tell(out, "say.not-twice", locale, unchanged=outcome.unchanged, waiting=outcome.waiting)
    if outcome.parked:
        tell(out, "say.parked", locale, count=outcome.parked, run=outcome.id)
    if outcome.invoices or outcome.differences:
        tell(out, "say.next-review", locale, run=outcome.id)


def settled(out: Console, outcome: Outcome, folder: Path, files: Sequence[str], locale: str) -> None:
    """What a settlement gave, and where to read it."""
    if not outcome.invoices and not outcome.differences:
        tell(out, "say.nothing-to-settle", locale, unchanged=outcome.unchanged, waiting=outcome.waiting)
    else:
        tell(out, "say.settled", locale, run=outcome.id, settlements=outcome.invoices, differences=outcome.differences)
    if outcome.parked:
        tell(out, "say.parked", locale, count=outcome.parked, run=outcome.id)
    if files:
        tell(out, "say.settlement-files", locale, folder=folder, files=", ".join(files))
        tell(out, "say.next-review", locale, run=outcome.id)


def reviewed(out: Console, review: Review, locale: str, limit: int) -> None:
    """The whole review on one screen or two."""
    run = review.run
    period = period_name((run.period_start, run.period_end))
    tell(out, "say.run", locale, run=run.id, period=period, state=word("state", run.state, locale), by=run.created_by)
    tell(out, "say.accounts", locale, billed=review.billed, accounts=review.accounts)
    if any(review.counts.get(name) for name in ("unchanged", "waiting")):
        tell(out, "say.not-twice", locale, unchanged=review.counts["unchanged"], waiting=review.counts["waiting"])
    out.print()
    sums = [(word("kind", kind, locale), word("direction", way, locale), currency, count, shown(total)) for kind, way, currency, count, total in review.sums]
    table(out, ("kind", "direction", "currency", "count", "total"), sums, locale)
    out.print()
    totals = [
        (word("kind", row.kind, locale), row.tariff, row.payer_class, word("line", row.line_kind, locale), row.accounts, row.currency, shown(row.amount))
        for row in review.totals
    ]
    table(out, ("kind", "tariff", "class", "line_kind", "accounts", "currency", "amount"), totals, locale)
    _odd(out, review, locale)
    _held(out, review, locale)
    _exceptions(out, review, locale, limit)
    _next(out, review, locale)


def exported(out: Console, found: Exported, locale: str) -> None:
    """Where the files are."""
    tell(out, "say.exported", locale, folder=found.folder, files=", ".join(found.files), invoices=found.invoices)


def _odd(out: Console, review: Review, locale: str) -> None:
    if review.largest:
        out.print()
        tell(out, "say.largest", locale)
        table(out, ("account", "name", "currency", "total"), [(row.account, row.name, row.currency, shown(row.total)) for row in review.largest], locale)
    if review.zero:
        tell(out, "say.zero", locale, count=review.zero)
    if review.takes_back:
        tell(out, "say.takes-back", locale, count=review.takes_back, known=review.run.known, run=review.run.id)
    if review.differences:
        out.print()
        tell(out, "say.differences", locale, count=len(review.differences))
        rows = [(row.account, row.name, row.currency, shown(row.total)) for row in review.differences[:SHOWN]]
        table(out, ("account", "name", "currency", "total"), rows, locale)
        if len(review.differences) > SHOWN:
            tell(out, "say.more", locale, count=len(review.differences) - SHOWN)


def _held(out: Console, review: Review, locale: str) -> None:
    waiting = [row for row in review.holds if row.state == "held"]
    if not waiting:
        return
    out.print()
    tell(out, "say.held", locale, count=len({row.document for row in waiting}), run=review.run.id)
    for rule, group in held_by_rule(waiting):
        tell(out, "say.held-by", locale, rule=rule, count=len(group))
        rows = [(row.account, row.name, shown(row.total), stored(f"hold-{row.rule}", json.loads(row.values), row.reason, locale)) for row in group[:SHOWN]]
        table(out, ("account", "name", "total", "reason"), rows, locale)
        if len(group) > SHOWN:
            tell(out, "say.more", locale, count=len(group) - SHOWN)


def _exceptions(out: Console, review: Review, locale: str, limit: int) -> None:
    if not review.exceptions:
        return
    out.print()
    tell(out, "say.exceptions", locale, count=len(review.exceptions))
    for code, name, group in grouped(review.exceptions):
        tell(out, "say.group-of" if name else "say.group", locale, code=code, name=name, count=len(group))
        for row in group[: limit or len(group)]:
            reason = stored(row.code, json.loads(row.values), row.reason, locale)
            who = " ".join(part for part in (row.account, row.contract, row.tariff) if part)
            out.print(Text(f"    {row.file}:{row.line}  {who}: {reason}"), soft_wrap=True)
        if limit and len(group) > limit:
            out.print(Text("    " + text("say.more", locale, count=len(group) - limit)))


def _next(out: Console, review: Review, locale: str) -> None:
    step = {"running": "work", "draft": "review", "reviewed": "approve", "approved": "issue", "issuing": "issue", "issued": "export"}.get(review.run.state)
    if step:
        out.print()
        tell(out, f"say.next-{step}", locale, run=review.run.id)


def listed(out: Console, runs: Sequence[Any], locale: str) -> None:
    """All runs, newest first."""
    rows = [(run.id, period_name((run.period_start, run.period_end)), word("state", run.state, locale), run.created_by, run.as_of.isoformat()) for run in runs]
    table(out, ("run", "period", "state", "by", "at"), rows, locale)
