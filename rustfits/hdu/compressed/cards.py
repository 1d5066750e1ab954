"""Headers of new compressed images, and the checks of what they are made from (FITS 4.0, section 10.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rustfits.codec.codec import TileCodec
from rustfits.errors import ImageError, InvalidParameter, PluginError
from rustfits.hdu.image.cards import (
    Entry,
    blank_entries,
    check_dims,
    check_dtype,
    name_entries,
    scaling_entries,
)
from rustfits.header.cards import Cards
from rustfits.heap.bintable import ELEMENT_NBYTES
from rustfits.limits import MAX_NBYTES, MAX_ZNAXIS
from rustfits.pixels.scaling import Scaling, bitpix_dtype, stored_form
from rustfits.quantize.dither import NULL_PIXEL
from rustfits.quantize.parameters import Quantize
from rustfits.tiles.grid import TileGrid
from rustfits.tiles.zimage import COMPRESSED, GZIPPED, RAW, element_of


def resolved(codec: TileCodec, shape: tuple[int, ...]) -> TileCodec:
    """Return the codec with the tile shape that an image of ``shape`` gets."""
    return codec if codec.tile_shape is not None else replace(codec, tile_shape=codec.default_tile_shape(shape))


def compressed_cards(
    codec: TileCodec,
    dtype: object,
    dims: object,
    *,
    quantize: Quantize | None = None,
    extname: str | None = None,
    extver: int | None = None,
    blank: int | None = None,
    bscale: float | None = None,
    bzero: float | None = None,
) -> Cards:
    """Return the header of a new compressed image, which has no tiles yet.

    Parameters
    ----------
    quantize : Quantize, optional
        How to make integers of floats.
    dtype, dims, extname, extver, blank, bscale, bzero
        As for `image_cards`.

    Raises
    ------
    ImageError
        If there can be no such image, or ``blank``, ``bscale`` or ``bzero`` do not fit the pixels.
    UnsupportedPixels, InvalidParameter
        If the codec cannot hold it.
    PixelOverflow
        If ``blank`` has more than 64 bits.
    HeaderError
        If ``extname`` is not printable ASCII.
    TypeError
        If an argument has the wrong type.
    """
    pixel, shape = check_dtype(dtype), check_dims(dims)
    if quantize is not None and pixel.kind != "f":
        raise ImageError(f"quantize= is for floats; {pixel} pixels are compressed as they are")
    if not 1 <= len(shape) <= MAX_ZNAXIS:
        raise ImageError(f"a compressed image has 1 to {MAX_ZNAXIS} axes, not {len(shape)} (NAXIS={len(shape)})")
    tile = _tile_shape(codec, shape)
    names, null = name_entries(extname, extver), blank_entries("ZBLANK", pixel, blank)
    scaling = scaling_entries(pixel, bscale, bzero)
    bitpix, _ = stored_form(pixel)
    numbers: dict[str, Any] = {key: value for key, value, _ in scaling}
    seen = Scaling(bitpix_dtype(bitpix), numbers.get("BSCALE", 1), numbers.get("BZERO", 0)).dtype
    codec.check_image(shape, tile, seen if seen.kind in "iu" else pixel, quantize is not None)
    coded = bitpix_dtype(bitpix) if quantize is None else np.dtype(np.int32)
    table = _table_entries(codec, quantize, TileGrid(shape, tile), bitpix_dtype(bitpix))
    image = _image_entries(codec.zcmptype, bitpix, shape, tile)
    quantized = [] if quantize is None else _quantize_entries(quantize)
    return Cards.build([*table, *image, *quantized, *_parameter_entries(codec, coded), *names, *scaling, *null])


def _table_entries(codec: TileCodec, quantize: Quantize | None, grid: TileGrid, stored: np.dtype[Any]) -> list[Entry]:
    columns, row_nbytes = _columns(codec, quantize, stored)
    if row_nbytes * grid.ntiles > MAX_NBYTES:
        raise ImageError(f"an image of {grid.shape} has {grid.ntiles} tiles of {grid.tile}: too many for a file")
    return [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array of bytes"),
        ("NAXIS", 2, "two axes: bytes, rows"),
        ("NAXIS1", row_nbytes, "bytes per row"),
        ("NAXIS2", grid.ntiles, "rows, one per tile"),
        ("PCOUNT", 0, "bytes of compressed tiles"),
        ("GCOUNT", 1, "one group"),
        ("TFIELDS", len(columns) // 2, "columns"),
        *columns,
    ]


def _parameter_entries(codec: TileCodec, coded: np.dtype[Any]) -> list[Entry]:
    pairs: list[Entry] = []
    said: object = codec.parameters(coded)
    if not isinstance(said, Mapping) or not all(
        isinstance(name, str) and isinstance(value, bool | int | float | str) for name, value in said.items()
    ):
        raise PluginError(
            f"{type(codec).__name__}.parameters of {codec.zcmptype} returned {said!r:.80}; it must return a dict of "
            "names to int, float, bool or str"
        )
    for number, (name, value) in enumerate(said.items(), start=1):
        pairs += [(f"ZNAME{number}", name, "parameter of the algorithm"), (f"ZVAL{number}", value, f"value of {name}")]
    return pairs


def _tile_shape(codec: TileCodec, shape: tuple[int, ...]) -> tuple[int, ...]:
    tile: Sequence[int] | None = codec.tile_shape
    if tile is None:
        return codec.default_tile_shape(shape)
    if len(tile) != len(shape):
        raise InvalidParameter(
            "tile_shape",
            tuple(tile),
            f"must have one entry per image axis: tile_shape has {len(tile)} dimensions but image has {len(shape)}",
        )
    return tuple(tile)


def _columns(codec: TileCodec, quantize: Quantize | None, stored: np.dtype[Any]) -> tuple[list[Entry], int]:
    """Return the cards of the columns, and the bytes of a row."""
    descriptor = f"1{codec.heap_format}"
    forms = [(f"{descriptor}{codec.descriptor_type}", COMPRESSED)]
    nbytes = 2 * ELEMENT_NBYTES["J" if codec.heap_format == "P" else "K"]
    if quantize is not None:
        forms += [("1D", "ZSCALE"), ("1D", "ZZERO"), (f"{descriptor}B", GZIPPED)]
        nbytes = 2 * nbytes + 2 * ELEMENT_NBYTES["D"]
    elif codec.uncompressed and stored != np.int64:
        # CFITSIO wants COMPRESSED_DATA to be there, though it is empty. Nobody else reads 64-bit integers from here.
        forms += [(f"{descriptor}{element_of(stored)}", RAW)]
        nbytes *= 2
    entries: list[Entry] = []
    for number, (form, name) in enumerate(forms, start=1):
        entries.append((f"TFORM{number}", form, f"format of column {number}"))
        entries.append((f"TTYPE{number}", name, f"name of column {number}"))
    return entries, nbytes


def _image_entries(zcmptype: str, bitpix: int, shape: tuple[int, ...], tile: tuple[int, ...]) -> list[Entry]:
    axes: list[Entry] = [
        (f"ZNAXIS{axis}", npixels, f"pixels along axis {axis}") for axis, npixels in enumerate(reversed(shape), start=1)
    ]
    tiles: list[Entry] = [
        (f"ZTILE{axis}", npixels, f"pixels of a tile along axis {axis}")
        for axis, npixels in enumerate(reversed(tile), start=1)
    ]
    return [
        ("ZIMAGE", True, "this is a compressed image"),
        ("ZCMPTYPE", zcmptype, "compression algorithm"),
        ("ZBITPIX", bitpix, "bits per pixel, negative for floats"),
        ("ZNAXIS", len(shape), "number of axes"),
        *axes,
        *tiles,
    ]


def _quantize_entries(quantize: Quantize) -> list[Entry]:
    return [
        ("ZQUANTIZ", quantize.zquantiz, "how floats were quantized"),
        ("ZDITHER0", quantize.zdither0(), "where the random numbers begin"),
        ("ZBLANK", NULL_PIXEL, "stored integer that means NaN"),
    ]
