"""Verdicts on checksums: fitsverify, astropy and fitsio come to the same."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import verdicts
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
pytest.importorskip("astropy", reason="peer not installed: astropy")
from astropy.io import fits as astropy_fits  # noqa: E402

DATA = Path(__file__).resolve().parents[1] / "data"
FILES = sorted(path.name for path in DATA.iterdir() if path.name != "README.md")

# What another program cannot do with a file, and why.
KNOWN = {"memtest.fits": ["astropy: OSError: Empty or corrupt FITS file"]}  # it takes a blank DATASUM for a number

needs_fitsverify = pytest.mark.skipif(shutil.which("fitsverify") is None, reason="peer not installed: fitsverify")
needs_fpack = pytest.mark.skipif(shutil.which("fpack") is None, reason="peer not installed: fpack")


@needs_fitsverify
@pytest.mark.parametrize("name", FILES)
def test_the_verdicts_on_real_files_are_those_of_other_programs(name):
    assert verdicts.differences(DATA / name) == KNOWN.get(name, [])


@needs_fitsverify
@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["m13_rice.fits", "nomtam_ztable_gzip_mixed.fits.fz", "galsim_cube_rice_u2.fits.fz"]),
    data=st.data(),
)
def test_the_verdicts_on_damaged_files_are_those_of_other_programs(name, data, tmp_path_factory):
    raw = bytearray((DATA / name).read_bytes())
    with rustfits.FITS.from_bytes(raw) as fits:
        extent = fits[1]._extent
    for at in data.draw(
        st.sets(st.integers(extent.data_start, extent.data_start + extent.data_nbytes - 1), max_size=4)
    ):
        raw[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(raw)
    assert verdicts.differences(path) == []


def assert_all_agree(path):
    """Check that every program finds every sum of a file right."""
    assert verdicts.differences(path) == []
    with rustfits.FITS(path) as fits:
        assert fits.verify().ok
        assert False not in [verify() for hdu in fits for verify in (hdu.verify_checksum, hdu.verify_datasum)]
    with fitsio.FITS(str(path)) as peer:
        for hdu in peer:
            hdu.verify_checksum()  # raises
    with warnings.catch_warnings(), astropy_fits.open(path, checksum=True) as peer:
        warnings.simplefilter("error")
        for hdu in peer:
            assert hdu.header is not None


def original(folder, dtype, *, extension):
    """Write an image with its sums by astropy, as the primary HDU or as an extension, and return its path."""
    random = np.random.default_rng(1)
    pixels = random.normal(100, 5, (40, 50)) if dtype[0] == "f" else random.integers(0, 100, (40, 50))
    hdu = (astropy_fits.ImageHDU if extension else astropy_fits.PrimaryHDU)(pixels.astype(dtype))
    hdu.header["OBJECT"] = ("field 1", "what it is")
    hdu.header["HISTORY"] = "made for a test"
    if extension:
        hdu.name = "SCI"
    hdus = astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu] if extension else [hdu])
    hdus.writeto(folder / "x.fits", checksum=True)
    return folder / "x.fits"


@needs_fitsverify
@needs_fpack
@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize("option", ["-r", "-g", "-g2", "-h"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_files_that_fpack_made_of_files_with_sums_are_intact(dtype, option, extension, tmp_path):
    path = original(tmp_path, dtype, extension=extension)
    subprocess.run(["fpack", option, path], check=True)
    path = tmp_path / "x.fits.fz"
    assert_all_agree(path)
    with rustfits.FITS(path, "r+") as fits:
        hdu = fits[1]
        report = hdu.verify()
        assert (hdu.verify_checksum(), hdu.verify_datasum()) == (True, None if dtype[0] == "f" else True)
        # Of floats that were quantised the old sums tell nothing; those of other pixels are those of the old image.
        kept = "does not apply" if dtype[0] == "f" else "ok"
        assert (report["ZDATASUM"].status, report["ZHECKSUM"].status) == (kept, kept)
        hdu.header["FILTER"] = "r"
        hdu[3, 4] = hdu[5, 6]
        assert (hdu.verify_checksum(), hdu.verify_datasum()) == (False, False)
        hdu.add_checksum()
        assert (hdu.verify_checksum(), hdu.verify_datasum()) == (True, True)
    assert_all_agree(path)
    with rustfits.FITS(path, "r+") as fits:
        fits[1].repack()
    assert_all_agree(path)


@needs_fitsverify
@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4"])
def test_files_that_astropy_wrote_with_sums_are_intact(dtype, algorithm, tmp_path):
    path = tmp_path / "x.fits"
    pixels = (np.random.default_rng(1).integers(0, 100, (40, 50))).astype(dtype)
    hdu = astropy_fits.CompImageHDU(pixels, compression_type=algorithm, name="SCI", tile_shape=(20, 50))
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    assert_all_agree(path)
    with rustfits.FITS(path, "r+") as fits:
        fits["SCI"][0, 0] = 5
        fits["SCI"].add_checksum()
    assert_all_agree(path)


@needs_fitsverify
def test_sums_of_tables_and_unknown_extensions_are_those_of_other_programs(tmp_path):
    path = tmp_path / "x.fits"
    columns = [
        astropy_fits.Column("A", "J", array=np.arange(700)),
        astropy_fits.Column("B", "PE()", array=[[1.5]] * 700),
    ]
    text = [astropy_fits.Column("C", "I9", array=np.arange(70))]
    hdus = [
        astropy_fits.PrimaryHDU(),
        astropy_fits.BinTableHDU.from_columns(columns),
        astropy_fits.TableHDU.from_columns(text),
    ]
    astropy_fits.HDUList(hdus).writeto(path)
    values = {"BITPIX": 8, "NAXIS": 1, "NAXIS1": 99, "PCOUNT": 0, "GCOUNT": 1}
    cards = ["XTENSION= 'FOREIGN '", *(f"{keyword:8}= {value:>20}" for keyword, value in values.items()), "END"]
    with path.open("ab") as file:
        file.write("".join(card.ljust(80) for card in cards).ljust(2880).encode() + bytes(range(99)).ljust(2880, b"\0"))
    with rustfits.FITS(path, "r+") as fits:
        for hdu in fits:
            hdu.add_checksum()
    assert verdicts.differences(path) == []
    with rustfits.FITS(path) as fits:
        assert [hdu["CHECKSUM"].status for hdu in fits.verify()] == ["ok"] * 4
    raw = path.read_bytes()
    for index in range(1, 4):
        with rustfits.FITS(path) as fits:
            at = fits[index]._extent.data_start + 5
        damaged = bytearray(raw)
        damaged[at] ^= 3
        (tmp_path / "damaged.fits").write_bytes(damaged)
        assert verdicts.differences(tmp_path / "damaged.fits") == []
        assert verdicts.by_rustfits(tmp_path / "damaged.fits")[0] == {(index, "DATASUM"), (index, "CHECKSUM")}
