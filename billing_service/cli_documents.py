"""Commands about documents that were issued: crediting, correcting in bulk, verifying."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.text import Text

from billing_service import corrections, crediting, problems, screens
from billing_service import verify as verifying
from billing_service.crediting import Asked
from billing_service.documents import explanation
from billing_service.documents.invoice import money
from billing_service.door import LOCALE, As, Db, Json, Locale, Rules, Utility, day_of, door, help_of, month_or_year, settings_of, show, shown_progress
from billing_service.problems import refused
from billing_service.runs import clock
from billing_service.store import documents
from billing_service.store.connect import reading

app = typer.Typer()


@app.command(help=help_of("credit"))
def credit(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=help_of("credit-number"))],
    reason: Annotated[str, typer.Option("--reason", help=help_of("credit-reason"))],
    charge: Annotated[list[str] | None, typer.Option("--charge", metavar="CHARGE=AMOUNT", help=help_of("credit-charge"), show_default=False)] = None,
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        made = crediting.credit(engine, settings, number, [_asked(one) for one in charge or ()], reason, clock())
        with reading(engine, settings.utility) as conn:
            row = documents.by_number(conn, settings.utility, made)
        assert row is not None, "it was just issued"
        said = {"number": made, "corrects": number, "total": money(row.total), "currency": row.currency}
        if as_json:
            show(said)
        else:
            screens.tell(out, "say.credited", locale, **said)


def _asked(text: str) -> Asked:
    name, equals, amount = text.partition("=")
    tariff, _, charge = name.rpartition(":")
    if not equals or not charge:
        raise refused("credit-charge-form", value=text)
    return Asked(charge, amount, tariff)


@app.command(help=help_of("explain"))
def explain(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=help_of("document-number"))],
    db: Db = "",
    utility: Utility = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out), reading(engine, settings.utility) as conn:
        found = explanation.by_number(conn, settings, number)
        if found is None:
            raise refused("no-such-document", number=number)
        if as_json:
            show(explanation.as_json(found, locale))
        else:
            out.print(Text(explanation.as_text(found, locale)), soft_wrap=True, end="")


@app.command(help=help_of("correct"))
def correct(
    known: Annotated[str, typer.Option("--known", help=help_of("correct-known"))] = "now",
    period: Annotated[list[str] | None, typer.Option("--period", help=help_of("correct-period"), show_default=False)] = None,
    db: Db = "",
    utility: Utility = "",
    rules: Rules = None,
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, rules, user, locale)
    day = None if known == "now" else day_of(known, "--known", locale)
    spans = [month_or_year(one, locale) for one in period or ()]
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress:
        found = corrections.correct(engine, settings, spans, day, clock(), progress)
        with reading(engine, settings.utility) as conn:
            back = corrections.taking_back(conn, settings.utility, [one.outcome.id for one in found if one.outcome])
        told = [(one, {"start": one.period[0], "end": one.period[1], "plant": one.plant}) for one in found]
        if as_json:
            made = [
                said
                | ({name: getattr(one.outcome, name) for name in one.outcome.__slots__} | {"takes_back": back.get(one.outcome.id, 0)} if one.outcome else {})
                | {"problems": [problems.as_json(wrong, locale) for wrong in one.problems]}
                for one, said in told
            ]
            show({"corrections": made})
        else:
            for one, said in told:
                if one.outcome:
                    counts = {name: getattr(one.outcome, name) for name in ("invoices", "differences", "unchanged", "parked")}
                    screens.tell(out, "say.corrected", locale, run=one.outcome.id or "-", **counts, **said)
                if taken := back.get(one.outcome.id if one.outcome else ""):
                    screens.tell(out, "say.takes-back", locale, count=taken, known=day, run=one.outcome.id if one.outcome else "")
                screens.troubles(out, one.problems, locale)
            if not found:
                screens.tell(out, "say.corrected-nothing", locale)
    if any(one.problems for one in found):
        raise typer.Exit(1)


@app.command(help=help_of("verify"))
def verify(
    sample: Annotated[int, typer.Option("--sample", min=0, help=help_of("verify-sample"))] = verifying.SAMPLE,
    seed: Annotated[int, typer.Option("--seed", help=help_of("verify-seed"))] = 0,
    every: Annotated[bool, typer.Option("--all", help=help_of("verify-all"))] = False,
    anchor: Annotated[str, typer.Option("--anchor", metavar="SEQ:HASH", help=help_of("verify-anchor"), show_default=False)] = "",
    db: Db = "",
    utility: Utility = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out), shown_progress(locale) as progress, reading(engine, settings.utility) as conn:
        kept = _anchor(anchor) if anchor else None
        found = verifying.verify(conn, settings.utility, progress, sample=None if every else sample, seed=seed, anchor=kept)
        counts = {name: getattr(found, name) for name in ("events", "head", "versions", "documents", "issued", "lines", "numbers")}
        if as_json:
            show({**counts, "problems": [problems.as_json(one, locale) for one in found.problems]})
        else:
            screens.troubles(out, found.problems, locale)
            screens.tell(out, "say.verified", locale, count=len(found.problems), **counts)
    if found.problems:
        raise typer.Exit(1)


def _anchor(text: str) -> verifying.Anchor:
    seq, _, digest = text.partition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", seq, re.ASCII) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise refused("bad-anchor", value=text)
    return int(seq), digest
