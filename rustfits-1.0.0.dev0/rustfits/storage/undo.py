"""What a transaction needs to put a storage back as it was: its size, and the bytes that were overwritten."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

ReadBytes = Callable[[int, int], bytes | bytearray]
WriteBytes = Callable[[int, memoryview], None]
Piece = tuple[int, bytes | bytearray]
"""An offset, and the bytes that stood from there on."""
Write = tuple[int, memoryview]
"""An offset, and the bytes that will be written from there on."""

SAVE_NBYTES = 4 << 20  # bytes saved at a time: bounds memory


class Undo(ABC):
    """The bytes that one transaction overwrites, as they were before.

    Each byte is saved once, before it is overwritten for the first time; bytes beyond the size that the storage had
    at the start need no saving.

    Parameters
    ----------
    size : int
        Bytes of the storage at the start of the transaction.
    read : callable
        ``read(offset, nbytes)`` returns bytes of the storage.
    """

    def __init__(self, size: int, read: ReadBytes) -> None:
        self.size = size
        self._read = read
        self._starts: list[int] = []  # of the saved ranges, ascending, not touching each other
        self._stops: list[int] = []

    @abstractmethod
    def _keep(self, pieces: list[Piece]) -> None:
        """Keep bytes, each piece with the offset from which on they stood."""

    @abstractmethod
    def restore(self, write: WriteBytes) -> None:
        """Write every saved range back, by ``write(offset, data)``; the caller sets the size."""

    @abstractmethod
    def finish(self) -> None:
        """Forget what was saved: the change stands, or is undone."""

    @abstractmethod
    def abandon(self) -> None:
        """Let go without finishing: undoing failed, or is not ours to do."""

    def save(self, ranges: Sequence[tuple[int, int]], writes: Sequence[Write] = (), size: int | None = None) -> None:
        """Save the bytes of ranges, ``(start, stop)`` each, that are not saved yet; called before they change.

        Parameters
        ----------
        ranges : sequence of (int, int)
        writes : sequence of Write, optional
            What is done right afterwards, one after the other; none writes over another.
        size : int, optional
            What the storage is cut to, or grows to, right afterwards.
        """
        pieces: list[Piece] = []
        added: list[tuple[int, int]] = []
        nbytes = 0
        for start, stop in joined(ranges, self.size):
            for begin, after in self._missing(start, stop):
                for offset in range(begin, after, SAVE_NBYTES):
                    wanted = min(SAVE_NBYTES, after - offset)
                    if pieces and nbytes + wanted > SAVE_NBYTES:
                        self._keep(pieces)
                        pieces, nbytes = [], 0
                    pieces.append((offset, self._read(offset, wanted)))
                    nbytes += wanted
            added.append((start, stop))
        if pieces:
            self._keep(pieces)
        for start, stop in added:  # only now: all of it is kept
            self._add(start, stop)

    def save_known(self, start: int, data: bytes | bytearray) -> None:
        """As `save`, of a range whose bytes the caller has read."""
        stop = start + len(data)
        if len(data) <= SAVE_NBYTES and stop <= self.size and self._missing(start, stop) == [(start, stop)]:
            self._keep([(start, data)])
            self._add(start, stop)
        else:
            self.save([(start, stop)])

    def touch(self) -> None:  # noqa: B027
        """Take note that the storage is written right now, as was announced, or to undo that."""

    def covers(self, ranges: Iterable[tuple[int, int]]) -> bool:
        """Return whether all bytes of ranges are saved, or were not there."""
        for start, end in ranges:
            stop = min(end, self.size)
            if start < stop:
                index = bisect_left(self._stops, stop)
                if index == len(self._starts) or self._starts[index] > start:
                    return False
        return True

    def _missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of a range that no saved range covers."""
        gaps = []
        index = bisect_left(self._stops, start + 1)
        while start < stop:
            if index == len(self._starts) or self._starts[index] >= stop:
                gaps.append((start, stop))
                break
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._stops[index]
            index += 1
        return gaps

    def _add(self, start: int, stop: int) -> None:
        """Note a range as saved, joining those that it touches."""
        first = last = bisect_left(self._stops, start)
        while last < len(self._starts) and self._starts[last] <= stop:
            last += 1
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]


def joined(ranges: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Return what of the ranges lies below ``size``, ascending, none touching another."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        stop = min(end, size)
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


class MemoryUndo(Undo):
    """Saved bytes in memory: for a storage that is memory itself, or has no better place."""

    def __init__(self, size: int, read: ReadBytes) -> None:
        super().__init__(size, read)
        self._kept: list[Piece] = []

    def _keep(self, pieces: list[Piece]) -> None:
        self._kept += pieces

    def restore(self, write: WriteBytes) -> None:
        """Write every saved range back."""
        for offset, data in reversed(self._kept):
            write(offset, memoryview(data))

    def finish(self) -> None:
        """Let the memory go."""
        self._kept.clear()

    def abandon(self) -> None:
        """Let the memory go."""
        self._kept.clear()
