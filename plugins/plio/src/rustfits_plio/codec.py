"""The codec of ZCMPTYPE PLIO_1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import (
    EncodedTiles,
    PixelBatch,
    TileBatch,
    TileCodec,
    TileEncodeError,
    raise_first_fault,
)
from rustfits_plio import _kernel

REASONS = {
    1: "fewer compressed bytes than a list header has",
    2: "the list is longer than the tile's compressed bytes",
    3: "the list ends within an instruction",
    4: "unknown opcode in the list",
    5: "a pixel value outside 0 to 2147483647",
    6: "more pixels than there is room for",
    7: "negative pixel; PLIO_1 holds 0 to 134217727 (2**27 - 1)",
    8: "pixel exceeds 134217727 (2**27 - 1), the largest that PLIO_1 holds",
    9: "the tile needs a list of more than 2**30 words; use smaller tiles",
    10: "pixel value is out of range: uint8 pixels hold 0 to 255",
}


class Plio1(TileCodec):
    """Pixel lists, made for masks: runs of equal non-negative integers (FITS 4.0, section 10.4.3).

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; default one image row.
    heap_format : {'P', 'Q'}
        Width of the descriptors.
    """

    zcmptype: ClassVar[str] = "PLIO_1"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4")
    quantizable: ClassVar[bool] = False
    negative: ClassVar[bool] = False
    descriptor_type: ClassVar[str] = "I"

    def decoded_dtype(self, pixel: np.dtype[Any]) -> np.dtype[Any]:
        """Return uint8 for such pixels, else int32.

        16-bit pixels of the unsigned convention are coded as 0 to 65535, which only wider numbers hold.
        """
        return pixel if pixel == np.uint8 else np.dtype(np.int32)

    def decode(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode every tile; see `TileCodec.decode`."""
        status = _kernel.decode(batch.data, batch.start, batch.length, batch.npixels, out.view(np.uint8), out.itemsize)
        raise_first_fault(self.zcmptype, batch.row, status, REASONS)

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile; see `TileCodec.encode`."""
        data, length, status = _kernel.encode(batch.pixels.view(np.uint8), batch.npixels, batch.pixels.itemsize)
        faults = np.flatnonzero(status)
        if faults.size:
            first = int(faults[0])
            raise TileEncodeError(self.zcmptype, int(batch.row[first]), REASONS[int(status[first])])
        return EncodedTiles(data, length)
