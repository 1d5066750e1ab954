"""Images and lazy arrays in Dask graphs: computed by threads and processes, stored in Zarr and in images."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from image_names import NAMES, SHAPE

import rustfits

dask = pytest.importorskip("dask", reason="not installed: dask")
da = pytest.importorskip("dask.array", reason="not installed: dask[array]")


DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_a_graph_of_an_image_or_a_lazy_array_gives_its_pixels(hdu, pixels, scheduler):
    for source in (hdu, hdu.lazy()):
        array = da.from_array(source, chunks=(25, 40))
        assert (array.dtype, array.shape) == (pixels.dtype, pixels.shape)
        found = array.compute(scheduler=scheduler)
        assert found.dtype == pixels.dtype
        assert np.array_equal(found, pixels)
        for key in (np.s_[::-1, 5:50:3], np.s_[[3, 50, 7]], np.s_[-1], np.s_[None, ..., 4], np.s_[10:50, ::-2]):
            assert np.array_equal(array[key].compute(scheduler=scheduler), pixels[key])
        overlapped = array.map_overlap(lambda part: part - part.min(), depth=0, dtype=array.dtype)
        assert overlapped.compute(scheduler=scheduler).dtype == pixels.dtype


def test_processes_compute_what_the_file_holds(path):
    with rustfits.FITS(path) as fits:
        arrays = [
            da.from_array(source, chunks=(30, 90)) for name in NAMES for source in (fits[name], fits[name].lazy())
        ]
        expected = [fits[name].read() for name in NAMES for _ in range(2)]
        found = dask.compute(*arrays, scheduler="processes", num_workers=2)
    for each, pixels in zip(found, expected, strict=True):
        assert each.dtype == pixels.dtype
        assert np.array_equal(each, pixels)


def test_a_graph_of_lazy_arrays_needs_no_open_file_and_says_when_it_was_changed(tmp_path, sky):
    path = tmp_path / "a.fits"
    rustfits.write(path, sky)
    with rustfits.FITS(path) as fits:
        array = da.from_array(fits[0].lazy(), chunks=(20, 90))
    assert np.array_equal(array.compute(), sky)
    with rustfits.FITS(path, "r+") as fits:
        fits[0][0, 0] = 0
    for scheduler in ("synchronous", "processes"):
        with pytest.raises(rustfits.FileChanged):
            array.compute(scheduler=scheduler)


def test_auto_chunks_of_lazy_arrays_are_whole_tiles_where_there_are_several(path):
    with rustfits.FITS(path) as fits:
        with dask.config.set({"array.chunk-size": "12kiB"}):
            chunks = da.from_array(fits["I4_RICE"].lazy()).chunks
        assert len(chunks[0]) > 1
        assert all(size % tile == 0 for sizes, tile in zip(chunks, (16, 32), strict=True) for size in sizes[:-1])
        assert da.from_array(fits["I4"].lazy()).chunks == ((60,), (90,))


def test_graphs_of_the_same_pixels_have_one_name(path):
    names = set()
    for _ in range(2):
        with rustfits.FITS(path) as fits:
            names.add(
                tuple(da.from_array(source).name for source in (fits["U2"], fits["U2"].lazy(), fits["I4"].lazy()))
            )
    assert len(names) == 1
    assert len(set(names.pop())) == 3


def test_a_graph_is_small(path):
    with rustfits.FITS(path) as fits:
        array = da.from_array(fits["QUANTIZED"].lazy(), chunks=(2, 90))
    assert len(pickle.dumps(array)) < 10_000


@pytest.mark.parametrize("file", sorted(path.name for path in DATA.glob("*.fits*")))
def test_images_of_other_programs_give_their_pixels(file):
    with rustfits.FITS(DATA / file) as fits:
        for hdu in fits:
            if not isinstance(hdu, rustfits.ImageHDU) or not hdu.size:
                continue
            try:
                pixels = hdu.read()
            except rustfits.CodecNotInstalled as error:
                pytest.skip(str(error))
            for source in [hdu, hdu.lazy()]:
                array = da.from_array(source)
                found = array.compute()
                assert array.dtype == found.dtype == pixels.dtype
                assert np.array_equal(found, pixels, equal_nan=pixels.dtype.kind == "f")


def test_to_zarr_stores_the_pixels(hdu, pixels, tmp_path):
    zarr = pytest.importorskip("zarr", reason="not installed: zarr")
    for number, source in enumerate((hdu, hdu.lazy())):
        target = str(tmp_path / f"{number}.zarr")
        da.from_array(source, chunks=(16, 32)).to_zarr(target)
        stored = zarr.open_array(target, mode="r")
        assert stored.dtype == pixels.dtype
        assert np.array_equal(stored[...], pixels)


GZIP = rustfits.Gzip2(tile_shape=(16, 32))
TARGETS = [(dtype, codec) for dtype in ("u1", "i2", "u2", "i4", "u4") for codec in (None, GZIP, "RICE_1")]
TARGETS += [("f4", None), ("f4", GZIP), ("f8", None), ("f8", GZIP)]


@pytest.mark.parametrize(("dtype", "compress"), TARGETS)
def test_store_fills_an_image_of_its_dtype(path, tmp_path, dtype, compress):
    pixels = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(dtype)
    target = tmp_path / "target.fits"
    with rustfits.FITS(target, "w+") as fits:
        fits.write_image(np.zeros(SHAPE, dtype), compress=compress)
    with rustfits.FITS(target, "r+") as fits:
        assert fits[-1].dtype == dtype
        da.store(da.from_array(pixels, chunks=(25, 40)), fits[-1], lock=threading.Lock())
    assert np.array_equal(rustfits.read(target), pixels)


def test_store_from_one_file_into_another(path, tmp_path):
    target = tmp_path / "target.fits"
    with rustfits.FITS(path) as source, rustfits.FITS(target, "w+") as fits:
        for name in NAMES:
            hdu = fits.write_image(np.zeros_like(source[name].read()), extname=name)
            da.store(da.from_array(source[name].lazy(), chunks=(16, 64)), hdu, lock=True)
        for name in NAMES:
            assert np.array_equal(fits[name].read(), source[name].read())


def test_an_image_that_may_change_has_a_new_name_each_time(tmp_path, sky):
    rustfits.write(tmp_path / "a.fits", sky)
    with rustfits.FITS(tmp_path / "a.fits", "r+") as fits:
        one = da.from_array(fits[0])
        fits[0][0, 0] = 5
        other = da.from_array(fits[0])
        assert one.name != other.name
        assert other[0, 0].compute() == 5
