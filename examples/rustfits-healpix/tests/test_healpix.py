"""Maps are written and read, and other tables stay tables."""

import numpy as np
import pytest
import rustfits_healpix
from rustfits_healpix import HealpixMap

import rustfits
from rustfits.testing import HDUKindConformance

VALUES = np.random.default_rng(2).normal(size=12 * 4**2)


class TestHealpix(HDUKindConformance):
    hdu_class = rustfits_healpix.HealpixHDU

    @pytest.fixture
    def path(self, tmp_path):
        rustfits.write(tmp_path / "map.fits", HealpixMap(VALUES))
        return tmp_path / "map.fits"

    def read(self, hdu):
        return hdu.read_map()


def test_a_map_comes_back(tmp_path):
    path = tmp_path / "x.fits"
    rustfits.write(path, HealpixMap(VALUES), extname="SKY")
    with rustfits.FITS(path) as file:
        hdu = file["SKY"]
        assert isinstance(hdu, rustfits_healpix.HealpixHDU)
        assert file.table("SKY") is hdu
        assert (hdu.nside, hdu.ordering, hdu.nrows) == (4, "RING", VALUES.size)
        assert (hdu.read_map() == VALUES).all()
        assert (hdu.read()["SIGNAL"] == VALUES).all()
        assert file.verify().ok


def test_the_header_of_the_user_is_written_but_for_what_describes_the_data(tmp_path):
    given = {"OBSERVER": "Hubble", "TELESCOP": "HST", "NSIDE": 99, "EXTNAME": "SKY"}
    rustfits.write(tmp_path / "other.fits", np.zeros(3))
    with rustfits.FITS(tmp_path / "other.fits", "r+") as file:
        for key, value in given.items():
            file[0].header[key] = value
        file[0].header.add_history("seen twice")
        file[0].header.add_history("seen again")
        header = file[0].header
    rustfits.write(tmp_path / "x.fits", HealpixMap(VALUES), header=header)
    with rustfits.FITS(tmp_path / "x.fits") as file:
        hdu = file["SKY"]
        assert (hdu.header["OBSERVER"], hdu.header["TELESCOP"]) == ("Hubble", "HST")
        assert (hdu.nside, hdu.header["TFORM1"]) == (4, "1D")
        assert (hdu.read_map() == VALUES).all()
        assert file.verify().ok
    content = (tmp_path / "x.fits").read_bytes()
    assert content.index(b"HISTORY seen twice") < content.index(b"HISTORY seen again")
    assert content.count(b"HISTORY") == 2


def test_astropy_reads_it(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    rustfits.write(tmp_path / "x.fits", HealpixMap(VALUES))
    with fits.open(tmp_path / "x.fits") as peer:
        assert (peer[1].data["SIGNAL"] == VALUES).all()


@pytest.mark.parametrize("values", [np.zeros(13), np.zeros(0), np.zeros((2, 6))])
def test_what_is_no_map_is_refused_and_nothing_written(values, tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(b"as it was")
    with pytest.raises(ValueError, match="12"):
        rustfits.write(path, HealpixMap(values))
    assert path.read_bytes() == b"as it was"


def test_a_table_without_the_convention_is_a_table(tmp_path):
    rustfits.write(tmp_path / "x.fits", HealpixMap(VALUES))
    with rustfits.FITS(tmp_path / "x.fits", "r+") as file:
        del file[1].header["PIXTYPE"]
    with rustfits.FITS(tmp_path / "x.fits") as file:
        assert type(file[1]) is rustfits.TableHDU
