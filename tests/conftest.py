"""One hypothesis profile for everybody: the same examples each time, no clock and no store of past failures."""

import gc
import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("long", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Looking for garbage every 700 objects takes a fifth of the suite; what is open when nothing holds it any more is still told.
gc.set_threshold(50_000, 20, 20)
