"""A process is killed at every system call by which it changes a file; then the file is as before, or as after.

With RUSTFITS_CRASH_POINTS=all every edit is killed in more ways: in the middle of writes, with writes that the system
cuts short, with every move cut into small pieces, and with every recovery killed, too.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rustfits
from rustfits import FITS

sys.path.insert(0, str(Path(__file__).parent))
import crash_edits
from crash_edits import EDITS, prepared
from crash_points import COUNTED, Worker

ALL = os.environ.get("RUSTFITS_CRASH_POINTS") == "all"
FEW = ["grow_the_first_header", "several_in_a_transaction"]
JOURNAL = ".rfjournal"
OLD = 1_700_000_000  # when the file was last changed, before the change


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


class Scene:
    """A file, and what it must be after an edit that was killed."""

    def __init__(self, folder, worker, name, **ways):
        self.folder, self.worker, self.name, self.ways = folder, worker, name, ways
        self.path, self.start = folder / "file.fits", folder / "start" / "file.fits"
        self.start.parent.mkdir()
        if not prepared(name, self.start):
            pytest.skip(f"{name} is not there yet")
        self.reset()
        self.calls = worker.edit(self.path, name, **ways)["calls"]
        self.before, self.after = self.start.read_bytes(), self.path.read_bytes()
        assert self.before != self.after
        assert_verified(self.start)
        assert_verified(self.path)

    def reset(self):
        for path in self.folder.glob("file.fits*"):
            path.unlink()
        shutil.copy(self.start, self.path)
        os.utime(self.path, (OLD, OLD))

    def kill(self, number, how="before"):
        """Start anew, and kill the edit at a system call."""
        self.reset()
        answer = self.worker.edit(self.path, self.name, number=number, how=how, **self.ways)
        assert answer["killed"]
        COUNTED["edits"] += 1

    def assert_whole(self, what):
        found = self.path.read_bytes()
        assert found in (self.before, self.after), what
        assert [path.name for path in self.folder.glob("file.fits*")] == ["file.fits"], what
        return found == self.after


def assert_verified(path):
    if shutil.which("fitsverify") is None:
        return
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "verification OK" in done.stdout, done.stdout


WAYS = [{}, {"durability": "power"}, {"chunk": 3072}, {"chunk": 3072, "short": True}]
CASES = [(name, ways) for name in EDITS for ways in (WAYS if ALL else [{}])]
if not ALL:
    CASES += [(name, WAYS[1]) for name in FEW]


@pytest.mark.parametrize(("name", "ways"), CASES, ids=str)
def test_a_killed_edit_is_as_if_it_had_not_begun_or_as_if_it_was_done(tmp_path, worker, name, ways):
    scene = Scene(tmp_path, worker, name, **ways)
    outcomes = []
    for number, call in enumerate(scene.calls):
        for how in ("before", "halfway") if "write" in call else ("before",):
            scene.kill(number, how)
            worker.open(scene.path, "r" if number % 2 else "r+")
            outcomes.append(scene.assert_whole((name, ways, number, how)))
    assert outcomes == sorted(outcomes)  # once it counts, it counts
    assert not outcomes[0]


@pytest.mark.parametrize("name", EDITS if ALL else FEW)
def test_a_killed_recovery_is_done_again(tmp_path, worker, name):
    scene = Scene(tmp_path, worker, name)
    hot = 0
    for number in range(len(scene.calls)) if ALL else (len(scene.calls) // 2, len(scene.calls) - 1):
        scene.kill(number)
        left = [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.glob("file.fits*")]
        hot += len(left) == 2
        step = 0
        while True:
            for path, content, mtime_ns in left:
                path.write_bytes(content)
                os.utime(path, ns=(0, mtime_ns))
            if not worker.open(scene.path, number=step, how="halfway" if step % 2 else "before")["killed"]:
                break
            COUNTED["recoveries"] += 1
            step += 1
            worker.open(scene.path)
            scene.assert_whole((name, number, step))
    assert hot


def test_a_recovery_that_was_killed_twice_is_done_again(tmp_path, worker):
    scene = Scene(tmp_path, worker, "grow_the_first_header")
    for first in range(4):
        for second in range(4):
            scene.kill(len(scene.calls) - 1)
            for step in (first, second):
                COUNTED["recoveries"] += worker.open(scene.path, number=step, how="halfway")["killed"]
            worker.open(scene.path)
            assert not scene.assert_whole((first, second))


ANEW = "file.fits.rfnew"
MADE = [("w+", "there"), ("w+", "absent"), ("w+", "empty"), ("w+", "link"), ("w+", "two names"), ("x", "absent")]


class Made:
    """A file that is written anew, and what may be there if that is killed."""

    def __init__(self, folder, worker, mode, what, durability):
        self.folder, self.worker, self.mode, self.durability = folder, worker, mode, durability
        self.path, self.start, self.what = folder / "file.fits", folder / "start.fits", what
        crash_edits.build(self.start)
        self.reset()
        self.calls = worker.create(self.path, mode, durability)["calls"]
        self.after = self.path.read_bytes()
        with FITS(self.path) as fits:
            first = fits[1]._extent.stop
        self.first = self.after[:first]
        assert_verified(self.path)

    def reset(self):
        for path in self.folder.glob("*file.fits*"):
            path.unlink()
        if self.what == "link":
            shutil.copy(self.start, self.folder / "real file.fits")
            self.path.symlink_to("real file.fits")
        elif self.what != "absent":
            self.path.write_bytes(b"" if self.what == "empty" else self.start.read_bytes())
        if self.what == "two names":
            (self.folder / "other file.fits").hardlink_to(self.path)
        self.before = self.path.read_bytes() if self.path.exists() else None

    def allowed(self):
        """What a kill may leave: nothing of the new file, its first change, or both."""
        nothing = [self.before]
        if self.mode == "x" or self.what == "two names":
            nothing.append(b"")  # the name is taken at once; and what has two names is emptied in place
        return [nothing, [self.first], [self.after]]


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize(("mode", "what"), MADE)
def test_a_killed_creation_leaves_what_was_there_or_whole_changes(tmp_path, worker, mode, what, durability):
    made = Made(tmp_path, worker, mode, what, durability)
    assert ("replace" in made.calls) == (what not in ("empty", "two names"))
    steps = []
    for number, call in enumerate(made.calls):
        for how in ("before", "halfway") if "write" in call else ("before",):
            made.reset()
            assert worker.create(made.path, mode, durability, number=number, how=how)["killed"]
            COUNTED["creations"] += 1
            with contextlib.suppress(rustfits.NotAFitsFile, rustfits.FileMissing):
                FITS(made.path, "r" if number % 2 else "r+").close()
            content = made.path.read_bytes() if made.path.exists() else None
            (step,) = [index for index, contents in enumerate(made.allowed()) if content in contents]
            steps.append(step)
            assert made.path.is_symlink() == (what == "link")
            left = {path.name for path in tmp_path.iterdir()} - {made.path.name, made.start.name}
            assert left <= {ANEW, "other file.fits", "real file.fits", f"real {ANEW}"}
            if mode == "w+":  # what is left is in nobody's way
                with FITS(made.path, mode) as fits:
                    crash_edits.write_anew(fits)
                assert made.path.read_bytes() == made.after
                assert not [path for path in tmp_path.iterdir() if path.name.endswith((ANEW, JOURNAL))]
    assert steps == sorted(steps)  # what counts, counts
    assert steps[0] == 0
    assert steps[-1] == (2 if made.calls[-1] == "fsync" else 1)


@pytest.mark.parametrize("number", range(6))
def test_a_file_that_is_written_anew_over_a_half_made_change_is_empty_or_what_it_was(tmp_path, worker, number):
    scene = Scene(tmp_path, worker, "set_a_card")
    scene.kill(len(scene.calls) - 1)
    COUNTED["recoveries"] += worker.open(scene.path, "w+", number=number)["killed"]
    assert scene.path.read_bytes() in (scene.before, scene.after, b"")  # empty: it was written anew to the end
    with FITS(scene.path, "w+") as fits:
        fits.create_image_hdu("i2", (3, 4))
    assert not (tmp_path / f"file.fits{JOURNAL}").exists()
    with FITS(scene.path) as fits:
        assert fits[0].shape == (3, 4)
