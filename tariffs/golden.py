"""Golden cases: what a version must give, written beside it by people who read the law, run through both evaluators.

A version without cases fails: a price that nobody has worked out by hand is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from tariffs.api import TariffVersion, load, read
from tariffs.errors import Problem, TariffError, Where
from tariffs.figures import flat
from tariffs.layout import Case, read_cases
from tariffs.load import Rules, VersionFile
from tariffs.model import Version
from tariffs.money import show
from tariffs.rows import OWN


@dataclass(frozen=True, slots=True)
class Checked:
    """One version file: ``cases`` were run; ``problems`` are errors and warnings."""

    file: VersionFile
    cases: int
    problems: tuple[Problem, ...]

    @property
    def failed(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


#: What an evaluator gave: amounts by charge and ``total``, or the sentences of a refusal.
_Outcome = Mapping[str, Decimal] | tuple[str, ...]


def has_columns() -> bool:
    """Whether the columnar evaluator is installed; without it cases run through ``explain`` alone."""
    return find_spec("numpy") is not None and find_spec("pyarrow") is not None


def check(file: VersionFile, rules: Rules = None) -> Checked:
    """The version in ``file`` and its cases; every problem with its place."""
    try:
        version = read(file)
    except TariffError as error:
        return Checked(file, 0, error.problems)
    path = file.path.with_name(file.path.name.removesuffix(".yaml") + ".cases.yaml")
    if not path.is_file():
        return Checked(file, 0, (*version.warnings, Problem("no-cases", {"name": path.name}, Where(str(file.path)))))
    try:
        cases, document = read_cases(path.read_bytes(), str(path))
    except TariffError as error:
        return Checked(file, 0, (*version.warnings, *error.problems))
    problems = [*version.warnings]
    for index, case in enumerate(cases):
        problems += [replace(problem, where=document.where((index,))) for problem in _case_problems(case, file, rules)]
    if not any(case.expect is not None for case in cases):
        problems.append(Problem("no-cases", {"name": path.name}, Where(str(path))))
    return Checked(file, len(cases), tuple(problems))


def _case_problems(case: Case, file: VersionFile, rules: Rules) -> Iterator[Problem]:
    day = case.on or (case.period[0] if case.period else None)
    try:
        version = read(file) if day is None else load(file.tariff, on=day, known=case.known, rules=rules)
    except TariffError as error:
        yield from _compared(case, tuple(problem.sentence() for problem in error.problems), "load")
        return
    if (version.effective, version.revision) != (file.effective, file.revision):
        yield Problem("case-of-other-version", {"case": case.name, "version": version.model.name})
        return
    yield from _compared(case, _explained(version, case), "explain")
    if has_columns() and _all_known(version.model, case):
        yield from _compared(case, _rated(version, case), "rate")


def _compared(case: Case, outcome: _Outcome, by: str) -> Iterator[Problem]:
    if isinstance(outcome, tuple):
        if case.error is None:
            yield Problem("case-refused", {"case": case.name, "by": by, "reason": " | ".join(outcome)})
        elif not any(sentence.startswith(case.error) for sentence in outcome):
            yield Problem("case-other-error", {"case": case.name, "by": by, "expected": case.error, "reason": " | ".join(outcome)})
        return
    if case.error is not None:
        yield Problem("case-not-refused", {"case": case.name, "by": by, "expected": case.error, "total": show(outcome["total"])})
    for name, expected in (case.expect or {}).items():
        if name not in outcome:
            yield Problem("case-no-line", {"case": case.name, "by": by, "name": name, "names": ", ".join(outcome)})
        elif outcome[name] != expected:
            yield Problem("case-other-amount", {"case": case.name, "by": by, "name": name, "expected": show(expected), "found": show(outcome[name])})


def _explained(version: TariffVersion, case: Case) -> _Outcome:
    try:
        rating = version.explain(case.facts, period=case.period)
    except TariffError as error:
        return tuple(problem.sentence() for problem in error.problems)
    return {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}


def _all_known(version: Version, case: Case) -> bool:
    """Columns a version does not name are passed over, so only ``explain`` can refuse a misspelt name."""
    known = {*version.choices, *(item.full_name for item in version.inputs), *(("stage",) if version.stage else ())}
    own = {*OWN, *(item.full_name for item in version.stage.inputs)} if version.stage else set()
    return all(name in known for name, _ in flat(case.facts)) and all(name in own for row in _rows(case) for name, _ in flat(row))


def _rows(case: Case) -> Sequence[Mapping[str, Any]]:
    """The rows of the stage as the case writes them."""
    given = case.facts.get("stage")
    return [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []


def _stage(version: Version, case: Case) -> dict[str, list[Any]] | None:
    """The rows as a frame of one account."""
    if version.stage is None or not (rows := [dict(flat(row)) for row in _rows(case)]):
        return None
    names = dict.fromkeys(name for row in rows for name in row)
    days: dict[str, list[Any]] = {name: [_day(row.get(name)) for row in rows] for name in ("start", "end") if name in names}
    return {"account": [""] * len(rows), **{name: [row.get(name) for row in rows] for name in names}, **days}


def _day(text: Any) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _rated(version: TariffVersion, case: Case) -> _Outcome:
    """The same case as a frame of one row."""
    given = dict(flat(case.facts))
    names = (*version.model.choices, *(item.full_name for item in version.model.inputs))
    row = {name: [given.get(name)] for name in names} or {"row": [0]}  # a version without inputs still has a row
    row |= {"account": [""]} if version.model.stage else {}
    try:
        result, bad = version.rate(row, stage=_stage(version.model, case), period=case.period, errors="return", workings=True)
    except TariffError as error:
        return tuple(problem.sentence() for problem in error.problems)
    if len(bad["row"]):
        return tuple(bad["reason"])
    return {name: column[0] for name, column in result.items() if column[0] is not None}
