"""Small fixed workloads whose instructions are counted; started by `instructions.py`, never imported.

``prepare FOLDER`` makes their inputs and prints what the figures depend on. ``count FOLDER`` runs each workload once to
warm up and once more between two calls of `os.getppid`, which the counter takes as marks, and prints their names.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

mark = os.getppid  # the one function of the C library that nothing else here calls
mark()
rustfits = importlib.import_module("rustfits")
mark()

SHAPE = (512, 512)
NHDUS = 100
ARRAYS = "arrays.npz"

IMAGES: dict[str, tuple[str, str, Any, bool]] = {  # pixels, dtype, codec, quantised
    "f4 uncompressed": ("sky", "f4", None, False),
    "i4 RICE_1 100x100": ("sky", "i4", ("Rice1", (100, 100)), False),
    "i2 RICE_1 rows": ("sky", "i2", ("Rice1", (1, 512)), False),
    "f4 quantised RICE_1 100x100": ("zeros", "f4", ("Rice1", (100, 100)), True),
    "i2 HCOMPRESS_1 100x100": ("sky", "i2", ("Hcompress1", (100, 100)), False),
    "i4 mask PLIO_1 rows": ("mask", "i4", ("Plio1", (1, 512)), False),
    "f4 GZIP_2 100x100": ("sky", "f4", ("Gzip2", (100, 100)), False),
    "i4 GZIP_1 100x100": ("sky", "i4", ("Gzip1", (100, 100)), False),
}
CUTOUTS = ("i4 RICE_1 100x100", "f4 quantised RICE_1 100x100", "f4 uncompressed")


def path_of(folder: Path, name: str) -> Path:
    return folder / (name.replace(" ", "-") + ".fits")


def write(path: Path, name: str, array: Any) -> None:
    _, _, codec, quantized = IMAGES[name]
    options: dict[str, Any] = {}
    if codec:
        options["compress"] = getattr(rustfits, codec[0])(tile_shape=codec[1])
    if quantized:
        options["quantize"] = rustfits.Quantize(level=16, method="dither2", seed=1)
    with rustfits.FITS(path, "w+") as file:
        file.write_image(array, **options)


def read(path: Path, index: int) -> None:
    with rustfits.FITS(path) as file:
        file[index].read()


def cutouts(path: Path, index: int) -> None:
    with rustfits.FITS(path) as file:
        hdu = file[index]
        for at in range(0, 480, 12):
            hdu[at : at + 32, 480 - at : 512 - at]


def change_pixels(path: Path) -> None:
    with rustfits.FITS(path, "r+") as file:
        file[1][60:130, 70:90] = 7


def change_cards(path: Path) -> None:
    with rustfits.FITS(path, "r+") as file:
        header = file[0].header
        for number in range(20):
            header[f"CARD{number}"] = (number / 3, "a number")


def open_many(path: Path) -> None:
    with rustfits.FITS(path) as file:
        assert len(file) == NHDUS
        assert file[f"IMAGE{NHDUS - 1}"].shape == (8, 8)


def workloads(folder: Path) -> dict[str, Callable[[], None]]:
    """Return what is counted, by name; each may be done any number of times and costs the same each time."""
    found: dict[str, Callable[[], None]] = {}
    arrays = np.load(folder / ARRAYS)
    for name, (_, _, codec, _) in IMAGES.items():
        path, index, array = path_of(folder, name), int(codec is not None), arrays[name]
        copy = folder / "written.fits"
        found[f"read {name}"] = lambda path=path, index=index: read(path, index)
        found[f"write {name}"] = lambda copy=copy, name=name, array=array: write(copy, name, array)
        if name in CUTOUTS:
            found[f"40 cutouts of {name}"] = lambda path=path, index=index: cutouts(path, index)
    found["change pixels of i4 RICE_1 100x100"] = lambda: change_pixels(path_of(folder, "changed"))
    found["change 20 cards"] = lambda: change_cards(path_of(folder, "f4 uncompressed"))
    found[f"open a file of {NHDUS} HDUs"] = lambda: open_many(path_of(folder, "many"))
    return found


def prepare(folder: Path) -> None:
    """Make the files that are read and changed, and load every module once, so that it is there in compiled form."""
    import json

    import pixels as images

    arrays = {name: getattr(images, pixels)(SHAPE, dtype) for name, (pixels, dtype, _, _) in IMAGES.items()}
    np.savez(folder / ARRAYS, **arrays)
    for name, array in arrays.items():
        write(path_of(folder, name), name, array)
    name = "i4 RICE_1 100x100"
    write(path_of(folder, "changed"), name, arrays[name])
    images.write_many_hdus(str(path_of(folder, "many")), NHDUS)
    for work in workloads(folder).values():
        work()
    print(json.dumps(versions()))


def count(folder: Path) -> None:
    """Run all workloads between marks, first one that does nothing."""
    works = {"nothing": lambda: None, **workloads(folder)}
    gc.disable()
    for work in works.values():
        work()
        gc.collect()
        mark()
        work()
        mark()
    print(kernels_used(), "import rustfits", *works, sep="\n", flush=True)
    os._exit(0)  # taking the interpreter apart need not be counted


def kernels_used() -> str:
    """Return the variants of the kernels; the counter hides AVX-512 from them."""
    import rustfits_accel.kernels
    import rustfits_hcompress.codec as hcompress
    import rustfits_rice.codec as rice

    variants = {"rice": rice.VARIANTS[rice.VARIANT], "hcompress": hcompress.VARIANTS[hcompress.VARIANT]}
    variants["accel"] = str(rustfits_accel.kernels.CompiledKernels().isa)
    return ", ".join(f"{name} {variant}" for name, variant in variants.items())


def versions() -> dict[str, str]:
    """Return everything known that the figures depend on, apart from rustfits itself."""
    import contextlib
    import importlib.metadata
    import platform

    import rustfits_accel._kernel
    import rustfits_hcompress._kernel
    import rustfits_plio._kernel
    import rustfits_rice._kernel

    kernels = (rustfits_accel, rustfits_hcompress, rustfits_plio, rustfits_rice)
    found = {
        "machine": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "C library": " ".join(platform.libc_ver()),
        "kernels built by": "; ".join(sorted({built_by(package._kernel.__file__) for package in kernels})),
    }
    for name in ("numpy", "deflate", "pluggy"):
        found[name] = "none"
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def built_by(path: str) -> str:
    """Return which compiler, and which Cython, made an extension module, as the file itself says."""
    import re

    raw = Path(path).read_bytes()
    compilers = {match.decode() for match in re.findall(rb"(?:GCC: \(|clang version )[^\0]{1,80}", raw)}
    cython = re.search(rb"_cython_(\d+(?:_\d+)*)", raw)
    return ", ".join([*sorted(compilers), f"Cython {cython[1].decode().replace('_', '.')}" if cython else "no Cython"])


if __name__ == "__main__":
    {"prepare": prepare, "count": count}[sys.argv[1]](Path(sys.argv[2]))
