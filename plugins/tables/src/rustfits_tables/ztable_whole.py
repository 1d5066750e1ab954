"""Whole tables from one file into another, compressed or uncompressed on the way: every byte of cells stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rustfits import TableError
from rustfits.plugin import Cards, DataUnit, HeapWriter, NewHDU, Run, TableLayout, TableUnit, heap_ranges
from rustfits_tables.columns import Cells
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.fields import Bytes
from rustfits_tables.heap import pairs_of, read_cells
from rustfits_tables.new import cells_of
from rustfits_tables.ztable import BYTE, CodedColumn, CompressedFacts, Int64s
from rustfits_tables.ztable_cells import CellReader, CodedCells
from rustfits_tables.ztable_encode import encoded, encoded_arrays, joined, of_descriptors, pairs
from rustfits_tables.ztable_new import chosen_codecs, disk_cards, tile_nrows
from rustfits_tables.ztable_sums import MAX_OVERLAP_NBYTES, PlainRows, plain_cards
from rustfits_tables.ztable_tiles import TileRows

SUMS = {"CHECKSUM": "ZHECKSUM", "DATASUM": "ZDATASUM"}


def compressed(unit: DataUnit, facts: ColumnFacts, compress: Any, ztilelen: int | None) -> NewHDU:
    """Return a table compressed, with all its cards.

    Parameters
    ----------
    unit : DataUnit
        Of the table.
    facts : ColumnFacts
    compress, ztilelen
        As for `ztable_new.planned`.

    Raises
    ------
    TableError
        If it has bytes in its rows or its heap that a compressed table has no place for, or cannot be compressed so.
    TileEncodeError, InvalidParameter, CodecNotInstalled, PluginError, TypeError, HeaderError, FitsIOError
        As for `ztable_new.planned`, and for reading.
    """
    cards, cells = facts.cards, cells_of(facts.cards)
    layout = _checked(cards, cells)
    codecs = chosen_codecs(compress, cells)
    length = tile_nrows(cards, ztilelen)
    disk = disk_cards(cards, cells, codecs, length, None)
    disk.set("ZPCOUNT", layout.heap_nbytes)
    of_tiles = CompressedFacts(disk)
    writer = HeapWriter.anew(of_tiles.layout)
    columns = [of_tiles.coded(one) for one in of_tiles.cells if isinstance(one, Cells) and one.column.nbytes]
    for number, first in enumerate(range(0, layout.nrows, length)):
        nrows = min(length, layout.nrows - first)
        raw = unit.read(first * layout.row_nbytes, nrows * layout.row_nbytes).reshape(nrows, layout.row_nbytes)
        for column in columns:
            begin = column.cells.column.offset
            part = np.ascontiguousarray(raw[:, begin : begin + column.cells.column.nbytes])
            coded = column
            if column.cells.in_heap:
                part, coded = _arrays(unit, layout, writer, column, part), _of_bytes(column)
            tiles = np.array([number])
            data, lengths = encoded(coded, part.reshape(-1), np.array([part.size // coded.element.itemsize]), tiles)
            writer.add([Run(column.stored, tiles, data, lengths)])
    return NewHDU(_kept(writer.complete(disk), cards), lambda hdu: TableUnit(hdu).fill(writer))


def _kept(disk: Cards, cards: Cards) -> Cards:
    """Return the header of the table of tiles with the sums and the comments of the table that it was."""
    disk = disk.renamed(lambda key: SUMS.get(key, key))
    for key in ("NAXIS1", "NAXIS2", "PCOUNT", *(f"TFORM{n}" for n in range(1, cards.count("TFIELDS") + 1))):
        disk.set_comment(f"Z{key[1:]}" if key[0] == "T" else f"Z{key}", cards.comment(key))
    return disk


def _checked(cards: Cards, cells: list[Cells]) -> TableLayout:
    """Return where rows and heap lie; errors as `compressed`."""
    layout = TableLayout.from_cards(cards, tuple(one.column for one in cells))
    names = [one.name.upper() for one in cells]
    said = ""
    if len(cells) != cards.count("TFIELDS") or len(set(names)) != len(names):
        said = "it has columns that cannot be read, or several of one name"
    elif sum(one.column.nbytes for one in cells) != layout.row_nbytes:
        said = "its rows have bytes that belong to no column"
    elif layout.heap_start != layout.row_nbytes * layout.nrows:
        said = "there are bytes between its rows and its heap (THEAP); repack() closes that gap"
    elif "ZTABLE" in cards:
        said = "it has the keyword ZTABLE"
    if said:
        raise TableError(f"the table cannot be compressed: {said}")
    return layout


def _of_bytes(column: CodedColumn) -> CodedColumn:
    return CodedColumn(column.cells, column.stored, of_descriptors(), BYTE)


def _arrays(unit: DataUnit, layout: TableLayout, writer: HeapWriter, column: CodedColumn, part: Any) -> Bytes:
    """Append the compressed arrays of a tile to the heap; return its descriptors, old and new (FITS 4.0, 10.3.6)."""
    cells = column.cells
    count, offset = pairs_of(part, cells.column.code)
    nbytes, used, inside = heap_ranges(layout.heap_nbytes, cells.column, count, offset)
    if not inside.all():
        raise TableError(f"column {cells.name!r}: a descriptor points outside of the heap")
    nbytes = np.where(used, nbytes, 0)
    raw = read_cells(unit, layout.heap_start, offset, nbytes)
    data, lengths = encoded_arrays(column, raw, nbytes)
    begin = writer.add_bytes(data) if data.size else 0
    start = np.where(lengths > 0, begin + np.cumsum(lengths) - lengths, 0)
    return joined(np.array([len(part)]), part, pairs(lengths, start, "Q"))


def uncompressed(tiles: TileRows) -> NewHDU:
    """Return a compressed table as the table that it was; errors as `plain_pieces`."""
    facts = tiles.facts
    cards = plain_cards(facts.cards)

    def fill(hdu: Any) -> None:
        unit, place = DataUnit(hdu), 0
        for piece in plain_pieces(tiles):
            unit.write(place, piece)
            place += piece.size

    return NewHDU(cards, fill)


def plain_pieces(tiles: TileRows) -> Iterator[Bytes]:
    """Yield the data unit of the table if it were not compressed: rows, then the heap.

    Raises
    ------
    TileDecodeError, TableError, HeaderError, CodecNotInstalled, PluginError, FitsIOError
        If a tile cannot be decoded.
    """
    rows = PlainRows(tiles)
    yield from rows
    size = tiles.facts.seen.integer("PCOUNT", 0)
    if not size:
        return
    if size > MAX_OVERLAP_NBYTES:
        raise TableError(f"ZPCOUNT says that the heap has {size} bytes, which are too many to be put together")
    heap = np.zeros(size, dtype=np.uint8)
    for column in rows.arrays:
        for each in rows.found[column.number]:
            _place(heap, each, CellReader(tiles).bytes_of(column, each), column)
    yield heap


def _place(heap: Bytes, each: CodedCells, raw: Bytes, column: CodedColumn) -> None:
    there = each.nbytes > 0
    if there.any() and (each.offset[there].min() < 0 or (each.offset + each.nbytes)[there].max() > heap.size):
        raise TableError(f"column {column.cells.name!r}: arrays lie outside of the heap, whose size ZPCOUNT tells")
    ends: Int64s = np.cumsum(each.nbytes)
    for place, first, last in zip(each.offset.tolist(), (ends - each.nbytes).tolist(), ends.tolist(), strict=True):
        heap[place : place + last - first] = raw[first:last]
