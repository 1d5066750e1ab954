"""Random groups are read as astropy reads them."""

import numpy as np
import pytest
import rustfits_groups

import rustfits
from rustfits.testing import HDUKindConformance

fits = pytest.importorskip("astropy.io.fits", reason="astropy writes the groups")
NGROUPS = 7


@pytest.fixture
def path(tmp_path):
    random = np.random.default_rng(1)
    data = random.normal(size=(NGROUPS, 2, 3, 4)).astype("f4")
    parameters = [random.normal(size=NGROUPS), random.normal(size=NGROUPS), random.normal(size=NGROUPS)]
    groups = fits.GroupData(data, parnames=["UU", "DATE", "DATE"], pardata=parameters, bitpix=-32)
    hdu = fits.GroupsHDU(groups)
    hdu.header["PSCAL1"], hdu.header["PZERO1"] = 2.0, 5.0
    hdu.writeto(tmp_path / "x.fits")
    return tmp_path / "x.fits"


class TestGroups(HDUKindConformance):
    hdu_class = rustfits_groups.RandomGroupsHDU
    number = 0


def test_groups_are_those_of_astropy(path):
    with fits.open(path) as peer, rustfits.FITS(path) as file:
        hdu, other = file[0], peer[0].data
        assert isinstance(hdu, rustfits_groups.RandomGroupsHDU)
        assert (hdu.ngroups, hdu.shape, hdu.has_data) == (NGROUPS, (2, 3, 4), True)
        assert hdu.parnames == ["UU", "DATE", "DATE"]
        groups = hdu.read()
        assert (groups["DATA"] == other.data).all()
        for name in ("UU", "DATE"):
            np.testing.assert_allclose(groups[name], other.par(name), rtol=1e-6)
        assert hdu.read(2, 4).tobytes() == groups[2:4].tobytes()
        assert rustfits.read(path).dtype.names == ("UU", "DATE", "DATA")


def test_a_file_that_ends_early_says_so(path):
    hdu = rustfits.FITS.from_bytes(path.read_bytes()[:2880])[0]
    with pytest.raises(rustfits.TruncatedFile, match="HDU 0"):
        hdu.read()


def test_other_primary_hdus_are_images(tmp_path):
    rustfits.write(tmp_path / "x.fits", np.zeros((3, 4)))
    with rustfits.FITS(tmp_path / "x.fits") as file:
        assert type(file[0]) is rustfits.ImageHDU
