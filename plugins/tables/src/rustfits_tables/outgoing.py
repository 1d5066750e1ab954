"""Checked values on their way to the file: rows through the kernels, arrays of variable length into the heap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import ELEMENT_DTYPES, HeapWriter
from rustfits_tables.choice import active
from rustfits_tables.fields import FieldArray
from rustfits_tables.values import Int64s, Values

Bytes = NDArray[np.uint8]

BATCH_NBYTES = 1 << 20  # of arrays for the heap, made at a time


def collect(writer: HeapWriter, rows: range | Int64s, values: Sequence[Values], row_nbytes: int) -> None:
    """Have values written to rows of a table.

    Parameters
    ----------
    writer : HeapWriter
    rows : range or (n,) int64 array
        From 0, ascending, each once; all that the table gains are among them.
    values : sequence of Values
        One for each of the rows.
    row_nbytes : int
        NAXIS1.
    """
    encode, nbytes = row_encoder(values, row_nbytes)
    nbytes += sum(each.cells.column.nbytes for each in values if each.cells.in_heap)
    writer.fill_rows(rows, encode, whole=nbytes == row_nbytes)
    add_arrays(writer, values)


def row_encoder(values: Sequence[Values], row_nbytes: int) -> tuple[Any, int]:
    """Return what `HeapWriter.fill_rows` needs, None if nothing stands in rows; and the bytes of a row that it sets."""
    fields: list[FieldArray] = []
    nbytes = 0
    for each in values:
        of_column = each.fields()
        nbytes += of_column[0].field.nbytes if of_column else 0  # a second one sets nulls of the same cells
        fields += of_column
    if not fields:
        return None, nbytes
    encoder = active().encoder(row_nbytes, fields)

    def encode(raw: Bytes, first: int) -> None:
        faults = encoder.encode(raw.reshape(-1), first)
        if faults:  # all values were checked
            raise TableError(f"row {first + faults[0].row}: {faults[0].reason.name} in field {faults[0].field}")

    return encode, nbytes


def add_arrays(writer: HeapWriter, values: Sequence[Values]) -> None:
    """Have arrays of variable length written to the heap, column by column."""
    for each in values:
        column = each.cells.column
        if each.counts is not None and column.nbytes:
            nbytes = -(-each.counts // 8) if column.element == "X" else each.counts * element_nbytes(each)
            writer.add_arrays(column, each.counts, nbytes, Arrays(each, nbytes))


def element_nbytes(values: Values) -> int:
    """Return the bytes of an element of an array in the heap; 1 for bits."""
    element = values.cells.column.element
    return np.dtype(ELEMENT_DTYPES[element]).itemsize if element in ELEMENT_DTYPES else 1


class Arrays:
    """The bytes of the arrays of one column as they lie in the heap, in pieces.

    Parameters
    ----------
    values : Values
        Of a column of descriptors.
    nbytes : (nrows,) int64 array
        Of each array.
    """

    def __init__(self, values: Values, nbytes: Int64s) -> None:
        self._values, self._ends = values, np.cumsum(nbytes)

    def __call__(self) -> Iterator[Bytes]:
        """Yield all bytes, back to back."""
        first, ends = 0, self._ends
        while first < ends.size:
            done = int(ends[first - 1]) if first else 0
            stop = max(int(np.searchsorted(ends, done + BATCH_NBYTES, "right")), first + 1)
            cells = self._values.array[first:stop]
            if stop == first + 1 and int(ends[first]) - done > BATCH_NBYTES:
                cell = cells[0]
                step = BATCH_NBYTES // element_nbytes(self._values)  # of bits whole bytes too
                for begin in range(0, len(cell), step):
                    yield self._bytes([cell[begin : begin + step]])
            elif int(ends[stop - 1]) > done:
                yield self._bytes(cells.tolist())
            first = stop

    def _bytes(self, cells: list[Any]) -> Bytes:
        inner, element = self._values.cells.inner, self._values.cells.column.element
        if element == "A":
            return np.frombuffer(b"".join(cells), dtype=np.uint8)
        if element == "X":
            return np.concatenate([np.packbits(cell) for cell in cells])
        dtype = np.dtype(np.bool_) if element == "L" else inner.dtype()
        numbers = np.concatenate(cells, dtype=dtype, casting="equiv")
        size = element_nbytes(self._values)
        out = np.empty(numbers.size * size, dtype=np.uint8)
        active().encoder(size, inner.fields(numbers, scale=True)).encode(out, 0)
        return out
