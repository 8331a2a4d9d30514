"""Steps in words: the tree of reasons as short indented sentences, in the reader's language.

A calculation that reads well in one line is written in one line, names beside their values
(``weight 5.001 t × standard 300 CNY/t = 1500.30 CNY``); what does not (a choice between branches, blocks, a rounding
inside) gets lines of its own, one level deeper. A bare constant is never a line where a name can stand inline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tariffs.messages import label, language_of, text
from tariffs.model import Labels, Step, Version
from tariffs.money import places, show, terminating
from tariffs.units import Unit, named

Sentence = tuple[int, str]  # depth, words

_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
_SUM, _PRODUCT, _ATOM = 1, 2, 3  # how tightly an inline piece holds together
_LONGEST_SUM = 6


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the locale, labels by name, labels of members, and how money is written."""

    locale: str
    labels: Mapping[str, str]
    members: Mapping[str, str]
    money: Unit
    places: int


def reader(version: Version, locale: str) -> Reader:
    """What stands inside sentences: in Chinese the labels; in English the names themselves, which the rule's author chose
    as English words (``half 50 %``), short where a label explains. Charges are called by their labels in both.
    """
    language = language_of(locale)
    charges, inputs = version.charges, version.inputs
    if version.stage is not None:
        charges, inputs = (*version.stage.charges, *charges), (*version.stage.inputs, *inputs)
    labels = {charge.name: word for charge in charges if (word := label(charge.label, locale))}
    members: dict[str, str] = {}
    if language != "en":
        named_things = [*((item.name, item.label) for item in inputs), *((value.name, value.label) for value in version.values)]
        named_things += [(choice.name, choice.label) for choice in version.choices.values()]
        labels |= {name: found[language] for name, found in named_things if found.get(language)}
        members = _members(version, language)
    labels |= {name: text(f"step.{name}", locale) for name in ("period_days", "period_months")}
    return Reader(locale, labels, members, named(version.currency), places(version.step))


def _members(version: Version, language: str) -> dict[str, str]:
    """Labels of the members of choices and dimensions; a member that two of them label differently keeps its identifier."""
    found: dict[str, str] = {}
    groups: list[Mapping[str, Labels]] = [*(choice.members for choice in version.choices.values()), *version.dimensions.values()]
    for member, labels in (item for group in groups for item in group.items()):
        word = labels.get(language) or member
        found[member] = word if found.get(member, word) == word else member
    return found


def called(who: Reader, name: str) -> str:
    """What the reader calls a name: its label, with the labels of its key behind it."""
    base, _, key = name.partition("[")
    word = who.labels.get(base, base)
    return f"{word}[{', '.join(who.members.get(member, member) for member in key[:-1].split(','))}]" if key else word


def quantity(who: Reader, value: Decimal, unit: Unit | None) -> str:
    """A number with its unit; money with at least the places of its currency."""
    digits = show(value, who.places if unit == who.money else 0)
    return f"{digits} {unit}" if unit is not None and unit.powers else digits


def value_of(who: Reader, step: Step) -> str:
    """The result of a step as words."""
    if isinstance(step.value, Decimal):
        return quantity(who, step.value, step.unit)
    return text("step.yes" if step.value else "step.no", who.locale) if isinstance(step.value, bool) else str(step.value)


def sentences(who: Reader, step: Step, depth: int = 0) -> Iterator[Sentence]:
    """The reasons of one step, itself first."""
    match step.kind:
        case "if":
            yield from _branch(who, step, depth)
        case "round":
            yield from _rounded(who, step, depth)
        case "divide":
            yield depth, _divided(who, step)
            yield from _hidden(who, step, depth + 1)
        case "blocks":
            start, *slices = step.children
            yield depth, text("step.blocks", who.locale, quantity=inline(who, start), value=value_of(who, step))
            yield from _hidden(who, step, depth + 1, only=(start,))
            for part in slices:
                yield from _slice(who, part, depth + 1)
        case "whole" | "flat":
            start, band = step.children
            said = {"quantity": inline(who, start), "band": _band(who, band, start.unit), "rate": inline(who, band.children[0])}
            yield depth, text(f"step.{step.kind}", who.locale, **said, value=value_of(who, step))
            yield from _hidden(who, step, depth + 1, only=(start, *band.children))
        case _ if _is_inline(step):
            said_inline = inline(who, step)
            yield depth, said_inline if step.kind in _LEAVES else f"{said_inline} = {value_of(who, step)}"
            yield from _hidden(who, step, depth + 1)
        case _:
            yield depth, text(f"step.{step.kind}", who.locale, value=value_of(who, step), count=step.detail.get("count", ""))
            for child in step.children:
                yield from sentences(who, child, depth + 1)


def condition(who: Reader, step: Step, depth: int = 0) -> Iterator[Sentence]:
    """A condition that decided something, and whether it holds."""
    yield depth, text("step.condition", who.locale, test=inline(who, step), value=value_of(who, step))
    yield from _hidden(who, step, depth + 1)


def _branch(who: Reader, step: Step, depth: int) -> Iterator[Sentence]:
    """Which way an ``if`` went and why; then the branch taken."""
    test, taken = step.children
    if test.kind == "truth":  # settled when the rule was read: nothing was decided here
        yield from sentences(who, taken, depth)
        return
    yield from condition(who, test, depth)
    if taken.kind == "if":  # a chain of cases reads as a list, not as a staircase
        yield from sentences(who, taken, depth)
        return
    first, *rest = sentences(who, taken, depth)
    yield depth, text("step.so", who.locale, words=first[1])
    yield from rest


def _rounded(who: Reader, step: Step, depth: int) -> Iterator[Sentence]:
    """Rounding that changed nothing is not worth a line."""
    (arg,) = step.children
    first, *rest = sentences(who, arg, depth)
    if arg.value == step.value:
        yield first
        yield from rest
        return
    said = text("step.round", who.locale, step=step.detail["step"], mode=text(f"step.mode.{step.detail['mode']}", who.locale), value=value_of(who, step))
    if _is_inline(arg) or arg.kind == "divide":
        yield depth, text("step.then", who.locale, first=first[1], then=said)
        yield from rest
    else:
        yield depth, said
        for below, words in (first, *rest):
            yield below + 1, words


def _divided(who: Reader, step: Step) -> str:
    left, right = step.children
    by_one = right.kind == "const" and right.value == 1 and not right.detail  # divide(x, 1, step): only a change of unit or step
    ratio = inline(who, left) if by_one else f"{_bracketed(who, left, _PRODUCT)} ÷ {_bracketed(who, right, _ATOM)}"
    factor = Fraction(step.detail["factor"])
    if factor != 1:
        exact = terminating(factor)
        ratio = text("step.factor", who.locale, ratio=ratio, factor=step.detail["factor"] if exact is None else show(exact))
    mode = text(f"step.mode.{step.detail['mode']}", who.locale)
    return text("step.divide", who.locale, ratio=ratio, step=step.detail["step"], mode=mode, value=value_of(who, step))


def _slice(who: Reader, part: Step, depth: int) -> Iterator[Sentence]:
    """``above 10 t up to quota 20 t: 5 t × excess 600 CNY/t = 3000.00 CNY``."""
    rate, *edge = part.children
    unit = (part.unit or Unit()) / (rate.unit or Unit())
    start, end = Decimal(part.detail["from"]), _compared(who, edge[0]) if edge else ""
    limits = {"from": quantity(who, start, unit), "to": end}
    key = "step.slice-open" if not edge else "step.slice" if start else "step.slice-first"
    held = quantity(who, Decimal(part.detail["quantity"]), unit)
    yield depth, text(key, who.locale, quantity=held, rate=inline(who, rate), amount=value_of(who, part), **limits)
    yield from _hidden(who, part, depth + 1)


def _band(who: Reader, band: Step, unit: Unit | None) -> str:
    """``over 10 t, up to 20 t``: the ends of the band reached."""
    detail, ends = band.detail, []
    if detail["from"]:
        ends.append(text("step.from" if detail["from_included"] == "yes" else "step.over", who.locale, edge=quantity(who, Decimal(detail["from"]), unit)))
    if detail["to"]:
        ends.append(text("step.upto" if detail["to_included"] == "yes" else "step.below", who.locale, edge=quantity(who, Decimal(detail["to"]), unit)))
    return text("step.ends", who.locale, first=ends[0], second=ends[1]) if len(ends) == 2 else ends[0]


# --- inline: one step inside a sentence ---------------------------------------------------------------------------

_LEAVES = {"const", "fact", "builtin", "amount", "table"}
_SIMPLE = {*_LEAVES, "negate", "add", "subtract", "multiply", "convert", "least", "greatest", "truth", "is", "compare", "and", "or", "not"}


def _is_inline(step: Step) -> bool:
    return step.kind in _SIMPLE or (step.kind == "sum" and len(step.children) <= _LONGEST_SUM)


def _hidden(who: Reader, step: Step, depth: int, only: tuple[Step, ...] | None = None) -> Iterator[Sentence]:
    """The sentences of what stands inside ``step`` but could not be written inline."""
    for child in step.children if only is None else only:
        if not _is_inline(child):
            yield from sentences(who, child, depth)
        else:
            yield from _hidden(who, child, depth)


def inline(who: Reader, step: Step) -> str:
    """A step as a piece of a sentence, names beside their values."""
    return _piece(who, step)[0]


def _bracketed(who: Reader, step: Step, tightness: int) -> str:
    words, own = _piece(who, step)
    return words if own >= tightness else f"({words})"


def _piece(who: Reader, step: Step) -> tuple[str, int]:
    """The words, and how tightly they hold together."""
    match step.kind:
        case "const" | "fact" | "builtin" | "amount" | "table":
            name = step.detail.get("key") or step.detail.get("name", "")
            return f"{called(who, name)} {value_of(who, step)}" if name else value_of(who, step), _ATOM
        case "negate":
            return f"−{_bracketed(who, step.children[0], _ATOM)}", _PRODUCT
        case "add" | "subtract":
            left, right = step.children
            return f"{_bracketed(who, left, _SUM)} {'+' if step.kind == 'add' else '−'} {_bracketed(who, right, _PRODUCT)}", _SUM
        case "multiply":
            left, right = step.children
            return f"{_bracketed(who, left, _PRODUCT)} × {_bracketed(who, right, _ATOM)}", _PRODUCT
        case "convert":
            words, own = _piece(who, step.children[0])
            return (f"{words} (= {value_of(who, step)})", _ATOM) if own == _ATOM else (words, own)
        case "sum" if _is_inline(step):
            return " + ".join(_bracketed(who, child, _PRODUCT) for child in step.children), _SUM
        case "least" | "greatest":
            return text(f"step.{step.kind}", who.locale, items=_listed(who, step)), _ATOM
        case _ if isinstance(step.value, bool):
            return _asked(who, step), _ATOM
        case _:
            return value_of(who, step), _ATOM


def _listed(who: Reader, step: Step) -> str:
    return text("step.separator", who.locale).join(inline(who, child) for child in step.children)


def _asked(who: Reader, step: Step) -> str:
    """A condition in words, without its answer."""
    match step.kind:
        case "is":
            return _choice(who, step, "=")
        case "not" if step.children[0].kind == "is":
            return _choice(who, step.children[0], "≠")
        case "compare":
            left, right = (_compared(who, child) for child in step.children)
            return f"{left} {_SIGNS[step.detail['op']]} {right}"
        case "not":
            return text("step.not", who.locale, test=inline(who, step.children[0]))
        case "and" | "or":
            return text(f"step.{step.kind}", who.locale).join(inline(who, child) for child in step.children)
        case _:
            return step.text


def _choice(who: Reader, step: Step, sign: str) -> str:
    return f"{called(who, step.detail['name'])} {sign} {who.members.get(step.detail['member'], step.detail['member'])}"


def _compared(who: Reader, step: Step) -> str:
    """One side of a comparison; where it is a calculation its result is shown too."""
    words, own = _piece(who, step)
    return words if own == _ATOM and step.kind not in {"least", "greatest"} else f"{words} (= {value_of(who, step)})"
