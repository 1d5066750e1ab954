"""One library in one process: JSON requests in by lines, JSON answers out. Started by `compare.py`."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pixels as images

NCUTOUTS = 200
CUTOUT = 32


def corners(shape: list[int]) -> list[tuple[int, int]]:
    """Return the first pixels of the cutouts, the same for every library."""
    random = np.random.default_rng(7)
    rows = random.integers(0, shape[-2] - CUTOUT, NCUTOUTS)
    columns = random.integers(0, shape[-1] - CUTOUT, NCUTOUTS)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


class Rustfits:
    """This library and the other of its name: one interface."""

    def __init__(self) -> None:
        import rustfits

        self.library = rustfits
        self.version = rustfits.__version__

    def codec(self, name: str, tile_shape: list[int]) -> Any:
        return getattr(self.library, name.replace("_", "").capitalize())(tile_shape=tuple(tile_shape))

    def read(self, path: str) -> Any:
        with self.library.FITS(path) as file:
            return file[1].read()

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int]) -> None:
        with self.library.FITS(path, "w+") as file:
            file.write_image(array, compress=self.codec(codec, tile_shape))

    def cutouts(self, path: str, at: list[tuple[int, int]]) -> Any:
        with self.library.FITS(path) as file:
            hdu = file[1]
            return [hdu[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]


class Fitsio:
    """CFITSIO, through fitsio."""

    def __init__(self) -> None:
        import fitsio

        self.library = fitsio
        self.version = f"{fitsio.__version__} (CFITSIO {fitsio.cfitsio_version()})"

    def read(self, path: str) -> Any:
        with self.library.FITS(path) as file:
            return file[1].read()

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int]) -> None:
        with self.library.FITS(path, "rw", clobber=True) as file:
            file.write(array, compress=codec, tile_dims=tuple(tile_shape), qlevel=0)

    def cutouts(self, path: str, at: list[tuple[int, int]]) -> Any:
        with self.library.FITS(path) as file:
            hdu = file[1]
            return [hdu[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]


class Astropy:
    """astropy.io.fits."""

    def __init__(self) -> None:
        import astropy
        from astropy.io import fits

        self.library = fits
        self.version = astropy.__version__

    def read(self, path: str) -> Any:
        with self.library.open(path) as file:
            return file[1].data

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int]) -> None:
        hdu = self.library.CompImageHDU(array, compression_type=codec, tile_shape=tuple(tile_shape), quantize_level=0.0)
        self.library.HDUList([self.library.PrimaryHDU(), hdu]).writeto(path, overwrite=True)

    def cutouts(self, path: str, at: list[tuple[int, int]]) -> Any:
        with self.library.open(path) as file:
            section = file[1].section
            return [section[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]


def digest(arrays: Any) -> str:
    """Return a short name of the pixels, whatever their byte order."""
    total = hashlib.sha256()
    for array in arrays if isinstance(arrays, list) else [arrays]:
        total.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()[:16]


def answer(library: Any, request: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks; the seconds cover opening, the work and closing, and nothing else."""
    path, shape = request["path"], request["shape"]
    if request["operation"] == "write":
        if request["key"] not in arrays:
            arrays.clear()
            arrays[request["key"]] = getattr(images, request["pixels"])(tuple(shape), request["dtype"])
        begin = time.perf_counter()
        library.write(path, arrays[request["key"]], request["codec"], request["tile_shape"])
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "nbytes": Path(path).stat().st_size, "digest": ""}
    if request["operation"] == "read":
        begin = time.perf_counter()
        found = library.read(path)
        seconds = time.perf_counter() - begin
    else:
        at = corners(shape)
        begin = time.perf_counter()
        found = library.cutouts(path, at)
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "digest": digest(found) if request["check"] else ""}


def main() -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("ignore")
    library = globals()[sys.argv[1]]()
    print(json.dumps({"version": library.version, "numpy": np.__version__}), flush=True)
    arrays: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            outcome = answer(library, json.loads(line), arrays)
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
