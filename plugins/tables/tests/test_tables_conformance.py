"""Tables keep the contract of kinds of HDU."""

import numpy as np
import pytest

import rustfits
from rustfits.testing import HDUKindConformance

ROWS = np.zeros(500, [("A", "i4"), ("B", "f8", (3,))])
ROWS["A"] = np.arange(500)


class TestTable(HDUKindConformance):
    hdu_class = rustfits.TableHDU

    @pytest.fixture
    def path(self, tmp_path):
        rustfits.write(tmp_path / "x.fits", ROWS)
        return tmp_path / "x.fits"


class TestCompressedTable(HDUKindConformance):
    hdu_class = rustfits.CompressedTableHDU

    @pytest.fixture
    def path(self, tmp_path):
        with rustfits.FITS(tmp_path / "x.fits", "w+") as fits:
            fits.write_table(ROWS, compress={"A": "GZIP_2", "B": "GZIP_2"})
        return tmp_path / "x.fits"
