"""Rating by columns: the numbers of ``explain``, a million rows at a time.

Rows run through in chunks small enough to stay in the processor's cache. A row that cannot be rated is found by column
operations; only then are its facts read one by one, so that both evaluators refuse with the same words.
"""

from __future__ import annotations

import operator
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import chain
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tariffs import binding, columns, compiled, intake, periods_in, stage_rows, stages
from tariffs.columns import Amounts, Frame
from tariffs.compiled import CHUNK
from tariffs.errors import FactsError, Problem, TariffError, fail
from tariffs.facts import Period, derived_fact, period_problems, read_facts, refused, unknown
from tariffs.intake import Column, merge
from tariffs.model import Require, Version
from tariffs.needs import Needs, needed
from tariffs.periods_in import Span
from tariffs.program import Program, program_of, program_within, sizes
from tariffs.scaled import (
    Answer,
    Batch,
    Ints,
    Mask,
    Number,
    Plan,
    Room,
    Taken,
    cleared,
    done_with,
    enclose,
    lent,
    narrowed,
    select,
)

PART = 2**18  # rows NumPy takes at once: with fewer, the calls cost more than what the nearest cache saves, and threads wait for one another
STAGED = 2**12  # rows of a frame whose stage may have thirty times as many, which NumPy looks at thirty times
RUN = 2**20  # rows of a compiled stage taken at once: they pass once, and NumPy has little left to do, whose calls cost more than what it does
PAYS = 2**22  # rows from which more threads than one were seen to pay; with fewer, starting them and taking turns costs as much
Engine = Literal["auto", "numpy", "fused"]
COMPILES = 2**21  # rows of one version from which compiling it was seen to pay
LARGE = 2**17  # rows of a frame worth compiled code: fewer might be of ever new kinds of columns, and each would be compiled
_Part = tuple[int, int]
_counted: dict[str, int] = {}  # rows rated so far, by digest
_Found = tuple[Require | None, Mask]
BUILT_INS = frozenset({"period_days", "period_months"})
TABLE = 2**16  # combinations of choices looked up in a table; more are sorted, which takes ten times as long
LONG = 2**15  # rows of a chunk from which it pays to look how large its numbers are
BITS = 4  # how large they are is told by fours of bits, so that few programs do for many chunks
SHOWN = 20  # problems told by an error; all are counted


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows ``start`` to ``stop``: what was given, what was read from it, and which rows are refused so far (``bad``)."""

    start: int
    stop: int
    given: Mapping[str, intake.Piece]
    read: Mapping[str, Column]
    span: Span
    bad: Mask | None
    tell: Callable[[int], list[Problem]] | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of the rows from ``start``: needed columns that are ``lacking``, or rows refused (``bad``; only then ``chunk`` is kept) and by what."""

    start: int
    lacking: frozenset[str] = frozenset()
    chunk: _Chunk | None = None
    bad: Mask | None = None
    found: Sequence[_Found] = ()


def rate(
    version: Version,
    frame: Any,
    *,
    stage: Any = None,
    period: Period | None = None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
    threads: int | None = None,
    engine: Engine = "auto",
    narrow: bool = False,
) -> Any:
    """One column a charge (by full name) and ``total``, of the kind that came in; exact decimals, null where a charge does not apply.

    ``frame``: a pandas DataFrame, an Arrow Table or RecordBatch, or a mapping of names to lists. The period is one for
    all rows, or given by row in date columns ``period_start`` and ``period_end``. Columns the version does not name are
    passed over. ``stage``: where the version has one, its rows, as ``stage_rows`` describes; both frames then
    have ``account``. With ``errors="return"``: a pair of the result, null in rows that cannot be rated, and a frame of row
    (from 0), input, code and reason. ``threads``: how many work on the chunks, None for what pays; ``engine``: ``numpy``,
    ``fused`` (compiled code for rows with nothing wrong, NumPy for the rest) or ``auto``, whichever pays; the results are the
    same. ``narrow``: amounts that always fit 9 digits leave as decimal32, 18 as decimal64. TariffError: options that cannot be.
    FactsError: a needed column is absent or holds floats, the period cannot be rated, or (``errors="raise"``) a row
    cannot be; it then counts them and tells the first 20 problems.
    """
    _check_options(errors, threads, engine)
    program = program_of(version)
    opened = columns.open_frame(frame, [*version.choices, *(item.full_name for item in version.inputs), *periods_in.COLUMNS, *_account(program)])
    if narrow and opened.kind == "pandas":
        raise fail(TariffError, "narrow-pandas")
    by_row = period is None and periods_in.has_columns(opened)
    problems = period_problems(version, Needs(frozenset(), frozenset(), frozenset()), period)
    if problems:
        raise FactsError(problems)
    rows = _open_stage(program, opened, stage, period, by_row, engine, threads)
    outputs = _outputs(program, opened.rows, workings, narrow, errors)
    fast = None if engine == "numpy" else _fast(program, opened, None if by_row else period, by_row, outputs, engine)
    refusals: list[tuple[int, list[Problem]]] = []
    count, lacking = 0, set[str]()
    slow = partial(_rate_rows, program, opened, rows, period, by_row, outputs, deque[Room](), [0] * len(version.inputs))
    many = _threads(threads, opened.rows, rows)
    parts = _parts(rows, opened.rows, many) if fast is None else list(binding.stretches(fast))
    for done in _in_order(partial(_rate_part, fast, slow), parts, min(many, max(1, len(parts)))):
        lacking |= done.lacking
        if done.chunk is not None and done.bad is not None and not lacking:
            refused_rows = np.flatnonzero(done.bad)
            count += len(refused_rows)
            told = refused_rows if errors == "return" else refused_rows[: max(0, SHOWN - len(refusals))]
            refusals.extend((done.start + int(row), _reasons(program, rows, done.chunk, int(row), done.found)) for row in told)
    if lacking:
        raise FactsError(_lacking(program.version, lacking, opened, period))
    if count and errors == "raise":
        raise _error(count, refusals)
    result = columns.close_frame(opened.kind, {amounts.name: columns.finish(amounts) for amounts in outputs}, opened.index)
    return result if errors == "raise" else (result, _problem_frame(opened.kind, refusals, locale))


def _check_options(errors: str, threads: object, engine: str) -> None:
    """TariffError with everything that is wrong with them."""
    problems = [
        Problem("option-unknown", {"option": option, "value": repr(value), "allowed": " | ".join(allowed)})
        for option, value, allowed in (("errors", errors, ("raise", "return")), ("engine", engine, ("auto", "numpy", "fused")))
        if value not in allowed
    ]
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        problems.append(Problem("threads-few", {"value": repr(threads)}))
    if problems:
        raise TariffError(problems)
    if engine == "fused" and not compiled.available():
        raise fail(TariffError, "fused-absent")


# --- the fused path -----------------------------------------------------------------------------------------------


def _fast(program: Program, frame: Frame, period: Period | None, by_row: bool, outputs: Sequence[Amounts], engine: str) -> binding.Bound | None:
    """The frame bound to compiled code, where ``auto`` finds that it pays; None for NumPy. TariffError where ``fused`` cannot be."""
    if program.stage is not None:
        return None  # its stage is compiled, and that is where the rows are
    if engine == "auto" and not (_pays(program.version, frame.rows) and compiled.available()):
        return None
    found = _bind(program, frame, period, by_row, outputs, wait=engine == "fused")
    if found is None and engine == "fused":
        raise fail(TariffError, "fused-wide", version=program.version.name)
    return found


def _bind(
    program: Program, frame: Frame, period: Period | None, by_row: bool, outputs: Sequence[Amounts], *, streamed: bool | None = None, wait: bool = True
) -> binding.Bound | None:
    """The frame bound to code compiled for it; None where its numbers pass 64 bits, or another thread compiles it just now and one will not ``wait``.

    ``streamed``: whether amounts are written past the caches; None for where that pays.
    """
    bits = {amounts.name: columns.bits_of(amounts) for amounts in outputs}
    wanted = [*((c.charge.full_name, c.shown) for c in program.charges), ("total", program.total_shown)]
    written = tuple(compiled.Output(name, shown, bits.get(name, 0), _kept_at(program, name)) for name, shown in wanted)
    shapes = binding.shapes(program.version, frame, period, by_row)
    streamed = compiled.streams(frame.rows, written) if streamed is None else streamed
    machine = compiled.machine(program.version, shapes, written, streamed=streamed, wait=wait)
    return None if machine is None else binding.Bound(program.version, frame, period, machine, shapes, written, {amounts.name: amounts for amounts in outputs})


def _pays(version: Version, rows: int) -> bool:
    """Whether so many rows of this version were rated by now that compiling it costs less than it saves; small frames are left to NumPy."""
    _counted[version.digest] = _counted.get(version.digest, 0) + rows
    return _counted[version.digest] >= COMPILES and rows >= LARGE


def _chunks(rows: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _rate_part(fast: binding.Bound | None, slow: Callable[[int, int], _Done], part: tuple[int, int]) -> list[_Done]:
    """A part by NumPy; or compiled, and then by NumPy the chunks of it in which something is wrong."""
    if fast is None:
        return [slow(*part)]
    start, stop = part
    return [slow(begin, min(begin + CHUNK, stop)) for begin in binding.run(fast, start, stop)]


# --- columns out --------------------------------------------------------------------------------------------------


def _outputs(program: Program, rows: int, workings: bool, narrow: bool, errors: Literal["raise", "return"]) -> list[Amounts]:
    """The columns of the result; the last is the total. A charge that always applies lacks an amount only in rows that are refused, and then with
    ``raise`` there is no result.
    """
    most, returned = sizes(program), errors == "return"
    found = [
        columns.new_amounts(c.full_name, rows, shown, most[c.full_name], c.formula.type.low < 0, narrow, returned or c.when is not None)
        for c, shown in ((planned.charge, planned.shown) for planned in program.charges)
        if workings or c.kind != "working"
    ]
    signed = any(c.charge.formula.type.low < 0 for c in program.charges)
    return [*found, columns.new_amounts("total", rows, program.total_shown, most["total"], signed, narrow, returned)]


# --- reading ------------------------------------------------------------------------------------------------------


def digits(version: Version, *, workings: bool = False) -> dict[str, int]:
    """The most digits an amount can have, by column, as the bounds of the inputs have it."""
    program = program_of(version)
    shown = [c for c in program.charges if workings or c.charge.kind != "working"]
    most = sizes(program)
    return {name: len(str(most[name])) for name in (*(c.charge.full_name for c in shown), "total")}


def _account(program: Program) -> tuple[str, ...]:
    return () if program.stage is None else ("account",)


def _open_stage(program: Program, frame: Frame, given: Any, period: Period | None, by_row: bool, engine: Engine, threads: int | None) -> stage_rows.Rows | None:
    """The rows of the stage by the row of ``frame`` they belong to. FactsError where facts that are collected are given."""
    planned = program.stage
    if planned is None:
        return None
    derived = {item.full_name: item for item in planned.derived if item.full_name in frame.columns}
    told = [name for name in derived if not columns.is_null(frame.columns[name])]
    if told:
        raise FactsError([derived_fact(derived[name]) for name in told])
    start: Ints | None
    end: Ints | None
    if by_row:
        start, end = (periods_in.days_in(columns.cut(frame.columns[name], 0, frame.rows), name)[0] for name in periods_in.COLUMNS)
    else:
        start, end = (None, None) if period is None else (np.full(frame.rows, day.toordinal(), np.int64) for day in period)
    rows = stage_rows.open_rows(planned.stage, frame, start, end, given, threads or processors())
    if engine == "numpy" or (engine == "auto" and not (_pays(program.version, rows.frame.rows) and compiled.available())):
        return rows
    code = stages.compiled_for(planned, rows)
    if code is None and engine == "fused":
        raise fail(TariffError, "fused-wide", version=program.version.name)
    return replace(rows, code=code)


def _parts(rows: stage_rows.Rows | None, owners: int, threads: int) -> list[_Part]:
    """The rows of the frame that NumPy takes at once: where a stage is compiled, a part a thread as long as that has not too many rows of its own."""
    if rows is None or rows.code is None:
        return _chunks(owners, PART if rows is None else STAGED)
    share, parts, start = -(-owners // (8 * threads)) * 8, list[_Part](), 0
    while start < owners:
        many = int(np.searchsorted(rows.begins, rows.begins[start] + RUN, side="right")) - 1 - start
        parts.append((start, min(start + min(share, PART, max(8, many // 8 * 8)), owners)))
        start = parts[-1][1]
    return parts


def _threads(wanted: int | None, rows: int, staged: stage_rows.Rows | None) -> int:
    """As many as asked for; else one a processor where there are rows enough."""
    if wanted is not None:
        return wanted
    return processors() if (rows >= PAYS if staged is None else staged.frame.rows >= PAYS // 8) else 1


def processors() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(work: Callable[[_Part], list[_Done]], parts: Sequence[_Part], threads: int) -> Iterator[_Done]:
    """``work`` of every part, in their order; the threads run a few parts ahead, never more. The first that fails in that order is raised."""
    if threads == 1:
        yield from chain.from_iterable(map(work, parts))
        return
    ahead: deque[Future[list[_Done]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for part in parts:
                ahead.append(pool.submit(work, part))
                if len(ahead) > 2 * threads:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _rate_rows(
    program: Program,
    frame: Frame,
    rows: stage_rows.Rows | None,
    period: Period | None,
    by_row: bool,
    outputs: Sequence[Amounts],
    rooms: deque[Room],
    seen: list[int],
    start: int,
    stop: int,
) -> _Done:
    """One chunk, from its columns to its amounts; it writes to its own rows of ``outputs`` only, and takes a room that no other thread has."""
    with np.errstate(all="ignore"):  # rows that are thrown away may overflow; those that count are proven not to
        chunk = _read_chunk(program, frame, start, stop, period, by_row)
        missing = _missing(program.version, chunk)
        absent = {name for name in missing if not ((by_row and name in BUILT_INS) or name in frame.columns)}
        refused_anyway = reduce(merge, (mask for name, mask in missing.items() if name not in absent), chunk.bad)
        lacking = {name for name in absent if (missing[name] if refused_anyway is None else missing[name] & ~refused_anyway).any()}
        if lacking:
            return _Done(start, frozenset(lacking))
        whole = _Chunk(start, stop, chunk.given, chunk.read, chunk.span, reduce(merge, missing.values(), chunk.bad))
        whole = whole if rows is None else _derive(program, whole, rows)
        room = _room(rooms)
        bad, found = _rate_chunk(program, whole, outputs, cleared(room, stop - start), seen)
        rooms.append(room)
    return _Done(start) if bad is None else _Done(start, frozenset(), whole, bad, found)


def _room(rooms: deque[Room]) -> Room:
    try:
        return rooms.pop()
    except IndexError:
        return Room()


def _lacking(version: Version, lacking: set[str], frame: Frame, period: Period | None) -> list[Problem]:
    """What to say of needed columns that are absent."""
    problems = period_problems(version, needed(version, {}), period) if lacking & BUILT_INS else []
    return [*problems, *(_absent(version, name, frame.names) for name in sorted(lacking - BUILT_INS))]


def _derive(program: Program, chunk: _Chunk, rows: stage_rows.Rows) -> _Chunk:
    """The chunk with the facts that are collected from the stage."""
    assert program.stage is not None, "only a stage has rows"
    index, combinations = _combinations(program.version, chunk.read, chunk.stop - chunk.start)
    needs = [needed(program.version, choices) for choices in combinations]
    bad = np.zeros(chunk.stop - chunk.start, np.bool_) if chunk.bad is None else chunk.bad

    def wanted(name: str) -> Mask:
        found = np.array([name in n.derived | n.rows for n in needs], np.bool_)
        return np.full(len(index), found[0]) if len(needs) == 1 else found[index]

    found = stages.derive(program.stage, rows, chunk.start, chunk.stop, chunk.read, wanted, bad)
    return _Chunk(chunk.start, chunk.stop, chunk.given, {**chunk.read, **found.read}, chunk.span, found.bad if found.bad.any() else None, found.tell)


def _read_chunk(program: Program, frame: Frame, start: int, stop: int, period: Period | None, by_row: bool) -> _Chunk:
    version, rows = program.version, stop - start
    given = {name: columns.cut(column, start, stop) for name, column in frame.columns.items()}
    floats: list[Problem] = []
    read: dict[str, Column] = {name: intake.read_choice(given[name] if name in given else [None] * rows, choice) for name, choice in version.choices.items()}
    for item in version.inputs:
        if item.collect is not None and item.collect.of:
            continue  # collected from the stage, once that is rated
        name = item.full_name
        try:
            read[name] = intake.read_numbers(given[name] if name in given else [None] * rows, item, small=program.stage is None and name in program.small)
        except FactsError as error:
            floats.extend(error.problems)
    if floats:
        raise FactsError(floats)
    span = periods_in.read_span(version, given) if by_row else periods_in.one_span(period, rows, needed(version, {}).period)
    return _Chunk(start, stop, given, read, span, reduce(merge, [column.bad for column in read.values()], span.bad))


def _missing(version: Version, chunk: _Chunk) -> dict[str, Mask]:
    """Rows by fact in which the fact is needed and null: needs are asked once for every combination of choices present."""
    used = needed(version, {})
    nulls = {name: column.null for name, column in chunk.read.items() if column.null is not None}
    nulls |= {name: mask for name, mask in chunk.span.null.items() if name in used.period}
    if not nulls:
        return {}
    index, combinations = _combinations(version, chunk.read, chunk.stop - chunk.start)
    needs = [needed(version, choices) for choices in combinations]
    wanted = {name: np.array([name in n.numbers | n.choices | n.period for n in needs], np.bool_) for name in nulls}
    return {name: wanted[name][index] & mask for name, mask in nulls.items() if wanted[name].any()}


def _combinations(version: Version, read: Mapping[str, Column], rows: int) -> tuple[Any, list[dict[str, str]]]:
    """The distinct combinations of choices given in some rows, and each row's place among them."""
    index, size = np.zeros(rows, np.int64), 1
    if not version.choices:
        return index, [{}]
    members = {name: [*choice.members, None] for name, choice in version.choices.items()}
    for name, names in members.items():
        column = read[name]
        unusable = merge(column.null, column.bad)
        codes = column.values if unusable is None else np.where(unusable, len(names) - 1, column.values)
        index, size = index * len(names) + codes, size * len(names)
        if size > TABLE:
            distinct, index = np.unique(index, return_inverse=True)
            size = len(distinct)
    some_row = np.full(size, -1, np.int64)  # of each combination; -1: there is none
    some_row[index] = np.arange(rows)
    present = np.flatnonzero(some_row >= 0)
    place = np.zeros(size, np.int64)
    place[present] = np.arange(len(present))
    return place[index], [_choices_at(members, read, int(row)) for row in some_row[present]]


def _choices_at(members: Mapping[str, Sequence[str | None]], read: Mapping[str, Column], row: int) -> dict[str, str]:
    found = {}
    for name, names in members.items():
        unusable = merge(read[name].null, read[name].bad)
        member = names[int(read[name].values[row])]
        if member is not None and (unusable is None or not unusable[row]):
            found[name] = member
    return found


def _absent(version: Version, name: str, names: Sequence[str]) -> Problem:
    """A needed column is not there; with a column nobody asked for that may be it."""
    for other in names:
        near = unknown(version, other).values.get("suggestion")
        if near in (name, name.split("[", maxsplit=1)[0]) and other not in version.choices and other not in {item.full_name for item in version.inputs}:
            return Problem("column-absent-like", {"name": name, "suggestion": other})
    return Problem("column-absent", {"name": name})


# --- rating -------------------------------------------------------------------------------------------------------


def _rate_chunk(program: Program, chunk: _Chunk, outputs: Sequence[Amounts], room: Room, seen: list[int]) -> tuple[Mask | None, list[_Found]]:
    """Writes the chunk's amounts; gives the rows refused, and which rows a ``require`` (None: no charge applies) refuses."""
    program = _within(program, chunk, seen)
    numbers: dict[str, Ints] = {}
    batch = Batch(
        numbers,
        {name: chunk.read[name].values for name in program.version.choices},
        chunk.span.built_ins,
        {},
        room,
    )
    for item in program.version.inputs:
        values = chunk.read[item.full_name].values
        numbers[item.full_name] = narrowed(batch, values) if item.full_name in program.small else values
    found: list[_Found] = list(_refusals(program, batch, chunk.bad, chunk.stop - chunk.start))
    bad = reduce(merge, [mask for _, mask in found], chunk.bad)
    targets = {amounts.name: _column_of(amounts, program, chunk) for amounts in outputs}
    applied = _amounts(program, batch, bad, targets)
    nowhere = None if program.always else _nowhere(applied, bad, chunk.stop - chunk.start)
    if nowhere is not None:
        found.append((None, nowhere))
        bad = merge(bad, nowhere)
    with lent(batch, targets["total"]):
        batch.amounts["total"] = program.total.run(batch, _alive(bad))
    for amounts in outputs:
        valid = _valid(applied.get(amounts.name, True), bad, chunk.stop - chunk.start)
        columns.write(amounts, chunk.start, chunk.stop, batch.amounts[amounts.name], valid, 10 ** (amounts.places - _kept_at(program, amounts.name)))
    return bad, found


def _kept_at(program: Program, name: str) -> int:
    """The scale at which an amount is computed."""
    return program.total.places if name == "total" else program.layout.places[name]


def _column_of(amounts: Amounts, program: Program, chunk: _Chunk) -> Ints | None:
    """Where the chunk's amounts are written, if that is what a column of the kernel looks like, at the scale at which it computes them."""
    words = amounts.words[chunk.start : chunk.stop]
    return words[:, 0] if words.shape[1] == 1 and amounts.places == _kept_at(program, amounts.name) else None


def _within(program: Program, chunk: _Chunk, seen: list[int]) -> Program:
    """The program for numbers as small as those of the chunk, where it is long enough for that to pay.

    ``seen``: by input, the bits of the largest number in the chunks of this call so far; it only grows, so that few programs do for many chunks.
    """
    if chunk.stop - chunk.start < LONG:
        return program
    sizes = [chunk.read[item.full_name].most for item in program.version.inputs]
    found = [-(-size.bit_length() // BITS) * BITS for size in sizes if size is not None]
    if len(found) < len(sizes):
        return program
    seen[:] = bits = [max(old, new) for old, new in zip(seen, found, strict=True)]
    return program_within(program.version, tuple(bits))


def _alive(bad: Mask | None) -> Taken:
    return () if bad is None else ((bad, False),)


def _valid(applies: Answer, bad: Mask | None, rows: int) -> Mask | None:
    """Rows that get an amount: the charge applies, and nothing is wrong with them; None: all."""
    if isinstance(applies, bool):
        return (None if bad is None else ~bad) if applies else np.zeros(rows, np.bool_)
    return applies if bad is None else applies & ~bad


def _refusals(program: Program, batch: Batch, bad: Mask | None, rows: int) -> Iterator[_Found]:
    """The rows each ``require`` refuses, among those whose facts can be used at all."""
    taken = _alive(bad)
    for item in program.requires:
        asked: Answer = True if item.when is None else item.when(batch, taken)
        holds = item.that(batch, enclose(taken, asked, True))
        failing = np.broadcast_to(np.logical_and(asked, np.logical_not(holds)), rows)
        failing = failing if bad is None else failing & ~bad
        if failing.any():
            yield item.require, failing


def _amounts(program: Program, batch: Batch, bad: Mask | None, targets: Mapping[str, Ints | None]) -> dict[str, Answer]:
    """Computes every charge in order into the batch, 0 where it does not apply; gives where each applies."""
    applied: dict[str, Answer] = {}
    for item in program.charges:
        taken = _alive(bad)
        when: Answer = True if item.when is None else item.when(batch, taken)
        name = item.charge.full_name
        applied[name] = when
        with lent(batch, targets.get(name)):
            batch.amounts[name] = _amount_where(item.formula, batch, taken, when)
    return applied


def _amount_where(formula: Plan, batch: Batch, taken: Taken, when: Answer) -> Number:
    if isinstance(when, bool):
        return formula.run(batch, taken) if when else 0
    amount = formula.run(batch, enclose(taken, when, True))
    found = select(when, amount, 0, formula.reach, batch)
    done_with(batch, formula, amount)
    return found


def _nowhere(applied: Mapping[str, Answer], bad: Mask | None, rows: int) -> Mask | None:
    """Rows to which no charge applies."""
    if any(answer is True for answer in applied.values()):
        return None
    masks = [answer for answer in (*applied.values(), bad) if answer is not None and not isinstance(answer, bool)]
    somewhere = reduce(operator.or_, masks) if masks else np.zeros(rows, np.bool_)
    return None if somewhere.all() else ~somewhere


# --- refusing -----------------------------------------------------------------------------------------------------


def _reasons(program: Program, rows: stage_rows.Rows | None, chunk: _Chunk, row: int, found: Sequence[_Found]) -> list[Problem]:
    """Why a row is refused, in the words of the one-at-a-time reader."""
    version = program.version
    reasons = [Problem("nothing-applies") if require is None else refused(version, require) for require, mask in found if mask[row]]
    if reasons:
        return reasons
    given = {name: intake.value_at(chunk.given[name], row) for name in chunk.read if name in chunk.given}
    if program.stage is not None and rows is not None:
        given["stage"] = stage_rows.rows_of(program.stage.stage, rows, chunk.start + row)
    try:
        read_facts(version, given, chunk.span.period_at(row))
    except FactsError as error:
        return list(error.problems)
    told = chunk.tell(row) if chunk.tell is not None else []
    assert told, "a row found bad by column is bad by itself"
    return told


def _error(count: int, refusals: Sequence[tuple[int, list[Problem]]]) -> FactsError:
    told = [Problem(p.code, {**p.values, "row": str(row)}, p.where, f"[{row}]", p.severity) for row, problems in refusals for p in problems][:SHOWN]
    return FactsError([Problem("rows-refused", {"count": str(count), "told": str(len(told))}), *told])


def _problem_frame(kind: str, refusals: Sequence[tuple[int, list[Problem]]], locale: str) -> Any:
    flat = [(row, problem) for row, problems in refusals for problem in problems]
    rows = pa.array([row for row, _ in flat], pa.int64())
    texts = {
        "input": [problem.values.get("name", "") for _, problem in flat],
        "code": [problem.code for _, problem in flat],
        "reason": [problem.sentence(locale) for _, problem in flat],
    }
    return columns.close_frame(kind, {"row": rows, **{name: pa.array(column, pa.string()) for name, column in texts.items()}})
