"""What opening a file does with the journal that a killed writer left."""

import errno
import os
import shutil
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from known_file import CONTENT, alone

import rustfits
from rustfits.errors import FileLocked, FitsIOError, JournalError
from rustfits.storage import journal, leftover, recovery
from rustfits.storage.base import HEAD_NBYTES
from rustfits.storage.evidence import judge
from rustfits.storage.journal import FRAME, HEADER_NBYTES, MAGIC
from rustfits.storage.leftover import find
from rustfits.storage.local import LocalStorage
from rustfits.storage.pages import crc_of_pages
from rustfits.system import JOURNAL_SUFFIX, try_lock

AS_ROOT = os.geteuid() == 0
SECOND = 10**9


def lifted(path, seconds):
    """Make the time of change of a file another one."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * SECOND)))


def change(storage):
    storage.write(1000, b"overwritten")
    storage.write(2000, bytes(5000))
    storage.truncate(60000)
    storage.write(90000, b"grown")


@pytest.fixture
def hot(path):
    """Leave the file half-changed, with its journal, as a process killed a second ago does; return the journal."""
    lifted(path, -100)
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    copies = [path.with_name("copy"), path.with_name("copy of the journal")]
    storage = LocalStorage(str(path), "r+")
    with pytest.raises(KeyError), storage.transaction():
        change(storage)
        for whole, copy in zip((path, left), copies, strict=True):
            shutil.copy2(whole, copy)
        raise KeyError
    storage.close()
    for whole, copy in zip((path, left), copies, strict=True):
        assert not left.exists() or whole == left
        shutil.copy2(copy, whole)
        lifted(whole, -1)
        copy.unlink()
    assert path.read_bytes() != CONTENT
    return left


def refused(path, modes=("r", "r+"), match="may be half-made"):
    """Assert that opening is refused and touches nothing; return the last message."""
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    before = path.read_bytes(), left.read_bytes()
    for mode in modes:
        with pytest.raises(JournalError, match=match) as caught:
            LocalStorage(str(path), mode)
        assert caught.value.path == str(left)
    assert (path.read_bytes(), left.read_bytes()) == before
    return str(caught.value)


def put_anew(path, content):
    """As another program makes a file anew, long after the kill."""
    path.write_bytes(content)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_opening_a_file_undoes_what_a_killed_writer_left(path, hot, mode):
    storage = LocalStorage(str(path), mode)
    assert bytes(storage.read(0, storage.size())) == CONTENT
    assert alone(path)
    storage.close()


def test_what_a_killed_writer_left_is_undone_before_a_file_is_written_anew(path, hot):
    storage = LocalStorage(str(path), "w+")
    assert storage.size() == 0
    assert path.read_bytes() == CONTENT
    assert not hot.exists()
    storage.close()
    assert alone(path)
    assert path.read_bytes() == b""


def test_a_journal_cut_short_anywhere_is_never_applied_wrongly(path, hot):
    whole, changed, status = hot.read_bytes(), path.read_bytes(), path.stat()
    for nbytes in sorted({0, 5, 30, *range(HEADER_NBYTES - 1, len(whole), 97), len(whole) - 1}):
        hot.write_bytes(whole[:nbytes])
        path.write_bytes(changed)
        os.utime(path, ns=(0, hot.stat().st_mtime_ns))
        found = find(str(path))
        assert (found is None) == (nbytes < HEADER_NBYTES)
        try:
            LocalStorage(str(path), "r").close()
        except JournalError:
            assert (path.read_bytes(), hot.read_bytes()) == (changed, whole[:nbytes])
        else:
            # What is announced in the part that is cut off was done all the same, here: a kill leaves no such file.
            assert found is None or path.read_bytes() == CONTENT
    assert status.st_size != len(CONTENT)


def test_a_journal_of_which_nothing_reached_the_disk_is_removed(path):
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    for content in (b"", bytes(20), bytes(500), MAGIC[:3], MAGIC + struct.pack("<I", 1) + b"xyz"):
        left.write_bytes(content)
        LocalStorage(str(path), "r").close()
        assert alone(path)
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:20] + b"\xff" + content[21:], "header of the journal is damaged"),
        (lambda content: content[:40] + b"\xff" + content[41:], "header of the journal is damaged"),
        (
            lambda content: content[: HEADER_NBYTES + 40] + b"\xff" + content[HEADER_NBYTES + 41 :],
            "is damaged from byte",
        ),
        (lambda content: content[:-5] + b"\xff" + content[-4:], "is damaged from byte"),
    ],
)
def test_a_damaged_journal_is_called_damaged_and_kept(path, hot, damage, message):
    content = damage(hot.read_bytes())
    if content == hot.read_bytes():
        content = content[:-5] + b"\xfe" + content[-4:]
    status = hot.stat()
    hot.write_bytes(content)
    os.utime(hot, ns=(0, status.st_mtime_ns))
    said = refused(path, match=message)
    assert "another file" not in said
    assert "may be half-made" in said
    with pytest.raises(JournalError, match=r"damaged.*restore it from a copy, or discard"):
        rustfits.recover(path, "apply")
    assert hot.read_bytes() == content
    assert Path(rustfits.recover(path, "discard")).read_bytes() == content


def test_a_journal_of_a_later_version_is_left_to_a_later_rustfits(path, hot):
    content = bytearray(hot.read_bytes())
    content[8] = 4
    content[HEADER_NBYTES - 4 : HEADER_NBYTES] = struct.pack("<I", zlib.crc32(content[: HEADER_NBYTES - 4]))
    hot.write_bytes(content)
    refused(path, match="has version 4, this rustfits knows 3: a later rustfits can use it")


def test_a_frame_that_a_power_cut_left_in_part_was_not_begun(path, hot, monkeypatch):
    with hot.open("ab") as file:
        file.write(FRAME.pack(100, 1) + bytes(100))
    assert find(str(path)).damage
    monkeypatch.setattr(leftover, "this_boot", lambda: b"after the reboot")
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


def test_a_bit_that_flipped_anywhere_in_a_journal_is_never_written_into_the_file(path, hot):
    content, changed = hot.read_bytes(), path.read_bytes()
    times = path.stat().st_mtime_ns, hot.stat().st_mtime_ns
    for position in range(0, len(content), 97):
        hot.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        path.write_bytes(changed)
        for each, time in zip((path, hot), times, strict=True):
            os.utime(each, ns=(0, time))
        with pytest.raises(JournalError):
            LocalStorage(str(path), "r+")
        assert path.read_bytes() == changed


def resealed(content):
    """A journal with checksums that are right again, as somebody with bad intent makes it."""
    made, at = bytearray(content), HEADER_NBYTES
    made[HEADER_NBYTES - 4 : HEADER_NBYTES] = struct.pack("<I", zlib.crc32(made[: HEADER_NBYTES - 4]))
    salt = journal.HEADER.unpack_from(made)[5]
    while at + FRAME.size <= len(made):
        nbytes, _ = FRAME.unpack_from(made, at)
        inside = bytes(made[at + FRAME.size : at + FRAME.size + nbytes])
        made[at : at + FRAME.size] = FRAME.pack(nbytes, journal.frame_crc(salt, nbytes, [inside]))
        at += FRAME.size + nbytes
    return bytes(made)


def test_a_journal_that_was_made_to_harm_is_refused_or_does_what_a_journal_may(path, hot):
    whole, changed, times = hot.read_bytes(), path.read_bytes(), (path.stat().st_mtime_ns, hot.stat().st_mtime_ns)
    assert resealed(whole) == whole
    random = np.random.default_rng(12)
    heads = [
        at for at in range(HEADER_NBYTES, len(whole) - 20, 4) if whole[at : at + 3] in (b"\1\0\0", b"\2\0\0", b"\3\0\0")
    ]
    for turn in range(400):
        made = bytearray(whole)
        at = int(random.choice(heads)) + int(random.integers(0, 20)) if turn % 4 else int(random.integers(8, 76))
        made[at : at + 8] = random.choice([bytes(8), b"\xff" * 8, random.bytes(8), b"\0" * 7 + b"\x7f"])[
            : len(made) - at
        ]
        hot.write_bytes(resealed(made))
        path.write_bytes(changed)
        for each, time in zip((path, hot), times, strict=True):
            os.utime(each, ns=(0, time))
        try:
            LocalStorage(str(path), "r").close()
        except FitsIOError:
            assert path.read_bytes() == changed
        for aside in path.parent.glob("*unused*"):
            aside.unlink()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (b"", "has 0 bytes, the change can have left 60000 to"),
        (b"another file", "has 12 bytes, the change can have left 60000 to"),
        (bytes(len(CONTENT)), "neither as before the change nor as it makes them"),
        (CONTENT[1:] + b"x", "neither as before the change nor as it makes them"),
    ],
)
def test_a_journal_of_another_file_is_never_applied(path, hot, other, why):
    put_anew(path, other)
    said = refused(path, match=why)
    assert f"`rustfits recover {path} --apply`" in said
    assert "--discard" in said
    left = hot.read_bytes()
    LocalStorage(str(path), "w+").close()
    aside = path.with_name(f"{hot.name}.unused-1")
    assert not hot.exists()
    assert aside.read_bytes() == left


def test_a_file_made_anew_that_holds_what_the_change_would_have_made_is_not_touched(path, hot):
    made = bytearray(path.read_bytes())
    put_anew(path, made)
    refused(path, match=r"was changed .* s after the last thing that the journal knows of")
    made[100] ^= 1  # of which the journal says nothing
    put_anew(path, made)
    os.utime(path, ns=(0, hot.stat().st_mtime_ns))
    refused(path, match="what the change did not touch is not as it was")


def test_a_file_that_was_last_changed_long_before_the_change_is_not_touched(path, hot):
    os.utime(path, (1_000_000_000, 1_000_000_000))
    refused(path, match=r"was last changed .* s before the change began")


def test_a_file_that_is_as_it_was_opens_and_its_journal_is_not_lost(path, hot):
    left = hot.read_bytes()
    put_anew(path, CONTENT)
    LocalStorage(str(path), "r").close()
    assert hot.read_bytes() == left
    storage = LocalStorage(str(path), "r+")
    assert path.read_bytes() == CONTENT
    with storage.transaction():
        storage.write(0, b"x")
    storage.close()
    assert path.with_name(f"{hot.name}.unused-1").read_bytes() == left


def test_a_file_moved_together_with_its_journal_is_recovered(path, hot):
    folder = path.parent / "elsewhere"
    folder.mkdir()
    for move in (shutil.copy2, os.rename):
        moved = folder / "moved.fits"
        move(path, moved)
        move(hot, moved.with_name(moved.name + JOURNAL_SUFFIX))
        LocalStorage(str(moved), "r").close()
        assert moved.read_bytes() == CONTENT
        assert alone(moved)


@pytest.mark.parametrize("seconds", [0, 0.004, 0.09])
def test_the_file_may_be_changed_a_tick_after_the_journal(path, hot, seconds):
    os.utime(path, ns=(0, hot.stat().st_mtime_ns + int(seconds * SECOND)))
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


def test_stamps_of_whole_seconds_may_be_two_apart(path, hot):
    os.utime(hot, (2_000_000_000, 2_000_000_000))
    os.utime(path, (2_000_000_002, 2_000_000_002))
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


def test_after_a_power_cut_the_disk_may_have_taken_long(path, hot, monkeypatch):
    os.utime(path, ns=(0, hot.stat().st_mtime_ns + 30 * SECOND))
    refused(path)
    monkeypatch.setattr(leftover, "this_boot", lambda: b"after the reboot")
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("durable", [False, True])
def test_where_the_system_does_not_tell_one_boot_from_another_a_power_cut_is_thought_of_if_it_was_wanted(
    path, hot, monkeypatch, durable
):
    monkeypatch.setattr(leftover, "this_boot", lambda: bytes(16))
    found = find(str(path))
    assert found.same_boot is None
    found.durable = durable
    os.utime(path, ns=(0, hot.stat().st_mtime_ns + 30 * SECOND))
    with path.open("rb") as file:
        assert judge(found, file.fileno()).proven == durable


def test_what_was_read_when_a_file_was_opened_is_what_recovery_left(path, hot):
    assert path.read_bytes() != CONTENT
    for mode in ("r", "r+"):
        storage = LocalStorage(str(path), mode)
        assert storage.head == CONTENT[:HEAD_NBYTES]
        storage.close()


def other_things(left, path):
    """What may have the name of a journal, and is none."""
    return {
        "folder": left.mkdir,
        "link": lambda: left.symlink_to(path),
        "link to nothing": lambda: left.symlink_to("nothing"),
        "second name": lambda: (path.with_name("first").write_bytes(MAGIC), os.link(path.with_name("first"), left)),
        "pipe": lambda: os.mkfifo(left),
        "other bytes": lambda: left.write_bytes(b"mine, not yours"),
    }


@pytest.mark.parametrize("what", ["folder", "link", "link to nothing", "second name", "pipe", "other bytes"])
def test_what_is_no_journal_stops_no_reader_and_is_named_to_writers(path, what):
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    other_things(left, path)[what]()
    LocalStorage(str(path), "r").close()
    for mode in ("r+", "w+"):
        with pytest.raises(JournalError, match=r"so no journal; move it away|no journal of rustfits; move it away"):
            LocalStorage(str(path), mode)
    assert path.read_bytes() == CONTENT
    assert os.path.lexists(left)


@pytest.fixture
def strangers(path, hot):
    """The journal belongs to user 12345, the file to user 23456, and only that one may write it."""
    if not AS_ROOT:
        pytest.skip("only root may give files away")
    os.chown(hot, 12345, -1)
    path.chmod(0o644)
    os.chown(path, 23456, -1)
    return hot


def test_a_journal_that_fits_of_somebody_who_may_not_write_the_file_is_an_error_that_names_both(path, strangers):
    said = refused(path, match=r"user 12345, may not write .*, so it is not believed, though it fits the file")
    assert str(path) in said
    assert str(strangers) in said
    rustfits.recover(path, "apply")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("mode", [0o664, 0o666])
def test_a_journal_of_somebody_who_may_write_the_file_is_believed(path, strangers, mode, monkeypatch):
    path.chmod(mode)
    if mode == 0o664:
        refused(path)  # nobody knows the groups of a user whom nobody knows
        import pwd

        monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("ann", "x", uid, 7, "", "", "")))
        monkeypatch.setattr(os, "getgrouplist", lambda name, group: [group, path.stat().st_gid])
    LocalStorage(str(path), "r").close()
    assert path.read_bytes() == CONTENT


def test_a_journal_that_does_not_fit_of_somebody_who_may_not_write_stops_writers_alone(path, strangers):
    left = strangers.read_bytes()
    contents = CONTENT, bytes(len(CONTENT)), b"short"
    for content in contents:
        put_anew(path, content)
        LocalStorage(str(path), "r").close()
        for mode in ("r+", "w+"):
            with pytest.raises(JournalError, match=r"user 12345, may not write .*; move it away") as caught:
                LocalStorage(str(path), mode)
            assert str(strangers) in str(caught.value)
        assert (path.read_bytes(), strangers.read_bytes()) == (content, left)
    for damaged in (left[:40] + b"\xff" + left[41:], left[:8] + b"\2" + left[9:]):
        strangers.write_bytes(damaged)
        LocalStorage(str(path), "r").close()


def read_only_opens(monkeypatch):
    really = os.open

    def read_only(name, flags, *arguments):
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
        return really(name, flags, *arguments)

    monkeypatch.setattr(recovery.os, "open", read_only)


def test_on_a_medium_that_cannot_be_written_the_error_says_what_to_do(path, hot, monkeypatch):
    changed = path.read_bytes()
    read_only_opens(monkeypatch)
    with pytest.raises(FitsIOError, match=r"cut short and cannot be undone here: Read-only file system; open it once"):
        LocalStorage(str(path), "r")
    with pytest.raises(FitsIOError, match=r"cut short and cannot be undone here"):
        rustfits.recover(path, "apply")
    assert path.read_bytes() == changed
    hot.write_bytes(b"")  # under which nothing was changed
    LocalStorage(str(path), "r").close()


def test_where_the_folder_cannot_be_written_the_error_says_what_to_do(path, monkeypatch):
    really = os.open

    def no_new_files(name, flags, *arguments):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return really(name, flags, *arguments)

    storage = LocalStorage(str(path), "r+")
    monkeypatch.setattr(journal.os, "open", no_new_files)
    message = (
        rf"cannot create .*{JOURNAL_SUFFIX}: Permission denied; "
        "a change needs a journal beside its file: get leave to write"
    )
    with pytest.raises(FitsIOError, match=message), storage.transaction():
        storage.write(0, b"x")
    storage.close()
    assert path.read_bytes() == CONTENT


def test_a_reader_waits_a_moment_for_a_short_change(path, hot, monkeypatch):
    descriptor = os.open(path, os.O_RDWR)
    assert try_lock(descriptor)
    waiting = threading.Event()

    def finish(_):
        if not waiting.is_set():
            waiting.set()
            hot.unlink()
            os.close(descriptor)

    monkeypatch.setattr(recovery.time, "sleep", finish)
    LocalStorage(str(path), "r").close()
    assert waiting.is_set()


def test_a_missing_file_is_missing_though_its_journal_is_there(path, hot):
    path.unlink()
    left = hot.read_bytes()
    with pytest.raises(FileNotFoundError):
        LocalStorage(str(path), "r")
    assert hot.exists()
    LocalStorage(str(path), "w+").close()
    assert path.with_name(f"{hot.name}.unused-1").read_bytes() == left


def test_recovery_does_nothing_where_there_is_nothing_to_do(path):
    recovery.at_open(str(path), "r")
    assert alone(path)
    assert find(str(path)) is None
    assert path.read_bytes() == CONTENT
    with pytest.raises(JournalError, match="no such journal, so nothing to recover"):
        rustfits.recover(path, "apply")


def test_a_user_may_have_the_journal_applied_or_set_aside(path, hot):
    put_anew(path, path.read_bytes())
    refused(path)
    changed, left = path.read_bytes(), hot.read_bytes()
    assert rustfits.recover(str(path), "discard") == f"{hot}.unused-1"
    assert (path.read_bytes(), Path(f"{hot}.unused-1").read_bytes()) == (changed, left)
    LocalStorage(str(path), "r").close()
    hot.write_bytes(left)
    os.utime(hot, (1_000_000_000, 1_000_000_000))
    assert rustfits.recover(path, "apply") == f"{hot}.unused-2"
    assert (path.read_bytes(), Path(f"{hot}.unused-2").read_bytes()) == (CONTENT, left)
    hot.write_bytes(left)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        rustfits.recover(path, "apply")
    assert rustfits.recover(path, "discard") == f"{hot}.unused-3"
    with pytest.raises(ValueError, match="'apply' or 'discard', not 'undo'"):
        rustfits.recover(path, "undo")


def test_a_journal_that_is_proven_is_used_up(path, hot):
    assert rustfits.recover(path, "apply") is None
    assert path.read_bytes() == CONTENT
    assert alone(path)


def test_nobody_decides_about_a_change_under_way(path):
    storage = LocalStorage(str(path), "r+")
    with storage.transaction():
        storage.write(0, b"x")
        for how in ("apply", "discard"):
            with pytest.raises(FileLocked):
                rustfits.recover(path, how)
    storage.close()


def version_2(content, saved, size):
    """A journal as rustfits of November 2026 wrote it."""
    salt = bytes(range(16))
    header = struct.pack("<8sIIQ16s16s", MAGIC, 2, 0, size, salt, bytes(16))
    parts = [header, struct.pack("<I", zlib.crc32(header))]
    for offset, data in saved:
        crc = crc_of_pages(data, zlib.crc32(salt + struct.pack("<QQI", offset, len(data), 0)))
        parts += struct.pack("<QQI", offset, len(data), crc), data
    return b"".join(parts)


def test_a_journal_of_the_version_before_is_refused_with_the_same_advice_and_can_be_applied(path):
    left = path.with_name(path.name + JOURNAL_SUFFIX)
    left.write_bytes(version_2(CONTENT, [(1000, CONTENT[1000:1500]), (0, CONTENT[:100])], len(CONTENT)))
    half = bytearray(CONTENT + b"grown")
    half[1000:1500], half[:100] = bytes(500), bytes(100)
    path.write_bytes(half)
    said = refused(path, match="an earlier version of rustfits left it")
    assert "--apply" in said
    assert "--discard" in said
    kept = left.read_bytes()
    name = rustfits.recover(path, "apply")
    assert path.read_bytes() == CONTENT
    assert Path(name).read_bytes() == kept
