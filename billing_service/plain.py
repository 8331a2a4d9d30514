"""Accounts about which nothing has to be decided, billed as columns. Everybody else goes the general way (``chunk.rate_chunk``).

An account is plain where every contract of it holds for the whole period, one a tariff, each tariff has one version for all
of it and no stage; nothing was claimed, drafted or issued for any of its days; it has no relief, no share of a meter, no
correction, and no record that reaches out of the period, stands below a limit or is read by nobody; and everything it has
was collected and rated without a word. When in doubt it is not: this module parks nobody and holds nothing.

Equal facts give equal bills, so every different row of facts is rated, and written as text, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from billing_service.billing import document_id
from billing_service.fixed import Fixed
from billing_service.measured import SAMPLE, measures, record_of
from billing_service.problems import refused
from billing_service.rating import standing_problem
from billing_service.staged import is_staged
from billing_service.store import plain as store
from billing_service.store.binary import Coded, Rows
from billing_service.store.connect import Connection
from billing_service.store.ledger import Among
from billing_service.store.tables import MONEY_PLACES
from billing_service.terms import as_long_before, steady
from tariffs import FactsError, TariffVersion
from tariffs.collect import collect
from tariffs.gather import gather, measured
from tariffs.groups import compress
from tariffs.money import EXACT, show

pc: Any = pyarrow.compute
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
#: Amounts beyond this, in the last place that is stored, are none of ours.
_MOST = 10**15


@dataclass(frozen=True, slots=True)
class Plain:
    """What the plain accounts of a chunk come to: rows of documents, parts, lines and claims. ``others`` are all who have something and are not plain."""

    rows: tuple[Rows, Rows, Rows, Rows] | None
    others: tuple[str, ...]
    contracts: int = 0
    documents: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    """A chunk as columns. ``loaded``: the tariffs with one version for all of the period; ``names``: all accounts that have something,
    in order; the others are codes of them; ``doubtful`` is written to.
    """

    fixed: Fixed
    loaded: Mapping[str, TariffVersion]
    names: Any
    doubtful: Mask
    contracts: pa.Table
    account: Ints
    tariff: list[str]
    records: pa.Table


@dataclass(frozen=True, slots=True)
class _Rated:
    """One tariff's contracts: ``of`` is the row of ``facts`` each has. Every row of facts has ``counts`` lines: ``charges`` (places among
    ``charge``) and ``amounts``, one row after the other; ``total`` is what they come to.
    """

    version: TariffVersion
    contracts: Ints
    of: Ints
    facts: list[dict[str, str]]
    charge: dict[str, list[str]]
    counts: Ints
    charges: Ints
    amounts: Ints
    total: Ints


def bill(conn: Connection, utility: str, fixed: Fixed, among: Among) -> Plain:
    """Bill the plain accounts; nothing is stored."""
    steadily = {tariff: version for tariff, own in fixed.loaded.items() if (version := steady(own, fixed.period)) is not None}
    work = _begin(conn, utility, fixed, steadily, among)
    rated = [one for tariff in sorted(steadily) if (one := _rate(work, tariff)) is not None]
    others = tuple(work.names.filter(pa.array(work.doubtful)).to_pylist())
    if not rated or work.doubtful.all():
        return Plain(None, others)
    return _assemble(utility, work, rated, others)


# --- who is plain -------------------------------------------------------------------------------------------------


def _begin(conn: Connection, utility: str, fixed: Fixed, steadily: Mapping[str, TariffVersion], among: Among) -> _Work:
    (start, end), known = fixed.period, fixed.known
    busy = list(store.busy(conn, utility, start, end, among))
    entitled = store.entitled(conn, utility, as_long_before(fixed.period), end, among)
    shared = store.shared(conn, utility, start, end, among)
    terms = store.contracts_of(conn, utility, start, end, known, among).combine_chunks()
    records = store.records_of(conn, utility, start, end, among).combine_chunks()
    corrections = store.corrections_of(conn, utility, among)
    names = pc.unique(_whole(pa.chunked_array([*terms["account"].chunks, *records["account"].chunks, *(c for one in busy for c in one.chunks)], pa.string())))
    names = names.take(pc.array_sort_indices(names))
    work = _Work(
        fixed, steadily, names, np.zeros(len(names), np.bool_), terms, _codes(names, terms["account"]), list(map(str, terms["tariff"].to_pylist())), records
    )
    corrected = pc.is_in(corrections["replaces"], value_set=_whole(records["id"]))
    for accounts in (*busy, entitled, shared["account"], corrections["account"].filter(corrected)):
        _doubt(work, accounts)
    _doubt_contracts(work)
    _doubt_records(work, shared)
    return work


def _whole(column: Any) -> Any:
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        return joined.chunk(0) if joined.num_chunks else pa.array([], column.type)
    return joined


def _codes(names: Any, column: Any) -> Ints:
    """Where each account stands among ``names``, -1 for a stranger."""
    return np.asarray(pc.fill_null(pc.index_in(_whole(column), value_set=names), -1).to_numpy(), np.int64)


def _doubt(work: _Work, accounts: Any) -> None:
    codes = _codes(work.names, accounts)
    work.doubtful[codes[codes >= 0]] = True


def _on(work: _Work, tariff: str) -> Mask:
    """Which contracts are on a tariff."""
    return np.array([one == tariff for one in work.tariff], np.bool_)


def _columnar(version: TariffVersion) -> bool:
    """Whether it looks at records of the period alone."""
    hows = [item.collect for item in measured(version.model) if item.collect]
    return not is_staged(version) and not any("previous" in (how.how, how.evidence.fill) for how in hows)


def _doubt_contracts(work: _Work) -> None:
    """Parts of the period, two contracts on one tariff, two rows of one contract, two ways to pay, and tariffs that are not for columns."""
    start, end = work.fixed.period
    terms, loaded = work.contracts, work.loaded
    partly = pc.or_(pc.greater(terms["from"], pa.scalar(start)), pc.fill_null(pc.less(terms["to"], pa.scalar(end)), False))
    _doubt(work, terms["account"].filter(partly))
    ways = sorted({(version.model.direction, version.currency) for version in loaded.values()})
    tariffs = sorted(set(work.tariff))
    place = {tariff: at for at, tariff in enumerate(tariffs)}
    way = [ways.index((loaded[one].model.direction, loaded[one].currency)) if one in loaded and _columnar(loaded[one]) else -1 for one in tariffs]
    tariff = np.array([place[one] for one in work.tariff], np.int64)
    ways_of = np.array(way, np.int64)[tariff] if len(tariff) else tariff
    work.doubtful[work.account[ways_of < 0]] = True
    for second in (tariff, np.asarray(_whole(terms["contract"]).dictionary_encode().indices.to_numpy(), np.int64)):
        _, first, counts = np.unique(compress(work.account, second), return_index=True, return_counts=True) if len(tariff) else (tariff, tariff, tariff)
        work.doubtful[work.account[first[counts > 1]]] = True
    least, most = np.full(len(work.names), len(ways)), np.full(len(work.names), -1)
    np.minimum.at(least, work.account, ways_of)
    np.maximum.at(most, work.account, ways_of)
    work.doubtful[least != most] = True  # also who has no contract at all


def _doubt_records(work: _Work, shared: pa.Table) -> None:
    """What reaches out of the period, corrects, stands below a limit, is of a shared meter, or is read by none of the account's tariffs."""
    table, (start, end), loaded = work.records, work.fixed.period, work.loaded
    wrong = pc.or_(pc.less(table["start"], pa.scalar(start)), pc.greater(table["end"], pa.scalar(end)))
    wrong = pc.or_(pc.or_(wrong, table["below"]), pc.not_equal(table["replaces"], ""))
    wrong = pc.or_(wrong, pc.is_in(table["point"], value_set=_whole(shared["point"])))
    _doubt(work, table["account"].filter(wrong))
    known = sorted({name for version in loaded.values() for name in measures(version)})
    reads = np.zeros((len(work.names), len(known) + 1), np.bool_)  # the last column: a measure nobody knows
    for tariff, version in loaded.items():
        mine = work.account[_on(work, tariff)]
        for name in measures(version):
            reads[mine, known.index(name)] = True
    account, measure = _codes(work.names, table["account"]), _codes(pa.array(known, pa.string()), table["measure"])
    work.doubtful[account[~reads[account, measure]]] = True


# --- one tariff ---------------------------------------------------------------------------------------------------


def _rate(work: _Work, tariff: str) -> _Rated | None:
    """Collect and rate the contracts of those who are plain so far; who gives any trouble is doubted."""
    version = work.loaded[tariff]
    mine = np.flatnonzero(_on(work, tariff) & ~work.doubtful[work.account])
    if not len(mine):
        return None
    texts = _whole(work.contracts["facts"]).take(pa.array(mine)).dictionary_encode()
    standing: list[dict[str, str]] = [json.loads(text) for text in texts.dictionary.to_pylist()]
    code = np.asarray(texts.indices.to_numpy(), np.int64)
    off = [standing_problem(version, one) is not None for one in standing]
    work.doubtful[work.account[mine[np.array(off, np.bool_)[code]]]] = True
    columns = _collected(work, version, work.names.take(pa.array(work.account[mine])))
    coded = {name: column.dictionary_encode() for name, column in columns.items()}
    keys = [np.asarray(pc.fill_null(one.indices, -1).to_numpy(), np.int64) + 1 for one in coded.values()]
    _, first, of = np.unique(compress(code, *keys), return_index=True, return_inverse=True)
    told = {name: [None, *map(show, one.dictionary.to_pylist())] for name, one in coded.items()}
    facts = [
        {**standing[code[at]], **{name: text for (name, texts_of), key in zip(told.items(), keys, strict=True) if (text := texts_of[key[at]]) is not None}}
        for at in first.tolist()
    ]
    return _amounts(work, version, mine, of, facts)


def _collected(work: _Work, version: TariffVersion, accounts: Any) -> dict[str, Any]:
    """Measured facts by name, a value an account, null where there is none."""
    if not measures(version):
        return {}
    own = work.records.filter(pc.is_in(work.records["account"], value_set=accounts))
    found, wrong = collect(version.model, own, work.fixed.period, work.fixed.known, accounts=accounts.to_pylist())
    _doubt(work, wrong["account"])
    return {name: _whole(found[name]) for name in found.column_names if name not in ("account", "filled")}


def _amounts(work: _Work, version: TariffVersion, mine: Ints, of: Ints, facts: list[dict[str, str]]) -> _Rated | None:
    names = [*version.model.choices, *(item.full_name for item in version.model.inputs)]
    given: dict[str, Any] = {name: pa.array([one.get(name) for one in facts], pa.string()) for name in names}
    try:
        amounts, wrong = version.rate(pa.table(given or {"": pa.nulls(len(facts))}), period=work.fixed.period, errors="return")
    except FactsError:
        work.doubtful[work.account[mine]] = True
        return None
    charges = [charge for charge in version.model.charges if charge.kind != "working"]
    bad = np.zeros(len(facts), np.bool_)
    bad[wrong["row"].to_numpy()] = True
    values, there = np.zeros((len(facts), len(charges)), np.int64), np.zeros((len(facts), len(charges)), np.bool_)
    for at, charge in enumerate(charges):
        column = _whole(amounts[charge.full_name])
        there[:, at] = column.is_valid().to_numpy(zero_copy_only=False)
        values[:, at], beyond = _scaled(column)
        bad |= beyond & there[:, at]
    bad |= ~there.any(axis=1)
    work.doubtful[work.account[mine[bad[of]]]] = True
    there[bad] = False
    values[~there] = 0
    billed = np.array([charge.kind == "line" for charge in charges], np.bool_)
    told = {
        "tariff": [version.id] * len(charges),
        "digest": [version.digest] * len(charges),
        "charge": [one.full_name for one in charges],
        "kind": [one.kind for one in charges],
        "label": [json.dumps(dict(one.label), ensure_ascii=False) for one in charges],
        "clause": [one.clause for one in charges],
    }
    return _Rated(version, mine, of, facts, told, there.sum(axis=1), np.nonzero(there)[1], values[there], values[:, billed].sum(axis=1))


def _scaled(column: Any) -> tuple[Ints, Mask]:
    """Amounts as whole numbers of their last place stored (0 for null), and which of them lie beyond what is ours."""
    try:
        whole = pc.fill_null(column, 0).cast(pa.decimal128(38, MONEY_PLACES))
    except pa.ArrowInvalid:  # finer than what is stored
        return np.zeros(len(column), np.int64), np.ones(len(column), np.bool_)
    halves = np.frombuffer(whole.buffers()[1], np.int64)[2 * whole.offset : 2 * (whole.offset + len(whole))].reshape(-1, 2)
    low, high = halves[:, 0], halves[:, 1]
    return low, (high != low >> 63) | (low > _MOST) | (low < -_MOST)


# --- all of them --------------------------------------------------------------------------------------------------


def _assemble(utility: str, work: _Work, rated: Sequence[_Rated], others: tuple[str, ...]) -> Plain:
    """Documents in the order of accounts, their tariffs in order, their lines in the order of charges."""
    sizes = np.array([len(one.facts) for one in rated])
    before = np.cumsum(sizes) - sizes
    contract = np.concatenate([one.contracts for one in rated])
    facts = np.concatenate([one.of + start for one, start in zip(rated, before.tolist(), strict=True)])
    tariff = np.repeat(np.arange(len(rated)), [len(one.contracts) for one in rated])
    kept = np.flatnonzero(~work.doubtful[work.account[contract]])
    kept = kept[np.lexsort((tariff[kept], work.account[contract[kept]]))]
    contract, facts, tariff = contract[kept], facts[kept], tariff[kept]
    account = work.account[contract]
    begins = np.flatnonzero(np.append(True, account[1:] != account[:-1]))
    document = np.cumsum(np.append(False, account[1:] != account[:-1]))
    counts = np.concatenate([one.counts for one in rated])
    firsts = np.cumsum(counts) - counts
    many = counts[facts]
    of_part = np.repeat(np.arange(len(facts)), many)
    line = firsts[facts][of_part] + np.arange(len(of_part)) - (np.cumsum(many) - many)[of_part]
    of_document = document[of_part]
    first_line = (np.cumsum(many) - many)[begins]
    patterns = np.array([len(one.charge["charge"]) for one in rated])
    pattern = np.concatenate([one.charges + start for one, start in zip(rated, (np.cumsum(patterns) - patterns).tolist(), strict=True)])[line]
    amounts = np.concatenate([one.amounts for one in rated])[line]
    totals = np.add.reduceat(np.concatenate([one.total for one in rated])[facts], begins)
    _compare_sample(work, rated, before.tolist(), contract, facts, tariff, np.split(np.stack([pattern, amounts]), np.cumsum(many)[:-1], axis=1), patterns)
    start, end = work.fixed.period
    run = work.fixed.run
    names = work.names.take(pa.array(account[begins]))
    ways = sorted({(one.version.model.direction, one.version.currency) for one in rated})
    way = np.array([ways.index((one.version.model.direction, one.version.currency)) for one in rated])[tariff[begins]]
    ids = pa.array([document_id(utility, run, name, "invoice", *ways[one]) for name, one in zip(names.to_pylist(), way.tolist(), strict=True)], pa.string())
    same = {"run": run, "kind": "invoice", "period_start": start, "period_end": end, "state": "draft", "known": work.fixed.known}
    paid = Coded(way, {"direction": pa.array([one for one, _ in ways]), "currency": pa.array([one for _, one in ways])})
    texts = pa.array([json.dumps(one, sort_keys=True, ensure_ascii=False) for found in rated for one in found.facts], pa.string())
    version = {"tariff": pa.array([one.version.id for one in rated]), "digest": pa.array([one.version.digest for one in rated])}
    charges = {name: pa.array([text for one in rated for text in one.charge[name]], pa.string()) for name in rated[0].charge}
    contracts = {"contract": _whole(work.contracts["contract"].take(pa.array(contract)))}
    rows = (
        Rows(len(names), same, {"id": ids, "account": names, "total": pa.array(totals)}, (paid,)),
        Rows(len(contract), {}, contracts, (Coded(document, {"document": ids}), Coded(tariff, version), Coded(facts, {"facts": texts}))),
        Rows(
            len(line),
            {},
            {"seq": pa.array(np.arange(len(line)) - first_line[of_document] + 1), "amount": pa.array(amounts)},
            (Coded(of_document, {"document": ids}), Coded(pattern, charges)),
        ),
        Rows(
            len(contract),
            {"period_start": start, "period_end": end, "run": run},
            {},
            (Coded(document, {"account": names}), Coded(tariff, {"tariff": version["tariff"]})),
        ),
    )
    return Plain(rows, others, len(contract), len(names))


def _compare_sample(
    work: _Work, rated: Sequence[_Rated], before: Sequence[int], contract: Ints, facts: Ints, tariff: Ints, lines: Sequence[Any], patterns: Ints
) -> None:
    """Gather and explain a sample of every tariff from its records again, one by one; any difference at all stops the run."""
    starts = np.cumsum(patterns) - patterns
    picked = [rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE] for at in range(len(rated)) if len(rows := np.flatnonzero(tariff == at))]
    places = np.concatenate(picked).tolist()
    names = work.names.take(pa.array(work.account[contract[places]])).to_pylist()
    wanted = work.records.filter(pc.is_in(work.records["account"], value_set=pa.array(names, pa.string())))
    own: dict[str, list[Any]] = {name: [] for name in names}
    for row in wanted.to_pylist():
        own[row["account"]].append(record_of({**row, "value": show(row["value"])}))
    standing = _whole(work.contracts["facts"]).take(pa.array(contract[places])).to_pylist()
    for place, account, text in zip(places, names, standing, strict=True):
        one = rated[int(tariff[place])]
        version, given = one.version, one.facts[int(facts[place]) - before[int(tariff[place])]]
        read = [record for record in own[account] if record.measure in measures(version)]
        found, problems = gather(version.model, read, json.loads(text), work.fixed.period, known=work.fixed.known)
        told = {name: show(value) if isinstance(value, Decimal) else str(value) for name, value in found.items()}
        try:
            rating = version.explain(given, period=work.fixed.period)
        except FactsError as error:
            raise refused("evaluators-differ", version=version.model.name, account=account) from error
        explained = {line.charge.full_name: line.amount for line in rating.lines if line.charge.kind != "working"}
        codes, amounts = lines[place]
        stored = {
            one.charge["charge"][code]: EXACT.scaleb(EXACT.create_decimal(amount), -MONEY_PLACES)
            for code, amount in zip((codes - starts[tariff[place]]).tolist(), amounts.tolist(), strict=True)
        }
        if problems or told != given or explained != stored:
            raise refused("evaluators-differ", version=version.model.name, account=account)
