"""HDUs of other files, copied byte for byte."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import rustfits
from rustfits import FITS

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(DATA.glob("*.fits"))
BLOCK = 2880


def bytes_of(hdu):
    extent = hdu._extent
    content = hdu._file.content()
    return content[extent.header_start : extent.data_start], content[extent.data_start : extent.stop]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_whose_hdus_are_copied_is_the_same_file(path):
    with FITS(path) as source, FITS("mem://", "w+") as fits:
        copies = [fits.append(hdu) for hdu in source]
        assert copies == list(fits)
        assert [type(hdu) for hdu in fits] == [type(hdu) for hdu in source]
        assert fits.to_bytes() == path.read_bytes()


def fits_of(*hdus, **header):
    fits = FITS("mem://", "w+")
    for hdu in hdus:
        fits.write_image(hdu, header=header or None)
    return fits


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("compress", [None, "GZIP_1", "GZIP_2"])
def test_an_extension_is_copied_as_it_is_behind_an_empty_primary_if_it_comes_first(dtype, compress):
    pixels = np.arange(600).reshape(20, 30).astype(dtype)
    source = fits_of(np.zeros(3, "i2"))
    hdu = source.write_image(pixels, compress=compress, extname="A", header={"OBJECT": "M13"})
    with FITS("mem://", "w+") as fits:
        copy = fits.append(hdu)
        assert len(fits) == 2
        assert not fits[0].has_data
        assert bytes_of(copy) == bytes_of(hdu)
        assert (fits["A"].read() == pixels).all()
        fits["A"][3, 4] = 7  # the copy is one's own
        assert hdu[3, 4] == pixels[3, 4]


def test_a_primary_image_becomes_an_extension_of_the_same_pixels(tmp_path):
    pixels = np.arange(600, dtype="u2").reshape(20, 30)
    source = fits_of(pixels, OBJECT="M13", PCOUNTS=5)
    source[0].header.add_comment("of the first file")
    source[0].add_checksum()
    with FITS(tmp_path / "a.fits", "w+") as fits:
        fits.write_image(np.zeros(3, "i2"))
        copy = fits.append(source[0])
        assert copy.header["XTENSION"] == "IMAGE"
        assert (copy.header["PCOUNT"], copy.header["GCOUNT"]) == (0, 1)
        assert not {"SIMPLE", "EXTEND"} & set(copy.header.keys())
        assert copy.header["OBJECT"] == "M13"
        assert (copy.read() == pixels).all()
        assert bytes_of(copy)[1] == bytes_of(source[0])[1]
        assert copy.verify_checksum() is True
        assert copy.header["DATASUM"] == source[0].header["DATASUM"]
    if shutil.which("fitsverify"):
        done = subprocess.run(
            ["fitsverify", "-q", str(tmp_path / "a.fits")], capture_output=True, text=True, check=False
        )
        assert "verification OK" in done.stdout


def test_a_wrong_checksum_is_not_made_right():
    source = fits_of(np.arange(6, dtype="i2"))
    source[0].add_checksum()
    content = bytearray(source.to_bytes())
    content[BLOCK + 3] ^= 1
    with FITS.from_bytes(content) as damaged, FITS("mem://", "w+") as fits:
        fits.write_image(np.zeros(3, "i2"))
        assert fits.append(damaged[0]).verify_checksum() is False


def test_other_readers_agree(tmp_path):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    with FITS(tmp_path / "a.fits", "w+") as fits:
        for path in FILES:
            with FITS(path) as source:
                for hdu in source:
                    fits.append(hdu)
    with FITS(tmp_path / "a.fits") as fits, astropy.open(tmp_path / "a.fits", disable_image_compression=True) as theirs:
        theirs.verify("exception")
        assert len(theirs) == len(fits)
        index = 0
        for path in FILES:
            with astropy.open(path, disable_image_compression=True) as original:
                for hdu in original:
                    assert hdu.data is None or theirs[index].data.tobytes() == hdu.data.tobytes()
                    index += 1


def test_an_hdu_of_the_same_file_a_gzip_file_and_a_file_object_is_copied(tmp_path):
    pixels = np.arange(600, dtype="i4").reshape(20, 30)
    with FITS(tmp_path / "a.fits.gz", "w+") as fits:
        fits.write_image(pixels)
        fits.append(fits[0])
        fits.append(fits[1])
    file = io.BytesIO()
    with FITS(tmp_path / "a.fits.gz") as source, FITS(file, "w+") as fits:
        for hdu in source:
            fits.append(hdu)
    with FITS(file) as fits:
        assert [(hdu.read() == pixels).all() for hdu in fits] == [True] * 3
        assert bytes_of(fits[1]) == bytes_of(fits[2])


def test_what_cannot_be_copied_is_refused_and_nothing_appended(tmp_path):
    source = fits_of(np.arange(6000, dtype="i2"))
    with FITS("mem://", "w+") as fits:
        for thing in (np.zeros(3), None, source):
            with pytest.raises(TypeError, match="append takes an HDU"):
                fits.append(thing)
        cut = source.to_bytes()[: BLOCK + 100]
        with FITS.from_bytes(cut) as short, pytest.raises(rustfits.TruncatedFile):
            fits.append(short[0])
        assert len(fits) == 0
        assert fits.to_bytes() == b""
        hdu = source[0]
        source.close()
        with pytest.raises(rustfits.HandleClosed):
            fits.append(hdu)
        assert len(fits) == 0
        fits.write_image(np.zeros(3, "i2"))
        with FITS.from_bytes(fits.to_bytes()) as reader, pytest.raises(rustfits.ReadOnlyFile):
            reader.append(fits[0])


def test_random_groups_stay_first():
    cards = [
        ("SIMPLE", "T"), ("BITPIX", "16"), ("NAXIS", "2"), ("NAXIS1", "0"), ("NAXIS2", "4"), ("GROUPS", "T"),
        ("PCOUNT", "1"), ("GCOUNT", "3"),
    ]  # fmt: skip
    header = b"".join(f"{key:8}= {value:>20}".ljust(80).encode() for key, value in cards) + b"END"
    content = header.ljust(BLOCK) + bytes(range(30)).ljust(BLOCK, b"\0")
    with FITS.from_bytes(content) as source, FITS("mem://", "w+") as fits:
        fits.append(source[0])
        assert fits.to_bytes() == content
        with pytest.raises(rustfits.NotSupported, match="random groups"):
            fits.append(source[0])
        assert fits.to_bytes() == content
