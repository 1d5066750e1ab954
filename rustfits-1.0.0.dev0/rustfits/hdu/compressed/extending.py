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
from rustfits.hdu.base import HDU
from rustfits.storage.openfile import OpenFile

H = TypeVar("H", bound=HDU)

CAPACITY_NBYTES = 32 << 20


class PendingRows:
    """Rows that were given to `extend` and are not in the file yet.

    Attributes
    ----------
    capacity : int
        Bytes of rows from which on whole rows of tiles are written.
    nrows, nbytes : int
        Rows that wait, and their bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._undo: weakref.ref[_Restore] | None = None
        self._take([])

    def _take(self, pieces: list[NDArray[Any]]) -> None:
        self._pieces = pieces
        self.nrows, self.nbytes = sum(piece.shape[0] for piece in pieces), sum(piece.nbytes for piece in pieces)

    def add(self, rows: NDArray[Any]) -> None:
        """Let rows wait: stored pixels, which nobody may change afterwards."""
        self._pieces.append(rows)
        self.nrows += rows.shape[0]
        self.nbytes += rows.nbytes

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
        rest = iter(self._pieces)
        kept: list[NDArray[Any]] = []
        while nrows:
            head = next(rest)
            if head.shape[0] > nrows:
                kept.append(head[nrows:].copy())  # a view would keep all of the rows alive
            nrows -= min(head.shape[0], nrows)
        self._take([*kept, *rest])  # a new list: the old one may have to be restored

    @contextmanager
    def kept_on_failure(self, file: OpenFile) -> Iterator[None]:
        """Let what waits now wait again if the block fails, or the transaction that it is in."""
        before, count = self._pieces, len(self._pieces)
        if self._undo is None or self._undo() is None:
            # One for the whole of a transaction, since it keeps the rows alive, and others would keep all of them.
            undo = _Restore(self, before, count)
            self._undo = weakref.ref(undo)
            file.on_failure(undo)
        try:
            yield
        except BaseException:
            self._take(before[:count])
            raise


class _Restore:
    """Lets the first of some rows wait again when it is called."""

    def __init__(self, pending: PendingRows, pieces: list[NDArray[Any]], count: int) -> None:
        self._pending, self._pieces, self._count = pending, pieces, count

    def __call__(self) -> None:
        self._pending._take(self._pieces[: self._count])


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
    name : str
        Of the method that returns the context.
    """

    def __init__(
        self,
        hdu: H,
        file: OpenFile,
        index: int,
        begin: Callable[[], None],
        end: Callable[[], None],
        *,
        name: str = "extending",
    ) -> None:
        self._hdu, self._file, self._index = hdu, file, index
        self._begin, self._end, self._name = begin, end, name
        self._entered = False

    def __enter__(self) -> H:
        with self._hdu._changing():
            if self._index in self._file.contexts:
                raise ImageError(
                    f"the HDU is already inside {self._file.contexts[self._index]}(); leave that block first"
                )
            self._begin()
            self._file.contexts[self._index] = self._name
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
