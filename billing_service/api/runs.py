"""``/v1/runs``: a month from its beginning to its documents. A run is begun at once and worked in the background; ask for its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field
from starlette.background import BackgroundTask

from billing_service import failures, holds, runs, working
from billing_service.api.body import read_body
from billing_service.api.caller import Approving, Reading, Running, settings_for
from billing_service.api.common import BYTES, XLSX, Language, body_of, language, trouble, troubles
from billing_service.api.once import Key, Written, is_refusal, once
from billing_service.api.pages import After, Limit, following, place
from billing_service.documents.export import run_xlsx
from billing_service.documents.pdf import run_pdf
from billing_service.keys import Caller
from billing_service.problems import Refused, refused
from billing_service.review import exception_json, hold_json, look, run_day, run_json
from billing_service.runs import clock
from billing_service.schemas import Trouble, Wire
from billing_service.settings import Settings
from billing_service.store import holds as held
from billing_service.store import lists, utilities
from billing_service.store import runs as store
from billing_service.store.connect import Connection, Engine, reading

router = APIRouter()
Id = Annotated[str, Path(max_length=60, pattern=r"^[A-Za-z0-9_-]+$")]
_READ = troubles(401, 403, 404, 422)
_WRITE = troubles(401, 403, 404, 409, 413, 415, 422)


class RunRequest(Wire):
    period: tuple[date, date] = Field(description="the first day, and the day after the last")
    known: date | None = Field(default=None, description="bill by what was known on this day; left out: by all that has arrived")


class Failure(Wire):
    """A chunk of a run that could not be worked: nothing of it is stored, and the other chunks are."""

    chunk: int
    first_account: str
    last_account: str
    attempts: int
    at: datetime
    problems: list[Trouble]


class Run(Wire):
    """``running``: chunks are being billed; then ``draft``, ``reviewed``, ``approved``, ``issuing`` and ``issued``; or ``empty``, ``cancelled``.

    One that is ``running`` or ``issuing`` and has ``failures`` waits for somebody to mend what they name. Then begin it again for the same
    period (or issue it again) with a new key, or give `billing work`: it goes on with what is left.
    """

    id: str
    kind: str
    state: str
    period_start: date
    period_end: date
    known: date | None
    as_of: datetime
    created_by: str
    reviewed_by: str | None
    reviewed_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    issued_by: str | None
    issued_at: datetime | None
    cancelled_by: str | None
    cancelled_at: datetime | None
    chunks: dict[str, int] = Field(description="how many chunks there are in each state")
    counts: dict[str, int] = Field(description="contracts looked at, invoices, differences, parked, … so far; `held`: how many wait for a person now")
    failures: list[Failure] = Field(description="chunks that failed when they were tried last, and why")


class RunList(Wire):
    runs: list[Run]
    next: str | None


class RunException(Wire):
    account: str
    contract: str
    tariff: str
    code: str
    reason: str
    file: str
    line: int


class RunExceptionList(Wire):
    exceptions: list[RunException]
    next: str | None


class Hold(Wire):
    """A rule that spoke about a bill, and what a person decided: held, released or removed."""

    document: str
    account: str
    total: str
    currency: str
    rule: str
    state: str
    reason: str
    by: str | None
    at: datetime | None
    note: str


class HoldList(Wire):
    holds: list[Hold]
    next: str | None


class Decision(Wire):
    """``release``: the bill goes out as it is; ``set_aside``: a later run bills it, and the others need not wait."""

    action: str = Field(pattern="^(release|set_aside)$")
    note: str = Field(min_length=1, max_length=1000)
    document: str = Field(default="", max_length=200, description="left out: every bill that is held in the run")
    rule: str = Field(default="", max_length=40, description="the bills this rule holds; to be released, those that no other rule holds too")


class Decided(Wire):
    documents: int


class Nothing(Wire):
    """An act that needs nothing said: `{}`."""


@router.post("/runs", status_code=202, response_model=Run, responses=_WRITE, openapi_extra=body_of(RunRequest), summary="Begin a run")
async def begin_run(request: Request, who: Running, key: Key) -> Response:
    """The clock, the versions and the accounts are fixed now; ask `GET /v1/runs/{run}` until it is no longer `running`."""
    asked = await read_body(request, RunRequest, request.app.state.settings.largest_body)
    if asked.period[0] >= asked.period[1]:
        raise refused("period-backwards")
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        run = runs.begin_in(conn, settings, asked.period, asked.known, clock(), keep=True)
        return Written(202, _run(conn, who.utility, run, language(request)))

    return _worked(request, settings, await once(request, who, key, work))


@router.get("/runs", response_model=RunList, responses=troubles(401, 403, 422), summary="Runs, newest first")
def list_runs(request: Request, who: Reading, after: After = "", limit: Limit = 100) -> RunList:
    """Every run of the utility, also those cancelled."""
    last = place(after, 1)
    with reading(request.app.state.engine, who.utility) as conn:
        found = [_run(conn, who.utility, row.id, language(request)) for row in lists.runs_after(conn, who.utility, last[0] if last else "", limit)]
    return RunList(runs=found, next=following(found, limit, found[-1].id) if found else None)


@router.get("/runs/{run}", response_model=Run, responses=_READ, summary="A run and how far it is")
def get_run(request: Request, who: Reading, run: Id) -> Run:
    """Its state, who did what, and its chunks."""
    with reading(request.app.state.engine, who.utility) as conn:
        return _run(conn, who.utility, run, language(request))


@router.get("/runs/{run}/exceptions", response_model=RunExceptionList, responses=_READ, summary="What a run could not bill")
def list_run_exceptions(request: Request, who: Reading, run: Id, after: After = "", limit: Limit = 100) -> RunExceptionList:
    """Each with its reason; nothing is dropped, and what is mended is billed by the next run."""
    last = place(after, 1)
    seq = lists.number(last[0]) if last else 0
    with reading(request.app.state.engine, who.utility) as conn:
        runs.pick(conn, who.utility, run, ())
        rows = store.exceptions_page(conn, who.utility, run, seq, limit)
    told = [RunException(**exception_json(row, language(request))) for row in rows]
    return RunExceptionList(exceptions=told, next=following(rows, limit, str(rows[-1].seq)) if rows else None)


@router.get("/runs/{run}/holds", response_model=HoldList, responses=_READ, summary="Odd bills of a run")
def list_run_holds(request: Request, who: Reading, run: Id, after: After = "", limit: Limit = 100) -> HoldList:
    """Every rule that spoke, by document."""
    last = place(after, 2)
    with reading(request.app.state.engine, who.utility) as conn:
        runs.pick(conn, who.utility, run, ())
        rows = held.of_run(conn, who.utility, run, (last[0], last[1]) if last else None, limit)
    told = [Hold.model_validate_json(json.dumps(hold_json(row, language(request)))) for row in rows]
    return HoldList(holds=told, next=following(rows, limit, rows[-1].document, rows[-1].rule) if rows else None)


@router.post("/runs/{run}/holds", response_model=Decided, responses=_WRITE, openapi_extra=body_of(Decision), summary="Decide about odd bills")
async def decide_holds(request: Request, who: Running, run: Id, key: Key) -> Response:
    """Release what is held, or set it aside, with a note that stays."""
    asked = await read_body(request, Decision, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        return Written(200, Decided(documents=holds.decide_in(conn, settings, run, asked.document, asked.action == "release", asked.note, clock(), asked.rule)))

    return await once(request, who, key, work)


@router.get("/runs/{run}/pdf", response_class=Response, responses=_READ | {200: {"content": {"application/pdf": BYTES}}}, summary="A run's summary as PDF/A")
def get_run_pdf(request: Request, who: Reading, run: Id, locale: Language = "") -> Response:
    """What it billed, by kind and tariff, and what it could not, with reasons; before it is issued too."""
    settings = settings_for(request, who)
    with reading(request.app.state.engine, who.utility) as conn:
        seen = look(conn, who.utility, runs.pick(conn, who.utility, run, ()))
        name = utilities.name_of(conn, who.utility, seen.run.issued_at)
    return Response(run_pdf(seen, name, run_day(seen, settings.timezone), language(request, locale)), media_type="application/pdf")


@router.get("/runs/{run}/xlsx", response_class=Response, responses=_READ | {200: {"content": {XLSX: BYTES}}}, summary="A run as a workbook")
def get_run_xlsx(request: Request, who: Reading, run: Id, locale: Language = "") -> Response:
    """Summary, documents, lines and exceptions, of a run of at most 50,000 documents; a larger one is written by `billing export`."""
    settings = settings_for(request, who)
    with reading(request.app.state.engine, who.utility) as conn:
        seen = look(conn, who.utility, runs.pick(conn, who.utility, run, ()))
        found = run_xlsx(conn, who.utility, seen, run_day(seen, settings.timezone), language(request, locale))
    return Response(found, media_type=XLSX)


@router.post("/runs/{run}/review", response_model=Run, responses=_WRITE, openapi_extra=body_of(Nothing), summary="Mark as reviewed")
async def review_run(request: Request, who: Running, run: Id, key: Key) -> Response:
    """A draft becomes reviewed; one already past that stays as it is."""
    return await _step(request, who, run, key, runs.review_in)


@router.post("/runs/{run}/approve", response_model=Run, responses=_WRITE, openapi_extra=body_of(Nothing), summary="Approve")
async def approve_run(request: Request, who: Approving, run: Id, key: Key) -> Response:
    """By somebody other than who began the run, and once no bill is held."""
    return await _step(request, who, run, key, runs.approve_in)


@router.post("/runs/{run}/issue", status_code=202, response_model=Run, responses=_WRITE, openapi_extra=body_of(Nothing), summary="Issue")
async def issue_run(request: Request, who: Running, run: Id, key: Key) -> Response:
    """Numbers are taken now, and given in the background: ask until the run is `issued`."""
    return _worked(request, settings_for(request, who), await _step(request, who, run, key, runs.begin_issue_in, 202))


@router.post("/runs/{run}/cancel", response_model=Run, responses=_WRITE, openapi_extra=body_of(Nothing), summary="Take back a run")
async def cancel_run(request: Request, who: Running, run: Id, key: Key) -> Response:
    """Before it is being issued; its contracts can then be billed again."""
    return await _step(request, who, run, key, runs.cancel_in)


Step = Callable[[Connection, Settings, str, datetime], str]


async def _step(request: Request, who: Caller, run: str, key: str, step: Step, status: int = 200) -> Response:
    await read_body(request, Nothing, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        return Written(status, _run(conn, who.utility, step(conn, settings, run, clock()), language(request)))

    return await once(request, who, key, work)


def _worked(request: Request, settings: Settings, answer: Response) -> Response:
    """The answer, and the work on its run after it. A service that ends meanwhile loses nothing: ``billing work`` goes on."""
    if is_refusal(answer):
        return answer
    run = json.loads(bytes(answer.body))["id"]
    answer.background = BackgroundTask(_work, request.app.state.engine, settings, run)
    return answer


def _work(db: Engine, settings: Settings, run: str) -> None:
    with suppress(Refused):  # what failed stands with the run
        working.work(db, settings, run, lambda _what, _done, _of: None)


def _run(conn: Connection, utility: str, run: str, locale: str) -> Run:
    row = runs.pick(conn, utility, run, ())
    counts = replace(runs.outcome_of(conn, utility, run), held=held.count_held(conn, utility, run))
    told: dict[str, Any] = {**run_json(row), "chunks": store.count_chunks(conn, utility, run), "counts": {name: getattr(counts, name) for name in runs.COUNTS}}
    failed = [_failure(one, locale).model_dump(mode="json") for one in failures.of_run(conn, utility, run)]
    return Run.model_validate_json(json.dumps({**told, "failures": failed}))


def _failure(one: failures.Failure, locale: str) -> Failure:
    problems = [trouble(found, locale) for found in one.problems]
    return Failure(chunk=one.chunk, first_account=one.first, last_account=one.last, attempts=one.attempts, at=one.at, problems=problems)
