"""Arrays in the heap of a binary table (FITS 4.0, section 7.3.5): from descriptors to one object for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError, limits
from rustfits.plugin import ELEMENT_DTYPES, DataUnit, TableLayout
from rustfits_tables.choice import active
from rustfits_tables.columns import Cells
from rustfits_tables.fields import Field, FieldArray, Kind
from rustfits_tables.rows import RowReader, Rows

Int64s = NDArray[np.int64]

MAX_COUNT = 1 << 58  # elements of a cell: their bytes can be counted in 64 bits
OBJECT_NBYTES = 128  # of an array or a str, beside what it holds
BATCH_NBYTES = 4 << 20  # of the heap that are held at a time, beside the cells made of them


class HeapReader:
    """The heap of one table in its file.

    Parameters
    ----------
    unit : DataUnit
    layout : TableLayout
    """

    def __init__(self, unit: DataUnit, layout: TableLayout) -> None:
        self._unit, self._layout = unit, layout

    def read(self, rows: Rows, cells: Cells, out: NDArray[Any], *, scale: bool, as_bytes: bool = False) -> None:
        """Read the cells of one column.

        Parameters
        ----------
        rows : range or (n,) int64 array
        cells : Cells
            Of descriptors.
        out : (n,) object array
            Filled: arrays of one axis, or str; bytes with ``as_bytes``. Each is independent, whatever they share in the
            file.
        scale : bool
            Whether to give physical values.

        Raises
        ------
        TableError
            If a descriptor points outside of the heap, or a string is not ASCII; or if cells that share bytes would
            need more memory than `limits.MAX_SHARED_NBYTES`.
        """
        if scale:
            cells.inner.check_scale()
        count, offset = self._descriptors(rows, cells)
        nbytes = nbytes_of(count, cells)
        self._check(count, offset, nbytes, rows, cells)
        self._check_shared(nbytes, cells)
        for first, stop in batches(nbytes):
            raw = read_cells(self._unit, self._layout.heap_start, offset[first:stop], nbytes[first:stop])
            out[first:stop] = Batch(cells, count[first:stop], nbytes[first:stop], raw).split(
                rows[first:stop], scale=scale, as_bytes=as_bytes
            )

    def memory(self, rows: Rows, cells: Cells) -> Int64s:
        """Return about how many bytes the objects of one column will take in memory, for each row; errors as `read`."""
        count, offset = self._descriptors(rows, cells)
        nbytes = nbytes_of(count, cells)
        self._check(count, offset, nbytes, rows, cells)
        each = 1 if cells.column.element in "AX" else cells.inner.dtype().itemsize
        return count * each + OBJECT_NBYTES

    def _descriptors(self, rows: Rows, cells: Cells) -> tuple[Int64s, Int64s]:
        """Return counts and offsets, as `pairs_of`."""
        column = cells.column
        if not column.nbytes:
            return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
        raw = np.zeros((len(rows), column.nbytes), dtype=np.uint8)
        field = FieldArray(Field(Kind.COPY, column.offset, column.nbytes), raw)
        RowReader(self._unit, self._layout.row_nbytes).read_fields(rows, [field], [cells])
        return pairs_of(raw, column.code)

    def _check(self, count: Int64s, offset: Int64s, nbytes: Int64s, rows: Rows, cells: Cells) -> None:
        """Raise `TableError` if a descriptor points outside of the heap, `TruncatedFile` if that is not there."""
        heap_nbytes = self._layout.heap_nbytes
        bad = (count < 0) | (offset < 0) | (count > min(heap_nbytes * 8, MAX_COUNT))
        bad |= (nbytes > 0) & (offset > heap_nbytes - nbytes)
        bad &= count != 0  # where an empty array lies means nothing
        if bad.any():
            at = int(np.argmax(bad))
            raise TableError(
                f"column {cells.name!r}, row {rows[at]}: the descriptor says {count[at]} elements at byte {offset[at]} "
                f"of the heap, which has {heap_nbytes} bytes"
            )
        self._unit.require(self._layout.heap_start + int((offset + nbytes)[nbytes > 0].max(initial=0)))

    def _check_shared(self, nbytes: Int64s, cells: Cells) -> None:
        """Refuse cells that point at the same bytes again and again: each becomes an array of its own."""
        total, heap_nbytes = float(nbytes.sum(dtype=np.float64)), self._layout.heap_nbytes
        if total > heap_nbytes:
            check_shared(len(nbytes), total, heap_nbytes, cells)


def check_shared(ncells: int, total: float, heap_nbytes: int, cells: Cells) -> None:
    """Refuse cells that share bytes of a heap and are too many bytes together.

    Raises
    ------
    TableError
        If they are more than `rustfits.limits.MAX_SHARED_NBYTES`.
    """
    if total > limits.MAX_SHARED_NBYTES:
        raise TableError(
            f"column {cells.name!r}: {ncells} cells share bytes of a heap of {heap_nbytes} bytes, and would be arrays "
            f"of {total:.3g} bytes together; read fewer rows at a time, or raise rustfits.limits.MAX_SHARED_NBYTES, "
            f"which is {limits.MAX_SHARED_NBYTES}"
        )


def read_cells(unit: DataUnit, heap_start: int, offset: Int64s, nbytes: Int64s) -> NDArray[np.uint8]:
    """Return the bytes of cells, back to back; neighbours are read together."""
    raw = np.empty(int(nbytes.sum()), dtype=np.uint8)
    there = nbytes > 0
    if there.any():
        start, stop = offset[there], (offset + nbytes)[there]
        first = np.flatnonzero(np.r_[True, start[1:] != stop[:-1]])
        lengths = np.add.reduceat(stop - start, first)
        unit.read_ranges(heap_start + start[first], lengths, raw)
    return raw


class Batch:
    """Cells whose bytes are at hand, back to back."""

    def __init__(self, cells: Cells, count: Int64s, nbytes: Int64s, raw: NDArray[np.uint8]) -> None:
        self._cells, self._count, self._raw = cells, count, raw
        self._ends = [0, *np.cumsum(nbytes).tolist()]

    def split(self, rows: Rows, *, scale: bool, as_bytes: bool) -> NDArray[Any]:
        """Return one object for each cell."""
        out = np.empty(len(rows), dtype=object)
        pieces = zip(range(len(rows)), self._ends, self._ends[1:], strict=False)
        element = self._cells.column.element
        if element == "A":
            for index, begin, stop in pieces:
                text = self._raw[begin:stop].tobytes()
                out[index] = text if as_bytes else self._decoded(text, int(rows[index]))
        elif element == "X":
            for index, begin, stop in pieces:
                out[index] = np.unpackbits(self._raw[begin:stop], count=int(self._count[index])).view(np.bool_)
        else:
            inner, size = self._cells.inner, element_nbytes(self._cells)
            values = np.zeros(self._raw.size // size, dtype=inner.dtype(scale=scale))
            if values.size:
                active().decoder(size, inner.fields(values, scale=scale)).decode(self._raw, 0)
            for index, begin, stop in pieces:
                out[index] = values[begin // size : stop // size].copy()
        return out

    def _decoded(self, text: bytes, row: int) -> str:
        text = text.partition(b"\0")[0].rstrip(b" ")
        try:
            return text.decode("ascii")
        except UnicodeDecodeError as error:
            name = self._cells.name
            raise TableError(
                f"non-ASCII byte 0x{text[error.start]:02X} at position {error.start} of column {name!r}, row {row}; "
                f"read_column({name!r}, as_bytes=True) returns bytes"
            ) from None


def nbytes_of(count: Int64s, cells: Cells) -> Int64s:
    """Return the bytes of cells of so many elements, which may be too many for 64 bits only beyond `MAX_COUNT`."""
    return -(-count // 8) if cells.column.element == "X" else count * element_nbytes(cells)


def pairs_of(raw: NDArray[np.uint8], code: str) -> tuple[Int64s, Int64s]:
    """Return counts and offsets of descriptors of type P or Q, (n, nbytes) as they are stored, unchecked.

    Offsets of 32 bits have no sign, as CFITSIO has it.
    """
    kind = np.dtype([("count", ">i4"), ("offset", ">u4")] if code == "P" else [("count", ">i8"), ("offset", ">i8")])
    pairs = raw.view(kind)[:, 0]
    return pairs["count"].astype(np.int64), pairs["offset"].astype(np.int64)


def element_nbytes(cells: Cells) -> int:
    """Return the bytes of an element of arrays in the heap; 1 for bits."""
    element = cells.column.element
    return np.dtype(ELEMENT_DTYPES[element]).itemsize if element in ELEMENT_DTYPES else 1


def batches(nbytes: Int64s) -> Iterator[tuple[int, int]]:
    """Return ranges of rows whose cells have about `BATCH_NBYTES` bytes together, or one large cell."""
    ends = np.cumsum(nbytes + 1)  # cells without bytes count too: they end
    first = 0
    while first < ends.size:
        done = int(ends[first - 1]) if first else 0
        stop = max(int(np.searchsorted(ends, done + BATCH_NBYTES, "right")), first + 1)
        yield first, stop
        first = stop
