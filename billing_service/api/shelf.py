"""Versions a quote was asked of lately, ready to use: neither disk nor database is asked again for some seconds.

A rule file that is new or changed, and an adoption by another process, are seen that much later; an adoption through this
process at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, date

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from billing_service.problems import Refused, problem
from billing_service.settings import Settings
from billing_service.store import versions
from billing_service.store.connect import Engine, reading
from tariffs import NotFoundError, PackError, TariffVersion, VersionFile, load, read
from tariffs import versions as found_versions

#: Seconds for which a version that was found is taken as it is.
FRESH = 5.0
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which version: by day, or by its own date (and revision) or digest."""

    tariff: str
    on: date | None
    effective: date | None = None
    revision: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A version, the day it is asked for, and whether this utility adopted it."""

    version: TariffVersion
    on: date
    adopted: bool


@dataclass(slots=True)
class Shelf:
    """What was found, by utility and question, and the moment until which it holds."""

    kept: dict[tuple[str, Asked], tuple[Found, float]] = field(default_factory=dict)


def shelf_of(request: Request) -> Shelf:
    """The shelf of this process."""
    found: Shelf = request.app.state.shelf
    return found


async def find(request: Request, settings: Settings, asked: Asked) -> Found:
    """The version asked for. Refused: no day, no such version (404), or a file that does not check."""
    kept = shelf_of(request).kept
    known = kept.get((settings.utility, asked))
    if known is not None and time.monotonic() < known[1]:
        return known[0]
    found = await run_in_threadpool(_find, request.app.state.engine, settings, asked)
    if len(kept) >= _MOST:
        kept.clear()
    kept[settings.utility, asked] = (found, time.monotonic() + FRESH)
    return found


def _find(db: Engine, settings: Settings, asked: Asked) -> Found:
    version = of_file(settings, asked.tariff, _wanted(asked)) if asked.effective or asked.digest else _by_day(settings, asked)
    on = asked.on or version.effective
    with reading(db, settings.utility) as conn:
        adopted = versions.adoption(conn, settings.utility, version.id, version.digest) is not None
    return Found(replace(version, on=on), on, adopted)


def _by_day(settings: Settings, asked: Asked) -> TariffVersion:
    if asked.on is None:
        raise Refused([problem("on-or-period")])
    if asked.on.year == MAXYEAR:  # a period there has no day after its last
        raise Refused([problem("day-too-late", year=MAXYEAR)])
    try:
        return load(asked.tariff, on=asked.on, rules=settings.roots)
    except NotFoundError as error:
        raise Refused(error.problems, "not-found") from error
    except PackError as error:
        raise Refused([problem("tariff-unusable", tariff=asked.tariff)]) from error


def _wanted(asked: Asked) -> Callable[[VersionFile, TariffVersion | None], bool]:
    def wanted(file: VersionFile, version: TariffVersion | None) -> bool:
        if version is None:
            return asked.effective in (None, file.effective) and asked.revision in (None, file.revision)
        return asked.digest in (None, version.digest)

    return wanted


def of_file(settings: Settings, tariff: str, wanted: Callable[[VersionFile, TariffVersion | None], bool]) -> TariffVersion:
    """The last version of a tariff that is wanted by its file and then by its content, with the day it ends. Refused: none (404), or no good."""
    files = [file for file in found_versions(settings.roots) if file.tariff == tariff]
    broken = False
    for file in reversed(files):
        if not wanted(file, None):
            continue
        try:
            version = read(file, end=min((other.effective for other in files if other.effective > file.effective), default=None))
        except PackError:
            broken = True
            continue
        if wanted(file, version):
            return version
    if broken:
        raise Refused([problem("tariff-unusable", tariff=tariff)])
    raise Refused([problem("no-such-version", tariff=tariff)], "not-found")
