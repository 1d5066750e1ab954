"""The disk fails at every single call of an edit: the handle goes on, and the file is as before the edit."""

import errno
import itertools
import os
import sys
from pathlib import Path

import pytest

import rustfits
from rustfits import FITS, system

sys.path.insert(0, str(Path(__file__).parent))
from crash_edits import EDITS, prepared, write_anew
from crash_points import COUNTED


class Disk:
    """Stands between the library and the system, and fails when told to."""

    CALLS = ("pwrite", "pwritev", "ftruncate", "unlink", "fsync", "replace", "rename")

    def __init__(self, monkeypatch):
        self.count, self.fails = 0, lambda *_: None
        where = {name: system if "pwrite" in name else os for name in self.CALLS}
        self._really = {"open": os.open, **{name: getattr(where[name], name) for name in self.CALLS}}
        for name in self.CALLS:
            monkeypatch.setattr(where[name], name, self._wrapped(name))
        monkeypatch.setattr(os, "open", self._open)

    def _wrapped(self, name):
        def call(*arguments, **keywords):
            self._meet(name, *arguments)
            return self._really[name](*arguments, **keywords)

        return call

    def _open(self, path, flags, *arguments, **keywords):
        if flags & os.O_CREAT:
            self._meet("open", path)
        return self._really["open"](path, flags, *arguments, **keywords)

    def _meet(self, name, *arguments):
        number, self.count = self.count, self.count + 1
        code = self.fails(number, name, *arguments)
        if code:
            COUNTED["injected faults"] += 1
            raise OSError(code, os.strerror(code))


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.fits"


def prepare(name, path):
    if not prepared(name, path):
        pytest.skip(f"{name} is not there yet")
    return path.read_bytes()


def attempt(name, fits):
    """Do the edit; return the error of the system that it met, if any."""
    try:
        EDITS[name](fits)
    except OSError as error:
        return error
    return None


def readable(hdu):
    try:
        return hdu.read()
    except rustfits.TileDecodeError:  # tiles were never written
        return hdu.read(on_error="mask")


def snapshot(fits):
    """What a handle knows: to be compared with that of a handle that was opened anew."""
    found = []
    for hdu in fits:
        data = readable(hdu) if isinstance(hdu, rustfits.ImageHDU) else None
        found.append((hdu.index, hdu.extname, hdu.header.to_dict(), None if data is None else data.tolist()))
    return found


def assert_unharmed(fits, path, before):
    assert not fits._file.tainted
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    with FITS(path) as anew:
        assert snapshot(fits) == snapshot(anew)


@pytest.mark.parametrize(
    ("name", "durability"), [*((name, "process") for name in EDITS), ("several_in_a_transaction", "power")]
)
def test_after_a_fault_the_handle_goes_on_as_if_nothing_had_been(path, disk, name, durability):
    before = prepare(name, path)
    with FITS(path, "r+", durability=durability) as fits:
        for number in itertools.count():
            fits[0].read()  # what is in memory must be forgotten or put back, too
            disk.count, disk.fails = 0, lambda count, name, *_, at=number: errno.EIO if count == at else None
            error = attempt(name, fits)
            disk.fails = lambda *_: None
            if error is None:
                assert disk.count <= number  # no failure is passed over
                break
            assert error.errno == errno.EIO, number
            assert "Input/output error" in str(error)
            assert_unharmed(fits, path, before)
    with FITS(path) as fits:
        snapshot(fits)


@pytest.mark.parametrize("name", EDITS)
def test_on_a_full_disk_nothing_changes_until_there_is_room_again(path, disk, name, monkeypatch):
    before = prepare(name, path)
    room = 0

    def full(_, call, *arguments):
        """Refuse all that takes more room than there is, counted over file and journal."""
        if call in ("pwrite", "pwritev"):
            descriptor, data, offset = arguments
            nbytes = len(data) if call == "pwrite" else sum(map(len, data))
            grows = offset + nbytes - os.fstat(descriptor).st_size
            used = sum(found.stat().st_size for found in path.parent.iterdir()) - len(before)
            return errno.ENOSPC if grows > 0 and used + grows > room else None
        return None

    with FITS(path, "r+") as fits:
        disk.fails = full
        while (error := attempt(name, fits)) is not None:
            assert error.errno == errno.ENOSPC
            assert_unharmed(fits, path, before)
            room = room * 3 // 2 + 1000
    with FITS(path) as fits:
        snapshot(fits)


@pytest.mark.parametrize("name", EDITS)
def test_a_disk_that_stays_broken_taints_the_handle_and_is_recovered_from_later(path, disk, name):
    before = prepare(name, path)
    tainted = 0
    for number in itertools.count():
        path.write_bytes(before)
        with FITS(path, "r+") as fits:
            disk.count, disk.fails = 0, lambda count, *_, at=number: errno.EIO if count >= at else None
            failed = attempt(name, fits) is not None
            disk.fails = lambda *_: None
            if not failed:
                break
            tainted += fits._file.tainted
            if fits._file.tainted:
                with pytest.raises(rustfits.HandleTainted, match=r"indeterminate state.*reopen"):
                    fits[0].read()
        FITS(path).close()
        assert path.read_bytes() == before, number
        assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert tainted


@pytest.mark.parametrize("name", ["grow_the_first_header", "several_in_a_transaction", "write_more_compressed_bytes"])
def test_writes_that_the_system_cuts_short_are_continued(path, monkeypatch, name):
    prepare(name, path)
    other = path.with_name("other.fits")
    other.write_bytes(path.read_bytes())
    with FITS(other, "r+") as fits:
        EDITS[name](fits)
    really = os.pwrite
    monkeypatch.setattr(system, "pwrite", lambda descriptor, data, offset: really(descriptor, data[:777], offset))
    monkeypatch.setattr(
        system, "pwritev", lambda descriptor, data, offset: really(descriptor, b"".join(data)[:77], offset)
    )
    with FITS(path, "r+") as fits:
        with pytest.raises(KeyError), fits.transaction():
            EDITS[name](fits)
            raise KeyError
        EDITS[name](fits)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", EDITS)
def test_an_exception_at_the_end_of_a_transaction_undoes_all_of_it(path, name):
    before = prepare(name, path)
    for handle in (FITS(path, "r+"), FITS.from_bytes(before, "r+")):
        with handle as fits:
            first = snapshot(fits)
            with pytest.raises(KeyError), fits.transaction():
                EDITS[name](fits)
                snapshot(fits)  # what is read now must not stay
                raise KeyError
            assert snapshot(fits) == first
            assert fits.to_bytes() == before
            EDITS[name](fits)
    with FITS(path) as fits:
        snapshot(fits)


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize(("mode", "there"), [("w+", True), ("w+", False), ("x", False)])
def test_a_file_that_cannot_be_written_anew_is_what_it_was(path, disk, mode, there, durability):
    before = prepare("set_a_card", path)
    outcomes = []
    for number in itertools.count():
        path.write_bytes(before) if there else path.unlink(missing_ok=True)
        disk.count, disk.fails = 0, lambda count, *_, at=number: errno.EIO if count == at else None
        failed = None
        try:
            with FITS(path, mode, durability=durability) as fits:
                write_anew(fits)
        except OSError as error:
            failed = error
        disk.fails = lambda *_: None
        assert failed is None or failed.errno == errno.EIO, number
        assert {found.name for found in path.parent.iterdir()} <= {path.name, f"{path.name}.rfnew"}, number
        content = path.read_bytes() if path.exists() else None
        if failed is None:
            outcomes.append(len(FITS(path)))
        elif content == (before if there else None):
            outcomes.append(0)
        else:  # the first HDUs were written, and the next failed
            outcomes.append(len(FITS(path)))
        if failed is None and disk.count <= number:
            break
    assert set(outcomes) >= {0, 2, 3}
    assert set(outcomes) <= {0, 2, 3}
