"""``python -m soak differential --seconds N [--seed S]``."""

from __future__ import annotations

import argparse

from soak import differential


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["differential"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="the first seed; versions run through the seeds from here")
    given = parser.parse_args()
    differential.run(given.seconds, given.seed)


if __name__ == "__main__":
    main()
