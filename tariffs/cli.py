"""The command line, but for whole files (``cli_files``). Exit 0: fine; 1: problems found; 2: wrong use.

Results go to standard output, problems to standard error, or both as one JSON document with ``--json``.
"""

from __future__ import annotations

import os
import sys
from datetime import date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from tariffs import api, audit, cli_files, golden, report, sarif, sheet, skeleton
from tariffs import decompose as causes
from tariffs import diff as differences
from tariffs import plot as picture
from tariffs.errors import NotFoundError, PackError, Problem, fail
from tariffs.load import VersionFile, find, roots, strays, versions
from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import Rating, Version
from tariffs.money import read_number
from tariffs.options import From, Json, Known, Locale, On, Rules, Span, Tariff, To, day_of, default_locale, door, period_of, print_json, run, tell, version_of
from tariffs.options import help_text as _help
from tariffs.words import called, quantity, reader

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=_help("app"))


def main() -> None:
    """The console script. A fault of our own is told in one sentence, too: an operator has no use for a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")  # Arrow keeps its pages for the next batch: fresh ones cost a tenth of the time
    try:
        run(app, "tariffs")
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001
        typer.echo(say("cli.fault", default_locale(), kind=type(error).__name__, detail=str(error)[:500]), err=True)
        raise SystemExit(70) from None


# --- list, show, check --------------------------------------------------------------------------------------------


@app.command("list", help=_help("list"))
@door
def list_(*, rules: Rules = None, on: On = None, known: Known = None, locale: Locale, as_json: Json = False) -> bool:
    """Every version of every root, or those in force on a day."""
    day, when = day_of(on, "--on", locale), day_of(known, "--known", locale)
    if when is not None and day is None:
        raise typer.BadParameter(say("cli.known-without-on", locale))
    files, rows = versions(rules), []
    problems: list[Problem] = []
    for file in files if day is None else {file.tariff: file for file in files}.values():
        try:
            rows.append(_listed(file, files) if day is None else find(file.tariff, day, when, rules)[0])
        except NotFoundError:
            continue  # not in force on that day
        except PackError as error:
            problems += error.problems
    if as_json:
        keys = ("tariff", "effective", "revision", "end", "status", "title", "digest")
        print_json({"tariffs": [{key: sheet.as_json(version)[key] for key in keys} for version in rows], "problems": [p.as_json(locale) for p in problems]})
        return not problems
    table = [(version.tariff, _reign(version), say(f"cli.status.{version.status}", locale), label(version.title, locale)) for version in rows]
    for line in report.aligned(table):
        typer.echo(line)
    tell(tuple(problems), locale, as_json=False)
    return not problems


def _listed(file: VersionFile, files: list[VersionFile]) -> Version:
    """The version in a file, ended by the next of its tariff."""
    later = [other.effective for other in files if other.tariff == file.tariff and other.effective > file.effective]
    return api.read(file, end=min(later, default=None)).model


def _reign(version: Version) -> str:
    """``2021-09-30.r2 .. 2022-09-29``: from the first day to the last."""
    start = version.name.rpartition("@")[2]
    return f"{start} .. {version.end - timedelta(days=1)}" if version.end else f"{start} .."


@app.command("show", help=_help("show"))
@door
def show(tariff: Tariff, *, on: On = None, known: Known = None, rules: Rules = None, locale: Locale, as_json: Json = False) -> bool:
    """A version as a page: the one in force on a day, else the latest."""
    if on is not None or known is not None:
        version = version_of(tariff, on, known, None, rules, locale).model
    else:
        own = [file for file in versions(rules) if file.tariff == tariff]
        version = api.read(own[-1]).model if own else api.load(tariff, on=date(9998, 12, 31), rules=rules).model
    if as_json:
        print_json(sheet.as_json(version))
    else:
        typer.echo(sheet.text(version, locale), nl=False)
    return True


@app.command("check", help=_help("check"))
@door
def check(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH", help=_help("paths"))] = None,
    *,
    on: Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help=_help("check-on"))] = None,
    as_sarif: Annotated[bool, typer.Option("--sarif", help=_help("sarif"))] = False,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """Every version and its golden cases, through both evaluators; then what the prices do: cliffs, falls, dates."""
    day = day_of(on, "--on", locale) or datetime.now().astimezone().date()
    given, wanted = _targets(paths or [], rules, locale)
    files = versions(given)
    found = [golden.check(file, given) for file in files if wanted is None or any(file.path.resolve().is_relative_to(path) for path in wanted)]
    left_over = tuple(stray for stray in strays(given) if wanted is None)
    failed = any(checked.failed for checked in found) or bool(left_over) or not found
    proven = audit.proven([one.file for one in found], files, day)
    if as_sarif:
        print_json(sarif.as_sarif(audit.everything(found, left_over, proven), metadata.version("tariffs"), locale))
        return not failed
    if as_json:
        checked = [
            {
                "tariff": one.file.tariff,
                "effective": str(one.file.effective),
                "revision": one.file.revision,
                "path": str(one.file.path),
                "cases": one.cases,
                "problems": [problem.as_json(locale) for problem in one.problems],
            }
            for one in found
        ]
        findings = audit.as_json(proven, locale)
        print_json({"versions": checked, "problems": [stray.as_json(locale) for stray in left_over], "findings": findings})
        return not failed
    rows = [(one.file.tariff, str(one.file.effective), say("cli.cases", locale, count=one.cases), say(f"cli.{_verdict(one)}", locale)) for one in found]
    for line in report.aligned(rows):
        typer.echo(line)
    tell((*(problem for one in found for problem in one.problems), *left_over), locale, as_json=False)
    for line in audit.text(proven, locale):
        typer.echo(line)
    if not found:
        typer.echo(say("cli.nothing-found", locale), err=True)
    elif not golden.has_columns():
        typer.echo(say("cli.one-evaluator", locale), err=True)
    return not failed


def _verdict(checked: golden.Checked) -> Literal["ok", "failed"]:
    return "failed" if checked.failed else "ok"


def _targets(paths: list[Path], rules: list[Path] | None, locale: str) -> tuple[list[Path], list[Path] | None]:
    """The rule roots to read, and the files or folders asked for. A folder outside all roots is a root of its own."""
    given = list(rules or [])
    for path in paths:
        if not path.exists():
            raise typer.BadParameter(say("cli.no-path", locale, path=path))
        inside = any(path.resolve().is_relative_to(root.resolve()) for root in roots(given))
        if not inside and path.is_dir():
            given.append(path)
        elif not inside:
            raise fail(NotFoundError, "outside-roots", path=path)
    return given, [path.resolve() for path in paths] or None


# --- quote --------------------------------------------------------------------------------------------------------


@app.command("quote", help=_help("quote"))
@door
def quote(
    tariff: Tariff,
    facts: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help=_help("facts"))] = None,
    *,
    on: On = None,
    known: Known = None,
    period: Span = None,
    start: From = None,
    end: To = None,
    explain: Annotated[bool, typer.Option("--explain", help=_help("explain"))] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help=_help("markdown"))] = False,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """One price, and why."""
    span = period_of(period, start, end, locale)
    given = _facts(facts or [], locale)
    rating = version_of(tariff, on, known, span, rules, locale).explain(given, period=span)
    if as_json:
        print_json(report.as_json(rating))
    elif markdown:
        typer.echo(report.markdown(rating, locale), nl=False)
    elif explain:
        typer.echo(report.text(rating, locale), nl=False)
    else:
        for line in _brief(rating, locale):
            typer.echo(line)
        if rating.version.status != "published":
            typer.echo(say(f"report.status.{rating.version.status}", locale), err=True)
    return True


def _facts(pairs: list[str], locale: str) -> dict[str, object]:
    """``name=value`` as typed; a member of a family by its full name, ``conc[COD]=250``."""
    found: dict[str, object] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise typer.BadParameter(say("cli.bad-fact", locale, pair=pair))
        if name in found:
            raise typer.BadParameter(say("cli.fact-twice", locale, name=name))
        found[name] = value
    return found


def _brief(rating: Rating, locale: str) -> list[str]:
    """The amount alone where there is one line; else each line and, last, the total."""
    who = reader(rating.version, locale)
    total = quantity(who, rating.total, who.money)
    if [line.charge.kind for line in rating.lines] == ["line"]:
        return [total]
    rows = [(called(who, line.charge.full_name), quantity(who, line.amount, line.step.unit)) for line in rating.lines]
    if rating.version.billable:
        rows.append((say(f"report.total.{rating.version.direction}", locale), total))
    return report.aligned(rows)


# --- new, schema --------------------------------------------------------------------------------------------------


@app.command("new", help=_help("new"))
@door
def new(
    tariff: Annotated[str, typer.Argument(metavar="TARIFF", help=_help("new-tariff"))],
    *,
    on: Annotated[str, typer.Option("--on", metavar="YYYY-MM-DD", help=_help("new-on"))],
    rules: Annotated[list[Path] | None, typer.Option("--rules", metavar="DIR", help=_help("new-rules"))] = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A first version and its cases, to be changed."""
    day = day_of(on, "--on", locale)
    assert day is not None
    written = skeleton.new(tariff, day, rules or [], locale)
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return True
    for path in written:
        typer.echo(say("cli.written", locale, path=path))
    typer.echo(say("cli.new-next", locale, root=written[0].parents[len(Path(tariff).parts)]))
    return True


@app.command("schema", help=_help("schema"))
@door
def schema(
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help=_help("schema-output"))] = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """The JSON schema of version files, for editors."""
    if output is None:
        typer.echo(skeleton.schema_text(), nl=False)
        return True
    skeleton.write(output, skeleton.schema_text())
    if as_json:
        print_json({"written": [str(output)]})
    else:
        typer.echo(say("cli.written", locale, path=output))
    return True


# --- diff, plot ---------------------------------------------------------------------------------------------------


@app.command("diff", help=_help("diff"))
@door
def diff(
    tariff: Tariff,
    first: Annotated[str, typer.Argument(metavar="DATE1", help=_help("first"))],
    second: Annotated[str, typer.Argument(metavar="DATE2", help=_help("second"))],
    *,
    known: Known = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """Two versions in words."""
    old, new = (version_of(tariff, day, known, None, rules, locale).model for day in (first, second))
    if as_json:
        print_json(differences.as_json(old, new, locale))
    else:
        typer.echo(differences.text(old, new, locale), nl=False)
    return True


@app.command("plot", help=_help("plot"))
@door
def plot(
    tariff: Tariff,
    facts: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help=_help("facts"))] = None,
    *,
    on: Annotated[list[str], typer.Option("--on", metavar="YYYY-MM-DD", help=_help("plot-on"))],
    against: Annotated[str, typer.Option("--against", metavar="NAME", help=_help("against"))],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help=_help("picture"))],
    upto: Annotated[str | None, typer.Option("--upto", metavar="NUMBER", help=_help("upto"))] = None,
    known: Known = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A picture of one tariff, or of several of its versions."""
    shown = [version_of(tariff, day, known, None, rules, locale) for day in on]
    end = read_number(upto) if upto else None
    if upto and (end is None or end <= 0):
        raise typer.BadParameter(say("plot.upto", locale, value=upto))
    hand = picture.plot(shown, against, _facts(facts or [], locale), output, upto=end, locale=locale)
    if as_json:
        print_json({"written": [str(output)]})
    else:
        typer.echo(say("cli.written", locale, path=output))
    if hand.locale != locale:
        typer.echo(say("plot.english", locale), err=True)
    return True


# --- decompose ----------------------------------------------------------------------------------------------------


@app.command("decompose", help=_help("decompose"))
@door
def decompose(
    before: Annotated[Path, typer.Argument(metavar="BEFORE.json", help=_help("settlement"))],
    after: Annotated[Path, typer.Argument(metavar="AFTER.json", help=_help("settlement"))],
    *,
    known: Known = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """Whose doing the difference between two settlements is."""
    first, second = (causes.read_settlement(file, lambda tariff, on: version_of(tariff, on, known, None, rules, locale).model) for file in (before, after))
    found = causes.decompose(first, second)
    if as_json:
        print_json(causes.as_json(found))
    else:
        typer.echo(causes.text(found, second.version.currency, locale))
    return True


app.add_typer(cli_files.app)
