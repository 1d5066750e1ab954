"""Boxes of few tiles, such as cutouts: plain integers, and what the table says kept from read to read.

For a cutout, arrays of one number cost more than the decoding. So everything here is an int or a slice, except for the
pixels, and whatever is out of the ordinary is left to `rustfits.tiles.reader`. Compiled kernels may do the same in one
step from the key to the pixels; what they have to know of an image is put together here.
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits import limits
from rustfits.codec.choice import active
from rustfits.errors import FitsError
from rustfits.parallel.threads import SMALL_NPIXELS
from rustfits.pixels.sections import Section
from rustfits.tiles.cache import Keeper, TileCache
from rustfits.tiles.decode import TileDecoder, TileSurvey
from rustfits.tiles.grid import Part

if TYPE_CHECKING:
    from rustfits.codec.readers import BoxReader, TiledImage

MAX_NTILES = 64
MAX_TABLE_NBYTES = 1 << 19  # of tables that are read at once, and kept
MAX_REMOTE_TABLE_NBYTES = 1 << 13  # likewise, of a file that is fetched by parts
MIN_PREFIX_NPIXELS = 1 << 12  # of a tile, or of the thin ones of a box: of fewer, decoding the rest costs nothing
THIN_NTILES = 5  # tiles of one pixel along all axes but the last come in such numbers at least


class Boxes:
    """Reads boxes of one compressed image.

    Parameters
    ----------
    decoder : TileDecoder
    cache : TileCache
        Whoever changes a tile clears it; what is known of the table is then read anew.
    """

    def __init__(self, decoder: TileDecoder, cache: TileCache) -> None:
        self._decoder, self._cache = decoder, cache
        self._known: tuple[Keeper, TileSurvey] | None = None  # of one generation of the cache
        self._reader: tuple[int, BoxReader | None] = -1, None  # likewise
        self._asked = -1  # for a box, first in which generation
        table = decoder.table
        self._grid = table.grid
        self._stored = table.stored
        self._ones = (1,) * len(self._grid.shape)
        npixels = prod(self._grid.clipped)
        remote = decoder.storage.fetches_ahead  # its requests, and the bytes of them, take longer than arrays
        most = MAX_REMOTE_TABLE_NBYTES if remote else MAX_TABLE_NBYTES
        small = decoder.snapshot.layout.table_nbytes <= most and table.null_mask is None
        if limits.MAX_TILE_NBYTES is not None and npixels * self._stored.itemsize > limits.MAX_TILE_NBYTES:
            small = False  # the reader of any section says so
        self._max_ntiles = min(MAX_NTILES, SMALL_NPIXELS // max(npixels, 1)) if small else 0
        thin = npixels == self._grid.clipped[-1] and self._grid.ntiles > 1
        self._large = npixels * (THIN_NTILES if thin else 1) >= MIN_PREFIX_NPIXELS

    def cut(self, key: object) -> NDArray[Any] | None:
        """Return the stored pixels of a box by compiled kernels, or None if they leave it to the core.

        Parameters
        ----------
        key : object
            Of ``hdu[key]``.
        """
        generation, reader = self._reader
        if generation != self._cache.generation:
            reader = self._prepare(self._cache.generation)
        return None if reader is None else reader(key)

    def read(self, section: Section) -> NDArray[Any] | None:
        """Return the stored pixels of a section as a new array, or None if it is not one for this way.

        None too if a descriptor is wrong; nothing is decoded then. Other errors are those of `TileReader.read`.
        """
        if not self._max_ntiles or section.step != self._ones or 0 in section.count:
            return None
        parts = self._grid.parts(section, self._max_ntiles)
        if parts is None:
            return None
        keeper, survey = self._survey()
        rows, shapes = [part[0] for part in parts], [part[1] for part in parts]
        tiles = keeper.take(rows, sum([survey.npixels[row] for row in rows]) * self._stored.itemsize)
        if tiles is None:
            return None
        missing = [index for index, tile in enumerate(tiles) if tile is None]
        if missing:
            if not all(survey.good[parts[index][0]] for index in missing):
                return None
            self._fetch([parts[index] for index in missing], tiles, shapes, missing)
        if len(parts) == 1:
            assert tiles[0] is not None
            pixels, start, _ = tiles[0]
            return pixels[start : start + prod(shapes[0])].reshape(shapes[0])[parts[0][2]].copy()
        out = np.empty(section.count, dtype=self._stored)
        for tile, shape, (_, _, inside, target) in zip(tiles, shapes, parts, strict=True):
            assert tile is not None
            pixels, start, _ = tile
            out[target] = pixels[start : start + prod(shape)].reshape(shape)[inside]
        return out

    def _fetch(self, parts: list[Part], tiles: list[Any], shapes: list[tuple[int, ...]], missing: list[int]) -> None:
        """Decode the missing tiles, or the first rows of tiles that are not to be kept; note the tiles and shapes."""
        keeper, survey = self._survey()
        rows = [part[0] for part in parts]
        npixels = [survey.npixels[row] for row in rows]
        whole = not self._prefixes or any(_wanted_whole(part) for part in parts)
        keep = keeper.worth(rows, sum(npixels) * self._stored.itemsize, whole)
        if self._prefixes and not keep:
            sources = survey.entries.source[rows].tolist()
            for index, part, source in zip(missing, parts, sources, strict=True):
                if not source:  # other columns are not the codec's
                    shapes[index] = _first_rows(part)
            npixels = [prod(shapes[index]) for index in missing]
        pixels = np.empty(sum(npixels), dtype=self._stored)
        together = rows[-1] - rows[0] == len(rows) - 1
        which: Any = slice(rows[0], rows[-1] + 1) if together else np.array(rows)
        decoded = np.array([shapes[index] for index in missing], dtype=np.int64)
        self._decoder.decode(survey.entries.part(which), pixels, decoded)
        start = 0
        for index, count in zip(missing, npixels, strict=True):
            tiles[index] = pixels, start, count
            start += count
        if keep:
            keeper.add(rows, npixels, pixels)

    def _survey(self) -> tuple[Keeper, TileSurvey]:
        """Return what the table says now, with the cache as it is since then."""
        known = self._known
        if known is None or known[0].generation != self._cache.generation:
            keeper = Keeper(self._cache, prod(self._grid.shape) * self._stored.itemsize, self._grid.ntiles)
            known = self._known = keeper, self._decoder.survey()
        return known

    @cached_property
    def _prefixes(self) -> bool:
        """Whether first rows of tiles may be decoded alone."""
        return self._large and self._decoder.table.codec.decodes_prefixes

    # -- compiled -------------------------------------------------------------------------------------------------

    def _prepare(self, generation: int) -> BoxReader | None:
        """Make compiled kernels ready when a second box is asked for: a single one is read sooner without them."""
        # They would ask a remote storage for tile after tile.
        if self._asked != generation or not self._max_ntiles or self._decoder.storage.fetches_ahead:
            self._asked = generation
            return None
        try:
            reader = self._new_reader()
        except FitsError:
            reader = None  # if it matters, `read` says so
        self._reader = generation, reader
        return reader

    def _new_reader(self) -> BoxReader | None:
        """Return what reads boxes of this image in one step, if there is such a thing."""
        from rustfits.codec.readers import HeapBytes, TileIndex

        keeper, survey = self._survey()
        entries, decoder = survey.entries, self._decoder
        good = np.array(survey.good) & (entries.source == 0)
        if not good.any():
            return None  # and no codec is needed
        image = self._image()
        if image is None:
            return None
        npixels = np.array(survey.npixels, dtype=np.int64)
        index = TileIndex(good.view(np.uint8), entries.start, entries.length, npixels, entries.numbers)
        heap = HeapBytes(decoder.read_heap, decoder.storage.descriptor, decoder.heap_start)
        return active().box_reader(image, index, heap, keeper)

    def _image(self) -> TiledImage | None:
        """Return what kernels must know of the image; None if its codec has no decoder for them."""
        from rustfits.codec.readers import TiledImage

        table, grid = self._decoder.table, self._grid
        codec, quantization = table.codec, table.quantization
        dtype = np.dtype(np.int32) if quantization is not None else table.stored
        decoder = codec.c_decoder(dtype) if not table.offset and codec.decoded_dtype(table.coded) == dtype else None
        if decoder is None:
            return None
        return TiledImage(
            grid.shape,
            grid.clipped,
            grid.stride,
            table.stored,
            None if quantization is None else quantization.dither,
            decoder,
            codec.c_resumer(dtype) if self._prefixes else None,
            self._prefixes,
            self._max_ntiles,
        )


def _first_rows(part: Part) -> tuple[int, ...]:
    """Return the shape of a tile that ends, along its first axis of more than one pixel, with what is wanted."""
    _, shape, inside, _ = part
    for axis, length in enumerate(shape):
        if length > 1:
            stop: int = inside[axis].stop
            return (*shape[:axis], stop, *shape[axis + 1 :])
    return shape


def _wanted_whole(part: Part) -> bool:
    """Tell whether a box takes all pixels of a tile."""
    return all(here.stop - here.start == length for here, length in zip(part[2], part[1], strict=True))
