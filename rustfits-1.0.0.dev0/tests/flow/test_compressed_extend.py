"""Compressed images made longer: at once, and row by row."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from editing import (
    NEXT,
    PIXELS,
    assert_same_bits,
    assert_sound,
    codec_of,
    installed,
    needs_hcompress,
    needs_rice,
    pixels_of,
    quantised,
)

import rustfits
from rustfits import FITS, Gzip1, NoCompress

# -- extend -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in installed() if name != "HCOMPRESS_1"])
@pytest.mark.parametrize("tile", [None, (4, 7), (100, 100)])
def test_an_image_without_rows_is_filled_by_any_codec(fits, name, tile):
    fits.create_image_hdu("i4", (0, 10), compress=codec_of(name, tile_shape=tile))
    fits.write_image(NEXT, extname="NEXT")
    rows = pixels_of(name, "i4", (23, 10), 0)
    for start, stop in ((0, 3), (3, 9), (9, 10), (10, 23)):
        fits[1].extend(rows[start:stop])
        assert_same_bits(fits[1].read(), rows[:stop])
    assert fits[1].header["ZNAXIS2"] == 23
    np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)


@needs_hcompress
def test_hcompress_tolerates_a_thin_last_tile(fits):
    rows = pixels_of("HCOMPRESS_1", "i4", (30, 10), 0)
    hdu = fits.write_image(rows[:16], compress=rustfits.Hcompress1(tile_shape=(8, 10)))
    for start in range(16, 30):
        hdu.extend(rows[start : start + 1])
        assert_same_bits(hdu.read(), rows[: start + 1])


@pytest.mark.parametrize(
    ("data", "error", "found"),
    [
        (PIXELS.reshape(60), ValueError, "axes"),
        (PIXELS[None], ValueError, "axes"),
        (PIXELS[:, :9], ValueError, "only the slow axis"),
        (PIXELS[:0], ValueError, r"data.shape\[0\] must be > 0"),
        (PIXELS.astype("i2"), ValueError, "does not match the HDU's ZBITPIX 32: expected i4"),
        (np.ma.masked_equal(PIXELS, 3), ValueError, "BLANK"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_refused_rows_change_nothing(fits, hdu, data, error, found, inside):
    before = fits.to_bytes()
    if inside:
        with hdu.extending(), pytest.raises(error, match=found):
            hdu.extend(data)
    else:
        with pytest.raises(error, match=found):
            hdu.extend(data)
    assert fits.to_bytes() == before
    hdu.extend(PIXELS.tolist() if PIXELS.dtype == "i8" else PIXELS)
    assert_same_bits(hdu.read(), np.concatenate([PIXELS, PIXELS]))


def test_complete_tiles_keep_their_bytes_and_the_cache_is_cleared(fits, hdu):
    before = np.frombuffer(fits.to_bytes(), np.uint8)
    start, pcount = hdu._extent.data_start, hdu.header["PCOUNT"]
    hdu.read()
    hdu.extend(PIXELS)
    assert hdu.tile_cache_used == 0
    assert (hdu.shape, hdu.n_tiles, hdu.header["NAXIS2"]) == ((12, 10), 9, 9)
    after = np.frombuffer(fits.to_bytes(), np.uint8)
    assert (after[start:][:24] == before[start:][:24]).all()
    assert (after[start + 72 :][:pcount] == before[start + 48 :][:pcount]).all()
    np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)


def test_incomplete_tiles_without_data_cannot_be_completed(fits):
    fits.create_image_hdu("i4", (6, 10), compress=Gzip1(tile_shape=(4, 4)))
    fits.create_image_hdu("i4", (8, 10), compress=Gzip1(tile_shape=(4, 4)))
    before = fits.to_bytes()
    with pytest.raises(ValueError, match="has no data in any of"):
        fits[1].extend(PIXELS)
    assert fits.to_bytes() == before
    fits[2].extend(PIXELS)
    np.testing.assert_array_equal(fits[2][8:], PIXELS)


def test_rows_beyond_those_of_the_tiles_are_used_first(fits):
    fits.write_image(PIXELS, compress=Gzip1(tile_shape=(2, 10)))
    raw = fits.to_bytes().replace(b"ZNAXIS2 =                    6", b"ZNAXIS2 =                    4")
    with FITS.from_bytes(raw, "r+") as other:
        other[1].extend(PIXELS)
        assert (other[1].shape, other[1].header["NAXIS2"]) == ((10, 10), 5)
        assert_same_bits(other[1].read(), np.concatenate([PIXELS[:4], PIXELS]))


@needs_rice
@pytest.mark.parametrize("method", ["no_dither", "dither1"])
@pytest.mark.parametrize("tile", [(1, 50), (7, 16), (40, 50)])
def test_rows_that_are_there_stay_bit_identical_in_quantised_images(method, tile):
    rows = np.random.default_rng(4).normal(100, 2, (40, 50)).astype("f4")
    fits, hdu = quantised(rows[:10], method=method, tile=tile)
    with fits:
        for start in range(10, 40, 3):
            before = hdu.read()
            hdu.extend(rows[start : start + 3])
            assert_same_bits(hdu[: before.shape[0]], before)
        assert abs(hdu.read() - rows).max() < 0.5
        assert_sound(fits)


@needs_rice
def test_rows_outside_the_scale_of_an_incomplete_tile_are_refused():
    rows = np.random.default_rng(4).normal(100, 2, (10, 50)).astype("f4")
    fits, hdu = quantised(rows, tile=(4, 50))
    with fits:
        before = fits.to_bytes()
        with pytest.raises(ValueError, match="outside"):
            hdu.extend(rows * np.float32(1e12))
        with pytest.raises(ValueError, match="outside"), hdu.extending():
            hdu.extend(rows[:1])
            hdu.extend(rows * np.float32(1e12))
        assert fits.to_bytes() == before
        hdu.extend(rows[:2])
        hdu.extend(rows * np.float32(1e12))  # new tiles have scales of their own
        assert hdu.shape == (22, 50)


@needs_rice
def test_new_tiles_that_cannot_be_quantised_are_kept_without_loss():
    rows = np.random.default_rng(4).normal(100, 2, (4, 50)).astype("f4")
    fits, hdu = quantised(rows)
    with fits:
        flat = np.full((3, 50), np.float32(np.pi))
        hdu.extend(np.concatenate([rows, flat, rows]))
        np.testing.assert_array_equal(hdu[8:11], flat)
        assert abs(hdu[11:] - rows).max() < 0.5
        assert_sound(fits)


# -- growing, row by row ----------------------------------------------------------------------------------------------


class Count:
    """Counts the bytes that a storage writes and moves."""

    def __init__(self, monkeypatch, storage):
        self.nbytes = 0
        write = storage._write

        def counted(offset, data):
            self.nbytes += data.nbytes
            write(offset, data)

        monkeypatch.setattr(storage, "_write", counted)


@pytest.mark.parametrize("tile", [(1, 2000), (10, 500)])
def test_a_stream_of_rows_writes_bytes_in_proportion_to_its_length(fits, monkeypatch, tile):
    monkeypatch.setattr("rustfits.heap.writer.SMALL_HEAP_NBYTES", 10_000)
    fits.create_image_hdu("u1", (0, 2000), compress=NoCompress(tile_shape=tile))
    hdu = fits[1]
    count = Count(monkeypatch, fits._file.storage)
    rows = np.random.default_rng(0).integers(0, 255, (tile[0], 2000), dtype="u1")
    nbytes = []
    for _ in range(2):
        for _ in range(500):
            hdu.extend(rows)
        nbytes.append(count.nbytes)
    data = 1000 * rows.nbytes
    assert count.nbytes < 5 * data  # the blocks of 2880 bytes and their fill included
    assert nbytes[1] < 2.5 * nbytes[0]
    assert hdu.header["THEAP"] > hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    assert hdu.header["PCOUNT"] < data + 2 * hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    with FITS.from_bytes(fits.to_bytes()) as again:
        np.testing.assert_array_equal(again[1][-tile[0] :], rows)
    hdu.repack()
    with FITS("mem://", "w+") as whole:
        whole.write_image(hdu.read(), compress=NoCompress(tile_shape=tile))
        assert whole.to_bytes()[-data:] == fits.to_bytes()[-data:]
        assert len(whole.to_bytes()) == len(fits.to_bytes())


def test_a_stream_of_rows_needs_the_memory_of_what_waits(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (64, 4096), dtype="u1")
    with FITS(tmp_path / "long.fits", "w+") as fits:
        fits.create_image_hdu("u1", (0, 4096), compress=NoCompress(tile_shape=(16, 4096)))
        hdu = fits[1]
        hdu._set_pending_cap_for_testing(1 << 20)
        tracemalloc.start()
        try:
            with hdu.extending():
                for _ in range(200):  # 50 MiB
                    hdu.extend(rows)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 16 << 20
        assert len(hdu) == 12800
        np.testing.assert_array_equal(hdu[-64:], rows)


@needs_rice
@pytest.mark.parametrize("way", ["extend", "extending", "write"])
def test_a_column_is_added_for_tiles_that_cannot_be_quantised(way):
    rows = np.random.default_rng(4).normal(100, 2, (9, 50)).astype("f4")
    fits, _ = quantised(rows, tile=(2, 25))
    with fits:
        raw = fits.to_bytes()
    # As CFITSIO leaves it where no tile needed the column; its cells are then bytes of no column.
    for keyword in (b"TFORM4  ", b"TTYPE4  "):
        raw = raw.replace(keyword, keyword.replace(b"T", b"U"))
    raw = raw.replace(b"TFIELDS =                    4", b"TFIELDS =                    3")
    flat = np.full((5, 50), np.float32(np.pi))
    with FITS.from_bytes(raw, "r+") as fits:
        hdu = fits["EDITED"]
        before = hdu.read()
        if way == "write":
            hdu.write(np.concatenate([rows[:4], flat]))
            np.testing.assert_array_equal(hdu[4:], flat)
        else:
            hdu._set_pending_cap_for_testing(300)
            hdu.extend(rows[:1])
            if way == "extend":
                hdu.extend(flat)
            else:
                with hdu.extending():
                    for row in flat:
                        hdu.extend(row[None])
            assert_same_bits(hdu[:9], before)
            np.testing.assert_array_equal(hdu[10:], flat)
        header = hdu.header
        assert (header["TFIELDS"], header["TTYPE4"]) == (4, "GZIP_COMPRESSED_DATA")
        assert_sound(fits)
        with FITS.from_bytes(fits.to_bytes()) as again:
            assert_same_bits(again["EDITED"].read(), hdu.read())


def test_rows_that_only_complete_tiles_can_be_read_and_changed_through_the_same_handle(tmp_path):
    pixels = np.arange(60, dtype="i4").reshape(6, 10)
    with FITS(tmp_path / "file.fits", "w+") as fits:
        hdu = fits.write_image(pixels, compress=rustfits.Gzip1(tile_shape=(4, 10)))
        hdu.extend(pixels[:2] + 100)
        assert hdu.shape == (8, 10)
        hdu[7, 3] = -5
        expected = np.concatenate([pixels, pixels[:2] + 100])
        expected[7, 3] = -5
        assert (hdu.read() == expected).all()
        hdu.extend(pixels)
        assert (hdu.read() == np.concatenate([expected, pixels])).all()
