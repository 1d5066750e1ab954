import fcntl
import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rustfits import (
    FITS,
    FileLocked,
    FileReplaced,
    HDUUndone,
    LocationError,
    ReadOnlyFile,
    TransactionOpen,
    TransactionUndone,
    system,
)
from rustfits.hdu.image import raster

ZEROS = np.zeros((20, 30), "i2")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.fits"
    with FITS(path, "w+") as fits:
        for name in ("A", "B", "C"):
            fits.write_image(ZEROS, extname=name, compress="GZIP_2" if name == "B" else None)
    return path


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- transactions -----------------------------------------------------------------------------------------------------


def several(fits):
    fits["A"].header["OBJECT"] = "M13"
    fits["A"].header.update({f"KEY{number}": number for number in range(100)})
    fits["B"].write(ZEROS + 7)
    fits["C"].extend(ZEROS + 1)
    fits.write_image(ZEROS + 2, extname="D")


def test_several_changes_become_one(path):
    with FITS(path, "r+") as fits:
        with fits.transaction():
            several(fits)
            assert fits["B"][3, 4] == 7
        assert fits["C"].shape == (40, 30)
    with FITS(path) as fits:
        assert fits["A"].header["OBJECT"] == "M13"
        assert (fits["B"].read() == 7).all()
        assert (fits["C"][20:] == 1).all()
        assert (fits["D"].read() == 2).all()


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_exception_undoes_them_all_on_disk_and_in_memory(path, gzipped):
    if gzipped:
        content, path = path.read_bytes(), path.with_suffix(".fits.gz")
        path.write_bytes(gzip.compress(content))
    before = path.read_bytes()
    with FITS(path, "r+") as fits:
        known = fits["A"], fits["B"], fits["C"]
        assert fits["B"][0, 0] == 0
        with pytest.raises(KeyError), fits.transaction():
            several(fits)
            assert fits["B"][3, 4] == 7  # this tile must be forgotten
            raise KeyError
        assert (fits["A"], fits["B"], fits["C"]) == known
        assert len(fits) == 3
        assert "OBJECT" not in fits["A"].header
        assert "D" not in fits
        assert fits["C"].shape == ZEROS.shape
        for hdu in known:
            assert (hdu.read() == 0).all()
        assert path.read_bytes() == before
        several(fits)
        assert fits["B"][3, 4] == 7


@pytest.mark.parametrize("compress", [None, "GZIP_1"])
def test_an_hdu_that_was_undone_can_do_nothing_to_those_that_come_after_it(path, compress):
    with FITS(path, "r+") as fits:
        made = []
        with pytest.raises(KeyError), fits.transaction():
            made.append(fits.write_image(ZEROS + 1, extname="GONE", compress=compress))
            raise KeyError
        (gone,) = made
        after = fits.write_image(ZEROS + 7, extname="AFTER")
        before = fits.to_bytes()
        for use in (
            gone.read,
            lambda: gone[0, 0],
            lambda: gone.write(ZEROS),
            lambda: gone.extend(ZEROS),
            lambda: gone.header.update({"EVIL": 1}),
            gone.add_checksum,
            gone.verify_checksum,
        ):
            with pytest.raises(HDUUndone, match=r"file\.fits that was undone: it is not in .* \(in HDU 3"):
                use()
        with pytest.raises(HDUUndone):
            gone[0, 0] = 99
        with pytest.raises(HDUUndone), gone.extending() as hdu:
            hdu.extend(ZEROS)
        assert gone.extname == "GONE"
        assert fits.to_bytes() == before
        assert (after.read() == 7).all()


def test_transactions_nest(path):
    with FITS(path, "r+") as fits:
        before = fits.to_bytes()
        with pytest.raises(KeyError), fits.transaction():
            with fits.transaction():
                several(fits)
            raise KeyError
        assert fits.to_bytes() == before


def test_a_refused_argument_inside_a_transaction_may_be_caught(path):
    with FITS(path, "r+") as fits:
        with fits.transaction():
            fits["A"][0] = 1
            with pytest.raises(ValueError, match="NAXIS"):
                fits["A"].header["NAXIS"] = 3
            with pytest.raises(ValueError, match="shape"):
                fits["C"][0] = np.zeros(3, "i2")
            fits["A"][1] = 2
        assert fits["A"][:3, 0].tolist() == [1, 2, 0]


def test_a_change_that_failed_half_way_undoes_the_transaction_though_it_was_caught(path, monkeypatch):
    with FITS(path, "r+") as fits:
        before = fits.to_bytes()
        with pytest.raises(TransactionUndone, match=r"everything it did to .*file\.fits is undone"), fits.transaction():
            fits["A"].header["OBJECT"] = "M13"
            with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
                patched.setattr(raster.Raster, "write", lambda *_: 1 / 0)
                fits["A"].extend(ZEROS)
            assert "OBJECT" not in fits["A"].header
            assert fits["A"].shape == ZEROS.shape
            with pytest.raises(TransactionUndone):
                fits["A"][0] = 1
        assert fits.to_bytes() == before
        fits["A"][0] = 1


def test_the_file_can_be_neither_closed_nor_synced_inside_a_transaction(path):
    with FITS(path, "r+") as fits, fits.transaction():
        for act in (fits.close, fits.sync):
            with pytest.raises(TransactionOpen, match="leave its block first"):
                act()
        fits["A"][0] = 1
    with FITS(path) as fits:
        assert fits["A"][0, 0] == 1


def test_only_a_file_that_can_be_changed_has_transactions(path):
    with FITS(path) as fits, pytest.raises(ReadOnlyFile), fits.transaction():
        pass
    with pytest.raises(OSError, match="closed"), fits.transaction():
        pass


@pytest.mark.parametrize("durability", ["process", "power"])
def test_both_durabilities_write_the_same(path, tmp_path, durability):
    with FITS(path, "r+", durability=durability) as fits:
        several(fits)
    with FITS(tmp_path / "new.fits.gz", "w+", durability=durability) as fits:
        fits.write_image(ZEROS)
    with FITS("mem://", "w+", durability=durability) as fits:
        fits.write_image(ZEROS)
    assert {found.name for found in tmp_path.iterdir()} == {"file.fits", "new.fits.gz"}
    with FITS(path) as fits:
        assert (fits["B"].read() == 7).all()


@pytest.mark.parametrize("durability", ["", "Power", "full", None, 1])
def test_another_durability_is_refused_before_the_file_is_touched(path, durability):
    before = path.read_bytes()
    with pytest.raises(LocationError, match="durability must be 'process' or 'power'"):
        FITS(path, "w+", durability=durability)
    assert path.read_bytes() == before


# -- two writers ------------------------------------------------------------------------------------------------------

CHANGE = """
import sys
import rustfits
try:
    with rustfits.FITS(sys.argv[1], sys.argv[2]) as fits:
        fits[0].header["WHO"] = "the other process"
except OSError as error:
    print(type(error).__name__, error)
else:
    print("changed")
"""
READ = "import sys, rustfits; print(rustfits.FITS(sys.argv[1])[0].header.get('WHO'))"


def test_a_second_writer_is_kept_out_until_the_first_one_closes(path):
    with FITS(path, "r+") as fits:
        fits["A"].header["WHO"] = "I"
        before = path.read_bytes()
        for mode in ("r+", "w+"):
            message = run(CHANGE, path, mode)
            assert message.startswith("FileLocked")
            assert "another process or handle is changing it; close it there first" in message
        assert path.read_bytes() == before
        assert run(READ, path).strip() == "I"
        fits["A"].header["WHO"] = "still I"
    assert run(CHANGE, path, "r+").strip() == "changed"
    assert run(READ, path).strip() == "the other process"


def test_opening_for_change_locks_nothing_yet(path):
    with FITS(path, "r+") as fits:
        assert run(CHANGE, path, "r+").strip() == "changed"
        with pytest.raises(FileReplaced, match="was changed by somebody else since it was opened"):
            fits["A"].header["WHO"] = "I"
        assert not fits._file.tainted
    assert run(READ, path).strip() == "the other process"


def test_two_handles_of_one_process_are_kept_apart_too(path):
    with FITS(path, "r+") as first, FITS(path, "r+") as second:
        first["A"][0] = 1
        with pytest.raises(FileLocked, match="close it there first"):
            second["A"][0] = 2
        with FITS(path) as reader:
            assert reader["A"][0, 0] == 1


def test_a_reader_that_comes_in_the_middle_of_a_change_is_told(path):
    with FITS(path, "r+") as fits, fits.transaction():
        fits["A"][0] = 1
        for mode in ("r", "r+"):
            with pytest.raises(FileLocked, match="open it again when that change is done"):
                FITS(path, mode)
    with FITS(path) as fits:
        assert fits["A"][0, 0] == 1


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_file_that_went_away_is_not_changed(path, how):
    with FITS(path, "r+") as fits:
        other = path.with_name("other.fits")
        {
            "moved": lambda: path.rename(other),
            "removed": path.unlink,
            "replaced": lambda: (other.write_bytes(path.read_bytes()), other.replace(path)),
        }[how]()
        with pytest.raises(FileReplaced, match="since it was opened, so it is not changed; close and reopen"):
            fits["A"][0] = 1
        assert (fits["A"].read() == 0).all()
    assert not list(path.parent.glob("*.rfjournal"))


def test_a_file_system_without_locks_is_used_without(path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with FITS(path, "r+") as fits:
        fits["A"][0] = 1
    monkeypatch.setattr(system, "_locks", lambda: None)
    with FITS(path, "r+") as fits:
        fits["A"][1] = 1
        assert fits["A"][:2, 0].tolist() == [1, 1]


def test_a_lock_ends_with_the_handle_though_a_forked_process_lives_on(path):
    program = """if True:
        import os, sys
        import rustfits
        fits = rustfits.FITS(sys.argv[1], "r+")
        fits[0].header["A"] = 1
        ready, go = os.pipe(), os.pipe()
        if not os.fork():
            os.read(go[0], 1)
            os._exit(0)
        fits.close()
        with rustfits.FITS(sys.argv[1], "r+") as fits:
            fits[0].header["A"] = 2
        os.write(go[1], b"x")
    """
    run(program, path)


# -- threads ----------------------------------------------------------------------------------------------------------


def test_readers_never_see_half_a_change_of_their_own_handle(path):
    """Each change writes one number into two images, one of them compressed, and undoes every third."""
    seen, faults = [], []
    done = threading.Event()

    def read(fits):
        try:
            while not done.is_set():
                first, second = fits["A"].read_many([np.s_[0, 0], np.s_[19, 29]])
                packed = fits["B"].read()
                rows = fits["C"].read()
                assert first == second
                assert (packed == packed[0, 0]).all()
                assert (rows == rows[0, 0]).all()
                seen.append(int(first))
        except BaseException as error:
            faults.append(error)

    with FITS(path, "r+") as fits:
        threads = [threading.Thread(target=read, args=(fits,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 31):
            try:
                with fits.transaction():
                    for name in "ABC":
                        fits[name].write(ZEROS + number)
                    fits["A"].header.update({f"K{number}": "x" * 60})
                    if number % 3 == 0:
                        raise KeyError
            except KeyError:
                pass
        done.set()
        for thread in threads:
            thread.join()
        assert fits["A"][0, 0] == 29
    assert not faults
    assert all(number % 3 or not number for number in seen)


def test_writers_in_many_threads_of_one_handle_lose_nothing(path):
    def write(fits, thread):
        for number in range(10):
            with fits.transaction():
                fits[0].header[f"T{thread}N{number}"] = number
                fits["C"].extend(ZEROS[:1] + thread)

    with FITS(path, "r+") as fits:
        threads = [threading.Thread(target=write, args=(fits, thread)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with FITS(path) as fits:
        header = fits[0].header
        assert all(header[f"T{thread}N{number}"] == number for thread in range(4) for number in range(10))
        assert np.bincount(fits["C"][20:, 0], minlength=4).tolist() == [10] * 4


def test_nothing_is_left_open_or_beside_the_file(path):
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc here")
    with FITS(path, "r+") as fits:
        fits["A"][0] = 1
        first = len(os.listdir(folder))
        for number in range(20):
            fits["A"][0] = number
            with pytest.raises(KeyError), fits.transaction():
                fits["A"][0] = 1
                raise KeyError
        assert len(os.listdir(folder)) == first
    assert [found.name for found in path.parent.iterdir()] == [path.name]
