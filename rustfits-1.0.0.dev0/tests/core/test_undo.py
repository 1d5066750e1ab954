import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.storage import undo
from rustfits.storage.undo import MemoryUndo

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=12)


class Watched(MemoryUndo):
    """Notes what is kept."""

    def __init__(self, content):
        super().__init__(len(content), lambda offset, nbytes: content[offset : offset + nbytes])
        self.kept = []

    def _keep(self, pieces):
        self.kept += [(offset, len(data)) for offset, data in pieces]
        super()._keep(pieces)


@settings(max_examples=300)
@given(ranges, st.integers(0, 70))
def test_every_byte_is_saved_once_and_none_that_does_not_change(touched, size):
    content = bytearray(np.arange(size, dtype=np.uint8).tobytes())
    saved = Watched(content)
    changed = np.zeros(size, bool)
    for start, length in touched:
        saved.save([(start, start + length)])
        content[start : start + length] = b"\xff" * max(min(length, size - start), 0)
        changed[start : start + length] = True
    times = np.zeros(size, int)
    for offset, nbytes in saved.kept:
        times[offset : offset + nbytes] += 1
    assert (times == changed).all()

    def write(offset, data):
        content[offset : offset + data.nbytes] = data

    saved.restore(write)
    assert content == np.arange(size, dtype=np.uint8).tobytes()


def test_long_ranges_are_saved_in_pieces(monkeypatch):
    monkeypatch.setattr(undo, "SAVE_NBYTES", 10)
    saved = Watched(bytes(35))
    saved.save([(3, 40)])
    assert saved.kept == [(3, 10), (13, 10), (23, 10), (33, 2)]


def test_what_was_kept_in_a_range_that_could_not_be_saved_whole_counts_once_more():
    content = bytearray(b"0123456789")
    saved = Watched(content)
    saved._keep([(0, b"0123")])
    saved.save([(0, 10)])
    content[:] = b"x" * 10
    saved.restore(lambda offset, data: content.__setitem__(slice(offset, offset + data.nbytes), data))
    assert content == b"0123456789"


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_memory_is_let_go_at_the_end(end):
    saved = Watched(bytes(10))
    saved.save([(0, 10)])
    getattr(saved, end)()
    assert not saved._kept
