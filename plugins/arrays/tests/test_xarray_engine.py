"""The engine of xarray: right pixels of every image and index, lazily, with attributes, encoding and coordinates."""

import gzip
import pickle

import numpy as np
import pytest
from files import images_of, same, telescope_files
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits

xarray = pytest.importorskip("xarray", reason="not installed: xarray")

from rustfits_arrays.images import named_images  # noqa: E402
from rustfits_arrays.xarray import FITSBackend  # noqa: E402 - needs xarray


def check_tree(file, **options):
    with rustfits.FITS(file) as fits:
        expected = {
            name: (hdu.index, hdu.compression if hasattr(hdu, "compression") else None)
            for name, hdu in named_images(fits).items()
        }
        pixels = {hdu.index: each for hdu, each in images_of(fits)}
    tree = xarray.open_datatree(file, engine="rustfits", **options)
    assert set(tree.children) == set(expected)
    for name, (index, compression) in expected.items():
        found = tree[name]["image"]
        if index not in pixels:  # its codec is not there
            continue
        assert found.dtype == pixels[index].dtype
        assert same(found.values, pixels[index])
        assert found.encoding["hdu"] == index
        assert found.encoding.get("zcmptype") == (None if compression is None else compression.zcmptype)
    return tree


def test_every_image_of_a_file_has_its_pixels(path):
    tree = check_tree(path)
    assert len(tree.children) > 8
    assert tree["CUBE/image"].dims == ("z", "y", "x")


@pytest.mark.parametrize("file", telescope_files())
def test_images_of_telescopes_have_their_pixels(file):
    path = telescope_files()[file]
    with rustfits.FITS(path) as fits:
        if not any(isinstance(hdu, rustfits.ImageHDU) and hdu.shape for hdu in fits):
            with pytest.raises(rustfits.NotSupported, match="no HDU of"):
                xarray.open_datatree(path, engine="rustfits")
            return
    check_tree(path, wcs="1d")


@pytest.fixture(scope="module")
def opened(path):
    with rustfits.FITS(path) as fits:
        pixels = {name: fits[name].read() for name in ("Q_GZIP_2", "SCALED", "CUBE")}
    tree = xarray.open_datatree(path, engine="rustfits")
    return {
        name: (tree[name]["image"], xarray.DataArray(each, dims=tree[name]["image"].dims))
        for name, each in pixels.items()
    }


@st.composite
def indexers(draw, sizes):
    found = {}
    for name, size in sizes.items():
        bound = st.none() | st.integers(-size - 3, size + 3)
        # Not before the first pixel: see the next test.
        begin = st.none() | st.integers(-size, size + 3)
        found[name] = draw(
            st.builds(slice, begin, bound, st.none() | st.sampled_from([1, 2, 7, -1, -3]))
            | st.integers(-size, size - 1)
            | st.lists(st.integers(-size, size - 1), max_size=5).map(np.array).map(lambda each: each.astype(int))
        )
    return found


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", ["Q_GZIP_2", "SCALED", "CUBE"])
def test_any_index_gives_what_it_gives_of_the_pixels(opened, name, data):
    lazy, pixels = opened[name]
    found = data.draw(indexers(dict(zip(pixels.dims, pixels.shape, strict=True))))
    assert same(lazy.isel(found).values, pixels.isel(found).values)
    arrays = {name: each for name, each in found.items() if isinstance(each, np.ndarray) and each.size}
    length = min((each.size for each in arrays.values()), default=0)
    points = {name: xarray.DataArray(each[:length], dims="point") for name, each in arrays.items()}
    if points:
        assert same(lazy.isel(points).values, pixels.isel(points).values)
        again = lazy.isel(found).isel({name: slice(None, None, -1) for name in arrays})
        assert same(again.values, pixels.isel(found).isel({name: slice(None, None, -1) for name in arrays}).values)


def test_an_index_that_xarray_takes_for_another_is_refused(opened):
    # `normalize_slice` of xarray 2026.9 makes slice(-1, None, -1) of it, which is all pixels; for any engine.
    lazy, pixels = opened["SCALED"]
    assert pixels.isel(x=slice(-211, None, -1)).size == 0
    with pytest.raises(rustfits.ImageError, match="begins before the first pixel"):
        lazy.isel(x=slice(-211, None, -1)).values  # noqa: B018 - reads
    assert same(lazy.isel(x=slice(-210, None, -1)).values, pixels.isel(x=slice(-210, None, -1)).values)
    assert same(lazy.isel(x=slice(-1, None, -1)).values, pixels.isel(x=slice(-1, None, -1)).values)


def test_a_dataset_has_the_images_that_share_their_shape(tmp_path):
    path = tmp_path / "a.fits.fz"
    pixels = np.arange(600, dtype="i4").reshape(20, 30)
    with rustfits.FITS(path, "w+") as fits:
        for version in (1, 2):
            fits.write_image(
                pixels * version, extname="SCI", extver=version, compress="RICE_1", header={"BUNIT": "adu"}
            )
        fits.write_image(pixels, extname="a/b")
        fits.write_image(pixels)
        fits.write_image(pixels, extname="DQ", extver=1)
        fits.write_image(pixels, extname="DQ", extver=1)
    dataset = xarray.open_dataset(path)  # the engine is guessed
    assert list(dataset) == ["SCI_1", "SCI_2", "a_b", "HDU4", "DQ_HDU5", "DQ_HDU6"]
    assert dict(dataset.sizes) == {"y": 20, "x": 30}
    assert same(dataset.SCI_2.values, pixels * 2)
    assert dataset.SCI_2.attrs["units"] == "adu"
    assert list(xarray.open_dataset(path, drop_variables=["SCI_1", "HDU4"])) == ["SCI_2", "a_b", "DQ_HDU5", "DQ_HDU6"]
    assert list(xarray.open_dataset(path, group="SCI_2")) == ["image"]
    for group in (
        "SCI_2",
        2,
    ):
        assert same(xarray.open_dataset(path, group=group).image.values, pixels * 2)
    with pytest.raises(ValueError, match="no HDU named"):
        xarray.open_dataset(path, group="NONE")


def test_images_of_different_shapes_are_referred_to_a_tree(path):
    with pytest.raises(
        rustfits.ImageError, match=r"along y PLAIN has 130 pixels and CUBE 10; use xarray.open_datatree\(\)"
    ):
        xarray.open_dataset(path)
    assert "CUBE" not in xarray.open_dataset(path, drop_variables="CUBE")


def test_attributes_are_those_of_the_image(tmp_path):
    path = tmp_path / "a.fits"
    pixels = np.ma.MaskedArray(np.arange(600, dtype="i2").reshape(20, 30), np.arange(600).reshape(20, 30) == 7)
    header = {"OBJECT": "M 51", "EXPTIME": 2.5, "GOOD": True, "COMMENT": ["one", "two"], "ZCMPTYPE": "no"}
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, extname="A", header=header, blank=-5, bscale=2.0, bzero=100.0, compress="GZIP_1")
        fits.write_image(pixels.filled(0).astype("u2"), extname="U")
    image = xarray.open_dataset(path).A
    kept = {"EXTNAME": "A", "OBJECT": "M 51", "EXPTIME": 2.5, "GOOD": True, "COMMENT": "one\ntwo", "BLANK": 90}
    assert image.attrs == kept
    assert image.values[0, 7] == kept["BLANK"]  # as it is among the pixels
    assert image.encoding["stored_dtype"] == "i2"
    assert image.encoding["tile_shape"] == (1, 30)
    assert image.encoding["preferred_chunks"] == {"y": 20, "x": 30}
    assert image.encoding["source"] == str(path)
    assert image.dtype == "f8"
    assert "BZERO" not in xarray.open_dataset(path).U.attrs


def test_chunks_are_whole_tiles(tmp_path):
    pytest.importorskip("dask.array", reason="not installed: dask[array]")
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.create_image_hdu("f4", (5000, 4100), extname="A", compress=rustfits.Gzip2(tile_shape=(1, 4096)))
        fits.create_image_hdu("f4", (5000, 4100), extname="B", compress=rustfits.Gzip2(tile_shape=(256, 256)))
    tree = xarray.open_datatree(path, chunks={})
    assert tree["A/image"].chunks[1] == (4100,)
    rows, columns = tree["B/image"].chunks
    assert all(each % 256 == 0 for each in (*rows[:-1], *columns[:-1]))
    assert 10 < len(rows) * len(columns) < 50


def test_tasks_of_processes_read_by_themselves(path, pool):
    dask = pytest.importorskip("dask", reason="not installed: dask")
    with dask.config.set(scheduler="processes", pool=pool):
        found = xarray.open_dataset(path, group="Q_GZIP_2", chunks={"y": -1}).image.compute()
    with rustfits.FITS(path) as fits:
        assert same(found.values, fits["Q_GZIP_2"].read())


def test_a_dataset_is_pickled_without_its_pixels_and_minds_the_state_of_the_file(tmp_path):
    path, pixels = tmp_path / "a.fits", np.arange(60_000, dtype="i4").reshape(200, 300)
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, compress="GZIP_2")
    dataset = xarray.open_dataset(path)
    sent = pickle.dumps(dataset)
    assert len(sent) < 10_000
    assert same(pickle.loads(sent).HDU1.values, pixels)
    with rustfits.FITS(path, "r+") as fits:
        fits[1][0, 0] = 9
    with pytest.raises(rustfits.FileChanged):
        dataset.HDU1.values  # noqa: B018 - reads


def test_a_file_that_is_compressed_as_a_whole_is_read_but_not_pickled(tmp_path):
    path, pixels = tmp_path / "a.fits.gz", np.arange(600, dtype="u2").reshape(20, 30)
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, compress="GZIP_2")
        fits.write_image(pixels + 1)
    assert gzip.decompress(path.read_bytes())
    dataset = xarray.open_dataset(path)
    with pytest.raises(rustfits.NotPicklable, match="cannot be pickled"):
        pickle.dumps(dataset)
    for key in (np.s_[::-1, 3], np.s_[5:2, ::-2], np.s_[::3, [4, 1]], np.s_[-1, -1]):
        assert same(dataset.HDU2[key].values, (pixels + 1)[key])
    dataset.close()
    with pytest.raises(rustfits.HandleClosed):
        dataset.HDU1.values  # noqa: B018 - reads
    check_tree(path)


def test_a_file_of_a_server_is_read_by_ranges_unless_it_is_compressed_as_a_whole(server, tmp_path):
    path, pixels = tmp_path / "a.fits", np.random.default_rng(1).integers(0, 900, (600, 500)).astype("i4")
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, extname="A", compress=rustfits.Gzip2(tile_shape=(50, 50)))
    content = path.read_bytes()
    url = server.put(content)
    dataset = xarray.open_dataset(url)
    assert same(dataset.A[70:75, 61::-7].values, pixels[70:75, 61::-7])
    assert server.nbytes < len(content) / 4
    check = xarray.open_dataset(url, remote=rustfits.Remote(ranged=False))
    assert same(check.A.values, pixels)
    for name in ("/b.fits.gz", "/b.fits"):
        packed = xarray.open_dataset(server.put(gzip.compress(content), name))
        assert same(packed.A.values, pixels)
        packed.close()


@pytest.mark.parametrize("name", ["a.fits", "a.FITS", "b.fits.fz", "c.fits.gz", "d.fit", "http://host/e.fits.fz?x=y"])
def test_names_of_fits_files_are_guessed(name):
    assert FITSBackend().guess_can_open(name)


@pytest.mark.parametrize("name", ["a.nc", "a.zarr", "fits", "a.fits.txt", b"SIMPLE", "a.fz"])
def test_other_names_are_not(name):
    assert not FITSBackend().guess_can_open(name)


def test_what_cannot_be_is_said(path, tmp_path):
    with pytest.raises(ValueError, match=r"wcs='2d': it is None or '1d'"):
        xarray.open_dataset(path, wcs="2d")
    with open(path, "rb") as file, pytest.raises(TypeError, match="by their path or URL"):
        xarray.open_dataset(file, engine="rustfits")
    with pytest.raises(FileNotFoundError):
        xarray.open_dataset(tmp_path / "none.fits")
    empty = tmp_path / "empty.fits"
    rustfits.FITS(empty, "w+").close()
    with pytest.raises(rustfits.NotAFitsFile):
        xarray.open_dataset(empty)


# -- world coordinates -------------------------------------------------------------------------------------------------


def written(path, shape, header):
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.zeros(shape, "f4"), header=header)
    return path


CELESTIAL = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 10.0,
    "CRVAL2": 20.0,
    "CDELT1": -0.01,
    "CDELT2": 0.01,
}
SPECTRAL = {"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CDELT3": 2.5e4, "CRPIX3": 3.5}


def test_linear_axes_get_coordinates_and_others_do_not(tmp_path):
    wcs = pytest.importorskip("astropy.wcs", reason="not installed: astropy")
    path = written(tmp_path / "a.fits", (8, 5, 6), CELESTIAL | SPECTRAL)
    assert not xarray.open_dataset(path).coords
    dataset = xarray.open_dataset(path, wcs="1d")
    assert list(dataset.coords) == ["z"]
    assert dataset.z.attrs == {"CTYPE": "FREQ", "units": "Hz"}
    with rustfits.FITS(path) as fits:
        theirs = wcs.WCS(fits[0].header.to_astropy()).spectral.pixel_to_world_values(np.arange(8))
    assert np.allclose(dataset.z, theirs, rtol=1e-14)
    assert dataset.PRIMARY.sel(z=1.4e9, method="nearest").shape == (5, 6)


LINEAR = {
    "CTYPE1": "WAVE",
    "CRVAL1": 500.0,
    "CRPIX1": 2.0,
    "CDELT1": 0.5,
    "CTYPE2": "LINEAR",
    "CRVAL2": -3.0,
    "CDELT2": 2.0,
}


@pytest.mark.parametrize(
    ("more", "axes"),
    [
        ({}, ["y", "x"]),
        ({"PC1_1": 2.0}, ["y", "x"]),
        ({"PC1_2": 0.1}, []),
        ({"PC2_1": -0.1}, []),
        ({"CD1_1": 0.25, "CD2_2": 4.0}, ["y", "x"]),
        ({"CD1_1": 0.25, "CD2_1": 1e-3, "CD2_2": 4.0}, []),
        ({"CD1_1": 0.25}, ["x"]),
        ({"CROTA2": 30.0}, []),
        ({"CTYPE1": "WAVE-F2W"}, ["y"]),
        ({"CTYPE1": "RA---TAN-SIP", "A_ORDER": 2}, []),
        ({"CPDIS1": "LOOKUP"}, []),
    ],
)
def test_axes_that_depend_on_others_get_no_coordinates(tmp_path, more, axes):
    wcs = pytest.importorskip("astropy.wcs", reason="not installed: astropy")
    path = written(tmp_path / "a.fits", (5, 6), LINEAR | more)
    dataset = xarray.open_dataset(path, wcs="1d")
    assert sorted(dataset.coords, reverse=True) == axes
    if axes == ["y", "x"]:
        with rustfits.FITS(path) as fits:
            described = wcs.WCS(fits[0].header.to_astropy())
        described.wcs.cunit = ["", ""]
        x, y = described.wcs_pix2world(np.arange(6), np.arange(6), 0)
        assert np.allclose(dataset.x, x)
        assert np.allclose(dataset.y, y[:5])


def test_an_image_that_says_nothing_of_the_world_gets_no_coordinates(tmp_path):
    assert not xarray.open_dataset(written(tmp_path / "a.fits", (5, 6), {}), wcs="1d").coords


def test_coordinates_that_images_do_not_share_are_left_out(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(np.zeros((5, 6)), header=LINEAR)
        fits.write_image(np.zeros((5, 6)), header=LINEAR | {"CRVAL1": 7.0})
    assert list(xarray.open_dataset(path, wcs="1d").coords) == ["y"]
    assert list(xarray.open_datatree(path, wcs="1d")["HDU1"].coords) == ["x", "y"]
