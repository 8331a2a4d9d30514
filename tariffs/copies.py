"""Which columns of a Parquet file can go into another as they lie, without being decoded and encoded again.

A column chunk is copied where our own file stores the column alike, and where any reader knows what it holds: what is not understood here is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any

from tariffs import pages, row_groups
from tariffs.row_groups import MAGIC, STRUCT, Chunk, Lying, Struct, field

if TYPE_CHECKING:
    import pyarrow as pa

LEAST, MOST = 2**16, 2**20  # rows of row groups that stay as they are: smaller ones are better joined, larger ones take too much memory
#: Unpacked, snappy, gzip, zstd, LZ4 as it is defined since 2021.
_CODECS = frozenset({0, 1, 2, 6, 7})
#: Plain, dictionaries, runs, differences (of numbers, of lengths, of texts).
_ENCODINGS = frozenset({0, 2, 3, 5, 6, 7, 8})
#: Of ColumnMetaData, what stays true elsewhere: not where indexes and Bloom filters lie.
_STAYS = frozenset({*range(1, 10), 11, 12, 13, 16, 17})
#: Of Statistics: the oldest two have no order that one could rely on.
_TOLD = frozenset({3, 4, 5, 6, 7, 8})
_NOT_PLAIN = (1, 8, 9)  # of ColumnChunk: in another file, encrypted
_ENCRYPTED = 8  # of FileMetaData
_IN_TYPE_ORDER = 1  # of ColumnOrder
_NAME, _CONVERTED, _PLACES, _DIGITS = 4, 6, 7, 8  # of SchemaElement
_SAID = (_CONVERTED, _PLACES, _DIGITS, 10)  # of SchemaElement: what its numbers mean, in both of the format's ways
_LENGTH, _OF_LENGTH = 2, 7  # of SchemaElement: bytes of a value; the only Type for which that counts
_DECIMAL = 5  # of ConvertedType
FOOTER = 2**21  # bytes of a footer that are worth reading here


@dataclass(frozen=True, slots=True)
class Copied:
    """A row group of the input: its rows, and the chunks of every column that is copied."""

    rows: int
    chunks: Mapping[str, Sequence[Chunk]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's footer, as Thrift has it, and the reader of its bytes; ``end``: where its pages end."""

    footer: Struct
    read: Callable[[int, int], bytes]
    end: int


def is_ordinary(file: Any) -> bool:
    """Whether a file that Arrow has opened is worth a look: no column twice, and row groups of some size, of which the last may have few rows."""
    told = file.metadata
    return len(set(file.schema_arrow.names)) == len(file.schema_arrow) and 0 < told.num_rows >= LEAST * (told.num_row_groups - 1)


def opened(read: Callable[[int, int], bytes], size: int) -> Opened | None:
    """``read(count, offset)`` gives bytes of a file of ``size``, which Arrow has opened before. None: not of the kind we know."""
    tail = read(8, size - 8)
    if tail[4:] != MAGIC:
        return None
    length = int.from_bytes(tail[:4], "little")
    if length > FOOTER:
        return None
    end = size - 8 - length
    try:
        footer = row_groups.read_footer(read(length, end))
    except (AssertionError, IndexError, KeyError):
        return None
    return None if field(footer, _ENCRYPTED) else Opened(footer, read, end)


def groups(file: Opened, given: Any, schema: pa.Schema) -> Sequence[Copied]:
    """The row groups with rows, and in them the columns of ``schema`` that can be copied: the same in all. Nothing where row groups are too large.

    ``given`` is the Parquet schema of the file as Arrow has it.
    """
    if max((field(group, row_groups.GROUP_ROWS) for group in field(file.footer, row_groups.ROW_GROUPS)[1]), default=MOST + 1) > MOST:
        return ()
    alike = _alike(file.footer, given, schema)
    found = [_copied(file, group, alike) for group in field(file.footer, row_groups.ROW_GROUPS)[1] if field(group, row_groups.GROUP_ROWS)]
    everywhere = set(alike).intersection(*(one.chunks for one in found))
    return [Copied(one.rows, {name: chunks for name, chunks in one.chunks.items() if name in everywhere}) for one in found]


def _alike(footer: Struct, given: Any, schema: pa.Schema) -> set[str]:
    """The columns that our own file would store as this one does, and take for the same."""
    import pyarrow as pa
    import pyarrow.parquet as reading

    model = pages.model(schema)
    ours = reading.read_metadata(pa.BufferReader(MAGIC + row_groups.enclosed(model.footer))).schema
    meant = [_meaning(ours, model.footer), _meaning(given, footer)]
    stored = [_stored(one) for one in (model.footer, footer)]
    in_order = _in_order(footer)
    return {name for name in stored[0] if stored[0][name] == stored[1].get(name) and meant[0][name] == meant[1][name] and name in in_order}


def _stored(footer: Struct) -> dict[str, object]:
    """By column, how its pages lie."""
    return {bytes(field(column[0], _NAME)).decode(): [_of_pages(element) for element in column] for column in row_groups.columns(footer)}


def _of_pages(element: Struct) -> Struct:
    return [part for part in element if part[0] in row_groups.STORED and not (part[0] == _LENGTH and field(element, row_groups.TYPE) != _OF_LENGTH)]


def _meaning(schema: Any, footer: Struct) -> dict[str, list[object]]:
    """By column, what the values of its leaves are, in whichever of the format's two ways it is said."""
    found: dict[str, list[object]] = {}
    for at, (path, _, _) in enumerate(row_groups.leaves(footer)):
        leaf = schema.column(at)
        told = json.loads(leaf.logical_type.to_json())
        told = {key: value for key, value in told.items() if key not in ("is_from_converted_type", "force_set_converted_type")}
        if told == {"Type": "Int", "bitWidth": {"INT32": 32, "INT64": 64}.get(leaf.physical_type), "isSigned": True}:
            told = {"Type": "None"}
        found.setdefault(path[0].decode(), []).append(told)
    return found


def _in_order(footer: Struct) -> set[str]:
    """The columns whose least and largest values are by an order that is said; old files do not say, and their statistics are not to be relied on."""
    orders = [order[0][0] if order else 0 for order in field(footer, row_groups.ORDERS, (0, ()))[1]]
    found: dict[str, set[int]] = {}
    for at, (path, _, _) in enumerate(row_groups.leaves(footer)):
        found.setdefault(path[0].decode(), set()).add(orders[at] if at < len(orders) else 0)
    return {name for name, said in found.items() if said == {_IN_TYPE_ORDER}}


def _copied(file: Opened, group: Struct, alike: Collection[str]) -> Copied:
    rows, found, spoiled = field(group, row_groups.GROUP_ROWS), dict[str, list[Chunk]](), set[str]()
    columns = field(group, row_groups.COLUMNS)[1]
    for chunk, (path, kind, _) in zip(columns, row_groups.leaves(file.footer), strict=False):
        name = path[0].decode()
        if name not in alike:
            continue
        taken = _chunk(file, chunk, path, kind, rows)
        if taken is None:
            spoiled.add(name)
        else:
            found.setdefault(name, []).append(taken)
    return Copied(rows, {name: chunks for name, chunks in found.items() if name not in spoiled})


def _chunk(file: Opened, chunk: Struct, path: tuple[bytes, ...], kind: int, rows: int) -> Chunk | None:
    """None where it is not plainly what it should be."""
    meta = field(chunk, row_groups.CHUNK_META)
    if meta is None or any(i in _NOT_PLAIN for i, _, _ in chunk) or (tuple(field(meta, row_groups.PATH)[1]), field(meta, row_groups.TYPE)) != (path, kind):
        return None
    if field(meta, row_groups.CODEC) not in _CODECS or not _ENCODINGS.issuperset(field(meta, row_groups.ENCODINGS)[1]):
        return None
    start, size = row_groups.extent(meta)
    if start < row_groups.FIRST or size <= 0 or start + size > file.end or (len(path) == 1 and field(meta, row_groups.VALUES) != rows):
        return None
    kept = [(i, kind, _statistics(value) if i == row_groups.STATISTICS else value) for i, kind, value in meta if i in _STAYS]
    return Chunk(row_groups.moved(kept, row_groups.FIRST - start), (Lying(file.read, start, size),))


def _statistics(told: Struct) -> Struct:
    return [part for part in told if part[0] in _TOLD]


# --- decimals as the numbers they are stored as -------------------------------------------------------------------


def whole_numbers(file: Opened) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A file's end in which decimals that are stored as whole numbers are no more than those, and the digits and places of each by column.

    Arrow reads them in half the time then, into a quarter of the memory.
    """
    columns = list(row_groups.columns(file.footer))
    decimals = [column[0] for column in columns if len(column) == 1 and _is_decimal(column[0])]
    found = {bytes(field(element, _NAME)).decode(): (field(element, _DIGITS), field(element, _PLACES, 0)) for element in decimals}
    bare = [[part for part in element if element not in decimals or part[0] not in _SAID] for column in columns for element in column]
    root = field(file.footer, row_groups.SCHEMA)[1][0]
    footer = [(i, kind, (STRUCT, [root, *bare]) if i == row_groups.SCHEMA else value) for i, kind, value in file.footer]
    return MAGIC + row_groups.enclosed(footer), found


def _is_decimal(element: Struct) -> bool:
    """Of 32 or 64 bits, with its digits and places said in the way that all readers know."""
    most = {1: 9, 2: 18}.get(field(element, row_groups.TYPE), 0)
    return bool(field(element, _CONVERTED) == _DECIMAL and 0 <= field(element, _PLACES, 0) <= field(element, _DIGITS, 0) <= most)


def as_decimals(table: pa.Table, found: Mapping[str, tuple[int, int]]) -> pa.Table:
    """The whole numbers of ``whole_numbers`` are the decimals they were; nothing is copied."""
    import pyarrow as pa

    def seen(name: str, column: Any) -> Any:
        if name not in found:
            return column
        digits, places = found[name]
        kind: Any = pa.decimal32(digits, places) if column.type.bit_width == 32 else pa.decimal64(digits, places)
        return pa.chunked_array([part.view(kind) for part in column.chunks], kind)

    return pa.table(list(starmap(seen, zip(table.column_names, table.columns, strict=True))), names=table.column_names)
