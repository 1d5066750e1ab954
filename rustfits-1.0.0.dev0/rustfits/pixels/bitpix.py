"""Which numbers FITS holds: BITPIX (FITS 4.0, table 8) and the integer conventions (table 11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rustfits.errors import HeaderError, ImageError

STORED = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
BITPIX = {name: bitpix for bitpix, name in STORED.items()}

# FITS has no such pixels; it stores the number minus BZERO instead (FITS 4.0, table 11). With them the offset is
# a change of the highest bit, so that no arithmetic is needed.
CONVENTIONS = {"i1": ("u1", -128), "u2": ("i2", 1 << 15), "u4": ("i4", 1 << 31), "u8": ("i8", 1 << 63)}
CONVENTION_OF: dict[tuple[str, float], str] = {(stored, bzero): name for name, (stored, bzero) in CONVENTIONS.items()}


def bitpix_dtype(bitpix: int) -> np.dtype[Any]:
    """Return the dtype of stored pixels, native byte order, for a BITPIX (FITS 4.0, table 8).

    Raises
    ------
    HeaderError
        If the standard has no such BITPIX.
    """
    if bitpix not in STORED:
        raise HeaderError(f"BITPIX {bitpix} is not one of {', '.join(map(str, STORED))}")
    return np.dtype(STORED[bitpix])


def dtype_bitpix(dtype: np.dtype[Any]) -> int:
    """Return the BITPIX that stores pixels of dtype ``dtype``, unsigned conventions included.

    Raises
    ------
    ImageError
        If FITS cannot hold such pixels.
    """
    return stored_form(dtype)[0]


def stored_form(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return BITPIX and BZERO that store pixels of dtype ``dtype``; any byte order.

    BZERO is 0 where none is needed, and BSCALE always 1.

    Raises
    ------
    ImageError
        If FITS cannot hold such pixels.
    """
    name = short_name(dtype)
    if dtype.fields is None and dtype.subdtype is None:
        if name in CONVENTIONS:
            stored, bzero = CONVENTIONS[name]
            return BITPIX[stored], bzero
        if name in BITPIX:
            return BITPIX[name], 0
    allowed = "u1, i1, i2, u2, i4, u4, i8, u8, f4, f8"
    raise ImageError(f"unsupported numpy dtype {dtype} for an image; use one of {allowed}")


def short_name(dtype: np.dtype[Any]) -> str:
    """Return kind and size of ``dtype`` without its byte order, such as 'i4'."""
    return dtype.str.lstrip("<>=|")
