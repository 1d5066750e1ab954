"""From the pixels of an image to table rows and heap bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import threads
from rustfits.bintable import ELEMENT_NBYTES
from rustfits.errors import HeaderError, ImageError, NotSupported, PluginError
from rustfits.header.cards import Cards
from rustfits.heap import LIMITS
from rustfits.scaling import Scaling
from rustfits.tilebatch import EncodedTiles, PixelBatch
from rustfits.tilegrid import Block
from rustfits.zimage import COMPRESSED, TileTable

Int64s = NDArray[np.int64]

BATCH_NBYTES = 1 << 20  # of pixels that one thread encodes at a time


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """A compressed image, ready to be written: the data unit, and what changes in the header.

    Attributes
    ----------
    rows : (nbytes,) uint8 array
        The table.
    heap : list of uint8 array
        Its heap, in pieces.
    nbytes : int
        Of the data unit.
    cards : Cards
        The header.
    """

    rows: NDArray[np.uint8]
    heap: list[NDArray[np.uint8]]
    nbytes: int
    cards: Cards


def encode_image(table: TileTable, pixels: NDArray[Any], scaling: Scaling) -> EncodedImage:
    """Compress a whole image; nothing is written.

    Parameters
    ----------
    table : TileTable
        Of the image that gets the pixels.
    pixels : array of the image's shape
        What `Scaling.convert` takes, with no value that it would refuse; any real numbers for floats that are not
        scaled. Any layout and byte order.
    scaling : Scaling

    Returns
    -------
    EncodedImage

    Raises
    ------
    TileEncodeError
        If the codec cannot hold the pixels of a tile.
    ImageError
        If the heap would be larger than its descriptors can say.
    NotSupported
        If floats are to be quantised.
    HeaderError
        If the table cannot hold a compressed image.
    """
    if table.quantization is not None:
        raise NotSupported(
            "writing quantized floats is not there yet; leave out quantize= and take GZIP_2, which is lossless"
        )
    encoder = _Encoder(table, pixels, scaling)
    batches = list(_batches(table.grid.in_order(), table.stored.itemsize))
    tiles: list[EncodedTiles | None] = [None] * len(batches)

    def work(number: int) -> None:
        tiles[number] = encoder.encode(batches[number])

    threads.run(work, range(len(batches)), npixels=pixels.size)
    done = [each for each in tiles if each is not None]
    length = np.concatenate([each.length for each in done]) if done else np.empty(0, dtype=np.int64)
    return _laid_out(table, length, [each.data for each in done])


class _Encoder:
    """Encodes batches of tiles of one image; threads may share it."""

    def __init__(self, table: TileTable, pixels: NDArray[Any], scaling: Scaling) -> None:
        self._table, self._codec, self._pixels, self._scaling = table, table.codec, pixels, scaling
        self._dtype = self._codec.decoded_dtype(table.coded)
        # Floats may come as any numbers, and are converted while they are collected.
        self._as_is = scaling.trivial and table.stored.kind == "f"
        self._gathered = table.stored if self._as_is else pixels.dtype.newbyteorder("=")

    def encode(self, blocks: list[Block]) -> EncodedTiles:
        """Return the compressed tiles of some blocks, in their order."""
        rows = np.concatenate([block.rows for block in blocks])
        batch = PixelBatch(self._coded(self._collect(blocks)), self._table.grid.tile_shapes(rows), rows)
        tiles = self._codec.encode(batch)
        width = ELEMENT_NBYTES[self._codec.descriptor_type]
        whole = tiles.length.size == rows.size and int(tiles.length.sum()) == tiles.data.size
        if not whole or (tiles.length % width).any() or not tiles.length.all():
            raise PluginError(
                f"the codec of {self._codec.zcmptype} returned {tiles.data.size} bytes with {tiles.length.size} "
                f"lengths for {rows.size} tiles: it breaks the contract of TileCodec.encode"
            )
        return tiles

    def _collect(self, blocks: list[Block]) -> NDArray[Any]:
        """Return the tiles of blocks back to back, as they were given."""
        if len(blocks) == 1 and self._pixels.dtype == self._gathered and self._pixels.flags.c_contiguous:
            direct = blocks[0].direct(self._pixels)
            if direct is not None:
                return direct
        tiles = np.empty(sum(block.ntiles * block.tile_npixels for block in blocks), dtype=self._gathered)
        stop = 0
        with np.errstate(all="ignore"):  # a number too large for single precision is infinite in it
            for block in blocks:
                begin, stop = stop, stop + block.ntiles * block.tile_npixels
                block.gather(self._pixels, tiles[begin:stop])
        return tiles

    def _coded(self, tiles: NDArray[Any]) -> NDArray[Any]:
        """Return pixels as the codec takes them."""
        stored = tiles if self._as_is else self._scaling.convert(tiles)
        offset = self._table.offset
        if not offset:
            return stored.astype(self._dtype, copy=False)
        physical: NDArray[Any] = stored.astype(self._dtype)
        physical -= self._dtype.type(offset)
        return physical


def _batches(blocks: Iterator[Block], itemsize: int) -> Iterator[list[Block]]:
    """Join small blocks and cut large ones, so that each batch has about as many pixels."""
    batch: list[Block] = []
    nbytes = 0
    for block in blocks:
        tile_nbytes = block.tile_npixels * itemsize
        for part in block.split(max(BATCH_NBYTES // tile_nbytes, 1)):
            if batch and nbytes + part.ntiles * tile_nbytes > BATCH_NBYTES:
                yield batch
                batch, nbytes = [], 0
            batch.append(part)
            nbytes += part.ntiles * tile_nbytes
    if batch:
        yield batch


def _laid_out(table: TileTable, length: Int64s, heap: list[NDArray[np.uint8]]) -> EncodedImage:
    """Put the tiles into the heap in the order of their rows, right behind the table."""
    layout = table.layout
    column = layout.column(COMPRESSED)
    if column is None or not column.descriptor:
        raise HeaderError(f"the table has no column {COMPRESSED} of descriptors to write to")
    start = np.cumsum(length) - length
    count = length // ELEMENT_NBYTES[column.element]
    heap_nbytes = int(length.sum())
    if heap_nbytes > LIMITS[column.code]:
        raise ImageError(
            f"the compressed image takes {heap_nbytes} bytes, but descriptors of type {column.code} reach only "
            f"{LIMITS[column.code]}; create the image with heap_format='Q'"
        )
    rows = np.zeros(layout.nrows, dtype=layout.row_dtype([column]))
    rows[column.name][: length.size] = np.stack([count, start], axis=1)
    cards = table.cards.copy()
    cards.set("PCOUNT", heap_nbytes)
    if "THEAP" in cards:
        cards.remove("THEAP")
    for other in layout.columns:
        if other.descriptor:
            largest = int(count.max(initial=0)) if other is column else 0
            cards.set(f"TFORM{other.number}", f"1{other.code}{other.element}({largest})")
    return EncodedImage(rows.view(np.uint8), heap, layout.table_nbytes + heap_nbytes, cards)
