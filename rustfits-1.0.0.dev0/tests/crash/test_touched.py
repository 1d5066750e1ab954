"""A process is killed in the middle of a change, and then somebody else touches the file.

Not one byte of the other is overwritten, no journal is lost, and a file that is half-made is never read in silence.
With RUSTFITS_CRASH_POINTS=all every edit is killed at every point for every kind of touch.
"""

import os
import shutil
import sys
import warnings
from pathlib import Path

import pytest

import rustfits
from rustfits import FITS

sys.path.insert(0, str(Path(__file__).parent))
import foreign
from crash_edits import EDITS, build
from crash_points import COUNTED, Worker
from foreign import JOURNAL, journals, opened
from test_kill import OLD, Scene

ALL = os.environ.get("RUSTFITS_CRASH_POINTS") == "all"
FEW = [
    "set_a_card",
    "grow_the_first_header",
    "write_a_corner",
    "append_a_compressed_image",
    "several_in_a_transaction",
    "set_pixels_of_a_compressed_image",
    "repack_a_compressed_image",
]
NAMES = list(EDITS) if ALL else FEW


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def scene(tmp_path, worker, request):
    found = Scene(tmp_path, worker, request.param)
    build(tmp_path / "other.fits")
    with FITS(tmp_path / "other.fits", "r+") as fits:
        fits[0].header["OBJECT"] = "another"
    found.other = (tmp_path / "other.fits").read_bytes()
    return found


def points(scene, step, first=0):
    """Every so many of the ways to kill the edit; all of them if that is wanted."""
    ways = [
        (number, how)
        for number, call in enumerate(scene.calls)
        for how in (("before", "halfway") if "write" in call else ("before",))
    ]
    return list(enumerate(ways if ALL else ways[first % step :: step]))


class Killed:
    """The file as it was left by a writer that was killed a second ago, and its journal.

    What others do within 0.1 s of the kill cannot be told from the work of the writer by its time.
    """

    def __init__(self, scene, number, how):
        scene.kill(number, how)
        COUNTED["touched by somebody else"] += 1
        self.path = scene.path
        for left in (self.path, self.path.with_name(self.path.name + JOURNAL)):
            if left.exists() and left.stat().st_mtime != OLD:
                os.utime(left, ns=(0, left.stat().st_mtime_ns - 10**9))
        self.half = scene.path.read_bytes()
        self.journal = (journals(scene.path) or [None])[0]


def assert_untouched(killed, path, now, mode, *, right, what):
    """Open a file that somebody else has touched: it is refused, or it is right; nothing of it is lost either way."""
    error = opened(path, mode)
    assert path.read_bytes() == now, what
    left = journals(path)
    if isinstance(error, rustfits.JournalError):
        assert killed.journal is not None, what
        assert left == [killed.journal], what
        assert path.with_name(path.name + JOURNAL).exists()
        assert "--apply" in str(error), what
        assert "--discard" in str(error), what
        assert str(path) in str(error), what
    elif killed.journal is not None:
        assert right, what
        assert left in ([killed.journal], []), what
    return error


@pytest.mark.parametrize("put", foreign.WAYS_TO_PUT, ids=lambda put: put.__name__)
@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_file_that_was_made_anew_is_never_overwritten(scene, put):
    refused = 0
    for index, (name, content) in enumerate(foreign.CONTENTS.items()):
        now = content(scene)
        for turn, (number, how) in points(scene, 4, index):
            killed = Killed(scene, number, how)
            put(killed.path, now)
            mode = "r" if turn % 2 else "r+"
            # What is put there is a whole file. The journal may go only if the file is as it was before the change.
            error = assert_untouched(killed, killed.path, now, mode, right=True, what=(name, number, how, mode))
            if error is None and killed.journal is not None and now != scene.before:
                assert journals(killed.path) == [killed.journal], (name, number, how)
            refused += error is not None
    assert refused


@pytest.mark.parametrize("library", foreign.LIBRARIES)
@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_file_that_another_library_made_anew_is_never_overwritten(scene, library):
    pytest.importorskip(library)
    for turn, (number, how) in points(scene, 3):
        killed = Killed(scene, number, how)
        foreign.LIBRARIES[library](killed.path, number)
        now = killed.path.read_bytes()
        error = assert_untouched(killed, killed.path, now, "r" if turn % 2 else "r+", right=True, what=(number, how))
        assert (error is None) == (killed.journal is None)
        if error is not None:
            name = rustfits.recover(killed.path, "discard")
            assert Path(name).read_bytes() == killed.journal
            assert opened(killed.path, "r+") is None
            assert killed.path.read_bytes() == now


@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_file_that_we_make_anew_sets_the_journal_aside_that_is_not_used(scene):
    for number, how in (way for _, way in points(scene, 2)):
        killed = Killed(scene, number, how)
        foreign.put(killed.path, scene.other)
        with FITS(killed.path, "w+") as fits:
            fits.create_image_hdu("i2", (3, 4))
        with FITS(killed.path) as fits:
            assert fits[0].shape == (3, 4)
        assert not killed.path.with_name(killed.path.name + JOURNAL).exists()
        assert journals(killed.path) == ([] if killed.journal is None else [killed.journal])


@pytest.mark.parametrize("edit", foreign.EDITORS, ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_what_somebody_else_changed_after_the_kill_is_never_overwritten(scene, edit):
    for package in ("astropy", "fitsio"):
        if edit.__name__.endswith(package):
            pytest.importorskip(package)

    def touch(path):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is half-made
                edit(path)
        except Exception:
            pass  # the other program could not make sense of what is half-made; what it did stays

    whole = scene.folder / "whole.fits"
    shutil.copy(scene.start, whole)
    touch(whole)
    right = whole.read_bytes()
    for turn, (number, how) in points(scene, 3):
        killed = Killed(scene, number, how)
        touch(killed.path)
        now = killed.path.read_bytes()
        if now == killed.half:
            continue
        mode = "r" if turn % 2 else "r+"
        assert_untouched(killed, killed.path, now, mode, right=now in (right, scene.before), what=(number, how, mode))


@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_file_that_is_moved_with_its_journal_is_recovered(scene):
    elsewhere = scene.folder / "elsewhere"
    elsewhere.mkdir()
    for turn, (number, how) in points(scene, 2):
        killed = Killed(scene, number, how)
        moved = elsewhere / "moved.fits"
        for suffix in ("", JOURNAL):
            old = killed.path.with_name(killed.path.name + suffix)
            if old.exists():
                move = os.rename if turn % 2 else shutil.copy2  # to another file system, times are copied
                move(old, moved.with_name(moved.name + suffix))
        assert opened(moved, "r") is None
        assert moved.read_bytes() in (scene.before, scene.after), (number, how)
        assert not journals(moved)


@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_copy_is_whole_or_refused_and_the_file_itself_is_recovered(scene):
    for turn, (number, how) in points(scene, 2):
        killed = Killed(scene, number, how)
        copy = scene.folder / "copy.fits"
        shutil.copyfile(killed.path, copy)
        if killed.journal is not None:
            shutil.copyfile(f"{killed.path}{JOURNAL}", f"{copy}{JOURNAL}")
            if turn % 2:
                os.utime(copy, ns=(0, copy.stat().st_mtime_ns + 10**9))  # a copy that took long
        error = opened(copy, "r")
        if error is not None:
            assert copy.read_bytes() == killed.half, (number, how)
            assert journals(copy) == [killed.journal]
            rustfits.recover(copy, "apply")
            assert opened(copy, "r") is None
        assert copy.read_bytes() in (scene.before, scene.after), (number, how)
        for path in (copy, *scene.folder.glob("copy.fits.rf*")):
            path.unlink(missing_ok=True)
        assert opened(killed.path, "r") is None
        assert scene.assert_whole((number, how)) in (True, False)


@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_a_file_that_got_another_name_is_recovered_under_its_own(scene):
    for number, how in (way for _, way in points(scene, 2)):
        killed = Killed(scene, number, how)
        link = scene.folder / "link.fits"
        link.unlink(missing_ok=True)
        os.link(killed.path, link)
        assert opened(killed.path, "r") is None
        scene.assert_whole((number, how))
        assert link.read_bytes() == killed.path.read_bytes()


@pytest.mark.parametrize("scene", NAMES, indirect=True)
def test_the_journal_of_a_file_that_was_moved_away_waits_for_it(scene):
    for number, how in (way for _, way in points(scene, 4)):
        killed = Killed(scene, number, how)
        away = scene.folder / "away.fits"
        os.rename(killed.path, away)
        foreign.put(killed.path, scene.other)
        assert_untouched(killed, killed.path, scene.other, "r", right=True, what=(number, how))
        os.rename(away, killed.path)
        assert opened(killed.path, "r") is None
        scene.assert_whole((number, how))


@pytest.mark.parametrize("scene", ["several_in_a_transaction"], indirect=True)
def test_a_write_that_is_torn_inside_a_sector_is_undone_or_waits_for_the_user(scene):
    """Systems tear writes at sectors. Where one does not, nothing is lost."""
    refused = 0
    for number, call in enumerate(scene.calls):
        if call != "pwrite":
            continue
        scene.reset()
        assert scene.worker.edit(scene.path, scene.name, number=number, how="halfway", anywhere=True)["killed"]
        COUNTED["torn inside a sector"] += 1
        half, left = scene.path.read_bytes(), journals(scene.path)
        if opened(scene.path, "r") is not None:
            refused += 1
            assert (scene.path.read_bytes(), journals(scene.path)) == (half, left)
            assert Path(rustfits.recover(scene.path, "apply")).read_bytes() == left[0]
            assert opened(scene.path, "r") is None
        assert scene.path.read_bytes() == scene.before
        for path in scene.folder.glob(f"file.fits{JOURNAL}*"):
            path.unlink()
    assert refused
