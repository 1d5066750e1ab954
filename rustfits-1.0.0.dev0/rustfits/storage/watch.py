"""Whether an open file is still what it was when it was read: its size, and the time of its last modification.

Two changes in one tick of the clock of a file system have the same time. So a file that was changed just now is not
*quiet*: what is read of it may change without a sign, and it is waited for. A file whose time lies a tick back, or in
the future, is quiet, as any change sets its time to now. Our own writers, who know when they are done, set it a tick
back themselves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from rustfits.errors import FileChanged, FitsIOError
from rustfits.system import JOURNAL_SUFFIX, linux_version, stamp, wait_for_call

State = tuple[int, int]
"""Bytes of a file, and the time of its last modification in nanoseconds."""

SECOND = 1_000_000_000
TICK = 20_000_000  # ns: the clocks of file systems tick every 1 to 10 ms (Linux before 6.13)
COARSE_TICK = 2 * SECOND + 100_000_000  # ns: FAT counts in steps of 2 s, some others of 1 s
RECENT = 60 * SECOND  # ns: no single call that writes takes longer
PATIENCE = 0.25  # seconds to wait for others who change the file, beside the tick
MIN_TRIES = 3  # of a read, whatever they take

_STEP = 1000  # ns: Windows counts in 100 ns, others in microseconds
_PAUSE = 2_000_000  # ns
_MULTIGRAIN = ("ext4", "xfs", "btrfs", "tmpfs")  # from Linux 6.13 on


def state_in(status: os.stat_result) -> State:
    """Return what is looked at of a file."""
    return status.st_size, status.st_mtime_ns


def is_unchanged(descriptor: int, size: int, mtime_ns: int) -> bool:
    """Return whether an open file has that size and that time of modification."""
    try:
        return state_in(os.fstat(descriptor)) == (size, mtime_ns)
    except OSError:
        return False  # who looks closer then finds out why


unchanged: Callable[[int, int, int], bool] = is_unchanged  # or a compiled form of it, as every read asks


def use(form: Callable[[int, int, int], bool]) -> None:
    """Have every read ask a faster form of `is_unchanged`; called by the module that knows the kernels."""
    global unchanged  # noqa: PLW0603 - one choice for the process, as of the kernels
    unchanged = form


def undo_leftover(path: str, mode: str) -> None:
    """Undo the change of a file that a killed writer left half-made; as `at_open`, of which most files need nothing."""
    try:
        os.lstat(path + JOURNAL_SUFFIX)
    except OSError:
        return
    from rustfits.storage.recovery import at_open

    at_open(path, mode)


class Watch:
    """What is known of the state of an open file; changed only while nobody reads, but for `doubt`.

    Parameters
    ----------
    descriptor : int
    status : os.stat_result
        Of that file.
    path : str
        Of the file, without links: a journal would stand beside it.

    Attributes
    ----------
    size, mtime_ns : int
        The state that everything read so far is of.
    own : State
        The state in which the handle that changes the file has found or left it.
    """

    __slots__ = ("_last_ns", "_stamps", "descriptor", "mtime_ns", "own", "path", "size")

    def __init__(self, descriptor: int, status: os.stat_result, path: str) -> None:
        self.descriptor, self.path = descriptor, path
        self.own = self.size, self.mtime_ns = state_in(status)
        self._last_ns = self.mtime_ns
        self._stamps = True

    def unchanged(self) -> bool:
        """Return whether the file is in the known state."""
        return unchanged(self.descriptor, self.size, self.mtime_ns)

    def is_own(self) -> bool:
        """Return whether nobody else has changed the file since the handle has found or left it."""
        return unchanged(self.descriptor, *self.own)

    def opened(self, *, changed: bool = False) -> None:
        """Wait until the headers can be read, if the file was changed of late; as `settle`."""
        if changed or (time.time_ns() - self.mtime_ns < RECENT and self._unrest(self.own, changed=False)):
            self.settle(changed=changed)
            self.own = self.size, self.mtime_ns

    def emptied(self) -> None:
        """Take the file as it is for our own: it was cut to nothing, so that nobody has read it in this state."""
        self.own = self.size, self.mtime_ns = self._look()
        self._last_ns = 0

    def doubt(self) -> None:
        """Take no state for known until the next `settle`: what was read may be of several, whatever the time says."""
        self.size = -1

    def follow(self, other: Watch) -> None:
        """Take for known, and for our own, what another watch of the same file knows."""
        self.path = other.path
        self.own = self.size, self.mtime_ns = other.size, other.mtime_ns
        self._last_ns = max(self._last_ns, self.mtime_ns)

    def settle(self, *, changed: bool) -> None:
        """Wait until nobody changes the file, then take its state for known.

        Parameters
        ----------
        changed : bool
            Whether somebody was seen changing it, who may need several calls for that.

        Raises
        ------
        FileChanged
            If it is changed again and again.
        FileLocked, JournalError, FitsIOError
            As `at_open`.
        """
        tries = Tries(self.path)
        while True:
            found = self._look()
            rest = self._unrest(found, changed=changed)
            if not rest:
                self.size, self.mtime_ns = found
                return
            tries.again(PATIENCE + _tick(found) / SECOND)
            time.sleep(rest / SECOND)

    def committed(self) -> None:
        """Take what our own change has left for known, and mark it as quiet: others see that it is done.

        The time of modification becomes one that the file never had, a tick back. Where that cannot be set, or the
        clock is too coarse for it, it stays that of the last write.
        """
        now, tick = time.time_ns(), _tick(self.own)
        step = _STEP if tick == TICK else 2 * SECOND
        then = max(self._last_ns // step * step + step, (now - tick) // _STEP * _STEP)
        with suppress(OSError):  # a later look then finds the file changed, and looks closer
            stamped = self._stamps and then <= now and self._set_time((now, then))
            found = self._look()
            if stamped and found[1] <= self._last_ns:  # the file system has no such fine times
                self._stamps = False
                self._set_time(None)
                found = self._look()
            self.own = self.size, self.mtime_ns = found
            self._last_ns = found[1]

    def _look(self) -> State:
        try:
            return state_in(os.fstat(self.descriptor))
        except OSError as error:
            raise FitsIOError(error.errno or 0, f"cannot look at {self.path}: {error.strerror}") from error

    def _set_time(self, times: tuple[int, int] | None) -> bool:
        try:
            stamp(self.descriptor, self.path, times)
        except OSError:  # only the owner may, and not everywhere
            self._stamps = False
        return self._stamps

    def _unrest(self, found: State, *, changed: bool) -> int:
        """Return for how many ns a state that was just found is not to be relied on; 0 if it is. As `settle`."""
        wait_for_call(self.descriptor, found[0])  # it sets the time when it begins
        self._await_journal()
        tick, age = _tick(found), time.time_ns() - found[1]
        # Who was not seen changing the file may be done with it: it is enough then that another change would show.
        enough = not changed and tick == TICK
        if -tick < age < tick and not (enough and _shows_every_change(self.descriptor)):
            return tick - age
        return 0 if unchanged(self.descriptor, *found) else _PAUSE

    def _await_journal(self) -> None:
        """Wait for one of our own writers; errors as `at_open`."""
        if not os.path.lexists(self.path + JOURNAL_SUFFIX):
            return
        try:
            named = os.stat(self.path)
        except OSError:
            return  # the file was moved or removed: nobody finds it to change it
        if os.path.samestat(named, os.fstat(self.descriptor)):
            undo_leftover(self.path, "r")


class Tries:
    """How often, and for how long, something is tried again because the file was changed meanwhile.

    Parameters
    ----------
    path : str
        Of the file, for the error.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0
        self._start = time.monotonic()

    def again(self, patience: float = PATIENCE) -> None:
        """Count a try that failed.

        Parameters
        ----------
        patience : float
            Seconds since the first try after which there is no other.

        Raises
        ------
        FileChanged
            If it was tried often enough.
        """
        self._count += 1
        if self._count >= MIN_TRIES and time.monotonic() - self._start > patience:
            raise FileChanged(self._path, "it is changed again and again; try once more when that is done")


def _tick(state: State) -> int:
    """Return how far apart, in ns, the times of two changes lie that surely differ."""
    return TICK if state[1] % SECOND else COARSE_TICK


def _shows_every_change(descriptor: int) -> bool:
    """Return whether a change of a file always gives it another time than the one that was looked at.

    From Linux 6.13 on, some file systems take a finer clock for the first change after a look.
    """
    try:
        return _is_multigrain(os.fstat(descriptor).st_dev)
    except OSError:
        return False


@cache
def _is_multigrain(device: int) -> bool:
    version = linux_version()
    if not version:
        return False
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            lines = [line.split(" - ", 1) for line in mounts]
    except (OSError, ValueError):
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {kind.split()[0] for mount, *rest in lines for kind in rest if mount.split()[2] == number}
    return version >= (6, 13) and bool(kinds) and kinds <= set(_MULTIGRAIN)
