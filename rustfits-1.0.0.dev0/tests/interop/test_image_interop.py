"""Uncompressed images as other software writes and reads them, bit for bit."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits import FITS

afits = pytest.importorskip("astropy.io.fits", reason="astropy reads and writes the same files")
fitsio = pytest.importorskip("fitsio", reason="fitsio (CFITSIO) reads and writes the same files")

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def pixels_of(dtype, shape, seed=0):
    raw = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype=np.uint8)
    pixels = raw.view(dtype).reshape(shape)
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        pixels.reshape(-1)[:2] = [limits.min, limits.max][: pixels.size]
    else:
        # The one NaN that CFITSIO writes, whatever it is given; and no number so small that it writes 0 instead.
        pixels[~np.isfinite(pixels) | (abs(pixels) < np.finfo(dtype).tiny)] = np.nan
        pixels.reshape(-1)[0] = np.nan
        pixels.view(f"u{pixels.itemsize}")[np.isnan(pixels)] = 2 ** (8 * pixels.itemsize) - 1
    return pixels


def same_bits(found, expected):
    native = found.astype(found.dtype.newbyteorder("="))
    return native.dtype == expected.dtype and native.shape == expected.shape and native.tobytes() == expected.tobytes()


def assert_fitsverify_is_content(path):
    program = shutil.which("fitsverify")
    if program is None:
        pytest.skip("fitsverify (the checker of HEASARC) is not installed")
    done = subprocess.run([program, "-q", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("verification OK"), done.stdout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (17,), (5, 7), (3, 4, 5), (2, 3, 4, 5), (1, 2, 1, 2, 1, 2, 1, 2, 3)])
def test_others_read_what_was_written_here(tmp_path, dtype, shape):
    path = tmp_path / "ours.fits"
    pixels = pixels_of(dtype, shape)
    with FITS(path, "w+") as fits:
        fits.write_image(pixels)
        fits.write_image(pixels, extname="SCI", extver=3)
        fits[1].add_checksum()
        fits[0].add_checksum()
    with afits.open(path, uint=True, checksum=True) as theirs:  # a wrong sum is a warning, hence an error
        assert theirs[1].name == "SCI"
        assert theirs[1].ver == 3
        for hdu in theirs:
            assert hdu.verify_checksum() == 1
            assert hdu.verify_datasum() == 1
            assert same_bits(hdu.data, pixels)
    if dtype != "u8":  # fitsio cannot read its own files of such numbers either: "Numerical overflow"
        with fitsio.FITS(str(path)) as theirs:
            for hdu in theirs:
                assert same_bits(hdu.read(), pixels)
    assert_fitsverify_is_content(path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(17,), (5, 7), (2, 3, 4, 5)])
def test_what_astropy_wrote_is_read_here(tmp_path, dtype, shape):
    path = tmp_path / "theirs.fits"
    pixels = pixels_of(dtype, shape)
    hdus = afits.HDUList([afits.PrimaryHDU(pixels), afits.ImageHDU(pixels, name="SCI", ver=2)])
    hdus.writeto(path, checksum=True)
    with FITS(path) as fits:
        for hdu in fits:
            assert same_bits(hdu.read(), pixels)
            assert hdu.verify_checksum() is True
            assert hdu.verify_datasum() is True
        assert (fits[1].extname, fits[1].extver) == ("SCI", 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(17,), (5, 7), (2, 3, 4, 5)])
def test_what_cfitsio_wrote_is_read_here(tmp_path, dtype, shape):
    path = tmp_path / "theirs.fits"
    pixels = pixels_of(dtype, shape)
    with fitsio.FITS(str(path), "rw", clobber=True) as theirs:
        theirs.write(pixels)
        theirs.write(pixels, extname="SCI")
        theirs[0].write_checksum()
        theirs[1].write_checksum()
    with FITS(path) as fits:
        for hdu in fits:
            assert same_bits(hdu.read(), pixels)
            assert hdu.verify_checksum() is True
            assert hdu.verify_datasum() is True


@settings(max_examples=40)
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=30), st.sampled_from(DTYPES), st.data())
def test_sections_are_those_that_astropy_cuts_out(tmp_path_factory, shape, dtype, data):
    path = tmp_path_factory.mktemp("sections") / "image.fits"
    pixels = pixels_of(dtype, shape)
    with FITS(path, "w+") as fits:
        fits.write_image(pixels)
    first = [data.draw(st.integers(0, size - 1)) for size in shape]
    stop = [data.draw(st.integers(begin + 1, size)) for begin, size in zip(first, shape, strict=True)]
    key = tuple(slice(begin, end) for begin, end in zip(first, stop, strict=True))
    with FITS(path) as fits, afits.open(path, uint=True) as theirs:
        assert same_bits(fits[0][key], np.ascontiguousarray(pixels[key]))
        assert np.array_equal(theirs[0].section[key], fits[0][key], equal_nan=pixels.dtype.kind == "f")


@settings(max_examples=25)
@given(st.sampled_from(["u1", "i2", "i4", "f4", "f8"]), st.floats(1e-6, 1e3), st.floats(-1e6, 1e6))
def test_scaled_pixels_are_those_of_astropy(tmp_path_factory, dtype, bscale, bzero):
    path = tmp_path_factory.mktemp("scaled") / "image.fits"
    stored = pixels_of(dtype, (9, 11))
    if stored.dtype.kind == "f":
        stored = np.nan_to_num(stored, posinf=0, neginf=0) % 1000
    hdu = afits.PrimaryHDU(stored)
    hdu.header["BSCALE"] = bscale
    hdu.header["BZERO"] = bzero
    hdu.writeto(path)
    with FITS(path) as fits, fitsio.FITS(str(path)) as theirs:
        ours = fits[0].read()
        if fits[0].header["BSCALE"] != 1 or fits[0].header["BZERO"] != 0:
            assert ours.dtype == np.dtype("f8")
            expected = stored.astype("f8") * fits[0].header["BSCALE"] + fits[0].header["BZERO"]
            assert ours.tobytes() == expected.tobytes()
        # CFITSIO may join multiplication and addition, and rounds to f4 for short integers.
        assert np.allclose(theirs[0].read().astype("f8"), ours, rtol=2e-6, atol=2e-6 * (abs(bzero) + 1e3 * abs(bscale)))


def test_blank_pixels_are_those_of_astropy(tmp_path):
    path = tmp_path / "blank.fits"
    masked = np.ma.MaskedArray(pixels_of("i2", (20, 30)), np.random.default_rng(1).random((20, 30)) < 0.2)
    with FITS(path, "w+") as fits:
        fits.write_image(masked, blank=-32768, bscale=0.5)
        mask = fits[0].read(mask_blank=True).mask
    with afits.open(path) as theirs:
        assert np.array_equal(np.isnan(theirs[0].data), mask)
    assert (mask | ~np.asarray(masked.mask)).all()
    assert_fitsverify_is_content(path)


def test_edited_files_stay_clean(tmp_path):
    path = tmp_path / "edited.fits"
    rows = pixels_of("u2", (700, 11))
    with FITS(path, "w+") as fits:
        fits.create_image_hdu("u2", (0, 11), extname="ROWS")
        fits.write_image(pixels_of("f4", (50, 50)), extname="REST")
    with FITS(path, "r+") as fits:
        for first in range(0, 700, 100):
            fits["ROWS"].extend(rows[first : first + 100])
        fits["ROWS"][3:600:7, ::2] = 5
        fits["ROWS"].write(rows[:2], start=(698, 0))
        for hdu in fits:
            hdu.add_checksum()
    expected = rows.copy()
    expected[3:600:7, ::2] = 5
    expected[698:] = rows[:2]
    with fitsio.FITS(str(path)) as theirs:
        assert same_bits(theirs["ROWS"].read(), expected)
        assert same_bits(theirs["REST"].read(), pixels_of("f4", (50, 50)))
    with afits.open(path, uint=True, checksum=True) as theirs:
        assert same_bits(theirs["ROWS"].data, expected)
    assert_fitsverify_is_content(path)


def test_sums_of_edited_files_are_refreshed_for_others(tmp_path):
    path = tmp_path / "sums.fits"
    hdus = afits.HDUList([afits.PrimaryHDU(pixels_of("i4", (30, 40)))])
    hdus.writeto(path, checksum=True)
    with FITS(path, "r+") as fits:
        fits[0][4] = 9
        assert fits[0].verify_checksum() is False
        fits[0].add_checksum()
    with afits.open(path, checksum=True) as theirs:
        assert theirs[0].verify_checksum() == 1
        assert theirs[0].data[4].tolist() == [9] * 40
    assert_fitsverify_is_content(path)
