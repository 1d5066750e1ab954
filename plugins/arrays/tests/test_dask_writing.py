"""Dask arrays as images: the bytes of a serial write, whoever encodes them, and all of them or none."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from files import codecs, same, sky
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rustfits

dask = pytest.importorskip("dask", reason="not installed: dask")
da = pytest.importorskip("dask.array", reason="not installed: dask[array]")

from rustfits_arrays import dask as images  # noqa: E402 - needs Dask
from rustfits_arrays.writing import whole_tiles  # noqa: E402

COUNTS = np.random.default_rng(6).integers(0, 3000, (130, 210))
LOSSLESS = {"u1": COUNTS % 200, "i2": COUNTS, "u2": COUNTS + 40_000, "i4": COUNTS, "f4": sky(), "f8": sky()}
HEADER = {"OBJECT": ("M13", "what it shows"), "GAIN": 2.5}


def serial(path, pixels, *, checksum=False, **options):
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.write_image(pixels, **options)
        if checksum:
            hdu.add_checksum()
    return path.read_bytes()


def check(tmp_path, pixels, chunks=(47, 90), **options):
    expected = serial(tmp_path / "serial.fits", pixels, **options)
    images.write(tmp_path / "dask.fits", da.from_array(pixels, chunks=chunks), **options)
    assert (tmp_path / "dask.fits").read_bytes() == expected


def cases():
    for name, codec in codecs().items():
        for dtype in LOSSLESS:
            if codec.uncompressed or dtype in codec.pixel_dtypes or (dtype == "u2" and name != "PLIO_1"):
                yield pytest.param(codec, dtype, id=f"{name}-{dtype}")
    for dtype in LOSSLESS:
        yield pytest.param(None, dtype, id=f"plain-{dtype}")


@pytest.mark.parametrize(("codec", "dtype"), list(cases()))
def test_the_file_is_that_of_a_serial_write(tmp_path, codec, dtype):
    check(tmp_path, LOSSLESS[dtype].astype(dtype), compress=codec, extname="SCI", header=HEADER)


QUANTISED = [name for name in codecs() if name not in ("PLIO_1", "NOCOMPRESS")]


@pytest.mark.parametrize("name", QUANTISED)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", ["no_dither", "dither1", "dither2"])
@pytest.mark.parametrize("seed", [7, "checksum"])
def test_the_file_of_a_quantised_image_is_that_of_a_serial_write(tmp_path, name, dtype, method, seed):
    quantize = rustfits.Quantize(level=8, method=method, seed=seed)
    check(tmp_path, sky().astype(dtype), compress=codecs()[name], quantize=quantize, extver=3, extname="SCI")


def test_every_scheduler_writes_that_file(tmp_path, scheduler):
    options = {"compress": codecs()["GZIP_2"], "extname": "SCI", "header": HEADER, "checksum": True}
    check(tmp_path, sky(), quantize=rustfits.Quantize(seed=7), **options)
    check(tmp_path, COUNTS.astype("u2"), **options)
    check(tmp_path, COUNTS.astype("i2"), extname="SCI", checksum=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_chunks_of_any_size_write_that_file(tmp_path, data):
    shape = tuple(data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=3)))
    if 0 in shape[1:]:
        shape = tuple(max(size, 1) for size in shape)
    tile = tuple(data.draw(st.integers(1, 12)) for _ in shape)
    chunks = tuple(data.draw(st.integers(1, 31)) for _ in shape)
    pixels = np.arange(np.prod(shape), dtype="i4").reshape(shape)
    check(tmp_path, pixels, chunks, compress=data.draw(st.sampled_from([None, rustfits.Gzip2(tile_shape=tile)])))


def test_masked_pixels_become_blank_or_nan(tmp_path):
    masked = np.ma.MaskedArray(COUNTS.astype("i2"), COUNTS % 7 == 0)
    check(tmp_path, masked, compress=codecs()["GZIP_1"], blank=-1)
    check(tmp_path, masked, blank=-1)
    floats = np.ma.MaskedArray(sky(), COUNTS % 7 == 0)
    check(tmp_path, floats, compress=codecs()["GZIP_1"], quantize=rustfits.Quantize(seed=2))


def test_other_programs_read_it(tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    path, quantize = tmp_path / "a.fits", rustfits.Quantize(method="dither1", seed=7)
    images.write(path, da.from_array(sky(), chunks=50), compress=codecs()["GZIP_1"], quantize=quantize, checksum=True)
    with rustfits.FITS(path) as fits:
        assert same(fits[1].read(), fitsio.read(str(path), ext=1))
        assert fits.verify().ok


def test_what_a_task_computes_may_be_read_of_other_files(tmp_path):
    rustfits.write(tmp_path / "raw.fits", COUNTS.astype("u2"))
    with rustfits.FITS(tmp_path / "raw.fits") as fits:
        raw = fits[0].to_dask((50, 100))
    reduced = (raw - raw.mean()).astype("f4")  # the mean is computed once
    images.write(tmp_path / "a.fits", reduced, compress="GZIP_2")
    assert same(rustfits.read(tmp_path / "a.fits"), reduced.compute())


def test_an_image_may_be_appended(tmp_path):
    serial(tmp_path / "a.fits", COUNTS.astype("i2"))
    with rustfits.FITS(tmp_path / "a.fits", "r+") as fits:
        fits.write_image(sky(), extname="B", compress=codecs()["GZIP_1"])
    expected = (tmp_path / "a.fits").read_bytes()
    serial(tmp_path / "a.fits", COUNTS.astype("i2"))
    array = da.from_array(sky(), chunks=50)
    images.write(tmp_path / "a.fits", array, mode="r+", extname="B", compress=codecs()["GZIP_1"])
    assert (tmp_path / "a.fits").read_bytes() == expected
    with pytest.raises(rustfits.FileExists):
        images.write(tmp_path / "a.fits", array, mode="x")


def test_blocks_are_let_go_when_they_are_written(tmp_path):
    # The scheduler would keep what it computes to its end: here nothing of it is left.
    kept = []

    class Watching(dask.callbacks.Callback):
        def _finish(self, dsk, state, failed):
            kept.extend(value for value in state["cache"].values() if isinstance(value, list | np.ndarray))

    with Watching():
        images.write(tmp_path / "a.fits", da.zeros((400, 400), chunks=50, dtype="i4"), compress="GZIP_1")
    assert not kept


def failing_at(place):
    """Return a function that fails on one block; as it is made here, it goes to workers by its value."""

    def failing(block, block_info=None):
        if block_info and block_info[0]["chunk-location"] == place:
            raise RuntimeError("of one block")
        return block

    return failing


@pytest.mark.parametrize("compress", [None, "GZIP_1"])
def test_after_an_error_the_file_is_as_it_was(tmp_path, scheduler, compress):
    path = tmp_path / "a.fits"
    before = serial(path, COUNTS.astype("i2"))
    broken = da.from_array(COUNTS.astype("i4"), chunks=50).map_blocks(failing_at((2, 1)), dtype="i4")
    for mode in ("w+", "r+"):
        with pytest.raises(RuntimeError, match="of one block"):
            images.write(path, broken, compress=compress, mode=mode)
        assert path.read_bytes() == before
    with pytest.raises(RuntimeError, match="of one block"):
        images.write(tmp_path / "new.fits", broken, compress=compress, mode="x")
    assert sorted(os.listdir(tmp_path)) == ["a.fits"]


def test_pixels_that_the_codec_cannot_hold_are_an_error_and_no_file(tmp_path, scheduler):
    array = da.from_array(np.full((100, 100), np.iinfo("i4").max, "i4"), chunks=50)
    if "PLIO_1" not in codecs():
        pytest.skip("plugin not installed: plio")
    with pytest.raises(rustfits.TileEncodeError, match="PLIO_1"):
        images.write(tmp_path / "a.fits", array, compress=codecs()["PLIO_1"])
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys, dask, dask.array as da, rustfits_arrays.dask as images
def killing(block, block_info=None):
    if block_info and block_info[0]["chunk-location"] == (6, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    return block
array = da.zeros((1600, 1600), chunks=200, dtype="i4").map_blocks(killing, dtype="i4")
dask.config.set(scheduler="synchronous")
images.write(sys.argv[1], array, compress="GZIP_1", mode=sys.argv[2], extname="NEW")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal on this system")
@pytest.mark.parametrize("mode", ["w+", "r+"])
def test_a_process_that_is_killed_leaves_the_file_as_it_was(tmp_path, mode):
    path = tmp_path / "a.fits"
    before = serial(path, COUNTS.astype("i2"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), mode], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # something had been written, and was not finished
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rustfits.FITS(path, "r+") as fits:  # applies the journal
            assert len(fits) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("array", [da.zeros((), dtype="i2"), da.arange(9)[da.arange(9) > 3]], ids=["number", "unknown"])
def test_what_is_no_image_is_refused(tmp_path, array):
    with pytest.raises(rustfits.ImageError, match="cannot be written"):
        images.write(tmp_path / "a.fits", array)
    assert not list(tmp_path.iterdir())


@example([4], 3)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(1, 50))
def test_chunks_are_aligned_to_tiles(lengths, tile):
    (aligned,) = whole_tiles([lengths], [tile])
    assert sum(aligned) == sum(lengths)
    assert min(aligned) > 0
    assert all(length % tile == 0 for length in aligned[:-1])
    if all(length % tile == 0 for length in lengths[:-1]):
        assert aligned == tuple(lengths)
