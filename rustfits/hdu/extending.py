"""Rows that wait to be appended to a compressed image, so that incomplete tiles are not encoded over and over."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ImageError
from rustfits.openfile import OpenFile

H = TypeVar("H")

CAPACITY_NBYTES = 32 << 20


class PendingRows:
    """Rows that were given to `extend` and are not in the file yet.

    Attributes
    ----------
    capacity : int
        Bytes of rows from which on whole rows of tiles are written.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._pieces: list[NDArray[Any]] = []
        self._undo: weakref.ref[_Restore] | None = None

    @property
    def nrows(self) -> int:
        """Rows that wait."""
        return sum(piece.shape[0] for piece in self._pieces)

    @property
    def nbytes(self) -> int:
        """Bytes of these rows."""
        return sum(piece.nbytes for piece in self._pieces)

    def add(self, rows: NDArray[Any]) -> None:
        """Let rows wait: stored pixels, which nobody may change afterwards."""
        self._pieces.append(rows)

    def first(self, nrows: int) -> NDArray[Any]:
        """Return the first ``nrows`` rows, which stay where they are."""
        parts, wanted = [], nrows
        for piece in self._pieces:
            parts.append(piece[:wanted])
            wanted -= parts[-1].shape[0]
            if not wanted:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def drop(self, nrows: int) -> None:
        """Forget the first ``nrows`` rows."""
        while nrows:
            head = self._pieces[0]
            if head.shape[0] > nrows:
                # A copy, for a view would keep all of the rows alive.
                self._pieces[0] = head[nrows:].copy()
                return
            nrows -= head.shape[0]
            del self._pieces[0]

    @contextmanager
    def kept_on_failure(self, file: OpenFile) -> Iterator[None]:
        """Let what waits now wait again if the block fails, or the transaction that it is in."""
        before = list(self._pieces)
        if self._undo is None or self._undo() is None:
            # One for the whole of a transaction, since it keeps the rows alive, and others would keep all of them.
            undo = _Restore(self, before)
            self._undo = weakref.ref(undo)
            file.on_failure(undo)
        try:
            yield
        except BaseException:
            self._pieces = list(before)
            raise


class _Restore:
    """Lets some rows wait again when it is called."""

    def __init__(self, pending: PendingRows, pieces: list[NDArray[Any]]) -> None:
        self._pending, self._pieces = pending, pieces

    def __call__(self) -> None:
        self._pending._pieces = list(self._pieces)


class Extending(Generic[H]):
    """What ``with hdu.extending()`` enters and leaves; may be entered again afterwards.

    Parameters
    ----------
    hdu : HDU
        What entering returns.
    file : OpenFile
    index : int
        Of the HDU.
    begin : callable
        Makes `extend` collect; called with nobody else changing the file.
    end : callable
        Appends what was collected, and makes `extend` write again, even if that fails.
    """

    def __init__(self, hdu: H, file: OpenFile, index: int, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._hdu, self._file, self._index = hdu, file, index
        self._begin, self._end = begin, end
        self._entered = False

    def __enter__(self) -> H:
        with self._file.changing():
            if self._index in self._file.contexts:
                raise ImageError(
                    f"HDU {self._index} is already inside {self._file.contexts[self._index]}(); leave that block first"
                )
            self._begin()
            self._file.contexts[self._index] = "extending"
            self._entered = True
        return self._hdu

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._entered:
            self._entered = False
            try:
                self._end()
            finally:
                self._file.contexts.pop(self._index, None)
        return False
