"""What cannot be compressed is refused at creation, with the reason, and the file stays as it was to the last byte."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rustfits
from rustfits import Quantize

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
UNSIGNED = ("i1", "u2", "u4", "u8")
LOSSLESS_FLOATS = ("GZIP_1", "GZIP_2", "NOCOMPRESS")
CLASSES = {
    "GZIP_1": "Gzip1",
    "GZIP_2": "Gzip2",
    "RICE_1": "Rice1",
    "HCOMPRESS_1": "Hcompress1",
    "PLIO_1": "Plio1",
    "NOCOMPRESS": "NoCompress",
}
SHAPE = (40, 50)


def expected(name: str, dtype: str, quantized: bool):
    """Return the exception and fragments of its message, None where the image can be compressed."""
    if dtype[0] != "f":
        if quantized:
            return ValueError, ["quantize"]
        if name in LOSSLESS_FLOATS:
            return None
        if dtype[1] == "8":
            return NotImplementedError, ["64-bit"]
        if name == "PLIO_1" and dtype in UNSIGNED:
            return NotImplementedError, ["PLIO"]
        return None
    if name == "PLIO_1":
        return NotImplementedError, ["PLIO", "float"]
    if quantized or name in LOSSLESS_FLOATS:
        return None
    return ValueError, ["unquantized float"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "image.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_image(np.arange(6.0), extname="BEFORE")
    return path


def codec(name: str, **arguments):
    if name not in rustfits.codecs():
        pytest.skip(f"codec not installed: {name}")
    return getattr(rustfits, CLASSES[name])(**arguments)


def attempts(dtype, shape, **keywords):
    """Return every way to make such an image, as functions of a file."""
    pixels = np.ones(shape, dtype)
    return {
        "create_image_hdu": lambda file: file.create_image_hdu(dtype, shape, **keywords),
        "write_image": lambda file: file.write_image(pixels, **keywords),
        "write_image in the other byte order": lambda file: file.write_image(pixels.astype(f">{dtype}"), **keywords),
    }


def assert_refused(path, dtype, shape, error, fragments, **keywords):
    before = path.read_bytes()
    for what, attempt in attempts(dtype, shape, **keywords).items():
        with rustfits.FITS(path, "r+") as file:
            with pytest.raises(error) as caught:
                attempt(file)
            assert isinstance(caught.value, rustfits.FitsError), what
            for fragment in fragments:
                assert fragment in str(caught.value), what
            assert len(file) == 1
            assert file.to_bytes() == before
        assert path.read_bytes() == before, what


@pytest.mark.parametrize("quantized", [False, True], ids=["plain", "quantized"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(CLASSES))
def test_every_pixel_type_is_compressed_or_refused_as_documented(name, dtype, quantized, path):
    compress, quantize = codec(name), Quantize() if quantized else None
    wanted = expected(name, dtype, quantized)
    if wanted is not None:
        assert_refused(path, dtype, SHAPE, *wanted, compress=compress, quantize=quantize)
        assert_refused(path, dtype, SHAPE, *wanted, compress=name, quantize=quantize)
        return
    pixels = np.random.default_rng(1).integers(0, 100, SHAPE).astype(dtype)
    for attempt in attempts(dtype, SHAPE, compress=compress, quantize=quantize).values():
        with rustfits.FITS(path, "r+") as file:
            attempt(file)
            hdu = file.hdus[-1]
            hdu.write(pixels)
            if quantize is None:
                np.testing.assert_array_equal(hdu.read(), pixels)
            else:
                assert abs(hdu.read() - pixels).max() < 20


@pytest.mark.parametrize("name", list(CLASSES))
def test_that_quantize_is_for_floats_is_told_before_anything_of_the_algorithm(name, path):
    for dtype in ("i8", "u4"):
        wrong_tile = codec(name, tile_shape=(4, 4))
        assert_refused(path, dtype, SHAPE, ValueError, ["quantize"], compress=wrong_tile, quantize=Quantize())


@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1"])
def test_every_dither_goes_with_every_algorithm(name, method):
    pixels = np.random.default_rng(1).normal(size=SHAPE)
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=codec(name), quantize=Quantize(method=method))
        assert abs(hdu.read() - pixels).max() < 0.3


@pytest.mark.parametrize("name", list(CLASSES))
@pytest.mark.parametrize(
    ("tile", "shape", "found"),
    [
        ((5,), (40, 50), ["tile_shape has 1 dimensions but image has 2"]),
        ((5, 5, 5), (40, 50), ["tile_shape has 3 dimensions but image has 2"]),
        ((5, 5), (40,), ["tile_shape has 2 dimensions but image has 1"]),
    ],
)
def test_a_tile_has_an_entry_for_each_axis(name, tile, shape, found, path):
    if name == "HCOMPRESS_1" and len(tile) != 2:
        pytest.skip("such a tile is refused by its class already")
    assert_refused(path, "i2", shape, ValueError, found, compress=codec(name, tile_shape=tile))


@pytest.mark.parametrize("name", list(CLASSES))
def test_an_image_without_axes_cannot_be_compressed(name, path):
    assert_refused(path, "i2", (), ValueError, ["NAXIS"], compress=codec(name))


@pytest.mark.parametrize("name", list(CLASSES))
@pytest.mark.parametrize("tile", [(50, 60), (40, 50), (1000, 1000), (40, 1 << 40)])
def test_tiles_larger_than_the_image_are_kept_as_they_were_given(name, tile):
    pixels = np.random.default_rng(1).integers(0, 100, SHAPE).astype("i2")
    with rustfits.FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=codec(name, tile_shape=tile))
        assert (hdu.header["ZTILE2"], hdu.header["ZTILE1"], hdu.n_tiles) == (*tile, 1)
        np.testing.assert_array_equal(hdu.read(), pixels)


@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2", "RICE_1", "PLIO_1", "NOCOMPRESS"])
@pytest.mark.parametrize(("shape", "tile"), [((7,), (7,)), ((4, 7), (1, 7)), ((2, 3, 7), (1, 1, 7)), ((0, 7), (1, 7))])
def test_the_default_tile_is_a_row(name, shape, tile):
    with rustfits.FITS("mem://", "w+") as file:
        file.create_image_hdu("i2", shape, compress=codec(name))
        assert file[1].compression.tile_shape == tile


@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2", "RICE_1", "PLIO_1", "NOCOMPRESS"])
def test_the_first_axis_may_be_empty(name):
    with rustfits.FITS("mem://", "w+") as file:
        file.create_image_hdu("i4", (0, 9), compress=codec(name))
        assert (file[1].n_tiles, file[1].read().shape) == (0, (0, 9))


class TestHcompress:
    @pytest.mark.parametrize(
        ("shape", "arguments", "found"),
        [
            ((40,), {}, ["2-D"]),
            ((3, 50), {}, ["minimum of 4", "axis 0", "3"]),
            ((50, 2), {}, ["minimum of 4", "axis 1", "2"]),
            ((0, 50), {}, ["minimum of 4", "axis 0", "0"]),
            ((40, 50), {"tile_shape": (3, 50)}, ["minimum of 4", "tile_shape[0]"]),
            ((40, 50), {"tile_shape": (40, 1)}, ["minimum of 4", "tile_shape[1]"]),
            ((50, 50), {"tile_shape": (16, 50)}, ["leaves a last tile of 2 pixels", "Try tile_shape[0]=17"]),
            ((50, 41), {"tile_shape": (50, 8)}, ["leaves a last tile of 1 pixels", "Try tile_shape[1]=9"]),
            ((10, 7), {"tile_shape": (10, 4)}, ["leaves a last tile of 3 pixels", "Try tile_shape[1]=7"]),
            ((7, 50), {"tile_shape": (5, 50)}, ["leaves a last tile of 2 pixels", "Try tile_shape[0]=7"]),
        ],
    )
    def test_its_limits_are_told_with_a_way_out(self, shape, arguments, found, path):
        assert_refused(path, "i4", shape, ValueError, found, compress=codec("HCOMPRESS_1", **arguments))

    @pytest.mark.parametrize("shape", [(50, 50), (50, 41), (10, 7), (34, 34), (97, 61)])
    @pytest.mark.parametrize("tile", range(4, 33))
    def test_what_it_suggests_is_accepted_or_leads_to_what_is(self, shape, tile):
        axes = [tile, tile]
        with rustfits.FITS("mem://", "w+") as file:
            for _ in range(20):
                try:
                    file.create_image_hdu("i4", shape, compress=codec("HCOMPRESS_1", tile_shape=axes))
                    break
                except ValueError as error:
                    axis, larger = re.search(r"Try tile_shape\[(\d)\]=(\d+)", str(error)).groups()
                    assert int(larger) > axes[int(axis)]
                    axes[int(axis)] = int(larger)
            assert len(file) == 2

    @pytest.mark.parametrize(("height", "rows"), [(4, 4), (30, 30), (32, 16), (33, 24), (50, 20), (97, 20), (241, 28)])
    def test_the_default_tile_is_as_high_as_documented(self, height, rows):
        choices = [16, 24, 20, 30, 28, 26, 22, 18, 14]
        fitting = [n for n in choices if height % n == 0 or height % n >= 4]
        assert rows == (height if height <= 30 else (fitting or [17])[0])
        with rustfits.FITS("mem://", "w+") as file:
            file.create_image_hdu("i4", (height, 40), compress=codec("HCOMPRESS_1"))
            assert file[1].compression.tile_shape == (rows, 40)


class TestPlio:
    @pytest.mark.parametrize(
        ("dtype", "pixel", "found"),
        [("i2", -1, "negative"), ("i4", -(2**31), "negative"), ("i4", 2**27, "exceeds"), ("i4", 2**31 - 1, "exceeds")],
    )
    def test_pixels_out_of_range_are_found_when_they_are_written(self, dtype, pixel, found, path):
        pixels = np.zeros(SHAPE, dtype)
        pixels[17, 3] = pixel
        before = path.read_bytes()
        with rustfits.FITS(path, "r+") as file:
            with pytest.raises(ValueError, match=found) as caught:
                file.write_image(pixels, compress=codec("PLIO_1"))
            assert "table row 18" in str(caught.value)
            assert (len(file), file.to_bytes()) == (1, before)
            hdu = file.write_image(np.maximum(pixels, 0) // 16, compress="PLIO_1")
            kept = file.to_bytes()
            with pytest.raises(ValueError, match=found):
                hdu.write(pixels)
            assert file.to_bytes() == kept

    def test_the_largest_pixel_is_kept(self):
        pixels = np.full(SHAPE, 2**27 - 1, "i4")
        with rustfits.FITS("mem://", "w+") as file:
            np.testing.assert_array_equal(file.write_image(pixels, compress=codec("PLIO_1")).read(), pixels)


@pytest.mark.parametrize(
    ("keywords", "error", "found"),
    [
        ({"compress": "LZMA"}, ValueError, "unknown compression algorithm name"),
        ({"quantize": Quantize()}, ValueError, "quantize"),
        ({"compress": "GZIP_1", "extname": "\n"}, ValueError, "extname"),
        ({"compress": "GZIP_1", "blank": 1 << 40}, (ValueError, OverflowError), ""),
    ],
)
def test_other_wrong_arguments_change_nothing_either(keywords, error, found, path):
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as file:
        for attempt in attempts("i4", SHAPE, **keywords).values():
            with pytest.raises(error, match=f"(?i){found}"):
                attempt(file)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", list(CLASSES))
@pytest.mark.parametrize("dtype", ["c8", "S4", "?", "M8[s]", "O", "f2"])
def test_what_fits_has_no_pixels_for_is_refused(name, dtype, path):
    before = path.read_bytes()
    with rustfits.FITS(path, "r+") as file:
        with pytest.raises((ValueError, TypeError), match="dtype"):
            file.create_image_hdu(dtype, SHAPE, compress=codec(name))
        with pytest.raises((ValueError, TypeError), match="dtype"):
            file.write_image(np.zeros(SHAPE, dtype), compress=codec(name))
    assert path.read_bytes() == before
