"""``POST /v1/quotes``: a price with its reasons; ``/v1/quotes/bulk``: thousands at once. Nothing is stored."""

from __future__ import annotations

from datetime import MAXYEAR, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from billing_service.api.body import content_of, parsed, read_body
from billing_service.api.bulk import rate_columns, rate_rows
from billing_service.api.caller import KEYED, Quoting, calling, settings_for
from billing_service.api.common import body_of, language, troubles
from billing_service.api.shelf import Asked, Found, find
from billing_service.api.wire_quotes import BulkQuotes, BulkRequest, PricedBy, QuoteRequest, Which
from billing_service.documents.invoice import money
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.schemas import Quote
from billing_service.settings import Settings
from tariffs import Rating, TariffVersion
from tariffs.report import as_json

router = APIRouter()
_TROUBLES = troubles(401, 403, 404, 413, 415, 422)
_JSON = TypeAdapter(dict[str, Any])
#: Bytes of a body up to which its facts are rated where they are: going to another thread costs more than the rating.
_SMALL = 4096


@router.post("/quotes", response_model=Quote, responses=_TROUBLES, openapi_extra={**body_of(QuoteRequest), **KEYED}, summary="Price something")
async def make_quote(request: Request) -> Response:
    """Rates the facts by the version in force, adopted or not, or by the version named: its status is in the answer."""
    settings = settings_for(request, await calling(request, "quote"))
    body = await content_of(request, settings.largest_body)
    asked = parsed(body, QuoteRequest)
    found = await find(request, settings, _question(asked, asked.tariff, asked.on))
    until = valid_until(found.version, settings, clock())
    small = len(body) <= _SMALL
    content = _quote(found, asked, until) if small else await run_in_threadpool(_quote, found, asked, until)
    return Response(content, media_type="application/json")


@router.post("/quotes/bulk", response_model=BulkQuotes, responses=_TROUBLES, openapi_extra=body_of(BulkRequest), summary="Price thousands of things")
async def make_quotes(request: Request, who: Quoting) -> Response:
    """The amounts of `POST /v1/quotes` for each row. A row that cannot be priced is named with its reason; the others are priced."""
    settings = settings_for(request, who)
    asked = await read_body(request, BulkRequest, settings.largest_batch)
    if (asked.rows is None) == (asked.facts is None):
        raise Refused([problem("rows-or-facts")])
    if len({len(column) for column in (asked.facts or {}).values()}) > 1:
        raise Refused([problem("columns-uneven")])
    if asked.facts is not None:
        groups: dict[Asked, list[int]] = {_question(asked, asked.tariff, asked.on): []}
    else:
        groups = _groups(asked)
    found = [(await find(request, settings, question), places) for question, places in groups.items()]
    now = clock()
    by = [(one, told_version(one, valid_until(one.version, settings, now)), places) for one, places in found]
    locale = language(request)
    rate = rate_columns if asked.facts is not None else rate_rows
    return Response(await run_in_threadpool(rate, asked, by, locale), media_type="application/json")


def _groups(asked: BulkRequest) -> dict[Asked, list[int]]:
    """The numbers of the rows of each question; most rows ask in the same words, which are looked at once."""
    found: dict[Asked, list[int]] = {}
    by_words: dict[tuple[str, date | None], list[int]] = {}
    for at, row in enumerate(asked.rows or ()):
        words = row.tariff or asked.tariff, row.on or asked.on
        if words not in by_words:
            by_words[words] = found.setdefault(_question(asked, *words), [])
        by_words[words].append(at)
    return found


def _question(asked: Which, tariff: str, on: date | None) -> Asked:
    """The version to look for. Refused: days that cannot be."""
    if asked.period and asked.period[0] >= asked.period[1]:
        raise Refused([problem("period-backwards")])
    day = on or (asked.period[0] if asked.period else None)
    if any(one is not None and one.year == MAXYEAR for one in (day, asked.effective)):
        raise Refused([problem("day-too-late", year=MAXYEAR)])
    if asked.revision is not None and asked.effective is None:
        raise Refused([problem("revision-of-what")])
    return Asked(tariff, day, asked.effective, int(asked.revision) if asked.revision else None, asked.digest)


def valid_until(version: TariffVersion, settings: Settings, now: datetime) -> date:
    """The earliest of the version's end (its ``until`` or the next version) and the utility's own setting."""
    by_setting = now.astimezone(ZoneInfo(settings.timezone)).date() + timedelta(days=settings.quote_days)
    return by_setting if version.end is None else min(version.end, by_setting)


def told_version(found: Found, until: date) -> PricedBy:
    return PricedBy(**_about(found, until))


def _about(found: Found, until: date) -> dict[str, Any]:
    version = found.version
    return {
        "tariff": version.id,
        "effective": version.effective,
        "revision": version.revision,
        "digest": version.digest,
        "language": version.language,
        "status": version.status,
        "adopted": found.adopted,
        "on": found.on,
        "currency": version.currency,
        "direction": version.model.direction,
        "valid_until": until,
    }


def _quote(found: Found, asked: QuoteRequest, until: date) -> bytes:
    """The answer, in the form of ``Quote``; made of what was checked already, so it is not checked again: tests read every kind of answer through the model."""
    rating = found.version.explain(asked.facts, period=asked.period)
    return _JSON.dump_json({**_about(found, until), "total": money(rating.total), "lines": _lines(rating), "explanation": as_json(rating)})


def _lines(rating: Rating) -> list[dict[str, Any]]:
    return [
        {
            "charge": line.charge.full_name,
            "kind": line.charge.kind,
            "label": dict(line.charge.label),
            "clause": line.charge.clause,
            "amount": money(line.amount),
        }
        for line in rating.lines
        if line.charge.kind != "working"
    ]
