"""The contract of a storage, as tests."""

# ruff: noqa: D102 - the names of tests say what they check

from __future__ import annotations

import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from rustfits import FITS, TruncatedFile
from rustfits.plugin import HEAD_NBYTES, Storage

PIXELS = np.random.default_rng(1).integers(0, 50, (300, 401)).astype("i2")


def a_file() -> bytes:
    """Return a FITS file of an image, and of the same one compressed."""
    target = io.BytesIO()
    with FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        fits.write_image(PIXELS, compress="GZIP_2")
        target.write(fits.to_bytes())
    return target.getvalue()


class StorageConformance:
    """Checks that every storage must pass.

    A subclass defines the fixture ``storage``: one that holds `content`, open. One test reads a file in it by
    `FITS.from_storage`, which closes it; a fixture that closes the others as well needs a ``close`` that may be called
    twice. With ``writable`` set on the storage, it is changed too.

    Attributes
    ----------
    content : bytes
        What it must hold.
    """

    content: ClassVar[bytes] = a_file()

    def test_it_says_what_it_is_and_how_large(self, storage: Storage) -> None:
        assert storage.name, "name is what errors call it; it must not be empty"
        assert storage.size() == len(self.content)
        assert storage.chunk_nbytes > 0
        first = self.content[:HEAD_NBYTES]
        assert storage.head in (b"", first), "head is the first HEAD_NBYTES, all there is, or nothing"

    def test_any_range_is_the_bytes_there(self, storage: Storage) -> None:
        size, random = len(self.content), np.random.default_rng(2)
        ranges = [(0, 0), (0, 1), (0, size), (size - 1, 1), (size, 0), (2879, 3)]
        ranges += [(int(at), int(min(n, size - at))) for at, n in random.integers(0, size, (20, 2))]
        for offset, nbytes in ranges:
            found = bytes(storage.read(offset, nbytes))
            assert found == self.content[offset : offset + nbytes], f"{nbytes} bytes from byte {offset} are others"

    @pytest.mark.parametrize("nbytes", [1, 100, 1 << 17, 1 << 50])
    def test_bytes_beyond_the_end_are_an_error(self, storage: Storage, nbytes: int) -> None:
        size = len(self.content)
        for offset in (size, size - nbytes + 1, size + 5000):
            if offset >= 0:
                with pytest.raises(TruncatedFile):
                    storage.read(offset, nbytes)
        with pytest.raises(TruncatedFile):
            storage.read_ranges(np.array([0, size - 1]), np.array([3, 2]), np.empty(5, np.uint8))

    def test_many_ranges_come_back_to_back_in_the_order_asked_for(self, storage: Storage) -> None:
        start = np.array([5000, 10, 10, len(self.content) - 7, 0, 5001])
        length = np.array([900, 5, 50, 7, 0, 1])
        out = np.zeros(length.sum(), np.uint8)
        storage.read_ranges(start, length, out)
        expected = b"".join(self.content[at : at + n] for at, n in zip(start.tolist(), length.tolist(), strict=True))
        assert out.tobytes() == expected

    def test_a_hint_of_what_is_read_next_changes_nothing(self, storage: Storage) -> None:
        size = len(self.content)
        storage.prefetch(np.array([9000, 0, size - 5]), np.array([300, 3000, 1000]))  # beyond the end is allowed
        assert bytes(storage.read(8900, 500)) == self.content[8900:9400]

    def test_threads_read_side_by_side(self, storage: Storage) -> None:
        def work(seed: int) -> bool:
            at = np.random.default_rng(seed).integers(0, len(self.content) - 999, 20)
            return all(
                bytes(storage.read(offset, 999)) == self.content[offset : offset + 999] for offset in at.tolist()
            )

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(8)))

    def test_the_identity_goes_to_other_processes(self, storage: Storage) -> None:
        identity = storage.identity()
        assert identity == storage.identity()
        assert identity is None or pickle.loads(pickle.dumps(identity)) == identity

    def test_the_file_in_it_is_read(self, storage: Storage) -> None:
        with FITS.from_storage(storage) as fits:
            for hdu in (fits.image(0), fits.compressed_image(1)):
                assert hdu.read().tobytes() == PIXELS.tobytes()
                assert hdu[100:120, 30:77].tobytes() == PIXELS[100:120, 30:77].tobytes()

    def test_a_change_is_made_whole_or_not_at_all(self, storage: Storage) -> None:
        if not storage.writable:
            pytest.skip(f"{storage.name} is only read")
        size = len(self.content)
        with pytest.raises(ZeroDivisionError), storage.transaction():  # noqa: PT012 - a change that fails half-way
            storage.write(10, b"abc")
            storage.write(size + 100, b"behind the end")
            storage.truncate(2000)
            raise ZeroDivisionError
        assert bytes(storage.read(0, storage.size())) == self.content
        with storage.transaction():
            storage.write(size, b"more")
            storage.write(0, b"X")
        assert bytes(storage.read(0, storage.size())) == b"X" + self.content[1:] + b"more"
