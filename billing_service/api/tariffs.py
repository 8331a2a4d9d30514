"""``/v1/tariffs`` and ``/v1/versions``: prices in law as the rule files state them, and what this utility put into force.

A version is named by its digest, as every line of a document names it: no slash of a tariff's id stands in a path, and what is
adopted is the very text that was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import MAXYEAR, date
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from billing_service import problems
from billing_service.adopting import adopt_in, by_digest, end_of
from billing_service.api.body import read_body
from billing_service.api.caller import Administering, Reading, settings_for
from billing_service.api.common import Language, body_of, language, troubles
from billing_service.api.once import Key, Written, once
from billing_service.api.pages import After, Limit, following, place
from billing_service.api.shelf import shelf_of
from billing_service.problems import Refused, problem
from billing_service.runs import clock
from billing_service.schemas import Adoption, AdoptionRequest, Schedule, TariffList, TariffListed, Trouble
from billing_service.settings import Settings
from billing_service.store import versions
from billing_service.store.connect import Connection, Row, reading
from tariffs import NotFoundError, TariffError, TariffVersion, VersionFile, load, read, sheet
from tariffs import versions as found_versions

router = APIRouter()
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="sha256 of the version's bytes, as documents carry it")]
OfTariff = Annotated[str, Query(max_length=200, description="the versions of this tariff only")]
On = Annotated[date | None, Query(description="of each tariff only the version in force on this day")]
Named = Annotated[str, Query(alias="tariff", max_length=200, description="where several tariffs have this very text: which one; left out: the first")]
Known = Annotated[date | None, Query(description="with `on`: by what was known on this day; left out: by all that is written")]
_READ = troubles(401, 403, 404, 422)
_YAML: dict[str, Any] = {"content": {"application/yaml": {"schema": {"type": "object"}}}}
Adopted = Mapping[versions.Name, Row[Any]]


@router.get("/tariffs", response_model=TariffList, responses=troubles(401, 403, 422), summary="Versions of tariffs")
def list_tariffs(
    request: Request, who: Reading, tariff: OfTariff = "", on: On = None, known: Known = None, after: After = "", limit: Limit = 100
) -> TariffList:
    """By tariff, date and revision; with `on` those in force that day. Files that cannot be used are listed apart with their problems."""
    settings = settings_for(request, who)
    if any(day is not None and day.year == MAXYEAR for day in (on, known)):
        raise Refused([problem("day-too-late", year=MAXYEAR)])
    with reading(request.app.state.engine, settings.utility) as conn:
        adopted = versions.adopted(conn, settings.utility)
    files = [file for file in found_versions(settings.roots) if tariff in ("", file.tariff)]
    asked = [next(group) for _, group in groupby(files, key=lambda file: file.tariff)] if on is not None else files
    last = place(after, 3)
    page = [file for file in asked if last is None or _key(file) > last][:limit]
    found: list[TariffListed] = []
    wrong: list[Trouble] = []
    for file in page:
        try:
            version = read(file, end=end_of(file, files)) if on is None else load(file.tariff, on=on, known=known, rules=settings.roots)
        except NotFoundError:  # not in force on that day
            continue
        except TariffError as error:
            wrong += [_trouble(one, file, language(request)) for one in error.problems]
        else:
            found.append(_listed(version, adopted))
    return TariffList(tariffs=found, problems=wrong, next=following(page, limit, *_key(page[-1])) if page else None)


@router.get("/versions/{digest}", response_model=Schedule, responses=_READ, summary="A version: its schedule")
def get_version(request: Request, who: Reading, digest: Digest, tariff: Named = "", locale: Language = "") -> Schedule:
    """Inputs, prices, charges and formulas with their clauses: from the rule files, or as it was kept when it was adopted or billed by."""
    version, adopted = _found(request, settings_for(request, who), digest, tariff)
    told = language(request, locale)
    return Schedule(version=_listed(version, adopted), text=sheet.text(version.model, told), schedule=sheet.as_json(version.model))


@router.get("/versions/{digest}/source", response_class=Response, responses=_READ | {200: _YAML}, summary="A version: its source text")
def get_version_source(request: Request, who: Reading, digest: Digest) -> Response:
    """The file, byte by byte: its sha256 is the digest."""
    version, _ = _found(request, settings_for(request, who), digest)
    return Response(version.model.content, media_type="application/yaml")


@router.post(
    "/versions/{digest}/adoption",
    response_model=TariffListed,
    responses=troubles(401, 403, 404, 409, 413, 415, 422),
    openapi_extra=body_of(AdoptionRequest),
    summary="Put a version into force",
)
async def adopt_version(request: Request, who: Administering, digest: Digest, key: Key, tariff: Named = "") -> Response:
    """By a document, once: one that is adopted already stays as it was adopted first. A draft never is."""
    asked = await read_body(request, AdoptionRequest, request.app.state.settings.largest_body)
    settings = settings_for(request, who)

    def work(conn: Connection) -> Written:
        version = by_digest(conn, settings, digest, tariff)
        adopt_in(conn, settings, version, asked.document, clock())
        return Written(200, _listed(version, versions.adopted(conn, settings.utility)))

    answer = await once(request, who, key, work)
    shelf_of(request).kept.clear()
    return answer


def _found(request: Request, settings: Settings, digest: str, tariff: str = "") -> tuple[TariffVersion, Adopted]:
    with reading(request.app.state.engine, settings.utility) as conn:
        return by_digest(conn, settings, digest, tariff), versions.adopted(conn, settings.utility)


def _key(file: VersionFile) -> tuple[str, str, str]:
    """Where a page ended; its texts have the order of the list."""
    return file.tariff, file.effective.isoformat(), f"{file.revision:03d}"


def _listed(version: TariffVersion, adopted: Adopted) -> TariffListed:
    mine = adopted.get((version.id, version.digest))
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
        adopted=mine is not None,
        language=version.language,
        digest=version.digest,
        adoption=Adoption(by=mine.by, at=mine.at, document=mine.document) if mine is not None else None,
    )


def _trouble(found: Any, file: VersionFile, locale: str) -> Trouble:
    """The file is named by tariff and date: where it lies on the server is nobody's business."""
    line = found.where.line if found.where else 0
    name = f"{file.tariff}/{file.path.name}"
    return Trouble(code=found.code, message=problems.sentence(found, locale), values=dict(found.values), file=name, line=line)
