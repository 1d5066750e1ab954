"""What systems differ in: calls that are not everywhere, and what stands in for them.

POSIX has all of it. Windows has no positional reads and writes, no locks of this kind, no owners, no folders that can
be synced, and neither removes nor replaces a file that somebody has open. Pyodide starts no thread, and reads and
writes one buffer at a time. What is there is found out when this module is loaded; nothing else of the package asks.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

JOURNAL_SUFFIX = ".rfjournal"  # what follows the name of a local file in that of its journal
NEW_SUFFIX = ".rfnew"  # likewise of a file that is to take its name

CAN_REMOVE_OPEN = os.name == "posix"
"""Whether a file that is open can be removed, renamed and replaced."""

# -- opening ----------------------------------------------------------------------------------------------------------

PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""Flags of every opening: bytes as they are, and for this process alone."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # without it, opening a pipe waits until somebody writes to it

# -- positional reads and writes --------------------------------------------------------------------------------------

_POSITION = threading.Lock()  # of an open file, which all threads share
_COPIED_NBYTES = 1 << 24  # bytes read at a time where they are copied: bounds memory


def _seek_and_read(descriptor: int, nbytes: int, offset: int, /) -> bytes:
    with _POSITION:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, nbytes)


def _seek_and_write(descriptor: int, data: Any, offset: int, /) -> int:
    with _POSITION:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
pwrite: Callable[[int, Any, int], int] = getattr(os, "pwrite", _seek_and_write)


def _read_and_copy(descriptor: int, buffers: Sequence[Any], offset: int, /) -> int:
    """Fill one buffer of bytes, as `os.preadv` does; ValueError of one that does not consist of bytes."""
    (buffer,) = buffers
    try:
        view = memoryview(buffer).cast("B")
    except TypeError as error:
        raise ValueError(str(error)) from error
    done = 0
    while done < view.nbytes:
        found = pread(descriptor, min(view.nbytes - done, _COPIED_NBYTES), offset + done)
        if not found:
            break
        view[done : done + len(found)] = found
        done += len(found)
    return done


def _join_and_write(descriptor: int, buffers: Sequence[Any], offset: int, /) -> int:
    return pwrite(descriptor, buffers[0] if len(buffers) == 1 else b"".join(buffers), offset)


preadv: Callable[[int, Sequence[Any], int], int] = getattr(os, "preadv", _read_and_copy)
pwritev: Callable[[int, Sequence[Any], int], int] = getattr(os, "pwritev", _join_and_write)


@cache
def _fallocate() -> Any:
    """Return the call of Linux that finds room on a disk; None elsewhere.

    That of `os` is of no use: where a file system has no such call, it writes a byte to every page instead.
    """
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # which numpy has loaded

        library = ctypes.CDLL(None)
        call = getattr(library, "fallocate64", None) or library.fallocate
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    except (ImportError, OSError, AttributeError):
        return None
    return call


def reserve(descriptor: int, offset: int, nbytes: int) -> None:
    """Have the system find room for bytes of an open file, if it can; size and content of the file stay."""
    call = _fallocate()
    if call is not None:
        call(descriptor, _KEEP_SIZE, offset, nbytes)  # if there is no room, the write says so


_KEEP_SIZE = 1

# -- times ------------------------------------------------------------------------------------------------------------

_STAMPS_DESCRIPTORS = os.utime in os.supports_fd


def stamp(descriptor: int, path: str, times: tuple[int, int] | None = None) -> None:
    """Set the times, in ns, of last access and of last change of an open file; by default to now.

    Raises
    ------
    OSError
        If the system refuses.
    """
    target = descriptor if _STAMPS_DESCRIPTORS else path
    if times is None:
        os.utime(target)
    else:
        os.utime(target, ns=times)


# -- locks ------------------------------------------------------------------------------------------------------------

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF)


@cache
def _locks() -> Any:
    """Return the module of locks, None where there is none; reading needs no lock, so it is not loaded before."""
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl if hasattr(fcntl, "flock") else None


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this descriptor alone; return False, at once, if another one has it.

    The lock is advisory: it keeps this library's writers apart, and no other program's. Where there are no locks, and
    on file systems that know none, it is granted.

    Raises
    ------
    OSError
        If the system fails.
    """
    fcntl = _locks()
    if fcntl is None:
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
    fcntl = _locks()
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held_open(path: str) -> bool:
    """Return whether somebody has the file open, where no lock could tell, but the system keeps an open file's name."""
    if CAN_REMOVE_OPEN or _locks() is not None:
        return False
    try:
        os.rename(path, path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def wait_for_call(descriptor: int, size: int) -> None:
    """Wait, where that can be done, for the end of a call that writes an open file of ``size`` bytes.

    On ext4, btrfs and tmpfs a call that looks for holes waits for it, on XFS one that reads; on others neither may.
    """
    hole = getattr(os, "SEEK_HOLE", None)
    if size and hole is not None:
        with suppress(OSError):
            os.lseek(descriptor, size - 1, hole)
            pread(descriptor, 1, size - 1)


def linux_version() -> tuple[int, ...]:
    """Return the version of Linux, major and minor; nothing on another system."""
    uname = getattr(os, "uname", None)
    if sys.platform != "linux" or uname is None:
        return ()
    return tuple(int(part) for part in uname().release.split(".")[:2] if part.isdigit())


# -- whose a file is --------------------------------------------------------------------------------------------------


def user() -> int | None:
    """Return the number of the user that the process acts for; None where users have none."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def adopt_owner(descriptor: int, status: os.stat_result) -> None:
    """Give an open file the owner and the group of another, as far as the system lets us."""
    me = user()
    if me is None or not hasattr(os, "fchown"):
        return
    with suppress(OSError):  # only root may give files away; some file systems know no owners
        if status.st_gid != os.getegid() or status.st_uid != me:
            os.fchown(descriptor, status.st_uid if me == 0 else -1, status.st_gid)


def set_permissions(descriptor: int, path: str, permissions: int) -> None:
    """Set the permissions of an open file.

    Raises
    ------
    OSError
        If the system refuses; some file systems know no permissions.
    """
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, permissions)
    else:
        os.chmod(path, permissions)


def may_write(uid: int, file: os.stat_result) -> bool:
    """Return whether a user may write a file, by its permissions; who asks may, or the writing fails anyway."""
    me = user()
    if me is None or uid in (0, file.st_uid, me) or file.st_mode & stat.S_IWOTH:
        return True
    if not file.st_mode & stat.S_IWGRP or not hasattr(os, "getgrouplist"):
        return False
    import pwd

    try:
        found = pwd.getpwuid(uid)
        return file.st_gid in os.getgrouplist(found.pw_name, found.pw_gid)
    except (KeyError, OSError):
        return False  # nobody knows the user here, so nobody knows the groups either


# -- folders ----------------------------------------------------------------------------------------------------------


def sync_folder(path: str) -> None:
    """Make the names in the folder of ``path`` reach the disk, where that can be asked for.

    Raises
    ------
    OSError
        If the disk fails.
    """
    if not CAN_REMOVE_OPEN:  # the sign of a system that opens no folder
        return
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | PLAIN)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def local_path(path: str) -> str:
    """Return the path that stands in a ``file://`` URL as this system writes it: without the slash before a drive."""
    return path[1:] if os.name == "nt" and path[2:3] == ":" else path


# -- threads and memory -----------------------------------------------------------------------------------------------

CAN_START_THREADS = sys.platform not in ("emscripten", "wasi")


def usable_cpus() -> int:
    """Return how many threads of this process can run at the same time."""
    if not CAN_START_THREADS:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def after_fork(call: Callable[[], None]) -> None:
    """Have each process that is forked off call something first, where processes fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)


GIVE_BACK: int | None = getattr(mmap, "MADV_FREE", None)
"""Advice that memory may be taken, which stays readable until it is; None where there is no such advice."""
LARGE_PAGES: int | None = getattr(mmap, "MADV_HUGEPAGE", None)


def new_memory(nbytes: int) -> mmap.mmap:
    """Return new memory of the system, outside its allocator; only where `GIVE_BACK` is advice.

    Raises
    ------
    OSError, ValueError, OverflowError
        If there is not as much.
    """
    block = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if LARGE_PAGES is not None:
        with suppress(OSError):  # a system without large pages: it works, but more slowly
            block.madvise(LARGE_PAGES)
    return block
