"""The parts of a remote file that were fetched, or are on their way: which are missing, together, and side by side."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right, insort
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from copy import copy

Range = tuple[int, int]
Fetch = Callable[[int, int], bytes]

NTHREADS = 32  # requests under way at a time: most of those for headers are over as soon as they are answered
NPIECES = 8  # of a long range
MIN_GAP_NBYTES = 1 << 12  # fetched for nothing at any time: another request takes longer
MAX_GAP_NBYTES = 1 << 16  # likewise, if the gaps are a fifth of what is fetched at most, or there are many
MANY = 6 * NTHREADS  # ranges, so that they would come one after the other
QUEUE_TIMEOUTS = 10  # how many times as long as a request may take it waits for its turn
LEAST_PIECE_NBYTES = 1 << 20  # of a long range that is cut, so that its pieces come side by side
MOST_PIECE_NBYTES = 4 << 20


class Part:
    """Bytes ``start`` to ``stop`` of the file, which come with a request.

    Attributes
    ----------
    data : bytes or None
        None as long as they are on their way.
    waits : bool
        Whether they were asked for ahead of whoever needs them, and nobody has taken them yet.
    """

    __slots__ = ("data", "request", "start", "stop", "waits")

    def __init__(self, start: int, stop: int, request: Request, waits: bool) -> None:
        self.start, self.stop, self.waits = start, stop, waits
        self.data: bytes | None = None
        self.request: Request | None = request

    def wait(self, timeout: float | None) -> bytes:
        """Return the bytes when they are there.

        Parameters
        ----------
        timeout : float or None
            Seconds that the request may take from when it is made. It may wait for others before.

        Raises
        ------
        TimeoutError
            If they do not come in time.
        Exception
            What the request has raised.
        """
        request = self.request
        if request is not None:
            begin = time.monotonic()
            if timeout is None:
                request.done.wait()
            while timeout is not None and not request.done.wait(timeout / 4):
                now, made = time.monotonic(), request.made
                late = now - begin > QUEUE_TIMEOUTS * timeout if made is None else now - made > timeout
                if late:
                    raise TimeoutError("nothing came in time")
            if request.error is not None:
                raise copy(request.error)  # others may raise it too
        assert self.data is not None
        return self.data


class Request:
    """One request, and the parts that come with it."""

    __slots__ = ("done", "error", "made", "parts", "start", "stop")

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.parts: list[Part] = []
        self.done = threading.Event()
        self.made: float | None = None  # when a thread has taken it up
        self.error: Exception | None = None


class Parts:
    """Parts of one file, none over another, those used last kept; and a few threads that fetch others.

    Parameters
    ----------
    fetch : callable
        Brings the bytes from one position to another; called by the threads.
    size : int
        Bytes of the file.
    block : int
        Bytes of a block, if whole blocks are to be fetched; 0 if just what is needed is.
    capacity : int
        Bytes to keep.
    """

    def __init__(self, fetch: Fetch, size: int, block: int, capacity: int) -> None:
        self._fetch, self._size, self._block, self._capacity = fetch, size, block, capacity
        self._lock = threading.Lock()
        self._starts: list[int] = []
        self._parts: OrderedDict[int, Part] = OrderedDict()  # by start, those used last at the end
        self._nbytes = 0  # of all parts
        self._waiting = 0  # bytes of those that wait
        self._planned: deque[Range] = deque()
        self._requests: deque[Request] = deque()
        self._nthreads = 0

    def put(self, data: bytes, start: int) -> None:
        """Take bytes of the file from ``start`` on, which are there already."""
        request = Request(start, start + len(data))
        with self._lock:
            self._add(request, waits=False)
            self._deliver(request, data)

    def want(self, ranges: Iterable[Range]) -> list[Part]:
        """Return the parts that hold ranges, in their order in the file; requests for what is missing are on their way.

        Parameters
        ----------
        ranges : iterable of (int, int)
            Within the file; in any order; may overlap.
        """
        wanted = _united(ranges)
        with self._lock:
            missing = self._missing(wanted)
            if missing and self._planned:
                self._start(self._taken_from_plan(missing), waits=True)
                missing = self._missing(wanted)
            self._start(self._pieces(missing), waits=False)
            found = list(dict.fromkeys(part for each in wanted for part in self._over(each)))
            for part in found:
                self._parts.move_to_end(part.start)
                if part.waits:
                    part.waits = False
                    self._waiting -= part.stop - part.start
            self._go_on()
            self._evict()
        return found

    def plan(self, ranges: Iterable[Range]) -> None:
        """Fetch ranges ahead of whoever will want them, as many as half of the capacity holds at a time."""
        with self._lock:
            self._planned = deque(self._pieces(self._missing(_united(ranges))))
            self._go_on()

    # -- which parts ----------------------------------------------------------------------------------------------

    def _over(self, wanted: Range) -> list[Part]:
        """Return the parts that there are of a range, in order."""
        start, stop = wanted
        index = max(bisect_right(self._starts, start) - 1, 0)
        found = []
        while index < len(self._starts) and self._starts[index] < stop:
            part = self._parts[self._starts[index]]
            if part.stop > start:
                found.append(part)
            index += 1
        return found

    def _missing(self, wanted: list[Range]) -> list[Range]:
        """Return what is not there of ranges that are sorted."""
        missing = []
        for start, stop in wanted:
            at = start
            for part in self._over((start, stop)):
                if part.start > at:
                    missing.append((at, part.start))
                at = max(at, part.stop)
            if at < stop:
                missing.append((at, stop))
        return missing

    def _pieces(self, missing: list[Range]) -> list[Range]:
        """Return what to ask for: neighbours together, whole blocks where there are blocks, long ranges cut."""
        if not missing:
            return []
        block = self._block
        if block:
            aligned = [(a // block * block, min(-(-b // block) * block, self._size)) for a, b in missing]
            joined = self._missing(_united(aligned))
        else:
            joined = self._joined(missing)
        total = sum(stop - start for start, stop in joined)
        piece = min(max(total // NPIECES, LEAST_PIECE_NBYTES), MOST_PIECE_NBYTES)
        if block:
            piece = max(MOST_PIECE_NBYTES // block, 1) * block
        return [(at, min(at + piece, stop)) for start, stop in joined for at in range(start, stop, piece)]

    def _joined(self, missing: list[Range]) -> list[Range]:
        """Join ranges with small gaps between them, in which there is nothing yet."""
        many = len(missing) > MANY
        joined: list[Range] = []
        needed = spent = 0
        for start, stop in missing:
            gap = start - joined[-1][1] if joined else -1
            cheap = many or 4 * (spent + gap) <= needed + stop - start
            small = gap <= MIN_GAP_NBYTES or (gap <= MAX_GAP_NBYTES and cheap)
            if joined and small and not self._over((joined[-1][1], start)):
                joined[-1] = joined[-1][0], stop
                spent += gap
                needed += stop - start
            else:
                joined.append((start, stop))
                needed, spent = stop - start, 0
        return joined

    def _taken_from_plan(self, missing: list[Range]) -> list[Range]:
        """Take out of the plan, and return, what somebody wants now."""
        taken: list[Range] = []
        left: deque[Range] = deque()
        for planned in self._planned:
            now = any(planned[0] < stop and start < planned[1] for start, stop in missing)
            (taken if now else left).append(planned)
        self._planned = left
        return [each for planned in taken for each in self._missing([planned])]

    # -- requests -------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Begin with what is planned, as far as there is room."""
        room = self._capacity // 2
        while self._planned and self._waiting + self._planned[0][1] - self._planned[0][0] <= room:
            self._start(self._missing([self._planned.popleft()]), waits=True)
        if self._planned and not self._waiting and not room:
            self._planned.clear()

    def _start(self, pieces: list[Range], *, waits: bool) -> None:
        for start, stop in pieces:
            request = Request(start, stop)
            self._add(request, waits=waits)
            self._requests.append(request)
            if self._nthreads < NTHREADS:
                self._nthreads += 1
                try:
                    threading.Thread(target=self._work, name="rustfits-remote", daemon=True).start()
                except RuntimeError as error:  # the system has no room for one
                    self._nthreads -= 1
                    if self._nthreads:
                        continue  # those that there are make this request too
                    self._requests.remove(request)
                    for part in request.parts:
                        self._drop(part)
                    request.error = error
                    request.done.set()
                    if not waits:  # what is fetched ahead is asked for again by who wants it
                        raise

    def _add(self, request: Request, *, waits: bool) -> None:
        """List the parts that come with a request."""
        block = self._block
        stops = [*range((request.start // block + 1) * block, request.stop, block)] if block else []
        for start, stop in zip([request.start, *stops], [*stops, request.stop], strict=True):
            if stop > start:
                part = Part(start, stop, request, waits)
                request.parts.append(part)
                self._parts[start] = part
                insort(self._starts, start)
                self._nbytes += stop - start
                self._waiting += stop - start if waits else 0

    def _work(self) -> None:
        """Fetch what is asked for until there is nothing left."""
        while True:
            with self._lock:
                if not self._requests:
                    self._nthreads -= 1
                    return
                request = self._requests.popleft()
                request.made = time.monotonic()
            try:
                data = self._fetch(request.start, request.stop)
            except Exception as error:  # whoever waits for it raises it
                with self._lock:
                    request.error = error
                    for part in request.parts:
                        self._drop(part)
            else:
                with self._lock:
                    self._deliver(request, data)
                    self._evict()
            request.done.set()

    def _deliver(self, request: Request, data: bytes) -> None:
        alone = len(request.parts) == 1
        for part in request.parts:  # copies, so that what is kept of a request is all that it holds
            part.data = data if alone else data[part.start - request.start : part.stop - request.start]
            part.request = None

    def _evict(self) -> None:
        """Drop the parts used longest ago that are there; who has them keeps them."""
        if self._nbytes <= self._capacity:
            return
        for part in [part for part in self._parts.values() if part.data is not None]:
            if self._nbytes <= self._capacity:
                return
            self._drop(part)

    def _drop(self, part: Part) -> None:
        if self._parts.get(part.start) is part:
            del self._parts[part.start]
            del self._starts[bisect_right(self._starts, part.start) - 1]
            self._nbytes -= part.stop - part.start
            if part.waits:
                self._waiting -= part.stop - part.start


def _united(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges sorted, those that overlap or touch as one, without empty ones."""
    united: list[Range] = []
    for start, stop in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(stop, united[-1][1])
        elif stop > start:
            united.append((start, stop))
    return united
