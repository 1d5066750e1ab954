"""The storage and its suite, as docs/writing-a-storage.md shows them, run as they stand there."""

import re
import sys
import tarfile
import types
from pathlib import Path

import numpy as np

import rustfits
from rustfits.testing import StorageConformance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "writing-a-storage.md"
STORAGE, SUITE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

rustfits_tar = types.ModuleType("rustfits_tar")
exec(STORAGE, vars(rustfits_tar))
sys.modules["rustfits_tar"] = rustfits_tar

names = {"__name__": __name__}
exec(SUITE, names)
TestTar = names["TestTar"]


def test_the_hook_opens_a_member_by_its_url(tmp_path):
    (tmp_path / "x.fits").write_bytes(StorageConformance.content)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "x.fits", "night/x.fits")
    url = f"tar://{tmp_path / 'x.tar'}#night/x.fits"
    assert rustfits_tar.rustfits_open_storage(url, "r+", None) is None
    with rustfits.FITS.from_storage(rustfits_tar.rustfits_open_storage(url, "r", None)) as fits:
        assert fits.filename == url
        assert np.array_equal(fits[0].read(), fits[1].read())
