"""The parts of a checked expression, for everything that looks at expressions without computing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from tariffs import model as m

Node = m.Expr | m.Test


def parts(node: Node) -> tuple[Node, ...]:
    """The nodes directly below ``node``, in the author's order."""
    match node:
        case m.Const() | m.Fact() | m.BuiltIn() | m.Amount() | m.Truth() | m.Is():
            return ()
        case m.Table():
            return tuple(cell for _, cell in node.cells)
        case m.Negate() | m.Convert() | m.Round() | m.Not():
            return (node.arg,)
        case m.Add() | m.Subtract() | m.Multiply() | m.Divide() | m.Compare():
            return (node.left, node.right)
        case m.If():
            return (node.test, node.then, node.other)
        case m.Least() | m.Greatest() | m.Sum() | m.Top() | m.And() | m.Or():
            return node.args
        case m.Blocks():
            return (node.quantity, *node.edges, *node.rates)
        case m.Whole():
            return (node.quantity, *(edge.at for edge in node.edges), *node.rates)
        case m.Flat():
            return (node.quantity, *(edge.at for edge in node.edges), *node.amounts)
        case _:
            assert_never(node)


def everything(node: Node | None) -> Iterator[Node]:
    """``node`` and all nodes below it, outermost first."""
    if node is None:
        return
    yield node
    for part in parts(node):
        yield from everything(part)


def choices_in(*nodes: Node | None) -> set[str]:
    """Names of the choice inputs that decide anything in ``nodes``."""
    found: set[str] = set()
    for start in nodes:
        for node in everything(start):
            if isinstance(node, m.Is):
                found.add(node.name)
            elif isinstance(node, m.Table):
                found.update(node.axes)
    return found
