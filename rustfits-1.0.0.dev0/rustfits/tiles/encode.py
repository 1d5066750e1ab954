"""From the pixels of an image to table rows and heap bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rustfits.codec import choice
from rustfits.codec.batch import EncodedTiles, PixelBatch
from rustfits.codec.codec import broken_contract, encoded_by
from rustfits.errors import PluginError
from rustfits.heap.bintable import ELEMENT_NBYTES, Column
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter, Run
from rustfits.parallel import threads
from rustfits.parallel.memory import Shelf
from rustfits.pixels.scaling import Scaling
from rustfits.quantize.dither import NRANDOM, NULL_PIXEL, Dither
from rustfits.quantize.parameters import Quantize
from rustfits.tiles.grid import Move
from rustfits.tiles.newtiles import NewTiles, run_of
from rustfits.tiles.zimage import GZIPPED, SOURCES, CompressedSnapshot, Quantization, TileTable

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]

BATCH_NBYTES = 4 << 20  # of pixels that one thread encodes at a time


class Tiles(Protocol):
    """Whole tiles of one size, back to back or cut from an image: a `Block`, or what does the same."""

    @property
    def ntiles(self) -> int:
        """Tiles there are."""

    @property
    def tile_npixels(self) -> int:
        """Pixels of each tile."""

    @property
    def rows(self) -> Int64s:
        """Table row of each tile, from 0."""

    def split(self, ntiles: int) -> Iterator[Tiles]:
        """Yield parts of at most ``ntiles`` tiles, in their order."""

    def direct(self, array: NDArray[Any]) -> NDArray[Any] | None:
        """Return the part of ``array``, an image, that is the tiles back to back, if there is one."""

    def gather(self, array: NDArray[Any], tiles: NDArray[Any], move: Move) -> None:
        """Copy the tiles from ``array``, an image, back to back into ``tiles``, by ``move(target, source)``."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBatch:
    """Tiles of one batch, compressed.

    Attributes
    ----------
    rows : (ntiles,) int64 array
        Table rows, from 0.
    tiles : EncodedTiles
        By the image's codec; length 0 for a tile that is in ``fallback``.
    fallback : EncodedTiles or None
        Floats that could not be quantised; length 0 for all other tiles. None where there is no such thing.
    scale, zero : (ntiles,) float64 array or None
        ZSCALE and ZZERO of each tile, if they were quantised.
    """

    rows: Int64s
    tiles: EncodedTiles
    fallback: EncodedTiles | None = None
    scale: Float64s | None = None
    zero: Float64s | None = None

    def runs(self, table: TileTable) -> list[Run]:
        """Return the tiles by the column that they go to: that of the codec, or the one for what is not quantised."""
        runs = [run_of(table, table.own_source, self.rows, self.tiles)]
        if self.fallback is not None:
            runs.append(run_of(table, table.fallback_source, self.rows, self.fallback))
        return [run for run in runs if run is not None]


def encode_image(
    snapshot: CompressedSnapshot,
    pixels: NDArray[Any],
    scaling: Scaling,
    quantize: Quantize | None = None,
    spare: Spare | None = None,
) -> NewTiles:
    """Compress a whole image; nothing is written.

    Parameters
    ----------
    snapshot : CompressedSnapshot
        Of the image that gets the pixels.
    pixels : array of the image's shape
        What `Scaling.convert` takes, with no value that it would refuse; any real numbers for floats that are not
        scaled. Any layout and byte order.
    scaling : Scaling
    quantize : Quantize, optional
        Level and seed for an image of quantised floats; what the header says of method and seed goes before. Without
        it the level is the default one.
    spare : Spare, optional
        Of the table that there is.

    Returns
    -------
    NewTiles

    Raises
    ------
    TileEncodeError
        If the codec cannot hold the pixels of a tile.
    HeaderError
        If the table cannot hold a compressed image.
    """
    table = snapshot.table
    batches, changes = encode_blocks(table, table.grid.in_order(), pixels, scaling, quantize, null=NULL_PIXEL)
    return _laid_out(snapshot, batches, changes, spare)


def encode_blocks(
    table: TileTable,
    blocks: Iterator[Tiles],
    pixels: NDArray[Any],
    scaling: Scaling,
    quantize: Quantize | None = None,
    *,
    null: int,
    first: bool = True,
    seed: int | None = None,
) -> tuple[list[EncodedBatch], dict[str, Any]]:
    """Compress some tiles of an image; parameters, and errors, as of `encode_image` but for these.

    Parameters
    ----------
    blocks : iterator of Tiles
        The first of them begins with the first tile.
    pixels : array
        What the blocks are cut from.
    null : int
        The integer to write for quantised pixels that are no numbers.
    first : bool
        Whether these are the first pixels of the image, from which a seed 'checksum' is taken.
    seed : int, optional
        The one that the header is still to get.

    Returns
    -------
    batches : list of EncodedBatch
    changes : dict
        Keywords that go with them.
    """
    share = -(-pixels.size * table.stored.itemsize // threads.workers(pixels.size))
    batches = list(_batches(blocks, table.stored.itemsize, min(share, BATCH_NBYTES)))
    encoder = _Encoder(table, pixels, scaling)
    changes: dict[str, Any] = {}
    if table.quantization is not None:
        dither = table.quantization.dither
        if first and quantize is not None and quantize.seed == "checksum" and batches:
            seed = changes["ZDITHER0"] = checksum_seed(encoder.first_tile(batches[0][0]))
        if seed is not None:
            dither = dither._replace(zdither0=seed)
        level = quantize.level if quantize else Quantize().level
        encoder = _Quantizer(table, pixels, scaling, level=level, dither=dither, null=null)
    done: list[EncodedBatch | None] = [None] * len(batches)
    shelf = Shelf(pixels.size * table.stored.itemsize)

    def work(number: int) -> None:
        done[number] = _kept(encoder.encode(batches[number]), shelf)

    threads.run(work, range(len(batches)), npixels=pixels.size)
    return [batch for batch in done if batch is not None], changes


class TileCompressor:
    """Gives the pixels of an image to its codec; threads may share it.

    Parameters
    ----------
    table : TileTable
    """

    def __init__(self, table: TileTable) -> None:
        self._codec, self._offset = table.codec, table.offset
        self._dtype = self._codec.decoded_dtype(table.coded)

    def compress(self, stored: NDArray[Any], shapes: Int64s, rows: Int64s) -> EncodedTiles:
        """Compress tiles.

        Parameters
        ----------
        stored : (npixels of all tiles,) array
            Stored pixels, or the integers that floats were quantised to; the tiles back to back.
        shapes : (ntiles, ndim) int64 array
        rows : (ntiles,) int64 array

        Raises
        ------
        TileEncodeError
            If the codec cannot hold the pixels of a tile.
        PluginError
            If it breaks its contract.
        """
        if not rows.size:  # no codec has to know what to do with that
            return EncodedTiles(np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64))
        if self._offset:
            coded: NDArray[Any] = stored.astype(self._dtype)
            coded -= self._dtype.type(self._offset)
        else:
            coded = stored.astype(self._dtype, copy=False)
        tiles = encoded_by(self._codec, PixelBatch(coded, shapes, rows))
        self._check_lengths(tiles, rows)
        if np.may_share_memory(tiles.data, coded):  # a codec that changes no byte may return those it was given
            return EncodedTiles(tiles.data.copy(), tiles.length)
        return tiles

    def _check_lengths(self, tiles: EncodedTiles, rows: Int64s) -> None:
        """Raise `PluginError` for lengths that a descriptor of an image cannot have."""
        if not tiles.length.all():
            row = int(rows[np.flatnonzero(tiles.length == 0)[0]])
            raise PluginError(
                f"the codec of {self._codec.zcmptype} made no bytes of the tile in table row {row + 1}: a tile without "
                "bytes is one that was never written (FITS 4.0, section 10.1.3); write one byte at least"
            )
        width = ELEMENT_NBYTES[self._codec.descriptor_type]
        if width > 1 and (tiles.length % width).any():
            raise broken_contract(self._codec, tiles, rows.size)


class _Encoder:
    """Encodes batches of tiles of one image; threads may share it."""

    def __init__(self, table: TileTable, pixels: NDArray[Any], scaling: Scaling) -> None:
        self._table, self._pixels, self._scaling = table, pixels, scaling
        self._compressor = TileCompressor(table)
        # Floats may come as any numbers, and are converted while they are collected.
        self._as_is = scaling.trivial and table.stored.kind == "f"
        self._gathered = table.stored if self._as_is else pixels.dtype.newbyteorder("=")

    def encode(self, blocks: list[Tiles]) -> EncodedBatch:
        """Return the compressed tiles of some blocks, in their order."""
        rows = np.concatenate([block.rows for block in blocks])
        shapes = self._table.grid.tile_shapes(rows)
        return EncodedBatch(rows, self._compressor.compress(self._stored(self._collect(blocks)), shapes, rows))

    def first_tile(self, block: Tiles) -> NDArray[Any]:
        """Return the stored pixels of the first tile of a block."""
        return self._stored(self._collect([next(block.split(1))]))

    def _collect(self, blocks: list[Tiles]) -> NDArray[Any]:
        """Return the tiles of blocks back to back, as they were given."""
        flags = self._pixels.flags
        if len(blocks) == 1 and self._pixels.dtype == self._gathered and flags.c_contiguous and flags.aligned:
            direct = blocks[0].direct(self._pixels)
            if direct is not None:
                return direct
        tiles = threads.scratch("gathered", sum(block.ntiles * block.tile_npixels for block in blocks), self._gathered)
        _gather(blocks, self._pixels, tiles)
        return tiles

    def _stored(self, tiles: NDArray[Any]) -> NDArray[Any]:
        return tiles if self._as_is else self._scaling.convert(tiles)


class _Quantizer(_Encoder):
    """Makes floats integers before it encodes them, and stores without loss what cannot be quantised."""

    def __init__(
        self, table: TileTable, pixels: NDArray[Any], scaling: Scaling, *, level: float, dither: Dither, null: int
    ) -> None:
        super().__init__(table, pixels, scaling)
        self._level, self._dither, self._null = level, dither, null
        assert table.quantization is not None
        self._columns = table.quantization.scale, table.quantization.zero, table.quantization.null
        self._narrow = any(isinstance(each, Column) and each.code not in "DJK" for each in self._columns)

    def encode(self, blocks: list[Tiles]) -> EncodedBatch:
        """Return the compressed tiles of some blocks, in their order, and how they were quantised."""
        rows = np.concatenate([block.rows for block in blocks])
        shapes = self._table.grid.tile_shapes(rows)
        npixels = shapes.prod(axis=1, dtype=np.int64)
        pixels = self._stored(self._collect(blocks))
        integers = threads.scratch("integers", pixels.size, np.int32)
        batch = PixelBatch(pixels, shapes, rows)
        scale, zero, fits = choice.active().quantize(batch, self._level, self._dither, integers)
        if self._null != NULL_PIXEL:
            fits &= ~self._put_nulls(integers, npixels)
        if self._narrow:
            fits &= self._kept_exactly(scale, zero)
        if fits.all():
            return EncodedBatch(rows, self._compressor.compress(integers, shapes, rows), None, scale, zero)
        inside = np.repeat(fits, npixels)
        tiles = _spread(self._compressor.compress(integers[inside], shapes[fits], rows[fits]), fits)
        pack = gzipped if SOURCES[self._table.fallback_source] == GZIPPED else as_they_are
        fallback = pack(pixels[~inside], npixels[~fits])
        return EncodedBatch(rows, tiles, _spread(fallback, ~fits), scale, zero)

    def _put_nulls(self, integers: NDArray[np.int32], npixels: Int64s) -> NDArray[np.bool_]:
        """Write the image's own null, and tell in which tiles a number has become that integer."""
        taken = np.logical_or.reduceat(integers == self._null, np.cumsum(npixels) - npixels)
        integers[integers == NULL_PIXEL] = self._null
        return taken

    def _kept_exactly(self, scale: Float64s, zero: Float64s) -> NDArray[np.bool_]:
        """Tell for which tiles the columns of the table, made by others, hold the numbers that go with them."""
        kept = np.ones(scale.size, dtype=bool)
        for column, values in zip(self._columns, (scale, zero, np.full(scale.size, NULL_PIXEL)), strict=True):
            if isinstance(column, Column):
                with np.errstate(all="ignore"):
                    kept &= values.astype(np.dtype(column.cell_dtype()).base).astype(values.dtype) == values
        return kept


def stored_tiles(blocks: Sequence[Tiles], pixels: NDArray[Any], scaling: Scaling) -> NDArray[Any]:
    """Return the stored pixels of tiles, back to back, in memory of their own; parameters as of `encode_blocks`."""
    as_is = scaling.trivial and scaling.stored.kind == "f"
    npixels = sum(block.ntiles * block.tile_npixels for block in blocks)
    tiles = np.empty(npixels, dtype=scaling.stored if as_is else pixels.dtype.newbyteorder("="))
    _gather(blocks, pixels, tiles)
    return tiles if as_is else scaling.convert(tiles)


def _gather(blocks: Sequence[Tiles], pixels: NDArray[Any], tiles: NDArray[Any]) -> None:
    stop, move = 0, choice.active().gather
    with np.errstate(all="ignore"):  # a number too large for single precision is infinite in it
        for block in blocks:
            begin, stop = stop, stop + block.ntiles * block.tile_npixels
            block.gather(pixels, tiles[begin:stop], move)


def gzipped(pixels: NDArray[Any], npixels: Int64s) -> EncodedTiles:
    """Compress stored pixels, without loss, for the column GZIP_COMPRESSED_DATA.

    Parameters
    ----------
    pixels : (npixels.sum(),) array
        Tiles back to back, native byte order.
    npixels : (ntiles,) int64 array
        Pixels of each tile.
    """
    plain = as_they_are(pixels, npixels)
    return choice.active().deflate(plain.data, plain.length, None)


def as_they_are(pixels: NDArray[Any], npixels: Int64s) -> EncodedTiles:
    """Return stored pixels for the column UNCOMPRESSED_DATA; parameters as of `gzipped`."""
    return EncodedTiles(pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8), npixels * pixels.itemsize)


def checksum_seed(tile: NDArray[Any]) -> int:
    """Return the ZDITHER0 that fpack takes from the pixels of the first tile: 1 to 10000.

    Parameters
    ----------
    tile : contiguous float array
        In native byte order, of which CFITSIO too sums the bytes.
    """
    # CFITSIO puts this number where pixels are none before it looks at a tile.
    null = tile.dtype.type(-9.11912e-36 if tile.itemsize == 4 else -9.1191291391491e-36)
    tile = np.where(np.isfinite(tile), tile, null)
    return int(tile.view(np.uint8).sum(dtype=np.uint64)) % NRANDOM + 1


def _spread(tiles: EncodedTiles, where: NDArray[np.bool_]) -> EncodedTiles:
    """Put tiles among those of a batch, of which the others are empty."""
    length = np.zeros(where.size, dtype=np.int64)
    length[where] = tiles.length
    return EncodedTiles(tiles.data, length)


def _kept(batch: EncodedBatch, shelf: Shelf) -> EncodedBatch:
    """Return a batch whose bytes stay by themselves, without the room that the codec had for more."""
    tiles, fallback = [
        None if each is None else EncodedTiles(shelf.keep(each.data), each.length)
        for each in (batch.tiles, batch.fallback)
    ]
    assert tiles is not None
    return EncodedBatch(batch.rows, tiles, fallback, batch.scale, batch.zero)


def _batches(blocks: Iterator[Tiles], itemsize: int, most: int) -> Iterator[list[Tiles]]:
    """Join small blocks and cut large ones, so that each batch has about as many pixels: ``most`` bytes."""
    batch: list[Tiles] = []
    nbytes = 0
    for block in blocks:
        tile_nbytes = block.tile_npixels * itemsize
        for part in block.split(max(most // tile_nbytes, 1)):
            if batch and nbytes + part.ntiles * tile_nbytes > most:
                yield batch
                batch, nbytes = [], 0
            batch.append(part)
            nbytes += part.ntiles * tile_nbytes
    if batch:
        yield batch


def _laid_out(
    snapshot: CompressedSnapshot, batches: list[EncodedBatch], changes: dict[str, Any], spare: Spare | None
) -> NewTiles:
    """Put the tiles of a whole image into its table."""
    snapshot = snapshot.with_wide_columns()
    if any(batch.fallback is not None for batch in batches):
        snapshot = snapshot.with_fallback()
    table, layout = snapshot.table, snapshot.layout
    new = NewTiles(snapshot, HeapWriter.anew(layout, spare), anew=True)
    for batch in batches:
        new.writer.add(batch.runs(table))  # in the order of their rows, however many a batch holds
    quantization = table.quantization
    if quantization is not None:
        set_scales(new, quantization, batches)
        if isinstance(quantization.null, Column):
            new.set_numbers("ZBLANK", quantization.null, np.arange(layout.nrows), np.full(layout.nrows, NULL_PIXEL))
        else:
            new.set_keywords({"ZBLANK": NULL_PIXEL})
    new.set_keywords(changes)
    return new


def set_scales(new: NewTiles, quantization: Quantization, batches: list[EncodedBatch]) -> None:
    """Store ZSCALE and ZZERO of the tiles of some batches; errors as `NewTiles.set_numbers`."""
    for batch in batches:
        assert batch.scale is not None
        assert batch.zero is not None
        new.set_numbers("ZSCALE", quantization.scale, batch.rows, batch.scale)
        new.set_numbers("ZZERO", quantization.zero, batch.rows, batch.zero)
