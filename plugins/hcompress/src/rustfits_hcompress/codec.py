"""The codec of ZCMPTYPE HCOMPRESS_1."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import (
    EncodedTiles,
    InvalidParameter,
    PixelBatch,
    TileBatch,
    TileCodec,
    TileEncodeError,
    choose_variant,
    raise_first_fault,
)
from rustfits_hcompress import _kernel

REASONS = {
    1: "fewer compressed bytes than a stream header has",
    2: "the stream does not start with DD 99",
    3: "the stream is of a tile of another shape",
    4: "the stream claims more bit planes than a coefficient has bits",
    5: "compressed bytes end early",
    6: "a bit plane has an unknown format",
    7: "more pixels than there is room for",
}

VARIANTS = ("portable", "avx2")
TILE_HEIGHTS = (16, 24, 20, 30, 28, 26, 22, 18, 14)  # tried in this order, as CFITSIO does
WHOLE_HEIGHT = 30  # images up to this height are one tile


VARIANT = choose_variant("RUSTFITS_HCOMPRESS_KERNEL", VARIANTS, _kernel.best_kernel())


class Hcompress1(TileCodec):
    """The H-transform with quadtree coding of its bit planes (FITS 4.0, section 10.4.4).

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; exactly two of them above 1.
    heap_format : {'P', 'Q'}
        Width of the descriptors.
    scale : int
        Divisor of the coefficients: 0 and 1 keep every bit, larger ones lose about that much of the noise.
    smooth : bool
        Whether readers are to smooth images that were coded with loss.
    """

    zcmptype: ClassVar[str] = "HCOMPRESS_1"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4")
    tile_ndim: ClassVar[int | None] = 2
    min_tile_axis: ClassVar[int] = 4

    scale: int = 0
    smooth: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.scale, float):
            raise TypeError(f"scale must be an int >= 0, not {self.scale!r}")
        if not 0 <= operator.index(self.scale) <= np.iinfo(np.int32).max:
            raise InvalidParameter("scale", self.scale, "must be an int from 0 to 2147483647")
        if not isinstance(self.smooth, bool):
            raise TypeError(f"smooth must be True or False, not {self.smooth!r}")
        if self.tile_shape is not None and _nontrivial(self.tile_shape) is None:
            raise InvalidParameter("tile_shape", self.tile_shape, "of HCOMPRESS_1 must be 2-D: two axes longer than 1")

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, int | float | bool | str], **common: Any) -> Self:
        """Build the codec from SCALE and SMOOTH; CFITSIO writes a float SCALE, negative for a fixed one."""
        scale, smooth = parameters.get("SCALE", 0), parameters.get("SMOOTH", 0)
        if isinstance(scale, str) or not abs(scale) <= np.iinfo(np.int32).max:
            raise InvalidParameter("SCALE", scale, "must be a number of 32 bits")
        if isinstance(smooth, str):
            raise InvalidParameter("SMOOTH", smooth, "must be 0, 1, T or F")
        return cls(scale=round(abs(scale)), smooth=bool(smooth), **common)

    def parameters(self, pixel: np.dtype[Any]) -> dict[str, int | float | bool | str]:
        """Return SCALE and SMOOTH."""
        return {"SCALE": self.scale, "SMOOTH": int(self.smooth)}

    @property
    def lossless(self) -> bool:
        """Whether the scale keeps every bit."""
        return self.scale <= 1

    def default_tile_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return planes of the full width and of a height that leaves no thin last tile."""
        if len(shape) < 2:
            return shape
        height = shape[-2]
        if height > WHOLE_HEIGHT:
            fitting = (rows for rows in TILE_HEIGHTS if height % rows == 0 or height % rows >= self.min_tile_axis)
            height = next(fitting, 17)
        return (1,) * (len(shape) - 2) + (max(height, 1), max(shape[-1], 1))

    def decode(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode every tile; see `TileCodec.decode`."""
        height, width = self._height_width(batch.shape)
        status = _kernel.decode(
            batch.data, batch.start, batch.length, height, width, self.smooth, out.view(np.uint8), out.itemsize, VARIANT
        )
        raise_first_fault(self.zcmptype, batch.row, status, REASONS)

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile; see `TileCodec.encode`."""
        height, width = self._height_width(batch.shape)
        pixels = batch.pixels
        data, length, status = _kernel.encode(
            pixels.view(np.uint8), height, width, self.scale, pixels.itemsize, VARIANT
        )
        faults = np.flatnonzero(status)
        if faults.size:
            raise TileEncodeError(self.zcmptype, int(batch.row[faults[0]]), REASONS[int(status[faults[0]])])
        return EncodedTiles(data, length)

    def _height_width(self, shape: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pixels of each tile along its slow and its fast axis.

        The nominal tile tells the axes, since an edge tile may be one pixel high.
        """
        if shape.shape[0] == 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        axes = _nontrivial(self.tile_shape or ())
        if axes is None or len(self.tile_shape or ()) != shape.shape[1]:
            width = shape[:, -1].copy()
            return shape[:, :-1].prod(axis=1, dtype=np.int64), width
        return shape[:, axes[0]].copy(), shape[:, axes[1]].copy()


def _nontrivial(tile_shape: Any) -> tuple[int, int] | None:
    """Return the two axes longer than one pixel, or None if there are not two of them."""
    axes = [axis for axis, npixels in enumerate(tile_shape) if npixels > 1]
    if len(tile_shape) == 2:
        return (0, 1)
    return (axes[0], axes[1]) if len(axes) == 2 else None
