"""Speed, measured beside named peers in the same run, each checked for exactness: ``python -m benchmarks rate``."""
