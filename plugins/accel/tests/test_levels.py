"""A level of gzip is a promise about sizes: those of zlib at that level, give or take 3 %."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

import rustfits
from rustfits_accel import CompiledKernels

DATA = Path(__file__).parents[3] / "tests" / "data"
FILES = ["m13.fits", "m13real.fits", "decam_ooi_rice.fits", "panoptes_dslr_rice_u2.fits.fz"]
SIDE = 100


def sky(dtype):
    return np.random.default_rng(3).normal(1000, 16, (2 * SIDE, 2 * SIDE)).astype(dtype)


def pixels_of(name):
    if name.startswith("sky"):
        return sky(name[-2:])
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here: only the repository has it")
    if "rice" in name and "RICE_1" not in rustfits.codecs():
        pytest.skip("rustfits-rice is not installed: the real tiles are compressed with RICE_1")
    with rustfits.FITS(DATA / name) as file:
        (pixels,) = [hdu.read() for hdu in file if hdu.has_data][:1]
    return pixels.reshape(-1, pixels.shape[-1])


def some_tiles(pixels):
    """Return up to four tiles, back to back, and the pixels of each."""
    rows, columns = (np.arange(0, length - SIDE + 1, max((length - SIDE) // 2, SIDE)) for length in pixels.shape)
    tiles = [pixels[y : y + SIDE, x : x + SIDE].reshape(-1) for y in rows[:2] for x in columns[:2]]
    return np.concatenate(tiles), np.full(len(tiles), tiles[0].size)


@pytest.mark.parametrize("name", ["sky i2", "sky i4", "sky f4", *FILES])
@pytest.mark.parametrize("shuffled", [False, True], ids=["GZIP_1", "GZIP_2"])
def test_files_are_no_more_than_3_percent_larger_than_those_of_zlib(name, shuffled):
    pytest.importorskip("deflate", reason="the package deflate is not installed")
    pixels = pixels_of(name)
    tiles, npixels = some_tiles(pixels)
    kernels, nbytes = CompiledKernels(), npixels * pixels.itemsize
    data = tiles.astype(tiles.dtype.newbyteorder(">")).view(np.uint8)
    if shuffled:
        data = np.empty_like(data)
        kernels.shuffle(tiles, npixels, data)
    for level in range(10):
        found = kernels.deflate(data, nbytes, level).data.size
        zlibs = sum(len(zlib.compress(tile, level, wbits=31)) for tile in np.split(data, nbytes.size))
        assert found <= 1.03 * zlibs, level
        if level == 6 and shuffled:
            assert kernels.deflate_planes(data, nbytes, pixels.itemsize, None).data.size <= 1.03 * zlibs
