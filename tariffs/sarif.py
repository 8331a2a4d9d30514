"""Findings as SARIF 2.1.0, for editors and code hosts that show them beside the lines they are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tariffs.audit import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(found: Iterable[Finding], version: str, locale: str = "en") -> dict[str, Any]:
    """One run. A rule is a problem's code; the level is its severity; values travel as properties. ``version`` is the program's."""
    findings = list(found)
    codes = sorted({finding.problem.code for finding in findings})
    driver = {"name": "tariffs", "version": version, "rules": [{"id": code} for code in codes]}
    results = [_result(finding, codes.index(finding.problem.code), locale) for finding in findings]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}


def _result(finding: Finding, index: int, locale: str) -> dict[str, Any]:
    problem = finding.problem
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": _message(finding, locale)},
        "properties": {
            "tariff": finding.tariff,
            "effective": finding.effective.isoformat() if finding.effective else None,
            "revision": finding.revision,
            **({"charge": problem.charge} if problem.charge else {}),
            "values": dict(problem.values),
        },
    }
    if problem.where is not None:
        place: dict[str, Any] = {"artifactLocation": {"uri": problem.where.file}}
        if problem.where.line:
            place["region"] = {"startLine": problem.where.line, "startColumn": max(1, problem.where.column)}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _message(finding: Finding, locale: str) -> str:
    """The finding's sentence without its place, which SARIF holds apart."""
    words = finding.text(locale)
    where = f"{finding.problem.where}: " if finding.problem.where else ""
    return words.removeprefix(where)
