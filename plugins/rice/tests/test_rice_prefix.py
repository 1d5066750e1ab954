"""Cutouts that decode only the first rows of tiles are what whole reads give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits

SHAPES = {(200, 300): (80, 90), (3, 150, 200): (1, 100, 120), (40, 9000): (1, 9000), (20000,): (7000,)}


def image(shape, dtype):
    pixels = np.random.default_rng(3).normal(1000, 30, shape)
    pixels[..., ::17] = 0
    return pixels.astype(dtype)


def written(shape, dtype):
    quantize = rustfits.Quantize(level=16, method="dither2", seed=9) if dtype == "f4" else None
    fits = rustfits.FITS("mem://", "w+")
    fits.write_image(image(shape, dtype), compress=rustfits.Rice1(tile_shape=SHAPES[shape]), quantize=quantize)
    return fits


def boxes(shape):
    axis = [st.tuples(st.integers(0, size - 1), st.integers(1, 60)) for size in shape]
    return st.tuples(*axis).map(lambda box: tuple(slice(start, start + count) for start, count in box))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=6)
@given(data=st.data(), capacity=st.sampled_from([0, 20_000, 60_000, 1 << 25]))
def test_any_cutouts_are_those_of_the_whole_image(shape, dtype, data, capacity):
    keys = data.draw(st.lists(boxes(shape), min_size=1, max_size=8))
    with written(shape, dtype) as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(0)
        whole = hdu.read()
        hdu.set_tile_cache_size(capacity)
        for key in keys:
            assert np.array_equal(hdu[key], whole[key])
            assert hdu.tile_cache_used <= capacity
        assert np.array_equal(hdu.read(), whole)
        assert all(np.array_equal(hdu[key], whole[key]) for key in keys)


def test_a_cutout_decodes_no_row_after_its_last_one_and_keeps_none(monkeypatch):
    decoded, decode = [], rustfits.Rice1.decode

    def counted(codec, batch, out):
        decoded.append(out.size)
        decode(codec, batch, out)

    monkeypatch.setattr(rustfits.Rice1, "decode", counted)
    with written((200, 300), "i4") as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(60_000)
        assert hdu[5:25, 10:30].shape == (20, 20)  # a first box is for the core
        assert decoded == [25 * 90]
        assert hdu.tile_cache_used == 0


def test_a_tile_that_is_wanted_often_is_decoded_whole():
    pixels = image((200, 300), "i4")
    with written((200, 300), "i4") as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(60_000)
        for row in (5, 20, 30):
            assert hdu.tile_cache_used == 0
            assert np.array_equal(hdu[row : row + 20, 10:30], pixels[row : row + 20, 10:30])
        assert hdu.tile_cache_used == 80 * 90 * 4


def test_tiles_of_an_image_that_fits_the_cache_are_decoded_whole():
    with written((200, 300), "i4") as fits:
        hdu = fits[1]
        hdu[5:25, 10:30]
        assert hdu.tile_cache_used == 80 * 90 * 4


def test_a_whole_read_does_not_take_first_rows_for_whole_tiles():
    pixels = image((200, 300), "i4")
    with written((200, 300), "i4") as fits:
        hdu = fits[1]
        hdu.set_tile_cache_size(60_000)
        hdu[5:25, 10:30]
        hdu.set_tile_cache_size(1 << 25)
        assert np.array_equal(hdu.read(), pixels)
        assert hdu.tile_cache_used == pixels.nbytes
        assert np.array_equal(hdu.read(), pixels)
