"""Speed, measured beside named peers in the same run, each checked for exactness: ``python -m benchmarks rate``.

Arrow and Polars keep the pages they were given, by the switch that each has for it: ``tariffs`` the command does so for Arrow, and where
they give them back each second run waits for the system to clear them anew. Read when they are loaded, so before anything else.
"""

import os

os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1")
