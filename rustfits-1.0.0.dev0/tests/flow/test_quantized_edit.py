"""Pixels set in images of quantised floats, or of lossy codecs: all others stay bit-identical."""

from __future__ import annotations

import numpy as np
import pytest
from editing import assert_same_bits, assert_sound, needs_hcompress, needs_rice, quantised

import rustfits
from rustfits import FITS, Gzip1, Quantize


@needs_rice
@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_random_edits_leave_all_other_pixels_bit_identical(method, dtype):
    random = np.random.default_rng(1)
    pixels = random.normal(1000, 10, (40, 250)).astype(dtype)
    pixels[3, 7] = np.nan
    pixels[5, :20] = 0
    pixels[11] = 4.25  # cannot be quantised
    fits, hdu = quantised(pixels, method=method, tile=(1, 250))
    with fits:
        model = hdu.read()
        scale = 10 / 4
        for row, column in zip(random.integers(0, 40, 150), random.integers(0, 250, 150), strict=True):
            value = model[row, column] + random.normal(0, 5) if np.isfinite(model[row, column]) else 1000.0
            value = max(value, 1000.0) if method == "dither2" else value  # whose scale begins at the lowest pixel
            hdu[row, column] = value
            model[row, column] = hdu[row, column]
            assert abs(model[row, column] - value) <= scale
        for number in range(19):
            block = np.s_[number * 2 : number * 2 + 2, number * 13 : number * 13 + 13]
            hdu[block] = np.where(np.isfinite(model[block]), np.maximum(model[block], 1000), 1000)
            model[block] = hdu[block]
            if number % 7 == 0:
                hdu.repack()
        assert_same_bits(hdu.read(), model)
        assert_sound(fits)


@needs_rice
def test_ten_thousand_edits_of_random_pixels_leave_all_others_bit_identical():
    random = np.random.default_rng(3)
    fits, hdu = quantised(random.normal(50, 3, (4, 64)).astype("f4"))
    with fits:
        before, expected = hdu.read(), hdu.read()
        rows, columns = random.integers(0, 4, 10_000).tolist(), (random.integers(0, 32, 10_000) * 2).tolist()
        values = random.normal(50, 3, 10_000).tolist()
        for number, (row, column, value) in enumerate(zip(rows, columns, values, strict=True)):
            hdu[row, column] = expected[row, column] = value
            if number % 2500 == 2499:
                hdu.repack()
        after = hdu.read()
        assert_same_bits(after[:, 1::2], before[:, 1::2])
        assert abs(after - expected)[:, ::2].max() <= 3 / 4


@needs_rice
@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
def test_what_was_read_can_be_written_back_without_a_change(method):
    fits, hdu = quantised(np.random.default_rng(4).normal(10, 2, (30, 41)).astype("f4"), method=method, tile=(8, 9))
    with fits:
        before = hdu.read()
        hdu[:, ::2] = before[:, ::2]
        hdu[:, 1::2] = before[:, 1::2]
        assert_same_bits(hdu.read(), before)
        hdu[3:20:2, 5:] = before[3:20:2, 5:]
        assert_same_bits(hdu.read(), before)


@needs_rice
@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
def test_nan_and_infinity_become_nan_and_zeros_are_exact_with_dither2(method):
    fits, hdu = quantised(np.random.default_rng(4).normal(10, 2, (3, 50)).astype("f4"), method=method)
    with fits:
        before = hdu.read()
        hdu[0, :3] = np.array([np.nan, np.inf, -np.inf])
        hdu[1, 4] = np.nan
        assert np.isnan(hdu[0, :3]).all()
        assert np.isnan(hdu[1, 4])
        if method == "dither2":
            hdu[2, 7] = 0.0
            assert hdu[2, 7] == 0
        untouched = np.ones(before.shape, bool)
        untouched[0, :3] = untouched[1, 4] = untouched[2, 7] = False
        assert_same_bits(hdu.read()[untouched], before[untouched])


@needs_rice
@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
def test_a_value_outside_the_scale_is_refused_and_changes_nothing(method):
    fits, hdu = quantised(np.random.default_rng(4).normal(10, 2, (3, 50)).astype("f8"), method=method)
    with fits:
        before = fits.to_bytes()
        for value in (1e15, -1e15, 3e300):
            with pytest.raises(ValueError, match=r"outside.*quantize=None"):
                hdu[1, 1] = value
            with pytest.raises(ValueError, match="outside"):
                hdu[:, 1] = np.array([10.0, value, 10.0])
        assert fits.to_bytes() == before
        hdu[1, 1] = 12.0
        assert abs(hdu[1, 1] - 12) < 1


@needs_rice
def test_a_tile_in_the_lossless_fallback_stays_there():
    pixels = np.random.default_rng(4).normal(10, 2, (4, 50)).astype("f4")
    pixels[1] = 3.5
    fits, hdu = quantised(pixels, level=4)
    with fits:
        hdu[1, 3] = np.pi
        hdu[0, 3] = 11
        assert hdu[1, 3] == np.float32(np.pi)
        assert (np.delete(hdu[1], 3) == 3.5).all()
        hdu[1] = np.linspace(0, 1e20, 50)
        np.testing.assert_array_equal(hdu[1], np.linspace(0, 1e20, 50).astype("f4"))
        assert_sound(fits)


@needs_rice
def test_the_null_of_the_file_is_used_in_a_keyword_and_in_a_column():
    fits, hdu = quantised(np.random.default_rng(4).normal(10, 2, (3, 50)).astype("f4"))
    with fits:
        raw = fits.to_bytes().replace(b"ZBLANK  =          -2147483647", b"ZBLANK  =          -2147483648")
    with FITS.from_bytes(raw, "r+") as other:
        hdu = other["EDITED"]
        hdu[0, 0] = np.nan
        rows = np.random.default_rng(5).normal(10, 2, (3, 50)).astype("f4")
        rows[1, 7] = np.nan
        hdu.extend(rows)
        assert hdu.header["ZBLANK"] == -2147483648
        assert np.argwhere(np.isnan(hdu.read())).tolist() == [[0, 0], [4, 7]]
    gone = raw.replace(b"ZBLANK  =          -2147483648", b"OTHER   =          -2147483648")
    with FITS.from_bytes(gone, "r+") as other:
        other["EDITED"][0, 0] = np.nan
        assert other["EDITED"].header["ZBLANK"] == -2147483647
        assert np.isnan(other["EDITED"][0, 0])


@needs_hcompress
def test_lossy_hcompress_changes_what_was_set_by_no_more_than_its_loss(fits):
    pixels = (1000 + np.random.default_rng(0).normal(0, 20, (32, 40))).astype("i4")
    hdu = fits.write_image(pixels, compress=rustfits.Hcompress1(scale=4, tile_shape=(16, 20)))
    before = hdu.read()
    hdu[3:9, 4:30] = 1100
    after = hdu.read()
    assert abs(after[3:9, 4:30] - 1100).max() < 40
    assert_same_bits(after[16:], before[16:])
    hdu[16:] = pixels[16:]
    assert_same_bits(hdu[16:], before[16:])  # whole tiles are coded as they were


@needs_hcompress
@pytest.mark.parametrize("method", ["no_dither", "dither1"])
def test_quantised_hcompress_keeps_untouched_pixels(method):
    pixels = np.random.default_rng(4).normal(10, 2, (24, 30)).astype("f4")
    fits, hdu = quantised(pixels, name="HCOMPRESS_1", method=method, tile=(8, 30))
    with fits:
        before = hdu.read()
        hdu[3:10, 4:9] = 12.5
        after = hdu.read()
        assert abs(after[3:10, 4:9] - 12.5).max() < 0.5
        after[3:10, 4:9] = before[3:10, 4:9]
        assert_same_bits(after, before)


def test_one_scale_for_all_tiles_in_the_header_is_kept(fits):
    pixels = np.random.default_rng(0).integers(0, 99, (6, 10), dtype="i4")
    hdu = fits.write_image(pixels, compress=Gzip1(tile_shape=(4, 5)))
    raw = fits.to_bytes().replace(b"ZBITPIX =                   32", b"ZBITPIX =                  -32")
    keywords = {"ZSCALE": 0.5, "ZZERO": 10.0, "ZQUANTIZ": "NO_DITHER"}
    with FITS.from_bytes(raw, "r+") as other:
        hdu = other[1]
        for keyword, value in keywords.items():
            hdu._state.change({keyword: value})
        expected = pixels * np.float32(0.5) + np.float32(10)
        np.testing.assert_array_equal(hdu.read(), expected)
        hdu[2, 3:7] = np.array([20.0, 20.2, 20.3, -7.5])
        hdu.extend(np.full((5, 10), 33.5))
        expected[2, 3:7] = [20, 20, 20.5, -7.5]
        np.testing.assert_array_equal(hdu.read(), np.concatenate([expected, np.full((5, 10), 33.5)]))


@needs_rice
def test_a_seed_from_the_checksum_is_taken_from_the_first_rows(fits):
    rows = np.random.default_rng(0).normal(10, 2, (4, 50)).astype("f4")
    quantize = Quantize(seed="checksum")
    fits.create_image_hdu("f4", (0, 50), compress="RICE", quantize=quantize, extname="A")
    fits["A"].extend(rows)
    whole = fits.write_image(rows, compress="RICE", quantize=quantize)
    assert fits["A"].header["ZDITHER0"] == whole.header["ZDITHER0"]
    assert_same_bits(fits["A"].read(), whole.read())
    fits["A"].extend(rows + 1)
    assert fits["A"].header["ZDITHER0"] == whole.header["ZDITHER0"]
