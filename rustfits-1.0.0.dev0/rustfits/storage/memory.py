"""A FITS file that lives in memory only."""

from __future__ import annotations

import errno

from rustfits.errors import FitsIOError
from rustfits.storage.base import Storage


class MemoryStorage(Storage):
    """Bytes in a buffer of its own.

    Parameters
    ----------
    data : bytes-like
        What to begin with. A bytearray is taken over, anything else is copied.
    name : str
        What messages call it.
    writable : bool
    """

    bound = "it is in the memory of this process: write it to a file first"

    def __init__(
        self, data: bytes | bytearray | memoryview = b"", *, name: str = "mem://", writable: bool = True
    ) -> None:
        self.name = name
        self.writable = writable
        self._data = data if isinstance(data, bytearray) else bytearray(data)  # never bound anew

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._data)

    def _read_into(self, offset: int, target: memoryview) -> int:
        with memoryview(self._data) as data:  # slicing the bytearray itself would copy twice
            part = data[offset : offset + target.nbytes]
            target[: part.nbytes] = part
            return part.nbytes

    def _write(self, offset: int, data: memoryview) -> None:
        if offset > len(self._data):
            self._truncate(offset)
        inside = min(data.nbytes, len(self._data) - offset)
        with memoryview(self._data) as target:  # a slice of the bytearray would first copy what it is given
            target[offset : offset + inside] = data[:inside]
        self._data += data[inside:]

    def _truncate(self, nbytes: int) -> None:
        if nbytes < len(self._data):
            del self._data[nbytes:]
            return
        try:
            self._data += bytes(nbytes - len(self._data))
        except (MemoryError, OverflowError) as error:
            reason = f"cannot grow {self.name} to {nbytes} bytes: not enough memory"
            raise FitsIOError(errno.ENOMEM, reason) from error

    def sync(self) -> None:
        """Do nothing: there is no medium."""

    def close(self) -> None:
        """Let the memory go."""
        self._data.clear()
