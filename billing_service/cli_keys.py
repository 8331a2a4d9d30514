"""``billing key``: keys of the API, made, listed and taken back."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from billing_service import keys, screens
from billing_service.door import LOCALE, As, Db, Json, Locale, Utility, day_of, door, help_of, settings_of, show
from billing_service.runs import clock
from billing_service.store.connect import writing

#: What is written for a key without an end.
NEVER = "never"
app = typer.Typer(help=help_of("key"), no_args_is_help=True)


@app.command(help=help_of("key-create"))
def create(
    name: Annotated[str, typer.Argument(help=help_of("key-name"))],
    scopes: Annotated[str, typer.Option("--scopes", help=help_of("key-scopes"))] = "quote,read",
    expires: Annotated[str, typer.Option("--expires", metavar="DATE", help=help_of("key-expires"), show_default=False)] = "",
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    now = clock()
    end = None if expires == NEVER else now + keys.LASTS
    if expires not in ("", NEVER):
        end = datetime.combine(day_of(expires, "--expires", locale), time(), ZoneInfo(settings.timezone))
    with door(settings, as_json) as (engine, out):
        with writing(engine, settings.utility) as conn:
            made = keys.create(conn, settings, name, {scope.strip() for scope in scopes.split(",") if scope.strip()}, end, now)
        if as_json:
            show({"id": made.id, "key": made.text, "expires": made.expires})
        else:
            screens.tell(out, "say.key-made", locale, text=made.text)
            if made.expires:
                screens.tell(out, "say.key-ends", locale, expires=made.expires.astimezone(ZoneInfo(settings.timezone)).isoformat(" ", "minutes"))
            else:
                screens.tell(out, "say.key-never-ends", locale)


@app.command("list", help=help_of("key-list"))
def list_(db: Db = "", utility: Utility = "", as_json: Json = False, locale: Locale = LOCALE) -> None:
    settings = settings_of(db, utility, None, "", locale)
    with door(settings, as_json) as (engine, out):
        found = keys.every(engine, settings.utility)
        rows = [(one.id, one.name, one.scopes, one.created_at, one.expires_at or "", one.revoked_at or "") for one in found]
        names = ("key", "name", "scopes", "created", "expires", "revoked")
        if as_json:
            show({"keys": [dict(zip(names, map(str, row), strict=True)) for row in rows]})
        else:
            screens.table(out, names, rows, locale)


@app.command(help=help_of("key-revoke"))
def revoke(
    key: Annotated[str, typer.Argument(help=help_of("key-id"))],
    db: Db = "",
    utility: Utility = "",
    user: As = "",
    as_json: Json = False,
    locale: Locale = LOCALE,
) -> None:
    settings = settings_of(db, utility, None, user, locale)
    with door(settings, as_json) as (engine, out):
        done = keys.revoke(engine, settings, key, clock())
        if as_json:
            show({"key": key, "revoked": done})
        else:
            screens.tell(out, "say.key-revoked" if done else "say.key-was-revoked", locale, id=key, seconds=f"{keys.TRUSTED:g}")
