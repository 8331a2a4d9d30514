"""What pydantic found wrong with a layout, as problems of ours: a place, a code of our own, and the cure's values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tariffs.errors import Problem
from tariffs.source import Document, Path

#: More problems than this help nobody; the first ones are shown.
MAX_PROBLEMS = 100
_NUMBER_KEYS = ("unit", "step", "min", "max")
_TAGS = frozenset({"<choice>", "<number>"})
_CODES: Mapping[str, str] = {
    "dict_type": "mapping-expected",
    "model_type": "mapping-expected",
    "model_attributes_type": "mapping-expected",
    "tuple_type": "list-expected",
    "list_type": "list-expected",
    "string_type": "text-expected",
    "string_too_short": "empty-value",
    "too_short": "empty-value",
    "literal_error": "not-one-of",
}


def faults(document: Document, error: ValidationError, keys_at: Callable[[Path], tuple[str, ...]]) -> list[Problem]:
    """All problems of ``error``; ``keys_at`` tells which keys the mapping at a path may have."""
    found = [detail for detail in error.errors(include_url=False) if not (detail["type"] == "too_short" and detail["input"])][:MAX_PROBLEMS]
    return [problem for detail in found for problem in _problems(document, detail, keys_at)]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """As a reader meets them in the file, the first hundred."""
    return sorted(problems, key=lambda problem: (problem.where.line, problem.where.column) if problem.where else (0, 0))[:MAX_PROBLEMS]


def at(document: Document, path: Path, code: str, *, at_key: bool = False, **values: str) -> Problem:
    """A problem at ``path``; one within a charge names the charge."""
    charge = str(path[1]) if len(path) > 1 and path[0] == "charges" else ""
    return Problem(code, {name: short(value) for name, value in values.items()}, document.where(path, key=at_key), charge)


def dotted(path: Path) -> str:
    """How a place is named: ``inputs.weight.unit``, ``require[1].say`` (counting from 1, as people do)."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def short(text: str) -> str:
    """At most a line of a text that may be a megabyte."""
    return text if len(text) <= 100 else text[:99] + "…"


def _problems(document: Document, detail: ErrorDetails, keys_at: Callable[[Path], tuple[str, ...]]) -> list[Problem]:
    is_key = bool(detail["loc"]) and detail["loc"][-1] == "[key]"
    loc = detail["loc"][:-1] if is_key else detail["loc"]
    path = tuple(part for part in loc if part not in _TAGS)
    match detail["type"]:
        case "missing":
            return _missing(document, path)
        case "extra_forbidden":
            return [_unknown(document, path, keys_at(loc[:-1]))]
    if not path and detail["type"] in ("model_type", "tuple_type"):
        return [at(document, (), "version-expected" if detail["type"] == "model_type" else "cases-expected")]
    if detail["input"] is None and not is_key:
        return []  # every empty key is told of once, by the rules
    if detail["input"] == "" and not is_key:
        return [at(document, path, "empty-value", at_key=True, name=dotted(path))]
    code = _CODES.get(detail["type"], detail["type"])
    values = {name: str(value) for name, value in detail.get("ctx", {}).items()} | {"name": dotted(path)}
    if code == "not-one-of":
        values = {"name": dotted(path), "value": str(detail["input"]), "choices": ", ".join(re.findall("'([^']*)'", values["expected"]))}
    return [at(document, path, code, at_key=is_key, **values)]


def _missing(document: Document, path: Path) -> list[Problem]:
    parent, key = path[:-1], str(path[-1])
    if not parent:
        return [at(document, (), "missing-key", at_key=True, name=key)]
    values = {"key": key, "within": dotted(parent)}
    if "inputs" not in parent[:2] or parent[-1] == "missing":
        return [at(document, parent, "missing-key-in", at_key=True, **values)]
    if any(known in _at(document.data, parent) for known in _NUMBER_KEYS):
        return [at(document, parent, "missing-input-key", at_key=True, **values)]
    return [at(document, parent, "input-neither", at_key=True, **values)] if key == "unit" else []


def _unknown(document: Document, path: Path, keys: tuple[str, ...]) -> Problem:
    key = str(path[-1])
    like = get_close_matches(key[:50].lower(), keys, 1)
    if like:
        return at(document, path, "unknown-key-like", at_key=True, name=dotted(path), suggestion=like[0])
    return at(document, path, "unknown-key", at_key=True, name=dotted(path), keys=", ".join(keys))


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
