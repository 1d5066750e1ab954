"""Find the image a command speaks of."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import rustfits


def pick_image(fits: rustfits.FITS, key: str | None) -> rustfits.ImageHDU:
    """Return the image that ``key`` names: an index, an EXTNAME, or None for the first image that has data.

    Raises
    ------
    HDUNotFound
        If there is no such HDU.
    ImageError
        If it is not an image.
    """
    if key is None:
        for hdu in fits:
            if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data:
                return hdu
        raise rustfits.HDUNotFound(f"no image with data in {fits.filename}; see: rustfits info")
    hdu = fits[int(key)] if key.lstrip("-").isdecimal() else fits[key]
    if not isinstance(hdu, rustfits.ImageHDU):
        raise rustfits.ImageError(f"HDU {key} of {fits.filename} is not an image; see: rustfits info")
    return hdu


def plane(hdu: rustfits.ImageHDU) -> NDArray[Any]:
    """Return the first two-dimensional plane of an image; an image of one axis becomes one row.

    Raises
    ------
    ImageError
        If the image has no pixels.
    """
    if not hdu.has_data:
        raise rustfits.ImageError(f"HDU {hdu.index} has no pixels")
    pixels: NDArray[Any] = hdu[(0,) * max(hdu.ndim - 2, 0)] if hdu.ndim > 2 else hdu.read()
    return pixels.reshape(-1, pixels.shape[-1])
