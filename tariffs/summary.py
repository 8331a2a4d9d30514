"""What is said after a run over a file: rows, totals, time and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tariffs.frames import Outcome
from tariffs.messages import text as say
from tariffs.report import aligned


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a run that began at ``begin`` of the monotonic clock: milliseconds, and the most memory in MiB this process has had resident (0: not told)."""

    milliseconds: int
    peak_mebibytes: int


def spent(begin: int) -> Spent:
    return Spent((time.monotonic_ns() - begin) // 10**6, peak_mebibytes())


def peak_mebibytes() -> int:
    """As the system counts it (``ru_maxrss``): the largest resident set of this process so far, shared libraries included."""
    if find_spec("resource") is None:
        return 0
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}"


def as_json(done: Outcome, used: Spent) -> dict[str, Any]:
    """For machines; amounts as text."""
    return {
        "rows": done.rows,
        "rated": done.rows - done.bad,
        "bad": done.bad,
        "output": str(done.path),
        "bad_output": str(done.bad_path) if done.bad_path else None,
        "total": str(done.totals["total"]),
        "totals": {name: str(amount) for name, amount in done.totals.items()},
        "seconds": seconds(used.milliseconds),
        "rows_per_second": _speed(done.rows, used),
        "peak_mebibytes": str(used.peak_mebibytes),
        "peak_measured_as": "ru_maxrss",
    }


def text(done: Outcome, used: Spent, currency: str, locale: str) -> list[str]:
    """For people, a line each."""
    amounts = [(f"  {name}", str(amount), currency) for name, amount in done.totals.items()]
    return [
        say("cli.rated", locale, read=done.rows, rows=done.rows - done.bad, bad=done.bad, path=done.path),
        *aligned(amounts),
        say("cli.rate-summary", locale, seconds=seconds(used.milliseconds), speed=_speed(done.rows, used), peak_mebibytes=used.peak_mebibytes),
    ]


def _speed(rows: int, used: Spent) -> int:
    return rows * 1000 // max(1, used.milliseconds)


def teller(wanted: bool | None, locale: str, write: Callable[[str], object]) -> Callable[..., object]:
    """Who is told how far long work is, ``(key of the sentence, its values)``: nobody, unless wanted or (None) somebody watches a terminal;
    there one line is written over and over.
    """
    watched = sys.stderr.isatty()
    if not (watched if wanted is None else wanted):
        return lambda key, **values: None
    end = "\r" if watched else "\n"
    return lambda key, **values: write(say(key, locale, **values) + end)
