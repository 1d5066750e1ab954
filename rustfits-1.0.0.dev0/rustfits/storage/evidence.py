"""Whether a file is the one that a journal was begun for, in a state that the interrupted change can have produced.

Four things are looked at. Each sector that the change could have written must be as it was, or as it was announced. The
file must have a size that it had or was to have. It must not have been changed after the journal: the writer, and who
undoes its work, renew the journal's time of change right before each write. And samples of the file as it was must be
as they were. Names, device and inode prove nothing: files are moved, and devices get new numbers when a machine starts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from rustfits.storage.journal import read_exactly, samples_crc
from rustfits.storage.leftover import Leftover
from rustfits.storage.sectors import SECTOR_NBYTES, sector_hashes, sectors_of
from rustfits.storage.undo import joined

_AT_A_TIME = 1 << 20  # bytes compared at a time: bounds memory

# Between the journal's time of change and that of the write that follows lie at most 5 ms (`journal._STALE_NS`), a tick
# of the clock by which the system stamps files, 10 ms at most, and the time for which a busy system lets the process
# wait right then: more than 30 ms were seen.
_SLACK_NS = 100_000_000
# After a power cut the disk has the time at which the journal was brought there, which may have taken long. Nobody can
# have changed the file between that and the cut.
_SLACK_OF_DISK_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000  # file systems that stamp by whole seconds stamp by two at most


@dataclass(frozen=True)
class Evidence:
    """What a file shows of a change that was cut short.

    Attributes
    ----------
    fits : bool
        Whether sectors and size can be those that the change left.
    changed : bool
        Whether any of them is not as it was before the change.
    proven : bool
        Whether the file fits, and time of change and samples agree as well.
    why : str
        What speaks against it; empty if proven.
    """

    fits: bool
    changed: bool
    proven: bool
    why: str


def judge(found: Leftover, target: int) -> Evidence:
    """Compare a file with a journal.

    Parameters
    ----------
    found : Leftover
        Of this version, undamaged.
    target : int
        Descriptor of the file, for reading.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    status = os.fstat(target)
    lowest, highest = _sizes(found)
    if not lowest <= status.st_size <= highest:
        allowed = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
        return Evidence(False, True, False, f"the file has {status.st_size} bytes, the change can have left {allowed}")
    with found.opened() as source:
        view = _View(found, source, target)
        changed = status.st_size != found.size
        for start, stop in _regions(found, status.st_size):
            for begin in range(start, stop, _AT_A_TIME):
                wrong, differs = view.compare(begin, min(begin + _AT_A_TIME, stop), lowest)
                if wrong is not None:
                    last = wrong + SECTOR_NBYTES - 1
                    why = f"bytes {wrong} to {last} of the file are neither as before the change nor as it makes them"
                    return Evidence(False, True, False, why)
                changed |= differs
        why = _times(found, status)
        if not why and samples_crc(found.size, view.before) != found.samples:
            why = "what the change did not touch is not as it was when the change began"
    return Evidence(True, changed, not why, why)


def _sizes(found: Leftover) -> tuple[int, int]:
    """Return the least and the largest size that the change can have left."""
    sizes = [found.size, *found.sizes]
    ends = [] if not len(found.sectors) else [int(found.sectors[-1] + 1) * SECTOR_NBYTES]
    return min(sizes), max(sizes + ends)


def _regions(found: Leftover, size: int) -> list[tuple[int, int]]:
    """Return ranges of whole sectors that the change can have written, ascending, none touching another."""
    ranges = [sectors_of(offset, offset + nbytes) for offset, nbytes, _ in found.saved if nbytes]
    if len(found.sectors):
        numbers = np.unique(found.sectors)
        breaks = np.flatnonzero(np.diff(numbers) != 1)
        first, last = numbers[np.r_[0, breaks + 1]], numbers[np.r_[breaks, len(numbers) - 1]] + np.uint64(1)
        ranges += zip((first * SECTOR_NBYTES).tolist(), (last * SECTOR_NBYTES).tolist(), strict=True)
    if size > found.size:
        ranges.append(sectors_of(found.size, size))
    return joined(ranges, max((stop for _, stop in ranges), default=0))


class _View:
    """A file as it is, and as it was by its journal."""

    def __init__(self, found: Leftover, source: int, target: int) -> None:
        self._found, self._source, self._target = found, source, target
        self._saved = sorted(found.saved)
        self._starts = [offset for offset, _, _ in self._saved]

    def now(self, start: int, nbytes: int) -> bytes:
        """Return bytes of the file, with zeros beyond its end."""
        return read_exactly(self._target, start, nbytes, partly=True).ljust(nbytes, b"\0")

    def before(self, start: int, nbytes: int) -> bytes:
        """Return bytes as they were, as far as the journal knows them; else as they are."""
        return bytes(self._overlaid(start, self.now(start, nbytes)))

    def _overlaid(self, start: int, now: bytes) -> bytearray:
        old, stop = bytearray(now), start + len(now)
        inside = max(self._found.size - start, 0)
        old[inside:] = bytes(len(old[inside:]))
        # Saved ranges do not overlap, and each is of a few MB at most: a search from the first that can reach here.
        index = max(int(np.searchsorted(self._starts, start, side="right")) - 1, 0)
        while index < len(self._saved) and self._saved[index][0] < stop:
            offset, nbytes, at = self._saved[index]
            begin, end = max(offset, start), min(offset + nbytes, stop)
            if begin < end:
                old[begin - start : end - start] = read_exactly(self._source, at + begin - offset, end - begin)
            index += 1
        return old

    def compare(self, start: int, stop: int, lowest: int) -> tuple[int | None, bool]:
        """Compare whole sectors.

        Parameters
        ----------
        start, stop : int
        lowest : int
            Size of the file at its smallest: what lies beyond may be zeros.

        Returns
        -------
        wrong : int or None
            First byte of a sector that is neither as it was nor as it was announced.
        differs : bool
            Whether any is not as it was.
        """
        now = self.now(start, stop - start)
        rows, old = (
            np.frombuffer(data, np.uint8).reshape(-1, SECTOR_NBYTES) for data in (now, self._overlaid(start, now))
        )
        as_it_was = (rows == old).all(axis=1)
        right = as_it_was.copy()
        first, found = start // SECTOR_NBYTES, self._found
        low, high = np.searchsorted(found.sectors, np.array([first, first + len(rows)], "<u8"))
        places = (found.sectors[low:high] - np.uint64(first)).astype(np.int64)
        right[places[sector_hashes(now)[places] == found.hashes[low:high]]] = True
        beyond = np.arange(start, stop, SECTOR_NBYTES) >= lowest
        right[beyond] |= ~rows[beyond].any(axis=1)
        wrong = None if right.all() else start + int(np.argmin(right)) * SECTOR_NBYTES
        return wrong, not as_it_was.all()


def _times(found: Leftover, file: os.stat_result) -> str:
    """Return what the times of change say against the journal; empty if nothing."""
    journal_ns, file_ns = found.status.st_mtime_ns, file.st_mtime_ns
    coarse = 0 if journal_ns % _SECOND_NS or file_ns % _SECOND_NS else 2 * _SECOND_NS
    slack = _SLACK_NS if found.same_boot or (found.same_boot is None and not found.durable) else _SLACK_OF_DISK_NS
    if file_ns > journal_ns + slack + coarse and file_ns != found.mtime_ns:
        apart = (file_ns - journal_ns) / _SECOND_NS
        return f"the file was changed {apart:.3g} s after the last thing that the journal knows of"
    if file_ns < found.mtime_ns <= journal_ns:
        apart = (found.mtime_ns - file_ns) / _SECOND_NS
        return f"the file was last changed {apart:.3g} s before the change began that the journal is of"
    return ""
