"""``python -m soak api --db both --cases 60 --lives 60 --steps 30``: the API against its own description, over an office with something in it.

Every operation is called with what its schema allows, half of the time with ids and bodies that mean something here; then a state machine
follows links from answer to question (80 of them are found in the description). No answer may be a 5xx, or undeclared, or of another shape.
Tells how each operation answered; one that never answered with 2xx is a finding too: nothing of it was tried.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from starlette.testclient import TestClient

from billing_service.app import create_app
from billing_service.settings import Settings
from soak.kills import RULES, place
from soak.serving import furnish

OWN = Path(__file__).parent.parent / "tests" / "billing" / "rules"
#: A body can keep the description and still name what is not there; and a key that is left out is tried by tests of its own.
NOT_ASKED = [positive_data_acceptance, negative_data_rejection, ignored_auth]
MONTHS = (["2026-09-01", "2026-10-01"], ["2026-10-01", "2026-11-01"], ["2026-11-01", "2026-12-01"])


def _months() -> Iterator[list[str]]:
    """Months nobody has billed yet."""
    for year in range(2027, 2200):
        for month in range(1, 13):
            yield [f"{year}-{month:02d}-01", f"{year + month // 12}-{month % 12 + 1:02d}-01"]


@dataclass(frozen=True, slots=True)
class Office:
    """A service inside this process, the ids that mean something in it, and how it answered. ``keys``: li's, then wang's."""

    client: TestClient
    keys: tuple[str, str]
    known: dict[str, list[str]]
    random: Random
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    found: dict[tuple[str, str], str] = field(default_factory=dict)
    over_links: Counter[int] = field(default_factory=Counter)
    months: Iterator[list[str]] = field(default_factory=_months)


def soak(kind: str, cases: int, lives: int, steps: int, number: int, *, every: bool = True) -> int:
    """On one kind of database or both; how many findings. ``every``: an operation that never did well is one."""
    wrong = 0
    for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
        with place(one) as where:
            wrong += _one(one, where.prepared, cases, lives, steps, number, every=every)
    return wrong


def _one(kind: str, db: str, cases: int, lives: int, steps: int, number: int, *, every: bool) -> int:
    rules, began = (RULES, OWN), time.monotonic()
    made = furnish(db, rules)
    app = create_app(Settings(db=db, rules=rules))
    with TestClient(app) as client:
        office = Office(client, (made["li"], made["wang"]), {}, Random(number))
        _fill(office)
        _operations(office, cases, number)
        _machine(office, lives, steps, number)
    untried = _table(kind, office)
    found = [f"{name}: {text}" for (name, _), text in office.found.items()] + [f"{name} never answered with 2xx" for name in untried if every]
    for one in found:
        print(f"{kind}: FOUND {one}")
    print(f"{kind}: over links: {'  '.join(f'{status}: {count}' for status, count in sorted(office.over_links.items()))}")
    told = f"{len({name for name, _ in office.answered})} operations, {office.answered.total()} cases, {time.monotonic() - began:.0f} s"
    print(f"{kind}: {told}, {f'{len(found)} FINDINGS' if found else 'no finding'}")
    return len(found)


def _table(kind: str, office: Office) -> list[str]:
    """Print how each operation answered; those that never did well."""
    untried = []
    for name in sorted({name for name, _ in office.answered}):
        counts = {status: count for (of, status), count in sorted(office.answered.items()) if of == name}
        print(f"{kind}: {name:44} {'  '.join(f'{status}: {count}' for status, count in counts.items())}")
        if not any(status < 300 for status in counts):
            untried.append(name)
    return untried


# --- an office with something in it ---


def _fill(office: Office) -> None:
    """Accounts, terms, records, an operator's plant; one month issued and credited, one in draft with bills held and exceptions."""
    accounts = [f"A{n}" for n in range(6)] + ["P1"]
    _send(office, "post", "/v1/accounts", {"accounts": [{"account": one, "name": one, "class": "any"} for one in accounts]})
    terms = [("C0", "A0", "sewage", {"user": "resident"}), ("C1", "A1", "sewage", {"user": "special"}), ("C5", "A5", "sewage", {"user": "resident"})]
    terms += [("C2", "A2", "domestic-waste", {"payer": "household", "households": "1", "relief": "ordinary"}), ("C3", "A3", "none", {})]
    rows = [{"contract": name, "account": of, "tariff": f"cn/yangquan/{tariff}", "from": "2026-01-01", "facts": facts} for name, of, tariff, facts in terms]
    rows.append({"contract": "CP", "account": "P1", "tariff": "test/operator-pay", "from": "2026-01-01"})
    _send(office, "post", "/v1/contracts", {"contracts": rows})
    _send(office, "post", "/v1/usage", {"usage": [_record(f"U{n}", f"A{n % 2}", str(5 + n), n % 3) for n in range(12)]})
    treated = [{**_record(f"T{n}", "P1", "1000", n), "measure": "treated"} for n in range(3)]
    _send(office, "post", "/v1/usage", {"usage": treated})
    listed = _send(office, "get", "/v1/tariffs", None)["tariffs"]
    digests = {one["tariff"]: one["digest"] for one in listed}
    _send(office, "post", f"/v1/versions/{digests['test/operator-pay']}/adoption", {"document": "contract 1"})
    first = _send(office, "post", "/v1/runs", {"period": MONTHS[0]})["id"]
    for step in ("review", "approve", "issue"):
        _send(office, "post", f"/v1/runs/{first}/{step}", {}, 1)
    documents = _send(office, "get", "/v1/invoices", None)["invoices"]
    numbers = [one["number"] for one in documents if one["number"]]
    sewage = next(one["number"] for one in documents if one["account"] == "A0")
    lines = [{"charge": "sewage_fee", "amount": "0.01"}]
    credit = _send(office, "post", f"/v1/invoices/{sewage}/credits", {"reason": "said so", "lines": lines})["number"]
    _send(office, "put", "/v1/utility", {"name": "Sample", "holds": ["first"]})
    draft = _send(office, "post", "/v1/runs", {"period": MONTHS[1]})["id"]
    key = _send(office, "post", "/v1/keys", {"name": "chen", "scopes": ["read"]})["id"]
    office.known.update(account=accounts, number=[*numbers, credit], run=[first, draft], digest=list(digests.values()), key=[key], plant=["P1"])


def _record(name: str, account: str, value: str, month: int) -> dict[str, str]:
    start, end = MONTHS[month]
    return {"id": name, "account": account, "point": name, "measure": "water", "value": value, "unit": "m3", "start": start, "end": end}


def _send(office: Office, method: str, path: str, body: Any, who: int = 0) -> Any:
    headers = {"authorization": f"Bearer {office.keys[who]}", "idempotency-key": f"fill-{office.random.getrandbits(60):x}"}
    answer = office.client.request(method, path, headers=headers, **({} if body is None else {"json": body}))
    assert answer.status_code < 300, (path, answer.text)
    return answer.json()


def _sensible(office: Office) -> Mapping[str, Any]:
    """A body that means something, for each operation that takes one."""
    pick = office.random.choice
    fresh = f"{office.random.getrandbits(40):x}"
    account, period = pick(office.known["account"]), pick(MONTHS)
    facts = {"user": pick(("resident", "special")), "water": str(office.random.randrange(100))}
    quote = {"tariff": "cn/yangquan/sewage", "on": "2026-10-15"}
    dated = {"account": account, "from": "2026-01-01"}
    return {
        "make_quote": {**quote, "facts": facts},
        "make_quotes": {**quote, "rows": [{"facts": facts}] * 3, "explain": True},
        "send_accounts": {"accounts": [{"account": fresh, "name": fresh, "class": "any"}]},
        "send_contracts": {"contracts": [{**dated, "contract": fresh, "tariff": "cn/yangquan/sewage", "facts": {"user": "resident"}}]},
        "send_usage": {"usage": [_record(fresh, account, "7", office.random.randrange(3))]},
        "record_relief": {**dated, "id": fresh, "facts": {"relief": "low_income"}, "proof": "certificate"},
        "record_share": {**dated, "point": fresh, "parts": "2"},
        "adopt_version": {"document": "decree"},
        "credit_invoice": {"reason": "said so", "lines": [{"charge": "sewage_fee", "amount": "0.01"}]},
        "make_key": {"name": "chen", "scopes": ["read"]},
        "begin_run": {"period": period},
        "begin_correction": {"periods": [MONTHS[0]]} if office.random.random() < 0.5 else {},
        "settle": {"plant": "P1", "period": period},
        "decide_holds": {"action": pick(("release", "set_aside")), "note": "looked at"},
        "set_utility": {"name": "Sample", "holds": pick(([], ["first"], ["zero", "times=3"]))},
        "review_run": {},
        "approve_run": {},
        "issue_run": {},
        "cancel_run": {},
    }


#: What a run must have gone through before a step can be taken.
_BEFORE: Mapping[str, tuple[str, ...]] = {
    "decide_holds": (),
    "review_run": (),
    "cancel_run": (),
    "approve_run": ("holds", "review"),
    "issue_run": ("holds", "review", "approve"),
}


def _ready(office: Office, name: str) -> str:
    """A run that li began, of which the next step can be taken: it bills an account that nobody has billed."""
    fresh, facts = f"{office.random.getrandbits(40):x}", {"payer": "household", "households": "1", "relief": "ordinary"}
    row = {"contract": fresh, "account": fresh, "tariff": "cn/yangquan/domestic-waste", "from": "2026-01-01", "facts": facts}
    _send(office, "post", "/v1/accounts", {"accounts": [{"account": fresh, "name": fresh, "class": "any"}]})
    _send(office, "post", "/v1/contracts", {"contracts": [row]})
    run = str(_send(office, "post", "/v1/runs", {"period": next(office.months)})["id"])
    for step in _BEFORE[name]:
        if step != "holds":
            _send(office, "post", f"/v1/runs/{run}/{step}", {}, 1)
        elif _send(office, "get", f"/v1/runs/{run}/holds", None)["holds"]:
            _send(office, "post", f"/v1/runs/{run}/holds", {"action": "release", "note": "looked at"})
    return run


def _meant(office: Office, case: Any, *, linked: bool) -> dict[str, str]:
    """Half of what was generated becomes something that is there; what came over a link stays. The headers to send.

    Our own keys are never taken back.
    """
    name = str(case.operation.definition.raw.get("operationId"))
    who = office.random.randrange(2)
    if "Idempotency-Key" in case.headers and office.random.random() < 0.9:
        case.headers["Idempotency-Key"] = f"{office.random.getrandbits(60):x}"
    if not linked:
        for values in (case.path_parameters, case.query):
            for word in list(values or {}):
                if word in office.known and office.random.random() < 0.7:
                    values[word] = office.random.choice(office.known[word])
    body = _sensible(office).get(name)
    if body is not None and office.random.random() < 0.6:
        case.body = body
        if name in _BEFORE and not linked and office.random.random() < 0.5:
            who, case.path_parameters["run"] = 1, _ready(office, name)
    if name == "revoke_key" and case.path_parameters.get("key") in {key.split(".")[1] for key in office.keys}:
        case.path_parameters["key"] = office.known["key"][0]
    return {"Authorization": f"Bearer {office.keys[who]}"}


def _noted(office: Office, case: Any, answer: Any) -> None:
    """Count the answer, and learn the ids in it."""
    office.answered[case.operation.label, answer.status_code] += 1
    if answer.status_code in (201, 202):
        told = answer.json()
        for word, name in (("run", "id"), ("run", "run"), ("number", "number"), ("key", "id")):
            of_runs = word != "run" or "runs" in case.operation.path or "settlements" in case.operation.path
            of_keys = word != "key" or case.operation.path == "/v1/keys"
            if isinstance(told.get(name), str) and of_runs and of_keys and told[name] not in office.known[word]:
                office.known[word] = [*office.known[word], told[name]][-8:]


# --- calling ---


def _schema(office: Office) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", office.client.app)


def _quiet(examples: int, **more: Any) -> Any:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], **more)


def _looked_at(office: Office, case: Any, answer: Any) -> None:
    """Findings are kept, the first of each kind, and not raised: the others come too, and nothing is tried to repeat what has passed."""
    _noted(office, case, answer)
    try:
        case.validate_response(answer, excluded_checks=NOT_ASKED)
    except BaseExceptionGroup as group:
        for one in group.exceptions:
            office.found.setdefault((case.operation.label, type(one).__name__), f"{one} {case.as_curl_command()}"[:2000])


def _operations(office: Office, cases: int, number: int) -> None:
    """Each operation by itself."""
    for result in _schema(office).get_all_operations():

        @seed(number)
        @_quiet(cases)  # type: ignore[untyped-decorator]
        @given(case=result.ok().as_strategy())
        def fuzz(case: Any) -> None:
            _looked_at(office, case, case.call(headers=_meant(office, case, linked=False)))

        fuzz()


def _machine(office: Office, lives: int, steps: int, number: int) -> None:
    """Operations after each other, with what answers said."""
    machine: Any = _schema(office).as_state_machine()

    class Life(machine):  # type: ignore[misc]
        def step(self, input: Any) -> Any:  # noqa: A002  its name over there
            self.linked = input.transition is not None and input.is_applied
            return super().step(input)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": _meant(office, case, linked=self.linked)}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            office.over_links[response.status_code] += self.linked
            _looked_at(office, case, response)

    for at in range(lives):
        life = seed(number + at)(type("Life", (Life,), {}))
        # What is drawn depends on answers, which are never the same twice: that hypothesis notices is no finding.
        with suppress(FlakyStrategyDefinition):
            run_state_machine_as_test(life, settings=_quiet(5, stateful_step_count=steps))
