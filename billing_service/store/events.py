"""The one record of what happened: append-only, a chain of hashes for each utility. ``docs/events.md`` is its format.

``append`` belongs into the transaction that does what the event tells, as its last act: it holds the utility until the commit
(``connect.lock``), so that sequence numbers have no gaps and a reader who has seen one has seen all before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from billing_service.store.connect import lock
from billing_service.store.tables import events

#: What the first event of a utility names as the one before it.
BEFORE_ALL = "0" * 64
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """What ``verify`` found: ``count`` good events, the hash of the last of them, and the first bad sequence number if any."""

    count: int
    head: str
    broken: int | None


def append(conn: Connection, utility: str, at: datetime, actor: str, kind: str, subject: str, data: Mapping[str, Any]) -> int:
    """Add an event at the end of the utility's chain; its sequence number. ``data``: text, whole numbers, decimals, dates; no float."""
    lock(conn, utility)
    last = conn.execute(select(events.c.seq, events.c.hash).where(events.c.utility == utility).order_by(events.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, BEFORE_ALL)
    values = {"seq": seq, "actor": actor, "kind": kind, "subject": subject, "data": canonical(data), "previous": previous}
    conn.execute(insert(events).values(utility=utility, at=at, hash=hash_of(utility, at, values), **values))
    return seq


def after(conn: Connection, utility: str, seq: int, limit: int) -> list[Row[Any]]:
    """The next ``limit`` events after a sequence number; 0 begins."""
    query = select(events).where(events.c.utility == utility, events.c.seq > seq)
    return list(conn.execute(query.order_by(events.c.seq).limit(limit)))


def about(conn: Connection, utility: str, subject: str) -> list[Row[Any]]:
    """Everything that happened to one subject, in order."""
    return list(conn.execute(select(events).where(events.c.utility == utility, events.c.subject == subject).order_by(events.c.seq)))


def verify(conn: Connection, utility: str, anchor: tuple[int, str] | None = None) -> Chain:
    """Walk the chain from its beginning. ``anchor``: a (seq, hash) somebody kept, which shows a chain that was cut short or made anew."""
    count, head = 0, BEFORE_ALL
    query = select(events).where(events.c.utility == utility).order_by(events.c.seq)
    for row in conn.execution_options(yield_per=_AT_ONCE).execute(query):
        good = row.seq == count + 1 and row.previous == head and row.hash == hash_of(utility, row.at, row._asdict())
        if not good or (anchor and row.seq == anchor[0] and row.hash != anchor[1]):
            return Chain(count, head, count + 1)
        count, head = row.seq, row.hash
    return Chain(count, head, count + 1 if anchor and anchor[0] > count else None)


def hash_of(utility: str, at: datetime, values: Mapping[str, Any]) -> str:
    """The sha256 over everything the row holds, as one canonical JSON object; ``data`` enters as the text it is stored as."""
    row = {name: values[name] for name in ("seq", "actor", "kind", "subject", "data", "previous")}
    return hashlib.sha256(canonical({**row, "utility": utility, "at": moment(at)}).encode()).hexdigest()


def canonical(data: Mapping[str, Any]) -> str:
    """JSON in one form only: names sorted, no spaces, letters as they are; decimals, dates and moments as text."""
    return json.dumps(_plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(item: Any) -> Any:
    match item:
        case str() | bool() | int() | None:
            return item
        case Decimal():
            return format(item, "f")
        case datetime():
            return moment(item)
        case date():
            return item.isoformat()
        case Mapping():
            return {str(key): _plain(value) for key, value in item.items()}
        case list() | tuple():
            return [_plain(value) for value in item]
        case _:
            raise TypeError(f"{item!r} has no place in an event")


def moment(at: datetime) -> str:
    """An instant as the chain writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
