"""What to do about a journal that stands beside a file, when it is opened or when a user decides.

A journal is applied only if the file is proven to be the one it was begun for, as the interrupted change can have left
it, and if its owner could have changed the file without it. Else nothing is touched.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from rustfits.errors import FileLocked, FileMissing, FitsIOError, JournalError
from rustfits.storage import leftover
from rustfits.storage.evidence import Evidence, judge
from rustfits.storage.leftover import Leftover, NoJournal
from rustfits.system import JOURNAL_SUFFIX, PLAIN, is_held_open, may_write, try_lock

PATIENCE = 0.25  # seconds to wait for a change that another handle is making
_PAUSE = 0.005

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def at_open(path: str, mode: str) -> None:
    """Undo the change of ``path`` that a killed writer left half-made, if there is one.

    Parameters
    ----------
    path : str
        Of the file, without links.
    mode : {'r', 'r+', 'w+'}
        'w+' gives up the content of the file: a journal that cannot be used is set aside.

    Raises
    ------
    FileLocked
        If somebody is changing the file right now.
    JournalError
        If the file may be half-made, and it is not proven that the journal is its own; both stay as they are. For
        writing, also if something else has the name of the journal.
    FitsIOError
        If file or folder cannot be written.
    """
    stop = time.monotonic() + PATIENCE
    while os.path.lexists(path + JOURNAL_SUFFIX):
        with _locked(path) as (descriptor, writable):
            if descriptor >= 0:
                _settle(path, descriptor, writable, mode)
                return
        if time.monotonic() > stop:
            raise FileLocked(path, "its bytes are in between; open it again when that change is done")
        time.sleep(_PAUSE)


@contextmanager
def _locked(path: str) -> Iterator[tuple[int, bool]]:
    """Offer a descriptor of the file with its lock, and whether it can be written; -1 if another has the lock."""
    writable = True
    try:
        descriptor = os.open(path, os.O_RDWR | PLAIN)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise FileMissing.of(path, error) from error
        if error.errno not in _READ_ONLY:
            raise _failed(path, error) from error
        writable = False
        descriptor = os.open(path, os.O_RDONLY | PLAIN)
    try:
        free = try_lock(descriptor) and not is_held_open(path + JOURNAL_SUFFIX)
        yield (descriptor if free else -1), writable
    except OSError as error:
        if isinstance(error, FitsIOError):
            raise
        raise _failed(path, error) from error
    finally:
        os.close(descriptor)  # the lock goes with it


def _settle(path: str, descriptor: int, writable: bool, mode: str) -> None:
    """Do what `at_open` does, under the lock."""
    try:
        found = leftover.find(path)  # only now: another may have recovered meanwhile
    except NoJournal as error:
        if mode != "r":
            in_the_way = f"{error}; move it away, for a change of {path} needs that name"
            raise JournalError(path + JOURNAL_SUFFIX, in_the_way) from None
        return
    if found is None:
        with suppress(OSError):  # it does no harm where it cannot be removed
            os.unlink(path + JOURNAL_SUFFIX)
        return
    problem = _unusable(found)
    evidence = None if problem else judge(found, descriptor)
    if not may_write(found.status.st_uid, os.fstat(descriptor)):
        _refuse_stranger(found, path, evidence, writing=mode != "r")
    elif evidence is not None and evidence.fits and not evidence.changed:
        _drop(path, proven=evidence.proven, writing=mode != "r")
    elif evidence is not None and evidence.proven:
        if not writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        leftover.undo(found, descriptor)
        leftover.remove(path)
    elif mode == "w+":
        leftover.set_aside(path)
    else:
        raise JournalError(found.path, f"{evidence.why if evidence else problem}; {_ways(path)}")


def _refuse_stranger(found: Leftover, path: str, evidence: Evidence | None, *, writing: bool) -> None:
    """Raise, unless the journal can be passed over: its owner had no right to change the file."""
    owner = f"its owner, user {found.status.st_uid}, may not write {path}"
    if evidence is not None and evidence.fits and evidence.changed:
        why = f", but {evidence.why}" if evidence.why else ""
        raise JournalError(found.path, f"{owner}, so it is not believed, though it fits the file{why}; {_ways(path)}")
    if writing:
        raise JournalError(found.path, f"{owner}, so it is not believed; move it away, for a change needs that name")


def _unusable(found: Leftover) -> str:
    """Return why nothing can be proven by a journal; empty if something can."""
    if found.version == 2:
        return "an earlier version of rustfits left it, whose journals do not prove which file they are of"
    return found.damage


def _drop(path: str, *, proven: bool, writing: bool) -> None:
    """Let go of a journal whose file is as it was; of one that may be another file's, only of its name, if needed."""
    with suppress(OSError):  # it does no harm where it cannot be removed
        if proven:
            leftover.remove(path)
        elif writing:
            leftover.set_aside(path)


def _ways(path: str) -> str:
    return (
        f"{path} may be half-made, and nothing was touched: `rustfits recover {path} --apply` writes back what the "
        "journal saved, `--discard` sets the journal aside and takes the file as it is (in Python: rustfits.recover)"
    )


def recover(path: str | os.PathLike[str], how: Literal["apply", "discard"]) -> str | None:
    """Decide about the journal beside a file, where opening the file says that nothing can be proven.

    Parameters
    ----------
    path : str or os.PathLike
        Of the file.
    how : {'apply', 'discard'}
        'apply' writes back what the journal saved and gives the file the size it had, whatever the file holds now.
        'discard' takes the file as it is.

    Returns
    -------
    str or None
        The name under which the journal was set aside; None if it was proven to be of this file, and used up.

    Raises
    ------
    ValueError
        If ``how`` is another word.
    JournalError
        If there is no journal, or, for 'apply', if it is damaged or of a later version.
    FileLocked
        If somebody is changing the file.
    FitsIOError
        If file or folder cannot be written.
    """
    if how not in ("apply", "discard"):
        raise ValueError(f"how must be 'apply' or 'discard', not {how!r}")
    name = os.path.realpath(os.fspath(path))
    if not os.path.lexists(name + JOURNAL_SUFFIX):
        raise JournalError(name + JOURNAL_SUFFIX, "there is no such journal, so nothing to recover")
    if how == "discard" and not os.path.exists(name):
        return leftover.set_aside(name)
    with _locked(name) as (descriptor, writable):
        if descriptor < 0:
            raise FileLocked(name, "wait until that change is done")
        return leftover.set_aside(name) if how == "discard" else _apply(name, descriptor, writable)


def _apply(path: str, descriptor: int, writable: bool) -> str | None:
    try:
        found = leftover.find(path)
    except NoJournal as error:
        raise JournalError(path + JOURNAL_SUFFIX, f"{error}; there is nothing to apply") from None
    if found is None:
        leftover.remove(path)  # nothing was changed under it
        return None
    if found.damage:
        advice = f"{path} cannot be put back whole: restore it from a copy, or discard the journal"
        raise JournalError(found.path, f"{found.damage}, so {advice}")
    if not writable:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    proven = found.version != 2 and judge(found, descriptor).proven
    leftover.undo(found, descriptor)
    if not proven:
        return leftover.set_aside(path)
    leftover.remove(path)
    return None


def _failed(path: str, error: OSError) -> FitsIOError:
    return FitsIOError(
        error.errno or 0,
        f"a change of {path} was cut short and cannot be undone here: {error.strerror or error}; open it once where "
        "the file and its folder can be written",
    )
