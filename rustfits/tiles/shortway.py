"""Tiles that compiled kernels decode to their places without Python in between: what they need to know of an image.

Kernels come with a package of their own, decoders for compiled callers with some codecs. Where either is missing, or a
tile is out of the ordinary, the core's own way is taken, which also says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.choice import active
from rustfits.codec.codec import Int64s
from rustfits.errors import FitsError
from rustfits.heap.ranges import read_ranges
from rustfits.parallel.memory import PAST_NBYTES
from rustfits.pixels.sections import Section
from rustfits.tiles.decode import TileDecoder, TileEntries, coded_bytes
from rustfits.tiles.zimage import TileTable

if TYPE_CHECKING:
    from rustfits.codec.kernels import Placer


def image_facts(table: TileTable) -> dict[str, Any] | None:
    """Return what `Kernels.cutter` and `Kernels.placer` take of an image; None if its codec has no decoder for them."""
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


def find_placer(table: TileTable) -> Placer | None:
    """Return what decodes tiles of an image to their places, if there is such a thing."""
    try:
        facts = image_facts(table)
    except FitsError:
        return None  # if it matters, the core says so
    return None if facts is None else active().placer(**facts)


def place(
    placer: Placer,
    decoder: TileDecoder,
    entries: TileEntries,
    *,
    npixels: Int64s,
    section: Section,
    out: NDArray[Any],
    kept: NDArray[Any],
) -> bool:
    """Read and decode tiles, and put what a section takes of them to its place.

    Parameters
    ----------
    placer : Placer
    decoder : TileDecoder
    entries : TileEntries
    npixels : (n,) int64 array
        Pixels of each tile.
    section : Section
        Of steps of 1, and of every tile at least one pixel.
    out : array of the table's `stored` dtype and shape ``section.count``
        Filled, where the tiles have pixels of the section.
    kept : (npixels.sum(),) array of the same dtype, or empty
        Filled with the tiles, back to back, unless it is empty.

    Returns
    -------
    bool
        False if it cannot be done this way; what was put into ``out`` and ``kept`` is of no meaning then.
    """
    if entries.source.any():
        return False
    data, position = read_ranges(decoder.storage, decoder.heap_start, entries.start, entries.length, coded_bytes)
    return placer(
        start=section.start,
        count=section.count,
        row=entries.rows,
        data=data,
        position=position,
        length=entries.length,
        npixels=npixels,
        numbers=entries.numbers,
        out=out,
        kept=kept.view(np.uint8) if kept.size else None,
        past=out.nbytes >= PAST_NBYTES,
    )
