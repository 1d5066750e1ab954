"""Pixels that are lost: what can be read of an image all the same, the rest masked."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import limits
from rustfits.errors import ImageError
from rustfits.pixels.scaling import Scaling
from rustfits.storage.base import Storage


def check_on_error(on_error: str) -> None:
    """Raise `ImageError` if an argument ``on_error=`` is none that `ImageHDU.read` takes."""
    if on_error not in ("raise", "mask"):
        raise ImageError(f"on_error is 'raise' or 'mask', not {on_error!r}")


def read_present(
    storage: Storage, start: int, shape: tuple[int, ...], stored: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the pixels of an uncompressed image that are in the file.

    Returns
    -------
    pixels : array of ``shape`` and ``stored`` dtype
        Missing ones are NaN, or 0 in integers.
    lost : bool array of ``shape``
        Which are missing.

    Raises
    ------
    LimitExceeded
        If it is more than `rustfits.limits` allows, or nearly all of it is missing and there is no file to speak of.
    """
    npixels, nbytes = prod(shape), storage.size()
    limits.check_read(npixels, npixels * stored.itemsize)
    there = min(max(nbytes - start, 0) // stored.itemsize, npixels)
    limits.check_lost((npixels - there) * stored.itemsize, npixels * stored.itemsize, nbytes)
    pixels, lost = np.empty(npixels, stored), np.zeros(npixels, dtype=bool)
    storage.read_into(start, pixels[:there].view(np.uint8))
    pixels[:there] = pixels[:there].view(stored.newbyteorder(">"))
    pixels[there:], lost[there:] = np.nan if stored.kind == "f" else 0, True
    return pixels.reshape(shape), lost.reshape(shape)


def masked(
    stored: NDArray[Any], lost: NDArray[np.bool_], blanks: NDArray[np.bool_] | None, scaling: Scaling | None
) -> NDArray[Any]:
    """Return pixels as a masked array.

    Parameters
    ----------
    stored : array
        Its memory may be used again.
    lost : bool array of the same shape
        Which of them cannot be read.
    blanks : bool array of the same shape, or None
        Which of the others have no value.
    scaling : Scaling or None
        How the stored numbers become physical ones, if that is wanted.
    """
    if blanks is not None:
        lost |= blanks
    array: NDArray[Any] = np.ma.MaskedArray(stored if scaling is None else scaling.scaled(stored), lost)
    return array
