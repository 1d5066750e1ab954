"""The heap of a table without unused bytes, in the order of rows; nothing of it is decoded."""

from __future__ import annotations

import numpy as np

from rustfits.errors import HeaderError
from rustfits.header.state import HeaderState
from rustfits.heap.bintable import TableLayout
from rustfits.heap.ranges import all_descriptors, check_descriptors
from rustfits.heap.segments import segments_of
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter, check_whole
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile


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
    cells = all_descriptors(storage, extent.data_start, layout, columns)
    heap = extent.data_start + layout.heap_start, layout.heap_nbytes
    lengths = [
        check_descriptors(storage, heap, column, found, rows=rows, algorithm="repack()")
        for column, found in zip(columns, cells, strict=True)
    ]
    # Row by row, and in a row column by column.
    start, length = (np.stack(each, axis=1).reshape(-1) for each in ([offset for _, offset in cells], lengths))
    used = length > 0
    segments = segments_of(start[used], length[used])
    if layout.heap_start == layout.table_nbytes and segments.nbytes == layout.heap_nbytes:
        spare.forget()
        return
    moved = np.zeros_like(start)
    moved[used] = segments.moved
    writer = HeapWriter(layout, spare, compact=True)
    writer.take_over(segments)
    writer.fill_rows(range(layout.nrows))
    for column, (count, _), offset in zip(columns, cells, moved.reshape(rows.size, len(columns)).T, strict=True):
        writer.put(column, rows, np.stack([count, offset], axis=1))
    writer.write(file, extent, state, state.cards)
