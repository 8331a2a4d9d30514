"""Problems: the world's faults, each with where it is, what is wrong and what to write instead.

A problem carries a stable ``code`` for machines and the values that fill its sentence; the sentence itself lives in
the catalogues (``problem.<code>``), so it can be read in every language. Functions collect all problems they find and
raise them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tariffs.messages import text


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a text file; line and column count from 1."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``severity`` is ``error`` or ``warning``."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    where: Where | None = None
    charge: str = ""
    severity: str = "error"

    def sentence(self, locale: str = "en") -> str:
        """What is wrong and what to do, in the reader's language, without the place."""
        return text(f"problem.{self.code}", locale, **self.values)

    def text(self, locale: str = "en") -> str:
        """``place: charge: sentence``, the form printed for people."""
        place = [str(self.where)] if self.where else []
        return ": ".join([*place, *([self.charge] if self.charge else []), self.sentence(locale)])

    def as_json(self, locale: str = "en") -> dict[str, Any]:
        """The form for machines: code, severity, message, values and the place where known."""
        found: dict[str, Any] = {"code": self.code, "severity": self.severity, "message": self.sentence(locale), "values": dict(self.values)}
        if self.charge:
            found["charge"] = self.charge
        if self.where:
            found |= {"file": self.where.file, "line": self.where.line, "column": self.where.column}
        return found


class TariffError(Exception):
    """Bad input of any kind; carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        assert self.problems, "an error names at least one problem"
        super().__init__(self.text())

    def __reduce__(self) -> tuple[type[TariffError], tuple[tuple[Problem, ...]]]:
        """Between processes: made again from its problems, not from its sentence."""
        return type(self), (self.problems,)

    def text(self, locale: str = "en") -> str:
        """All problems, one a line."""
        return "\n".join(problem.text(locale) for problem in self.problems)


class PackError(TariffError):
    """A rule file cannot be used: what is written in it does not check."""


class FactsError(TariffError):
    """The facts of a rating cannot be used, or a ``require`` of the version refuses them."""


class NotFoundError(TariffError):
    """No such tariff, or no version of it in force on that day."""


def fail(kind: type[TariffError], code: str, /, **values: object) -> TariffError:
    """An error of ``kind`` with one problem; for doors that meet a single fault."""
    return kind([Problem(code, {name: str(value) for name, value in values.items()})])
