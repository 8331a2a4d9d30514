"""One hypothesis profile for everybody: the same examples each time, no clock and no store of past failures."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("long", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Looking for garbage as often as Python does takes a fifth of the suite. It is looked for after each module instead, so that
# what was left open in a ring of objects is told of, and among what came after the imports only.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_open() -> Iterator[None]:
    yield
    gc.collect()
