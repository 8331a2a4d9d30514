"""``/v1/keys``: keys of the API, made and taken back by whoever administers a utility."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from billing_service import keys
from billing_service.api.body import read_body
from billing_service.api.caller import Administering, settings_for
from billing_service.api.common import body_of, troubles
from billing_service.api.once import Key, Written, once
from billing_service.runs import clock
from billing_service.schemas import KeyList, KeyListed, KeyMade, KeyRequest
from billing_service.store.connect import Connection

router = APIRouter()


@router.get("/keys", response_model=KeyList, responses=troubles(401, 403, 422), summary="Keys, without their secrets")
def list_keys(request: Request, who: Administering) -> KeyList:
    """All keys of the utility, also those that are over, oldest first."""
    return KeyList(keys=[_listed(one) for one in keys.every(request.app.state.engine, who.utility)])


@router.post(
    "/keys", status_code=201, response_model=KeyMade, responses=troubles(401, 403, 409, 413, 415, 422), openapi_extra=body_of(KeyRequest), summary="Make a key"
)
async def make_key(request: Request, who: Administering, key: Key) -> Response:
    """The answer shows the key, this once: the same request again gives the key's id alone, for the secret is kept nowhere."""
    asked = await read_body(request, KeyRequest, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        now = clock()
        end = None if isinstance(asked.expires, str) else asked.expires or now + keys.LASTS
        made = keys.create(conn, settings, asked.name, asked.scopes, end, now)
        return Written(201, KeyMade(id=made.id, key=made.text, expires=made.expires), KeyMade(id=made.id, key=None, expires=made.expires))

    return await once(request, who, key, work)


@router.delete("/keys/{key}", status_code=204, responses=troubles(401, 403, 404, 422), summary="Take a key back")
async def revoke_key(request: Request, who: Administering, key: Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9-]+$")]) -> Response:
    """The key opens nothing from now on, at the latest after the few seconds for which the service trusts a key it has just seen."""
    await run_in_threadpool(keys.revoke, request.app.state.engine, settings_for(request, who), key, clock())
    request.app.state.trust.seen.clear()
    return Response(status_code=204)


def _listed(one: Any) -> KeyListed:
    return KeyListed(
        id=one.id,
        name=one.name,
        scopes=one.scopes.split(),
        created_by=one.created_by,
        created_at=one.created_at,
        expires_at=one.expires_at,
        revoked_at=one.revoked_at,
    )
