"""The record of what happened is one chain: whoever changes, removes or moves an event breaks it, and an outsider sees that."""

from __future__ import annotations

import itertools
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.store import connect, events
from tests.billing.conftest import ROOT, Office

NOW = datetime(2026, 11, 3, 7, 30, tzinfo=UTC)
GUIDE = ROOT / "docs" / "events.md"


def first_broken(found: list[dict[str, Any]]) -> int | None:
    """The program of the guide, as an auditor would copy it."""
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[0], names)
    checked: int | None = names["first_broken"](found)
    return checked


def told(office: Office) -> list[dict[str, Any]]:
    """Events in the form of the API."""
    return [{**row, "at": row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")} for row in office.rows("events")]


def fill(office: Office, count: int = 5) -> None:
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        for number in range(count):
            data = {"金额": Decimal("1.50"), "day": date(2026, 10, 1), "of": [1, None, True], "quote": '"\\\n\u2028'}
            assert events.append(conn, "main", NOW + timedelta(microseconds=number), "li", "run.created", f"2026-10-{number}", data) == number + 1


@pytest.mark.both_databases
def test_a_chain_is_good_for_us_and_for_an_outsider(office: Office) -> None:
    fill(office)
    found = told(office)
    assert first_broken(found) is None
    with office.opened() as engine, connect.reading(engine, "main") as conn:
        chain = events.verify(conn, "main")
        assert (chain.count, chain.head, chain.broken) == (5, found[-1]["hash"], None)
        assert [row.seq for row in events.after(conn, "main", 2, 2)] == [3, 4]
        assert [row.seq for row in events.about(conn, "main", "2026-10-3")] == [4]


def break_open(office: Office, statement: str) -> None:
    """What somebody with the file in hand can do: the triggers are no match for that, the chain is."""
    with sqlite3.connect(office.db) as conn:
        for name in ("events_stand", "events_stay"):
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute(statement)
    conn.close()


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE events SET actor = 'wang' WHERE seq = 3", 3),
        ("UPDATE events SET at = '2026-11-03 07:30:00.000009' WHERE seq = 1", 1),
        ("UPDATE events SET data = replace(data, '1.50', '1.51') WHERE seq = 4", 4),
        ("DELETE FROM events WHERE seq = 2", 2),
        ("UPDATE events SET previous = hash WHERE seq = 5", 5),
        ("UPDATE events SET seq = seq + 10 WHERE seq = 5", 5),
    ],
)
def test_any_change_breaks_the_chain_where_it_was_made(office: Office, statement: str, broken: int) -> None:
    fill(office)
    break_open(office, statement)
    with office.opened() as engine, connect.reading(engine, "main") as conn:
        assert events.verify(conn, "main").broken == broken
    assert first_broken(told(office)) == broken


def test_an_end_that_was_cut_off_shows_against_what_somebody_kept(office: Office) -> None:
    fill(office)
    kept = told(office)[4]["hash"]
    break_open(office, "DELETE FROM events WHERE seq = 5")
    with office.opened() as engine, connect.reading(engine, "main") as conn:
        assert events.verify(conn, "main").broken is None
        assert events.verify(conn, "main", (5, kept)).broken == 5
        assert events.verify(conn, "main", (4, kept)).broken == 4


@pytest.mark.both_databases
def test_many_writers_make_one_chain_without_gaps(office: Office) -> None:
    numbers = itertools.count()
    with office.opened() as engine:

        def write(_: int) -> int:
            with connect.writing(engine, "main", alone=False) as conn:
                return events.append(conn, "main", NOW, "li", "account.added", f"A{next(numbers)}", {})

        with ThreadPoolExecutor(8) as several:
            given_out = list(several.map(write, range(40)))
        assert sorted(given_out) == list(range(1, 41))
        with connect.reading(engine, "main") as conn:
            assert events.verify(conn, "main").count == 40


@pytest.mark.both_databases
def test_an_event_goes_with_the_transaction_it_tells_of(office: Office) -> None:
    def fail_late(engine: connect.Engine) -> None:
        with connect.writing(engine, "main") as conn:
            events.append(conn, "main", NOW, "li", "run.created", "x", {})
            raise ZeroDivisionError

    with office.opened() as engine, pytest.raises(ZeroDivisionError):
        fail_late(engine)
    assert office.rows("events") == []


@pytest.mark.parametrize("item", [1.5, {1, 2}, b"x"])
def test_what_has_no_one_form_is_refused(item: object) -> None:
    with pytest.raises(TypeError):
        events.canonical({"x": [item]})


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False)))
def test_the_order_of_names_does_not_matter(data: dict[str, Any]) -> None:
    assert events.canonical(data) == events.canonical(dict(reversed(data.items())))
