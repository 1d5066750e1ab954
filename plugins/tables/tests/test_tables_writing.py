"""New tables: what is given for them is judged; writing them is not there yet."""

import numpy as np
import pytest

import rustfits
from rustfits import FITS, NotSupported


def test_tables_are_checked_and_then_said_to_be_missing(tmp_path):
    rows = np.zeros(3, dtype=[("a", "i4")])
    path = tmp_path / "x.fits"
    path.write_bytes(b"as it was")
    with FITS("mem://", "w+") as fits:
        for act in (
            lambda: fits.write(rows),
            lambda: fits.write({"a": np.zeros(3)}),
            lambda: fits.write_table([np.zeros(3)], names=["a"]),
            lambda: fits.create_table_hdu([("a", "i4")], 5, extname="T"),
            lambda: fits.create_ascii_table_hdu([("a", "i4")]),
            lambda: rustfits.write(path, rows),
        ):
            with pytest.raises(NotSupported, match="not written yet"):
                act()
        for act, words in (
            (lambda: fits.write_table(np.zeros(3)), "structured"),
            (lambda: fits.write_table({}), "empty"),
            (lambda: fits.write_table([np.zeros(3)]), "names="),
            (lambda: fits.write_table(rows, names=["a"]), "names="),
            (lambda: fits.create_table_hdu("i4"), "structured"),
            (lambda: fits.create_table_hdu([("a", "i4")], -1), "nrows"),
        ):
            with pytest.raises(ValueError, match=words):
                act()
        assert fits.to_bytes() == b""
    assert path.read_bytes() == b"as it was"
