"""Writes happen once: ``Idempotency-Key`` names an attempt, and the first answer to it is the answer for ever.

The key is looked up and the answer kept in the transaction of the work itself, so a twin that comes meanwhile waits and then
gets the same answer, and a kill leaves either both or neither. What was refused changed nothing and is not kept: mend and send again.
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

from billing_service.keys import Caller
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.store import idempotency
from billing_service.store.connect import Connection, Engine, writing

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="A text of your own for this attempt (a UUID, say); sent again with the same body it gives the first answer",
    ),
]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answers; ``kept``: what it answers to every later try, where the first answer holds a secret."""

    status: int
    document: BaseModel
    kept: BaseModel | None = None


async def once(request: Request, who: Caller, key: str, work: Callable[[Connection], Written]) -> Response:
    """Do ``work`` unless this key has its answer already. Refused (409): the key was used with another body."""
    body = hashlib.sha256(getattr(request.state, "body", b"")).hexdigest()
    status, text, again = await run_in_threadpool(_once, request.app.state.engine, who.utility, request.method, request.url.path, key, body, work)
    return Response(text, status, {"Idempotency-Replayed": "true"} if again else {}, "application/json")


def _once(db: Engine, utility: str, method: str, path: str, key: str, body: str, work: Callable[[Connection], Written]) -> tuple[int, str, bool]:
    with writing(db, utility) as conn:
        before: Any = idempotency.answered(conn, utility, method, path, key)
        if before is not None:
            if before.body_sha256 != body:
                raise Refused([problem("idempotency-key-reused", key=key)], "conflict")
            return before.status, before.response, True
        done = work(conn)
        text = done.document.model_dump_json(by_alias=True)
        kept = text if done.kept is None else done.kept.model_dump_json(by_alias=True)
        idempotency.keep(conn, utility, method=method, path=path, key=key, body_sha256=body, status=done.status, response=kept, at=clock())
        return done.status, text, False
