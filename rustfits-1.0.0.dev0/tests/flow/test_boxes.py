"""Cutouts: what is remembered of the table never outlives a change, and gives what whole reads give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.errors import TileDecodeError

SHAPE, TILE = (37, 53), (8, 11)


def image(seed=0):
    return np.random.default_rng(seed).integers(-9999, 9999, SHAPE).astype(np.int32)


def create(fits, pixels, codec=None):
    fits.write_image(pixels, compress=codec or rustfits.Gzip1(tile_shape=TILE))
    return fits[1]


def entry(size):
    bounds = st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted)
    return st.one_of(st.integers(-size, size - 1), bounds.map(lambda pair: slice(*pair)))


@settings(max_examples=60)
@given(
    keys=st.lists(st.tuples(entry(SHAPE[0]), entry(SHAPE[1])), min_size=1, max_size=8),
    capacity=st.sampled_from([0, 300, 2000, 1 << 20]),
)
def test_any_cutouts_are_those_of_the_whole_image(keys, capacity):
    pixels = image()
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = create(fits, pixels)
        hdu.set_tile_cache_size(capacity)
        for key in keys:
            assert np.array_equal(hdu[key], pixels[key])
            assert hdu.tile_cache_used <= capacity


def test_a_cutout_never_shares_memory_with_the_cache():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = create(fits, image())
        first = hdu[0:8, 0:11]
        first[...] = 0
        assert np.array_equal(hdu[0:8, 0:11], image()[0:8, 0:11])


def test_unsigned_pixels_are_scaled_in_cutouts_too():
    pixels = np.random.default_rng(1).integers(0, 1 << 16, SHAPE).astype(np.uint16)
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = create(fits, pixels)
        for _ in range(2):
            found = hdu[5:20, 7:30]
            assert found.dtype == np.uint16
            assert np.array_equal(found, pixels[5:20, 7:30])


def test_what_was_known_of_the_table_is_forgotten_when_it_changes():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = create(fits, image())
        for seed in (1, 2):
            hdu[3:9, 3:9]
            hdu.write(image(seed))
            assert np.array_equal(hdu[3:9, 3:9], image(seed)[3:9, 3:9])


def test_cutouts_follow_the_bytes_when_an_earlier_hdu_grows():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(np.zeros((10, 10), dtype=np.int16))
        hdu = create(fits, image())
        hdu.set_tile_cache_size(0)
        before = hdu[3:30, 3:30]
        fits[0].extend(np.ones((3000, 10), dtype=np.int16))
        assert np.array_equal(hdu[3:30, 3:30], before)


def test_a_wrong_descriptor_spoils_its_own_tile_alone(tmp_path):
    path = tmp_path / "damaged.fits"
    with rustfits.FITS(str(path), "w+") as fits:
        create(fits, image())
    raw = bytearray(path.read_bytes())
    with rustfits.FITS(str(path)) as fits:
        layout = fits[1]._state.snapshot.layout
        start = fits[1]._extent.data_start + 2 * layout.row_nbytes
    raw[start : start + 4] = (1 << 30).to_bytes(4, "big")
    path.write_bytes(raw)
    with rustfits.FITS(str(path)) as fits:
        hdu = fits[1]
        assert np.array_equal(hdu[0:8, 0:22], image()[0:8, 0:22])
        with pytest.raises(TileDecodeError, match="descriptor"):
            hdu[0:2, 25:27]
        assert np.array_equal(hdu[0:8, 33:53], image()[0:8, 33:53])
