"""What brings the bytes of one file over: the contract, faults that may pass, and how often it is tried again."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from rustfits.plugin import FileChanged, FitsIOError, Identity

MAX_TRIES = 6
FIRST_PAUSE = 0.1  # seconds before the second try
MAX_PAUSE = 2.0
OTHER = "its size, ETag or time is another one; open it again"

T = TypeVar("T")


class Opened(NamedTuple):
    """What the first request has brought.

    Attributes
    ----------
    data : bytes
        From byte ``start`` of the file on.
    size : int
        Bytes of the file.
    identity : tuple or None
        As `Storage.identity`.
    start : int
    """

    data: bytes
    size: int
    identity: Identity | None
    start: int = 0


class PassingFault(Exception):
    """A fault that may be gone at the next try.

    Parameters
    ----------
    reason : str
        Without credentials.
    pause : float or None
        Seconds that the server asks to wait.
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.pause = reason, pause


class Deadline:
    """The time by which something has to be there.

    Parameters
    ----------
    timeout : float or None
        Seconds from now on; None if there is no such time.
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.renew()

    def renew(self) -> None:
        """Begin anew, since there was progress."""
        self._stop = None if self.timeout is None else time.monotonic() + self.timeout

    @property
    def left(self) -> float | None:
        """Seconds that are left, more than 0; None if there is no end.

        Raises
        ------
        TimeoutError
            If none are left.
        """
        if self._stop is None:
            return None
        left = self._stop - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"nothing more came within {self.timeout:g} s")
        return left


class Transport(ABC):
    """Brings the bytes of one file, in the state that it was opened in, and no other.

    Several threads may fetch at once.

    Attributes
    ----------
    name : str
        What messages call the file: without credentials.
    timed : bool
        Whether each call ends by its deadline. Otherwise whoever waits for it has to mind the time.
    """

    name: str
    timed: bool = False

    @abstractmethod
    def open(self, nbytes: int | None, deadline: Deadline, start: int = 0) -> Opened:
        """Bring so many bytes from ``start`` on; all there are if ``nbytes`` is None.

        Raises
        ------
        PassingFault
            If it had best be tried again.
        FitsIOError
            If there is no such file, or it cannot be had so.
        FileChanged
            If it ends before ``start``, which was in it once.
        """

    @abstractmethod
    def fetch(self, start: int, stop: int, deadline: Deadline) -> bytes:
        """Bring the bytes from ``start`` to ``stop``, which are in the file.

        Raises
        ------
        PassingFault, FitsIOError
            As `open`.
        FileChanged
            If the file is in another state.
        """

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Release what is held."""

    def forked(self) -> None:  # noqa: B027 - likewise
        """Forget what a process cannot share with the one it was forked from."""

    def changed(self) -> FileChanged:
        """Return the error of a file in another state."""
        return FileChanged(self.name, OTHER)


def opened(transport: Transport, nbytes: int | None, timeout: float | None, start: int = 0) -> Opened:
    """Bring some bytes of a file, or all of them, with as many tries as there is time for.

    Raises
    ------
    FitsIOError
        As `patiently`.
    """
    deadline = Deadline(timeout)

    def tried() -> Opened:
        return patiently(lambda: transport.open(nbytes, deadline, start), transport.name, deadline)

    if timeout is None or transport.timed:
        return tried()
    found: list[Opened | BaseException] = []

    def work() -> None:
        try:
            found.append(tried())
        except BaseException as error:  # raised by whoever waits
            found.append(error)

    thread = threading.Thread(target=work, name="rustfits-remote", daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise FitsIOError(f"cannot read {transport.name}: nothing came within {timeout:g} s")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def patiently(attempt: Callable[[], T], name: str, deadline: Deadline) -> T:
    """Call ``attempt`` until it works, with pauses that grow, as long as there is time.

    Parameters
    ----------
    attempt : callable
    name : str
        Of the file, for errors.
    deadline : Deadline

    Raises
    ------
    FitsIOError
        If it does not work in time, or was tried often enough.
    """
    pause = FIRST_PAUSE
    for number in range(1, MAX_TRIES + 1):
        try:
            return attempt()
        except TimeoutError as error:
            if isinstance(error, FitsIOError):
                raise
            raise FitsIOError(f"cannot read {name}: {error or 'nothing came in time'}") from None
        except PassingFault as fault:
            wait = min(max(fault.pause or 0.0, pause * random.uniform(0.7, 1.3)), 30.0)
            pause = min(2 * pause, MAX_PAUSE)
            reason, last = fault.reason, number == MAX_TRIES
            if not last and deadline.timeout is not None:
                try:
                    last = (deadline.left or 0.0) <= wait
                except TimeoutError:
                    last = True
            if last:
                tries = "1 try" if number == 1 else f"{number} tries"
                raise FitsIOError(f"cannot read {name}: {reason} (after {tries})") from None
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")
