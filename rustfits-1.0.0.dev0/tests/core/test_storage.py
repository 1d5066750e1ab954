import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits import system
from rustfits.errors import FileMissing, FitsIOError, OpenFailed, TransactionUndone, TruncatedFile
from rustfits.storage import base, local
from rustfits.storage.local import LocalStorage
from rustfits.storage.memory import MemoryStorage


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path):
    opened = LocalStorage(str(tmp_path / "bytes"), "w+") if request.param == "local" else MemoryStorage()
    yield opened
    opened.close()


def test_bytes_written_anywhere_read_back_and_gaps_are_zero(storage):
    with storage.transaction():
        storage.write(10, b"later")
        storage.write(0, b"first")
    assert bytes(storage.read(0, 15)) == b"first\0\0\0\0\0later"
    assert storage.size() == 15


def test_a_write_across_the_end_overwrites_and_grows(storage):
    with storage.transaction():
        storage.write(0, b"abcdef")
        storage.write(4, b"EFGHIJ")
    assert bytes(storage.read(0, storage.size())) == b"abcdEFGHIJ"


def test_truncate_cuts_and_grows_with_zeros(storage):
    with storage.transaction():
        storage.write(0, b"abcdef")
        storage.truncate(2)
        storage.truncate(5)
    assert bytes(storage.read(0, 5)) == b"ab\0\0\0"


def test_a_read_beyond_the_end_says_truncated(storage):
    with storage.transaction():
        storage.write(0, b"abc")
    for offset, nbytes in [(0, 4), (3, 1), (100, 10), (-1, 2), (0, -1), (2**70, 1)]:
        with pytest.raises((TruncatedFile, FitsIOError), match=r"truncated|cannot read"):
            storage.read(offset, nbytes)


def test_a_hostile_size_allocates_nothing(storage):
    with pytest.raises(TruncatedFile):
        storage.read(0, 1 << 60)


def test_arrays_of_any_dtype_are_filled_and_written_as_bytes(storage):
    values = np.arange(24, dtype=">i4").reshape(2, 3, 4)
    with storage.transaction():
        storage.write(0, values)
    back = np.empty_like(values)
    storage.read_into(0, back)
    assert (back == values).all()
    storage.read_into(0, np.empty((0, 3), dtype=">f8"))


def test_arrays_with_holes_are_refused(storage):
    with pytest.raises(ValueError, match="contiguous"), storage.transaction():
        storage.write(0, np.arange(10)[::2])


def test_many_ranges_arrive_back_to_back(storage):
    with storage.transaction():
        storage.write(0, bytes(range(100)))
    target = np.empty(6, dtype=np.uint8)
    storage.read_ranges(np.array([50, 3, 97]), np.array([2, 1, 3]), target)
    assert target.tolist() == [50, 51, 3, 97, 98, 99]


def test_a_change_outside_a_transaction_is_our_own_mistake(storage):
    with pytest.raises(AssertionError):
        storage.write(0, b"x")


@given(
    nbytes=st.integers(0, 60), source=st.integers(0, 60), target=st.integers(0, 60), step=st.sampled_from([1, 7, 1000])
)
def test_a_move_copies_before_it_overwrites(nbytes, source, target, step):
    memory = MemoryStorage(bytes(range(120)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "MOVE_NBYTES", step)
        with memory.transaction():
            memory.move(source, target, nbytes)
    expected = bytearray(range(120))
    expected[target : target + nbytes] = bytes(range(120))[source : source + nbytes]
    assert bytes(memory.read(0, 120)) == expected


def test_a_failure_before_any_change_is_harmless(storage):
    with pytest.raises(KeyError), storage.transaction():
        raise KeyError
    assert not storage.tainted


def test_a_failure_after_bytes_were_overwritten_or_cut_is_undone(storage):
    for change in (lambda: storage.write(4, b"xy"), lambda: storage.truncate(3)):
        with storage.transaction():
            storage.truncate(0)
            storage.write(0, b"hello")
        with pytest.raises(KeyError), storage.transaction(), storage.transaction():
            change()
            raise KeyError
        assert not storage.tainted
        assert bytes(storage.read(0, storage.size())) == b"hello"


def test_a_failure_after_the_storage_only_grew_is_undone(storage):
    with storage.transaction():
        storage.write(0, b"hello")
    with pytest.raises(KeyError), storage.transaction():
        storage.truncate(100)
        storage.write(50, b"x")
        with storage.transaction():
            storage.write(5, b"y")
        storage.truncate(60)
        raise KeyError
    assert not storage.tainted
    assert bytes(storage.read(0, storage.size())) == b"hello"


def test_an_inner_failure_that_is_caught_undoes_all_and_the_outer_one_raises(storage):
    with storage.transaction():
        storage.write(0, b"hello")
    with pytest.raises(TransactionUndone, match="undone; leave its block"), storage.transaction():
        storage.write(0, b"H")
        with pytest.raises(KeyError), storage.transaction():
            storage.write(5, b" world")
            raise KeyError
        assert bytes(storage.read(0, storage.size())) == b"hello"
        for change in (lambda: storage.write(5, b"!"), lambda: storage.truncate(3)):
            with pytest.raises(TransactionUndone):
                change()
    assert not storage.tainted
    assert bytes(storage.read(0, storage.size())) == b"hello"
    with storage.transaction():
        storage.write(5, b"!")
    assert bytes(storage.read(0, storage.size())) == b"hello!"


def test_an_inner_failure_before_its_first_change_leaves_the_outer_one_alone(storage):
    with storage.transaction():
        storage.write(0, b"hello")
        with pytest.raises(KeyError), storage.transaction():
            raise KeyError
        storage.write(5, b"!")
    assert bytes(storage.read(0, storage.size())) == b"hello!"


def test_an_outer_failure_undoes_what_an_inner_transaction_did(storage):
    with storage.transaction():
        storage.write(0, b"hello")
    with pytest.raises(KeyError), storage.transaction():
        storage.write(5, b"x")
        with storage.transaction():
            storage.write(0, b"x")
        raise KeyError
    assert not storage.tainted
    assert bytes(storage.read(0, storage.size())) == b"hello"


steps = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 150), st.binary(max_size=80)),
    st.tuples(st.just("truncate"), st.integers(0, 150)),
    st.tuples(st.just("move"), st.integers(0, 60), st.integers(0, 60), st.integers(0, 40)),
)


@settings(max_examples=200)
@given(st.binary(max_size=120), st.lists(steps, max_size=12))
def test_whatever_was_done_is_undone(content, changes):
    memory = MemoryStorage(content)
    with pytest.raises((KeyError, TruncatedFile)), memory.transaction():
        for name, *arguments in changes:
            getattr(memory, name)(*arguments)
        raise KeyError
    assert bytes(memory.read(0, memory.size())) == content
    assert not memory.tainted


def test_a_storage_whose_bytes_cannot_be_put_back_is_tainted(tmp_path, monkeypatch):
    for opened in (LocalStorage(str(tmp_path / "bytes"), "w+"), MemoryStorage()):
        with opened.transaction():
            opened.write(0, b"hello")
        with pytest.raises(KeyError), opened.transaction():
            opened.write(0, b"HE")
            monkeypatch.setattr(type(opened), "_write", broken)
            raise KeyError
        assert opened.tainted
        monkeypatch.undo()
        opened.close()
    reopened = LocalStorage(str(tmp_path / "bytes"), "r")
    assert bytes(reopened.read(0, 5)) == b"hello"


def broken(*_):
    raise FitsIOError("broken")


def test_growth_that_fails_changes_nothing(storage):
    with pytest.raises((FitsIOError, OverflowError)), storage.transaction():
        storage.truncate(1 << 62)
    assert not storage.tainted
    assert storage.size() == 0


def test_short_reads_and_writes_are_continued(tmp_path, monkeypatch):
    pread, pwrite = os.preadv, os.pwrite
    monkeypatch.setattr(local, "preadv", lambda fd, views, at: pread(fd, [views[0][:3]], at))
    monkeypatch.setattr(system, "pwrite", lambda fd, view, at: pwrite(fd, view[:3], at))
    opened = LocalStorage(str(tmp_path / "bytes"), "w+")
    with opened.transaction():
        opened.write(0, bytes(range(100)))
    assert bytes(opened.read(0, 100)) == bytes(range(100))
    opened.close()


def test_what_the_system_refuses_is_an_oserror_with_its_number(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    opened = LocalStorage(str(tmp_path / "bytes"), "w+")
    for where, name in ((system, "pwrite"), (local, "preadv"), (os, "ftruncate"), (os, "fsync")):
        monkeypatch.setattr(where, name, full)
    for act in (
        lambda: opened.write(0, b"abc"),
        lambda: opened.truncate(5),
        lambda: opened.read(0, 1),
        opened.sync,
    ):
        with pytest.raises(FitsIOError, match="No space left") as caught, opened.transaction():
            act()
        assert caught.value.errno == 28
        assert str(tmp_path) in str(caught.value)
    opened.close()


def test_a_missing_file_is_named_and_is_a_filenotfounderror(tmp_path):
    path = str(tmp_path / "none.fits")
    for mode in ("r", "r+"):
        with pytest.raises(FileMissing, match="Failed to open") as caught:
            LocalStorage(path, mode)
        assert isinstance(caught.value, FileNotFoundError)
        assert str(caught.value).startswith(f"Failed to open {path}")
        assert caught.value.filename == path


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    for path in (str(tmp_path), pipe, "nul\0byte"):
        with pytest.raises(OpenFailed, match="Failed to open"):
            LocalStorage(path, "r")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(b"x")
    path.chmod(stat.S_IRUSR)
    with pytest.raises(OpenFailed, match="Failed to open"):
        LocalStorage(str(path), "r+")


def test_a_dropped_storage_closes_its_descriptor(tmp_path):
    opened = LocalStorage(str(tmp_path / "bytes"), "w+")
    descriptor = opened.descriptor
    del opened
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_threads_read_side_by_side(storage):
    data = np.random.default_rng(1).integers(0, 256, 1 << 18, dtype=np.uint8)
    with storage.transaction():
        storage.write(0, data)
    wrong = []

    def read(seed):
        starts = np.random.default_rng(seed).integers(0, data.size - 1000, 200).tolist()
        wrong.extend(at for at in starts if bytes(storage.read(at, 1000)) != data[at : at + 1000].tobytes())

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_begins_as_a_copy_of_what_it_was_given():
    source = np.arange(5, dtype=np.uint8)
    memory = MemoryStorage(source.data)
    source[:] = 9
    assert bytes(memory.read(0, 5)) == bytes(range(5))


@given(
    sizes=st.lists(st.integers(0, 2500), max_size=12),
    cut=st.none() | st.integers(0, 11),
)
def test_gathered_writes_are_all_made_and_no_more_than_the_bound_at_a_time(sizes, cut):
    changes = []

    class Watched(MemoryStorage):
        def _change(self, writes):
            changes.append(sum(data.nbytes for _, data in writes))
            super()._change(writes)

    storage, expected = Watched(), b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "ANNOUNCED_NBYTES", 1000)
        with storage.transaction(), storage.gathered():
            for number, nbytes in enumerate(sizes):
                if number == cut:
                    storage.truncate(len(expected))
                    assert bytes(storage.read(0, len(expected))) == expected
                storage.write(len(expected), bytes([number]) * nbytes)
                expected += bytes([number]) * nbytes
    assert bytes(storage.read(0, storage.size())) == expected
    assert max(changes, default=0) <= 1000
    if cut is None:  # and as few changes as that allows, but for the room that the next one did not fit in
        assert len(changes) <= 2 * (sum(sizes) // 1000) + 1


def test_room_that_is_found_for_writes_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "RESERVED_NBYTES", 1)
    path = tmp_path / "holes"
    path.write_bytes(b"begin" * 1000)
    os.truncate(path, 1 << 20)
    before, blocks = path.read_bytes(), path.stat().st_blocks
    storage = LocalStorage(str(path), "r+")
    with storage.transaction():
        storage.reserve(2000, 1 << 20)
        assert path.read_bytes() == before
        assert path.stat().st_blocks >= blocks
        storage.write(9000, b"new")
    storage.close()
    assert path.read_bytes() == before[:9000] + b"new" + before[9003:]


KILLED = """
import os, sys
from rustfits.storage import local
local.RESERVED_NBYTES = 1
storage = local.LocalStorage(sys.argv[1], "r+")
with storage.transaction():
    if sys.argv[2] == "after a write":
        storage.truncate(1 << 20)
        storage.write(100, b"new" * 1000)
    storage.reserve(0, storage.size())
    os._exit(0)
"""


@pytest.mark.skipif(not system.CAN_REMOVE_OPEN, reason="journals are open files here")
@pytest.mark.parametrize("when", ["at first", "after a write"])
def test_a_writer_killed_after_room_was_found_leaves_the_file_as_it_was(tmp_path, when):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 400)
    before = path.read_bytes()
    subprocess.run([sys.executable, "-c", KILLED, str(path), when], check=True)
    LocalStorage(str(path), "r+").close()
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
