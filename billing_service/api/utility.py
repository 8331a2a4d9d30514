"""``/v1/utility``: what a utility decides for itself: its name on documents, and which bills wait for a person."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from billing_service import holds, naming
from billing_service.api.body import read_body
from billing_service.api.caller import Administering, Reading, settings_for
from billing_service.api.common import body_of, troubles
from billing_service.api.once import Key, Written, once
from billing_service.runs import clock
from billing_service.schemas import Wire
from billing_service.store import utilities
from billing_service.store.connect import Connection, reading

router = APIRouter()


class UtilityRequest(Wire):
    name: str = Field(min_length=1, max_length=naming.LONGEST, description="as documents bear it")
    holds: list[str] = Field(max_length=20, description="rules: first, times=3, zero, estimated, over=10000, relief-expired, cliff; empty: none waits")


class Utility(Wire):
    id: str
    name: str
    holds: list[str] = Field(description="which bills wait for a person before a run can be approved")


@router.get("/utility", response_model=Utility, responses=troubles(401, 403, 422), summary="The utility and what it decided")
def get_utility(request: Request, who: Reading) -> Utility:
    """The utility the key belongs to."""
    with reading(request.app.state.engine, who.utility) as conn:
        return _told(conn, who.utility)


@router.put(
    "/utility", response_model=Utility, responses=troubles(401, 403, 409, 413, 415, 422), openapi_extra=body_of(UtilityRequest), summary="Decide for a utility"
)
async def set_utility(request: Request, who: Administering, key: Key) -> Response:
    """Both are replaced; runs already begun keep the rules they began with."""
    asked = await read_body(request, UtilityRequest, request.app.state.settings.largest_body)
    settings, rules = settings_for(request, who), holds.read_rules(asked.holds)

    def work(conn: Connection) -> Written:
        naming.name_in(conn, settings, asked.name, clock())
        if rules != holds.rules_of(conn, who.utility):
            holds.set_rules(conn, settings, rules, clock())
        return Written(200, _told(conn, who.utility))

    return await once(request, who, key, work)


def _told(conn: Connection, utility: str) -> Utility:
    rules = holds.rules_of(conn, utility)
    return Utility(id=utility, name=utilities.name_of(conn, utility), holds=[f"{rule}={value}" if value else rule for rule, value in rules.items()])
