"""A whole month by somebody who has nothing of ours but the description: run by ``soak.client`` in an environment of its own.

``python client_month.py BASE KEY OTHER_KEY``; it imports the standard library and the generated client. An AssertionError is a finding.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from billing_client import AuthenticatedClient  # type: ignore[import-not-found]
from billing_client import models as m
from billing_client.api import default as api  # type: ignore[import-not-found]

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 1)
SEWAGE = "cn/yangquan/sewage"
PRICES = {"resident": Decimal("1.00"), "special": Decimal("2.10")}
_ATTEMPTS = count(1)


def month(base: str, li_key: str, wang_key: str) -> str:
    """Accounts to events; what came of it, in a line."""
    li, wang = (AuthenticatedClient(base_url=base, token=key, raise_on_unexpected_status=True) for key in (li_key, wang_key))
    water = send(li)
    run = billed(li, wang)
    documents = calls("list_invoices", li, run=run, limit=1000).invoices
    assert {one.account: Decimal(one.total) for one in documents} == {account: PRICES[user] * value for account, (user, value) in water.items()}
    explained = calls("explain_invoice", li, number=documents[0].number)
    assert explained.number == documents[0].number, explained
    assert calls("verify_invoice", li, number=documents[0].number).number == documents[0].number
    pdf = detailed("get_invoice_pdf", li, number=documents[0].number)
    assert pdf.status_code == 200, pdf
    assert pdf.content.startswith(b"%PDF")
    noted = credited(li, next(one for one in documents if one.account == "G01"))
    corrected = correction(li, wang)
    events: list[Any] = []
    after = 0
    while found := calls("list_events", li, after=after, limit=5).events:
        events += found
        after = found[-1].seq
    assert [one.seq for one in events] == list(range(1, len(events) + 1))
    assert {"run.issued", "credit.issued", "usage.received"} <= {one.kind for one in events}
    return f"{len(water)} accounts, {len(documents)} invoices, credit note {noted}, difference {corrected}, {len(events)} events"


def send(li: Any) -> dict[str, tuple[str, Decimal]]:
    """Accounts, contracts and a month's usage; by account its class of user and its use."""
    water = {f"G{at:02d}": ("special" if at % 3 == 0 else "resident", Decimal(10 + at)) for at in range(1, 13)}
    accounts = [m.AccountIn(account=name, name=f"Customer {name}", class_="household") for name in water]
    told = writes("send_accounts", li, m.AccountsIn(accounts=accounts))
    assert (told.new, told.refused) == (12, 0), told
    contracts = [
        m.ContractIn(contract=f"C-{name}", account=name, tariff=SEWAGE, from_=date(2026, 1, 1), facts=m.ContractInFacts.from_dict({"user": user}))
        for name, (user, _) in water.items()
    ]
    assert writes("send_contracts", li, m.ContractsIn(contracts=contracts)).new == 12
    rows = [usage(f"U-{name}", name, value) for name, (_, value) in water.items()]
    assert writes("send_usage", li, m.UsagesIn(usage=rows)).new == 12
    again = writes("send_usage", li, m.UsagesIn(usage=[*rows, usage("U-X", "NOBODY", Decimal(1))]))
    assert (again.new, again.same, again.refused, again.problems[0].code) == (0, 12, 1, "unknown-account"), again
    quoted = calls("make_quote", li, body=m.QuoteRequest(tariff=SEWAGE, on=FIRST, facts=m.QuoteRequestFacts.from_dict({"user": "resident", "water": "11"})))
    assert quoted.total == "11.00", quoted
    return water


def usage(name: str, account: str, value: Decimal, **more: str) -> Any:
    return m.UsageIn(id=name, account=account, point=account, measure="water", start=FIRST, end=LAST, value=str(value), unit="m3", **more)


def billed(li: Any, wang: Any) -> str:
    """A run to its end: bills held and looked at, approved by another than who began it."""
    writes("set_utility", li, m.UtilityRequest(name="Client Waterworks", holds=["first"]))
    run = finished(li, writes("begin_run", li, m.RunRequest(period=[FIRST, LAST])).id)
    assert run.state == "draft", run
    assert calls("list_run_exceptions", li, run=run.id).exceptions == []
    assert len(calls("list_run_holds", li, run=run.id).holds) == 12
    assert writes("decide_holds", li, m.Decision(action="release", note="all are new"), run=run.id).documents == 12
    writes("set_utility", li, m.UtilityRequest(name="Client Waterworks", holds=[]))
    issue(li, wang, run.id)
    return str(run.id)


def issue(li: Any, wang: Any, run: str) -> None:
    assert writes("review_run", li, m.Nothing(), run=run).state == "reviewed"
    refused = writes("approve_run", li, m.Nothing(), run=run)
    assert [one.code for one in refused.problems] == ["same-person"], refused
    assert writes("approve_run", wang, m.Nothing(), run=run).approved_by == "wang"
    writes("issue_run", li, m.Nothing(), run=run)
    assert finished(li, run).state == "issued"


def credited(li: Any, bill: Any) -> str:
    """A part of a bill given back; more than is left is refused, with how much is left."""
    some = m.CreditRequest(reason="a leak", lines=[m.CreditLine(charge="sewage_fee", amount="1.50")])
    note = writes("credit_invoice", li, some, number=bill.number)
    assert (note.total, note.corrects) == ("-1.50", bill.id), note
    much = m.CreditRequest(reason="a leak", lines=[m.CreditLine(charge="sewage_fee", amount="1000.00")])
    assert writes("credit_invoice", li, much, number=bill.number).problems[0].code == "credit-above-left"
    return str(note.number)


def correction(li: Any, wang: Any) -> str:
    """A reading that was wrong by four: one difference, and nothing the second time."""
    told = writes("send_usage", li, m.UsagesIn(usage=[usage("U-G02b", "G02", Decimal(8), replaces="U-G02")]))
    assert told.new == 1, told
    (run,) = [finished(li, one.run) for one in writes("begin_correction", li, m.CorrectionRequest()).runs]
    issue(li, wang, run.id)
    (found,) = calls("list_invoices", li, run=run.id).invoices
    assert (found.account, found.kind, found.total) == ("G02", "difference", "-4.00"), found
    (empty,) = [finished(li, one.run) for one in writes("begin_correction", li, m.CorrectionRequest()).runs]
    assert empty.state == "empty", empty
    return str(found.number)


def finished(li: Any, run: str) -> Any:
    end = time.monotonic() + 60
    while (found := calls("get_run", li, run=run)).state in ("running", "issuing"):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def writes(name: str, client: Any, body: Any, **more: str) -> Any:
    return calls(name, client, body=body, idempotency_key=f"attempt-{next(_ATTEMPTS)}", **more)


def calls(name: str, client: Any, **more: Any) -> Any:
    """The answer as the generated client understands it."""
    answer = detailed(name, client, **more)
    assert answer.parsed is not None, (name, answer)
    return answer.parsed


def detailed(name: str, client: Any, **more: Any) -> Any:
    module = __import__(f"{api.__name__}.{name}", fromlist=[name])
    return module.sync_detailed(client=client, **more)


if __name__ == "__main__":
    print(month(*sys.argv[1:4]))
