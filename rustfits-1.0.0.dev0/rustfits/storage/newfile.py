"""A new file beside another, which takes its name when it is whole.

Until then whoever opens the name finds what was there before. What a killed process leaves is ``<file>.rfnew``: who
writes the file anew next removes it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from rustfits import system
from rustfits.errors import FileLocked, FileReplaced, OpenFailed
from rustfits.storage import leftover
from rustfits.system import JOURNAL_SUFFIX, NEW_SUFFIX, NO_LINK, NO_WAIT, PLAIN

_FLAGS = os.O_RDWR | PLAIN | NO_LINK | NO_WAIT
_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


class NewFile:
    """A file that is to replace another, or to get a name that nothing has.

    Parameters
    ----------
    target : str
        The name, without links.
    old : int
        Descriptor of the file that has it, with its lock; -1 if none has. It is taken over, and closed.
    reserved : bool
        Whether the old file is an empty one that only keeps the name.

    Attributes
    ----------
    descriptor : int
        For reading and writing, with its lock; the caller closes it.
    named : bool
        Whether it was given the name.

    Raises
    ------
    FileLocked
        If another process is making a new file of that name.
    OSError
        If it cannot be created.
    """

    def __init__(self, target: str, old: int, *, reserved: bool) -> None:
        self.target, self.path = target, target + NEW_SUFFIX
        self.named = False
        self._old, self._reserved, self._process = old, reserved, os.getpid()
        self.descriptor = self._created()

    def _created(self) -> int:
        permissions = 0o666 if self._old < 0 else 0o600
        try:
            descriptor = os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, permissions)
        except FileExistsError:
            self._remove_leftover()
            try:
                descriptor = os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, permissions)
            except FileExistsError as error:
                raise self._locked() from error
        if system.try_lock(descriptor) and _is_named(descriptor, self.path):
            return descriptor
        os.close(descriptor)
        raise self._locked()

    def _locked(self) -> FileLocked:
        return FileLocked(self.target, "it is being written anew; wait until that is done")

    def _remove_leftover(self) -> None:
        """Remove what a killed process left under the name of the new file, unless somebody is at it."""
        try:
            found = os.lstat(self.path)
            if stat.S_ISREG(found.st_mode):
                descriptor = os.open(self.path, os.O_RDONLY | PLAIN | NO_LINK | NO_WAIT)
                try:
                    free = system.try_lock(descriptor) and _is_named(descriptor, self.path)
                    if free and system.CAN_REMOVE_OPEN:
                        os.unlink(self.path)
                finally:
                    os.close(descriptor)
                if not free:
                    raise self._locked()
                if system.CAN_REMOVE_OPEN:
                    return
            os.unlink(self.path)
        except FileNotFoundError:
            return
        except PermissionError as error:
            if system.CAN_REMOVE_OPEN:
                raise
            raise self._locked() from error

    def resemble_old(self) -> bool:
        """Give the file owner, group and permissions of the old one; return whether it has all that the old one has.

        Raises
        ------
        OSError
            If permissions cannot be set.
        """
        if self._old < 0:
            return True
        before = os.fstat(self._old)
        system.adopt_owner(self.descriptor, before)
        system.set_permissions(self.descriptor, self.path, stat.S_IMODE(before.st_mode))
        after = os.fstat(self.descriptor)
        if (after.st_uid, after.st_gid, after.st_mode) != (before.st_uid, before.st_gid, before.st_mode):
            return False
        return not _has_attributes(self._old)

    def may_take_name(self) -> bool:
        """Return whether the name is still that of the old file, or free."""
        return not os.path.lexists(self.target) if self._old < 0 else _is_named(self._old, self.target)

    def take_name(self, *, durable: bool) -> None:
        """Become the file of that name; from here on it counts.

        Raises
        ------
        FileReplaced
            If another file has got that name meanwhile, or this one was removed.
        OSError
            If the system fails. Unless `named`, nothing is changed.
        """
        if self._process != os.getpid():
            raise FileReplaced(self.target, "is used by a process that was forked")
        if not _is_named(self.descriptor, self.path):
            raise FileReplaced(self.path, "was removed, or replaced by another file")
        if not self.may_take_name():
            raise FileReplaced(self.target, "was moved, removed or replaced by another file")
        if durable:
            os.fsync(self.descriptor)
        if os.path.lexists(self.target + JOURNAL_SUFFIX):
            leftover.set_aside(self.target)  # it is of a file that is not here
        self._rename()
        if durable:
            system.sync_folder(self.target)

    def _rename(self) -> None:
        if system.CAN_REMOVE_OPEN:
            os.replace(self.path, self.target)
            self.named = True
            self._close_old()
            return
        # Here neither of the two may be open; the number of the descriptor stays, since others know it.
        self._close_old()
        _put(self.descriptor, os.open(os.devnull, os.O_RDONLY | PLAIN))
        try:
            os.replace(self.path, self.target)
            self.named = True
        finally:
            _put(self.descriptor, os.open(self.target if self.named else self.path, _FLAGS))

    def has_name(self) -> bool:
        """Return whether the file has the name, though the call that gave it may have been interrupted."""
        return self.named or _is_named(self.descriptor, self.target)

    def drop(self) -> None:
        """Remove the file, unless it has the name, or a forked process drops its copy; the old one stays."""
        if not self.named and self._process == os.getpid():
            with suppress(OSError):
                if not system.CAN_REMOVE_OPEN:
                    _put(self.descriptor, os.open(os.devnull, os.O_RDONLY | PLAIN))
                    os.unlink(self.path)
                elif _is_named(self.descriptor, self.path):
                    os.unlink(self.path)
        reserved = self._old if self._reserved and not self.named else -1
        with suppress(OSError):
            if reserved >= 0 and _is_named(reserved, self.target) and not os.fstat(reserved).st_size:
                if not system.CAN_REMOVE_OPEN:
                    self._close_old()
                os.unlink(self.target)
        self._close_old()

    def _close_old(self) -> None:
        descriptor, self._old = self._old, -1
        if descriptor >= 0:
            os.close(descriptor)


def beside(target: str, old: int, *, reserved: bool) -> NewFile | None:
    """Return a new file that may take the name of another; None if that has to be written in place.

    That is so if it has several names, or attributes or an owner that a new file would not get, or if its folder cannot
    be written. The parameters are those of `NewFile`.

    Raises
    ------
    FileLocked
        As `NewFile`.
    OpenFailed
        If the system refuses for another reason.
    """
    if old >= 0 and os.fstat(old).st_nlink > 1:
        return None
    try:
        new = NewFile(target, old, reserved=reserved)
    except OSError as error:
        if isinstance(error, FileLocked):
            raise
        if error.errno in _NOT_HERE:
            return None
        raise OpenFailed.of(target, error) from error
    with suppress(OSError):
        if new.resemble_old():
            return new
    os.close(new.descriptor)
    with suppress(OSError):
        os.unlink(new.path)
    return None


def _is_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _has_attributes(descriptor: int) -> bool:
    """Return whether a file has more than permissions: access lists, or what users have noted."""
    if not hasattr(os, "listxattr"):
        return False
    try:
        return any(not name.startswith("security.") for name in os.listxattr(descriptor))
    except OSError:
        return False  # the file system knows none


def _put(descriptor: int, other: int) -> None:
    """Have a descriptor stand for what another does, which is closed."""
    try:
        os.dup2(other, descriptor, inheritable=False)
    finally:
        os.close(other)
