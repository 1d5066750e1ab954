"""Many threads read the HDUs of one file while others change them: each read is of a state before or after a change.

Every change writes its number into all pixels that it touches, so a mixture of two states shows. Nothing is timed; a
thread that waits for ever is told, with what it waits for, and fails the test.
"""

import faulthandler
import itertools
import sys
import threading
import time

import numpy as np
import pytest

import rustfits
from rustfits import FITS
from rustfits.parallel import threads

SHAPE, TILES = (48, 60), (16, 20)
NREADERS, NCHANGES, NTHREADS = 6, 21, (1, 2, 7)
PATIENCE = 120  # seconds without a step of those who are waited for, until they wait for ever
SWITCH = 5e-5  # seconds
NAMES = ("PLAIN", "PACKED", "FLOATS", "SHIFTED")
CARDS = [f"KEY{number}" for number in range(40)]


@pytest.fixture(params=NTHREADS, autouse=True)
def nthreads(request, monkeypatch):
    """Decode and encode with so many threads, however small the images."""
    before = threads.get_num_threads()
    monkeypatch.setattr(threads, "SMALL_NPIXELS", 1)
    rustfits.set_num_threads(request.param)
    yield request.param
    rustfits.set_num_threads(before)


@pytest.fixture(autouse=True)
def short_turns():
    """Let threads take turns often, which has more interleavings, and none of them wait long for its turn.

    With the 5 ms of CPython, a thread waits that long after each call of the system, as others compute all the time: a
    change of some hundred calls takes seconds then, and the more so the more the machine has to do.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=["disk", "memory"])
def fits(request, tmp_path):
    """A file of four images, all pixels 0. It stays open if a thread holds it for ever."""
    path = tmp_path / "file.fits"
    codec = rustfits.Gzip2(tile_shape=TILES)
    with FITS(path, "w+") as made:
        header = dict.fromkeys(CARDS, 0)
        made.write_image(np.zeros(SHAPE, "i2"), extname="PLAIN", header=header)
        made.write_image(np.zeros(SHAPE, "i4"), extname="PACKED", header=header, compress=codec)
        quantize = rustfits.Quantize(method="no_dither", level=-1.0)
        made.write_image(np.zeros(SHAPE, "f4"), extname="FLOATS", header=header, compress=codec, quantize=quantize)
        made.write_image(np.zeros(SHAPE, "u2"), extname="SHIFTED", header=header, compress=codec)
    opened = FITS(path, "r+") if request.param == "disk" else FITS.from_bytes(path.read_bytes(), "r+")
    opened["PLAIN"].header["OPEN"] = True
    return opened


class Crew:
    """Threads that run until one of them fails or all that change the file are done."""

    def __init__(self):
        self.faults, self.stop = [], threading.Event()
        self._threads = {True: [], False: []}
        self._steps = {True: 0, False: 0}

    def start(self, steps, *arguments, changes):
        """Have a thread take the steps of a generator, each of which comes to its end sooner or later."""

        def run():
            try:
                for _ in steps(*arguments):
                    self._steps[changes] += 1  # one of two at the same time may be lost: it is only looked at for news
                    if self.stop.is_set():
                        return
            except BaseException as fault:
                self.faults.append(fault)
                self.stop.set()

        thread = threading.Thread(target=run, daemon=True)
        self._threads[changes].append(thread)
        thread.start()

    def finish(self):
        for changes in (True, False):  # that readers go on is no excuse for those who change the file
            for thread in self._threads[changes]:
                self._wait_for(thread, changes)
            self.stop.set()
        if self.faults:
            raise self.faults[0]

    def _wait_for(self, thread, changes):
        """Wait for the end of a thread as long as it, or another of its kind, takes steps."""
        steps, since = self._steps[changes], time.monotonic()
        while thread.is_alive():
            thread.join(1)
            if steps != self._steps[changes]:
                steps, since = self._steps[changes], time.monotonic()
            elif thread.is_alive() and time.monotonic() - since > PATIENCE:
                faulthandler.dump_traceback(sys.stderr)
                self.stop.set()
                pytest.fail("a thread waits for ever")


class State:
    """The number of the last change of one HDU that was begun, and of the last that is done."""

    def __init__(self):
        self.begun = self.done = 0


def one_number(values):
    """Return the number that all of some values are."""
    found = np.unique(np.asarray(values))
    assert found.size == 1, f"a mixture of states: {found}"
    return found[0]


def read_all(hdu):
    pixels = hdu.read()
    assert pixels.shape[1:] == SHAPE[1:]
    return one_number(pixels)


def read_a_section(hdu):
    return one_number(hdu[5:40:3, 7:50])


def read_a_pixel(hdu):
    return hdu[47, 59]


def read_many_sections(hdu):
    parts = hdu.read_many([np.s_[:9, 50:], np.s_[30, :], np.s_[40:48, ::7], np.s_[10:30, 10:30]])
    return one_number(np.concatenate([part.reshape(-1) for part in parts]))


def read_cutouts(hdu):
    return one_number(hdu.cutouts(np.array([[5, 5], [25, 30], [43, 55], [8, 45]]), (10, 10)))


READS = (read_all, read_a_section, read_a_pixel, read_many_sections, read_cutouts)


def watch(fits, states, first):
    """Read everything in turn; no read is older than what was done before it, or newer than what was begun."""
    turns = itertools.cycle([(name, read) for read in READS for name in states])
    for name, read in itertools.islice(turns, first, None):
        before = states[name].done
        number = read(fits[name])
        assert before <= number <= states[name].begun, (name, read, before, number, states[name].begun)
        yield


def watch_headers(fits):
    """Every header is that of one change."""
    for name in itertools.cycle(NAMES):
        header = fits[name].header.to_dict()
        one_number([header[key]["value"] for key in CARDS])
        yield


def set_pixels(fits, hdu, number):
    hdu[...] = number


def write_anew(fits, hdu, number):
    hdu.write(np.full(hdu.shape, number, hdu.read().dtype))


def set_and_extend(fits, hdu, number):
    with fits.transaction():
        hdu[...] = number
        hdu.extend(np.full((5, SHAPE[1]), number, hdu.read().dtype))


def set_piece_by_piece(fits, hdu, number):
    with fits.transaction():
        for row in range(0, len(hdu), 7):
            hdu[row : row + 7] = number
        hdu[-3:, ::2] = number


def set_and_repack(fits, hdu, number):
    hdu[...] = number
    if isinstance(hdu, rustfits.CompressedImageHDU):
        hdu.repack()


def edit_the_header(fits, hdu, number):
    with hdu.header.edit() as edit:
        edit.update(dict.fromkeys(CARDS, number))
        edit.add_history(f"change {number}")  # a header that grows moves everything behind it
    hdu[...] = number


def change_and_think_better(fits, hdu, number):
    with pytest.raises(KeyError), fits.transaction():
        hdu[...] = 30_000
        hdu.extend(np.full((9, SHAPE[1]), 30_000, hdu.read().dtype))
        raise KeyError
    hdu[...] = number


CHANGES = (
    set_pixels,
    write_anew,
    set_and_extend,
    set_piece_by_piece,
    set_and_repack,
    edit_the_header,
    change_and_think_better,
)


def change(fits, name, state, first):
    for number in range(1, NCHANGES + 1):
        state.begun = number
        CHANGES[(number + first) % len(CHANGES)](fits, fits[name], number)
        state.done = number
        yield


@pytest.mark.parametrize(
    ("name", "nthreads", "fits"),  # each pair of them is there
    [
        (name, count, ("disk", "memory")[(place + other) % 2])
        for place, name in enumerate(NAMES)
        for other, count in enumerate(NTHREADS)
    ],
    indirect=["nthreads", "fits"],
)
def test_readers_of_an_hdu_that_is_changed_see_whole_states(fits, name):
    crew, states = Crew(), {name: State()}
    for number in range(NREADERS):
        crew.start(watch, fits, states, number, changes=False)
    crew.start(watch_headers, fits, changes=False)
    crew.start(change, fits, name, states[name], 0, changes=True)
    crew.finish()
    assert read_all(fits[name]) == NCHANGES
    fits.close()


def test_several_threads_change_hdus_of_one_file_while_others_read(fits):
    crew, states = Crew(), {name: State() for name in NAMES}
    for number in range(NREADERS):
        crew.start(watch, fits, states, 3 * number, changes=False)
    crew.start(watch_headers, fits, changes=False)
    for first, (name, state) in enumerate(states.items()):
        crew.start(change, fits, name, state, first, changes=True)
    crew.finish()
    content = fits.to_bytes()
    fits.close()
    with FITS.from_bytes(content) as anew:
        for name in NAMES:
            assert read_all(anew[name]) == NCHANGES


def test_the_number_of_threads_may_change_while_pixels_are_read_and_written(fits):
    crew, states = Crew(), {"PACKED": State()}

    def resize():
        for number in itertools.islice(itertools.cycle([1, 3, 2, 7]), 200):
            rustfits.set_num_threads(number)
            yield

    crew.start(watch, fits, states, 0, changes=False)
    crew.start(watch, fits, states, 1, changes=False)
    crew.start(resize, changes=True)
    crew.start(change, fits, "PACKED", states["PACKED"], 0, changes=True)
    crew.finish()
    fits.close()
