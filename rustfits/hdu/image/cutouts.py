"""Cutouts: boxes of one shape around many positions, which may reach beyond the image."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.errors import ImageError
from rustfits.limits import MAX_CUTOUT_NPIXELS
from rustfits.pixels.sections import Section, box_section

_FAR = 1 << 52  # positions beyond are all equally far outside of any image


def gather(
    read: Callable[[list[Section]], list[NDArray[Any]]],
    first: NDArray[np.int64],
    box: tuple[int, ...],
    shape: tuple[int, ...],
    fill: NDArray[Any],
) -> NDArray[Any]:
    """Read boxes of an image into one array.

    Parameters
    ----------
    read : callable
        Returns the pixels of each section, all of which lie inside the image.
    first : (n, ndim) int64 array
        First pixel of each box.
    box : tuple of int
        Shape of a box.
    shape : tuple of int
        Shape of the image.
    fill : 0-d array
        Value of the pixels outside the image; its dtype is that of the result.

    Returns
    -------
    array of shape ``(n, *box)``
    """
    ends, size = _ends(shape), np.array(box, dtype=np.int64)
    start = np.clip(first, 0, ends)
    stop = np.clip(first + size, 0, ends)
    touched = np.flatnonzero((start < stop).all(axis=1))
    sections = [box_section(tuple(start[row].tolist()), tuple((stop - start)[row].tolist())) for row in touched]
    parts = read(sections)  # before the result is allocated: a truncated file is found out first
    out = np.full((len(first), *box), fill, dtype=fill.dtype)
    for row, part in zip(touched.tolist(), parts, strict=True):
        begin = (start[row] - first[row]).tolist()
        inside = tuple([slice(at, at + count) for at, count in zip(begin, part.shape, strict=True)])
        out[row][inside] = part
    return out


def boxes(centers: ArrayLike, shape: int | Sequence[int], ndim: int) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Return the first pixel of the box around each position, and the shape of the boxes; as `ImageHDU.cutouts`.

    A box of even length has one pixel more before its centre than after it; a fractional position takes the box
    whose middle is nearest to it.

    Raises
    ------
    ImageError
        If the shapes do not fit the image, or a position is not finite.
    TypeError
        If the positions are not real numbers, or the shape not integers.
    """
    lengths = (shape,) * ndim if isinstance(shape, int | np.integer) else tuple(shape)
    box = tuple(operator.index(length) for length in lengths)
    if len(box) != ndim or min(box) < 1:
        raise ImageError(f"the shape of a cutout needs {ndim} positive lengths, one per axis; got {box}")
    positions = np.asarray(centers)
    if positions.size == 0:
        positions = positions.reshape(0, ndim).astype(np.int64)
    if positions.dtype.kind not in "iuf":
        raise TypeError(f"centers must be real numbers, not {positions.dtype}")
    if positions.ndim != 2 or positions.shape[1] != ndim:
        raise ImageError(f"centers must have the shape (n, {ndim}), a row per cutout; got {positions.shape}")
    if prod(box) * max(len(positions), 1) > MAX_CUTOUT_NPIXELS:
        raise ImageError(f"{len(positions)} cutouts of {box} pixels are more than fit into any memory")
    if positions.dtype.kind == "f":
        if not np.isfinite(positions).all():
            raise ImageError("centers must be finite")
        first = np.ceil(np.clip(positions.astype(np.float64), -_FAR, _FAR) - np.array(box) / 2)
    elif positions.dtype.kind == "u":
        first = np.minimum(positions, np.uint64(_FAR)).astype(np.int64) - np.array(box) // 2
    else:
        first = np.clip(positions.astype(np.int64), -_FAR, _FAR) - np.array(box) // 2
    return first.astype(np.int64), box


def fill_for(fill_value: object, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the value for pixels outside the image as a 0-d array; None if integers are given none.

    Raises
    ------
    ImageError
        If the pixels cannot hold the value.
    TypeError
        If it is no real number.
    """
    if fill_value is None:
        return np.array(np.nan, dtype=dtype) if dtype.kind == "f" else None
    if isinstance(fill_value, bool) or not isinstance(fill_value, int | float | np.integer | np.floating):
        raise TypeError(f"fill_value must be a real number or None, not {type(fill_value).__name__}")
    if dtype.kind == "f":
        return np.array(float(fill_value), dtype=dtype)
    limits = np.iinfo(dtype)
    if not limits.min <= fill_value <= limits.max or fill_value != ceil(fill_value):
        raise ImageError(f"fill_value {fill_value} does not fit {dtype} pixels ({limits.min} to {limits.max})")
    return np.array(int(fill_value), dtype=dtype)


def no_fill(
    first: NDArray[np.int64], box: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return a value that no pixel gets, 0-d; raise `ImageError` if a box reaches beyond an image of ``shape``."""
    if ((first < 0) | (first + np.array(box) > _ends(shape))).any():
        raise ImageError(f"some cutouts reach beyond the image: {dtype} pixels need fill_value=")
    return np.zeros((), dtype)


def _ends(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return where an image ends; an axis may be longer than an int64 counts, where another is empty."""
    return np.array([min(npixels, _FAR) for npixels in shape], dtype=np.int64)
