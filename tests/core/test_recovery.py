"""What opening a file does with the journal that a killed writer left."""

import errno
import os
import struct
import threading
import time

import pytest
from known_file import CONTENT, alone

from rustfits.errors import FitsIOError, JournalError
from rustfits.storage import journal, recovery
from rustfits.storage.base import HEAD_NBYTES
from rustfits.storage.filelock import try_lock
from rustfits.storage.journal import MAGIC, SUFFIX, find
from rustfits.storage.local import LocalStorage
from rustfits.storage.recovery import recover

HEADER_NBYTES = journal._HEADER_NBYTES
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def hot(path):
    """Leave the file half-changed, with its journal, as a killed process does; return the journal."""
    left = path.with_name(path.name + SUFFIX)
    storage = LocalStorage(str(path), "r+")
    with pytest.raises(KeyError), storage.transaction():
        storage.write(1000, b"overwritten")
        storage.write(2000, bytes(5000))
        storage.truncate(60000)
        storage.write(90000, b"grown")
        changed, saved = path.read_bytes(), left.read_bytes()
        raise KeyError
    storage.close()
    assert path.read_bytes() == CONTENT != changed
    path.write_bytes(changed)
    left.write_bytes(saved)
    return left


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_opening_a_file_undoes_what_a_killed_writer_left(path, hot, mode):
    storage = LocalStorage(str(path), mode)
    assert bytes(storage.read(0, storage.size())) == CONTENT
    assert alone(path)
    storage.close()


def test_writing_a_file_anew_drops_what_a_killed_writer_left(path, hot):
    storage = LocalStorage(str(path), "w+")
    assert storage.size() == 0
    assert alone(path)
    storage.close()


def test_a_journal_cut_short_anywhere_is_passed_over_or_of_another_file_but_never_applied_wrongly(path, hot):
    whole, changed = hot.read_bytes(), path.read_bytes()
    records = find(str(path)).records
    ends = [HEADER_NBYTES, *(at + nbytes for _, nbytes, at in records)]
    for nbytes in sorted({0, 5, 30, *ends, *(end - 1 for end in ends), *(end + 7 for end in ends[:-1])}):
        hot.write_bytes(whole[:nbytes])
        path.write_bytes(changed)
        found = find(str(path))
        assert (found is None) == (nbytes < HEADER_NBYTES)
        if found is not None:
            assert found.records == records[: sum(nbytes >= end for end in ends) - 1]
            assert found.size == len(CONTENT)


def test_a_journal_of_which_nothing_reached_the_disk_is_removed(path):
    left = path.with_name(path.name + SUFFIX)
    for content in (b"", bytes(20), bytes(500), MAGIC[:3], MAGIC + struct.pack("<I", 1) + b"xyz"):
        left.write_bytes(content)
        LocalStorage(str(path), "r").close()
        assert alone(path)
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"mine, not yours" + content, "no journal of rustfits; move it away"),
        (lambda content: content[:8] + b"\x03" + content[9:], "version 3, this rustfits knows 2; open the file with"),
        (lambda content: content[:20] + b"\xff" + content[21:], "header is damaged"),
        (lambda content: content[:40] + b"\xff" + content[41:], "header is damaged"),
    ],
)
def test_a_journal_that_is_not_understood_is_named_and_left_alone(path, hot, mode, damage, message):
    content, changed = damage(hot.read_bytes()), path.read_bytes()
    hot.write_bytes(content)
    with pytest.raises(JournalError, match=message) as caught:
        LocalStorage(str(path), mode)
    assert caught.value.path == str(hot)
    assert (hot.read_bytes(), path.read_bytes()) == (content, changed)


def test_a_bit_that_flipped_anywhere_in_a_journal_is_never_written_into_the_file(path, hot):
    content, changed = hot.read_bytes(), path.read_bytes()
    for position in range(0, len(content), 97):
        hot.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        path.write_bytes(changed)
        try:
            LocalStorage(str(path), "r").close()
        except JournalError:
            assert path.read_bytes() == changed
        else:
            restored = path.read_bytes()
            assert len(restored) == len(CONTENT)
            valid = set(zip(restored, changed.ljust(len(CONTENT), b"\0"), CONTENT, strict=False))
            assert all(now in (then, old) for now, then, old in valid)


@pytest.mark.parametrize("other", [b"", b"another file", bytes(len(CONTENT)), b"x" + CONTENT[1:], CONTENT[1:] + b"x"])
def test_a_journal_of_another_file_is_never_applied(path, hot, other):
    path.write_bytes(other)
    for mode in ("r", "r+"):
        with pytest.raises(JournalError, match=r"journal of another file than .*; remove the journal if"):
            LocalStorage(str(path), mode)
    assert path.read_bytes() == other
    assert hot.exists()
    LocalStorage(str(path), "w+").close()
    assert alone(path)


def test_a_file_with_the_same_ends_but_other_pixels_is_another_file(path, hot):
    middle = bytes(reversed(CONTENT[5760:-5760]))
    path.write_bytes(CONTENT[:5760] + middle + CONTENT[-5760:])
    with pytest.raises(JournalError, match="another file"):
        LocalStorage(str(path), "r")


def test_a_file_moved_together_with_its_journal_is_recovered(path, hot):
    folder = path.parent / "elsewhere"
    folder.mkdir()
    copy = folder / "copy.fits"
    copy.write_bytes(path.read_bytes())
    copy.with_name(copy.name + SUFFIX).write_bytes(hot.read_bytes())
    LocalStorage(str(copy), "r").close()
    assert copy.read_bytes() == CONTENT
    assert alone(copy)


def test_what_was_read_when_a_file_was_opened_is_what_recovery_left(path, hot):
    assert path.read_bytes() != CONTENT
    for mode in ("r", "r+"):
        storage = LocalStorage(str(path), mode)
        assert storage.head == CONTENT[:HEAD_NBYTES]
        storage.close()


@pytest.mark.parametrize("what", ["folder", "link", "pipe"])
def test_what_is_no_regular_file_is_no_journal(path, what):
    left = path.with_name(path.name + SUFFIX)
    {"folder": left.mkdir, "link": lambda: left.symlink_to(path), "pipe": lambda: os.mkfifo(left)}[what]()
    for mode in ("r", "w+"):
        with pytest.raises(OSError, match=r"no regular file|cannot be undone here"):
            LocalStorage(str(path), mode)
    assert path.read_bytes() == CONTENT


@pytest.mark.skipif(not AS_ROOT, reason="only root may give files away")
def test_a_journal_of_somebody_who_may_not_write_the_file_is_refused(path, hot):
    os.chown(hot, 12345, -1)
    path.chmod(0o644)
    os.chown(path, 23456, -1)
    with pytest.raises(JournalError, match="user 12345, may not write"):
        LocalStorage(str(path), "r")
    path.chmod(0o664)
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


def test_on_a_medium_that_cannot_be_written_the_error_says_what_to_do(path, hot, monkeypatch):
    really = os.open

    def read_only(name, flags, *arguments):
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
        return really(name, flags, *arguments)

    changed = path.read_bytes()
    monkeypatch.setattr(recovery.os, "open", read_only)
    with pytest.raises(FitsIOError, match=r"cut short and cannot be undone here: Read-only file system; open it once"):
        LocalStorage(str(path), "r")
    assert path.read_bytes() == changed
    hot.write_bytes(b"")  # under which nothing was changed
    LocalStorage(str(path), "r").close()


def test_a_reader_waits_a_moment_for_a_short_change(path, hot):
    descriptor = os.open(path, os.O_RDWR)
    assert try_lock(descriptor)

    def finish():
        time.sleep(recovery.PATIENCE / 5)
        hot.unlink()
        os.close(descriptor)

    thread = threading.Thread(target=finish)
    thread.start()
    LocalStorage(str(path), "r").close()
    thread.join()


def test_a_missing_file_is_missing_though_its_journal_is_there(path, hot):
    path.unlink()
    with pytest.raises(FileNotFoundError):
        LocalStorage(str(path), "r")
    assert hot.exists()
    LocalStorage(str(path), "w+").close()
    assert alone(path)


def test_recovery_does_nothing_where_there_is_nothing_to_do(path):
    recover(str(path))
    assert alone(path)
    assert find(str(path)) is None
