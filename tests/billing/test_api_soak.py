"""The description can be used by a generator, and answers keep the description in an office with something in it, over links too; ``python -m soak api`` asks more, on both databases."""

from __future__ import annotations

import json
import re

import pytest

from billing_service.app import create_app
from billing_service.settings import Settings
from soak import api


def test_the_api_keeps_its_description_in_an_office_with_something_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = api.soak("sqlite", 2, 2, 8, 7, every=False)
    told = capsys.readouterr().out
    assert found == 0, told
    assert "over links: 200" in told


def test_every_reference_of_the_description_leads_to_a_schema_with_a_name() -> None:
    described = create_app(Settings(db=":memory:")).openapi()
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(described)))
    assert {one.rpartition("/")[0] for one in references} == {"#/components/schemas"}
    assert {one.rpartition("/")[2] for one in references} <= described["components"]["schemas"].keys()
    bodies = [
        one["requestBody"]["content"]["application/json"]["schema"] for path in described["paths"].values() for one in path.values() if "requestBody" in one
    ]
    assert len(bodies) > 15 and all(list(one) == ["$ref"] for one in bodies)
    problems = [
        one["content"]["application/problem+json"]["schema"]
        for path in described["paths"].values()
        for of in path.values()
        for status, one in of["responses"].items()
        if status == "422"
    ]
    assert {one["$ref"] for one in problems} == {"#/components/schemas/ProblemDocument"}
