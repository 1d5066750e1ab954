"""What tests of whole paths share."""

import sys
from pathlib import Path

import pytest

import rustfits
from rustfits import FITS, Gzip1
from rustfits.parallel import threads
from rustfits.tiles import boxes, reader

sys.path.insert(0, str(Path(__file__).parent))
from editing import NEXT, PIXELS


class Threads:
    """Sets how many threads there are, and notes how many more were asked for, call by call."""

    def __init__(self):
        self.asked = []

    def use(self, nthreads):
        rustfits.set_num_threads(nthreads)
        self.asked.clear()


@pytest.fixture
def shared_out(monkeypatch):
    """Let work on small images be shared out among threads, as it is on large ones."""
    before, found, submit = threads.get_num_threads(), Threads(), threads._POOL.submit

    def counted(work, count):
        found.asked.append(count)
        return submit(work, count)

    monkeypatch.setattr(threads, "SMALL_NPIXELS", 1)
    monkeypatch.setattr(boxes, "SMALL_NPIXELS", 1)  # so few tiles are a batch like others
    monkeypatch.setattr(reader, "BATCH_NBYTES", 1 << 14)  # of which images have several
    monkeypatch.setattr(threads._POOL, "submit", counted)
    yield found
    rustfits.set_num_threads(before)


@pytest.fixture
def fits():
    """An empty file in memory."""
    with FITS("mem://", "w+") as handle:
        yield handle


@pytest.fixture
def hdu(fits):
    """An image whose last tiles are incomplete, in front of another one."""
    hdu = fits.write_image(PIXELS, compress=Gzip1(tile_shape=(4, 4)))
    fits.write_image(NEXT, extname="NEXT")
    return hdu
