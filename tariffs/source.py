"""Bytes of a YAML file to plain data with positions, for files nobody has looked at yet.

Built from parser events, iteratively and under limits, so that no input can crash or hang it. Every scalar stays the
text its author wrote: YAML's own guesses (22:00 is 1320, ``off`` is false, a price is a float) never happen. What a
rule file does not need (anchors, tags, several documents) is refused rather than understood.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from tariffs.errors import PackError, Problem, Where

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
MAX_NODES = 200_000
#: Reading stops here: a file with this many faults is not a rule file.
MAX_PROBLEMS = 50

Path = tuple[str | int, ...]

# Characters no editor shows: control characters, bidirectional marks, other alphabets' line breaks, a second BOM.
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_BREAK = re.compile("\r\n|\r|\n")
_INDENT = re.compile(r"[ \t]*")
_BOMS = ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("tnr N_LPv\t\r\n")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Place(NamedTuple):
    """Where a node stands in the text: its first character, the one after its last, its key's first, its scalar style."""

    start: int
    end: int
    key: int
    style: str


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """Plain data (dict, list, str, None) and the way back from each piece of it to the file."""

    data: Any
    file: str
    _text: str = field(repr=False)
    _starts: tuple[int, ...] = field(repr=False)
    _places: dict[Path, _Place] = field(repr=False)

    def where(self, path: Path, *, key: bool = False) -> Where:
        """The position of the value at ``path`` (or of its key); of the nearest parent where the path does not exist."""
        while path and path not in self._places:
            path = path[:-1]
        place = self._places.get(path)
        if place is None:
            return Where(self.file, 1, 1)
        return self._at(place.key if key else place.start)

    def inside(self, path: Path, offset: int) -> Where:
        """The position of character ``offset`` of the scalar at ``path``, as its text stands in ``data``.

        The characters of a scalar stand in the file in the same order, with only blanks, breaks and quoting between
        them, so counting the visible ones finds the place in every style; a blank is found from the one before it.
        """
        place = self._places.get(path)
        value = self._value(path)
        if place is None or not isinstance(value, str):
            return self.where(path)
        before = sum(not character.isspace() for character in value[:offset])
        visible = _visible(self._text, place)
        if offset < len(value) and not value[offset].isspace():
            return self._at(visible[before] if before < len(visible) else place.start)
        if not before or before > len(visible):
            return self._at(visible[0] if visible else place.start)
        last = max(index for index in range(min(offset, len(value))) if not value[index].isspace())
        return self._at(visible[before - 1] + (1 if "\n" in value[last:offset] else offset - last))

    def _at(self, index: int) -> Where:
        line = bisect_right(self._starts, index)
        return Where(self.file, line, index - self._starts[line - 1] + 1)

    def _value(self, path: Path) -> Any:
        found = self.data
        for part in path:
            known = part in found if isinstance(found, dict) else isinstance(found, list) and isinstance(part, int) and part < len(found)
            if not known:
                return None
            found = found[part]
        return found


def read(content: bytes, file: str) -> Document:
    """The file as data; PackError with every problem that can be known before its meaning is."""
    if len(content) > MAX_BYTES:
        raise PackError([Problem("file-too-large", {"size": str(len(content)), "most": str(MAX_BYTES)}, Where(file, 1, 1))])
    text = _decode(content, file)
    starts = (0, *(match.end() for match in _BREAK.finditer(text)))
    document = Document(None, file, text, starts, {})
    hidden = [_hidden(document, match) for match, _ in zip(_HIDDEN.finditer(text), range(MAX_PROBLEMS), strict=False)]
    directives = [Problem("yaml-directive", {}, Where(file, number, 1)) for number, start in enumerate(starts, 1) if text.startswith("%", start)]
    if hidden or directives:
        raise PackError([*hidden, *directives[:MAX_PROBLEMS]])
    return _build(document)


def _decode(content: bytes, file: str) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            raise PackError([Problem("not-utf8", {"encoding": encoding}, Where(file, 1, 1))])
    if content[:64].count(0) * 3 > len(content[:64]):
        raise PackError([Problem("not-utf8", {"encoding": "UTF-16"}, Where(file, 1, 1))])
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        lines = _BREAK.split(before)
        where = Where(file, len(lines), len(lines[-1]) + 1)
        if _reads_as(content, "gb18030"):
            raise PackError([Problem("not-utf8", {"encoding": "GBK"}, where)]) from None
        raise PackError([Problem("not-utf8-byte", {"byte": f"0x{content[error.start]:02X}"}, where)]) from None


def _reads_as(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _hidden(document: Document, match: re.Match[str]) -> Problem:
    return Problem("hidden-character", {"character": f"U+{ord(match.group()):04X}"}, document._at(match.start()))


# --- events to data -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A mapping or list being filled; ``key`` is the key waiting for its value, ``key_at`` its place."""

    path: Path
    found: dict[str, Any] | list[Any]
    key: str | None = None
    key_at: int = 0


class _Stop(Exception):
    """Nothing after this can be read."""


@dataclass(slots=True)
class _Building:
    document: Document
    problems: list[Problem] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    roots: list[Any] = field(default_factory=list)
    nodes: int = 0


def _build(document: Document) -> Document:
    building = _Building(document)
    try:
        for event in yaml.parse(document._text, Loader=_LOADER):
            _take(building, event)
    except _Stop:
        pass
    except yaml.YAMLError as error:
        building.problems.append(_syntax(document, error))
    if not building.problems and (not building.roots or building.roots[0] is None):
        building.problems.append(Problem("empty-file", {}, Where(document.file, 1, 1)))
    if building.problems:
        raise PackError(building.problems)
    return Document(building.roots[0], document.file, document._text, document._starts, document._places)


def _take(building: _Building, event: Any) -> None:
    if isinstance(event, yaml.DocumentStartEvent) and building.roots:
        _stop(building, "yaml-second-document", event)
    if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        building.open.pop()
    if not isinstance(event, yaml.NodeEvent):
        return
    building.nodes += 1
    if building.nodes > MAX_NODES:
        _stop(building, "yaml-too-many", event, most=str(MAX_NODES))
    if event.anchor is not None:
        _note(building, Problem("yaml-alias", {"name": _short(str(event.anchor))}, _start(building, event)))
    tag = getattr(event, "tag", None)
    if tag is not None:
        _note(building, Problem("yaml-tag", {"tag": _short(str(tag))}, _start(building, event)))
    if isinstance(event, yaml.ScalarEvent) and (hidden := _HIDDEN.search(event.value)):
        _note(building, Problem("hidden-character", {"character": f"U+{ord(hidden.group()):04X}"}, _start(building, event)))
    if building.open and isinstance(building.open[-1].found, dict) and building.open[-1].key is None:
        _take_key(building, building.open[-1], event)
    else:
        _take_value(building, event)


def _take_key(building: _Building, top: _Open, event: Any) -> None:
    if not isinstance(event, yaml.ScalarEvent) or (not event.value and event.style is None):
        _stop(building, "yaml-key", event)
    assert isinstance(top.found, dict), "only mappings have keys"
    top.key, top.key_at = event.value, _index(building, event.start_mark)
    if event.value in top.found:
        first = building.document.where((*top.path, event.value), key=True)
        values = {"key": _short(event.value), "line": str(first.line), "column": str(first.column)}
        _note(building, Problem("duplicate-key", values, _start(building, event)))


def _take_value(building: _Building, event: Any) -> None:
    path, key_at = _put_path(building)
    start, end = _index(building, event.start_mark), _index(building, event.end_mark)
    style = (event.style or "") if isinstance(event, yaml.ScalarEvent) else ""
    building.document._places[path] = _Place(start, end, start if key_at is None else key_at, style)
    value: Any = None
    if isinstance(event, yaml.MappingStartEvent):
        value = {}
    elif isinstance(event, yaml.SequenceStartEvent):
        value = []
    elif isinstance(event, yaml.ScalarEvent):
        value = event.value if event.value or event.style else None
    _put(building, value)
    if isinstance(value, (dict, list)):
        if len(building.open) == MAX_DEPTH:
            _stop(building, "yaml-too-deep", event, most=str(MAX_DEPTH))
        building.open.append(_Open(path, value))


def _put_path(building: _Building) -> tuple[Path, int | None]:
    if not building.open:
        return (), None
    top = building.open[-1]
    if isinstance(top.found, list):
        return (*top.path, len(top.found)), None
    assert top.key is not None, "a value follows its key"
    return (*top.path, top.key), top.key_at


def _put(building: _Building, value: Any) -> None:
    if not building.open:
        building.roots.append(value)
        return
    top = building.open[-1]
    if isinstance(top.found, list):
        top.found.append(value)
    elif top.key is not None:
        top.found[top.key] = value
        top.key = None


def _note(building: _Building, problem: Problem) -> None:
    building.problems.append(problem)
    if len(building.problems) >= MAX_PROBLEMS:
        raise _Stop


def _stop(building: _Building, code: str, event: Any, **values: str) -> None:
    building.problems.append(Problem(code, values, _start(building, event)))
    raise _Stop


def _index(building: _Building, mark: Any) -> int:
    line, column = int(mark.line), int(mark.column)
    starts = building.document._starts
    return starts[min(line, len(starts) - 1)] + column


def _start(building: _Building, event: Any) -> Where:
    return Where(building.document.file, event.start_mark.line + 1, event.start_mark.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _syntax(document: Document, error: yaml.YAMLError) -> Problem:
    """What the parser stumbled over. Where something was opened and never closed, the opening is the place to look."""
    mark, opened = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    detail = str(getattr(error, "problem", None) or error)
    if mark is None or (opened is not None and opened.line < mark.line and ("end of stream" in detail or "flow" in str(getattr(error, "context", "")))):
        mark = opened
    if mark is None:
        return Problem("yaml-syntax", {"detail": _short(detail)}, Where(document.file, 1, 1))
    starts, text = document._starts, document._text
    line = min(int(mark.line), len(starts) - 1)
    for number in (line, max(line - 1, 0)):
        blank = _INDENT.match(text, starts[number])
        if blank and "\t" in blank.group():
            return Problem("yaml-tab", {}, Where(document.file, number + 1, blank.group().index("\t") + 1))
    where = Where(document.file, line + 1, int(mark.column) + 1)
    if "cannot start any token" in detail:
        return Problem("yaml-start", {"character": text[starts[line] + int(mark.column)]}, where)
    return Problem("yaml-syntax", {"detail": detail}, where)


# --- characters of a scalar ---------------------------------------------------------------------------------------


def _visible(text: str, place: _Place) -> list[int]:
    """The places of a scalar's visible characters, in order."""
    start, end = place.start, place.end
    if place.style in ("|", ">"):
        header = _BREAK.search(text, start, end)
        return _plain(text, header.end() if header else end, end)
    if place.style == "'":
        return list(_single(text, start + 1, end - 1))
    if place.style == '"':
        return list(_double(text, start + 1, end - 1))
    return _plain(text, start, end)


def _plain(text: str, start: int, end: int) -> list[int]:
    return [index for index in range(start, end) if not text[index].isspace()]


def _single(text: str, start: int, end: int) -> Iterator[int]:
    index = start
    while index < end:
        if not text[index].isspace():
            yield index
        index += 2 if text.startswith("''", index) else 1


def _double(text: str, start: int, end: int) -> Iterator[int]:
    index = start
    while index < end:
        escape = _ESCAPE.match(text, index, end)
        if escape is None:
            if not text[index].isspace():
                yield index
            index += 1
            continue
        code = escape.group()[1:]
        blank = code in _BLANK_ESCAPES if len(code) == 1 else chr(int(code[1:], 16)).isspace()
        if not blank:
            yield index
        index = escape.end()
