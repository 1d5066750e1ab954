"""New floats for tiles that are quantised already: their scale, origin and random numbers stay.

So the integers of all other pixels stay as they are, however often a tile is changed (FITS 4.0, section 10.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError
from rustfits.quantize.dither import DITHER_2, NO_DITHER, NULL_PIXEL, ZERO_PIXEL, sequence
from rustfits.tiles.decode import TileEntries
from rustfits.tiles.zimage import Quantization

Int64s = NDArray[np.int64]

SMALLEST = NULL_PIXEL + 9  # below are integers that mean something else
LARGEST = 2147483647


def requantize(
    values: NDArray[Any], position: Int64s, npixels: int, entries: TileEntries, quantization: Quantization
) -> NDArray[np.int32]:
    """Turn floats into the integers of their tiles.

    Parameters
    ----------
    values : (ntiles, n) float32 or float64 array
        The same pixels of each tile; NaN and infinities become nulls.
    position : (n,) int64 array
        Where these pixels stand in a tile, in C order.
    npixels : int
        Pixels of each tile.
    entries : TileEntries
        Of the tiles: rows, scale, zero and null count.
    quantization : Quantization
        Of the image.

    Returns
    -------
    (ntiles, n) int32 array

    Raises
    ------
    ImageError
        If a number lies outside what the scale of its tile can hold.
    """
    assert entries.numbers is not None
    scale, zero, null = [each[:, None] for each in entries.numbers]
    method, zdither0 = quantization.dither
    with np.errstate(all="ignore"):  # a scale read from a file may be anything
        # The order of these steps, which is CFITSIO's, decides which integer is the nearest.
        numbers = values.astype(np.float64)
        numbers -= zero
        numbers /= scale
        if method != NO_DITHER:
            for tile, row in enumerate(entries.rows.tolist()):
                numbers[tile] += sequence(row, zdither0, npixels)[position]
            numbers -= 0.5
        numbers += np.copysign(0.5, numbers)
        np.trunc(numbers, out=numbers)
    good = np.isfinite(values)
    zeros = (values == 0) if method == DITHER_2 else np.zeros_like(good)
    ordinary = good & ~zeros
    fits = (numbers >= SMALLEST) & (numbers <= LARGEST) & (numbers != null)
    if not (fits | ~ordinary).all():
        raise _outside(values, ordinary & ~fits, entries)
    nulls = null[(~good).any(axis=1)]
    if ((nulls < -LARGEST - 1) | (nulls > LARGEST)).any():
        raise ImageError("the image has no integer that means NaN: its ZBLANK has more than 32 bits")
    integers: NDArray[np.int32] = np.where(ordinary, numbers, ZERO_PIXEL).astype(np.int32)
    np.copyto(integers, null, where=~good, casting="unsafe")
    return integers


def _outside(values: NDArray[Any], wrong: NDArray[np.bool_], entries: TileEntries) -> ImageError:
    """Return the error for the first of the values that do not fit."""
    tile, pixel = (int(each[0]) for each in np.nonzero(wrong))
    assert entries.numbers is not None
    scale, zero = (float(each[tile]) for each in entries.numbers[:2])
    row = int(entries.rows[tile]) + 1
    with np.errstate(all="ignore"):
        ends = sorted(np.float64(end) * scale + zero for end in (SMALLEST, LARGEST))
    return ImageError(
        f"value {values[tile, pixel]!s} lies outside what the quantized tile in table row {row} can hold with its "
        f"ZSCALE {scale!r} and ZZERO {zero!r}, about {ends[0]:.6g} to {ends[1]:.6g}; write the whole "
        "image anew, or create it lossless (quantize=None) or with a coarser quantization"
    )
