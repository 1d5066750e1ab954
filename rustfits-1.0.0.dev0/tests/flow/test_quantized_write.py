"""Quantised floats written and read back: what is promised of every pixel, whatever the algorithm."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import rustfits
from rustfits import FITS, Quantize
from rustfits.codec import choice

CODECS = {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "RICE_1": "Rice1", "HCOMPRESS_1": "Hcompress1"}
METHODS = ["no_dither", "dither1", "dither2"]
SHAPE, TILE = (40, 60), (8, 15)
NULL, ZERO = -2147483647, -2147483646


@pytest.fixture(params=list(CODECS))
def codec(request):
    if request.param not in rustfits.codecs():
        pytest.skip(f"codec not installed: {request.param}")
    return getattr(rustfits, CODECS[request.param])(tile_shape=TILE)


def noise(dtype, shape=SHAPE, seed=0, sigma=10.0):
    return np.random.default_rng(seed).normal(100, sigma, shape).astype(dtype)


def written(pixels, codec, **settings):
    """Return what is read back, and the table: ZSCALE and ZZERO by tile, and the bytes of each column."""
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=codec, quantize=Quantize(**settings))
        start, nrows = hdu._extent.data_start, hdu.header["NAXIS2"]
        raw = np.frombuffer(file.to_bytes(), np.uint8)[start : start + nrows * hdu.header["NAXIS1"]]
        kind = [("coded", ">i4", 2), ("scale", ">f8"), ("zero", ">f8"), ("gzipped", ">i4", 2)]
        table = raw.view(kind)
        hdu.clear_tile_cache()
        found = hdu.read()
        assert hdu.header["ZQUANTIZ"] == Quantize(**settings).zquantiz
        assert hdu.header["ZBLANK"] == NULL
        with FITS.from_bytes(file.to_bytes()) as again:
            np.testing.assert_array_equal(again[1].read(), found)
    return found, table


def file_bytes(pixels, codec, settings):
    with FITS("mem://", "w+") as file:
        file.write_image(pixels, compress=codec, quantize=Quantize(**settings))
        return file.to_bytes()


def scale_of(pixels, table, tile=TILE):
    """Return the ZSCALE of the tile of each pixel; 0 for those without loss."""
    grid = [-(-npixels // length) for npixels, length in zip(pixels.shape, tile, strict=True)]
    scale = table["scale"].reshape(grid).astype("f8")
    return scale.repeat(tile[0], 0).repeat(tile[1], 1)[: pixels.shape[0], : pixels.shape[1]]


def assert_within_half_a_quantum(found, pixels, table, tile=TILE):
    good = np.isfinite(pixels)
    np.testing.assert_array_equal(np.isnan(found), ~good)
    allowed = scale_of(pixels, table, tile) / 2 * (1 + 1e-6) + np.spacing(np.abs(np.where(good, pixels, 0)))
    assert (np.abs(found.astype("f8") - pixels)[good] <= allowed[good]).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [4, 0, 16, 0.3, -0.5, -7.25])
def test_no_pixel_is_farther_off_than_half_a_quantum(codec, dtype, method, level):
    pixels = noise(dtype)
    found, table = written(pixels, codec, level=level, method=method, seed=99)
    assert found.dtype == pixels.dtype
    assert (table["scale"] > 0).all()
    assert (table["gzipped"] == 0).all()
    assert_within_half_a_quantum(found, pixels, table)
    if level < 0:
        assert (table["scale"] == -level).all()
    else:
        assert np.median(table["scale"]) == pytest.approx(10 / (level or 4), rel=0.2)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_read_back_as_nan_and_harms_no_neighbour(codec, dtype, method, bad):
    pixels = noise(dtype)
    pixels[3, 5], pixels[11, :9], pixels[24:32, 15:30] = bad, bad, bad  # the last is a tile of its own
    pixels[0, 0], pixels[39, 59] = bad, bad
    found, table = written(pixels, codec, method=method)
    assert_within_half_a_quantum(found, pixels, table)
    row = 3 * 4 + 1
    assert table["coded"][row, 0] > 0
    assert (table["scale"][row], np.isfinite(table["zero"][row])) == (0.25, True)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_image_of_nothing_but_nan_is_kept(codec, dtype):
    found, _ = written(np.full(SHAPE, np.nan, dtype), codec)
    assert np.isnan(found).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
def test_tiles_that_cannot_be_quantised_are_kept_to_the_last_bit(codec, dtype, method):
    pixels = noise(dtype)
    pixels[:8, :15] = 7.1  # constant
    pixels[8:16, :15] = np.arange(120).reshape(8, 15)  # no noise
    pixels[16, 0] = 1e15  # beyond 32 bits
    pixels[24:32, :15] = 0.0
    found, table = written(pixels, codec, method=method)
    rows = np.array([0, 4, 8, 12])
    assert (table["coded"][rows] == 0).all()
    assert (table["gzipped"][rows, 0] > 0).all()
    assert (table["scale"][rows] == 0).all()
    for top in (0, 8, 16, 24):
        assert found[top : top + 8, :15].tobytes() == pixels[top : top + 8, :15].tobytes()
    assert_within_half_a_quantum(found, pixels, table)
    assert (np.delete(table["coded"][:, 0], rows) > 0).all()


@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2", "RICE_1"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("pixel", [0.1, np.nan, np.inf, -0.0, 1e-320])
def test_tiles_of_one_pixel_are_kept_to_the_last_bit(name, dtype, pixel):
    if name not in rustfits.codecs():
        pytest.skip(f"codec not installed: {name}")
    pixels = np.array([[1.5, pixel], [2.5, 1 / 3]], dtype)
    found, table = written(pixels, getattr(rustfits, CODECS[name])(tile_shape=(1, 1)), method="dither2")
    assert found.tobytes() == pixels.tobytes()
    assert (table["gzipped"][:, 0] > 0).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_zeros_stay_zeros_with_dither2_alone(codec, dtype):
    pixels = noise(dtype, sigma=20)
    pixels[::3, ::2] = 0
    pixels[::3, 1::8] = -0.0
    exact = {}
    for method in METHODS:
        found, table = written(pixels, codec, method=method, seed=3)
        assert_within_half_a_quantum(found, pixels, table)
        exact[method] = bool((found[pixels == 0] == 0).all())
    # Without dither and without NaN the origin is a multiple of the quantum, so that zero is one, too.
    assert exact == {"no_dither": True, "dither1": False, "dither2": True}


def test_no_dither_adds_no_dither(codec):
    """Multiples of the quantum come back as they were, which dither would not let them."""
    pixels = np.random.default_rng(5).integers(-1000, 1000, SHAPE) * 0.5
    for dtype in ("f4", "f8"):
        found, _ = written(pixels.astype(dtype), codec, level=-0.5, method="no_dither", seed=77)
        np.testing.assert_array_equal(found, pixels)
        dithered, _ = written(pixels.astype(dtype), codec, level=-0.5, method="dither1", seed=77)
        assert (dithered != pixels).any()
    assert file_bytes(pixels, codec, {"method": "no_dither", "seed": 1, "level": -0.5})


@pytest.mark.parametrize("level", [1e-300, 1e-30, 1e-3, 1e6, 1e30, 1e300, -1e-300, -1e-12, -1e12, -1e300])
@pytest.mark.parametrize("method", METHODS)
def test_any_level_gives_pixels_within_half_a_quantum_or_without_loss(codec, level, method):
    for dtype in ("f4", "f8"):
        pixels = noise(dtype)
        pixels[0, 3] = np.nan
        found, table = written(pixels, codec, level=level, method=method)
        with np.errstate(all="ignore"):
            assert_within_half_a_quantum(found, pixels, table)


def test_a_quantum_is_taken_to_the_last_bit():
    """CFITSIO rounds it to single precision first; -0.1 asks for a quantum of 0.1 here."""
    _, table = written(noise("f8"), rustfits.Gzip2(tile_shape=TILE), level=-0.1)
    assert (table["scale"] == 0.1).all()


def test_level_0_is_level_4(codec):
    assert file_bytes(noise("f4"), codec, {"level": 0}) == file_bytes(noise("f4"), codec, {"level": 4})


@pytest.mark.parametrize("seed", [1, 9999, 10_000, 10_001, 123_456, 2**31 - 1, 2**31, 2**62, 10**25])
def test_any_seed_is_kept_and_read_back(seed):
    pixels = noise("f4")
    found, table = written(pixels, rustfits.Gzip2(tile_shape=TILE), seed=seed)
    assert_within_half_a_quantum(found, pixels, table)
    with FITS.from_bytes(file_bytes(pixels, rustfits.Gzip2(tile_shape=TILE), {"seed": seed})) as file:
        assert file[1].header["ZDITHER0"] == seed


def test_seeds_make_different_files_of_the_same_pixels():
    pixels = noise("f4")
    found = [written(pixels, rustfits.Gzip2(tile_shape=TILE), seed=seed)[0] for seed in (1, 2, 10_001)]
    assert (found[0] != found[1]).any()
    np.testing.assert_array_equal(found[0], found[2])  # the seed goes round after 10000


class TestSeedsThatAreChosen:
    def test_checksum_gives_one_seed_to_the_same_pixels(self):
        with FITS("mem://", "w+") as file:
            seeds = [
                file.write_image(pixels, compress="GZIP_2", quantize=Quantize(seed="checksum")).header["ZDITHER0"]
                for pixels in (noise("f4"), noise("f4"), noise("f4", seed=1))
            ]
        assert seeds[0] == seeds[1] != seeds[2]
        assert all(1 <= seed <= 10000 for seed in seeds)

    def test_checksum_is_taken_from_what_is_written_last(self):
        with FITS("mem://", "w+") as file:
            file.create_image_hdu("f4", SHAPE, compress="GZIP_2", quantize=Quantize(seed="checksum"))
            assert file[1].header["ZDITHER0"] == 1
            seeds = []
            for number in (0, 1, 0):
                file[1].write(noise("f4", seed=number))
                seeds.append(file[1].header["ZDITHER0"])
                assert abs(file[1].read() - noise("f4", seed=number)).max() < 2
        assert seeds[0] == seeds[2] != seeds[1]

    def test_clock_gives_a_seed_from_1_to_10000(self, monkeypatch):
        import time

        seeds = set()
        for now in (1_700_000_000_000_000_000, 1_700_000_000_123_456_789):
            monkeypatch.setattr(time, "time_ns", lambda now=now: now)
            with FITS("mem://", "w+") as file:
                hdu = file.write_image(noise("f4"), compress="GZIP_2", quantize=Quantize(seed="clock"))
                seeds.add(hdu.header["ZDITHER0"])
        assert len(seeds) == 2
        assert all(1 <= seed <= 10000 for seed in seeds)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_no_byte(codec, dtype, method, shared_out):
    pixels = noise(dtype, (140, 131))
    pixels[5, 5:80], pixels[30:38, 45:60], pixels[100:104] = np.nan, 3.0, 0.0
    files = []
    for nthreads in (1, 2, 7):
        shared_out.use(nthreads)
        files.append(file_bytes(pixels, codec, {"method": method}))
        assert bool(shared_out.asked) == (nthreads > 1)
    assert files[0] == files[1] == files[2]


WRITE = """
import hashlib, sys, numpy as np, rustfits
rng = np.random.default_rng(8)
for name in sys.argv[1:]:
    for dtype in ("f4", "f8"):
        for method in ("no_dither", "dither1", "dither2"):
            for level in (4, 1.7, -0.25, -1e300):
                pixels = rng.normal(50, 9, (67, 91)).astype(dtype)
                pixels[rng.random(pixels.shape) < 0.05] = rng.choice([0, np.nan, np.inf, 1e9])
                pixels[10:20] = np.round(pixels[10:20])
                codec = getattr(rustfits, name)(tile_shape=(17, 29))
                quantize = rustfits.Quantize(level=level, method=method, seed=4711)
                with rustfits.FITS("mem://", "w+") as file:
                    hdu = file.write_image(pixels, compress=codec, quantize=quantize)
                    data = hdu.read()
                    start = hdu._extent.data_start
                    table = file.to_bytes()[start : start + hdu.header["NAXIS1"] * hdu.header["NAXIS2"]]
                rows = np.frombuffer(table, [("d", "V8"), ("n", ">f8", 2), ("g", "V8")])
                print(hashlib.sha256(rows["n"].tobytes() + data.tobytes()).hexdigest())
"""


def test_the_kernels_change_no_bit_of_scales_and_pixels():
    """The bytes of gzip streams may differ between zlib and other encoders; what they hold may not."""
    if choice.active().name == "numpy" and not os.environ.get("RUSTFITS_KERNELS"):
        pytest.skip("plugin not installed: accel")
    names = [CODECS[name] for name in CODECS if name in rustfits.codecs()]
    outputs = []
    for kernels in ("numpy", ""):
        environment = {**os.environ, "RUSTFITS_KERNELS": kernels}
        done = subprocess.run(
            [sys.executable, "-c", WRITE, *names], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout.split())
    assert len(outputs[0]) == 24 * len(names)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("given", ["f8", "i2", "u1", ">f4", "u4", "i8"])
def test_any_real_numbers_are_quantised(given):
    pixels = np.random.default_rng(2).normal(100, 10, SHAPE).astype(given)
    with FITS("mem://", "w+") as file:
        file.create_image_hdu("f4", SHAPE, compress="GZIP_2", quantize=Quantize(level=16))
        file[1].write(pixels)
        assert abs(file[1].read() - pixels.astype("f4")).max() < 1


def test_masked_pixels_are_nan(codec):
    pixels = np.ma.masked_greater(noise("f4"), 120)
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=codec, quantize=Quantize())
        np.testing.assert_array_equal(np.isnan(hdu.read()), pixels.mask)


def test_writing_again_uses_the_level_and_the_method_of_the_first_time(codec):
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(noise("f4"), compress=codec, quantize=Quantize(level=-3, method="dither2", seed=8))
        hdu.write(noise("f4", seed=1))
        settings = {"level": -3, "method": "dither2", "seed": 8}
        assert file.to_bytes() == file_bytes(noise("f4", seed=1), codec, settings)


def test_one_axis_and_many_are_quantised(codec):
    if codec.zcmptype == "HCOMPRESS_1":
        shapes = [((6, 30, 40), (1, 15, 20))]
    else:
        shapes = [((500,), (77,)), ((5, 30, 40), (2, 15, 20)), ((2, 2, 3, 9, 11), (1, 2, 2, 5, 11))]
    for shape, tile in shapes:
        pixels = noise("f4", shape)
        found, table = written(pixels, type(codec)(tile_shape=tile))
        assert abs(found - pixels).max() <= table["scale"].max() / 2 + 1e-5
