"""What routes share: settings of the request, and the description of what can go wrong."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from billing_service.schemas import ProblemDocument
from billing_service.settings import Settings

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}}


def troubles(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for faults; every one is a problem document."""
    return {status: {"description": "problem", **_PROBLEM} for status in (*statuses, 503)}


def settings_of(request: Request) -> Settings:
    """The settings the application was made with."""
    found: Settings = request.app.state.settings
    return found
