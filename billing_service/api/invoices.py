"""``/v1/invoices``: issued documents with what reproduces them, printed, and credited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from billing_service import crediting, verify
from billing_service.api.body import read_body
from billing_service.api.caller import Reading, Writing, settings_for
from billing_service.api.common import BYTES, XLSX, Language, body_of, language, told, trouble, troubles
from billing_service.api.once import Key, Written, once
from billing_service.api.pages import After, From, Limit, To, following, place
from billing_service.api.wire_documents import Explanation, Verification
from billing_service.crediting import Asked
from billing_service.documents import explanation, paper
from billing_service.documents.invoice import by_number, money
from billing_service.documents.invoice_book import invoice_xlsx
from billing_service.documents.pdf import invoice_pdf
from billing_service.keys import Caller
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.schemas import Invoice, InvoiceList, InvoiceListed, Wire
from billing_service.store import lists
from billing_service.store.connect import Connection, reading

router = APIRouter()
Number = Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9-]+$", description="the number of a document, or its id: one over zero has no number")]
Only = Annotated[str, Query(max_length=200)]
_READ = troubles(401, 403, 404, 422)


class CreditLine(Wire):
    charge: str = Field(min_length=1, max_length=200)
    amount: str = Field(max_length=40, description="what to give back, above zero, as text")
    tariff: str = Field(default="", max_length=200, description="where more than one tariff of the bill has the charge")


class CreditRequest(Wire):
    reason: str = Field(min_length=1, max_length=1000)
    lines: list[CreditLine] = Field(default_factory=list, max_length=1000, description="left out: all that is left of the bill")


@router.get("/invoices", response_model=InvoiceList, responses=troubles(401, 403, 422), summary="Issued documents")
def list_invoices(
    request: Request,
    who: Reading,
    account: Only = "",
    kind: Only = "",
    direction: Only = "",
    run: Only = "",
    start: From = None,
    end: To = None,
    after: After = "",
    limit: Limit = 100,
) -> InvoiceList:
    """Invoices, difference documents, settlements (`direction=payable`) and credit notes, by their id. Each is of the days that hold its period's last day."""
    only = {"account": account, "kind": kind, "direction": direction, "run": run}
    with reading(request.app.state.engine, who.utility) as conn:
        found = lists.documents_after(conn, who.utility, only, start, end, place(after, 1), limit)
    return InvoiceList(invoices=[listed_invoice(one) for one in found], next=following(found, limit, found[-1].id) if found else None)


@router.get("/invoices/{number}", response_model=Invoice, response_model_by_alias=True, responses=_READ, summary="An issued document")
def get_invoice(request: Request, who: Reading, number: Number) -> Invoice:
    """Invoice, difference document, settlement or credit note by its number, or by its id."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = by_number(conn, who.utility, number)
    if found is None:
        raise _absent(number)
    return found


@router.get("/invoices/{number}/pdf", response_class=Response, responses=_READ | {200: {"content": {"application/pdf": BYTES}}}, summary="As PDF/A")
def get_invoice_pdf(request: Request, who: Reading, number: Number, locale: Language = "") -> Response:
    """Invoice, settlement, difference or credit note, printed."""
    return Response(_printed(request, who, number, locale, invoice_pdf), media_type="application/pdf")


@router.get("/invoices/{number}/xlsx", response_class=Response, responses=_READ | {200: {"content": {XLSX: BYTES}}}, summary="As a workbook")
def get_invoice_xlsx(request: Request, who: Reading, number: Number, locale: Language = "") -> Response:
    """Invoice, settlement, difference or credit note, as a workbook."""
    return Response(_printed(request, who, number, locale, invoice_xlsx), media_type=XLSX)


@router.get("/invoices/{number}/explanation", response_model=Explanation, responses=_READ, summary="Why it says what it says")
def explain_invoice(request: Request, who: Reading, number: Number, locale: Language = "") -> Explanation:
    """Every line with its reasons as they were known on its day; of a difference also the whole now, what was issued before, and what is between."""
    settings = settings_for(request, who)
    with reading(request.app.state.engine, who.utility) as conn:
        found = explanation.by_number(conn, settings, number)
    if found is None:
        raise _absent(number)
    return Explanation.model_validate(explanation.as_json(found, language(request, locale)))


@router.get("/invoices/{number}/verification", response_model=Verification, responses=_READ, summary="Compute it again")
def verify_invoice(request: Request, who: Reading, number: Number, locale: Language = "") -> Verification:
    """The document computed again by what was known on its day, from what it keeps, and compared line by line."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = verify.one(conn, who.utility, number)
    if found is None:
        raise _absent(number)
    lines, wrong = found
    return Verification(number=number, same=not wrong, lines=lines, problems=[trouble(one, language(request, locale)) for one in wrong])


@router.post(
    "/invoices/{number}/credits",
    status_code=201,
    response_model=Invoice,
    response_model_by_alias=True,
    responses=troubles(401, 403, 404, 409, 413, 415, 422),
    openapi_extra=body_of(CreditRequest),
    summary="Credit a bill",
)
async def credit_invoice(request: Request, who: Writing, number: Number, key: Key) -> Response:
    """A credit note over all that is left of the bill, or over the charges named; never more than is left."""
    asked = await read_body(request, CreditRequest, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        made = crediting.credit_in(conn, settings, number, [Asked(one.charge, one.amount, one.tariff) for one in asked.lines], asked.reason, clock())
        found = by_number(conn, who.utility, made)
        assert found is not None, "it was just issued"
        return Written(201, found)

    return await once(request, who, key, work)


def listed_invoice(one: Any) -> InvoiceListed:
    """An issued document in a list."""
    return told(InvoiceListed, one, total=money(one.total))


def _printed(request: Request, who: Caller, number: str, asked: str, form: Callable[[paper.Paper, str], bytes]) -> bytes:
    settings, locale = settings_for(request, who), language(request, asked)
    with reading(request.app.state.engine, who.utility) as conn:
        found = paper.by_number(conn, settings, number)
    if found is None:
        raise _absent(number)
    return form(found, locale)


def _absent(number: str) -> Refused:
    return Refused([problem("no-such-invoice", number=number)], "not-found")
