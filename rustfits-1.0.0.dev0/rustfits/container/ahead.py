"""Headers that are fetched before it is known where they are: where they would be if HDUs go on as they did."""

from __future__ import annotations

import numpy as np

from rustfits.storage.base import Storage
from rustfits.storage.extent import BLOCK, padded

_FEW = 8  # HDUs from whose lengths the next ones are guessed
_FIRST = 5  # headers guessed at first
_MOST = 62
_FACTOR = 4  # by which their number grows and shrinks
_SPENT_NBYTES = 4 << 20  # fetched for one guess, at most
_SPREAD = 0.01  # of the lengths of compressed images, before there are several


class Guess:
    """Has a storage fetch the headers that probably come next, beside one that is asked for.

    It guesses more of them each time that it was right, and fewer when it was wrong: what is there is found by the
    lengths that headers tell, and by nothing else.

    Parameters
    ----------
    storage : Storage
        One that fetches ahead.
    size : int
        Bytes of the file.
    """

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage, self._size = storage, size
        self._starts: list[int] = []
        self._header_nbytes = 0  # of the longest header, but for the first
        self._vary = False  # whether lengths differ though headers do not
        self._count = _FIRST
        self._guessed: list[tuple[int, int]] = []
        self._right = 0  # how many of them there were

    def found(self, start: int, header: bytes) -> None:
        """Take note of a header, up to its END."""
        if self._starts:
            self._header_nbytes = max(self._header_nbytes, padded(len(header)))
        self._vary = b"ZIMAGE  =" in header
        self._starts.append(start)

    def before(self, start: int, nbytes: int) -> int:
        """Have the bytes of a header fetched, and beside them those that are guessed, unless they are on their way.

        Parameters
        ----------
        start : int
            Where it is.
        nbytes : int
            Of headers of which nothing is known.

        Returns
        -------
        int
            How many bytes had best be read.
        """
        for first, stop in self._guessed:
            if first <= start and min(start + self._header_nbytes, self._size) <= stop:
                self._right += 1
                return stop - start
        if self._guessed:
            right = 2 * self._right >= len(self._guessed)
            self._count = min(self._count * _FACTOR, _MOST) if right else self._count // _FACTOR
        elif not self._count and len(self._starts) % _FEW == 0:
            self._count = 1  # HDUs may be others by now
        self._guessed, self._right = self._next(start), 0
        if self._guessed:
            ranges = np.array([(start, min(start + nbytes, self._size)), *self._guessed], dtype=np.int64)
            self._storage.prefetch(ranges[:, 0], ranges[:, 1] - ranges[:, 0])
        return nbytes

    def _next(self, start: int) -> list[tuple[int, int]]:
        """Return where the headers after the one at ``start`` may be."""
        lengths = np.diff([*self._starts[1:], start])[-_FEW:]  # the primary HDU is of another kind
        if not lengths.size:
            return []
        length, spread = int(np.median(lengths)), int(np.ptp(lengths))
        if self._vary and lengths.size < _FEW:
            spread = max(spread, int(_SPREAD * length), BLOCK)
        found: list[tuple[int, int]] = []
        spent = 0
        for number in range(1, self._count + 1):
            room = padded(int(spread * number**0.5))  # differences add up as the square root of their number
            expected = padded(start + number * length)
            first = max(expected - room, start + BLOCK)
            stop = min(expected + room + self._header_nbytes + BLOCK, self._size)
            spent += stop - first
            if expected >= self._size or spent > _SPENT_NBYTES:
                break
            if found and first <= found[-1][1]:
                found[-1] = found[-1][0], stop
            else:
                found.append((first, stop))
        return found
