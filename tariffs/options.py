"""Options that several commands share, each written once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tariffs.messages import language_of
from tariffs.messages import text as say


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
