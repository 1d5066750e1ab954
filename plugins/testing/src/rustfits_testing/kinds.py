"""The contract of a kind of HDU, as tests."""

# ruff: noqa: D102 - the names of tests say what they check

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from rustfits import FITS, FitsError, ImageHDU
from rustfits.plugin import HDU

CUTS = (0.1, 0.5, 0.9)  # of the data unit


class HDUKindConformance:
    """Checks that every kind of HDU must pass.

    A subclass defines the fixture ``path``: a file that holds an HDU of the kind, which may be changed.

    Attributes
    ----------
    hdu_class : type
        Of the HDU in the file.
    number : int
        Of that HDU; the one with the last bytes of the file.
    """

    hdu_class: ClassVar[type[HDU]]
    number: ClassVar[int] = 1

    def read(self, hdu: Any) -> Any:
        """Return what the HDU holds, as arrays; to be overridden where it has no `read`."""
        return hdu.read()

    def _read_from(self, content: bytes) -> Any:
        with FITS.from_bytes(content) as fits:
            return self.read(fits[self.number])

    def test_the_hdu_is_of_its_class(self, path: Path) -> None:
        with FITS(path) as fits:
            found = type(fits[self.number])
        name = self.hdu_class.__name__
        what = f"HDU {self.number} is a {found.__name__}, not a {name}"
        assert found is self.hdu_class, f"{what}: look at match, hdu_class and the names of the entry points"

    def test_images_are_left_to_the_core(self, path: Path) -> None:
        with FITS(path, "r+") as fits:
            fits.write_image(np.zeros((3, 4), "i2"), extname="BESIDE")
        with FITS(path) as fits:
            assert type(fits["BESIDE"]) is ImageHDU
            assert type(fits[self.number]) is self.hdu_class

    def test_reads_agree_and_threads_may_read(self, path: Path) -> None:
        with FITS(path) as fits, ThreadPoolExecutor(4) as pool:
            hdu = fits[self.number]
            first = pickle.dumps(self.read(hdu))
            found = list(pool.map(lambda _: pickle.dumps(self.read(hdu)), range(8)))
        assert set(found) == {first}, "reads of one HDU differ: nothing of one call may be kept on self by another"

    def test_the_hdu_shows_itself(self, path: Path) -> None:
        with FITS(path) as fits:
            assert repr(fits[self.number])
            assert fits[self.number].has_data

    @pytest.mark.parametrize("kept", CUTS)
    def test_a_file_that_ends_early_is_an_error_of_ours(self, path: Path, kept: float) -> None:
        content = path.read_bytes()
        with FITS(path) as fits:
            start, nbytes = fits[self.number].extent[2:]
        with pytest.raises(FitsError, match="HDU"):
            self._read_from(content[: start + int(kept * nbytes)])

    def test_a_keyword_of_the_user_stays_and_the_data_too(self, path: Path) -> None:
        before = self._read_from(path.read_bytes())
        with FITS(path, "r+") as fits:
            fits[self.number].header["OBSERVER"] = "Payne"
        with FITS(path) as fits:
            assert fits[self.number].header["OBSERVER"] == "Payne"
            assert pickle.dumps(self.read(fits[self.number])) == pickle.dumps(before)
