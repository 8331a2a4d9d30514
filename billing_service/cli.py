"""The ``billing`` command: opens the doors to the use cases, prints what they say. Exit 0 fine, 1 problems found, 2 wrong use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from billing_service import cli_documents, cli_keys, cli_runs, problems, runs, screens, working
from billing_service import review as reviews
from billing_service.door import (
    LOCALE,
    As,
    Db,
    Json,
    Limit,
    Locale,
    Rules,
    Run,
    Utility,
    day_of,
    door,
    help_of,
    month_or_year,
    period_of,
    settings_of,
    show,
    shown_progress,
)
from billing_service.importing import import_folder
from billing_service.laboratory.importing import as_found
from billing_service.laboratory.importing import import_lab as read_laboratory
from billing_service.laboratory.mapping import Words, read_mapping
from billing_service.laboratory.reading import Asked
from billing_service.settings import Settings
from billing_service.store import connect
from billing_service.store import runs as store
from billing_service.store.connect import Engine
from tariffs.messages import label
from tariffs.options import run as run_program

_EVERY = store.EVERY
_WITH_DOCUMENTS = ("issued", "issuing", *store.OPEN)


app = typer.Typer(help=help_of("billing"), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command(help=help_of("init"))
def init(db: Db = "", utility: Utility = "", user: As = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json, ready=False) as (engine, out):
        changed = connect.migrate(engine, settings.utility)
        if as_json:
            show({"db": settings.shown_db, "changed": changed})
        else:
            screens.tell(out, "say.initialised" if changed else "say.already-initialised", locale, db=settings.shown_db)


@app.command(help=help_of("adopt"))
def adopt(
    tariff: Annotated[str, typer.Argument(help=help_of("tariff"))],
    on: Annotated[str, typer.Argument(metavar="DATE", help=help_of("date"))],
    document: Annotated[str, typer.Option("--document", help=help_of("document"))],
    db: Db = "",
    utility: Utility = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, rules, user, locale)
    day = day_of(on, "DATE", locale)
    with door(settings, as_json) as (engine, out):
        version, new = runs.adopt(engine, settings, tariff, day, document, runs.clock())
        if as_json:
            show({"version": version.model.name, "digest": version.digest, "status": version.status, "new": new})
        else:
            title = label(version.title, locale, version.id)
            screens.tell(out, "say.adopted" if new else "say.already-adopted", locale, version=version.model.name, title=title, digest=version.digest[:12])


@app.command("import", help=help_of("import"))
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=help_of("folder"))],
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    limit: Limit = 50,
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        found = import_folder(engine, settings.utility, folder, settings.user, runs.clock())
        if as_json:
            show(
                {
                    "files": [
                        {
                            "file": one.file,
                            "new": one.new,
                            "same": one.same,
                            "refused": one.bad,
                            "problems": [problems.as_json(bad, locale) for bad in one.problems],
                        }
                        for one in found
                    ]
                }
            )
        else:
            screens.imported(out, found, locale, limit)
    if any(one.problems for one in found):
        raise typer.Exit(1)


@app.command("import-lab", help=help_of("import-lab"))
def import_lab(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=help_of("lab-file"))],
    plant: Annotated[str, typer.Option("--plant", help=help_of("lab-plant"), show_default=False)] = "",
    period: Annotated[str, typer.Option("--period", help=help_of("period"), show_default=False)] = "",
    start: Annotated[str, typer.Option("--from", help=help_of("from"), show_default=False)] = "",
    end: Annotated[str, typer.Option("--to", help=help_of("to"), show_default=False)] = "",
    point: Annotated[str, typer.Option("--point", help=help_of("lab-point"), show_default=False)] = "",
    mapping: Annotated[Path | None, typer.Option("--map", help=help_of("lab-map"), show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=help_of("lab-dry-run"))] = False,
    db: Db = "",
    utility: Utility = "",
    rules: Rules = None,
    user: As = "",
    limit: Limit = 50,
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, rules, user, locale)
    span = period_of(period, start, end, locale)
    with door(settings, as_json) as (engine, out):
        words = read_mapping(mapping) if mapping else Words()
        done = read_laboratory(engine, settings, file, Asked(plant, span, point, words), runs.clock(), dry_run=dry_run)
        if as_json:
            show(as_found(done, locale))
        else:
            screens.laboratory(out, done, locale, limit)
    if done.reading.problems:
        raise typer.Exit(1)


@app.command(help=help_of("run"))
def run(
    period: Annotated[str, typer.Option("--period", help=help_of("period"), show_default=False)] = "",
    start: Annotated[str, typer.Option("--from", help=help_of("from"), show_default=False)] = "",
    end: Annotated[str, typer.Option("--to", help=help_of("to"), show_default=False)] = "",
    known: Annotated[str, typer.Option("--known", help=help_of("known"), show_default=False)] = "",
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help=help_of("workers"))] = 1,
    chunk: Annotated[int, typer.Option("--chunk", min=1, max=runs.MOST, help=help_of("chunk"))] = runs.CHUNK,
    db: Db = "",
    utility: Utility = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, rules, user, locale)
    span = period_of(period, start, end, locale)
    day = day_of(known, "--known", locale) if known else None
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress:
        outcome = working.start_run(engine, settings, span, day, runs.clock(), progress, size=chunk, workers=workers)
        if as_json:
            show({name: getattr(outcome, name) for name in outcome.__slots__})
        else:
            screens.ran(out, outcome, locale)


@app.command(help=help_of("settle"))
def settle(
    plant: Annotated[str, typer.Option("--plant", help=help_of("plant"))],
    period: Annotated[str, typer.Option("--period", help=help_of("settle-period"))],
    known: Annotated[str, typer.Option("--known", help=help_of("known"), show_default=False)] = "",
    folder: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help=help_of("output"), show_default=False)] = None,
    db: Db = "",
    utility: Utility = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    from billing_service.documents.settlement import write_settlements
    from billing_service.settling import settle as use_case

    settings = settings_of(db, utility, rules, user, locale)
    span = month_or_year(period, locale)
    day = day_of(known, "--known", locale) if known else None
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress:
        outcome = use_case(engine, settings, plant, span, day, runs.clock(), progress)
        where = folder or Path("out") / outcome.id
        with connect.reading(engine, settings.utility) as conn:
            files = write_settlements(conn, settings.utility, outcome.id, where) if outcome.id else []
        if as_json:
            show({name: getattr(outcome, name) for name in outcome.__slots__} | {"folder": str(where) if files else "", "files": files})
        else:
            screens.settled(out, outcome, where, files, locale)


@app.command(help=help_of("review"))
def review(run: Run = "", db: Db = "", utility: Utility = "", user: As = "", limit: Limit = 3, as_json: Json = False, locale: Locale = LOCALE) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        found = runs.review(engine, settings, run, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            seen = reviews.look(conn, settings.utility, runs.pick(conn, settings.utility, found, _EVERY))
        if as_json:
            show(reviews.as_json(seen, locale))
        else:
            screens.reviewed(out, seen, locale, limit)


def _step(action: Callable[[Engine, Settings, str, Any], str], said: str, run: str, settings: Settings, as_json: bool) -> None:
    with door(settings, as_json) as (engine, out):
        found = action(engine, settings, run, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            seen = reviews.look(conn, settings.utility, runs.pick(conn, settings.utility, found, _EVERY))
        if as_json:
            show(reviews.as_json(seen, settings.locale) | {"exceptions": len(seen.exceptions)})
            return
        numbered = sum(count for *_, count, _total in seen.sums) - seen.zero
        screens.tell(out, said, settings.locale, run=found, by=settings.user, numbered=numbered, zero=seen.zero)


@app.command(help=help_of("approve"))
def approve(run: Run = "", db: Db = "", utility: Utility = "", user: As = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    _step(runs.approve, "say.approved", run, settings_of(db, utility, None, user, locale), as_json)


@app.command(help=help_of("issue"))
def issue(run: Run = "", db: Db = "", utility: Utility = "", user: As = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    _step(working.issue, "say.issued", run, settings_of(db, utility, None, user, locale), as_json)


@app.command(help=help_of("cancel"))
def cancel(run: Run = "", db: Db = "", utility: Utility = "", user: As = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    _step(runs.cancel, "say.cancelled", run, settings_of(db, utility, None, user, locale), as_json)


@app.command("runs", help=help_of("runs"))
def runs_(db: Db = "", utility: Utility = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out), connect.reading(engine, settings.utility) as conn:
        found, failed = store.every(conn, settings.utility), store.count_failed(conn, settings.utility)
        if as_json:
            show({"runs": [reviews.run_json(one) | {"failed_chunks": failed.get(one.id, 0)} for one in found]})
        else:
            screens.listed(out, found, locale)
            for run, count in failed.items():
                screens.tell(out, "say.chunks-failed", locale, run=run, count=count)


@app.command(help=help_of("export"))
def export(
    run: Run = "",
    folder: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help=help_of("output"), show_default=False)] = None,
    db: Db = "",
    utility: Utility = "",
    pdf: Annotated[bool, typer.Option("--pdf", help=help_of("pdf"))] = False,
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    from billing_service.documents.export import export as write

    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress, connect.reading(engine, settings.utility) as conn:
        found = runs.pick(conn, settings.utility, run, _WITH_DOCUMENTS)
        seen = reviews.look(conn, settings.utility, found)
        done = write(conn, settings.utility, seen, folder or Path("out") / str(found.id), locale, progress)
        if pdf:
            from billing_service.documents.printing import print_run

            print_run(conn, settings, seen, done.folder, locale, progress)
            done = replace(done, files=(*done.files, "run.pdf", "pdf/"))
        if as_json:
            show({"run": found.id, "folder": str(done.folder), "files": list(done.files), "invoices": done.invoices})
        else:
            screens.exported(out, done, locale)


@app.command(help=help_of("document-command"))
def document(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=help_of("document-number"))],
    file: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help=help_of("document-output"), show_default=False)] = None,
    db: Db = "",
    utility: Utility = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    from billing_service.documents.printing import print_one

    settings = settings_of(db, utility, None, "", locale)
    path = file or Path(f"{number}.pdf")
    with door(settings, as_json) as (engine, out), connect.reading(engine, settings.utility) as conn:
        print_one(conn, settings, number, path, locale)
        if as_json:
            show({"number": number, "file": str(path)})
        else:
            screens.tell(out, "say.document-written", locale, number=number, file=path)


@app.command(help=help_of("serve"))
def serve(
    host: Annotated[str, typer.Option("--host", help=help_of("host"))] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help=help_of("port"))] = 8000,
    db: Db = "",
    rules: Rules = None,
    locale: Locale = LOCALE,
) -> None:
    import uvicorn

    from billing_service.app import create_app

    settings = settings_of(db, "", rules, "", locale)
    with door(replace(settings, utility=""), False):  # each key names its own
        uvicorn.run(create_app(settings), host=host, port=port, log_level="info")


app.add_typer(cli_documents.app)
app.add_typer(cli_keys.app, name="key")
app.add_typer(cli_runs.app)


def main() -> None:
    """The console script."""
    run_program(app, "billing")
