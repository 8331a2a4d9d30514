"""Everything there is to say about rule files before they are used: faults, golden cases, cliffs, falls, dates.

``audit`` gives one list for people and machines; ``docs/proof.md`` describes its JSON form. Nothing here refuses a
cliff: a law may have one. It is told, so that whoever wrote the pack can say that the law means it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tariffs import cliffs, golden, reach, schedule
from tariffs.api import period_holding
from tariffs.errors import Problem, TariffError
from tariffs.facts import Period, figure, flat
from tariffs.layout import Case, read_cases
from tariffs.load import Rules, VersionFile, read_file, strays, versions
from tariffs.messages import text as say
from tariffs.model import Version

FORMAT = 1
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the version it is about; ``tariff`` is empty for a file that is no version."""

    tariff: str
    effective: date | None
    revision: int
    problem: Problem

    def text(self, locale: str = "en") -> str:
        """``file:line:column: charge: sentence``, and how a cliff or fall was found."""
        words = self.problem.text(locale)
        method = self.problem.values.get("method")
        return f"{words} ({say(f'audit.method.{method}', locale)})" if method else words

    def as_json(self, locale: str = "en") -> dict[str, Any]:
        """Format 1, described in ``docs/proof.md``."""
        about = {"tariff": self.tariff, "effective": self.effective.isoformat() if self.effective else None, "revision": self.revision}
        return {**about, **self.problem.as_json(locale)}


def audit(rules: Rules = None, on: date | None = None) -> list[Finding]:
    """Every finding of every version in the rule roots, in order of tariff and date; then those between its versions."""
    files = versions(rules)
    found = [finding for file in files for finding in [*_checked(file, rules), *proof(file)]]
    found += between(files, on)
    found += [Finding("", None, 0, _shown(stray)) for stray in strays(rules)]
    return sorted(found, key=lambda f: (f.tariff, f.effective or date.min, f.revision))


def as_json(found: Iterable[Finding], locale: str = "en") -> dict[str, Any]:
    """The whole list for machines."""
    return {"format": FORMAT, "findings": [finding.as_json(locale) for finding in found]}


def _checked(file: VersionFile, rules: Rules) -> Iterator[Finding]:
    """Load problems, warnings and golden cases through both evaluators."""
    return (_finding(file, problem) for problem in golden.check(file, rules).problems)


def proof(file: VersionFile) -> list[Finding]:
    """What cannot be reached, cliffs, falls and started steps of one version; nothing where it cannot be read (``golden`` says why)."""
    try:
        version, _ = read_file(file)
        path = file.path.with_name(file.path.name.removesuffix(".yaml") + ".cases.yaml")
        cases = read_cases(path.read_bytes(), str(path))[0] if path.is_file() else []
    except TariffError:
        return []
    problems = [*reach.unreachable(version), *cliffs.findings(version, cliffs.situations(version, _given(version, cases)))]
    return [_finding(file, problem) for problem in problems]


def between(files: Iterable[VersionFile], on: date | None = None) -> list[Finding]:
    """What is noticed between the versions of each tariff, and of their validity on a day."""
    by_tariff: dict[str, list[Version]] = {}
    for file in files:
        try:
            by_tariff.setdefault(file.tariff, []).append(read_file(file)[0])
        except TariffError:
            continue
    return [
        Finding(version.tariff, version.effective, version.revision, _shown(problem))
        for history in by_tariff.values()
        for version, problem in schedule.problems(history, on)
    ]


def _given(version: Version, cases: Iterable[Case]) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, Decimal], Period | None]]:
    """The facts of the golden cases that are rated; those that are refused say nothing about amounts."""
    known = {item.full_name for item in version.inputs}
    for case in cases:
        if case.expect is None:
            continue
        facts = dict(flat(case.facts))
        choices = {name: str(value) for name, value in facts.items() if name in version.choices}
        numbers = {name: number for name, value in facts.items() if name in known and (number := figure(name, value, [])) is not None}
        yield case.name, choices, numbers, case.period or (period_holding(case.on, version.period) if case.on else None)


def _finding(file: VersionFile, problem: Problem) -> Finding:
    return Finding(file.tariff, file.effective, file.revision, _shown(problem))


def _shown(problem: Problem) -> Problem:
    """With the file named as seen from the current folder, where it lies below it."""
    if problem.where is None:
        return problem
    path = Path(problem.where.file).absolute()
    here = Path.cwd()
    return replace(problem, where=replace(problem.where, file=path.relative_to(here).as_posix())) if path.is_relative_to(here) else problem
