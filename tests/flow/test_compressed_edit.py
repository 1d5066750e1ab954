"""Pixels of compressed images set in place, against numpy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Gzip1, Gzip2, NoCompress, Quantize

sys.path.insert(0, str(Path(__file__).parent))
from editing import NEXT, assert_same_bits, assert_sound, create, images, installed, keys, pixels_of, quantised

PIXELS = np.arange(60, dtype=np.int32).reshape(6, 10)
needs_rice = pytest.mark.skipif("RICE_1" not in installed(), reason="no plugin for RICE_1")
needs_hcompress = pytest.mark.skipif("HCOMPRESS_1" not in installed(), reason="no plugin for HCOMPRESS_1")


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as handle:
        yield handle


# -- against numpy ----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.data(), images(), st.integers(0, 99))
def test_any_sequence_of_edits_does_what_numpy_does(data, image, seed):
    name, dtype = image[:2]
    with FITS("mem://", "w+") as fits:
        hdu, model = create(fits, image, seed)
        for step in range(data.draw(st.integers(1, 5))):
            what = data.draw(st.sampled_from(["set", "set", "extend", "extending", "repack", "write", "header"]))
            if what == "set":
                key = data.draw(keys(model.shape))
                values = pixels_of(name, dtype, model[key].shape, seed + step)
                if data.draw(st.booleans()):
                    values = values.reshape(-1)[0] if values.size else pixels_of(name, dtype, (1,), seed)[0]
                hdu[key] = values
                model[key] = values
            elif what in ("extend", "extending"):
                rows = pixels_of(name, dtype, (data.draw(st.integers(1, 9)), *model.shape[1:]), seed + step)
                if what == "extend":
                    hdu.extend(rows)
                else:
                    with hdu.extending():
                        for row in rows:
                            hdu.extend(row[None])
                model = np.concatenate([model, rows])
            elif what == "write" and model.size:
                model = pixels_of(name, dtype, model.shape, seed + step)
                hdu.write(model)
            elif what == "repack":
                hdu.repack()
            elif what == "header":
                hdu.header.update({f"KEY{number}": number for number in range(40)})
            assert hdu.shape == model.shape
            assert_same_bits(hdu.read(), model)
        assert_sound(fits)
        with FITS.from_bytes(fits.to_bytes()) as again:
            assert_same_bits(again["EDITED"].read(), model)


@pytest.mark.parametrize("tile", [(10, 10), (1, 310), (7, 310), (230, 310), (64, 75)])
@pytest.mark.parametrize("nthreads", [2, 5])
def test_the_number_of_threads_changes_no_byte(tile, nthreads, shared_out):
    pixels = (np.arange(230 * 310).reshape(230, 310) % 977).astype("f4")
    expected = np.concatenate([pixels, pixels[:170]])
    expected[10:220:3, 5:300] = pixels[10:220:3, 10:305]
    files = []
    for count in (1, nthreads):
        shared_out.use(count)
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_image(pixels, compress=Gzip1(tile_shape=tile, level=1))
            shared_out.asked.clear()
            hdu[10:220:3, 5:300] = pixels[10:220:3, 10:305]
            assert bool(shared_out.asked) == (count > 1 and tile != pixels.shape)
            hdu.extend(pixels[:170])
            files.append(fits.to_bytes())
            hdu.repack()
            assert_same_bits(hdu.read(), expected)
    assert files[0] == files[1]


# -- values and keys --------------------------------------------------------------------------------------------------


def test_scalars_are_physical_values(fits):
    hdu = fits.write_image(PIXELS.astype("u2"), compress=Gzip2(tile_shape=(4, 3)))
    hdu[0, 0] = 65535
    hdu[1] = np.uint16(7)
    hdu[2:4, ::2] = np.array(9)
    expected = PIXELS.astype("u2")
    expected[0, 0], expected[1], expected[2:4, ::2] = 65535, 7, 9
    assert_same_bits(hdu.read(), expected)


def test_physical_values_of_a_scaled_image_are_stored_rounded(fits):
    hdu = fits.write_image(PIXELS, compress="GZIP", header={"BSCALE": 0.5, "BZERO": 100.0})
    hdu[0, :3] = np.array([100.2, 100.3, 99.0])
    hdu[1] = 100.5
    np.testing.assert_array_equal(hdu.read(scale=False)[0, :3], [0, 1, -2])
    np.testing.assert_array_equal(hdu[1], np.full(10, 100.5))
    hdu[2] = np.arange(10, dtype="i4")  # stored numbers
    np.testing.assert_array_equal(hdu.read(scale=False)[2], np.arange(10))
    with pytest.raises(ValueError, match="overflow"):
        hdu[0] = 1e12
    with pytest.raises(ValueError, match="non-finite"):
        hdu[0] = np.full(10, np.nan)


@pytest.mark.parametrize("given_dtype", ["f8", "i2", "u8", ">f4"])
def test_an_image_of_floats_takes_arrays_of_any_real_numbers(fits, given_dtype):
    hdu = fits.write_image(PIXELS.astype("f4"), compress="GZIP_2")
    hdu[1:3] = np.arange(20).reshape(2, 10).astype(given_dtype)
    hdu[4] = 5
    np.testing.assert_array_equal(hdu[1:3], np.arange(20).reshape(2, 10))
    np.testing.assert_array_equal(hdu[4], np.full(10, 5))


def test_masked_pixels_become_the_blank_value(fits):
    hdu = fits.write_image(PIXELS, compress="GZIP", blank=-5)
    hdu[1, :4] = np.ma.MaskedArray(np.arange(4, dtype="i4"), [0, 1, 0, 1])
    hdu[2, 0] = np.ma.masked
    hdu.extend(np.ma.masked_less(PIXELS, 3))
    np.testing.assert_array_equal(hdu[1, :4], [0, -5, 2, -5])
    assert hdu[2, 0] == -5
    np.testing.assert_array_equal(hdu[6, :4], [-5, -5, -5, 3])
    floats = fits.write_image(PIXELS * 1.5, compress="GZIP_2")
    floats[0, :2] = np.ma.MaskedArray([1.0, 2.0], [True, False])
    assert np.isnan(floats[0, 0])
    assert floats[0, 1] == 2


@pytest.mark.parametrize(
    ("key", "value", "error", "found"),
    [
        ((0, 0), 1.5, TypeError, "float"),
        ((0, 0), 1 << 31, (OverflowError, ValueError), "range"),
        ((0, 0), "x", TypeError, "number"),
        (0, [1] * 10, TypeError, "list"),
        (0, np.zeros(9, "i4"), ValueError, "shape"),
        (0, np.zeros((1, 10), "i4"), ValueError, "shape"),
        (0, np.zeros(10, "i2"), ValueError, "does not match the HDU's ZBITPIX 32: expected i4"),
        (0, np.zeros(10, "f8"), ValueError, "dtype"),
        (0, np.ma.MaskedArray(np.zeros(10, "i4"), [1] * 10), ValueError, "BLANK"),
        ((0, 10), 1, IndexError, "out of range"),
        ([0, 1], 1, ValueError, "unsupported index type"),
        (slice(None, None, -1), 1, ValueError, "negative or zero step"),
        ((0, 0, 0), 1, ValueError, "too many"),
    ],
)
def test_a_refused_assignment_changes_nothing(fits, key, value, error, found):
    hdu = fits.write_image(PIXELS, compress=Gzip1(tile_shape=(4, 4)))
    before = fits.to_bytes()
    with pytest.raises(error, match=found):
        hdu[key] = value
    assert fits.to_bytes() == before
    hdu[0] = 1
    np.testing.assert_array_equal(hdu[0], np.ones(10))


def test_empty_selections_change_nothing(fits):
    hdu = fits.write_image(PIXELS, compress="GZIP")
    before = fits.to_bytes()
    hdu[3:3] = 5
    hdu[3:3] = np.zeros((0, 10), "i4")
    hdu[:, 20:] = np.zeros((6, 0), "i4")
    assert fits.to_bytes() == before


# -- what happens to the file -----------------------------------------------------------------------------------------


def test_new_bytes_go_to_the_end_of_the_heap_and_other_tiles_keep_theirs(fits):
    noise = np.random.default_rng(0).integers(-1000, 1000, (20, 30), dtype="i4")
    hdu = fits.write_image(noise, compress=Gzip1(tile_shape=(5, 10)))
    fits.write_image(NEXT, extname="NEXT")
    before, pcount = np.frombuffer(fits.to_bytes(), np.uint8), hdu.header["PCOUNT"]
    start, table = hdu._extent.data_start, 8 * hdu.n_tiles
    hdu.read()
    hdu[7, 12] = 5
    assert hdu.tile_cache_used == 0
    after = np.frombuffer(fits.to_bytes(), np.uint8)
    assert (after[start + table :][:pcount] == before[start + table :][:pcount]).all()
    rows = np.flatnonzero((after[start:][:table] != before[start:][:table]).reshape(-1, 8).any(axis=1))
    assert rows.tolist() == [4]
    assert hdu.header["PCOUNT"] > pcount
    np.testing.assert_array_equal(fits["NEXT"].read(), NEXT)


def test_the_maximum_in_the_header_follows_the_longest_tile(fits):
    hdu = fits.write_image(np.zeros((4, 500), "i4"), compress="GZIP")
    short = int(hdu.header["TFORM1"][4:-1])
    hdu[2] = np.random.default_rng(0).integers(-(1 << 31), 1 << 31, 500, dtype="i4")
    assert int(hdu.header["TFORM1"][4:-1]) > short
    hdu[2] = 0
    hdu.repack()
    assert hdu.header["TFORM1"] == f"1PB({short})"


def test_pixels_of_a_tile_without_data_cannot_be_set(fits):
    fits.create_image_hdu("i4", (6, 10), compress=Gzip1(tile_shape=(2, 10)))
    before = fits.to_bytes()
    for key in ((0, 0), slice(0, 2), ...):
        with pytest.raises(ValueError, match="has no data in any of"):
            fits[1][key] = 1
    assert fits.to_bytes() == before


def test_the_level_of_gzip_is_kept_for_this_handle(fits):
    text = np.frombuffer(b"the quick brown fox jumps over the lazy dog. " * 500, "u1").reshape(10, -1)
    fast = fits.write_image(text, compress=Gzip1(level=1))
    best = fits.write_image(text, compress=Gzip1(level=9))
    for hdu in (fast, best):
        hdu[0, 0] = 7
    assert fast.compression.level == 1
    assert fast.header["PCOUNT"] > best.header["PCOUNT"]
    stored = fits.write_image(text, compress=Gzip1(level=0))
    nbytes = stored.header["PCOUNT"]
    stored[0, 0] = 7
    assert stored.header["PCOUNT"] - nbytes > text.shape[1]


def test_a_codec_that_refuses_the_pixels_leaves_the_file_as_it_was(fits):
    pytest.importorskip("rustfits_plio", reason="plugin not installed: rustfits-plio")
    hdu = fits.write_image(PIXELS, compress=rustfits.Plio1(tile_shape=(2, 5)))
    before = fits.to_bytes()
    with pytest.raises(ValueError, match="negative"):
        hdu[3] = -1
    with pytest.raises(ValueError, match="exceeds"):
        hdu.extend(np.full((2, 10), 1 << 27, "i4"))
    with pytest.raises(ValueError, match="negative"), hdu.extending():
        hdu.extend(-PIXELS)
    assert fits.to_bytes() == before
    hdu[3] = 5
    assert (hdu[3] == 5).all()


def test_a_damaged_tile_can_be_written_over_but_not_patched(fits):
    hdu = fits.write_image(PIXELS, compress=Gzip1(tile_shape=(1, 10)))
    raw = bytearray(fits.to_bytes())
    heap = hdu._extent.data_start + 8 * hdu.n_tiles
    raw[heap + 4 : heap + 15] = b"garbage ..."
    with FITS.from_bytes(raw, "r+") as damaged:
        with pytest.raises(ValueError, match="decompression"):
            damaged[1][0, 0] = 1
        assert damaged.to_bytes() == raw
        damaged[1][1, 0] = 1
        damaged[1][0] = PIXELS[0]
        np.testing.assert_array_equal(damaged[1][0], PIXELS[0])


def test_descriptors_of_32_bits_set_a_limit_to_the_heap(fits, monkeypatch):
    monkeypatch.setattr("rustfits.growth.LIMITS", {"P": 600, "Q": 1 << 60})
    hdu = fits.write_image(PIXELS, compress=NoCompress())
    hdu[...] = PIXELS + 1
    before = fits.to_bytes()
    with pytest.raises(ValueError, match=r"720 bytes.*heap_format='Q'"):
        hdu[...] = PIXELS
    assert fits.to_bytes() == before
    hdu.repack()
    hdu[0] = 1
    np.testing.assert_array_equal(hdu[1:], PIXELS[1:] + 1)


def test_a_truncated_file_is_not_changed(fits):
    fits.write_image(np.random.default_rng(0).integers(0, 99, (100, 100)), compress="GZIP")
    with FITS.from_bytes(fits.to_bytes()[:-2880], "r+") as short:
        before = short.to_bytes()
        for change in (
            lambda: short[1].__setitem__(0, 1),
            lambda: short[1].extend(np.zeros((1, 100), "i8")),
            short[1].repack,
        ):
            with pytest.raises(OSError, match="truncated"):
                change()
        assert short.to_bytes() == before


def test_a_read_only_file_is_not_edited(tmp_path):
    with FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_image(PIXELS, compress="GZIP")
    with FITS(tmp_path / "a.fits") as fits:
        for change in (
            lambda: fits[1].__setitem__(0, 1),
            lambda: fits[1].extend(PIXELS),
            fits[1].repack,
            fits[1].extending().__enter__,
        ):
            with pytest.raises(OSError, match="read-only"):
                change()


# -- quantised floats -------------------------------------------------------------------------------------------------


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
        hdu[...] = before
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
