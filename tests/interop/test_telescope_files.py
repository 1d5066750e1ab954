"""Real files read here, by CFITSIO and by astropy: every pixel and every keyword the same."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import rustfits
from rustfits.errors import how_to_install

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
pytest.importorskip("astropy", reason="peer not installed: astropy")
from astropy.io import fits  # noqa: E402

HERE = Path(__file__).resolve()
FOLDERS = [
    Path(os.environ.get("RUSTFITS_TELESCOPE_FILES", HERE.parents[3] / "shared" / "data")),
    HERE.parents[1] / "data",
]
FILES = {path.name: path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.glob("*.fits*"))}
KEYWORDS_OF_STORAGE = {"CHECKSUM", "DATASUM"}  # astropy checks them and takes them out of the header it shows


def images_of(path):
    with rustfits.FITS(path) as handle:
        return [hdu.index for hdu in handle if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data]


@pytest.fixture(params=sorted(FILES) or [pytest.param(None, marks=pytest.mark.skip(reason="no telescope files here"))])
def path(request):
    return FILES[request.param]


def assert_same(found, expected):
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def read_or_missing_codec(hdu):
    """Return the pixels, or None if the error rightly names a package that is not installed."""
    try:
        return hdu.read()
    except rustfits.CodecNotInstalled as error:
        missing = error
    assert missing.algorithm not in rustfits.codecs()
    assert how_to_install(missing.package) in str(missing)
    return None


def test_every_image_reads_bit_for_bit_as_cfitsio_reads_it(path):
    peer = fitsio.FITS(str(path))
    with rustfits.FITS(path) as handle:
        for index in images_of(path):
            found = read_or_missing_codec(handle[index])
            if found is not None:
                assert_same(found, peer[index].read())


def test_every_image_reads_bit_for_bit_as_astropy_reads_it(path):
    with warnings.catch_warnings(), fits.open(path) as peer, rustfits.FITS(path) as handle:
        warnings.simplefilter("ignore")
        for index in images_of(path):
            found = read_or_missing_codec(handle[index])
            if found is not None:
                assert_same(found, peer[index].data)


def test_a_cutout_equals_the_same_part_of_the_whole(path):
    with rustfits.FITS(path) as handle:
        for index in images_of(path)[:3]:
            hdu = handle[index]
            whole = read_or_missing_codec(hdu)
            if whole is not None:
                key = tuple(slice(length // 3, max(length // 3 + 1, length // 2), 2) for length in hdu.shape)
                hdu.clear_tile_cache() if hasattr(hdu, "clear_tile_cache") else None
                np.testing.assert_array_equal(hdu[key], whole[key])


def test_every_keyword_is_the_one_astropy_sees(path):
    with (
        warnings.catch_warnings(),
        fits.open(path, disable_image_compression=True) as peer,
        rustfits.FITS(path) as handle,
    ):
        warnings.simplefilter("ignore")
        assert len(handle) == len(peer)
        for hdu, other in zip(handle, peer, strict=True):
            expected = {}
            for card in other.header.cards:
                if card.keyword not in ("COMMENT", "HISTORY", "", *KEYWORDS_OF_STORAGE):
                    expected.setdefault(card.keyword, card.value)
            found = {key: hdu.header[key] for key in hdu.header if key not in ("COMMENT", "HISTORY", "")}
            assert list(found) == [key for key in hdu.header if key in found]
            for key, value in expected.items():
                shown = None if isinstance(value, fits.card.Undefined) else value
                assert found.pop(key.upper() if key.upper() in found else key) == shown, key
            assert set(found) <= KEYWORDS_OF_STORAGE


def test_info_needs_no_codec(path):
    with rustfits.FITS(path) as handle:
        for hdu in handle:
            assert repr(hdu)
            if isinstance(hdu, rustfits.ImageHDU):
                assert len(hdu.shape) == hdu.ndim
