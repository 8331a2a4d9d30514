"""Who calls: the key of a request, held against the scope a route asks for. Every route of ``/v1`` names one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool

from billing_service import keys
from billing_service.keys import TRUSTED, Caller
from billing_service.runs import clock
from billing_service.settings import Settings

_MOST = 10_000


@dataclass(slots=True)
class Trust:
    """Keys seen lately, with the moment until which they need not be looked up again, and the settings of each caller."""

    seen: dict[str, tuple[Caller, float]] = field(default_factory=dict)
    settings: dict[tuple[str, str], Settings] = field(default_factory=dict)


class Needs(HTTPBearer):
    """A dependency that gives the caller. Refused: 401 for a key that opens nothing, 403 for one without the scope.

    It is the framework's own bearer scheme, so that the description of the API names it, and one dependency instead of two: that is a tenth of a quote.
    """

    def __init__(self, scope: str) -> None:
        super().__init__(auto_error=False, scheme_name="key", description="`Authorization: Bearer <key>`, a key made by `billing key create`")
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]  # who calls, not what was sent
        return await calling(request, self.scope)


#: What a route says in its description that asks with ``calling`` itself: the same as a dependency would say.
KEYED = {"security": [{"key": list[str]()}]}


async def calling(request: Request, scope: str) -> Caller:
    """The caller, held against a scope. Refused: 401 for a key that opens nothing, 403 for one without the scope.

    A route asked a thousand times a second asks this way, for a dependency costs it a twentieth; all others depend on ``Needs``.
    """
    kind, text = get_authorization_scheme_param(request.headers.get("Authorization"))
    who = await _caller(request, text if kind.lower() == "bearer" else "")
    keys.demand(who, scope)
    return who


async def _caller(request: Request, text: str) -> Caller:
    trust: Trust = request.app.state.trust
    known = trust.seen.get(text)
    if known is not None and time.monotonic() < known[1]:
        return known[0]
    who = await run_in_threadpool(keys.caller, request.app.state.engine, text, clock()) if text else None
    if who is None:
        trust.seen.pop(text, None)
        raise keys.unknown()
    if len(trust.seen) >= _MOST:
        trust.seen.clear()
    trust.seen[text] = (who, time.monotonic() + TRUSTED)
    return who


def settings_for(request: Request, who: Caller) -> Settings:
    """The service's settings as they are for this caller: its utility, its name."""
    trust: Trust = request.app.state.trust
    own = trust.settings.get((who.utility, who.name))
    if own is None:
        if len(trust.settings) >= _MOST:
            trust.settings.clear()
        own = replace(request.app.state.settings, utility=who.utility, user=who.name)
        trust.settings[who.utility, who.name] = own
    return own


Quoting = Annotated[Caller, Security(Needs("quote"))]
Reading = Annotated[Caller, Security(Needs("read"))]
Writing = Annotated[Caller, Security(Needs("write"))]
Running = Annotated[Caller, Security(Needs("run"))]
Approving = Annotated[Caller, Security(Needs("approve"))]
Administering = Annotated[Caller, Security(Needs("admin"))]
