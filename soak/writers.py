"""``python -m soak writers --clients 32 --seconds 60 --db both``: many write at once to one service, lose answers and send again.

Usage in bulk with ids that several clients use, accounts, contracts, entitlements, credit notes over the same bills, runs begun,
approved, issued and taken back meanwhile; the same attempt again and at the same moment; quotes and reads in between.
What every client was answered is held against the database afterwards (``writers_after``). Exit code 1 on a finding.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx2

from soak import writers_after
from soak.machine import PRICES
from soak.retroactive import SEWAGE, WASTE
from soak.serving import Sent, Served, complaints, serving

PERIODS = (("2026-09-01", "2026-10-01"), ("2026-10-01", "2026-11-01"))
OPEN = ("running", "draft", "reviewed", "approved", "issuing")
#: What may be refused while others write, by kind; anything else that is refused is a finding.
REFUSALS = {
    "relief": {"entitlement-conflict"},
    "credit": {"credit-nothing-left", "credit-above-total", "credit-above-left", "credit-bill-in-work", "credit-no-such-charge"},
    "run": {"run-in-work"},
    "step": {"wrong-state", "same-person"},
}
_BUSY = 503


@dataclass(frozen=True, slots=True)
class World:
    """What all clients share: the service, and what is counted."""

    served: Served
    http: httpx2.AsyncClient
    log: list[Sent] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    bills: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    """One sender: its chance, what it made, and how far it has read."""

    world: World
    number: int
    random: Random
    made: int = 0
    accounts: list[str] = field(default_factory=list)
    records: list[dict[str, str]] = field(default_factory=list)
    log: list[Sent] = field(default_factory=list)
    seen: tuple[int, str] = (0, "0" * 64)
    page: str = ""


def soak(kind: str, clients: int, seconds: float, seed: int) -> int:
    """On one kind of database or both; how many findings."""
    wrong = 0
    for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
        wrong += _one(one, clients, seconds, seed)
    return wrong


def _one(kind: str, clients: int, seconds: float, seed: int) -> int:
    with serving(kind) as served:
        world, took = asyncio.run(_together(served, clients, seconds, seed))
        found = [*world.found, *complaints(served.log)]
        found += [] if found else writers_after.check(served, world.log)
    for name, times in sorted(world.took.items()):
        times.sort()
        print(f"{kind}: {name:9} {len(times):6} requests, p50 {_at(times, 50):7.1f} ms, p99 {_at(times, 99):7.1f} ms")
    for one in found[:20]:
        print(f"{kind}: FOUND {one}")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(world.counts.items()))
    requests = sum(map(len, world.took.values()))
    told = f"{clients} clients, {took:.0f} s, {requests} requests, {requests / took:.0f}/s; {counts}"
    print(f"{kind}: {told}; {'no finding' if not found else f'{len(found)} FINDINGS'}")
    return len(found)


def _at(times: list[float], percent: int) -> float:
    return 1000 * times[min(len(times) - 1, len(times) * percent // 100)]


async def _together(served: Served, clients: int, seconds: float, seed: int) -> tuple[World, float]:
    limits = httpx2.Limits(max_connections=4 * clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=served.base, timeout=120, limits=limits) as http:
        world = World(served, http)
        every = [Client(world, number, Random(f"{seed}-{number}")) for number in range(clients)]
        await asyncio.gather(*map(_begin, every))
        await _write(every[0], "run", "/v1/runs", {"period": PERIODS[0]})
        await _finish(every[0])
        await _look(every[0])
        world.took.clear()
        began = time.monotonic()
        await asyncio.gather(*(_live(one, began + seconds) for one in every))
        took = time.monotonic() - began
        await _close(every[0])
    return world, took


async def _begin(client: Client) -> None:
    """Something for the first bills."""
    await _account(client)
    await _usage(client)


async def _live(client: Client, until: float) -> None:
    while time.monotonic() < until and not client.world.found:
        act = client.random.choices(list(_ACTS), list(_ACTS.values()))[0]
        await act(client)


# --- what is sent ---


async def _account(client: Client) -> None:
    """New accounts, some of them everybody's, with their contracts."""
    fresh = [_name(client, "A") for _ in range(client.random.randint(1, 5))] + [f"SA{client.random.randrange(100)}"]
    rows = [{"account": name, "name": name, "class": client.random.choice(("any", "any", "other")) if name[0] == "S" else "any"} for name in fresh]
    await _batch(client, "accounts", rows)
    client.accounts += fresh
    users = {name: client.random.choice(sorted(PRICES)) for name in fresh}
    terms = [{"contract": f"S-{name}", "account": name, "tariff": SEWAGE, "from": "2026-01-01", "facts": {"user": user}} for name, user in users.items()]
    facts = {"payer": "household", "households": "1", "relief": "ordinary"}
    terms += [{"contract": f"W-{name}", "account": name, "tariff": WASTE, "from": "2026-01-01", "facts": facts} for name in fresh[::2]]
    await _batch(client, "contracts", terms)


async def _terms(client: Client) -> None:
    """Terms that became known later, also of accounts that others send."""
    name = client.random.choice([*client.accounts, f"SA{client.random.randrange(100)}"])
    known = f"2026-11-{client.random.randint(1, 20):02d}"
    facts = {"user": client.random.choice(sorted(PRICES))}
    await _batch(client, "contracts", [{"contract": f"S-{name}", "account": name, "tariff": SEWAGE, "from": "2026-01-01", "facts": facts, "known": known}])


async def _usage(client: Client) -> None:
    """Records of its own, records under ids that others use too (with the same content or other), and corrections of its own."""
    rows = []
    for _ in range(client.random.choice((1, 5, 20, 200))):
        if client.random.random() < 0.3:
            number = client.random.randrange(3000)
            rows.append(_record(f"SU{number}", f"SA{number % 100}", number % 2, (number + client.random.choice((0, 0, 1))) % 40))
        else:
            rows.append(_record(_name(client, "U"), client.random.choice(client.accounts), client.random.randrange(2), client.random.randrange(40)))
    mended = [client.records.pop() for _ in range(min(len(client.records), client.random.choice((0, 0, 1, 3))))]
    rows += [{**old, "id": _name(client, "R"), "value": str(client.random.randrange(40)), "replaces": old["id"]} for old in mended]
    await _batch(client, "usage", rows)
    client.records = [row for row in rows if row["id"].startswith("U") and row["account"][0] != "S"][:10]


def _record(name: str, account: str, month: int, value: int) -> dict[str, str]:
    start, end = PERIODS[month]
    days = {"start": start, "end": end}
    return {"id": name, "account": account, "point": name, "measure": "water", "value": str(value), "unit": "m3", **days}


async def _relief(client: Client) -> None:
    account = client.random.choice(client.accounts)
    name = client.random.choice((_name(client, "E"), f"SE-{account}"))
    proof = f"certificate {client.random.randrange(2)}"
    row = {"id": name, "account": account, "tariff": WASTE, "facts": {"relief": "low_income", "refund_share": "50"}, "from": "2026-01-01", "proof": proof}
    await _write(client, "relief", "/v1/reliefs", row)


async def _credit(client: Client) -> None:
    """Over one of the bills seen last, so that several clients credit the same one."""
    if not client.world.bills:
        await _look(client)
        return
    number = client.random.choice(client.world.bills[-10:])
    lines = [{"charge": "sewage_fee", "amount": f"{client.random.randint(1, 3000) // 100}.{client.random.randrange(100):02d}"}]
    body = {"reason": "said so"} if client.random.random() < 0.2 else {"reason": "a part", "lines": lines}
    if body.get("lines") and lines[0]["amount"] == "0.00":
        lines[0]["amount"] = "0.01"
    await _write(client, "credit", f"/v1/invoices/{number}/credits", body)


async def _office(client: Client) -> None:
    """Begin a run, or take the next step of one that is open; everybody does, so steps collide."""
    rows = (await _read(client, "runs", "/v1/runs", {"limit": "6"}))["runs"]
    waiting = [one for one in rows if one["state"] in OPEN]
    if not waiting or client.random.random() < 0.2:
        await _write(client, "run", "/v1/runs", {"period": client.random.choice(PERIODS)})
        return
    run = client.random.choice(waiting)
    step = {"draft": "review", "reviewed": "approve", "approved": "issue"}.get(run["state"], "")
    step = "cancel" if client.random.random() < 0.05 else step
    if step:
        await _write(client, "step", f"/v1/runs/{run['id']}/{step}", {}, "li" if client.random.random() < 0.3 else "wang")


async def _batch(client: Client, name: str, rows: list[dict[str, Any]]) -> None:
    sent = await _write(client, name, f"/v1/{name}", {name: rows})
    told = json.loads(sent.answer)
    codes = {one["code"] for one in told.get("problems", ())}
    if sent.status != 200 or told["new"] + told["same"] + told["refused"] != len(rows) or not codes <= {"conflict", "unknown-account"}:
        client.world.found.append(f"{name}: {sent.status} {sent.answer[:500]}")


def _name(client: Client, letter: str) -> str:
    client.made += 1
    return f"{letter}{client.number:02d}-{client.made:05d}"


# --- what is read ---


async def _look(client: Client) -> None:
    """The next page of documents; bills among them can be credited."""
    params = {"limit": "50", "after": client.page} if client.page else {"limit": "50"}
    found = await _read(client, "invoices", "/v1/invoices", params)
    client.page = found["next"] or ""
    billed = [one for one in found["invoices"] if one["number"] and one["kind"] != "credit_note" and one["direction"] == "receivable"]
    client.world.bills.extend(one["number"] for one in billed)
    if client.world.bills and client.random.random() < 0.5:
        await _read(client, "invoice", f"/v1/invoices/{client.random.choice(client.world.bills)}", {})


async def _events(client: Client) -> None:
    """Read on from where it stopped: nothing may be missing in between, and each event names the one before."""
    seq, head = client.seen
    for one in (await _read(client, "events", "/v1/events", {"after": str(seq), "limit": "500"}))["events"]:
        if one["seq"] != seq + 1 or one["previous"] != head:
            client.world.found.append(f"event {one['seq']} came after {seq}")
        seq, head = one["seq"], one["hash"]
    client.seen = seq, head


async def _records(client: Client) -> None:
    account = client.random.choice(client.accounts)
    found = await _read(client, "usage-of", "/v1/usage", {"account": account, "limit": "1000"})
    if any(one["account"] != account for one in found["usage"]):
        client.world.found.append(f"{account} is shown usage of others")


async def _quote(client: Client) -> None:
    user, water = client.random.choice(sorted(PRICES)), client.random.randrange(100)
    asked = {"tariff": SEWAGE, "on": "2026-10-15", "facts": {"user": user, "water": str(water)}}
    status, text, _ = await _ask(client, "quote", "POST", "/v1/quotes", asked)
    if status != 200 or json.loads(text)["total"] != f"{PRICES[user] * water:.2f}":
        client.world.found.append(f"quote: {status} {text[:300]}")


async def _quotes(client: Client) -> None:
    rows = [{"facts": {"user": "resident", "water": str(water)}} for water in range(200)]
    status, text, _ = await _ask(client, "bulk", "POST", "/v1/quotes/bulk", {"tariff": SEWAGE, "on": "2026-10-15", "rows": rows})
    if status != 200 or json.loads(text)["parts"][0]["total"] != [f"{water}.00" for water in range(200)]:
        client.world.found.append(f"quotes: {status} {text[:300]}")


#: How often each is done.
_ACTS: Mapping[Callable[[Client], Awaitable[None]], int] = {
    _usage: 30,
    _account: 10,
    _terms: 8,
    _relief: 8,
    _credit: 20,
    _office: 6,
    _look: 4,
    _events: 4,
    _records: 4,
    _quote: 10,
    _quotes: 3,
}


# --- how it is sent ---


async def _write(client: Client, kind: str, path: str, body: Any, who: str = "li") -> Sent:
    """Send until there is an answer: sometimes the first attempt is cut off, sometimes twins go at once, sometimes an old one goes again."""
    key, text, world = f"{client.number}-{client.made}-{client.random.getrandbits(48):x}", json.dumps(body), client.world
    if client.random.random() < 0.1:
        await _lose(client, path, text, key, who)
    twins = client.random.choice((2, 3)) if client.random.random() < 0.15 else 1
    answers = await asyncio.gather(*(_ask(client, kind, "POST", path, body, key, who) for _ in range(twins)))
    status, told, _ = answers[0]
    sent = Sent(kind, path, key, text, status, told)
    if len({one[:2] for one in answers}) > 1 or sum(not again for *_, again in answers) > 1:
        world.found.append(f"twins of {path} {key}: {[(one[0], one[2], one[1][:80]) for one in answers]}")
    if status >= 300 and not {one["code"] for one in json.loads(told)["problems"]} <= REFUSALS.get(kind, set()):
        world.found.append(f"{kind} {path}: {status} {told[:300]}")
    world.counts["twins"] += twins - 1
    world.counts["refused"] += status >= 300
    client.log.append(sent)
    world.log.append(sent)
    await _again(client)
    return sent


async def _again(client: Client) -> None:
    """An old attempt once more gives the first answer, to the letter; its key with other words is refused."""
    if client.random.random() < 0.1:
        old = client.random.choice(client.log)
        status, told, again = await _ask(client, "again", "POST", old.path, json.loads(old.body), old.key, "wang")
        client.world.counts["again"] += 1
        if (status, told, again) != (old.status, old.answer, True):
            client.world.found.append(f"again {old.path} {old.key}: {status} {told[:200]} was {old.status} {old.answer[:200]}")
    if client.random.random() < 0.03:
        old = client.random.choice(client.log)
        status, told, _ = await _ask(client, "reused", "POST", old.path, {**json.loads(old.body), "x": "y"} if old.body == "{}" else _other(old.body), old.key)
        if status not in (409, 422) or (status == 422 and old.body != "{}"):
            client.world.found.append(f"another body under the key of {old.path}: {status} {told[:200]}")


def _other(body: str) -> Any:
    """The same, but for one word."""
    found = json.loads(body)
    match found:
        case {"reason": str()}:
            return {**found, "reason": "another"}
        case {"period": _}:
            return {**found, "known": "2026-11-20"}
        case {"proof": str()}:
            return {**found, "proof": "another"}
        case _:
            (name, rows), *_ = found.items()
            return {name: [*rows, rows[0]]}


async def _lose(client: Client, path: str, text: str, key: str, who: str) -> None:
    """Send all of it, or a part, and go away without listening."""
    at = urlsplit(client.world.served.base)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = [f"POST {path} HTTP/1.1", f"Host: {at.netloc}", "Content-Type: application/json", f"Content-Length: {len(text.encode())}"]
    head += [f"Authorization: Bearer {client.world.served.keys[who]}", f"Idempotency-Key: {key}"]
    whole = "\r\n".join([*head, "", text]).encode()
    writer.write(whole if client.random.random() < 0.7 else whole[: client.random.randrange(len(whole))])
    await writer.drain()
    if client.random.random() < 0.5:
        await asyncio.sleep(client.random.random() * 0.05)
    writer.transport.abort() if client.random.random() < 0.5 else writer.close()
    del reader
    client.world.counts["lost"] += 1


async def _read(client: Client, kind: str, path: str, params: Mapping[str, str]) -> Any:
    world, began = client.world, time.monotonic()
    answer = await world.http.get(path, params=params, headers={"authorization": f"Bearer {world.served.keys['li']}"})
    world.took.setdefault(kind, []).append(time.monotonic() - began)
    if answer.status_code != 200:
        world.found.append(f"{kind} {answer.url}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


async def _ask(client: Client, kind: str, method: str, path: str, body: Any, key: str = "", who: str = "li") -> tuple[int, str, bool]:
    """Status, text, and whether it is a repetition. A service that is busy is asked again."""
    world = client.world
    headers = {"authorization": f"Bearer {world.served.keys[who]}", "content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    content = json.dumps(body).encode()
    while True:
        began = time.monotonic()
        answer = await world.http.request(method, path, content=content, headers=headers)
        world.took.setdefault(kind, []).append(time.monotonic() - began)
        if answer.status_code != _BUSY:
            break
        world.counts["busy"] += 1
        await asyncio.sleep(0.1)
    if answer.status_code >= 500:
        world.found.append(f"{kind} {path}: {answer.status_code} {answer.text[:300]}")
    return answer.status_code, answer.text, answer.headers.get("idempotency-replayed") == "true"


# --- the end ---


async def _close(client: Client) -> None:
    """Bring every run to its end, bill what is left of each month and issue it; then there is nothing left to bill."""
    if client.world.found:
        return
    for _ in range(2):
        await _finish(client)
        for period in PERIODS:
            await _write(client, "run", "/v1/runs", {"period": period})
    await _finish(client)
    last = (await _read(client, "runs", "/v1/runs", {"limit": "2"}))["runs"]
    if [(one["state"], one["counts"]["invoices"], one["counts"]["differences"]) for one in last] != [("empty", 0, 0)] * 2:
        client.world.found.append(f"billed again when all was billed: {last}")


async def _finish(client: Client) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and not client.world.found:
        rows = (await _read(client, "runs", "/v1/runs", {"limit": "1000"}))["runs"]
        waiting = [one for one in rows if one["state"] in OPEN]
        if not waiting:
            return
        for one in waiting:
            step = {"draft": "review", "reviewed": "approve", "approved": "issue"}.get(one["state"])
            if step:
                await _write(client, "step", f"/v1/runs/{one['id']}/{step}", {}, "wang")
        await asyncio.sleep(0.05)
    client.world.found.append("a run does not come to its end")
