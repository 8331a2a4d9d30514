"""Credit notes: a person gives back all of a bill or part of it, for a reason, and never more than is left of it.

A bill is everything issued for an account, a period and the tariffs of the document that was named: the invoice, its
differences, the credit notes so far. A credit note stands beside the rating: corrections do not look at it, so what was
forgiven is not billed again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.billing import Line, add_up, line_of, number, sum_of
from billing_service.documents.invoice import kept_versions, money
from billing_service.problems import Refused, problem, refused
from billing_service.settings import Settings
from billing_service.store import credit_notes as store
from billing_service.store import documents, events
from billing_service.store.connect import Connection, Engine, Row, writing
from billing_service.store.ledger import one_account
from tariffs.errors import Problem
from tariffs.money import EXACT, is_multiple, read_number

SERIES = documents.CREDIT
_LONGEST = 1000
Charge = tuple[str, str]  # tariff, charge


@dataclass(frozen=True, slots=True)
class Asked:
    """What to give back of one charge; ``amount`` as text, above zero. ``tariff`` may be empty where one tariff alone has the charge."""

    charge: str
    amount: str
    tariff: str = ""


def credit(db: Engine, settings: Settings, named: str, asked: Sequence[Asked], reason: str, now: datetime) -> str:
    """Credit part of a bill, or with nothing asked all that is left of it; the number of the credit note."""
    with writing(db, settings.utility) as conn:
        return credit_in(conn, settings, named, asked, reason, now)


def credit_in(conn: Connection, settings: Settings, named: str, asked: Sequence[Asked], reason: str, now: datetime) -> str:
    """``credit`` inside a transaction that has the utility for itself. Refused: with every reason; nothing is left; a correction is under way."""
    document = _document(conn, settings.utility, named, reason)
    left = left_of(store.lines_of_bill(conn, settings.utility, document))
    total = sum_of(left.values())
    if total <= 0:
        raise refused("credit-nothing-left", number=named)
    given = _chosen(left, asked, _step(conn, settings.utility, left)) if asked else tuple(line for line in left.values() if line.amount)
    amount = sum_of(given)
    if not 0 < amount <= total:
        raise refused("credit-above-total", number=named, amount=money(amount), left=money(total), currency=document.currency)
    return _issue(conn, settings, document, [replace(line, amount=EXACT.minus(line.amount)) for line in given], reason.strip(), now)


def left_of(rows: Iterable[Row[Any]]) -> dict[Charge, Line]:
    """What is left of each charge of a bill; the newest text of each line stands, a credit note's is that of what it credits."""
    found: dict[Charge, Line] = {}
    for row in rows:
        add_up(found, (row.tariff, row.charge), line_of(row))
    return found


def _document(conn: Connection, utility: str, named: str, reason: str) -> Row[Any]:
    found = documents.by_number(conn, utility, named)
    if found is None:
        raise Refused([problem("no-such-invoice", number=named)], "not-found")
    wrong = []
    if not reason.strip():
        wrong.append(problem("credit-reason-missing"))
    if len(reason) > _LONGEST or not reason.replace("\n", " ").isprintable():
        wrong.append(problem("credit-reason-unprintable", most=_LONGEST))
    if found.kind == SERIES:
        wrong.append(problem("credit-of-credit", number=named, corrected=store.number_of(conn, utility, found.corrects)))
    elif found.direction != "receivable":
        wrong.append(problem("credit-not-receivable", number=named))
    if wrong:
        raise Refused(wrong)
    period = (found.period_start, found.period_end)
    if documents.drafted(conn, utility, *period, one_account(found.account)):
        raise Refused([problem("credit-bill-in-work", number=named, account=found.account)], "conflict")
    return found


def _step(conn: Connection, utility: str, left: dict[Charge, Line]) -> Decimal:
    """The smallest amount the bill's tariffs know; all are in one currency."""
    return min(version.model.step for version in kept_versions(conn, utility, left.values()).values())


def _chosen(left: dict[Charge, Line], asked: Sequence[Asked], step: Decimal) -> tuple[Line, ...]:
    found: dict[Charge, Line] = {}
    wrong: list[Problem] = []
    for one in asked:
        keys = [key for key in left if key[1] == one.charge and one.tariff in ("", key[0])]
        amount = read_number(one.amount)
        if len(keys) != 1:
            code = "credit-charge-twice" if keys else "credit-no-such-charge"
            wrong.append(problem(code, charge=one.charge, charges=", ".join(f"{tariff}:{charge}" for tariff, charge in keys or left)))
        elif amount is None or amount <= 0 or not is_multiple(amount, step):
            wrong.append(problem("credit-amount-wrong", charge=one.charge, amount=one.amount[:40], step=step))
        elif keys[0] in found:
            wrong.append(problem("credit-charge-repeated", charge=one.charge))
        elif amount > left[keys[0]].amount:
            wrong.append(problem("credit-above-left", charge=one.charge, amount=money(amount), left=money(max(left[keys[0]].amount, Decimal(0)))))
        else:
            found[keys[0]] = replace(left[keys[0]], amount=amount)
    if wrong:
        raise Refused(wrong)
    return tuple(found[key] for key in left if key in found)


def _issue(conn: Connection, settings: Settings, document: Row[Any], given: Sequence[Line], reason: str, now: datetime) -> str:
    utility, year = settings.utility, now.astimezone(ZoneInfo(settings.timezone)).year
    run = f"credits-{year}"
    store.open_book(conn, utility, run, settings.user, now)
    made = number(SERIES, year, documents.reserve(conn, utility, SERIES, year, 1))
    key, total = str(uuid.uuid5(uuid.NAMESPACE_URL, f"tariffs:billing:credit\x1f{utility}\x1f{made}")), sum_of(given)
    store.add(conn, utility, document, given, id=key, run=run, total=total, reason=reason)
    documents.issue(conn, utility, [(key, SERIES, made)], [], now)
    period = {"start": document.period_start, "end": document.period_end, "account": document.account}
    told = {"credits": document.number, "total": total, "currency": document.currency, "reason": reason, **period}
    events.append(conn, utility, now, settings.user, "credit.issued", made, told)
    return made
