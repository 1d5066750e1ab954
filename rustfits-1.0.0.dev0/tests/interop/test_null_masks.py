"""Null pixels in masks of their own, the column NULL_PIXEL_MASK (FITS 4.0, section 10.2): no other library has them."""

import numpy as np
import pytest
from handmade import Table, bitpix, gzipped, image_cards, ntiles, tiles_of

import rustfits
from rustfits import FITS
from rustfits.plugin import stored_tiles

SHAPE, TILE = (11, 9), (4, 5)
RNG = np.random.default_rng(8)
MASK = RNG.random(SHAPE) < 0.2
MASK[:4, :5] = False  # a tile without a mask
SECTIONS = [..., (3, 4), (slice(2, 9), slice(1, None)), (slice(None, None, 3), 7), (slice(0, 4), slice(0, 5))]


def pixels_of(dtype):
    return (RNG.random(SHAPE) * 200).astype(dtype)


def file_of(pixels, cmp="GZIP_1", **cards):
    table = Table({"COMPRESSED_DATA": "1PB", "NULL_PIXEL_MASK": "1PB"}, ntiles(SHAPE, TILE))
    for row, (part, nulls) in enumerate(zip(tiles_of(pixels, TILE), tiles_of(MASK, TILE), strict=True)):
        table.put("COMPRESSED_DATA", row, gzipped(part))
        if nulls.any():
            table.put(
                "NULL_PIXEL_MASK", row, gzipped(nulls.astype("u1")) if cmp == "GZIP_1" else nulls.astype("u1").tobytes()
            )
    return table.file({**image_cards("GZIP_1", bitpix(pixels.dtype), SHAPE, TILE), "ZMASKCMP": cmp, **cards})


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("cmp", ["GZIP_1", "NOCOMPRESS"])
def test_floats_are_nan_there(dtype, cmp):
    pixels = pixels_of(dtype)
    expected = np.where(MASK, np.nan, pixels).astype(dtype)
    hdu = FITS.from_bytes(file_of(pixels, cmp))[1]
    for _ in range(3):  # then from the cache, or by compiled kernels
        for key in SECTIONS:
            np.testing.assert_array_equal(hdu[key], expected[key])
    np.testing.assert_array_equal(hdu.read(), expected)
    np.testing.assert_array_equal(hdu.cutouts([(5, 5)], 3)[0], expected[4:7, 4:7])
    np.testing.assert_array_equal(hdu.read_many(SECTIONS[1:3])[1], expected[SECTIONS[2]])


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("blank", [None, 77])
def test_integers_are_masked_there_and_blank_if_there_is_one(dtype, blank):
    pixels = np.where((stored := pixels_of(dtype)) == 77, 78, stored).astype(dtype)
    cards = {} if blank is None else {"BLANK": blank}
    hdu = FITS.from_bytes(file_of(pixels, **cards))[1]
    found = hdu.read(mask_blank=True)
    assert found.dtype == dtype
    np.testing.assert_array_equal(np.ma.getmaskarray(found), MASK)
    np.testing.assert_array_equal(found.data[~MASK], pixels[~MASK])
    for _ in range(3):
        for key in SECTIONS:
            expected = pixels if blank is None else np.where(MASK, blank, pixels)
            np.testing.assert_array_equal(hdu[key], expected[key])
    scaled = FITS.from_bytes(file_of(pixels, BSCALE=0.5, BZERO=3.0, **cards))[1].read(mask_blank=True)
    np.testing.assert_array_equal(scaled.mask, MASK)
    np.testing.assert_array_equal(scaled.data[~MASK], (pixels * 0.5 + 3)[~MASK])


def test_such_an_image_is_not_changed_in_part():
    with FITS("mem://", "w+") as other:
        raw = file_of(pixels_of("f4"))
        fits = FITS.from_bytes(raw, mode="r+")
        for change in (
            lambda: fits[1].__setitem__((0, 0), 1.0),
            lambda: fits[1].write(np.zeros(SHAPE, "f4")),
            lambda: fits[1].extend(np.zeros((2, 9), "f4")),
        ):
            with pytest.raises(NotImplementedError, match="NULL_PIXEL_MASK"):
                change()
            assert fits.to_bytes() == raw
        copied = other.write_image(fits[1].read(), compress="GZIP_2", header=fits[1].header)
        assert "ZMASKCMP" not in copied.header
        np.testing.assert_array_equal(np.isnan(copied.read()), MASK)
        before = fits[1].read()
        fits[1].repack()
        np.testing.assert_array_equal(fits[1].read(), before)


def test_masks_that_cannot_be_read_are_told_of():
    fits = FITS.from_bytes(file_of(pixels_of("f4"), ZMASKCMP="OTHER"))
    with pytest.raises(rustfits.CodecNotInstalled, match="OTHER"):
        fits[1].read()
    raw = file_of(pixels_of("f4")).replace(b"ZMASKCMP", b"XMASKCMP")
    with pytest.raises(ValueError, match="ZMASKCMP"):
        FITS.from_bytes(raw)[1].read()


def test_the_tiles_alone_are_refused_as_they_do_not_say_which_pixels_are_null():
    raw = file_of(pixels_of("f4"))
    stored = stored_tiles(FITS.from_bytes(raw)[1])
    with pytest.raises(rustfits.NotSupported, match="NULL_PIXEL_MASK"):
        stored.tiles.decode(stored.entries, raw[stored.heap_start :])
