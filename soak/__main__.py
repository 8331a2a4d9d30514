"""``python -m soak COMMAND``: long searches for what the suite has no time for; ``python -m soak COMMAND --help`` lists the options of one."""

from __future__ import annotations

import argparse
import sys

from soak import api, client, decompose, differential, kills, machine, packs, retroactive, writers


def main() -> None:
    given = _parser().parse_args()
    match given.what:
        case "packs":
            which = {"tariff": given.tariff, "everywhere": given.everywhere}
            sys.exit(packs.run(given.rows, given.seed, explained=given.explained, show=given.show, jobs=given.jobs, **which))
        case "differential":
            differential.run(given.seconds, given.seed)
        case "decompose":
            decompose.run(given.n, given.seed)
        case "kills":
            sys.exit(1 if kills.soak(given.n, given.accounts, given.db, given.seed, given.chunk) else 0)
        case "machine":
            sys.exit(machine.soak(given.db, given.examples, given.steps, given.seed))
        case "api":
            sys.exit(1 if api.soak(given.db, given.cases, given.lives, given.steps, given.seed) else 0)
        case "client":
            sys.exit(1 if client.soak(given.db) else 0)
        case "writers":
            sys.exit(1 if writers.soak(given.db, given.clients, given.seconds, given.seed) else 0)
        case "retroactive":
            sys.exit(retroactive.soak(given.accounts, given.db, given.seed))


def _parser() -> argparse.ArgumentParser:
    """The commands, each with the options it looks at."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)

    def command(name: str, words: str, *, seeded: bool = True, stored: bool = False, **numbers: tuple[int, str]) -> argparse.ArgumentParser:
        own = commands.add_parser(name, help=words, description=words)
        for option, (default, said) in numbers.items():
            own.add_argument(f"--{option}", type=int, default=default, metavar="N", help=f"{said} ({default})")
        if seeded:
            own.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed; versions run through the seeds from here (0)")
        if stored:
            own.add_argument("--db", choices=["both", "sqlite", "postgresql"], default="both", help="which database (both)")
        return own

    steps = (30, "steps a life")
    explained = (10_000, "of these rows, how many are held against explain too")
    jobs = (1, "how many processes, each taking a version")
    own = command("packs", "every path of every pack against a loop over decimals", rows=(1000, "rows a published version"), explained=explained, jobs=jobs)
    own.add_argument("--tariff", default="", metavar="TEXT", help="only packs with this in their id")
    own.add_argument("--everywhere", action="store_true", help="the packs of the examples and the tests too")
    own.add_argument("--show", action="store_true", help="print each decimal loop")
    command("differential", "random versions and facts through both evaluators", seconds=(60, "how long"))
    command("decompose", "differences between settlements add up", n=(10_000, "plant-months to decompose"))
    city = (50_000, "accounts of the city")
    command("kills", "a city's month whose processes are killed", stored=True, n=(10_000, "kills"), accounts=city, chunk=(2_000, "accounts a transaction"))
    command("machine", "random lives of the service against a model", stored=True, examples=(100, "lives"), steps=steps)
    lives = (60, "chains of requests that follow links")
    command("api", "bodies of every kind and chains of requests", stored=True, cases=(60, "cases for each operation"), lives=lives, steps=steps)
    command("client", "a client generated from OpenAPI bills a month (needs the network)", seeded=False, stored=True)
    command("writers", "many write at once", stored=True, clients=(32, "how many"), seconds=(60, "how long"))
    command("retroactive", "a price changed backwards for a city", stored=True, accounts=city)
    return parser


if __name__ == "__main__":
    main()
