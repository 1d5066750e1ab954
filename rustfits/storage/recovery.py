"""What to do about a journal that stands beside a file when it is opened."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from rustfits.errors import FileLocked, FitsIOError, JournalError
from rustfits.storage import journal
from rustfits.storage.filelock import try_lock

PATIENCE = 0.25  # seconds to wait for a change that another handle is making
_PAUSE = 0.005

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def recover(path: str, *, discard: bool = False) -> None:
    """Undo the change of ``path`` that a killed writer left half-made, if there is one.

    Parameters
    ----------
    path : str
        Of the file, without links.
    discard : bool
        Whether the content of the file will be given up anyway, so that a journal of another file may go.

    Raises
    ------
    FileLocked
        If somebody is changing the file right now.
    JournalError
        If the journal cannot be understood, or is of another file; both stay as they are.
    FitsIOError
        If file or folder cannot be written.
    """
    name = path + journal.SUFFIX
    try:
        os.lstat(name)  # opening any file comes this way: nothing more than this is to be done if there is no journal
    except OSError:
        return
    stop = time.monotonic() + PATIENCE
    while os.path.lexists(name):
        if _try_recover(path, discard):
            return
        if time.monotonic() > stop:
            raise FileLocked(path, "its bytes are in between; open it again when that change is done")
        time.sleep(_PAUSE)


def _try_recover(path: str, discard: bool) -> bool:
    """Recover under the lock of the file; return False if another has it."""
    writable = True
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise _failed(path, error) from error
        writable = False
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        if not try_lock(descriptor):
            return False
        _recover_locked(path, descriptor, writable, discard)
    except OSError as error:
        if isinstance(error, FitsIOError):
            raise
        raise _failed(path, error) from error
    finally:
        os.close(descriptor)  # the lock goes with it
    return True


def _recover_locked(path: str, descriptor: int, writable: bool, discard: bool) -> None:
    try:
        found = journal.find(path)  # only now: another may have recovered meanwhile
        if found is None:
            with suppress(OSError):  # it does no harm where it cannot be removed
                journal.discard(path)
            return
        if not writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        journal.undo(found, path, descriptor)
    except JournalError:
        if not discard or not journal.is_ours(path):
            raise
        os.ftruncate(descriptor, 0)
        journal.discard(path)


def _failed(path: str, error: OSError) -> FitsIOError:
    return FitsIOError(
        error.errno or 0,
        f"a change of {path} was cut short and cannot be undone here: {error.strerror or error}; open it once where "
        "the file and its folder can be written",
    )
