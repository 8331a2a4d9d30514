"""Reading a JSON body so that no number in it ever becomes a float, and nothing in it becomes a 500."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from billing_service.problems import Refused, problem
from tariffs.errors import Problem

_Model = TypeVar("_Model", bound=BaseModel)
_SHOWN = 80
_TOLD = 100
#: How text that is no Unicode comes in: UTF-8 itself refuses it.
_ESCAPED = b"\\u"


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written; no model takes one."""

    text: str


async def read_body(request: Request, model: type[_Model], largest: int) -> _Model:
    """The body as ``model``; Refused with every problem: too large, not JSON, not an object, members missing, unknown or wrong."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused([problem("not-json-type")], "wrong-type")
    content = bytearray()
    try:
        async for piece in request.stream():
            content += piece
            if len(content) > largest:
                raise Refused([problem("body-too-large", largest=largest)], "too-large")
    except ClientDisconnect as error:  # nobody is left to answer; it is no fault of ours to log
        raise Refused([problem("not-json", reason="cut off")]) from error
    request.state.body = bytes(content)  # what an idempotency key is bound to
    numbers: list[JsonNumber] = []
    data = _parse(request.state.body, numbers)
    if not isinstance(data, dict):
        raise Refused([problem("body-not-object")])
    if numbers or _ESCAPED in request.state.body:  # else there is nothing to find, and most bodies need no walk
        found = _misfits(data)
        if found:
            raise Refused(found)
    try:
        return model.model_validate_json(request.state.body)  # JSON rules: dates from text, tuples from lists, no other leniency
    except ValidationError as error:
        raise Refused([_member(one) for one in error.errors(include_url=False, include_input=False, include_context=False)]) from error


def _parse(content: bytes, numbers: list[JsonNumber]) -> Any:
    """What the bytes say; every number in them is added to ``numbers``."""

    def number(text: str) -> JsonNumber:
        numbers.append(JsonNumber(text))
        return numbers[-1]

    try:
        return json.loads(content.decode("utf-8"), parse_int=number, parse_float=number, parse_constant=number, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Refused([problem("not-json", reason=f"UTF-8, byte {error.start}")]) from error
    except RecursionError as error:
        raise Refused([problem("not-json", reason="depth")]) from error
    except ValueError as error:
        raise Refused([problem("not-json", reason=str(error)[:_SHOWN])]) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open what a repeated key means; the last one winning in silence is no answer for a price."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Refused([problem("key-twice", name=ascii(twice)[:_SHOWN])])
    return found


def _misfits(data: Any) -> list[Problem]:
    """JSON numbers, and text that is no Unicode (half of a pair); walked with a list of its own, since depth is the sender's choice."""
    found: list[Problem] = []
    left = [(data, "")]
    while left and len(found) < _TOLD:
        item, at = left.pop()
        if isinstance(item, JsonNumber):
            found.append(Problem("json-number", {}, charge=at))
        elif isinstance(item, str) and _is_broken(item):
            found.append(Problem("broken-text", {}, charge=at))
        elif isinstance(item, dict):
            if any(_is_broken(key) for key in item):
                found.append(Problem("broken-text", {}, charge=at))
            else:
                left += [(value, f"{at}.{key}".lstrip(".")[:200]) for key, value in item.items()]
        elif isinstance(item, list):
            left += [(value, f"{at}.{index}"[:200]) for index, value in enumerate(item)]
    return sorted(found, key=lambda one: one.charge)


def _is_broken(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def _member(one: Any) -> Problem:
    place = ".".join(str(part) for part in one["loc"])[:200]
    code = {"missing": "member-missing", "extra_forbidden": "member-unknown"}.get(one["type"], "member-wrong")
    return Problem(code, {"reason": str(one["msg"])[:200]} if code == "member-wrong" else {}, charge=place)
