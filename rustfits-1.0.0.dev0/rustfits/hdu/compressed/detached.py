"""Tiles of a compressed image away from their file: decoded from bytes of its heap, encoded for whoever writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.codec.codec import TileCodec
from rustfits.errors import ImageError, NotSupported, TruncatedFile, WrongHDUKind
from rustfits.hdu.base import HDU
from rustfits.hdu.compressed.compressed import CompressedImageHDU
from rustfits.hdu.compressed.edit import checked_image, encoded, laid, null_keyword
from rustfits.header.cards import Cards
from rustfits.heap.writer import HeapWriter
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section, box_section, parse_section, shaped
from rustfits.quantize.parameters import Quantize
from rustfits.storage.base import Identity, Storage
from rustfits.storage.reread import repeated
from rustfits.tiles import encode
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import TileDecoder, TileEntries
from rustfits.tiles.encode import EncodedBatch
from rustfits.tiles.newtiles import NewTiles
from rustfits.tiles.reader import TileReader
from rustfits.tiles.zimage import SOURCES, CompressedSnapshot, TileTable

Int64s = NDArray[np.int64]


class ImageTiles:
    """What a header says of the tiles of one compressed image; decodes and encodes them without the file.

    It is small, and can be pickled: what is pickled is the header.

    Parameters
    ----------
    header : bytes
        Of the HDU, whole cards of 80 characters: ``hdu.header.tostring().encode()``.
    codec : TileCodec, optional
        What encodes, if more is known of it than the header says, such as the level of gzip.
    quantize : Quantize, optional
        Level for tiles of quantised floats that are encoded; what the header says of method and seed goes before.

    Attributes
    ----------
    header : bytes
    shape : tuple of int
        Pixels of the image along each axis, numpy order.
    tile_shape : tuple of int
        Pixels of a full tile along each axis, no more than the image has.
    ntiles_along : tuple of int
        Tiles along each axis. The table has a row for each, the last axis fastest.
    dtype : dtype
        Of the physical values; native byte order.
    stored_dtype : dtype
        Of the numbers before BSCALE and BZERO.
    algorithm : str
        Value of ZCMPTYPE.

    Raises
    ------
    HeaderError, ImageError
        If the header does not describe a compressed image, or one without axes.
    """

    def __init__(self, header: bytes, codec: TileCodec | None = None, quantize: Quantize | None = None) -> None:
        self.header, self._codec, self._quantize = header, codec, quantize
        cards = Cards.parse(header, lenient=True)
        self._snapshot = CompressedSnapshot(cards, TileTable(cards, codec))
        table = self._snapshot.table
        self.shape, self.tile_shape = table.shape, table.grid.clipped
        self.ntiles_along = table.grid.ntiles_along
        self.dtype, self.stored_dtype = table.scaling.dtype, table.stored
        self.algorithm = table.algorithm

    def __reduce__(self) -> tuple[type[ImageTiles], tuple[object, ...]]:
        return ImageTiles, (self.header, self._codec, self._quantize)

    def __repr__(self) -> str:
        return f"<ImageTiles: {self.algorithm}, shape={self.shape}, tile_shape={self.tile_shape}, dtype={self.dtype}>"

    def rows(self, key: Any = ...) -> Int64s:
        """Return the table rows, from 0 and ascending, of the tiles that a section touches.

        Parameters
        ----------
        key : int, slice, Ellipsis, or tuple of these
            As in ``hdu[key]``.

        Raises
        ------
        ImageError, PixelIndexError
            If the key does not fit the image.
        """
        blocks = self._snapshot.table.grid.select(parse_section(key, self.shape))
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(block.rows for block in blocks)]))

    def decode(self, entries: TileEntries, data: Any, key: Any = ..., *, at: int = 0, scale: bool = True) -> Any:
        """Decode a section of the image from bytes of its heap.

        Parameters
        ----------
        entries : TileEntries
            Of the tiles that the section touches, others may be among them; rows ascending, each once.
        data : bytes-like
            A part of the heap that holds these tiles.
        key : int, slice, Ellipsis, or tuple of these
            As in ``hdu[key]``.
        at : int
            Byte of the heap at which ``data`` begins.
        scale : bool
            Whether to return physical values; False: the stored numbers.

        Returns
        -------
        array, or numpy scalar
            What ``hdu[key]`` returns.

        Raises
        ------
        ImageError, PixelIndexError
            If the key does not fit the image, or there is no entry for one of its tiles.
        TileDecodeError
            If an entry makes no sense, or a tile is damaged.
        TruncatedFile
            If ``data`` does not hold one of the tiles.
        NotSupported
            If null pixels are in masks of their own (NULL_PIXEL_MASK), which are no part of the tiles.
        CodecNotInstalled, PluginError
            If a tile needs a codec that is not there.
        """
        section = parse_section(key, self.shape)
        table = self._snapshot.table
        scaling = table.scaling if scale else Scaling(table.stored)
        decoder = _KnownTiles(self._snapshot, entries, memoryview(data).cast("B"), at)
        return shaped(TileReader(decoder, TileCache(0)).read_many([section], scaling)[0], section)

    def encode(self, pixels: ArrayLike, start: Sequence[int] | None = None) -> list[EncodedBatch]:
        """Compress a box of whole tiles.

        Parameters
        ----------
        pixels : array-like, perhaps masked
            Physical values or stored numbers, as ``hdu.write`` takes them.
        start : sequence of int, optional
            Where in the image the box begins, numpy order; the origin if None. It begins and ends between tiles, or
            at the end of the image.

        Returns
        -------
        list of EncodedBatch
            Can be pickled; `write_tiles` takes it. The bytes of a tile do not depend on what it is encoded with.

        Raises
        ------
        ImageError
            If the box does not fit, or dtype or a value.
        TileEncodeError, CodecNotInstalled
            If the pixels cannot be compressed.
        HeaderError
            If the table cannot hold the tiles.
        """
        snapshot = self._snapshot
        section, values = self._box(pixels, start)
        blocks = iter(snapshot.table.grid.select(section))
        # The header has the seed already: tiles that are encoded elsewhere are never the first to be known.
        batches, _ = encoded(snapshot, blocks, values, snapshot.table.scaling, self._quantize, before={})
        return batches

    def checksum_seed(self, pixels: ArrayLike) -> int:
        """Return the seed that fpack takes from the pixels of the first tile; errors as `encode`."""
        section, values = self._box(pixels, None)
        table = self._snapshot.table
        return encode.checksum_seed(encode.stored_tiles(table.grid.select(section), values, table.scaling))

    def _box(self, pixels: ArrayLike, start: Sequence[int] | None) -> tuple[Section, NDArray[Any]]:
        """Return where a box of whole tiles lies, and its pixels, checked."""
        shape = np.shape(pixels)
        origin = (0,) * len(self.shape) if start is None else tuple(start)
        if len(shape) != len(self.shape) or len(origin) != len(self.shape):
            raise ImageError(f"a box of shape {shape} from {origin} is none of an image of shape {self.shape}")
        for axis, (first, count, size, tile) in enumerate(zip(origin, shape, self.shape, self.tile_shape, strict=True)):
            stop = first + count
            if not 0 <= first <= stop <= size or first % tile or (stop % tile and stop != size):
                raise ImageError(
                    f"axis {axis} of the box is {first}:{stop}; it must begin and end between tiles of {tile} pixels, "
                    f"or at the end of the image, {size}"
                )
        return box_section(origin, shape), checked_image(pixels, shape, self._snapshot.table)


class StoredTiles(NamedTuple):
    """Where the tiles of a compressed image are in its file.

    Attributes
    ----------
    tiles : ImageTiles
    entries : TileEntries
        Of all tiles, in the order of their rows.
    heap_start : int
        Byte of the file from which the ``start`` of an entry counts.
    identity : tuple or None
        What tells the file as it is from others of its name, as `Storage.identity`; None if nothing does.
    """

    tiles: ImageTiles
    entries: TileEntries
    heap_start: int
    identity: Identity | None


@repeated
def stored_tiles(hdu: HDU) -> StoredTiles:
    """Return where all tiles of an image are.

    Parameters
    ----------
    hdu : CompressedImageHDU
        Of an open file.

    Raises
    ------
    WrongHDUKind
        If it is another kind of HDU.
    TileDecodeError
        If a tile was never written, or is not in the heap.
    FitsIOError
        If the rows of the table cannot be read.
    """
    hdu = _compressed(hdu)
    with hdu._reading:
        hdu._check_not_extending("reading tiles")
        decoder, storage = hdu._decoder(), hdu._file.storage
        entries = decoder.entries(np.arange(hdu.n_tiles))
        tiles = ImageTiles(hdu._state.cards.encode())
        return StoredTiles(tiles, entries, decoder.heap_start, storage.identity())


def write_tiles(hdu: HDU, batches: Sequence[EncodedBatch]) -> None:
    """Write tiles that were encoded elsewhere; others of the image stay. The first to be written is the first on disk.

    Parameters
    ----------
    hdu : CompressedImageHDU
        Of a file that is open for writing. Its header is the one that encoded them, but for its sizes.
    batches : sequence of EncodedBatch
        From `ImageTiles.encode`, each tile once.

    Raises
    ------
    WrongHDUKind
        If it is another kind of HDU.
    ImageError
        If a tile is none of this image.
    HeaderError
        If the table cannot hold the tiles.
    FitsIOError
        If the bytes cannot be written. Nothing is changed by any of these errors.
    """
    hdu = _compressed(hdu)
    with hdu._changing():
        hdu._check_not_extending("write_tiles()")
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(batch.rows for batch in batches)])
        if rows.size and not 0 <= rows.min() <= rows.max() < hdu.n_tiles:
            raise ImageError(f"the tiles of table rows {rows.min() + 1} to {rows.max() + 1} are not all of this image")
        snapshot: CompressedSnapshot = hdu._state.snapshot
        new = NewTiles(snapshot, HeapWriter(snapshot.layout, hdu._spare))
        new.set_keywords(null_keyword(snapshot))
        new.writer.add(laid(new, snapshot, list(batches), {}))
        hdu._make(new)


def _compressed(hdu: HDU) -> CompressedImageHDU:
    if not isinstance(hdu, CompressedImageHDU):
        raise WrongHDUKind(f"{hdu._place} has no tiles: it is of type {hdu.label}, and no compressed image")
    return hdu


class _KnownTiles(TileDecoder):
    """Decodes tiles of which the table is known, from a part of the heap."""

    def __init__(self, snapshot: CompressedSnapshot, known: TileEntries, data: memoryview, at: int) -> None:
        super().__init__(snapshot, _HeapPart(data, at), 0)
        self.heap_start = 0
        if self.table.null_mask is not None:
            raise NotSupported("an image with a column NULL_PIXEL_MASK can be read from its file alone: hdu[...]")
        if self.table.quantization is not None and known.numbers is None:
            raise ImageError("the entries of a quantized image must have ZSCALE, ZZERO and ZBLANK of each tile")
        self._known, self._at = known, at

    def entries(self, rows: Int64s) -> TileEntries:
        """Return what is known of tiles, checked as what a table says is."""
        known = self._known
        where = np.searchsorted(known.rows, rows)
        there = where < known.rows.size
        there[there] = known.rows[where[there]] == rows[there]
        if not there.all():
            raise ImageError(f"there is no entry for the tile of table row {int(rows[~there][0]) + 1}")
        found = known.part(where)
        there = np.array([column is not None for column in self.table.sources])
        wrong = (found.source < 0) | (found.source >= len(SOURCES)) | (found.start < 0) | (found.length < 0)
        wrong |= ~there[np.where(wrong, 0, found.source)]
        if wrong.any():
            first = int(wrong.argmax())
            raise self.table.fault(
                int(rows[first]),
                f"its entry names {found.length[first]} bytes at byte {found.start[first]} of the heap, for column "
                f"{found.source[first]} of {', '.join(SOURCES)}: there is no such column, or there are no such bytes",
            )
        storage = self.storage
        outside = (found.length > storage.size() - found.start) | (found.start < self._at)
        if outside.any():
            first = int(outside.argmax())
            raise TruncatedFile(
                f"{storage.name}, bytes {self._at} to {storage.size()} of it, does not hold the tile of table row "
                f"{rows[first] + 1}: {found.length[first]} bytes at byte {found.start[first]}"
            )
        return found


class _HeapPart(Storage):
    """Bytes of a heap from one of them on."""

    name = "the part of the heap that was given"

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at

    def size(self) -> int:
        """Return one past the last byte of the heap that is there."""
        return self._at + self._data.nbytes

    def _read_into(self, offset: int, target: memoryview) -> int:
        if offset < self._at:
            return 0
        part = self._data[offset - self._at :][: target.nbytes]
        target[: part.nbytes] = part
        return part.nbytes
