"""Compressed images and other libraries: what they write is read here bit for bit, and the other way round."""

from __future__ import annotations

import shutil
import subprocess
import warnings

import numpy as np
import pytest

import rustfits

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
pytest.importorskip("astropy", reason="peer not installed: astropy")
from astropy.io import fits as astropy_fits  # noqa: E402

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"]
CASES = [((60, 47), None), ((60, 47), (16, 20)), ((5, 13, 17), (2, 5, 8)), ((301,), (64,))]


def installed(name):
    return pytest.param(name, marks=pytest.mark.skipif(name not in rustfits.codecs(), reason=f"no plugin for {name}"))


def program(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"peer not installed: {name}")


def pixels_of(dtype, shape, seed=0):
    noise = np.random.default_rng(seed).normal(60, 15, shape)
    if dtype[0] == "f":
        return noise.astype(dtype)
    limits = np.iinfo(dtype)
    pixels = (noise + (limits.max // 2 if dtype[0] == "u" else 0)).astype(dtype)
    pixels.reshape(-1)[[1, -1]] = limits.min, limits.max
    return pixels


def assert_same(found, expected):
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


def can_hold(algorithm, dtype):
    return dtype[0] != "f" or algorithm.startswith("GZIP")


def codec_class(algorithm):
    return {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "RICE_1": "Rice1"}[algorithm]


ALGORITHMS = [installed("GZIP_1"), installed("GZIP_2"), installed("RICE_1")]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_libraries_read_what_is_written_here(algorithm, tmp_path):
    path = tmp_path / "ours.fits"
    written = []
    with rustfits.FITS(path, "w+") as handle:
        for dtype in DTYPES:
            for heap_format, (shape, tile) in zip("PQPP", CASES, strict=True):
                if can_hold(algorithm, dtype):
                    written.append(pixels_of(dtype, shape))
                    codec = getattr(rustfits, codec_class(algorithm))(tile_shape=tile, heap_format=heap_format)
                    handle.write_image(written[-1], compress=codec, extname=f"{dtype}", header={"OBJECT": "M 13"})
    with warnings.catch_warnings(), astropy_fits.open(path) as peer:
        warnings.simplefilter("ignore")
        for index, pixels in enumerate(written, start=1):
            assert_same(fitsio.read(str(path), ext=index), pixels)
            assert_same(np.asarray(peer[index].data), pixels)
            assert peer[index].header["OBJECT"] == "M 13"


@program("funpack")
@program("fitsverify")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_pass_fitsverify_and_funpack_restores_them(algorithm, tmp_path):
    path, plain = tmp_path / "ours.fits", tmp_path / "plain.fits"
    with rustfits.FITS(path, "w+") as handle:
        codec = getattr(rustfits, codec_class(algorithm))
        handle.create_image_hdu("i4", (0, 5), compress=codec())
        handle.create_image_hdu("f4", (8, 9), compress=codec(), quantize=rustfits.Quantize(), extname="EMPTY")
        for dtype in DTYPES:
            for shape, tile in CASES:
                if can_hold(algorithm, dtype):
                    hdu = handle.write_image(pixels_of(dtype, shape), compress=codec(tile_shape=tile))
                    hdu.write(pixels_of(dtype, shape, seed=1))
                    hdu.add_checksum()
    verdict = subprocess.run(["fitsverify", path], capture_output=True, text=True, check=False).stdout
    assert "found 0 warning(s) and 0 error(s)" in verdict, verdict
    # Images without pixels are kept out of this: funpack cannot restore tiles that were never written.
    with rustfits.FITS(path) as handle, rustfits.FITS(tmp_path / "full.fits", "w+") as full:
        for hdu in handle.hdus[3:]:
            full.write_image(hdu.read(), compress=hdu.compression)
    subprocess.run(["funpack", "-O", plain, tmp_path / "full.fits"], check=True)
    with rustfits.FITS(tmp_path / "full.fits") as full, rustfits.FITS(plain) as restored:
        assert len(full) == len(restored)
        for hdu, other in zip(full.hdus[1:], restored.hdus[1:], strict=True):
            assert_same(other.read(), hdu.read())


@pytest.mark.parametrize("seed", range(60))
def test_what_fitsio_writes_is_read_here(seed):
    random = np.random.default_rng(seed)
    dtype = random.choice([name for name in DTYPES if name != "i1"])
    algorithm = random.choice([name for name in ("GZIP_1", "GZIP_2", "RICE_1") if name in rustfits.codecs()])
    shape = (*random.integers(1, 20, random.integers(0, 3)), random.integers(2, 40))
    tile = tuple(random.integers(1, 20, len(shape)).tolist())
    pixels = pixels_of(dtype, shape, seed)
    arguments = {"compress": algorithm, "tile_dims": tile}
    if dtype[0] == "f" and can_hold(algorithm, dtype) and random.integers(3) == 0:
        arguments["qlevel"] = 0  # without loss
    elif dtype[0] == "f":
        arguments |= {
            "qlevel": 4,
            "qmethod": int(random.choice([-1, 1, 2])),
            "dither_seed": int(random.integers(1, 10000)),
        }
        pixels.reshape(-1)[:: random.integers(2, 30)] = random.choice([0, np.nan])
    with warnings.catch_warnings(), fitsio.FITS("mem://", "rw") as peer:
        warnings.simplefilter("ignore")
        peer.write(pixels, **arguments)
        expected = peer[1].read()
        raw = peer.read_raw()
    with rustfits.FITS.from_bytes(raw) as handle:
        assert_same(handle[1].read(), expected)
        assert_same(handle[1][..., 1::3], expected[..., 1::3])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("method", [-1, 1, 2])
def test_what_astropy_writes_is_read_here(algorithm, dtype, method, tmp_path):
    if dtype[0] != "f" and method != 1:
        pytest.skip("only floats are quantised")
    path = tmp_path / "theirs.fits"
    pixels = pixels_of(dtype, (50, 61))
    if dtype[0] == "f":
        pixels[3, ::5] = np.nan
        pixels[7, 3:20] = 0
        pixels[12:16] = 7.5  # constant rows cannot be quantised
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"quantize_method": method, "dither_seed": 77, "quantize_level": 16} if dtype[0] == "f" else {}
        hdu = astropy_fits.CompImageHDU(pixels, compression_type=algorithm, tile_shape=(7, 20), **options)
        astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu]).writeto(path)
        with astropy_fits.open(path) as peer:
            expected = np.asarray(peer[1].data)
    with rustfits.FITS(path) as handle:
        found = handle[1].read()
        assert_same(found, expected)
        assert_same(handle[1][2:40:3, 17:44], expected[2:40:3, 17:44])


@program("fpack")
@pytest.mark.parametrize(
    "options", [["-r"], ["-g1"], ["-g2"], ["-r", "-q", "8"], ["-r", "-q0", "4"], ["-r", "-qz", "4"]]
)
@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4"])
def test_what_fpack_writes_is_read_here(options, dtype, tmp_path):
    if "-r" in options and "RICE_1" not in rustfits.codecs():
        pytest.skip("no plugin for RICE_1")
    path, packed = tmp_path / "plain.fits", tmp_path / "packed.fits"
    pixels = pixels_of(dtype, (70, 83))
    if dtype == "f4":
        pixels[5, 5:9] = np.nan
        pixels[9, :40] = 0
    with rustfits.FITS(path, "w+") as handle:
        handle.write_image(pixels)
    subprocess.run(["fpack", *options, "-t", "83,10", "-O", packed, path], check=True, capture_output=True)
    expected = fitsio.read(str(packed), ext=1)
    with rustfits.FITS(packed) as handle:
        assert_same(handle[1].read(), expected)
        if dtype != "f4":
            assert_same(expected, pixels)
            assert handle[1].verify_checksum() is True
            assert handle[1].verify_datasum() is None  # there is no ZDATASUM
