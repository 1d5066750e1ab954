"""Images as arrays of the libraries that astronomers use: the pixels are those that these get of a NumPy array."""

import numpy as np
import pytest

import rustfits


@pytest.fixture(params=["hdu", "lazy"])
def source(request, hdu):
    """The image itself, and its lazy array."""
    return hdu if request.param == "hdu" else hdu.lazy()


def test_numpy_reduces_an_image(source, pixels):
    assert np.mean(source) == np.mean(pixels)
    assert np.array_equal(np.median(source, axis=0), np.median(pixels, axis=0))
    assert np.percentile(source, 95) == np.percentile(pixels, 95)


def test_matplotlib_shows_an_image(source, pixels):
    matplotlib = pytest.importorskip("matplotlib", reason="not installed: matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    shown = axes.imshow(source)
    assert np.array_equal(shown.get_array(), pixels)
    figure.canvas.draw()
    pyplot.close(figure)


def test_cutout2d_cuts_an_image(source, pixels):
    nddata = pytest.importorskip("astropy.nddata", reason="not installed: astropy")
    cutout = nddata.Cutout2D(source, (40, 30), (11, 21))
    assert cutout.data.dtype == pixels.dtype
    assert np.array_equal(cutout.data, pixels[25:36, 30:51])
    partial = nddata.Cutout2D(source, (0, 0), (9, 9), mode="partial", fill_value=0)
    assert np.array_equal(partial.data, nddata.Cutout2D(pixels, (0, 0), (9, 9), mode="partial", fill_value=0).data)


def test_background2d_finds_the_background_of_an_image(source, pixels):
    background = pytest.importorskip("photutils.background", reason="not installed: photutils")
    found, expected = background.Background2D(source, (20, 30)), background.Background2D(pixels, (20, 30))
    assert np.array_equal(found.background, expected.background)
    assert np.array_equal(found.background_rms, expected.background_rms)


def test_ccddata_holds_an_image(source, pixels):
    nddata = pytest.importorskip("astropy.nddata", reason="not installed: astropy")
    found, expected = nddata.CCDData(source, unit="adu"), nddata.CCDData(pixels, unit="adu")
    assert (found.shape, found.dtype) == (pixels.shape, pixels.dtype)
    assert np.array_equal(np.asarray(found.data), pixels)
    assert np.array_equal(found[3:20, 5:30].data, pixels[3:20, 5:30])
    for operation in ("add", "subtract", "multiply", "divide"):
        result = getattr(found, operation)(found)
        assert np.array_equal(result.data, getattr(expected, operation)(expected).data)
    assert np.array_equal(found.multiply(2).data, expected.multiply(2).data)


def test_ccddata_writes_an_image(source, pixels, tmp_path):
    nddata = pytest.importorskip("astropy.nddata", reason="not installed: astropy")
    nddata.CCDData(source, unit="adu").write(tmp_path / "ccd.fits")
    assert np.array_equal(rustfits.read(tmp_path / "ccd.fits"), pixels)


def test_ccdproc_works_on_an_image(source, pixels):
    ccdproc = pytest.importorskip("ccdproc", reason="not installed: ccdproc")
    from astropy import units
    from astropy.nddata import CCDData

    found, expected = CCDData(source, unit="adu"), CCDData(pixels, unit="adu")
    gain = 2 * units.electron / units.adu
    assert np.array_equal(ccdproc.gain_correct(found, gain).data, ccdproc.gain_correct(expected, gain).data)
    assert np.array_equal(ccdproc.trim_image(found[:, 5:50]).data, pixels[:, 5:50])
    assert np.array_equal(ccdproc.subtract_bias(found, found).data, ccdproc.subtract_bias(expected, expected).data)


def test_xarray_takes_an_image(source, pixels):
    xarray = pytest.importorskip("xarray", reason="not installed: xarray")
    array = xarray.DataArray(source, dims=("y", "x"))
    assert array.dtype == pixels.dtype
    assert np.array_equal(array.isel(y=slice(None, None, -2), x=7), pixels[::-2, 7])
    da = pytest.importorskip("dask.array", reason="not installed: dask[array]")
    lazy = xarray.DataArray(da.from_array(source, chunks=(30, 45)), dims=("y", "x"))
    assert np.array_equal(lazy.sel(x=slice(5, 60)).max("y"), pixels[:, 5:60].max(axis=0))
