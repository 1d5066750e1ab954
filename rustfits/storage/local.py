"""A FITS file on the local disk."""

from __future__ import annotations

import errno
import os
import stat
from typing import NoReturn

from rustfits.errors import FitsIOError, OpenFailed
from rustfits.storage.base import Storage

_FLAGS = {"r": os.O_RDONLY, "r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC}


def open_descriptor(path: str, mode: str) -> int:
    """Open the regular file ``path`` and return its descriptor.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+'}
        'w+' creates the file, or cuts an existing one to nothing.

    Raises
    ------
    OpenFailed
        If the system refuses, or ``path`` is not a regular file. `FileMissing` if there is none.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    flags = _FLAGS[mode] | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
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

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+'}
        As in `open_descriptor`.

    Raises
    ------
    OpenFailed
        If the file cannot be opened.
    """

    _descriptor: int = -1

    def __init__(self, path: str, mode: str) -> None:
        self.name = path
        self.writable = mode != "r"
        self._descriptor = open_descriptor(path, mode)

    def __del__(self) -> None:
        self.close()

    def size(self) -> int:
        """Return the number of bytes, asked of the system each time: the file may be changed by others."""
        try:
            return os.fstat(self._descriptor).st_size
        except OSError as error:
            self._fail("size", error)

    def _read_into(self, offset: int, target: memoryview) -> int:
        done = 0
        try:
            while done < target.nbytes:  # one call reads 2 GiB at most
                found = os.preadv(self._descriptor, [target[done:]], offset + done)
                if not found:
                    break
                done += found
        except (OSError, OverflowError) as error:  # OverflowError: an offset beyond 64 bits
            self._fail("read", error)
        return done

    def _write(self, offset: int, data: memoryview) -> None:
        done = 0
        try:
            while done < data.nbytes:
                done += os.pwrite(self._descriptor, data[done:], offset + done)
        except (OSError, OverflowError) as error:
            self._fail("write", error)

    def _truncate(self, nbytes: int) -> None:
        try:
            os.ftruncate(self._descriptor, nbytes)
        except (OSError, OverflowError) as error:
            self._fail("resize", error)

    def sync(self) -> None:
        """Make every change reach the disk."""
        if self.writable:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._fail("sync", error)

    def close(self) -> None:
        """Close the descriptor; later calls do nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _fail(self, verb: str, error: OSError | OverflowError) -> NoReturn:
        code = error.errno if isinstance(error, OSError) and error.errno else errno.EFBIG
        raise FitsIOError(code, f"cannot {verb} {self.name}: {os.strerror(code)}") from error
