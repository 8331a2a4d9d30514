"""The HTTP door: routes, and every fault answered as ``application/problem+json``. No body of any kind may give a 500."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from billing_service.api import corrections, entitlements, events, invoices, keys, quotes, records, runs, tariffs, utility
from billing_service.api.caller import Trust
from billing_service.api.common import STATUS, answer, by_name, language
from billing_service.api.shelf import Shelf
from billing_service.messages import text
from billing_service.problems import Refused, problem
from billing_service.settings import Settings
from billing_service.store import connect
from billing_service.store.connect import DBAPIError
from tariffs import TariffError
from tariffs.errors import Problem

_LOG = logging.getLogger("billing")
_ROUTING = {404: "no-such-route", 405: "wrong-method"}


def create_app(settings: Settings) -> FastAPI:
    """The application over one database and its rule roots."""
    app = FastAPI(
        title="billing",
        version="1",
        lifespan=_while_serving,
        description=text("api.description", settings.locale),
        redoc_url=None,
        max_body_size=None,
        generate_unique_id_function=lambda route: route.name,  # operationId: what a generated client calls its methods
    )
    described = app.openapi
    app.openapi = lambda: app.openapi_schema or by_name(described())  # type: ignore[method-assign]
    app.state.settings = settings
    app.state.engine = connect.engine(settings.url)
    app.state.trust = Trust()
    app.state.shelf = Shelf()
    # Routes are tried in this order; what is asked most often comes first.
    for part in (quotes, tariffs, records, entitlements, invoices, events, keys, runs, corrections, utility):
        app.include_router(part.router, prefix="/v1")
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(TariffError, _tariff_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _fault)
    return app


@asynccontextmanager
async def _while_serving(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.engine.dispose()


async def _refused(request: Request, error: Any) -> Response:
    status = STATUS[error.kind]
    return answer(status, error.problems, language(request), {"WWW-Authenticate": "Bearer"} if status == 401 else None)


async def _tariff_error(request: Request, error: Any) -> Response:
    return answer(422, error.problems, language(request))


async def _invalid(request: Request, error: Any) -> Response:
    """A parameter of a route is wrong. What was sent is not repeated: it may be anything."""
    found = [Problem("member-wrong", {"reason": str(one["msg"])}, charge=".".join(str(part) for part in one["loc"])) for one in error.errors()]
    return answer(422, found, language(request))


async def _http(request: Request, error: Any) -> Response:
    code = _ROUTING.get(error.status_code)
    found = [problem(code)] if code else [problem("member-wrong", reason=error.detail)]
    return answer(error.status_code, found, language(request), dict(error.headers or {}))


async def _database(request: Request, error: Any) -> Response:
    if connect.waited(error):
        _LOG.log(logging.WARNING, "%s %s waited too long for other writers; answered 503, nothing was stored", request.method, request.url.path)
    else:
        _LOG.error("database", exc_info=error)
    return answer(503, [problem("store-unavailable")], language(request))


async def _fault(request: Request, error: Any) -> Response:
    _LOG.error("fault", exc_info=error)
    return answer(500, [problem("internal-fault")], language(request))
