"""A whole FITS file under gzip: held in memory, written back when it is closed or synced."""

from __future__ import annotations

import os
import time
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from rustfits.errors import FileLocked, FileMissing, FitsIOError, HandleTainted, OpenFailed
from rustfits.storage.local import open_descriptor, reserve
from rustfits.storage.memory import MemoryStorage
from rustfits.storage.newfile import NewFile
from rustfits.storage.packed import BOUND, CHUNK_NBYTES, GZIP, GZIP_WINDOW, unpack
from rustfits.system import PLAIN

_LEVEL = 6
_PATIENCE = 10.0  # seconds to wait for others who replace the file: else what was changed would be lost
_PAUSE = 0.01


class GzipStorage(MemoryStorage):
    """The content of a gzip file in memory; the file is replaced as a whole when something changed.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+', 'x'}
        As of `LocalStorage`; all but 'r' need the permission to write at once.
    durability : {'process', 'power'}
        'power' waits for the disk when the file is replaced.

    Raises
    ------
    OpenFailed
        If the file cannot be opened. `FileExists` if it is there, for 'x'.
    FitsIOError
        If it is not gzip, is damaged, or ends early.
    """

    bound = BOUND

    def __init__(self, path: str, mode: str, durability: str = "process") -> None:
        content, is_new = bytearray(), mode == "x"
        try:
            descriptor = reserve(path) if is_new else open_descriptor(path, writable=mode != "r")
        except FileMissing:
            if mode != "w+":
                raise
            descriptor, is_new = reserve(os.path.realpath(path)), True
        try:
            if mode in ("r", "r+") and os.fstat(descriptor).st_size:
                content = unpack(_chunks(descriptor, path), GZIP, path)
        finally:
            os.close(descriptor)
        super().__init__(content, name=path, writable=mode != "r")
        self._durable = durability == "power"
        self._file = _GzipFile(os.path.realpath(path), self._data, is_new=is_new, unwritten=mode in ("w+", "x"))
        # A handle that is only dropped keeps its changes too, even at the end of the process.
        self._finalizer = weakref.finalize(self, self._file.save_if_ours)

    @property
    def tainted(self) -> bool:
        """Whether a change was cut short; such content never replaces the file."""
        return self._file.tainted

    @tainted.setter
    def tainted(self, tainted: bool) -> None:
        self._file.tainted = tainted

    def _committed(self) -> None:
        self._file.dirty, self._file.unwritten = True, False

    def give_up(self) -> None:
        """Leave what was there before, if nothing was written to a file that was to be written anew."""
        self._file.give_up()

    def sync(self) -> None:
        """Compress, replace the file, and make the disk keep it.

        Raises
        ------
        HandleTainted
            If a change was cut short; the old file stays.
        FitsIOError
            If the file cannot be replaced; the old file stays.
        """
        if self._file.dirty or self._file.tainted:
            self._file.save(durable=True)

    def close(self) -> None:
        """Replace the file if something changed, and let the memory go; errors as `sync`."""
        if self._finalizer.detach() is not None:
            try:
                self._file.save(durable=self._durable)
            finally:
                super().close()


@dataclass(slots=True)
class _GzipFile:
    """What is needed to write the file back when the storage itself is gone already."""

    path: str
    content: bytearray
    is_new: bool = False  # was there no file of that name
    unwritten: bool = False  # was it to be written anew, and nothing was committed yet
    dirty: bool = False
    tainted: bool = False
    process: int = field(default_factory=os.getpid)

    def save_if_ours(self) -> None:
        """Save as the storage is dropped, unless a forked process drops its copy, or the content is in doubt."""
        if self.process == os.getpid() and not self.tainted:
            self.give_up()
            self.save(durable=False)

    def give_up(self) -> None:
        """Leave what was there before, unless something was committed."""
        if self.unwritten and self.process == os.getpid():
            self.unwritten = False
            with suppress(OSError):
                if self.is_new and not os.path.getsize(self.path):
                    os.unlink(self.path)

    def save(self, *, durable: bool) -> None:
        """Replace the file if something changed; ``durable`` waits for the disk."""
        if self.tainted:
            raise HandleTainted(self.path)
        if not (self.dirty or self.unwritten):
            return
        try:
            self._replace(durable)
        except FitsIOError:
            raise
        except OSError as error:
            reason = f"cannot write {self.path}: {error.strerror or error}; the old file is kept"
            raise FitsIOError(error.errno or 0, reason) from error
        self.dirty = self.unwritten = False

    def _replace(self, durable: bool) -> None:
        new = self._beside()
        try:
            new.resemble_old()
            self._compress_into(new.descriptor)
            new.take_name(durable=durable)
        finally:
            new.drop()
            os.close(new.descriptor)

    def _beside(self) -> NewFile:
        """Return a new file beside the one that has the name now; wait until others have replaced that."""
        stop = time.monotonic() + _PATIENCE
        while True:
            old = -1
            with suppress(FileNotFoundError):  # it may have been removed meanwhile, and comes again
                old = os.open(self.path, os.O_RDONLY | PLAIN)
            try:
                new = NewFile(self.path, old, reserved=False)
                if new.may_take_name():
                    return new
                new.drop()
                os.close(new.descriptor)
            except BaseException as error:
                if old >= 0:
                    os.close(old)
                if not isinstance(error, FileLocked) or time.monotonic() > stop:
                    raise
                time.sleep(_PAUSE)

    def _compress_into(self, descriptor: int) -> None:
        if not self.content:
            return  # a file without HDUs is empty
        member = zlib.compressobj(_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
        with memoryview(self.content) as content, os.fdopen(descriptor, "wb", closefd=False) as file:
            for start in range(0, content.nbytes, CHUNK_NBYTES):
                file.write(member.compress(content[start : start + CHUNK_NBYTES]))
            file.write(member.flush())


def _chunks(descriptor: int, path: str) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, CHUNK_NBYTES):
            yield chunk
    except OSError as error:
        raise OpenFailed.of(path, error) from error
