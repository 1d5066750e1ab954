"""The pixels of compressed images that are created, changed or extended: checked and encoded, nothing written yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.errors import HeaderError, ImageError
from rustfits.heap.bintable import Column
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter, Run
from rustfits.limits import MAX_NBYTES
from rustfits.pixels.facts import ImageFacts
from rustfits.pixels.scaling import Scaling, fill_masked, is_masked_array
from rustfits.pixels.sections import Section, box_section
from rustfits.quantize.dither import NULL_PIXEL
from rustfits.quantize.parameters import Quantize
from rustfits.tiles.decode import TileDecoder, TileEntries
from rustfits.tiles.encode import BATCH_NBYTES, EncodedBatch, Tiles, encode_blocks, encode_image, set_scales
from rustfits.tiles.grid import Block, TileGrid
from rustfits.tiles.newtiles import NewTiles
from rustfits.tiles.plan import Plan
from rustfits.tiles.recode import TileRecoder
from rustfits.tiles.requantize import LARGEST
from rustfits.tiles.zimage import CompressedSnapshot, Quantization, TileTable


def checked_image(data: ArrayLike, shape: tuple[int, ...], facts: ImageFacts) -> NDArray[Any]:
    """Check a whole image, or a part of one, and fill its masked pixels.

    Parameters
    ----------
    data : array-like, perhaps masked
        Any layout and byte order. For floats that are not scaled any real numbers.
    shape : tuple of int
        What it must have.
    facts : ImageFacts
        Of the image.

    Returns
    -------
    array of shape ``shape``
        What `encode_image` takes.

    Raises
    ------
    ImageError
        If shape, dtype or a value does not fit, or pixels are masked that cannot be.
    """
    scaling = facts.scaling
    pixels: NDArray[Any] = data if is_masked_array(data) else np.asarray(data)
    if pixels.shape != shape:
        raise ImageError(
            f"data of shape {pixels.shape} cannot be written: its shape must be that of the image, {shape}, as a "
            "compressed image is written whole"
        )
    if scaling.stored.kind == "f" and scaling.trivial and pixels.dtype.kind in "iuf":
        if not is_masked_array(pixels):
            return pixels
        if not np.ma.is_masked(pixels):
            return np.asarray(pixels.data)
        with np.errstate(all="ignore"):
            pixels = np.ma.MaskedArray(np.ma.getdata(pixels).astype(scaling.stored), np.ma.getmask(pixels))
    scaling.check_dtype(pixels.dtype, what=facts.dtype_name)
    values = fill_masked(pixels, scaling, facts.blank, what=facts.dtype_name)
    scaling.check_values(values)
    return values


def checked_rows(data: ArrayLike, facts: ImageFacts) -> NDArray[Any]:
    """Check rows that are to be appended to an image, and fill their masked pixels; as `checked_image`."""
    shape = facts.shape
    pixels: NDArray[Any] = data if is_masked_array(data) else np.asarray(data)
    if pixels.ndim != len(shape):
        raise ImageError(f"data has {pixels.ndim} axes (shape {pixels.shape}), but the image has {len(shape)} axes")
    if pixels.shape[1:] != shape[1:]:
        raise ImageError(
            f"extend makes only the slow axis (0) longer: data of shape {pixels.shape} must have the other axes of the "
            f"image, {shape}"
        )
    if not pixels.shape[0]:
        raise ImageError("data.shape[0] must be > 0: there is nothing to append")
    if prod((shape[0] + pixels.shape[0], *shape[1:])) * facts.stored.itemsize > MAX_NBYTES:
        raise ImageError(f"an image of {shape} and {pixels.shape} pixels is too large: files end at byte {MAX_NBYTES}")
    return checked_image(pixels, pixels.shape, facts)


def stored_copy(values: NDArray[Any], scaling: Scaling) -> NDArray[Any]:
    """Return the stored form of values that `checked_image` returned, in memory of its own."""
    stored = scaling.to_stored(values)
    return stored.copy() if np.may_share_memory(stored, values) else stored


def encode_new(table: TileTable, quantize: Quantize | None, data: ArrayLike) -> NewTiles:
    """Compress the pixels of an image that is still to be created, with everything checked.

    Parameters
    ----------
    table : TileTable
        Of the cards from `compressed_cards`, with the codec that the user passed.
    quantize : Quantize or None
        What the user passed.
    data : array-like
        As for `CompressedImageHDU.write`, errors too.
    """
    pixels = checked_image(data, table.shape, table)
    return encode_image(CompressedSnapshot(table.cards, table), pixels, table.scaling, quantize)


def assigned(
    decoder: TileDecoder,
    section: Section,
    values: NDArray[Any],
    *,
    scaling: Scaling,
    quantize: Quantize | None,
    spare: Spare,
) -> NewTiles:
    """Encode the tiles that a section touches, with new pixels there.

    Of tiles that it covers whole nothing is read: they may be damaged, or never have been written.

    Parameters
    ----------
    section : Section
        Not empty.
    values, scaling
        As for `TileRecoder.recode`.
    quantize : Quantize or None
        Level and seed for the tiles that are covered whole.

    Raises
    ------
    ImageError, TileEncodeError, TileDecodeError, FitsIOError
        As `TileRecoder.recode`, the last two for tiles of which something is left.
    HeaderError
        If the table cannot hold the tiles.
    """
    snapshot = decoder.snapshot
    table = snapshot.table
    new = NewTiles(snapshot, HeapWriter(snapshot.layout, spare))
    new.set_keywords(null_keyword(snapshot))
    plan = Plan.of(table.grid, [section], BATCH_NBYTES // table.stored.itemsize)
    whole: list[Block] = []
    cut: list[Block] = []
    renewable = _renewable(table)
    for block in plan.blocks:
        (whole if renewable and all(axis.full for axis in block.axes) else cut).append(block)
    # What is left of tiles that are there is looked at first: if that fails nothing need be encoded.
    runs = TileRecoder(decoder, table, scaling).recode(cut, values) if cut else []
    if whole:
        values = np.broadcast_to(values, section.count)
        runs += laid(new, snapshot, *encoded(snapshot, iter(whole), values, scaling, quantize))
    new.writer.add(runs)
    return new


def whole_tiles(table: TileTable, section: Section) -> list[Block] | None:
    """Return the tiles that a section covers, if it covers all that it touches, and they can be encoded anew."""
    if not _renewable(table):
        return None
    blocks = table.grid.select(section)
    return blocks if all(axis.full for block in blocks for axis in block.axes) else None


def _renewable(table: TileTable) -> bool:
    """Return whether a tile can be encoded without a look at the old one, on a scale of its own.

    Otherwise it stays in its column, where the table lacks the one that the codec fills, or on its scale, where all
    tiles have the same.
    """
    quantization = table.quantization
    return table.sources[table.own_source] is not None and (
        quantization is None or (isinstance(quantization.scale, Column) and isinstance(quantization.zero, Column))
    )


def encoded(
    snapshot: CompressedSnapshot,
    blocks: Iterator[Tiles],
    pixels: NDArray[Any],
    scaling: Scaling,
    quantize: Quantize | None,
    *,
    before: dict[str, Any] | None = None,
) -> tuple[list[EncodedBatch], dict[str, Any]]:
    """Encode whole tiles, quantised ones on scales of their own; nothing of those that they replace is needed.

    Parameters
    ----------
    snapshot : CompressedSnapshot
        Of the image as it will be.
    blocks, pixels, scaling, quantize
        As for `encode_blocks`.
    before : dict, optional
        The changes that came with tiles that were encoded before these, and are not in the table yet. Without such
        tiles, and with an empty heap, these are the first of the image.

    Returns, and errors, as of `encode_blocks`.
    """
    quantization = snapshot.table.quantization
    null = NULL_PIXEL
    if quantization is not None and not isinstance(quantization.null, Column):
        null = quantization.null
        if not -LARGEST - 1 <= null <= LARGEST:
            raise HeaderError(f"ZBLANK is {null}, which no integer of a quantized tile can be")
    first = before is None and not snapshot.layout.heap_nbytes
    seed = before.get("ZDITHER0") if before else None
    return encode_blocks(snapshot.table, blocks, pixels, scaling, quantize, null=null, first=first, seed=seed)


def laid(
    new: NewTiles, snapshot: CompressedSnapshot, batches: list[EncodedBatch], changes: dict[str, Any]
) -> list[Run]:
    """Note numbers and keywords that go with tiles that were encoded, and return the tiles.

    Parameters
    ----------
    new : NewTiles
        Gets everything but the tiles. Their rows will point at nothing else.
    snapshot : CompressedSnapshot
        Of the image as it will be.
    batches, changes
        From `encoded`.

    Raises
    ------
    HeaderError
        If the table cannot hold the tiles.
    """
    if any(batch.fallback is not None for batch in batches):
        wider = snapshot.with_fallback()
        if wider is not snapshot:
            snapshot = wider
            new.add_columns(wider)
    new.set_keywords(changes)
    quantization = snapshot.table.quantization
    runs = []
    for batch in batches:
        found = batch.runs(snapshot.table)
        filled = [run.column for run in found]
        for column in snapshot.table.sources:
            if column is not None and column not in filled:  # whatever else held the tile before
                new.writer.put(column, batch.rows, np.zeros((batch.rows.size, 2), dtype=np.int64))
        if quantization is not None and isinstance(quantization.null, Column):
            new.set_numbers("ZBLANK", quantization.null, batch.rows, np.full(batch.rows.size, NULL_PIXEL))
        runs += found
    if quantization is not None:
        set_scales(new, quantization, batches)
    return runs


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
    quantize : Quantize or None
        Level and seed for the tiles that begin with them.

    Raises
    ------
    ImageError, TileEncodeError, TileDecodeError, FitsIOError
        As `TileRecoder.recode`, of which only the last, incomplete row of tiles is concerned.
    HeaderError
        If the table cannot hold the new tiles.
    """
    snapshot = decoder.snapshot
    shape, tile = snapshot.table.grid.shape, snapshot.table.grid.tile
    length = shape[0] + pixels.shape[0]
    grown = _grown(snapshot, length)
    new = NewTiles(snapshot, HeapWriter(snapshot.layout, spare, nrows=grown.layout.nrows))
    new.set_keywords({f"ZNAXIS{len(shape)}": length, **null_keyword(snapshot)})
    # Pixels up to here complete tiles that are there already.
    full = min(-(-shape[0] // tile[0]) * tile[0], length) if shape[0] else 0
    if full > shape[0]:
        section = box_section((shape[0], *[0] * (len(shape) - 1)), (full - shape[0], *shape[1:]))
        plan = Plan.of(grown.table.grid, [section], BATCH_NBYTES // grown.table.stored.itemsize)
        new.writer.add(TileRecoder(decoder, grown.table, scaling).recode(plan.blocks, pixels[: full - shape[0]]))
    if full < length:
        strip = TileGrid((length - full, *shape[1:]), tile)
        rest = pixels[full - shape[0] :]
        _add_tiles(new, decoder, grown, strip, rest, scaling=scaling, quantize=quantize)
    return new


def _grown(snapshot: CompressedSnapshot, length: int) -> CompressedSnapshot:
    """Return the image with another length of its first axis, and rows for all of its tiles."""
    before, layout = snapshot.table.grid, snapshot.layout
    grid = TileGrid((length, *before.shape[1:]), before.tile)
    nrows = max(layout.nrows, grid.ntiles)
    if nrows * layout.row_nbytes > MAX_NBYTES:
        raise ImageError(f"an image of {grid.shape} has {grid.ntiles} tiles of {grid.tile}: too many for a file")
    cards = snapshot.cards.copy()
    cards.set(f"ZNAXIS{len(grid.shape)}", length)
    return snapshot.reshaped(cards, nrows=nrows)


def _add_tiles(
    new: NewTiles,
    decoder: TileDecoder,
    grown: CompressedSnapshot,
    strip: TileGrid,
    pixels: NDArray[Any],
    *,
    scaling: Scaling,
    quantize: Quantize | None,
) -> None:
    """Encode rows of new tiles, ``strip``, at the end of an image."""
    table = grown.table
    blocks = _lowered(strip.in_order(), table.grid.ntiles_along[0] - strip.ntiles_along[0])
    quantization = table.quantization
    if quantization is not None and not any(
        isinstance(each, Column) for each in (quantization.scale, quantization.zero)
    ):
        parts = list(blocks)
        entries = _constant_entries(quantization, np.concatenate([part.rows for part in parts]))
        new.writer.add(TileRecoder(decoder, table, scaling).recode_entries(parts, entries, pixels))
        return
    new.writer.add(laid(new, grown, *encoded(grown, blocks, pixels, scaling, quantize)))


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


def null_keyword(snapshot: CompressedSnapshot) -> dict[str, Any]:
    """Return the keyword that says which integer means NaN, if the header lacks it."""
    quantization = snapshot.table.quantization
    if quantization is None or isinstance(quantization.null, Column) or "ZBLANK" in snapshot.cards:
        return {}
    return {"ZBLANK": quantization.null}
