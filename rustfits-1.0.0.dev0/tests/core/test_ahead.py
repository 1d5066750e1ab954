"""Headers of files that are fetched by parts: guessed, asked for together, and looked for only when they are needed."""

import io
import threading

import numpy as np
import pytest

from rustfits.container.ahead import Guess
from rustfits.container.fitsfile import FITS
from rustfits.errors import FitsIOError, HandleClosed, HeaderError
from rustfits.storage.base import Storage


class Far(Storage):
    """Bytes of which each part takes a request, unless it was asked for with others before; counts rounds of them."""

    name = "far://a.fits"
    fetches_ahead = True

    def __init__(self, content):
        self.content, self.there, self.rounds, self.nbytes, self.broken = bytes(content), [], 0, 0, False
        self.head = self.content[:23040]

    def size(self):
        return len(self.content)

    def prefetch(self, start, length):
        self.rounds += 1
        self.there = list(zip(start.tolist(), (start + length).tolist(), strict=True))
        self.nbytes += int(length.sum())
        assert (start >= 0).all()
        assert (start + length <= len(self.content)).all()

    def _read_into(self, offset, target):
        if self.broken:
            raise FitsIOError("the line is down")
        stop = min(offset + target.nbytes, len(self.content))
        at = offset
        while at < stop:
            end = max((b for a, b in self.there if a <= at < b), default=0)
            if not end:
                self.rounds += 1
                self.nbytes += stop - at
                break
            at = end
        part = self.content[offset:stop]
        target[: len(part)] = part
        return len(part)


def written(shapes, compress=None):
    buffer = io.BytesIO()
    rng = np.random.default_rng(3)
    with FITS(buffer, "w+") as fits:
        for number, shape in enumerate(shapes):
            fits.write_image(rng.integers(0, 300, shape).astype("i2"), extname=f"E{number}", compress=compress)
    return buffer.getvalue()


SAME = written([(100, 200)] * 100)
PACKED = written([(100, 200)] * 100, "GZIP_1")
MIXED = written([(10 + 37 * number % 190, 200) for number in range(100)])


@pytest.mark.parametrize(("content", "most"), [(SAME, 10), (PACKED, 10), (MIXED, 110)])
def test_headers_are_found_as_they_are_found_one_by_one(content, most):
    far = Far(content)
    with FITS.from_storage(far) as fits, FITS.from_bytes(content) as near:
        assert far.rounds <= most
        assert far.nbytes < len(content)
        assert [hdu.extname for hdu in fits] == [hdu.extname for hdu in near]
        assert [extent.stop for extent in fits._file.extents] == [extent.stop for extent in near._file.extents]
        assert np.array_equal(fits["E61"].read(), near["E61"].read())


def test_a_guess_that_was_wrong_is_smaller_the_next_time():
    far = Far(bytes(2880 * 4000))
    guess = Guess(far, far.size())
    start, asked = 0, []
    for length in (1, 40, 40, 40, 3, 200, 7, 90, 1, 60, 5):
        far.there = []
        guess.before(start * 2880, 23040)
        asked.append(len(far.there))
        guess.found(start * 2880, bytes(2880))
        start += length
    assert max(asked) > 5
    assert asked[-1] <= 2


# -- later -------------------------------------------------------------------------------------------------------------


def lazily(content):
    fits = object.__new__(FITS)
    far = Far(content)
    fits._open(far, far.name, "r", None, False, lazy=True)
    fits._file.checksum = False
    return fits, far


def test_a_lazy_scan_finds_what_is_asked_for_and_then_all():
    fits, far = lazily(MIXED)
    found = len(fits._file.extents)
    assert found == 1
    assert fits[3].extname == "E3"
    assert fits["E5"].index == 5
    assert len(fits._file.extents) == 6
    assert "E4" in fits
    assert fits["e7", 1].index == 7
    assert len(fits._file.extents) == 8
    with FITS.from_bytes(MIXED) as near:
        assert np.array_equal(fits[7].read(), near[7].read())
        assert len(fits) == len(near)
        assert [hdu.extname for hdu in fits.hdus] == [hdu.extname for hdu in near.hdus]
    assert far.rounds < 110


@pytest.mark.parametrize(
    "act",
    [
        len,
        list,
        repr,
        lambda fits: fits.damage,
        lambda fits: fits[-1],
        lambda fits: fits.hdus,
        lambda fits: fits.verify(),
    ],
)
def test_what_needs_all_hdus_finds_them(act):
    fits, _ = lazily(SAME)
    act(fits)
    assert len(fits._file.extents) == 100


def test_keys_of_nothing_say_so_after_all_was_looked_at():
    fits, _ = lazily(SAME)
    with pytest.raises(ValueError, match="no HDU named"):
        fits["NONE"]
    fits, _ = lazily(SAME)
    with pytest.raises(ValueError, match="has 100 HDUs"):
        fits[100]
    assert "NONE" not in lazily(SAME)[0]
    assert lazily(MIXED)[0].tail_nbytes == 0


def test_damage_is_found_when_it_is_met():
    content = bytearray(SAME)
    with FITS.from_bytes(SAME) as fits:
        start = fits._file.extents[50].header_start
    content[start : start + 8] = b"GARBAGE "
    fits, _ = lazily(content)
    assert fits[49].extname == "E49"
    with pytest.raises(HeaderError):
        fits[50]
    assert isinstance(fits.damage, HeaderError)
    assert len(fits) == 50


def test_a_fault_of_the_line_is_no_damage_and_may_pass():
    fits, far = lazily(MIXED)
    assert fits[2].extname == "E2"
    far.broken = True
    with pytest.raises(FitsIOError, match="line is down"):
        fits[90]
    far.broken = False
    assert fits[90].extname == "E90"
    assert fits.damage is None
    assert len(fits) == 100


def test_a_closed_file_finds_no_more():
    fits, _ = lazily(MIXED)
    assert fits[2].extname == "E2"
    fits.close()
    assert fits[1].extname == "E1"
    with pytest.raises(HandleClosed):
        fits[90]
    assert "closed" in repr(fits)


def test_threads_look_for_hdus_at_once():
    fits, _ = lazily(MIXED)
    found = {}

    def look(number):
        found[number] = fits[number].extname

    threads = [threading.Thread(target=look, args=(number,)) for number in range(99, 0, -7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"E{number}" for number in range(99, 0, -7)}
    assert len(fits._file.extents) == 100


def test_a_local_file_is_scanned_when_it_is_opened(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(MIXED)
    with FITS(path, scan="lazy") as fits:
        assert len(fits._file.extents) == 100
    with pytest.raises(ValueError, match="'eager' or 'lazy'"):
        FITS(path, scan="later")
