"""A version as the plain Python a careful programmer would write by hand: one row at a time, in ``decimal.Decimal``.

``source`` writes the text, ``build`` runs it. It is the oracle of the soak and a peer of the benchmarks: it shares the checked
expressions with the evaluators and nothing else. ``print(source(version.model))`` shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any, assert_never

from soak import decimal_words
from soak.looked_at import Condition, both, either, looked_at
from tariffs import model as m
from tariffs.model import full_name
from tariffs.money import Mode

#: What the function gives: amounts by charge (None where it does not apply) and the total, or why the row is refused.
Answer = tuple[Decimal | None, ...] | str
BUILT_INS = ("period_days", "period_months")
WORDS: Mapping[str, Any] = {name: getattr(decimal_words, name) for name in "Decimal ZERO ONE round_to divide blocks flat whole top total fill mean".split()}
_RESERVED = {*WORDS, "rate", "rows", "refused", "min", "max", "len", "zip", "list"}


@dataclass(frozen=True, slots=True)
class Loop:
    """``rate`` takes ``arguments`` in order (a staged version's last one is its rows) and gives the amounts of ``outputs``."""

    text: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    rate: Callable[..., Answer]


@dataclass(slots=True)
class _Writer:
    """``names``: Python names by full name; ``constants``: numbers by Python name; ``sites``: what each watched place is, where it is watched."""

    version: m.Version
    watched: bool = False
    names: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    sites: list[Decimal | None] = field(default_factory=list)
    optional: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def line(self, text: str, depth: int = 1) -> None:
        self.lines.append("    " * depth + text if text else "")

    def name(self, full: str) -> str:
        """A Python name for a choice, an input or a charge: ``conc[COD]`` -> ``conc_COD``."""
        if full not in self.names:
            plain = re.sub(r"\W+", "_", full).strip("_")
            while plain in _RESERVED or plain in self.names.values():
                plain += "_"
            self.names[full] = plain
        return self.names[full]

    def number(self, value: Decimal, name: str = "", key: m.Key = ()) -> str:
        """The name of a constant; a bare figure is called by its digits."""
        if not name and value in (0, 1):
            return "ONE" if value else "ZERO"
        plain = re.sub(r"\W+", "_", full_name(name, key)).strip("_").upper() if name else "N" + re.sub(r"\W", "_", format(value, "f"))
        return self.constant(plain, f'Decimal("{value}")')

    def constant(self, plain: str, text: str) -> str:
        found, count = plain, 1
        while self.constants.setdefault(found, text) != text:
            count += 1
            found = f"{plain}_{count}"
        return found

    def call(self, word: str, step: Decimal | None, *arguments: str) -> str:
        """A call; where it is watched, it first says which place it is. ``step``: what it rounds to, None where it compares."""
        if not self.watched:
            return f"{word}({', '.join(arguments)})"
        self.sites.append(step)
        return f"{word}({', '.join([str(len(self.sites) - 1), *arguments])})"


def source(version: m.Version) -> str:
    """The text of the module; it needs the words of ``decimal_words``."""
    writer = _Writer(version)
    _function(writer)
    return _module(writer)


def build(version: m.Version, words: Mapping[str, Any] | None = None) -> Loop:
    """The loop, ready to run; ``words`` replaces some of those it is written in."""
    return _built(_Writer(version), words or {})


def build_watched(version: m.Version, words: Mapping[str, Any]) -> tuple[Loop, Sequence[Decimal | None]]:
    """A loop whose ``compare min max round_to divide blocks flat whole`` are told their place first, and what each place rounds to."""
    writer = _Writer(version, watched=True)
    return _built(writer, words), writer.sites


def rate_all(loop: Loop, rows: Iterable[Sequence[Any]]) -> list[Answer]:
    """Every row, under arithmetic that may not lose a digit."""
    rate = loop.rate
    with localcontext(decimal_words.EXACT):
        return [rate(*row) for row in rows]


def _built(writer: _Writer, words: Mapping[str, Any]) -> Loop:
    version = writer.version
    arguments = _function(writer)
    text = _module(writer)
    module: dict[str, Any] = {**WORDS, **words}
    with localcontext(decimal_words.EXACT):
        exec(compile(text, f"<decimal loop of {version.name}>", "exec"), module)  # noqa: S102 - text of our own making
    return Loop(text, arguments, (*(charge.full_name for charge in version.charges), "total"), module["rate"])


def _module(writer: _Writer) -> str:
    head = f'"""{writer.version.name}, one row at a time, in decimals. Written by soak.decimal_loop."""'
    constants = [f"{name} = {text}" for name, text in writer.constants.items()]
    return "\n".join([head, "", *constants, "", "", *writer.lines, ""])


# --- the function -------------------------------------------------------------------------------------------------


def _function(writer: _Writer) -> tuple[str, ...]:
    """Writes the function; gives the full names of what it takes."""
    version = writer.version
    outer = looked_at(version.charges, version.requires, writer.name)
    derived = [item for item in version.inputs if item.collect is not None and item.collect.of]
    given = [item for item in version.inputs if item not in derived]
    wanted = {item.full_name: outer.get(item.full_name, False) for item in derived}
    inner = looked_at(version.stage.charges, (), writer.name, either(*wanted.values())) if version.stage else {}
    looked = {name: either(outer.get(name, False), inner.get(name, False)) for name in (*outer, *inner)}
    built_ins = [name for name in BUILT_INS if name in looked or (version.stage is not None and version.stage.grain != "record")]
    arguments = (*version.choices, *(item.full_name for item in given), *built_ins, *(["rows"] if version.stage else []))
    writer.line(f"def rate({', '.join('rows' if name == 'rows' else writer.name(name) for name in arguments)}):", 0)
    writer.line("# what is given must be one of the choices, within its bounds and on its step")
    for choice in version.choices.values():
        writer.line(f"if {writer.name(choice.name)} not in {(*choice.members, None)!r}:")
        writer.line('return "facts"', 2)
    for item in given:
        _bounds(writer, item, 1, f"{writer.name(item.full_name)} is not None")
    _must_be_there(writer, [*version.choices, *(item.full_name for item in given), *(name for name in BUILT_INS if name in looked)], looked)
    if version.stage is not None:
        _staged(writer, version.stage, derived, wanted, inner)
    _require(writer)
    _charges(writer, version.charges, 1)
    names = [writer.name(charge.full_name) for charge in version.charges]
    if all(name in writer.optional for name in names):
        writer.line(f"if {' and '.join(f'{name} is None' for name in names)}:")
        writer.line('return "nothing-applies"', 2)
    billed = [_amount(writer, charge.full_name) for charge in version.charges if charge.kind == "line"]
    writer.line(f"return ({', '.join(names)}, {' + '.join(billed) or 'ZERO'})")
    return arguments


def _bounds(writer: _Writer, item: m.Input, depth: int, where: str = "") -> None:
    name, kind = writer.name(item.full_name), item.type
    low, high = (writer.number(end, f"{item.full_name} {word}") for end, word in ((kind.low, "least"), (kind.high, "most")))
    off = f" or {name} % {writer.number(kind.grid, f'{item.full_name} step')}" if kind.grid else ""
    test = f"not {low} <= {name} <= {high}{off}"
    writer.line(f"if {where} and ({test}):" if where else f"if {test}:", depth)
    writer.line('return "facts"', depth + 1)


def _must_be_there(writer: _Writer, names: Iterable[str], looked: Mapping[str, Condition]) -> None:
    """Most rows hold all that is looked at, so one line asks for each."""
    writer.line("# what is looked at must be there")
    for name in names:
        condition = looked.get(name, False)
        if condition is not False:
            writer.line(f"if {both(f'{writer.name(name)} is None', condition)}:")
            writer.line('return "facts"', 2)


def _require(writer: _Writer) -> None:
    if not writer.version.requires:
        return
    writer.line("# what the rule demands")
    writer.line('refused = ""')
    for require in writer.version.requires:
        that = f"not {_test(writer, require.that)}"
        writer.line(f"if {that if require.when is None else f'{_test(writer, require.when)} and {that}'}:")
        writer.line('refused += "refused "', 2)
    writer.line("if refused:")
    writer.line("return refused", 2)


def _charges(writer: _Writer, charges: Iterable[m.Charge], depth: int) -> None:
    for charge in charges:
        name = writer.name(charge.full_name)
        writer.line(f"# {charge.full_name}: {' '.join(charge.text.split())}", depth)
        if charge.when is None:
            writer.line(f"{name} = {_number(writer, charge.formula)}", depth)
            continue
        writer.line(f"{name} = None", depth)
        writer.line(f"if {_test(writer, charge.when)}:", depth)
        writer.line(f"{name} = {_number(writer, charge.formula)}", depth + 1)
        writer.optional.add(name)


def _amount(writer: _Writer, full: str) -> str:
    """An earlier amount, 0 where it does not apply."""
    name = writer.name(full)
    return f"({name} or ZERO)" if name in writer.optional else name


# --- the stage ----------------------------------------------------------------------------------------------------


def _staged(writer: _Writer, stage: m.Stage, derived: Sequence[m.Input], wanted: Mapping[str, Condition], inner: Mapping[str, Condition]) -> None:
    """Rows are checked, filled, rated one by one and collected."""
    writer.line("# the rows of the stage: one for each of its days or months, every number within its bounds")
    many = {"day": "period_days", "month": "period_months", "record": ""}[stage.grain]
    if many:
        writer.line(f"if rows and len(rows) != {many}:")
        writer.line('return "facts"', 2)
    own = [writer.name(item.full_name) for item in stage.inputs]
    writer.line(f"for ({', '.join(own)},) in rows:")
    for item in stage.inputs:
        _bounds(writer, item, 2, f"{writer.name(item.full_name)} is not None")
    some = either(*wanted.values())
    writer.line(f"{' = '.join(writer.name(item.full_name) for item in derived)} = None")
    writer.line(f"if {some}:")
    if many:
        writer.line("if not rows:", 2)
        writer.line('return "facts"', 3)
    columns = [f"all_{name}" for name in own]
    writer.line(f"({', '.join(columns)},) = zip(*rows) if rows else [()] * {len(own)}", 2)
    for item, column in zip(stage.inputs, columns, strict=True):
        taken = [wanted[one.full_name] for one in derived if one.collect and item.full_name in (one.collect.of, one.collect.weight)]
        _fill(writer, item, column, either(inner.get(item.full_name, False), *taken))
    _stage_charges(writer, stage, own, columns)
    for item in derived:
        _collected(writer, item, wanted[item.full_name])


def _stage_charges(writer: _Writer, stage: m.Stage, own: Sequence[str], columns: Sequence[str]) -> None:
    charges = [writer.name(charge.full_name) for charge in stage.charges]
    for name in charges:
        writer.line(f"all_{name} = []", 2)
    if charges:
        writer.line(f"for ({', '.join(own)},) in zip({', '.join(columns)}):", 2)
        _charges(writer, stage.charges, 3)
    for name in charges:
        writer.line(f"all_{name}.append({name})", 3)


def _fill(writer: _Writer, item: m.Input, column: str, needed: Condition) -> None:
    assert item.collect is not None, "inputs of a stage are collected"
    rule = item.collect.evidence
    if needed is False:
        return
    writer.line(f"if {both(needed, f'None in {column}')}:", 2)
    if rule.fill != "refuse":
        stand_in = {"previous": "'previous'", "period_mean": "'mean'"}.get(rule.fill) or writer.number(rule.value or Decimal(0))
        step = writer.number(item.type.grid, f"{item.full_name} step")
        writer.line(f"{column} = fill({column}, {rule.at_most}, {stand_in}, {step}, {_mode(item.collect.mode)})", 3)
        writer.line(f"if {column} is None:", 3)
        writer.line('return "facts"', 4)
    else:
        writer.line('return "facts"', 3)


def _collected(writer: _Writer, item: m.Input, wanted: Condition) -> None:
    """One number from the rows that have it; without one it is ``empty``, or missing."""
    how, name = item.collect, writer.name(item.full_name)
    assert how is not None, "derived facts are collected"
    column = f"all_{writer.name(how.of)}"
    writer.line(f"# {item.full_name}: {how.how} of {how.of}", 2)
    times = "" if how.factor == 1 or how.how == "count" else f" * {writer.number(how.factor)}"
    writer.line(f"having = [number{times} for number in {column} if number is not None]", 2)
    step, mode = writer.number(item.type.grid, f"{item.full_name} step"), _mode(how.mode)
    weights = "None"
    if how.weight:
        weights = f"[weight or ZERO for weight, number in zip(all_{writer.name(how.weight)}, {column}) if number is not None]"
    text = {
        "sum": "total(having)",
        "min": "min(having)",
        "max": "max(having)",
        "last": "having[-1]",
        "count": "Decimal(len(having))",
        "mean": f"mean(having, None, {step}, {mode})",
        "weighted_mean": f"mean(having, {weights}, {step}, {mode})",
        "top_mean": f"mean(sorted(having)[-{how.count}:], None, {step}, {mode})",
    }[how.how]
    nothing = "None" if how.empty is None else writer.number(how.empty)
    writer.line(f"{name} = {_plain(text) if writer.watched else text} if having else {nothing}", 2)
    bounds_depth = 2
    if wanted is not True:
        writer.line(f"if {wanted}:", 2)
        bounds_depth = 3
    writer.line(f"if {name} is None:", bounds_depth)
    writer.line('return "facts"', bounds_depth + 1)
    _bounds(writer, item, bounds_depth)


def _plain(text: str) -> str:
    """Python's own ``min`` and ``max``, where those of the formulas are watched."""
    return re.sub(r"^(min|max)\(having\)", lambda found: f"sorted(having)[{0 if found[1] == 'min' else -1}]", text)


# --- expressions --------------------------------------------------------------------------------------------------


def _mode(mode: Mode) -> str:
    return f'"ROUND_{mode.value.upper()}"'


def _number(writer: _Writer, node: m.Expr) -> str:
    def of(inner: m.Expr) -> str:
        return _number(writer, inner)

    match node:
        case m.Const(value=value, name=name, key=key):
            return writer.number(value, name, key)
        case m.Fact(name=name, key=key):
            return writer.name(full_name(name, key))
        case m.BuiltIn(name=name):
            return writer.name(name)
        case m.Amount(name=name, key=key):
            return _amount(writer, full_name(name, key))
        case m.Table():
            return _table(writer, node)
        case m.Negate(arg=arg):
            return f"(-{of(arg)})"
        case m.Add(left=left, right=right):
            return f"({of(left)} + {of(right)})"
        case m.Subtract(left=left, right=right):
            return f"({of(left)} - {of(right)})"
        case m.Multiply(left=left, right=right):
            return f"({of(left)} * {of(right)})"
        case m.Convert(arg=arg, factor=factor):
            return f"({of(arg)} * {writer.number(factor)})"
        case m.If(test=test, then=then, other=other):
            return f"({of(then)} if {_test(writer, test)} else {of(other)})"
        case m.Least(args=args) | m.Greatest(args=args):
            return writer.call("min" if isinstance(node, m.Least) else "max", None, *map(of, args)) if len(args) > 1 else of(args[0])
        case m.Sum(args=args):
            return f"({' + '.join(map(of, args))})"
        case m.Top(args=args, count=count):
            return f"top({count}, {', '.join(map(of, args))})"
        case m.Round() | m.Divide():
            return _rounding(writer, node)
        case m.Blocks(quantity=quantity, edges=edges, rates=rates):
            return writer.call("blocks", None, of(quantity), _tuple(map(of, edges)), _tuple(map(of, rates)))
        case m.Whole() | m.Flat():
            ends = _tuple(f"({of(edge.at)}, {edge.inclusive})" for edge in node.edges)
            rates = node.rates if isinstance(node, m.Whole) else node.amounts
            return writer.call("whole" if isinstance(node, m.Whole) else "flat", None, of(node.quantity), ends, _tuple(map(of, rates)))
    assert_never(node)


def _tuple(parts: Iterable[str]) -> str:
    return f"({', '.join(parts)},)"


def _table(writer: _Writer, node: m.Table) -> str:
    """A dictionary of numbers, or one answer a combination of choices."""
    axes = [writer.name(axis) for axis in node.axes]
    if all(isinstance(cell, m.Const) for _, cell in node.cells):
        cells = ", ".join(f'{key if len(key) > 1 else key[0]!r}: Decimal("{cell.value}")' for key, cell in node.cells if isinstance(cell, m.Const))
        return f"{writer.constant(node.name.upper(), '{' + cells + '}')}[{', '.join(axes)}]"
    *cases, (_, last) = node.cells
    text = "".join(
        f"{_number(writer, cell)} if {' and '.join(f'{axis} == {member!r}' for axis, member in zip(axes, key, strict=True))} else " for key, cell in cases
    )
    return f"({text}{_number(writer, last)})"


def _rounding(writer: _Writer, node: m.Round | m.Divide) -> str:
    step = writer.number(node.step if _is_power(node.step) is None else Decimal((0, (1,), _is_power(node.step) or 0)))
    if isinstance(node, m.Round):
        top = _number(writer, node.arg)
        if _is_power(node.step) is not None:
            return writer.call("round_to", node.step, top, step, _mode(node.mode))
        return writer.call("divide", node.step, top, "ONE", step, _mode(node.mode))
    top, bottom = _number(writer, node.left), _number(writer, node.right)
    top += f" * {writer.number(Decimal(node.factor.numerator))}" if node.factor.numerator != 1 else ""
    bottom += f" * {writer.number(Decimal(node.factor.denominator))}" if node.factor.denominator != 1 else ""
    return writer.call("divide", node.step, top, bottom, step, _mode(node.mode))


def _is_power(step: Decimal) -> int | None:
    """The exponent of a power of ten; None for any other step."""
    digits = step.normalize().as_tuple()
    return int(digits.exponent) if digits.digits == (1,) and not digits.sign else None


def _test(writer: _Writer, node: m.Test) -> str:
    match node:
        case m.Truth(value=value):
            return str(value)
        case m.Is(name=name, member=member):
            return f"{writer.name(name)} == {member!r}"
        case m.Compare(op=op, left=left, right=right):
            one, other = _number(writer, left), _number(writer, right)
            return f"({writer.call('compare', None, one, other)} {op} 0)" if writer.watched else f"({one} {op} {other})"
        case m.And(args=args) | m.Or(args=args):
            return f"({(' and ' if isinstance(node, m.And) else ' or ').join(_test(writer, arg) for arg in args)})"
        case m.Not(arg=arg):
            return f"(not {_test(writer, arg)})"
    assert_never(node)
