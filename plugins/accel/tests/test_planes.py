"""Gzip members with a block for each byte plane: ordinary gzip to everybody."""

from __future__ import annotations

import gzip
import importlib
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits_accel import planes
from rustfits_accel.kernels import CompiledKernels


def tile(seed, itemsize, npixels, kinds):
    random = np.random.default_rng(seed)
    makers = {
        "noise": lambda: random.integers(0, 256, npixels),
        "sky": lambda: random.normal(100, 5, npixels).clip(0, 255),
        "flat": lambda: np.full(npixels, 7),
    }
    return np.stack([makers[kinds[plane % len(kinds)]]().astype(np.uint8) for plane in range(itemsize)])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    itemsize=st.sampled_from([2, 4, 8]),
    npixels=st.one_of(st.integers(1, 3000), st.sampled_from([65535, 65536, 131071])),
    kinds=st.lists(st.sampled_from(["noise", "sky", "flat"]), min_size=1, max_size=8),
    noisy=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_any_choice_of_planes_is_one_ordinary_gzip_member(seed, itemsize, npixels, kinds, noisy):
    pixels = tile(seed, itemsize, npixels, kinds)
    member = planes.gzip_planes(pixels, noisy[:itemsize])
    assert gzip.decompress(member) == pixels.tobytes()
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert inflater.decompress(member) == pixels.tobytes()
    assert inflater.eof
    assert not inflater.unused_data


def test_noise_is_told_from_what_can_be_coded():
    pixels = tile(1, 4, 10000, ["flat", "sky", "noise"])
    assert planes.noisy_planes(pixels[np.newaxis]) == [[False, False, True, False]]
    few = tile(2, 2, 1024, ["noise", "sky"])
    assert planes.noisy_planes(few[np.newaxis]) == [[True, False]]


def test_stored_planes_take_hardly_more_than_their_bytes():
    pixels = tile(3, 4, 10000, ["noise"])
    assert len(planes.gzip_planes(pixels, [True] * 4)) < pixels.size + 60


def test_a_batch_of_tiles_of_several_sizes_comes_back_through_the_kernels_of_the_core():
    nbytes = np.array([40000, 40000, 4096, 2048, 40000])
    data = np.random.default_rng(4).integers(0, 9, int(nbytes.sum()), dtype=np.uint8)
    tiles = CompiledKernels().deflate_planes(data, nbytes, 4, None)
    stops = np.cumsum(tiles.length)
    members = [tiles.data[stop - length : stop].tobytes() for stop, length in zip(stops, tiles.length, strict=True)]
    assert b"".join(gzip.decompress(member) for member in members) == data.tobytes()


@pytest.mark.parametrize("level", [0, 6, 9])
def test_a_level_that_was_asked_for_is_kept_to(level):
    data = np.random.default_rng(5).integers(0, 9, 8000, dtype=np.uint8)
    nbytes = np.array([8000])
    asked = CompiledKernels().deflate_planes(data, nbytes, 2, level)
    assert asked.data.tobytes() == CompiledKernels().deflate(data, nbytes, level).data.tobytes()


def test_without_isal_the_standard_library_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    try:
        importlib.reload(planes)
        assert planes.encoder is zlib
        pixels = tile(6, 4, 5000, ["flat", "sky", "noise"])
        assert gzip.decompress(planes.gzip_planes(pixels, [False, False, True, False])) == pixels.tobytes()
    finally:
        monkeypatch.undo()
        importlib.reload(planes)


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_fitsio_and_astropy_read_what_was_written_without_a_level(tmp_path, dtype):
    fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")
    fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
    pixels = np.random.default_rng(7).normal(1000, 16, (130, 170)).astype(dtype)
    path = str(tmp_path / "planes.fits")
    with rustfits.FITS(path, "w+") as file:
        file.write_image(pixels, compress=rustfits.Gzip2(tile_shape=(64, 64)))
    assert np.array_equal(fitsio.read(path, ext=1), pixels)
    with fits.open(path) as file:
        assert np.array_equal(file[1].data, pixels)
    with rustfits.FITS(path) as file:
        assert np.array_equal(file[1].read(), pixels)
