"""Putting a version into force for a utility: who, when, by which document. And finding the very text a digest names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime

from billing_service.fixed import keep_version
from billing_service.problems import Refused, problem, refused
from billing_service.settings import Settings
from billing_service.store import events, versions
from billing_service.store.connect import Connection
from tariffs import TariffVersion, VersionFile, parse, read
from tariffs import versions as found_versions

_LONGEST = 1000


def adopt_in(conn: Connection, settings: Settings, version: TariffVersion, document: str, now: datetime) -> bool:
    """Put a version into force for this utility, by a document; False where it is adopted already. Refused: no document, a draft."""
    named = document.strip()
    if not named or len(named) > _LONGEST or not named.isprintable():
        raise refused("document-missing")
    if version.status == "draft":
        raise refused("version-draft", version=version.model.name, status=version.status, tariff=version.id, effective=version.effective)
    if versions.adoption(conn, settings.utility, version.id, version.digest) is not None:
        return False
    keep_version(conn, settings.utility, version)
    versions.adopt(conn, settings.utility, version.id, version.digest, settings.user, now, named)
    data = {"tariff": version.id, "effective": version.effective, "revision": version.revision, "status": version.status, "document": named}
    events.append(conn, settings.utility, now, settings.user, "version.adopted", version.digest, data)
    return True


def by_digest(conn: Connection, settings: Settings, digest: str, tariff: str = "") -> TariffVersion:
    """The version of exactly these bytes: from the rule roots, else as the database kept it; ``tariff``: of this one, where several have them.

    Refused (404): neither has it.
    """
    files = found_versions(settings.roots)
    for file in files:
        if tariff not in ("", file.tariff):
            continue
        try:
            same = hashlib.sha256(file.path.read_bytes()).hexdigest() == digest
        except OSError:  # it went away meanwhile
            continue
        if same:
            return read(file, end=end_of(file, files))
    row = next((row for row in versions.named(conn, settings.utility).values() if row.digest == digest and tariff in ("", row.tariff)), None)
    content = versions.content(conn, settings.utility, digest)
    if row is None or content is None:
        raise Refused([problem("no-such-digest", digest=digest[:12])], "not-found")
    return parse(content, tariff=row.tariff, effective=row.effective, revision=row.revision, end=row.end)


def end_of(file: VersionFile, files: Iterable[VersionFile]) -> date | None:
    """The day the next version of its tariff begins."""
    return min((other.effective for other in files if other.tariff == file.tariff and other.effective > file.effective), default=None)
