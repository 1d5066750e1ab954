"""Rows of a table that are filled and written piece by piece, so that they are never in memory all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.heap.bintable import Column
from rustfits.heap.rows import read_raw, write_raw
from rustfits.parallel.threads import run, scratch
from rustfits.storage.base import Storage

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]
Encode = Callable[[Bytes, int], None]
Carried = tuple[int, int, int]
"""Where bytes of a row stood, where they go, and how many they are."""

PIECE_NBYTES = 2 << 20  # the system takes large pages for large writes: with 256 kB a new file takes half as long again
LEAST_PIECE_NBYTES = 256 << 10  # of small tables, so that each thread has some


@dataclass(frozen=True, slots=True, eq=False)
class RowPieces:
    """Rows to be written.

    Attributes
    ----------
    rows : range or (n,) int64 array
        Table rows, from 0, ascending; a range has no gaps.
    encode : callable or None
        ``encode(raw, first)`` fills its bytes of rows ``first`` to ``first + len(raw)`` of ``rows``, which are
        ``(n, row_nbytes)`` bytes. Several threads may call it.
    whole : bool
        Whether it fills every byte, with what is stored in the columns of descriptors.
    carried : sequence of Carried, optional
        What is kept of old rows, if they had another width.
    """

    rows: range | Int64s
    encode: Encode | None
    whole: bool
    carried: Sequence[Carried] | None = None

    def write(
        self, storage: Storage, data_start: int, *, old: tuple[int, int], width: int, cells: Sequence[PieceCells]
    ) -> None:
        """Fill all rows and write them; inside a transaction.

        Parameters
        ----------
        storage : Storage
        data_start : int
            Byte at which the data unit starts.
        old : (int, int)
            Rows that are there, and their width in bytes.
        width : int
            Of the rows to come. Of another one than they have, all rows are to be written.
        cells : sequence of PieceCells
            Stored beside what is encoded: a value for each row.
        """
        nbytes = min(PIECE_NBYTES, max(len(self.rows) * width // 4, LEAST_PIECE_NBYTES))
        step, lock = max(nbytes // max(width, 1), 1), Lock()
        changes_width = bool(old[0]) and width != old[1]

        def write_piece(first: int) -> None:
            rows = self.rows[first : first + step]
            together = isinstance(rows, range)
            nbytes = len(rows) * width
            # What is not together may wait inside `gathered`, in memory of its own.
            memory = scratch("rows to be written", nbytes, np.uint8) if together else np.empty(nbytes, np.uint8)
            raw: Bytes = memory.reshape(-1, width)
            if not self.whole:
                with lock:
                    self._put_old(storage, data_start, rows, old, raw)
            if self.encode is not None:
                self.encode(raw, first)
            for each in cells:
                each.put_into(raw, first)
            with lock:
                if isinstance(rows, range):
                    storage.write_many([data_start + rows.start * width], [raw])
                else:
                    write_raw(storage, data_start, rows, raw)

        if not width:
            return
        firsts: Sequence[int] = range(0, len(self.rows), step)
        if changes_width:  # no row is overwritten before it was read
            for first in firsts if width < old[1] else reversed(firsts):
                write_piece(first)
            return
        if isinstance(self.rows, range):
            storage.reserve(data_start + self.rows.start * width, data_start + self.rows.stop * width)
        # Bytes of rows stand for pixels here: what makes a second thread worth while is much the same.
        run(write_piece, firsts, npixels=len(self.rows) * width)

    def _put_old(
        self, storage: Storage, data_start: int, rows: range | Int64s, old: tuple[int, int], raw: Bytes
    ) -> None:
        """Fill rows with what they are now; new ones with zeros."""
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows
        there = int(np.searchsorted(numbers, old[0]))
        if there and self.carried is None:
            raw[:there] = read_raw(storage, data_start, old[1], numbers[:there])
        elif there:
            raw[:there] = 0
            before = read_raw(storage, data_start, old[1], numbers[:there]) if old[1] else raw[:, :0]
            for source, target, nbytes in self.carried or ():
                raw[:there, target : target + nbytes] = before[:, source : source + nbytes]
        raw[there:] = 0


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """The rows that others leave, each where the one before ends.

    Attributes
    ----------
    gone : range or (n,) int64 array
        Rows that are taken out, from 0, ascending, each once; a range has no gaps.
    """

    gone: range | Int64s

    def write(
        self, storage: Storage, data_start: int, *, old: tuple[int, int], width: int, cells: Sequence[PieceCells]
    ) -> None:
        """Move the rows; as `RowPieces.write`, but that there are no cells to be stored."""
        if not width or not len(self.gone):
            return
        step, target = max(PIECE_NBYTES // width, 1), int(self.gone[0])
        for first in range(target, old[0], step):
            stop = min(first + step, old[0])
            kept = np.ones(stop - first, np.bool_)
            kept[self._within(first, stop)] = False
            count = int(np.count_nonzero(kept))
            if count:  # no row is overwritten before it was read: each moves towards the first
                raw = np.empty((stop - first, width), np.uint8)
                storage.read_into(data_start + first * width, raw)
                storage.write(data_start + target * width, raw[kept])
                target += count

    def _within(self, first: int, stop: int) -> slice | Int64s:
        gone = self.gone
        if isinstance(gone, range):
            return slice(max(gone.start - first, 0), max(gone.stop - first, 0))
        low, high = np.searchsorted(gone, [first, stop])
        inside: Int64s = gone[low:high] - first
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class PieceCells:
    """Values of one column, one for each row to be written; of descriptors, pairs of element count and offset."""

    column: Column
    values: NDArray[Any]

    def put_into(self, raw: Bytes, first: int) -> None:
        """Store the values of some rows, of which ``first`` is the first."""
        column = self.column
        dtype = np.dtype(column.cell_dtype()).base
        cell = raw[:, column.offset : column.offset + column.nbytes].view(dtype)
        cell[...] = self.values[first : first + len(raw)].reshape(len(raw), -1)
