"""Many threads read the HDUs of one file while others change them: each read is of a state before or after a change.

Every change writes its number into all pixels that it touches, so a mixture of two states shows. Nothing is timed; a
thread that waits for ever is told, with what it waits for, and fails the test.
"""

import faulthandler
import itertools
import sys
import threading

import numpy as np
import pytest

import rustfits
from rustfits import FITS, threads

SHAPE, TILES = (48, 60), (16, 20)
NREADERS, NCHANGES, PATIENCE = 6, 21, 120
NAMES = ("PLAIN", "PACKED", "FLOATS", "SHIFTED")
CARDS = [f"KEY{number}" for number in range(40)]


@pytest.fixture(params=[1, 2, 7], autouse=True)
def nthreads(request, monkeypatch):
    """Decode and encode with so many threads, however small the images."""
    before = threads.get_num_threads()
    monkeypatch.setattr(threads, "SMALL_NPIXELS", 1)
    rustfits.set_num_threads(request.param)
    yield request.param
    rustfits.set_num_threads(before)


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

    def start(self, work, *arguments, changes):
        def run():
            try:
                work(*arguments)
            except BaseException as fault:
                self.faults.append(fault)
                self.stop.set()

        thread = threading.Thread(target=run, daemon=True)
        self._threads[changes].append(thread)
        thread.start()

    def finish(self):
        for changes in (True, False):
            for thread in self._threads[changes]:
                thread.join(PATIENCE)
                if thread.is_alive():
                    faulthandler.dump_traceback(sys.stderr)
                    self.stop.set()
                    pytest.fail("a thread waits for ever")
            self.stop.set()
        if self.faults:
            raise self.faults[0]


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


def watch(crew, fits, states, first):
    """Read everything in turn; no read is older than what was done before it, or newer than what was begun."""
    turns = itertools.cycle([(name, read) for read in READS for name in states])
    for name, read in itertools.islice(turns, first, None):
        if crew.stop.is_set():
            return
        before = states[name].done
        number = read(fits[name])
        assert before <= number <= states[name].begun, (name, read, before, number, states[name].begun)


def watch_headers(crew, fits):
    """Every header is that of one change."""
    while not crew.stop.is_set():
        for name in NAMES:
            header = fits[name].header.to_dict()
            one_number([header[key]["value"] for key in CARDS])


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


def change(crew, fits, name, state, first):
    for number in range(1, NCHANGES + 1):
        if crew.stop.is_set():
            return
        state.begun = number
        CHANGES[(number + first) % len(CHANGES)](fits, fits[name], number)
        state.done = number


@pytest.mark.parametrize("name", NAMES)
def test_readers_of_an_hdu_that_is_changed_see_whole_states(fits, name):
    crew, states = Crew(), {name: State()}
    for number in range(NREADERS):
        crew.start(watch, crew, fits, states, number, changes=False)
    crew.start(watch_headers, crew, fits, changes=False)
    crew.start(change, crew, fits, name, states[name], 0, changes=True)
    crew.finish()
    assert read_all(fits[name]) == NCHANGES
    fits.close()


def test_several_threads_change_hdus_of_one_file_while_others_read(fits):
    crew, states = Crew(), {name: State() for name in NAMES}
    for number in range(NREADERS):
        crew.start(watch, crew, fits, states, 3 * number, changes=False)
    crew.start(watch_headers, crew, fits, changes=False)
    for first, (name, state) in enumerate(states.items()):
        crew.start(change, crew, fits, name, state, first, changes=True)
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

    crew.start(watch, crew, fits, states, 0, changes=False)
    crew.start(watch, crew, fits, states, 1, changes=False)
    crew.start(resize, changes=True)
    crew.start(change, crew, fits, "PACKED", states["PACKED"], 0, changes=True)
    crew.finish()
    fits.close()
