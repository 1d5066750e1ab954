"""The lock by which processes, and handles of one process, keep from changing a file at the same time.

It is advisory: it keeps this library's writers apart, and no other program's. Reading needs none.
"""

from __future__ import annotations

import errno
from contextlib import suppress

try:
    import fcntl
except ImportError:  # no POSIX system: nothing keeps two writers apart there
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF)


def try_lock(descriptor: int) -> bool:
    """Lock the open file for this descriptor alone; return False, at once, if another one has it.

    A file system that knows no locks, such as some network ones, grants it.

    Raises
    ------
    OSError
        If the system fails.
    """
    if not HAS_LOCKS:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def unlock(descriptor: int) -> None:
    """Let the lock go now, though a forked process may still have the descriptor open."""
    if HAS_LOCKS:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
