"""Chunks that are one range of bytes in a file: whole units, tiles or pixels, that follow each other there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


def run_of_units(counts: Sequence[int], room: int) -> tuple[int, ...]:
    """Return how many units along each axis make a chunk of at most ``room`` of them, that follow each other.

    Parameters
    ----------
    counts : sequence of int
        Units along each axis; the last is the fastest.
    room : int

    Examples
    --------
    >>> run_of_units((4096, 1), 500)  # one-row tiles: nine chunks of much the same size
    (456, 1)
    >>> run_of_units((16, 16), 8), run_of_units((16, 16), 40)
    ((1, 8), (2, 16))
    """
    chunk = [1] * len(counts)
    for axis in reversed(range(len(counts))):
        most = min(counts[axis], max(room // prod(chunk), 1))
        chunk[axis] = -(-counts[axis] // -(-counts[axis] // most)) if counts[axis] else 1
        if chunk[axis] < counts[axis]:
            break
    return tuple(chunk)


def whole_run(counts: Sequence[int], room: int) -> tuple[int, ...] | None:
    """Return such a chunk, of between an eighth and eight times ``room``, of which all are full; None if none is so.

    Examples
    --------
    >>> whole_run((100, 10), 300), whole_run((101, 10), 300), whole_run((101, 10), 100)
    ((25, 10), (101, 10), None)
    """
    chunk = list(run_of_units(counts, room))
    for axis, count in enumerate(counts):
        inner = prod(chunk[axis + 1 :])
        if chunk[axis] < count and inner == prod(counts[axis + 1 :]):
            fitting = [each for each in range(1, count + 1) if count % each == 0 and each * inner <= 8 * room]
            below = [each for each in fitting if each * inner <= room]
            chunk[axis] = max(below, default=0)
            if chunk[axis] * inner * 8 < room:
                chunk[axis] = min((each for each in fitting if each * inner > room), default=0)
            return tuple(chunk) if chunk[axis] else None
    return tuple(chunk)


def blocks(counts: Sequence[int], chunk: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield the index of each chunk, and which units along each axis it has."""
    grid = [range(-(-count // size)) for count, size in zip(counts, chunk, strict=True)]
    for index in itertools.product(*grid):
        yield index, tuple(slice(i * size, (i + 1) * size) for i, size in zip(index, chunk, strict=True))


def box_of(selection: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], Any]:
    """Return the smallest box around what is selected of a chunk, and the same selection of the box.

    Parameters
    ----------
    selection : tuple of int, slice or integer array
        As NumPy understands it. Whatever else it may be, the box is the chunk.
    shape : tuple of int
        Of the chunk.

    Returns
    -------
    box : tuple of slice
        Without steps.
    rest
        For an array of the shape of the box.

    Examples
    --------
    >>> box_of((slice(2, 9, 3), 4), (10, 10))
    ((slice(2, 9, None), slice(4, 5, None)), (slice(0, 7, 3), 0))
    """
    whole = tuple(slice(0, size) for size in shape)
    if not isinstance(selection, tuple) or len(selection) != len(shape):
        return whole, selection
    box, rest = [], []
    for each, size in zip(selection, shape, strict=True):
        found = _along(each, size)
        if found is None:
            return whole, selection
        box.append(found[0])
        rest.append(found[1])
    return tuple(box), tuple(rest)


def _along(key: Any, size: int) -> tuple[slice, Any] | None:
    if isinstance(key, slice):
        return _along_slice(range(size)[key])
    if isinstance(key, int | np.integer):
        index = int(key) % size
        return slice(index, index + 1), 0
    if isinstance(key, np.ndarray) and key.dtype.kind in "iu":
        if not key.size:
            return slice(0, 0), key
        indices = np.where(key < 0, key + size, key)
        first = int(indices.min())
        return slice(first, int(indices.max()) + 1), indices - first
    return None


def _along_slice(taken: range) -> tuple[slice, slice]:
    if not taken:
        return slice(0, 0), slice(0, 0)
    first, last = min(taken[0], taken[-1]), max(taken[0], taken[-1])
    rest = slice(None, None, taken.step) if taken.step < 0 else slice(0, last + 1 - first, taken.step)
    return slice(first, last + 1), rest


def joined(start: Int64s, length: Int64s, gap: int) -> tuple[list[tuple[int, int]], Int64s]:
    """Return the ranges to read for parts of a file, and where each part begins in what they hold, put together.

    Parameters
    ----------
    start, length : (n,) int64 array
    gap : int
        Bytes that are read in vain rather than asked around.

    Examples
    --------
    >>> joined(np.array([100, 5, 13]), np.array([10, 7, 4]), 2)
    ([(5, 17), (100, 110)], array([12,  0,  8]))
    """
    ranges: list[tuple[int, int]] = []
    held: list[int] = []  # where each range begins in what they hold
    where = np.empty(start.size, dtype=np.int64)
    for index in np.argsort(start, kind="stable").tolist():
        first, stop = int(start[index]), int(start[index] + length[index])
        if ranges and first - ranges[-1][1] <= gap:
            ranges[-1] = ranges[-1][0], max(ranges[-1][1], stop)
        else:
            held.append(held[-1] + ranges[-1][1] - ranges[-1][0] if ranges else 0)
            ranges.append((first, stop))
        where[index] = held[-1] + first - ranges[-1][0]
    return ranges, where


def over_blocks(values: Int64s, chunk: Sequence[int], least: Callable[..., Any]) -> Int64s:
    """Return the least or greatest of the values of each chunk, for values by unit."""
    found = values
    for axis, size in enumerate(chunk):
        found = least.reduceat(found, np.arange(0, found.shape[axis], size), axis=axis)  # type: ignore[attr-defined]
    return found
