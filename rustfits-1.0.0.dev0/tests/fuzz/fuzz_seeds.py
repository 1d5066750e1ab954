"""Small files of every kind: codec, dtype and quantiser by us and by others, tables, files compressed as a whole.

What a fuzzer changes is only as good as what it starts from: each seed is sound and takes a road of its own.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib.util
import lzma
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import rustfits

DATA = Path(__file__).resolve().parents[1] / "data"
MAX_SEED_NBYTES = 250_000  # larger files take longer than they show
SHAPE, TILE = (14, 20), (5, 20)  # the last tile is smaller, and large enough for HCOMPRESS_1
INTEGERS = {
    "Gzip1": ("u1", "i1", "i2", "u2", "i4", "u4", "i8"),
    "Gzip2": ("u1", "i2", "i4", "i8"),
    "NoCompress": ("u1", "i2", "i8"),
    "Rice1": ("u1", "i1", "i2", "u2", "i4", "u4"),
    "Hcompress1": ("u1", "i2", "u2", "i4"),
    "Plio1": ("u1", "i2", "i4"),
}
QUANTIZED = ("Gzip1", "Gzip2", "Rice1", "Hcompress1")
METHODS = ("no_dither", "subtractive_dither_1", "subtractive_dither_2")


def pixels(dtype: str) -> np.ndarray:
    """Return an image with some noise, zeros, and, of floats, one NaN."""
    rng = np.random.default_rng(7)
    if dtype in ("f4", "f8"):
        image = rng.normal(100, 5, SHAPE).astype(dtype)
        image[3, 4], image[5, :6] = np.nan, 0
        return image
    image = np.clip(rng.normal(60, 8, SHAPE), 0, 120).astype(dtype)
    image[7, 3:9] = 0
    return image


def image_file(image: np.ndarray, **arguments: object) -> bytes:
    """Return a file with one image, by us, with checksums."""
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(image, **arguments)  # type: ignore[arg-type]
        hdu.add_checksum()
        return bytes(fits.to_bytes())


def _ours() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name, dtypes in INTEGERS.items():
        for dtype in dtypes:
            yield (
                f"ours {name} {dtype}",
                lambda name=name, dtype=dtype: image_file(
                    pixels(dtype), compress=getattr(rustfits, name)(tile_shape=TILE)
                ),
            )
    for name in QUANTIZED:
        for dtype, method in zip(("f4", "f8", "f4"), METHODS, strict=True):
            if (name, method) == ("Hcompress1", "subtractive_dither_2"):
                continue
            yield (
                f"ours {name} {dtype} {method}",
                lambda name=name, dtype=dtype, method=method: image_file(
                    pixels(dtype),
                    compress=getattr(rustfits, name)(tile_shape=TILE),
                    quantize=rustfits.Quantize(level=4, method=method, seed=3),
                ),
            )
    for letter in ("P", "Q"):
        yield (
            f"ours Rice1 i4 {letter}",
            lambda letter=letter: image_file(
                pixels("i4"), compress=rustfits.Rice1(tile_shape=TILE, heap_format=letter)
            ),
        )
    yield "ours Gzip1 f4 lossless", lambda: image_file(pixels("f4"), compress=rustfits.Gzip1(tile_shape=TILE))
    for dtype in ("u1", "i2", "u2", "i4", "i8", "f4", "f8"):
        yield f"ours plain {dtype}", lambda dtype=dtype: image_file(pixels(dtype))


def _tables() -> Iterator[tuple[str, Callable[[], bytes]]]:
    rng = np.random.default_rng(8)
    rows = np.zeros(
        15, dtype=[("n", "i4"), ("u", "u2"), ("x", "f8"), ("name", "U6"), ("flag", "?"), ("v", "f4", (2, 3))]
    )
    rows["n"], rows["x"], rows["name"] = np.arange(15), rng.normal(size=15), "star"
    cells = np.empty(15, dtype=object)
    cells[:] = [np.arange(i, dtype="i2") for i in range(15)]

    def table(**arguments: object) -> bytes:
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_table(
                {**{name: rows[name] for name in rows.dtype.names or ()}, "cells": cells},
                var_dtypes={"cells": "i2"},
                **arguments,
            )  # type: ignore[arg-type]
            return bytes(fits.to_bytes())

    yield "ours table", table
    yield "ours ztable", lambda: table(compress=True)


def _others(folder: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if importlib.util.find_spec("fitsio"):
        for codec in ("RICE", "GZIP", "GZIP_2", "HCOMPRESS", "PLIO"):
            for dtype in ("i2", "i4", "f4"):
                if (codec, dtype) != ("PLIO", "f4"):
                    yield f"fitsio {codec} {dtype}", lambda codec=codec, dtype=dtype: _by_fitsio(folder, codec, dtype)
    if importlib.util.find_spec("astropy"):
        for codec in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"):
            for dtype in ("i2", "f4"):
                yield f"astropy {codec} {dtype}", lambda codec=codec, dtype=dtype: _by_astropy(folder, codec, dtype)


def _by_fitsio(folder: Path, codec: str, dtype: str) -> bytes:
    import fitsio

    path = folder / "fitsio.fits"
    path.unlink(missing_ok=True)
    with fitsio.FITS(str(path), "rw") as fits:
        fits.write(np.nan_to_num(pixels(dtype)), compress=codec, tile_dims=TILE)
        fits[-1].write_checksum()
    return path.read_bytes()


def _by_astropy(folder: Path, codec: str, dtype: str) -> bytes:
    from astropy.io import fits

    path = folder / "astropy.fits"
    hdu = fits.CompImageHDU(pixels(dtype), compression_type=codec, tile_shape=TILE)
    hdu.writeto(path, overwrite=True, checksum=True)
    return path.read_bytes()


def seeds() -> dict[str, bytes]:
    """Return all seeds by their names; those whose plugin or library is absent are left out."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for group in (_ours(), _tables(), _others(Path(folder))):
            for name, make in group:
                with contextlib.suppress(rustfits.CodecNotInstalled, rustfits.NotSupported, rustfits.UnsupportedPixels):
                    found[name] = make()
    for path in sorted(DATA.glob("*.fits*")):
        if path.stat().st_size <= MAX_SEED_NBYTES:
            found[path.name] = path.read_bytes()
    sample = found["ours Gzip1 i2"]
    found |= {"whole gzip": gzip.compress(sample, mtime=0), "whole xz": lzma.compress(sample)}
    found["whole bzip2"] = bz2.compress(sample)
    return found
