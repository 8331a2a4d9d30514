"""Calling the API in tests: keys made as the command makes them, and a client that sends one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from billing_service import keys
from billing_service.app import create_app
from billing_service.runs import clock
from billing_service.settings import Settings
from billing_service.store import connect
from tests.billing.conftest import OWN_RULES, RULES, Office


def made_key(office: Office, *scopes: str, name: str = "li", utility: str = "main", ended: bool = False) -> keys.Made:
    """A key of the office; all scopes where none is named. ``ended``: it was over yesterday."""
    now = clock() - timedelta(days=2 if ended else 0)
    expires = now + timedelta(days=1) if ended else None
    own = Settings(db=office.db, utility=utility, user="tests")
    with office.opened() as engine, connect.writing(engine, utility) as conn:
        return keys.create(conn, own, name, scopes or keys.SCOPES, expires, now)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@contextmanager
def calling(office: Office, *scopes: str, rules: tuple[Path, ...] = (RULES, OWN_RULES), name: str = "li") -> Iterator[TestClient]:
    """A client with a key of its own; faults are answers, as for a real client."""
    headers = bearer(made_key(office, *scopes, name=name).text)
    with TestClient(create_app(Settings(db=office.db, rules=rules)), raise_server_exceptions=False, headers=headers) as found:
        yield found


def signing(key: str) -> type[Any]:
    """How a schemathesis schema sends the key, so that it can also leave it out."""

    class Signed:
        def get(self, case: Any, context: Any) -> str:
            return key

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    return Signed
