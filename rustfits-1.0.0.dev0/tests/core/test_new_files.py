"""Files that are written anew, beside what has the name; and files of a new name."""

import multiprocessing
import os
import stat
import sys
import threading

import numpy as np
import pytest

import rustfits
from rustfits import FITS, FileExists, FileLocked, FileReplaced, FitsIOError
from rustfits.storage import gzipped, newfile

OLD, NEW = np.zeros((20, 30), "i2"), np.ones((50, 60), "f4")
SUFFIX = ".rfnew"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(OLD)
    return path


def files(path):
    return sorted(found.name for found in path.parent.iterdir())


def write_new(path, mode="w+"):
    with FITS(path, mode) as fits:
        fits.write_image(NEW)


def is_new(path):
    return rustfits.read(path).shape == NEW.shape


# -- w+ ---------------------------------------------------------------------------------------------------------------


def test_the_old_file_stays_until_the_first_commit(path):
    before = path.read_bytes()
    with FITS(path, "w+") as fits:
        assert path.read_bytes() == before
        fits.sync()
        fits.refresh()
        with fits.transaction():
            fits.write_image(NEW)
            assert path.read_bytes() == before
            assert files(path) == ["a.fits", f"a.fits{SUFFIX}"]
        assert is_new(path)
        assert files(path) == ["a.fits"]
        fits.write_image(NEW)
        fits.refresh()
        assert len(fits) == 2
    assert len(FITS(path)) == 2


def test_a_new_name_appears_at_the_first_commit(tmp_path):
    path = tmp_path / "new.fits"
    with FITS(path, "w+") as fits:
        assert not path.exists()
        fits.write_image(NEW)
        assert is_new(path)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("there", [True, False])
def test_a_block_that_fails_before_the_first_commit_leaves_what_was_there(path, there):
    before = path.read_bytes()
    if not there:
        path.unlink()
    with pytest.raises(KeyError), FITS(path, "w+"):
        raise KeyError
    with pytest.raises(KeyError), FITS(path, "w+") as fits, fits.transaction():
        fits.write_image(NEW)
        raise KeyError
    fits = FITS(path, "w+")
    del fits
    with pytest.raises(rustfits.ImageError):
        rustfits.write(path, np.array(5))
    with pytest.raises(rustfits.ImageError), FITS(path, "w+") as fits:
        fits.write_image(np.array(5))
    assert files(path) == (["a.fits"] if there else [])
    assert not there or path.read_bytes() == before


def test_a_block_that_fails_after_the_first_commit_leaves_the_new_file(path):
    with pytest.raises(KeyError), FITS(path, "w+") as fits:
        fits.write_image(NEW)
        raise KeyError
    assert is_new(path)


def test_a_change_that_failed_does_not_count_and_the_next_one_does(path):
    before = path.read_bytes()
    with FITS(path, "w+") as fits:
        with pytest.raises(KeyError), fits.transaction():
            fits.write_image(OLD)
            raise KeyError
        assert path.read_bytes() == before
        assert len(fits) == 0
        fits.write_image(NEW)
    assert is_new(path)


def test_a_clean_close_without_an_hdu_leaves_an_empty_file(path):
    FITS(path, "w+").close()
    assert (files(path), path.read_bytes()) == (["a.fits"], b"")
    path.unlink()
    with FITS(path, "w+"):
        pass
    assert (files(path), path.read_bytes()) == (["a.fits"], b"")


def test_readers_of_the_old_file_keep_it(path):
    with FITS(path) as reader:
        write_new(path)
        assert (reader[0].read() == OLD).all()
        reader.refresh()
        assert reader[0].shape == NEW.shape


@pytest.mark.parametrize("absent", [False, True])
def test_links_are_followed(path, tmp_path, absent):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.fits"
    link.symlink_to("../a.fits")
    if absent:
        path.unlink()
    write_new(link)
    assert link.is_symlink()
    assert is_new(path)
    assert not path.is_symlink()
    assert files(link) == ["link.fits"]
    assert files(path) == ["a.fits", "links"]


def test_a_file_of_several_names_is_written_in_place(path, tmp_path):
    other = tmp_path / "b.fits"
    other.hardlink_to(path)
    write_new(path)
    assert os.path.samefile(path, other)
    assert is_new(other)


def test_an_empty_file_is_written_in_place_for_whoever_has_it_open(tmp_path):
    path = tmp_path / "empty.fits"
    with open(path, "w+b") as file:
        write_new(path)
        assert (rustfits.FITS.from_bytes(file.read())[0].read() == NEW).all()


@pytest.mark.parametrize("code", ["EACCES", "EPERM", "EROFS", "ENAMETOOLONG"])
def test_a_folder_that_cannot_be_written_has_the_file_written_in_place(path, monkeypatch, code):
    import errno

    really, number = os.open, getattr(errno, code)

    def no_new_files(name, flags, *arguments, **keywords):
        if str(name).endswith(SUFFIX):
            raise OSError(number, os.strerror(number))
        return really(name, flags, *arguments, **keywords)

    monkeypatch.setattr(os, "open", no_new_files)
    inode = path.stat().st_ino
    write_new(path)
    assert path.stat().st_ino == inode
    assert is_new(path)
    path.unlink()
    write_new(path)
    assert is_new(path)


def test_another_refusal_is_an_error_and_leaves_the_old_file(path, monkeypatch):
    before, really = path.read_bytes(), os.open

    def full(name, flags, *arguments, **keywords):
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return really(name, flags, *arguments, **keywords)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(FitsIOError, match="No space left"):
        FITS(path, "w+")
    assert path.read_bytes() == before


def test_permissions_owner_and_group_stay(path):
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    write_new(path)
    after = path.stat()
    assert is_new(path)
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize("what", ["owner", "permissions", "attributes"])
def test_what_a_new_file_would_lose_has_the_file_written_in_place(path, monkeypatch, what):
    if what == "owner":
        monkeypatch.setattr(newfile.system, "adopt_owner", lambda *_: None)
        if os.geteuid():
            pytest.skip("only root can give a file to somebody else")
        os.chown(path, 1234, 4321)
    elif what == "permissions":
        path.chmod(0o640)

        def refuse(*_):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(newfile.system, "set_permissions", refuse)
    else:
        try:
            os.setxattr(path, "user.note", b"mine")
        except (AttributeError, OSError):
            monkeypatch.setattr(os, "listxattr", lambda _: ["user.note"], raising=False)
    inode = path.stat().st_ino
    write_new(path)
    assert path.stat().st_ino == inode
    assert is_new(path)
    assert files(path) == ["a.fits"]


def test_two_writers_of_one_name_are_kept_apart(path):
    for there in (True, False):
        if not there:
            path.unlink()
        with FITS(path, "w+") as fits:
            with pytest.raises(FileLocked):
                FITS(path, "w+")
            fits.write_image(NEW)
            with pytest.raises(FileLocked):
                FITS(path, "w+")
            fits.write_image(NEW)
        assert len(FITS(path)) == 2


def test_a_writer_of_the_old_file_keeps_it(path):
    with FITS(path, "r+") as fits:
        fits[0][0] = 5
        with pytest.raises(FileLocked):
            FITS(path, "w+")
        fits[0][1] = 5
    with FITS(path, "w+") as anew:
        with FITS(path, "r+") as fits, pytest.raises(FileLocked):
            fits[0][0] = 5
        anew.write_image(NEW)
    assert is_new(path)


@pytest.mark.parametrize("how", ["replaced", "removed", "made"])
def test_a_name_that_somebody_else_took_meanwhile_is_not_taken(path, how):
    if how == "made":
        path.unlink()
    with pytest.raises(FileReplaced), FITS(path, "w+") as fits:
        if how == "replaced":
            other = path.with_name("other")
            other.write_bytes(b"mine")
            other.replace(path)
        elif how == "made":
            path.write_bytes(b"mine")
        else:
            path.unlink()
        fits.write_image(NEW)
    assert files(path) == ([] if how == "removed" else ["a.fits"])
    assert how == "removed" or path.read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_has_the_name_of_the_new_file_is_removed_if_it_is_nobodys(path, tmp_path, kind):
    left, other = path.with_name(path.name + SUFFIX), tmp_path / "other"
    other.write_bytes(b"mine")
    if kind == "link":
        left.symlink_to(other)
    elif kind == "file":
        left.write_bytes(b"half of a file")
    else:
        left.mkdir()
    if kind == "folder":
        with pytest.raises(FitsIOError):
            write_new(path)
    else:
        write_new(path)
        assert is_new(path)
        assert files(path) == ["a.fits", "other"]
    assert other.read_bytes() == b"mine"


@pytest.mark.parametrize("there", [True, False])
def test_an_old_journal_is_set_aside(path, there):
    journal = path.with_name("a.fits.rfjournal")
    journal.write_bytes(b"rfjrnl\r\n" + bytes([9, 0, 0, 0]) + bytes(200))
    content = journal.read_bytes()
    if not there:
        path.unlink()
    write_new(path)
    assert files(path) == ["a.fits", "a.fits.rfjournal.unused-1"]
    assert path.with_name("a.fits.rfjournal.unused-1").read_bytes() == content
    assert is_new(path)


def test_a_folder_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        for mode in ("w+", "x"):
            with pytest.raises(rustfits.OpenFailed):
                FITS(tmp_path / name, mode)
    assert files(tmp_path / "pipe") == ["folder", "pipe"]
    for name in ("", "none/a.fits"):
        with pytest.raises(rustfits.FileMissing):
            FITS(f"{tmp_path}/{name}" if name else "", "w+")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forks no process")
def test_a_forked_process_leaves_the_new_file_alone(path):
    with FITS(path, "w+") as fits:
        child = multiprocessing.get_context("fork").Process(target=_drop, args=(fits,))
        child.start()
        child.join()
        assert child.exitcode == 0
        fits.write_image(NEW)
    assert is_new(path)


def _drop(fits):
    with pytest.raises(FileReplaced):
        fits.write_image(NEW)
    fits._file.storage._let_go()


# -- x ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.fits", "b.fits.gz"])
def test_a_file_of_a_new_name_is_created_and_never_replaced(tmp_path, name):
    path = tmp_path / name
    write_new(path, "x")
    before = path.read_bytes()
    assert is_new(path)
    with pytest.raises(FileExists, match=r"Failed to open .*b\.fits.*File exists"):
        FITS(path, "x")
    with pytest.raises(FileExistsError):
        write_new(path, "x")
    with pytest.raises(OSError, match="File exists"):
        write_new(path, "x")
    assert path.read_bytes() == before
    assert files(path) == [name]


def test_one_call_writes_a_file_of_a_new_name(tmp_path):
    path = tmp_path / "b.fits"
    rustfits.write(path, NEW, mode="x")
    with pytest.raises(FileExists):
        rustfits.write(path, OLD, mode="x")
    assert is_new(path)


def test_two_who_save_a_gzip_file_at_once_wait_for_each_other(tmp_path, monkeypatch):
    path = tmp_path / "b.fits.gz"
    write_new(path)
    first, second = FITS(path, "r+"), FITS(path, "r+")
    first[0].header["FIRST"] = 1
    second[0].header["SECOND"] = 2
    compress = gzipped._GzipFile._compress_into
    inside = threading.Event()

    def slow(self, descriptor):
        inside.set()
        threading.Event().wait(0.1)
        compress(self, descriptor)

    monkeypatch.setattr(gzipped._GzipFile, "_compress_into", slow)
    thread = threading.Thread(target=first.close)
    thread.start()
    inside.wait()
    second.close()
    thread.join()
    assert rustfits.read_header(path)["SECOND"] == 2
    monkeypatch.setattr(gzipped, "_PATIENCE", 0.05)
    with FITS(path, "r+") as fits:
        fits[0].header["THIRD"] = 3
        with open(f"{path}{SUFFIX}", "wb") as file:
            assert newfile.system.try_lock(file.fileno())
            with pytest.raises(FileLocked, match="written anew"):
                fits.sync()


def test_the_name_is_taken_at_once(tmp_path):
    path = tmp_path / "b.fits"
    with FITS(path, "x") as fits:
        assert path.read_bytes() == b""
        with pytest.raises(FileExists):
            FITS(path, "x")
        fits.write_image(NEW)
        fits[0].header["OBJECT"] = "M13"
        assert "mode: x" in repr(fits)
    assert is_new(path)


@pytest.mark.parametrize("name", ["b.fits", "b.fits.gz"])
def test_a_block_that_fails_gives_the_name_free(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(KeyError), FITS(path, "x"):
        raise KeyError
    assert files(path) == []
    FITS(path, "x").close()
    assert path.read_bytes() == b""


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path):
    link = tmp_path / "link.fits"
    link.symlink_to("none.fits")
    with pytest.raises(FileExists):
        FITS(link, "x")
    assert files(link) == ["link.fits"]


def test_memory_has_a_new_name_each_time():
    with FITS("mem://", "x") as fits:
        fits.write_image(NEW)
        assert len(fits) == 1


def test_an_orphaned_journal_is_set_aside_before_a_file_of_a_new_name(tmp_path):
    path = tmp_path / "b.fits"
    (tmp_path / "b.fits.rfjournal").write_bytes(b"rfjrnl\r\n" + bytes([9, 0, 0, 0]) + bytes(200))
    write_new(path, "x")
    assert files(path) == ["b.fits", "b.fits.rfjournal.unused-1"]
