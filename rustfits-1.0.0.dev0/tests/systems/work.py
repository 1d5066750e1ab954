"""All that is done to a file, on a system that lacks something; `work.py SYSTEM FOLDER`, run by the tests."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "crash"))

import lacking
import numpy as np

if __name__ == "__main__":
    getattr(lacking, sys.argv[1])()

import crash_edits

import rustfits
from rustfits import FITS, system

HAS_TABLES = importlib.util.find_spec("rustfits_tables") is not None


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def edits(folder):
    """Every edit of the crash tests, its undoing, and its doing."""
    path = folder / "edit.fits"
    for name, edit in crash_edits.EDITS.items():
        if not crash_edits.prepared(name, path):
            assert not HAS_TABLES, name
            assert "table" in name, name
            continue
        before = path.read_bytes()
        durability = "power" if name == "several_in_a_transaction" else "process"
        with FITS(path, "r+", durability=durability) as fits:
            try:
                with fits.transaction():
                    edit(fits)
                    raise KeyError
            except KeyError:
                assert fits.to_bytes() == before
            edit(fits)
            after = fits.to_bytes()
        assert path.read_bytes() == after != before
        assert files(folder) == ["edit.fits"], files(folder)
        with FITS(path) as fits:
            for hdu in fits:
                if hdu.has_data:
                    hdu.read()
    path.unlink()


def large(folder):
    """Enough pixels for several threads and large memory, by two roads."""
    path = folder / "large.fits"
    pixels = np.arange(3000 * 2000, dtype="i4").reshape(3000, 2000)
    rustfits.set_num_threads(4)
    with FITS(path, "w+") as fits:
        fits.write_image(pixels)
        fits.write_image(pixels, compress=rustfits.Gzip2(tile_shape=(100, 2000)))
    with FITS(path) as fits:
        for hdu in fits:
            if hdu.has_data:
                assert (hdu.read() == pixels).all()
                assert (hdu[5:2900:7, 3:1900] == pixels[5:2900:7, 3:1900]).all()
    path.unlink()


def creations(folder):
    """Files that are written anew, in every way."""
    path, packed = folder / "new.fits", folder / "new.fits.gz"
    for name in (path, packed):
        for mode in ("x", "w+", "w+"):
            with FITS(name, mode) as fits:
                crash_edits.write_anew(fits)
            with FITS(name) as fits:
                assert len(fits) == 3
        with FITS(name, "r+") as fits:
            fits[0].header["OBJECT"] = "M31"
        before = name.read_bytes()
        try:
            with FITS(name, "w+"):
                raise KeyError
        except KeyError:
            assert name.read_bytes() == before
        try:
            FITS(name, "x")
        except rustfits.FileExists:
            pass
        else:
            raise AssertionError("mode x has replaced a file")
    assert files(folder) == ["new.fits", "new.fits.gz"], files(folder)
    with FITS(path) as reader, FITS(path) as fits:
        first = reader[0].read()
        try:
            with FITS(path, "w+") as anew:
                crash_edits.write_anew(anew)
        except rustfits.FitsIOError:
            assert not system.CAN_REMOVE_OPEN  # others have it open: the old file stays, and is said to
            assert len(fits) == 3
        assert (reader[0].read() == first).all()
    assert files(folder) == ["new.fits", "new.fits.gz"], files(folder)
    path.unlink()
    packed.unlink()


def kills(folder):
    """Writers that die at each call by which they change the file; who opens it next finds it before, or after."""
    path = folder / "killed.fits"
    for mode, name in (("r+", "set_a_card"), ("r+", "append_an_image"), ("w+", "")):
        outcomes = []
        for number in range(40):
            crash_edits.build(path)
            before = path.read_bytes()
            child = lacking.fork()
            if not child:
                try:
                    die(path, mode, name, number)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code in (0, 9)
            with FITS(path) as fits:
                outcomes.append((fits.to_bytes() == before, len(fits)))
            assert set(files(folder)) <= {"killed.fits", "killed.fits.rfnew"}, files(folder)
            if not code:
                break
        assert outcomes[0][0]
        assert not outcomes[-1][0]
        assert len(set(outcomes)) == (3 if mode == "w+" else 2), outcomes
        with FITS(path, "w+") as fits:
            crash_edits.write_anew(fits)
        assert files(folder) == ["killed.fits"]


def die(path, mode, name, number):
    """Change a file, and die at a call; half of a write is done before."""
    left = number

    def deadly(call):
        def wrapped(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*arguments, **keywords)

        return wrapped

    for where, names in (
        (system, ("pwrite", "pwritev")),
        (os, ("ftruncate", "unlink", "replace", "rename")),
    ):
        for each in names:
            setattr(where, each, deadly(getattr(where, each)))
    with FITS(path, mode) as fits:
        (crash_edits.EDITS[name] if name else crash_edits.write_anew)(fits)


def two_at_once(folder):
    """A second handle, while the first is in the middle of a change, and afterwards."""
    path = folder / "two.fits"
    crash_edits.build(path)
    with FITS(path, "r+") as fits, FITS(path, "r+") as other:
        with fits.transaction():
            fits["FIRST"][0] = 7
            if system.is_held_open(f"{path}{system.JOURNAL_SUFFIX}"):
                for mode in ("r", "r+"):
                    try:
                        FITS(path, mode)
                    except rustfits.FileLocked:
                        continue
                    raise AssertionError("a file in the middle of a change was opened")
        assert (fits["FIRST"][0] == 7).all()
        try:
            other["FIRST"][1] = 8
        except (rustfits.FileReplaced, rustfits.FileLocked):
            pass
        else:
            raise AssertionError("a change of a file that another handle has changed")
    assert files(folder) == ["two.fits"]
    path.unlink()


if __name__ == "__main__":
    for each in (edits, large, creations, two_at_once, kills):
        each(Path(sys.argv[2]))
        print(each.__name__, flush=True)
