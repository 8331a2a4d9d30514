"""Files of a utility -> the store: one transaction an import; the same row twice is no error, other content is a conflict."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from billing_service import rows
from billing_service.csvfile import Sheet, read
from billing_service.problems import Refused, problem, refused
from billing_service.rows import READERS, Row
from billing_service.store import ledger
from billing_service.store.connect import Connection, Engine, writing
from tariffs.errors import Problem


@dataclass(frozen=True, slots=True)
class Imported:
    """What one file gave: new rows, rows already there, and every row that could not be taken."""

    file: str
    new: int
    same: int
    bad: int
    problems: tuple[Problem, ...]


def import_folder(db: Engine, utility: str, folder: Path, by: str, at: datetime) -> list[Imported]:
    """Read ``accounts.csv, contracts.csv, usage.csv, corrections.csv``, whichever are there, in that order.

    A file that cannot be read as a whole refuses the import and nothing is stored; single bad rows are listed and the
    rest is stored. Bad rows are kept with the import, so nothing that arrived is ever lost sight of.
    """
    with _uncollected():
        sheets = _read_all(_files(folder))
        with writing(db, utility) as conn:
            return [keep(conn, utility, name, sheets.pop(name), by, at) for name in list(sheets)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles: it would look through millions of rows again and again, a quarter of the time, and find none to free."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _files(folder: Path) -> dict[str, Path]:
    if not folder.exists():
        raise refused("no-such-folder", folder=folder)
    if folder.is_file():
        if folder.stem not in READERS:
            raise refused("unknown-file", file=folder, names=", ".join(f"{name}.csv" for name in READERS))
        return {folder.stem: folder}
    found = {name: folder / f"{name}.csv" for name in READERS if (folder / f"{name}.csv").is_file()}
    if not found:
        raise refused("nothing-to-import", folder=folder, names=", ".join(f"{name}.csv" for name in READERS))
    return found


def _read_all(files: Mapping[str, Path]) -> dict[str, Sheet]:
    sheets: dict[str, Sheet] = {}
    problems: list[Problem] = []
    for name, path in files.items():
        sheet = read(path, READERS[name][0])
        if isinstance(sheet, Sheet):
            sheets[name] = sheet
        else:
            problems += sheet
    if problems:
        raise Refused(problems)
    return sheets


def keep(conn: Connection, utility: str, name: str, sheet: Sheet, by: str, at: datetime) -> Imported:
    """Keep the rows of one file, or of one request, and every row that cannot be taken with its reason. The sheet has no rows afterwards."""
    good, problems = _read_rows(name, sheet)
    new, same, refusals = compare(conn, utility, name, good)
    problems = sorted([*sheet.bad_rows, *problems, *refusals], key=lambda found: found.where.line if found.where else 0)
    refused_rows = {found.where.line for found in problems if found.where}
    number = ledger.add_import(conn, utility, sheet.file, sheet.sha256, by, at, (len(new), same, len(refused_rows)))
    ledger.add_rows(conn, utility, ledger.TABLES[name], number, ((row.content, row.file, row.line) for row in new))
    ledger.add_import_problems(conn, utility, number, problems)
    return Imported(sheet.file, len(new), same, len(refused_rows), tuple(problems))


def compare(conn: Connection, utility: str, name: str, good: list[Row]) -> tuple[list[Row], int, list[Problem]]:
    """Rows against what is stored: the new ones, how many were there already, and why others cannot be taken.

    Partners come first: a row must not count as there already because another one, which is refused, says the same.
    """
    known, strangers = _with_known_partners(conn, utility, name, good)
    stored = ledger.existing(conn, utility, ledger.TABLES[name], [row.key[0] for row in known])
    new, same, conflicts = sort_out(known, stored)
    if name == "contracts":
        new, moves = _without_moves(new, stored)
        conflicts += moves
    return new, same, [*conflicts, *strangers]


def _read_rows(name: str, sheet: Sheet) -> tuple[list[Row], list[Problem]]:
    make = READERS[name][1]
    good: list[Row] = []
    problems: list[Problem] = []
    sheet.rows.reverse()
    while sheet.rows:  # each is given up once it is read: a million need not be held twice
        line, cells = sheet.rows.pop()
        found = make(cells, sheet.file, line)
        if isinstance(found, rows.Row):
            good.append(found)
        else:
            problems += found
    return good, problems


def sort_out(found: Iterable[Row], existing: Mapping[tuple[Any, ...], ledger.Stored]) -> tuple[list[Row], int, list[Problem]]:
    """Split rows into new ones, repeats (counted) and conflicts: same key, other content. Terms, or what an account is
    called, that became known later than those stored are no conflict but their next revision.
    """
    seen = dict(existing)
    new: list[Row] = []
    same = 0
    conflicts: list[Problem] = []
    for row in found:
        old = seen.get(row.key)
        if old is None:
            seen[row.key] = ((row.content,), f"{row.file}:{row.line}")
            new.append(row)
        elif row.content in old[0]:
            same += 1
        elif _is_revision(row.content, old[0][-1]):
            seen[row.key] = ((*old[0], row.content), f"{row.file}:{row.line}")
            new.append(replace(row, content={**row.content, "revision": len(old[0]) + 1}))
        else:
            differing = ", ".join(sorted(name for name in row.content if row.content[name] != old[0][-1][name]))
            conflicts.append(problem("conflict", row.file, row.line, key=" ".join(str(part) for part in row.key), place=old[1], columns=differing))
    return new, same, conflicts


def _without_moves(new: list[Row], stored: Mapping[tuple[Any, ...], ledger.Stored]) -> tuple[list[Row], list[Problem]]:
    """Leave out rows by which a contract would be two accounts' on the same day: both would be billed for it.

    A row with another account ends nothing by itself, for a mistyped account would end somebody's contract without a word. The row
    that came later goes, and what it would have corrected stands again; so it is looked again until nothing overlaps.
    """
    wrong: list[Problem] = []
    while True:
        standing = {key: (contents[-1], -1, place) for key, (contents, place) in stored.items()}
        standing |= {row.key: (row.content, row.line, f"{row.file}:{row.line}") for row in new}
        by_contract: dict[str, list[tuple[Any, ...]]] = {}
        for one in sorted(standing.values(), key=lambda one: one[1]):
            by_contract.setdefault(one[0]["contract"], []).append(one)
        gone: set[int] = set()
        for row in new:
            for other, line, place in by_contract[row.content["contract"]]:
                if standing[row.key][1] == row.line > line and _overlap(row.content, other):
                    said = {"contract": other["contract"], "account": other["account"], "start": other["from"], "place": place}
                    wrong.append(problem("contract-moves", row.file, row.line, day=row.content["from"], to=row.content["account"], **said))
                    gone.add(row.line)
                    break
        if not gone:
            return new, wrong
        new = [row for row in new if row.line not in gone]


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows of a contract hold on one day for two accounts; a row that was withdrawn holds on none."""
    if one["account"] == other["account"]:
        return False
    starts, ends = max(one["from"], other["from"]), [row["to"] for row in (one, other) if row["to"] is not None]
    return all(starts < end for end in ends)


def _is_revision(content: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    known = content.get("known")
    return "id" not in content and known is not None and (old["known"] is None or known > old["known"])


def _with_known_partners(conn: Connection, utility: str, name: str, found: list[Row]) -> tuple[list[Row], list[Problem]]:
    """Leave out rows that name an account, or a record to replace, that nobody has sent; then those that would replace one left out."""
    if name == "accounts":
        return found, []
    accounts = ledger.known_accounts(conn, utility, {row.content["account"] for row in found})
    if name == "contracts":
        wrong = {row.line: one for row in found if (one := _stranger(row, accounts, {})) is not None}
    else:
        wrong = _strangers(found, accounts, ledger.owners(conn, utility, {row.content["replaces"] for row in found if row.content["replaces"]}))
    return [row for row in found if row.line not in wrong], list(wrong.values())


def _strangers(found: list[Row], accounts: set[str], stored: Mapping[str, tuple[str, str]]) -> dict[int, Problem]:
    """Records that cannot be taken, by line, until no other falls with them; only what replaces a fallen one is looked at again."""
    sent, replacing = _by(found, "id"), _by(found, "replaces")
    owners = {one: _owner(rows[0]) for one, rows in sent.items()} | dict(stored)
    wrong: dict[int, Problem] = {}
    look = found
    while look:
        told = [(row, one) for row in look if (one := _stranger(row, accounts, owners)) is not None]
        wrong |= {row.line: one for row, one in told}
        look = []
        for name in {row.content["id"] for row, _ in told} - stored.keys():
            rows = sent[name]
            while rows and rows[0].line in wrong:
                rows.popleft()
            if rows:
                owners[name] = _owner(rows[0])
            else:
                owners.pop(name, None)
            look += [row for row in replacing.get(name, ()) if row.line not in wrong]
        look.sort(key=lambda row: row.line)
    return wrong


def _by(rows: Iterable[Row], name: str) -> dict[str, deque[Row]]:
    """Rows by what stands in a column, in their order."""
    found: dict[str, deque[Row]] = {}
    for row in rows:
        found.setdefault(row.content[name], deque()).append(row)
    return found


def _owner(row: Row) -> tuple[str, str]:
    return row.content["account"], row.content["measure"]


def _stranger(row: Row, accounts: set[str], owners: Mapping[str, tuple[str, str]]) -> Problem | None:
    content = row.content
    if content["account"] not in accounts:
        return problem("unknown-account", row.file, row.line, account=content["account"])
    replaces = content.get("replaces", "")
    if replaces and replaces not in owners:
        return problem("replaces-unknown", row.file, row.line, id=content["id"], replaces=replaces)
    if replaces and owners[replaces] != (content["account"], content["measure"]):
        return problem("replaces-other", row.file, row.line, id=content["id"], replaces=replaces, account=owners[replaces][0], measure=owners[replaces][1])
    return None
