"""Rows of a table as raw bytes: every byte of them counts, those that belong to no column too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rustfits.heap.ranges import merge_ranges
from rustfits.limits import MAX_HEAP_GAP_NBYTES
from rustfits.storage.base import Storage

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]


def read_raw(storage: Storage, data_start: int, width: int, rows: Int64s) -> Bytes:
    """Read rows of ``width`` bytes, from 0 and ascending: ``(n, width)``, writable.

    Raises
    ------
    TruncatedFile
        If the file ends before.
    """
    if _together(rows):
        raw = np.empty((rows.size, width), dtype=np.uint8)
        storage.read_into(data_start + rows.item(0) * width, raw)
        return raw
    start, length = merge_ranges(rows * width, np.full(rows.size, width), max_gap=MAX_HEAP_GAP_NBYTES)
    buffer = np.empty(int(length.sum()), dtype=np.uint8)
    storage.read_ranges(data_start + start, length, buffer)
    raw = buffer.reshape(-1, width)
    begin = np.cumsum(length) - length
    holder = np.searchsorted(start, rows * width, side="right") - 1
    found: Bytes = raw[(begin[holder] + rows * width - start[holder]) // width]
    return found


def write_raw(storage: Storage, data_start: int, rows: Int64s, raw: Bytes) -> None:
    """Write rows, from 0 and ascending; those between neighbours are read and written as they are, to save requests."""
    if not rows.size:
        return
    width = raw.shape[1]
    if _together(rows):
        storage.write(data_start + rows.item(0) * width, raw)
        return
    start, length = merge_ranges(rows * width, np.full(rows.size, width), max_gap=MAX_HEAP_GAP_NBYTES)
    for begin, nbytes in zip(start.tolist(), length.tolist(), strict=True):
        first = begin // width
        low, high = np.searchsorted(rows, [first, first + nbytes // width])
        if (high - low) * width == nbytes:
            storage.write(data_start + begin, raw[low:high])
            continue
        span = np.frombuffer(storage.read(data_start + begin, nbytes), dtype=np.uint8).reshape(-1, width)
        span[rows[low:high] - first] = raw[low:high]
        storage.write(data_start + begin, span)


def _together(rows: Int64s) -> bool:
    """Return whether rows, which ascend, have no other row between them."""
    return rows.size == 1 or int(rows[-1] - rows[0]) == rows.size - 1
