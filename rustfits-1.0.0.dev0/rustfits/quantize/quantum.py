"""How floats of one tile become integers: the quantum, the origin, and which tiles cannot be quantised.

Everything has the bits that CFITSIO gives (FITS 4.0, section 10.2), as far as CFITSIO's own arithmetic is defined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.quantize.dither import DITHER_2, NO_DITHER, NULL_PIXEL, ZERO_PIXEL, Dither, random_table, runs
from rustfits.quantize.noise import noise

_RESERVED = 10  # integers from NULL_PIXEL on that no number may become
_LARGEST = 2147483647
_DEFAULT_LEVEL = 4.0


@dataclass(frozen=True, slots=True)
class Quantum:
    """The linear scale of one tile: number = stored * scale + zero."""

    scale: float
    zero: float


def effective_level(level: float) -> float:
    """Return the level that is worked with.

    Parameters
    ----------
    level : float
        Positive: quanta per standard deviation of the noise. Negative: minus the quantum. 0 stands for 4.

    Returns
    -------
    float
        A positive level has the precision in which CFITSIO keeps it, so that scales agree; a quantum is kept as it is.
    """
    if level < 0:
        return level
    with np.errstate(all="ignore"):
        single = float(np.float32(level))
    if single == 0:
        return level if level > 0 else _DEFAULT_LEVEL
    return single if math.isfinite(single) else level


def find_quantum(
    pixels: NDArray[Any], good: NDArray[np.bool_] | None, row_length: int, level: float, method: str
) -> Quantum | None:
    """Choose the scale of one tile; None if it cannot be quantised.

    Parameters
    ----------
    pixels : (npixels,) float32 or float64 array
        Pixels of the tile.
    good : (npixels,) bool array or None
        Which pixels are numbers; None if all are.
    row_length : int
        Pixels of a row, as `rustfits.quantize.noise.row_lengths` gives it.
    level : float
        As `effective_level` gives it.
    method : str
        One of `rustfits.quantize.dither.DITHER_METHODS`.
    """
    if pixels.size <= 1:
        return None
    numbers = pixels if good is None else pixels[good]
    low, high = (numbers.min(), numbers.max()) if numbers.size else _range_of_nothing(pixels.dtype, level)
    sigma = 1.0 if level < 0 or numbers.size == 0 else noise(pixels, good, row_length)
    scale = -level if level < 0 else sigma / level
    # Limits are taken from each other in their own precision, as CFITSIO does it.
    if not 0 < scale < math.inf or not float(high - low) / scale <= 2.0 * _LARGEST - _RESERVED:
        return None
    zero = _origin(low, high, scale, method, nulls=good is not None)
    limits = float(low), float(high)
    if numbers.size and not _stay_finite(limits, scale, float(np.finfo(pixels.dtype).max)):
        return None
    return Quantum(scale, zero) if _fits(limits, scale, zero, method, numbers.size) else None


def _range_of_nothing(dtype: np.dtype[Any], level: float) -> tuple[Any, Any]:
    """Return the limits that CFITSIO ascribes to a tile without numbers."""
    if level < 0:
        return np.finfo(dtype).max, np.finfo(dtype).min
    return dtype.type(0), dtype.type(1)


def _origin(low: Any, high: Any, scale: float, method: str, *, nulls: bool) -> float:
    """Return ZZERO; ``low`` and ``high`` are scalars of the pixels' dtype."""
    if nulls or method == DITHER_2:
        return float(low) - scale * (NULL_PIXEL + _RESERVED)
    if float(high - low) / scale < _LARGEST - _RESERVED:
        quanta = float(low) / scale + 0.5
        # A multiple of the quantum, so that packing a second time gives the same. Adding 0.0 turns -0.0 into 0.0.
        return float(np.trunc(quanta)) * scale + 0.0
    return float(low + high) / 2.0


def _stay_finite(limits: tuple[float, float], scale: float, largest: float) -> bool:
    """Say whether numbers between the limits, half a quantum off, are no larger than any of their dtype."""
    return max(map(abs, limits)) + scale / 2 <= largest


def _fits(limits: tuple[float, float], scale: float, zero: float, method: str, nnumbers: int) -> bool:
    """Say whether all numbers between the limits become integers that are not reserved.

    They always do unless the quantum is next to nothing beside the numbers themselves, which then are not multiples
    of it to begin with.
    """
    if not math.isfinite(zero):
        return False
    if nnumbers == 0:
        return True
    largest = _LARGEST - (method != NO_DITHER)
    low, high = ((limit - zero) / scale for limit in limits)
    return low >= NULL_PIXEL + 3 and high <= largest


def quantize_tile(
    pixels: NDArray[Any],
    good: NDArray[np.bool_],
    quantum: Quantum,
    out: NDArray[np.int32],
    *,
    row: int,
    dither: Dither,
) -> None:
    """Turn the floats of the tile in a table row, from 0, into integers."""
    table = None if dither.method == NO_DITHER else random_table()
    for start, stop, entry in runs(row, dither.zdither0, pixels.size):  # pieces that stay in the cache
        values = pixels[start:stop].astype(np.float64)
        # The order of these steps decides which integer is the nearest.
        values -= quantum.zero
        values /= quantum.scale
        if table is not None:
            values += table[entry : entry + stop - start]
            values -= 0.5
        values += np.copysign(0.5, values)
        out[start:stop] = values.astype(np.int32)
    if dither.method == DITHER_2:
        out[pixels == 0] = ZERO_PIXEL
    out[~good] = NULL_PIXEL


def dequantize_piece(
    stored: NDArray[np.int32],
    numbers: NDArray[np.float32] | None,
    scale: np.float64,
    zero: np.float64,
    out: NDArray[Any],
) -> None:
    """Turn integers of one tile into floats; ``numbers`` are their random numbers, None without dither."""
    values = stored.astype(np.float64)
    if numbers is not None:
        # The order of these steps decides the last bit.
        values -= numbers
        values += 0.5
    values *= scale
    values += zero
    out[...] = values
