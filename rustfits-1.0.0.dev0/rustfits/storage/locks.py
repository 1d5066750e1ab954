"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

import threading
from threading import get_ident


class ReadWriteLock:
    """Many readers or one writer; both nest, and a writer may read.

    A reader must not ask to write before it has let go: two that did would wait for each other, so this raises.
    Writers that wait go before new readers, except before those who are reading already.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()  # held for a few steps only: it guards what follows
        self._reading: threading.Condition | None = None  # made by the first reader who has to wait
        self._writing: threading.Condition | None = None  # made by the first writer who has to wait
        self._readers: dict[int, int] = {}  # thread -> depth
        self._writer: int | None = None
        self._writer_depth = 0
        self._waiting = 0

    def acquire_shared(self) -> None:
        """Wait for the right to read; `release_shared` has to follow, on this thread."""
        me = get_ident()
        with self._mutex:
            if self._writer is None and not self._waiting and me not in self._readers:  # as a rule
                self._readers[me] = 1
                return
            depth = self._readers.get(me, 0)
            if not depth and self._writer != me and (self._writer is not None or self._waiting):
                if self._reading is None:
                    self._reading = threading.Condition(self._mutex)
                self._reading.wait_for(lambda: self._writer is None and not self._waiting)
            self._readers[me] = depth + 1

    def release_shared(self) -> bool:
        """Give back what `acquire_shared` got; return whether this thread reads no more."""
        me = get_ident()
        with self._mutex:
            depth = self._readers.pop(me)
            if depth == 1:
                if self._waiting and not self._readers:
                    self._pass_on()
                return True
            self._readers[me] = depth - 1
            return False

    def exclusive(self) -> Exclusive:
        """Return a context that holds the lock alone."""
        return Exclusive(self)

    def acquire_exclusive(self) -> None:
        """Wait for the right to write; `release_exclusive` has to follow, on this thread."""
        me = get_ident()
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
                self._pass_on()

    # -- with the mutex held --------------------------------------------------------------------------------------

    def _wait_to_write(self, me: int) -> None:
        if me in self._readers:
            raise AssertionError("a reader asked to write while it reads")
        if self._writing is None:
            self._writing = threading.Condition(self._mutex)
        self._waiting += 1
        try:
            self._writing.wait_for(lambda: self._writer is None and not self._readers)
            self._writer = me
        finally:
            self._waiting -= 1
            self._pass_on()  # an interrupted writer must not leave others waiting

    def _pass_on(self) -> None:
        """Wake those who can go now, and no others: who wakes in vain takes turns of the interpreter from who works."""
        if self._waiting:
            if self._writing is not None and self._writer is None and not self._readers:
                self._writing.notify()
        elif self._reading is not None and self._writer is None:
            self._reading.notify_all()


class Exclusive:
    """The context of `ReadWriteLock.exclusive`."""

    __slots__ = ("_lock",)

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire_exclusive()

    def __exit__(self, *_: object) -> None:
        self._lock.release_exclusive()
