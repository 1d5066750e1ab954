"""What compiled kernels need to know of a compressed image to cut boxes out of it without Python in between.

Kernels come with a package of their own, decoders for compiled callers with some codecs. Where either is missing, or a
tile is out of the ordinary, the core's own way is taken, which also says what is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rustfits.tiles.zimage import TileTable


def image_facts(table: TileTable) -> dict[str, Any] | None:
    """Return what `Kernels.cutter` takes of an image; None if its codec has no decoder for them."""
    codec, quantization = table.codec, table.quantization
    dtype = np.dtype(np.int32) if quantization is not None else table.stored
    decoder = codec.c_decoder(dtype) if not table.offset and codec.decoded_dtype(table.coded) == dtype else None
    if decoder is None:
        return None
    grid = table.grid
    return {
        "shape": grid.shape,
        "tile": tuple([min(tile, npixels) for tile, npixels in zip(grid.tile, grid.shape, strict=True)]),
        "stride": grid.stride,
        "dtype": table.stored,
        "dither": None if quantization is None else (quantization.method, quantization.zdither0),
        "decoder": decoder,
    }


def find_resumer(table: TileTable) -> object | None:
    """Return the codec's decoder that begins in the middle of tiles; of an image that has `image_facts`."""
    quantization = table.quantization
    return table.codec.c_resumer(np.dtype(np.int32) if quantization is not None else table.stored)
