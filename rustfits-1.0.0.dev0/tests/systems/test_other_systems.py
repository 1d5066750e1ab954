"""Systems that lack calls of POSIX, or threads: everything is done in a process from which they were taken away."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustfits import system
from rustfits.parallel import threads

WORK = Path(__file__).with_name("work.py")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which files are open")
@pytest.mark.parametrize("lacking", ["windows", "pyodide"])
def test_files_are_read_written_edited_and_recovered_on_a_system_that_lacks_calls(tmp_path, lacking):
    done = subprocess.run([sys.executable, WORK, lacking, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["edits", "large", "creations", "two_at_once", "kills"]


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory):
    path = tmp_path_factory.mktemp("system") / "bytes"
    path.write_bytes(bytes(range(256)) * 4)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@given(offset=st.integers(0, 1100), nbytes=st.integers(0, 1100))
def test_what_stands_in_for_a_positional_read_reads_the_same(descriptor, offset, nbytes):
    expected = os.pread(descriptor, nbytes, offset)
    assert system._seek_and_read(descriptor, nbytes, offset) == expected
    target = bytearray(nbytes)
    assert system._read_and_copy(descriptor, [target], offset) == len(expected)
    assert target == expected.ljust(nbytes, b"\0")


def test_what_stands_in_for_reading_into_memory_reads_long_ranges_in_pieces(descriptor, monkeypatch):
    monkeypatch.setattr(system, "_COPIED_NBYTES", 100)
    target = np.empty(1000, "u1")
    assert system._read_and_copy(descriptor, [target], 7) == 1000
    assert target.tobytes() == os.pread(descriptor, 1000, 7)
    numbers = np.empty(10, ">f4")
    assert system._read_and_copy(descriptor, [numbers], 3) == numbers.nbytes
    assert numbers.tobytes() == os.pread(descriptor, numbers.nbytes, 3)
    with pytest.raises(ValueError, match="zeros in shape"):
        system._read_and_copy(descriptor, [np.empty((0, 3), ">f4")], 0)


@given(data=st.lists(st.binary(max_size=50), min_size=1, max_size=5), offset=st.integers(1024, 1200))
def test_what_stands_in_for_a_positional_write_writes_the_same(descriptor, data, offset):
    joined = b"".join(data)
    assert system._join_and_write(descriptor, [memoryview(part) for part in data], offset) == len(joined)
    assert os.pread(descriptor, len(joined), offset) == joined
    assert system._seek_and_write(descriptor, memoryview(joined)[::1], offset + 3) == len(joined)
    assert os.pread(descriptor, len(joined), offset + 3) == joined


def test_work_is_done_though_no_thread_can_be_started(monkeypatch):
    monkeypatch.setattr(threads, "_POOL", threads._Pool())
    threads.set_num_threads(4)

    def start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    found = []
    for _ in range(3):
        threads.run(found.append, range(10), npixels=1 << 30)
    assert found == list(range(10)) * 3
    assert threads._POOL.executor is None  # else it would keep the work that nobody does


def test_a_url_of_a_drive_names_a_path_of_windows(monkeypatch):
    assert system.local_path("/C:/data/a.fits") == "/C:/data/a.fits"
    monkeypatch.setattr(os, "name", "nt")
    assert system.local_path("/C:/data/a.fits") == "C:/data/a.fits"
    assert system.local_path("/data/a.fits") == "/data/a.fits"
