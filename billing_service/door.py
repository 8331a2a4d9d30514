"""What every command shares: its options, the database it opens, and how it tells what was refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from billing_service import problems, screens
from billing_service.messages import text
from billing_service.problems import Refused, problem
from billing_service.rows import read_date
from billing_service.settings import Settings, from_environment, wrong
from billing_service.store import connect
from billing_service.store.connect import DBAPIError, Engine
from tariffs import TariffError, roots

LOCALE = from_environment().locale


def help_of(name: str) -> str:
    """The help of a command or an option."""
    return text(f"help.{name}", LOCALE)


Db = Annotated[str, typer.Option("--db", help=help_of("db"), show_default=False)]
Utility = Annotated[str, typer.Option("--utility", metavar="ID", help=help_of("utility-id"), show_default=False)]
Rules = Annotated[list[Path] | None, typer.Option("--rules", help=help_of("rules"), show_default=False)]
As = Annotated[str, typer.Option("--as", help=help_of("as"), show_default=False)]
Json = Annotated[bool, typer.Option("--json", help=help_of("json"))]
Locale = Annotated[str, typer.Option("--locale", help=help_of("locale"))]
Run = Annotated[str, typer.Option("--run", help=help_of("run-id"), show_default=False)]
Limit = Annotated[int, typer.Option("--limit", min=0, help=help_of("limit"))]


def settings_of(db: str, utility: str, rules: list[Path] | None, user: str, locale: str) -> Settings:
    found = from_environment()
    return replace(found, db=db or found.db, utility=utility or found.utility, rules=tuple(rules or ()), user=user or found.user, locale=locale)


@contextmanager
def door(settings: Settings, as_json: bool, *, ready: bool = True) -> Iterator[tuple[Engine, Console]]:
    """The database, checked, and where to print; whatever is refused is told in full and ends with 1."""
    if found := wrong(utility=settings.utility):
        tell_problems(found, settings.locale, as_json)
    try:
        with connect.opened(settings.url) as engine:
            if ready:
                connect.require(engine, settings.utility)
                roots(settings.roots)  # a root that does not exist is told at once, not by every contract
            yield engine, screens.console()
    except Refused as refusal:
        tell_problems(refusal.problems, settings.locale, as_json)
    except TariffError as error:
        tell_problems(error.problems, settings.locale, as_json)
    except DBAPIError as error:
        tell_problems((problem("database-failed", db=settings.shown_db, reason=error.orig),), settings.locale, as_json)
    except BrokenPipeError:
        raise  # whoever read the output has seen enough; typer ends quietly
    except OSError as error:
        tell_problems((problem("file-failed", file=error.filename or "", reason=error.strerror or error),), settings.locale, as_json)


def tell_problems(found: Any, locale: str, as_json: bool) -> None:
    if as_json:
        show({"problems": [problems.as_json(one, locale) for one in found]})
    else:
        screens.troubles(screens.console(error=True), list(found), locale)
    raise typer.Exit(1)


@contextmanager
def shown_progress(locale: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shown to a person at a terminal, silent in files and pipes."""
    out = screens.console(error=True)
    if not out.is_terminal:
        yield lambda _what, _done, _of: None
        return
    with out.status(text("say.working", locale)) as status:
        yield lambda what, done, of: status.update(text("say.progress", locale, what=screens.word("progress", what, locale), done=done, of=of))


def show(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1, default=str) + "\n")


def day_of(value: str, name: str, locale: str) -> date:
    found = read_date(value)
    if found is None:
        raise typer.BadParameter(text("problem.not-a-date", locale, column=name, value=value))
    return found


def month_or_year(value: str, locale: str) -> tuple[date, date]:
    """``2024-03``, or ``2024`` for the final settlement."""
    if re.fullmatch(r"\d{4}", value, re.ASCII) and 0 < int(value) < date.max.year:
        return date(int(value), 1, 1), date(int(value) + 1, 1, 1)
    if not re.fullmatch(r"\d{4}-\d{2}", value, re.ASCII):
        raise typer.BadParameter(text("say.bad-settle-period", locale, value=value))
    return period_of(value, "", "", locale)


def period_of(month: str, start: str, end: str, locale: str) -> tuple[date, date]:
    """``--period 2026-10``, or ``--from`` and ``--to`` (the day after the last)."""
    if month and not start and not end:
        first = read_date(f"{month}-01") if re.fullmatch(r"\d{4}-\d{2}", month, re.ASCII) else None
        if first is None or first.year == date.max.year:
            raise typer.BadParameter(text("say.bad-month", locale, value=month))
        return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)
    if month or not start or not end:
        raise typer.BadParameter(text("say.which-period", locale))
    span = day_of(start, "--from", locale), day_of(end, "--to", locale)
    if span[0] >= span[1]:
        raise typer.BadParameter(text("problem.dates-backwards", locale, start=span[0], end=span[1]))
    return span
