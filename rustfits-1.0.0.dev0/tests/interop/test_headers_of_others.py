"""Pixels written with the header of other pixels are read as they were written, by everyone."""

import itertools
import subprocess
import warnings

import numpy as np
import pytest

import rustfits

fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")

DTYPES = ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
SHAPE = (7, 9)
LONG = "a value that is longer than one card can hold, " * 3
USERS = {"LONGSTRN": "OGIP 1.0", "OBJECT": "M 31", "EXPTIME": 30.5, "LONGTEXT": LONG.strip(), "ESO DET DIT": 3}
USERS |= {"ZPT": 25.0, "TEMP1": -20.5, "CTYPE1": "RA---TAN", "CRPIX1": 4.5, "CRVAL1": 10.25}
USERS |= {"CTYPE2": "DEC--TAN", "CRPIX2": 3.5, "CRVAL2": 41.5, "CDELT1": -0.5, "CDELT2": 0.5}

# What fitsio cannot read: it has no name for the pixels that CFITSIO would give. All else is read by all.
LIMITS = {("u8", "plain"), ("i8", "GZIP_2"), ("u8", "GZIP_2")}


def pixels_of(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.linspace(-1.5, 3.5, 63, dtype=kind).reshape(SHAPE)
    limits = np.iinfo(kind)
    edges = np.array([limits.min, limits.max, 0, 1, limits.max // 2], dtype=kind)
    return np.resize(edges, 63).reshape(SHAPE)


def write_source(path, kind):
    """Write a file of which the header is taken; return the number of the HDU."""
    header = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # of HIERARCH
        for key, value in USERS.items():
            header[key] = (value, "of the source" if len(str(value)) < 20 else "")
    header["EXTNAME"], header["EXTVER"] = "SOURCE", 3
    header["HISTORY"] = "flat fielded"
    header["COMMENT"] = "seen through clouds"
    header[""] = "text of a blank keyword"
    numbers = np.arange(63, dtype="i4").reshape(SHAPE)
    hdus = {
        "u2": lambda: fits.ImageHDU(numbers.astype("u2"), header),
        "i4 scaled": lambda: fits.ImageHDU(numbers, header),
        "f4": lambda: fits.ImageHDU(numbers.astype("f4"), header),
        "compressed": lambda: fits.CompImageHDU(numbers.astype("f4"), header, compression_type="RICE_1"),
        "table": lambda: fits.BinTableHDU.from_columns(
            [fits.Column("A", "J", unit="Jy", null=-1, disp="I5", array=numbers[0]), fits.Column("B", "3E", bzero=5.0)],
            header,
        ),
    }
    hdu = hdus[kind]()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True, overwrite=True)
    if kind == "i4 scaled":
        with rustfits.FITS(path, "r+") as file, file[1].header.edit() as edit:
            edit["BSCALE"], edit["BZERO"], edit["BLANK"] = 0.5, 100.0, -2147483648
    return 1


TAKEN = {
    "astropy": lambda path: fits.getheader(path, 1),
    "fitsio": lambda path: fitsio.read_header(str(path), ext=1),
    "rustfits": lambda path: rustfits.read_header(path, 1),
    "to_dict": lambda path: rustfits.read_header(path, 1).to_dict(),
    "dict": lambda path: dict(fits.getheader(path, 1)),
    "dict of fitsio": lambda path: dict(fitsio.read_header(str(path), ext=1)),
}


def write_all(path, header, scaled):
    """Write an HDU of every dtype, plain and compressed, with this header; return what was written."""
    written = []
    with rustfits.FITS(path, "w+") as file:
        file.write_image(pixels_of("f4"), header=header)
        written.append(("f4", "primary", pixels_of("f4")))
        for dtype, compress in itertools.product(DTYPES, (None, "GZIP_2", "RICE_1")):
            if compress == "RICE_1" and dtype in ("i8", "u8", "f4", "f8"):
                continue
            pixels = pixels_of(dtype)
            given = {"bscale": 1} if scaled and dtype == "i4" else {}
            name = f"{dtype}{compress or ''}"
            file.write_image(pixels, compress=compress, header=header, extname=name, extver=1, **given)
            written.append((dtype, compress or "plain", pixels))
    return written


def same(found, pixels):
    return found.dtype.newbyteorder("=") == pixels.dtype and np.array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["u2", "i4 scaled", "f4", "compressed", "table"])
@pytest.mark.parametrize("taken", TAKEN)
def test_pixels_keep_their_meaning_whatever_header_comes_with_them(tmp_path, kind, taken):
    write_source(tmp_path / "source.fits", kind)
    header = TAKEN[taken](tmp_path / "source.fits")
    path = tmp_path / "made.fits"
    written = write_all(path, header, scaled=kind == "i4 scaled")
    wrong = []
    with rustfits.FITS(path) as ours, fits.open(path) as theirs, fitsio.FITS(str(path)) as cfitsio:
        for index, (dtype, form, pixels) in enumerate(written):
            where = kind, taken, dtype, form
            if not same(ours[index].read(), pixels):
                wrong.append(("rustfits", *where))
            if not same(theirs[index].data, pixels):
                wrong.append(("astropy", *where))
            if (dtype, form) not in LIMITS and not same(cfitsio[index].read(), pixels):
                wrong.append(("fitsio", *where))
            assert_cards_came_along(ours[index], form, taken)
            assert ours[index].extname == (
                "SOURCE" if form == "primary" else f"{dtype}{'' if form == 'plain' else form}"
            )
    assert not wrong
    assert_fitsverify_is_content(path)


@pytest.mark.parametrize("kind", ["u2", "i4 scaled", "f4", "compressed", "table"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_that_are_quantised_keep_their_scales_beside_any_header(tmp_path, kind, dtype):
    write_source(tmp_path / "source.fits", kind)
    path = tmp_path / "made.fits"
    pixels = np.random.default_rng(3).normal(100, 5, (40, 50)).astype(dtype)
    quantize = rustfits.Quantize(level=8.0, method="dither2", seed=5)
    with rustfits.FITS(path, "w+") as file:
        alone = file.write_image(pixels, compress="RICE_1", quantize=quantize).read()
        for taken in TAKEN.values():
            header = taken(tmp_path / "source.fits")
            file.write_image(pixels, compress="RICE_1", quantize=quantize, header=header, extname="Q", extver=len(file))
    np.testing.assert_allclose(alone, pixels, atol=2.0)
    with rustfits.FITS(path) as ours, fits.open(path) as theirs, fitsio.FITS(str(path)) as cfitsio:
        for index in range(1, len(ours)):
            assert same(ours[index].read(), alone)
            assert same(theirs[index].data, alone)
            assert same(cfitsio[index].read(), alone)
    assert_fitsverify_is_content(path)


@pytest.mark.parametrize(("dtype", "form"), sorted(LIMITS))
def test_the_limits_of_fitsio_are_its_own(tmp_path, dtype, form):
    path = str(tmp_path / "made.fits")
    with rustfits.FITS(path, "w+") as file:
        index = file.write_image(pixels_of(dtype), compress=None if form == "plain" else form).index
    with fitsio.FITS(path) as cfitsio, pytest.raises(OSError, match="FITSIO status"):
        cfitsio[index].read()


def assert_cards_came_along(hdu, form, taken):
    header = hdu.header
    for key, value in USERS.items():
        assert header[key] == value, (key, form, taken)
    assert "flat fielded" in header["HISTORY"]
    assert "seen through clouds" in header["COMMENT"]
    names = [card[:8].rstrip() for card in header.cards]
    assert names.count("EXTNAME") == names.count("EXTVER") == 1
    for key in ("CHECKSUM", "DATASUM", "TTYPE2", "TUNIT1", "TDISP1", "ZSCALE", "FZALGOR", "BLOCKED"):
        assert key not in header or (key == "TTYPE2" and form not in ("plain", "primary"))
    if hdu.stored_dtype.kind == "f":
        assert not {"BSCALE", "BZERO", "BLANK"} & set(names)


def assert_fitsverify_is_content(path):
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
    if done.returncode or "OK" not in done.stdout:
        full = subprocess.run(["fitsverify", str(path)], capture_output=True, text=True, check=False)
        found = [line for line in (full.stdout + full.stderr).splitlines() if "***" in line]
        pytest.fail(f"{done.stdout} {found[:10]}")
