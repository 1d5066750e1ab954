"""What kernels are told of an image, of which they then read boxes alone; see `rustfits.codec.kernels.Kernels`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rustfits.quantize.dither import Dither

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
CachedTile = tuple[NDArray[Any], int, int]
"""An array that holds a cached tile, not to be changed; where in it the tile begins; its pixels."""
BoxReader = Callable[[object], NDArray[Any] | None]
"""Takes the key of ``hdu[key]`` and returns the stored pixels, a new array; None leaves the key to the core.

Called from several threads at once. Whatever is out of the ordinary is to be left to the core, a tile with a fault
above all: the core reads it again, and says what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainImage:
    """An uncompressed image in a file of the system's.

    Attributes
    ----------
    shape : tuple of int
        Numpy order, at least one axis.
    dtype : dtype
        Of the stored pixels in memory, native byte order; the file has them in big-endian order.
    descriptor : int
        Of the file, open for reading.
    start : int
        Byte of the file at which the first pixel lies; all pixels lie below byte 2**63.
    max_nrows, max_npixels : int
        Larger boxes are for the core, which reads them in pieces and on several threads: those of more rows, if they
        have to be read one by one, or of more pixels.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    descriptor: int
    start: int
    max_nrows: int
    max_npixels: int


@dataclass(frozen=True, slots=True, eq=False)
class TiledImage:
    """A compressed image, and how its tiles are decoded.

    Attributes
    ----------
    shape, tile, stride : tuple of int
        Pixels of the image and of a full tile along each axis, numpy order; what one tile further along an axis adds to
        the row in the table. Tiles at the end of an axis may be shorter. ``0 < tile <= shape``.
    dtype : dtype
        Of the stored pixels, native byte order.
    dither : Dither or None
        Of quantised floats, which are decoded to int32; None if the decoder gives the stored pixels.
    decoder : PyCapsule
        `TileCodec.c_decoder` of the image's codec.
    resumer : PyCapsule or None
        `TileCodec.c_resumer`, if there is one.
    prefixes : bool
        Whether it may be, and is worth while, to decode the first pixels of a tile alone.
    max_ntiles : int
        Boxes of more tiles are for the core.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: np.dtype[Any]
    dither: Dither | None
    decoder: object
    resumer: object | None
    prefixes: bool
    max_ntiles: int


@dataclass(frozen=True, slots=True, eq=False)
class TileIndex:
    """What the table says of each tile, by row; not to be changed.

    Attributes
    ----------
    good : (ntiles,) uint8 array
        Whether the tile can be read, and is in the column that the codec's tiles are in; 0 leaves it to the core.
    start, length : (ntiles,) int64 array
        Bytes of each tile that is good, from the start of the heap; they are in the file.
    npixels : (ntiles,) int64 array
        Pixels of each tile.
    numbers : tuple of three (ntiles,) arrays, or None
        Of quantised tiles ZSCALE and ZZERO, float64, and ZBLANK, int64.
    """

    good: NDArray[np.uint8]
    start: Int64s
    length: Int64s
    npixels: Int64s
    numbers: tuple[Float64s, Float64s, Int64s] | None


@dataclass(frozen=True, slots=True, eq=False)
class HeapBytes:
    """Where the bytes of tiles are.

    Attributes
    ----------
    read_into : callable
        ``read_into(start, target)`` fills an uint8 array of its own memory, to which it may hold on, from byte
        ``start`` of the heap on; `TruncatedFile` if the file ends before.
    descriptor : int
        Of the file of the system's, if there is one; else negative.
    offset : int
        Byte of that file at which the heap starts.
    """

    read_into: Callable[[int, NDArray[np.uint8]], None]
    descriptor: int
    offset: int


class TileKeeper(Protocol):
    """The cache of decoded tiles; whoever reads a box goes by what it says, so that all keep the same tiles."""

    def take(self, rows: list[int], nbytes: int, /) -> list[CachedTile | None] | None:
        """Look tiles up by table row, once for all tiles of a box; None for each that is not there.

        ``nbytes`` are those of all their pixels. None in place of a list leaves the box to the core.
        """

    def worth(self, rows: list[int], nbytes: int, whole: bool, /) -> bool:
        """Tell whether to keep the tiles that a box lacks: then all of them are decoded whole, and given to `add`.

        Asked once for a box that lacks any. If the answer is no, none of them is kept, and what is not wanted of them
        need not be decoded.

        Parameters
        ----------
        rows : list of int
            Those that are not there.
        nbytes : int
            Bytes of all their pixels.
        whole : bool
            Whether one of them is wanted whole, or `TiledImage.prefixes` is not set.
        """

    def add(self, rows: list[int], npixels: list[int], pixels: NDArray[Any], /) -> None:
        """Keep whole tiles, back to back in ``pixels``, which nobody may change afterwards."""
