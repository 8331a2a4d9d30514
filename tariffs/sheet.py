"""A version as a page: what it asks for, its prices, its charges with formula and clause, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tariffs.messages import label
from tariffs.messages import text as say
from tariffs.model import Charge, Evidence, Input, Value, Version
from tariffs.money import show
from tariffs.report import aligned, head

_Row = tuple[str, str, str]


def text(version: Version, locale: str = "en") -> str:
    """The version for a person at a terminal."""
    spoken = version.period.rpartition(" ")
    every = say(f"sheet.every.{spoken[2]}", locale, count=spoken[0])
    period = say("sheet.period", locale, period=every, direction=say(f"sheet.{version.direction}", locale), currency=version.currency)
    parts = [[label(version.title, locale, version.tariff), *(f"  {line}" for line in head(version, locale)), f"  {period}"]]
    parts.append([say("report.facts", locale), *aligned([("  " + a, b, c) for a, b, c in _inputs(version, locale)])])
    if version.stage is not None:
        rows = [("  " + a, b, c) for a, b, c in _numbers(version.stage.inputs, locale)]
        parts.append([say(f"sheet.stage.{version.stage.grain}", locale), *aligned(rows)])
        for charges in _families(version.stage.charges):
            parts[-1] += [f"  {line}" for line in _charge(charges, locale)]
    if version.values:
        parts.append([say("sheet.values", locale), *aligned([("  " + a, b, c) for a, b, c in _values(version, locale)])])
    if version.requires:
        parts.append([say("report.requires", locale)])
        for require in version.requires:
            condition = say("sheet.when", locale, that=require.that.text, when=require.when.text) if require.when else require.that.text
            parts[-1].append("  " + _with_clause(condition, require.clause, locale))
            parts[-1].append("    " + say("sheet.else", locale, say=label(require.say, locale, "-")))
    parts.append([say("report.lines", locale)])
    for charges in _families(version.charges):
        parts[-1] += [f"  {line}" for line in _charge(charges, locale)]
    if version.assumptions:
        parts.append([say("report.assumptions", locale), *(f"  - {label(words, locale)}" for words in version.assumptions)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _inputs(version: Version, locale: str) -> Iterator[_Row]:
    for choice in version.choices.values():
        yield choice.name, say("sheet.choice", locale), label(choice.label, locale)
        for member, words in choice.members.items():
            yield f"  {member}", "", label(words, locale)
    yield from _numbers(version.inputs, locale)


def _numbers(inputs: Iterable[Input], locale: str) -> Iterator[_Row]:
    for item in inputs:
        unit = f" {item.type.unit}" if item.type.unit.powers else ""
        limits = say("sheet.limits", locale, low=show(item.type.low), high=show(item.type.high), unit=unit, step=show(item.type.grid))
        yield item.full_name, limits, " ".join(part for part in (label(item.label, locale), _collected(item, locale)) if part)


def _collected(item: Input, locale: str) -> str:
    """How usage records become this fact; nothing for what a contract states."""
    if item.collect is None:
        return ""
    if item.collect.of:
        said = {"of": item.collect.of, "weight": item.collect.weight, "count": item.collect.count}
        return say("sheet.from-stage", locale, how=say(f"report.collect.{item.collect.how}", locale, **said))
    how = say(f"sheet.collect.{item.collect.how}", locale, count=item.collect.count, weight=item.collect.weight)
    return say("sheet.measured", locale, how=say("step.separator", locale).join([how, *_evidence(item.collect.evidence, locale)]))


def _evidence(rule: Evidence, locale: str) -> Iterator[str]:
    """What may stand in, where the rule says so."""
    if rule.below_limit:
        yield say(f"report.fill.{rule.below_limit}", locale)
    if rule.fill != "refuse":
        how = say(f"report.fill.{rule.fill}", locale) + (f" ({show(rule.value)})" if rule.value is not None else "")
        yield say("sheet.missing", locale, how=how, count=rule.at_most)
    if rule.samples:
        yield say("sheet.samples", locale, count=rule.samples)


def _values(version: Version, locale: str) -> Iterator[_Row]:
    for value in version.values:
        meaning = _with_clause(label(value.label, locale), value.clause, locale)
        if len(value.cells) == 1 and () in value.cells:
            yield value.name, _cell(value, ()), meaning
            continue
        yield value.name, say("sheet.by", locale, axes=", ".join(value.axes)), meaning
        for key in value.cells:
            yield f"  {', '.join(key)}", _cell(value, key), ""


def _cell(value: Value, key: tuple[str, ...]) -> str:
    unit = f" {value.unit}" if value.unit.powers else ""
    return ", ".join(show(number) for number in value.cells[key]) + unit


def _families(charges: Iterable[Charge]) -> list[list[Charge]]:
    """Charges as the file states them: the members of a family together."""
    found: dict[str, list[Charge]] = {}
    for charge in charges:
        found.setdefault(charge.name, []).append(charge)
    return list(found.values())


def _charge(family: list[Charge], locale: str) -> Iterator[str]:
    first = family[0]
    words = label(first.label, locale, first.name)
    named = first.name if words == first.name else say("sheet.named", locale, label=words, name=first.name)
    title = named if first.kind == "line" else say(f"report.{first.kind}", locale, label=named)
    yield _with_clause(title, first.clause, locale)
    if first.key:
        yield "  " + say("sheet.each", locale, members=", ".join("/".join(charge.key) for charge in family))
    if first.when is not None:
        yield "  " + say("sheet.only", locale, when=first.when.text)
    yield from (f"  {line.strip()}" for line in first.text.strip().splitlines())


def _with_clause(words: str, clause: str, locale: str) -> str:
    return say("report.clause", locale, words=words, clause=clause).strip() if clause else words


def as_json(version: Version) -> dict[str, Any]:
    """The version for machines, format 1; decimals are strings."""
    return {
        "format": 1,
        "tariff": version.tariff,
        "effective": version.effective.isoformat(),
        "revision": version.revision,
        "end": version.end.isoformat() if version.end else None,
        "digest": version.digest,
        "language": version.language,
        "status": version.status,
        "title": dict(version.title),
        "source": {"document": version.source.document, "issuer": version.source.issuer, "note": version.source.note},
        "direction": version.direction,
        "currency": version.currency,
        "period": version.period,
        "choices": [
            {"name": choice.name, "label": dict(choice.label), "members": {name: dict(words) for name, words in choice.members.items()}}
            for choice in version.choices.values()
        ],
        "inputs": [_input_json(item) for item in version.inputs],
        "values": [
            {
                "name": value.name,
                "by": list(value.axes),
                "unit": str(value.unit),
                "cells": [{"key": list(key), "numbers": [show(number) for number in numbers]} for key, numbers in value.cells.items()],
                "label": dict(value.label),
                "clause": value.clause,
            }
            for value in version.values
        ],
        "requires": [{"that": r.that.text, "when": r.when.text if r.when else None, "say": dict(r.say), "clause": r.clause} for r in version.requires],
        "charges": [_charge_json(charge) for charge in version.charges],
        "stage": None
        if version.stage is None
        else {
            "grain": version.stage.grain,
            "inputs": [_input_json(item) for item in version.stage.inputs],
            "charges": [_charge_json(charge) for charge in version.stage.charges],
        },
        "assumptions": [dict(words) for words in version.assumptions],
    }


def _charge_json(charge: Charge) -> dict[str, Any]:
    return {
        "name": charge.full_name,
        "key": list(charge.key),
        "kind": charge.kind,
        "label": dict(charge.label),
        "clause": charge.clause,
        "when": charge.when.text if charge.when else None,
        "formula": charge.text.strip(),
        "unit": str(charge.formula.type.unit),
    }


def _input_json(item: Input) -> dict[str, Any]:
    kind = item.type
    return {
        "name": item.full_name,
        "unit": str(kind.unit),
        "step": show(kind.grid),
        "min": show(kind.low),
        "max": show(kind.high),
        "collect": item.collect.how if item.collect else None,
        "of": item.collect.of if item.collect else "",
        "label": dict(item.label),
    }
