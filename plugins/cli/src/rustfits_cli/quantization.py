"""What `info --quantization` shows: the steps that floats were rounded to, from the rows of the table of tiles."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

COLUMNS = ("HDU", "name", "method", "seed", "quantised tiles", "least step", "median step", "largest step")
_SIZES = {"B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "L": 1, "A": 1}
_DTYPES = {"D": ">f8", "E": ">f4"}


def quantizations(fits: rustfits.FITS) -> list[dict[str, Any]]:
    """Return how the floats of each compressed image were quantised; images that keep every bit say so."""
    images = [hdu for hdu in fits.hdus if isinstance(hdu, rustfits.CompressedImageHDU) and hdu.stored_dtype.kind == "f"]
    return [_described(hdu) for hdu in images]


def cells(found: dict[str, Any]) -> tuple[str, ...]:
    """Return a line of a table with `COLUMNS`."""
    steps = (f"{found[key]:.6g}" if key in found else "" for key in ("least", "median", "largest"))
    tiles = f"{found['quantised']} of {found['tiles']}"
    return (str(found["index"]), found["name"], found["method"], str(found.get("seed", "")), tiles, *steps)


def _described(hdu: rustfits.CompressedImageHDU) -> dict[str, Any]:
    header = hdu.header
    steps = zscales(hdu)
    if steps is None:
        fixed = header.get("ZSCALE", 0)
        steps = np.full(hdu.n_tiles, float(fixed) if isinstance(fixed, int | float) else 0.0)
    used = steps[np.isfinite(steps) & (steps != 0)]
    method = str(header.get("ZQUANTIZ", "NO_DITHER" if used.size else "NONE"))
    found = {"index": hdu.index, "name": hdu.extname or "", "method": method if used.size else "NONE"}
    if used.size and "ZDITHER0" in header and "DITHER_" in method:
        found["seed"] = header["ZDITHER0"]
    found |= {"tiles": int(hdu.n_tiles), "quantised": int(used.size)}
    if used.size:
        found |= {"least": float(used.min()), "median": float(np.median(used)), "largest": float(used.max())}
    return found


def zscales(hdu: rustfits.CompressedImageHDU) -> NDArray[np.float64] | None:
    """Return the column ZSCALE of the table of tiles; None if there is none."""
    header, start = hdu.header, 0
    nrows, width = int(header["NAXIS2"]), int(header["NAXIS1"])
    for number in range(1, int(header["TFIELDS"]) + 1):
        form = re.match(r"\s*(\d*)([A-Z])", str(header[f"TFORM{number}"]))
        if form is None:
            return None
        repeat, letter = int(form[1] or 1), form[2]
        if str(header.get(f"TTYPE{number}", "")).strip() == "ZSCALE" and letter in _DTYPES and repeat == 1:
            dtype = np.dtype({"names": ["x"], "formats": [_DTYPES[letter]], "offsets": [start], "itemsize": width})
            rows = np.frombuffer(hdu.read_bytes(hdu.extent.header_nbytes, nrows * width), dtype, nrows)
            return rows["x"].astype(np.float64)
        start += {"P": 8, "Q": 16}.get(letter, _SIZES.get(letter, 0)) * repeat
    return None
