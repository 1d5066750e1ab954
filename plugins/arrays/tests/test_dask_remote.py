"""Images behind URLs as Dask arrays: right pixels, few requests, and no file in another state."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from files import images_of, made, same, telescope_files

import rustfits

dask = pytest.importorskip("dask", reason="not installed: dask")
pytest.importorskip("dask.array", reason="not installed: dask[array]")
pytest.importorskip("rustfits_remote", reason="not installed: rustfits-remote")

from rustfits_arrays import dask as images  # noqa: E402 - needs Dask

sys.path.insert(0, str(Path(__file__).parents[2] / "remote" / "tests"))
from server import Server  # noqa: E402

RANGED = rustfits.Remote(ranged=True)


@pytest.fixture(scope="module")
def http():
    with Server() as running:
        yield running


@pytest.fixture(params=["http", "s3"])
def place(request):
    """Return what puts a file behind a URL, and how that is read."""
    if request.param == "http":
        server = request.getfixturevalue("http")
        return lambda name, content: server.put(content, f"/{name}"), RANGED
    options, system, _ = request.getfixturevalue("s3_bucket")

    def placed(name, content):
        system.pipe(f"exposures/{name}", content)
        return f"s3://exposures/{name}"

    return placed, rustfits.Remote(options=options)


def check(content, name, place):
    put, remote = place
    url = put(name, content)
    with rustfits.FITS.from_bytes(content) as local, rustfits.FITS(url, remote=remote) as fits:
        expected = [(hdu.index, pixels) for hdu, pixels in images_of(local)]
        arrays = [fits[index].to_dask(tuple(-(-size // 2) for size in pixels.shape)) for index, pixels in expected]
    for found, (_, pixels) in zip(dask.compute(*arrays), expected, strict=True):
        assert same(found, pixels)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_images_behind_urls_have_their_pixels(place, scheduler):
    check(made(), "made.fits", place)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("file", telescope_files())
def test_images_of_telescopes_behind_urls_have_their_pixels(place, file):
    path = telescope_files()[file]
    if path.read_bytes()[:2] == b"\x1f\x8b":
        with pytest.raises(rustfits.FitsError):  # parts of a file that is compressed as a whole cannot be had
            check(path.read_bytes(), file, place)
        return
    with dask.config.set(scheduler="threads"):
        check(path.read_bytes(), file, place)


def test_a_worker_asks_for_no_header(http, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 3000, (500, 400)).astype("i2")
    with rustfits.FITS("mem://", "w+") as fits:
        for number in range(60):
            fits.write_image(pixels + number, compress=rustfits.Gzip2(tile_shape=(50, 50)))
        content = fits.to_bytes()
    with rustfits.FITS(http.put(content, "/many.fits"), remote=RANGED) as fits:
        array = fits[50].to_dask((50, 100))
    sent = pickle.dumps(array[110:140, 220:280])
    http.reset()
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).sum().compute(scheduler='threads'))"
    done = subprocess.run([sys.executable, "-c", code], input=sent, stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == int((pixels + 49)[110:140, 220:280].sum(dtype="i8"))
    assert http.count <= 2


def test_exposures_behind_urls_are_stacked(http):
    urls = []
    for number in range(3):
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_image(np.full((50, 60), number, "i2"), compress="GZIP_1")
            urls.append(http.put(fits.to_bytes(), f"/e{number}.fits"))
    stack = images.read_files(urls, remote=RANGED)
    assert stack.mean(axis=(1, 2)).compute().tolist() == [0, 1, 2]


def test_a_file_behind_a_url_that_has_changed_is_an_error(http, scheduler):
    def content(value):
        with rustfits.FITS("mem://", "w+") as fits:
            fits.write_image(np.full((50, 60), value, "i2"), compress="GZIP_1")
            return fits.to_bytes()

    with rustfits.FITS(http.put(content(1), "/changing.fits"), remote=RANGED) as fits:
        array = fits[1].to_dask((20, 30))
    http.put(content(2), "/changing.fits")
    with pytest.raises(rustfits.FileChanged):
        array.compute()
