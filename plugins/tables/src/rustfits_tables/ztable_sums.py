"""ZDATASUM and ZHECKSUM: the checksums of the table that a compressed one stands for, as a program unpacks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from rustfits import TableError
from rustfits.plugin import Cards, Datasum, checksum_of, is_checksum_of, is_datasum
from rustfits_tables.fields import Bytes, Field, FieldArray, Kind
from rustfits_tables.ztable import CodedColumn, CompressedFacts
from rustfits_tables.ztable_cells import CellReader, CodedCells
from rustfits_tables.ztable_encode import pairs
from rustfits_tables.ztable_tiles import TileRows

DATASUM_COMMENT = "checksum of uncompressed data"
CHECKSUM_COMMENT = "checksum of equivalent uncompressed HDU"

PIECE_NBYTES = 1 << 22  # of rows that are put together at a time
CARD = 80
ZEROS = "0" * 16  # CHECKSUM while it is worked out
MAX_OVERLAP_NBYTES = 1 << 32  # of a heap that is put together because its arrays share bytes

_OF_TILES = re.compile("ZTABLE|ZTILELEN|ZCTYP[0-9]+|ZFORM[0-9]+|ZNAXIS[12]|ZPCOUNT|CHECKSUM|DATASUM")
_IN_PLACE = re.compile("NAXIS[12]|PCOUNT|TFORM[0-9]+")  # of the table of tiles, where that of the table was
_SUMS = {"ZHECKSUM": "CHECKSUM", "ZDATASUM": "DATASUM"}


def data_sum(tiles: TileRows) -> int:
    """Return the DATASUM of the table if it were not compressed.

    Raises
    ------
    TileDecodeError, TableError, HeaderError, CodecNotInstalled, PluginError, FitsIOError
        If a tile cannot be decoded.
    """
    total, rows, facts = Datasum(), PlainRows(tiles), tiles.facts
    for piece in rows:
        total.update(piece)
    whole = Datasum()
    whole.add(total.value)
    for value in _heap(tiles, rows.arrays, rows.found, facts.row_nbytes * facts.nrows):
        whole.add(value)
    return whole.value


class PlainRows:
    """The rows of a table as they were if it were not compressed, as bytes, in pieces of about `PIECE_NBYTES`.

    Parameters
    ----------
    tiles : TileRows

    Attributes
    ----------
    arrays : list of CodedColumn
        The columns whose cells are in the heap.
    found : dict of int to list of CodedCells
        Where their cells are, by the number of the column, of the rows that were gone through.
    """

    def __init__(self, tiles: TileRows) -> None:
        self._tiles = tiles
        self._columns = [tiles.facts.coded(one) for one in tiles.facts.cells]
        self.arrays = [column for column in self._columns if column.cells.in_heap and column.cells.column.nbytes]
        self.found: dict[int, list[CodedCells]] = {column.number: [] for column in self.arrays}

    def __iter__(self) -> Iterator[Bytes]:
        facts = self._tiles.facts
        step = max(PIECE_NBYTES // max(facts.row_nbytes, 1) // facts.tile_nrows, 1) * facts.tile_nrows
        for first in range(0, facts.nrows, step):
            rows = range(first, min(first + step, facts.nrows))
            yield _plain_rows(self._tiles, self._columns, rows, self.found)


def _plain_rows(tiles: TileRows, columns: list[CodedColumn], rows: range, found: dict[int, list[CodedCells]]) -> Bytes:
    """Return rows as they are in the table if it were not compressed; ``found`` learns of their arrays."""
    width = tiles.facts.row_nbytes
    raw = np.zeros((len(rows), width), dtype=np.uint8)
    fields, owners = [], []
    for column in columns:
        cells = column.cells
        offset, nbytes = cells.column.offset, cells.column.nbytes
        if cells.in_heap and nbytes:
            reader = CellReader(tiles)
            each = reader.all_cells(rows, column)
            found[column.number].append(each)
            raw[:, offset : offset + nbytes] = pairs(each.count, each.offset, cells.column.code)
        elif nbytes:
            fields.append(FieldArray(Field(Kind.COPY, offset, nbytes), raw[:, offset : offset + nbytes]))
            owners.append(cells)
    tiles.read_fields(rows, fields, owners)
    return raw.reshape(-1)


def _heap(tiles: TileRows, arrays: list[CodedColumn], found: dict[int, list[CodedCells]], start: int) -> Iterator[int]:
    """Return the sums of all arrays at their places in the heap of the table; where they share bytes, of it whole."""
    offset = np.concatenate([np.zeros(0, np.int64), *(each.offset for list_ in found.values() for each in list_)])
    nbytes = np.concatenate([np.zeros(0, np.int64), *(each.nbytes for list_ in found.values() for each in list_)])
    there = nbytes > 0
    order = np.argsort(offset[there], kind="stable")
    begin, stop = offset[there][order], (offset + nbytes)[there][order]
    apart = bool((begin[1:] >= stop[:-1]).all())
    heap = None
    if not apart:
        size = int(stop.max())
        if size > MAX_OVERLAP_NBYTES:
            raise TableError(f"arrays share bytes of a heap of {size} bytes, which is too large to be added up")
        heap = np.zeros(size, dtype=np.uint8)
    for column in arrays:
        reader = CellReader(tiles)
        for each in found[column.number]:
            raw = reader.bytes_of(column, each)
            ends = np.cumsum(each.nbytes)
            for place, first, last in zip(
                each.offset.tolist(), (ends - each.nbytes).tolist(), ends.tolist(), strict=True
            ):
                if last > first and heap is not None:
                    heap[place : place + last - first] = raw[first:last]
                elif last > first:
                    yield _sum_at(start + place, raw[first:last])
    if heap is not None:
        yield _sum_at(start, heap)


def _sum_at(place: int, raw: Bytes) -> int:
    one = Datasum()
    one.update(b"\0" * (place % 4))
    one.update(raw)
    return one.value


def checksum(facts: CompressedFacts, data: int) -> str:
    """Return ZHECKSUM for a table with DATASUM ``data``, whose cards have both already."""
    return checksum_of(_header(facts.cards, ZEROS), data)


def is_checksum(facts: CompressedFacts, data: int) -> bool:
    """Tell whether ZHECKSUM and ZDATASUM are those of a table with DATASUM ``data``."""
    value: Any = facts.cards.get("ZHECKSUM")
    if not isinstance(value, str) or len(value) != len(ZEROS):
        return False
    return is_datasum(facts.cards.get("ZDATASUM"), data) and is_checksum_of(_header(facts.cards, value), data)


def _header(cards: Cards, value: str) -> bytes:
    """Return the header of the table as a program unpacks it, with CHECKSUM ``value``."""
    cards = cards.copy()
    cards.set("ZHECKSUM", value)
    return plain_cards(cards).encode()


def plain_cards(cards: Cards) -> Cards:
    """Return the cards of the table if it were not compressed, given those of the table of tiles."""
    raw = cards.encode().decode("latin-1")  # bytes that are no text count in the sum too
    lines = [raw[start : start + CARD] for start in range(0, len(cards) * CARD, CARD)]
    own = {line[:8].rstrip(" "): line for line in reversed(lines)}
    found = []
    for line in lines:
        name = line[:8].rstrip(" ")
        before = f"Z{name[1:]}" if name.startswith("TFORM") else f"Z{name}"
        if not _IN_PLACE.fullmatch(name) and not _OF_TILES.fullmatch(name):
            found.append(f"{_SUMS.get(name, name):8}{line[8:]}")
        elif _IN_PLACE.fullmatch(name) and before in own:
            found.append(f"{name:8}{own[before][8:]}")
    return Cards.parse("".join(found).encode("latin-1"), lenient=True)
