"""What one worker of the service answers on loopback: an empty endpoint of the same app, one quote, and bulk quotes in both forms.

Server and load are processes of their own, on the same machine: on two cores neither has the other's. The client only writes
prepared bytes and counts answers, so that what limits is the server's one core; its own load is reported beside it.

The empty endpoint is added to the app as anybody would add one, behind its routes; the same one is also measured in front of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results import Ratio, conclude

TARIFF = {"tariff": "cn/beijing/kitchen-waste", "on": "2022-10-31"}
LEAST = 0.6
_SERVER = """
import sys, uvicorn
from fastapi import Response
from billing_service.app import create_app
from billing_service.settings import Settings
app = create_app(Settings(db=sys.argv[1]))
@app.get("/first")
@app.get("/empty")
async def empty() -> Response:
    return Response(b"{}", media_type="application/json")
app.router.routes.insert(0, app.router.routes.pop())
uvicorn.run(app, port=int(sys.argv[2]), workers=1, log_level="error", access_log=False)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one kind of request came to; ``busy``: the share of a core the client itself used."""

    way: str
    requests_a_second: float
    ratings_a_second: float
    p50_ms: float
    p99_ms: float
    busy: float


class _Client(asyncio.Protocol):
    """One connection that sends the same bytes again as soon as it has its answer. AssertionError: an answer that is not 200."""

    def __init__(self, request: bytes, until: float, taken: list[float], done: asyncio.Future[None]) -> None:
        self.request, self.until, self.taken, self.done = request, until, taken, done
        self.buffer, self.wanted = bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.wanted:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.buffer[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                self.done.set_exception(AssertionError(bytes(self.buffer[:600])))
                return
            self.wanted = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self.buffer) < self.wanted:
            return
        self.taken.append(time.perf_counter() - self.began)
        self.buffer.clear()
        self.wanted = 0
        if time.perf_counter() < self.until:
            self._send()
        else:
            self.transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed"))


async def _load(port: int, request: bytes, connections: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    until = time.perf_counter() + seconds
    for done in ends:
        await loop.create_connection(lambda done=done: _Client(request, until, taken, done), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return taken


def _bytes(method: str, path: str, key: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _measure(way: str, port: int, request: bytes, ratings: int, connections: int, seconds: float) -> Load:
    asyncio.run(_load(port, request, connections, 0.3))  # warm
    cpu, began = time.process_time(), time.perf_counter()
    taken = sorted(asyncio.run(_load(port, request, connections, seconds)))
    spent = time.perf_counter() - began
    rate = len(taken) / spent
    used = (time.process_time() - cpu) / spent
    return Load(way, rate, rate * ratings, taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3, used)


def run(
    seconds: Annotated[float, typer.Option(help="seconds a way")] = 5.0,
    rows: Annotated[int, typer.Option(help="ratings a bulk request, to 10,000")] = 1000,
    connections: Annotated[int, typer.Option(help="connections that ask at once")] = 16,
    repeat: Annotated[int, typer.Option(help="turns of empty and quote; the median ratio counts")] = 3,
    record: Annotated[bool, typer.Option(help="keep the result for the README's table")] = False,
) -> None:
    """Start the service on loopback, ask it, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        db = str(Path(folder) / "billing.db")
        key = _prepared(db)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([sys.executable, "-c", _SERVER, db, str(port)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        try:
            _await(port, server)
            found, ratios = _ways(port, key, rows, connections, seconds, repeat)
        finally:
            server.terminate()
            server.wait(10)
    print(f"  {'requests/s':>10} {'ratings/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'client':>7}  way")
    for one in found:
        print(f"  {one.requests_a_second:10,.0f} {one.ratings_a_second:10,.0f} {one.p50_ms:8.2f} {one.p99_ms:8.2f} {one.busy:7.0%}  {one.way}")
    ratio = Ratio("one quote / empty endpoint, requests/s", sorted(ratios)[len(ratios) // 2], LEAST)
    print(f"  {ratio.value:.2f}  {ratio.what}: at least {LEAST:g}")
    conclude("serve", {"connections": connections, "rows": rows, "ways": [asdict(one) for one in found]}, [ratio], to_record=record)


def _ways(port: int, key: str, rows: int, connections: int, seconds: float, repeat: int) -> tuple[list[Load], list[float]]:
    facts = [{"payer": "quota_unit", "weight": f"{at // 1000}.{at % 1000:03d}", "quota": "10"} for at in range(1, rows + 1)]
    empty, first_of_all = _bytes("GET", "/empty", key), _bytes("GET", "/first", key)
    quote = _bytes("POST", "/v1/quotes", key, {**TARIFF, "facts": facts[0]})
    by_row = _bytes("POST", "/v1/quotes/bulk", key, {**TARIFF, "rows": [{"facts": one} for one in facts]})
    by_column = _bytes("POST", "/v1/quotes/bulk", key, {**TARIFF, "facts": {name: [one[name] for one in facts] for name in facts[0]}})
    ratios: list[float] = []
    first = second = Load("", 0, 0, 0, 0, 0)
    for _ in range(max(1, repeat)):
        first = _measure("empty endpoint", port, empty, 0, connections, seconds)
        second = _measure("one quote with its reasons", port, quote, 1, connections, seconds)
        ratios.append(second.requests_a_second / first.requests_a_second)
    few = min(connections, 2)
    beside = _measure("empty endpoint, tried before all other routes", port, first_of_all, 0, connections, seconds)
    third = _measure(f"bulk by rows, {rows:,} a request", port, by_row, rows, few, seconds)
    return [first, beside, second, third, _measure(f"bulk by columns, {rows:,} a request", port, by_column, rows, few, seconds)], ratios


def _prepared(db: str) -> str:
    from billing_service import keys
    from billing_service.runs import clock
    from billing_service.settings import Settings
    from billing_service.store import connect

    own = Settings(db=db, user="bench")
    with connect.opened(own.url) as engine:
        connect.migrate(engine, own.utility)
        with connect.writing(engine, own.utility) as conn:
            return keys.create(conn, own, "bench", ["quote"], None, clock()).text


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not open its port")
