"""Zstandard (RFC 8878) for tile-compressed images. ZSTD_1 is not in FITS 4.0: other programs do not read it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import zstandard
from numpy.typing import NDArray

from rustfits.plugin import InvalidParameter, TileCodec, hookimpl

__all__ = ["Zstd1"]

# A block is 128 KiB at most and has a header of 3 bytes and at least one more (RFC 8878, section 3.1.1.2).
MOST_FOR_EACH_BYTE = (128 << 10) // 4


class Zstd1(TileCodec):
    """Big-endian pixels as one frame of Zstandard.

    Parameters
    ----------
    level : int
        1 is fast, 22 is small.
    tile_shape, heap_format
        As for every codec.

    Raises
    ------
    InvalidParameter
        If the level is none from 1 to 22.
    """

    zcmptype: ClassVar[str] = "ZSTD_1"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4", "i8", "f4", "f8")

    level: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in range(1, 23):
            raise InvalidParameter("level", self.level, "must be an int from 1 to 22")

    def encode_tile(self, pixels: NDArray[Any]) -> bytes:
        """Return the frame of one tile; its checksum tells of damage that gives other pixels."""
        stored = pixels.astype(pixels.dtype.newbyteorder(">"))
        return zstandard.ZstdCompressor(self.level, write_checksum=True).compress(stored.tobytes())

    def decode_tile(self, data: NDArray[np.uint8], out: NDArray[Any]) -> None:
        """Fill ``out`` from a frame, which says how much it holds: no memory is got for a frame of another size."""
        nbytes = zstandard.get_frame_parameters(data).content_size
        if nbytes != out.nbytes:
            raise ValueError(f"the frame holds {nbytes} bytes, where the tile has {out.nbytes}")
        raw = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        out[...] = np.frombuffer(raw, dtype=out.dtype.newbyteorder(">")).reshape(out.shape)

    def most_npixels(self, nbytes: NDArray[np.int64], pixel: np.dtype[Any]) -> NDArray[np.int64]:
        """Return how many pixels streams can hold at most; see `TileCodec.most_npixels`."""
        return nbytes * MOST_FOR_EACH_BYTE // pixel.itemsize


@hookimpl
def rustfits_register_codec() -> type[TileCodec]:
    """Return the class that the entry point ZSTD_1 promises."""
    return Zstd1
