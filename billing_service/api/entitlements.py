"""``/v1/reliefs`` and ``/v1/shares``: who is entitled to what, with its proof and its end; who shares which meter."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from billing_service import entitled
from billing_service.api import wire_records as wire
from billing_service.api.body import read_body
from billing_service.api.caller import Reading, Writing, settings_for
from billing_service.api.common import body_of, told, troubles
from billing_service.api.once import Key, Written, once
from billing_service.api.pages import After, Limit, following, place
from billing_service.runs import clock
from billing_service.store import entitlements, lists
from billing_service.store.connect import Connection, reading
from tariffs.money import show

router = APIRouter()
_READ = troubles(401, 403, 422)
_WRITE = troubles(401, 403, 409, 413, 415, 422)
Of = Annotated[str, Query(max_length=200)]


@router.post("/reliefs", status_code=201, response_model=wire.Relief, responses=_WRITE, openapi_extra=body_of(wire.ReliefIn), summary="Record an entitlement")
async def record_relief(request: Request, who: Writing, key: Key) -> Response:
    """The same again is no harm; a correction is the same id with a later `known`; `to` equal to `from` then withdraws it."""
    asked = await read_body(request, wire.ReliefIn, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        number = entitled.relief(conn, settings, asked.model_dump(by_alias=True), clock())
        return Written(201, _relief(entitlements.history_of(conn, who.utility, asked.id)[number - 1]))

    return await once(request, who, key, work)


@router.get("/reliefs", response_model=wire.ReliefList, response_model_by_alias=True, responses=_READ, summary="Entitlements")
def list_reliefs(request: Request, who: Reading, account: Of = "", after: After = "", limit: Limit = 100) -> wire.ReliefList:
    """Every revision, by id."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.reliefs_after(conn, who.utility, lists.sought(account), place(after, 2), limit)
    return wire.ReliefList(reliefs=[_relief(one) for one in found], next=following(found, limit, found[-1].id, str(found[-1].revision)) if found else None)


@router.post("/shares", status_code=201, response_model=wire.Share, responses=_WRITE, openapi_extra=body_of(wire.ShareIn), summary="Record a share of a meter")
async def record_share(request: Request, who: Writing, key: Key) -> Response:
    """An account's parts of the meter at `point`, from a day on."""
    asked = await read_body(request, wire.ShareIn, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        number = entitled.share(conn, settings, asked.model_dump(by_alias=True), clock())
        every = entitlements.shares_between(conn, who.utility, asked.point, asked.account)
        return Written(201, _share(next(one for one in every if one._mapping["from"] == asked.start and one.revision == number)))

    return await once(request, who, key, work)


@router.get("/shares", response_model=wire.ShareList, response_model_by_alias=True, responses=_READ, summary="Shares of meters")
def list_shares(request: Request, who: Reading, point: Of = "", after: After = "", limit: Limit = 100) -> wire.ShareList:
    """Every revision, by meter, account and first day."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.shares_after(conn, who.utility, lists.sought(point), place(after, 4), limit)
    shares = [_share(one) for one in found]
    last = shares[-1] if shares else None
    return wire.ShareList(
        shares=shares,
        next=following(found, limit, last.point, last.account, last.start.isoformat(), str(last.revision)) if last else None,
    )


def _relief(one: Any) -> wire.Relief:
    return told(wire.Relief, one, facts=json.loads(one.facts))


def _share(one: Any) -> wire.Share:
    return told(wire.Share, one, parts=show(one.parts))
