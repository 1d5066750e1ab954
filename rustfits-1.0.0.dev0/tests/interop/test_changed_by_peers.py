"""A file that astropy or CFITSIO changes while a handle has it open."""

import numpy as np
import pytest

import rustfits
from rustfits import FITS, FileChanged, FileReplaced

SHAPE = (60, 70)


def set_by_astropy(path, number, card):
    from astropy.io import fits

    with fits.open(path, mode="update", memmap=False) as hdus:
        hdus["PLAIN"].data[...] = number
        if card:
            hdus["PLAIN"].header["CARD"] = number


def set_by_fitsio(path, number, card):
    import fitsio

    with fitsio.FITS(str(path), "rw") as fits:
        fits["PLAIN"].write(np.full(SHAPE, number, "i2"))
        if card:
            fits["PLAIN"].write_key("CARD", number)


@pytest.fixture(params=["astropy", "fitsio"])
def set_by_peer(request):
    pytest.importorskip(request.param)
    return {"astropy": set_by_astropy, "fitsio": set_by_fitsio}[request.param]


@pytest.fixture
def path(tmp_path):
    with FITS(tmp_path / "file.fits", "w+") as fits:
        fits.write_image(np.zeros(SHAPE, "i2"), extname="FIRST", compress=rustfits.Gzip1())
        fits.write_image(np.zeros(SHAPE, "i2"), extname="PLAIN")
    return tmp_path / "file.fits"


def test_pixels_that_a_peer_has_written_are_read(path, set_by_peer):
    with FITS(path) as fits:
        hdu = fits["PLAIN"]
        assert (hdu.read() == 0).all()
        for number in (1, 2):
            set_by_peer(path, number, card=False)
            assert (hdu[3:20, 3:20] == number).all()
            assert (hdu.read() == number).all()
            assert (fits["FIRST"].read() == 0).all()


def test_a_header_that_a_peer_has_changed_is_told(path, set_by_peer):
    with FITS(path) as fits, FITS(path, "r+") as writer:
        hdu = fits["PLAIN"]
        assert (hdu.read() == 0).all()
        set_by_peer(path, 5, card=True)
        with pytest.raises(FileChanged):
            hdu.read()
        assert (fits["FIRST"].read() == 0).all()
        fits.refresh()
        assert fits["PLAIN"].header["CARD"] == 5
        assert (fits["PLAIN"][...] == 5).all()
        with pytest.raises(FileReplaced):
            writer["PLAIN"][...] = 6
        writer.refresh()
        writer["PLAIN"][...] = 6
        assert (fits["PLAIN"][...] == 6).all()
