"""Checks of what is to be written into a compressed image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.errors import ImageError
from rustfits.pixels.scaling import Scaling, fill_masked

WHAT = "the HDU's ZBITPIX"


def checked_image(
    data: ArrayLike, shape: tuple[int, ...], scaling: Scaling, blank: int | None, *, what: str
) -> NDArray[Any]:
    """Check a whole image, and fill its masked pixels.

    Parameters
    ----------
    data : array-like, perhaps masked
        Any layout and byte order. For floats that are not scaled any real numbers.
    shape : tuple of int
        Of the image.
    scaling, blank, what
        As for `fill_masked`.

    Returns
    -------
    array of shape ``shape``
        What `encode_image` takes.

    Raises
    ------
    ImageError
        If shape, dtype or a value does not fit, or pixels are masked that cannot be.
    """
    pixels: NDArray[Any] = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if pixels.shape != shape:
        raise ImageError(
            f"data of shape {pixels.shape} cannot be written: its shape must be that of the image, {shape}, as a "
            "compressed image is written whole"
        )
    if scaling.stored.kind == "f" and scaling.trivial and pixels.dtype.kind in "iuf":
        if not np.ma.is_masked(pixels):
            return np.asarray(pixels.data) if isinstance(pixels, np.ma.MaskedArray) else pixels
        with np.errstate(all="ignore"):
            pixels = np.ma.MaskedArray(np.ma.getdata(pixels).astype(scaling.stored), np.ma.getmask(pixels))
    scaling.check_dtype(pixels.dtype, what=what)
    values = fill_masked(pixels, scaling, blank, what=what)
    scaling.check_values(values)
    return values


def stored_copy(values: NDArray[Any], scaling: Scaling) -> NDArray[Any]:
    """Return the stored form of values that `checked_image` returned, in memory of its own."""
    if scaling.trivial and scaling.stored.kind == "f":
        with np.errstate(all="ignore"):  # a number too large for single precision is infinite in it
            return values.astype(scaling.stored)
    stored = scaling.convert(values)
    return stored.copy() if np.may_share_memory(stored, values) else stored
