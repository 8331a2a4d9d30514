"""The versions of one tariff beside each other: gaps, overlaps, revisions out of order, and what a given day says of them.

No clock: the day is the caller's, and without one nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from tariffs.errors import Problem, Where
from tariffs.model import Version

#: A version that ends within so many days of the day asked about is near its end.
NEAR = timedelta(days=90)


def problems(history: Sequence[Version], on: date | None = None) -> Iterator[tuple[Version, Problem]]:
    """What is noticed, with the version it is about. ``history`` is every file of one tariff, by date and revision."""
    last = {version.effective: version for version in history}
    for version, following in pairwise(last.values()):
        yield from ((version, problem) for problem in _seam(version, following))
    for version, following in pairwise(history):
        if version.effective == following.effective:
            yield from ((following, problem) for problem in _revisions(version, following))
    for version in history:
        if version.revision > 1 and not any(v.effective == version.effective and v.revision == 1 for v in history):
            yield version, _of(version, "revision-alone", "warning", revision=str(version.revision))
        if version.status != "published":
            yield version, _of(version, f"status-{version.status}", "note")
    if on is not None and last:
        newest = list(last.values())[-1]
        yield from ((newest, problem) for problem in _validity(newest, on))


def _of(version: Version, code: str, severity: str, **values: str) -> Problem:
    return Problem(code, values, Where(version.file, 1, 1), "", severity)


def _seam(version: Version, following: Version) -> Iterator[Problem]:
    """Between a version and the next: an ``until`` that leaves days to nobody, or days to both."""
    if version.until is None or version.until == following.effective:
        return
    code = "version-gap" if version.until < following.effective else "version-overlap"
    yield _of(version, code, "warning", until=version.until.isoformat(), next=following.effective.isoformat())


def _revisions(version: Version, following: Version) -> Iterator[Problem]:
    """Two files of one day: the later revision is known later, and none is missing between them."""
    if following.revision != version.revision + 1:
        yield _of(following, "revision-gap", "warning", revision=str(following.revision), before=str(version.revision))
    known = version.known or date.min
    if following.known is not None and following.known <= known:
        yield _of(following, "revision-order", "warning", known=following.known.isoformat(), before=known.isoformat())


def _validity(version: Version, on: date) -> Iterator[Problem]:
    """Whether the newest version is past its ``until`` on that day, or near it."""
    if version.until is None:
        return
    days = (version.until - on).days
    if days <= 0:
        yield _of(version, "expired", "warning", until=version.until.isoformat(), on=on.isoformat())
    elif version.until - on <= NEAR:
        yield _of(version, "expires-soon", "note", until=version.until.isoformat(), on=on.isoformat(), days=str(days))
