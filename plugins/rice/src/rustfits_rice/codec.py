"""The codec of ZCMPTYPE RICE_1."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import (
    EncodedTiles,
    InvalidParameter,
    PixelBatch,
    TileBatch,
    TileCodec,
    choose_variant,
    raise_first_fault,
)
from rustfits_rice import _kernel

REASONS = {
    1: "compressed bytes end early",
    2: "a block with a code that means nothing",
    3: "the tile's bytes lie outside the heap that was read",
    4: "more pixels than there is room for",
}
VARIANTS = ("portable", "bmi2", "avx2", "avx512")
CODED_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint8), 2: np.dtype(np.int16), 4: np.dtype(np.int32)}
LARGEST_BLOCK = 2**31 - 1
CODE_NBITS = {1: 3, 2: 4, 4: 5}  # of a block, by the bytes of an integer; a block of equal pixels has no others


VARIANT = choose_variant("RUSTFITS_RICE_KERNEL", VARIANTS, _kernel.best_variant())


class Rice1(TileCodec):
    """Rice coding of the differences of neighbouring pixels (FITS 4.0, section 10.4.1).

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; default one image row.
    heap_format : {'P', 'Q'}
        Width of the descriptors.
    blocksize : int
        Pixels that share a code, > 0; the standard knows 16 and 32.
    """

    zcmptype: ClassVar[str] = "RICE_1"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4")
    decodes_prefixes: ClassVar[bool] = True

    blocksize: int = 32
    # Bytes of the coded integers, as a header says. It belongs to a file's streams and not to the way the user wants
    # pixels packed, so it is neither shown nor compared.
    bytepix: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        blocksize = operator.index(self.blocksize)
        if blocksize < 1:
            raise InvalidParameter("blocksize", blocksize, "must be > 0")
        if blocksize > LARGEST_BLOCK:
            raise InvalidParameter("blocksize", blocksize, f"must be at most {LARGEST_BLOCK}")
        object.__setattr__(self, "blocksize", blocksize)
        if self.bytepix is not None and self.bytepix not in CODED_DTYPES:
            raise InvalidParameter("bytepix", self.bytepix, "must be 1, 2 or 4")

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], **common: Any) -> Self:
        """Build the codec from BLOCKSIZE and BYTEPIX; absent they are 32 and 4 (FITS 4.0, table 37).

        Files from before BYTEPIX was written code pixels of any width as integers of 4 bytes.

        Raises
        ------
        InvalidParameter
            If BLOCKSIZE is not a number of pixels, or BYTEPIX not 1, 2 or 4 (of either sign; -8 means 4).
        """
        blocksize = _integer("BLOCKSIZE", parameters.get("BLOCKSIZE", 32))
        bytepix = _integer("BYTEPIX", parameters.get("BYTEPIX", 4))
        if bytepix > 8 and blocksize in CODED_DTYPES:
            blocksize, bytepix = bytepix, blocksize  # written the wrong way round; CFITSIO reads such files too
        if not 1 <= blocksize <= LARGEST_BLOCK:
            raise InvalidParameter("BLOCKSIZE", blocksize, f"must be a number of pixels from 1 to {LARGEST_BLOCK}")
        # rustfits 0.1 wrote ZBITPIX / 8 here for quantised floats, so -4 or -8: their integers have 4 bytes.
        width = 4 if bytepix == -8 else abs(bytepix)
        if width not in CODED_DTYPES:
            raise InvalidParameter("BYTEPIX", bytepix, "must be 1, 2 or 4, the bytes of a coded integer")
        return cls(blocksize=blocksize, bytepix=width, **common)

    def parameters(self, pixel: np.dtype[Any]) -> dict[str, int | float | bool | str]:
        """Return BLOCKSIZE and BYTEPIX, the bytes of the coded integers (4 for quantised floats)."""
        return {"BLOCKSIZE": self.blocksize, "BYTEPIX": self.decoded_dtype(pixel).itemsize}

    def decoded_dtype(self, pixel: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the coded integers: ``pixel``, or that of BYTEPIX where it is wider."""
        if pixel.kind == "f":
            return CODED_DTYPES[4]
        return CODED_DTYPES[max(pixel.itemsize, self.bytepix or 0)]

    def most_npixels(self, nbytes: NDArray[np.int64], pixel: np.dtype[Any]) -> NDArray[np.int64]:
        """Return how many pixels streams hold if all of them are equal; see `TileCodec.most_npixels`."""
        width = self.decoded_dtype(pixel).itemsize
        nblocks = np.maximum(nbytes - width, 0) * 8 // CODE_NBITS[width]
        most: NDArray[np.int64] = np.minimum(nblocks, (2**63 - 1) // self.blocksize) * self.blocksize
        return most

    def decode(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode every tile, or its first pixels; see `TileCodec.decode`.

        Raises
        ------
        TileDecodeError
            For the first damaged tile, after all others are decoded.
        InvalidParameter
            If BYTEPIX is narrower than the pixels, so that the streams are not what the header says.
        """
        if self.bytepix is not None and self.bytepix < out.itemsize:
            allowed = f"must not be less than the {out.itemsize} bytes of the image's integers"
            raise InvalidParameter("BYTEPIX", self.bytepix, allowed)
        status = _kernel.decode(
            batch.data,
            batch.start,
            batch.length,
            batch.npixels,
            self.blocksize,
            out.view(np.uint8),
            out.itemsize,
            VARIANT,
        )
        raise_first_fault(self.zcmptype, batch.row, status, REASONS)

    def c_decoder(self, pixel: np.dtype[Any]) -> object | None:
        """Return the kernel itself; see `TileCodec.c_decoder`."""
        if self.bytepix is not None and self.bytepix < pixel.itemsize:
            return None  # `decode` says what is wrong
        return _kernel.c_decoder(pixel.itemsize, self.blocksize, VARIANT)

    def c_resumer(self, pixel: np.dtype[Any]) -> object | None:
        """Return the kernel with its marks; see `TileCodec.c_resumer`."""
        if self.bytepix is not None and self.bytepix < pixel.itemsize:
            return None
        return _kernel.c_resumer(pixel.itemsize, self.blocksize, VARIANT)

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile; see `TileCodec.encode`."""
        pixels = batch.pixels
        data, length = _kernel.encode(pixels.view(np.uint8), batch.npixels, self.blocksize, pixels.itemsize, VARIANT)
        return EncodedTiles(data, length)


def _integer(name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # some writers have floats for all parameters
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidParameter(name, value, "must be an integer")
    return value
