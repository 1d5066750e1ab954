"""Memory of large arrays, used again by the next ones instead of being asked of the system anew.

New memory comes page by page, filled with zeros by the system, which for an image takes about as long as its decoding.
What an array leaves is given back in a way that the system may take it at any time (MADV_FREE), but until it does, the
next large array finds it ready.
"""

from __future__ import annotations

import mmap
import os
import threading
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import InvalidParameter
from rustfits.system import GIVE_BACK, new_memory

VARIABLE = "RUSTFITS_REUSED_NBYTES"
LEAST_NBYTES = 16 << 20  # of an array: smaller ones are used again by the memory allocator of the system
PAST_NBYTES = 16 << 20  # of a result: what is larger does not stay in the cache, and is best written past it
DEFAULT_NBYTES = 256 << 20  # of all memory that waits to be used again

_HUGE_PAGE = 2 << 20

_waiting: list[mmap.mmap] = []  # append and pop are atomic, and no more is needed


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new C-contiguous array of any content, as `numpy.empty` does.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
        Of no objects.

    Returns
    -------
    array of shape ``shape``
        A large one has a `base`: what gives its memory back when the last view of it is gone.

    Raises
    ------
    MemoryError
        If there is not as much.
    InvalidParameter
        If the environment variable ``RUSTFITS_REUSED_NBYTES`` is set, but to no number.
    """
    nbytes = prod(shape) * dtype.itemsize
    if nbytes < LEAST_NBYTES or GIVE_BACK is None or nbytes > capacity():
        return np.empty(shape, dtype=dtype)
    block = _take(nbytes)
    if block is None:
        try:
            block = new_memory(-(-nbytes // _HUGE_PAGE) * _HUGE_PAGE)
        except (OSError, ValueError, OverflowError):
            return np.empty(shape, dtype=dtype)  # which says what is wrong
    if dtype.names is None:
        return np.asarray(_Lease(block, shape, dtype))
    return np.asarray(_Lease(block, (nbytes,), np.dtype(np.uint8))).view(dtype).reshape(shape)


def capacity() -> int:
    """Return how many bytes may wait to be used again: the value of ``RUSTFITS_REUSED_NBYTES``, or else 256 MiB."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT_NBYTES
    if not text.isdecimal():
        raise InvalidParameter(VARIABLE, text, "must be a whole number of bytes, 0 to use no memory again")
    return int(text)


def waiting_nbytes() -> int:
    """Return how many bytes wait to be used again, as far as the system has not taken them."""
    return sum([len(block) for block in _waiting.copy()])


def _take(nbytes: int) -> mmap.mmap | None:
    """Return memory that waits, if some is large enough and not much too large; the last that came comes first."""
    others: list[mmap.mmap] = []
    found: mmap.mmap | None = None
    while found is None:
        try:
            block = _waiting.pop()
        except IndexError:
            break
        if nbytes <= len(block) <= nbytes + nbytes // 4 + _HUGE_PAGE:
            found = block
        else:
            others.append(block)
    _waiting.extend(others[::-1])
    return found


def _give_back(block: mmap.mmap) -> None:
    """Keep memory for the next array, and drop what has waited longest if that is too much."""
    assert GIVE_BACK is not None
    try:
        block.madvise(GIVE_BACK)
    except OSError:  # locked in memory, for instance: then it had better go
        return
    _waiting.append(block)
    most = capacity()
    while waiting_nbytes() > most:
        try:
            del _waiting[0]
        except IndexError:
            return


class Shelf:
    """Keeps bytes that come little by little, side by side in large pieces of memory; threads may share it.

    Parameters
    ----------
    nbytes : int
        About how many bytes may come in all.
    """

    def __init__(self, nbytes: int) -> None:
        self._lock = threading.Lock()
        self._piece_nbytes = min(nbytes, LEAST_NBYTES)
        self._piece: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self._used = 0

    def keep(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a copy of ``data``, an array of one axis, that stays as long as it is wanted."""
        with self._lock:
            if data.size > self._piece.size - self._used:
                self._piece, self._used = empty((max(data.size, self._piece_nbytes),), data.dtype), 0
            kept = self._piece[self._used : self._used + data.size]
            self._used += data.size
        kept[...] = data
        return kept


class _Lease:
    """What holds the memory of one array, and of its views."""

    __slots__ = ("__array_interface__", "_block")

    def __init__(self, block: mmap.mmap, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._block = block
        address = np.frombuffer(block, dtype=np.uint8, count=1).__array_interface__["data"][0]
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (address, False)}

    def __del__(self, give_back: Any = _give_back) -> None:
        give_back(self._block)
