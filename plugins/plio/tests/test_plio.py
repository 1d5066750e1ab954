"""PLIO_1 against CFITSIO, against numpy, and against damaged lists."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits.plugin import PixelBatch, TileBatch, TileDecodeError, TileEncodeError
from rustfits_plio import Plio1, _kernel
from rustfits_testing.peers import heap_tiles, write_with_cfitsio

CODEC = Plio1()
LARGEST = 2**27 - 1


def encode(pixels, dtype=np.int32):
    rows = np.ascontiguousarray(pixels, dtype=dtype)
    shape = np.array([(1, rows.shape[1])] * rows.shape[0])
    tiles = CODEC.encode(PixelBatch(rows.reshape(-1), shape, np.arange(rows.shape[0])))
    return np.split(tiles.data, np.cumsum(tiles.length)[:-1])


def decode(blobs, npixels, dtype=np.int32):
    data = np.concatenate([np.frombuffer(bytes(blob), dtype=np.uint8) for blob in blobs])
    length = np.array([len(blob) for blob in blobs])
    shape = np.array([(1, npixels)] * len(blobs))
    out = np.full(npixels * len(blobs), 99, dtype=dtype)
    batch = TileBatch(data, np.cumsum(length) - length, length, shape, np.arange(len(blobs)))
    CODEC.decode(batch, out)
    return out.reshape(len(blobs), npixels)


def words(*values):
    return struct.pack(f">{len(values)}H", *(value & 0xFFFF for value in values))


def new_list(*instructions):
    return words(0, 7, -100, 7 + len(instructions), 0, 0, 0, *instructions)


@pytest.mark.parametrize("width", [1, 5, 100, 4095, 5000, 70000])
@pytest.mark.parametrize("kind", ["small", "steps", "sparse", "constant", "zero", "far"])
def test_lists_equal_those_of_cfitsio_byte_for_byte(width, kind, tmp_path):
    pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    pytest.importorskip("astropy", reason="peer not installed: astropy")
    rng = np.random.default_rng(width)
    shape = (6, width)
    pixels = {
        "small": rng.integers(0, 3, shape),
        "steps": np.repeat(rng.integers(0, 9000, (6, width // 7 + 1)), 7, axis=1)[:, :width],
        "sparse": (rng.random(shape) < 0.01) * rng.integers(0, 9000, shape),
        "constant": np.full(shape, 17),
        "zero": np.zeros(shape),
        "far": np.repeat(rng.integers(0, 2**24, (6, width // 9 + 1)), 9, axis=1)[:, :width],
    }[kind].astype(np.int32)
    write_with_cfitsio(pixels, tmp_path / "peer.fits", compress="PLIO", tile_dims=(1, width))
    assert [bytes(row) for row in encode(pixels)] == heap_tiles(tmp_path / "peer.fits")


@pytest.mark.parametrize("nzeros", [4095, 8190])
def test_a_full_run_of_zeros_before_a_lone_pixel_survives(nzeros):
    # CFITSIO's encoder overflows an operand here and loses the zeros, so equality of bytes is not wanted.
    pixels = np.zeros((1, nzeros + 3), dtype=np.int32)
    pixels[0, nzeros] = 5
    np.testing.assert_array_equal(decode(encode(pixels), nzeros + 3), pixels)


@given(
    hnp.arrays(
        np.int32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=60),
        elements=st.sampled_from([0, 0, 0, 1, 1, 2, 4095, 4096, 4097, 8192, LARGEST]) | st.integers(0, LARGEST),
    )
)
def test_any_pixels_come_back(pixels):
    np.testing.assert_array_equal(decode(encode(pixels), pixels.shape[1]), pixels)


@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=90),
        elements=st.sampled_from([0, 0, 0, 1, 1, 2, 255]) | st.integers(0, 255),
    )
)
def test_bytes_make_the_same_lists_as_wider_pixels_and_come_back(pixels):
    lists = encode(pixels, np.uint8)
    assert [bytes(row) for row in lists] == [bytes(row) for row in encode(pixels)]
    np.testing.assert_array_equal(decode(lists, pixels.shape[1], np.uint8), pixels)


@pytest.mark.parametrize(("level", "fits"), [(255, True), (256, False)])
def test_a_level_that_bytes_cannot_hold_is_refused_where_it_is_drawn(level, fits):
    blobs = [new_list(0x2000 + level - 1), new_list(0x2000 + level - 1, 0x0002, 0x4001)]
    np.testing.assert_array_equal(decode(blobs[:1], 3, np.uint8), [[0, 0, 0]])
    if fits:
        np.testing.assert_array_equal(decode(blobs, 3, np.uint8), [[0, 0, 0], [0, 0, level]])
    else:
        with pytest.raises(TileDecodeError, match=r"row 2: .*0 to 255"):
            decode(blobs, 3, np.uint8)


@pytest.mark.parametrize(("out", "pixel"), [(np.zeros(12, np.uint8), 2), (np.zeros(13, np.uint8)[1:], 4)])
def test_the_binding_refuses_pixels_that_the_kernel_cannot_take(out, pixel):
    ones = np.ones(1, dtype=np.int64)
    with pytest.raises(ValueError, match="pixels must have 1 or 4 bytes"):
        _kernel.decode(np.zeros(9, np.uint8), 0 * ones, 9 * ones, ones, out, pixel)
    with pytest.raises(ValueError, match="pixels must have 1 or 4 bytes"):
        _kernel.encode(out, ones, pixel)


def test_the_binding_refuses_tiles_of_more_pixels_than_there_are():
    with pytest.raises(ValueError, match="tile 1 has 3 pixels, of 1 left of 4"):
        _kernel.encode(np.zeros(4, np.uint8), np.array([3, 3]), 1)


@pytest.mark.parametrize(("pixel", "text"), [(-1, "negative"), (LARGEST + 1, "exceeds"), (-(2**31), "negative")])
def test_a_pixel_out_of_range_is_refused_and_its_row_named(pixel, text):
    pixels = np.zeros((3, 10), dtype=np.int32)
    pixels[1, 4] = pixel
    with pytest.raises(TileEncodeError, match=f"row 2: .*{text}"):
        encode(pixels)


def test_the_old_header_with_its_length_in_the_third_word_is_read():
    old = words(0, 0, 5, 4 << 12 | 3, 5 << 12 | 2)
    np.testing.assert_array_equal(decode([old], 7), [[1, 1, 1, 0, 1, 0, 0]])


def test_every_opcode_draws_what_the_standard_says():
    blob = new_list(0x0002, 0x1005, 0x0001, 0x4002, 0x2003, 0x4001, 0x3002, 0x4001, 0x5003, 0x6001, 0x7002)
    expected = [0, 0, 4101, 4101, 4104, 4102, 0, 0, 4102, 4103, 4101, 0]
    np.testing.assert_array_equal(decode([blob], 12), [expected])


@pytest.mark.parametrize(
    ("blob", "text"),
    [
        (b"", "header"),
        (words(0, 7), "header"),
        (words(0, 7, -100, 9), "header"),
        (words(0, 7, -100, 9, 0, 0, 0), "longer than"),
        (words(0, 0, 40, 1), "longer than"),
        (words(0, -3, -100, 7, 0, 0, 0), "longer than"),
        (new_list(0x1005), "ends within"),
        (new_list(0x8000), "opcode"),
        (new_list(0x3FFF), "outside"),
        (new_list(0x1000, 0x8000, 0x4001), "outside"),
    ],
)
def test_a_damaged_list_is_named_and_spares_its_neighbours(blob, text):
    good = bytes(encode(np.arange(9, dtype=np.int32)[None])[0])
    data = np.frombuffer(good + blob + good, dtype=np.uint8)
    length = np.array([len(good), len(blob), len(good)])
    out = np.empty(27, dtype=np.int32)
    batch = TileBatch(data, np.cumsum(length) - length, length, np.array([(9,)] * 3), np.arange(5, 8))
    with pytest.raises(TileDecodeError, match=f"row 7: .*{text}"):
        CODEC.decode(batch, out)
    np.testing.assert_array_equal(out.reshape(3, 9)[[0, 2]], [np.arange(9)] * 2)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.integers(0, 50))
def test_random_bytes_give_pixels_or_an_error(blob, npixels):
    with contextlib.suppress(TileDecodeError):
        assert decode([blob], npixels).shape == (1, npixels)
