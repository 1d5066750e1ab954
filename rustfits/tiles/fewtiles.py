"""Sections that touch few tiles, such as cutouts: plain integers, and what the table says kept from read to read.

For a cutout, arrays of one number cost more than the decoding. So everything here is an int or a slice, except for the
pixels, and whatever is out of the ordinary is left to `rustfits.tiles.reader`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.choice import active
from rustfits.errors import FitsError
from rustfits.parallel.threads import SMALL_NPIXELS, scratch
from rustfits.pixels.sections import Section
from rustfits.tiles.cache import Place, TileCache
from rustfits.tiles.decode import TileDecoder, TileSurvey
from rustfits.tiles.shortway import find_resumer, image_facts

MAX_NTILES = 64
MAX_TABLE_NBYTES = 1 << 19  # of tables that are read at once, and kept
MIN_PREFIX_NPIXELS = 1 << 12  # smaller tiles are decoded whole, for the next section
MIN_STRIP_NTILES = 5  # fewer are looked up in the cache one by one

_Cutter = Callable[[object], NDArray[Any] | None]
_Shape = tuple[int, ...]
_Slices = tuple[slice, ...]
# Of one tile: its row in the table, its shape, which pixels are selected, and where in the section they land.
_Tile = tuple[int, _Shape, _Slices, _Slices]


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
        self._cutter: tuple[int, _Cutter | None] = -1, None  # likewise
        self._asked = -1  # for a box, first in which generation
        table = decoder.table
        grid = table.grid
        least = tuple([min(tile, npixels) for tile, npixels in zip(grid.tile, grid.shape, strict=True)])
        self._stored = table.stored
        self._ones = (1,) * len(least)
        self._axes = list(zip(grid.shape, least, grid.stride, strict=True))
        self._tile_nbytes = prod(least) * self._stored.itemsize
        self._image_nbytes = prod(grid.shape) * self._stored.itemsize
        small = table.layout.table_nbytes <= MAX_TABLE_NBYTES
        self._max_ntiles = min(MAX_NTILES, SMALL_NPIXELS // max(prod(least), 1)) if small else 0
        # Of tiles that are one pixel thick, those that follow each other along this axis do so in the table.
        along = max([axis for axis, ntiles in enumerate(grid.ntiles_along) if ntiles > 1], default=0)
        self._strip_axis = along if least[: along + 1] == (1,) * (along + 1) else None
        thick = 1 if self._strip_axis is None else MIN_STRIP_NTILES
        self._large = thick * prod(least) >= MIN_PREFIX_NPIXELS

    def cut(self, key: object) -> NDArray[Any] | None:
        """Return the stored pixels of a box by the kernels' short way, or None if they have none for it.

        Parameters
        ----------
        key : object
            Of ``hdu[key]``.
        """
        generation, cutter = self._cutter
        if generation != self._cache.generation:
            cutter = self._prepare(self._cache.generation)
        return None if cutter is None else cutter(key)

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
        if not self._max_ntiles or section.step != self._ones or 0 in section.count:
            return None
        # The cache drops a tile of an image that does not fit, as a rule, before it is wanted again.
        fleeting = self._image_nbytes > self._cache.capacity
        tile = self._only_tile(section)
        if tile is not None:
            return self._read_tile(self._survey(), tile, fleeting)
        along = self._strip_axis
        if fleeting and along is not None and MIN_STRIP_NTILES <= section.count[along] <= self._max_ntiles:
            strip = self._read_strip(section, self._survey()[1], along)
            if strip is not None:
                return strip
        tiles = self._tiles(section)
        return None if tiles is None else self._read_tiles(section, self._survey(), tiles, fleeting)

    def _survey(self) -> tuple[int, TileSurvey]:
        """Return what the table says now, and of which generation of the cache that is."""
        generation, known = self._cache.generation, self._known
        if known is None or known[0] != generation:
            known = self._known = generation, self._decoder.survey()
        return known

    def _prepare(self, generation: int) -> _Cutter | None:
        """Make the short way ready when a second box is asked for: for a single one it is the longer way."""
        if self._asked != generation or not self._max_ntiles:
            self._asked = generation
            return None
        try:
            cutter = self._new_cutter()
        except FitsError:
            cutter = None  # if it matters, `read` says so
        self._cutter = generation, cutter
        return cutter

    def _new_cutter(self) -> _Cutter | None:
        """Return the kernels' short way for this image, if there is one."""
        generation, survey = self._survey()
        entries, table = survey.entries, self._decoder.table
        good = np.array(survey.good) & (entries.source == 0)
        if not good.any():
            return None  # and no codec is needed
        facts = image_facts(table)
        if facts is None:
            return None
        return active().cutter(
            **facts,
            max_ntiles=self._max_ntiles,
            good=good.view(np.uint8),
            start=entries.start,
            length=entries.length,
            npixels=np.array(survey.npixels, dtype=np.int64),
            numbers=entries.numbers,
            prefixes=self._prefixes,
            resumer=find_resumer(table) if self._prefixes else None,
            read_into=self._decoder.read_heap,
            place=(self._decoder.storage.descriptor, self._decoder.heap_start),
            cache=self._cache,
            generation=generation,
        )

    @cached_property
    def _prefixes(self) -> bool:
        """Whether first rows of tiles may be decoded alone."""
        return self._large and self._decoder.table.codec.decodes_prefixes

    # -- one tile -------------------------------------------------------------------------------------------------

    def _only_tile(self, section: Section) -> tuple[int, _Shape, _Slices] | None:
        """Return the tile that holds all of a section, its row, its shape and what is selected; None if none does."""
        row, shape, inside = 0, [], []
        for start, count, (size, tile, stride) in zip(section.start, section.count, self._axes, strict=True):
            number = start // tile
            origin = number * tile
            begin = start - origin
            if begin + count > tile:
                return None
            row += number * stride
            shape.append(tile if origin + tile <= size else size - origin)
            inside.append(slice(begin, begin + count))
        return row, tuple(shape), tuple(inside)

    def _read_tile(
        self, known: tuple[int, TileSurvey], tile: tuple[int, _Shape, _Slices], fleeting: bool
    ) -> NDArray[Any] | None:
        """Return a section that lies in one tile, which is taken from the cache or decoded for it."""
        (generation, survey), (row, shape, inside) = known, tile
        place = self._cache.take_one(row)
        if place is not None and place[2] < prod(shape):
            wanted = _first_rows(shape, inside)
            if place[2] >= prod(wanted):
                shape = wanted
            else:
                place = None  # wanted again, so all of it
        elif place is None and fleeting and not survey.entries.source.item(row) and self._prefixes:
            shape = _first_rows(shape, inside)
        if place is None:
            if not survey.good[row]:
                return None
            pixels, start = np.empty(prod(shape), dtype=self._stored), 0
            self._decoder.decode(survey.entries.part(slice(row, row + 1)), pixels, np.array([shape], dtype=np.int64))
            whole = pixels.size == survey.npixels[row]
            self._cache.add([row], [pixels.size], pixels, generation=generation, whole=whole)
        else:
            pixels, start, _ = place
            pixels = pixels[start : start + prod(shape)]
        return pixels.reshape(shape)[inside].copy()

    # -- tile by tile ---------------------------------------------------------------------------------------------

    def _tiles(self, section: Section) -> list[_Tile] | None:
        """Return the tiles that hold a section, by row; None if they are too many."""
        tiles: list[_Tile] = [(0, (), (), ())]
        for start, count, (size, tile, stride) in zip(section.start, section.count, self._axes, strict=True):
            stop = start + count
            first, last = start // tile, (stop - 1) // tile
            if (last - first + 1) * len(tiles) > self._max_ntiles:
                return None
            cells = []
            for number in range(first, last + 1):
                origin = number * tile
                begin = start - origin if start > origin else 0
                length = tile if origin + tile <= size else size - origin
                end = stop - origin if stop - origin < length else length
                target = origin + begin - start
                cells.append((number * stride, length, slice(begin, end), slice(target, target + end - begin)))
            tiles = [
                (row + share, (*shape, length), (*inside, here), (*target, there))
                for row, shape, inside, target in tiles
                for share, length, here, there in cells
            ]
        capacity = self._cache.capacity
        return tiles if len(tiles) * self._tile_nbytes <= capacity or not capacity else None

    def _read_tiles(
        self, section: Section, known: tuple[int, TileSurvey], tiles: list[_Tile], fleeting: bool
    ) -> NDArray[Any] | None:
        """Return a section, its tiles being taken from the cache or decoded for it."""
        survey = known[1]
        places = self._cache.take([tile[0] for tile in tiles])
        shapes: list[_Shape] = []
        missing: list[int] = []
        for index, ((row, shape, inside, _), place) in enumerate(zip(tiles, places, strict=True)):
            first = _first_rows(shape, inside)
            if place is None:
                if not survey.good[row]:
                    return None
                missing.append(index)
                prefix = fleeting and not survey.entries.source[row] and self._prefixes
                shapes.append(first if prefix else shape)
            elif place[2] >= prod(shape):
                shapes.append(shape)
            elif place[2] >= prod(first):
                shapes.append(first)
            else:
                missing.append(index)  # wanted again, so all of it
                shapes.append(shape)
        if missing:
            self._fetch(known, tiles, shapes, missing, places)
        out = np.empty(section.count, dtype=self._stored)
        for place, shape, (_, _, inside, target) in zip(places, shapes, tiles, strict=True):
            assert place is not None
            pixels, start, _ = place
            out[target] = pixels[start : start + prod(shape)].reshape(shape)[inside]
        return out

    def _fetch(
        self,
        known: tuple[int, TileSurvey],
        tiles: list[_Tile],
        shapes: list[_Shape],
        missing: list[int],
        places: list[Place | None],
    ) -> None:
        """Decode the missing tiles, or first rows of them as their shapes say, note their places and cache them."""
        generation, survey = known
        rows = [tiles[index][0] for index in missing]
        together = rows[-1] - rows[0] == len(rows) - 1
        which: Any = slice(rows[0], rows[-1] + 1) if together else np.array(rows)
        npixels = [prod(shapes[index]) for index in missing]
        pixels = np.empty(sum(npixels), dtype=self._stored)
        decoded = np.array([shapes[index] for index in missing], dtype=np.int64)
        self._decoder.decode(survey.entries.part(which), pixels, decoded)
        start = 0
        for index, count in zip(missing, npixels, strict=True):
            places[index] = pixels, start, count
            start += count
        whole = not self._prefixes or npixels == [survey.npixels[row] for row in rows]
        self._cache.add(rows, npixels, pixels, generation=generation, whole=whole)

    # -- many thin tiles at once ----------------------------------------------------------------------------------

    def _read_strip(self, section: Section, survey: TileSurvey, along: int) -> NDArray[Any] | None:
        """Return a section of tiles that follow each other along an axis, from the first pixels of each.

        They are not kept: to look up so many takes longer than to decode them again.
        """
        ntiles = section.count[along]
        if section.count[:along] != (1,) * along:
            return None
        first = sum([start * axis[2] for start, axis in zip(section.start[: along + 1], self._axes, strict=False)])
        which = slice(first, first + ntiles)
        if not all(survey.good[which]) or survey.entries.source[which].any() or not self._prefixes:
            return None
        ends = zip(section.start[along + 1 :], section.count[along + 1 :], strict=True)
        inside = tuple([slice(start, start + count) for start, count in ends])
        shape = _first_rows(tuple([axis[1] for axis in self._axes[along + 1 :]]), inside)
        pixels = scratch("tiles", ntiles * prod(shape), self._stored)
        shapes = np.full((ntiles, len(self._axes)), (*[1] * (along + 1), *shape), dtype=np.int64)
        self._decoder.decode(survey.entries.part(which), pixels, shapes)
        return pixels.reshape(ntiles, *shape)[(slice(None), *inside)].copy().reshape(section.count)


def _first_rows(shape: _Shape, inside: _Slices) -> _Shape:
    """Return the shape of a tile that ends, along its first axis of more than one pixel, with what is wanted."""
    for axis, length in enumerate(shape):
        if length > 1:
            stop: int = inside[axis].stop
            return (*shape[:axis], stop, *shape[axis + 1 :])
    return shape
