"""``GET /v1/tariffs``: every version in the rule roots, with its status and whether this utility adopted it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from billing_service import problems
from billing_service.api.caller import Reading, settings_for
from billing_service.api.common import troubles
from billing_service.schemas import Adoption, TariffList, TariffListed, Trouble
from billing_service.store import versions
from billing_service.store.connect import reading
from tariffs import TariffError, TariffVersion, VersionFile, read
from tariffs import versions as found_versions

router = APIRouter()


@router.get("/tariffs", response_model=TariffList, responses=troubles(401, 403, 422), summary="Versions of tariffs")
def list_tariffs(request: Request, who: Reading) -> TariffList:
    """Versions in the order of tariff, date and revision; files that cannot be used are listed apart with their problems."""
    settings = settings_for(request, who)
    with reading(request.app.state.engine, settings.utility) as conn:
        adopted = versions.adopted_digests(conn, settings.utility)
    found: list[TariffListed] = []
    wrong: list[Trouble] = []
    files = found_versions(settings.roots)
    for at, file in enumerate(files):
        following = [other.effective for other in files[at + 1 :] if other.tariff == file.tariff and other.effective > file.effective]
        try:
            version = read(file, end=min(following, default=None))
        except TariffError as error:
            wrong += [_trouble(one, file, settings.locale) for one in error.problems]
        else:
            found.append(_listed(version, adopted.get(version.digest)))
    return TariffList(tariffs=found, problems=wrong)


def _listed(version: TariffVersion, adopted: Any) -> TariffListed:
    return TariffListed(
        tariff=version.id,
        effective=version.effective,
        revision=version.revision,
        end=version.end,
        status=version.status,
        title=dict(version.title),
        currency=version.currency,
        direction=version.model.direction,
        billable=version.billable,
        language=version.language,
        digest=version.digest,
        adoption=Adoption(by=adopted.by, at=adopted.at, document=adopted.document) if adopted else None,
    )


def _trouble(found: Any, file: VersionFile, locale: str) -> Trouble:
    """The file is named by tariff and date: where it lies on the server is nobody's business."""
    line = found.where.line if found.where else 0
    name = f"{file.tariff}/{file.path.name}"
    return Trouble(code=found.code, message=problems.sentence(found, locale), values=dict(found.values), file=name, line=line)
