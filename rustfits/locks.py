"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

import threading
from collections.abc import Callable


class ReadWriteLock:
    """Many readers or one writer; both nest, and a writer may read.

    A reader must not ask to write before it has let go: two that did would wait for each other, so this raises.
    Writers that wait go before new readers, except before those who are reading already.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()  # held for a few steps only: it guards what follows
        self._condition: threading.Condition | None = None  # made by the first who has to wait
        self._readers: dict[int, int] = {}  # thread -> depth
        self._writer: int | None = None
        self._writer_depth = 0
        self._waiting = 0

    def shared(self) -> Shared:
        """Return a context that holds the lock beside other readers."""
        return Shared(self)

    def acquire_shared(self) -> None:
        """Wait for the right to read; `release_shared` has to follow, on this thread."""
        me = threading.get_ident()
        with self._mutex:
            depth = self._readers.get(me, 0)
            if not depth and self._writer != me and (self._writer is not None or self._waiting):
                self._wait_for(lambda: self._writer is None and not self._waiting)
            self._readers[me] = depth + 1

    def release_shared(self) -> None:
        """Give back what `acquire_shared` got."""
        me = threading.get_ident()
        with self._mutex:
            depth = self._readers[me]
            if depth > 1:
                self._readers[me] = depth - 1
                return
            del self._readers[me]
            if self._waiting:
                self._notify()

    def exclusive(self) -> Exclusive:
        """Return a context that holds the lock alone."""
        return Exclusive(self)

    def acquire_exclusive(self) -> None:
        """Wait for the right to write; `release_exclusive` has to follow, on this thread."""
        me = threading.get_ident()
        with self._mutex:
            if self._writer != me:
                if self._writer is not None or self._readers:
                    self._wait_to_write(me)
                self._writer = me
            self._writer_depth += 1

    def release_exclusive(self) -> None:
        """Give back what `acquire_exclusive` got."""
        with self._mutex:
            self._writer_depth -= 1
            if not self._writer_depth:
                self._writer = None
                self._notify()

    # -- with the mutex held --------------------------------------------------------------------------------------

    def _wait_to_write(self, me: int) -> None:
        if me in self._readers:
            raise AssertionError("a reader asked to write while it reads")
        self._waiting += 1
        try:
            self._wait_for(lambda: self._writer is None and not self._readers)
        finally:
            self._waiting -= 1
            self._notify()  # an interrupted writer must not leave readers waiting

    def _wait_for(self, ready: Callable[[], bool]) -> None:
        if not ready():
            if self._condition is None:
                self._condition = threading.Condition(self._mutex)
            self._condition.wait_for(ready)

    def _notify(self) -> None:
        if self._condition is not None:
            self._condition.notify_all()


class Shared:
    """The context of `ReadWriteLock.shared`: a class, since every small read goes through it."""

    __slots__ = ("_lock",)

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire_shared()

    def __exit__(self, *_: object) -> None:
        self._lock.release_shared()


class Exclusive:
    """The context of `ReadWriteLock.exclusive`, as `Shared`."""

    __slots__ = ("_lock",)

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire_exclusive()

    def __exit__(self, *_: object) -> None:
        self._lock.release_exclusive()
