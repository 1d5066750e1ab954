"""Tiles of a compressed image with some of their pixels changed: decoded, patched and encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.batch import EncodedTiles
from rustfits.errors import ImageError, TileDecodeError
from rustfits.heap.bintable import ELEMENT_DTYPES
from rustfits.heap.writer import Run
from rustfits.parallel import threads
from rustfits.pixels.scaling import Scaling
from rustfits.tiles.decode import TileDecoder, TileEntries
from rustfits.tiles.encode import TileCompressor, gzipped
from rustfits.tiles.grid import Block
from rustfits.tiles.requantize import requantize
from rustfits.tiles.zimage import TileTable

Int64s = NDArray[np.int64]
Decode = Callable[[TileEntries, NDArray[Any], Int64s], None]


class TileRecoder:
    """Puts new pixels into tiles of one image, of which others stay.

    A tile stays in the column it is in, and a quantised one keeps its scale, so that the pixels that are not changed
    keep every bit, unless the codec is lossy.

    Parameters
    ----------
    decoder : TileDecoder
        Of the image as it is.
    table : TileTable
        The image as it will be: the same, or longer along its first axis.
    scaling : Scaling
        Of the new pixels.
    """

    def __init__(self, decoder: TileDecoder, table: TileTable, scaling: Scaling) -> None:
        self._decoder, self._table, self._scaling = decoder, table, scaling
        self._compressor = TileCompressor(table)

    def recode(self, parts: list[Block], values: NDArray[Any]) -> list[Run]:
        """Return tiles that a section touches, with new pixels there; nothing is written.

        Parameters
        ----------
        parts : list of Block
            Of the image as it will be; at least one.
        values : array of the section's shape, or 0-d
            What `Scaling.convert` takes, with no value that it would refuse; any real numbers for floats that are not
            scaled. A single value fills the section.

        Raises
        ------
        ImageError
            If a value lies outside the scale of a quantised tile.
        TileEncodeError, TileDecodeError, FitsIOError
        """
        try:
            entries = self._decoder.entries(np.concatenate([part.rows for part in parts]))
            return self.recode_entries(parts, entries, values)
        except TileDecodeError as error:
            start, stop = self._decoder.table.grid.box(error.row)
            pixels = ", ".join(f"{first}:{after}" for first, after in zip(start, stop, strict=True))
            raise self._table.fault(
                error.row, f"{error.reason}; assign all pixels of the tile, [{pixels}], which needs nothing of it"
            ) from error

    def recode_entries(self, parts: list[Block], entries: TileEntries, values: NDArray[Any]) -> list[Run]:
        """Do the work of `recode` for blocks of tiles that the table says ``entries`` of, all in their order."""
        jobs = list(_alike(parts, entries))
        done: list[Run | None] = [None] * len(jobs)

        def work(number: int) -> None:
            done[number] = self._recode(*jobs[number], values)

        threads.run(work, range(len(jobs)), npixels=sum(block.ntiles * block.tile_npixels for block, _ in jobs))
        return [tiles for tiles in done if tiles is not None]

    def _recode(self, block: Block, entries: TileEntries, values: NDArray[Any]) -> Run:
        """Change tiles of one shape that are all in one column."""
        source = int(entries.source[0])
        if source == 0 and self._table.quantization is not None:
            pixels = self._tiles(block, entries, self._decoder.decode_integers, np.dtype(np.int32))
            position = np.arange(block.tile_npixels).reshape(block.tile_shape)[_inside(block)].reshape(-1)
            new = self._scaling.to_stored(_selected(block, values))
            whole = block.ntiles, position.size
            new = new.reshape(whole) if new.ndim else np.broadcast_to(new, whole)
            flat = pixels.reshape(block.ntiles, block.tile_npixels)
            flat[:, position] = requantize(new, position, block.tile_npixels, entries, self._table.quantization)
        else:
            pixels = self._tiles(block, entries, self._decoder.decode, self._table.stored)
            grid = [axis.number.size for axis in block.axes]
            inside: Any = (..., *_inside(block))
            pixels.reshape(*grid, *block.tile_shape)[inside] = self._scaling.to_stored(_selected(block, values))
        tiles, column = self._encoded(source, pixels.reshape(-1), block, entries.rows), self._table.sources[source]
        assert column is not None  # the tiles are in it
        return Run(column, entries.rows, tiles.data, tiles.length)

    def _tiles(self, block: Block, entries: TileEntries, decode: Decode, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the tiles as they are, with room for pixels to come, ``(ntiles, *tile_shape)``."""
        tiles = np.empty((block.ntiles, *block.tile_shape), dtype=dtype)
        if all(axis.full for axis in block.axes):  # nothing is left of them but their scale
            return tiles
        grid, shapes = self._decoder.table.grid, block.shapes
        if grid is not self._table.grid:
            shapes = grid.tile_shapes(entries.rows)
        before = tuple(shapes[0].tolist())
        if before == block.tile_shape:
            decode(entries, tiles.reshape(-1), shapes)
            return tiles
        old = np.empty((block.ntiles, *before), dtype=dtype)
        decode(entries, old.reshape(-1), shapes)
        tiles[:, : before[0]] = old
        return tiles

    def _encoded(self, source: int, pixels: NDArray[Any], block: Block, rows: Int64s) -> EncodedTiles:
        if source == 0:
            return self._compressor.compress(pixels, block.shapes, rows)
        npixels = np.full(rows.size, block.tile_npixels)
        if source == 1:
            return gzipped(pixels, npixels)
        column = self._table.sources[source]
        assert column is not None
        dtype = pixels.dtype.newbyteorder(">")
        if column.element != "B":  # which stands for bytes of pixels of any type
            dtype = np.dtype(ELEMENT_DTYPES[column.element])
        with np.errstate(all="ignore"):
            raw = pixels.astype(dtype)
            if not np.array_equal(raw.astype(pixels.dtype), pixels, equal_nan=pixels.dtype.kind == "f"):
                raise ImageError(
                    f"column {column.name} holds {dtype.newbyteorder('=')} numbers, into which the new pixels of table "
                    f"rows {int(rows.min()) + 1} to {int(rows.max()) + 1} do not fit; write the whole image anew"
                )
        return EncodedTiles(raw.view(np.uint8), npixels * dtype.itemsize)


def _alike(parts: list[Block], entries: TileEntries) -> Iterator[tuple[Block, TileEntries]]:
    """Cut blocks further where their tiles are in several columns."""
    stop = 0
    for part in parts:
        begin, stop = stop, stop + part.ntiles
        if len(parts) == 1 == part.ntiles:
            yield part, entries
        elif (entries.source[begin:stop] == entries.source[begin]).all():
            yield part, entries.part(slice(begin, stop))
        else:
            for number, single in enumerate(part.split(1), start=begin):
                yield single, entries.part(slice(number, number + 1))


def _inside(block: Block) -> tuple[slice, ...]:
    """Return what of each tile is selected."""
    return tuple([axis.inside() for axis in block.axes])


def _selected(block: Block, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values that go into a block's tiles: axes are tiles along each axis, then pixels along each axis.

    A single value stays one.
    """
    if not values.ndim:
        return values
    if all(axis.regular for axis in block.axes):
        region = values[tuple([axis.region() for axis in block.axes])]
    else:  # some steps hit every second or third tile alike: those come from here and there
        region = values[np.ix_(*(axis.positions() for axis in block.axes))]
    split = region.reshape([size for axis in block.axes for size in (axis.number.size, axis.count)])
    ndim = len(block.axes)
    return split.transpose([*range(0, 2 * ndim, 2), *range(1, 2 * ndim, 2)])
