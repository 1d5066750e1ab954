"""Edited compressed images and other software: files of any origin are edited here, and read there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import rustfits
from rustfits import FITS, Quantize

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
pytest.importorskip("astropy", reason="peer not installed: astropy")
from astropy.io import fits as astropy_fits  # noqa: E402

DATA = Path(__file__).parents[1] / "data"
NEXT = np.arange(77, dtype="i4").reshape(7, 11)
CLASSES = {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "RICE_1": "Rice1", "PLIO_1": "Plio1", "HCOMPRESS_1": "Hcompress1"}
ALGORITHMS = [name for name in CLASSES if name in rustfits.codecs()]
METHODS = {"no_dither": -1, "dither1": 1, "dither2": 2}  # what fitsio and astropy call them


def program(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"peer not installed: {name}")


def holds(algorithm, dtype, quantised):
    if algorithm == "PLIO_1":
        return dtype in ("u1", "i2", "i4")
    if dtype[0] == "f":
        return quantised or algorithm.startswith("GZIP")
    return algorithm != "HCOMPRESS_1" or dtype != "u4"


def pixels_of(dtype, shape, seed):
    noise = np.random.default_rng(seed).normal(100, 9, shape)
    return (noise if dtype[0] == "f" else np.rint(noise).clip(0)).astype(dtype)


def write(path, origin, pixels, *, algorithm, tile, method):
    """Write a compressed image and one behind it, by one of four programs; ``method`` is that of quantisation."""
    behind = astropy_fits.ImageHDU(NEXT, name="NEXT")
    if origin == "rustfits":
        with FITS(path, "w+") as fits:
            codec = getattr(rustfits, CLASSES[algorithm])(tile_shape=tile)
            fits.write_image(pixels, compress=codec, quantize=method and Quantize(method=method, seed=7))
            fits.write_image(NEXT, extname="NEXT")
    elif origin == "fitsio":
        quantise = {"qlevel": 4, "qmethod": METHODS[method], "dither_seed": 7} if method else {"qlevel": 0}
        options = quantise if pixels.dtype.kind == "f" else {}
        with fitsio.FITS(str(path), "rw", clobber=True) as fits:
            fits.write(pixels, compress=algorithm, tile_dims=tile, **options)
            fits.write(NEXT, extname="NEXT")
    elif origin == "astropy":
        quantise = {"quantize_level": 4, "quantize_method": METHODS[method], "dither_seed": 7} if method else {}
        if pixels.dtype.kind == "f" and not method:
            quantise = {"quantize_level": 0}
        hdu = astropy_fits.CompImageHDU(pixels, compression_type=algorithm, tile_shape=tile, **quantise)
        astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu, behind]).writeto(path, overwrite=True)
    else:
        plain = path.with_suffix(".plain")
        with FITS(plain, "w+") as fits:
            fits.write_image(pixels)
        options = {"GZIP_1": ["-g1"], "GZIP_2": ["-g2"], "RICE_1": ["-r"]}[algorithm]
        if pixels.dtype.kind == "f":
            options += {"no_dither": ["-q0", "4"], "dither1": ["-q", "4"], "dither2": ["-qz", "4"], None: ["-q", "0"]}[
                method
            ]
        tiles = ",".join(map(str, tile[::-1]))
        path.unlink(missing_ok=True)
        subprocess.run(["fpack", *options, "-t", tiles, "-O", path, plain], check=True, capture_output=True)
        with FITS(path, "r+") as fits:
            fits.write_image(NEXT, extname="NEXT")


def assert_read_alike(path, index=1):
    """Check that fitsio and astropy read the image, and the one behind it, as it is read here."""
    with FITS(path) as fits:
        expected, table = fits[index].read(), fits[index].header
        lossless_null = "ZBLANK" in table and expected.dtype.kind != "f"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with astropy_fits.open(path) as peer:
            found = np.asarray(peer[index].data)
            if not lossless_null:
                np.testing.assert_array_equal(found, expected)
            if "NEXT" in peer:
                np.testing.assert_array_equal(np.asarray(peer["NEXT"].data), NEXT)
    np.testing.assert_array_equal(fitsio.read(str(path), ext=index), expected)


def faults(path):
    """Return what fitsverify finds wrong; but checksums are the user's to renew."""
    if not shutil.which("fitsverify"):
        return set()
    told = subprocess.run(["fitsverify", path], capture_output=True, text=True, check=False).stdout
    found = {line for line in told.splitlines() if line.startswith("*** ")}
    return {line for line in found if "checksum" not in line.lower()}


def assert_verified(path):
    assert faults(path) == set()


class Edits(RuleBasedStateMachine):
    """An image of some origin, its numpy model, and what may be done to both."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "edited.fits"
        self.fits = None
        self.seed = 0

    @initialize(data=st.data())
    def begin(self, data):
        origins = ["rustfits", "fitsio", "astropy", *(["fpack"] if shutil.which("fpack") else [])]
        origin = data.draw(st.sampled_from(origins))
        algorithm = data.draw(st.sampled_from([a for a in ALGORITHMS if origin != "fpack" or a[0] in "GR"]))
        method = data.draw(st.sampled_from([None, *METHODS]))
        dtypes = [d for d in ("u1", "i2", "u2", "i4", "u4", "f4", "f8") if holds(algorithm, d, method)]
        if method:
            dtypes = [dtype for dtype in dtypes if dtype[0] == "f"] or dtypes
        self.dtype = data.draw(st.sampled_from(dtypes))
        self.method = method if self.dtype[0] == "f" else None
        self.lossless = self.method is None
        self.shape = (data.draw(st.integers(8, 20)), data.draw(st.integers(8, 30)))
        tile = (data.draw(st.integers(1, 9)), data.draw(st.integers(4, 40)))
        if algorithm == "HCOMPRESS_1":
            self.shape, tile = (16, self.shape[1]), (data.draw(st.sampled_from([4, 8, 16])), self.shape[1])
        self.rows_at_once = 4 if algorithm == "HCOMPRESS_1" else 1
        self.thick = tile[0] if algorithm == "HCOMPRESS_1" else 1
        pixels = pixels_of(self.dtype, self.shape, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(self.path, origin, pixels, algorithm=algorithm, tile=tile, method=self.method)
        self.fits = FITS(self.path, "r+")
        self.hdu = self.fits[1]
        self.model = self.hdu.read()
        self.tolerance = 9.0
        if self.lossless:
            np.testing.assert_array_equal(self.model, pixels)

    def values(self, shape):
        self.seed += 1
        values = pixels_of(self.dtype, shape, self.seed)
        # The scale of a tile with zeros or nulls begins at its lowest pixel.
        return values if self.lossless else np.maximum(values, np.nanmax(self.model)).astype(self.dtype)

    def settle(self, expected):
        """Compare with what numpy would have done; pixels that were set may differ by their quantum."""
        found = self.hdu.read()
        assert found.shape == expected.shape
        if self.lossless:
            np.testing.assert_array_equal(found, expected)
        else:
            same = np.zeros(found.shape, dtype=bool)
            rows, columns = self.model.shape
            same[:rows, :columns] = expected[:rows] == self.model
            np.testing.assert_array_equal(found[same], expected[same])
            np.testing.assert_allclose(found, expected, atol=self.tolerance)
        self.model = found

    @rule(data=st.data())
    def set_pixels(self, data):
        key = []
        for size in self.model.shape:
            first = data.draw(st.integers(0, size - 1))
            key.append(slice(first, data.draw(st.integers(first + 1, size)), data.draw(st.integers(1, 5))))
        key = tuple(key)
        expected = self.model.copy()
        expected[key] = values = self.values(expected[key].shape)
        self.hdu[key] = values
        self.settle(expected)

    @rule(data=st.data())
    def set_one_pixel(self, data):
        key = tuple(data.draw(st.integers(-size, size - 1)) for size in self.model.shape)
        expected = self.model.copy()
        expected[key] = value = self.values((1,))[0]
        self.hdu[key] = value
        self.settle(expected)

    @rule(nrows=st.integers(1, 11), inside=st.booleans())
    def extend(self, nrows, inside):
        nrows = -(-nrows // self.thick) * self.thick  # CFITSIO reads no thin tiles of HCOMPRESS_1
        rows = self.values((nrows, self.model.shape[1]))
        if inside:
            with self.hdu.extending():
                for row in rows:
                    self.hdu.extend(row[None])
        else:
            self.hdu.extend(rows)
        self.settle(np.concatenate([self.model, rows]))

    @rule()
    def write_again(self):
        values = pixels_of(self.dtype, self.model.shape, self.seed)
        self.hdu.write(values)
        found = self.hdu.read()
        if self.lossless:
            np.testing.assert_array_equal(found, values)
        else:
            np.testing.assert_allclose(found, values, atol=self.tolerance)
        self.model = found

    @rule()
    def repack(self):
        nbytes = self.path.stat().st_size
        self.hdu.repack()
        assert self.path.stat().st_size <= nbytes
        np.testing.assert_array_equal(self.hdu.read(), self.model)

    @rule(number=st.integers(1, 50))
    def grow_the_header(self, number):
        self.hdu.header.update({f"KEY{index}": index for index in range(number)})

    @rule()
    def add_checksums(self):
        self.hdu.add_checksum()
        assert self.hdu.verify_checksum() is True

    @rule()
    def reopen(self):
        self.fits.close()
        self.fits = FITS(self.path, "r+")
        self.hdu = self.fits[1]

    @invariant()
    def others_read_the_same(self):
        if self.fits is not None:
            np.testing.assert_array_equal(self.fits["NEXT"].read(), NEXT)
            assert_read_alike(self.path)

    def teardown(self):
        if self.fits is not None:
            self.fits.close()
            assert_verified(self.path)
        shutil.rmtree(self.folder)


Edits.TestCase.settings = settings(max_examples=60, stateful_step_count=8, suppress_health_check=list(HealthCheck))
TestAnySequenceOfEditsOfAFileOfAnyOriginIsReadAlikeEverywhere = Edits.TestCase


@pytest.fixture
def room(monkeypatch):
    """Leave room between table and heap, however small the heap is."""
    monkeypatch.setattr("rustfits.heap.writer.SMALL_HEAP_NBYTES", 0)


@pytest.mark.parametrize("origin", ["rustfits", "fitsio", "astropy", pytest.param("fpack", marks=program("fpack"))])
@pytest.mark.parametrize(("dtype", "method"), [("i2", None), ("u2", None), ("f4", "dither1"), ("f4", "dither2")])
@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name[0] in "GR"])
def test_other_readers_take_the_heap_from_where_the_header_says(room, origin, dtype, method, algorithm, tmp_path):
    path = tmp_path / "edited.fits"
    pixels = pixels_of(dtype, (21, 40), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path, origin, pixels, algorithm=algorithm, tile=(5, 16), method=method)
    with FITS(path, "r+") as fits:
        hdu = fits[1]
        rows = pixels_of(dtype, (16, 40), 1).clip(pixels.max() if dtype[0] == "f" else None)
        for start in range(0, 16, 3):
            hdu.extend(rows[start : start + 3])
        assert hdu.header["THEAP"] > hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    assert_read_alike(path)
    assert_verified(path)
    if shutil.which("funpack"):
        plain = tmp_path / "plain.fits"
        subprocess.run(["funpack", "-O", plain, path], check=True, capture_output=True)
        with FITS(path) as fits, FITS(plain) as restored:
            same = next(hdu for hdu in restored if hdu.has_data)
            np.testing.assert_array_equal(same.read(), fits[1].read())
    with FITS(path, "r+") as fits:
        fits[1].repack()
    assert_read_alike(path)
    assert_verified(path)


@pytest.mark.skipif("RICE_1" not in ALGORITHMS, reason="no plugin for RICE_1")
@pytest.mark.parametrize("origin", ["fitsio", "astropy", "rustfits"])
@pytest.mark.parametrize("method", list(METHODS))
def test_nan_is_written_as_the_null_of_the_file(origin, method, tmp_path):
    path = tmp_path / "edited.fits"
    pixels = pixels_of("f4", (12, 50), 0)
    pixels[4, 5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path, origin, pixels, algorithm="RICE_1", tile=(3, 25), method=method)
    with FITS(path, "r+") as fits:
        hdu = fits[1]
        before = hdu.read()
        hdu[7, 3:6] = np.nan
        rows = pixels_of("f4", (6, 50), 2)
        rows[2, 2] = np.inf
        hdu.extend(rows)
        found = hdu.read()
        expected = np.isnan(np.concatenate([pixels, pixels[:6]]))
        expected[16, 5] = False
        expected[7, 3:6] = expected[14, 2] = True
        np.testing.assert_array_equal(np.isnan(found), expected)
        untouched = ~expected[:12]
        np.testing.assert_array_equal(found[:12][untouched], before[untouched])
    assert_read_alike(path)
    assert_verified(path)


REAL = [path for path in sorted(DATA.glob("*.fits*")) if path.stem.split(".")[0] not in ("m13", "m13real")]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_every_image_of_a_real_file_can_be_edited(path, tmp_path):
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    edited = 0
    with FITS(copy, "r+") as fits:
        images = [hdu for hdu in fits if isinstance(hdu, rustfits.CompressedImageHDU)]
        if max((hdu.size for hdu in images), default=0) > 4 << 20:
            images = images[:1]  # the others are like it
        for hdu in images:
            try:
                before = hdu.read()
            except rustfits.FitsError:
                continue  # a codec of its own
            if not before.size:
                continue
            edited += 1
            lossless = before.dtype.kind != "f"
            middle = tuple(size // 2 for size in hdu.shape)
            hdu[middle] = value = before[(0,) * before.ndim] if lossless else before[middle]
            expected = before.copy()
            expected[middle] = value
            np.testing.assert_array_equal(hdu.read(), expected)
            hdu.extend(before[-3:])
            if lossless:
                np.testing.assert_array_equal(hdu[: before.shape[0]], expected)
                np.testing.assert_array_equal(hdu[before.shape[0] :], before[-3:])
            whole = hdu.read()
            hdu.repack()
            np.testing.assert_array_equal(hdu.read(), whole)
    if edited:
        assert faults(copy) <= faults(path)
        with FITS(copy) as fits:
            for index in [hdu.index for hdu in images if hdu.header["ZCMPTYPE"] in CLASSES]:
                np.testing.assert_array_equal(fitsio.read(str(copy), ext=index), fits[index].read())
