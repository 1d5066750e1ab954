"""Rows that wait to be appended to a compressed table, so that the last tile is not encoded over and over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rustfits_tables.values import Values

CAPACITY_NBYTES = 32 << 20  # of rows, from which on whole tiles are written


class PendingRows:
    """Rows that were given to `append` and are not in the file yet.

    Attributes
    ----------
    capacity : int
        Bytes of rows from which on whole tiles are written.
    nrows, nbytes : int
        Rows that wait, and about their bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._take([])

    def _take(self, pieces: list[list[Values]]) -> None:
        self._pieces = pieces
        self.nrows = sum(len(piece[0]) for piece in pieces)
        self.nbytes = sum(_nbytes(piece) for piece in pieces)

    def mark(self) -> Callable[[], None]:
        """Return what makes wait again what waits now, and nothing else."""
        pieces, count = self._pieces, len(self._pieces)
        return lambda: self._take(pieces[:count])

    def add(self, values: Sequence[Values]) -> None:
        """Let rows wait, in memory of their own."""
        piece = [_copy(each) for each in values]
        self._pieces.append(piece)
        self.nrows += len(piece[0])
        self.nbytes += _nbytes(piece)

    def first(self, nrows: int) -> list[Values]:
        """Return the first ``nrows`` rows, which stay where they are."""
        return [_joined([piece[index] for piece in self._pieces], nrows) for index in range(len(self._pieces[0]))]

    def drop(self, nrows: int) -> None:
        """Forget the first ``nrows`` rows."""
        left = []  # a new list: the old one may have to be restored
        for piece in self._pieces:
            here = min(len(piece[0]), nrows)
            nrows -= here
            if here < len(piece[0]):
                left.append([_copy(each.take(slice(here, None))) for each in piece])
        self._take(left)


def _nbytes(piece: Sequence[Values]) -> int:
    """Return the bytes of rows in memory, about."""
    objects = sum(int(each.counts.sum()) * 8 for each in piece if each.counts is not None)
    return objects + sum(each.array.nbytes for each in piece)


def _copy(values: Values) -> Values:
    array = values.array.copy()
    if array.dtype == object:
        for row, cell in enumerate(array):
            array[row] = cell.copy() if isinstance(cell, np.ndarray) else cell
    return Values(values.cells, array, None if values.nulls is None else values.nulls.copy(), values.counts)


def _joined(parts: Sequence[Values], nrows: int) -> Values:
    """Return the first rows of one column; its parts may be bytes and text, or of other orders of bytes."""
    cells = parts[0].cells
    alike = len({part.array.dtype for part in parts}) == 1
    arrays = [part.array if alike else part.array.astype(cells.dtype()) for part in parts]
    nulls = None
    if any(part.nulls is not None for part in parts):
        nulls = np.concatenate(
            [np.zeros(part.array.shape, np.bool_) if part.nulls is None else part.nulls for part in parts]
        )[:nrows]
    counts = [part.counts for part in parts if part.counts is not None]
    return Values(cells, np.concatenate(arrays)[:nrows], nulls, np.concatenate(counts)[:nrows] if counts else None)
