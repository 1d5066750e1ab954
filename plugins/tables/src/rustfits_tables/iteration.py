"""The rows of a table one after another: memory is needed for a piece of them, whatever the size of the file."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits_tables.access import RowTable
from rustfits_tables.rows import Rows

PIECE_NBYTES = 4 << 20  # of rows in memory: read in one go by several threads, and little beside the interpreter itself
MAX_PIECE_NROWS = 1 << 16  # of columns without bytes


class Pieces:
    """Rows in pieces of about `PIECE_NBYTES` in memory, as an iterable of structured arrays.

    Parameters
    ----------
    hdu : RowTable
    columns : sequence of str or None
    scale : bool
    nbytes : int
        About the memory of a piece, which has one row at least.
    rows : range or (n,) int64 array, optional
        Which of them, for `selections` alone; all by default.

    Raises
    ------
    TableError
        If a column is unknown or named twice.
    """

    def __init__(
        self,
        hdu: RowTable,
        columns: Sequence[str] | None = None,
        *,
        scale: bool = True,
        nbytes: int = PIECE_NBYTES,
        rows: Rows | None = None,
    ) -> None:
        dtype = hdu._fields(columns, scale=scale)
        self._hdu, self._scale, self._nbytes = hdu, scale, nbytes
        self._columns = list(dtype.names or ())  # those of now, also when others are inserted later
        self._step = max(min(nbytes // max(dtype.itemsize, 1), MAX_PIECE_NROWS if not dtype.itemsize else 1 << 62), 1)
        self._rows: Rows = range(hdu.nrows) if rows is None else rows
        self.nrows = len(self._rows)

    def selections(self) -> Iterator[Rows]:
        """Return the rows of each piece."""
        first = 0
        while first < self.nrows:
            rows = self._rows[first : first + self._step]
            objects = self._hdu._heap_nbytes(rows, self._columns)
            if objects is not None:
                fitting = int(np.searchsorted(np.cumsum(objects), self._nbytes, "right"))
                rows = rows[: max(fitting, 1)]
            yield rows
            first += len(rows)

    def read(self, first: int, stop: int) -> NDArray[Any]:
        """Return rows of the table."""
        columns = self._columns or None  # a table without columns has rows all the same
        return self._hdu.read(rows=slice(first, stop), columns=columns, scale=self._scale)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.read(int(rows[0]), int(rows[-1]) + 1) for rows in self.selections())


class RowIterator:
    """The records of a table, in order; its ``len`` is how many are left."""

    def __init__(self, pieces: Pieces) -> None:
        self._left = pieces.nrows
        self._pieces = iter(pieces)
        self._records: Iterator[np.void] = iter(())

    def __iter__(self) -> RowIterator:
        return self

    def __next__(self) -> np.void:
        for record in self._records:
            self._left -= 1
            return record
        self._records = iter(next(self._pieces))
        return next(self)

    def __len__(self) -> int:
        return self._left


class ChunkIterator:
    """Structured arrays of some number of rows, the last perhaps of fewer; its ``len`` is how many are left."""

    def __init__(self, pieces: Pieces, chunksize: int) -> None:
        self._pieces, self._chunksize, self._first = pieces, chunksize, 0

    def __iter__(self) -> ChunkIterator:
        return self

    def __next__(self) -> NDArray[Any]:
        if self._first >= self._pieces.nrows:
            raise StopIteration
        stop = min(self._first + self._chunksize, self._pieces.nrows)
        chunk = self._pieces.read(self._first, stop)
        self._first = stop
        return chunk

    def __len__(self) -> int:
        return max(self._pieces.nrows - self._first + self._chunksize - 1, 0) // self._chunksize


def checked_chunksize(chunksize: object) -> int:
    """Return how many rows a chunk is to have.

    Raises
    ------
    TypeError
        If that is no integer.
    TableError
        If it is less than 1.
    """
    if isinstance(chunksize, bool) or not hasattr(chunksize, "__index__"):
        raise TypeError(f"chunksize= must be an int, not {chunksize!r}")
    number = operator.index(chunksize)
    if number < 1:
        raise TableError(f"chunksize= must be a positive integer, not {number}")
    return number
