"""A process is killed at every system call by which it changes a file; then the file is as before, or as after.

With RUSTFITS_CRASH_POINTS=all every edit is killed in more ways: in the middle of writes, with writes that the system
cuts short, with every move cut into small pieces, and with every recovery killed, too.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rustfits import FITS

sys.path.insert(0, str(Path(__file__).parent))
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


@pytest.mark.parametrize("number", range(6))
def test_a_file_that_is_written_anew_over_a_half_made_change_is_empty_or_what_it_was(tmp_path, worker, number):
    scene = Scene(tmp_path, worker, "set_a_card")
    scene.kill(len(scene.calls) - 1)
    COUNTED["recoveries"] += worker.open(scene.path, "w+", number=number)["killed"]
    assert scene.path.read_bytes() in (scene.before, scene.after, b"")
    with FITS(scene.path, "w+") as fits:
        fits.create_image_hdu("i2", (3, 4))
    assert not (tmp_path / f"file.fits{JOURNAL}").exists()
    with FITS(scene.path) as fits:
        assert fits[0].shape == (3, 4)
