"""Files of telescopes and of other programs open as astropy opens them."""

import gzip
import pathlib

import pytest

from rustfits.container.fitsfile import FITS

FILES = sorted((pathlib.Path(__file__).parents[1] / "data").glob("*.fits*"))


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def path(request):
    return request.param


def test_there_are_files_to_try():
    assert FILES


@pytest.mark.filterwarnings("ignore::Warning")
def test_hdus_lie_where_astropy_finds_them(path):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    with FITS(path) as ours, astropy.open(path, disable_image_compression=True) as theirs:
        found = [(each.header_start, each.data_start, each.data_nbytes) for each in ours._file.extents]
        assert found == [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"], hdu.size) for hdu in theirs]
        assert [hdu.extname or "" for hdu in ours] == [hdu.header.get("EXTNAME", "") for hdu in theirs]
        assert [hdu.extver for hdu in ours] == [hdu.header.get("EXTVER", 1) for hdu in theirs]
        assert len(repr(ours).splitlines()) == 3 + len(theirs)


def test_the_bytes_of_a_file_are_given_back_as_they_are(path):
    raw = path.read_bytes()
    with FITS(path) as fits:
        assert fits.to_bytes() == raw
    with FITS.from_bytes(gzip.compress(raw, 1)) as fits:
        assert fits.to_bytes() == raw


def test_an_image_added_to_a_file_leaves_all_before_it_as_it_was(path, tmp_path):
    copy = tmp_path / path.name
    raw = path.read_bytes()
    copy.write_bytes(raw)
    with FITS(copy, "r+") as fits:
        count = len(fits)
        added = fits.write_image([[1, 2], [3, 4]], extname="ADDED")
        assert added.index == count
    assert copy.read_bytes()[: len(raw)] == raw
    with FITS(copy) as fits:
        assert fits["ADDED"].read().tolist() == [[1, 2], [3, 4]]
