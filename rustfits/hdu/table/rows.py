"""Rows of a table: which are asked for, and their way from the file into an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import RowIndexError, TableError, TruncatedFile
from rustfits.hdu.table.columns import Cells
from rustfits.storage.base import Storage

CHUNK_NBYTES = 4 << 20  # bytes of rows read at a time, of which the wanted columns are kept

Rows = range | NDArray[np.int64]


def select_rows(rows: object, nrows: int) -> Rows:
    """Return the numbers of the rows that an argument ``rows=`` asks for.

    Parameters
    ----------
    rows : slice, iterable of int, or None
        Negative numbers count from the end; of equal ones the first is kept. None asks for all rows.
    nrows : int
        Of the table.

    Raises
    ------
    RowIndexError
        If a number is out of range.
    TableError
        If it is of another kind, or asks for no row at all.
    """
    if rows is None:
        return range(nrows)
    if isinstance(rows, slice):
        try:
            found: Rows = range(nrows)[rows]
        except (TypeError, ValueError) as error:
            raise TableError(f"rows={rows!r}: {error}") from error
    else:
        found = _numbers(rows, nrows)
    if not len(found):
        raise TableError(f"rows= selects zero rows of the {nrows} there are")
    return found


def _numbers(rows: Any, nrows: int) -> NDArray[np.int64]:
    try:
        wanted = iter(rows)
    except TypeError:
        raise TableError(f"rows= must be None, a slice or a sequence of ints, not {rows!r}") from None
    numbers: dict[int, None] = {}  # keeps the order
    for row in wanted:
        if not isinstance(row, int | np.integer) or isinstance(row, bool):
            raise TableError(f"rows= must hold ints, not {row!r}; np.flatnonzero turns a mask into row numbers")
        number = int(row)
        if not -nrows <= number < nrows:
            raise RowIndexError(f"row {number} is out of range: the table has {nrows} rows")
        numbers[number % nrows] = None
    return np.fromiter(numbers, dtype=np.int64, count=len(numbers))


@dataclass(frozen=True, slots=True)
class RowReader:
    """The rows of one table in its file.

    Attributes
    ----------
    storage : Storage
    data_start : int
        First byte of the first row.
    row_nbytes : int
        NAXIS1.
    """

    storage: Storage
    data_start: int
    row_nbytes: int

    def check(self, rows: Rows) -> None:
        """Raise `TruncatedFile` if the file ends before the last of ``rows``, before memory is asked for them."""
        if not len(rows):
            return
        last = int(max(rows[0], rows[-1]) if isinstance(rows, range) else rows.max())
        stop = self.data_start + (last + 1) * self.row_nbytes
        if self.storage.size() < stop:
            raise TruncatedFile(
                f"{self.storage.name} has {self.storage.size()} bytes, but row {last} of the table ends at byte "
                f"{stop}; the file is truncated"
            )

    def read(self, rows: Rows, cells: Sequence[Cells], out: NDArray[Any], *, scale: bool) -> None:
        """Read rows in pieces, so that little more memory is needed than for the columns that are wanted.

        Parameters
        ----------
        rows : range or (n,) int64 array
        cells : sequence of Cells
            Columns to read.
        out : (n,) structured array
            Filled; it has a field per column.
        scale : bool
            Whether to give physical values.

        Raises
        ------
        TableError
            If a cell cannot be read; see `Cells.decode`.
        """
        if not self.row_nbytes:  # there is nothing in any cell, and perhaps no end of rows
            return
        step = max(CHUNK_NBYTES // self.row_nbytes, 1)
        for begin in range(0, len(rows), step):
            piece = np.asarray(rows[begin : begin + step], dtype=np.int64)
            raw = self._raw(piece)
            for one in cells:
                first, stop = one.column.offset, one.column.offset + one.column.nbytes
                one.decode(raw[:, first:stop], out[one.column.name][begin : begin + step], piece, scale=scale)

    def _raw(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        raw = np.empty((rows.size, self.row_nbytes), dtype=np.uint8)
        first = np.flatnonzero(np.r_[True, np.diff(rows) != 1])  # of each run of neighbouring rows
        count = np.diff(np.r_[first, rows.size])
        start = self.data_start + rows[first] * self.row_nbytes
        self.storage.read_ranges(start, count * self.row_nbytes, raw.reshape(-1))
        return raw
