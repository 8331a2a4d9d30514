"""A rating as text, Markdown and JSON: which price applied, why, and by which clause.

Text and Markdown say the same things from the same sentences (``words``); the JSON form is described in
``docs/explanation.md`` and numbered, so that what is stored today can be read for ever.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tariffs import daily
from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import Line, RatedRow, Rating, Source, Step, Version
from tariffs.money import places, show
from tariffs.units import Unit, named
from tariffs.words import Reader, Sentence, called, condition, inline, quantity, reader, sentences, value_of

FORMAT = 1
Row = tuple[str, str, str]  # name, value, meaning
Money = tuple[Unit, int]  # the currency, and its decimal places


def text(rating: Rating, locale: str = "en") -> str:
    """The rating for a person at a terminal: plain lines, columns aligned, a Chinese sign counted as two cells."""
    who, version = reader(rating.version, locale), rating.version
    parts = [[label(version.title, locale, version.tariff), *(f"  {line}" for line in head(version, locale, rating.period))]]
    parts.append([say("report.facts", locale), *aligned([("  " + name, value, meaning) for name, value, meaning in _facts(who, rating)])])
    if rating.surplus:
        parts[-1].append("  " + say("report.surplus", locale, names=", ".join(rating.surplus)))
    if rating.derived:
        rows = [("  " + name, value, meaning) for name, value, meaning in daily.collected(who, rating)]
        parts.append([daily.title(rating, locale), *aligned(rows)])
    if marks := [f"  {line}" for line in daily.filled(who, rating)]:
        parts.append([say("report.filled-title", locale), *marks])
    if used := _values(who, rating):
        parts.append([say("report.values", locale), *aligned([("  " + name, value, meaning) for name, value, meaning in used])])
    if rating.requires:
        parts.append([say("report.requires", locale), *_indented(_required(who, rating), 1)])
    parts.append([say("report.lines", locale)])
    for line in rating.lines:
        parts[-1] += [f"  {_line_title(who, line)}  {_amount(who, line)}", *_indented(_reasons(who, line), 2)]
    parts.append(aligned(_totals(who, rating)))
    if version.assumptions:
        parts.append([say("report.assumptions", locale), *(f"  - {label(words, locale)}" for words in version.assumptions)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def markdown(rating: Rating, locale: str = "en") -> str:
    """The rating for a document or a page; what comes from facts and rules is escaped."""
    who, version = reader(rating.version, locale), rating.version
    heads = tuple(say(f"report.{head}", locale) for head in ("name", "value", "meaning"))
    parts = [["# " + _plain(label(version.title, locale, version.tariff))], [f"- {_plain(line)}" for line in head(version, locale, rating.period)]]
    parts += [["## " + say("report.facts", locale)], _grid(heads, _facts(who, rating))]
    if rating.surplus:
        parts.append([_plain(say("report.surplus", locale, names=", ".join(rating.surplus)))])
    if rating.derived:
        parts += [["## " + _plain(daily.title(rating, locale))], _grid(heads, daily.collected(who, rating))]
    if marks := [f"- {_plain(line)}" for line in daily.filled(who, rating)]:
        parts += [["## " + say("report.filled-title", locale)], marks]
    if used := _values(who, rating):
        parts += [["## " + say("report.values", locale)], _grid(heads, used)]
    if rating.requires:
        parts += [["## " + say("report.requires", locale)], _bullets(_required(who, rating))]
    parts.append(["## " + say("report.lines", locale)])
    for line in rating.lines:
        parts += [[f"### {_plain(_line_title(who, line))}: {_plain(_amount(who, line))}"], _bullets(_reasons(who, line))]
    parts.append([f"**{_plain(name)}{f': {_plain(amount)}' if amount else ''}**  " for name, amount in _totals(who, rating)])
    if version.assumptions:
        parts += [["## " + say("report.assumptions", locale)], [f"- {_plain(label(words, locale))}" for words in version.assumptions]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def appendix(rating: Rating, locale: str = "en", *, as_markdown: bool = False) -> str:
    """The stage row by row, as a table that goes behind a settlement: what was measured or filled, and what each charge gave; "" where there is no stage."""
    if rating.version.stage is None or not rating.rows:
        return ""
    who = reader(rating.version, locale)
    heads, rows = daily.table(who, rating)
    marks = list(daily.filled(who, rating))
    head, body = daily.title(rating, locale), _grid(heads, rows) if as_markdown else aligned([heads, *rows])
    parts = [["## " + _plain(head) if as_markdown else head], body]
    if marks:
        parts.append([f"* {line}" if not as_markdown else f"- \\* {_plain(line)}" for line in marks])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def as_json(rating: Rating) -> dict[str, Any]:
    """The rating for machines, format 1: no float anywhere, decimals are strings. Described in ``docs/explanation.md``."""
    version = rating.version
    money = named(version.currency), places(version.step)
    return {
        "format": FORMAT,
        "tariff": version.tariff,
        "effective": version.effective.isoformat(),
        "revision": version.revision,
        "digest": version.digest,
        "language": version.language,
        "status": version.status,
        "title": dict(version.title),
        "source": {"document": version.source.document, "issuer": version.source.issuer, "note": version.source.note},
        "direction": version.direction,
        "currency": version.currency,
        "period": None if rating.period is None else {"start": rating.period[0].isoformat(), "end": rating.period[1].isoformat()},
        "facts": facts_json(rating),
        "filled": dict(rating.filled),
        "surplus": list(rating.surplus),
        "stage": [_rated_row_json(rated, money) for rated in rating.rows],
        "derived": [_step_json(step) for step in rating.derived.values()],
        "requires": [_step_json(step) for step in rating.requires],
        "lines": [_line_json(line, money) for line in rating.lines],
        "total": show(rating.total, money[1]),
        "assumptions": [dict(words) for words in version.assumptions],
    }


def facts_json(rating: Rating) -> dict[str, Any]:
    """A rating's facts alone, as ``as_json`` has them."""
    facts = {name: show(value) if isinstance(value, Decimal) else value for name, value in rating.facts.items()}
    return facts | ({"stage": daily.rows_json(rating)} if rating.rows else {})


def _rated_row_json(rated: RatedRow, money: Money) -> dict[str, Any]:
    row = rated.row
    found = {"start": row.start.isoformat(), "end": row.end.isoformat(), "point": row.point}
    return {**found, "charges": [_line_json(line, money) for line in rated.lines]}


def _line_json(line: Line, money: Money) -> dict[str, Any]:
    charge, unit = line.charge, line.step.unit
    return {
        "name": charge.full_name,
        "key": list(charge.key),
        "kind": charge.kind,
        "label": dict(charge.label),
        "clause": charge.clause,
        "amount": show(line.amount, money[1] if unit == money[0] else 0),
        "unit": "" if unit is None else unit.text,
        "formula": charge.text.strip(),
        "when": None if line.when is None else _step_json(line.when),
        "steps": _step_json(line.step),
    }


def _step_json(step: Step) -> dict[str, Any]:
    kind, words, value, unit, detail, children = step
    shown = show(value) if isinstance(value, Decimal) else value
    found: dict[str, Any] = {"kind": kind, "text": words, "value": shown, "unit": "" if unit is None else unit.text}
    if detail:
        found["detail"] = dict(detail)
    if children:
        found["steps"] = [_step_json(child) for child in children]
    return found


# --- what both say ------------------------------------------------------------------------------------------------


def head(version: Version, locale: str, period: tuple[date, date] | None = None) -> Iterator[str]:
    """Status (where it is not plainly law), rule, source, period and digest."""
    if version.status != "published":
        yield say(f"report.status.{version.status}", locale)
    yield in_force(version, locale)
    yield say("report.source", locale, source=source_line(version.source))
    if period is not None:
        yield say("report.period", locale, first=period[0], last=_day_before(period[1]))
    yield say("report.digest", locale, digest=version.digest)


def in_force(version: Version, locale: str) -> str:
    """Which rule, and the days it rules; the last day is shown, not the day after it."""
    if version.end is None:
        return say("report.rule", locale, tariff=version.tariff, start=version.effective)
    return say("report.rule-until", locale, tariff=version.tariff, start=version.effective, last=_day_before(version.end))


def source_line(source: Source) -> str:
    """Document and issuer in one line."""
    return ", ".join(part for part in (source.document, source.issuer, source.note) if part)


def _day_before(day: date) -> date:
    return day - timedelta(days=1)


def _facts(who: Reader, rating: Rating) -> list[Row]:
    """Name, value with its unit, and what it means, for every fact given."""
    inputs = {item.full_name: item for item in rating.version.inputs}
    rows = []
    for name, value in rating.facts.items():
        if isinstance(value, Decimal):
            rows.append((name, quantity(who, value, inputs[name].type.unit), label(inputs[name].label, who.locale)))
        else:
            choice = rating.version.choices[name]
            words, member = label(choice.label, who.locale), label(choice.members[value], who.locale)
            rows.append((name, value, say("report.meaning-of", who.locale, name=words, member=member) if words and member else words or member))
    return rows


def _values(who: Reader, rating: Rating) -> list[Row]:
    """The version's own numbers that this rating looked at, in the order of the file, with the clause that sets each."""
    lines = [*rating.lines, *(line for rated in rating.rows for line in rated.lines)]
    steps = [step for line in lines for step in (line.when, line.step) if step is not None]
    used = dict.fromkeys((step.detail["name"], value_of(who, step)) for step in _all([*rating.requires, *steps]) if step.kind == "const" and step.detail)
    rows = []
    for value in rating.version.values:
        meaning = label(value.label, who.locale)
        meaning = say("report.clause", who.locale, words=meaning, clause=value.clause).strip() if value.clause else meaning
        rows += [(name, shown, meaning) for name, shown in used if name.partition("[")[0] == value.name]
    return rows


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.children)


def _required(who: Reader, rating: Rating) -> Iterator[Sentence]:
    for step in rating.requires:
        for depth, words in condition(who, step.children[0]):
            clause = step.detail["clause"] if depth == 0 else ""
            yield depth, say("report.clause", who.locale, words=words, clause=clause) if clause else words


def _line_title(who: Reader, line: Line) -> str:
    """A charge's label, its kind where it is not simply billed, and its clause."""
    words = called(who, line.charge.full_name)
    if line.charge.kind != "line":
        words = say(f"report.{line.charge.kind}", who.locale, label=words)
    return say("report.clause", who.locale, words=words, clause=line.charge.clause) if line.charge.clause else words


def _amount(who: Reader, line: Line) -> str:
    return quantity(who, line.amount, line.step.unit)


def _reasons(who: Reader, line: Line) -> Iterator[Sentence]:
    if line.when is not None and line.when.kind != "truth":
        yield 0, say("report.applies", who.locale, words=inline(who, line.when))
    yield from sentences(who, line.step)


def _totals(who: Reader, rating: Rating) -> list[tuple[str, str]]:
    """The total, and apart from it contained taxes and refunds."""
    version = rating.version
    if not version.billable:
        return [(say("report.no-total", who.locale), "")]
    rows = [(say(f"report.total.{version.direction}", who.locale), quantity(who, rating.total, who.money))]
    for line in rating.lines:
        if line.charge.kind in {"included", "refund"}:
            name = say(f"report.total-{line.charge.kind}", who.locale, label=called(who, line.charge.full_name))
            rows.append((name, _amount(who, line)))
    return rows


# --- forms --------------------------------------------------------------------------------------------------------


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns aligned by what a terminal shows."""
    widths = [max((width(cell) for cell in column), default=0) for column in zip(*rows, strict=True)]
    return ["  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows]


def width(words: str) -> int:
    """The cells a terminal shows: a Chinese sign takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in words)


def _indented(found: Iterable[Sentence], depth: int) -> list[str]:
    return [f"{'  ' * (depth + below)}{words}" for below, words in found]


def _bullets(found: Iterable[Sentence]) -> list[str]:
    return [f"{'  ' * depth}- {_plain(words)}" for depth, words in found]


def _grid(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [heads, tuple("---" for _ in heads), *(tuple(_plain(cell) for cell in row) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _plain(words: str) -> str:
    """Nothing in it is markup."""
    return re.sub(r"([\\`*<>|\[\]#])", r"\\\1", " ".join(words.split()))
