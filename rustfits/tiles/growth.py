"""A compressed image's table and heap when tiles are added or replaced: new bytes go to the end of the heap.

What the new bytes replace stays behind in the heap, unused, until it is repacked. A table that grows takes the room
between it and the heap (FITS 4.0, section 7.3.5, keyword THEAP); only when that is used up the heap moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError, ImageError, TruncatedFile
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.heap.bintable import ELEMENT_NBYTES, Column, TableLayout
from rustfits.heap.ranges import LIMITS, MAX_GAP, descriptors, merge_ranges, read_rows
from rustfits.heap.spare import Spare
from rustfits.storage.base import Storage
from rustfits.storage.openfile import Extent, OpenFile, padded
from rustfits.tiles.grid import MAX_NDIM
from rustfits.tiles.recode import StoredTiles
from rustfits.tiles.zimage import SOURCES, TileTable

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]

SMALL_HEAP_NBYTES = 1 << 18  # moving that much costs no more than opening a file

# Keywords that may change, though what is known of image and table holds: ZBLANK is only ever written as it was
# understood before.
_KEPT = {"ZBLANK", *(f"ZNAXIS{axis}" for axis in range(1, MAX_NDIM + 1))}

_MAXIMUM = re.compile(r"\(\s*(\d+)\s*\)")


def heap_start_for(heap_start: int, row_nbytes: int, nrows: int, heap_nbytes: int) -> int:
    """Return where the heap should begin once the table has ``nrows`` rows.

    It stays where it is as long as the table has room. Then a heap of some size leaves room for up to twice as many
    rows, so that a table that grows row by row moves its heap as often as its size doubles. The place follows from
    the numbers alone, so the steps in which a table has grown do not matter.

    Parameters
    ----------
    heap_start : int
        Where it begins now.
    row_nbytes, nrows, heap_nbytes : int
        Bytes of a row, rows, and bytes of the heap, to come.

    Returns
    -------
    int
        In bytes from the start of the data unit.
    """
    table_nbytes = row_nbytes * nrows
    if table_nbytes <= heap_start:
        return heap_start
    if heap_nbytes <= SMALL_HEAP_NBYTES:
        return table_nbytes
    return row_nbytes << (nrows - 1).bit_length()


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """New values of one column in some rows."""

    column: Column
    rows: Int64s
    values: NDArray[Any]


class Growth:
    """Changes of a compressed image, collected in memory and then written at once.

    Parameters
    ----------
    table : TileTable
        Of the image as it is.
    nrows : int
        Rows that the table will have, not fewer than now.
    spare : Spare
        What earlier changes of the image left for this one.
    """

    def __init__(self, table: TileTable, nrows: int, spare: Spare) -> None:
        self._spare = spare
        self._table, self._layout = table, table.layout
        self._nrows = nrows
        self.add_columns(table)
        self._heap: list[Bytes] = []
        self._heap_nbytes = self._used = spare.used(self._layout)
        self._cells: list[_Cells] = []
        self._changes: dict[str, Any] = {}

    def add_columns(self, table: TileTable) -> None:
        """Take over the columns of a table that is as that of the image, but may have more of them at the end."""
        self._cards, self._sources = table.cards, table.sources
        self._columns, self._row_nbytes = table.layout.columns, table.layout.row_nbytes

    def set_keywords(self, changes: dict[str, Any]) -> None:
        """Change keywords too."""
        self._changes |= changes

    def set_numbers(self, name: str, place: Column | float, rows: Int64s, values: NDArray[Any]) -> None:
        """Store one number in each of some rows.

        Raises
        ------
        HeaderError
            If the header has one value for all tiles, in a keyword, in place of a column.
        """
        if not isinstance(place, Column):
            raise HeaderError(f"{name} is one number for all tiles, in the header; write the image as a new HDU")
        self._cells.append(_Cells(place, rows, values))

    def add(self, batch: Iterable[StoredTiles]) -> None:
        """Append tiles to the heap, in the order of their rows, and point at them.

        Raises
        ------
        HeaderError
            If the table has no column for them.
        ImageError
            If the heap would be larger than its descriptors can say.
        """
        tiles = [each for each in batch if each.rows.size]
        if not tiles:
            return
        if len(tiles) == 1 == tiles[0].rows.size:
            self._add_one(tiles[0])
            return
        rows = np.concatenate([each.rows for each in tiles])
        length = np.concatenate([each.tiles.length for each in tiles])
        order = np.argsort(rows, kind="stable")
        self._heap += _ordered(tiles, rows, length, order)
        start = np.empty_like(length)
        start[order] = self._heap_nbytes + np.cumsum(length[order]) - length[order]
        self._heap_nbytes += int(length.sum())
        stop = 0
        for each in tiles:
            begin, stop = stop, stop + each.rows.size
            self._point(each.source, each.rows, start[begin:stop], each.tiles.length)

    def _add_one(self, tile: StoredTiles) -> None:
        """As `add`, for a single tile."""
        start = self._heap_nbytes
        self._heap.append(tile.tiles.data)
        self._heap_nbytes += tile.tiles.data.nbytes
        self._point(tile.source, tile.rows, np.array([start]), tile.tiles.length)

    def _point(self, source: int, rows: Int64s, start: Int64s, length: Int64s) -> None:
        column = self._sources[source]
        if column is None:
            if length.any():
                raise HeaderError(
                    f"the table has no column {SOURCES[source]} of descriptors, which {int((length > 0).sum())} tiles "
                    "need; write the image as a new HDU"
                )
            return
        width = ELEMENT_NBYTES[column.element]
        if (length % width).any():
            raise HeaderError(
                f"column {column.name} has elements of {width} bytes, of which the new tiles are no multiple"
            )
        if self._heap_nbytes > LIMITS[column.code]:
            raise ImageError(
                f"the heap would have {self._heap_nbytes} bytes, but descriptors of type {column.code} reach only "
                f"{LIMITS[column.code]}; repack() drops what is unused, and heap_format='Q' reaches further"
            )
        cells = np.stack([length // width, np.where(length > 0, start, 0)], axis=1)
        self._cells.append(_Cells(column, rows, cells))

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, file: OpenFile, extent: Extent, state: HeaderState) -> TileTable | None:
        """Make the changes; inside `changing`.

        Returns
        -------
        TileTable or None
            The image as it is now, if that can be told without reading its header again.

        Raises
        ------
        TruncatedFile, HeaderError
            If the HDU is not there whole, or its size is not that of a table; before anything is changed.
        FitsIOError
            If the bytes cannot be written.
        """
        storage, layout = file.storage, self._layout
        check_whole(storage, extent, layout)
        rows, raw = self._new_rows(storage, extent.data_start)
        heap_start = heap_start_for(layout.heap_start, self._row_nbytes, self._nrows, self._heap_nbytes)
        nbytes = max(self._heap_nbytes, layout.heap_nbytes)
        behind = 0 if file.is_last(extent) else storage.size() - extent.stop
        if behind and extent.data_start + padded(heap_start + nbytes) > extent.stop:
            nbytes += self._spare.room_after(self._heap_nbytes - self._used, behind)
        cards = self._new_cards(storage, extent.data_start, heap_start, nbytes)
        with storage.gathered():
            self._write_heap(file, extent, heap_start, nbytes)
            _write_rows(storage, extent.data_start, rows, raw)
            state.commit_inside(cards)
        self._spare.set(heap_start, nbytes, self._heap_nbytes, taken=self._heap_nbytes - self._used)
        if self._columns is not layout.columns or not self._changes.keys() <= _KEPT:
            return None
        return self._table.grown(cards, self._nrows, heap_start, nbytes)

    def _write_heap(self, file: OpenFile, extent: Extent, heap_start: int, heap_nbytes: int) -> None:
        """Make room for the heap and for later rows, and write what is new of it."""
        storage, layout = file.storage, self._layout
        nbytes, position = heap_start + heap_nbytes, extent.data_start + heap_start + self._used
        stop = extent.data_start + padded(nbytes)
        if file.is_last(extent) and heap_start == layout.heap_start:
            file.set_data_nbytes(extent, nbytes)
            written = position + sum(piece.nbytes for piece in self._heap)
            _write_pieces(storage, position, [*self._heap, np.zeros(stop - written, np.uint8)])
            return
        file.resize_data(extent, nbytes, zero=False)
        if heap_start != layout.heap_start:
            storage.move(extent.data_start + layout.heap_start, extent.data_start + heap_start, layout.heap_nbytes)
            table_stop = self._row_nbytes * self._nrows
            write_zeros(storage, extent.data_start + table_stop, extent.data_start + heap_start)
        _write_pieces(storage, position, self._heap)
        if heap_nbytes > layout.heap_nbytes:  # what moved away is still there
            write_zeros(storage, extent.data_start + heap_start + self._heap_nbytes, extent.data_start + nbytes)

    def _new_rows(self, storage: Storage, data_start: int) -> tuple[Int64s, Bytes]:
        """Return the rows that change, ascending, and their bytes, ``(n, row_nbytes)``."""
        old, width = self._layout.nrows, self._layout.row_nbytes
        if self._nrows == old and self._row_nbytes == width and all(cells.rows.size == 1 for cells in self._cells):
            first = {int(cells.rows[0]) for cells in self._cells}
            if len(first) == 1:
                return self._one_row(storage, data_start, first.pop())
        fresh = np.arange(old if self._row_nbytes == width else 0, self._nrows)
        rows = np.unique(np.concatenate([fresh, *(cells.rows for cells in self._cells)]))
        raw = np.zeros((rows.size, self._row_nbytes), dtype=np.uint8)
        there = rows < old
        if there.any():
            # Every byte counts, and numpy may leave out those that belong to no column.
            raw[there, :width] = _read_raw(storage, data_start, width, rows[there])
        if self._row_nbytes != width:
            raw[:, self._columns[-1].offset :] = 0  # rows may have ended with bytes of no column
        for cells in self._cells:
            dtype = np.dtype(cells.column.cell_dtype())
            values = np.ascontiguousarray(cells.values.astype(dtype.base)).view(np.uint8).reshape(cells.rows.size, -1)
            place = slice(cells.column.offset, cells.column.offset + cells.column.nbytes)
            raw[np.searchsorted(rows, cells.rows), place] = values
        return rows, raw

    def _one_row(self, storage: Storage, data_start: int, row: int) -> tuple[Int64s, Bytes]:
        """As `_new_rows`, where only one changes."""
        width = self._row_nbytes
        raw = np.frombuffer(storage.read(data_start + row * width, width), dtype=np.uint8)
        for cells in self._cells:
            values = cells.values.astype(np.dtype(cells.column.cell_dtype()).base)
            raw[cells.column.offset : cells.column.offset + cells.column.nbytes] = values.reshape(-1).view(np.uint8)
        return np.array([row]), raw.reshape(1, width)

    def _new_cards(self, storage: Storage, data_start: int, heap_start: int, heap_nbytes: int) -> Cards:
        cards = self._cards.copy()
        for keyword, value in self._changes.items():
            cards.set(keyword, value)
        table_nbytes = self._row_nbytes * self._nrows
        if self._nrows != self._layout.nrows:
            cards.set("NAXIS2", self._nrows)
        pcount = heap_start - table_nbytes + heap_nbytes
        if cards.get("PCOUNT") != pcount:
            cards.set("PCOUNT", pcount)
        set_heap_start(cards, table_nbytes, heap_start)
        for column in filter(lambda column: column.descriptor, self._columns):
            counts = [cells.values[:, 0].max(initial=0) for cells in self._cells if cells.column == column]
            if counts:
                self._raise_maximum(cards, storage, data_start, column, int(max(counts)))
        return cards

    def _raise_maximum(self, cards: Cards, storage: Storage, data_start: int, column: Column, count: int) -> None:
        """See to it that TFORMn does not understate the elements of the longest cell."""
        found = _MAXIMUM.search(cards.text(f"TFORM{column.number}"))
        if found is None:
            table = read_rows(storage, data_start, self._layout, [column], np.arange(self._layout.nrows))
            largest = int(descriptors(table, column)[0].max(initial=0))
        else:
            largest = int(found[1])
        if found is None or count > largest:
            set_maximum(cards, column, max(count, largest))


def check_whole(storage: Storage, extent: Extent, layout: TableLayout) -> None:
    """Refuse to change an HDU that is not there whole, or not as its table says; before anything is written.

    Raises
    ------
    TruncatedFile, HeaderError
    """
    nbytes = layout.heap_start + layout.heap_nbytes
    if extent.data_nbytes != nbytes:
        raise HeaderError(f"the table and its heap take {nbytes} bytes, but GCOUNT makes it {extent.data_nbytes}")
    if storage.size() < extent.data_start + nbytes:
        raise TruncatedFile(
            f"{storage.name} has {storage.size()} bytes, but the compressed image ends at byte "
            f"{extent.data_start + nbytes}: a truncated file cannot be changed"
        )


def set_maximum(cards: Cards, column: Column, count: int) -> None:
    """Write the TFORMn of a column of descriptors, the longest of which has ``count`` elements."""
    cards.set(f"TFORM{column.number}", f"1{column.code}{column.element}({count})")


def set_heap_start(cards: Cards, table_nbytes: int, heap_start: int) -> None:
    """Write THEAP, or remove it where the heap follows the table at once."""
    if heap_start != table_nbytes:
        known = "THEAP" in cards
        if not known or cards.get("THEAP") != heap_start:
            cards.set("THEAP", heap_start, None if known else "start of the heap, in bytes", after="TFIELDS")
    elif "THEAP" in cards:
        cards.remove("THEAP")


def write_zeros(storage: Storage, start: int, stop: int) -> None:
    """Write zeros over a range of the storage."""
    zeros = bytes(min(stop - start, 1 << 20))
    while start < stop:
        nbytes = min(len(zeros), stop - start)
        storage.write(start, memoryview(zeros)[:nbytes])
        start += nbytes


def _ordered(tiles: list[StoredTiles], rows: Int64s, length: Int64s, order: Int64s) -> list[Bytes]:
    """Return the bytes of all tiles in the order of their rows, in as few pieces as there are."""
    pieces = [each.tiles.data for each in tiles]
    if (np.diff(rows) > 0).all():
        return pieces
    data = np.concatenate(pieces)
    start = np.cumsum(length) - length
    stop = (start + length).tolist()
    return [np.concatenate([data[start[index] : stop[index]] for index in order.tolist()])]


def _read_raw(storage: Storage, data_start: int, width: int, rows: Int64s) -> Bytes:
    """Return rows of ``width`` bytes, ascending."""
    start, length = _spans(width, rows)
    buffer = np.empty(int(length.sum()), dtype=np.uint8)
    storage.read_ranges(data_start + start, length, buffer)
    place = np.cumsum(length) - length
    holder = np.searchsorted(start, rows * width, side="right") - 1
    position = place[holder] + rows * width - start[holder]
    raw: Bytes = buffer.reshape(-1, width)[position // width]
    return raw


def _write_rows(storage: Storage, data_start: int, rows: Int64s, raw: Bytes) -> None:
    """Write rows, ascending; those between neighbours are read and written as they are, to save requests."""
    if not rows.size:
        return
    width = raw.shape[1]
    start, length = _spans(width, rows)
    for begin, nbytes in zip(start.tolist(), length.tolist(), strict=True):
        first = begin // width
        low, high = np.searchsorted(rows, [first, first + nbytes // width])
        if (high - low) * width == nbytes:
            storage.write(data_start + begin, raw[low:high])
            continue
        span = np.frombuffer(storage.read(data_start + begin, nbytes), dtype=np.uint8).reshape(-1, width)
        span[rows[low:high] - first] = raw[low:high]
        storage.write(data_start + begin, span)


def _write_pieces(storage: Storage, position: int, pieces: list[Bytes]) -> None:
    """Write bytes back to back from byte ``position`` on; few of them at once."""
    if sum(piece.nbytes for piece in pieces) <= SMALL_HEAP_NBYTES:
        pieces = [np.concatenate(pieces)] if len(pieces) > 1 else pieces
    for piece in pieces:
        storage.write(position, piece)
        position += piece.nbytes


def _spans(width: int, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Return the byte ranges of whole rows that are read and written together, from the start of the table."""
    if rows.size == 1 or int(rows[-1] - rows[0]) == rows.size - 1:
        return rows[:1] * width, np.array([rows.size * width])
    return merge_ranges(rows * width, np.full(rows.size, width), max_gap=MAX_GAP)
