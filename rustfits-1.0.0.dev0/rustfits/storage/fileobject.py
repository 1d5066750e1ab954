"""A file object that somebody else has opened: its bytes by range, through its one position."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from rustfits.errors import FitsIOError, LocationError
from rustfits.storage.base import MOVE_NBYTES, Storage

if TYPE_CHECKING:
    from rustfits.storage.undo import Undo


class BinaryFile(Protocol):
    """What is read of a file object; one that is written to also has ``write``, ``truncate`` and ``flush``."""

    def read(self, nbytes: int, /) -> bytes:
        """Return up to ``nbytes`` bytes from the position on; nothing at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position, from the start or, with 2, from the end."""

    def tell(self) -> int:
        """Return the position."""


class Openable(Protocol):
    """What opens a file object: ``fsspec.OpenFile``, ``UPath``."""

    @property
    def open(self) -> Callable[..., Any]:
        """Return a file object."""


class FileObjectStorage(Storage):
    """The whole of a file object, from its first byte on, wherever its position is.

    Parameters
    ----------
    file : BinaryFile
    name : str
        What messages call it.
    mode : {'r', 'r+', 'w+'}
        With 'w+' the first change empties it.
    owned : bool
        Whether it is closed with the storage.

    Raises
    ------
    TypeError
        If it is a file of text.
    LocationError
        If the mode asks for more than it can do.
    """

    bound = "it was opened as a file object, which is of this process alone: open it by its path or its URL"

    def __init__(self, file: BinaryFile, name: str, mode: str, *, owned: bool = False) -> None:
        self._file: Any = file
        self.name, self.writable, self._owned = name, mode != "r", owned
        self._position = threading.Lock()
        self._unwritten, self._emptying = mode == "w+", False
        if isinstance(file, io.TextIOBase):
            raise TypeError(f"{name} is a file of text: open it in binary mode, such as open(path, 'rb')")
        if mode == "x":
            raise LocationError(f"mode 'x' creates a file of a new name, and {name} is open already: use 'w+'")
        for ability, wanted in (("readable", True), ("seekable", True), ("writable", self.writable)):
            if wanted and not getattr(file, ability, lambda: True)():
                raise LocationError(
                    f"{name} is not {ability}, as mode {mode!r} needs it: open it so, or read its bytes and pass them "
                    "to FITS.from_bytes"
                )
        missing = [word for word in ("write", "truncate") if self.writable and not hasattr(file, word)]
        if missing:
            raise LocationError(f"{name} has no {' and no '.join(missing)}, which mode {mode!r} needs")

    def size(self) -> int:
        """Return the number of bytes."""
        return 0 if self._unwritten else self._really()

    def _really(self) -> int:
        with self._position:
            self._call("look at", self._file.seek, 0, 2)
            return cast("int", self._call("look at", self._file.tell))  # not every seek returns it

    def _call(self, verb: str, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            code = error.errno if isinstance(error, OSError) else None
            raise FitsIOError(code or 0, f"cannot {verb} {self.name}: {error}") from error

    def _read_into(self, offset: int, target: memoryview) -> int:
        done = 0
        with self._position:
            self._call("read", self._file.seek, offset)
            while done < target.nbytes:
                piece = self._call("read", self._file.read, min(target.nbytes - done, MOVE_NBYTES))
                if not piece:
                    break
                if not isinstance(piece, bytes | bytearray | memoryview):
                    raise TypeError(f"{self.name} returns {type(piece).__name__} when it is read, not bytes")
                target[done : done + len(piece)] = piece
                done += len(piece)
        return done

    def _write(self, offset: int, data: memoryview) -> None:
        with self._position:
            self._call("write", self._file.seek, offset)
            done = 0
            while done < data.nbytes:
                written = self._call("write", self._file.write, data[done:])
                done += data.nbytes - done if written is None else written

    def _truncate(self, nbytes: int) -> None:
        size = self._really()
        with self._position:
            self._call("resize", self._file.truncate, nbytes)
        if nbytes > size:  # BytesIO does not grow so, and some others neither
            grown = self._really()
            for start in range(grown, nbytes, MOVE_NBYTES):
                self._write(start, memoryview(bytes(min(MOVE_NBYTES, nbytes - start))))

    def _begin(self) -> Undo:
        self._emptying, self._unwritten = self._unwritten, False
        undo = super()._begin()
        if self._emptying:
            undo.save([(0, undo.size)])
            self._truncate(0)
        return undo

    def _roll_back(self) -> None:
        super()._roll_back()
        self._unwritten, self._emptying = self._emptying and not self.tainted, False

    def _committed(self) -> None:
        self._emptying = False

    def sync(self) -> None:
        """Have the file object pass on what it still holds."""
        if self.writable and hasattr(self._file, "flush"):
            self._call("flush", self._file.flush)

    def give_up(self) -> None:
        """Leave what was there before, unless something was committed."""
        self._unwritten = False

    def close(self) -> None:
        """Flush; a file object that somebody else has opened stays open."""
        try:
            if self._unwritten:
                self._unwritten = False
                self._truncate(0)
            self.sync()
        finally:
            if self._owned:
                self._file.close()
