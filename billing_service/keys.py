"""API keys: who calls, for which utility, and what they may do.

A key is ``<utility>.<id>.<secret>``, shown once when it is made; the database keeps the hash of the secret alone. The secret is
random and long, so a plain sha256 of it cannot be guessed back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing_service.problems import Refused, problem
from billing_service.settings import Settings
from billing_service.store import events
from billing_service.store import keys as store
from billing_service.store.connect import Connection, Engine, Row, reading, writing

#: What a key may open. None contains another: a key has those it names.
SCOPES = ("quote", "read", "write", "run", "approve", "admin")
#: How long a key lasts where nobody says otherwise.
LASTS = timedelta(days=365)
#: Seconds for which a key that was good is taken as good without asking the database; a key taken back ends that late.
TRUSTED = 5.0
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a key; ``name`` is who they are for the four-eyes rule and in events."""

    utility: str
    key: str
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A new key; ``text`` is not kept anywhere."""

    id: str
    text: str
    expires: datetime | None = None


def create(conn: Connection, settings: Settings, name: str, scopes: Collection[str], expires: datetime | None, now: datetime) -> Made:
    """A new key for the settings' utility. Refused: no name, no scope or one unknown, an end that has passed.

    ``expires``: None for a key that lasts until it is taken back; doors give ``LASTS`` where nothing was said.
    """
    wrong = [problem("key-scope-unknown", scope=scope, scopes=", ".join(SCOPES)) for scope in sorted(set(scopes) - set(SCOPES))]
    if not scopes:
        wrong.append(problem("key-scope-missing", scopes=", ".join(SCOPES)))
    if not name.strip():
        wrong.append(problem("key-name-missing"))
    if expires is not None and expires <= now:
        wrong.append(problem("key-ends-before", expires=expires))
    if wrong:
        raise Refused(wrong)
    made, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    store.add(
        conn,
        settings.utility,
        id=made,
        name=name.strip(),
        hash=_hash(secret),
        scopes=" ".join(scope for scope in SCOPES if scope in scopes),
        created_by=settings.user,
        created_at=now,
        expires_at=expires,
        revoked_at=None,
    )
    data = {"name": name.strip(), "scopes": [scope for scope in SCOPES if scope in scopes], "expires": expires}
    events.append(conn, settings.utility, now, settings.user, "key.created", made, data)
    return Made(made, f"{settings.utility}.{made}.{secret}", expires)


def revoke(db: Engine, settings: Settings, key: str, now: datetime) -> bool:
    """Take a key back; False where it was before. Refused: no such key."""
    with writing(db, settings.utility) as conn:
        if store.get(conn, settings.utility, key) is None:
            raise Refused([problem("no-such-key", key=key)], "not-found")
        done = store.revoke(conn, settings.utility, key, now)
        if done:
            events.append(conn, settings.utility, now, settings.user, "key.revoked", key, {})
    return done


def every(db: Engine, utility: str) -> Sequence[Row[Any]]:
    """All keys of a utility, oldest first."""
    with reading(db, utility) as conn:
        return store.every(conn, utility)


def caller(db: Engine, text: str, now: datetime) -> Caller | None:
    """Who a key belongs to; None for one that opens nothing, whatever the reason."""
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or text.count(".") < 2:
        return None
    utility, key, secret = text.rsplit(".", 2)
    with reading(db, utility) as conn:
        found = store.get(conn, utility, key)
    same = hmac.compare_digest(_hash(secret), found.hash if found is not None else _hash(""))
    if found is None or not same or found.revoked_at is not None or (found.expires_at is not None and found.expires_at <= now):
        return None
    return Caller(utility, found.id, found.name, frozenset(found.scopes.split()))


def demand(who: Caller, scope: str) -> None:
    """Refused (403) where the key does not name the scope."""
    if scope not in who.scopes:
        raise Refused([problem("key-lacks-scope", scope=scope)], "forbidden")


def unknown() -> Refused:
    """One answer for every key that opens nothing: absent, misspelt, of another database, taken back or over."""
    return Refused([problem("key-unknown")], "unauthorised")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
