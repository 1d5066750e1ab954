"""The rows and the heap of a binary table, as classes of a kind change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError, TableError, TileDecodeError
from rustfits.hdu import sums
from rustfits.hdu.compressed.extending import Extending
from rustfits.hdu.kind import DataUnit
from rustfits.hdu.table import AnyTableHDU
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot
from rustfits.heap.bintable import Column, TableLayout
from rustfits.heap.repack import repack
from rustfits.heap.segments import segments_of
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter, check_whole


class TableUnit(DataUnit):
    """The data unit of a binary table: reading as `DataUnit`; changing inside a method marked by `changes`.

    A change is collected in a `HeapWriter`, with everything that can be wrong with it, and then written. Rows and heap
    go where they belong, and TFORMn, NAXISn, PCOUNT and THEAP say so; later HDUs of the file move.

    Parameters
    ----------
    hdu : AnyTableHDU
    """

    __slots__ = ()

    @property
    def _table(self) -> AnyTableHDU:
        return cast("AnyTableHDU", self._hdu)

    def layout(self, columns: Sequence[Column] = ()) -> TableLayout:
        """Return the table as it lies in the file now.

        Parameters
        ----------
        columns : sequence of Column
            What is known of its columns; all that are to be written have to be among them.

        Raises
        ------
        HeaderError
            If its header makes no sense.
        """
        return TableLayout.from_cards(self._hdu._state.cards, tuple(columns))

    def writer(
        self,
        columns: Sequence[Column] = (),
        *,
        nrows: int | None = None,
        anew: bool = False,
        adjoining: bool = False,
        without_heap: bool = False,
    ) -> HeapWriter:
        """Return what collects a change of the table.

        Parameters
        ----------
        columns : sequence of Column
            As for `layout`, errors too.
        nrows : int, optional
            Rows that the table will have, not fewer than now; by default as many.
        anew : bool
            Whether nothing of rows and heap is kept; then all columns are to be written.
        adjoining : bool
            Whether the heap has to stay right behind the table, without THEAP.
        without_heap : bool
            Whether nothing of the heap is kept.
        """
        layout = self.layout(columns)
        if without_heap:
            return HeapWriter(layout, self._spare, compact=True)
        if not anew:
            return HeapWriter(layout, self._spare, nrows=nrows, adjoining=adjoining)
        check_whole(self._hdu._file.storage, self._hdu._extent, layout)
        return HeapWriter.anew(layout if nrows is None else replace(layout, nrows=nrows), self._spare)

    def compacting(
        self, columns: Sequence[Column], start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> tuple[HeapWriter, NDArray[np.int64]]:
        """Return what collects a change after which the heap holds some ranges alone, and what is added then.

        Parameters
        ----------
        columns : sequence of Column
            As for `layout`, errors too.
        start, length : (n,) int64 array
            Ranges of the heap, of at least a byte each, which may overlap.

        Returns
        -------
        writer : HeapWriter
        moved : (n,) int64 array
            Where each range will begin.
        """
        segments = segments_of(start, length)
        writer = HeapWriter(self.layout(columns), self._spare, compact=True)
        writer.take_over(segments)
        return writer, segments.moved

    def right_sums(self) -> list[str]:
        """Return those of DATASUM and CHECKSUM that are there and right, for `renew_sums`."""
        return sums.right_ones(self._hdu._file, self._hdu._extent, self._hdu._state)

    def renew_sums(self, keywords: Sequence[str] = sums.BOTH) -> None:
        """Write those of DATASUM and CHECKSUM anew that the header has."""
        sums.renew(self._hdu._file, self._hdu._extent, self._hdu._state, keywords)

    def appending(self, begin: Callable[[], None], end: Callable[[], None]) -> Extending[AnyTableHDU]:
        """Return a context in which rows wait to be appended; the file cannot be closed inside it.

        Parameters
        ----------
        begin, end : callable
            Make the HDU collect rows, and append them.
        """
        return Extending(self._table, self._hdu._file, self._hdu.index, begin, end, name="appending")

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` put something in memory back if the change under way fails."""
        self._hdu._file.on_failure(undo)

    def apply(
        self, writer: HeapWriter, cards: Cards | None = None, *, after: Callable[[Cards], Snapshot] | None = None
    ) -> None:
        """Make the change that was collected.

        Parameters
        ----------
        writer : HeapWriter
            From `writer`; nothing else has changed the table since.
        cards : Cards, optional
            The header to come, but for what follows from rows and heap; by default as it is.
        after : callable, optional
            Returns the snapshot for the header as it is then, if the caller knows more than that it is another.

        Raises
        ------
        TableError
            If descriptors cannot reach all of the heap.
        TruncatedFile, HeaderError
            If the HDU is not there whole, or its size is not that of a table.
        FitsIOError
            If the bytes cannot be written.
        """
        hdu = self._hdu
        snapshot = None if after is None else lambda cards, _: after(cards)
        try:
            writer.write(hdu._file, hdu._extent, hdu._state, hdu._state.cards if cards is None else cards, snapshot)
        except ImageError as error:
            raise TableError(str(error)) from error

    def fill_with_blanks(self) -> None:
        """Write blanks behind the data, up to the end of the block, as ASCII tables have it (FITS 4.0, 7.2.3)."""
        extent = self._hdu._extent
        stop = extent.data_start + extent.data_nbytes
        if extent.stop > stop:
            self._hdu._file.storage.write(stop, b" " * (extent.stop - stop))

    def fill(self, writer: HeapWriter) -> None:
        """Write the rows and the heap of a new table, whose header `HeapWriter.complete` has returned."""
        writer.fill(self._hdu._file.storage, self._hdu._extent)

    def repack(self, columns: Sequence[Column]) -> None:
        """Drop what no descriptor points at, and the room between table and heap; nothing if there is no such thing.

        Cells that share bytes still do. DATASUM and CHECKSUM are written anew if they were right.

        Parameters
        ----------
        columns : sequence of Column
            All that are descriptors.

        Raises
        ------
        TableError
            If a descriptor points outside the heap.
        TruncatedFile, HeaderError, FitsIOError
            As `apply`.
        """
        hdu, there = self._hdu, [column for column in columns if column.descriptor and column.nbytes]
        if not there:
            return
        right = sums.right_ones(hdu._file, hdu._extent, hdu._state)
        try:
            repack(hdu._file, hdu._extent, hdu._state, self.layout(there), self._spare)
        except TileDecodeError as error:
            raise TableError(f"repack(): row {error.row}: {error.reason}") from error
        sums.renew(hdu._file, hdu._extent, hdu._state, right)

    @property
    def _spare(self) -> Spare:
        """What earlier changes by this handle have left for the next."""
        table = self._table
        if table._spare is None:
            table._spare = Spare()
            table._file.after_undoing(table._spare.forget)
        return table._spare
