"""A service of its own for a while: ``billing serve`` as a process on the loopback, over a database that is thrown away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from billing_service import keys, runs
from billing_service.settings import Settings
from billing_service.store import connect
from soak.kills import PROGRAM, RULES, environment, place

PACKS = tuple(f"cn/yangquan/{path.name}" for path in sorted((RULES / "cn" / "yangquan").iterdir()))
_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Sent:
    """A write and its first answer, a refusal too."""

    kind: str
    path: str
    key: str
    body: str
    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class Served:
    """``keys``: by the name of a person, with all scopes. ``log``: what the process wrote."""

    kind: str
    db: str
    base: str
    keys: Mapping[str, str]
    log: Path


@contextmanager
def serving(kind: str, rules: tuple[Path, ...] = (RULES,)) -> Iterator[Served]:
    """A service over a database with the sample city's tariffs adopted and nothing else in it; it has ended when this has."""
    with place(kind) as where, tempfile.TemporaryDirectory() as folder:
        made = furnish(where.prepared, rules)
        port, log = _free_port(), Path(folder) / "log"
        process = _start(where.prepared, rules, port, log)
        try:
            found = Served(kind, where.prepared, f"http://127.0.0.1:{port}", made, log)
            _wait(process, port)
            yield found
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def furnish(db: str, rules: tuple[Path, ...]) -> dict[str, str]:
    """The sample city's tariffs put into force, and a key for each of two people."""
    own = Settings(db=db, rules=rules, user="soak")
    with connect.opened(own.url) as engine:
        for pack in PACKS:
            runs.adopt(engine, own, pack, date(2026, 10, 1), "sample", runs.clock())
        with connect.writing(engine, own.utility) as conn:
            return {name: keys.create(conn, own, name, keys.SCOPES, None, runs.clock()).text for name in ("li", "wang")}


def complaints(log: Path) -> list[str]:
    """What the service logged as an error."""
    return [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.startswith(("ERROR", "Traceback", "CRITICAL")) or "Error:" in line]


def command(words: list[str], db: str) -> subprocess.CompletedProcess[str]:
    """A command of ``billing``, as an operator gives it."""
    return subprocess.run([*PROGRAM, *words, "--db", db], env=environment(), capture_output=True, text=True, check=False)


def _start(db: str, rules: tuple[Path, ...], port: int, log: Path) -> subprocess.Popen[bytes]:
    words = [*PROGRAM, "serve", "--port", str(port), "--db", db]
    for root in rules:
        words += ["--rules", str(root)]
    with log.open("wb") as file:
        return subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=environment(), start_new_session=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"serve ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("serve does not answer")
