"""The story as tables for a terminal and a text file; every table says that it is illustrative."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from itertools import pairwise
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from examples.contracts.budget import PRICES, Change
from examples.contracts.causes import SILENCES
from examples.contracts.days import YEAR
from examples.contracts.forms import STEP, VOLUME
from examples.contracts.story import EXPLAINED, HAPPENS, Story
from examples.contracts.words import money, say, share, signed
from tariffs.money import EXACT, total

WIDTH = 132
CURRENCY = "CNY"
EDGES = (-30, -20, -10, 0, 10, 20, 30)  # per cent
CAUSES = ("volume", "influent", "removal", "limits", "score", "other")


def text(story: Story, locale: str) -> str:
    """All tables, as wide as a printed page lying down."""
    stream = StringIO()
    console = Console(file=stream, width=WIDTH, highlight=False, color_system=None)
    console.print(say("title", locale))
    console.print(say("illustrative", locale, currency=CURRENCY, seed=story.seed))
    for number, (title, *body) in enumerate(_sections(story, locale), 1):
        console.print()
        console.print(say("table", locale, number=number, title=title, mark=say("mark", locale)))
        console.print(Group(*body))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _sections(story: Story, locale: str) -> Iterator[list[RenderableType]]:
    yield [say("forms.title", locale), _forms(story, locale), say("forms.note", locale)]
    yield [say("months.title", locale, year=YEAR), _months(story, locale)]
    meanings = ["  " + meaning(name, locale) for name in HAPPENS]
    yield [say("sensitivity.title", locale), _sensitivity(story, locale), *meanings]
    for name in EXPLAINED:
        yield [say("causes.title", locale, happens=say(f"happens.{name}", locale)), _causes(story, name, locale), say("causes.note", locale)]
    yield [say("gaps.title", locale), _gaps(story, locale), *_reasons(story, locale), say("gaps.note", locale)]
    yield [
        say("budget.title", locale, plants=len(story.years)),
        _prices(story, locale),
        say("budget.bounds", locale),
        say(f"budget.note.{story.objective}", locale, step=STEP),
    ]
    yield [say("spread.title", locale), _spread(story, locale)]
    yield [say("plants.losers", locale), _plants(story.losers, locale)]
    yield [say("plants.winners", locale), _plants(story.winners, locale), say("plants.note", locale)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, last: bool = False) -> Padding:
    """The first column is words, the others are numbers; ``last``: the last row is a sum."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left", no_wrap=bool(index), overflow="fold")
    for index, row in enumerate(rows):
        table.add_row(*row, end_section=last and index == len(rows) - 2)
    return Padding(table, (0, 0, 0, 1))


def meaning(happens: str, locale: str) -> str:
    """What happens, and what that means."""
    return say("happens.means", locale, name=say(f"happens.{happens}", locale), about=say(f"happens.about.{happens}", locale))


def _named(form: str, locale: str) -> str:
    return say(f"form.{form}", locale)


def _forms(story: Story, locale: str) -> Padding:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("form", locale), no_wrap=True)
    for key, ratio in (("forms.about", 3), ("forms.prices", 2)):
        table.add_column(say(key, locale), ratio=ratio, overflow="fold")
    for form in story.forms:
        prices = ", ".join(f"{say(f'price.{name}', locale)} {form.terms[name]}" for name in form.prices)
        table.add_row(_named(form.name, locale), say(f"about.{form.name}", locale), prices)
    return Padding(table, (0, 0, 0, 1))


def _months(story: Story, locale: str) -> Padding:
    heads = [say("months.month", locale), *(_named(form.name, locale) for form in story.forms)]
    rows = [[f"{YEAR}-{month + 1:02}", *(money(story.months[form.name][month]) for form in story.forms)] for month in range(12)]
    rows.append([say("months.total", locale), *(money(total(story.months[form.name])) for form in story.forms)])
    return _table(heads, rows, last=True)


def _sensitivity(story: Story, locale: str) -> Padding:
    heads = [say("form", locale), *(say(f"happens.{name}", locale) for name in HAPPENS)]
    rows = []
    for form in story.forms:
        whole = total(story.months[form.name])
        cells = ((story.changes[form.name, name], whole) for name in HAPPENS)
        rows.append([_named(form.name, locale), *(f"{signed(change)}  {share(change, whole):>8}" for change, whole in cells)])
    return _table(heads, rows)


def _causes(story: Story, happens: str, locale: str) -> Padding:
    used = [cause for cause in CAUSES if any(story.causes[form.name, happens][cause] for form in story.forms)]
    heads = [say("form", locale), *(say(f"cause.{cause}", locale) for cause in used), say("difference", locale)]
    rows = []
    for form in story.forms:
        shares = story.causes[form.name, happens]
        rows.append([_named(form.name, locale), *(signed(shares[cause]) for cause in used), signed(total(shares.values()))])
    return _table(heads, rows)


# --- missing days -------------------------------------------------------------------------------------------------


def _gaps(story: Story, locale: str) -> Padding:
    heads = [say("form", locale), *(say(f"gaps.{silence}", locale) for silence in SILENCES)]
    return _table(heads, [[_named(form.name, locale), *(_gap(story, form.name, silence, locale) for silence in SILENCES)] for form in story.forms])


def _gap(story: Story, form: str, silence: str, locale: str) -> str:
    found = story.gaps[form, silence]
    if found.amount is None:
        return say("gaps.refused", locale)
    change = EXACT.subtract(found.amount, found.whole)
    if found.filled:
        return say("gaps.filled", locale, amount=signed(change), count=found.filled)
    return say("gaps.silent", locale, amount=signed(change)) if change else say("gaps.unchanged", locale)


def _reasons(story: Story, locale: str) -> Iterator[str]:
    """The first refusal of each silence, in the library's own words."""
    for silence in SILENCES:
        for form in story.forms:
            problems = story.gaps[form.name, silence].problems
            if problems:
                said = {"form": _named(form.name, locale), "happens": say(f"gaps.{silence}", locale)}
                yield say("gaps.reason", locale, **said, sentence=problems[0].sentence(locale))
                break


# --- the budget ---------------------------------------------------------------------------------------------------


def _prices(story: Story, locale: str) -> Padding:
    found = story.neutral
    heads = [say(f"budget.{key}", locale) for key in ("price", "old", "plain", "low", "high", "found")]
    rows = []
    for name in PRICES:
        low, high = found.bounds[name]
        price = found.form.terms[name]
        mark = say("budget.at-bound", locale, price=price) if Decimal(price) in (low, high) else price
        old, plain = (VOLUME.terms[name], "") if name == "price" else ("", found.plain_form.terms[name])
        rows.append([say(f"budget.price.{name}", locale), old, plain, str(low), str(high), mark])
    sides = (found.plain, found.changes)
    none = Decimal(0)
    rows += [
        [say("budget.spent", locale), money(found.budget), *_around([money(_spent(side)) for side in sides])],
        [say("budget.gap", locale), "", *_around([signed(EXACT.subtract(_spent(side), found.budget)) for side in sides])],
        [say("budget.moved", locale), "", *_around([money(total(max(c.amount, EXACT.subtract(none, c.amount)) for c in side)) for side in sides])],
        [say("budget.most", locale), "", *_around([_most(side) for side in sides])],
    ]
    return _table(heads, rows)


def _around(pair: list[str]) -> list[str]:
    """Under "in proportion" and "found", with the bounds' columns left empty."""
    return [pair[0], "", "", pair[1]]


def _spent(side: Sequence[Change]) -> Decimal:
    return total(change.after for change in side)


def _most(side: Sequence[Change]) -> str:
    found = max(side, key=lambda change: abs(_ratio(change)))
    return share(found.amount, found.before)


def _ratio(change: Change) -> Fraction:
    return Fraction(change.amount) / Fraction(change.before)


def _spread(story: Story, locale: str) -> Padding:
    ratios = [_ratio(change) * 100 for change in story.neutral.changes]
    bins = [say("spread.below", locale, low=EDGES[0]), *(say("spread.between", locale, low=a, high=b) for a, b in pairwise(EDGES))]
    bins.append(say("spread.above", locale, high=EDGES[-1]))
    counts = [sum(sum(ratio >= edge for edge in EDGES) == index for ratio in ratios) for index in range(len(bins))]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("spread.change", locale), justify="right")
    table.add_column(say("spread.plants", locale), justify="right")
    table.add_column("")
    for words, count in zip(bins, counts, strict=True):
        table.add_row(words, str(count), "#" * count)
    return Padding(table, (0, 0, 0, 1))


def _plants(changes: Sequence[Change], locale: str) -> Padding:
    heads = [say(f"plants.{key}", locale) for key in ("plant", "before", "after")] + [say("difference", locale), say("plants.share", locale)]
    heads += [say(f"cause.{cause}", locale) for cause in ("contract", "influent", "removal")]
    rows = []
    for one in changes:
        amounts = [money(one.before), money(one.after), signed(one.amount), share(one.amount, one.before)]
        rows.append([one.plant, *amounts, *(signed(one.causes[cause]) for cause in ("contract", "influent", "removal"))])
    return _table(heads, rows)


# --- files --------------------------------------------------------------------------------------------------------


def write_csv(story: Story, folder: Path) -> list[str]:
    """``months.csv`` and ``plants.csv``, for whoever wants to go on counting."""
    months = [(f"{YEAR}-{month + 1:02}", form.name, story.months[form.name][month], "illustrative") for form in story.forms for month in range(12)]
    _file(folder / "months.csv", ("month", "form", "amount", "status"), months)
    plants = [(one.plant, one.before, one.after, one.amount, "illustrative") for one in story.neutral.changes]
    _file(folder / "plants.csv", ("plant", "by_volume", "removal_based", "change", "status"), plants)
    return ["months.csv", "plants.csv"]


def _file(path: Path, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([heads, *rows])
