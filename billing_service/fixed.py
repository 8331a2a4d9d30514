"""What a run fixes when it begins, so that whoever works a chunk of it, and whenever, comes to the same bytes.

The versions are read from their rule files once, judged, and kept in the database; every chunk is billed by those bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from billing_service.problems import Refused, problem
from billing_service.settings import Settings
from billing_service.store import versions
from billing_service.store.connect import Connection, Row
from billing_service.store.ledger import Among
from billing_service.terms import History, Period, ruling
from tariffs import NotFoundError, TariffError, TariffVersion, VersionFile, load, parse, read
from tariffs.errors import Problem
from tariffs.load import timeline


@dataclass(frozen=True, slots=True)
class Fixed:
    """A run as every chunk sees it. ``imports``: the newest import it knows; ``failed``: why a tariff cannot be billed;
    ``holds``: which bills wait for a person (``holds.RULES``). ``history``: by tariff the versions that rule in the period, and
    before it those of days a record may reach back to, in order; ``loaded``: of them those that rule on some day of the period.
    """

    run: str
    period: Period
    known: date | None
    as_of: datetime
    imports: int
    history: Mapping[str, History]
    loaded: Mapping[str, History]
    failed: Mapping[str, Problem]
    holds: Mapping[str, str]

    def among(self, first: str, last: str) -> Among:
        return Among(first, last, self.imports)


def from_row(conn: Connection, utility: str, row: Row[Any]) -> Fixed:
    """A run as it was fixed, its versions parsed from the kept bytes."""
    options = json.loads(row.options)
    failed = {tariff: problem(one["code"], **one["values"]) for tariff, one in options["failed"].items()}
    period = row.period_start, row.period_end
    history = _kept(conn, utility, options["versions"])
    loaded = {tariff: ruling(found, period) for tariff, found in history.items()}
    return Fixed(row.id, period, row.known, row.as_of, options["imports"], history, loaded, failed, options["holds"])


def named(version: Any) -> dict[str, Any]:
    """A version as a run keeps it, beside its bytes: the store has its end as it was when the bytes were first kept."""
    tariff = version.id if isinstance(version, TariffVersion) else version.tariff
    end = version.end.isoformat() if version.end else None
    return {"digest": version.digest, "tariff": tariff, "effective": version.effective.isoformat(), "revision": version.revision, "end": end}


def _kept(conn: Connection, utility: str, told: Sequence[Any]) -> dict[str, History]:
    rows = versions.named(conn, utility)
    found: dict[str, list[TariffVersion]] = {}
    for given in told:
        one = given if isinstance(given, dict) else named(rows[tuple(given)])  # a run begun by the release before has names alone
        content = versions.content(conn, utility, one["digest"])
        assert content is not None, "a run's versions are kept when it begins"
        effective, end = date.fromisoformat(one["effective"]), date.fromisoformat(one["end"]) if one["end"] else None
        found.setdefault(one["tariff"], []).append(parse(content, tariff=one["tariff"], effective=effective, revision=one["revision"], end=end))
    return {tariff: tuple(sorted(own, key=lambda version: version.effective)) for tariff, own in found.items()}


def usable(conn: Connection, settings: Settings, tariffs: Sequence[str], period: Period, known: date | None) -> tuple[dict[str, History], dict[str, Problem]]:
    """Every version of each tariff that rules on some day of the period, and before them those that may bill; why there is none for the others.

    A file that does not check, or a version neither published nor adopted, refuses the run as a whole where it rules in the period.
    Among earlier versions the first of either ends the list: nobody is billed by it, and only who has a record of its days waits.
    """
    adopted = versions.adopted(conn, settings.utility)
    found: dict[str, History] = {}
    failed: dict[str, Problem] = {}
    refusals: list[Problem] = []
    for tariff in tariffs:
        try:
            files = [(file, end) for file, end in timeline(tariff, known, settings.roots) if file.effective < period[1]]
            own = ruling([read(file, end=end) for file, end in files if end is None or end > period[0]], period)
            if not own:  # which says why not
                load(tariff, on=period[0], known=known, rules=settings.roots)
        except NotFoundError as error:
            failed[tariff] = error.problems[0]
            continue
        except TariffError as error:
            refusals += error.problems
            continue
        wrong = [one for version in own if (one := _gate(conn, settings.utility, version, adopted)) is not None]
        refusals += wrong
        idle = [version for version in own if not version.billable]
        if idle:
            failed[tariff] = problem("version-not-billable", version=idle[0].model.name)
        elif not wrong:
            found[tariff] = (*_earlier(conn, settings.utility, [one for one in files if one[0].effective < own[0].effective], adopted), *own)
    if refusals:
        raise Refused(refusals)
    return found, failed


def _earlier(
    conn: Connection, utility: str, files: Sequence[tuple[VersionFile, date | None]], adopted: Mapping[versions.Name, Row[Any]]
) -> list[TariffVersion]:
    found: list[TariffVersion] = []
    for file, end in reversed(files):
        try:
            version = read(file, end=end)
        except TariffError:
            break
        if not version.billable or _gate(conn, utility, version, adopted) is not None:
            break
        found.insert(0, version)
    return found


def _gate(conn: Connection, utility: str, version: TariffVersion, adopted: Mapping[versions.Name, Row[Any]]) -> Problem | None:
    """Government-set pricing as software: what is neither published nor adopted by this utility bills nobody; a draft never does."""
    said = {"version": version.model.name, "status": version.status, "tariff": version.id, "effective": version.effective}
    if version.status == "draft":
        return problem("version-draft", **said)
    if version.status == "published" or (version.id, version.digest) in adopted:
        return None
    other = versions.adopted_other_text(conn, utility, version.id, version.effective, version.revision)
    if other:
        return problem("version-changed", digest=version.digest[:12], adopted=other[:12], **said)
    return problem("version-not-adopted", **said)


def keep_version(conn: Connection, utility: str, version: TariffVersion) -> None:
    """Keep the version's text, once."""
    model = version.model
    versions.keep(
        conn,
        utility,
        digest=model.digest,
        tariff=model.tariff,
        effective=model.effective,
        revision=model.revision,
        known=model.known,
        end=model.end,
        language=model.language,
        status=model.status,
        title=json.dumps(dict(model.title), ensure_ascii=False),
        content=model.content,
    )
