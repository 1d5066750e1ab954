"""Where the journal of a change lies, when it is on the disk, and who may change the file meanwhile."""

import errno
import os
import stat
import subprocess
import sys

import pytest
from known_file import CONTENT, alone

from rustfits import system
from rustfits.errors import FileLocked, FitsIOError, JournalError
from rustfits.storage.journal import Journal
from rustfits.storage.local import LocalStorage
from rustfits.system import JOURNAL_SUFFIX


def test_the_journal_lies_beside_the_file_itself_whatever_link_led_there(path):
    folder = path.parent / "links"
    folder.mkdir()
    link = folder / "link.fits"
    link.symlink_to(path)
    storage = LocalStorage(str(link), "r+")
    with storage.transaction():
        storage.write(0, b"x")
        assert path.with_name(path.name + JOURNAL_SUFFIX).exists()
    storage.close()
    assert [found.name for found in folder.iterdir()] == ["link.fits"]


def test_the_journal_lies_beside_the_file_though_the_current_folder_changes(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    storage = LocalStorage(path.name, "r+")
    monkeypatch.chdir("/")
    with storage.transaction():
        storage.write(0, b"x")
        assert path.with_name(path.name + JOURNAL_SUFFIX).exists()
    storage.close()
    assert alone(path)


def test_a_link_to_nothing_is_where_a_new_file_appears(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with pytest.raises(OSError, match="Failed to open"):
        LocalStorage(str(tmp_path / "link"), "r")
    LocalStorage(str(tmp_path / "link"), "w+").close()
    assert (tmp_path / "new").read_bytes() == b""
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for mode in ("r", "r+", "w+"):
        with pytest.raises(OSError, match="Failed to open"):
            LocalStorage(str(tmp_path / "circle"), mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_whoever_may_write_the_file_may_undo_its_change(path, mode):
    storage = LocalStorage(str(path), "r+")
    path.chmod(mode)
    with storage.transaction():
        storage.write(0, b"x")
        assert stat.S_IMODE(path.with_name(path.name + JOURNAL_SUFFIX).stat().st_mode) == mode
    storage.close()


def test_a_reader_is_told_of_a_change_that_goes_on(path):
    writer = LocalStorage(str(path), "r+")
    with writer.transaction():
        writer.write(0, b"x")
        for mode in ("r", "r+", "w+"):
            with pytest.raises(FileLocked, match=r"locked.*open it again when that change is done"):
                LocalStorage(str(path), mode)
    LocalStorage(str(path), "r").close()
    writer.close()


def test_a_journal_found_at_the_first_change_is_left_for_the_next_open(path):
    storage = LocalStorage(str(path), "r+")
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    left.write_bytes(b"")
    with pytest.raises(JournalError, match="close and reopen"), storage.transaction():
        storage.write(0, b"x")
    assert path.read_bytes() == CONTENT
    storage.close()
    storage = LocalStorage(str(path), "r+")
    with storage.transaction():
        storage.write(0, b"x")
    storage.close()
    assert alone(path)


def test_a_journal_is_on_the_disk_before_the_file_changes_if_power_may_fail(path, monkeypatch):
    calls = []
    for name in ("pwrite", "pwritev", "fsync", "ftruncate", "unlink"):
        where = system if "pwrite" in name else os
        really = getattr(where, name)

        def noted(what, *arguments, really=really, name=name):
            target = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else what
            calls.append((name, os.path.basename(target)))
            return really(what, *arguments)

        monkeypatch.setattr(where, name, noted)
    storage = LocalStorage(str(path), "r+", "power")
    with storage.transaction():
        storage.write(10, b"abc")
        storage.write(10, b"def")
        storage.truncate(len(CONTENT) + 5)
    name, left, folder = path.name, path.name + JOURNAL_SUFFIX, path.parent.name
    noted = [("pwritev", left), ("fsync", left)]  # the bytes as they were, and as they will be
    assert calls == [
        *noted,
        ("fsync", folder),
        ("pwrite", name),
        *noted,
        ("pwrite", name),
        *noted,
        ("ftruncate", name),
        ("fsync", name),
        ("unlink", left),
        ("fsync", folder),
    ]
    calls.clear()
    storage.close()
    storage = LocalStorage(str(path), "r+")
    with storage.transaction():
        storage.write(10, b"abc")
    assert calls == [("pwritev", left), ("pwrite", name), ("unlink", left)]
    storage.close()


def test_after_a_sync_that_failed_the_journal_is_not_trusted(path, monkeypatch):
    storage = LocalStorage(str(path), "r+", "power")

    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with storage.transaction():
        with monkeypatch.context() as patched, pytest.raises(FitsIOError):
            patched.setattr(os, "fsync", fail)
            storage.write(10, b"abc")
        with pytest.raises(FitsIOError, match="Input/output error"):
            storage.write(10, b"abc")
    assert path.read_bytes() == CONTENT
    storage.close()


def test_a_forked_process_neither_changes_nor_ends_a_change(path):
    program = """if True:
        import os, sys
        from rustfits.storage.local import LocalStorage
        storage = LocalStorage(sys.argv[1], "r+")
        with storage.transaction():
            storage.write(0, b"parent")
            child = os.fork()
            if not child:
                try:
                    storage.write(0, b"child!")
                    storage.transaction().__exit__
                    raise KeyError
                finally:
                    try:
                        storage._roll_back()
                    finally:
                        os._exit(0 if storage.tainted else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert os.path.exists(sys.argv[1] + ".rfjournal")
            storage.write(6, b"!")
        child = os.fork()
        if not child:
            try:
                with storage.transaction():
                    storage.write(0, b"child!")
            except OSError as error:
                os._exit(0 if "forked" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(path)], check=True)
    assert path.read_bytes() != CONTENT
    assert alone(path)


def test_a_journal_of_one_file_is_made_once(path):
    storage = LocalStorage(str(path), "r")
    first = Journal(str(path), path.stat(), storage.read_bytes, storage.descriptor, durable=False)
    with pytest.raises(JournalError):
        Journal(str(path), path.stat(), storage.read_bytes, storage.descriptor, durable=False)
    first.finish()
    first.abandon()
    assert alone(path)
