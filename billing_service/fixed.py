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
from billing_service.terms import Period
from tariffs import NotFoundError, TariffError, TariffVersion, load, parse
from tariffs.errors import Problem


@dataclass(frozen=True, slots=True)
class Fixed:
    """A run as every chunk sees it. ``imports``: the newest import it knows; ``failed``: why a tariff cannot be billed;
    ``holds``: which bills wait for a person (``holds.RULES``).
    """

    run: str
    period: Period
    known: date | None
    as_of: datetime
    imports: int
    loaded: Mapping[str, TariffVersion]
    failed: Mapping[str, Problem]
    holds: Mapping[str, str]

    def among(self, first: str, last: str) -> Among:
        return Among(first, last, self.imports)


def from_row(conn: Connection, utility: str, row: Row[Any]) -> Fixed:
    """A run as it was fixed, its versions parsed from the kept bytes."""
    options = json.loads(row.options)
    failed = {tariff: problem(one["code"], **one["values"]) for tariff, one in options["failed"].items()}
    loaded = _kept(conn, utility, options["versions"])
    return Fixed(row.id, (row.period_start, row.period_end), row.known, row.as_of, options["imports"], loaded, failed, options["holds"])


def _kept(conn: Connection, utility: str, names: Sequence[Sequence[str]]) -> dict[str, TariffVersion]:
    rows = versions.named(conn, utility)
    found = {}
    for tariff, digest in names:
        row, content = rows[tariff, digest], versions.content(conn, utility, digest)
        assert content is not None, "a run's versions are kept when it begins"
        found[tariff] = parse(content, tariff=tariff, effective=row.effective, revision=row.revision, end=row.end)
    return found


def usable(
    conn: Connection, settings: Settings, tariffs: Sequence[str], period: Period, known: date | None
) -> tuple[dict[str, TariffVersion], dict[str, Problem]]:
    """The version of each tariff in force all through the period, and why there is none for the others.

    One that ends inside it bills nobody: the days after would be billed by a price no longer in force (the store cannot tell: it has the end
    as it was when the version was first kept). A file that does not check, or a version neither published nor adopted, refuses the run as a whole.
    """
    adopted = versions.adopted(conn, settings.utility)
    loaded: dict[str, TariffVersion] = {}
    failed: dict[str, Problem] = {}
    refusals: list[Problem] = []
    for tariff in tariffs:
        try:
            version = load(tariff, on=period[0], known=known, rules=settings.roots)
        except NotFoundError as error:
            failed[tariff] = error.problems[0]
            continue
        except TariffError as error:
            refusals += error.problems
            continue
        wrong = _gate(conn, settings.utility, version, adopted)
        if wrong is not None:
            refusals.append(wrong)
        elif not version.billable:
            failed[tariff] = problem("version-not-billable", version=version.model.name)
        elif version.end is not None and version.end < period[1]:
            failed[tariff] = problem("version-ends-inside", version=version.model.name, day=version.end, start=period[0], end=period[1])
        else:
            loaded[tariff] = version
    if refusals:
        raise Refused(refusals)
    return loaded, failed


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
