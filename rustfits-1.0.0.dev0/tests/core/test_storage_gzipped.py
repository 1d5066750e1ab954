import gzip
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.errors import FileExists, FileMissing, FitsIOError, HandleTainted
from rustfits.storage import gzipped
from rustfits.storage.gzipped import GzipStorage
from rustfits.storage.packed import GZIP, unpack

CONTENT = bytes(range(256)) * 50


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "content.gz"
    path.write_bytes(gzip.compress(CONTENT, mtime=5))
    return path


def change(storage, data=b"changed", offset=0):
    with storage.transaction():
        storage.write(offset, data)


def content(path):
    return gzip.decompress(path.read_bytes())


def inflate(chunks, name):
    return unpack(chunks, GZIP, name)


def chunked(stream, nbytes):
    return iter([stream[start : start + nbytes] for start in range(0, len(stream), nbytes)])


@settings(max_examples=40)
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    nbytes=st.integers(1, 200),
    padding=st.integers(0, 50),
)
def test_members_that_follow_each_other_are_joined_and_zeros_after_them_ignored(members, nbytes, padding):
    stream = b"".join(gzip.compress(member) for member in members) + bytes(padding)
    assert inflate(chunked(stream, nbytes), "x") == b"".join(members)


def test_a_stream_that_expands_a_thousandfold_comes_out_whole():
    stream = gzip.compress(bytes(5_000_000), 9)
    assert inflate(chunked(stream, gzipped.CHUNK_NBYTES), "x") == bytes(5_000_000)


@pytest.mark.parametrize("cut", [1, 5, 9, 12, 40, -9, -1])
def test_a_stream_that_ends_early_is_an_oserror(cut):
    stream = gzip.compress(CONTENT)[:cut]
    with pytest.raises(FitsIOError, match="truncated"):
        inflate(chunked(stream, 7), "x")


def test_what_is_not_gzip_is_an_oserror():
    good = gzip.compress(CONTENT)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    bad_crc = good[:-8] + b"\0\0\0\0" + good[-4:]
    for stream in (b"SIMPLE  = T", good + b"junk after it", bytes(flipped), bad_crc, zlib.compress(CONTENT)):
        with pytest.raises(FitsIOError, match="not a valid gzip"):
            inflate(chunked(stream, 1000), "x")


def test_an_unchanged_file_is_left_byte_for_byte(path):
    before, times = path.read_bytes(), path.stat().st_mtime_ns
    storage = GzipStorage(str(path), "r+")
    assert bytes(storage.read(0, storage.size())) == CONTENT
    storage.sync()
    storage.close()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, times)


@pytest.mark.parametrize("end", ["close", "sync", "drop"])
def test_a_change_replaces_the_file_and_keeps_its_permissions(path, end):
    path.chmod(0o640)
    storage = GzipStorage(str(path), "r+")
    change(storage)
    assert content(path) == CONTENT
    if end == "drop":
        del storage
    else:
        getattr(storage, end)()
    assert content(path) == b"changed" + CONTENT[7:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == [path.name]


def test_a_second_sync_or_close_has_nothing_to_do(path):
    storage = GzipStorage(str(path), "r+")
    change(storage)
    storage.sync()
    inode = path.stat().st_ino
    storage.sync()
    storage.close()
    storage.close()
    assert path.stat().st_ino == inode


def test_a_link_stays_a_link(path, tmp_path):
    link = tmp_path / "link.gz"
    link.symlink_to(path)
    storage = GzipStorage(str(link), "r+")
    change(storage)
    storage.close()
    assert link.is_symlink()
    assert content(path)[:7] == b"changed"


def test_writing_anew_leaves_the_file_until_it_is_closed(path):
    before = path.read_bytes()
    storage = GzipStorage(str(path), "w+")
    change(storage, b"anew")
    assert path.read_bytes() == before
    storage.close()
    assert content(path) == b"anew"


@pytest.mark.parametrize("mode", ["w+", "x"])
def test_who_gives_up_before_anything_is_written_leaves_what_was_there(path, mode):
    before = path.read_bytes()
    if mode == "x":
        with pytest.raises(FileExists, match="File exists"):
            GzipStorage(str(path), mode)
        path.unlink()
    storage = GzipStorage(str(path), mode)
    storage.sync()
    storage.give_up()
    storage.close()
    assert path.exists() == (mode == "w+")
    if mode == "w+":
        assert path.read_bytes() == before
        GzipStorage(str(path), mode).close()
        assert path.read_bytes() == b""


def test_the_gzip_program_reads_what_is_written(path):
    program = shutil.which("gzip")
    if program is None:
        pytest.skip("the program gzip is not here")
    data = np.random.default_rng(0).integers(0, 9, 3_000_000, dtype=np.uint8).tobytes()
    storage = GzipStorage(str(path), "w+")
    change(storage, data)
    storage.close()
    assert subprocess.run([program, "-dc", str(path)], check=True, capture_output=True).stdout == data


@pytest.mark.parametrize("broken", ["replace", "fchmod", "fsync"])
def test_a_failed_replacement_keeps_the_old_file_and_leaves_nothing_behind(path, monkeypatch, broken):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    storage = GzipStorage(str(path), "r+")
    change(storage)
    with monkeypatch.context() as patch:
        patch.setattr(gzipped.os, broken, refuse)
        with pytest.raises(FitsIOError, match="old file is kept") as caught:
            storage.sync()
    assert caught.value.errno == 28
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    storage.sync()  # the changes are still there
    assert content(path)[:7] == b"changed"
    storage.close()


def test_a_failed_close_still_closes(path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    storage = GzipStorage(str(path), "r+")
    change(storage)
    monkeypatch.setattr(gzipped.os, "replace", refuse)
    with pytest.raises(FitsIOError):
        storage.close()
    storage.close()
    assert content(path) == CONTENT


def test_a_folder_that_vanished_is_an_oserror(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    storage = GzipStorage(str(folder / "x.gz"), "w+")
    change(storage)
    shutil.rmtree(folder)
    with pytest.raises(FitsIOError, match="cannot write"):
        storage.close()


def test_a_change_that_was_undone_leaves_the_file_byte_for_byte(path):
    before = path.read_bytes()
    storage = GzipStorage(str(path), "r+")
    for offset in (len(CONTENT), 0):
        with pytest.raises(KeyError), storage.transaction():
            storage.write(offset, b"more")
            raise KeyError
    storage.close()
    assert path.read_bytes() == before


def test_tainted_content_never_replaces_the_file(path):
    storage = GzipStorage(str(path), "r+")
    change(storage)
    storage.tainted = True
    with pytest.raises(HandleTainted):
        storage.sync()
    with pytest.raises(HandleTainted):
        storage.close()
    assert content(path) == CONTENT
    other = GzipStorage(str(path), "r+")
    change(other)
    other.tainted = True
    del other
    assert content(path) == CONTENT


def test_a_storage_alive_at_the_end_of_the_process_is_saved(path):
    program = """if True:
        import sys
        from rustfits.storage.gzipped import GzipStorage
        storage = GzipStorage(sys.argv[1], "r+")
        storage.me = storage  # a circle, which nobody breaks
        with storage.transaction():
            storage.write(0, b"changed")
    """
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert content(path)[:7] == b"changed"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_that_drops_its_copy_writes_nothing(path):
    storage = GzipStorage(str(path), "r+")
    change(storage)
    process = multiprocessing.get_context("fork").Process(target=storage._finalizer)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert content(path) == CONTENT
    storage.close()


def test_a_missing_file_and_a_file_that_is_not_gzip_are_oserrors(tmp_path):
    with pytest.raises(FileMissing, match="Failed to open"):
        GzipStorage(str(tmp_path / "none.gz"), "r")
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b"SIMPLE  =                    T" * 100)
    with pytest.raises(FitsIOError, match=f"{plain} is not a valid gzip"):
        GzipStorage(str(plain), "r")


def test_an_empty_file_has_no_content(tmp_path):
    path = tmp_path / "empty.gz"
    path.touch()
    storage = GzipStorage(str(path), "r")
    assert storage.size() == 0
    storage.close()
