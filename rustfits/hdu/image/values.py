"""Checks of what is to be written into an image, and where."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError
from rustfits.limits import MAX_NBYTES
from rustfits.pixels.scaling import Scaling, fill_masked, is_masked_array


def checked_pixels(data: object, ndim: int, scaling: Scaling, blank: int | None, *, what: str) -> NDArray[Any]:
    """Check an array that is to be written, and fill its masked pixels.

    Parameters
    ----------
    data : array, perhaps masked
    ndim : int
        Axes of the image.
    scaling, blank, what
        As for `fill_masked`.

    Returns
    -------
    array
        What `Scaling.convert` takes, with no value that it would refuse.

    Raises
    ------
    TypeError
        If it is no array.
    ImageError
        If its axes, dtype or values do not fit the image, or pixels are masked that cannot be.
    """
    if not isinstance(data, np.ndarray):
        raise TypeError(f"the pixels must be a numpy array, not {type(data).__name__}: convert with numpy.asarray")
    if data.ndim != ndim:
        raise ImageError(f"data has {data.ndim} axes (shape {data.shape}), but the image has {ndim} axes")
    scaling.check_dtype(data.dtype, what=what)
    values = fill_masked(data, scaling, blank, what=what)
    scaling.check_values(values)
    return values


def stored_scalar(value: object, scaling: Scaling, blank: int | None) -> np.generic[Any]:
    """Return the stored number for one physical value, which may be ``numpy.ma.masked``; errors as `invert_scalar`."""
    if is_masked_array(value) and np.ma.is_masked(value):
        if scaling.stored.kind == "f":
            return np.array([np.nan], dtype=scaling.stored)[0]  # type: ignore[no-any-return]
        if blank is None:
            raise ImageError("a masked pixel needs a BLANK (ZBLANK) keyword that fits the stored integers")
        return np.array([blank], dtype=scaling.stored)[0]  # type: ignore[no-any-return]
    return scaling.invert_scalar(value)


def checked_start(start: object, ndim: int) -> tuple[int, ...]:
    """Return the position of the first pixel to be written.

    Raises
    ------
    TypeError
        If it is not a sequence of ints.
    ImageError
        If it has not one entry per axis, or a negative one.
    """
    if isinstance(start, str | bytes) or not isinstance(start, Sequence | np.ndarray):
        raise TypeError(f"start must be a sequence of {ndim} ints, not {type(start).__name__}")
    corner = tuple(operator.index(first) for first in start)
    if len(corner) != ndim:
        raise ImageError(f"start has {len(corner)} entries, but the image has {ndim} axes")
    if min(corner) < 0:
        raise ImageError(f"start {corner}: every entry must be >= 0")
    return corner


@dataclass(frozen=True, slots=True)
class Growth:
    """An image after its first axis has grown.

    Attributes
    ----------
    shape : tuple of int
    nbytes : int
        Of the data unit, without its fill.
    filled : bool
        Whether the data that make it grow fill all that is gained.
    """

    shape: tuple[int, ...]
    nbytes: int
    filled: bool


def plan_growth(
    shape: tuple[int, ...], corner: tuple[int, ...], count: tuple[int, ...], itemsize: int
) -> Growth | None:
    """Check that a block of pixels makes no axis but the first longer.

    Parameters
    ----------
    shape, corner, count : tuple of int
        Of the image; where the block goes; of the block. All of one length.
    itemsize : int
        Bytes per pixel.

    Returns
    -------
    Growth or None
        None if the block lies inside the image.

    Raises
    ------
    ImageError
        If the block reaches beyond another axis, or the image would be larger than files can be.
    """
    for axis in range(1, len(shape)):
        if corner[axis] + count[axis] > shape[axis]:
            raise ImageError(
                f"extend only grows the slow axis (0): data of shape {count} at {corner} reaches beyond axis {axis}, "
                f"which has {shape[axis]} pixels"
            )
    grown = (max(shape[0], corner[0] + count[0]), *shape[1:])
    if grown == shape:
        return None
    nbytes = prod(grown) * itemsize
    if nbytes > MAX_NBYTES:
        raise ImageError(f"an image of shape {grown} is too large: files end at byte {MAX_NBYTES}")
    return Growth(grown, nbytes, filled=corner[0] <= shape[0] and count[1:] == shape[1:])
