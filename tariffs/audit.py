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
from tariffs.facts import Period
from tariffs.figures import figure, flat
from tariffs.layout import Case, read_cases
from tariffs.load import Rules, VersionFile, read_file, strays, versions
from tariffs.messages import text as say
from tariffs.model import Version


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
        """Described in ``docs/proof.md``."""
        about = {"tariff": self.tariff, "effective": self.effective.isoformat() if self.effective else None, "revision": self.revision}
        return {**about, **self.problem.as_json(locale)}


def audit(rules: Rules = None, on: date | None = None) -> list[Finding]:
    """Every finding of every version in the rule roots, in order of tariff and date."""
    files = versions(rules)
    return everything([golden.check(file, rules) for file in files], strays(rules), proven(files, files, on))


def everything(checked: Iterable[golden.Checked], others: Iterable[Problem], proofs: Iterable[Finding]) -> list[Finding]:
    """Load problems, warnings and golden cases, files that are no versions, and what was proven, as one list."""
    found = [_finding(one.file, problem) for one in checked for problem in one.problems]
    return _ordered([*found, *(Finding("", None, 0, _shown(problem)) for problem in others), *proofs])


def proven(files: Iterable[VersionFile], among: Iterable[VersionFile], on: date | None = None) -> list[Finding]:
    """What is found in each of ``files``, and between it and the other versions of its tariff ``among`` them all."""
    wanted = {(file.tariff, file.effective, file.revision): file for file in files}
    tariffs = {tariff for tariff, _, _ in wanted}
    seams = between((file for file in among if file.tariff in tariffs), on)
    own = [finding for finding in seams if (finding.tariff, finding.effective, finding.revision) in wanted]
    return _ordered([*(finding for file in wanted.values() for finding in proof(file)), *own])


def _ordered(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda f: (f.tariff, f.effective or date.min, f.revision))


def as_json(found: Iterable[Finding], locale: str = "en") -> list[dict[str, Any]]:
    """The list for machines."""
    return [finding.as_json(locale) for finding in found]


def text(found: Iterable[Finding], locale: str = "en") -> list[str]:
    """The findings for a person, one a line; the statuses of all versions in one line at the end."""
    told = list(found)
    lines = [finding.text(locale) for finding in told if not finding.problem.code.startswith("status-")]
    statuses = [finding.problem.code.removeprefix("status-") for finding in told if finding.problem.code.startswith("status-")]
    counted = [say("audit.count", locale, status=say(f"cli.status.{status}", locale), count=statuses.count(status)) for status in sorted(set(statuses))]
    return [*lines, *([say("audit.statuses", locale, counted=", ".join(counted))] if counted else [])]


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
