"""A body is read whole whatever pieces it comes in, and a number is found wherever it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from billing_service.api.body import content_of, parsed, read_body
from billing_service.api.wire_quotes import BulkRequest, QuoteRequest
from billing_service.problems import Refused

BODY = b'{"tariff":"cn/beijing/kitchen-waste","on":"2022-10-31","facts":{"payer":"other","weight":"1"}}'
LARGEST = 200


def sent(*messages: dict[str, Any]) -> Request:
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    return Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)


def pieces(*some: bytes) -> list[dict[str, Any]]:
    return [{"type": "http.request", "body": one, "more_body": at < len(some) - 1} for at, one in enumerate(some)]


def codes(refusal: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(one.code, one.charge) for one in refusal.value.problems]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_body_is_the_same_in_one_piece_and_in_many(size: int) -> None:
    some = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    assert asyncio.run(content_of(sent(*pieces(*some)), LARGEST)) == BODY
    assert asyncio.run(content_of(sent(*pieces(b"", *some, b"")), LARGEST)) == BODY
    request = sent(*pieces(*some))
    assert asyncio.run(read_body(request, QuoteRequest, LARGEST)).facts == {"payer": "other", "weight": "1"}
    assert request.state.body == BODY, "what an idempotency key is bound to"


def test_a_body_without_anything_is_no_json() -> None:
    with pytest.raises(Refused) as refusal:
        asyncio.run(read_body(sent({"type": "http.request"}), QuoteRequest, LARGEST))
    assert codes(refusal) == [("not-json", "")]


def test_a_body_too_large_is_refused_at_the_piece_that_makes_it_so() -> None:
    assert len(asyncio.run(content_of(sent(*pieces(b" " * 100, b" " * 100)), LARGEST))) == LARGEST
    endless = [{"type": "http.request", "body": b" " * 100, "more_body": True}] * 3  # a fourth would fail the test
    with pytest.raises(Refused) as refusal:
        asyncio.run(content_of(sent(*endless), LARGEST))
    assert (codes(refusal), refusal.value.kind) == ([("body-too-large", "")], "too-large")


def test_a_sender_that_goes_away_is_refused_and_no_fault() -> None:
    with pytest.raises(Refused) as refusal:
        asyncio.run(content_of(sent({"type": "http.request", "body": BODY[:20], "more_body": True}, {"type": "http.disconnect"}), LARGEST))
    assert codes(refusal) == [("not-json", "")]


@pytest.mark.parametrize("number", ["1", "-1", "0", "1.5", "1e400", "-1E-5", "NaN", "Infinity", "-Infinity", "9" * 5000])
@pytest.mark.parametrize("blank", ["", " ", "\n\t\r  "])
def test_a_number_is_found_wherever_it_stands(number: str, blank: str) -> None:
    for body, at in (
        ('{"tariff":%s}', "tariff"),
        ('{"tariff":"x","facts":{"a":"1","b" :%s}}', "facts.b"),
        ('{"tariff":"x","rows":[{"facts":{"a":[%s]}}]}', "rows.0.facts.a.0"),
        ('{"tariff":"x","period":["2022-10-31",%s]}', "period.1"),
        ('{"tariff":"x","unknown":[[],%s]}', "unknown.1"),
    ):
        with pytest.raises(Refused) as refusal:
            parsed((body % (blank + number + blank)).encode(), BulkRequest)
        assert codes(refusal) == [("json-number", at)]


def test_text_that_looks_like_a_number_is_text() -> None:
    assert parsed(b'{"tariff":"x: 5, [6","facts":{",-1":":7"}}', QuoteRequest).facts == {",-1": ":7"}
