"""What a FITS file's bytes live in: a local file, memory, a gzip file held in memory, or what a plugin opens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TruncatedFile

Bytes = NDArray[np.uint8]

MOVE_NBYTES = 4 << 20  # bytes moved at a time: bounds memory, and is large enough for the disk
CHUNK_NBYTES = 1 << 18  # bytes read at a time: what is done to them next finds them in the cache
UNCHECKED_NBYTES = 1 << 16  # reads up to this size do without asking for the size of the storage first


@dataclass(slots=True)
class _Savepoint:
    """What a transaction began with, and what it has touched; all numbers are bytes from the start."""

    size: int
    tainted: bool
    touched: int | None = None  # the first byte changed

    def touch(self, offset: int) -> None:
        self.touched = offset if self.touched is None else min(offset, self.touched)


class Storage(ABC):
    """Ranges of bytes in, ranges of bytes out.

    Reads may come from several threads at once; changes come from one thread, with no read beside them.

    Attributes
    ----------
    name : str
        What messages call it.
    writable : bool
        Whether it may be changed.
    chunk_nbytes : int
        Bytes that long reads had best ask for at a time; more where every request takes long.
    tainted : bool
        Whether a transaction failed after it had changed bytes that were there before, which cannot be undone.
    """

    name: str
    writable: bool
    chunk_nbytes: int = CHUNK_NBYTES
    tainted: bool = False

    _savepoints: tuple[_Savepoint, ...] = ()  # of the transactions under way, the outermost first

    # -- to be defined by each kind of storage --------------------------------------------------------------------

    @abstractmethod
    def size(self) -> int:
        """Return the number of bytes."""

    @abstractmethod
    def _read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from byte ``offset`` on; return the bytes read, fewer only at the end."""

    @abstractmethod
    def _write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at byte ``offset``, growing the storage if needed."""

    @abstractmethod
    def _truncate(self, nbytes: int) -> None:
        """Cut to, or grow with zeros to, ``nbytes``."""

    @abstractmethod
    def sync(self) -> None:
        """Make every change reach the medium (fsync)."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held; called once."""

    # -- reading --------------------------------------------------------------------------------------------------

    def read_into(self, offset: int, target: memoryview | NDArray[Any]) -> None:
        """Fill ``target``, a contiguous writable buffer, from byte ``offset`` on.

        Raises
        ------
        TruncatedFile
            If the storage ends before ``target`` is full.
        """
        view = memoryview(target).cast("B") if not isinstance(target, np.ndarray) else _as_bytes(target)
        found = self._read_into(offset, view)
        if found != view.nbytes:
            raise self._too_short(offset, view.nbytes, found)

    def read(self, offset: int, nbytes: int) -> bytearray:
        """Return ``nbytes`` bytes from byte ``offset`` on; errors as `read_into`.

        The size is checked against the storage first, so that a hostile number allocates nothing.
        """
        if offset < 0 or nbytes < 0 or (nbytes > UNCHECKED_NBYTES and offset + nbytes > self.size()):
            raise TruncatedFile(
                f"{self.name} has {self.size()} bytes: wanted {nbytes} bytes from byte {offset}; the file is truncated"
            )
        buffer = bytearray(nbytes)
        self.read_into(offset, memoryview(buffer))
        return buffer

    def read_ranges(self, start: NDArray[np.int64], length: NDArray[np.int64], target: Bytes) -> None:
        """Read many ranges, back to back, into ``target``; a remote storage asks for all of them at once.

        Parameters
        ----------
        start, length : (n,) int64 array
            Byte ranges of the storage.
        target : (length.sum(),) uint8 array

        Raises
        ------
        TruncatedFile
            If a range reaches beyond the end.
        """
        view = _as_bytes(target)
        stop = 0
        for offset, nbytes in zip(start.tolist(), length.tolist(), strict=True):
            begin, stop = stop, stop + nbytes
            found = self._read_into(offset, view[begin:stop])
            if found != nbytes:
                raise self._too_short(offset, nbytes, found)

    def _too_short(self, offset: int, nbytes: int, found: int) -> TruncatedFile:
        wanted = f"wanted {nbytes} bytes from byte {offset}"
        return TruncatedFile(f"{self.name} ends at byte {offset + found}: {wanted}; the file is truncated")

    # -- changing, inside a transaction ---------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group changes into one; nests, and what an inner one did may still be undone by an outer one.

        After a failure, what only grew is cut back to what it was. The storage is tainted if bytes that were there
        before had been changed.
        """
        outer, savepoint = self._savepoints, _Savepoint(self.size(), self.tainted)
        self._savepoints = (*outer, savepoint)
        try:
            yield
        except BaseException:
            self._roll_back(savepoint)
            raise
        finally:
            self._savepoints = outer
            if outer and savepoint.touched is not None:
                outer[-1].touch(savepoint.touched)
        if not outer and savepoint.touched is not None:
            self._committed()

    def write(self, offset: int, data: bytes | bytearray | memoryview | NDArray[Any]) -> None:
        """Write contiguous ``data`` at byte ``offset``; only inside `transaction`."""
        view = _as_bytes(data) if isinstance(data, np.ndarray) else memoryview(data).cast("B")
        if view.nbytes:
            self._innermost().touch(offset)
            self._write(offset, view)

    def truncate(self, nbytes: int) -> None:
        """Cut to, or grow with zeros to, ``nbytes``, whole or not at all; only inside `transaction`."""
        size = self.size()
        if nbytes != size:
            savepoint = self._innermost()
            self._truncate(nbytes)
            savepoint.touch(min(size, nbytes))

    def move(self, source: int, target: int, nbytes: int) -> None:
        """Copy ``nbytes`` bytes from ``source`` to ``target``, which may overlap; only inside `transaction`.

        No byte is overwritten before it was copied: upward moves run from the end, downward ones from the start.
        """
        if source == target:
            return
        offsets = range(0, nbytes, MOVE_NBYTES)
        for offset in reversed(offsets) if target > source else offsets:
            chunk = self.read(source + offset, min(MOVE_NBYTES, nbytes - offset))
            self.write(target + offset, chunk)

    def _committed(self) -> None:  # noqa: B027 - only those who keep a copy elsewhere need to know
        """Take note that a transaction has changed something."""

    def _innermost(self) -> _Savepoint:
        if not self._savepoints:
            raise AssertionError("a change of the storage outside a transaction")
        return self._savepoints[-1]

    def _roll_back(self, savepoint: _Savepoint) -> None:
        if savepoint.touched is None:
            return
        if savepoint.touched >= savepoint.size:
            with suppress(OSError):
                self._truncate(savepoint.size)
                self.tainted = savepoint.tainted  # an inner transaction may have found no way back of its own
                savepoint.touched = None
                return
        self.tainted = True


def _as_bytes(array: NDArray[Any]) -> memoryview:
    # memoryview.cast refuses a zero in the shape, and big-endian or structured dtypes.
    if not array.flags.c_contiguous:
        raise ValueError("storage reads and writes C-contiguous arrays only")
    return array.reshape(-1).view(np.uint8).data
