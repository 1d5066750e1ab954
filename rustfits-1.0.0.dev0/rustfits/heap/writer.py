"""The one writer of rows and heap: what changes of a table is collected in memory, and then written at once.

New bytes go to the end of the heap. What they replace stays in it, unused, until the heap is repacked. A table that
grows takes the room between it and the heap (FITS 4.0, section 7.3.5, keyword THEAP); the heap moves only when that is
used up. A table that is written anew is an empty one that grows. A repack keeps all rows, and of the heap those bytes
that are taken over. Rows of any number, and heaps of any size, are filled and written in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError, ImageError, TruncatedFile
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState, Snapshot
from rustfits.heap.bintable import ELEMENT_NBYTES, Column, TableLayout
from rustfits.heap.pieces import Carried, Encode, KeptRows, PieceCells, RowPieces
from rustfits.heap.ranges import all_descriptors
from rustfits.heap.rows import read_raw, write_raw
from rustfits.heap.segments import Segments, gather
from rustfits.heap.spare import Spare
from rustfits.limits import MAX_DESCRIPTOR, MAX_ROW_NBYTES
from rustfits.storage.base import Storage
from rustfits.storage.extent import Extent, padded
from rustfits.storage.openfile import OpenFile

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]

SMALL_HEAP_NBYTES = 1 << 18  # moving that much costs no more than opening a file

_NO_ROWS = np.zeros(0, dtype=np.int64)
_MAXIMUM = re.compile(r"\(\s*(\d+)\s*\)")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Bytes for the heap, and the cells that are to point at them.

    Attributes
    ----------
    column : Column
        Of descriptors.
    rows : (n,) int64 array
        Table rows, from 0.
    data : uint8 array
        What the rows get, back to back.
    length : (n,) int64 array
        Bytes of each row; 0 for a cell that is to point at nothing.
    """

    column: Column
    rows: Int64s
    data: Bytes
    length: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """New values of one column in some rows; of descriptors, pairs of element count and offset."""

    column: Column
    rows: Int64s
    values: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    """Bytes of the heap that are made when they are written."""

    nbytes: int
    pieces: Callable[[], Iterable[Bytes]]


class HeapWriter:
    """Rows and heap bytes of one table that are to be written; nothing is, before `write` or `fill`.

    Parameters
    ----------
    layout : TableLayout
        The table as it is.
    spare : Spare, optional
        What earlier changes left for this one; told of what this one leaves.
    nrows : int, optional
        Rows that the table will have, not fewer than now; by default as many. New ones are zero.
    compact : bool
        Whether the heap will hold nothing but what is added, right behind the table.
    adjoining : bool
        Whether the heap has to stay right behind the table: it moves whenever rows are added.
    """

    def __init__(
        self,
        layout: TableLayout,
        spare: Spare | None = None,
        *,
        nrows: int | None = None,
        compact: bool = False,
        adjoining: bool = False,
    ) -> None:
        self._before = layout
        self._columns, self._row_nbytes = layout.columns, layout.row_nbytes
        self._nrows = layout.nrows if nrows is None else nrows
        self._spare = Spare() if spare is None else spare
        self._compact, self._adjoining = compact, adjoining
        self._kept = self._stop = 0 if compact else self._spare.used(layout)  # bytes of the heap
        self._pieces: list[Bytes | _Arrays] = []
        self._rows_to_fill: RowPieces | KeptRows | None = None
        self._segments: Segments | None = None
        self._cells: list[_Cells] = []

    @classmethod
    def anew(cls, layout: TableLayout, spare: Spare | None = None) -> HeapWriter:
        """Return the writer of a table of which nothing is kept: all rows are zero, and the heap is empty."""
        empty = replace(layout, nrows=0, heap_start=0, heap_nbytes=0)
        return cls(empty, spare, nrows=layout.nrows, compact=True)

    def add_columns(self, layout: TableLayout) -> None:
        """Take over the columns of a table that is as this one, but may have more of them at the end."""
        self._columns, self._row_nbytes = layout.columns, layout.row_nbytes

    def put(self, column: Column, rows: Int64s, values: NDArray[Any]) -> None:
        """Store one value in each of some rows, from 0; pairs of element count and offset are descriptors."""
        self._cells.append(_Cells(column, rows, values))

    def fill_rows(self, rows: range | Int64s, encode: Encode | None = None, *, whole: bool = False) -> None:
        """Write rows that are filled piece by piece: they are never in memory all at once.

        All rows that the table gains are among them, and what `put` and `add_arrays` store is one value for each.
        Numbers of rows given to `put` do not count then.

        Parameters
        ----------
        rows : range or (n,) int64 array
            From 0, ascending, each once; a range of neighbours.
        encode : callable, optional
            ``encode(raw, first)`` fills rows ``first`` to ``first + len(raw)`` of ``rows``: (n, row_nbytes) bytes that
            are as they were, zero in new rows. Called by several threads. By default the bytes stay.
        whole : bool
            Whether it sets every byte but those of descriptors that are stored: then nothing is read.
        """
        self._rows_to_fill = RowPieces(rows, encode, whole)

    def reshape_rows(self, layout: TableLayout, carried: Sequence[Carried], encode: Encode | None = None) -> None:
        """Give all rows other columns.

        Parameters
        ----------
        layout : TableLayout
            Whose columns and width of a row the table will have.
        carried : sequence of (int, int, int)
            Where bytes of a row stand, where they will, and how many they are. The others are zero.
        encode : callable, optional
            As for `fill_rows`.
        """
        self._columns, self._row_nbytes = layout.columns, layout.row_nbytes
        self._rows_to_fill = RowPieces(range(self._nrows), encode, whole=False, carried=carried)

    def drop_rows(self, gone: range | Int64s) -> None:
        """Take rows out of the table; what they have in the heap stays there, right behind the rows that are left.

        Parameters
        ----------
        gone : range or (n,) int64 array
            From 0, ascending, each once; a range of neighbours.
        """
        self._nrows -= len(gone)
        self._rows_to_fill = KeptRows(gone)

    def add_arrays(self, column: Column, count: Int64s, nbytes: Int64s, pieces: Callable[[], Iterable[Bytes]]) -> None:
        """Append arrays to the heap, one for each of the rows to be filled, and point at them.

        Parameters
        ----------
        column : Column
            Of descriptors, which has room for one.
        count, nbytes : (nrows,) int64 array
            Elements, or bits, of each array, and its bytes.
        pieces : callable
            Yields the bytes of all, back to back, in pieces of any size; called when they are written.
        """
        assert self._rows_to_fill is not None
        cells = np.empty((count.size, 2), dtype=np.int64)
        cells[:, 0] = count
        np.multiply(self._stop + np.cumsum(nbytes) - nbytes, nbytes > 0, out=cells[:, 1])
        self._cells.append(_Cells(column, _NO_ROWS, cells))
        total = int(nbytes.sum())
        if total:
            self._pieces.append(_Arrays(total, pieces))
            self._stop += total

    def add(self, runs: Iterable[Run]) -> None:
        """Append bytes to the heap, in the order of their rows, and point at them.

        Raises
        ------
        HeaderError
            If a column cannot point at them.
        """
        runs = [run for run in runs if run.rows.size]
        if len(runs) > 1 or (runs and runs[0].rows.size > 1):
            rows = np.concatenate([run.rows for run in runs])
            if not _ascends(rows):
                self._add_in_order(runs, rows)
                return
        for run in runs:
            self._point(run, self._stop + np.cumsum(run.length) - run.length)
            self._pieces.append(run.data)
            self._stop += run.data.nbytes

    def _add_in_order(self, runs: list[Run], rows: Int64s) -> None:
        """As `add`, where the rows of the runs are mixed."""
        length = np.concatenate([run.length for run in runs])
        data = np.concatenate([run.data for run in runs])
        order = np.argsort(rows, kind="stable")
        start = np.empty_like(length)
        start[order] = self._stop + np.cumsum(length[order]) - length[order]
        begin = np.cumsum(length) - length
        parts = zip(begin[order].tolist(), (begin + length)[order].tolist(), strict=True)
        self._pieces.append(np.concatenate([data[first:after] for first, after in parts]))
        self._stop += data.nbytes
        for run, where in zip(runs, np.split(start, np.cumsum([run.rows.size for run in runs])[:-1]), strict=True):
            self._point(run, where)

    def _point(self, run: Run, start: Int64s) -> None:
        column, length = run.column, run.length
        width = ELEMENT_NBYTES[column.element] if column.descriptor and column.repeat == 1 else 0
        if not width:
            raise HeaderError(f"column {column.name} (TFORM{column.number}) has no room for one descriptor a row")
        if width > 1 and (length % width).any():
            raise HeaderError(
                f"column {column.name} has elements of {width} bytes, of which the new bytes are no multiple"
            )
        cells = np.empty((length.size, 2), dtype=np.int64)
        np.floor_divide(length, width, out=cells[:, 0])
        np.multiply(start, length > 0, out=cells[:, 1])
        self._cells.append(_Cells(column, run.rows, cells))

    def take_over(self, segments: Segments) -> None:
        """Let the heap of a table that is compacted hold these parts of it, which the cells that were put point at."""
        self._segments, self._kept, self._stop = segments, segments.nbytes, segments.nbytes

    @property
    def nbytes(self) -> int:
        """Bytes of the heap to come, as far as is known."""
        return self._stop

    def add_bytes(self, data: Bytes) -> int:
        """Append bytes to the heap at which no row points; return where in it they will be."""
        start = self._stop
        self._pieces.append(data)
        self._stop += data.nbytes
        return start

    # -- the header -----------------------------------------------------------------------------------------------

    def complete(self, cards: Cards) -> Cards:
        """Return the header of a table that is written anew, made from one that says everything else.

        Raises
        ------
        ImageError
            If the heap would be larger than its descriptors can say.
        """
        assert self._compact
        cards = cards.copy()
        self._compacted().put_into(cards)
        self._set_maxima(cards, lambda _: 0)
        return cards

    @property
    def _shrinks(self) -> bool:
        """Whether the rows take less room than before, though something of the table is kept."""
        return self._row_nbytes < self._before.row_nbytes or self._nrows < self._before.nrows

    def _compacted(self) -> TableLayout:
        return TableLayout(self._row_nbytes, self._nrows, self._row_nbytes * self._nrows, self._stop, self._columns)

    def _set_maxima(self, cards: Cards, longest: Callable[[Column], int]) -> None:
        """See to it that TFORMn tells the elements of the longest cell, or does not understate them."""
        for column in filter(lambda column: column.descriptor, self._columns):
            counts = [int(cells.values[:, 0].max(initial=0)) for cells in self._cells if cells.column == column]
            if counts and self._stop > MAX_DESCRIPTOR[column.code]:
                raise ImageError(
                    f"the heap would have {self._stop} bytes, but descriptors of type {column.code} reach only "
                    f"{MAX_DESCRIPTOR[column.code]}; heap_format='Q' reaches further, and repack() drops what is unused"
                )
            keyword, count = f"TFORM{column.number}", max(counts, default=0)
            if not self._compact:
                found = _MAXIMUM.search(cards.text(keyword))
                if not counts or (found and int(found[1]) >= count):
                    continue
                count = count if found else max(count, longest(column))
            cards.set(keyword, f"1{column.code}{column.element}({count})")

    # -- writing --------------------------------------------------------------------------------------------------

    def write(
        self,
        file: OpenFile,
        extent: Extent,
        state: HeaderState,
        cards: Cards,
        after: Callable[[Cards, TableLayout], Snapshot] | None = None,
    ) -> None:
        """Make the changes; inside `changing`.

        Parameters
        ----------
        file, extent, state
            Of the HDU.
        cards : Cards
            Its header, but for what follows from rows and heap. Not to be changed afterwards.
        after : callable, optional
            Makes the snapshot to come, of the header and the layout, if the caller can without reading them.

        Raises
        ------
        TruncatedFile, HeaderError
            If the HDU is not there whole, or its size is not that of a table; before anything is changed.
        ImageError
            If the heap would be larger than its descriptors can say; likewise.
        FitsIOError
            If the bytes cannot be written.
        """
        storage, before, data_start = file.storage, self._before, extent.data_start
        if before.nbytes:
            check_whole(storage, extent, before)
        piecewise = self._rows_to_fill is not None
        rows, raw = (None, None) if piecewise else self._rows(storage, data_start)
        layout = self._compacted() if self._compact else self._with_room(file, extent)
        cards = cards.copy()
        layout.put_into(cards)
        self._set_maxima(cards, lambda column: longest_cell(storage, data_start, before, column))
        if self._segments is not None:
            gather(storage, data_start + before.heap_start, data_start + layout.heap_start, self._segments)
        nbytes = layout.nbytes
        with storage.gathered():
            if self._shrinks:  # rows that get shorter, or fewer, make room for the heap
                self._write_pieces(storage, data_start)
                piecewise = False
                if not self._compact:
                    storage.move(data_start + before.heap_start, data_start + layout.heap_start, before.heap_nbytes)
            elif nbytes >= extent.data_nbytes:
                self._make_room(file, extent, layout, nbytes)
            self._write_heap(storage, data_start + layout.heap_start)
            if rows is not None and raw is not None:
                write_raw(storage, data_start, rows, raw)
            elif piecewise:
                self._write_pieces(storage, data_start)
            if nbytes < extent.data_nbytes:
                file.resize_data(extent, nbytes, zero=False)
            state.commit_inside(cards, None if after is None else after(cards, layout))
        if self._compact:
            self._spare.forget()
        else:
            self._spare.set(layout, used=self._stop, taken=self._stop - self._kept)

    def fill(self, storage: Storage, extent: Extent) -> None:
        """Write the data unit of an HDU that was just made with the header of `complete`, and that size."""
        self._write_heap(storage, extent.data_start + self._row_nbytes * self._nrows)
        if self._rows_to_fill is not None:
            self._write_pieces(storage, extent.data_start)
            return
        rows, raw = self._rows(storage, extent.data_start)
        write_raw(storage, extent.data_start, rows, raw)

    def _write_pieces(self, storage: Storage, data_start: int) -> None:
        """Fill and write the rows of `fill_rows`."""
        assert self._rows_to_fill is not None
        cells = [PieceCells(cells.column, cells.values) for cells in self._cells]
        old = self._before.nrows, self._before.row_nbytes
        self._rows_to_fill.write(storage, data_start, old=old, width=self._row_nbytes, cells=cells)

    def _with_room(self, file: OpenFile, extent: Extent) -> TableLayout:
        """Return the table to come, with room for rows, and behind the heap, as far as they will save moves."""
        before = self._before
        start = heap_start_for(before.heap_start, self._row_nbytes, self._nrows, self._stop)
        if self._shrinks or (self._adjoining and self._row_nbytes * self._nrows > before.heap_start):
            start = self._row_nbytes * self._nrows
        nbytes = max(self._stop, before.heap_nbytes)
        if extent.data_start + padded(start + nbytes) > extent.stop and not file.is_last(extent):
            behind = file.storage.size() - extent.stop
            nbytes += self._spare.room_after(self._stop - self._kept, behind)
        return TableLayout(self._row_nbytes, self._nrows, start, nbytes, self._columns)

    def _make_room(self, file: OpenFile, extent: Extent, layout: TableLayout, nbytes: int) -> None:
        """Make the data unit as long as it will be, and move the heap out of the way of new rows."""
        storage, before, start = file.storage, self._before, extent.data_start
        if file.is_last(extent) and layout.heap_start == before.heap_start:
            file.set_data_nbytes(extent, nbytes)
            self._pieces.append(np.zeros(padded(nbytes) - layout.heap_start - self._stop, np.uint8))
            return
        file.resize_data(extent, nbytes, zero=False)
        if layout.heap_start != before.heap_start and self._segments is None:
            storage.move(start + before.heap_start, start + layout.heap_start, before.heap_nbytes)
            storage.write_zeros(start + layout.table_nbytes, start + layout.heap_start)
        if layout.heap_nbytes > before.heap_nbytes:  # what moved away is still there
            storage.write_zeros(start + layout.heap_start + self._stop, start + nbytes)

    def _write_heap(self, storage: Storage, heap_start: int) -> None:
        """Write what is new of the heap; a few bytes at one go."""
        position, pieces = heap_start + self._kept, self._each_piece()
        if len(self._pieces) > 1 and sum([piece.nbytes for piece in self._pieces]) <= SMALL_HEAP_NBYTES:
            pieces = iter([np.concatenate(list(pieces))])
        for piece in pieces:
            storage.write(position, piece)
            position += piece.nbytes

    def _each_piece(self) -> Iterator[Bytes]:
        for piece in self._pieces:
            if isinstance(piece, _Arrays):
                yield from piece.pieces()
            else:
                yield piece

    def _rows(self, storage: Storage, data_start: int) -> tuple[Int64s, Bytes]:
        """Return the rows that change, ascending, and their bytes, ``(n, row_nbytes)``."""
        if self._row_nbytes > MAX_ROW_NBYTES:
            raise HeaderError(f"NAXIS1 is {self._row_nbytes}; rows of more than {MAX_ROW_NBYTES} bytes are not written")
        old, width = self._before.nrows, self._before.row_nbytes
        rows = self._changed()
        raw = np.zeros((rows.size, self._row_nbytes), dtype=np.uint8)
        there = 0
        if old and not self._replaces(rows):
            there = int(np.searchsorted(rows, old))
        if there:
            raw[:there, :width] = read_raw(storage, data_start, width, rows[:there])
        if self._row_nbytes != width:
            raw[:, self._columns[-1].offset :] = 0  # rows may have ended with bytes of no column
        for cells in self._cells:
            first, dtype = cells.column.offset, np.dtype(cells.column.cell_dtype())
            if cells.rows is rows:
                where: Int64s | slice = slice(None)
            else:
                where = cells.rows if rows.size == self._nrows else np.searchsorted(rows, cells.rows)
            cell = raw[:, first : first + cells.column.nbytes].view(dtype.base)
            cell[where] = cells.values.reshape(cells.rows.size, -1)
        return rows, raw

    def _replaces(self, rows: Int64s) -> bool:
        """Return whether every byte of the rows is new."""
        whole = {cells.column.number: cells.column.nbytes for cells in self._cells if cells.rows is rows}
        return sum(whole.values()) == self._row_nbytes

    def _changed(self) -> Int64s:
        """Return the rows that change, ascending."""
        first = self._before.nrows if self._row_nbytes == self._before.row_nbytes else 0
        if not first:
            return np.arange(self._nrows)
        parts = [cells.rows for cells in self._cells]
        if first == self._nrows and len({id(part) for part in parts}) == 1 and _ascends(parts[0]):
            return parts[0]
        return np.unique(np.concatenate([np.arange(first, self._nrows), *parts]))


def _ascends(rows: Int64s) -> bool:
    return rows.size == 1 or bool((rows[1:] > rows[:-1]).all())


def heap_start_for(heap_start: int, row_nbytes: int, nrows: int, heap_nbytes: int) -> int:
    """Return where the heap should begin once the table has ``nrows`` rows; it is at ``heap_start``.

    It stays where it is as long as the table has room. Then a heap of some size leaves room for up to twice as many
    rows, so that a table that grows row by row moves its heap as often as its size doubles. It follows from the
    numbers alone, so the steps in which a table has grown do not matter.
    """
    table_nbytes = row_nbytes * nrows
    if table_nbytes <= heap_start:
        return heap_start
    return table_nbytes if heap_nbytes <= SMALL_HEAP_NBYTES else row_nbytes << (nrows - 1).bit_length()


def longest_cell(storage: Storage, data_start: int, layout: TableLayout, column: Column) -> int:
    """Return the elements of the longest cell of a column of descriptors; errors as `read_rows`."""
    ((count, _),) = all_descriptors(storage, data_start, layout, [column])
    return int(count.max(initial=0))


def check_whole(storage: Storage, extent: Extent, layout: TableLayout) -> None:
    """Refuse to change an HDU that is not there whole, or not as its table says; before anything is written.

    Raises
    ------
    TruncatedFile, HeaderError
    """
    nbytes = layout.nbytes
    if extent.data_nbytes != nbytes:
        raise HeaderError(f"the table and its heap take {nbytes} bytes, but GCOUNT makes it {extent.data_nbytes}")
    if storage.size() < extent.data_start + nbytes:
        raise TruncatedFile(
            f"{storage.name} has {storage.size()} bytes, but the table ends at byte {extent.data_start + nbytes}: a "
            "truncated file cannot be changed"
        )
