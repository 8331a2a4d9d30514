"""What routes share: the description of what can go wrong."""

from __future__ import annotations

from typing import Any

from billing_service.schemas import ProblemDocument

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}}


def troubles(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for faults; every one is a problem document."""
    return {status: {"description": "problem", **_PROBLEM} for status in (*statuses, 503)}
