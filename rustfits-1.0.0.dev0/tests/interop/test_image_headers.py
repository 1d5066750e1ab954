"""Headers as others see them: of the image in a compressed HDU, as text, as a Header of astropy."""

import subprocess
import warnings

import numpy as np
import pytest

import rustfits
from rustfits import FITS

fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
wcs = pytest.importorskip("astropy.wcs", reason="peer not installed: astropy")

PIXELS = np.random.default_rng(5).integers(0, 100, (20, 30))
CARDS = {"OBJECT": ("M 31", "target"), "EXPTIME": (30.5, "[s]"), "LONG": ("a text of many words " * 8).strip()}
WCS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 5.0, "CRPIX2": 6.0, "CRVAL1": 10.0, "CRVAL2": 20.0}
WCS |= {"CDELT1": -0.1, "CDELT2": 0.1}


def structure(header):
    """Return what describes the data, and where it is in the header."""
    names = (
        "XTENSION",
        "SIMPLE",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "PCOUNT",
        "GCOUNT",
        "BSCALE",
        "BZERO",
        "EXTNAME",
    )
    return {name: header[name] for name in names if name in header}


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_the_image_header_is_that_of_astropy(tmp_path, dtype):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as file:
        hdu = file.write_image(PIXELS.astype(dtype), compress="GZIP_2", extname="SCI", header={**CARDS, **WCS})
        hdu.header.add_history("made")
        ours, shape = hdu.image_header, hdu.shape
    with fits.open(path) as theirs:
        header = theirs[1].header
        expected = structure(header)
        found = structure(ours)
        if dtype in ("u2", "u4"):  # astropy shows what the pixels become
            expected |= {"BSCALE": 1, "BZERO": 1 << (8 * np.dtype(dtype).itemsize - 1)}
        assert found == expected
        assert {key: ours[key] for key in header if key in CARDS} == {
            key: header[key] for key in header if key in CARDS
        }
    assert ours["HISTORY"] == ["made"]
    assert not [key for key in ours if key.startswith("Z") or key[:5] in ("TFORM", "TTYPE", "TFIEL", "THEAP")]
    assert wcs.WCS(ours.to_astropy()).array_shape == shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wcs.WCS(fits.Header.fromstring(ours.tostring()))


@pytest.mark.parametrize("options", [[], ["-g2"]])
@pytest.mark.parametrize("primary", [True, False])
def test_the_image_header_is_that_of_funpack(tmp_path, options, primary):
    header = fits.Header([("OBJECT", "A"), ("FILTER", "r"), ("EXPTIME", 3.5)])
    image = fits.PrimaryHDU(PIXELS.astype("i2"), header) if primary else fits.ImageHDU(PIXELS.astype("i2"), header)
    hdus = [image] if primary else [fits.PrimaryHDU(), image]
    fits.HDUList(hdus).writeto(tmp_path / "x.fits", checksum=True)
    subprocess.run(["fpack", *options, tmp_path / "x.fits"], check=True)
    subprocess.run(["funpack", "-O", tmp_path / "u.fits", tmp_path / "x.fits.fz"], check=True)
    with FITS(tmp_path / "x.fits.fz") as packed, FITS(tmp_path / "u.fits") as unpacked:
        mine, theirs = packed[1].image_header, unpacked[0 if primary else 1].header
        for key in ("CHECKSUM", "DATASUM"):
            assert (key in mine) == (key in theirs)
        kept = {key: theirs[key] for key in theirs.keys() if key not in ("CHECKSUM", "DATASUM", "COMMENT")}  # noqa: SIM118
        assert {key: mine[key] for key in mine.keys() if key not in ("CHECKSUM", "DATASUM", "COMMENT")} == kept  # noqa: SIM118


def test_the_image_header_is_a_copy_that_cannot_be_changed():
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(PIXELS.astype("i2"), compress="GZIP_2", header=CARDS, blank=5)
        header = hdu.image_header
        assert (header["BLANK"], header["NAXIS1"], header["BITPIX"]) == (5, 30, 16)
        for change in (
            lambda: header.__setitem__("OBJECT", "x"),
            lambda: header.__delitem__("OBJECT"),
            lambda: header.update({"A": 1}),
            lambda: header.add_history("x"),
            lambda: header.set_comment("OBJECT", "x"),
        ):
            with pytest.raises(ValueError, match=r"read-only.*hdu\.header"):
                change()
        with pytest.raises(ValueError, match="read-only"), header.edit() as edit:
            edit["OBJECT"] = "x"
        assert hdu.header["OBJECT"] == "M 31"
        hdu.header["OBJECT"] = "M 33"
        assert (header["OBJECT"], hdu.image_header["OBJECT"]) == ("M 31", "M 33")
        plain = file.write_image(PIXELS.astype("i2"), header=hdu.image_header)
        assert plain.image_header["OBJECT"] == "M 33"
        plain.image_header["OBJECT"] = "M 42"
        assert plain.header["OBJECT"] == "M 42"


def test_a_compressed_image_without_data_has_a_header_too(tmp_path):
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(), fits.ImageHDU(PIXELS)]).writeto(path)
    with FITS(path) as file:
        hdu = file[1]
        assert (hdu.n_tiles, hdu.shape, hdu.size, len(hdu), hdu.has_data) == (0, (), 0, 0, False)
        assert hdu.image_header["NAXIS"] == 0
        assert repr(hdu)
        assert hdu.compression is None or hdu.compression.zcmptype == "RICE_1"
        for read in (hdu.read, lambda: hdu[0], lambda: hdu.read(mask_blank=True)):
            with pytest.raises(ValueError, match="NAXIS=0"):
                read()
        assert (file[2].read() == PIXELS).all()
    for line in (b"ZCMPTYPE", b"ZBITPIX "):
        raw = path.read_bytes().replace(line, b"XX" + line[2:])
        hdu = FITS.from_bytes(raw)[1]
        assert (hdu.n_tiles, hdu.compression if line == b"ZCMPTYPE" else None) == (0, None)


@pytest.mark.parametrize("sep", ["", "\n"])
@pytest.mark.parametrize("endcard", [True, False])
@pytest.mark.parametrize("padding", [True, False])
def test_a_header_as_text_is_that_of_astropy(tmp_path, sep, endcard, padding):
    path = tmp_path / "x.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        source = fits.Header([("OBJECT", "A", "name"), ("ESO DET", 3), ("HISTORY", "made"), ("", "text"), ("U", None)])
        source["LONG"] = "x'" * 80
    fits.ImageHDU(PIXELS, source).writeto(path)
    header = rustfits.read_header(path, 1)
    text = header.tostring(sep=sep, endcard=endcard, padding=padding)
    assert text == fits.getheader(path, 1).tostring(sep=sep, endcard=endcard, padding=padding)
    if endcard or not padding:  # without END the padding would be blank cards
        assert fits.Header.fromstring(text, sep=sep).tostring() == fits.getheader(path, 1).tostring()
    assert repr(header).splitlines()[1:] == header.cards
    assert header.to_astropy().tostring() == fits.getheader(path, 1).tostring()
    made = FITS("mem://", "w+").write_image(PIXELS, header=header.to_astropy()).header
    assert [card for card in header.cards if card.startswith(("OBJECT", "HIERARCH", "LONG", "CONTINUE", "U "))] == [
        card for card in made.cards if card.startswith(("OBJECT", "HIERARCH", "LONG", "CONTINUE", "U "))
    ]
