"""Lists by the page: ``limit`` rows after a cursor. A cursor is where a page ended, not a number of rows: what is added meanwhile shifts nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import Query

from billing_service.problems import refused

Limit = Annotated[int, Query(ge=1, le=1000, description="rows a page")]
After = Annotated[str, Query(max_length=1000, description="`next` of the page before; left out: from the beginning")]
#: Of lists of what belongs to the period that holds its last day.
From = Annotated[date | None, Query(alias="from", description="whose last day is this one or later")]
To = Annotated[date | None, Query(alias="to", description="whose last day is before this one")]


def cursor(*place: str) -> str:
    """The place as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")


def place(text: str, parts: int) -> tuple[str, ...] | None:
    """What ``cursor`` was given; None for the beginning. Refused: a cursor that is not of this list."""
    if not text:
        return None
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise refused("cursor-wrong") from error
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(one, str) and one.isprintable() for one in found):
        raise refused("cursor-wrong")
    return tuple(found)


def following(rows: Sequence[object], limit: int, *end: str) -> str | None:
    """The cursor of the next page: None where this one was not full."""
    return cursor(*end) if len(rows) >= limit else None
