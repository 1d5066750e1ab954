"""Images in parts of bounded size, and pixels without those that mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.packing import bands


def parts(hdu: rustfits.ImageHDU) -> Iterator[tuple[Any, ...]]:
    """Yield keys of parts of an image that cover it; whole tiles of a compressed one."""
    codec = hdu.compression if isinstance(hdu, rustfits.CompressedImageHDU) else None
    tile = tuple(codec.tile_shape or ()) if codec is not None else ()
    for key, _ in bands(hdu, tile or (1,) * hdu.ndim):
        yield key


def blank_of(hdu: rustfits.ImageHDU) -> float | None:
    """Return the physical value that means "no value" in an image of integers; None if there is none."""
    header = hdu.header
    blank = header.get("ZBLANK", header.get("BLANK"))
    if not isinstance(blank, int) or hdu.stored_dtype.kind == "f":
        return None
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    return blank * scale + zero if hdu.dtype.kind == "f" else blank + int(zero)


def without_nulls(hdu: rustfits.ImageHDU, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels that have a value, as one row."""
    blank = blank_of(hdu)
    if blank is not None:
        good = pixels != blank
    elif pixels.dtype.kind == "f":
        good = ~np.isnan(pixels)
    else:
        return pixels.reshape(-1)
    kept: NDArray[Any] = pixels[good]
    return kept
