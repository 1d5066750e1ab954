"""Sections that touch few tiles, such as cutouts: plain integers, and what the table says kept from read to read.

For a cutout, arrays of one number cost more than the decoding. So everything here is an int or a slice, except for the
pixels, and whatever is out of the ordinary is left to `rustfits.tilereader`.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.decode import TileDecoder, TileSurvey
from rustfits.sections import Section
from rustfits.threads import SMALL_NPIXELS
from rustfits.tilecache import Place, TileCache

MAX_NTILES = 64
MAX_TABLE_NBYTES = 1 << 19  # of tables that are read at once, and kept
MIN_PREFIX_NPIXELS = 1 << 12  # smaller tiles are decoded whole, for the next section
RARELY = 4  # an image so many times as large as the cache drops a tile before it is wanted again, as a rule

# Of one tile along one axis: its share of the row number, its length, which pixels are selected, and where they land.
_Cell = tuple[int, int, slice, slice]


class FewTiles:
    """Reads small sections of one compressed image.

    Parameters
    ----------
    decoder : TileDecoder
    cache : TileCache
        Whoever changes a tile clears it; what is known of the table is then read anew.
    """

    def __init__(self, decoder: TileDecoder, cache: TileCache) -> None:
        self._decoder, self._cache = decoder, cache
        self._known: tuple[int, TileSurvey] | None = None  # and of which generation of the cache
        table = decoder.table
        grid = table.grid
        least = [min(tile, npixels) for tile, npixels in zip(grid.tile, grid.shape, strict=True)]
        self._axes = list(zip(grid.shape, least, grid.stride, strict=True))
        self._tile_nbytes = prod(least) * table.stored.itemsize
        small = table.layout.table_nbytes <= MAX_TABLE_NBYTES
        self._large = prod(least) >= MIN_PREFIX_NPIXELS
        self._image_nbytes = prod(grid.shape) * table.stored.itemsize
        self._max_ntiles = min(MAX_NTILES, SMALL_NPIXELS // max(prod(least), 1)) if small else 0

    def read(self, section: Section) -> NDArray[Any] | None:
        """Return the stored pixels of a section, or None if it is not one for this way.

        Parameters
        ----------
        section : Section

        Returns
        -------
        array of shape ``section.count``, or None
            A new array. None too if a descriptor is wrong; nothing is decoded then.

        Raises
        ------
        As `TileDecoder`.
        """
        axes = self._cells(section)
        if axes is None:
            return None
        cache = self._cache
        generation = cache.generation
        known = self._known
        if known is None or known[0] != generation:
            known = self._known = generation, self._decoder.survey()
        survey = known[1]
        tiles = [_joined(cells) for cells in itertools.product(*axes)]
        rows = [tile[0] for tile in tiles]
        places = cache.take(rows)
        prefixes = self._prefixes and self._image_nbytes >= RARELY * cache.capacity
        missing: list[tuple[int, tuple[int, ...]]] = []
        for index, (place, (row, shape, inside, _)) in enumerate(zip(places, tiles, strict=True)):
            if place is None:
                if not survey.good[row]:
                    return None
                first = prefixes and not survey.entries.source[row]
                missing.append((row, _first_rows(shape, inside) if first else shape))
            elif self._prefixes and place[2] < prod(_first_rows(shape, inside)):
                missing.append((row, shape))  # wanted again, so all of it
                places[index] = None
        fresh = self._fetch(survey, missing, generation) if missing else {}
        out = np.empty(section.count, dtype=self._decoder.table.stored)
        for place, (row, shape, inside, target) in zip(places, tiles, strict=True):
            pixels, start, npixels = place or fresh[row]
            there = _rows_of(npixels, shape) if self._prefixes else shape
            out[target] = pixels[start : start + npixels].reshape(there)[inside]
        return out

    @cached_property
    def _prefixes(self) -> bool:
        """Whether first rows of tiles may be decoded alone."""
        return self._large and self._decoder.table.codec.decodes_prefixes

    def _cells(self, section: Section) -> list[list[_Cell]] | None:
        """Return the tiles along each axis that hold the section; None if they are too many, or it has steps."""
        axes, ntiles = [], 1
        for start, count, step, (size, tile, stride) in zip(
            section.start, section.count, section.step, self._axes, strict=True
        ):
            if step != 1 or not count:
                return None
            stop = start + count
            first, last = start // tile, (stop - 1) // tile
            ntiles *= last - first + 1
            if ntiles > self._max_ntiles:
                return None
            cells = []
            for number in range(first, last + 1):
                origin = number * tile
                length = min(tile, size - origin)
                begin, end = max(start - origin, 0), min(stop - origin, length)
                target = origin + begin - start
                cells.append((number * stride, length, slice(begin, end), slice(target, target + end - begin)))
            axes.append(cells)
        fits = ntiles * self._tile_nbytes <= self._cache.capacity
        return axes if fits or not self._cache.capacity else None

    def _fetch(
        self, survey: TileSurvey, wanted: list[tuple[int, tuple[int, ...]]], generation: int
    ) -> dict[int, Place]:
        """Decode tiles, or their first rows, in ascending order of their table rows, and cache them."""
        rows = [row for row, _ in wanted]
        together = rows[-1] - rows[0] == len(rows) - 1
        which: Any = slice(rows[0], rows[-1] + 1) if together else np.array(rows)
        npixels = [prod(shape) for _, shape in wanted]
        tiles = np.empty(sum(npixels), dtype=self._decoder.table.stored)
        shapes = np.array([shape for _, shape in wanted], dtype=np.int64) if self._prefixes else survey.shapes[which]
        self._decoder.decode(survey.entries.part(which), tiles, shapes)
        starts = itertools.accumulate(npixels, initial=0)
        places = {row: (tiles, start, count) for row, start, count in zip(rows, starts, npixels, strict=False)}
        whole = not self._prefixes or npixels == [survey.npixels[row] for row in rows]
        self._cache.add(rows, npixels, tiles, generation=generation, whole=whole)
        return places


def _first_rows(shape: tuple[int, ...], inside: tuple[slice, ...]) -> tuple[int, ...]:
    """Return the shape of a tile that ends, along its first axis of more than one pixel, with what is wanted."""
    for axis, length in enumerate(shape):
        if length > 1:
            stop: int = inside[axis].stop
            return (*shape[:axis], stop, *shape[axis + 1 :])
    return shape


def _rows_of(npixels: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the first pixels of a tile, which are whole rows of it."""
    for axis, length in enumerate(shape):
        if length > 1:
            return (*shape[:axis], npixels * length // prod(shape), *shape[axis + 1 :])
    return shape


def _joined(cells: tuple[_Cell, ...]) -> tuple[int, Any, Any, Any]:
    """Return the row of a tile, its shape, which pixels are selected, and where they land."""
    strides, shape, inside, target = zip(*cells, strict=True)
    return sum(strides), shape, inside, target
