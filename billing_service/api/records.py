"""``/v1/accounts``, ``/v1/contracts``, ``/v1/usage``: what a utility's own systems send, in bulk and without harm again, and read back."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from billing_service.api import wire_records as wire
from billing_service.api.body import read_rows
from billing_service.api.caller import Reading, Writing, settings_for
from billing_service.api.common import language, rows_of, told, trouble, troubles
from billing_service.api.once import Key, Written, once
from billing_service.api.pages import After, From, Limit, To, following, place
from billing_service.keys import Caller
from billing_service.problems import Refused, problem
from billing_service.receiving import receive
from billing_service.runs import clock
from billing_service.store import lists
from billing_service.store.connect import Connection, reading
from tariffs.money import show

router = APIRouter()
Id = Annotated[str, Path(min_length=1, max_length=200)]
OfAccount = Annotated[str, Query(max_length=200, description="of this account only")]
_READ = troubles(401, 403, 422)
_WRITE = troubles(401, 403, 409, 413, 415, 422)


@router.post("/accounts", response_model=wire.Received, responses=_WRITE, openapi_extra=rows_of(wire.AccountsIn), summary="Send accounts")
async def send_accounts(request: Request, who: Writing, key: Key) -> Response:
    """New ones are kept, those that are there with the same content are counted; what changed is a row with a later `known`, the rest conflicts, by row."""
    return await _received(request, who, key, wire.AccountsIn, "accounts")


@router.post("/contracts", response_model=wire.Received, responses=_WRITE, openapi_extra=rows_of(wire.ContractsIn), summary="Send terms of contracts")
async def send_contracts(request: Request, who: Writing, key: Key) -> Response:
    """A change of terms is a row with a later `from`; a correction is a row with a later `known`."""
    return await _received(request, who, key, wire.ContractsIn, "contracts")


@router.post("/usage", response_model=wire.Received, responses=_WRITE, openapi_extra=rows_of(wire.UsagesIn), summary="Send usage records")
async def send_usage(request: Request, who: Writing, key: Key) -> Response:
    """A record is never changed: a correction is a record of its own that `replaces` it."""
    return await _received(request, who, key, wire.UsagesIn, "usage")


@router.get("/accounts", response_model=wire.AccountList, response_model_by_alias=True, responses=_READ, summary="Accounts")
def list_accounts(request: Request, who: Reading, after: After = "", limit: Limit = 100) -> wire.AccountList:
    """By their id, each as it is now."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.accounts_after(conn, who.utility, place(after, 1), limit)
    return wire.AccountList(accounts=[_account(one) for one in found], next=following(found, limit, found[-1].account) if found else None)


@router.get("/accounts/{account}", response_model=wire.AccountKept, response_model_by_alias=True, responses=troubles(401, 403, 404, 422), summary="An account")
def get_account(request: Request, who: Reading, account: Id) -> wire.AccountKept:
    """One account, as it is now."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.account(conn, who.utility, account) if account.isprintable() else None
    if found is None:
        raise _absent(account)
    return _account(found)


@router.get(
    "/accounts/{account}/revisions",
    response_model=wire.AccountRevisions,
    response_model_by_alias=True,
    responses=troubles(401, 403, 404, 422),
    summary="What an account was called, and since when",
)
def list_account_revisions(request: Request, who: Reading, account: Id) -> wire.AccountRevisions:
    """Every revision of one account, the first one first: `known` is the day it became known."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.account_revisions_of(conn, who.utility, account) if account.isprintable() else []
    if not found:
        raise _absent(account)
    return wire.AccountRevisions(revisions=[_account(one) for one in found])


@router.get("/contracts", response_model=wire.ContractList, response_model_by_alias=True, responses=_READ, summary="Terms of contracts")
def list_contracts(request: Request, who: Reading, account: OfAccount = "", after: After = "", limit: Limit = 100) -> wire.ContractList:
    """Every row of terms ever recorded, each revision, by contract and first day."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.contracts_after(conn, who.utility, lists.sought(account), place(after, 3), limit)
    terms = [_contract(one) for one in found]
    return wire.ContractList(contracts=terms, next=following(found, limit, *_end(terms[-1], "contract")) if terms else None)


@router.get("/usage", response_model=wire.UsageList, responses=_READ, summary="Usage records")
def list_usage(
    request: Request,
    who: Reading,
    account: OfAccount = "",
    start: From = None,
    end: To = None,
    after: After = "",
    limit: Limit = 100,
) -> wire.UsageList:
    """By their id. A record belongs to the period that holds its last day."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.usage_after(conn, who.utility, lists.sought(account), start, end, place(after, 1), limit)
    return wire.UsageList(usage=[_usage(one) for one in found], next=following(found, limit, found[-1].id) if found else None)


async def _received(request: Request, who: Caller, key: str, model: type[BaseModel], name: str) -> Response:
    rows, misfits = await read_rows(request, model, name, request.app.state.settings.largest_batch)
    settings = settings_for(request, who)
    records = [(place, one.model_dump(by_alias=True)) for place, one in rows]

    def work(conn: Connection) -> Written:
        found = receive(conn, settings, name, records, misfits, request.state.body, clock())
        wrong = [trouble(one, language(request)) for one in found.problems]
        return Written(200, wire.Received(new=found.new, same=found.same, refused=found.bad, problems=wrong))

    return await once(request, who, key, work)


def _end(one: Any, *names: str) -> tuple[str, ...]:
    return (*(getattr(one, name) for name in names), one.start.isoformat(), str(one.revision))


def _absent(account: str) -> Refused:
    return Refused([problem("no-such-account", account=account)], "not-found")


def _account(one: Any) -> wire.AccountKept:
    return told(wire.AccountKept, one)


def _contract(one: Any) -> wire.Contract:
    return told(wire.Contract, one, facts=json.loads(one.facts))


def _usage(one: Any) -> wire.Usage:
    return told(wire.Usage, one, value=show(one.value))
