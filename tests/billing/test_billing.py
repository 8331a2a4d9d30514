"""The arithmetic of documents: a difference is full recomputation minus everything issued, by charge."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing_service.billing import Issued, Line, Part, bill, difference, number, series_of

D = Decimal
amounts = st.decimals(-1000, 1000, places=2)
charges = st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from(["line", "included", "refund"])), amounts, max_size=6)


def line(charge: str, kind: str, amount: Decimal) -> Line:
    return Line("t", "d", charge, kind, "{}", "", amount)


def part(account: str, *lines: Line, tariff: str = "t", direction: str = "receivable") -> Part:
    return Part(account, tariff, "c", "d", "CNY", direction, "{}", lines)


def before(amount: Decimal) -> Issued:
    return Issued("CNY", "receivable", {("fee", "line"): line("fee", "line", amount)})


@given(charges, charges)
def test_issued_plus_difference_is_the_recomputation(now: dict[tuple[str, str], Decimal], before: dict[tuple[str, str], Decimal]) -> None:
    old = {key: line(*key, amount) for key, amount in before.items()}
    found = difference([line(*key, amount) for key, amount in now.items()], old)
    sums = dict(before)
    for one in found:
        assert one.amount != 0
        sums[one.charge, one.kind] = sums.get((one.charge, one.kind), D(0)) + one.amount
    assert {key: amount for key, amount in sums.items() if amount} == {key: amount for key, amount in now.items() if amount}


def test_a_total_counts_lines_only() -> None:
    batch = bill("u", "r", [part("A", line("fee", "line", D(5)), line("tax", "included", D(1)), line("back", "refund", D(2)))], {}, set(), set())
    assert batch.drafts[0].total == D(5)


def test_ids_derive_from_run_account_and_kind() -> None:
    def ids(run: str) -> list[str]:
        return [draft.id for draft in bill("u", run, [part("A", line("fee", "line", D(5))), part("B", line("fee", "line", D(5)))], {}, set(), set()).drafts]

    assert ids("2026-10-1") == ids("2026-10-1")
    assert not set(ids("2026-10-1")) & set(ids("2026-10-2"))
    assert len(set(ids("2026-10-1"))) == 2


def test_an_account_may_have_an_invoice_and_a_difference_in_one_run() -> None:
    parts = [part("A", line("fee", "line", D(5))), part("A", line("fee", "line", D(7)), tariff="s")]
    batch = bill("u", "r", parts, {("A", "s"): before(D(9))}, set(), set())
    assert [(draft.kind, draft.total) for draft in batch.drafts] == [("difference", D(-2)), ("invoice", D(5))]


def test_nothing_changed_gives_no_document_and_open_runs_are_waited_for() -> None:
    parts = [part("A", line("fee", "line", D(5))), part("B", line("fee", "line", D(5)))]
    batch = bill("u", "r", parts, {("A", "t"): before(D(5))}, {("B", "t")}, set())
    assert (batch.drafts, batch.unchanged, batch.waiting) == ((), 1, 1)


def test_what_was_issued_and_is_owed_no_longer_is_taken_back_unless_it_could_not_be_rated() -> None:
    issued = {("A", "t"): before(D(5)), ("B", "t"): before(D(6)), ("C", "t"): before(D(0))}
    batch = bill("u", "r", [], issued, set(), {("B", "t")})
    assert [(draft.account, draft.kind, draft.total) for draft in batch.drafts] == [("A", "difference", D(-5))]


def test_numbers_read_as_series_year_and_rank() -> None:
    assert number(series_of("invoice", "receivable"), 2026, 7) == "INV-2026-000007"
    assert number(series_of("invoice", "payable"), 2026, 1_234_567) == "SET-2026-1234567"
    assert number(series_of("difference", "payable"), 2027, 1) == "DIF-2027-000001"
