"""Small files of every kind: codec, dtype and quantiser by us and by others, tables, files compressed as a whole.

What a fuzzer changes is only as good as what it starts from: each seed is sound and takes a road of its own.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib.util
import lzma
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import rustfits

DATA = Path(__file__).resolve().parents[1] / "data"
MAX_SEED_NBYTES = 250_000  # larger files take longer than they show
SHAPE, TILE = (14, 20), (5, 20)  # the last tile is smaller, and large enough for HCOMPRESS_1
INTEGERS = {
    "Gzip1": ("u1", "i1", "i2", "u2", "i4", "u4", "i8"),
    "Gzip2": ("u1", "i1", "i2", "u2", "i4", "u4", "i8"),
    "NoCompress": ("u1", "i2", "i4", "i8"),
    "Rice1": ("u1", "i1", "i2", "u2", "i4", "u4"),
    "Hcompress1": ("u1", "i2", "u2", "i4"),
    "Plio1": ("u1", "i2", "i4"),
}
QUANTIZED = ("Gzip1", "Gzip2", "Rice1", "Hcompress1")
LOSSLESS = ("Gzip1", "Gzip2", "NoCompress")
METHODS = ("no_dither", "subtractive_dither_1", "subtractive_dither_2")
DESCRIPTORS = ("P", "Q")

Seed = tuple[str, Callable[[], bytes]]


def pixels(dtype: str, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return an image with some noise, zeros, and, of floats, one NaN."""
    rng = np.random.default_rng(7)
    if dtype in ("f4", "f8"):
        image = rng.normal(100, 5, shape).astype(dtype)
        image.flat[64], image.flat[100:106] = np.nan, 0
        return image
    image = np.clip(rng.normal(60, 8, shape), 0, 120).astype(dtype)
    image.flat[143:149] = 0
    return image


def image_file(image: np.ndarray, **arguments: object) -> bytes:
    """Return a file with one image, by us, with checksums."""
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(image, **arguments)  # type: ignore[arg-type]
        hdu.add_checksum()
        return bytes(fits.to_bytes())


def _ours() -> Iterator[Seed]:
    for letter in DESCRIPTORS:
        for name, dtypes in INTEGERS.items():
            for dtype in (*dtypes, *(("f4", "f8") if name in LOSSLESS else ())):
                yield (
                    f"ours {name} {dtype} {letter}",
                    lambda name=name, dtype=dtype, letter=letter: image_file(
                        pixels(dtype), compress=getattr(rustfits, name)(tile_shape=TILE, heap_format=letter)
                    ),
                )
        for name in QUANTIZED:
            for dtype in ("f4", "f8"):
                for method in METHODS:
                    yield (
                        f"ours {name} {dtype} {method} {letter}",
                        lambda name=name, dtype=dtype, method=method, letter=letter: image_file(
                            pixels(dtype),
                            compress=getattr(rustfits, name)(tile_shape=TILE, heap_format=letter),
                            quantize=rustfits.Quantize(level=4, method=method, seed=3),
                        ),
                    )
    for dtype in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
        yield f"ours plain {dtype}", lambda dtype=dtype: image_file(pixels(dtype))
    for shape, tile in (((300,), (90,)), ((4, 5, 16), (2, 3, 16))):
        for name in ("Gzip2", "Rice1"):
            yield (
                f"ours {name} of {len(shape)} axes",
                lambda shape=shape, tile=tile, name=name: image_file(
                    pixels("i2", shape), compress=getattr(rustfits, name)(tile_shape=tile)
                ),
            )
        yield f"ours plain of {len(shape)} axes", lambda shape=shape: image_file(pixels("f4", shape))


def columns() -> dict[str, np.ndarray]:
    """Return columns of every type of element, two of them of arrays whose length varies."""
    rng = np.random.default_rng(8)
    found: dict[str, np.ndarray] = {
        "n": np.arange(15, dtype="i4"),
        "u": np.arange(15, dtype="u2") * 4000,
        "x": rng.normal(size=15),
        "name": np.array([f"star{number}" for number in range(15)]),
        "flag": np.arange(15) % 3 == 0,
        "v": rng.normal(size=(15, 2, 3)).astype("f4"),
        "z": np.arange(15).astype("c8"),
        "l": np.arange(15, dtype="i8") << 40,
        "b": np.arange(15, dtype="u1"),
    }
    for name, dtype in (("cells", "i2"), ("reals", "f8")):
        found[name] = np.empty(15, dtype=object)
        found[name][:] = [np.arange(number, dtype=dtype) for number in range(15)]
    return found


def _tables() -> Iterator[Seed]:
    def table(**arguments: object) -> bytes:
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_table(columns(), var_dtypes={"cells": "i2", "reals": "f8"}, **arguments)  # type: ignore[arg-type]
            return bytes(fits.to_bytes())

    for letter in DESCRIPTORS:
        yield f"ours table {letter}", lambda letter=letter: table(heap_format=letter)
        yield f"ours ztable {letter}", lambda letter=letter: table(heap_format=letter, compress=True)
    yield "ours ztable in pieces", lambda: table(compress=True, ztilelen=4)

    def several() -> bytes:
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_image(pixels("i2"), extname="ONE")
            fits.write_table(columns(), var_dtypes={"cells": "i2", "reals": "f8"}, extname="TWO")
            fits.write_image(pixels("f4"), extname="THREE", compress=rustfits.Gzip2())
            for hdu in fits:
                hdu.add_checksum()
            return bytes(fits.to_bytes())

    yield "ours several", several


def _others(folder: Path) -> Iterator[Seed]:
    if importlib.util.find_spec("fitsio"):
        for codec in ("RICE", "GZIP", "GZIP_2", "HCOMPRESS", "PLIO"):
            for dtype in ("u1", "i2", "i4", "f4", "f8"):
                if (codec, dtype[0]) != ("PLIO", "f"):
                    yield f"fitsio {codec} {dtype}", lambda codec=codec, dtype=dtype: _by_fitsio(folder, codec, dtype)
        for kind in ("binary", "ascii"):
            yield f"fitsio {kind} table", lambda kind=kind: _fitsio_table(folder, kind)
    if importlib.util.find_spec("astropy"):
        for codec in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"):
            for dtype in ("i2", "i4", "f4", "f8"):
                if (codec, dtype[0]) not in (("PLIO_1", "f"), ("NOCOMPRESS", "f")):
                    yield f"astropy {codec} {dtype}", lambda codec=codec, dtype=dtype: _by_astropy(folder, codec, dtype)
        for kind in ("binary", "ascii", "groups"):
            yield f"astropy {kind}", lambda kind=kind: _astropy_other(folder, kind)
        if shutil.which("fpack"):
            yield "fpack table", lambda: _fpack_table(folder)


def _by_fitsio(folder: Path, codec: str, dtype: str) -> bytes:
    import fitsio

    path = folder / "fitsio.fits"
    path.unlink(missing_ok=True)
    with fitsio.FITS(str(path), "rw") as fits:
        fits.write(np.nan_to_num(pixels(dtype)), compress=codec, tile_dims=TILE)
        fits[-1].write_checksum()
    return path.read_bytes()


def _fitsio_table(folder: Path, kind: str) -> bytes:
    import fitsio

    path = folder / "fitsio.fits"
    path.unlink(missing_ok=True)
    names = ["n", "x", "name"] if kind == "ascii" else [name for name in columns() if name != "name"]
    with fitsio.FITS(str(path), "rw") as fits:
        fits.write({name: columns()[name] for name in names}, table_type=kind)
    return path.read_bytes()


def _by_astropy(folder: Path, codec: str, dtype: str) -> bytes:
    from astropy.io import fits

    path = folder / "astropy.fits"
    hdu = fits.CompImageHDU(pixels(dtype), compression_type=codec, tile_shape=TILE)
    hdu.writeto(path, overwrite=True, checksum=True)
    return path.read_bytes()


def _astropy_other(folder: Path, kind: str) -> bytes:
    from astropy.io import fits

    path = folder / "astropy.fits"
    given = columns()
    if kind == "ascii":
        made = [
            fits.Column(name="n", format="I6", array=given["n"], null="-99"),
            fits.Column(name="x", format="E15.7", array=given["x"]),
            fits.Column(name="d", format="D25.17", array=given["x"]),
            fits.Column(name="name", format="A8", array=given["name"]),
        ]
        hdu: fits.PrimaryHDU | fits.TableHDU | fits.BinTableHDU = fits.TableHDU.from_columns(made)
    elif kind == "groups":
        values = [np.arange(6, dtype="f4"), np.arange(6, dtype="f4") / 2]
        data = fits.GroupData(pixels("f4", (6, 1, 5, 8)), bitpix=-32, parnames=["U", "V"], pardata=values)
        hdu = fits.GroupsHDU(data)
    else:
        made = [
            fits.Column(name=letter, format=letter, array=np.arange(9) % 2) for letter in ("L", "B", "I", "J", "K", "E")
        ]
        made += [fits.Column(name="bits", format="11X", array=np.arange(99).reshape(9, 11) % 2 == 0)]
        made += [fits.Column(name="text", format="8A", array=np.array([["word", "more"]] * 9), dim="(4,2)")]
        for name, form in (("p", "PE()"), ("q", "QD()"), ("chars", "PA()")):
            cells = np.empty(9, dtype=object)
            cells[:] = ["x" * n for n in range(9)] if name == "chars" else [np.arange(n) * 1.5 for n in range(9)]
            made.append(fits.Column(name=name, format=form, array=cells))
        hdu = fits.BinTableHDU.from_columns(made)
    hdu.writeto(path, overwrite=True, checksum=True)
    return path.read_bytes()


def _fpack_table(folder: Path) -> bytes:
    from astropy.io import fits

    path, packed = folder / "plain.fits", folder / "packed.fits"
    packed.unlink(missing_ok=True)
    made = [fits.Column(name=name, format=name, array=np.arange(60)) for name in ("B", "I", "J", "E", "D")]
    fits.BinTableHDU.from_columns(made).writeto(path, overwrite=True)
    subprocess.run(["fpack", "-table", "-O", str(packed), str(path)], check=True, capture_output=True)
    return packed.read_bytes()


def seeds() -> dict[str, bytes]:
    """Return all seeds by their names; those whose plugin or library is absent are left out."""
    found: dict[str, bytes] = {}
    refused = (rustfits.CodecNotInstalled, rustfits.NotSupported, rustfits.UnsupportedPixels, rustfits.InvalidParameter)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for group in (_ours(), _tables(), _others(Path(folder))):
            for name, make in group:
                with contextlib.suppress(*refused):
                    found[name] = make()
    for path in sorted(DATA.glob("*.fits*")):
        if path.stat().st_size <= MAX_SEED_NBYTES:
            found[path.name] = path.read_bytes()
    sample = found["ours Gzip1 i2 P"]
    found |= {"whole gzip": gzip.compress(sample, mtime=0), "whole xz": lzma.compress(sample)}
    found["whole bzip2"] = bz2.compress(sample)
    if "ours table P" in found:
        found["whole gzip of a table"] = gzip.compress(found["ours table P"], mtime=0)
    return found


def tiny_seeds() -> dict[str, bytes]:
    """Return the smallest files that have a road of their own, for fuzzers that read one in a millisecond."""
    image = pixels("i2", (8, 9))
    image.flat[10:14] = 0
    made: dict[str, Callable[[], bytes]] = {"plain": lambda: image_file(image)}
    for name in INTEGERS:
        made[name] = lambda name=name: image_file(image, compress=getattr(rustfits, name)(tile_shape=(4, 9)))
    for name in QUANTIZED:
        floats = (image + np.random.default_rng(3).normal(size=image.shape)).astype("f4")
        made[f"{name} quantized"] = lambda name=name, floats=floats: image_file(
            floats,
            compress=getattr(rustfits, name)(tile_shape=(4, 9)),
            quantize=rustfits.Quantize(level=4, method="subtractive_dither_1", seed=3),
        )
    made |= {name: make for name, make in _tables() if name in ("ours table P", "ours ztable P")}
    found = {}
    for name, make in made.items():
        with contextlib.suppress(rustfits.CodecNotInstalled, rustfits.NotSupported):
            found[name] = make()
    found["whole gzip"] = gzip.compress(found["plain"], mtime=0)
    return found
