"""The guide for rule authors says what is so: its examples run, its quotations stand in their files, its errors are all of them.

``python tests/test_guide.py`` writes the catalogue's sentences into the tables of errors again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

import tariffs
from tariffs.errors import PackError
from tariffs.formula import FUNCTIONS
from tariffs.layout import read_cases
from tariffs.messages import catalogue

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "rule-authors.md"
ENGLISH = ROOT / "tariffs" / "locale"
#: Every problem of these catalogues is one that a rule author can meet.
TOPICS = ("check", "source", "golden", "audit", "skeleton", "facts")
TABLE = re.compile(r"^\| code \| it says \|.*\n\|.*\n(?:\|.*\n)+", re.MULTILINE)
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.*?) \|(?: (.*) \|)?$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the language, what stands behind it, and the text."""

    language: str
    about: str
    text: str
    line: int


def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def blocks() -> list[Block]:
    found = re.finditer(r"^```(\w*) ?(.*)\n((?:(?!```).*\n)*)```$", guide(), re.MULTILINE)
    return [Block(match[1], match[2], match[3], guide()[: match.start()].count("\n") + 1) for match in found]


def quotations() -> list[Block]:
    return [block for block in blocks() if block.language == "yaml" and block.text.startswith("# ") and not block.about.startswith("file=")]


def packs() -> list[Block]:
    return [block for block in blocks() if block.about == "complete"]


def rows(text: str) -> list[tuple[str, str, str]]:
    """Code, sentence and cure of every error in the tables of ``text``."""
    return [row for table in TABLE.findall(text) for row in ROW.findall(table)]


def sentences() -> dict[str, str]:
    return {key.removeprefix("problem."): said for key, said in catalogue(ENGLISH, "en").items() if key.startswith("problem.")}


def escaped(sentence: str) -> str:
    return re.sub(r"([*_|<\\`])", r"\\\1", sentence.replace("{{", "{").replace("}}", "}"))


def parse(text: str) -> tariffs.TariffVersion:
    return tariffs.parse(text.encode(), tariff="xx/guide", effective=date(2026, 1, 1))


def test_every_yaml_block_is_a_pack_a_file_or_a_quotation() -> None:
    """So every key, name and function in them is one that exists: packs are parsed, quotations stand in files that are."""
    known = (*packs(), *quotations(), *(block for block in blocks() if block.about.startswith("file=")))
    assert [block.line for block in blocks() if block.language == "yaml" and block not in known] == []
    assert len(quotations()) > 20


@pytest.mark.parametrize("block", packs(), ids=lambda block: f"line {block.line}")
def test_a_complete_pack_is_one(block: Block) -> None:
    assert parse(block.text).warnings == ()


def test_the_page_on_stages_shows_a_version_that_checks() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (GUIDE.parent / "stage.md").read_text(encoding="utf-8"), re.DOTALL)
    head = "language: 1\ntitle: {en: trial}\nstatus: illustrative\nsource: {document: trial}\ncurrency: CNY\ndirection: payable\nperiod: month\n"
    assert parse(head + block).model.stage is not None


@pytest.mark.parametrize("block", quotations(), ids=lambda block: f"line {block.line}")
def test_a_quotation_stands_in_the_file_it_names(block: Block) -> None:
    first, _, quoted = block.text.partition("\n")
    text = (ROOT / first.removeprefix("# ")).read_text(encoding="utf-8")
    parts = [part for part in re.split(r"^ *…\n", quoted, flags=re.MULTILINE) if part]
    sought = "(?:.*\n)*?".join("".join(re.escape(line).replace("…", ".*") + "\n" for line in part.splitlines()) for part in parts)
    assert re.search("^" + sought, text, re.MULTILINE), f"not so in {first}; quote it again"
    if block.about == "cases":
        assert read_cases(quoted.encode(), first)


def test_the_first_pack_goes_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the tutorial are written and its commands run, in the order of the page."""
    from tests.test_cli import tariffs as command

    monkeypatch.chdir(tmp_path)
    version = Path()
    steps = r"^```(yaml file=.*|console)\n((?:(?!```).*\n)*)```$|^<!-- edit: (.*) -->$"
    for about, text, edit in re.findall(steps, guide(), re.MULTILINE):
        version = next(Path().rglob("????-??-??.yaml"), version)
        if edit:
            old, new = edit.split(" -> ")
            assert old in version.read_text(encoding="utf-8")
            version.write_text(version.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        elif about == "console":
            for line, told in re.findall(r"^\$ tariffs (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                done = command(*line.split())
                sought = "".join(".*" if part == "…\n" else re.escape(part) for part in re.split(r"^(…\n)", told, flags=re.MULTILINE))
                assert re.fullmatch(sought, done.stdout + done.stderr, re.DOTALL), f"{line}\n{done.stdout}{done.stderr}"
        else:
            Path(about.removeprefix("yaml file=")).write_text(text, encoding="utf-8")
    assert version.name, "the tutorial wrote a version"


def test_every_error_an_author_can_meet_is_in_the_guide() -> None:
    told = {code for code, _, _ in rows(guide())}
    for topic in TOPICS:
        keys = re.findall(r'^msgid "problem\.(.*)"$', (ENGLISH / "en" / f"{topic}.po").read_text(encoding="utf-8"), re.MULTILINE)
        assert [code for code in keys if code not in told] == [], "add a row for it to a table of docs/rule-authors.md"


def test_every_error_in_the_guide_says_what_the_program_says() -> None:
    found = rows(guide())
    assert len({code for code, _, _ in found}) == len(found)
    other = [code for code, said, _ in found if said != escaped(sentences().get(code, "no such problem"))]
    assert other == [], "python tests/test_guide.py writes them again"


def cures() -> list[tuple[str, str, str]]:
    """The rows of the table of formulas that show a wrong formula and the right one."""
    section = guide().split("### In formulas")[1].split("### ")[0]
    return [(code, found[1], found[2]) for code, _, cure in rows(section) if (found := re.match(r"`(.+?)` → `(.+?)`", cure))]


def with_formula(formula: str) -> str:
    pack = packs()[-1].text
    return pack.replace("\nchange:", f"\n  example: {{formula: {json.dumps(formula)}}}\nchange:")


@pytest.mark.parametrize(("code", "wrong", "right"), cures(), ids=[code for code, _, _ in cures()])
def test_the_wrong_formula_gives_the_error_and_the_right_one_none(code: str, wrong: str, right: str) -> None:
    with pytest.raises(PackError) as caught:
        parse(with_formula(wrong))
    assert code in {problem.code for problem in caught.value.problems}
    assert parse(with_formula(right)).warnings == ()


def test_most_errors_of_formulas_show_their_cure() -> None:
    assert len(cures()) > 45


def test_every_function_and_key_of_the_language_is_in_the_guide() -> None:
    from tariffs import layout

    words = set(re.findall(r"[a-z_]+", guide()))
    assert words >= FUNCTIONS
    parts = (layout.Layout, layout.Source, layout.ChoiceInput, layout.NumberInput, layout.Value, layout.Require, layout.Charge, layout.Change, layout.Case)
    assert [key for part in parts for key in part.model_fields if key not in words] == []


def test_every_tariff_the_guide_names_exists() -> None:
    named = re.findall(r"`((?:tests/|examples/yangquan/)?rules/[^`…]+)`", guide())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def rewrite() -> None:
    known = sentences()

    def again(table: re.Match[str]) -> str:
        return ROW.sub(lambda row: row[0].replace(f"| {row[2]} |", f"| {escaped(known.get(row[1], row[2]))} |", 1), table[0])

    GUIDE.write_text(TABLE.sub(again, guide()), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
