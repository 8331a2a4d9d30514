"""Needed facts: what a rating may look at once its choices are known, by partial evaluation.

A condition on choices that are known is settled; one on numbers, or on a choice not given, may go either way, and what
lies behind both ways is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod

from tariffs import model as m
from tariffs.walk import Node, parts

LOOKED_AT = 256  # combinations of choices


@dataclass(frozen=True, slots=True)
class Needs:
    """``numbers``: full names of numeric inputs; ``choices``: choice inputs looked at; ``period``: built-ins used.

    ``rows``: full names of the stage's inputs; ``derived``: numbers that are collected from the stage and never given.
    """

    numbers: frozenset[str]
    choices: frozenset[str]
    period: frozenset[str]
    rows: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Found:
    given: Mapping[str, str]
    numbers: set[str] = field(default_factory=set)
    choices: set[str] = field(default_factory=set)
    period: set[str] = field(default_factory=set)
    gaps: list[m.Table] = field(default_factory=list)


def needed(version: m.Version, choices: Mapping[str, str]) -> Needs:
    """What a rating of ``version`` with these choices may look at. A choice looked at and not given is missing."""
    return _needed(version, tuple(sorted([pair for pair in choices.items() if pair[0] in version.choices])))


@lru_cache(maxsize=4096)
def _needed(version: m.Version, choices: tuple[tuple[str, str], ...]) -> Needs:
    found = _Found(dict(choices))
    for require in version.requires:
        if truth(require.when, found) is not False:
            truth(require.that, found)
    for charge in version.charges:
        if truth(charge.when, found) is not False:
            _visit(charge.formula, found)
    derived = {item.full_name for item in version.inputs if item.collect and item.collect.of and item.full_name in found.numbers}
    rows: set[str] = set()
    if version.stage is not None and derived:
        inner = _Found(found.given)
        for charge in version.stage.charges:
            if truth(charge.when, inner) is not False:
                _visit(charge.formula, inner)
        own = {item.full_name for item in version.stage.inputs}
        named = {name for item in version.inputs if item.full_name in derived and item.collect for name in (item.collect.of, item.collect.weight)}
        rows = own & (inner.numbers | named)
        found.numbers |= inner.numbers - own
        found.choices |= inner.choices
        found.period.add("period_days")  # the stage has its rows in a period
    return Needs(frozenset(found.numbers), frozenset(found.choices), frozenset(found.period), frozenset(rows), frozenset(derived))


def truth(test: m.Test | None, found: _Found) -> bool | None:
    """Whether ``test`` holds as far as choices decide it; None where it may go either way. No test holds."""
    match test:
        case None:
            return True
        case m.Truth(value=value):
            return value
        case m.Is(name=name, member=member):
            found.choices.add(name)
            return found.given[name] == member if name in found.given else None
        case m.Not(arg=arg):
            inner = truth(arg, found)
            return None if inner is None else not inner
        case m.And(args=args) | m.Or(args=args):
            stops, open_ = isinstance(test, m.Or), False
            for arg in args:
                inner = truth(arg, found)
                if inner is stops:
                    return stops
                open_ = open_ or inner is None
            return None if open_ else not stops
        case m.Compare():
            _visit(test.left, found)
            _visit(test.right, found)
            return None


def _visit(node: Node, found: _Found) -> None:
    match node:
        case m.Fact():
            found.numbers.add(m.full_name(node.name, node.key))
        case m.BuiltIn(name=name):
            found.period.add(name)
        case m.If(test=test, then=then, other=other):
            way = truth(test, found)
            if way is not False:
                _visit(then, found)
            if way is not True:
                _visit(other, found)
        case m.Table(axes=axes, cells=cells):
            found.choices.update(axes)
            reached = [cell for key, cell in cells if all(found.given.get(axis, member) == member for axis, member in zip(axes, key, strict=True))]
            if not reached:
                found.gaps.append(node)
            for cell in reached:
                _visit(cell, found)
        case _:
            for part in parts(node):
                _visit(part, found)


def gaps(when: m.Test | None, node: m.Expr | m.Test, choices: Mapping[str, str]) -> list[m.Table]:
    """Tables that ``node`` may look up in vain once ``choices`` are settled."""
    found = _Found(choices)
    if truth(when, found) is False:
        return []
    if isinstance(node, m.Test):
        truth(node, found)
    else:
        _visit(node, found)
    return found.gaps


def applies(charges: tuple[m.Charge, ...], choices: Mapping[str, str]) -> bool:
    """Whether some charge applies to these choices whatever the numbers are."""
    found = _Found(choices)
    return any(truth(charge.when, found) is True for charge in charges)


@lru_cache(maxsize=256)
def always_applies(version: m.Version) -> bool:
    """Whether some charge applies to every row, whatever it says; False, too, where its choices have more combinations than are looked at."""
    if any(charge.when is None for charge in version.charges):
        return True
    members = [[(name, member) for member in choice.members] for name, choice in version.choices.items()]
    return prod(map(len, members)) <= LOOKED_AT and all(applies(version.charges, dict(pairs)) for pairs in product(*members))


def refused(requires: tuple[m.Require, ...], choices: Mapping[str, str]) -> bool:
    """Whether a ``require`` refuses these choices whatever the numbers are."""
    found = _Found(choices)
    return any(truth(r.when, found) is True and truth(r.that, found) is False for r in requires)
