"""``GET /v1/invoices/{number}``: an issued document, with what reproduces it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from billing_service.api.caller import Reading
from billing_service.api.common import troubles
from billing_service.documents.invoice import by_number
from billing_service.problems import Refused, problem
from billing_service.schemas import Invoice
from billing_service.store.connect import reading

router = APIRouter()


@router.get("/invoices/{number}", response_model=Invoice, response_model_by_alias=True, responses=troubles(401, 403, 404, 422), summary="An issued document")
def get_invoice(request: Request, who: Reading, number: Annotated[str, Path(max_length=40, pattern=r"^[A-Z0-9-]+$")]) -> Invoice:
    """Invoice, difference document or settlement by its number."""
    with reading(request.app.state.engine, who.utility) as conn:
        found = by_number(conn, who.utility, number)
    if found is None:
        raise Refused([problem("no-such-invoice", number=number)], "not-found")
    return found
