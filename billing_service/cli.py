"""The ``billing`` command: opens the doors to the use cases, prints what they say. Exit 0 fine, 1 problems found, 2 wrong use."""

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

from billing_service import problems, runs, screens
from billing_service import review as reviews
from billing_service.importing import import_folder
from billing_service.laboratory.importing import as_found
from billing_service.laboratory.importing import import_lab as read_laboratory
from billing_service.laboratory.mapping import Words, read_mapping
from billing_service.laboratory.reading import Asked
from billing_service.messages import text
from billing_service.problems import Refused, problem
from billing_service.rows import read_date
from billing_service.settings import Settings, from_environment
from billing_service.store import connect
from billing_service.store import runs as store
from billing_service.store.connect import DBAPIError, Engine
from tariffs import TariffError, roots
from tariffs.messages import label

_LOCALE = from_environment().locale
_EVERY = (*store.OPEN, "issued", "empty", "cancelled")
_WITH_DOCUMENTS = ("issued", *store.OPEN)


def _help(name: str) -> str:
    return text(f"help.{name}", _LOCALE)


app = typer.Typer(help=_help("billing"), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Db = Annotated[str, typer.Option("--db", help=_help("db"), show_default=False)]
Rules = Annotated[list[Path] | None, typer.Option("--rules", help=_help("rules"), show_default=False)]
As = Annotated[str, typer.Option("--as", help=_help("as"), show_default=False)]
Json = Annotated[bool, typer.Option("--json", help=_help("json"))]
Locale = Annotated[str, typer.Option("--locale", help=_help("locale"))]
Run = Annotated[str, typer.Option("--run", help=_help("run-id"), show_default=False)]
Limit = Annotated[int, typer.Option("--limit", min=0, help=_help("limit"))]


@app.command(help=_help("init"))
def init(db: Db = "", user: As = "", as_json: Json = False, locale: Locale = _LOCALE) -> None:
    settings = _settings(db, None, user, locale)
    with _door(settings, as_json, ready=False) as (engine, out):
        changed = connect.migrate(engine, settings.utility)
        if as_json:
            _print({"db": settings.shown_db, "changed": changed})
        else:
            screens.tell(out, "say.initialised" if changed else "say.already-initialised", locale, db=settings.shown_db)


@app.command(help=_help("adopt"))
def adopt(
    tariff: Annotated[str, typer.Argument(help=_help("tariff"))],
    on: Annotated[str, typer.Argument(metavar="DATE", help=_help("date"))],
    document: Annotated[str, typer.Option("--document", help=_help("document"))],
    db: Db = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    settings = _settings(db, rules, user, locale)
    day = _day(on, "DATE", locale)
    with _door(settings, as_json) as (engine, out):
        version, new = runs.adopt(engine, settings, tariff, day, document, runs.clock())
        if as_json:
            _print({"version": version.model.name, "digest": version.digest, "status": version.status, "new": new})
        else:
            title = label(version.title, locale, version.id)
            screens.tell(out, "say.adopted" if new else "say.already-adopted", locale, version=version.model.name, title=title, digest=version.digest[:12])


@app.command("import", help=_help("import"))
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_help("folder"))],
    db: Db = "",
    user: As = "",
    limit: Limit = 50,
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    settings = _settings(db, None, user, locale)
    with _door(settings, as_json) as (engine, out):
        found = import_folder(engine, settings.utility, folder, settings.user, runs.clock())
        if as_json:
            _print(
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


@app.command("import-lab", help=_help("import-lab"))
def import_lab(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("lab-file"))],
    plant: Annotated[str, typer.Option("--plant", help=_help("lab-plant"), show_default=False)] = "",
    period: Annotated[str, typer.Option("--period", help=_help("period"), show_default=False)] = "",
    start: Annotated[str, typer.Option("--from", help=_help("from"), show_default=False)] = "",
    end: Annotated[str, typer.Option("--to", help=_help("to"), show_default=False)] = "",
    point: Annotated[str, typer.Option("--point", help=_help("lab-point"), show_default=False)] = "",
    mapping: Annotated[Path | None, typer.Option("--map", help=_help("lab-map"), show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_help("lab-dry-run"))] = False,
    db: Db = "",
    rules: Rules = None,
    user: As = "",
    limit: Limit = 50,
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    settings = _settings(db, rules, user, locale)
    span = _period(period, start, end, locale)
    with _door(settings, as_json) as (engine, out):
        words = read_mapping(mapping) if mapping else Words()
        done = read_laboratory(engine, settings, file, Asked(plant, span, point, words), runs.clock(), dry_run=dry_run)
        if as_json:
            _print(as_found(done, locale))
        else:
            screens.laboratory(out, done, locale, limit)
    if done.reading.problems:
        raise typer.Exit(1)


@app.command(help=_help("run"))
def run(
    period: Annotated[str, typer.Option("--period", help=_help("period"), show_default=False)] = "",
    start: Annotated[str, typer.Option("--from", help=_help("from"), show_default=False)] = "",
    end: Annotated[str, typer.Option("--to", help=_help("to"), show_default=False)] = "",
    known: Annotated[str, typer.Option("--known", help=_help("known"), show_default=False)] = "",
    db: Db = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    settings = _settings(db, rules, user, locale)
    span = _period(period, start, end, locale)
    day = _day(known, "--known", locale) if known else None
    with _door(settings, as_json) as (engine, out), _progress(locale) as progress:
        outcome = runs.start_run(engine, settings, span, day, runs.clock(), progress)
        if as_json:
            _print({name: getattr(outcome, name) for name in outcome.__slots__})
        else:
            screens.ran(out, outcome, locale)


@app.command(help=_help("settle"))
def settle(
    plant: Annotated[str, typer.Option("--plant", help=_help("plant"))],
    period: Annotated[str, typer.Option("--period", help=_help("settle-period"))],
    known: Annotated[str, typer.Option("--known", help=_help("known"), show_default=False)] = "",
    folder: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help=_help("output"), show_default=False)] = None,
    db: Db = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    from billing_service.documents.settlement import write_settlements
    from billing_service.settling import settle as use_case

    settings = _settings(db, rules, user, locale)
    span = _month_or_year(period, locale)
    day = _day(known, "--known", locale) if known else None
    with _door(settings, as_json) as (engine, out), _progress(locale) as progress:
        outcome = use_case(engine, settings, plant, span, day, runs.clock(), progress)
        where = folder or Path("out") / outcome.id
        with connect.reading(engine, settings.utility) as conn:
            files = write_settlements(conn, settings.utility, outcome.id, where) if outcome.id else []
        if as_json:
            _print({name: getattr(outcome, name) for name in outcome.__slots__} | {"folder": str(where) if files else "", "files": files})
        else:
            screens.settled(out, outcome, where, files, locale)


@app.command(help=_help("review"))
def review(run: Run = "", db: Db = "", user: As = "", limit: Limit = 3, as_json: Json = False, locale: Locale = _LOCALE) -> None:
    settings = _settings(db, None, user, locale)
    with _door(settings, as_json) as (engine, out):
        found = runs.review(engine, settings, run, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            seen = reviews.look(conn, settings.utility, runs.pick(conn, settings.utility, found, _EVERY))
        if as_json:
            _print(reviews.as_json(seen, locale))
        else:
            screens.reviewed(out, seen, locale, limit)


def _step(action: Callable[[Engine, Settings, str, Any], str], said: str, run: str, settings: Settings, as_json: bool) -> None:
    with _door(settings, as_json) as (engine, out):
        found = action(engine, settings, run, runs.clock())
        with connect.reading(engine, settings.utility) as conn:
            seen = reviews.look(conn, settings.utility, runs.pick(conn, settings.utility, found, _EVERY))
        if as_json:
            _print(reviews.as_json(seen, settings.locale) | {"exceptions": len(seen.exceptions)})
            return
        numbered = sum(count for *_, count, _total in seen.sums) - seen.zero
        screens.tell(out, said, settings.locale, run=found, by=settings.user, numbered=numbered, zero=seen.zero)


@app.command(help=_help("approve"))
def approve(run: Run = "", db: Db = "", user: As = "", as_json: Json = False, locale: Locale = _LOCALE) -> None:
    _step(runs.approve, "say.approved", run, _settings(db, None, user, locale), as_json)


@app.command(help=_help("issue"))
def issue(run: Run = "", db: Db = "", user: As = "", as_json: Json = False, locale: Locale = _LOCALE) -> None:
    _step(runs.issue, "say.issued", run, _settings(db, None, user, locale), as_json)


@app.command(help=_help("cancel"))
def cancel(run: Run = "", db: Db = "", user: As = "", as_json: Json = False, locale: Locale = _LOCALE) -> None:
    _step(runs.cancel, "say.cancelled", run, _settings(db, None, user, locale), as_json)


@app.command("runs", help=_help("runs"))
def runs_(db: Db = "", as_json: Json = False, locale: Locale = _LOCALE) -> None:
    settings = _settings(db, None, "", locale)
    with _door(settings, as_json) as (engine, out), connect.reading(engine, settings.utility) as conn:
        found = store.every(conn, settings.utility)
        if as_json:
            _print({"runs": [reviews.run_json(one) for one in found]})
        else:
            screens.listed(out, found, locale)


@app.command(help=_help("export"))
def export(
    run: Run = "",
    folder: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help=_help("output"), show_default=False)] = None,
    db: Db = "",
    pdf: Annotated[bool, typer.Option("--pdf", help=_help("pdf"))] = False,
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    from billing_service.documents.export import export as write

    settings = _settings(db, None, "", locale)
    with _door(settings, as_json) as (engine, out), _progress(locale) as progress, connect.reading(engine, settings.utility) as conn:
        found = runs.pick(conn, settings.utility, run, _WITH_DOCUMENTS)
        seen = reviews.look(conn, settings.utility, found)
        done = write(conn, settings.utility, seen, folder or Path("out") / str(found.id), locale, progress)
        if pdf:
            from billing_service.documents.printing import print_run

            print_run(conn, settings, seen, done.folder, locale, progress)
            done = replace(done, files=(*done.files, "run.pdf", "pdf/"))
        if as_json:
            _print({"run": found.id, "folder": str(done.folder), "files": list(done.files), "invoices": done.invoices})
        else:
            screens.exported(out, done, locale)


@app.command(help=_help("document-command"))
def document(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=_help("document-number"))],
    file: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help=_help("document-output"), show_default=False)] = None,
    db: Db = "",
    as_json: Json = False,
    locale: Locale = _LOCALE,
) -> None:
    from billing_service.documents.printing import print_one

    settings = _settings(db, None, "", locale)
    path = file or Path(f"{number}.pdf")
    with _door(settings, as_json) as (engine, out), connect.reading(engine, settings.utility) as conn:
        print_one(conn, settings, number, path, locale)
        if as_json:
            _print({"number": number, "file": str(path)})
        else:
            screens.tell(out, "say.document-written", locale, number=number, file=path)


@app.command(help=_help("serve"))
def serve(
    host: Annotated[str, typer.Option("--host", help=_help("host"))] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help=_help("port"))] = 8000,
    db: Db = "",
    rules: Rules = None,
    locale: Locale = _LOCALE,
) -> None:
    import uvicorn

    from billing_service.app import create_app

    settings = _settings(db, rules, "", locale)
    with _door(settings, False):
        uvicorn.run(create_app(settings), host=host, port=port, log_level="info")


def main() -> None:
    """The console script."""
    app()


def _settings(db: str, rules: list[Path] | None, user: str, locale: str) -> Settings:
    found = from_environment()
    return replace(found, db=db or found.db, rules=tuple(rules or ()), user=user or found.user, locale=locale)


@contextmanager
def _door(settings: Settings, as_json: bool, *, ready: bool = True) -> Iterator[tuple[Engine, Console]]:
    """The database, checked, and where to print; whatever is refused is told in full and ends with 1."""
    try:
        with connect.opened(settings.url) as engine:
            if ready:
                connect.require(engine, settings.utility)
                roots(settings.roots)  # a root that does not exist is told at once, not by every contract
            yield engine, screens.console()
    except Refused as refusal:
        _tell_problems(refusal.problems, settings.locale, as_json)
    except TariffError as error:
        _tell_problems(error.problems, settings.locale, as_json)
    except DBAPIError as error:
        _tell_problems((problem("database-failed", db=settings.shown_db, reason=error.orig),), settings.locale, as_json)
    except BrokenPipeError:
        raise  # whoever read the output has seen enough; typer ends quietly
    except OSError as error:
        _tell_problems((problem("file-failed", file=error.filename or "", reason=error.strerror or error),), settings.locale, as_json)


def _tell_problems(found: Any, locale: str, as_json: bool) -> None:
    if as_json:
        _print({"problems": [problems.as_json(one, locale) for one in found]})
    else:
        screens.troubles(screens.console(error=True), list(found), locale)
    raise typer.Exit(1)


@contextmanager
def _progress(locale: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shown to a person at a terminal, silent in files and pipes."""
    out = screens.console(error=True)
    if not out.is_terminal:
        yield lambda _what, _done, _of: None
        return
    with out.status(text("say.working", locale)) as status:
        yield lambda what, done, of: status.update(text("say.progress", locale, what=screens.word("progress", what, locale), done=done, of=of))


def _print(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1, default=str) + "\n")


def _day(value: str, name: str, locale: str) -> date:
    found = read_date(value)
    if found is None:
        raise typer.BadParameter(text("problem.not-a-date", locale, column=name, value=value))
    return found


def _month_or_year(value: str, locale: str) -> tuple[date, date]:
    """``2024-03``, or ``2024`` for the final settlement."""
    if re.fullmatch(r"\d{4}", value, re.ASCII) and 0 < int(value) < date.max.year:
        return date(int(value), 1, 1), date(int(value) + 1, 1, 1)
    if not re.fullmatch(r"\d{4}-\d{2}", value, re.ASCII):
        raise typer.BadParameter(text("say.bad-settle-period", locale, value=value))
    return _period(value, "", "", locale)


def _period(month: str, start: str, end: str, locale: str) -> tuple[date, date]:
    """``--period 2026-10``, or ``--from`` and ``--to`` (the day after the last)."""
    if month and not start and not end:
        first = read_date(f"{month}-01") if re.fullmatch(r"\d{4}-\d{2}", month, re.ASCII) else None
        if first is None or first.year == date.max.year:
            raise typer.BadParameter(text("say.bad-month", locale, value=month))
        return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)
    if month or not start or not end:
        raise typer.BadParameter(text("say.which-period", locale))
    span = _day(start, "--from", locale), _day(end, "--to", locale)
    if span[0] >= span[1]:
        raise typer.BadParameter(text("problem.dates-backwards", locale, start=span[0], end=span[1]))
    return span
