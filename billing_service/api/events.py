"""``GET /v1/events``: what happened, in order, for neighbours' systems and auditors alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from billing_service.api.caller import Reading
from billing_service.api.common import troubles
from billing_service.schemas import Event, EventList
from billing_service.store import events
from billing_service.store.connect import reading

router = APIRouter()
_LARGEST = 2**62


@router.get("/events", response_model=EventList, responses=troubles(401, 403, 422), summary="What happened, after a sequence number")
def list_events(
    request: Request,
    who: Reading,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="the last sequence number already seen; 0 begins")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventList:
    """Events in their order, without gaps. ``next`` is what to send as ``after``: ask again later with it, even when nothing came."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = events.after(conn, who.utility, after, limit)
    told = [
        Event(
            utility=who.utility,
            seq=one.seq,
            at=events.moment(one.at),
            actor=one.actor,
            kind=one.kind,
            subject=one.subject,
            data=one.data,
            previous=one.previous,
            hash=one.hash,
        )
        for one in found
    ]
    return EventList(events=told, next=told[-1].seq if told else after)
