"""Headers of new images, and the checks of what they are made from."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from rustfits.errors import ImageError, PixelOverflow
from rustfits.header.cards import Cards
from rustfits.limits import MAX_NAXIS, MAX_NBYTES
from rustfits.pixels.scaling import Scaling, stored_form

Entry = tuple[str, object, str]


def image_cards(
    dtype: object,
    dims: object,
    *,
    primary: bool,
    extname: str | None = None,
    extver: int | None = None,
    blank: int | None = None,
    bscale: float | None = None,
    bzero: float | None = None,
) -> Cards:
    """Return the header of a new uncompressed image (FITS 4.0, sections 4.4.1 and 7.1).

    Parameters
    ----------
    dtype : dtype-like
        What the user sees, unsigned conventions included; byte order does not matter.
    dims : sequence of int
        Shape, numpy order; the first axis may be empty, and ``()`` means no data.
    primary : bool
        Whether it is the first HDU of its file.
    extname, extver, blank, bscale, bzero : optional
        Of the keywords.

    Raises
    ------
    ImageError
        If FITS has no such pixels, no such shape, or ``blank``, ``bscale`` or ``bzero`` do not fit the pixels.
    HeaderError, PixelOverflow, TypeError
        If ``extname`` is not printable ASCII, ``blank`` has more than 64 bits, or an argument has the wrong type.
    """
    pixel, shape = check_dtype(dtype), check_dims(dims)
    bitpix, _ = stored_form(pixel)
    if prod(shape) * pixel.itemsize > MAX_NBYTES:
        raise ImageError(f"an image of {shape} {pixel} pixels is too large: files end at byte {MAX_NBYTES}")
    names, null = name_entries(extname, extver), blank_entries("BLANK", pixel, blank)
    scaling = scaling_entries(pixel, bscale, bzero)
    simple: Entry = ("SIMPLE", True, "conforms to the FITS standard")
    first: Entry = simple if primary else ("XTENSION", "IMAGE", "image extension")
    axes: list[Entry] = [
        (f"NAXIS{axis}", npixels, f"pixels along axis {axis}") for axis, npixels in enumerate(reversed(shape), start=1)
    ]
    entries = [
        first,
        ("BITPIX", bitpix, "bits per pixel, negative for floats"),
        ("NAXIS", len(shape), "number of axes"),
        *axes,
    ]
    if primary:
        return Cards.build([*entries, ("EXTEND", True, "there may be extensions"), *scaling, *null, *names])
    counts: list[Entry] = [("PCOUNT", 0, "no parameters"), ("GCOUNT", 1, "one group")]
    return Cards.build([*entries, *counts, *names, *scaling, *null])


def empty_primary_cards() -> Cards:
    """Return the header of a primary HDU without data, which compressed images and tables need before them."""
    return image_cards(np.uint8, (), primary=True)


def check_dtype(dtype: object) -> np.dtype[Any]:
    """Return the native dtype of the pixels that ``dtype``, anything numpy takes for one, describes.

    Raises
    ------
    ImageError
        If FITS has no such pixels.
    TypeError
        If numpy knows no such dtype.
    """
    pixel: np.dtype[Any] = np.dtype(dtype)  # type: ignore[call-overload]
    stored_form(pixel)
    return pixel.newbyteorder("=")


def check_dims(dims: object) -> tuple[int, ...]:
    """Return the shape of a new image as ints: the first axis may be empty, the others may not.

    Raises
    ------
    ImageError
        If an axis is too short, or there are more than 999.
    TypeError
        If ``dims`` is not a sequence of ints.
    """
    if isinstance(dims, str | bytes) or not isinstance(dims, Sequence | np.ndarray):
        raise TypeError(f"dims must be a sequence of ints, not {type(dims).__name__}: {dims!r}")
    shape = tuple(operator.index(npixels) for npixels in dims)
    if len(shape) > MAX_NAXIS:
        raise ImageError(f"an image can have at most {MAX_NAXIS} axes, not {len(shape)}")
    for axis, npixels in enumerate(shape):
        if npixels < (axis > 0):
            raise ImageError(f"dimension {axis} must be {'> 0' if axis else '>= 0'}; got {npixels}")
    return shape


def name_entries(extname: str | None, extver: int | None) -> list[Entry]:
    """Return the cards of a name and a version, where there is one.

    Raises
    ------
    TypeError
        If one of them has the wrong type.
    """
    entries: list[Entry] = []
    if extname is not None:
        if not isinstance(extname, str):
            raise TypeError(f"extname must be a str or None, not {type(extname).__name__}")
        entries.append(("EXTNAME", str(extname), "name of this HDU"))
    if extver is not None:
        entries.append(("EXTVER", _as_int("extver", extver), "version among HDUs of this name"))
    return entries


def scaling_entries(dtype: np.dtype[Any], bscale: object = None, bzero: object = None) -> list[Entry]:
    """Return the cards of BSCALE and BZERO: those asked for, or those of an integer convention, if there are any.

    Raises
    ------
    ImageError
        If numbers are asked for that cannot be, or for pixels that are stored by a convention.
    TypeError
        If one of them is no real number.
    """
    _, offset = stored_form(dtype)
    if bscale is None and bzero is None:
        scale: object = 1
    else:
        if offset:
            raise ImageError(
                f"bscale= and bzero= are for numbers as they are stored: {dtype} pixels are stored minus {offset}; "
                "pass pixels of a signed type, u1 or a float"
            )
        scale, offset = _as_real("bscale", bscale, 1), _as_real("bzero", bzero, 0)
        if not scale:
            raise ImageError("bscale must not be 0: every pixel would have one value")
    if scale == 1 and not offset:
        return []
    return [("BSCALE", scale, "pixel = stored * BSCALE + BZERO"), ("BZERO", offset, "offset of the stored integers")]


def blank_entries(keyword: str, dtype: np.dtype[Any], blank: int | None) -> list[Entry]:
    """Return the card that names the null value of integers, in stored space.

    Parameters
    ----------
    keyword : {'BLANK', 'ZBLANK'}
    dtype : dtype
        What the user sees.
    blank : int or None
        In the numbers of the pixels; None for no card.

    Raises
    ------
    ImageError
        If the pixels are floats, or cannot hold the value.
    PixelOverflow
        If the value has more than 64 bits.
    TypeError
        If the value is not an int.
    """
    if blank is None:
        return []
    value = _as_int("blank", blank)
    if dtype.kind == "f":
        raise ImageError(f"blank is for integers: float pixels ({dtype}) use NaN instead")
    if not -(1 << 63) <= value < 1 << 64:
        raise PixelOverflow(f"blank {value} has more than 64 bits")
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise ImageError(f"blank {value} is out of range: {dtype} pixels hold {limits.min} to {limits.max}")
    return [(keyword, int(Scaling.of_dtype(dtype).invert_scalar(value)), "stored integer that means no value")]


def _as_real(name: str, value: object, default: int) -> Any:
    if value is None:
        return default
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name} must be a real number or None, not {type(value).__name__}: {value!r}")
    if not math.isfinite(value):
        raise ImageError(f"{name} must be finite, not {value}")
    return value


def _as_int(name: str, value: object) -> int:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{name} must be an int or None, not {type(value).__name__}: {value!r}")
