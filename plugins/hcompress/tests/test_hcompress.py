"""HCOMPRESS_1 against CFITSIO, against numpy, and against damaged streams."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits.plugin import InvalidParameter, PixelBatch, TileBatch, TileDecodeError
from rustfits_hcompress import Hcompress1, _kernel
from rustfits_testing.peers import heap_tiles, write_with_cfitsio

LIMITS = {"u1": (0, 2**8 - 1), "i2": (-(2**15), 2**15 - 1), "i4": (-(2**31), 2**31 - 1)}


def cut(image, tile):
    return [
        np.ascontiguousarray(image[i : i + tile[0], j : j + tile[1]])
        for i in range(0, image.shape[0], tile[0])
        for j in range(0, image.shape[1], tile[1])
    ]


def encode(tiles, codec=Hcompress1()):  # noqa: B008 (codecs are frozen)
    shape = np.array([tile.shape for tile in tiles])
    pixels = np.concatenate([tile.reshape(-1) for tile in tiles])
    encoded = codec.encode(PixelBatch(pixels, shape, np.arange(len(tiles))))
    return [bytes(blob) for blob in np.split(encoded.data, np.cumsum(encoded.length)[:-1])]


def decode(blobs, shapes, dtype, codec=Hcompress1()):  # noqa: B008
    shapes = np.array(shapes)
    length = np.array([len(blob) for blob in blobs])
    out = np.empty(shapes.prod(axis=1).sum(), dtype=dtype)
    data = np.frombuffer(b"".join(blobs), dtype=np.uint8)
    codec.decode(TileBatch(data, np.cumsum(length) - length, length, shapes, np.arange(5, 5 + len(blobs))), out)
    pixels = np.split(out, shapes.prod(axis=1).cumsum()[:-1])
    return [tile.reshape(shape) for tile, shape in zip(pixels, shapes, strict=True)]


def image(kind, dtype):
    low, high = LIMITS[dtype]
    rng = np.random.default_rng(7)
    if kind == "noise":
        return rng.normal(100, 10, (150, 140)).clip(low, high).astype(dtype)
    if kind == "full range":
        return rng.integers(low, high, (64, 64), dtype=np.int64, endpoint=True).astype(dtype)
    if kind == "zero":
        return np.zeros((30, 40), dtype)
    if kind == "extremes":
        pixels = np.full((65, 70), low, dtype)
        pixels[::3] = high
        return pixels
    y, x = np.mgrid[-90.0:110.0, -110.0:90.0]
    star = np.exp(-(x**2 + y**2) / 900) * 150 + rng.normal(50, 2, x.shape)
    return star.clip(0, 220).astype(dtype)


# CFITSIO refuses, or overruns its buffer for, small tiles that do not compress: those kinds have one tile only.
CASES = [(kind, tile) for kind in ("noise", "zero", "star") for tile in ((16, 100), (35, 47), (4, 4), (150, 200))]
CASES += [("full range", (32, 32)), ("extremes", (15, 14))]


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("kind", "tile"), CASES)
def test_lossless_streams_equal_those_of_cfitsio_byte_for_byte(dtype, kind, tile, tmp_path):
    pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    pytest.importorskip("astropy", reason="peer not installed: astropy")
    pixels = image(kind, dtype)
    tile = tuple(min(sides) for sides in zip(tile, pixels.shape, strict=True))
    if any(0 < side % step < 4 for side, step in zip(pixels.shape, tile, strict=True)):
        tile = tuple(step + 1 for step in tile)
    write_with_cfitsio(pixels, tmp_path / "peer.fits", compress="HCOMPRESS", tile_dims=tile)
    tiles = cut(pixels, tile)
    expected = heap_tiles(tmp_path / "peer.fits")
    assert encode(tiles) == expected
    for found, tile_pixels in zip(decode(expected, [t.shape for t in tiles], dtype), tiles, strict=True):
        np.testing.assert_array_equal(found, tile_pixels)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("scale", [2, 5, 16, 100])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("tile", [(100, 100), (37, 50)])
def test_lossy_streams_and_smoothed_pixels_equal_those_of_cfitsio(dtype, scale, smooth, tile, tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    pytest.importorskip("astropy", reason="peer not installed: astropy")
    pixels, path = image("star", dtype), tmp_path / "peer.fits"
    # A negative scale is CFITSIO's way to ask for a fixed one.
    keywords = {"compress": "HCOMPRESS", "tile_dims": tile, "hcomp_scale": -scale, "hcomp_smooth": smooth}
    write_with_cfitsio(pixels, path, **keywords)
    codec = Hcompress1(scale=scale, smooth=smooth)
    tiles = cut(pixels, tile)
    assert encode(tiles, codec) == heap_tiles(path)
    expected = cut(fitsio.read(path), tile)
    for found, want in zip(decode(heap_tiles(path), [t.shape for t in tiles], dtype, codec), expected, strict=True):
        np.testing.assert_array_equal(found, want)


@settings(max_examples=200)
@given(st.sampled_from(sorted(LIMITS)), hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), st.data())
def test_any_pixels_come_back(dtype, shape, data):
    elements = st.sampled_from(LIMITS[dtype]) | hnp.from_dtype(np.dtype(dtype))
    pixels = data.draw(hnp.arrays(dtype, shape, elements=elements))
    np.testing.assert_array_equal(decode(encode([pixels]), [shape], dtype)[0], pixels)


def test_a_16_bit_tile_too_wide_for_32_bit_sums_comes_back():
    pixels = np.full((4, 40000), 32767, dtype=np.int16)
    np.testing.assert_array_equal(decode(encode([pixels]), [pixels.shape], "i2")[0], pixels)


def test_the_largest_scale_rounds_like_any_other():
    pixels = np.full((4, 4), 2_000_000_000, dtype=np.int32)
    codec = Hcompress1(scale=2**31 - 1)
    found = decode(encode([pixels], codec), [(4, 4)], "i4", codec)[0]
    # The one coefficient that is not 0 is 8 times the pixel, and wrong by half the scale at most.
    assert 8 * np.abs(found - pixels.astype(np.int64)).max() <= codec.scale / 2


GOOD = np.arange(64, dtype=np.int32).reshape(8, 8)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda blob: b"", "header"),
        (lambda blob: blob[:24], "header"),
        (lambda blob: b"\x00" + blob[1:], "DD 99"),
        (lambda blob: blob[:5] + b"\x09" + blob[6:], "shape"),
        (lambda blob: blob[:22] + b"\xff" + blob[23:], "bit planes"),
        (lambda blob: blob[:25] + b"\x70" + blob[26:], "format"),
        (lambda blob: blob[:-1], "early"),
        (lambda blob: blob[:30], "early"),
    ],
)
def test_a_damaged_stream_is_named_and_spares_its_neighbours(damage, text):
    good = encode([GOOD])[0]
    blobs = [good, damage(good), good]
    length = np.array([len(blob) for blob in blobs])
    out = np.empty((3, 8, 8), dtype=np.int32)
    data = np.frombuffer(b"".join(blobs), dtype=np.uint8)
    batch = TileBatch(data, np.cumsum(length) - length, length, np.array([(8, 8)] * 3), np.arange(5, 8))
    with pytest.raises(TileDecodeError, match=f"row 7: .*{text}"):
        Hcompress1().decode(batch, out.reshape(-1))
    np.testing.assert_array_equal(out[[0, 2]], [GOOD, GOOD])


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(14, 200), st.integers(0, 255)), max_size=6), st.integers(26, 400), st.booleans())
def test_damaged_bytes_give_pixels_or_an_error(flips, nbytes, smooth):
    blob = bytearray(encode([image("star", "i2")[:20, :20]], Hcompress1(scale=3))[0][:nbytes])
    for at, value in flips:
        if at < len(blob):
            blob[at] = value
    with contextlib.suppress(TileDecodeError):
        assert decode([bytes(blob)], [(20, 20)], "i2", Hcompress1(smooth=smooth))[0].shape == (20, 20)


@pytest.mark.parametrize(
    ("shape", "tile", "text"),
    [
        ((100,), (100,), "2-D"),
        ((3, 100), (3, 100), "minimum of 4"),
        ((0, 100), (16, 100), "minimum of 4"),
        ((100, 100), (3, 100), "minimum of 4"),
        ((50, 100), (16, 100), r"leaves a last tile of 2 pixels.*Try tile_shape\[0\]=17"),
        ((8, 50, 100), (2, 10, 10), "2-D"),
    ],
)
def test_images_it_cannot_hold_are_refused_with_the_reason(shape, tile, text):
    with pytest.raises(InvalidParameter, match=text):
        Hcompress1().check_image(shape, tile, np.dtype("i2"), quantized=False)


@pytest.mark.parametrize(
    ("shape", "tile"),
    [
        ((30, 77), (30, 77)),
        ((33, 77), (24, 77)),
        ((113, 9), (24, 9)),
        ((5, 64, 80), (1, 16, 80)),
    ],
)
def test_the_default_tile_is_as_high_as_cfitsio_makes_it(shape, tile, tmp_path):
    pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
    assert Hcompress1().default_tile_shape(shape) == tile
    write_with_cfitsio(np.zeros(shape, np.int16), tmp_path / "peer.fits", compress="HCOMPRESS")
    with fits.open(tmp_path / "peer.fits", disable_image_compression=True) as hdus:
        header = hdus[1].header
    assert tuple(header[f"ZTILE{axis}"] for axis in range(len(shape), 0, -1)) == tile


@pytest.mark.parametrize(
    ("parameters", "codec"),
    [
        ({}, Hcompress1()),
        ({"SCALE": 4, "SMOOTH": 1}, Hcompress1(scale=4, smooth=True)),
        ({"SCALE": -2.0, "SMOOTH": False}, Hcompress1(scale=2)),
        ({"SCALE": 0.0, "SMOOTH": True}, Hcompress1(smooth=True)),
    ],
)
def test_the_parameters_of_any_writer_are_understood(parameters, codec):
    assert Hcompress1.from_parameters(parameters) == codec


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"scale": -1}, ValueError, "scale"),
        ({"scale": 1.5}, TypeError, "scale"),
        ({"smooth": 1}, TypeError, "smooth"),
        ({"tile_shape": (8,)}, ValueError, "2-D"),
        ({"tile_shape": (8, 8, 8)}, ValueError, "2-D"),
    ],
)
def test_wrong_parameters_are_refused(keywords, error, text):
    with pytest.raises(error, match=text):
        Hcompress1(**keywords)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pixel": 3}, "bytes"),
        ({"kernel": -1}, "kernels"),
        ({"kernel": 99}, "kernels"),
        ({"out": np.zeros(33, dtype=np.uint8)[1:]}, "aligned"),
        ({"length": np.zeros(2, dtype=np.int64)}, "lengths"),
        ({"height": np.full(1, 5)}, "room"),
        ({"height": np.zeros(1, dtype=np.int64), "width": np.full(1, 2**62 + 2**56)}, "2147483647 pixels at most"),
        ({"height": np.full(1, 2**31), "width": np.zeros(1, dtype=np.int64)}, "2147483647 pixels at most"),
    ],
)
def test_the_binding_refuses_what_the_kernel_cannot_take(change, text):
    ones = np.ones(1, dtype=np.int64)
    arguments = {"data": np.zeros(9, dtype=np.uint8), "start": 0 * ones, "length": 9 * ones, "height": 4 * ones}
    arguments |= {"width": 4 * ones, "smooth": False, "out": np.zeros(32, dtype=np.uint8), "pixel": 2, "kernel": 0}
    with pytest.raises(ValueError, match=text):
        _kernel.decode(**(arguments | change))


@pytest.mark.parametrize("sides", [(0, 2**31 - 1), (2**31 - 1, 0)])
def test_a_tile_without_pixels_needs_no_memory_however_long_a_side_is(sides):
    one = np.ones(1, dtype=np.int64)
    header = b"\xdd\x99" + b"".join(side.to_bytes(4, "big") for side in sides) + bytes(15)
    height, width = (side * one for side in sides)
    tracemalloc.start()
    try:
        status = _kernel.decode(
            np.frombuffer(header, np.uint8), 0 * one, 25 * one, height, width, False, np.zeros(0, np.uint8), 4, 0
        )
        encoded, length, refused = _kernel.encode(np.zeros(0, np.uint8), height, width, 0, 4, 0)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert (status.tolist(), len(encoded), length.tolist(), refused.tolist()) == ([0], 0, [0], [7])
