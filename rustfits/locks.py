"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Many readers or one writer; both nest, and a writer may read.

    A reader must not ask to write before it has let go: two that did would wait for each other, so this raises.
    Writers that wait go before new readers, except before those who are reading already.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._readers: dict[int, int] = {}  # thread -> depth
        self._writer: int | None = None
        self._writer_depth = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock beside other readers."""
        me = threading.get_ident()
        with self._condition:
            if self._writer != me and me not in self._readers:
                self._condition.wait_for(lambda: self._writer is None and not self._waiting)
            self._readers[me] = self._readers.get(me, 0) + 1
        try:
            yield
        finally:
            with self._condition:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
                    self._condition.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone."""
        me = threading.get_ident()
        with self._condition:
            if self._writer != me:
                if me in self._readers:
                    raise AssertionError("a reader asked to write while it reads")
                self._waiting += 1
                try:
                    self._condition.wait_for(lambda: self._writer is None and not self._readers)
                finally:
                    self._waiting -= 1
                    self._condition.notify_all()  # an interrupted writer must not leave readers waiting
                self._writer = me
            self._writer_depth += 1
        try:
            yield
        finally:
            with self._condition:
                self._writer_depth -= 1
                if not self._writer_depth:
                    self._writer = None
                    self._condition.notify_all()
