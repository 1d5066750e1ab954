"""The heap of a table without unused bytes, in the order of rows; nothing of it is decoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError
from rustfits.header.state import HeaderState
from rustfits.heap.bintable import Column, TableLayout
from rustfits.heap.ranges import check_descriptors, descriptors, read_rows
from rustfits.heap.segments import segments_of
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter, check_whole
from rustfits.storage.base import Storage
from rustfits.storage.openfile import Extent, OpenFile

Int64s = NDArray[np.int64]


def repack(file: OpenFile, extent: Extent, state: HeaderState, layout: TableLayout, spare: Spare) -> None:
    """Drop what no descriptor points at, and the room between table and heap; inside `changing`.

    Does nothing if there is nothing to drop.

    Raises
    ------
    TruncatedFile, HeaderError
        If the HDU is not there whole, or its size is not that of a table.
    TileDecodeError
        If a descriptor points outside the heap.
    FitsIOError
        If the bytes cannot be read or written.
    """
    storage = file.storage
    check_whole(storage, extent, layout)
    columns = [column for column in layout.columns if column.descriptor]
    if not columns:
        raise HeaderError("the table has no column of descriptors, so it has no heap to repack")
    rows = np.arange(layout.nrows)
    cells = read_rows(storage, extent.data_start, layout, columns, rows)
    heap = extent.data_start + layout.heap_start, layout.heap_nbytes
    found = [_ranges(storage, heap, column, cells, rows) for column in columns]
    # Row by row, and in a row column by column.
    start, length = (np.stack(each, axis=1).reshape(-1) for each in zip(*found, strict=True))
    used = length > 0
    segments = segments_of(start[used], length[used])
    if layout.heap_start == layout.table_nbytes and segments.nbytes == layout.heap_nbytes:
        spare.forget()
        return
    moved = np.zeros_like(start)
    moved[used] = segments.moved
    writer = HeapWriter(layout, spare, compact=True)
    writer.take_over(segments)
    for column, offset in zip(columns, moved.reshape(rows.size, -1).T, strict=True):
        count, _ = descriptors(cells, column)
        writer.put(column, rows, np.stack([count, offset], axis=1))
    writer.write(file, extent, state, state.cards)


def _ranges(
    storage: Storage, heap: tuple[int, int], column: Column, cells: NDArray[np.void], rows: Int64s
) -> tuple[Int64s, Int64s]:
    """Return the bytes that the descriptors of one column point at."""
    count, offset = descriptors(cells, column)
    length = check_descriptors(storage, heap, column, (count, offset), rows=rows, algorithm="repack()")
    return np.where(length > 0, offset, 0), length
