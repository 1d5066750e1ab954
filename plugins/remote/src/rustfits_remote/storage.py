"""Files that another machine has: in memory as a whole, or by the parts that are asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import HEAD_NBYTES, FitsIOError, Identity, Storage, TruncatedFile, as_bytes
from rustfits_remote.parts import Part, Parts
from rustfits_remote.transport import Deadline, Transport, opened, patiently

if TYPE_CHECKING:
    from rustfits import Remote

CACHE_NBYTES = 32 << 20
_SECRET = "its URL or its file system may hold credentials, which are not passed on: open it by a URL without any"
_NAMELESS = "nothing tells its state: the server sends no ETag and no time of modification"


class DownloadedFile(Storage):
    """The bytes of a whole file, as they were when it was opened.

    Parameters
    ----------
    transport : Transport
    timeout : float or None
        Seconds without any progress.
    location : str
        As `Storage.location`; nothing if no other process can open it.
    """

    def __init__(self, transport: Transport, timeout: float | None, location: str) -> None:
        self.name, self.location = transport.name, location
        try:
            found = opened(transport, None, timeout)
        finally:
            transport.close()
        self._data = found.data
        self._identity = found.identity if location else None
        self.bound = _NAMELESS if location else _SECRET

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._data)

    def identity(self) -> Identity | None:
        """Return size and ETag, or time, of the file when it was downloaded."""
        return self._identity

    def _read_into(self, offset: int, target: memoryview) -> int:
        part = memoryview(self._data)[offset : offset + target.nbytes]
        target[: part.nbytes] = part
        return part.nbytes


class RangedFile(Storage):
    """A file of which the parts that are needed are fetched, and those used last are kept.

    Parameters
    ----------
    transport : Transport
    remote : Remote or None
    location : str
        As of `DownloadedFile`.
    near : int
        The byte at which reading begins: the first request brings what follows it.

    Raises
    ------
    FileChanged
        If the file ends before that byte.
    FitsIOError
        If the file cannot be had so.
    """

    partial = True
    fetches_ahead = True
    chunk_nbytes = 4 << 20

    def __init__(self, transport: Transport, remote: Remote | None, location: str, near: int = 0) -> None:
        self.name, self.location, self._transport = transport.name, location, transport
        self._timeout = None if remote is None else remote.timeout
        given = frozenset[str]() if remote is None else remote.given
        self._block = remote.block_bytes or 0 if remote is not None and "block_bytes" in given else 0
        cache_bytes = CACHE_NBYTES if remote is None else remote.cache_bytes
        self._capacity = CACHE_NBYTES if cache_bytes is None else cache_bytes
        nbytes = self._block or HEAD_NBYTES
        start = near // self._block * self._block if self._block else near
        try:
            found = opened(transport, nbytes, self._timeout, start if near >= nbytes else 0)
        except BaseException:
            transport.close()
            raise
        self._size, self._identity = found.size, found.identity if location else None
        self.bound = _NAMELESS if location else _SECRET
        if not found.start and len(found.data) >= min(HEAD_NBYTES, found.size):
            self.head = bytes(found.data[:HEAD_NBYTES])
        self._begin_parts(found.data, found.start)

    def _begin_parts(self, first: bytes = b"", start: int = 0) -> None:
        self._process = os.getpid()
        self._parts = Parts(self._fetch, self._size, self._block, self._capacity)
        if first:
            self._parts.put(first, start)

    def size(self) -> int:
        """Return the number of bytes, as the first answer has it: another one is an error."""
        return self._size

    def identity(self) -> Identity | None:
        """Return size and ETag, or time, of the file in the only state that is read."""
        return self._identity

    def _fetch(self, start: int, stop: int) -> bytes:
        deadline = Deadline(self._timeout)
        return patiently(lambda: self._transport.fetch(start, stop, deadline), self.name, deadline)

    def _want(self, ranges: list[tuple[int, int]]) -> list[Part]:
        if os.getpid() != self._process:  # threads and connections are those of the other process
            self._transport.forked()
            self._begin_parts()
        return self._parts.want(ranges)

    def _filled(self, parts: list[Part], start: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``start`` on, which are in the parts."""
        stop = start + target.nbytes
        for part in parts:
            begin, end = max(start, part.start), min(stop, part.stop)
            if begin >= end:
                continue
            try:
                data = part.wait(None if self._timeout is None or self._transport.timed else self._timeout)
            except TimeoutError as error:
                if isinstance(error, FitsIOError):
                    raise
                raise FitsIOError(f"cannot read {self.name}: {error}; the timeout is {self._timeout:g} s") from None
            target[begin - start : end - start] = memoryview(data)[begin - part.start : end - part.start]

    def _read_into(self, offset: int, target: memoryview) -> int:
        nbytes = max(min(target.nbytes, self._size - offset), 0)
        if nbytes:
            self._filled(self._want([(offset, offset + nbytes)]), offset, target[:nbytes])
        return nbytes

    def read_ranges(self, start: NDArray[np.int64], length: NDArray[np.int64], target: NDArray[Any]) -> None:
        """Read many ranges, all of them asked for at once; as `Storage.read_ranges`."""
        ranges = [(a, a + n) for a, n in zip(start.tolist(), length.tolist(), strict=True) if n]
        end = max((b for _, b in ranges), default=0)
        if end > self._size:
            wanted = f"wanted bytes up to byte {end}"
            raise TruncatedFile(f"{self.name} ends at byte {self._size}: {wanted}; the file is truncated")
        parts = self._want(ranges)
        view, at = as_bytes(target), 0
        first = 0
        for a, b in ranges:
            # Ranges mostly ascend, as the parts do.
            if first < len(parts) and (first and parts[first].start > a):
                first = 0
            while first < len(parts) and parts[first].stop <= a:
                first += 1
            last = first
            while last < len(parts) and parts[last].start < b:
                last += 1
            self._filled(parts[first:last], a, view[at : at + b - a])
            at += b - a

    def prefetch(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        """Begin to fetch ranges that will be read soon; as `Storage.prefetch`."""
        if os.getpid() == self._process:
            stop = np.minimum(start + length, self._size)
            self._parts.plan(zip(start.tolist(), stop.tolist(), strict=True))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
