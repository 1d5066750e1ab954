"""Quantising: scales, origins and integers against files of CFITSIO, and the promises where CFITSIO makes none."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.codec.batch import PixelBatch, QuantizedTiles
from rustfits.codec.kernels import Kernels
from rustfits.errors import InvalidParameter
from rustfits.quantize.dither import DITHER_METHODS, Dither
from rustfits.quantize.noise import noise, row_lengths
from rustfits.quantize.quantum import effective_level

NULL, ZERO = -2147483647, -2147483646


def cut(image, tile):
    """Return the tiles of an image in the order of the table rows."""
    corners = itertools.product(*(range(0, axis, step) for axis, step in zip(image.shape, tile, strict=True)))
    return [image[tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True))] for corner in corners]


def quantize(image, tile, level, method, seed=1):
    """Quantise the tiles of an image; return scales, zeros, flags and the integers of each tile."""
    parts = cut(image, tile)
    shape = np.array([part.shape for part in parts], dtype=np.int64)
    batch = PixelBatch(np.concatenate([part.ravel() for part in parts]), shape, np.arange(len(parts)))
    out = np.empty(image.size, np.int32)
    scale, zero, quantized = Kernels().quantize(batch, level, Dither(method, seed), out)
    return scale, zero, quantized, np.split(out, np.cumsum(shape.prod(axis=1))[:-1])


def quantize_with_cfitsio(path, image, tile, level, method, seed=1):
    """Return the same from a file that CFITSIO wrote; None for the integers of a tile stored without loss."""
    fitsio = pytest.importorskip("fitsio", reason="compares with fitsio (CFITSIO)")
    fits = pytest.importorskip("astropy.io.fits", reason="astropy reads the raw columns")
    with fitsio.FITS(path, "rw", clobber=True) as f:
        f.write(image, compress="GZIP", tile_dims=tile, qlevel=level, qmethod=method, dither_seed=seed)
    with fits.open(path, disable_image_compression=True) as hdus:
        table = hdus[1].data
        streams = [bytes(cell) for cell in table["COMPRESSED_DATA"]]
        scale, zero = (np.array(table[name], dtype=np.float64) for name in ("ZSCALE", "ZZERO"))
    stored = [np.frombuffer(zlib.decompress(stream, 31), ">i4") if stream else None for stream in streams]
    return scale, zero, np.array([tile is not None for tile in stored]), stored


def assert_as_cfitsio(path, image, tile, level, method, seed=1):
    scale, zero, quantized, stored = quantize(image, tile, level, method, seed)
    their_scale, their_zero, theirs_quantized, their_stored = quantize_with_cfitsio(
        path, image, tile, level, method, seed
    )
    assert np.array_equal(quantized, theirs_quantized)
    assert np.array_equal(scale, their_scale)
    assert np.array_equal(zero, their_zero)
    for ours, theirs in zip(stored, their_stored, strict=True):
        assert theirs is None or np.array_equal(ours, theirs)
    return quantized


@pytest.fixture
def path(tmp_path):
    return tmp_path / "quantised.fits"


@pytest.mark.parametrize("dtype", ["f4", "f8"])
class TestAsCfitsio:
    @pytest.mark.parametrize("method", DITHER_METHODS)
    @pytest.mark.parametrize("level", [4, 4.1, 16, -2.5])
    @pytest.mark.parametrize("tile", [(1, 250), (70, 240), (33, 31), (130, 5)])
    def test_sky_noise_with_nulls_and_zeros(self, path, dtype, method, level, tile):
        rng = np.random.default_rng(11)
        image = rng.normal(0, 20, (130, 250)).astype(dtype)
        image[rng.random(image.shape) < 0.01] = 0
        image[3, 5:9], image[40:50, 40:60], image[100, 7] = np.nan, np.nan, np.nan
        assert_as_cfitsio(path, image, tile, level, method, seed=9998)

    @pytest.mark.parametrize("tile", [(2, 20, 20), (6, 40, 1), (3, 1, 20), (2, 3, 4)])
    def test_tiles_of_three_axes(self, path, dtype, tile):
        image = np.random.default_rng(12).normal(0, 1, (6, 40, 20)).astype(dtype)
        assert_as_cfitsio(path, image, tile, 4, "SUBTRACTIVE_DITHER_1")

    @pytest.mark.parametrize("level", [1.5, 4])
    @pytest.mark.parametrize("method", DITHER_METHODS)
    def test_ranges_that_need_the_sign_bit(self, path, dtype, level, method):
        image = np.random.default_rng(13).normal(0, 1, (64, 64)).astype(dtype)
        image[5, 5] = 7.5e8
        assert_as_cfitsio(path, image, (64, 64), level, method)

    @pytest.mark.parametrize("level", [4, -4])
    def test_a_tile_of_nulls_alone(self, path, dtype, level):
        image = np.random.default_rng(14).normal(size=(20, 20)).astype(dtype)
        image[:10] = np.nan
        assert assert_as_cfitsio(path, image, (10, 20), level, "SUBTRACTIVE_DITHER_1").all()

    @pytest.mark.parametrize("size", [1e-38, 1e-30, 1e30])
    def test_very_small_and_very_large_numbers(self, path, dtype, size):
        image = (np.random.default_rng(15).normal(size=(40, 20)) * size).astype(dtype)
        assert_as_cfitsio(path, image, (10, 10), 4, "SUBTRACTIVE_DITHER_2")

    def test_runs_of_equal_pixels_in_one_tile_leave_the_scales_of_the_others_alone(self, path, dtype):
        rng = np.random.default_rng(17)
        image = rng.normal(0, 20, (130, 250)).astype(dtype)
        image[rng.random(image.shape) < 0.06] = 0
        runs = [
            np.any((part[:, 2:] == part[:, 1:-1]) & (part[:, 1:-1] == part[:, :-2])) for part in cut(image, (5, 50))
        ]
        ours = quantize(image, (5, 50), 4, "SUBTRACTIVE_DITHER_2")
        theirs = quantize_with_cfitsio(path, image, (5, 50), 4, "SUBTRACTIVE_DITHER_2")
        for tile in np.flatnonzero(~np.array(runs)):
            assert ours[0][tile] == theirs[0][tile]
            assert ours[1][tile] == theirs[1][tile]
            assert np.array_equal(ours[3][tile], theirs[3][tile])
        assert any(runs)

    def test_tiles_that_cannot_be_quantised(self, path, dtype):
        image = np.random.default_rng(16).normal(size=(40, 20)).astype(dtype)
        image[:10] = 7
        image[10, 0] = 1e12
        quantized = assert_as_cfitsio(path, image, (10, 20), 4, "SUBTRACTIVE_DITHER_1")
        assert quantized.tolist() == [False, False, True, True]


class TestPromises:
    @settings(max_examples=80)
    @given(
        shape=st.tuples(st.integers(1, 12), st.integers(1, 40)),
        dtype=st.sampled_from(["f4", "f8"]),
        method=st.sampled_from(DITHER_METHODS),
        level=st.sampled_from([0, 0.5, 4, 16, -0.5, -3]),
        whole=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_no_pixel_comes_back_farther_off_than_half_a_quantum(self, shape, dtype, method, level, whole, seed):
        rng = np.random.default_rng(seed)
        image = rng.normal(rng.normal() * 100, 10, shape).astype(dtype)
        if whole:
            image = np.round(image)  # runs of equal pixels
        image[rng.random(shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 0.0])
        scale, zero, quantized, (stored,) = quantize(image, shape, level, method, seed=77)
        if not quantized[0]:
            return
        out = np.empty(image.size, "f8")
        tiles = QuantizedTiles(
            stored, np.array([image.size]), np.zeros(1, np.int64), scale=scale, zero=zero, null=np.array([NULL])
        )
        Kernels().dequantize(tiles, Dither(method, 77), out)
        good = np.isfinite(image).ravel()
        assert np.array_equal(np.isnan(out), ~good)
        assert (np.abs(out - image.ravel())[good] <= scale[0] / 2 * (1 + 1e-6)).all()
        if method == "SUBTRACTIVE_DITHER_2":
            assert (out[image.ravel() == 0] == 0).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("method", DITHER_METHODS)
    def test_every_number_that_is_not_finite_is_a_null_and_changes_no_other(self, value, method):
        image = np.random.default_rng(1).normal(size=(20, 20))
        holed = image.copy()
        image[3, 4], holed[3, 4] = value, np.nan
        ours, expected = quantize(image, (20, 20), 4, method), quantize(holed, (20, 20), 4, method)
        assert ours[0] == expected[0]
        assert ours[1] == expected[1]
        assert np.array_equal(ours[3], expected[3])
        assert ours[3][0][64] == NULL

    def test_exact_zeros_are_marked_under_dither_2_alone(self):
        image = np.random.default_rng(1).normal(size=(20, 20))
        image[3, 4], image[3, 5] = 0.0, -0.0
        for method in DITHER_METHODS:
            stored = quantize(image, (20, 20), 4, method)[3][0]
            assert ((stored[[64, 65]] == ZERO) == (method == "SUBTRACTIVE_DITHER_2")).all()

    @pytest.mark.parametrize("image", [np.zeros((1, 1)), np.full((9, 9), 3.0), np.arange(8.0).reshape(2, 4)])
    def test_a_tile_whose_noise_cannot_be_told_is_left_alone(self, image):
        scale, zero, quantized, _ = quantize(image, image.shape, 4, "NO_DITHER")
        assert (scale[0], zero[0], quantized[0]) == (0.0, 0.0, False)

    def test_a_fixed_quantum_is_kept_to_the_last_bit(self):
        image = np.random.default_rng(1).normal(size=(20, 20))
        assert quantize(image, (20, 20), -0.1, "NO_DITHER")[0][0] == 0.1

    @pytest.mark.parametrize("method", DITHER_METHODS)
    @pytest.mark.parametrize(("pixel", "level"), [(1e30, -0.3), (1e300, -1e-10), (3e38, -1e-320), (0.7e30, -0.7)])
    def test_numbers_far_beyond_the_quantum_come_back_as_they_are_or_are_left_alone(self, pixel, level, method):
        scale, zero, quantized, (stored,) = quantize(np.full((9, 9), pixel), (9, 9), level, method)
        if quantized[0]:
            assert (np.abs(stored.astype("f8")) <= 2147483647 - 3).all()
            assert (stored * scale + zero == pixel).all()

    @pytest.mark.parametrize("level", [-1e308, 1e308, 1e-320])
    def test_any_level_ends_in_finite_scales_or_in_no_quantisation(self, level):
        image = np.random.default_rng(1).normal(size=(20, 20))
        scale, zero, _, _ = quantize(image, (20, 20), level, "SUBTRACTIVE_DITHER_2")
        assert np.isfinite([scale[0], zero[0]]).all()

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_pixels_at_the_end_of_their_range_are_taken_without_a_warning(self, dtype):
        limits = np.finfo(dtype)
        image = np.random.default_rng(1).choice([limits.max, limits.min, limits.tiny, 0], (30, 30)).astype(dtype)
        assert not quantize(image, (30, 30), 4, "SUBTRACTIVE_DITHER_1")[2][0]

    def test_an_unknown_method_is_refused(self):
        with pytest.raises(InvalidParameter, match="ZQUANTIZ"):
            quantize(np.zeros((2, 2)), (2, 2), 4, "DITHER")


class TestNoise:
    @pytest.mark.parametrize("sigma", [0.01, 3.0, 1e5])
    def test_the_noise_of_a_slope_is_that_of_its_noise(self, sigma):
        image = np.random.default_rng(3).normal(0, sigma, (100, 100)) + 20 * sigma * np.arange(100)
        assert noise(image.ravel(), None, 100) == pytest.approx(sigma, rel=0.1)

    def test_constant_rows_and_holes_do_not_count(self):
        image = np.random.default_rng(3).normal(0, 2, (100, 100))
        image[:50], image[60:70, 10:90] = 5, np.nan
        assert noise(image.ravel(), np.isfinite(image).ravel(), 100) == pytest.approx(2, rel=0.15)

    def test_the_result_does_not_depend_on_how_rows_are_handled(self):
        rows = np.random.default_rng(3).normal(0, 2, (40, 60))
        holed = np.insert(rows, [7, 20, 20], np.nan, axis=1)
        assert noise(holed.ravel(), np.isfinite(holed).ravel(), 63) == noise(rows.ravel(), None, 60)

    def test_windows_without_change_are_left_out(self):
        row = np.array([0, 1, 5, 5, 5, 5, 5, 2, 4, 9, 7, 1.5])
        second = sorted(abs(row[i + 4] - row[i + 6]) for i in range(4) if len(set(row[i + 4 : i + 7])) > 1)
        windows = [row[i : i + 9] for i in range(4) if len(set(row[i + 2 : i + 7])) > 1]
        third = sorted(abs(2 * v[4] - v[2] - v[6]) for v in windows)
        fifth = sorted(abs(6 * v[4] - 4 * v[2] - 4 * v[6] + v[0] + v[8]) for v in windows)
        assert len(second) == len(third) == 3
        medians = [values[(len(values) - 1) // 2] for values in (second, third, fifth)]
        expected = min(s * m for s, m in zip((1.0483579, 0.6052697, 0.1772048), medians, strict=True) if m)
        assert noise(row, None, 12) == expected

    @pytest.mark.parametrize(
        ("shape", "length"),
        [((4, 9), 9), ((4, 8), 32), ((4, 20, 1), 20), ((3, 4, 5), 60), ((1, 1), 1), ((7,), 7), ((12, 1, 1), 12)],
    )
    def test_rows_run_along_the_last_axis_unless_it_is_short(self, shape, length):
        assert row_lengths(np.array([shape], dtype=np.int64)).tolist() == [length]


@pytest.mark.parametrize(
    ("level", "effective"), [(4, 4), (0, 4), (-0.0, 4), (4.1, float(np.float32(4.1))), (-4.1, -4.1), (1e300, 1e300)]
)
def test_a_level_has_the_precision_of_cfitsio_and_a_quantum_its_own(level, effective):
    assert effective_level(level) == effective
