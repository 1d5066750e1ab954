"""The core's own storages keep the contract, and one that is wrong does not."""

import pytest

from rustfits.plugin import Storage
from rustfits.storage.local import LocalStorage
from rustfits.storage.memory import MemoryStorage
from rustfits.testing import StorageConformance


class Bytes(Storage):
    """As an author would write it: what the manual says that one needs that is only read."""

    name = "bytes"

    def __init__(self, content):
        self.content = content

    def size(self):
        return len(self.content)

    def _read_into(self, offset, target):
        found = self.content[offset : offset + len(target)]
        target[: len(found)] = found
        return len(found)


class TestBytes(StorageConformance):
    @pytest.fixture
    def storage(self):
        return Bytes(self.content)


class TestMemory(StorageConformance):
    @pytest.fixture
    def storage(self):
        return MemoryStorage(self.content)


class TestLocal(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path):
        path = tmp_path / "x.fits"
        path.write_bytes(self.content)
        storage = LocalStorage(str(path), "r+")
        yield storage
        storage.close()


class Padded(Bytes):
    def _read_into(self, offset, target):
        super()._read_into(offset, target)
        return len(target)


class Shifted(Bytes):
    def read_ranges(self, start, length, target):
        super().read_ranges(start[::-1], length[::-1], target)


class AnotherHead(Bytes):
    head = b"SIMPLE"


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Padded, "test_bytes_beyond_the_end_are_an_error"),
        (Shifted, "test_many_ranges_come_back_to_back_in_the_order_asked_for"),
        (AnotherHead, "test_it_says_what_it_is_and_how_large"),
    ],
)
def test_a_storage_that_is_wrong_is_found(kind, test):
    suite = StorageConformance()
    arguments = (1,) if "beyond" in test else ()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(suite, test)(kind(suite.content), *arguments)
    getattr(suite, test)(Bytes(suite.content), *arguments)
