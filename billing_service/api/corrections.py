"""``/v1/corrections`` and ``/v1/settlements``: what was issued billed again by what is known now, and plants settled with. Both make runs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from billing_service import corrections, settling, working
from billing_service.api.body import read_body
from billing_service.api.caller import Reading, Running, settings_for
from billing_service.api.common import body_of, language, trouble, troubles
from billing_service.api.invoices import listed_invoice
from billing_service.api.once import Key, Written, is_refusal, once
from billing_service.api.pages import After, From, Limit, To, following, place
from billing_service.api.wire_documents import Correction, CorrectionRequest, CorrectionRun, Settled, SettlementRequest
from billing_service.problems import Refused, refused
from billing_service.runs import clock
from billing_service.schemas import InvoiceList
from billing_service.settings import Settings
from billing_service.store import lists
from billing_service.store.connect import Connection, Engine, reading
from billing_service.terms import Period

router = APIRouter()
_WRITE = troubles(401, 403, 409, 413, 415, 422)
Plant = Annotated[str, Query(max_length=200, description="of this operator's account only")]


@router.post(
    "/corrections", status_code=202, response_model=Correction, responses=_WRITE, openapi_extra=body_of(CorrectionRequest), summary="Correct what was issued"
)
async def begin_correction(request: Request, who: Running, key: Key) -> Response:
    """A run for each period: what differs from everything issued becomes difference documents; where nothing does, the run ends `empty`."""
    asked = await read_body(request, CorrectionRequest, request.app.state.settings.largest_body)
    for period in asked.periods:
        _forwards(period)
    settings, locale = settings_for(request, who), language(request)

    def work(conn: Connection) -> Written:
        begun = corrections.begin_in(conn, settings, asked.periods, asked.known, clock())
        return Written(202, Correction(runs=[_told(one, locale) for one in begun]))

    answer = await once(request, who, key, work)
    if is_refusal(answer):
        return answer
    begun = [one["run"] for one in json.loads(bytes(answer.body))["runs"] if one["run"]]
    answer.background = BackgroundTask(_work, request.app.state.engine, settings, begun)
    return answer


@router.post(
    "/settlements", status_code=201, response_model=Settled, responses=_WRITE, openapi_extra=body_of(SettlementRequest), summary="Settle with an operator"
)
async def settle(request: Request, who: Running, key: Key) -> Response:
    """A run over one plant, billed at once: the settlement, or the difference to what was issued. Review, approve and issue it as any run."""
    asked = await read_body(request, SettlementRequest, request.app.state.settings.largest_body)
    _forwards(asked.period)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        found = settling.settle_in(conn, settings, asked.plant, asked.period, asked.known, clock())
        counts = {name: getattr(found, name) for name in ("invoices", "differences", "parked", "unchanged", "waiting")}
        return Written(201, Settled(run=found.id or None, **counts))

    return await once(request, who, key, work)


@router.get("/settlements", response_model=InvoiceList, responses=troubles(401, 403, 422), summary="Issued settlements")
def list_settlements(
    request: Request, who: Reading, plant: Plant = "", start: From = None, end: To = None, after: After = "", limit: Limit = 100
) -> InvoiceList:
    """What is paid to operators, differences too, by id. Each is read, printed and explained under `/v1/invoices/{number}`."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.documents_after(conn, who.utility, {"account": plant, "direction": "payable"}, start, end, place(after, 1), limit)
    return InvoiceList(invoices=[listed_invoice(one) for one in found], next=following(found, limit, found[-1].id) if found else None)


def _forwards(period: Period) -> None:
    if period[0] >= period[1]:
        raise refused("period-backwards")


def _told(one: corrections.Begun, locale: str) -> CorrectionRun:
    wrong = [trouble(found, locale) for found in one.problems]
    return CorrectionRun(period_start=one.period[0], period_end=one.period[1], plant=one.plant, run=one.run or None, problems=wrong)


def _work(db: Engine, settings: Settings, begun: list[str]) -> None:
    """One after the other; a service that ends meanwhile loses nothing: ``billing work`` goes on."""
    for run in begun:
        with suppress(Refused):  # what failed stands with its run
            working.work(db, settings, run, lambda _what, _done, _of: None)
