"""Every sentence exists in both languages with the same places, and every one the code names exists and is filled."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from tariffs.messages import LANGUAGES, catalogue, label, language_of, text

ROOT = Path(__file__).parent.parent
PACKAGES = ["tariffs", "billing_service"]
FOLDERS = [ROOT / package / "locale" for package in PACKAGES if (ROOT / package / "locale").is_dir()]
#: Functions whose first literal argument is a key of a sentence, with what stands before it in the catalogue.
SPEAKERS = {"Problem": "problem.", "fail": "problem.", "problem": "problem.", "refused": "problem.", "warning": "problem.", "text": "", "say": ""}


def trees(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def places(sentence: str) -> set[str]:
    """The names to fill. A place may be language's own (``say_zh`` beside ``say``): what a rule says in each language."""
    return {name.removesuffix("_zh") for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def everything(language: str) -> dict[str, str]:
    return {key: sentence for folder in FOLDERS for key, sentence in catalogue(folder, language).items()}


def spoken() -> Iterator[tuple[str, str, ast.Call]]:
    """Where, key and call of every sentence named by a literal."""
    for path, tree in trees(*PACKAGES):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            literals = [
                arg.value for arg in (node.args[:1] if name == "Problem" else node.args) if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            if name in SPEAKERS and literals and (SPEAKERS[name] or "." in literals[0]):  # other functions are called `text` too
                yield f"{path}:{node.lineno}", SPEAKERS[name] + literals[0], node


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_both_catalogues_have_the_same_keys_and_places(folder: Path) -> None:
    english, chinese = (catalogue(folder, language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert [key for key in english if places(english[key]) != places(chinese[key])] == []
    assert [key for key in english if not english[key].strip() or not chinese[key].strip()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_key_is_said_twice(folder: Path) -> None:
    for language in LANGUAGES:
        keys = [
            line
            for path in sorted((folder / language).glob("*.po"))
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("msgid ") and line != 'msgid ""'
        ]
        assert sorted(set(keys)) == sorted(keys)


def test_every_sentence_named_in_the_code_exists() -> None:
    known = everything("en")
    assert [f"{where}: {key}" for where, key, _ in spoken() if key not in known] == []


def test_every_place_of_a_sentence_is_filled() -> None:
    known = everything("en")
    unfilled = [
        f"{where}: {key} lacks {sorted(places(known[key]) - given)}"
        for where, key, call in spoken()
        if key in known and (given := given_names(call)) is not None and places(known[key]) - given
    ]
    assert unfilled == []


def given_names(call: ast.Call) -> set[str] | None:
    """The names a call fills, or None where it does not say them literally."""
    names: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        names.add(keyword.arg)
    if getattr(call.func, "id", "") == "Problem" and len(call.args) > 1:
        names |= {"values"}
    if "values" not in names:
        return names
    values = next((keyword.value for keyword in call.keywords if keyword.arg == "values"), call.args[1] if len(call.args) > 1 else None)
    if not isinstance(values, ast.Dict) or not all(isinstance(key, ast.Constant) for key in values.keys):
        return None
    return {str(key.value) for key in values.keys if isinstance(key, ast.Constant)}


def test_no_sentence_is_left_that_nobody_says() -> None:
    words, beginnings = set(), set()
    for _, tree in trees(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "word" and isinstance(node.args[0], ast.Constant):
                beginnings.add(str(node.args[0].value) + ".")
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                beginnings.add(str(node.values[0].value))
    begun = tuple(beginning for beginning in beginnings if beginning.endswith((".", "-")) and beginning != "problem.")
    keys = {key: key.removeprefix("problem.") for key in everything("en")}
    assert [key for key, short in keys.items() if not {key, short} & words and not key.startswith(begun) and not short.startswith(begun)] == []


def test_an_unknown_language_reads_english_and_a_label_falls_back() -> None:
    assert [language_of(name) for name in ("zh_CN", "zh-Hant", "en_US", "fr", "ZH")] == ["zh", "zh", "en", "en", "zh"]
    assert label({"zh": "费"}, "en") == "费"
    assert label({"zh": "费", "en": "fee"}, "zh_CN") == "费"
    assert label({}, "en", "fee") == "fee"
    with pytest.raises(KeyError):
        text("no such key")
