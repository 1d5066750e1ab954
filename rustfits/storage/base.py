"""What a FITS file's bytes live in: a local file, memory, a gzip file held in memory, or what a plugin opens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TruncatedFile

Bytes = NDArray[np.uint8]

MOVE_NBYTES = 4 << 20  # bytes moved at a time: bounds memory, and is large enough for the disk
CHUNK_NBYTES = 1 << 18  # bytes read at a time: what is done to them next finds them in the cache
UNCHECKED_NBYTES = 1 << 16  # reads up to this size do without asking for the size of the storage first


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
        Whether a transaction failed after its first change and could not be undone.
    """

    name: str
    writable: bool
    chunk_nbytes: int = CHUNK_NBYTES
    tainted: bool = False

    _depth: int = 0
    _changed: bool = False

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
            raise TruncatedFile(
                f"{self.name} ends at byte {offset + found}: wanted {view.nbytes} bytes from byte "
                f"{offset}; the file is truncated"
            )

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
            self.read_into(offset, view[begin:stop])

    # -- changing, inside a transaction ---------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group changes into one; nests, the outermost counts.

        A failure after the first change taints the storage, until a journal can undo it.
        """
        self._depth += 1
        if self._depth == 1:
            self._changed = False
        try:
            yield
        except BaseException:
            self.tainted = self.tainted or self._changed
            raise
        finally:
            self._depth -= 1

    def write(self, offset: int, data: bytes | bytearray | memoryview | NDArray[Any]) -> None:
        """Write contiguous ``data`` at byte ``offset``; only inside `transaction`."""
        view = _as_bytes(data) if isinstance(data, np.ndarray) else memoryview(data).cast("B")
        if view.nbytes:
            self._begin_change()
            self._write(offset, view)

    def truncate(self, nbytes: int) -> None:
        """Cut to, or grow with zeros to, ``nbytes``; only inside `transaction`."""
        if nbytes != self.size():
            changed = self._changed
            self._begin_change()
            try:
                self._truncate(nbytes)
            except BaseException:
                self._changed = changed  # it happens whole or not at all
                raise

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

    def _begin_change(self) -> None:
        if not self._depth:
            raise AssertionError("a change of the storage outside a transaction")
        self._changed = True


def _as_bytes(array: NDArray[Any]) -> memoryview:
    # memoryview.cast refuses a zero in the shape, and big-endian or structured dtypes.
    if not array.flags.c_contiguous:
        raise ValueError("storage reads and writes C-contiguous arrays only")
    return array.reshape(-1).view(np.uint8).data
