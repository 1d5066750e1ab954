"""Images as Dask arrays: right pixels under every scheduler, chunks of whole tiles, small graphs, stable names."""

import gc
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from files import images_of, same, sky, telescope_files

import rustfits

dask = pytest.importorskip("dask", reason="not installed: dask")
da = pytest.importorskip("dask.array", reason="not installed: dask[array]")

from rustfits_arrays import dask as images  # noqa: E402 - needs Dask
from rustfits_arrays.chunks import tile_chunks  # noqa: E402


def in_small_chunks(hdu, nbytes=1 << 14):
    chunks = hdu.lazy().chunks
    return hdu.to_dask(tile_chunks(hdu.shape, chunks, hdu.dtype.itemsize, max(nbytes, hdu.size * 8 // 40)))


def test_images_have_their_pixels(path, scheduler):
    with rustfits.FITS(path) as fits:
        found = [(in_small_chunks(hdu), pixels) for hdu, pixels in images_of(fits)]
    assert len(found) > 10
    assert sum(array.npartitions > 3 for array, _ in found) > 10
    for computed, (array, pixels) in zip(dask.compute(*(array for array, _ in found)), found, strict=True):
        assert array.dtype == pixels.dtype
        assert same(computed, pixels)


@pytest.mark.parametrize("file", telescope_files())
def test_images_of_telescopes_have_their_pixels(file, scheduler):
    with rustfits.FITS(telescope_files()[file]) as fits:
        if any(hdu.has_data for hdu in fits) and file.endswith(("_GZIPPED_NO_EXT.fits", "whole_gzip.fits")):
            with pytest.raises(rustfits.NotPicklable, match="compressed as a whole"):
                next(images_of(fits))[0].to_dask()
            return
        found = [(in_small_chunks(hdu), pixels) for hdu, pixels in images_of(fits)]
    for computed, (array, pixels) in zip(dask.compute(*(array for array, _ in found)), found, strict=True):
        assert same(computed, pixels), array


def test_parts_of_an_image_are_those_of_its_pixels(path):
    with rustfits.FITS(path) as fits:
        array, pixels = fits["Q_GZIP_2"].to_dask((40, 100)), fits["Q_GZIP_2"].read()
    for key in (np.s_[::-1, 5:50:3], np.s_[[3, 50, 7]], np.s_[-1], np.s_[None, ..., 4], np.s_[10:50, ::-2]):
        assert same(array[key].compute(scheduler="threads"), pixels[key])


@pytest.mark.parametrize("chunks", ["tiles", "auto"])
def test_chunks_are_whole_tiles(path, chunks):

    with rustfits.FITS(path) as fits, dask.config.set({"array.chunk-size": "20kiB"}):
        found = fits["GZIP_1"].to_dask(chunks).chunks
    assert found == (((130,), (210,)) if chunks == "tiles" else ((20,) * 6 + (10,), (150, 60)))


def test_chunks_may_be_what_dask_takes(path):
    with rustfits.FITS(path) as fits:
        hdu = fits["GZIP_1"]
        assert hdu.to_dask((100, -1)).chunks == ((100, 30), (210,))
        assert hdu.to_dask({1: 200}).chunks[1] == (200, 10)
        assert hdu.to_dask(60).chunks == ((60, 60, 10), (60, 60, 60, 30))


def test_the_graph_of_a_large_image_is_small(tmp_path):
    path = tmp_path / "large.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.create_image_hdu("i4", (10_000, 10_000), compress=rustfits.Gzip1(tile_shape=(256, 256)))
    with rustfits.FITS(path) as fits:
        arrays = [fits[1].to_dask(), fits[1].to_dask("auto"), fits[1].to_dask((256, 256))]
    assert [array.npartitions for array in arrays] == [16, 4, 1600]
    assert max(len(pickle.dumps(array)) for array in arrays) < 10_000


def test_names_are_the_same_in_every_process_as_long_as_the_file_is(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.eye(9))
    code = "import sys, rustfits; print(rustfits.FITS(sys.argv[1])[0].to_dask().name, end='')"

    def name():
        return subprocess.run(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, check=True
        ).stdout.decode()

    with rustfits.FITS(path) as fits:
        here, other = fits[0].to_dask().name, fits[0].to_dask((3, 3)).name
    assert name() == name() == here != other
    with rustfits.FITS(path, "r+") as fits:
        fits[0][0, 0] = 5
    assert name() != here


def test_a_file_that_has_changed_is_an_error_and_never_other_pixels(tmp_path, scheduler):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.eye(9))
    with rustfits.FITS(path) as fits:
        array = fits[0].to_dask((3, 3))
    rustfits.write(path, np.ones((9, 9)))
    with pytest.raises(rustfits.FileChanged, match=r"a\.fits.*not as it was"):
        array.compute()


def test_images_that_others_cannot_open_are_refused(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.eye(9))
    with rustfits.FITS(path, "r+") as fits, pytest.raises(rustfits.NotPicklable, match="mode 'r'"):
        fits[0].to_dask()
    with rustfits.FITS.from_bytes(path.read_bytes()) as fits, pytest.raises(rustfits.NotPicklable, match="memory"):
        fits[0].to_dask()
    with rustfits.FITS("mem://", "w+") as fits:
        fits.create_image_hdu("u1", ())
        with pytest.raises(rustfits.ImageError, match="NAXIS=0"):
            fits[0].to_dask()


class TestManyFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        for number in range(5):
            with rustfits.FITS(tmp_path / f"e{number}.fits", "w+") as fits:
                fits.write_image(sky() + number, extname="SCI", compress=rustfits.Gzip2(tile_shape=(20, 50)))
                fits.write_image(np.full((4, 5), number, "i2"), extname="DQ")
        return tmp_path

    def test_exposures_are_stacked_in_the_order_of_their_names(self, folder, scheduler):
        stack = images.read_files(folder / "e*.fits", chunks=(40, 100))
        assert stack.chunks == ((1,) * 5, (40, 40, 40, 10), (100, 100, 10))
        expected = np.stack([sky() + number for number in range(5)])
        assert same(stack.compute(), expected)
        assert same(stack[1:4, 10:30, ::-3].compute(), expected[1:4, 10:30, ::-3])
        assert same(stack[-1].compute(), expected[-1])
        assert same(da.median(stack, axis=0).compute(), np.median(expected, axis=0))

    def test_the_hdu_may_be_named_and_files_listed(self, folder):
        stack = images.read_files([folder / "e3.fits", str(folder / "e1.fits")], "DQ")
        assert stack.compute().tolist() == [[[3] * 5] * 4, [[1] * 5] * 4]
        assert images.read_files(folder / "e2.fits", ("DQ", 1)).shape == (1, 4, 5)

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc on this system")
    def test_no_file_stays_open(self, folder):
        stack = images.read_files(folder / "e*.fits")
        assert stack[1:].sum(axis=0)[0, 0].compute(scheduler="threads") == 4 * sky()[0, 0] + 10
        gc.collect()
        links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
        assert not [link for link in links if link.resolve().is_relative_to(folder)]

    def test_names_follow_the_states_of_the_files(self, folder):
        before, again = (images.read_files(folder / "e*.fits").name for _ in range(2))
        rustfits.write(folder / "e3.fits", sky())
        assert before == again != images.read_files(folder / "e*.fits").name

    def test_images_that_differ_are_named(self, folder):
        rustfits.write(folder / "e3.fits", sky()[:50])
        with pytest.raises(rustfits.ImageError, match=r"e3\.fits has an image of shape \(50, 210\)"):
            images.read_files(folder / "*.fits")
        rustfits.write(folder / "e3.fits", sky().astype("f8"))
        with pytest.raises(rustfits.ImageError, match=r"e3\.fits has .* float64"):
            images.read_files(folder / "*.fits")

    def test_files_that_are_not_there(self, folder):
        with pytest.raises(rustfits.FileMissing, match="no file matches"):
            images.read_files(folder / "x*.fits")
        with pytest.raises(rustfits.FileMissing):
            images.read_files([])
        with pytest.raises(rustfits.FileMissing, match=r"none\.fits"):
            images.read_files(folder / "none.fits")
        with rustfits.FITS(folder / "empty.fits", "w+") as fits:
            fits.create_image_hdu("u1", ())
        with pytest.raises(rustfits.HDUNotFound, match="no image with pixels"):
            images.read_files(folder / "empty.fits")
