"""The core's own storages keep the contract, and one that is wrong does not."""

import pytest

import rustfits
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


class Nothing(Bytes):
    def _read_into(self, offset, target):
        super()._read_into(offset, target)


class Longer(Bytes):
    def size(self):
        return super().size() + 2880


class HalfRead(Bytes):
    def _read_into(self, offset, target):
        return super()._read_into(offset, target[: (len(target) + 1) // 2])


class Raises(Bytes):
    def _read_into(self, offset, target):
        raise KeyError(offset)


class Shifted(Bytes):
    def read_ranges(self, start, length, target):
        super().read_ranges(start[::-1], length[::-1], target)


class AnotherHead(Bytes):
    head = b"SIMPLE"


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Padded, "test_bytes_beyond_the_end_are_an_error"),
        (Nothing, "test_any_range_is_the_bytes_there"),
        (HalfRead, "test_any_range_is_the_bytes_there"),
        (Raises, "test_any_range_is_the_bytes_there"),
        (Longer, "test_it_says_what_it_is_and_how_large"),
        (Shifted, "test_many_ranges_come_back_to_back_in_the_order_asked_for"),
        (AnotherHead, "test_it_says_what_it_is_and_how_large"),
    ],
)
def test_a_storage_that_is_wrong_is_found(kind, test):
    suite = StorageConformance()
    arguments = (1,) if "beyond" in test else ()
    with pytest.raises((AssertionError, pytest.fail.Exception, rustfits.FitsError, KeyError)):
        getattr(suite, test)(kind(suite.content), *arguments)
    getattr(suite, test)(Bytes(suite.content), *arguments)
