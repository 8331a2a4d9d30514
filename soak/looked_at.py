"""Which facts a careful reader may have to look at once the choices are known: a condition over the choices for each fact.

A comparison of numbers may go either way; a choice is settled. Text is read from left to right, so ``and`` and ``or`` stop
where a choice settles them. Conditions are Python text, or True and False.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tariffs import model as m
from tariffs.model import full_name

Condition = str | bool


def both(*conditions: Condition) -> Condition:
    return _joined(conditions, " and ", True)


def either(*conditions: Condition) -> Condition:
    return _joined(conditions, " or ", False)


def _joined(conditions: Iterable[Condition], word: str, neutral: bool) -> Condition:
    kept = list(dict.fromkeys(condition for condition in conditions if condition is not neutral))
    if (not neutral) in kept:
        return not neutral
    return f"({word.join(str(condition) for condition in kept)})" if len(kept) > 1 else kept[0] if kept else neutral


@dataclass(slots=True)
class Looked:
    """``facts``: choices, inputs and built-ins by full name, each with the conditions under which it is reached."""

    variable: Callable[[str], str]
    facts: dict[str, Condition] = field(default_factory=dict)


def looked_at(charges: Iterable[m.Charge], requires: Iterable[m.Require], variable: Callable[[str], str], where: Condition = True) -> Mapping[str, Condition]:
    """What these charges and requirements may look at; ``variable`` gives the Python name of a choice."""
    looked = Looked(variable)
    for require in requires:
        _look(require.that, _holds(require.when, where, looked), looked)
    for charge in charges:
        _look(charge.formula, _holds(charge.when, where, looked), looked)
    return looked.facts


def _holds(test: m.Test | None, path: Condition, looked: Looked) -> Condition:
    return path if test is None else both(path, _look(test, path, looked)[0])


def _note(name: str, path: Condition, looked: Looked) -> None:
    looked.facts[name] = either(looked.facts.get(name, False), path)


def _look(node: m.Expr | m.Test, path: Condition, looked: Looked) -> tuple[Condition, Condition]:
    """Notes what is reached from ``path``; for a test, when it can hold and when it can fail."""
    match node:
        case m.Truth(value=value):
            return value, not value
        case m.Is(name=name, member=member):
            _note(name, path, looked)
            chosen = looked.variable(name)
            return f"{chosen} == {member!r}", f"{chosen} != {member!r}"
        case m.Not(arg=arg):
            holds, fails = _look(arg, path, looked)
            return fails, holds
        case m.And(args=args) | m.Or(args=args):
            found: list[tuple[Condition, Condition]] = []
            for arg in args:
                found.append(_look(arg, path, looked))
                path = both(path, found[-1][0 if isinstance(node, m.And) else 1])
            join, other = (both, either) if isinstance(node, m.And) else (either, both)
            return join(*(holds for holds, _ in found)), other(*(fails for _, fails in found))
        case m.If(test=test, then=then, other=last):
            holds, fails = _look(test, path, looked)
            _look(then, both(path, holds), looked)
            _look(last, both(path, fails), looked)
        case m.Table(axes=axes, cells=cells):
            for axis in axes:
                _note(axis, path, looked)
            for key, cell in cells:
                _look(cell, both(path, *(f"{looked.variable(axis)} == {member!r}" for axis, member in zip(axes, key, strict=True))), looked)
        case m.Fact() | m.BuiltIn():
            _note(node.name if isinstance(node, m.BuiltIn) else full_name(node.name, node.key), path, looked)
        case m.Const() | m.Amount():
            pass
        case m.Negate(arg=arg) | m.Convert(arg=arg) | m.Round(arg=arg):
            _look(arg, path, looked)
        case m.Add() | m.Subtract() | m.Multiply() | m.Divide() | m.Compare():
            _look(node.left, path, looked)
            _look(node.right, path, looked)
        case m.Least() | m.Greatest() | m.Sum() | m.Top():
            for arg in node.args:
                _look(arg, path, looked)
        case m.Blocks() | m.Whole() | m.Flat():
            ends = [end.at if isinstance(end, m.Edge) else end for end in node.edges]
            for part in (node.quantity, *ends, *(node.amounts if isinstance(node, m.Flat) else node.rates)):
                _look(part, path, looked)
    return True, True
