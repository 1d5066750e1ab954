"""Pixels of compressed images set in place, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from editing import NEXT, PIXELS, assert_same_bits, assert_sound, create, images, keys, pixels_of
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Gzip1, Gzip2, NoCompress

# -- against numpy ----------------------------------------------------------------------------------------------------


@settings(max_examples=150)
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
    hdu = fits.write_image(PIXELS, compress="GZIP", bscale=0.5, bzero=100.0)
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


def test_a_part_of_a_tile_that_was_never_written_cannot_be_set(fits):
    fits.create_image_hdu("i4", (6, 10), compress=Gzip1(tile_shape=(2, 10)))
    before = fits.to_bytes()
    for key, row, box in (((0, 0), 1, "0:2, 0:10"), (slice(1, 2), 1, "0:2, 0:10"), (slice(0, 3), 2, "2:4, 0:10")):
        said = rf"table row {row}: the tile has no data in any of .* never written; assign all .*\[{box}\]"
        with pytest.raises(rustfits.TileDecodeError, match=said):
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
    monkeypatch.setattr("rustfits.heap.writer.MAX_DESCRIPTOR", {"P": 600, "Q": 1 << 60})
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
