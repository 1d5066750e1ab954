"""Rows of a table: which are asked for, and their way from the file into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import RowIndexError, TableError
from rustfits.plugin import DataUnit, run, scratch
from rustfits_tables.choice import active
from rustfits_tables.facts import AnyCells
from rustfits_tables.fields import OFFSETS, Fault, FieldArray, Reason
from rustfits_tables.text import TextCells

# Rows that are read and decoded at a time. With fewer, two threads spend more time on waiting for each other than they
# gain: 256 kB take twice as long as 2 MB. Of a small table each thread has some. A file behind a network is asked for
# few large pieces.
LOCAL_NBYTES = 2 << 20
LEAST_NBYTES = 256 << 10
REMOTE_NBYTES = 4 << 20

Rows = range | NDArray[np.int64]


def select_rows(rows: object, nrows: int, *, some: bool = True) -> Rows:
    """Return the numbers of the rows that an argument ``rows=`` asks for.

    Parameters
    ----------
    rows : slice, iterable of int, or None
        Negative numbers count from the end; of equal ones the first is kept. None asks for all rows.
    nrows : int
        Of the table.
    some : bool
        Whether there has to be one.

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
    if some and not len(found):
        raise TableError(f"zero rows are selected of the {nrows} that the table has")
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
class Target:
    """A column, and where its values go.

    Attributes
    ----------
    cells : Cells or TextCells
        Not of arrays in the heap.
    out : (nrows, *shape) array
        Of zeros, if the cells have no bytes.
    mask : (nrows, *shape) bool array or None
        Of False; becomes True where there is no value.
    """

    cells: AnyCells
    out: NDArray[Any]
    mask: NDArray[np.bool_] | None = None


def fields_of(
    targets: Sequence[Target], *, scale: bool, as_bytes: bool = False
) -> tuple[list[FieldArray], list[AnyCells]]:
    """Return what the kernels are to do for some columns, and the column of each field; as `RowReader.read`."""
    fields: list[FieldArray] = []
    owners: list[AnyCells] = []
    for each in targets:
        of_column = each.cells.fields(each.out, scale=scale, as_bytes=as_bytes)
        of_column += [] if each.mask is None else each.cells.null_fields(each.mask)
        fields += of_column
        owners += [each.cells] * len(of_column)
    return fields, owners


@dataclass(frozen=True, slots=True)
class RowReader:
    """The rows of one table in its file.

    Attributes
    ----------
    unit : DataUnit
    row_nbytes : int
        NAXIS1.
    """

    unit: DataUnit
    row_nbytes: int

    def check(self, rows: Rows) -> None:
        """Raise `TruncatedFile` if the file ends before the last of ``rows``, before memory is asked for them."""
        if len(rows):
            last = int(max(rows[0], rows[-1]) if isinstance(rows, range) else rows.max())
            self.unit.require((last + 1) * self.row_nbytes)

    def read(self, rows: Rows, targets: Sequence[Target], *, scale: bool, as_bytes: bool = False) -> None:
        """Read rows in pieces, on several threads: little more memory is needed than for the columns that are wanted.

        Parameters
        ----------
        rows : range or (n,) int64 array
        targets : sequence of Target
            Filled.
        scale : bool
            Whether to give physical values.
        as_bytes : bool
            Whether to give strings as they are stored.

        Raises
        ------
        TableError
            If a value cannot be read; it names the first such column, row and what stands there.
        """
        self.read_fields(rows, *fields_of(targets, scale=scale, as_bytes=as_bytes))
        for each in targets:
            if isinstance(each.cells, TextCells):
                each.cells.finish(each.out, scale=scale)

    def read_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> None:
        """Read what the kernels are to do; ``owners`` are the columns of the fields, for errors as in `read`."""
        if not (self.row_nbytes and fields and len(rows)):  # there is nothing in any cell, and perhaps no end of rows
            return
        decoder = active().decoder(self.row_nbytes, fields)
        total = len(rows) * self.row_nbytes
        nbytes = min(LOCAL_NBYTES, max(total // 4, LEAST_NBYTES)) if self.unit.is_local else REMOTE_NBYTES
        step = max(nbytes // self.row_nbytes, 1)
        step += -step % 8  # bitmaps of two pieces share no byte

        def decode(first: int) -> None:
            piece = rows[first : first + step]
            raw = scratch("rows of a table", len(piece) * self.row_nbytes, np.uint8)
            self._fill(piece, raw)
            faults = decoder.decode(raw, first)
            if faults:
                fault = min(faults, key=lambda fault: fault.field)
                row = raw[fault.row * self.row_nbytes : (fault.row + 1) * self.row_nbytes]
                raise error_of(fault, owners[fault.field], int(piece[fault.row]), row)

        # Bytes of rows stand for pixels here: what makes a second thread worth while is much the same. Where a string
        # begins in a text is known when the one before was read.
        in_turn = any(each.field.kind in OFFSETS for each in fields)
        run(decode, range(0, len(rows), step), npixels=0 if in_turn else total)

    def _fill(self, rows: Rows, raw: NDArray[np.uint8]) -> None:
        if isinstance(rows, range):
            if rows.step == 1:
                self.unit.read_ranges(np.array([rows.start * self.row_nbytes]), np.array([raw.size]), raw)
                return
            rows = np.arange(rows.start, rows.stop, rows.step)
        first = np.flatnonzero(np.r_[True, np.diff(rows) != 1])  # of each run of neighbouring rows
        count = np.diff(np.r_[first, rows.size])
        self.unit.read_ranges(rows[first] * self.row_nbytes, count * self.row_nbytes, raw)


def error_of(fault: Fault, cells: AnyCells, row: int, raw: NDArray[np.uint8]) -> TableError:
    """Return the error for a value that cannot be had; ``raw`` are the bytes of its row, as far as they matter."""
    if fault.reason == Reason.FOREIGN:
        return TableError(
            f"non-ASCII byte 0x{fault.value:02X} at position {fault.position} of column {cells.name!r}, row {row}; "
            f"read_column({cells.name!r}, as_bytes=True) returns bytes"
        )
    if isinstance(cells, TextCells):
        text = raw[cells.offset : cells.offset + cells.width].tobytes().decode("ascii", "backslashreplace")
        what = "is beyond the range of its type" if fault.reason == Reason.RANGE else "is no number"
        return TableError(f"column {cells.name!r}, row {row}: {text!r} {what}; its format is {cells.code}{cells.width}")
    return TableError(f"column {cells.name!r}, row {row}: {fault.reason.name}")
