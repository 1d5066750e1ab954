import numpy as np
import pytest

import rustfits
from rustfits import convenience, fitsio

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.fits"
    convenience.write(path, PIXELS, extname="SCI")
    return path


def test_the_functions_are_the_very_same():
    assert fitsio.read is rustfits.read
    assert fitsio.write is rustfits.write
    assert fitsio.read_header is rustfits.read_header


@pytest.mark.parametrize("mode", ["r", "READONLY", 0])
def test_reading_modes_open_for_reading(path, mode):
    with fitsio.FITS(path, mode) as fits:
        assert (fits[0].read() == PIXELS).all()
        with pytest.raises(OSError, match="read-only"):
            fits.write(PIXELS)
    with pytest.raises(OSError, match="Failed to open"):
        fitsio.FITS(path.with_name("none.fits"), mode)


@pytest.mark.parametrize("mode", ["rw", "READWRITE", 1])
def test_writing_modes_add_to_a_file_or_make_one(path, tmp_path, mode):
    with fitsio.FITS(str(path), mode) as fits:
        fits.write(PIXELS)
        assert len(fits) == 2
    with fitsio.FITS(path, mode, clobber=True) as fits:
        assert len(fits) == 0
        fits.write(PIXELS)
    for name in (tmp_path / "new.fits", f"file://{tmp_path}/new%20er.fits", "mem://"):
        with fitsio.FITS(name, mode) as fits:
            assert len(fits) == 0
            fits.write(PIXELS)
    with fitsio.FITS(f"file://{tmp_path}/new%20er.fits", mode) as fits:
        assert len(fits) == 1


def test_other_modes_are_refused(path):
    for mode in ("w", "w+", "r+", 2, None, ""):
        with pytest.raises(ValueError, match="unsupported mode"):
            fitsio.FITS(path, mode)


def test_everything_else_is_the_containers(path):
    fits = fitsio.FITS(path)
    assert "rustfits.fitsio.FITS" in repr(fits)
    assert len(fits) == len(list(fits)) == 1
    assert "sci" in fits
    assert fits["SCI"] is fits[0] is fits.hdus[0]
    assert fits.filename == str(path)
    with fits as entered:
        assert entered is fits
    assert fits.closed
    with pytest.raises(AttributeError):
        fits.no_such_thing  # noqa: B018
