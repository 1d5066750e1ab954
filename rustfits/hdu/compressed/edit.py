"""The pixels of compressed images that are created, changed or extended: all is encoded, nothing written yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.codec.codec import TileCodec
from rustfits.errors import HeaderError, ImageError
from rustfits.hdu.compressed.cards import resolved
from rustfits.hdu.compressed.values import BLANK_KEYWORDS, PREFIX, WHAT, checked_image
from rustfits.hdu.image.facts import ImageFacts
from rustfits.header.cards import Cards
from rustfits.heap.bintable import Column
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter
from rustfits.limits import MAX_NBYTES
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section, box_section
from rustfits.quantize.dither import NULL_PIXEL
from rustfits.quantize.parameters import Quantize
from rustfits.tiles.decode import TileDecoder, TileEntries
from rustfits.tiles.encode import encode_blocks, encode_image, set_scales
from rustfits.tiles.grid import Block, TileGrid
from rustfits.tiles.newtiles import NewTiles
from rustfits.tiles.recode import TileRecoder
from rustfits.tiles.requantize import LARGEST
from rustfits.tiles.zimage import Quantization, TileTable, with_fallback


def encode_new(cards: Cards, codec: TileCodec, quantize: Quantize | None, data: ArrayLike) -> NewTiles:
    """Compress the pixels of an image that is still to be created, with everything checked.

    Parameters
    ----------
    cards : Cards
        From `compressed_cards`.
    codec : TileCodec
    quantize : Quantize or None
        What the user passed.
    data : array-like
        As for `CompressedImageHDU.write`, errors too.
    """
    facts = ImageFacts(cards, PREFIX, BLANK_KEYWORDS)
    pixels = checked_image(data, facts.shape, facts.scaling, facts.blank, what=WHAT)
    return encode_image(TileTable(cards, resolved(codec, facts.shape)), pixels, facts.scaling, quantize)


def checked_rows(
    data: ArrayLike, shape: tuple[int, ...], scaling: Scaling, blank: int | None, *, what: str
) -> NDArray[Any]:
    """Check rows that are to be appended to an image, and fill their masked pixels.

    Parameters
    ----------
    data : array-like, perhaps masked
    shape : tuple of int
        Of the image.
    scaling, blank, what
        As for `checked_image`.

    Raises
    ------
    ImageError
        If shape, dtype or a value does not fit.
    """
    pixels: NDArray[Any] = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if pixels.ndim != len(shape):
        raise ImageError(f"data has {pixels.ndim} axes (shape {pixels.shape}), but the image has {len(shape)} axes")
    if pixels.shape[1:] != shape[1:]:
        raise ImageError(
            f"extend makes only the slow axis (0) longer: data of shape {pixels.shape} must have the other axes of the "
            f"image, {shape}"
        )
    if not pixels.shape[0]:
        raise ImageError("data.shape[0] must be > 0: there is nothing to append")
    if prod((shape[0] + pixels.shape[0], *shape[1:])) * scaling.stored.itemsize > MAX_NBYTES:
        raise ImageError(f"an image of {shape} and {pixels.shape} pixels is too large: files end at byte {MAX_NBYTES}")
    return checked_image(pixels, pixels.shape, scaling, blank, what=what)


def assigned(decoder: TileDecoder, section: Section, values: NDArray[Any], scaling: Scaling, spare: Spare) -> NewTiles:
    """Encode the tiles that a section touches, with new pixels there.

    Parameters
    ----------
    decoder : TileDecoder
        Of the image.
    section : Section
        Not empty.
    values, scaling, and errors
        As for `TileRecoder.recode`.
    spare : Spare
        Of the image.
    """
    table = decoder.table
    new = NewTiles(table, HeapWriter(table.layout, spare))
    new.writer.add(TileRecoder(decoder, table, scaling).recode(section, values))
    new.set_keywords(_null_keyword(table))
    return new


def extended(
    decoder: TileDecoder, pixels: NDArray[Any], scaling: Scaling, quantize: Quantize | None, spare: Spare
) -> NewTiles:
    """Encode rows that are appended to an image.

    Parameters
    ----------
    decoder : TileDecoder
        Of the image as it is.
    pixels : array
        Checked rows, at least one.
    scaling : Scaling
        Of these rows.
    quantize : Quantize or None
        Level and seed for the tiles that begin with them.
    spare : Spare
        Of the image.

    Raises
    ------
    ImageError, TileEncodeError, TileDecodeError, FitsIOError
        As `TileRecoder.recode`, of which only the last, incomplete row of tiles is concerned.
    HeaderError
        If the table cannot hold the new tiles.
    """
    table = decoder.table
    shape, tile = table.grid.shape, table.grid.tile
    length = shape[0] + pixels.shape[0]
    grown = _grown(table, length)
    new = NewTiles(table, HeapWriter(table.layout, spare, nrows=grown.layout.nrows))
    new.set_keywords({f"ZNAXIS{len(shape)}": length, **_null_keyword(table)})
    # Pixels up to here complete tiles that are there already.
    full = min(-(-shape[0] // tile[0]) * tile[0], length) if shape[0] else 0
    if full > shape[0]:
        section = box_section((shape[0], *[0] * (len(shape) - 1)), (full - shape[0], *shape[1:]))
        new.writer.add(TileRecoder(decoder, grown, scaling).recode(section, pixels[: full - shape[0]]))
    if full < length:
        strip = TileGrid((length - full, *shape[1:]), tile)
        rest = pixels[full - shape[0] :]
        _add_tiles(new, decoder, grown, strip, rest, scaling=scaling, quantize=quantize)
    return new


def _grown(table: TileTable, length: int) -> TileTable:
    """Return the image with another length of its first axis, and rows for all of its tiles."""
    grid = TileGrid((length, *table.grid.shape[1:]), table.grid.tile)
    nrows = max(table.layout.nrows, grid.ntiles)
    if nrows * table.layout.row_nbytes > MAX_NBYTES:
        raise ImageError(f"an image of {grid.shape} has {grid.ntiles} tiles of {grid.tile}: too many for a file")
    cards = table.cards.copy()
    cards.set(f"ZNAXIS{len(grid.shape)}", length)
    return table.reshaped(cards, nrows=nrows)


def _add_tiles(
    new: NewTiles,
    decoder: TileDecoder,
    grown: TileTable,
    strip: TileGrid,
    pixels: NDArray[Any],
    *,
    scaling: Scaling,
    quantize: Quantize | None,
) -> None:
    """Encode rows of new tiles, ``strip``, at the end of an image."""
    blocks = _lowered(strip.in_order(), grown.grid.ntiles_along[0] - strip.ntiles_along[0])
    first = grown.grid.ntiles - strip.ntiles
    rows = np.arange(first, grown.grid.ntiles)
    quantization = grown.quantization
    if quantization is not None and not any(
        isinstance(each, Column) for each in (quantization.scale, quantization.zero)
    ):
        parts = list(blocks)
        entries = _constant_entries(quantization, np.concatenate([part.rows for part in parts]))
        new.writer.add(TileRecoder(decoder, grown, scaling).recode_entries(parts, entries, pixels))
        return
    null = NULL_PIXEL
    if quantization is not None and not isinstance(quantization.null, Column):
        null = quantization.null
        if not -LARGEST - 1 <= null <= LARGEST:
            raise HeaderError(f"ZBLANK is {null}, which no integer of a quantized tile can be")
    batches, changes = encode_blocks(
        grown, blocks, pixels, scaling, quantize, null=null, first=not decoder.table.grid.ntiles
    )
    if any(batch.fallback is not None for batch in batches):
        grown = with_fallback(grown)
        new.add_columns(grown)
    new.set_keywords(changes)
    new.writer.add([run for batch in batches for run in batch.runs(grown)])
    if quantization is not None:
        set_scales(new, quantization, batches)
        if isinstance(quantization.null, Column):
            new.set_numbers("ZBLANK", quantization.null, rows, np.full(rows.size, NULL_PIXEL))


def _constant_entries(quantization: Quantization, rows: NDArray[np.int64]) -> TileEntries:
    """Return what the table would say of new tiles of an image that has one scale for all."""
    assert not isinstance(quantization.scale, Column)
    assert not isinstance(quantization.zero, Column)
    null = NULL_PIXEL if isinstance(quantization.null, Column) else quantization.null
    scale, zero = np.full(rows.size, quantization.scale), np.full(rows.size, quantization.zero)
    nothing = np.zeros_like(rows)
    return TileEntries(rows, nothing.astype(np.int8), nothing, nothing, (scale, zero, np.full(rows.size, null)))


def _lowered(blocks: Iterable[Block], number: int) -> Iterator[Block]:
    """Move blocks down by a number of tiles along the first axis; the pixels they are cut from stay."""
    for block in blocks:
        head, *rest = block.axes
        yield Block((replace(head, number=head.number + number), *rest), block.stride)


def _null_keyword(table: TileTable) -> dict[str, Any]:
    """Return the keyword that says which integer means NaN, if the header lacks it."""
    quantization = table.quantization
    if quantization is None or isinstance(quantization.null, Column) or "ZBLANK" in table.cards:
        return {}
    return {"ZBLANK": quantization.null}
