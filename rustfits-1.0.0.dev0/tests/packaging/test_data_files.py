"""Every file in tests/data says where it comes from, and is the file it says it is."""

from __future__ import annotations

import hashlib
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
ROWS = dict(
    re.findall(r"^\| `([^`]+)` \|.*\| (?:`([0-9a-f]{16})`)? ?\|$", (DATA / "README.md").read_text(), re.MULTILINE)
)


def test_every_file_has_a_line_about_its_origin():
    assert {path.name for path in DATA.iterdir()} - {"README.md"} == set(ROWS)


@pytest.mark.parametrize("name", sorted(name for name, digest in ROWS.items() if digest))
def test_the_pixels_are_those_cfitsio_decodes(name):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    with warnings.catch_warnings(), fitsio.FITS(str(DATA / name)) as peer:
        warnings.simplefilter("ignore")
        hdu = next(hdu for hdu in peer if hdu.get_exttype() == "IMAGE_HDU" and hdu.has_data())
        pixels = hdu.read()
    found = hashlib.sha256(np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">")).tobytes()).hexdigest()
    assert found[:16] == ROWS[name]
