"""Bytes to data: every scalar stays its author's text, every place is known, and no input crashes or hangs."""

import time

import pytest

from tariffs.errors import PackError, Problem
from tariffs.source import MAX_BYTES, MAX_DEPTH, Document, read


def problems(content: bytes) -> list[Problem]:
    with pytest.raises(PackError) as caught:
        read(content, "x.yaml")
    return list(caught.value.problems)


def places(content: bytes) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.where).removeprefix("x.yaml:")) for problem in problems(content)]


def inside(document: Document, key: str, word: str) -> str:
    return str(document.inside((key,), document.data[key].index(word))).removeprefix("x.yaml:")


@pytest.mark.parametrize("written", ["22:00", "off", "010", "1_000", "0.10", "1e3", "~", "null", "2022-09-30", "<<", "0x1F", ".inf"])
def test_every_scalar_stays_the_text_its_author_wrote(written: str) -> None:
    assert read(f"a: {written}\n".encode(), "x.yaml").data == {"a": written}


def test_nothing_written_is_none_and_a_quoted_nothing_is_an_empty_text() -> None:
    assert read(b'a:\nb: ""\nc: {d: }\ne: [""]\n', "x.yaml").data == {"a": None, "b": "", "c": {"d": None}, "e": [""]}


def test_a_byte_order_mark_and_line_ends_of_windows_are_accepted() -> None:
    document = read("\ufeffa: 1\r\n乙: 2\r\n".encode(), "x.yaml")
    assert document.data == {"a": "1", "乙": "2"}
    assert str(document.where(("乙",))) == "x.yaml:2:4"


def test_positions_of_values_and_keys() -> None:
    document = read("甲: 乙\nd: [x, {y: z}]\nm:\n  - k: v\n".encode(), "x.yaml")
    assert str(document.where(("甲",))) == "x.yaml:1:4"
    assert str(document.where(("甲",), key=True)) == "x.yaml:1:1"
    assert str(document.where(("d", 1, "y"))) == "x.yaml:2:12"
    assert str(document.where(("d", 1, "y"), key=True)) == "x.yaml:2:9"
    assert str(document.where(("m", 0))) == "x.yaml:4:5"


def test_a_path_that_does_not_exist_is_placed_at_its_nearest_parent() -> None:
    document = read(b"a:\n  b: 1\n", "x.yaml")
    assert str(document.where(("a", "b", "c", 0))) == "x.yaml:2:6"
    assert str(document.where(("a", "z"))) == "x.yaml:2:3"
    assert str(document.where(("z",))) == "x.yaml:1:1"


@pytest.mark.parametrize(
    ("written", "word", "place"),
    [
        ("a: round(x + y)", "y", "1:14"),
        ("a: 'it''s y'", "y", "1:11"),
        ('a: "\\u4e00\\x41 \\"q\\" y"', "y", "1:22"),
        ("a: |  # a comment\n    round(x +\n\n      y)\n", "y", "4:7"),
        ("a: |2\n    x +\n    y\n", "y", "3:5"),
        ("a: >-\n  x +\n  y + z\n", "z", "3:7"),
        ("a: x +\n  y\n   + z", "z", "3:6"),
        ('a: "x +\n   y \\\n   z"', "z", "3:4"),
        ("a: |\n  甲乙 y\n", "y", "2:6"),
    ],
)
def test_a_character_of_a_scalar_is_found_in_the_file(written: str, word: str, place: str) -> None:
    assert inside(read(written.encode(), "x.yaml"), "a", word) == place


def test_the_end_of_a_scalar_and_its_blanks_have_a_place() -> None:
    document = read(b"a: x + y\nb: |\n  x\n", "x.yaml")
    assert str(document.inside(("a",), 1)) == "x.yaml:1:5"
    assert str(document.inside(("a",), 5)) == "x.yaml:1:9"
    assert str(document.inside(("b",), 2)) == "x.yaml:3:4"
    assert str(document.inside(("nothing",), 2)) == "x.yaml:1:1"


def test_a_key_written_twice_names_both_places_and_all_of_them_are_reported() -> None:
    found = problems(b"a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert [(p.code, str(p.where)) for p in found] == [("duplicate-key", "x.yaml:2:11"), ("duplicate-key", "x.yaml:3:1")]
    assert found[0].values == {"key": "c", "line": "2", "column": "5"}
    assert "1:1" in found[1].sentence()
    assert "1:1" in found[1].sentence("zh")


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "empty-file", "1:1"),
        (b"# only a comment\n", "empty-file", "1:1"),
        (b"---\n", "empty-file", "1:1"),
        (b"a: &x 1\n", "yaml-alias", "1:4"),
        (b"a: *x\n", "yaml-alias", "1:4"),
        (b"a: !!int 1\n", "yaml-tag", "1:4"),
        (b"a: !!python/object/apply:os.system [ls]\n", "yaml-tag", "1:4"),
        (b"a: 1\n---\nb: 1\n", "yaml-second-document", "2:1"),
        (b"%YAML 1.2\n---\na: 1\n", "yaml-directive", "1:1"),
        (b"a: 1\n? [b]\n: 1\n", "yaml-key", "2:3"),
        (b"{a: 1, : 2}\n", "yaml-syntax", "1:8"),
        (b"a: 1\n? {b: 1}\n: 2\n", "yaml-key", "2:3"),
        (b"a:\n\tb: 1\n", "yaml-tab", "2:1"),
        (b"a:\n  b: 1\n \tc: 2\n", "yaml-tab", "3:2"),
        (b"a: b: c\n", "yaml-syntax", "1:5"),
        (b"a: [1, 2\nb: 3\n", "yaml-syntax", "1:4"),
        (b'a: 1\nb: "x\nc: 3\n', "yaml-syntax", "2:4"),
        (b"a:\n    b: 1\n  c: 2\n", "yaml-syntax", "3:3"),
        (b"a: 1\nunit: %\n", "yaml-start", "2:7"),
        (b"a: 1\nb: x\x00y\n", "hidden-character", "2:5"),
        (b"a: x\x1b[31m\n", "hidden-character", "1:5"),
        ("a: x\u202ey\n".encode(), "hidden-character", "1:5"),
        (b'a: "x\\0y"\n', "hidden-character", "1:4"),
        ("a: 1\n".encode("utf-16"), "not-utf8", "1:1"),
        ("a: 1\nb: 费\n".encode("utf-16-le"), "not-utf8", "1:1"),
        ("a: 1\nb: 费\n".encode("utf-16-be"), "not-utf8", "1:1"),
        ("a: 1\n".encode("utf-32"), "not-utf8", "1:1"),
        ("a: 1\ntitle: 北京\n".encode("gbk"), "not-utf8", "2:8"),
        (b"a: 1\nb: x\xe9t\xe9\n\xff", "not-utf8-byte", "2:5"),
    ],
)
def test_what_no_rule_file_needs_is_refused_at_its_place(content: bytes, code: str, place: str) -> None:
    assert (code, place) in places(content)
    assert all(problem.sentence("en") and problem.sentence("zh") for problem in problems(content))


HUGE = {
    "10 MB": b"a: 1\n" * 2_000_000,
    "deep lists": b"a: " + b"[" * 10_000 + b"]" * 10_000,
    "deep mappings": b"{a: " * 10_000,
    "deep blocks": b"- " * 10_000,
    "deep keys": b"? " * 10_000,
    "deep lines": b"\n".join(b" " * depth + b"a:" for depth in range(1_300)),
    "brackets only": b"[" * 999_999,
    "too many": b"[" + b"a," * 400_000 + b"]",
    "alias bomb": b"".join(b"%c: &%c [%s]\n" % (97 + i, 97 + i, b",".join([b"*%c" % (96 + i)] * 9) if i else b"x") for i in range(26)),
    "anchors": b"- &a x\n" * 140_000,
    "one key": b"k: 1\n" * 190_000,
    "hidden": b"a: \x01" + b"\x01" * 900_000,
    "directives": b"%TAG !a! b\n" * 80_000 + b"---\na: 1\n",
    "colons": b"a:" * 400_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_or_deep_file_is_refused_quickly(name: str) -> None:
    start = time.process_time()
    found = problems(HUGE[name])
    assert time.process_time() - start < 5
    assert 1 <= len(found) <= 100
    assert all(problem.where is not None and problem.where.line for problem in found)


def test_the_size_is_checked_before_anything_is_read() -> None:
    assert places(b"\xff" * (MAX_BYTES + 1)) == [("file-too-large", "1:1")]
    assert read(b"a: " + b"x" * (MAX_BYTES - 3), "x.yaml").data["a"].startswith("xxx")


def test_the_depth_limit_is_a_limit_and_not_a_guess() -> None:
    assert read(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "x.yaml").data
    assert places(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == [("yaml-too-deep", "1:31")]
