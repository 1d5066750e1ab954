"""Compressed images read whole and in sections, by the codecs of the core."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits.tiles.decode import TileDecoder

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def pixels_of(dtype, shape, seed=0):
    raw = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype=np.uint8)
    return raw.view(dtype).reshape(shape)  # all bit patterns: extremes, NaN, infinities, subnormal numbers


@st.composite
def images(draw):
    ndim = draw(st.integers(1, 4))
    shape = draw(st.tuples(*[st.integers(1, 11)] * ndim))
    tile = draw(st.none() | st.tuples(*[st.integers(1, 12)] * ndim))
    codec = draw(st.sampled_from([rustfits.Gzip1, rustfits.Gzip2, rustfits.NoCompress]))
    pixels = pixels_of(draw(st.sampled_from(DTYPES)), shape, draw(st.integers(0, 99)))
    return pixels, codec(tile_shape=tile, heap_format=draw(st.sampled_from("PQ")))


@st.composite
def keys(draw, shape):
    entries = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.none() | st.integers(-size - 1, size + 1)
        entry = st.integers(-size, size - 1) | st.builds(slice, bound, bound, st.none() | st.integers(1, 4))
        entries.append(draw(entry))
    if draw(st.booleans()):
        entries.append(...)
    return tuple(entries)


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.shape == expected.shape
    assert np.asarray(found).tobytes() == expected.tobytes()


@settings(max_examples=120)
@given(st.data(), images())
def test_any_section_equals_numpy_indexing_bit_for_bit(data, image):
    pixels, codec = image
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels, compress=codec)
        for _ in range(3):
            key = data.draw(keys(pixels.shape))
            assert_same_bits(hdu[key], pixels[key])
            if data.draw(st.booleans()):
                hdu.clear_tile_cache()
        assert_same_bits(hdu.read(), pixels)
        wanted = data.draw(st.lists(keys(pixels.shape), max_size=4))
        for found, key in zip(hdu.read_many(wanted), wanted, strict=True):
            assert_same_bits(found, pixels[key])


@pytest.mark.parametrize("tile", [(10, 10), (1, 310), (7, 310), (230, 310), (64, 75)])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
@pytest.mark.parametrize("nthreads", [1, 2, 5])
def test_the_number_of_threads_changes_no_bit(tile, dtype, nthreads, shared_out):
    pixels = (np.arange(230 * 310).reshape(230, 310) % 977).astype(dtype)
    several = nthreads > 1 and tile != pixels.shape
    shared_out.use(nthreads)
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels, compress=rustfits.Gzip1(tile_shape=tile, level=1))
        written = fits.to_bytes()
        assert bool(shared_out.asked) == several
        for key in (np.s_[...], np.s_[3:227:2, 5:]):
            shared_out.asked.clear()
            hdu.clear_tile_cache()
            assert_same_bits(hdu[key], pixels[key])
            assert bool(shared_out.asked) == several
    shared_out.use(1)
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(pixels, compress=rustfits.Gzip1(tile_shape=tile, level=1))
        assert fits.to_bytes() == written


class Decoded:
    """Counts the tiles that are decoded."""

    def __init__(self, monkeypatch):
        self.rows = []
        original = TileDecoder.decode

        def decode(decoder, entries, out, *shapes):
            self.rows += entries.rows.tolist()
            original(decoder, entries, out, *shapes)

        monkeypatch.setattr(TileDecoder, "decode", decode)

    def take(self):
        rows, self.rows = sorted(self.rows), []
        return rows


@pytest.fixture
def decoded(monkeypatch):
    return Decoded(monkeypatch)


@pytest.fixture
def hdu():
    """40 x 60 pixels in 4 x 6 tiles of 10 x 10."""
    with rustfits.FITS("mem://", "w+") as fits:
        pixels = np.arange(2400, dtype=np.int32).reshape(40, 60)
        yield fits.write_image(pixels, compress=rustfits.Gzip2(tile_shape=(10, 10)))


def test_only_the_tiles_that_hold_a_wanted_pixel_are_decoded(hdu, decoded):
    hdu.set_tile_cache_size(0)
    hdu[5:15, 8:12]
    assert decoded.take() == [0, 1, 6, 7]
    hdu[::25, 59]
    assert decoded.take() == [5, 17]
    hdu[39, 0]
    assert decoded.take() == [18]
    hdu[5:5, :]
    assert decoded.take() == []


def test_a_second_read_decodes_nothing(hdu, decoded):
    hdu.read()
    assert decoded.take() == list(range(24))
    assert hdu.tile_cache_used == 9600
    np.testing.assert_array_equal(hdu.read(), hdu[...])
    np.testing.assert_array_equal(hdu[7:33:3, 1:], hdu.read()[7:33:3, 1:])
    assert decoded.take() == []
    assert hdu.tile_cache_used == 9600


def test_tiles_that_are_cached_are_joined_with_those_that_are_not(hdu, decoded):
    hdu[12:18, 15:45]
    assert decoded.take() == [7, 8, 9, 10]
    whole = hdu.read()
    assert decoded.take() == [row for row in range(24) if row not in (7, 8, 9, 10)]
    np.testing.assert_array_equal(whole, np.arange(2400).reshape(40, 60))


def test_of_a_read_larger_than_the_cache_the_last_tiles_are_kept(hdu, decoded):
    hdu.set_tile_cache_size(5 * 400 + 399)
    hdu.read()
    decoded.take()
    assert hdu.tile_cache_used == 2000
    hdu[30:, 10:]
    assert decoded.take() == []


def test_many_sections_decode_each_tile_once(hdu, decoded):
    hdu.set_tile_cache_size(0)
    keys = [np.s_[0:20, 0:20], np.s_[5:15, 5:15], (3, 4), np.s_[::11, ::7], np.s_[9:9, :]]
    whole = np.arange(2400).reshape(40, 60)
    for found, key in zip(hdu.read_many(keys), keys, strict=True):
        np.testing.assert_array_equal(found, whole[key])
    rows = decoded.take()
    assert len(rows) == len(set(rows))


def test_cutouts_decode_each_tile_once(hdu, decoded):
    hdu.set_tile_cache_size(0)
    found = hdu.cutouts([(5, 5), (6, 7), (38, 58)], (4, 6), fill_value=-1)
    whole = np.pad(np.arange(2400).reshape(40, 60), 6, constant_values=-1)
    for cutout, (y, x) in zip(found, [(5, 5), (6, 7), (38, 58)], strict=True):
        np.testing.assert_array_equal(cutout, whole[y + 4 : y + 8, x + 3 : x + 9])
    rows = decoded.take()
    assert len(rows) == len(set(rows))


def test_what_is_handed_out_never_is_the_cache(hdu):
    first = hdu.read()
    first[...] = -1
    section = hdu[0:10, 0:10]
    section[...] = -2
    assert (hdu.read() == np.arange(2400).reshape(40, 60)).all()


def test_threads_may_read_one_image_side_by_side(hdu):
    hdu.set_tile_cache_size(3000)
    expected = np.arange(2400).reshape(40, 60)
    faults = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(60):
            y, x = random.integers(0, 40), random.integers(0, 60)
            if not (hdu[y : y + 13, x : x + 17] == expected[y : y + 13, x : x + 17]).all():
                faults.append((y, x))

    crew = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    assert not faults


def test_cache_settings_are_checked():
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(np.zeros((4, 4), "i2"), compress="GZIP")
        assert hdu.tile_cache_size == 33554432
        with pytest.raises(OverflowError):
            hdu.set_tile_cache_size(-1)
        with pytest.raises(TypeError):
            hdu.set_tile_cache_size(1.0)
        with pytest.raises(AttributeError):
            hdu.tile_cache_size = 5


def test_an_empty_image_reads_as_an_empty_array():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.create_image_hdu("u2", (0, 5), compress="GZIP_2")
        hdu = fits[1]
        assert (hdu.n_tiles, hdu.has_data, len(hdu)) == (0, False, 0)
        assert_same_bits(hdu.read(), np.empty((0, 5), "u2"))
        assert hdu.compression == rustfits.Gzip2(tile_shape=(1, 5))


def test_tiles_that_were_never_written_have_no_data():
    with rustfits.FITS("mem://", "w+") as fits:
        fits.create_image_hdu("i4", (3, 5), compress="GZIP_1")
        with pytest.raises(
            rustfits.TileDecodeError, match=r"table row 3.*has no data in any of COMPRESSED_DATA"
        ) as error:
            fits[1][2]
        assert (error.value.algorithm, error.value.row) == ("GZIP_1", 2)
        assert "HDU 1" in str(error.value)


def test_nulls_are_masked_by_their_stored_number():
    pixels = np.ma.masked_equal(np.arange(12, dtype="u2").reshape(3, 4), 5)
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels, compress="GZIP_1", blank=65535)
        assert hdu.header["ZBLANK"] == 32767
        read = hdu.read(mask_blank=True)
        np.testing.assert_array_equal(read.mask, pixels.mask)
        assert hdu.read()[1, 1] == 65535
        stored = hdu.read(scale=False, mask_blank=True)
        assert stored.dtype == np.int16
        assert stored.data[1, 1] == 32767
        floats = fits.write_image(np.ma.masked_equal(np.ones(5), 1.0), compress="GZIP_1")
        assert np.isnan(floats.read()).all()
        with pytest.raises(rustfits.ImageError, match="float ZBITPIX"):
            floats.read(mask_blank=True)


def test_general_scaling_is_applied_to_sections_and_may_be_edited():
    stored = np.arange(200, dtype=np.int16).reshape(10, 20)
    with rustfits.FITS("mem://", "w+") as fits:
        hdu = fits.write_image(stored, compress=rustfits.Gzip1(tile_shape=(3, 7)))
        hdu.header.update({"BSCALE": 0.5, "BZERO": 100.0})
        assert_same_bits(hdu.read(), stored * 0.5 + 100)
        assert_same_bits(hdu[2:9:3, 4], (stored * 0.5 + 100)[2:9:3, 4])
        assert_same_bits(hdu.read(scale=False), stored)
        hdu.write(stored * 0.5 + 101)
        assert_same_bits(hdu.read(scale=False), stored + np.int16(2))
