"""One library in one process: JSON requests in by lines, JSON answers out. Started by `compare.py`."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pixels as images

NCUTOUTS = 1000
CUTOUT = 32
QUANTIZE_LEVEL = 16


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

    def read(self, path: str, index: int) -> Any:
        with self.library.FITS(path) as file:
            return file[index].read()

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int], quantized: bool) -> None:
        options: dict[str, Any] = {}
        if codec:
            kind = getattr(self.library, codec.replace("_", "").capitalize())
            options["compress"] = kind(tile_shape=tuple(tile_shape))
        if quantized:
            options["quantize"] = self.library.Quantize(level=QUANTIZE_LEVEL, method="dither2", seed=1)
        with self.library.FITS(path, "w+") as file:
            file.write_image(array, **options)

    def cutouts(self, path: str, index: int, at: list[tuple[int, int]]) -> Any:
        with self.library.FITS(path) as file:
            hdu = file[index]
            return [hdu[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]

    def open(self, path: str) -> int:
        with self.library.FITS(path) as file:
            return len(file)


class Fitsio:
    """CFITSIO, through fitsio."""

    def __init__(self) -> None:
        import fitsio

        self.library = fitsio
        self.version = f"{fitsio.__version__} (CFITSIO {fitsio.cfitsio_version()})"

    def read(self, path: str, index: int) -> Any:
        with self.library.FITS(path) as file:
            return file[index].read()

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int], quantized: bool) -> None:
        options: dict[str, Any] = {"compress": codec, "tile_dims": tuple(tile_shape), "qlevel": 0} if codec else {}
        if quantized:
            options.update(qlevel=QUANTIZE_LEVEL, qmethod="SUBTRACTIVE_DITHER_2", dither_seed=1)
        with self.library.FITS(path, "rw", clobber=True) as file:
            file.write(array, **options)

    def cutouts(self, path: str, index: int, at: list[tuple[int, int]]) -> Any:
        with self.library.FITS(path) as file:
            hdu = file[index]
            return [hdu[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]

    def open(self, path: str) -> int:
        with self.library.FITS(path) as file:
            return len(file)


class Astropy:
    """astropy.io.fits; arrays in native byte order and in memory, as the others return them."""

    def __init__(self) -> None:
        import astropy
        from astropy.io import fits

        self.library = fits
        self.version = astropy.__version__

    def read(self, path: str, index: int) -> Any:
        with self.library.open(path, memmap=False) as file:
            data = file[index].data
            return data.astype(data.dtype.newbyteorder("="), copy=False)

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int], quantized: bool) -> None:
        if not codec:
            self.library.PrimaryHDU(array).writeto(path, overwrite=True)
            return
        options: dict[str, Any] = {"quantize_level": 0.0}
        if quantized:
            options = {"quantize_level": float(QUANTIZE_LEVEL), "quantize_method": 2, "dither_seed": 1}
        hdu = self.library.CompImageHDU(array, compression_type=codec, tile_shape=tuple(tile_shape), **options)
        self.library.HDUList([self.library.PrimaryHDU(), hdu]).writeto(path, overwrite=True)

    def cutouts(self, path: str, index: int, at: list[tuple[int, int]]) -> Any:
        with self.library.open(path, memmap=False) as file:
            section = file[index].section
            found = [section[row : row + CUTOUT, column : column + CUTOUT] for row, column in at]
            return [each.astype(each.dtype.newbyteorder("="), copy=False) for each in found]

    def open(self, path: str) -> int:
        with self.library.open(path) as file:
            return len(file)


class Torchfits:
    """CFITSIO, through torchfits, which reads tensors; it chooses tiles and quanta itself."""

    def __init__(self) -> None:
        import torchfits

        self.library = torchfits
        self.version = torchfits.__version__

    def read(self, path: str, index: int) -> Any:
        return self.library.read_tensor(path, hdu=index).numpy()

    def write(self, path: str, array: Any, codec: str, tile_shape: list[int], quantized: bool) -> None:
        if codec:
            raise NotImplementedError("no say in the tiles")
        self.library.write(path, array, overwrite=True)

    def cutouts(self, path: str, index: int, at: list[tuple[int, int]]) -> Any:
        with self.library.open_subset_reader(path, index) as reader:
            return [reader(column, row, column + CUTOUT, row + CUTOUT).numpy() for row, column in at]

    def open(self, path: str) -> int:
        raise NotImplementedError("it counts HDUs without reading their headers, or lists them in minutes")


def digest(arrays: Any) -> str:
    """Return a short name of the pixels, whatever their byte order."""
    total = hashlib.sha256()
    for array in arrays if isinstance(arrays, list) else [arrays]:
        total.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()[:16]


def resident(key: str) -> int:
    """Return a size of this process in kB, from /proc; 0 where there is no such thing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key))


def answer(library: Any, request: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks; the seconds cover opening, the work and closing, and nothing else."""
    path, shape, operation = request["path"], request["shape"], request["operation"]
    index = 1 if request["codec"] else 0
    arguments: tuple[Any, ...] = (path, index)
    if operation == "write":
        if request["key"] not in arrays:
            arrays.clear()
            arrays[request["key"]] = getattr(images, request["pixels"])(tuple(shape), request["dtype"])
        arguments = path, arrays[request["key"]], request["codec"], request["tile_shape"], request["quantized"]
    elif operation == "cutouts":
        arguments = path, index, corners(shape)
    elif operation == "open":
        arguments = (path,)
    before = 0
    # Memory that waits from earlier results would be none that the process has to ask for: the peak is without it.
    os.environ["RUSTFITS_REUSED_NBYTES"] = "0" if request["check"] else ""
    if request["check"] and Path("/proc/self/clear_refs").exists():
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        before = resident("VmRSS")
    if operation == "write":  # a new file: what a file system does with an old one is no work of the library
        Path(path).unlink(missing_ok=True)
    work = getattr(library, operation)
    begin, spent = time.perf_counter(), time.process_time()
    found = work(*arguments)
    seconds, spent = time.perf_counter() - begin, time.process_time() - spent
    outcome: dict[str, Any] = {"seconds": seconds, "cpu_seconds": spent}
    if request["check"]:
        outcome["peak_mib"] = (resident("VmHWM") - before) / 1024
        if operation in ("read", "cutouts"):
            outcome["digest"] = digest(found)
            outcome["mean"] = float(np.mean(np.asarray(found), dtype=np.float64))
        elif operation == "write":
            outcome["nbytes"] = Path(path).stat().st_size
        else:
            outcome["digest"] = str(found)
    return outcome


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
