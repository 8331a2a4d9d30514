"""Reading a JSON body so that no number in it ever becomes a float, and nothing in it becomes a 500."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from billing_service.problems import Refused, problem
from tariffs.errors import Problem, Where

_Model = TypeVar("_Model", bound=BaseModel)
_SHOWN = 80
_TOLD = 100
#: Of one row: more than its members can be wrong by.
_TOLD_OF_ROW = 20
#: A place inside a row begins with the list and the row.
_IN_ROW = 2
#: How text that is no Unicode comes in: UTF-8 itself refuses it.
_ESCAPED = b"\\u"
#: Where a number may stand in an object; inside of text it may look alike, and is then looked for in vain.
_NUMBER = re.compile(rb"[:,\[]\s*[-0-9NI]")
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written; no model takes one."""

    text: str


async def read_body(request: Request, model: type[_Model], largest: int) -> _Model:
    """The body as ``model``; Refused with every problem: too large, not JSON, not an object, members missing, unknown or wrong."""
    content = await content_of(request, largest)
    request.state.body = content  # what an idempotency key is bound to
    return parsed(content, model)


def parsed(content: bytes, model: type[_Model]) -> _Model:
    """The bytes of a body as ``model``; Refused with every problem but those of ``content_of``."""
    data, walk = _object_in(content)
    found = _misfits(data) if walk else []
    if found:
        raise Refused(found)
    try:
        return model.model_validate_json(content)  # JSON rules: dates from text, tuples from lists, no other leniency
    except ValidationError as error:
        raise Refused([_member(one) for one in error.errors(include_url=False, include_input=False, include_context=False)]) from error


async def read_rows(request: Request, model: type[BaseModel], name: str, largest: int) -> tuple[list[tuple[int, Any]], list[Problem]]:
    """The rows in the list ``name`` of the body, each with its place from 1, and what is wrong with every row that does not fit ``model``.

    Refused as a whole: what ``read_body`` refuses about anything but a row, so also a body without the list, or with an empty or too long one.
    """
    content = await content_of(request, largest)
    request.state.body = content
    data, walk = _object_in(content)
    rows = data.get(name)
    if not isinstance(rows, list):
        raise Refused([_not_rows(data, name)])
    rest = {member: value for member, value in data.items() if member != name}
    found = _misfits(rest) if walk else []
    if found:
        raise Refused(found)
    misfits = {at: told[:_TOLD_OF_ROW] for at, row in enumerate(rows) if (told := _misfits(row))} if walk else {}
    # What no JSON of ours may hold is out of the way while the others are looked at, in its place.
    try:
        text = json.dumps({**rest, name: [None if at in misfits else row for at, row in enumerate(rows)]}) if misfits else content
        return list(enumerate(getattr(model.model_validate_json(text), name), 1)), []
    except RecursionError as error:
        raise Refused([problem("not-json", reason="depth")]) from error
    except ValidationError as error:
        wrong = _by_row(error, name, misfits)
    good = [at for at in range(len(rows)) if at not in wrong]
    fitting = getattr(model.model_validate_json(json.dumps({**rest, name: [rows[at] for at in good]})), name) if good else []
    placed = [replace(one, values={**one.values, "member": one.charge}, where=Where("api", at + 1)) for at in sorted(wrong) for one in wrong[at]]
    return [(at + 1, row) for at, row in zip(good, fitting, strict=True)], placed


def _not_rows(data: dict[str, Any], name: str) -> Problem:
    return Problem("rows-not-list" if name in data else "member-missing", {}, charge=name)


def _by_row(error: ValidationError, name: str, misfits: Mapping[int, list[Problem]]) -> dict[int, list[Problem]]:
    """What is wrong, by row from 0; Refused where anything but a row is."""
    whole: list[Problem] = []
    found: dict[int, list[Problem]] = {}
    for one in error.errors(include_url=False, include_context=False):
        if len(one["loc"]) < _IN_ROW or one["loc"][0] != name:
            whole.append(_member(one))
        elif len(own := found.setdefault(int(one["loc"][1]), [])) < _TOLD_OF_ROW:
            own.append(_of_row(one))
    if whole:
        raise Refused(whole) from error
    return found | dict(misfits)


def _object_in(content: bytes) -> tuple[dict[str, Any], bool]:
    """The object that the bytes are, and whether there can be anything in it that no model takes: most bodies need no walk."""
    data = _parse(content)
    if not isinstance(data, dict):
        raise Refused([problem("body-not-object")])
    return data, bool(_NUMBER.search(content)) or _ESCAPED in content


async def content_of(request: Request, largest: int) -> bytes:
    """The bytes of the body. Refused: said to be no JSON, too large, cut off.

    Taken piece by piece as the server hands them over; most are one piece, which is passed on as it is.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused([problem("not-json-type")], "wrong-type")
    pieces, length = list[bytes](), 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":  # nobody is left to answer; it is no fault of ours to log
            raise Refused([problem("not-json", reason="cut off")])
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > largest:
            raise Refused([problem("body-too-large", largest=largest)], "too-large")
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _parse(content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
        return json.loads(text) if text.startswith(_MARK) else _DECODER.decode(text)  # what stands behind a mark is refused, in words of its own
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


#: Reads numbers as they are written, and objects once each key. One for all bodies: making it takes as long as a small body.
_DECODER = json.JSONDecoder(parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=JsonNumber, object_pairs_hook=_object)


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


def _of_row(one: Any) -> Problem:
    """The same for a row: its member, without the list and the row."""
    place = ".".join(str(part) for part in one["loc"][_IN_ROW:])[:200]
    if not str(one["type"]).startswith("date_"):
        return replace(_member(one), charge=place)
    given = one["input"]
    return Problem("not-a-date", {"column": place, "value": ascii(given)[1:-1][:_SHOWN] if isinstance(given, str) else ""}, charge=place)
