"""What commands share, each written once: options, how their values are read, and how problems are told."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from tariffs import api
from tariffs.errors import Problem, TariffError
from tariffs.load import as_date
from tariffs.messages import LANGUAGES, language_of
from tariffs.messages import text as say

_P = ParamSpec("_P")


def default_locale() -> str:
    """``TARIFFS_LOCALE``, else what the system speaks; Chinese or English."""
    spoken = next((value for name in ("TARIFFS_LOCALE", "LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "en")
    return language_of(spoken)


def help_text(key: str) -> str:
    """The sentence of an option; read at import, so in the language of the system."""
    return say(f"cli.help.{key}", default_locale())


Rules = Annotated[list[Path] | None, typer.Option("--rules", metavar="DIR", help=help_text("rules"))]
Locale = Annotated[str, typer.Option("--locale", default_factory=default_locale, show_default=False, metavar="en|zh", help=help_text("locale"))]
Json = Annotated[bool, typer.Option("--json", help=help_text("json"))]
On = Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help=help_text("on"))]
Known = Annotated[str | None, typer.Option("--known", metavar="YYYY-MM-DD", help=help_text("known"))]
Span = Annotated[str | None, typer.Option("--period", metavar="YYYY-MM", help=help_text("period"))]
From = Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help=help_text("from"))]
To = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help=help_text("to"))]
Tariff = Annotated[str, typer.Argument(metavar="TARIFF", help=help_text("tariff"))]


# --- how a command ends, and how its values are read ---------------------------------------------------------------


def run(app: typer.Typer, name: str) -> None:
    """The program, which ends here; wrong use is told without what pydantic, by which typer reads values, writes before its sentences."""
    try:
        code = app(prog_name=name, standalone_mode=False)
    except typer.TyperException as error:
        wrong: Any = error
        wrong.message = error.message.removeprefix("Value error, ")
        wrong.show()
        code = wrong.exit_code
    raise SystemExit(code)


def door(command: Callable[_P, bool]) -> Callable[_P, None]:
    """A command that answers whether all is well; problems of any kind are told and give exit 1."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        locale, as_json = str(kwargs["locale"]), bool(kwargs["as_json"])
        if language_of(locale) not in LANGUAGES or not re.match(r"(en|zh)\b|(en|zh)_", locale):
            raise typer.BadParameter(say("cli.bad-locale", default_locale(), locale=locale))
        try:
            fine = command(*args, **kwargs)
        except TariffError as error:
            tell(error.problems, locale, as_json=as_json)
            fine = False
        if not fine:
            raise typer.Exit(1)

    return run


def tell(problems: tuple[Problem, ...], locale: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"problems": [problem.as_json(locale) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(problem.text(locale), err=True)


def print_json(found: Any) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def day_of(value: str | None, name: str, locale: str) -> date | None:
    """A date option; what is no date is wrong use."""
    try:
        return None if value is None else as_date(value, name)
    except TariffError as error:
        raise typer.BadParameter(error.problems[0].sentence(locale)) from None


def period_of(span: str | None, start: str | None, end: str | None, locale: str) -> tuple[date, date] | None:
    """``--period 2026-10`` (or ``2026-10-01..2026-11-01``), or ``--from`` with ``--to``; half-open."""
    if span is not None and (start is not None or end is not None):
        raise typer.BadParameter(say("cli.two-periods", locale))
    if span is not None and re.fullmatch(r"\d{4}-\d{2}", span, re.ASCII):
        first = day_of(f"{span}-01", "--period", locale)
        return None if first is None else api.period_holding(first, "month")
    if span is not None:
        start, separator, end = span.partition("..")
        if not separator:
            raise typer.BadParameter(say("cli.bad-period", locale, value=span))
    if (start is None) != (end is None):
        raise typer.BadParameter(say("cli.half-period", locale))
    first, last = day_of(start, "--from", locale), day_of(end, "--to", locale)
    return None if first is None or last is None else (first, last)


def version_of(tariff: str, on: str | None, known: str | None, period: tuple[date, date] | None, rules: list[Path] | None, locale: str) -> api.TariffVersion:
    """The version in force on ``--on``, or on the first day of the period."""
    day = day_of(on, "--on", locale) or (period[0] if period else None)
    if day is None:
        raise typer.BadParameter(say("cli.no-day", locale))
    return api.load(tariff, on=day, known=day_of(known, "--known", locale), rules=rules)
