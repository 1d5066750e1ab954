"""All that a plugin may import from rustfits: the contract, and nothing behind it."""

from __future__ import annotations

from rustfits.codec.codec import (
    API_VERSION,
    EncodedTiles,
    Int64s,
    Parameter,
    PixelBatch,
    TileBatch,
    TileCodec,
    raise_first_fault,
)
from rustfits.codec.hookspecs import hookimpl
from rustfits.codec.kernels import Kernels
from rustfits.errors import (
    InvalidParameter,
    ParameterOverflow,
    TileDecodeError,
    TileEncodeError,
    UnsupportedPixels,
)
from rustfits.quantize.dither import DITHER_METHODS, method_number, random_starts, random_table
from rustfits.quantize.noise import row_lengths
from rustfits.quantize.quantum import effective_level
from rustfits.storage.base import Storage

__all__ = [
    "API_VERSION",
    "DITHER_METHODS",
    "EncodedTiles",
    "Int64s",
    "InvalidParameter",
    "Kernels",
    "Parameter",
    "ParameterOverflow",
    "PixelBatch",
    "Storage",
    "TileBatch",
    "TileCodec",
    "TileDecodeError",
    "TileEncodeError",
    "UnsupportedPixels",
    "effective_level",
    "hookimpl",
    "method_number",
    "raise_first_fault",
    "random_starts",
    "random_table",
    "row_lengths",
]
