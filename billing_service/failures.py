"""What a chunk of a run failed on: kept with the chunk, told by every door, gone when the chunk is done.

A chunk that raises has stored nothing, the other chunks are done, and the run stays as it is (``running`` or ``issuing``): the same
command, or ``billing work``, tries what is left again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from billing_service.problems import Refused, problem
from billing_service.store import runs as store
from billing_service.store.connect import Connection, DBAPIError, Engine, IntegrityError, Row, writing
from tariffs import TariffError
from tariffs.errors import Problem

_LOG = logging.getLogger("billing")
_TOLD = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Accounts from ``first`` to ``last``, tried ``attempts`` times, the last time ``at``; ``problems`` say why."""

    chunk: int
    first: str
    last: str
    attempts: int
    at: datetime
    problems: tuple[Problem, ...]


def keep(db: Engine, utility: str, run: str, chunk: Row[Any], error: Exception, now: datetime) -> None:
    """Note why a chunk could not be worked, unless somebody else worked it meanwhile. What the program itself did wrong goes to the log in full."""
    found = _problems(error)
    _LOG.error("run %s, chunk %s (%s to %s)", run, chunk.seq, chunk.first_account, chunk.last_account, exc_info=error)
    told = {"at": now.isoformat(), "problems": [{"code": one.code, "values": dict(one.values), "charge": one.charge} for one in found[:_TOLD]]}
    try:
        with writing(db, utility, alone=False) as conn:
            text = json.dumps(told, ensure_ascii=False)
            store.change_chunk(conn, utility, run, chunk.seq, only=chunk.state, attempts=chunk.attempts + 1, failure=text)
    except DBAPIError:
        raise error from None  # the database is gone, and that is what failed


def _problems(error: Exception) -> tuple[Problem, ...]:
    if isinstance(error, Refused | TariffError):
        return tuple(error.problems)
    if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):  # a lock that was not given in time, a connection that was lost
        return (problem("store-unavailable"),)
    return (problem("chunk-fault", error=type(error).__name__),)


def of_run(conn: Connection, utility: str, run: str) -> list[Failure]:
    """The chunks of a run that failed and are not done since, in order."""
    return [_failure(row) for row in store.failed_chunks(conn, utility, run)]


def refusal(run: str, found: Sequence[Failure]) -> Refused:
    """All that failed, as a command that cannot go on tells it."""
    told: list[Problem] = []
    for one in found:
        told += [problem("chunk-failed", run=run, chunk=one.chunk, first=one.first, last=one.last, attempts=one.attempts), *one.problems]
    return Refused(told)


def _failure(row: Row[Any]) -> Failure:
    told = json.loads(row.failure)
    problems = tuple(replace(problem(one["code"], **one["values"]), charge=one["charge"]) for one in told["problems"])
    return Failure(row.seq, row.first_account, row.last_account, row.attempts, datetime.fromisoformat(told["at"]), problems)
