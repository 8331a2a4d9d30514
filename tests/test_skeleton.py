"""`tariffs new` and `tariffs schema`: what an author starts from is good as it is written, and stays good as it is completed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tariffs.layout import schema
from tests.test_cli import Done, tariffs

ROOT = Path(__file__).parent.parent
NEW = ("new", "cn/yangquan/kitchen-waste", "--on", "2026-01-01")
VERSION = Path("rules/cn/yangquan/kitchen-waste/2026-01-01.yaml")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Editor(yaml.SafeLoader):
    """YAML as an editor's checker reads it: numbers are numbers, days are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, form) for tag, form in forms if tag.endswith((":int", ":float"))] for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def faults(text: str, known: dict[str, Any]) -> list[str]:
    found = yaml.load(text, Editor)
    return [f"{error.instance_path}: {error.message}" for error in jsonschema_rs.validator_for(known).iter_errors(found)]


def completed(text: str) -> str:
    """Every optional line made part of the rule, as an editor's key for comments does."""
    lines = text.splitlines(keepends=True)
    return lines[0] + "".join(re.sub(r"^( *)# ", r"\1", line) for line in lines[1:])


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("tariff", ["cn/yangquan/kitchen-waste", "jp/kyoto/waste", "kw/waste", "nowhere"])
def test_a_new_pack_passes_its_check_at_once(tariff: str, locale: str) -> None:
    assert tariffs("new", tariff, "--on", "2026-01-01", "--locale", locale).returncode == 0
    done = tariffs("check", "rules")
    assert (done.returncode, done.stderr, done.stdout.splitlines()[0].split()) == (0, "", [tariff, "2026-01-01", "3", "cases", "ok"])


def test_a_new_pack_is_a_draft_and_says_what_to_fill_in() -> None:
    done = tariffs(*NEW)
    assert done.stdout.splitlines() == [
        f"written: {VERSION}",
        f"written: {VERSION.with_suffix('')}.cases.yaml",
        "written: rules/version.schema.json",
        "Change them, and check after each change: tariffs check rules",
    ]
    text = VERSION.read_text(encoding="utf-8")
    assert "\nstatus: draft\n" in text
    assert text.count("FILL IN") >= 4
    assert max(map(len, text.splitlines())) <= 200


@pytest.mark.parametrize("tariff", ["cn/yangquan/kitchen-waste", "jp/kyoto/waste"])
def test_with_every_optional_line_made_part_of_it_the_pack_still_checks(tariff: str) -> None:
    tariffs("new", tariff, "--on", "2026-01-01")
    path = Path("rules", tariff, "2026-01-01.yaml")
    path.write_text(completed(path.read_text(encoding="utf-8")), encoding="utf-8")
    cases = path.with_name("2026-01-01.cases.yaml")
    cases.write_text(cases.read_text(encoding="utf-8").replace("{weight:", "{payer: school, weight:"), encoding="utf-8")
    done = tariffs("check", "rules")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_editor_finds_the_schema_and_the_pack_follows_it() -> None:
    tariffs(*NEW)
    first, text = VERSION.read_text(encoding="utf-8").split("\n", 1)
    named = VERSION.parent / first.removeprefix("# yaml-language-server: $schema=")
    written = json.loads(named.read_text(encoding="utf-8"))
    assert written == schema()
    for body in (text, completed(first + "\n" + text)):
        assert faults(body, written) == []
    assert faults(text.replace("status: draft", "status: drfat"), written) != []


def test_a_checkout_that_keeps_the_schema_gets_no_second_copy() -> None:
    Path("docs").mkdir()
    Path("docs/version.schema.json").write_text("{}", encoding="utf-8")
    tariffs(*NEW)
    assert VERSION.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=../../../../docs/version.schema.json\n")
    assert not Path("rules/version.schema.json").exists()


def refused(*args: object) -> str:
    done: Done = tariffs(*args)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_nothing_is_overwritten() -> None:
    tariffs(*NEW)
    VERSION.write_text("mine", encoding="utf-8")
    assert refused(*NEW) == f"{VERSION} exists and is not overwritten; edit it, or choose another date or name\n"
    VERSION.unlink()
    assert "2026-01-01.cases.yaml exists" in refused(*NEW)
    assert not VERSION.exists()


def test_a_name_that_is_no_folder_is_refused() -> None:
    for name in ("CN/waste", "../waste", "cn//waste", "cn/waste fee", "/cn/waste"):
        assert "cannot name a tariff" in refused("new", name, "--on", "2026-01-01")
    assert list(Path().iterdir()) == []


def test_a_name_that_stands_in_another_root_is_refused() -> None:
    assert "two rule roots" in refused("new", "cn/beijing/kitchen-waste", "--on", "2026-01-01")
    tariffs("new", "cn/mine", "--on", "2026-01-01", "--rules", "one")
    assert "two rule roots, one and two" in refused("new", "cn/mine", "--on", "2027-01-01", "--rules", "two", "--rules", "one")
    assert tariffs("new", "cn/mine", "--on", "2027-01-01", "--rules", "one").returncode == 0


def test_a_folder_that_cannot_be_made_is_one_sentence() -> None:
    Path("rules").write_text("a file", encoding="utf-8")
    assert "cannot be written" in refused(*NEW)


def test_a_root_of_the_environment_is_written_to() -> None:
    Path("mine").mkdir()
    done = tariffs(*NEW, "--json", TARIFFS_RULES="mine")
    assert json.loads(done.stdout)["written"][0] == "mine/cn/yangquan/kitchen-waste/2026-01-01.yaml"


def test_a_date_that_is_none_is_wrong_use() -> None:
    assert tariffs("new", "cn/waste", "--on", "2026-02-30").returncode == 2
    assert tariffs("new", "cn/waste").returncode == 2


def test_the_committed_schema_is_that_of_the_reader() -> None:
    committed = (ROOT / "docs" / "version.schema.json").read_text(encoding="utf-8")
    assert committed == tariffs("schema").stdout, "write it again: tariffs schema -o docs/version.schema.json"
    assert tariffs("schema", "-o", "new/x.json").stdout == "written: new/x.json\n"
    assert Path("new/x.json").read_text(encoding="utf-8") == committed


def versions_and_cases() -> list[Path]:
    return [path for folder in ("rules", "examples", "tests") for path in sorted((ROOT / folder).rglob("????-??-??*.yaml")) if "rules" in path.parts]


def test_vs_code_finds_the_schema_for_versions_and_not_for_cases() -> None:
    """The YAML extension knows one wildcard: * is any text, and a pattern may begin anywhere."""
    ((name, patterns),) = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))["yaml.schemas"].items()
    assert (ROOT / name).is_file()
    known = [re.compile(re.escape(pattern).replace(r"\*", ".*") + "$") for pattern in patterns]
    for path in versions_and_cases():
        assert any(pattern.search(path.as_posix()) for pattern in known) == (not path.name.endswith(".cases.yaml"))


def test_the_committed_packs_follow_the_schema() -> None:
    known, packs = schema(), [path for path in versions_and_cases() if not path.name.endswith(".cases.yaml")]
    assert packs
    assert {path.name: found for path in packs if (found := faults(path.read_text(encoding="utf-8"), known))} == {}
