"""The noise of a tile, estimated from differences between pixels that lie two apart in a row.

The estimate decides how coarsely floats are quantised. It is the one CFITSIO makes (medians of absolute differences
of second, third and fifth order, after Stoehr et al. 2008, ST-ECF newsletter 42), with the same bits wherever no
row has runs of equal pixels: for those, CFITSIO's own result depends on what earlier rows left in its memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 9
"""Pixels of a row that take part in one difference of fifth order; shorter rows have none."""

_BLOCK = 1 << 16  # pixels whose differences are formed at once

_Medians = tuple[list[float], list[float], list[float]]

# Standard deviation of Gaussian noise over the median absolute difference of second, third and fifth order.
_SIGMA_2, _SIGMA_3, _SIGMA_5 = 1.0483579, 0.6052697, 0.1772048


def row_lengths(shape: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many consecutive pixels of each tile count as one row.

    Parameters
    ----------
    shape : (ntiles, ndim) int64 array
        Pixels along each axis, numpy order.

    Returns
    -------
    (ntiles,) int64 array
        The last axis longer than one pixel; the whole tile where that axis is shorter than `WINDOW`.
    """
    length: NDArray[np.int64] = np.ones(len(shape), dtype=np.int64)
    for axis in range(shape.shape[1] - 1, -1, -1):
        length = np.where(length > 1, length, shape[:, axis])
    return np.where(length < WINDOW, shape.prod(axis=1, dtype=np.int64), length)


def noise(pixels: NDArray[Any], good: NDArray[np.bool_] | None, row_length: int) -> float:
    """Return the standard deviation of the noise of one tile; 0.0 where it cannot be told.

    Parameters
    ----------
    pixels : (npixels,) float32 or float64 array
        Pixels of the tile, a whole number of rows.
    good : (npixels,) bool array or None
        Which pixels are numbers; None if all are.
    row_length : int
        Pixels of a row.
    """
    if row_length < WINDOW:
        return 0.0
    rows = pixels.reshape(-1, row_length)
    medians: _Medians = ([], [], [])
    nrows = max(1, _BLOCK // row_length)
    for first in range(0, len(rows), nrows):
        block = slice(first, first + nrows)
        _gather(rows[block], None if good is None else good.reshape(rows.shape)[block], medians)
    noise2, noise3, noise5 = (
        sigma * _middle(order) for sigma, order in zip((_SIGMA_2, _SIGMA_3, _SIGMA_5), medians, strict=True)
    )
    estimate = noise3
    if noise2 != 0 and noise2 < estimate:
        estimate = noise2
    if noise5 != 0 and noise5 < estimate:
        estimate = noise5
    return estimate


def _gather(rows: NDArray[Any], good: NDArray[np.bool_] | None, medians: _Medians) -> None:
    """Add the medians of each row to those of the tile."""
    plain = _is_varied(_equal_neighbours(rows), 2).all(axis=1)
    if good is not None:
        plain &= good.all(axis=1)
    rank = (rows.shape[1] - WINDOW) // 2
    for order, differences in zip(medians, _differences(rows[plain]), strict=True):
        order.extend(np.partition(differences, rank, axis=1)[:, rank].tolist())
    if not plain.all():
        _gather_uneven(rows[~plain], np.ones_like(rows[~plain], dtype=bool) if good is None else good[~plain], medians)


def _gather_uneven(rows: NDArray[Any], good: NDArray[np.bool_], medians: _Medians) -> None:
    """Do so for rows with holes, which are closed, and windows in which pixels do not change, which are left out."""
    closed = np.take_along_axis(rows, np.argsort(~good, axis=1, kind="stable"), axis=1)
    equal = _equal_neighbours(closed)
    nwindows = good.sum(axis=1, keepdims=True) - WINDOW + 1
    inside = np.arange(rows.shape[1] - WINDOW + 1) < nwindows
    used2, used4 = inside & _is_varied(equal, 2), inside & _is_varied(equal, 4)
    count2, count4 = used2.sum(axis=1), used4.sum(axis=1)
    some = count4 > 0
    with_second = some & ((count2 > 1) | ((count2 == 1) & (count4 == 1)))
    takes = ((used2, count2, with_second), (used4, count4, some), (used4, count4, some))
    for order, differences, (used, count, chosen) in zip(medians, _differences(closed), takes, strict=True):
        differences[~used] = np.inf
        differences.sort(axis=1)
        # The median of an even count is the lower of the two middle ones, as CFITSIO takes it.
        order.extend(differences[chosen, (count[chosen] - 1) // 2].tolist())


def _differences(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the absolute differences of each window of nine pixels, in the precision of the pixels."""
    count = rows.shape[-1] - WINDOW + 1
    v1, v3, v5, v7, v9 = (rows[..., first : first + count] for first in (0, 2, 4, 6, 8))
    # The order of these steps decides the last bit.
    fifth = 6 * v5 - 4 * v3 - 4 * v7 + v1 + v9
    # Infinity less infinity, where pixels come near the end of their range, counts as infinite.
    return np.abs(v5 - v7), np.abs(2 * v5 - v3 - v7), np.fmin(np.abs(fifth), np.inf)


def _equal_neighbours(rows: NDArray[Any]) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = rows[..., 1:] == rows[..., :-1]
    return equal


def _is_varied(equal: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return for each window whether its pixels change in the ``steps`` steps that end with the seventh."""
    count = equal.shape[-1] - WINDOW + 2
    constant = equal[..., 5 : 5 + count].copy()
    for first in range(6 - steps, 5):
        constant &= equal[..., first : first + count]
    return ~constant


def _middle(medians: list[float]) -> float:
    """Return the median of the rows' medians, 0.0 if there is none."""
    if not medians:
        return 0.0
    ordered = sorted(medians)
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
