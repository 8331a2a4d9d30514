"""Writes happen once: ``Idempotency-Key`` names an attempt, and the first answer to it is the answer for ever.

The key is looked up and the answer kept in the transaction of the work itself, so a twin that comes meanwhile waits and then
gets the same answer, and a kill leaves either both or neither. What the work refused is an answer too: were it not kept, a first
attempt whose connection was cut could still be done after its retry was told no. What is wrong with the request itself (its
key, its form) is told before any work and not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from billing_service.api.common import PROBLEM, STATUS, document_of, language
from billing_service.keys import Caller
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.store import idempotency
from billing_service.store.connect import Connection, Engine, attempt, writing
from tariffs import TariffError

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="A text of your own for this attempt (a UUID, say). Sent again with the same body it gives the first answer, a refusal too; "
        "what was refused and is mended since is a new attempt, with a key of its own",
    ),
]


#: An answer from here on is a refusal.
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answers; ``kept``: what it answers to every later try, where the first answer holds a secret."""

    status: int
    document: BaseModel
    kept: BaseModel | None = None


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt: which utility's, and what its answer is kept under."""

    utility: str
    method: str
    path: str
    key: str
    body_sha256: str
    locale: str


async def once(request: Request, who: Caller, key: str, work: Callable[[Connection], Written]) -> Response:
    """Do ``work`` unless this key has its answer already. Refused (409): the key was used with another body."""
    body = hashlib.sha256(getattr(request.state, "body", b"")).hexdigest()
    one = _Try(who.utility, request.method, request.url.path, key, body, language(request))
    status, text, again = await run_in_threadpool(_once, request.app.state.engine, one, work)
    return Response(text, status, {"Idempotency-Replayed": "true"} if again else {}, "application/json" if status < _REFUSED else PROBLEM)


def is_refusal(answer: Response) -> bool:
    """Whether nothing was done."""
    return answer.status_code >= _REFUSED


def _once(db: Engine, one: _Try, work: Callable[[Connection], Written]) -> tuple[int, str, bool]:
    with writing(db, one.utility) as conn:
        before: Any = idempotency.answered(conn, one.utility, one.method, one.path, one.key)
        if before is not None:
            if before.body_sha256 != one.body_sha256:
                raise Refused([problem("idempotency-key-reused", key=one.key)], "conflict")
            return before.status, before.response, True
        try:
            with attempt(conn):
                done = work(conn)
        except (Refused, TariffError) as refusal:
            status = STATUS[refusal.kind] if isinstance(refusal, Refused) else STATUS["refused"]
            text = kept = document_of(status, refusal.problems, one.locale)
        else:
            status, text = done.status, done.document.model_dump_json(by_alias=True)
            kept = text if done.kept is None else done.kept.model_dump_json(by_alias=True)
        found = {"method": one.method, "path": one.path, "key": one.key, "body_sha256": one.body_sha256}
        idempotency.keep(conn, one.utility, **found, status=status, response=kept, at=clock())
        return status, text, False
