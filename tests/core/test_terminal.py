"""What is said of a file reaches a terminal as text: nothing of its name or its bytes is obeyed there."""

import pickle
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rustfits
from rustfits import FITS
from rustfits.errors import FitsError, printable

# What clears a screen, rings, goes back over a line, begins another, and is no character at all but a byte.
NAMES = ["a\x1b[2J", "a\a", "sound\rsafe", "a\nHDU 0: ok", "a\x9b31m", "a\u202egnp.fits", "a\udc9b"]


def image_file(**arguments):
    with FITS("mem://", "w+") as fits:
        fits.write_image(np.arange(600, dtype="i2").reshape(20, 30), **arguments).add_checksum()
        return bytearray(fits.to_bytes())


def legible(text, lines=1):
    assert len(text.split("\n")) == lines or lines is None
    return all(line.isprintable() for line in text.split("\n"))


@given(st.text())
def test_a_text_that_is_shown_is_printable_and_one_that_is_printable_stays(text):
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize("name", NAMES)
def test_errors_escape_the_name_of_a_file_but_keep_it(tmp_path, name):
    path = f"{tmp_path}/{name}"
    with pytest.raises(rustfits.FileMissing) as caught:
        FITS(path)
    assert legible(str(caught.value))
    assert caught.value.filename == path
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert str(caught.value).encode("utf-8")  # which no lone surrogate would let through


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs a disk that takes any name: Linux")
@pytest.mark.parametrize("compress", [None, "GZIP_1"])
@pytest.mark.parametrize("name", NAMES)
def test_errors_listings_and_reports_of_a_damaged_file_are_text(tmp_path, name, compress):
    path = f"{tmp_path}/{name}"
    raw = image_file(compress=compress)
    with open(path, "wb") as file:
        file.write(raw[:-2881] + b"XTENSION= '\x1b[31m'".ljust(2880))
    errors = []
    with FITS(path) as fits:
        assert fits.filename == path
        assert legible(repr(fits), None)
        assert legible(str(fits.damage))
        report = fits.verify()
        assert not report.ok
        assert legible(str(report), len(report) + 6 * len(report) + 2)
        assert report.filename == path
        for hdu in fits.hdus:
            assert legible(repr(hdu), None)
            for use in (lambda hdu=hdu: hdu.header["NONE"], hdu.read, lambda hdu=hdu: hdu[0:99, 0:99, 0:99]):
                try:
                    use()
                except FitsError as error:
                    errors.append(error)
        with pytest.raises(FitsError) as caught:
            fits["NONE"]
        errors.append(caught.value)
    with pytest.raises(rustfits.HandleClosed) as caught:
        fits[0].read()
    errors.append(caught.value)
    assert len(errors) > 3
    assert all(legible(str(error)) for error in errors)


def test_bytes_of_a_header_are_not_obeyed():
    raw = image_file(extname="SCI")
    for old, new in (
        (b"EXTNAME = 'SCI     '", b"EXTNAME = 'S\x1b[1mI '"),
        (b"BITPIX  =          ", b"BITPIX  =    \x1b[31m "),
        (b"SIMPLE  ", b"\x1b[2J\r   "),
    ):
        changed = bytes(raw).replace(old, new)
        assert changed != raw
        for lenient in (None, True, False):
            try:
                with FITS.from_bytes(changed, lenient=lenient) as fits:
                    said = [repr(fits), str(fits.verify()), repr(fits[0]), str(fits[0].header), repr(fits[0].header)]
            except FitsError as error:
                said = [str(error)]
            assert all(legible(text, None) for text in said)


def test_warnings_are_text_as_errors_are():
    error = rustfits.LimitExceeded("a\x1b[2J")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(f"{error}; and so on", RuntimeWarning, stacklevel=1)
    assert legible(str(caught[0].message))


def test_an_error_of_a_plugin_is_text_in_a_report():
    class Own(rustfits.TileCodec):
        zcmptype = "RAW_1"

        def encode_tile(self, pixels):
            return pixels.astype(">i4").tobytes()

        def decode_tile(self, data, out):
            raise ValueError(f"found {bytes(data[:4])!r} \x1b[31m in red\n")

    from rustfits.codec import registry

    registry._codecs["RAW_1"] = Own
    try:
        with FITS("mem://", "w+") as fits:
            hdu = fits.write_image(np.arange(60, dtype="i4").reshape(6, 10), compress=Own(tile_shape=(2, 10)))
            assert all(legible(str(tile)) for tile in hdu.damaged_tiles())
            assert legible(str(fits.verify()), 2 + 2 * 7)
            with pytest.raises(rustfits.TileDecodeError) as caught:
                hdu.read()
            assert legible(str(caught.value))
    finally:
        del registry._codecs["RAW_1"]
