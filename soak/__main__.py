"""``python -m soak differential --seconds N [--seed S]``, ``python -m soak packs --rows N [--seed S]`` and ``python -m soak decompose --n N [--seed S]``."""

from __future__ import annotations

import argparse

from soak import decompose, differential, packs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["decompose", "differential", "packs"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows", type=int, default=1000, help="sets of facts a published version")
    parser.add_argument("--n", type=int, default=10_000, help="plant-months to decompose")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; versions run through the seeds from here")
    given = parser.parse_args()
    if given.what == "packs":
        packs.run(given.rows, given.seed)
    elif given.what == "decompose":
        decompose.run(given.n, given.seed)
    else:
        differential.run(given.seconds, given.seed)


if __name__ == "__main__":
    main()
