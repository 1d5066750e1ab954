"""The used parts of a heap: which bytes they are, and copying them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rustfits.storage.base import MOVE_NBYTES, Storage

Int64s = NDArray[np.int64]

MEMORY_NBYTES = 64 << 20  # a heap up to this size is put in order in memory


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The used parts of a heap: ranges that share no byte, in the order in which they are to lie.

    Attributes
    ----------
    start, length : (n,) int64 array
        In bytes from the start of the heap as it is.
    moved : (m,) int64 array
        Where each range that was asked about begins in the heap to come.
    """

    start: Int64s
    length: Int64s
    moved: Int64s

    @property
    def nbytes(self) -> int:
        """Bytes of all segments."""
        return int(self.length.sum())


def segments_of(start: Int64s, length: Int64s) -> Segments:
    """Find the segments that hold some ranges.

    Parameters
    ----------
    start, length : (m,) int64 array
        Ranges, of at least a byte each, which may overlap (FITS 4.0, section 7.3.6); the order of their first uses is
        the order to come.
    """
    if not start.size:
        return Segments(start, length, start)
    by_start = np.argsort(start, kind="stable")
    begin, stop = start[by_start], (start + length)[by_start]
    reach = np.maximum.accumulate(stop)
    # Ranges that only touch stay apart, as each may have to go to another place.
    first = np.r_[True, begin[1:] >= reach[:-1]]
    number = np.cumsum(first) - 1
    heads = np.flatnonzero(first)
    seg_start, seg_stop = begin[heads], np.maximum.reduceat(stop, heads)
    use = np.minimum.reduceat(by_start, heads)
    order = np.argsort(use)
    seg_length = (seg_stop - seg_start)[order]
    target = np.empty_like(seg_length)
    target[order] = np.cumsum(seg_length) - seg_length
    moved = np.empty_like(start)
    moved[by_start] = target[number] + begin - seg_start[number]
    return Segments(seg_start[order], seg_length, moved)


def gather(storage: Storage, old: int, new: int, segments: Segments) -> None:
    """Copy segments of the heap that begins at byte ``old`` back to back to byte ``new``, which is not after it.

    Only inside `Storage.transaction`.
    """
    start, length = _joined(segments)
    if not start.size:
        return
    total = segments.nbytes
    if total <= MEMORY_NBYTES:
        _copy(storage, old, start, length, target=new, step=total)
    elif (np.diff(start) > 0).all():  # nothing is overwritten before it was copied
        _copy(storage, old, start, length, target=new, step=MOVE_NBYTES)
    else:
        scratch = storage.size()
        _copy(storage, old, start, length, target=scratch, step=MOVE_NBYTES)
        storage.move(scratch, new, total)
        storage.truncate(scratch)


def _joined(segments: Segments) -> tuple[Int64s, Int64s]:
    """Return the segments, those that lie one after the other as one."""
    start, length = segments.start, segments.length
    if not start.size:
        return start, length
    first = np.flatnonzero(np.r_[True, start[1:] != start[:-1] + length[:-1]])
    return start[first], np.add.reduceat(length, first)


def _copy(storage: Storage, base: int, start: Int64s, length: Int64s, *, target: int, step: int) -> None:
    """Copy ranges, counted from byte ``base``, back to back to byte ``target``, about ``step`` bytes at a time."""
    for begin, nbytes in _batches(start, length, step):
        buffer = np.empty(int(nbytes.sum()), dtype=np.uint8)
        storage.read_ranges(base + begin, nbytes, buffer)
        storage.write(target, buffer)
        target += buffer.size


def _batches(start: Int64s, length: Int64s, step: int) -> Iterator[tuple[Int64s, Int64s]]:
    """Cut ranges where they are longer than ``step`` bytes, and yield as many as have about that many bytes."""
    count = -(-length // step)
    piece = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    begin = np.repeat(start, count) + piece * step
    nbytes = np.minimum(np.repeat(length, count) - piece * step, step)
    batch = (np.cumsum(nbytes) - 1) // step
    edges = np.flatnonzero(np.diff(batch)) + 1
    yield from zip(np.split(begin, edges), np.split(nbytes, edges), strict=True)
