"""Table rows and heap ranges of an open file, checked and read into buffers (FITS 4.0, sections 7.3.3 and 7.3.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TileDecodeError, TruncatedFile
from rustfits.heap.bintable import ELEMENT_NBYTES, Column, TableLayout
from rustfits.limits import MAX_HEAP_GAP_NBYTES
from rustfits.storage.base import Storage

Int64s = NDArray[np.int64]
Allocate = Callable[[int], NDArray[np.uint8]]

ROWS_NBYTES = 4 << 20  # of rows of which only descriptors are kept, read at a time
_FAR = (1 << 63) - 1  # bytes of a heap, of which a header may claim more than descriptors can point at
FEW = 64  # ranges up to this number are sorted out without arrays


def merge_ranges(start: Int64s, length: Int64s, *, max_gap: int) -> tuple[Int64s, Int64s]:
    """Join neighbouring ranges, so that one read serves many tiles.

    Parameters
    ----------
    start, length : (n,) int64 array, n > 0
        Byte ranges, ordered by ``start``.
    max_gap : int
        Largest hole, in bytes, to read and throw away rather than split at.

    Returns
    -------
    start, length : (m,) int64 array, m <= n
        Byte ranges to read.

    Raises
    ------
    ValueError
        If ``start`` does not ascend.
    """
    if (np.diff(start) < 0).any():
        raise ValueError("start must ascend; sort the ranges first")
    # Rows may share bytes (FITS 4.0, section 7.3.6), so the range that starts last need not end last.
    stop = np.maximum.accumulate(start + length)
    first = np.flatnonzero(np.r_[True, start[1:] - stop[:-1] > max_gap])
    last = np.r_[first[1:] - 1, start.size - 1]
    return start[first], stop[last] - start[first]


def _fresh(nbytes: int) -> NDArray[np.uint8]:
    return np.empty(nbytes, dtype=np.uint8)


def read_ranges(
    storage: Storage, base: int, start: Int64s, length: Int64s, allocate: Allocate = _fresh
) -> tuple[NDArray[np.uint8], Int64s]:
    """Read ranges in any order, each byte once.

    Parameters
    ----------
    base : int
        Byte of the storage from which ``start`` counts.
    start, length : (n,) int64 array
        Byte ranges, which may overlap, and lie within the storage.
    allocate : callable
        Returns a uint8 array of so many bytes, of any content.

    Returns
    -------
    data : uint8 array
        At most the bytes from the first range to the end of the last; read-only by convention.
    position : (n,) int64 array
        Where each range begins in ``data``.
    """
    if not start.size:
        return np.empty(0, dtype=np.uint8), start
    if start.size == 1:
        data = allocate(length.item())
        storage.read_into(base + start.item(), data)
        return data, np.zeros(1, dtype=np.int64)
    if (start[1:] == start[:-1] + length[:-1]).all():  # one after the other, as most writers do
        data = allocate(int(start[-1] + length[-1] - start[0]))
        storage.read_into(base + int(start[0]), data)
        return data, start - start[0]
    if start.size <= FEW:
        return _read_few(storage, base, start.tolist(), length.tolist(), allocate)
    order = np.argsort(start, kind="stable")
    merged, nbytes = merge_ranges(start[order], length[order], max_gap=MAX_HEAP_GAP_NBYTES)
    begin = np.cumsum(nbytes) - nbytes
    data = allocate(int(nbytes.sum()))
    storage.read_ranges(base + merged, nbytes, data)
    holder = np.searchsorted(merged, start, side="right") - 1
    return data, begin[holder] + start - merged[holder]


def _read_few(
    storage: Storage, base: int, start: list[int], length: list[int], allocate: Allocate
) -> tuple[NDArray[np.uint8], Int64s]:
    """As `read_ranges`, for numbers so few that arrays of them take longer."""
    position = [0] * len(start)
    reads: list[list[int]] = []  # start, stop, and first byte in the data, of each read
    nbytes = 0
    for index in sorted(range(len(start)), key=start.__getitem__):
        begin, end = start[index], start[index] + length[index]
        if not reads or begin - reads[-1][1] > MAX_HEAP_GAP_NBYTES:
            reads.append([begin, begin, nbytes])
        last = reads[-1]
        if end > last[1]:
            nbytes += end - last[1]
            last[1] = end
        position[index] = last[2] + begin - last[0]
    data = allocate(nbytes)
    if len(reads) == 1:
        storage.read_into(base + reads[0][0], data)
    else:
        ranges = np.array(reads, dtype=np.int64)
        storage.read_ranges(base + ranges[:, 0], ranges[:, 1] - ranges[:, 0], data)
    return data, np.array(position, dtype=np.int64)


def read_rows(
    storage: Storage, data_start: int, layout: TableLayout, columns: Sequence[Column], rows: Int64s
) -> NDArray[Any]:
    """Read some rows of a table.

    Parameters
    ----------
    storage : Storage
    data_start : int
        Byte at which the data unit starts.
    layout : TableLayout
    columns : sequence of Column
        Those to be looked at.
    rows : (n,) int64 array
        Wanted rows, from 0, in any order.

    Returns
    -------
    (n,) structured array
        One field per column, as stored: big-endian.

    Raises
    ------
    TruncatedFile
        If the file ends within the table; nothing is read then.
    """
    dtype = layout.row_dtype(columns)
    if not rows.size or not layout.row_nbytes:
        return np.zeros(rows.size, dtype=dtype)
    check_end(storage, data_start + layout.table_nbytes, f"the table of {layout.nrows} rows")
    width = layout.row_nbytes
    low = rows.item(0)
    if rows.size == 1 or (rows.item(-1) - low == rows.size - 1 and (rows[1:] - rows[:-1] == 1).all()):
        data = np.empty(rows.size, dtype=dtype)
        storage.read_into(data_start + low * width, data)
        return data
    unique, inverse = np.unique(rows, return_inverse=True)
    raw, position = read_ranges(storage, data_start, unique * width, np.full(unique.size, width))
    table = np.empty(unique.size, dtype=dtype)
    table.view(np.uint8).reshape(-1, width)[...] = raw[position[:, None] + np.arange(width)]
    return table[inverse]


def descriptors(table: NDArray[Any], column: Column) -> tuple[Int64s, Int64s]:
    """Return element counts and byte offsets of one column of `read_rows`, ``(n,)`` int64 each, unchecked.

    Offsets of 32 bits have no sign, as CFITSIO writes them: heaps of up to 4 GiB are in use.
    """
    count, start = table[column.name].T.astype(np.int64, order="C")
    if column.code == "P":
        start &= 0xFFFFFFFF
    return count, start


def all_descriptors(
    storage: Storage, data_start: int, layout: TableLayout, columns: Sequence[Column]
) -> list[tuple[Int64s, Int64s]]:
    """Return what `descriptors` does of some columns, for all rows, of which few are in memory at a time.

    The parameters and errors are those of `read_rows`.
    """
    step = max(ROWS_NBYTES // max(layout.row_nbytes, 1), 1)
    found = [np.empty((2, layout.nrows), dtype=np.int64) for _ in columns]
    for first in range(0, layout.nrows, step):
        rows = np.arange(first, min(first + step, layout.nrows))
        table = read_rows(storage, data_start, layout, columns, rows)
        for cells, column in zip(found, columns, strict=True):
            cells[:, first : first + rows.size] = descriptors(table, column)
    return [(count, start) for count, start in found]


def heap_ranges(
    heap_nbytes: int, column: Column, count: Int64s, start: Int64s
) -> tuple[Int64s, NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell what descriptors point at: the one place that knows which of them are right (FITS 4.0, section 7.3.5).

    Parameters
    ----------
    heap_nbytes : int
        Bytes of the heap.
    column : Column
    count, start : (n,) int64 array
        From `descriptors`.

    Returns
    -------
    length : (n,) int64 array
        Bytes of each; of no meaning where they are not inside. Of bits, which descriptors count, eight are a byte.
    used : (n,) bool array
        Which point at anything: one of no elements says nothing, wherever it points.
    inside : (n,) bool array
        Which are inside the heap; those that are not used are.
    """
    width, heap_nbytes = ELEMENT_NBYTES[column.element], min(heap_nbytes, _FAR)
    if column.element == "X":
        count = np.where(count > 0, -(-count // 8), count)
    room = heap_nbytes - start if width == 1 else (heap_nbytes - start) // width
    used = count != 0
    # A sum or product of hostile numbers would overflow; the difference does only where start is negative.
    inside = ((count | start) >= 0) & (count <= room)
    if not inside.all():
        inside |= ~used
    return count if width == 1 else count * width, used, inside


def check_descriptors(
    storage: Storage,
    heap: tuple[int, int],
    column: Column,
    cells: tuple[Int64s, Int64s],
    *,
    rows: Int64s,
    algorithm: str,
) -> Int64s:
    """Refuse descriptors that point outside the heap or the file.

    Parameters
    ----------
    heap : (int, int)
        First byte of the heap in the storage, and its length in bytes.
    cells : (count, start)
        From `descriptors`, ``(n,)`` int64 arrays.
    rows : (n,) int64 array
        Table row of each, for errors.
    algorithm : str
        Name of the codec, for errors.

    Returns
    -------
    (n,) int64 array
        Length of each tile in bytes.

    Raises
    ------
    TileDecodeError
        For the first descriptor that reaches outside the heap that the header describes.
    TruncatedFile
        If the file ends within the bytes that one points at.
    """
    (heap_start, heap_nbytes), (count, start) = heap, cells
    length, used, inside = heap_ranges(heap_nbytes, column, count, start)
    if not inside.all():
        first = int(inside.argmin())
        raise outside_heap(algorithm, int(rows[first]), column, (int(count[first]), int(start[first])), heap_nbytes)
    check_end(storage, heap_start + int((start + length).max(where=used, initial=0)), "the tiles wanted")
    return length


def outside_heap(algorithm: str, row: int, column: Column, cell: tuple[int, int], heap_nbytes: int) -> TileDecodeError:
    """Return the error for a descriptor, (count, start), that reaches outside the heap."""
    reason = (
        f"the descriptor in column {column.name} names {cell[0]} elements at byte {cell[1]} of a heap of {heap_nbytes} "
        "bytes"
    )
    return TileDecodeError(algorithm, row, reason)


def check_end(storage: Storage, stop: int, what: str) -> None:
    """Raise `TruncatedFile` if the file ends before byte ``stop``."""
    nbytes = storage.size()
    if stop > nbytes:
        raise TruncatedFile(f"{storage.name} has {nbytes} bytes, but {what} end at byte {stop}: the file is truncated")
