"""A section of an image as a file of its own, with its coordinates."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

REFERENCE_PIXEL = re.compile(r"CRPIX([1-9])[A-Z]?")


def parse_section(text: str) -> tuple[slice, ...]:
    """Return the slices of a section such as ``100:200,50:80``; one number is one row, and keeps its axis.

    Raises
    ------
    ImageError
        If the text is not a section; the message shows one.
    """
    slices = []
    for part in text.strip("[] ").split(","):
        found = re.fullmatch(r"\s*(-?\d+)?\s*(:)?\s*(-?\d+)?\s*", part)
        if found is None or not part.strip():
            raise rustfits.ImageError(f"section {text!r} is not understood; write it as 100:200,50:80, numpy order")
        start, colon, stop = found.groups()
        if colon is None:
            stop = None if start == "-1" else int(start) + 1
        slices.append(slice(start and int(start), stop and int(stop) if colon else stop))
    return tuple(slices)


def write_cutout(hdu: rustfits.ImageHDU, section: tuple[slice, ...], output: Path, compress: str | None) -> Any:
    """Write a section of ``hdu`` to a new file; reference pixels (CRPIXn) move along.

    Parameters
    ----------
    hdu : ImageHDU
        Physical values are taken: the scaling of the source is not carried over.
    section : tuple of slice
        At most one for each axis, numpy order, without steps.
    output : Path
        File to make, or to replace.
    compress : str or None
        Name of an algorithm.

    Returns
    -------
    tuple of int
        Shape of what was written.

    Raises
    ------
    ImageError
        If the section is empty or has more axes than the image.
    """
    pixels = hdu[section]
    if not pixels.size:
        raise rustfits.ImageError(f"the section holds no pixel of an image of shape {hdu.shape}")
    start = [part.indices(length)[0] for part, length in zip(section, hdu.shape, strict=False)]
    start += [0] * (hdu.ndim - len(start))
    pixels, blank = _nulls(hdu, pixels)
    # Under another name at first: if this fails, what was there before is still there. A link stays one.
    output = output.resolve()
    with tempfile.TemporaryDirectory(prefix=".rustfits-", dir=output.parent) as folder:
        made = Path(folder) / output.name
        with rustfits.FITS(made, "w+") as file:
            file.write_image(
                pixels,
                extname=hdu.extname,
                compress=compress,
                blank=blank,
                header=_keywords(hdu.header, start),
            )
        os.replace(made, output)
    return pixels.shape


def _nulls(hdu: rustfits.ImageHDU, pixels: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
    """Return the pixels and the null value to write: NaN where physical values are floats."""
    header = hdu.header
    blank = header.get("ZBLANK", header.get("BLANK"))
    if not isinstance(blank, int) or hdu.stored_dtype.kind == "f":
        return pixels, None
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if pixels.dtype.kind != "f":
        return pixels, blank + int(zero)
    return np.where(pixels == blank * scale + zero, np.nan, pixels), None


def _keywords(header: rustfits.FITSHeader, start: list[int]) -> dict[str, Any]:
    """Return the header of an image, with the reference pixels of a part of it that begins at ``start``."""
    keywords = header.to_dict()
    for key, entry in keywords.items():
        found = REFERENCE_PIXEL.fullmatch(key)
        if found and int(found[1]) <= len(start) and isinstance(entry["value"], int | float):
            entry["value"] -= start[-int(found[1])]
    return keywords
