"""Pixels moved from the file to memory and within it; `rustfits.codec.kernels` tells how others replace these."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.storage.base import Storage

Ints = tuple[int, ...]


class Moves:
    """Kernels that compute nothing."""

    def read_rows(self, storage: Storage, start: int, count: Ints, stride: Ints, target: NDArray[Any]) -> None:
        """Read rows of a raster that are too far apart to be read together.

        Parameters
        ----------
        storage : Storage
        start : int
            First byte of the first row.
        count, stride : tuple of int
            Rows along each axis, and the bytes from one to the next, the last axis fastest.
        target : array of shape ``(*count, pixels)``
            Filled; contiguous.

        Raises
        ------
        TruncatedFile
            If the file ends before a row does.
        """
        places = [start]
        for number, distance in zip(count, stride, strict=True):
            places = [place + index * distance for place in places for index in range(number)]
        storage.read_ranges(np.array(places), np.full(len(places), target.nbytes // len(places)), target)

    def gather(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of an image, which is larger than the cache, to tiles, which are not.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape
            Pixels of any dtype, which are converted as an assignment does; shares no memory with ``target``.
        """
        target[...] = source

    def to_native(self, target: NDArray[Any], source: NDArray[Any], *, past: bool) -> None:
        """Convert big-endian pixels to those of this machine.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape, big-endian
            Shares no memory with ``target``.
        past : bool
            Whether ``target`` is a part of an array that is larger than the cache, which may then be passed by.
        """
        target[...] = source
