"""What images of a file are called among groups, variables and dimensions, and what of their headers goes with them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import rustfits
from rustfits import FITS, ImageHDU, NotSupported

IMAGE = "image"  # the array in the group of an HDU

_LAST_AXES = ("x", "y", "z")


def named_images(fits: FITS) -> dict[str, ImageHDU]:
    """Return the images of a file that have axes, by names that differ.

    Parameters
    ----------
    fits : FITS

    Returns
    -------
    dict
        In the order of the file. The name is EXTNAME, ``PRIMARY``, or ``HDU3`` for the fourth HDU, if it has no name.
        Images of one name are told apart by EXTVER, as ``SCI_2``, if that does, otherwise by their number.

    Raises
    ------
    NotSupported
        If there are random groups, or the file has no image.
    FitsError
        If the file is damaged.
    """
    images = [hdu for hdu in fits if isinstance(hdu, ImageHDU) and hdu.shape]
    plain = [_plain_name(hdu) for hdu in images]
    versioned = [f"{name}_{hdu.extver}" for name, hdu in zip(plain, images, strict=True)]
    names, often, versions = {}, Counter(plain), Counter(versioned)
    for hdu, name, version in zip(images, plain, versioned, strict=True):
        if not hdu.size and hdu.has_data:
            hdu.read()  # random groups, which refuses
        chosen = name if often[name] == 1 else version
        if chosen in names or (often[name] > 1 and (versions[version] > 1 or version in often)):
            chosen = f"{name}_HDU{hdu.index}"
        names[chosen] = hdu
    if not names:
        raise NotSupported(f"no HDU of {fits.filename} is an image that has axes")
    return names


def _plain_name(hdu: ImageHDU) -> str:
    # Zarr keeps names that begin with two underscores, and of dots alone, for itself.
    name = (hdu.extname or "").strip().replace("/", "_").removeprefix("__").strip(".")
    return name or ("PRIMARY" if hdu.index == 0 else f"HDU{hdu.index}")


def is_ranged(name: str) -> bool:
    """Return whether only what is needed of a file is to be fetched, though that has to be asked for: of http."""
    return name.startswith(("http://", "https://"))


def image_of(fits: FITS, key: int | str) -> ImageHDU:
    """Return the image that a key of the file or a name of `named_images` means.

    Raises
    ------
    HDUNotFound, HDUIndexError, WrongHDUKind
        If there is none.
    """
    if isinstance(key, str):
        found = named_images(fits).get(key.strip("/"))
        if found is not None:
            return found
    return fits.image(key)


def dimensions(ndim: int) -> tuple[str, ...]:
    """Return the names of axes, numpy order.

    Examples
    --------
    >>> dimensions(2), dimensions(4)
    (('y', 'x'), ('axis4', 'z', 'y', 'x'))
    """
    return tuple(_LAST_AXES[axis] if axis < len(_LAST_AXES) else f"axis{axis + 1}" for axis in reversed(range(ndim)))


def attributes(header: Any) -> dict[str, Any]:
    """Return what a header says beside structure and scaling, as values that JSON knows.

    Parameters
    ----------
    header : FITSHeader
        Of an image, such as ``hdu.image_header``.

    Returns
    -------
    dict
        Numbers, strings and bools by keyword; lines of COMMENT and HISTORY joined; complex numbers as pairs. BLANK is
        the value that pixels have which are stored as BLANK. Keywords without a value are left out.
    """
    found: dict[str, Any] = {}
    for keyword, value in header.items():
        if rustfits.is_protected_key(keyword) or keyword in ("BSCALE", "BZERO", "BLANK", "") or value is None:
            continue
        if isinstance(value, list):
            value = "\n".join(map(str, value)).strip()  # noqa: PLW2901
        elif isinstance(value, complex):
            value = [value.real, value.imag]  # noqa: PLW2901
        found[keyword] = value
    blank = header.get("BLANK")
    if isinstance(blank, int) and header.get("BITPIX", -32) > 0:
        value = blank * header.get("BSCALE", 1) + header.get("BZERO", 0)
        found["BLANK"] = int(value) if value == int(value) else value
    return found
