"""Tiles in batches: the unit of work, of threading and of error reporting; arrays, so that no batch equals another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TileDecodeError

Int64s = NDArray[np.int64]


class TileBatch:
    """Compressed tiles of one image, as read from its heap; not to be changed.

    Attributes
    ----------
    data : (nbytes,) uint8 array
        Heap bytes that hold every tile of the batch; read-only.
    start, length : (ntiles,) int64 array
        Tile ``i`` is ``data[start[i] : start[i] + length[i]]``, in bytes.
    shape : (ntiles, ndim) int64 array
        Pixels along each axis of a tile, numpy order; tiles at an image edge are smaller.
    row : (ntiles,) int64 array
        Table row of each tile, from 0; names the tile in errors.
    """

    # No dataclass, as every read of a compressed image needs the class: to make one takes longer than to load the rest.
    __slots__ = ("_npixels", "data", "length", "row", "shape", "start")

    def __init__(self, data: NDArray[np.uint8], start: Int64s, length: Int64s, shape: Int64s, row: Int64s) -> None:
        self.data, self.start, self.length, self.shape, self.row = data, start, length, shape, row
        self._npixels: Int64s | None = None

    def __repr__(self) -> str:
        return (
            f"TileBatch(data={self.data!r}, start={self.start!r}, length={self.length!r}, shape={self.shape!r}, "
            f"row={self.row!r})"
        )

    @property
    def npixels(self) -> Int64s:
        """Pixels of each tile, ``(ntiles,)`` int64."""
        if self._npixels is None:
            self._npixels = np.multiply.reduce(self.shape, axis=1)
        return self._npixels


class QuantizedTiles:
    """The integers of quantised tiles, and what makes floats of them; not to be changed.

    Attributes
    ----------
    stored : (npixels.sum(),) int32 array
        Integers of all tiles, back to back.
    npixels : (ntiles,) int64 array
        Pixels of each tile.
    row : (ntiles,) int64 array
        Table row of each tile, from 0, which selects its random numbers.
    scale, zero : (ntiles,) float64 array
        ZSCALE and ZZERO of each tile.
    null : (ntiles,) int64 array or None
        The integer that means NaN in each tile; None if there is none.
    """

    __slots__ = ("npixels", "null", "row", "scale", "stored", "zero")  # no dataclass, as `TileBatch`

    def __init__(
        self,
        stored: NDArray[np.int32],
        npixels: Int64s,
        row: Int64s,
        *,
        scale: NDArray[np.float64],
        zero: NDArray[np.float64],
        null: Int64s | None,
    ) -> None:
        self.stored, self.npixels, self.row = stored, npixels, row
        self.scale, self.zero, self.null = scale, zero, null


@dataclass(frozen=True, slots=True, eq=False)
class PixelBatch:
    """Tiles of one image, still to be compressed.

    Attributes
    ----------
    pixels : (total,) array
        Pixels of all tiles, back to back, each tile in C order; native byte order.
    shape : (ntiles, ndim) int64 array
        Pixels along each axis of a tile, numpy order.
    row : (ntiles,) int64 array
        Table row of each tile, from 0.
    """

    pixels: NDArray[Any]
    shape: Int64s
    row: Int64s

    @property
    def npixels(self) -> Int64s:
        """Pixels of each tile, ``(ntiles,)`` int64."""
        npixels: Int64s = np.multiply.reduce(self.shape, axis=1)
        return npixels


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTiles:
    """Compressed tiles, back to back.

    Attributes
    ----------
    data : (length.sum(),) uint8 array
        The bytes of all tiles, in the order of the batch, with nothing between them. It may be the first part of an
        array with room for more: who keeps it for long copies it.
    length : (ntiles,) int64 array
        Bytes of each tile.
    """

    data: NDArray[np.uint8]
    length: Int64s


def equal_tiles(npixels: Int64s) -> list[tuple[int, int, int, int]]:
    """Return (begin, stop, ntiles, npixels of each) of each run of tiles that have equally many pixels."""
    if npixels.size == 0:
        return []
    first = np.flatnonzero(np.r_[True, npixels[1:] != npixels[:-1]])
    count = np.diff(np.r_[first, npixels.size])
    stop = np.cumsum(npixels[first] * count)
    begin = stop - npixels[first] * count
    return list(zip(begin.tolist(), stop.tolist(), count.tolist(), npixels[first].tolist(), strict=True))


def raise_first_fault(algorithm: str, row: Int64s, status: NDArray[np.int32], reasons: Mapping[int, str]) -> None:
    """Raise `TileDecodeError` for the first tile whose kernel status is not 0."""
    faults = status.nonzero()[0]
    if faults.size:
        first = int(faults[0])
        code = int(status[first])
        raise TileDecodeError(algorithm, int(row[first]), reasons.get(code, f"fault {code}"))
