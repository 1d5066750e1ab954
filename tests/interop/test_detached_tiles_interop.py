"""Tiles that CFITSIO wrote, decoded without their file; and files of tiles encoded elsewhere, as CFITSIO reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rustfits
from rustfits.plugin import ImageTiles, stored_tiles, write_tiles
from rustfits_testing.peers import write_with_cfitsio

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")

DATA = Path(__file__).parents[1] / "data"
CODECS = {"RICE_1": "RICE", "GZIP_1": "GZIP", "GZIP_2": "GZIP_2", "HCOMPRESS_1": "HCOMPRESS", "PLIO_1": "PLIO"}
CLASSES = {"RICE_1": "Rice1", "GZIP_1": "Gzip1", "GZIP_2": "Gzip2", "HCOMPRESS_1": "Hcompress1", "PLIO_1": "Plio1"}
INTEGERS = ["u1", "i2", "u2", "i4", "u4"]
TILE = (20, 34)  # neither divides the image
COUNTS = np.random.default_rng(4).integers(0, 200, (90, 120))


def sky(dtype):
    pixels = np.random.default_rng(5).normal(100, 5, (90, 120)).astype(dtype)
    pixels[20:40, 34:68] = 7  # a tile without noise cannot be quantised
    pixels[81:, 103:] = 0  # the last one likewise
    pixels[50, 3] = np.nan
    return pixels


def cases():
    for name in CODECS:
        for dtype in INTEGERS:
            if name != "PLIO_1" or dtype in ("u1", "i2", "i4"):
                yield pytest.param(name, COUNTS.astype(dtype), {}, id=f"{name}-{dtype}")
        if name != "PLIO_1":
            for dtype in ("f4", "f8"):
                for method in ("NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2"):
                    options = {"qlevel": 4, "qmethod": method, "dither_seed": 31}
                    yield pytest.param(name, sky(dtype), options, id=f"{name}-{dtype}-{method}")
    for name in ("GZIP_1", "GZIP_2"):
        for dtype in ("f4", "f8"):
            yield pytest.param(name, sky(dtype), {"qlevel": 0}, id=f"{name}-{dtype}-lossless")


def needs(name):
    if name not in rustfits.codecs():
        pytest.skip(f"codec not installed: {name}")


def from_bytes(path, key):
    """Return a section by the road of those who have header, entries and some bytes alone."""
    content = path.read_bytes()
    with rustfits.FITS(path) as fits:
        stored = stored_tiles(fits[1])
    entries = stored.entries.part(stored.tiles.rows(key))
    low, high = int(entries.start.min()), int((entries.start + entries.length).max())
    return stored.tiles.decode(entries, content[stored.heap_start :][low:high], key, at=low), entries


@pytest.mark.parametrize(("name", "pixels", "options"), list(cases()))
def test_tiles_that_cfitsio_wrote_are_decoded_to_what_it_reads(name, pixels, options, tmp_path):
    needs(name)
    path = tmp_path / "theirs.fits"
    write_with_cfitsio(pixels, path, compress=CODECS[name], tile_dims=list(TILE), **options)
    expected = fitsio.read(str(path), ext=1)
    for key in (np.s_[:], np.s_[40:60, 34:68], np.s_[70:, 90:], np.s_[3:77:5, 50]):
        found, entries = from_bytes(path, key)
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected[key])
        if key == np.s_[:] and options.get("qlevel"):
            assert set(entries.source) == {0, 1}  # what was not quantised is in another column


def test_nulls_by_another_integer_than_that_of_cfitsio_are_nan(tmp_path):
    needs("RICE_1")
    from astropy.io import fits as theirs

    path = tmp_path / "a.fits"
    image = theirs.CompImageHDU(sky("f4"), compression_type="RICE_1", tile_shape=TILE, quantize_level=4)
    theirs.HDUList([theirs.PrimaryHDU(), image]).writeto(path)
    with rustfits.FITS(path) as fits:
        assert fits[1].header["ZBLANK"] == -2147483648
    found, _ = from_bytes(path, np.s_[:])
    np.testing.assert_array_equal(found, fitsio.read(str(path), ext=1))
    assert np.isnan(found[50, 3])


@pytest.mark.parametrize(
    ("file", "sources"), [("galsim_uncompressed_fallback_f8.fits.fz", {2}), ("synthetic_zblank_column.fits", {0})]
)
def test_tiles_of_odd_columns_are_decoded(file, sources):
    raw = (DATA / file).read_bytes()
    with rustfits.FITS(DATA / file) as fits:
        found = [hdu for hdu in fits if isinstance(hdu, rustfits.CompressedImageHDU)]
        used = set()
        for hdu in found:
            stored = stored_tiles(hdu)
            used |= set(stored.entries.source)
            np.testing.assert_array_equal(stored.tiles.decode(stored.entries, raw[stored.heap_start :]), hdu.read())
        assert sources <= used


@pytest.mark.parametrize(("name", "pixels", "options"), list(cases()))
def test_tiles_that_are_encoded_elsewhere_are_read_by_cfitsio(name, pixels, options, tmp_path):
    needs(name)
    codec = getattr(rustfits, CLASSES[name])(tile_shape=TILE)
    quantize = None
    if options.get("qlevel"):
        methods = {"NO_DITHER": "no_dither", "SUBTRACTIVE_DITHER_1": "dither1", "SUBTRACTIVE_DITHER_2": "dither2"}
        quantize = rustfits.Quantize(level=4, method=methods[options["qmethod"]], seed=31)
    path = tmp_path / "ours.fits"
    with rustfits.FITS(path, "w+") as fits:
        fits.create_image_hdu(pixels.dtype, pixels.shape, compress=codec, quantize=quantize)
        tiles = ImageTiles(fits[1].header.tostring().encode(), codec, quantize)
        for first in (40, 0, 80):  # whatever the order
            write_tiles(fits[1], tiles.encode(pixels[first : first + 40], (first, 0)))
        expected = fits[1].read()
    np.testing.assert_array_equal(fitsio.read(str(path), ext=1), expected)
    if quantize is None:
        np.testing.assert_array_equal(expected, pixels)
