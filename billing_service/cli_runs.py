"""Commands around a run: working it, and the bills that wait in it for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_service import holds, naming, runs, screens, working
from billing_service.door import LOCALE, As, Db, Json, Locale, Run, Utility, door, help_of, settings_of, show, shown_progress
from billing_service.settings import Settings
from billing_service.store import connect, utilities

app = typer.Typer()

Document = Annotated[str, typer.Option("--document", help=help_of("held-bill"), show_default=False)]
Rule = Annotated[str, typer.Option("--rule", help=help_of("held-rule"), show_default=False)]
Note = Annotated[str, typer.Option("--note", help=help_of("note"), show_default=False)]


@app.command(help=help_of("work"))
def work(
    forever: Annotated[bool, typer.Option("--forever", help=help_of("forever"))] = False,
    db: Db = "",
    utility: Utility = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress:
        done = working.work_all(engine, settings, progress, forever=forever)
        if as_json:
            show({"runs": done})
        else:
            screens.tell(out, "say.worked", locale, count=done)


@app.command(help=help_of("hold"))
def hold(
    rules: Annotated[list[str] | None, typer.Argument(metavar="[RULE]...", help=help_of("hold-rules"))] = None,
    none: Annotated[bool, typer.Option("--none", help=help_of("hold-none"))] = False,
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        if rules or none:
            given = holds.read_rules(rules or [])
            with connect.writing(engine, settings.utility) as conn:
                holds.set_rules(conn, settings, given, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            found = holds.rules_of(conn, settings.utility)
        if as_json:
            show({"holds": found})
        else:
            named = ", ".join(f"{name}={value}" if value else name for name, value in found.items())
            screens.tell(out, "say.hold-rules" if found else "say.hold-none", locale, rules=named)


@app.command(help=help_of("utility"))
def utility(
    name: Annotated[str, typer.Option("--name", help=help_of("utility-name"), show_default=False)] = "",
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        if name:
            with connect.writing(engine, settings.utility) as conn:
                naming.name_in(conn, settings, name, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            found = utilities.name_of(conn, settings.utility)
        if as_json:
            show({"id": settings.utility, "name": found})
        else:
            screens.tell(out, "say.utility", locale, id=settings.utility, name=found)


@app.command(help=help_of("release"))
def release(
    document: Document = "",
    rule: Rule = "",
    note: Note = "",
    run: Run = "",
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    _decide(run, document, rule, note, settings_of(db, utility, None, user, locale), as_json, release=True)


@app.command("set-aside", help=help_of("set-aside"))
def set_aside(
    document: Document = "",
    rule: Rule = "",
    note: Note = "",
    run: Run = "",
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    _decide(run, document, rule, note, settings_of(db, utility, None, user, locale), as_json, release=False)


def _decide(run: str, document: str, rule: str, note: str, settings: Settings, as_json: bool, *, release: bool) -> None:
    with door(settings, as_json) as (engine, out):
        found = str(runs.run_of(engine, settings.utility, run, ("draft", "reviewed")).id)
        count = holds.decide(engine, settings, found, document, release, note, runs.clock(), rule=rule)
        if as_json:
            show({"run": found, "documents": count})
        else:
            screens.tell(out, "say.released" if release else "say.set-aside", settings.locale, run=found, count=count)
