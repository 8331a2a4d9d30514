"""The command line: list, show, check, quote, rate, new, schema. Exit 0: fine; 1: problems found; 2: wrong use.

Results go to standard output, problems to standard error, or both as one JSON document with ``--json``.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec

import typer

from tariffs import api, audit, compare_words, frames, golden, report, sarif, sheet, skeleton, summary
from tariffs import decompose as causes
from tariffs import diff as differences
from tariffs import plot as picture
from tariffs.compare import compare as compare_versions
from tariffs.compare import explained_of
from tariffs.errors import NotFoundError, PackError, Problem, TariffError, fail
from tariffs.load import VersionFile, as_date, find, roots, strays, versions
from tariffs.manifest import BAD, as_text
from tariffs.messages import LANGUAGES, label, language_of
from tariffs.messages import text as say
from tariffs.model import Rating, Version
from tariffs.money import read_number
from tariffs.options import From, Json, Known, Locale, On, Rules, Span, Tariff, To, default_locale
from tariffs.options import help_text as _help
from tariffs.words import called, quantity, reader

_P = ParamSpec("_P")


app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=_help("app"))


def main() -> None:
    """The console script. A fault of our own is told in one sentence, too: an operator has no use for a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")  # Arrow keeps its pages for the next batch: fresh ones cost a tenth of the time
    try:
        app(prog_name="tariffs")
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001
        typer.echo(say("cli.fault", default_locale(), kind=type(error).__name__, detail=str(error)[:500]), err=True)
        raise SystemExit(70) from None


def _door(command: Callable[_P, bool]) -> Callable[_P, None]:
    """A command that answers whether all is well; problems of any kind are told and give exit 1."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        locale, as_json = str(kwargs["locale"]), bool(kwargs["as_json"])
        if language_of(locale) not in LANGUAGES or not re.match(r"(en|zh)\b|(en|zh)_", locale):
            raise typer.BadParameter(say("cli.bad-locale", default_locale(), locale=locale))
        try:
            fine = command(*args, **kwargs)
        except TariffError as error:
            _tell(error.problems, locale, as_json=as_json)
            fine = False
        if not fine:
            raise typer.Exit(1)

    return run


def _tell(problems: tuple[Problem, ...], locale: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"problems": [problem.as_json(locale) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(problem.text(locale), err=True)


def _print_json(found: Any) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _day(value: str | None, name: str, locale: str) -> date | None:
    """A date option; what is no date is wrong use."""
    try:
        return None if value is None else as_date(value, name)
    except TariffError as error:
        raise typer.BadParameter(error.problems[0].sentence(locale)) from None


def _period(span: str | None, start: str | None, end: str | None, locale: str) -> tuple[date, date] | None:
    """``--period 2026-10`` (or ``2026-10-01..2026-11-01``), or ``--from`` with ``--to``; half-open."""
    if span is not None and (start is not None or end is not None):
        raise typer.BadParameter(say("cli.two-periods", locale))
    if span is not None and re.fullmatch(r"\d{4}-\d{2}", span, re.ASCII):
        first = _day(f"{span}-01", "--period", locale)
        return None if first is None else api.period_holding(first, "month")
    if span is not None:
        start, separator, end = span.partition("..")
        if not separator:
            raise typer.BadParameter(say("cli.bad-period", locale, value=span))
    if (start is None) != (end is None):
        raise typer.BadParameter(say("cli.half-period", locale))
    first, last = _day(start, "--from", locale), _day(end, "--to", locale)
    return None if first is None or last is None else (first, last)


def _version(tariff: str, on: str | None, known: str | None, period: tuple[date, date] | None, rules: list[Path] | None, locale: str) -> api.TariffVersion:
    """The version in force on ``--on``, or on the first day of the period."""
    day = _day(on, "--on", locale) or (period[0] if period else None)
    if day is None:
        raise typer.BadParameter(say("cli.no-day", locale))
    return api.load(tariff, on=day, known=_day(known, "--known", locale), rules=rules)


# --- list, show, check --------------------------------------------------------------------------------------------


@app.command("list", help=_help("list"))
@_door
def list_(*, rules: Rules = None, on: On = None, known: Known = None, locale: Locale, as_json: Json = False) -> bool:
    """Every version of every root, or those in force on a day."""
    day, when = _day(on, "--on", locale), _day(known, "--known", locale)
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
        _print_json({"tariffs": [{key: sheet.as_json(version)[key] for key in keys} for version in rows], "problems": [p.as_json(locale) for p in problems]})
        return not problems
    table = [(version.tariff, _reign(version), say(f"cli.status.{version.status}", locale), label(version.title, locale)) for version in rows]
    for line in report.aligned(table):
        typer.echo(line)
    _tell(tuple(problems), locale, as_json=False)
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
@_door
def show(tariff: Tariff, *, on: On = None, known: Known = None, rules: Rules = None, locale: Locale, as_json: Json = False) -> bool:
    """A version as a page: the one in force on a day, else the latest."""
    if on is not None or known is not None:
        version = _version(tariff, on, known, None, rules, locale).model
    else:
        own = [file for file in versions(rules) if file.tariff == tariff]
        version = api.read(own[-1]).model if own else api.load(tariff, on=date(9998, 12, 31), rules=rules).model
    if as_json:
        _print_json(sheet.as_json(version))
    else:
        typer.echo(sheet.text(version, locale), nl=False)
    return True


@app.command("check", help=_help("check"))
@_door
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
    day = _day(on, "--on", locale) or datetime.now().astimezone().date()
    given, wanted = _targets(paths or [], rules, locale)
    files = versions(given)
    found = [golden.check(file, given) for file in files if wanted is None or any(file.path.resolve().is_relative_to(path) for path in wanted)]
    left_over = tuple(stray for stray in strays(given) if wanted is None)
    failed = any(checked.failed for checked in found) or bool(left_over) or not found
    proven = audit.proven([one.file for one in found], files, day)
    if as_sarif:
        _print_json(sarif.as_sarif(audit.everything(found, left_over, proven), metadata.version("tariffs"), locale))
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
        _print_json({"versions": checked, "problems": [stray.as_json(locale) for stray in left_over], "findings": findings})
        return not failed
    rows = [(one.file.tariff, str(one.file.effective), say("cli.cases", locale, count=one.cases), say(f"cli.{_verdict(one)}", locale)) for one in found]
    for line in report.aligned(rows):
        typer.echo(line)
    _tell((*(problem for one in found for problem in one.problems), *left_over), locale, as_json=False)
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


# --- quote, rate --------------------------------------------------------------------------------------------------


@app.command("quote", help=_help("quote"))
@_door
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
    span = _period(period, start, end, locale)
    given = _facts(facts or [], locale)
    rating = _version(tariff, on, known, span, rules, locale).explain(given, period=span)
    if as_json:
        _print_json(report.as_json(rating))
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


@app.command("rate", help=_help("rate"))
@_door
def rate(
    tariff: Tariff,
    source: Annotated[Path, typer.Argument(metavar="IN", help=_help("source"))],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help=_help("output"))],
    on: On = None,
    known: Known = None,
    period: Span = None,
    start: From = None,
    end: To = None,
    errors: Annotated[Literal["raise", "return"], typer.Option("--errors", help=_help("errors"))] = "raise",
    workings: Annotated[bool, typer.Option("--workings", help=_help("workings"))] = False,
    lines: Annotated[Literal["wide", "long"], typer.Option("--lines", help=_help("lines"))] = "wide",
    keep: Annotated[list[str] | None, typer.Option("--keep", metavar="COLUMN", help=_help("keep"))] = None,
    encoding: Annotated[str, typer.Option("--encoding", metavar="NAME", help=_help("encoding"))] = "utf-8",
    engine: Annotated[Literal["auto", "numpy", "fused"], typer.Option("--engine", help=_help("engine"))] = "auto",
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", show_default=False, help=_help("progress"))] = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A file of many rows."""
    span = _period(period, start, end, locale)
    version = _version(tariff, on, known, span, rules, locale)
    begin = time.monotonic_ns()
    tell = summary.teller(progress, locale, functools.partial(typer.echo, err=True, nl=False))
    options: dict[str, Any] = {"errors": errors, "workings": workings, "locale": locale, "shape": lines, "keep": keep or None}
    done = frames.rate_file(version, source, output, period=span, progress=tell, encoding=encoding, engine=engine, **options)
    used = summary.spent(begin)
    if as_json:
        _print_json(summary.as_json(done, used))
        return not done.bad
    for line in summary.text(done, used, version.currency, locale):
        typer.echo(line)
    if done.bad_path:
        typer.echo(say("cli.rated-bad", locale, rows=done.bad, path=done.bad_path), err=True)
    return not done.bad


@app.command("scale", help=say("scale.help.scale", default_locale()))
@_door
def scale(
    tariff: Tariff,
    source: Annotated[Path, typer.Argument(metavar="IN_DIR", help=say("scale.help.source", default_locale()))],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT_DIR", help=say("scale.help.output", default_locale()))],
    workers: Annotated[int | None, typer.Option("--workers", min=1, metavar="N", help=say("scale.help.workers", default_locale()))] = None,
    dask: Annotated[str | None, typer.Option("--dask", metavar="ADDRESS", help=say("scale.help.dask", default_locale()))] = None,
    on: On = None,
    known: Known = None,
    period: Span = None,
    start: From = None,
    end: To = None,
    errors: Annotated[Literal["raise", "return"], typer.Option("--errors", help=_help("errors"))] = "raise",
    workings: Annotated[bool, typer.Option("--workings", help=_help("workings"))] = False,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A folder of files, one task each."""
    from tariffs import scale as many

    span = _period(period, start, end, locale)
    if dask is not None and workers is not None:
        raise typer.BadParameter(say("scale.two-engines", locale))
    version = _version(tariff, on, known, span, rules, locale)
    options: dict[str, Any] = {"period": span, "errors": errors, "workings": workings, "locale": locale}
    options |= {"run": many.by_dask(dask) if dask is not None else many.locally(workers)}
    options |= {"progress": functools.partial(_files_progress, locale)} if sys.stderr.isatty() and not as_json else {}
    begin = time.monotonic_ns()
    done = many.rate_files(version, source, output, **options)
    spent = {"seconds": summary.seconds((time.monotonic_ns() - begin) // 10**6), "files": len(done.files), "kept": sum(file.kept for file in done.files)}
    totals = as_text(done.totals)
    if as_json:
        _print_json({"rows": done.rows, "bad": done.bad, "totals": totals, **spent, "manifest": str(done.path)})
    else:
        typer.echo(say("scale.done", locale, rows=done.rows - done.bad, total=totals["total"], currency=version.currency, path=done.path, **spent))
        if done.bad:
            typer.echo(say("scale.bad", locale, rows=done.bad, path=done.path.parent / BAD), err=True)
    return not done.bad


def _files_progress(locale: str, done: int, files: int, rows: int) -> None:
    """One line of a terminal, written over and over."""
    typer.echo("\r" + say("scale.progress", locale, done=done, files=files, rows=rows) + "\r", err=True, nl=False)


# --- new, schema --------------------------------------------------------------------------------------------------


@app.command("new", help=_help("new"))
@_door
def new(
    tariff: Annotated[str, typer.Argument(metavar="TARIFF", help=_help("new-tariff"))],
    *,
    on: Annotated[str, typer.Option("--on", metavar="YYYY-MM-DD", help=_help("new-on"))],
    rules: Annotated[list[Path] | None, typer.Option("--rules", metavar="DIR", help=_help("new-rules"))] = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A first version and its cases, to be changed."""
    day = _day(on, "--on", locale)
    assert day is not None
    written = skeleton.new(tariff, day, rules or [], locale)
    if as_json:
        _print_json({"written": [str(path) for path in written]})
        return True
    for path in written:
        typer.echo(say("cli.written", locale, path=path))
    typer.echo(say("cli.new-next", locale, root=written[0].parents[len(Path(tariff).parts)]))
    return True


@app.command("schema", help=_help("schema"))
@_door
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
        _print_json({"written": [str(output)]})
    else:
        typer.echo(say("cli.written", locale, path=output))
    return True


# --- diff, plot ---------------------------------------------------------------------------------------------------


@app.command("diff", help=_help("diff"))
@_door
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
    old, new = (_version(tariff, day, known, None, rules, locale).model for day in (first, second))
    if as_json:
        _print_json(differences.as_json(old, new, locale))
    else:
        typer.echo(differences.text(old, new, locale), nl=False)
    return True


@app.command("plot", help=_help("plot"))
@_door
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
    shown = [_version(tariff, day, known, None, rules, locale) for day in on]
    end = read_number(upto) if upto else None
    if upto and (end is None or end <= 0):
        raise typer.BadParameter(say("plot.upto", locale, value=upto))
    picture.plot(shown, against, _facts(facts or [], locale), output, upto=end, locale=locale)
    if as_json:
        _print_json({"written": [str(output)]})
    else:
        typer.echo(say("cli.written", locale, path=output))
    return True


# --- decompose ----------------------------------------------------------------------------------------------------


@app.command("decompose", help=_help("decompose"))
@_door
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
    first, second = (causes.read_settlement(file, lambda tariff, on: _version(tariff, on, known, None, rules, locale).model) for file in (before, after))
    found = causes.decompose(first, second)
    if as_json:
        _print_json(causes.as_json(found))
    else:
        typer.echo(causes.text(found, second.version.currency, locale))
    return True


# --- compare ------------------------------------------------------------------------------------------------------


@app.command("compare", help=_help("compare"))
@_door
def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help=_help("compare-old"))],
    new: Annotated[str, typer.Argument(metavar="NEW", help=_help("compare-new"))],
    accounts: Annotated[Path, typer.Argument(metavar="ACCOUNTS", help=_help("compare-accounts"))],
    *,
    stage: Annotated[Path | None, typer.Option("--stage", metavar="FILE", help=_help("compare-stage"))] = None,
    by: Annotated[list[str] | None, typer.Option("--by", metavar="COLUMN", help=_help("compare-by"))] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="COLUMN", help=_help("compare-key"))] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="AMOUNT", help=_help("compare-target"))] = None,
    explain: Annotated[list[str] | None, typer.Option("--explain", metavar="ACCOUNT", help=_help("compare-explain"))] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help=_help("compare-plot"))] = None,
    known: Known = None,
    period: Span = None,
    start: From = None,
    end: To = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """What another version would change, and for whom."""
    span = _period(period, start, end, locale)
    cost = read_number(target) if target is not None else None
    if target is not None and cost is None:
        raise typer.BadParameter(say("compare.amount", locale, value=target))
    one, other = (_at(version, known, rules, locale) for version in (old, new))
    table, rows = frames.read_table(accounts), None if stage is None else frames.read_table(stage)
    found = compare_versions(one, other, table, stage=rows, by=by or (), key=key, target=cost, period=span, locale=locale)
    told = [rating for name in explain or [] for rating in explained_of(one, other, table, name, stage=rows, key=key, period=span)]
    if plot is not None:
        from tariffs import compare_plot

        compare_plot.draw(found, plot, locale)
    if as_json:
        _print_json(compare_words.as_json(found, locale) | ({"explained": [report.as_json(rating) for rating in told]} if told else {}))
        return True
    typer.echo(compare_words.text(found, locale), nl=False)
    for rating in told:
        typer.echo("\n" + report.text(rating, locale), nl=False)
    if plot is not None:
        typer.echo(say("cli.written", locale, path=plot), err=True)
    return True


def _at(reference: str, known: str | None, rules: list[Path] | None, locale: str) -> api.TariffVersion:
    """The version an ``ID@DATE`` names: the one in force on that day."""
    tariff, separator, day = reference.rpartition("@")
    if not separator or not tariff:
        raise typer.BadParameter(say("compare.reference", locale, value=reference))
    return _version(tariff, day, known, None, rules, locale)
