"""All that a plugin may import from rustfits: the contract, and nothing behind it."""

from __future__ import annotations

from rustfits.codec import (
    API_VERSION,
    EncodedTiles,
    PixelBatch,
    TileBatch,
    TileCodec,
    raise_first_fault,
)
from rustfits.errors import (
    InvalidParameter,
    ParameterOverflow,
    TileDecodeError,
    TileEncodeError,
    UnsupportedPixels,
)
from rustfits.hookspecs import hookimpl
from rustfits.kernels import Kernels
from rustfits.storage.base import Storage

__all__ = [
    "API_VERSION",
    "EncodedTiles",
    "InvalidParameter",
    "Kernels",
    "ParameterOverflow",
    "PixelBatch",
    "Storage",
    "TileBatch",
    "TileCodec",
    "TileDecodeError",
    "TileEncodeError",
    "UnsupportedPixels",
    "hookimpl",
    "raise_first_fault",
]
