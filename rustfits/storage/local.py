"""A FITS file on the local disk."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rustfits import system
from rustfits.errors import FileLocked, FileMissing, FileReplaced, FitsIOError, OpenFailed
from rustfits.storage.base import HEAD_NBYTES, Identity, Storage, as_bytes
from rustfits.storage.watch import Watch, state_in, undo_leftover
from rustfits.system import NO_LINK, NO_WAIT, PLAIN, pread, preadv

if TYPE_CHECKING:
    from rustfits.storage.newfile import NewFile
    from rustfits.storage.undo import Undo

_READ = os.O_RDONLY | PLAIN | NO_WAIT
_WRITE = os.O_RDWR | PLAIN | NO_WAIT

RESERVED_NBYTES = 4 << 20  # at least: finding room for less takes no time
DURABILITIES = ("process", "power")


def open_descriptor(path: str, *, writable: bool) -> int:
    """Open the regular file ``path`` and return its descriptor.

    Raises
    ------
    OpenFailed
        If the system refuses, or ``path`` is not a regular file. `FileMissing` if there is none.
    """
    try:
        descriptor = os.open(path, _WRITE if writable else _READ)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    try:
        _status_of(descriptor, path)
    except OpenFailed:
        os.close(descriptor)
        raise
    return descriptor


def _status_of(descriptor: int, path: str) -> os.stat_result:
    """Return what `os.fstat` does of a file that was opened; raise `OpenFailed` if it is not a regular one."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OpenFailed(errno.EINVAL, "it is not a regular file", path)
    return status


def reserve(path: str) -> int:
    """Create the file ``path``, empty, and return its descriptor; mode 'x'.

    Raises
    ------
    FileExists
        If there is something of that name, be it a link that leads nowhere.
    OpenFailed
        If the system refuses.
    """
    try:
        return os.open(path, _WRITE | os.O_CREAT | os.O_EXCL, 0o666)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _refused(path: str, error: OSError | ValueError) -> OpenFailed:
    if isinstance(error, OSError):
        return OpenFailed.of(path, error)
    return OpenFailed(errno.EINVAL, str(error), path)  # a NUL in the path


class LocalStorage(Storage):
    """Bytes of a file on disk, read and written at explicit offsets, so that threads need no common position.

    Whatever a killed writer left half-made is undone first. A transaction keeps what it overwrites in a journal. The
    first one locks the file against other writers, until it is closed.

    Parameters
    ----------
    path : str
    mode, durability
        As for `FITS`. 'w+' and 'x' write to a new file, which takes the name at the first commit, or when this is
        closed. Where that cannot be, they write in place.

    Raises
    ------
    OpenFailed
        If the file cannot be opened. `FileExists` if it is there, for 'x'.
    FileLocked
        If somebody is changing it, or if it is to be written anew while another writer has it.
    FileChanged
        If another program changes it again and again.
    JournalError, FitsIOError
        As `at_open`.
    """

    bound = ""  # it may only be that this handle writes

    watch: Watch

    _durable = _locked = False
    _process = -1  # that opened the file for writing
    _new: NewFile | None = None  # until it has its name

    def __init__(self, path: str, mode: str, durability: str = "process") -> None:
        self.name = path
        self.writable = mode != "r"
        if self.writable:
            self._durable, self._process = durability == "power", os.getpid()
        # The process may change its folder.
        self._given = self._path = path if path.startswith("/") or os.path.isabs(path) else f"{os.getcwd()}/{path}"
        try:
            if mode in ("w+", "x"):
                self._create(path, mode)
                return
            self._open(path, _WRITE if self.writable else _READ)
            undo_leftover(self._path, mode)
            self.watch = Watch(self.descriptor, _status_of(self.descriptor, path), self._path)
            self.watch.opened()
            self._look()
        except BaseException:
            self._let_go()
            raise

    def _open(self, path: str, flags: int) -> None:
        """Open the file, and find out where its journal would stand: beside itself, not beside a link to it."""
        # Links among the folders do not matter, as they lead to the journal as well.
        try:
            try:
                self.descriptor = os.open(path, flags | NO_LINK)
            except OSError:
                if not os.path.islink(path):
                    raise
                self._path = os.path.realpath(path)
                self.descriptor = os.open(self._path, flags)
        except (OSError, ValueError) as error:
            raise _refused(self.name, error) from error

    def _create(self, path: str, mode: str) -> None:
        """Make a new file beside what has the name, if anything has; or cut that to nothing, where it must be."""
        from rustfits.storage.newfile import beside

        try:
            if mode == "x":
                self.descriptor = reserve(path)
            else:
                self._open(path, _WRITE)
        except FileMissing:
            if not os.path.basename(path):
                raise
            self._path = os.path.realpath(self._given) if os.path.islink(path) else self._given
        else:
            undo_leftover(self._path, "w+")
            self.watch = Watch(self.descriptor, _status_of(self.descriptor, path), self._path)
            self._lock()
        # What is empty already is written in place: others may have it open, and wait for what comes.
        if mode == "x" or self.descriptor < 0 or self.watch.size:
            try:
                self._new = beside(self._path, self.descriptor, reserved=mode == "x")
            except BaseException:
                if mode == "x":
                    with suppress(OSError):
                        os.unlink(self._path)
                raise
        if self._new is not None:
            self.descriptor, self._locked = self._new.descriptor, True
        elif self.descriptor < 0:
            self.descriptor = reserve(self._path)
            undo_leftover(self._path, "w+")
        elif self.watch.size:
            self._truncate(0)
        self.watch = Watch(self.descriptor, os.fstat(self.descriptor), self._path)
        self._lock()
        self.watch.emptied()

    def _look(self) -> None:
        """Read the head of the file, if the system gives all of it at once."""
        try:
            head = pread(self.descriptor, HEAD_NBYTES, 0)
        except OSError as error:
            self._fail("read", error)
        if len(head) == min(HEAD_NBYTES, self.watch.size):
            self.head = head

    def __del__(self) -> None:
        if self.descriptor >= 0:
            self._let_go()

    def size(self) -> int:
        """Return the number of bytes, asked of the system each time: the file may be changed by others."""
        try:
            return os.fstat(self.descriptor).st_size
        except OSError as error:
            self._fail("size", error)

    def read_into(self, offset: int, target: memoryview | NDArray[Any]) -> None:
        """Fill ``target``, as every storage, but with as little as can be around the call of the system."""
        try:
            if preadv(self.descriptor, [target], offset) == target.nbytes:
                return
        except (OSError, OverflowError, ValueError):
            pass  # the other form says what is wrong, and where; and one call reads 2 GiB at most
        super().read_into(offset, target)

    def read_bytes(self, offset: int, nbytes: int) -> bytes:
        """Return bytes of which it is known that they are there, by one call of the system."""
        try:
            found = pread(self.descriptor, nbytes, offset)
        except OSError as error:
            self._fail("read", error)
        return found if len(found) == nbytes else super().read_bytes(offset, nbytes)

    def _read_into(self, offset: int, target: memoryview) -> int:
        done = 0
        try:
            while done < target.nbytes:  # one call reads 2 GiB at most
                found = preadv(self.descriptor, [target[done:]], offset + done)
                if not found:
                    break
                done += found
        except (OSError, OverflowError) as error:  # OverflowError: an offset beyond 64 bits
            self._fail("read", error)
        return done

    def read_ranges(self, start: NDArray[np.int64], length: NDArray[np.int64], target: NDArray[Any]) -> None:
        """Read many ranges, as every storage, but with as little as can be between two calls of the system."""
        view, descriptor = as_bytes(target), self.descriptor
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
                done += system.pwrite(self.descriptor, data[done:], offset + done)
        except (OSError, OverflowError) as error:
            self._fail("write", error)

    def _truncate(self, nbytes: int) -> None:
        try:
            os.ftruncate(self.descriptor, nbytes)
        except (OSError, OverflowError) as error:
            self._fail("resize", error)

    def reserve(self, start: int, stop: int) -> None:
        """Have the system find room for bytes that are written next, at one go and not page by page."""
        if stop - start >= RESERVED_NBYTES:
            self._ready().touch()
            system.reserve(self.descriptor, start, stop - start)

    def _begin(self) -> Undo:
        if self._process != os.getpid():
            raise FileReplaced(self.name, "is used by a process that was forked")
        if self._new is not None:
            return super()._begin()  # nobody can see the file yet
        from rustfits.storage.journal import Journal

        self._lock()
        status = os.fstat(self.descriptor)
        if state_in(status) != self.watch.own:
            self.check_own()
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            raise FileReplaced(self.name, "was moved or removed") from None
        except OSError as error:
            self._fail("find", error)
        if (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
            raise FileReplaced(self.name, "was replaced by another file")
        return Journal(self._path, status, self.read_bytes, self.descriptor, durable=self._durable)

    def _lock(self) -> None:
        """Keep other writers away from now on, provided that none was there since the file was opened."""
        if self._locked:
            return
        try:
            locked = system.try_lock(self.descriptor)
        except OSError as error:
            self._fail("lock", error)
        if not locked:
            raise FileLocked(self.name, "close it there first")
        try:
            self.check_own()
        except FileReplaced:
            system.unlock(self.descriptor)
            raise
        self._locked = True

    @property
    def location(self) -> str:  # type: ignore[override]  # it follows from the path
        """The path from the root of the disk on: another process may be in another folder."""
        return self._given

    def identity(self) -> Identity:
        """Return size and time of modification, as they were when the file was read."""
        return self.watch.size, self.watch.mtime_ns

    def check_own(self) -> None:
        """Raise `FileReplaced` if the file is not as it was when this handle opened it, or last changed it."""
        if not self.changing and not self.watch.is_own():
            raise FileReplaced(self.name, "was changed by somebody else")

    def _commit(self) -> None:
        if self._new is not None and self.changing and not self.undone:
            self._take_name(self._new)
            super()._commit()
            self._new = None  # only now: what fails before must not undo what counts already
        else:
            super()._commit()

    def _take_name(self, new: NewFile) -> None:
        try:
            new.take_name(durable=self._durable)
        except FitsIOError:
            raise
        except OSError as error:
            self._fail("rename the new file to", error)

    def _committed(self) -> None:
        self.watch.committed()

    def _roll_back(self) -> None:
        if self._new is not None and self._new.has_name():  # what has failed came after the moment that counts
            self._new, self._undo = None, None
            self.undone = self.tainted = True
            return
        changed = self.changing
        super()._roll_back()
        if changed and not self.tainted:
            self.watch.committed()

    def anew(self) -> LocalStorage | None:
        """Return a storage of the file that has the name of this one now; errors as when it was opened."""
        if self._new is not None:
            return None  # nothing is written yet
        return LocalStorage(self._given, "r+" if self.writable else "r", DURABILITIES[self._durable])

    def take_over(self, other: Storage) -> None:
        """Become another storage of the same name; the number of the descriptor stays, since others know it."""
        assert isinstance(other, LocalStorage)
        if not os.path.samestat(os.fstat(self.descriptor), os.fstat(other.descriptor)):
            os.dup2(other.descriptor, self.descriptor, inheritable=False)
            self._path, self._locked = other._path, False
        self.watch.follow(other.watch)

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

    def give_up(self) -> None:
        """Leave what was there before, unless something was committed."""
        new, self._new = self._new, None
        if new is not None:
            new.drop()

    def close(self) -> None:
        """Close the descriptor; later calls do nothing.

        Raises
        ------
        FitsIOError
            If a new file without an HDU cannot have its name. It is gone then, and what was there before stays.
        """
        try:
            if self._new is not None and self._process == os.getpid() and not self.tainted:
                self._take_name(self._new)
                self._new = None
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self.give_up()
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            if self._locked and self._process == os.getpid():
                system.unlock(descriptor)  # a forked process may keep its copy of the descriptor open for long
            os.close(descriptor)

    def _fail(self, verb: str, error: OSError | OverflowError) -> NoReturn:
        code = error.errno if isinstance(error, OSError) and error.errno else errno.EFBIG
        raise FitsIOError(code, f"cannot {verb} {self.name}: {os.strerror(code)}") from error
