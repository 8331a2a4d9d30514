"""``python -m soak machine --db both``: random lives of a small utility beside a model in plain Python that says what must have been issued.

Accounts, changed contracts, reliefs, records (estimated ones too) and their corrections, retroactive versions, runs, held bills and
what is decided about them, credit notes and kills with -9 come in any order; after every step the model's documents are the
database's, and ``verify`` finds nothing. A killed run or issue is continued at once.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import event, select

from billing_service import corrections, crediting, entitled, holds, runs, working
from billing_service.problems import Refused
from billing_service.receiving import receive
from billing_service.settings import Settings
from billing_service.store import connect, tables
from billing_service.verify import verify
from soak.kills import RULES, place
from tariffs.money import total

TARIFF = "cn/yangquan/sewage"
PRICES = {"resident": Decimal("1.00"), "non_resident": Decimal("1.45"), "special": Decimal("2.10")}
MONTHS = tuple((date(2026, month, 1), date(2026, month + 1, 1)) for month in (8, 9, 10))
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)
STEPS: Counter[str] = Counter()
Key = tuple[str, int]  # account, place in MONTHS
Record = tuple[Key, str, int, str, str]  # whose and of when, point, value, what it replaces, quality
QUALITIES = st.sampled_from(["actual", "actual", "estimated"])


def silent(_what: str, _done: int, _of: int) -> None:
    """Nobody watches."""


def die_at(statement: int, own: Settings, what: str, argument: Any, now: datetime) -> None:
    """In a process of its own: run or issue, and end by SIGKILL before that statement."""
    left = [statement]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with connect.opened(own.url) as engine:
        event.listen(engine, "before_cursor_execute", count)
        event.listen(engine, "commit", count)
        if what == "run":
            working.start_run(engine, own, argument, None, now, silent, size=2)
        else:
            working.issue(engine, own, argument, now)


class Machine(RuleBasedStateMachine):
    """The model: what was sent, what is drafted in open runs, and what was issued."""

    fresh: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(RULES, self.folder / "rules")
        self.own = Settings(db=self.fresh(), rules=(self.folder / "rules",), user="li")
        self.other = replace(self.own, user="wang")
        self.db = connect.engine(self.own.url)
        self.now, self.revision, self.raised = BEGAN, 1, Decimal(0)
        self.terms: dict[str, list[tuple[date, str]]] = {}
        self.records: dict[str, Record] = {}
        self.reliefs: dict[str, tuple[date, date | None, str]] = {}
        self.hold_rules: dict[str, str] = {}
        self.held: dict[str, set[Key]] = {}
        self.drafts: dict[str, dict[Key, tuple[str, Decimal]]] = {}
        self.issued: dict[Key, list[Decimal]] = {}
        self.credited: Counter[Key] = Counter()
        self.seen: dict[str, Any] = {}
        runs.adopt(self.db, self.own, TARIFF, date(2026, 8, 1), "sample", self.tick())

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.dispose()
            shutil.rmtree(self.folder)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        STEPS["steps"] += 1
        return self.now

    def sends(self, name: str, row: Mapping[str, Any]) -> tuple[int, int, int]:
        with connect.writing(self.db, "main") as conn:
            found = receive(conn, self.own, name, [(1, row)], [], repr(row).encode(), self.tick())
        return found.new, found.same, found.bad

    # --- what is sent ---

    @rule(name=st.sampled_from("ABCDEFGH"), user=st.sampled_from(sorted(PRICES)))
    def account(self, name: str, user: str) -> None:
        new = name not in self.terms
        assert self.sends("accounts", {"account": name, "name": name, "class": "any"}) == ((1, 0, 0) if new else (0, 1, 0))
        if new:
            self.contract(name, date(2026, 1, 1), user)

    def contract(self, name: str, begins: date, user: str) -> None:
        row = {"contract": f"C{name}", "account": name, "tariff": TARIFF, "from": begins, "facts": {"user": user}}
        assert self.sends("contracts", row) == (1, 0, 0)
        self.terms.setdefault(name, []).append((begins, user))

    @precondition(lambda self: self.terms)
    @rule(data=st.data(), user=st.sampled_from(sorted(PRICES)), begins=st.sampled_from([date(2026, 9, 1), date(2026, 9, 15), date(2026, 10, 1)]))
    def change(self, data: st.DataObject, user: str, begins: date) -> None:
        name = data.draw(st.sampled_from(sorted(self.terms)))
        if all(begins != one for one, _ in self.terms[name]):
            self.contract(name, begins, user)

    @precondition(lambda self: self.terms.keys() - self.reliefs.keys())
    @rule(
        data=st.data(),
        user=st.sampled_from(sorted(PRICES)),
        begins=st.sampled_from([date(2026, 1, 1), date(2026, 9, 1), date(2026, 9, 15)]),
        to=st.sampled_from([None, date(2026, 10, 1), date(2026, 10, 15)]),
    )
    def relief(self, data: st.DataObject, user: str, begins: date, to: date | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.terms.keys() - self.reliefs.keys())))
        self.reliefs[name] = begins, to, user
        row = {
            "id": f"R{name}",
            "account": name,
            "contract": "",
            "tariff": "",
            "facts": {"user": user},
            "from": begins,
            "to": to,
            "proof": "seen",
            "known": None,
        }
        with connect.writing(self.db, "main") as conn:
            assert entitled.relief(conn, self.own, row, self.tick()) == entitled.relief(conn, self.own, row, self.tick())

    @precondition(lambda self: self.terms)
    @rule(data=st.data(), month=st.integers(0, 2), point=st.sampled_from("PQ"), value=st.integers(0, 40), quality=QUALITIES)
    def record(self, data: st.DataObject, month: int, point: str, value: int, quality: str) -> None:
        self.add(((data.draw(st.sampled_from(sorted(self.terms))), month), point, value, "", quality))

    @precondition(lambda self: self.standing())
    @rule(data=st.data(), value=st.integers(0, 40), quality=QUALITIES)
    def corrected(self, data: st.DataObject, value: int, quality: str) -> None:
        old = data.draw(st.sampled_from(self.standing()))
        key, point, *_ = self.records[old]
        self.add((key, point, value, old, quality))

    def add(self, record: Record) -> None:
        one = f"U{len(self.records)}"
        self.records[one] = record
        assert self.sends("usage", self.row(one)) == (1, 0, 0)

    def row(self, one: str) -> dict[str, Any]:
        (name, month), point, value, replaces, quality = self.records[one]
        start, end = MONTHS[month]
        days = {"start": start, "end": end, "replaces": replaces, "quality": quality}
        return {"id": one, "account": name, "point": point, "measure": "water", "value": str(value), "unit": "m3", **days}

    @rule(over=st.sampled_from(["", "20", "60"]), estimated=st.booleans())
    def rules_of_holds(self, over: str, estimated: bool) -> None:
        self.hold_rules = {**({"over": over} if over else {}), **({"estimated": ""} if estimated else {})}
        with connect.writing(self.db, "main") as conn:
            holds.set_rules(conn, self.own, self.hold_rules, self.tick())

    @precondition(lambda self: self.records)
    @rule(data=st.data(), other=st.booleans())
    def again(self, data: st.DataObject, other: bool) -> None:
        row = self.row(data.draw(st.sampled_from(sorted(self.records))))
        assert self.sends("usage", {**row, "value": "41"} if other else row) == ((0, 0, 1) if other else (0, 1, 0))

    @precondition(lambda self: self.revision < 4)
    @rule()
    def version(self) -> None:
        first = self.folder / "rules" / TARIFF / "2026-01-01.yaml"
        text = first.read_text("utf-8")
        self.revision, self.raised = self.revision + 1, self.raised + Decimal("0.10")
        for price in PRICES.values():
            text = text.replace(f": {price}", f": {price + self.raised}")
        (first.parent / f"2026-01-01.r{self.revision}.yaml").write_text(f"known: 2026-11-{self.revision:02d}\n{text}", "utf-8")
        runs.adopt(self.db, self.own, TARIFF, date(2026, 8, 1), "sample", self.tick())

    # --- what must come of it ---

    def standing(self) -> list[str]:
        replaced = {replaces for _, _, _, replaces, _ in self.records.values()}
        return sorted(self.records.keys() - replaced)

    def price(self, key: Key) -> Decimal | None:
        """None: it cannot be billed. The tariff does not say how terms that become others inside a month split it."""
        start, end = MONTHS[key[1]]
        first, last, other = self.reliefs.get(key[0], (end, None, ""))
        days = [start + timedelta(days=at) for at in range((end - start).days)]
        users = {other if first <= day < (last or end) else max(one for one in self.terms[key[0]] if one[0] <= day)[1] for day in days}
        mine = [(point, value) for where, point, value, _, _ in map(self.records.__getitem__, self.standing()) if where == key]
        if len(users) > 1 or not mine or len({point for point, _ in mine}) < len(mine):
            return None
        return sum(value for _, value in mine) * (PRICES[users.pop()] + self.raised)

    def expected(self, month: int) -> tuple[dict[Key, tuple[str, Decimal]], set[str]]:
        waiting = {key for drafts in self.drafts.values() for key in drafts}
        found: dict[Key, tuple[str, Decimal]] = {}
        parked = set()
        for name in self.terms:
            key, price = (name, month), self.price((name, month))
            if price is None:
                parked.add(name)
            elif key not in waiting and key not in self.issued:
                found[key] = "invoice", price
            elif key not in waiting and price != sum(self.issued[key]):
                found[key] = "difference", price - sum(self.issued[key])
        return found, parked

    def took(self, month: int, run: str, expected: tuple[dict[Key, tuple[str, Decimal]], set[str]]) -> None:
        drafts, parked = expected
        assert bool(run) == bool(drafts or parked)
        documents = {(row.account, month): (row.kind, row.total) for row in self.rows("documents") if row.run == run}
        assert documents == drafts, (documents, drafts)
        assert {row.account for row in self.rows("exceptions") if row.run == run} == parked
        held = {key for key, (kind, amount) in drafts.items() if self.odd(key, kind, amount)}
        assert {(row.account, month) for row in self.rows("documents") if row.run == run and row.state == "held"} == held
        if drafts:
            self.drafts[run], self.held[run] = drafts, held

    def odd(self, key: Key, kind: str, amount: Decimal) -> bool:
        """Whether a rule in force now holds it: bills for their records, differences only for their size."""
        guessed = any(self.records[one][0] == key and self.records[one][4] == "estimated" for one in self.standing())
        return ("estimated" in self.hold_rules and kind == "invoice" and guessed) or (
            "over" in self.hold_rules and abs(amount) > Decimal(self.hold_rules["over"])
        )

    def rows(self, name: str) -> list[Any]:
        table = tables.metadata.tables[name]
        with connect.reading(self.db, "main") as conn:
            return list(conn.execute(select(table).where(table.c.utility == "main")))

    # --- months ---

    @precondition(lambda self: self.terms)
    @rule(month=st.integers(0, 2), kill=st.one_of(st.none(), st.integers(0, 60)))
    def bill(self, month: int, kill: int | None) -> None:
        expected, now = self.expected(month), self.tick()
        before = {row.id for row in self.rows("runs")}
        if kill is not None and self.killed(kill, "run", MONTHS[month], now):
            left = [row for row in self.rows("runs") if row.id not in before]
            if left and left[0].state != "running":  # it had ended before the kill
                self.took(month, left[0].id, expected)
                return
        elif kill is not None:
            self.took(month, next((row.id for row in self.rows("runs") if row.id not in before), ""), expected)
            return
        self.took(month, working.start_run(self.db, self.own, MONTHS[month], None, now, silent, size=2).id, expected)

    def killed(self, statement: int, what: str, argument: Any, now: datetime) -> bool:
        self.db.dispose()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["soak.machine"])
        process = context.Process(target=die_at, args=(statement, self.own, what, argument, now))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        STEPS["kills"] += process.exitcode != 0
        return process.exitcode != 0

    @precondition(lambda self: self.drafts)
    @rule(data=st.data(), kill=st.one_of(st.none(), st.integers(0, 30)))
    def issue(self, data: st.DataObject, kill: int | None) -> None:
        run = data.draw(st.sampled_from(sorted(self.drafts)))
        runs.review(self.db, self.own, run, self.tick())
        self.refused("same-person", lambda: runs.approve(self.db, self.own, run, self.tick()))
        if self.held[run]:
            self.refused("bills-held", lambda: runs.approve(self.db, self.other, run, self.tick()))
            return
        runs.approve(self.db, self.other, run, self.tick())
        now = self.tick()
        if kill is None or self.killed(kill, "issue", run, now):
            state = next(row.state for row in self.rows("runs") if row.id == run)
            if state != "issued":
                working.issue(self.db, self.own, run, now)
        del self.held[run]
        for key, (_, amount) in self.drafts.pop(run).items():
            self.issued.setdefault(key, []).append(amount)

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.drafts)))
        runs.cancel(self.db, self.own, run, self.tick())
        del self.drafts[run], self.held[run]

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), every=st.booleans(), release=st.booleans())
    def decide(self, data: st.DataObject, every: bool, release: bool) -> None:
        run = data.draw(st.sampled_from(sorted(run for run, held in self.held.items() if held)))
        keys = sorted(self.held[run]) if every else [data.draw(st.sampled_from(sorted(self.held[run])))]
        ids = {row.account: row.id for row in self.rows("documents") if row.run == run}
        assert holds.decide(self.db, self.other, run, "" if every else ids[keys[0][0]], release, "looked at", self.tick()) == len(keys)
        self.held[run] -= set(keys)
        if not release:
            self.drafts[run] = {key: one for key, one in self.drafts[run].items() if key not in keys}

    @precondition(lambda self: self.issued)
    @rule()
    def correct(self) -> None:
        months = sorted({month for _, month in self.issued})
        expected = [self.expected(month) for month in months]
        found = corrections.correct(self.db, self.own, (), None, self.tick(), silent)
        assert [one.period for one in found] == [MONTHS[month] for month in months]
        for month, want, one in zip(months, expected, found, strict=True):
            assert one.outcome is not None, one.problems
            self.took(month, one.outcome.id, want)

    @precondition(lambda self: any(row.number for row in self.rows("documents")))
    @rule(data=st.data(), fen=st.one_of(st.none(), st.integers(1, 10_000)))
    def credit(self, data: st.DataObject, fen: int | None) -> None:
        billed = [row for row in self.rows("documents") if row.number and row.kind != "credit_note"]
        row = data.draw(st.sampled_from(sorted(billed, key=lambda row: str(row.number))))
        key = row.account, [start for start, _ in MONTHS].index(row.period_start)
        left = sum(self.issued[key]) - self.credited[key]
        asked = () if fen is None else (crediting.Asked("sewage_fee", str(Decimal(fen) / 100)),)
        amount = left if fen is None else Decimal(fen) / 100
        waiting = any(key in drafts for drafts in self.drafts.values())
        if waiting or left <= 0 or amount > left:
            self.refused("credit-", lambda: crediting.credit(self.db, self.own, row.number, asked, "said so", self.tick()))
        else:
            crediting.credit(self.db, self.own, row.number, asked, "said so", self.tick())
            self.credited[key] += amount  # type: ignore[assignment]

    def refused(self, code: str, act: Callable[[], object]) -> None:
        codes: set[str] = set()
        try:
            act()
        except Refused as refusal:
            codes = {one.code for one in refusal.problems}
        assert codes, f"{code} was expected"
        assert all(one.startswith(code) for one in codes), codes

    # --- after every step ---

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "db"):
            return
        issued = [row for row in self.rows("documents") if row.state in ("issued", "zero")]
        sums: dict[tuple[Key, bool], list[Decimal]] = {}
        for row in issued:
            key = row.account, [start for start, _ in MONTHS].index(row.period_start)
            sums.setdefault((key, row.kind == "credit_note"), []).append(row.total)
        assert {key: total(found) for (key, given), found in sums.items() if not given} == {key: sum(found) for key, found in self.issued.items()}
        assert {key: -total(found) for (key, given), found in sums.items() if given} == dict(self.credited)
        invoices = Counter((row.account, row.period_start) for row in issued if row.kind == "invoice")
        assert all(count == 1 for count in invoices.values())
        now = {row.id: row for row in issued}
        assert all(now[key] == row for key, row in self.seen.items())
        self.seen = now
        with connect.reading(self.db, "main") as conn:
            assert verify(conn, "main", silent, sample=None).problems == ()


@contextmanager
def fresh(kind: str) -> Iterator[Callable[[], str]]:
    """Databases with nothing in them."""
    with place(kind) as where:
        yield where.copy


def lives(make: Callable[[], str], examples: int, steps: int, number: int) -> None:
    """Run the machine; it raises with the shortest life in which something is wrong."""
    machine = seed(number)(type("Life", (Machine,), {"fresh": staticmethod(make)}))
    quiet = settings(max_examples=examples, stateful_step_count=steps, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=quiet)


def soak(kind: str, examples: int, steps: int, number: int) -> int:
    """On one kind of database or both; raises on a finding."""
    for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
        STEPS.clear()
        with fresh(one) as make:
            lives(make, examples, steps, number)
        print(f"{one}: {examples} lives, {STEPS['steps']} acts, {STEPS['kills']} kills, no finding")
    return 0
