"""Images of every meaning, for other array libraries."""

import sys
from pathlib import Path

import numpy as np
import pytest

import rustfits

sys.path.insert(0, str(Path(__file__).parent))
from image_names import NAMES, SHAPE


@pytest.fixture(scope="session")
def sky():
    """Pixels that a background can be found in."""
    return np.random.default_rng(7).normal(1000, 20, SHAPE)


@pytest.fixture(scope="session")
def path(tmp_path_factory, sky):
    """A file of images: plain and compressed, unsigned, scaled, with BLANK, quantised; no test changes it."""
    if "RICE_1" not in rustfits.codecs():
        pytest.skip("plugin not installed: rice")
    path = tmp_path_factory.mktemp("arrays") / "images.fits"
    gzip, rice = rustfits.Gzip2(tile_shape=(16, 32)), rustfits.Rice1(tile_shape=(16, 32))
    whole = np.round(sky).astype("i4")
    masked = np.ma.MaskedArray(whole, whole > 1030)
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image((whole + 40000).astype("u2"), extname="U2")
        fits.write_image(whole, extname="I4")
        fits.write_image(sky.astype("f4"), extname="F4")
        fits.write_image(whole.astype("i2"), extname="SCALED", bscale=0.5, bzero=100.0)
        fits.write_image(masked, extname="BLANK", blank=-1)
        fits.write_image((whole + 40000).astype("u2"), extname="U2_GZIP", compress=gzip)
        fits.write_image(whole, extname="I4_RICE", compress=rice)
        fits.write_image(whole.astype("i2"), extname="SCALED_RICE", bscale=0.5, bzero=100.0, compress=rice)
        fits.write_image(masked, extname="BLANK_RICE", blank=-1, compress=rice)
        fits.write_image(sky, extname="F8_GZIP", compress=gzip)
        fits.write_image(sky.astype("f4"), extname="QUANTIZED", compress=rice, quantize=rustfits.Quantize())
    return path


@pytest.fixture(params=NAMES)
def hdu(request, path):
    """Each image, of an open file."""
    with rustfits.FITS(path) as fits:
        yield fits[request.param]


@pytest.fixture
def pixels(hdu):
    """Its pixels, which are those that astropy reads."""
    astropy = pytest.importorskip("astropy.io.fits", reason="not installed: astropy")
    pixels = hdu.read()
    with astropy.open(hdu._file.filename) as found:
        theirs = np.array(found[hdu.extname].data)
    if "BLANK" in hdu.extname:  # NaN in floats, for astropy
        theirs = np.where(np.isnan(theirs), -1, theirs)
    assert np.array_equal(theirs, pixels)
    return pixels
