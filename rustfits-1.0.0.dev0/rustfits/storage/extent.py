"""Where one HDU lies in its file, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable

BLOCK = 2880  # bytes; headers and data units fill whole blocks (FITS 4.0, section 3.1)

# What a `FileChanged` says of an HDU.
MOVED = "this HDU is not there as it was; call refresh() of the FITS, or open the file anew"
GONE = "this HDU is not there any more as it was; take it from the FITS again"


def padded(nbytes: int) -> int:
    """Return ``nbytes`` rounded up to whole blocks."""
    return -(-nbytes // BLOCK) * BLOCK


class Extent:
    """Where one HDU lies: all numbers are bytes from the start of the file.

    Attributes
    ----------
    header_start, data_start : int
        First byte of the header and of the data unit, multiples of 2880.
    data_nbytes : int
        Size of the data unit without its padding.
    undone : bool
        Whether the HDU is not in the file: the change that made it was undone.
    gone : bool
        Whether the HDU was not there any more, as it was, when the headers were read again.
    doubtful : bool
        Whether to look closer before anything is read of it: it may be undone or gone, or the file was changed since
        its header was compared.
    unchecked : callable or None
        Returns what has to be called, if it is still there, before the HDU is read or changed for the first time.
    """

    __slots__ = ("data_nbytes", "data_start", "doubtful", "gone", "header_start", "unchecked", "undone")

    def __init__(self, header_start: int, data_start: int, data_nbytes: int) -> None:
        self.header_start, self.data_start, self.data_nbytes = header_start, data_start, data_nbytes
        self.undone = self.gone = self.doubtful = False
        self.unchecked: Callable[[], Callable[[], None] | None] | None = None

    def __repr__(self) -> str:
        return f"Extent(header_start={self.header_start}, data_start={self.data_start}, data_nbytes={self.data_nbytes})"

    def check(self) -> None:
        """Do what has to be done before the HDU is read or changed; once, if it is done without an error."""
        if self.unchecked is not None:
            check = self.unchecked()
            if check is not None:
                check()
            self.unchecked = None

    def lies_as(self, other: Extent) -> bool:
        """Return whether another HDU would lie in the same place."""
        theirs = other.header_start, other.data_start, other.data_nbytes
        return theirs == (self.header_start, self.data_start, self.data_nbytes)

    @property
    def stop(self) -> int:
        """First byte after the HDU, padding included."""
        return self.data_start + padded(self.data_nbytes)
