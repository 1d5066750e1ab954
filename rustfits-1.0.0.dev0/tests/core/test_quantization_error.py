"""What rounding does to pixels: the function agrees with what is written and read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    level=st.sampled_from([1.0, 4.0, 20.0, -0.5]),
    dtype=st.sampled_from(["f4", "f8"]),
    method=st.sampled_from(["dither1", "dither2", "no_dither"]),
    nulls=st.booleans(),
)
def test_it_is_the_difference_of_what_is_written_and_read(seed, level, dtype, method, nulls):
    noise = np.random.default_rng(seed)
    pixels = noise.normal(100, 7, (23, 61)).astype(dtype)
    if nulls:
        pixels[noise.random(pixels.shape) < 0.2] = np.nan
    quantize = rustfits.Quantize(level=level, method=method, seed=1)
    found = rustfits.quantization_error(pixels, "GZIP_2", quantize)
    with rustfits.FITS("mem://", "w+") as fits:
        back = fits.write_image(pixels, compress="GZIP_2", quantize=quantize).read()
        header = fits[1].header
        nbytes = header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]
    expected = back.astype("f8") - pixels
    assert np.array_equal(found.difference, expected, equal_nan=True)
    away = np.abs(expected[np.isfinite(expected)]) / found.noise
    assert found.largest == away.max()
    assert found.rms == pytest.approx(np.sqrt((away**2).mean()))
    assert found.ratio == pixels.nbytes / nbytes
    if level == -0.5:
        assert found.largest * found.noise <= 0.25 * (1 + 1e-5)


def test_the_noise_is_that_of_the_image_without_its_slopes():
    noise = np.random.default_rng(3)
    pixels = noise.normal(0, 5, (200, 300)) + np.arange(300) * 0.5
    assert rustfits.quantization_error(pixels, "GZIP_2", rustfits.Quantize(seed=1)).noise == pytest.approx(5, rel=0.03)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_nothing_is_lost_where_every_bit_is_kept(dtype):
    pixels = (np.arange(30_000) % 200).reshape(100, 300).astype(dtype)
    found = rustfits.quantization_error(pixels, "GZIP_1")
    assert found.largest == found.rms == 0
    assert not found.difference.any()
    assert found.ratio > 1


def test_flat_images_have_errors_in_pixels():
    pixels = np.full((20, 30), 7.25, "f4")
    found = rustfits.quantization_error(pixels, "GZIP_1", rustfits.Quantize(level=-1.0, method="no_dither"))
    assert found.noise == 0
    assert found.largest == np.abs(found.difference).max()


def test_images_without_pixels_are_refused():
    with pytest.raises(rustfits.UnsupportedPixels, match="no pixel"):
        rustfits.quantization_error(np.zeros((0, 4), "f4"))
    with pytest.raises(rustfits.InvalidParameter, match="NOSUCH_1"):
        rustfits.quantization_error(np.zeros((3, 4), "f4"), "NOSUCH_1")
