"""From table rows and heap bytes to the pixels of tiles, as they are before BSCALE and BZERO."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import limits
from rustfits.codec.batch import QuantizedTiles, TileBatch
from rustfits.codec.choice import active
from rustfits.codec.codec import decoded_by
from rustfits.errors import CodecError, TileDecodeError
from rustfits.heap.bintable import ELEMENT_DTYPES, ELEMENT_NBYTES, Column
from rustfits.heap.ranges import (
    check_descriptors,
    check_end,
    descriptors,
    heap_ranges,
    outside_heap,
    read_ranges,
    read_rows,
)
from rustfits.parallel.threads import scratch
from rustfits.pixels.scaling import blank_value
from rustfits.pixels.sections import Section
from rustfits.quantize.dither import NULL_PIXEL
from rustfits.storage.base import Storage
from rustfits.tiles.plan import Plan
from rustfits.tiles.zimage import SOURCES, CompressedSnapshot

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]


@dataclass(slots=True, eq=False)  # not frozen, since every cutout makes one
class TileEntries:
    """What the table says of some tiles; one element per tile. Not to be changed.

    Attributes
    ----------
    rows : (n,) int64 array
        Table rows, from 0.
    source : (n,) int8 array
        Which of `SOURCES` holds the tile.
    start, length : (n,) int64 array
        Bytes of the tile, from the start of the heap; checked to be in the file.
    numbers : tuple of three (n,) arrays, or None
        Of quantised tiles ZSCALE and ZZERO, float64, and ZBLANK, int64; None if the image is not quantised.
    """

    rows: Int64s
    source: NDArray[np.int8]
    start: Int64s
    length: Int64s
    numbers: tuple[Float64s, Float64s, Int64s] | None

    def part(self, which: slice | NDArray[Any]) -> TileEntries:
        """Return the entries of some of the tiles."""
        numbers = self.numbers
        if numbers is not None:
            scale, zero, null = numbers
            numbers = scale[which], zero[which], null[which]
        return TileEntries(self.rows[which], self.source[which], self.start[which], self.length[which], numbers)


@dataclass(frozen=True, slots=True, eq=False)
class TileSurvey:
    """What is known of every tile of an image.

    Attributes
    ----------
    entries : TileEntries
        For all tiles, by row; of no meaning for tiles that are not good.
    good : list of bool
        Whether a tile can be read, as far as the table says.
    shapes : (ntiles, ndim) int64 array
        Pixels along each axis of each tile.
    npixels : list of int
        Pixels of each tile.
    """

    entries: TileEntries
    good: list[bool]
    shapes: Int64s
    npixels: list[int]


class TileDecoder:
    """Reads and decodes tiles of one compressed image; threads may share it.

    Parameters
    ----------
    snapshot : CompressedSnapshot
    storage : Storage
    data_start : int
        Byte at which the data unit starts.

    Attributes
    ----------
    table : TileTable
        Of the snapshot.
    heap_start : int
        Byte of the storage at which the heap starts.
    """

    def __init__(self, snapshot: CompressedSnapshot, storage: Storage, data_start: int) -> None:
        self.snapshot, self.table, self._layout = snapshot, snapshot.table, snapshot.layout
        self.storage = storage
        self._data_start = data_start
        self.heap_start = data_start + self._layout.heap_start
        # What is claimed of a small image costs no memory that is worth a look.
        self._large = prod(self.table.grid.shape) * self.table.stored.itemsize > limits.FREE_NBYTES

    # -- the table ------------------------------------------------------------------------------------------------

    def read_heap(self, start: int, target: NDArray[np.uint8]) -> None:
        """Fill ``target`` from byte ``start`` of the heap on; `TruncatedFile` if the file ends before."""
        self.storage.read_into(self.heap_start + start, target)

    def there(self, stop: int) -> bool:
        """Return whether the file has all bytes of the heap up to byte ``stop`` of it."""
        return self.heap_start + stop <= self.storage.size()

    def entries(self, rows: Int64s) -> TileEntries:
        """Read and check what the table says of tiles, before memory is asked for their pixels.

        Parameters
        ----------
        rows : (n,) int64 array
            Table rows, from 0.

        Raises
        ------
        TileDecodeError
            If a tile has no data, or a descriptor points outside the heap.
        TruncatedFile
            If the file ends before the table, or before the bytes of one of the tiles.
        HeaderError
            If the columns cannot be those of a compressed image.
        """
        table, heap_nbytes = self._rows(rows), self._layout.heap_nbytes
        source, start, length, inside = self._sources(table, heap_nbytes)
        if not inside.all():
            raise self._outside(table, rows, source, int(inside.argmin()))
        if source.min(initial=0) < 0:
            reason = f"the tile has no data in any of {', '.join(SOURCES)}: it was never written"
            raise self.table.fault(int(rows[source.argmin()]), reason)
        if rows.size:
            check_end(self.storage, self.heap_start + int((start + length).max()), "the tiles wanted")
        if self._large:
            beyond = self._beyond(rows, source, length)
            if beyond.any():
                index = int(beyond.argmax())
                npixels = prod(self.table.grid.tile_shapes(rows[index : index + 1])[0].tolist())
                reason = f"its {int(length[index])} bytes are too few for {npixels} pixels"
                raise self.table.fault(int(rows[index]), reason)
        return TileEntries(rows, source, start, length, self._numbers(table))

    def survey(self) -> TileSurvey:
        """Read what the table says of all tiles, as `entries`, but note those that it would refuse.

        Raises
        ------
        TruncatedFile
            If the file ends before the table.
        HeaderError
            If the columns cannot be those of a compressed image.
        """
        rows = np.arange(self.table.grid.ntiles)
        table = self._rows(rows)
        there = min(self._layout.heap_nbytes, self.storage.size() - self.heap_start)
        source, start, length, inside = self._sources(table, there)
        good = inside & (source >= 0)
        if self._large:
            good &= ~self._beyond(rows, source, length)
        length[~good] = 0
        shapes = self.table.grid.tile_shapes(rows)
        for kept in (rows, start, length, shapes):  # codecs see them at every read
            kept.flags.writeable = False
        entries = TileEntries(rows, source, start, length, self._numbers(table))
        return TileSurvey(entries, good.tolist(), shapes, shapes.prod(axis=1).tolist())

    def check_sizes(self, nbytes: int) -> None:
        """Refuse, before memory is asked for it, a table that the file cannot hold, or pixels out of proportion to it.

        Parameters
        ----------
        nbytes : int
            Of the pixels that are to be read; those of one tile count as well.

        Raises
        ------
        LimitExceeded
        TruncatedFile
            If the file ends before the table, and that is large.
        """
        if self._layout.table_nbytes > limits.FREE_NBYTES >> 6:  # the arrays that are made of it are far larger
            self._check_table()
        limits.check_sizes(nbytes, prod(self.table.grid.clipped) * self.table.stored.itemsize, self.storage.size)

    def _check_table(self) -> None:
        nrows, stop = self._layout.nrows, self._data_start + self._layout.table_nbytes
        check_end(self.storage, stop, f"the table of {nrows} rows")

    def _beyond(self, rows: Int64s, source: NDArray[np.int8], length: Int64s) -> NDArray[np.bool_]:
        """Return which tiles have more pixels than their bytes can hold."""
        from rustfits.codec.builtin import Gzip1

        table, most = self.table, np.where(source == 1, Gzip1().most_npixels(length, self.table.stored), length)
        coded = source == 0
        if coded.any():
            held = None
            with suppress(CodecError):  # decoding says so, of the tiles that need it
                held = table.codec.most_npixels(length, table.coded)
            most = np.where(coded, np.iinfo(np.int64).max if held is None else held, most)
        beyond: NDArray[np.bool_] = table.grid.tile_shapes(rows).prod(axis=1) > most
        return beyond

    def _rows(self, rows: Int64s) -> NDArray[Any]:
        quantization = self.table.quantization
        extra = () if quantization is None else (quantization.scale, quantization.zero, quantization.null)
        columns = [*filter(None, self.table.sources), *(each for each in extra if isinstance(each, Column))]
        return read_rows(self.storage, self._data_start, self._layout, columns, rows)

    def _numbers(self, table: NDArray[Any]) -> tuple[Float64s, Float64s, Int64s] | None:
        """Return ZSCALE, ZZERO and ZBLANK of each tile; None if the image is not quantised."""
        quantization = self.table.quantization
        if quantization is None:
            return None
        return (
            _per_tile(table, quantization.scale, np.float64),
            _per_tile(table, quantization.zero, np.float64),
            _per_tile(table, quantization.null, np.int64),
        )

    def _sources(
        self, table: NDArray[Any], heap_nbytes: int
    ) -> tuple[NDArray[np.int8], Int64s, Int64s, NDArray[np.bool_]]:
        """Return which of `SOURCES` has each tile (-1: none), its bytes, and whether a heap of that size has them."""
        source = np.full(table.size, -1, dtype=np.int8)
        start = length = np.zeros(table.size, dtype=np.int64)
        inside = np.ones(table.size, dtype=np.bool_)
        for number, column in enumerate(self.table.sources):
            if column is None:
                continue
            count, offset = descriptors(table, column)
            nbytes, used, fits = heap_ranges(heap_nbytes, column, count, offset)
            # A descriptor of length 0 is not an empty tile: its bytes are in the next column.
            here = used & (source < 0)
            source[here] = number
            if here.all():
                return source, offset, nbytes, fits
            start, length = np.where(here, offset, start), np.where(here, nbytes, length)
            inside &= fits | ~here
        return source, start, length, inside

    def _outside(self, table: NDArray[Any], rows: Int64s, source: NDArray[np.int8], index: int) -> TileDecodeError:
        column = self.table.sources[source[index]]
        assert column is not None
        count, start = (int(each[index]) for each in descriptors(table, column))
        heap_nbytes = self._layout.heap_nbytes
        return outside_heap(self.table.algorithm, int(rows[index]), column, (count, start), heap_nbytes)

    def blanks(self, column: Column, section: Section) -> Int64s:
        """Return the null integer of each pixel's tile, from a column ZBLANK.

        Parameters
        ----------
        column : Column
        section : Section

        Returns
        -------
        int64 array of shape ``section.count``
        """
        grid = self.table.grid
        rows = np.zeros((), dtype=np.int64)
        for start, count, step, tile, stride in zip(
            section.start, section.count, section.step, grid.tile, grid.stride, strict=True
        ):
            rows = rows[..., None] + (start + np.arange(count) * step) // tile * stride
        used, which = np.unique(rows, return_inverse=True)
        table = read_rows(self.storage, self._data_start, self._layout, [column], used)
        return _per_tile(table, column, np.int64)[which].reshape(section.count)

    def nulls(self, section: Section) -> NDArray[np.bool_]:
        """Return which pixels of a section are null by the column NULL_PIXEL_MASK, ``section.count`` in shape.

        Errors as `decode`.
        """
        out = np.zeros(section.count, dtype=bool)
        plan = Plan.of(self.table.grid, [section], 1 << 20)
        for batch in plan.batches:
            masks = self._masks(plan.rows[batch.tiles], plan.shapes[batch.tiles])
            for job in batch.jobs:
                job.block.scatter(masks[job.which], out, np.copyto)
        return out

    def _masks(self, rows: Int64s, shapes: Int64s) -> NDArray[np.bool_]:
        """Return which pixels of tiles are null, back to back; a tile without a mask has none."""
        column, codec = self.table.null_mask, self.table.mask_codec
        assert column is not None
        table = read_rows(self.storage, self._data_start, self._layout, [column], rows)
        count, start = descriptors(table, column)
        heap = (self.heap_start, self._layout.heap_nbytes)
        length = check_descriptors(self.storage, heap, column, (count, start), rows=rows, algorithm=codec.zcmptype)
        npixels, here = shapes.prod(axis=1, dtype=np.int64), count != 0
        masks = np.zeros(int(npixels.sum()), dtype=bool)
        if here.any():
            data, position = read_ranges(self.storage, self.heap_start, start[here], length[here])
            pixels = np.empty(int(npixels[here].sum()), dtype=codec.decoded_dtype(np.dtype(np.uint8)))
            decoded_by(codec, TileBatch(data, position, length[here], shapes[here], rows[here]), pixels)
            masks[np.repeat(here, npixels)] = pixels != 0
        return masks

    # -- the pixels -----------------------------------------------------------------------------------------------

    def decode(self, entries: TileEntries, out: NDArray[Any], shapes: Int64s) -> None:
        """Read and decode tiles.

        Parameters
        ----------
        entries : TileEntries
        out : (npixels of all tiles,) contiguous array of the table's `stored` dtype
            Filled with the tiles, back to back.
        shapes : (n, ndim) int64 array
            Pixels of the tiles along each axis.

        Raises
        ------
        TileDecodeError
            If a tile is damaged.
        CodecNotInstalled, PluginError
            If a tile needs a codec that is not there.
        """
        source = entries.source
        used = {source.item()} if source.size == 1 else set(source.tolist())
        if len(used) == 1:
            self._decode_column(used.pop(), entries, shapes, out)
        else:
            npixels = shapes.prod(axis=1, dtype=np.int64)
            for number in sorted(used):
                here = entries.source == number
                tiles = np.empty(int(npixels[here].sum()), dtype=out.dtype)
                self._decode_column(number, entries.part(here), shapes[here], tiles)
                out[np.repeat(here, npixels)] = tiles
        if self.table.null_mask is not None:
            null = np.nan if out.dtype.kind == "f" else blank_value(self.table.cards, out.dtype, ("ZBLANK", "BLANK"))
            if null is not None:
                out[self._masks(entries.rows, shapes)] = null

    def decode_integers(self, entries: TileEntries, out: NDArray[np.int32], shapes: Int64s) -> None:
        """Read and decode tiles of quantised floats, but leave them the integers that they are stored as.

        Parameters
        ----------
        entries : TileEntries
            All of them in the first of `SOURCES`.
        out, shapes, and errors
            As for `decode`.
        """
        data, position = read_ranges(self.storage, self.heap_start, entries.start, entries.length)
        self._decode_pixels(TileBatch(data, position, entries.length, shapes, entries.rows), out)

    def _decode_column(self, number: int, entries: TileEntries, shapes: Int64s, out: NDArray[Any]) -> None:
        """Decode tiles that are all in one of `SOURCES`."""
        data, position = read_ranges(self.storage, self.heap_start, entries.start, entries.length, _coded_bytes)
        batch = TileBatch(data, position, entries.length, shapes, entries.rows)
        if number == 0:
            self._decode_coded(batch, entries, out)
        elif number == 1:
            from rustfits.codec.builtin import Gzip1

            Gzip1().decode(batch, out)  # the lossless fallback: pixels of the image's own type
        else:
            column = self.table.sources[number]
            assert column is not None
            self._decode_raw(batch, column, out)

    def _decode_coded(self, batch: TileBatch, entries: TileEntries, out: NDArray[Any]) -> None:
        quantization = self.table.quantization
        if quantization is None:
            self._decode_pixels(batch, out)
            return
        integers = scratch("integers", out.size, np.int32)
        self._decode_pixels(batch, integers)
        assert entries.numbers is not None
        scale, zero, null = entries.numbers
        tiles = QuantizedTiles(integers, batch.npixels, entries.rows, scale=scale, zero=zero, null=null)
        active().dequantize(tiles, quantization.dither, out)

    def _decode_pixels(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode with the image's codec, whose numbers may be wider than the pixels."""
        codec, offset = self.table.codec, self.table.offset
        dtype = codec.decoded_dtype(self.table.coded)
        if dtype == out.dtype and not offset:
            decoded_by(codec, batch, out)
            return
        wide = scratch("wide", out.size, dtype)
        decoded_by(codec, batch, wide)
        if offset:
            wide += dtype.type(offset)
        self._narrow(wide, batch, out)

    def _decode_raw(self, batch: TileBatch, column: Column, out: NDArray[Any]) -> None:
        """Take tiles that were stored as they are, as numbers of the column's type or as bytes."""
        npixels, width = batch.npixels, ELEMENT_NBYTES[column.element]
        dtype = np.dtype(ELEMENT_DTYPES.get(column.element, "V1"))
        if column.element == "B" and out.itemsize > 1:
            dtype, width = out.dtype.newbyteorder(">"), out.itemsize
        wrong = np.flatnonzero(batch.length != npixels * width) if dtype.kind in "iuf" else np.zeros(1, dtype=np.int64)
        if wrong.size:
            first = int(wrong[0])
            raise self.table.fault(
                int(batch.row[first]),
                f"{column.name} (elements of type {column.element}) holds {int(batch.length[first])} bytes for "
                f"{int(npixels[first])} pixels",
            )
        pixels = _joined(batch).view(dtype)
        if dtype.newbyteorder("=") == out.dtype:
            out[...] = pixels
        else:
            self._narrow(pixels, batch, out)

    def _narrow(self, wide: NDArray[Any], batch: TileBatch, out: NDArray[Any]) -> None:
        """Convert numbers to the dtype of the pixels; integers must fit."""
        if out.dtype.kind != "f":
            held = np.iinfo(out.dtype)
            beyond = (wide < held.min) | (wide > held.max) if wide.size else np.zeros(0, dtype=bool)
            if beyond.any():
                first = int(np.flatnonzero(beyond)[0])
                tile = int(np.searchsorted(np.cumsum(batch.npixels), first, side="right"))
                raise self.table.fault(
                    int(batch.row[tile]),
                    f"pixel value {wide[first]} is out of range: {out.dtype} pixels hold {held.min} to {held.max}",
                )
        with np.errstate(all="ignore"):
            out[...] = wide


def _coded_bytes(nbytes: int) -> NDArray[np.uint8]:
    """Return room for the bytes of tiles, until they are decoded."""
    return scratch("coded", nbytes, np.uint8)


def _joined(batch: TileBatch) -> NDArray[np.uint8]:
    """Return the bytes of all tiles of a batch, back to back."""
    stop = batch.start + batch.length
    if (batch.start[1:] == stop[:-1]).all():
        return batch.data[int(batch.start[0]) : int(stop[-1])]
    return np.concatenate(
        [batch.data[begin:end] for begin, end in zip(batch.start.tolist(), stop.tolist(), strict=True)]
    )


def _per_tile(table: NDArray[Any], source: Column | float, dtype: type[np.generic[Any]]) -> NDArray[Any]:
    """Return one number per tile, from a column or the same for all."""
    if isinstance(source, Column):
        with np.errstate(all="ignore"):
            values: NDArray[Any] = table[source.name].astype(dtype)
        return values
    # A ZBLANK that no 64-bit number can be is no stored integer either.
    within = dtype is np.float64 or abs(source) <= np.iinfo(np.int64).max
    return np.full(table.size, source if within else NULL_PIXEL, dtype=dtype)
