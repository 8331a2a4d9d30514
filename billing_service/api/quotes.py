"""``POST /v1/quotes``: a price with its reasons; nothing is stored."""

from __future__ import annotations

from datetime import MAXYEAR, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from billing_service.api.body import read_body
from billing_service.api.caller import Quoting, settings_for
from billing_service.api.common import troubles
from billing_service.documents.invoice import money
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.schemas import Quote, QuoteLine, QuoteRequest
from billing_service.settings import Settings
from billing_service.store import versions
from billing_service.store.connect import reading
from tariffs import NotFoundError, PackError, Rating, TariffVersion, load
from tariffs.report import as_json

router = APIRouter()
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/json": {"schema": QuoteRequest.model_json_schema()}}}}


@router.post("/quotes", response_model=Quote, responses=troubles(401, 403, 404, 413, 415, 422), openapi_extra=_BODY, summary="Price something")
async def make_quote(request: Request, who: Quoting) -> Quote:
    """Rates the facts by the version in force, adopted or not: its status is in the answer."""
    settings = settings_for(request, who)
    asked = await read_body(request, QuoteRequest, settings.largest_body)
    return await run_in_threadpool(_quote, request.app.state.engine, settings, asked, clock())


def _quote(engine: Any, settings: Settings, asked: QuoteRequest, now: datetime) -> Quote:
    on = asked.on or (asked.period[0] if asked.period else None)
    if on is None:
        raise Refused([problem("on-or-period")])
    if on.year == MAXYEAR:  # a period there has no day after its last
        raise Refused([problem("day-too-late", year=MAXYEAR)])
    if asked.period and asked.period[0] >= asked.period[1]:
        raise Refused([problem("period-backwards")])
    try:
        version = load(asked.tariff, on=on, rules=settings.roots)
    except NotFoundError as error:
        raise Refused(error.problems, "not-found") from error
    except PackError as error:
        raise Refused([problem("tariff-unusable", tariff=asked.tariff)]) from error
    rating = version.explain(asked.facts, period=asked.period)
    with reading(engine, settings.utility) as conn:
        adopted = versions.adoption(conn, settings.utility, version.digest) is not None
    return _answer(version, rating, on, adopted, valid_until(version, settings, now))


def valid_until(version: TariffVersion, settings: Settings, now: datetime) -> date:
    """The earliest of the version's end (its ``until`` or the next version) and the utility's own setting."""
    by_setting = now.astimezone(ZoneInfo(settings.timezone)).date() + timedelta(days=settings.quote_days)
    return by_setting if version.end is None else min(version.end, by_setting)


def _answer(version: TariffVersion, rating: Rating, on: date, adopted: bool, until: date) -> Quote:
    lines = [
        QuoteLine(charge=line.charge.full_name, kind=line.charge.kind, label=dict(line.charge.label), clause=line.charge.clause, amount=money(line.amount))
        for line in rating.lines
        if line.charge.kind != "working"
    ]
    return Quote(
        tariff=version.id,
        effective=version.effective,
        revision=version.revision,
        digest=version.digest,
        language=version.language,
        status=version.status,
        adopted=adopted,
        on=on,
        currency=version.currency,
        direction=version.model.direction,
        total=money(rating.total),
        lines=lines,
        valid_until=until,
        explanation=as_json(rating),
    )
