"""Every sentence the service can say exists in both languages, with the same places to fill."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import billing_service
from billing_service.messages import _FOLDER
from tariffs.messages import LANGUAGES, catalogue

PACKAGE = Path(billing_service.__file__).parent
KEYS = {"problem": "problem.", "refused": "problem.", "wrong": "problem.", "text": "", "_help": "help."}


def said() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            first = node.args[0] if node.args else None
            if name in KEYS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield KEYS[name] + first.value


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_key_in_the_code_has_its_sentence() -> None:
    english = catalogue(_FOLDER, "en")
    # A row's reader names columns by the same verb as sentences; those are the only words that are no keys.
    assert sorted(key for key in set(said()) if key not in english and "." in key) == []


def test_both_languages_say_the_same_things_with_the_same_places() -> None:
    english, *others = (catalogue(_FOLDER, language) for language in LANGUAGES)
    for other in others:
        assert set(other) == set(english)
        assert [key for key in english if places(english[key]) != places(other[key])] == []
    assert all(sentence for found in (english, *others) for sentence in found.values())
