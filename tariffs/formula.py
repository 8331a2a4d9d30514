"""Formulas: Python's expression syntax, parsed inside brackets and whitelisted. Nothing here is ever executed.

``parse`` gives the syntax tree and the text it came from; ``lower`` gives it a meaning. Numbers stay text (a literal
such as 0.01 never becomes a float), and every node knows its character offset in the formula.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

MAX_CHARACTERS = 4_000
MAX_DEPTH = 50

FUNCTIONS = frozenset("min max sum top any all each round ceil floor divide blocks whole flat upto below".split())
_ALLOWED = (
    ast.Name, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.keyword,
    ast.Load, ast.Add, ast.Sub, ast.Mult, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
_ADVICE = {
    ast.Div: "formula-division",
    ast.FloorDiv: "formula-division",
    ast.Mod: "formula-division",
    ast.Pow: "formula-power",
    ast.Attribute: "formula-attribute",
    ast.In: "formula-in",
    ast.NotIn: "formula-in",
    ast.Is: "formula-is",
    ast.IsNot: "formula-is",
}


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula: the tree, and its text for cutting out the piece a node was written as."""

    text: str
    tree: ast.expr

    def offset(self, node: ast.AST) -> int:
        """Characters from the start of the text to the node."""
        return _offset(self.text, getattr(node, "lineno", 1), getattr(node, "col_offset", 1))

    def piece(self, node: ast.AST) -> str:
        """The node as its author wrote it, on one line."""
        end = _offset(self.text, getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 1))
        return " ".join(line.split("#")[0].strip() for line in self.text[self.offset(node) : end].splitlines()).strip()


class FormulaError(Exception):
    """The text is no formula: a problem code, the values of its sentence, and the character offset."""

    def __init__(self, code: str, offset: int, **values: str) -> None:
        super().__init__(code)
        self.code, self.offset, self.values = code, offset, values


def _offset(text: str, line: int, column: int) -> int:
    """Offset in ``text`` of ast's line and UTF-8 column; the parser saw one bracket before the first line."""
    lines = text.splitlines(keepends=True)
    if line > len(lines):
        return len(text)
    before = sum(len(part) for part in lines[: line - 1])
    column -= line == 1
    return before + len(lines[line - 1].encode()[: max(0, column)].decode(errors="ignore"))


def parse(text: str) -> Formula:
    """Read one formula; FormulaError names the first thing that is not in the language."""
    if len(text) > MAX_CHARACTERS:
        raise FormulaError("formula-too-long", 0, length=str(len(text)), limit=str(MAX_CHARACTERS))
    if not any(line.split("#")[0].strip() for line in text.splitlines()):
        raise FormulaError("formula-empty", 0)
    _scan(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError as error:
        offset = min(len(text), _offset(text, error.lineno or 1, (error.offset or 1) - 1))
        raise FormulaError("formula-syntax", offset, near=text[offset : offset + 20].strip() or text[-20:].strip()) from None
    except (RecursionError, MemoryError, ValueError):
        raise FormulaError("formula-too-deep", 0, limit=str(MAX_DEPTH)) from None
    formula = Formula(text, tree)
    _allow(formula)
    return formula


def _scan(text: str) -> None:
    """Brackets match and close nothing they did not open; only ASCII outside comments; no odd characters."""
    open_at: list[tuple[str, int]] = []
    quote, comment = "", False
    for offset, character in enumerate(text):
        if comment:
            comment = character != "\n"
        elif quote:
            if character in "\\\n":
                raise FormulaError("formula-character", offset, character=repr(character))
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            comment = True
        elif character in "([{":
            open_at.append((character, offset))
            if len(open_at) > MAX_DEPTH:
                raise FormulaError("formula-too-deep", offset, limit=str(MAX_DEPTH))
        elif character in ")]}":
            if not open_at or open_at.pop()[0] + character not in ("()", "[]", "{}"):
                raise FormulaError("formula-bracket", offset, bracket=character)
        elif not (" " <= character <= "~" or character in "\r\n\t") or character in "\\;`?$":
            raise FormulaError("formula-character", offset, character=character if character.isprintable() else repr(character))
    if open_at:
        raise FormulaError("formula-bracket", open_at[-1][1], bracket=open_at[-1][0])
    if quote:
        raise FormulaError("formula-quote", len(text))


def _allow(formula: Formula) -> None:
    """Every node is in the language, and none lies deeper than the limit."""
    waiting: list[tuple[ast.AST, int, ast.AST]] = [(formula.tree, 1, formula.tree)]
    while waiting:
        node, depth, place = waiting.pop()
        place = node if hasattr(node, "lineno") else place
        if depth > MAX_DEPTH:
            raise FormulaError("formula-too-deep", formula.offset(place), limit=str(MAX_DEPTH))
        if not isinstance(node, _ALLOWED):
            code = _ADVICE.get(type(node), "formula-construct")
            raise FormulaError(code, formula.offset(place), text=formula.piece(place)[:60])
        if isinstance(node, ast.Constant) and (isinstance(node.value, (bool, bytes, complex)) or node.value is None or node.value is ...):
            raise FormulaError("formula-construct", formula.offset(node), text=formula.piece(node)[:60])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and formula.piece(node)[1:-1] != node.value:
            raise FormulaError("formula-construct", formula.offset(node), text=formula.piece(node)[:60])
        if isinstance(node, ast.Subscript) and not isinstance(node.value, ast.Name):
            raise FormulaError("formula-construct", formula.offset(node), text=formula.piece(node)[:60])
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            name = node.func.id if isinstance(node.func, ast.Name) else formula.piece(node.func)[:60]
            raise FormulaError("formula-function", formula.offset(node), name=name, known=", ".join(sorted(FUNCTIONS)))
        waiting.extend((child, depth + (not isinstance(child, (ast.operator, ast.expr_context))), place) for child in ast.iter_child_nodes(node))
