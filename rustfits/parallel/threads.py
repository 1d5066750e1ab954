"""The threads that decode and encode: one pool for the process, and how many it may use."""

from __future__ import annotations

import itertools
import operator
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits.errors import InvalidParameter
from rustfits.system import after_fork, usable_cpus

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")

VARIABLE = "RUSTFITS_NUM_THREADS"
SCRATCH_NBYTES = 8 << 20  # of one buffer; what is larger is allocated, and given back
CACHE_LINE = 64  # bytes
SMALL_NPIXELS = 1 << 20  # below this, waking another thread costs about as much as it saves


class _Pool:
    """The shared pool, made when it is first needed and anew after a fork or another number of threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.nthreads: int | None = None  # None: not chosen yet
        self.executor: ThreadPoolExecutor | None = None
        self.watches_forks = False

    def submit(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        """Ask for ``count`` more threads to do ``work``; fewer come if the interpreter is shutting down."""
        futures: list[Future[None]] = []
        with self.lock:
            if self.executor is None:
                from concurrent.futures import ThreadPoolExecutor  # with all that logging is made of

                self.executor = ThreadPoolExecutor(get_num_threads(), thread_name_prefix="rustfits")
                if not self.watches_forks:
                    after_fork(self.forget)
                    self.watches_forks = True
            try:
                futures.extend(self.executor.submit(work) for _ in range(count))
            except RuntimeError:  # no thread can be started: the caller does what is left
                self.executor.shutdown(wait=False, cancel_futures=not futures)  # else it would keep the work
                self.executor = None
        return futures

    def forget(self) -> None:
        """Drop the pool in a forked child, where its threads do not exist and its lock may be held."""
        self.lock = threading.Lock()
        self.executor = None

    def resize(self, nthreads: int) -> None:
        """Use ``nthreads`` from now on; work under way ends with those it has."""
        with self.lock:
            executor, self.executor = self.executor, None
            self.nthreads = nthreads
        if executor is not None:
            executor.shutdown(wait=False)


_POOL = _Pool()


def set_num_threads(n: int) -> None:
    """Set how many threads decode and encode tiles; results never depend on it.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    InvalidParameter
        If ``n`` is less than 1.
    TypeError
        If ``n`` is no integer.
    """
    if isinstance(n, bool):
        raise TypeError(f"the number of threads must be an int, not {n!r}")
    nthreads = operator.index(n)
    if nthreads < 1:
        raise InvalidParameter("number of threads", nthreads, "must be at least 1")
    _POOL.resize(nthreads)


def get_num_threads() -> int:
    """Return how many threads decode and encode tiles.

    At first the value of the environment variable ``RUSTFITS_NUM_THREADS``, or else the number of CPUs that the
    process may use.

    Raises
    ------
    InvalidParameter
        If that variable is set, but not to a number above 0.
    """
    if _POOL.nthreads is None:
        _POOL.nthreads = _default()
    return _POOL.nthreads


def _default() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise InvalidParameter(VARIABLE, text, "must be a whole number, at least 1")
        return int(text)
    return usable_cpus()


def workers(npixels: int) -> int:
    """Return how many threads share work on so many pixels; little work stays on the calling thread."""
    return get_num_threads() if npixels >= SMALL_NPIXELS else 1


def run(work: Callable[[T], None], items: Sequence[T], *, npixels: int) -> None:
    """Call ``work`` with every item, on several threads if there is enough to do.

    The calling thread works too, so that it makes progress whatever the pool is busy with.

    Parameters
    ----------
    work : callable
        Must not care for the order of the items, nor for the thread it runs on.
    items : sequence
        Handed out in order.
    npixels : int
        Pixels of all items together; little work stays on the calling thread.

    Raises
    ------
    BaseException
        What ``work`` raised for the first item, in the order of ``items``, that failed: the same whatever the number
        of threads. No new item is begun after a failure.
    """
    nthreads = min(workers(npixels), len(items))
    if nthreads <= 1:
        for item in items:
            work(item)
        return
    crew = _Crew(work, items)
    futures = _POOL.submit(crew.work_off, nthreads - 1)
    try:
        crew.work_off()
    finally:
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.result()  # never raises: `work_off` keeps what was raised
    crew.raise_first()


_BUFFERS = threading.local()


def scratch(use: str, size: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return a contiguous array for intermediate results, of any content: the same memory every time.

    Memory that is allocated anew for each batch is given back to the system and asked for again, page by page, which
    takes as long as the decoding.

    Parameters
    ----------
    use : str
        What for. The array belongs to the caller until this thread asks for the same use again.
    size : int
    dtype : dtype
    """
    kind = np.dtype(dtype)
    nbytes = size * kind.itemsize
    if nbytes > SCRATCH_NBYTES:
        return np.empty(size, dtype=kind)
    buffer: NDArray[np.uint8] | None = _BUFFERS.__dict__.get(use)
    if buffer is None or buffer.size < nbytes:
        buffer = np.empty(nbytes + nbytes // 8 + CACHE_LINE, dtype=np.uint8)  # the next batch may be somewhat larger
        buffer = buffer[-buffer.ctypes.data % CACHE_LINE :]  # what is written across two lines costs twice as much
        setattr(_BUFFERS, use, buffer)
    return buffer[:nbytes].view(kind)


class _Crew:
    """The threads that share the items of one call of `run`."""

    def __init__(self, work: Callable[[T], None], items: Sequence[T]) -> None:
        self._work = work
        self._items = items
        self._next = itertools.count()  # next() of it is atomic
        self._faults: dict[int, BaseException] = {}

    def work_off(self) -> None:
        """Take one item after the other until none is left or one failed."""
        for number in self._next:
            if number >= len(self._items) or self._faults:
                return
            try:
                self._work(self._items[number])
            except BaseException as fault:  # raised again, on the calling thread
                self._faults[number] = fault

    def raise_first(self) -> None:
        """Raise the failure of the first item that failed."""
        try:
            if self._faults:
                raise self._faults[min(self._faults)]
        finally:  # else the failure holds this frame, which holds the failure, and all arrays of both stay for a while
            self._faults.clear()
