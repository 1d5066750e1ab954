"""A FITS file on the local disk."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import FileLocked, FileReplaced, FitsIOError, OpenFailed
from rustfits.storage.base import Storage, as_bytes
from rustfits.storage.filelock import try_lock, unlock
from rustfits.storage.journal import Journal
from rustfits.storage.recovery import recover

_FLAGS = {"r": os.O_RDONLY, "r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC}


DURABILITIES = ("process", "power")


def open_descriptor(path: str, mode: str, *, cut: bool = True) -> int:
    """Open the regular file ``path`` and return its descriptor.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+'}
        'w+' creates the file, or cuts an existing one to nothing.
    cut : bool
        False leaves that cut to the caller.

    Raises
    ------
    OpenFailed
        If the system refuses, or ``path`` is not a regular file. `FileMissing` if there is none.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    flags = _FLAGS[mode] if cut else _FLAGS[mode] & ~os.O_TRUNC
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise OpenFailed.of(path, error) from error
    except ValueError as error:  # a NUL in the path
        raise OpenFailed(errno.EINVAL, str(error), path) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OpenFailed(errno.EINVAL, "it is not a regular file", path)
    return descriptor


class LocalStorage(Storage):
    """Bytes of a file on disk, read and written at explicit offsets, so that threads need no common position.

    Whatever a killed writer left half-made is undone first. A transaction keeps what it overwrites in a journal. The
    first one locks the file against other writers, until it is closed.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+'}
        As in `open_descriptor`.
    durability : {'process', 'power'}
        What a transaction survives as a whole: that the process is killed, or that the power fails too, which makes
        it wait for the disk.

    Raises
    ------
    OpenFailed
        If the file cannot be opened.
    FileLocked
        If somebody is changing it, or if it is to be cut to nothing while another writer has it.
    JournalError, FitsIOError
        As `recover`.
    """

    def __init__(self, path: str, mode: str, durability: str = "process") -> None:
        self.name = path
        self.writable = mode != "r"
        self._durable = durability == "power"
        self._process = os.getpid()
        self._locked = False
        self.descriptor = open_descriptor(path, mode, cut=False)
        # The journal stands beside the file itself, which folders that are links lead to as well.
        if os.path.islink(path):
            self._path = os.path.realpath(path)
        else:
            self._path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
        try:
            recover(self._path, discard=mode == "w+")
            self._opened = os.fstat(self.descriptor)
            if mode == "w+":
                self._lock()
                self._truncate(0)
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def size(self) -> int:
        """Return the number of bytes, asked of the system each time: the file may be changed by others."""
        try:
            return os.fstat(self.descriptor).st_size
        except OSError as error:
            self._fail("size", error)

    def read_into(self, offset: int, target: memoryview | NDArray[Any]) -> None:
        """Fill ``target``, as every storage, but with as little as can be around the call of the system."""
        try:
            # That arrays are buffers too, the types of Python 3.11 cannot say.
            if os.preadv(self.descriptor, [target], offset) == target.nbytes:  # type: ignore[list-item]
                return
        except (OSError, OverflowError, ValueError):
            pass  # the other form says what is wrong, and where; and one call reads 2 GiB at most
        super().read_into(offset, target)

    def _read_into(self, offset: int, target: memoryview) -> int:
        done = 0
        try:
            while done < target.nbytes:  # one call reads 2 GiB at most
                found = os.preadv(self.descriptor, [target[done:]], offset + done)
                if not found:
                    break
                done += found
        except (OSError, OverflowError) as error:  # OverflowError: an offset beyond 64 bits
            self._fail("read", error)
        return done

    def read_ranges(self, start: NDArray[np.int64], length: NDArray[np.int64], target: NDArray[Any]) -> None:
        """Read many ranges, as every storage, but with as little as can be between two calls of the system."""
        view, descriptor, preadv = as_bytes(target), self.descriptor, os.preadv
        stop = 0
        try:
            for offset, nbytes in zip(start.tolist(), length.tolist(), strict=True):
                begin, stop = stop, stop + nbytes
                if preadv(descriptor, [view[begin:stop]], offset) != nbytes:
                    break
            else:
                return
        except (OSError, OverflowError):
            pass  # the other form says what is wrong, and where; and one call reads 2 GiB at most
        super().read_ranges(start, length, target)

    def _write(self, offset: int, data: memoryview) -> None:
        done = 0
        try:
            while done < data.nbytes:
                done += os.pwrite(self.descriptor, data[done:], offset + done)
        except (OSError, OverflowError) as error:
            self._fail("write", error)

    def _truncate(self, nbytes: int) -> None:
        try:
            os.ftruncate(self.descriptor, nbytes)
        except (OSError, OverflowError) as error:
            self._fail("resize", error)

    def _begin(self) -> Journal:
        if self._process != os.getpid():
            raise FileReplaced(self.name, "is used by a process that was forked")
        self._lock()
        status = os.fstat(self.descriptor)
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            raise FileReplaced(self.name, "was moved or removed") from None
        except OSError as error:
            self._fail("find", error)
        if (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
            raise FileReplaced(self.name, "was replaced by another file")
        return Journal(self._path, status, self._saved, durable=self._durable)

    def _saved(self, offset: int, nbytes: int) -> bytes | bytearray:
        """Return bytes for the journal, as `read` does; that they are there is known."""
        try:
            found = os.pread(self.descriptor, nbytes, offset)
        except OSError as error:
            self._fail("read", error)
        return found if len(found) == nbytes else self.read(offset, nbytes)

    def _lock(self) -> None:
        """Keep other writers away from now on, provided that none was there since the file was opened."""
        if self._locked:
            return
        try:
            locked = try_lock(self.descriptor)
        except OSError as error:
            self._fail("lock", error)
        if not locked:
            raise FileLocked(self.name, "close it there first")
        status = os.fstat(self.descriptor)
        if (status.st_size, status.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
            unlock(self.descriptor)
            raise FileReplaced(self.name, "was changed by somebody else")
        self._locked = True

    def _harden(self) -> None:
        if self._durable:
            self.sync()

    def sync(self) -> None:
        """Make every change reach the disk."""
        if self.writable:
            try:
                os.fsync(self.descriptor)
            except OSError as error:
                self._fail("sync", error)

    def close(self) -> None:
        """Close the descriptor; later calls do nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            if self._locked and self._process == os.getpid():
                unlock(descriptor)  # a forked process may keep its copy of the descriptor open for long
            os.close(descriptor)

    def _fail(self, verb: str, error: OSError | OverflowError) -> NoReturn:
        code = error.errno if isinstance(error, OSError) and error.errno else errno.EFBIG
        raise FitsIOError(code, f"cannot {verb} {self.name}: {os.strerror(code)}") from error
