"""One process reads a file while another changes it: each read is of one state, or is refused by an error that says so.

Nothing is timed: the states that a read may be of are those from the last one that was done before it on, up to the
last one that was begun.
"""

import collections
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from changing_worker import BEGUN, DONE, STOP, make, pixels_of

from rustfits import FITS, FileChanged, FileLocked, FileMissing

WORKER = Path(__file__).with_name("changing_worker.py")
ROUNDS = 1000
REFUSED = (FileChanged, FileLocked, FileMissing)  # the last one while another file takes the name
NSTATES = 5  # that are seen at least: else the other process has not done much meanwhile
FRESH = 7  # each so many rounds read by a handle of their own


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.fits"


@pytest.fixture
def counters(tmp_path):
    return np.memmap(tmp_path / "counters", "i8", "w+", shape=(3,))


def read_all(hdu, ramp):
    return hdu.read() - ramp


def read_a_section(hdu, ramp):
    key = np.s_[5:40, 10:110]
    return hdu[key] - ramp[key]


def read_a_box(hdu, ramp):
    key = np.s_[20:36, 20:36]
    return hdu[key] - ramp[key]


def read_a_pixel(hdu, ramp):
    return hdu[41, 77] - ramp[41, 77]


def read_many_sections(hdu, ramp):
    keys = [np.s_[:3], np.s_[10:45:9, ::3], np.s_[44:, 50:60]]
    parts = hdu.read_many(keys)
    return np.concatenate([(part - ramp[key]).ravel() for part, key in zip(parts, keys, strict=True)])


READS = (read_all, read_a_section, read_a_box, read_a_pixel, read_many_sections)


def one_state(differences):
    found = np.unique(differences)
    assert found.size == 1, f"a mixture of states: {found[:10]}"
    assert found[0] % 1000 == 0
    return int(found[0]) // 1000


class Reader:
    """Reads by a handle that stays open, which reads the headers again after an error."""

    def __init__(self, path, name, counters):
        self.path, self.name, self.counters = path, name, counters
        self.fits, self.ramp = FITS(path), pixels_of(name, 0)
        self.refused, self.states = collections.Counter(), set()

    def read(self, fits, read, *, following=True):
        """Read once; return whether that was not refused."""
        before, refused = int(self.counters[DONE]), REFUSED if fits is None else REFUSED[:2]
        try:
            if fits is None:
                with FITS(self.path) as fresh:
                    number = one_state(read(fresh[self.name], self.ramp))
            else:
                number = one_state(read(fits[self.name], self.ramp))
        except refused as error:
            self.refused[type(error).__name__] += 1
            return False
        assert number <= self.counters[BEGUN]
        assert number >= before or not following
        self.states.add(number)
        return True

    def refresh(self):
        try:
            self.fits.refresh()
        except REFUSED as error:
            self.refused[f"{type(error).__name__} of refresh"] += 1


@pytest.mark.parametrize(
    ("writer", "name", "rounds"),
    [
        ("rustfits", "PLAIN", ROUNDS),
        ("rustfits", "PACKED", ROUNDS),
        ("pwrite", "PLAIN", ROUNDS // 4),
        ("pwrite", "PACKED", ROUNDS // 4),
        ("astropy", "PLAIN", ROUNDS // 8),
    ],
)
def test_what_is_read_beside_a_writer_is_of_one_state(path, counters, writer, name, rounds):
    if writer == "astropy":
        pytest.importorskip("astropy")
    make(path, name, 0)
    reader = Reader(path, name, counters)
    command = [sys.executable, str(WORKER), writer, name, str(path), str(counters.filename)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            while not counters[DONE] and process.poll() is None:
                time.sleep(0.001)  # it starts
            for number in range(50 * rounds):
                if number >= rounds and len(reader.states) >= NSTATES:
                    break
                if number % FRESH == 0:
                    reader.read(None, READS[number // FRESH % len(READS)])
                else:
                    # A file that was replaced by another is read on as it was, until the headers are read again.
                    replaces = writer != "rustfits"
                    done = reader.read(reader.fits, READS[number % len(READS)], following=not replaces)
                    if not done or (replaces and number % 5 == 0):
                        reader.refresh()
                if process.poll() is not None:
                    pytest.fail(process.stderr.read().decode())
        finally:
            counters[STOP] = 1
    reader.refresh()
    assert reader.read(reader.fits, read_all)
    assert int(counters[DONE]) in reader.states
    assert len(reader.states) >= NSTATES, reader.refused
    reader.fits.close()
