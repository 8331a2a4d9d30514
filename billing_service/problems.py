"""What the service refuses, and how its problems and the library's are told: one form for both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from billing_service import messages
from tariffs.errors import Problem, Where


class Refused(Exception):
    """A use case cannot go on; carries every reason. ``kind`` groups them for doors (HTTP status, exit code)."""

    def __init__(self, problems: Iterable[Problem], kind: str = "refused") -> None:
        self.problems = tuple(problems)
        self.kind = kind
        assert self.problems, "a refusal names at least one problem"
        super().__init__(", ".join(problem.code for problem in self.problems))


def refused(code: str, /, **values: object) -> Refused:
    """A refusal with one problem."""
    return Refused([problem(code, **values)])


def problem(code: str, file: str = "", line: int = 0, /, **values: object) -> Problem:
    """A problem of the service; its sentence is ``problem.<code>`` of the service's catalogues."""
    return Problem(code, {name: str(value) for name, value in values.items()}, Where(file, line) if file else None)


def sentence(found: Problem, locale: str) -> str:
    """What is wrong and what to do, whoever found it."""
    key = f"problem.{found.code}"
    return messages.text(key, locale, **found.values) if messages.known(key) else found.sentence(locale)


def place(found: Problem) -> str:
    """``file:line`` where known, else nothing."""
    if found.where is None:
        return ""
    return f"{found.where.file}:{found.where.line}" if found.where.line else found.where.file


def own_name(file: str) -> str:
    """A file without the folder it lay in: who reads an answer or a paper needs its name, and where it lies on the server is nobody's business."""
    return re.split(r"[\\/]", file)[-1]


def line_of(found: Problem, locale: str) -> str:
    """``file:line: sentence``, the form printed for people."""
    return ": ".join(part for part in (place(found), found.charge, sentence(found, locale)) if part)


def as_json(found: Problem, locale: str) -> dict[str, Any]:
    """The form for machines."""
    out: dict[str, Any] = {"code": found.code, "message": sentence(found, locale), "values": dict(found.values)}
    if found.charge:
        out["charge"] = found.charge
    if found.where:
        out |= {"file": found.where.file, "line": found.where.line}
    return out


def stored(code: str, values: Mapping[str, str], reason: str, locale: str) -> str:
    """The sentence of a stored problem in the reader's language; its stored English where the code is no longer known."""
    try:
        return sentence(Problem(code, values), locale)
    except KeyError:
        return reason
