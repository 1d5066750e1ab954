"""World coordinates of axes that have nothing to do with the others, from their keywords alone."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

# An algorithm that is not linear (FITS 4.0, section 8.2), such as -TAN, -F2W, -TAB, and conventions like -SIP.
_ALGORITHM = re.compile(r"^.{4}-[A-Z0-9]{3}")

# What bends the coordinates of any axis: distortions of FITS WCS paper IV, those of SIP and of IRAF.
_BENT = re.compile(r"^(?:C[PQ]DIS\d+|D[PQ]\d+|[AB]P?_ORDER|A_\d_\d|B_\d_\d)$")


def linear_coordinates(header: Any, shape: tuple[int, ...]) -> dict[int, tuple[NDArray[np.float64], dict[str, str]]]:
    """Return the world coordinates along the axes that are linear and depend on no other axis.

    Parameters
    ----------
    header : FITSHeader
        Of the image; the primary description of coordinates is taken (FITS 4.0, section 8).
    shape : tuple of int
        Of the image, numpy order.

    Returns
    -------
    dict
        For such an axis, in numpy order: the coordinate of each pixel centre, float64, and CTYPE and CUNIT, as
        ``units``. Axes of the sky, and whatever else is not linear, are left out.
    """
    ndim = len(shape)
    if any(_BENT.match(keyword) for keyword in header.keys()):  # noqa: SIM118 - a header iterates over its cards
        return {}
    found = {}
    for number in range(1, ndim + 1):
        step = _step(header, number, ndim)
        ctype = str(header.get(f"CTYPE{number}") or "").strip()
        if step is None or _ALGORITHM.match(ctype.upper().ljust(4, "-")):
            continue
        reference, pixel = header.get(f"CRVAL{number}", 0.0), header.get(f"CRPIX{number}", 0.0)
        size = shape[ndim - number]
        values = reference + (np.arange(1, size + 1, dtype=np.float64) - pixel) * step
        unit = str(header.get(f"CUNIT{number}") or "").strip()
        about = {"CTYPE": ctype, "units": unit}
        found[ndim - number] = values, {name: text for name, text in about.items() if text}
    return found


def _step(header: Any, number: int, ndim: int) -> float | None:
    """Return the increment along an axis; None if it depends on other axes, or nothing describes it."""
    described = any(header.get(f"{name}{number}") is not None for name in ("CRVAL", "CDELT", "CTYPE"))
    axes = range(1, max(ndim, _number(header, "WCSAXES")) + 1)
    with_cd = any(header.get(f"CD{i}_{j}") is not None for i in axes for j in axes)
    matrix = "CD" if with_cd else "PC"
    others = [axis for axis in axes if axis != number]
    if any(header.get(f"{matrix}{i}_{j}", 0) for other in others for i, j in ((number, other), (other, number))):
        return None
    if any(header.get(f"CROTA{axis}", 0) for axis in axes) or not (described or with_cd):
        return None
    diagonal = header.get(f"{matrix}{number}_{number}", 0.0 if with_cd else 1.0)
    step = diagonal if with_cd else diagonal * header.get(f"CDELT{number}", 1.0)
    return float(step) if step else None


def _number(header: Any, keyword: str) -> int:
    value = header.get(keyword, 0)
    return value if isinstance(value, int) else 0
