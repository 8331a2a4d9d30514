"""What routes share: the description of what can go wrong."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from billing_service.schemas import ProblemDocument

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}}


def troubles(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for faults; every one is a problem document."""
    return {status: {"description": "problem", **_PROBLEM} for status in (*statuses, 503)}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that the route reads by itself, so that no number in it becomes a float."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {}))}}}}


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
