"""Finding and reading version files. With the doors, the only place that opens files.

A rule root holds ``<tariff id>/<effective date>.yaml``; a correction of the same date is ``<date>.r2.yaml``. Roots are,
in order: the ``rules`` argument, ``TARIFFS_RULES``, and the rules that come with the package. An id lives in one root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from tariffs import model as m
from tariffs.check import Identity, build, is_tariff_id
from tariffs.errors import NotFoundError, PackError, Problem, TariffError, Where, fail

Rules = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.r([2-9]|[1-9]\d))?\.yaml", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class VersionFile:
    """A version file that was found, unread."""

    tariff: str
    effective: date
    revision: int
    path: Path


def packaged_rules() -> Path:
    """The rules that come with the package: inside it once installed, beside it in a checkout."""
    here = Path(__file__).parent
    return here / "rules" if (here / "rules").is_dir() else here.parent / "rules"


def roots(rules: Rules = None) -> list[Path]:
    """All rule roots, in order; each once. A root that was named and does not exist is an error."""
    given = [] if rules is None else [rules] if isinstance(rules, (str, os.PathLike)) else list(rules)
    named = [Path(root) for root in (*given, *filter(None, os.environ.get("TARIFFS_RULES", "").split(os.pathsep)))]
    missing = [root for root in named if not root.is_dir()]
    if missing:
        raise NotFoundError([Problem("no-such-root", {"path": str(root)}) for root in missing])
    found: dict[Path, Path] = {}
    for root in (*named, packaged_rules()):
        found.setdefault(root.resolve(), root)
    return list(found.values())


def versions(rules: Rules = None) -> list[VersionFile]:
    """Every version file of every root, by id, date and revision. An id found in two roots is an error."""
    found: list[VersionFile] = []
    home: dict[str, Path] = {}
    for root in roots(rules):
        for path in sorted(root.rglob("*.yaml")):
            version = _version_file(root, path)
            if version is None:
                continue
            other = home.setdefault(version.tariff, root)
            if other != root:
                raise fail(PackError, "id-in-two-roots", tariff=version.tariff, first=other, second=root)
            found.append(version)
    return sorted(found)


def strays(rules: Rules = None) -> list[Problem]:
    """YAML files in the roots that are neither versions nor cases of one: nothing is passed over in silence."""
    found = []
    for root in roots(rules):
        for path in sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")]):
            if _version_file(root, path) is not None:
                continue
            if path.name.endswith(".cases.yaml") and path.with_name(path.name.removesuffix(".cases.yaml") + ".yaml").exists():
                continue
            found.append(Problem("stray-file", {"name": path.name}, Where(str(path))))
    return found


def _version_file(root: Path, path: Path) -> VersionFile | None:
    name = _NAME.fullmatch(path.name)
    tariff = path.parent.relative_to(root).as_posix()
    if name is None or not is_tariff_id(tariff):
        return None
    try:
        return VersionFile(tariff, date.fromisoformat(name[1]), int(name[2] or 1), path)
    except ValueError:
        return None


def as_date(value: date | str, name: str) -> date:
    """A date, or an ISO text of one."""
    if isinstance(value, str):
        try:
            found = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII) else date.max
        except ValueError:
            found = date.max
    else:
        found = value
    if found.year == date.max.year:  # the day after it could not be written
        raise fail(TariffError, "bad-date", name=name, value=value)
    return found


def find(tariff: str, on: date, known: date | None = None, rules: Rules = None) -> tuple[m.Version, tuple[Problem, ...]]:
    """The version of ``tariff`` in force on ``on`` as known on ``known`` (None: all that is written), with its warnings."""
    files = versions(rules)
    own = [file for file in files if file.tariff == tariff]
    if not own:
        raise _unknown(tariff, {file.tariff for file in files})
    current = _known(own, known)
    before = [file for file in current if file.effective <= on]
    if not before:
        first = min((file.effective for file in current), default=None)
        raise fail(NotFoundError, "not-yet-in-force", tariff=tariff, on=on, first=first or "-")
    later = [file.effective for file in current if file.effective > before[-1].effective]
    version, warnings = read_file(before[-1], min(later, default=None))
    if version.until is not None and on >= version.until:
        raise fail(NotFoundError, "no-longer-in-force", tariff=tariff, on=on, effective=version.effective, until=version.until)
    return version, warnings


def history(tariff: str, known: date | None = None, rules: Rules = None) -> tuple[m.Version, ...]:
    """All versions of ``tariff`` as known on a day, in order of date, each with the day it ends."""
    return tuple(read_file(file, end)[0] for file, end in timeline(tariff, known, rules))


def timeline(tariff: str, known: date | None = None, rules: Rules = None) -> list[tuple[VersionFile, date | None]]:
    """The files of ``tariff`` as known on a day, in order of date, each with the day the next one begins; unread where ``known`` asks for none."""
    files = versions(rules)
    own = [file for file in files if file.tariff == tariff]
    if not own:
        raise _unknown(tariff, {file.tariff for file in files})
    current = _known(own, known)
    return list(zip(current, [*(file.effective for file in current[1:]), None], strict=True))


def _known(files: Iterable[VersionFile], known: date | None) -> list[VersionFile]:
    """For each effective date the last revision that was known, in order of date."""
    best: dict[date, VersionFile] = {}
    for file in sorted(files):
        if known is not None:
            learnt = read_file(file)[0].known
            if learnt is not None and learnt > known:
                continue
        best[file.effective] = file
    return [best[day] for day in sorted(best)]


def _unknown(tariff: str, known: set[str]) -> TariffError:
    import difflib

    near = difflib.get_close_matches(tariff, known, 3, 0.5)
    if near:
        return fail(NotFoundError, "unknown-tariff-like", tariff=tariff, suggestion=", ".join(near))
    return fail(NotFoundError, "unknown-tariff", tariff=tariff)


def read_file(file: VersionFile, end: date | None = None) -> tuple[m.Version, tuple[Problem, ...]]:
    """The checked version in one file, and its warnings; PackError with every problem. Unchanged files are read once."""
    try:
        stamp = file.path.stat()
    except OSError as error:
        raise fail(PackError, "file-unreadable", path=file.path, reason=error.strerror or "") from error
    return _read(file, end, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=1024)
def _read(file: VersionFile, end: date | None, _changed: int, _size: int) -> tuple[m.Version, tuple[Problem, ...]]:
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise fail(PackError, "file-unreadable", path=file.path, reason=error.strerror or "") from error
    return build(content, Identity(file.tariff, file.effective, file.revision, end), str(file.path))
