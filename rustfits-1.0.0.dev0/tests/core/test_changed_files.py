"""A file that others change while a handle has it open: what is read is of one state, or an error says so.

Clocks are faked where their tick matters; nothing is timed.
"""

import os
import pickle
import shutil
import threading
import time

import numpy as np
import pytest

import rustfits
from rustfits import FITS, FileChanged, FileLocked, FileReplaced, FitsIOError
from rustfits.codec import choice
from rustfits.codec.kernels import Kernels
from rustfits.container import scan as scanning
from rustfits.storage import recovery, watch
from rustfits.storage.reread import Straddled, repeated
from rustfits.system import JOURNAL_SUFFIX

SHAPE = (40, 50)
CODEC = rustfits.Gzip2(tile_shape=(10, 50))
LONG = [f"KEY{number}" for number in range(40)]  # more than one block of cards
READS = {
    "whole": lambda hdu: hdu.read(),
    "section": lambda hdu: hdu[3:30, 5:45],
    "steps": lambda hdu: hdu[::3, ::7],
    "pixel": lambda hdu: hdu[17, 23],
    "many": lambda hdu: np.concatenate([part.ravel() for part in hdu.read_many([np.s_[:5], np.s_[20:30, 4]])]),
    "cutouts": lambda hdu: hdu.cutouts([(12, 12), (30, 30)], 8),
}


@pytest.fixture(autouse=True, params=["kernels in use", "numpy"])
def kernels_in_use(request):
    """Look at files by the form that a plugin brings, and by the core's."""
    before = choice.active()
    choice.set_active(Kernels() if request.param == "numpy" else before)
    yield
    choice.set_active(before)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.fits"


def make(path, number, *, before=()):
    """Write a file of images whose pixels are all ``number``; ``before`` names keywords of the first header."""
    with FITS(path, "w+") as fits:
        fits.write_image(np.full((3,), 1, "i2"), header=dict.fromkeys(before, 1))
        fits.write_image(np.full(SHAPE, number, "i2"), extname="PLAIN")
        fits.write_image(np.full(SHAPE, number, "i4"), extname="PACKED", compress=CODEC)
    rest(path)


def rest(path):
    """Let the last change be long ago."""
    os.utime(path, ns=(0, time.time_ns() - 10**11))


def make_elsewhere(path, number, **options):
    """Write such a file, and return its bytes."""
    other = path.with_name("other.fits")
    make(other, number, **options)
    return other.read_bytes()


def overwrite(path, content):
    """Change the bytes of a file in place, as programs do that know nothing of this."""
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
    os.close(descriptor)


def set_all(hdu, number):
    """Write pixels anew, so that the header of a compressed image stays as it is too."""
    hdu.write(np.full(SHAPE, number, hdu.dtype))


def the(values):
    found = np.unique(np.asarray(values))
    assert found.size == 1, f"a mixture of states: {found}"
    return found[0]


# -- a change is seen -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
def test_pixels_changed_in_place_are_read_anew(path, name, read):
    make(path, 1)
    with FITS(path) as fits:
        for _ in range(3):  # the later ones by the short way, from the cache
            assert the(read(fits[name])) == 1
        with FITS(path, "r+") as other:
            set_all(other[name], 2)
        for _ in range(3):
            assert the(read(fits[name])) == 2
        overwrite(path, make_elsewhere(path, 3))
        for _ in range(3):
            assert the(read(fits[name])) == 3


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
@pytest.mark.parametrize("by", ["rustfits", "pwrite"])
def test_an_hdu_that_has_moved_is_refused_until_the_headers_are_read_again(path, name, read, by):
    make(path, 1)
    with FITS(path) as fits:
        hdu, first = fits[name], fits[0]
        for _ in range(2):
            assert the(read(hdu)) == 1
        if by == "pwrite":
            overwrite(path, make_elsewhere(path, 1, before=LONG))
        else:
            with FITS(path, "r+") as other, other[0].header.edit() as edit:
                edit.update(dict.fromkeys(LONG, 1))
        for _ in range(2):
            with pytest.raises(FileChanged, match=rf"file.fits was changed .* refresh.*\(in HDU \d \('{name}'\) of"):
                read(hdu)
        fits.refresh()
        with pytest.raises(FileChanged, match="take it from the FITS again"):
            read(hdu)
        with pytest.raises(FileChanged):
            first.read()
        assert fits[name] is not hdu
        assert the(read(fits[name])) == 1
        assert fits[0].header["KEY7"] == 1
        assert hdu.header["EXTNAME"] == name  # what is known stays readable


def test_a_file_cut_to_nothing_or_replaced_in_place_by_something_else_is_refused(path):
    make(path, 1)
    with FITS(path) as fits:
        overwrite(path, b"")
        with pytest.raises(FileChanged):
            fits[1].read()
        with pytest.raises(FitsIOError):
            fits.refresh()
        overwrite(path, b"\xff" * 100_000)
        with pytest.raises(FileChanged):
            fits["PACKED"].read()
        with pytest.raises(rustfits.FitsError):
            fits.refresh()
        overwrite(path, make_elsewhere(path, 4))
        assert the(fits["PACKED"].read()) == 4  # a refresh that failed has changed nothing


def test_a_longer_file_is_read_on(path):
    make(path, 1)
    with FITS(path) as fits:
        with FITS(path, "r+") as other:
            other.write_image(np.zeros((5,), "i2"), extname="NEW")
        assert the(fits["PLAIN"].read()) == 1
        assert "NEW" not in fits
        hdu = fits["PLAIN"]
        fits.refresh()
        assert fits["PLAIN"] is hdu
        assert len(fits["NEW"]) == 5


def test_a_header_changed_in_its_place_is_a_change_of_its_hdu_alone(path):
    make(path, 1)
    with FITS(path) as fits:
        with FITS(path, "r+") as other:
            other["PLAIN"].header["OBJECT"] = "M13"
        assert the(fits["PACKED"].read()) == 1
        with pytest.raises(FileChanged):
            fits["PLAIN"].read()
        fits.refresh()
        assert fits["PLAIN"].header["OBJECT"] == "M13"
        assert the(fits["PLAIN"].read()) == 1


def test_checksums_and_the_whole_content_are_of_one_state(path):
    make(path, 1)
    with FITS(path, "r+") as fits:
        for hdu in fits:
            hdu.add_checksum()
    with FITS(path) as fits:
        assert all(hdu.verify_checksum() and hdu.verify_datasum() for hdu in fits)
        content = path.read_bytes()
        assert fits.to_bytes() == content
        with FITS(path, "r+") as other:
            set_all(other["PLAIN"], 7)
            set_all(other["PACKED"], 7)
        assert fits[1].verify_datasum() is False
        assert fits[1].verify_checksum() is False
        assert fits[2].verify_datasum() is False
        assert fits[2].verify_checksum() is False
        assert fits.to_bytes() == path.read_bytes() != content
        with FITS(path, "r+") as other:
            other["PLAIN"].header["MORE"] = 1
        assert fits.to_bytes() == path.read_bytes()
        with pytest.raises(FileChanged):
            fits[1].verify_datasum()


def test_the_decoded_tiles_of_before_are_dropped(path):
    make(path, 1)
    with FITS(path) as fits:
        hdu = fits["PACKED"]
        hdu.read()
        used = hdu.tile_cache_used
        with FITS(path, "r+") as other:
            set_all(other["PLAIN"], 2)  # another HDU
        hdu[0, 0]
        assert 0 < hdu.tile_cache_used < used


# -- a change under way -----------------------------------------------------------------------------------------------


def during_the_first_read(monkeypatch, storage, act):
    """Have ``act`` happen once, after some bytes were read and before others are."""
    once = [act]

    def wrapped(read):
        def reading(*args):
            read(*args)
            if once:
                once.pop()()

        return reading

    for name in ("read_into", "read_ranges"):
        monkeypatch.setattr(storage, name, wrapped(getattr(storage, name)))


@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
def test_a_read_that_straddles_a_change_is_repeated(path, name, monkeypatch):
    make(path, 1)
    other = make_elsewhere(path, 2)
    with FITS(path) as fits:
        during_the_first_read(monkeypatch, fits._file.storage, lambda: overwrite(path, other))
        assert the(fits[name].read()) == 2


@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
def test_an_error_of_a_file_that_was_changed_is_not_blamed_on_the_file(path, name, monkeypatch):
    make(path, 1)
    with FITS(path) as fits:
        assert fits[name].shape == SHAPE
        overwrite(path, b"\xff" * 3000)
        with pytest.raises(FileChanged):
            fits[name].read()


def test_a_program_that_puts_the_time_back_is_noticed_while_it_changes_the_file(path, monkeypatch):
    make(path, 1)
    content, before = path.read_bytes(), os.stat(path).st_mtime_ns
    with FITS(path) as fits:
        hdu = fits["PACKED"]
        look = watch.Watch.settle
        other = make_elsewhere(path, 2)

        def settle(self, *, changed):
            overwrite(path, content)
            os.utime(path, ns=(0, before))
            look(self, changed=changed)

        monkeypatch.setattr(watch.Watch, "settle", settle)
        overwrite(path, other)
        assert the(hdu.read()) == 1
        assert the(hdu[:10, :10]) == 1


def test_an_iterator_is_never_used_up_by_a_read_that_is_repeated(path, monkeypatch):
    make(path, 1)
    other = make_elsewhere(path, 2)
    with FITS(path) as fits:
        during_the_first_read(monkeypatch, fits._file.storage, lambda: overwrite(path, other))
        parts = fits["PLAIN"].read_many(iter([np.s_[0], np.s_[1:3]]))
        assert the(np.concatenate([part.ravel() for part in parts])) == 2

    class Reader:
        @repeated
        def read(self, numbers):
            if next(iter(numbers)) == 1:
                raise Straddled("file.fits")
            return "read"

    assert Reader().read([1, 2][1:]) == "read"
    with pytest.raises(FileChanged):
        Reader().read(iter([1, 2]))


def test_a_read_that_is_disturbed_again_and_again_ends(path, monkeypatch):
    make(path, 1)
    monkeypatch.setattr(watch, "PATIENCE", 0)
    again = watch.Tries.again
    monkeypatch.setattr(watch.Tries, "again", lambda self, _=0: again(self, 0))
    with FITS(path) as fits:
        read, count = fits._file.storage.read_into, []

        def read_into(offset, target):
            read(offset, target)
            count.append(1)
            os.utime(path, ns=(0, len(count)))

        monkeypatch.setattr(fits._file.storage, "read_into", read_into)
        with pytest.raises(FileChanged, match="again and again"):
            fits["PLAIN"].read()
        assert watch.MIN_TRIES <= len(count) < 20
        monkeypatch.undo()
        assert the(fits["PLAIN"].read()) == 1


def test_an_interrupt_is_not_taken_for_a_change(path, monkeypatch):
    make(path, 1)
    with FITS(path) as fits:
        hdu = fits["PLAIN"]

        def read_into(offset, target):
            overwrite(path, b"")
            raise KeyboardInterrupt

        monkeypatch.setattr(fits._file.storage, "read_into", read_into)
        with pytest.raises(KeyboardInterrupt):
            hdu.read()


def test_a_reader_waits_for_a_writer_of_ours_and_no_longer_than_its_patience(path, monkeypatch):
    make(path, 1)
    with FITS(path) as fits, FITS(path, "r+") as other:
        hdu = fits["PLAIN"]
        with other.transaction():
            set_all(other["PLAIN"], 2)
            assert os.path.exists(f"{path}{JOURNAL_SUFFIX}")
            monkeypatch.setattr(recovery, "PATIENCE", 0)
            with pytest.raises(FileLocked):
                hdu.read()
        assert the(hdu.read()) == 2


def test_a_reader_undoes_what_a_killed_writer_left(path):
    make(path, 1)
    with FITS(path) as fits:
        left = path.with_name(path.name + JOURNAL_SUFFIX)
        with FITS(path, "r+") as other, pytest.raises(KeyError), other.transaction():
            set_all(other["PLAIN"], 2)
            changed, saved = path.read_bytes(), left.read_bytes()
            raise KeyError
        overwrite(path, changed)
        left.write_bytes(saved)
        assert the(fits["PLAIN"].read()) == 1
        assert not left.exists()


def test_headers_that_straddle_a_change_are_read_again(path, monkeypatch):
    make(path, 1)
    moved = make_elsewhere(path, 2, before=LONG)
    once, scan = [1], scanning.scan

    def scan_slowly(storage, *, lenient):
        for found in scan(storage, lenient=lenient):
            yield found
            if once:
                once.pop()
                overwrite(path, moved)

    monkeypatch.setattr(scanning, "scan", scan_slowly)
    with FITS(path) as fits:
        assert fits[0].header["KEY3"] == 1
        assert the(fits["PLAIN"].read()) == the(fits["PACKED"].read()) == 2


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[10_000_000, 2_000_000_000], ids=["10 ms", "2 s"])
def coarse(request, monkeypatch):
    """Round times as file systems with such clocks do; time stands still, but for what stands for waiting."""
    tick, ahead = request.param, [0]
    now = time.time_ns() // tick * tick + tick // 4

    def state_in(status):
        # Whole seconds are the sign of a clock that has no others.
        return status.st_size, status.st_mtime_ns // tick * tick + (tick < watch.SECOND)

    monkeypatch.setattr(watch, "state_in", state_in)
    monkeypatch.setattr(watch, "unchanged", watch.is_unchanged)
    monkeypatch.setattr(watch, "_is_multigrain", lambda _: False)
    monkeypatch.setattr(watch.time, "time_ns", lambda: now + ahead[0])
    monkeypatch.setattr(watch.time, "monotonic", lambda: ahead[0] / 1e9)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: ahead.__setitem__(0, ahead[0] + int(seconds * 1e9) + 1))
    return tick, ahead


def now():
    return watch.time.time_ns()


def set_time(path, mtime_ns):
    os.utime(path, ns=(0, mtime_ns))


def test_a_change_in_the_tick_in_which_a_file_was_opened_is_not_missed(path, coarse):
    tick, ahead = coarse
    make(path, 1)
    content = make_elsewhere(path, 2)
    set_time(path, now())
    with FITS(path) as fits:
        assert ahead[0] >= tick * 3 // 4  # it has waited for the end of the tick
        assert the(fits["PLAIN"].read()) == 1
        overwrite(path, content)
        set_time(path, now())
        assert the(fits["PLAIN"].read()) == the(fits["PACKED"].read()) == 2


def test_a_file_that_is_changed_all_the_time_is_refused_in_the_end(path, coarse, monkeypatch):
    _, ahead = coarse
    make(path, 1)
    with FITS(path) as fits:
        sleep = watch.time.sleep

        def change_meanwhile(seconds):
            sleep(seconds)
            set_time(path, now())

        monkeypatch.setattr(watch.time, "sleep", change_meanwhile)
        set_time(path, now())
        with pytest.raises(FileChanged, match="again and again"):
            fits["PLAIN"].read()
        assert ahead[0] < 10e9
        with pytest.raises(FileChanged):
            FITS(path)


def test_what_our_own_writers_leave_is_quiet_at_once(path, coarse):
    _, ahead = coarse
    make(path, 1)
    set_time(path, now() - 10**11)
    with FITS(path) as fits, FITS(path, "r+") as other:
        for number in range(2, 5):
            before = ahead[0]
            set_all(other["PLAIN"], number)
            assert the(fits["PLAIN"].read()) == number
            assert ahead[0] == before
            ahead[0] += 10**10


def test_a_time_in_the_future_is_quiet(path, coarse):
    _, ahead = coarse
    make(path, 1)
    set_time(path, now() + 10**13)
    with FITS(path) as fits:
        assert the(fits["PACKED"].read()) == 1
        assert not ahead[0]


def test_every_change_of_ours_gives_the_file_a_time_of_its_own(path):
    make(path, 1)
    with FITS(path, "r+") as fits:
        times = [os.stat(path).st_mtime_ns]
        for number in range(50):
            fits["PLAIN"].header["NUMBER"] = number
            times.append(os.stat(path).st_mtime_ns)
        with pytest.raises(KeyError), fits.transaction():
            fits["PLAIN"][...] = 5
            raise KeyError
        times.append(os.stat(path).st_mtime_ns)
        assert sorted(set(times)) == times
        assert watch.TICK <= time.time_ns() - times[-1] < 100 * watch.TICK


def test_a_time_that_may_not_be_set_is_left(path, monkeypatch):
    make(path, 1)

    def utime(*_, **__):
        raise PermissionError

    with FITS(path) as reader, FITS(path, "r+") as fits:
        monkeypatch.setattr(os, "utime", utime)
        for number in (2, 3):
            fits["PLAIN"][...] = number
            assert the(reader["PLAIN"].read()) == number


# -- writers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_first", [False, True])
@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
def test_a_handle_that_would_write_is_refused_until_it_has_read_the_headers_again(path, name, read_first):
    make(path, 1)
    with FITS(path, "r+") as fits:
        fits[name].read()
        with FITS(path, "r+") as other:
            set_all(other[name], 2)
        if read_first:
            assert the(fits[name].read()) == 2
        with pytest.raises(FileReplaced):
            fits[name][0, 0] = 3
        fits.refresh()
        fits[name][...] = 3
        assert the(fits[name].read()) == 3
    with FITS(path) as fits:
        assert the(fits[name].read()) == 3


@pytest.mark.parametrize("name", ["PLAIN", "PACKED"])
def test_a_handle_that_has_written_notices_other_programs_too(path, name):
    make(path, 1)
    with FITS(path, "r+") as fits:
        set_all(fits[name], 2)
        overwrite(path, make_elsewhere(path, 3))
        assert the(fits[name].read()) == 3
        with pytest.raises(FileReplaced):
            fits[name][...] = 4
        overwrite(path, b"\xff" * 100_000)
        with pytest.raises(FileReplaced):
            fits[name][0, 0] = 4
        with pytest.raises(FileChanged):
            fits[name].read()


def test_a_handle_sees_its_own_changes_without_looking_again(path, monkeypatch):
    make(path, 1)
    with FITS(path, "r+") as fits:
        monkeypatch.setattr(watch.Watch, "settle", lambda *_, **__: pytest.fail("it looked closer"))
        for number in range(2, 5):
            with fits.transaction():
                fits["PACKED"][...] = number
                fits[0].header.edit().__enter__()
                assert the(fits["PACKED"].read()) == number
            fits[0].header[f"LONG{number}"] = "x" * 60
            assert the(fits["PLAIN"].read()) == 1
            with pytest.raises(KeyError), fits.transaction():
                fits["PLAIN"][...] = 9
                raise KeyError
            assert the(fits["PLAIN"].read()) == 1
            assert the(fits["PACKED"].read()) == number
            fits.sync()


# -- files that are put in the place of others ------------------------------------------------------------------------


def test_a_file_replaced_by_another_is_read_as_it_was_until_the_headers_are_read_again(path):
    make(path, 1)
    with FITS(path) as fits:
        make_elsewhere(path, 2)
        hdus = list(fits)
        os.replace(path.with_name("other.fits"), path)
        assert [the(fits[name].read()) for name in ("PLAIN", "PACKED")] == [1, 1]
        fits.refresh()
        assert list(fits) == hdus  # the headers are the same
        assert [the(fits[name].read()) for name in ("PLAIN", "PACKED")] == [2, 2]
        make_elsewhere(path, 3, before=LONG)
        os.replace(path.with_name("other.fits"), path)
        fits.refresh()
        assert [the(fits[name].read()) for name in ("PLAIN", "PACKED")] == [3, 3]
        os.unlink(path)
        assert [the(fits[name].read()) for name in ("PLAIN", "PACKED")] == [3, 3]
        with pytest.raises(rustfits.FileMissing):
            fits.refresh()
        assert the(fits["PLAIN"].read()) == 3


def test_a_handle_that_writes_takes_the_file_that_was_put_in_its_place(path):
    make(path, 1)
    with FITS(path, "r+") as fits:
        fits["PLAIN"][...] = 4
        make_elsewhere(path, 2)
        os.replace(path.with_name("other.fits"), path)
        with pytest.raises(FileReplaced):
            fits["PLAIN"][...] = 5
        fits.refresh()
        fits["PLAIN"][...] = 6
        with FITS(path, "r+") as other, pytest.raises(FileLocked):
            set_all(other["PLAIN"], 7)
    with FITS(path) as fits:
        assert the(fits["PLAIN"].read()) == 6
        assert the(fits["PACKED"].read()) == 2


def test_a_name_that_is_a_link_is_followed_anew(path, tmp_path):
    make(path, 1)
    make_elsewhere(path, 2)
    link = tmp_path / "latest.fits"
    link.symlink_to(path)
    with FITS(link) as fits:
        assert the(fits["PLAIN"].read()) == 1
        link.unlink()
        link.symlink_to(tmp_path / "other.fits")
        fits.refresh()
        assert the(fits["PLAIN"].read()) == 2


def test_the_folder_of_the_process_may_change(path, tmp_path, monkeypatch):
    make(path, 1)
    monkeypatch.chdir(tmp_path)
    with FITS("file.fits") as fits:
        (tmp_path / "folder").mkdir()
        monkeypatch.chdir(tmp_path / "folder")
        make_elsewhere(path, 2)
        os.replace(path.with_name("other.fits"), path)
        fits.refresh()
        assert the(fits["PLAIN"].read()) == 2


# -- refresh ----------------------------------------------------------------------------------------------------------


def test_refresh_waits_for_transactions_and_open_handles(path):
    make(path, 1)
    with FITS(path, "r+") as fits:
        hdus = list(fits)
        with fits.transaction():
            fits["PLAIN"][...] = 2
            with pytest.raises(rustfits.TransactionOpen):
                fits.refresh()
        fits.write_image(np.zeros((4,), "i2"))
        with fits["PACKED"].extending(), pytest.raises(rustfits.ImageError):
            fits.refresh()
        fits.refresh()
        assert list(fits)[:3] == hdus
        fits[3][...] = 8
        fits[0].header.update(dict.fromkeys(LONG, 1))
        fits.refresh()
        assert list(fits)[:3] == hdus
        assert the(fits[3].read()) == 8
    with pytest.raises(rustfits.HandleClosed):
        fits.refresh()


def test_what_lives_in_memory_is_not_read_again(path, tmp_path):
    make(path, 1)
    with FITS.from_bytes(path.read_bytes(), "r+") as fits:
        hdu = fits["PLAIN"]
        hdu[...] = 3
        fits.refresh()
        assert fits["PLAIN"] is hdu
        assert the(hdu.read()) == 3
    packed = tmp_path / "file.fits.gz"
    shutil.copy(path, tmp_path / "plain.fits")
    with FITS(packed, "w+") as fits:
        fits.write_image(np.full(SHAPE, 1, "i2"))
    with FITS(packed) as fits:
        packed.write_bytes(b"")
        fits.refresh()
        assert the(fits[0].read()) == 1


def test_an_hdu_that_is_gone_can_neither_be_read_nor_changed(path):
    make(path, 1)
    with FITS(path, "r+") as fits:
        hdu = fits["PACKED"]
        with FITS(path, "w+") as other:
            other.write_image(np.zeros((4,), "i2"))
        fits.refresh()
        assert len(fits) == 1
        for act in (hdu.read, lambda: hdu[0, 0], hdu.repack, lambda: hdu.header.__setitem__("KEY", 1)):
            with pytest.raises(FileChanged):
                act()
        fits[0][...] = 5
    with FITS(path) as fits:
        assert the(fits[0].read()) == 5


def test_headers_with_stray_bytes_are_known_again(path):
    make(path, 1)
    content = bytearray(path.read_bytes())
    at = content.index(b"PLAIN   '") - 11
    content[at + 30] = 0xB0  # in the blanks behind the name
    path.write_bytes(content)
    rest(path)
    with FITS(path, lenient=True) as fits:
        hdu = fits[1]
        assert the(hdu.read()) == 1
        os.utime(path)
        assert the(hdu.read()) == 1
        fits.refresh()
        assert fits[1] is hdu


# -- threads ----------------------------------------------------------------------------------------------------------


def test_threads_that_share_a_handle_see_a_change_together(path):
    make(path, 1)
    with FITS(path) as fits:
        for number in range(2, 12):
            with FITS(path, "r+") as other:
                set_all(other["PLAIN"], number)
                set_all(other["PACKED"], number)
            found, start = [], threading.Barrier(6)

            def look(index, found=found, start=start):
                start.wait(10)
                found.append(the(fits["PLAIN" if index % 2 else "PACKED"].read()))

            threads = [threading.Thread(target=look, args=(index,)) for index in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert found == [number] * 6


def test_the_error_crosses_processes():
    error = pickle.loads(pickle.dumps(FileChanged("a.fits", "this HDU is gone")))
    assert isinstance(error, OSError)
    assert (error.path, error.found, str(error)) == (
        "a.fits",
        "this HDU is gone",
        "a.fits was changed by somebody else since it was opened: this HDU is gone",
    )
    assert type(pickle.loads(pickle.dumps(Straddled("a.fits")))) is FileChanged


def test_what_is_no_local_file_is_not_watched(path):
    with FITS.from_bytes(make_elsewhere(path, 1)) as fits:
        assert fits._file.storage.watch is None
        assert the(fits["PACKED"].read()) == 1
