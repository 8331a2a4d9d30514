"""What routes share: how a fault is described and answered, and the language of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from billing_service import problems
from billing_service.messages import known, text
from billing_service.schemas import ProblemDocument, Trouble
from tariffs.errors import Problem
from tariffs.messages import language_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_Model = TypeVar("_Model", bound=BaseModel)
Language = Annotated[str, Query(alias="locale", max_length=20, description="`en` or `zh`; left out: as `Accept-Language` asks")]

STATUS = {"unauthorised": 401, "forbidden": 403, "not-found": 404, "conflict": 409, "too-large": 413, "wrong-type": 415, "refused": 422}
#: Values of problems that may say where a file lies.
_FILES = frozenset({"db", "file", "folder", "path", "place"})
PROBLEM = "application/problem+json"
_SCHEMA = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")  # `Trouble` stands there: other answers hold it too
_PROBLEM: dict[str, Any] = {"content": {PROBLEM: {"schema": {name: value for name, value in _SCHEMA.items() if name != "$defs"}}}}


def troubles(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for faults; every one is a problem document."""
    return {status: {"description": "problem", **_PROBLEM} for status in (*statuses, 503)}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that the route reads by itself, so that no number in it becomes a float."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {}))}}}}


def rows_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body whose rows are read each by itself: one of another form is refused alone, and the answer tells it."""
    found = body_of(model)
    for one in found["requestBody"]["content"]["application/json"]["schema"]["properties"].values():
        one["items"] = {"anyOf": [one["items"], {"description": "anything else is refused as this row, and the others are taken"}]}
    return found


def _inlined(schema: Any, inside: dict[str, Any]) -> Any:
    """The schema without references: those of a model point into itself, and here it stands inside a larger document."""
    match schema:
        case {"$ref": str(ref)}:
            return _inlined(inside[ref.rpartition("/")[2]], inside)
        case dict():
            return {name: _inlined(value, inside) for name, value in schema.items()}
        case list():
            return [_inlined(value, inside) for value in schema]
        case _:
            return schema


def by_name(description: dict[str, Any]) -> dict[str, Any]:
    """The description with the schemas of bodies and problems once each, by their names: a generated client then has one class for each."""
    known = description.setdefault("components", {}).setdefault("schemas", {})
    for operation in (one for operations in description["paths"].values() for one in operations.values()):
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in part.get("content", {}).values():
                media["schema"] = _named(media.get("schema", {}), known)
    return description


def _named(schema: Any, known: dict[str, Any]) -> Any:
    match schema:
        case dict():
            found = {name: _named(value, known) for name, value in schema.items()}
            is_model = found.get("type") == "object" and isinstance(found.get("title"), str) and "properties" in found
            if is_model and known.setdefault(found["title"], found) == found:
                return {"$ref": f"#/components/schemas/{found['title']}"}
            return found
        case list():
            return [_named(one, known) for one in schema]
        case _:
            return schema


def language(request: Request, asked: str = "") -> str:
    """The language asked for by name, else by ``Accept-Language``, else the service's own."""
    wanted = asked or request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    return language_of(wanted) if wanted else str(request.app.state.settings.locale)


def answer(status: int, found: Iterable[Problem], locale: str, headers: dict[str, str] | None = None) -> Response:
    """A fault as its problem document."""
    return Response(document_of(status, found, locale), status, headers, PROBLEM)


def document_of(status: int, found: Iterable[Problem], locale: str) -> str:
    """All problems, as RFC 9457 asks."""
    title = text(f"title.{status}", locale) if known(f"title.{status}") else text("title.400", locale)
    return ProblemDocument(type="about:blank", title=title, status=status, problems=[trouble(one, locale) for one in found]).model_dump_json()


def trouble(found: Problem, locale: str) -> Trouble:
    """One problem on the wire; ``charge`` holds the place in the request where there is one. Files are told by their own names."""
    where = found.where
    shown = replace(found, values={name: problems.own_name(value) if name in _FILES else value for name, value in found.values.items()})
    return Trouble(
        code=found.code,
        message=problems.sentence(shown, locale),
        values=dict(shown.values),
        at=found.charge,
        file=problems.own_name(where.file) if where and where.file.partition(":")[0] != "api" else "",  # a row of a request lies in no file
        line=where.line if where else 0,
    )


def told(model: type[_Model], row: Any, **instead: Any) -> _Model:
    """A row of the store on the wire: each member from the column it is named after (by its alias, such as `from`), or from ``instead``."""
    columns = row._mapping
    return model(**{name: instead[name] if name in instead else columns[member.serialization_alias or name] for name, member in model.model_fields.items()})
