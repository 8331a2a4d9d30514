"""Commands over whole files: rate one, rate a folder of them, compare two versions over one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tariffs import api, compare_words, frames, report, summary
from tariffs.compare import Comparison, explained_of
from tariffs.compare import compare as compare_versions
from tariffs.manifest import BAD, as_text
from tariffs.messages import text as say
from tariffs.money import read_number
from tariffs.options import From, Json, Known, Locale, On, Rules, Span, Tariff, To, default_locale, door, period_of, print_json, version_of
from tariffs.options import help_text as _help

app = typer.Typer()


@app.command("rate", help=_help("rate"))
@door
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
    span = period_of(period, start, end, locale)
    version = version_of(tariff, on, known, span, rules, locale)
    begin = time.monotonic_ns()
    tell = _teller(progress, locale)
    options: dict[str, Any] = {"errors": errors, "workings": workings, "locale": locale, "shape": lines, "keep": keep or None}
    options |= {"progress": lambda rows: tell("cli.rate-progress", rows=rows)}
    done = frames.rate_file(version, source, output, period=span, encoding=encoding, engine=engine, **options)
    used = summary.spent(begin)
    if as_json:
        print_json(summary.as_json(done, used))
        return not done.bad
    for line in summary.text(done, used, version.currency, locale):
        typer.echo(line)
    if done.bad_path:
        typer.echo(say("cli.rated-bad", locale, rows=done.bad, path=done.bad_path), err=True)
    return not done.bad


@app.command("scale", help=say("scale.help.scale", default_locale()))
@door
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
    errors: Annotated[Literal["raise", "return"], typer.Option("--errors", help=say("scale.help.errors", default_locale()))] = "raise",
    workings: Annotated[bool, typer.Option("--workings", help=_help("workings"))] = False,
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", show_default=False, help=say("scale.help.progress", default_locale()))] = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """A folder of files, one task each."""
    from tariffs import scale as many

    span = period_of(period, start, end, locale)
    if dask is not None and workers is not None:
        raise typer.BadParameter(say("scale.two-engines", locale))
    version = version_of(tariff, on, known, span, rules, locale)
    options: dict[str, Any] = {"period": span, "errors": errors, "workings": workings, "locale": locale}
    options |= {"run": many.by_dask(dask) if dask is not None else many.locally(workers)}
    tell = _teller(progress, locale)
    options |= {"progress": lambda done, files, rows: tell("scale.progress", done=done, files=files, rows=rows)}
    begin = time.monotonic_ns()
    done = many.rate_files(version, source, output, **options)
    spent = {"seconds": summary.seconds((time.monotonic_ns() - begin) // 10**6), "files": len(done.files), "kept": sum(file.kept for file in done.files)}
    totals = as_text(done.totals)
    if as_json:
        print_json({"rows": done.rows, "rated": done.rows - done.bad, "bad": done.bad, "totals": totals, **spent, "manifest": str(done.path)})
    else:
        counted = {"read": done.rows, "rows": done.rows - done.bad, "bad": done.bad}
        typer.echo(say("scale.done", locale, **counted, total=totals["total"], currency=version.currency, path=done.path, **spent))
        if done.bad:
            typer.echo(say("scale.bad", locale, rows=done.bad, path=done.path.parent / BAD), err=True)
    return not done.bad


def _teller(wanted: bool | None, locale: str) -> Callable[..., object]:
    return summary.teller(wanted, locale, functools.partial(typer.echo, err=True, nl=False))


# --- compare ------------------------------------------------------------------------------------------------------


@app.command("compare", help=_help("compare"))
@door
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
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", show_default=False, help=_help("compare-progress"))] = None,
    known: Known = None,
    period: Span = None,
    start: From = None,
    end: To = None,
    rules: Rules = None,
    locale: Locale,
    as_json: Json = False,
) -> bool:
    """What another version would change, and for whom."""
    span = period_of(period, start, end, locale)
    cost = read_number(target) if target is not None else None
    if target is not None and cost is None:
        raise typer.BadParameter(say("compare.amount", locale, value=target))
    one, other = (_at(version, known, rules, locale) for version in (old, new))
    tell = _teller(progress, locale)
    table, rows = frames.read_table(accounts), None if stage is None else frames.read_table(stage)
    tell("compare.progress.read", rows=table.num_rows)
    options: dict[str, Any] = {"by": by or (), "key": key, "target": cost, "period": span, "locale": locale}
    found = compare_versions(one, other, table, stage=rows, progress=lambda side: tell(f"compare.progress.{side}", rows=table.num_rows), **options)
    told = [rating for name in explain or [] for rating in explained_of(one, other, table, name, stage=rows, key=key, period=span)]
    if plot is not None:
        _draw(found, plot, locale)
    if as_json:
        print_json(compare_words.as_json(found, locale) | ({"explained": [report.as_json(rating) for rating in told]} if told else {}))
        return found.compared == found.rows
    typer.echo(compare_words.text(found, locale), nl=False)
    for rating in told:
        typer.echo("\n" + report.text(rating, locale), nl=False)
    if plot is not None:
        typer.echo(say("cli.written", locale, path=plot), err=True)
    return found.compared == found.rows


def _draw(found: Comparison, output: Path, locale: str) -> None:
    from tariffs import compare_plot

    hand = compare_plot.draw(found, output, locale)
    if hand.locale != locale:
        typer.echo(say("plot.english", locale), err=True)
    if compare_plot.numbered(found, hand):
        typer.echo(say("compare.plot.numbered", locale), err=True)


def _at(reference: str, known: str | None, rules: list[Path] | None, locale: str) -> api.TariffVersion:
    """The version an ``ID@DATE`` names: the one in force on that day."""
    tariff, separator, day = reference.rpartition("@")
    if not separator or not tariff:
        raise typer.BadParameter(say("compare.reference", locale, value=reference))
    return version_of(tariff, day, known, None, rules, locale)
