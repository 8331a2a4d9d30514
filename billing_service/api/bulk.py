"""Thousands of quotes by the library's columns: text in, exact text out; a bad row is told and the others are priced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from billing_service import problems
from billing_service.api.shelf import Found
from billing_service.api.wire_quotes import BulkPart, BulkQuotes, BulkRequest, ChargeTold, Fact, PricedBy
from billing_service.documents.invoice import money
from billing_service.problems import Refused
from billing_service.schemas import Trouble
from tariffs import TariffVersion
from tariffs.errors import Problem
from tariffs.facts import unknown
from tariffs.report import as_json

#: Decimal places ``money`` writes at least.
_PLACES = 2
Group = tuple[Found, PricedBy, list[int]]


def rate_columns(asked: BulkRequest, by: Sequence[Group], locale: str) -> str:
    """One version, facts as columns. Refused: a column of an unknown name, since it stands in every row."""
    found, told, _ = by[0]
    columns = asked.facts or {}
    known = set(_names(found.version))
    wrong = [unknown(found.version.model, name) for name in columns if name not in known]
    if wrong:
        raise Refused(wrong)
    count = len(next(iter(columns.values())))
    part, bad = _part(asked, found, told, columns, range(count), locale)
    return _answer([part], bad, count)


def rate_rows(asked: BulkRequest, by: Sequence[Group], locale: str) -> str:
    """Facts by row, those of one version and day together."""
    parts: list[BulkPart] = []
    told: list[Trouble] = []
    rows = asked.rows or []
    for found, version, places in by:
        facts = [_flat(rows[at].facts) for at in places]
        known = dict.fromkeys(_names(found.version))
        wrong = {}
        if set().union(*facts) - known.keys():
            misnamed = {at: sorted(own.keys() - known.keys()) for at, own in zip(places, facts, strict=True)}
            wrong = {at: [unknown(found.version.model, name) for name in names] for at, names in misnamed.items() if names}
            told += [_trouble(one, at, locale) for at, some in wrong.items() for one in some]
            facts = [own for at, own in zip(places, facts, strict=True) if at not in wrong]
        if facts:
            kept = [at for at in places if at not in wrong]
            part, bad = _part(asked, found, version, {name: [own.get(name) for own in facts] for name in known}, kept, locale)
            parts.append(part)
            told += bad
    return _answer(parts, told, len(rows))


def _answer(parts: list[BulkPart], told: list[Trouble], count: int) -> str:
    refused = len({one.line for one in told})
    return BulkQuotes(priced=count - refused, refused=refused, parts=parts, problems=sorted(told, key=lambda one: one.line)).model_dump_json()


def _names(version: TariffVersion) -> list[str]:
    """What may be given, by full name."""
    return [*version.model.choices, *(item.full_name for item in version.model.inputs)]


def _flat(facts: Mapping[str, Fact]) -> Mapping[str, Any]:
    """A family by its members' full names."""
    if dict not in map(type, facts.values()):
        return facts
    found: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            found |= {f"{name}[{member}]": text for member, text in value.items()}
        else:
            found[name] = value
    return found


def _part(
    asked: BulkRequest, found: Found, told: PricedBy, columns: Mapping[str, Sequence[str | None]], places: Sequence[int], locale: str
) -> tuple[BulkPart, list[Trouble]]:
    version = found.version
    blank: list[str | None] = [None] * len(places)
    # Every column stands, also where nobody fills it: a fact that is missing is then told row by row.
    given: dict[str, Any] = {name: pa.array(columns.get(name, blank), pa.string()) for name in _names(version)}
    table = pa.table(given or {"": pa.nulls(len(places))})  # a tariff without facts still has its rows
    amounts, wrong = version.rate(table, period=asked.period, errors="return", locale=locale)
    bad = [Trouble(code=row["code"], message=row["reason"], at=row["input"] or "", line=places[row["row"]] + 1) for row in wrong.to_pylist()]
    charges = [charge for charge in version.model.charges if charge.kind != "working"]
    refused = {one.line - 1 for one in bad}
    reasons = [None if at in refused else _reasons(version, asked, columns, index) for index, at in enumerate(places)] if asked.explain else None
    part = BulkPart.model_construct(
        version=told,
        charges=[ChargeTold(charge=one.full_name, kind=one.kind, label=dict(one.label), clause=one.clause) for one in charges],
        rows=[at + 1 for at in places],
        total=_texts(amounts["total"]),
        amounts={one.full_name: _texts(amounts[one.full_name]) for one in charges},
        explanations=reasons,
    )
    return part, bad


def _texts(column: Any) -> list[str | None]:
    """Amounts as ``money`` writes them. Where the column has just its two places Arrow writes the same; elsewhere equal ones are written once."""
    if column.type.scale == _PLACES:
        found: list[str | None] = column.cast(pa.string()).to_pylist()
        return found
    seen: dict[Any, str | None] = {None: None}
    return [seen[one] if one in seen else seen.setdefault(one, money(one)) for one in column.to_pylist()]


def _reasons(version: TariffVersion, asked: BulkRequest, columns: Mapping[str, Sequence[str | None]], at: int) -> dict[str, Any]:
    facts = {name: column[at] for name, column in columns.items() if column[at] is not None}
    return as_json(version.explain(facts, period=asked.period))


def _trouble(found: Problem, at: int, locale: str) -> Trouble:
    return Trouble(code=found.code, message=problems.sentence(found, locale), values=dict(found.values), at=found.values.get("name", ""), line=at + 1)
