"""What is called unreachable is: no random facts ever get there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from random import Random

import tariffs
from tariffs.errors import FactsError, PackError
from tariffs.model import Step
from tariffs.reach import unreachable
from tests.random_versions import random_facts, random_version

PERIOD = (date(2026, 1, 1), date(2026, 2, 1))


def steps(step: Step) -> Iterator[Step]:
    yield step
    for child in step.children:
        yield from steps(child)


def test_no_random_facts_reach_what_is_unreachable() -> None:
    reported = rated = 0
    for seed in range(120):
        dice = Random(seed)
        content, draft = random_version(dice)
        try:
            version = tariffs.parse(content, tariff="xx/random", effective=date(2026, 1, 1))
        except PackError:
            continue
        found = unreachable(version.model)
        charges = {problem.charge.partition("[")[0] for problem in found if problem.code == "charge-unreachable"}
        bands = {(p.charge.partition("[")[0], p.values["text"], p.values["number"]) for p in found if p.code == "band-unreachable"}
        reported += len(charges) + len(bands)
        for _ in range(30 if found else 0):
            try:
                rating = version.explain(random_facts(dice, draft), period=PERIOD)
            except FactsError:
                continue
            rated += 1
            assert not charges & {line.charge.name for line in rating.lines}
            reached = [(line.charge.name, step) for line in rating.lines for step in steps(line.step) if step.kind in ("whole", "flat")]
            assert not bands & {(name, " ".join(step.text.split())[:80], step.children[1].detail["number"]) for name, step in reached}
    assert reported > 50
    assert rated > 500
