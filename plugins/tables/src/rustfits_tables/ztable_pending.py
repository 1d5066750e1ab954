"""Rows that wait to be appended to a compressed table, so that the last tile is not encoded over and over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rustfits_tables.values import Values

CAPACITY_NBYTES = 32 << 20  # of rows, from which on whole tiles are written


class PendingRows:
    """Rows that were given to `append` and are not in the file yet.

    Attributes
    ----------
    capacity : int
        Bytes of rows from which on whole tiles are written.
    pieces : list of list of Values
        What was appended, column by column; replaced and never changed, so that it can be put back.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.pieces: list[list[Values]] = []

    @property
    def nrows(self) -> int:
        """Rows that wait."""
        return sum(len(piece[0]) for piece in self.pieces)

    @property
    def nbytes(self) -> int:
        """Bytes of the rows that wait, about."""
        return sum(_nbytes(values) for piece in self.pieces for values in piece)

    def add(self, values: Sequence[Values]) -> None:
        """Let rows wait, in memory of their own."""
        self.pieces = [*self.pieces, [_copy(each) for each in values]]

    def first(self, nrows: int) -> list[Values]:
        """Return the first ``nrows`` rows, which stay where they are."""
        return [_joined([piece[index] for piece in self.pieces], nrows) for index in range(len(self.pieces[0]))]

    def drop(self, nrows: int) -> None:
        """Forget the first ``nrows`` rows."""
        left = []
        for piece in self.pieces:
            here = min(len(piece[0]), nrows)
            nrows -= here
            if here < len(piece[0]):
                left.append([_copy(each.take(slice(here, None))) for each in piece])
        self.pieces = left


def _nbytes(values: Values) -> int:
    if values.array.dtype == object:
        return sum(len(cell) * getattr(cell, "itemsize", 1) for cell in values.array)
    return values.array.nbytes


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
