"""A checked version as compiled code over whole columns, each read once and written once: the fast path of ``rate``.

``fused`` writes a row; this puts it into a loop for columns as they lie in memory (a ``Shape`` each) and has LLVM translate
it. The code says of every chunk whether a row in it is bad; such chunks are rated again by NumPy, which tells what is wrong.
llvmlite is loaded here only, and only when something is compiled.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from importlib.util import find_spec
from threading import Lock
from typing import Any

from tariffs.fused import charges
from tariffs.intake import limits, safe
from tariffs.kernel import Layout
from tariffs.model import Input, Version
from tariffs.registers import (
    Bit,
    Num,
    Row,
    TooWideError,
    add,
    bit,
    both,
    const,
    either,
    exact_quotient,
    half,
    multiply,
    negated,
    put,
    rescale,
    small,
    spoil,
    whole,
)

CHUNK = 2**16  # rows that share one flag
BLOCK = 2**12  # rows worked on at once: their codes and bits stay in the nearest cache
STREAMED = 2**9  # so many where their amounts stay there too, before they are written past all caches
NEAR = 2**17  # bytes that a block's amounts may have for that
LINE = 64  # bytes that memory is written by
STREAMS = 2**22  # rows whose amounts are written past the caches: of fewer, who reads them next finds some there
STREAMABLE = platform.machine() in ("x86_64", "AMD64")  # whether that can be done here, faster or not
FASTER = ("znver",)  # the processors, as LLVM calls them, that were seen to do that faster
CHAIN = 16  # members of a choice compared one by one; with more, a look-up a row is cheaper
#: What an input brings, a word each: its address, that of its bits, their offset, and for a choice a table and its size.
INPUT = ("", ".bits", ".offset", ".table", ".size")
OUTPUT = ("", ".bits")
#: Digits of an input at its own scale: tried in turn, where declared bounds ask for more than 64 bits on the way. Rows beyond are left to NumPy.
DIGITS = range(18, 4, -1)


@dataclass(frozen=True, slots=True)
class Shape:
    """How an input lies in memory. ``kind``: ``number`` or ``code`` a row, ``index`` into a dictionary, ``one`` number for all rows, ``absent``.

    ``bits`` are a row's (128: two words, of which the upper must be a sign alone); ``scale`` a number's places.
    """

    name: str
    kind: str
    bits: int = 64
    signed: bool = True
    scale: int = 0
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A column written: the charge's name or ``total``, its places, the bits of an amount (0: it is not written), and the fewest places that hold all
    amounts: with those it is computed.
    """

    name: str
    places: int
    bits: int
    kept: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Compiled code: ``call`` takes the address of the words of all inputs and outputs, how many rows, and the address of a flag a chunk.

    ``engine`` owns the memory the code lies in. It takes inputs of at most ``digits`` digits at their own scale.
    """

    call: Callable[[int, int, int], None]
    engine: Any
    digits: int


def available() -> bool:
    return find_spec("llvmlite") is not None


def streams(rows: int, outputs: Sequence[Output]) -> bool:
    """Whether the amounts of so many rows are written past the caches. With many columns a block's would lie in none of the near ones, and fill the stack."""
    if rows < STREAMS or not STREAMABLE or sum(output.bits for output in outputs) // 8 * STREAMED > NEAR:
        return False
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    return bool(llvm.get_host_cpu_name().startswith(FASTER))


@dataclass(slots=True)
class _Slot:
    """A machine, or none, once it is ``done``; ``lock`` is held by the thread that compiles it."""

    lock: Lock = field(default_factory=Lock)
    done: bool = False
    machine: Machine | None = None


_looking = Lock()


def machine(version: Version, shapes: tuple[Shape, ...], outputs: tuple[Output, ...], *, streamed: bool = False, wait: bool = True) -> Machine | None:
    """Compiled once, by one thread. None where a number passes 64 bits even for small inputs, or another thread compiles it and one will not ``wait``.

    ``streamed``: amounts are written past the caches (``streams``).
    """
    with _looking:  # else two threads that come at once would have a slot each
        slot = _slot(version, shapes, outputs, streamed)
    if not slot.done and slot.lock.acquire(blocking=wait):
        try:
            if not slot.done:
                slot.machine = _machine(version, shapes, outputs, streamed)
                slot.done = True
        finally:
            slot.lock.release()
    return slot.machine


@lru_cache(maxsize=256)
def _slot(_version: Version, _shapes: tuple[Shape, ...], _outputs: tuple[Output, ...], _streamed: bool) -> _Slot:
    return _Slot()


def _machine(version: Version, shapes: tuple[Shape, ...], outputs: tuple[Output, ...], streamed: bool) -> Machine | None:
    written = write(version, shapes, outputs, streamed=streamed)
    if written is None:
        return None
    text, digits = written
    engine = translated(text)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(engine.get_function_address("rate"))
    return Machine(call, engine, digits)


def translated(text: str) -> Any:
    """A module in LLVM's notation as machine code; what is returned owns its memory."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3)
    module = llvm.parse_assembly(text)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    builder = llvm.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine


# --- the loop -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Text:
    """The code around a row: what comes ``before`` all blocks of at most ``rows``, at the start of each ``block``, and its ``loops``, one after the other."""

    rows: int = BLOCK
    before: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)  # the bytes a row of each
    loops: list[str] = field(default_factory=list)
    last: str = "block"


def write(version: Version, shapes: Sequence[Shape], outputs: Sequence[Output], *, streamed: bool = False) -> tuple[str, int] | None:
    """The module in LLVM's notation, and the digits it takes; None as ``machine``."""
    for digits in DIGITS:
        try:
            return _write(version, shapes, outputs, digits, streamed), digits
        except TooWideError:
            continue
    return None


def _write(version: Version, shapes: Sequence[Shape], outputs: Sequence[Output], digits: int, streamed: bool) -> str:
    text = _Text(STREAMED if streamed else BLOCK)
    scales = {item.full_name: item.type.places for item in version.inputs} | {output.name: output.kept for output in outputs}
    row = Row(Layout({name: {member: code for code, member in enumerate(choice.members)} for name, choice in version.choices.items()}, scales))
    inputs = {item.full_name: item for item in version.inputs}
    for index, shape in enumerate(shapes):
        name = f"i{index}"
        _words(text, name, index * len(INPUT), INPUT)
        if shape.nullable or shape.kind == "absent":
            row.nulls[shape.name] = shape.kind == "absent" or _bits_in(text, row, name)
        if shape.name in version.choices:
            row.codes[shape.name] = _choice(text, row, name, shape)
        elif shape.name in inputs:
            row.numbers[shape.name] = _number(text, row, name, shape, inputs[shape.name], digits)
        else:
            row.numbers[shape.name] = _built_in(text, row, name, shape)
    applied = charges(version, row)
    lines = [charge.full_name for charge in version.charges if charge.kind == "line"]
    parts = [rescale(row, row.amounts[line], scales["total"] - scales[line]) for line in lines]
    found = row.amounts | {"total": reduce(lambda a, b: add(row, a, b), parts, const(0))}
    written: list[str] = []
    optional: list[str] = []
    for index, output in enumerate(outputs):
        if output.bits:
            _words(text, f"o{index}", len(shapes) * len(INPUT) + index * len(OUTPUT), OUTPUT)
            written.append(f"o{index}")
            here = _here(text, f"o{index}", output.bits // 8)
            into = _buffer(text, f"o{index}", output.bits // 8) if streamed else here
            _store(row, into, output.bits, rescale(row, found[output.name], output.places - output.kept))
            if applied.get(output.name, True) is not True:
                optional.append(f"o{index}")
                _store_flag(text, row, f"o{index}", bit(applied[output.name]))
    _loop(text, "row", "%count", [*row.lines, *_spoilt("row", bit(row.bad))])
    if streamed:
        for name, size in text.columns.items():
            (_stream if name in written else _fetch)(text, name, size)
    for name in optional:
        _bits_out(text, name)
    return _module(text, row.tables, streamed)


def _words(text: _Text, name: str, first: int, parts: Sequence[str]) -> None:
    """What an input or output brings, as ``%name.word`` and ``%name.bits.word`` …, and as pointers."""
    for place, part in enumerate(parts):
        text.before += [
            f"%{name}{part}.at = getelementptr i64, ptr %slots, i64 {first + place}",
            f"%{name}{part}.word = load i64, ptr %{name}{part}.at",
            f"%{name}{part}.pointer = inttoptr i64 %{name}{part}.word to ptr",
        ]


def _here(text: _Text, name: str, size: int) -> str:
    """A column from the block's first row on; ``size`` bytes a row."""
    text.columns[name] = size
    text.block += [f"%{name}.skip = mul i64 %begin, {size}", f"%{name}.here = getelementptr i8, ptr %{name}.pointer, i64 %{name}.skip"]
    return f"%{name}.here"


def _loop(text: _Text, name: str, count: str, body: Sequence[str]) -> None:
    """``body`` for ``%at`` from 0 to ``count``, which is at least 1. What one turn writes no other reads."""
    at = f"%{name}.at"
    text.loops += [
        f"br label %{name}",
        f"{name}:",
        f"{at} = phi i64 [ 0, %{text.last} ], [ {at}.next, %{name} ]",
        *(line.replace("%at", at) for line in body),
        f"{at}.next = add nuw nsw i64 {at}, 1",
        f"{at}.end = icmp eq i64 {at}.next, {count}",
        f"br i1 {at}.end, label %{name}.done, label %{name}, !llvm.loop !1",
        f"{name}.done:",
    ]
    text.last = f"{name}.done"


def _spoilt(name: str, bad: str) -> list[str]:
    return [f"%{name}.ok = load i1, ptr %bad", f"%{name}.bad = or i1 %{name}.ok, {bad}", f"store i1 %{name}.bad, ptr %bad"]


def _module(text: _Text, tables: Sequence[str], streamed: bool) -> str:
    """One function: blocks of rows, and a flag for the chunk in which a bad row was met."""
    settled = "call void @llvm.x86.sse.sfence()" if streamed else ""  # what was written past the caches is there for other threads
    head = f"""
declare i64 @llvm.umin.i64(i64, i64)
define void @rate(ptr noalias %slots, i64 %rows, ptr noalias %flags) {{
entry:
%bad = alloca i1
{chr(10).join(text.before)}
br label %block
block:
%begin = phi i64 [ 0, %entry ], [ %begin.next, %{text.last} ]
%left = sub i64 %rows, %begin
%count = call i64 @llvm.umin.i64(i64 %left, i64 {text.rows})
%count.up = add i64 %count, 63
%groups = lshr i64 %count.up, 6
store i1 false, ptr %bad
"""
    tail = f"""
%bad.found = load i1, ptr %bad
%bad.byte = zext i1 %bad.found to i8
%chunk = lshr i64 %begin, {CHUNK.bit_length() - 1}
%flag = getelementptr i8, ptr %flags, i64 %chunk
%flag.before = load i8, ptr %flag
%flag.after = or i8 %flag.before, %bad.byte
store i8 %flag.after, ptr %flag
%begin.next = add i64 %begin, %count
%over = icmp uge i64 %begin.next, %rows
br i1 %over, label %done, label %block
done:
{settled}
ret void
}}
!0 = distinct !{{}}
!1 = distinct !{{!1, !2, !3}}
!2 = !{{!"llvm.loop.parallel_accesses", !0}}
!3 = !{{!"llvm.loop.interleave.count", i32 2}}
!4 = !{{i32 1}}
"""
    return "\n".join([*(_STREAMING if streamed else ()), *tables, head, *text.block, *text.loops, tail])


# --- columns in ---------------------------------------------------------------------------------------------------


def _load(row: Row, kind: str, column: str, index: str = "%at") -> str:
    return put(row, f"load {kind}, ptr {put(row, f'getelementptr {kind}, ptr {column}, i64 {index}')}, !llvm.access.group !0")


def _number(text: _Text, row: Row, name: str, shape: Shape, item: Input, digits: int) -> Num:
    """A number at its input's places; what is out of bounds or off its step is bad, unless it is null."""
    if shape.kind == "absent":
        return const(safe(item))
    here = _here(text, name, shape.bits // 8)
    if shape.bits == 128:
        first = put(row, "shl i64 %at, 1")
        value = _load(row, "i64", here, first)
        upper = _load(row, "i64", here, put(row, f"or i64 {first}, 1"))  # both words read are much faster than every second one
        wrong: Bit = put(row, f"icmp ne i64 {upper}, {put(row, f'ashr i64 {value}, 63')}")
    else:
        value, wrong = _load(row, f"i{shape.bits}", here), False
        if shape.bits < 64:
            own = put(row, f"{'sext' if shape.signed else 'zext'} i{shape.bits} {value} to i32") if shape.bits < 32 else value
            value = whole(row, own, 0, 0).text if shape.signed or shape.bits < 32 else put(row, f"zext i32 {own} to i64")
    fine = max(shape.scale, item.type.places)
    low, high, step = limits(item.type.low, item.type.high, item.type.grid, shape.scale, fine)
    most = 10 ** max(0, min(18, digits - item.type.places + shape.scale))
    low, high = max(low, -most), min(high, most)
    if low > high:
        raise TooWideError
    kind, own = ("i32", row.halves[value]) if value in row.halves and small(Num(value, low, high)) else ("i64", value)
    past = put(row, f"icmp ugt {kind} {put(row, f'sub {kind} {own}, {low}')}, {high - low}")
    scaled = multiply(row, Num(value, low, high), const(10 ** (fine - shape.scale)))
    off = _off_step(row, scaled, step) if step and 10 ** (fine - shape.scale) % step else False
    spoil(row, both(row, negated(row, row.nulls.get(shape.name, False)), either(row, wrong, either(row, past, off))))
    return exact_quotient(row, scaled, 10 ** (fine - item.type.places))


def _off_step(row: Row, scaled: Num, step: int) -> Bit:
    kind, own = ("i32", half(row, scaled)) if small(scaled, const(step)) else ("i64", scaled.text)
    return put(row, f"icmp ne {kind} {put(row, f'srem {kind} {own}, {step}')}, 0")


def _built_in(text: _Text, row: Row, name: str, shape: Shape) -> Num:
    """A count of days or months: one for all rows, or one a row. Its bounds are those of its type, wherever it is named."""
    if shape.kind == "absent":
        return const(1)
    value = f"%{name}.word" if shape.kind == "one" else _load(row, "i64", _here(text, name, 8))
    return Num(value, 0, 2**31)


def _choice(text: _Text, row: Row, name: str, shape: Shape) -> str:
    """The code of a row's member, as i64; the code after the last where null. Codes are found ahead, in a loop as narrow as they are."""
    count = len(row.layout.codes[shape.name])
    if shape.kind == "absent":
        return str(count)
    small = "i8" if count < 2**7 else "i32"
    inner, null = Row(row.layout, f"{name}.c"), row.nulls.get(shape.name, False)
    given = _load(inner, f"i{shape.bits}", _here(text, name, shape.bits // 8))
    if shape.kind == "code":
        code = given
    elif count <= CHAIN:
        code = _by_chain(text, inner, name, shape.bits, given, count)
    else:
        code = _by_table(inner, name, shape, given)
    unknown = put(inner, f"icmp slt {small} {code}, 0")
    if null is not False:
        missing = _flag(inner, f"%{name}.null")
        unknown = bit(both(inner, unknown, negated(inner, missing)))
        code = put(inner, f"select i1 {missing}, {small} {count}, {small} {code}")
    text.before.append(f"%{name}.codes = alloca [{text.rows} x {small}], align 64")
    to = put(inner, f"getelementptr {small}, ptr %{name}.codes, i64 %at")
    store = f"store {small} {code}, ptr {to}, !llvm.access.group !0"
    _loop(text, f"{name}.choice", "%count", [*inner.lines, store, *_spoilt(f"{name}.choice", unknown)])
    return put(row, f"sext {small} {_load(row, small, f'%{name}.codes')} to i64")


def _by_chain(text: _Text, inner: Row, name: str, bits: int, given: str, count: int) -> str:
    """The table has each member's place in the dictionary; -1 where it is not there."""
    code = "-1"
    for member in range(count):
        text.before += [
            f"%{name}.m{member}.at = getelementptr i64, ptr %{name}.table.pointer, i64 {member}",
            f"%{name}.m{member}.word = load i64, ptr %{name}.m{member}.at",
            *([f"%{name}.m{member} = trunc i64 %{name}.m{member}.word to i{bits}"] if bits < 64 else []),
        ]
        place = f"%{name}.m{member}" if bits < 64 else f"%{name}.m{member}.word"
        code = put(inner, f"select i1 {put(inner, f'icmp eq i{bits} {given}, {place}')}, i8 {member}, i8 {code}")
    return code


def _by_table(inner: Row, name: str, shape: Shape, given: str) -> str:
    """The table has the code of each place in the dictionary, and at its end -1; whatever lies under a null is kept inside it."""
    count = len(inner.layout.codes[shape.name])
    wide = put(inner, f"{'sext' if shape.signed else 'zext'} i{shape.bits} {given} to i64") if shape.bits < 64 else given
    inside = put(inner, f"call i64 @llvm.umin.i64(i64 {wide}, i64 %{name}.size.word)")
    code = _load(inner, "i64", f"%{name}.table.pointer", inside)
    return put(inner, f"trunc i64 {code} to {'i8' if count < 2**7 else 'i32'}")


def _bits_in(text: _Text, row: Row, name: str) -> str:
    """Arrow's bits of a block (0: null) as bytes that are 1 where null, 64 at a time; they may start within a byte."""
    text.before.append(f"%{name}.null = alloca [{text.rows} x i8], align 64")
    inner = Row(row.layout, f"{name}.n")
    rows = put(inner, "shl i64 %at, 6")
    place = put(inner, f"add i64 {put(inner, f'add i64 {rows}, %begin')}, %{name}.offset.word")
    source = put(inner, f"getelementptr i8, ptr %{name}.bits.pointer, i64 {put(inner, f'lshr i64 {place}, 3')}")
    low, shift = put(inner, f"load i64, ptr {source}, align 1"), put(inner, f"and i64 {place}, 7")
    high = put(inner, f"load i8, ptr {put(inner, f'getelementptr i8, ptr {source}, i64 8')}")
    above = put(inner, f"shl i64 {put(inner, f'zext i8 {high} to i64')}, 1")
    above = put(inner, f"shl i64 {above}, {put(inner, f'xor i64 {shift}, 63')}")
    valid = put(inner, f"or i64 {above}, {put(inner, f'lshr i64 {low}, {shift}')}")
    nulls = put(inner, f"bitcast i64 {put(inner, f'xor i64 {valid}, -1')} to <64 x i1>")
    bytes_ = put(inner, f"zext <64 x i1> {nulls} to <64 x i8>")
    to = put(inner, f"getelementptr i8, ptr %{name}.null, i64 {rows}")
    _loop(text, f"{name}.nulls", "%groups", [*inner.lines, f"store <64 x i8> {bytes_}, ptr {to}, align 64"])
    return _flag(row, f"%{name}.null")


def _flag(row: Row, flags: str) -> str:
    return put(row, f"icmp ne i8 {_load(row, 'i8', flags)}, 0")


# --- columns out --------------------------------------------------------------------------------------------------


def _store(row: Row, here: str, bits: int, value: Num) -> None:
    """The amount in ``bits``: its lowest word, and copies of its sign. A constant may be wider."""
    words = bits // 64
    if bits == 32:
        to = put(row, f"getelementptr i32, ptr {here}, i64 %at")
        row.lines.append(f"store i32 {half(row, value)}, ptr {to}, !llvm.access.group !0")
        return
    sign = "0" if value.low >= 0 else put(row, f"ashr i64 {value.text}, 63")
    first = put(row, f"mul i64 %at, {words}")
    for index in range(words):
        to = put(row, f"getelementptr i64, ptr {here}, i64 {put(row, f'add i64 {first}, {index}')}")
        word = sign if index else value.text
        if value.low == value.high:
            word = str((value.low >> 64 * index) % 2**64)
        row.lines.append(f"store i64 {word}, ptr {to}, !llvm.access.group !0")


def _buffer(text: _Text, name: str, size: int) -> str:
    """Room for a block of a column, in the nearest cache."""
    text.before.append(f"%{name}.buffer = alloca [{text.rows * size} x i8], align {LINE}")
    return f"%{name}.buffer"


def _fetch(text: _Text, name: str, size: int) -> None:
    """The next block's rows of a column are asked for, and come while this one's amounts are written; past the end of a column that does nothing."""
    at = f"%{name}.next"
    text.loops += [f"{at} = getelementptr i8, ptr %{name}.here, i64 {text.rows * size}", f"call void @fetch(ptr {at}, i64 {text.rows * size // LINE})"]


def _stream(text: _Text, name: str, size: int) -> None:
    """The block's amounts to where they belong, a line of memory at a time, whose last bytes are nobody's: no cache reads what is overwritten."""
    up = f"%{name}.lines.up"
    text.loops += [f"%{name}.bytes = mul i64 %count, {size}", f"{up} = add i64 %{name}.bytes, {LINE - 1}", f"%{name}.lines = udiv i64 {up}, {LINE}"]
    text.loops.append(f"call void @stream(ptr %{name}.buffer, ptr %{name}.here, i64 %{name}.lines)")


def _over_lines(name: str, given: str, body: str) -> str:
    """A function over ``%lines``, at least 1, that is written once whatever columns there are; ``body`` is what it does at ``%at``."""
    return f"""
define internal void @{name}({given}, i64 %lines) noinline {{
entry:
br label %line
line:
%at = phi i64 [ 0, %entry ], [ %next, %line ]
{body}
%next = add nuw nsw i64 %at, 1
%over = icmp eq i64 %next, %lines
br i1 %over, label %done, label %line
done:
ret void
}}
"""


_FETCH = f"""
%to = getelementptr [{LINE} x i8], ptr %column, i64 %at
call void @llvm.prefetch.p0(ptr %to, i32 0, i32 3, i32 1)
"""
_STREAM = f"""
%given = getelementptr [{LINE} x i8], ptr %from, i64 %at
%line.value = load <{LINE // 8} x i64>, ptr %given, align {LINE}
%to = getelementptr [{LINE} x i8], ptr %column, i64 %at
store <{LINE // 8} x i64> %line.value, ptr %to, align {LINE}, !nontemporal !4
"""
_STREAMING = (
    "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
    "declare void @llvm.x86.sse.sfence()",
    _over_lines("fetch", "ptr %column", _FETCH),
    _over_lines("stream", "ptr noalias %from, ptr noalias %column", _STREAM),
)


def _store_flag(text: _Text, row: Row, name: str, holds: str) -> None:
    text.before.append(f"%{name}.flags = alloca [{text.rows} x i8], align 64")
    to = put(row, f"getelementptr i8, ptr %{name}.flags, i64 %at")
    row.lines.append(f"store i8 {put(row, f'zext i1 {holds} to i8')}, ptr {to}, !llvm.access.group !0")


def _bits_out(text: _Text, name: str) -> None:
    """Bytes as Arrow's bits, 64 at a time; the column has room for as many."""
    text.block += [f"%{name}.bits.skip = lshr i64 %begin, 3", f"%{name}.bits.here = getelementptr i8, ptr %{name}.bits.pointer, i64 %{name}.bits.skip"]
    inner = Row(Layout({}, {}), f"{name}.b")
    source = put(inner, f"getelementptr i8, ptr %{name}.flags, i64 {put(inner, 'shl i64 %at, 6')}")
    bits = put(inner, f"trunc <64 x i8> {put(inner, f'load <64 x i8>, ptr {source}, align 64')} to <64 x i1>")
    word = put(inner, f"bitcast <64 x i1> {bits} to i64")
    to = put(inner, f"getelementptr i64, ptr %{name}.bits.here, i64 %at")
    _loop(text, f"{name}.pack", "%groups", [*inner.lines, f"store i64 {word}, ptr {to}, align 1"])
