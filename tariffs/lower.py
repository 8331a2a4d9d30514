"""From a parsed formula to a checked expression: names resolved, families unrolled, units and types settled.

Nothing stops at the first fault: a broken part gives None and a problem, and its neighbours are still read.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeVar

from tariffs import algebra
from tariffs import model as m
from tariffs.algebra import Broken
from tariffs.formula import Formula
from tariffs.money import Mode, read_number
from tariffs.units import PURE, Unit

MAX_NODES = 50_000
#: Digits of the widest number a formula may reach; far beyond money, far below what arithmetic can hold.
MAX_WIDTH = 500
_OPS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_NOT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_LEAVES = (m.Fact, m.Amount, m.BuiltIn)
_ROUNDINGS = {"round": Mode.HALF_UP, "ceil": Mode.CEILING, "floor": Mode.FLOOR}

T = TypeVar("T")
Report = Callable[[str, int, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Family:
    """A name and what stands at each key; a plain name has no axes and the one key (). A list has several parts a key."""

    axes: tuple[str, ...]
    leaves: Mapping[m.Key, tuple[m.Expr, ...]]
    is_list: bool = False


@dataclass(slots=True)
class Symbols:
    """Everything a formula may name. ``used`` and ``nodes`` are filled while formulas are read.

    ``broken`` names are declared with a fault that is told already; whoever uses them says nothing more.
    """

    money: Unit
    dimensions: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, tuple[str, ...]]
    families: dict[str, Family]
    later: frozenset[str] = frozenset()
    lines: list[m.Expr] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    nodes: int = 0
    full: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a formula is read: the members bound by ``by`` and ``each``, and what enclosing conditions have settled."""

    symbols: Symbols
    formula: Formula
    report: Report
    bound: Mapping[str, str] = field(default_factory=dict)
    narrowed: Mapping[object, m.Type] = field(default_factory=dict)
    ordered: frozenset[tuple[object, object]] = frozenset()

    def problem(self, node: ast.AST, code: str, **values: object) -> None:
        self.report(code, self.formula.offset(node), {name: str(value) for name, value in values.items()})

    def known(self, first: m.Expr, second: m.Expr) -> bool:
        """Whether an enclosing condition or a ``require`` says that ``first`` is not above ``second``."""
        return (algebra.shape(first), algebra.shape(second)) in self.ordered


def settle(scope: Scope, test: m.Test | None, truth: bool = True) -> Scope:
    """The scope in which ``test`` is known to be ``truth``."""
    match test:
        case m.And(args=args) if truth:
            for arg in args:
                scope = settle(scope, arg)
        case m.Or(args=args) if not truth:
            for arg in args:
                scope = settle(scope, arg, truth=False)
        case m.Not(arg=arg):
            scope = settle(scope, arg, not truth)
        case m.Compare(op=op, left=left, right=right):
            op = op if truth else _NOT[op]
            narrowed, ordered = dict(scope.narrowed), set(scope.ordered)
            for one, other, way in ((left, right, op), (right, left, _FLIP[op])):
                if not isinstance(one, m.Const):
                    narrowed[algebra.shape(one)] = algebra.narrow(one.type, way, other.type)
                if way in ("<", "<=", "=="):
                    ordered.add((algebra.shape(one), algebra.shape(other)))
            scope = replace(scope, narrowed=narrowed, ordered=frozenset(ordered))
    return scope


# --- numbers ------------------------------------------------------------------------------------------------------


def lower(node: ast.expr, scope: Scope, expected: Unit | None = None) -> m.Expr | None:
    """The checked expression of ``node``; ``expected`` is the unit its surroundings ask for, where there is one."""
    if _too_large(node, scope):
        return None
    try:
        found = _lower(node, scope, expected)
    except Broken as broken:
        scope.problem(node, broken.code, **broken.values)
        return None
    if found is not None and algebra.width(found.type) > MAX_WIDTH:
        scope.problem(node, "too-wide", text=scope.formula.piece(node)[:60], limit=MAX_WIDTH)
        return None
    return found


def _too_large(node: ast.expr, scope: Scope) -> bool:
    """Whether the formulas read so far have unrolled beyond the limit, which is told once."""
    symbols = scope.symbols
    symbols.nodes += 1
    if symbols.nodes > MAX_NODES and not symbols.full:
        symbols.full = True
        scope.problem(node, "too-large", limit=MAX_NODES)
    return symbols.full


def _lower(node: ast.expr, scope: Scope, expected: Unit | None) -> m.Expr | None:
    text = scope.formula.piece(node)
    match node:
        case ast.Constant(value=str()):
            scope.problem(node, "text-as-number", text=text)
            return None
        case ast.Constant():
            value = read_number(text)
            if value is None:
                scope.problem(node, "number-form", text=text[:40])
                return None
            return algebra.const(value, PURE, text)
        case ast.Name() | ast.Subscript():
            found = _resolve(node, scope)
            if found is None:
                return None
            if len(found) != 1 or _is_list(node, scope):
                scope.problem(node, "list-as-number", name=text)
                return None
            return found[0]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            arg = lower(operand, scope, expected)
            return None if arg is None else algebra.negate(arg, text)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return lower(operand, scope, expected)
        case ast.BinOp(op=ast.Mult()):
            left, right = lower(node.left, scope), lower(node.right, scope)
            return None if left is None or right is None else algebra.multiply(left, right, text)
        case ast.BinOp():
            left, right = lower(node.left, scope, expected), lower(node.right, scope, expected)
            if left is None or right is None:
                return None
            return (algebra.add if isinstance(node.op, ast.Add) else algebra.subtract)(left, right, text)
        case ast.IfExp():
            test = lower_test(node.test, scope)
            then, other = lower(node.body, settle(scope, test), expected), lower(node.orelse, settle(scope, test, truth=False), expected)
            if isinstance(test, m.Truth):
                return then if test.value else other
            return None if test is None or then is None or other is None else algebra.choose(test, then, other, text, expected)
        case ast.Call(func=ast.Name(id=name)):
            return _call(name, node, scope, expected)
        case ast.List() | ast.Tuple():
            scope.problem(node, "list-as-number", name=text[:40])
            return None
        case _:
            scope.problem(node, "number-needed", text=text[:60])
            return None


def _call(name: str, node: ast.Call, scope: Scope, expected: Unit | None) -> m.Expr | None:
    match name:
        case "round" | "ceil" | "floor":
            return _round(name, node, scope, expected)
        case "divide":
            return _divide(node, scope, expected)
        case "blocks" | "whole" | "flat":
            return _bands(name, node, scope, expected)
        case "min" | "max" | "sum":
            args = _numbers(node, node.args, scope, expected)
            if args is None or not _no_keywords(node, scope):
                return None
            text = scope.formula.piece(node)
            return algebra.total(args, text, expected) if name == "sum" else algebra.extreme(name == "max", args, text, expected)
        case "top":
            return _top(node, scope, expected)
        case "any" | "all":
            scope.problem(node, "number-needed", text=scope.formula.piece(node)[:60])
        case _:
            scope.problem(node, "function-place", name=name)
    return None


def _no_keywords(node: ast.Call, scope: Scope) -> bool:
    for keyword in node.keywords:
        scope.problem(keyword.value, "keyword-argument", name=keyword.arg or "**")
    return not node.keywords


def _arguments(node: ast.AST, args: Sequence[ast.expr], scope: Scope, read: Callable[[ast.expr, Scope], T | None]) -> list[T] | None:
    """Arguments with ``each`` unrolled; None where one is broken."""
    found: list[T | None] = []
    for arg in args:
        if isinstance(arg, ast.Call) and isinstance(arg.func, ast.Name) and arg.func.id == "each":
            found.extend(_each(arg, scope, read))
        else:
            found.append(read(arg, scope))
    if not args:
        scope.problem(node, "nothing-to-combine")
        return None
    return None if any(part is None for part in found) else [part for part in found if part is not None]


def _numbers(node: ast.AST, args: Sequence[ast.expr], scope: Scope, expected: Unit | None) -> list[m.Expr] | None:
    def read(part: ast.expr, at: Scope) -> m.Expr | None:
        return lower(part, at, expected)

    return _arguments(node, args, scope, read)


def _each(node: ast.Call, scope: Scope, read: Callable[[ast.expr, Scope], T | None]) -> Iterator[T | None]:
    if len(node.args) != 2 or node.keywords or not isinstance(node.args[0], ast.Name):
        scope.problem(node, "each-form")
        yield None
        return
    name = node.args[0].id
    if name not in scope.symbols.dimensions:
        scope.problem(node.args[0], "not-a-dimension", name=name, known=", ".join(scope.symbols.dimensions) or "-")
        yield None
        return
    scope.symbols.used.add(name)
    for member in scope.symbols.dimensions[name]:
        yield read(node.args[1], replace(scope, bound={**scope.bound, name: member}))


def _top(node: ast.Call, scope: Scope, expected: Unit | None) -> m.Expr | None:
    count = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if not isinstance(count, int) or count < 1 or len(node.args) < 2:
        scope.problem(node, "top-count")
        return None
    args = _numbers(node, node.args[1:], scope, expected)
    if args is None or not _no_keywords(node, scope):
        return None
    return algebra.top(count, args, scope.formula.piece(node), expected)


def _mode(node: ast.Call, position: int, default: Mode, scope: Scope) -> Mode | None:
    given = [*node.args[position : position + 1], *(k.value for k in node.keywords if k.arg == "mode")]
    if len(node.args) > position + 1 or len(given) > 1 or any(k.arg != "mode" for k in node.keywords):
        scope.problem(node, "too-many-arguments", text=scope.formula.piece(node)[:60])
        return None
    if not given:
        return default
    if isinstance(given[0], ast.Name) and given[0].id in list(Mode):
        return Mode(given[0].id)
    scope.problem(given[0], "rounding-mode", text=scope.formula.piece(given[0])[:40], known=", ".join(Mode))
    return None


def _round(name: str, node: ast.Call, scope: Scope, expected: Unit | None) -> m.Expr | None:
    if len(node.args) < 2:
        scope.problem(node, "step-missing", name=name)
        return None
    arg, step = lower(node.args[0], scope, expected), lower(node.args[1], scope)
    if name != "round" and (len(node.args) > 2 or node.keywords):
        scope.problem(node, "too-many-arguments", text=scope.formula.piece(node)[:60])
        return None
    mode = _mode(node, 2, _ROUNDINGS[name], scope)
    if arg is None or step is None or mode is None:
        return None
    return algebra.round_(arg, step, mode, scope.formula.piece(node), expected, scope.symbols.money)


def _divide(node: ast.Call, scope: Scope, expected: Unit | None) -> m.Expr | None:
    if len(node.args) < 3:
        scope.problem(node, "step-missing", name="divide")
        return None
    left, right, step = lower(node.args[0], scope), lower(node.args[1], scope), lower(node.args[2], scope)
    mode = _mode(node, 3, Mode.HALF_UP, scope)
    if left is None or right is None or step is None or mode is None:
        return None
    right = replace(right, type=scope.narrowed.get(algebra.shape(right), right.type))  # a sum may be guarded as a whole
    return algebra.divide(left, right, step, mode, scope.formula.piece(node), expected, scope.symbols.money)


def _bands(name: str, node: ast.Call, scope: Scope, expected: Unit | None) -> m.Expr | None:
    if len(node.args) != 3 or node.keywords:
        scope.problem(node, "bands-form", name=name)
        return None
    quantity, rates = lower(node.args[0], scope), _list(node.args[2], scope, expected if name == "flat" else None)
    text = scope.formula.piece(node)
    if name == "blocks":
        plain = _list(node.args[1], scope, None)
        if quantity is None or plain is None or rates is None:
            return None
        return algebra.blocks(quantity, plain, rates, text, scope.known)
    edges = _edges(name, node.args[1], scope)
    if quantity is None or edges is None or rates is None:
        return None
    if name == "whole":
        return algebra.whole(quantity, edges, rates, text, scope.known)
    return algebra.flat(quantity, edges, rates, text, expected, scope.known)


def _list(node: ast.expr, scope: Scope, expected: Unit | None) -> list[m.Expr] | None:
    """``[a, b]`` or the name of a list value, which may also stand inside the brackets and gives all its parts there."""
    if isinstance(node, ast.List):
        found = [expr for part in node.elts for expr in _list_parts(part, scope, expected)]
        return None if any(part is None for part in found) else [part for part in found if part is not None]
    if isinstance(node, (ast.Name, ast.Subscript)) and _is_list(node, scope):
        parts = _resolve(node, scope)
        return None if parts is None else list(parts)
    if _base(node) in scope.symbols.broken:
        return None
    scope.problem(node, "list-needed", text=scope.formula.piece(node)[:60])
    return None


def _list_parts(node: ast.expr, scope: Scope, expected: Unit | None) -> Sequence[m.Expr | None]:
    """One expression, or all parts of a list value; None for what is broken."""
    if isinstance(node, (ast.Name, ast.Subscript)) and _is_list(node, scope):
        return _resolve(node, scope) or (None,)
    return (lower(node, scope, expected),)


def _edges(name: str, node: ast.expr, scope: Scope) -> list[tuple[m.Expr, bool]] | None:
    """``[upto(a), below(b)]``; a list value inside ``upto`` or ``below`` gives one edge a part."""
    if not isinstance(node, ast.List):
        scope.problem(node, "edges-form", name=name)
        return None
    found: list[tuple[m.Expr, bool]] = []
    broken = False
    for part in node.elts:
        if not (
            isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in ("upto", "below") and len(part.args) == 1 and not part.keywords
        ):
            scope.problem(part, "edges-form", name=name)
            broken = True
            continue
        inner = part.args[0]
        ends = _list(inner, scope, None) if _is_list(inner, scope) else [e] if (e := lower(inner, scope)) is not None else None
        broken = broken or ends is None
        found.extend((end, part.func.id == "upto") for end in ends or [])
    return None if broken else found


# --- names --------------------------------------------------------------------------------------------------------


def _base(node: ast.expr) -> str:
    inner = node.value if isinstance(node, ast.Subscript) else node
    return inner.id if isinstance(inner, ast.Name) else ""


def _is_list(node: ast.expr, scope: Scope) -> bool:
    family = scope.symbols.families.get(_base(node)) if isinstance(node, (ast.Name, ast.Subscript)) else None
    return family is not None and family.is_list


def _resolve(node: ast.Name | ast.Subscript, scope: Scope) -> tuple[m.Expr, ...] | None:
    """What a name with its keys stands for: one expression, or one a part for a list."""
    name, symbols, text = _base(node), scope.symbols, scope.formula.piece(node)
    if name == "subtotal" and isinstance(node, ast.Subscript):
        raise Broken("keys-none", name=name)
    if name == "subtotal":
        return (algebra.total(symbols.lines, text, None),) if symbols.lines else (algebra.const(algebra.ZERO, symbols.money, text, "subtotal"),)
    family = symbols.families.get(name)
    if name in symbols.broken:
        return None
    if family is None:
        _unknown(node, name, scope)
        return None
    symbols.used.add(name)
    keys = _keys(node, family, scope)
    if keys is None:
        return None
    axes = tuple(axis for axis, members in zip(family.axes, keys, strict=True) if len(members) != 1)
    columns: list[m.Expr] = []
    cells = [(key, family.leaves[key]) for key in product(*keys) if key in family.leaves]
    symbols.nodes += len(cells) - 1
    if not cells:
        scope.problem(node, "table-gap", name=text, keys=" / ".join(", ".join(key) for key in product(*keys)))
        return None
    for part in range(len(cells[0][1])):
        leaves = [(key, _narrowed(replace(leaf[part], text=text), scope)) for key, leaf in cells]
        if not axes:
            columns.append(leaves[0][1])
            continue
        at = [family.axes.index(axis) for axis in axes]
        columns.append(algebra.table(name, axes, [(tuple(key[i] for i in at), leaf) for key, leaf in leaves], text))
    return tuple(columns)


def _narrowed(leaf: m.Expr, scope: Scope) -> m.Expr:
    return replace(leaf, type=scope.narrowed.get(algebra.shape(leaf), leaf.type)) if isinstance(leaf, _LEAVES) else leaf


def _keys(node: ast.Name | ast.Subscript, family: Family, scope: Scope) -> list[tuple[str, ...]] | None:
    """The members each axis may take here: one where it is settled, all where a choice input decides."""
    given: list[ast.expr] = []
    if isinstance(node, ast.Subscript):
        given = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if given and not family.axes:
        raise Broken("keys-none", name=_base(node))
    if len(given) != len(family.axes):
        code = "keys-missing" if len(given) < len(family.axes) else "keys-many"
        scope.problem(node, code, name=_base(node), axes=", ".join(family.axes), given=len(given))
        return None
    found = [_key(key, axis, scope) for key, axis in zip(given, family.axes, strict=True)]
    return None if any(key is None for key in found) else [key for key in found if key is not None]


def _key(node: ast.expr, axis: str, scope: Scope) -> tuple[str, ...] | None:
    symbols = scope.symbols
    members = symbols.dimensions.get(axis) or symbols.choices.get(axis) or ()
    match node:
        case ast.Constant(value=str(member)):
            if member in members:
                return (member,)
            scope.problem(node, "unknown-member", member=member, axis=axis, known=", ".join(members))
        case ast.Name(id=name) if name == axis:
            symbols.used.add(name)
            if name in scope.bound:
                return (scope.bound[name],)
            if name in symbols.choices:
                return members
            scope.problem(node, "dimension-open", name=name)
        case _:
            scope.problem(node, "key-form", axis=axis, text=scope.formula.piece(node)[:40])
    return None


def _unknown(node: ast.expr, name: str, scope: Scope) -> None:
    symbols = scope.symbols
    if name in symbols.later:
        scope.problem(node, "charge-order", name=name)
    elif name in symbols.choices:
        scope.problem(node, "choice-as-number", name=name)
    elif name in symbols.dimensions:
        scope.problem(node, "dimension-as-number", name=name)
    else:
        names = [*symbols.families, *sorted(symbols.broken - symbols.families.keys()), *symbols.choices, *symbols.dimensions, "subtotal"]
        near = difflib.get_close_matches(name[:40], names[:1000], 1)
        if near:
            scope.problem(node, "unknown-name-like", name=name[:60], suggestion=near[0])
        else:
            scope.problem(node, "unknown-name", name=name[:60], known=_listed(sorted(names)))


def _listed(names: Sequence[str]) -> str:
    """Names for a sentence; of very many the first ones."""
    return ", ".join(names[:40]) + (", …" if len(names) > 40 else "")


# --- yes or no ----------------------------------------------------------------------------------------------------


def lower_test(node: ast.expr, scope: Scope) -> m.Test | None:
    """The checked condition of ``node``."""
    if _too_large(node, scope):
        return None
    try:
        return _lower_test(node, scope)
    except Broken as broken:
        scope.problem(node, broken.code, **broken.values)
        return None


def _lower_test(node: ast.expr, scope: Scope) -> m.Test | None:
    text = scope.formula.piece(node)
    match node:
        case ast.Compare():
            return _compare(node, scope)
        case ast.BoolOp(op=op, values=values):
            found: list[m.Test | None] = []
            for value in values:
                found.append(lower_test(value, scope))
                scope = settle(scope, found[-1], truth=isinstance(op, ast.And))
            return _join(isinstance(op, ast.And), found, text)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            arg = lower_test(operand, scope)
            if isinstance(arg, m.Truth):
                return m.Truth(text, not arg.value)
            return None if arg is None else m.Not(text, arg)
        case ast.Call(func=ast.Name(id="any" | "all" as name)):
            args: list[m.Test] | None = _arguments(node, node.args, scope, lower_test)
            return _join(name == "all", args, text) if args is not None and _no_keywords(node, scope) else None
        case _:
            scope.problem(node, "test-expected", text=text[:60])
            return None


def _join(every: bool, args: Sequence[m.Test | None], text: str) -> m.Test | None:
    if any(arg is None for arg in args):
        return None
    settled = [arg.value for arg in args if isinstance(arg, m.Truth)]
    open_ = tuple(arg for arg in args if arg is not None and not isinstance(arg, m.Truth))
    if (not every) in settled:
        return m.Truth(text, not every)
    if not open_:
        return m.Truth(text, every)
    return open_[0] if len(open_) == 1 else m.And(text, open_) if every else m.Or(text, open_)


def _compare(node: ast.Compare, scope: Scope) -> m.Test | None:
    sides = [node.left, *node.comparators]
    found: list[m.Test | None] = []
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        sign = _OPS[type(op)]
        if any(_is_word(side, scope) for side in (left, right)):
            found.append(_compare_words(left, sign, right, scope))
        else:
            one, other = lower(left, scope), lower(right, scope)
            text = f"{scope.formula.piece(left)} {sign} {scope.formula.piece(right)}"
            found.append(None if one is None or other is None else algebra.compare(sign, one, other, text))
    return _join(every=True, args=found, text=scope.formula.piece(node))


def _is_word(node: ast.expr, scope: Scope) -> bool:
    symbols = scope.symbols
    return (isinstance(node, ast.Constant) and isinstance(node.value, str)) or (
        isinstance(node, ast.Name) and (node.id in symbols.choices or node.id in symbols.dimensions)
    )


def _compare_words(left: ast.expr, sign: str, right: ast.expr, scope: Scope) -> m.Test | None:
    """``payer == "other"``; a dimension's own member is settled at once."""
    symbols, text = scope.symbols, f"{scope.formula.piece(left)} {sign} {scope.formula.piece(right)}"
    name, word = (left, right) if isinstance(left, ast.Name) else (right, left)
    if sign not in ("==", "!=") or not isinstance(name, ast.Name) or not (isinstance(word, ast.Constant) and isinstance(word.value, str)):
        scope.problem(left, "word-comparison", text=text[:60])
        return None
    members = symbols.choices.get(name.id) or symbols.dimensions.get(name.id)
    if members is None:
        scope.problem(name, "word-comparison", text=text[:60])
        return None
    if word.value not in members:
        near = difflib.get_close_matches(word.value, members, 1)
        scope.problem(word, "unknown-member", member=word.value, axis=name.id, known=", ".join(near or members))
        return None
    symbols.used.add(name.id)
    if name.id in scope.bound:
        return m.Truth(text, (scope.bound[name.id] == word.value) == (sign == "=="))
    if name.id in symbols.dimensions:
        scope.problem(name, "dimension-open", name=name.id)
        return None
    test = m.Is(text, name.id, word.value)
    return test if sign == "==" else m.Not(text, test)
