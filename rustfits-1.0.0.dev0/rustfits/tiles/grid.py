"""Which tiles a section of an image touches, and where the pixels of each land: whole numbers alone.

Tiles are numbered in row-major order of their grid, the last axis fastest; the number of a tile is its table row
(FITS 4.0, section 10.1.3). Tiles of one shape, of which the same pixels are selected, make a `Block`, and a block moves
between its array and its tiles in one strided assignment. Only boxes of few tiles are taken apart one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError
from rustfits.limits import MAX_ZNAXIS
from rustfits.pixels.sections import Section

Int64s = NDArray[np.int64]
Move = Callable[[NDArray[Any], NDArray[Any]], None]

# What a box takes of one tile: its row in the table, its shape, which pixels, and where they land in the box.
Part = tuple[int, tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]


@dataclass(frozen=True)
class AxisTiles:
    """Tiles along one axis that are equally long and of which the same pixels are selected.

    Attributes
    ----------
    number : (n,) int64 array
        Of the tiles, along this axis; ascending.
    length : int
        Pixels of each tile along this axis; less than nominal for the last one.
    first, count, step : int
        Selected pixels inside each tile.
    target : (n,) int64 array
        Where the first selected pixel of each lands along the axis of the result.
    """

    number: Int64s
    length: int
    first: int
    count: int
    step: int
    target: Int64s

    @cached_property
    def regular(self) -> bool:
        """Whether the pixels of all tiles together land side by side."""
        return int(self.target[-1] - self.target[0]) == (self.number.size - 1) * self.count

    @property
    def full(self) -> bool:
        """Whether every pixel of the tiles is selected."""
        return self.count == self.length

    def part(self, start: int, stop: int) -> AxisTiles:
        """Return the tiles ``start:stop`` of these."""
        if start == 0 and stop >= self.number.size:
            return self
        return AxisTiles(
            self.number[start:stop], self.length, self.first, self.count, self.step, self.target[start:stop]
        )

    def singles(self) -> Iterator[AxisTiles]:
        """Return each of the tiles by itself."""
        return (self.part(index, index + 1) for index in range(self.number.size))

    def inside(self) -> slice:
        """Return the slice that selects from each tile."""
        return slice(self.first, self.first + (self.count - 1) * self.step + 1, self.step)

    def region(self) -> slice:
        """Return where the pixels of all tiles land, if `regular`."""
        start = int(self.target[0])
        return slice(start, start + self.number.size * self.count)

    def positions(self) -> Int64s:
        """Return where each selected pixel lands, tile after tile."""
        return (self.target[:, None] + np.arange(self.count)).reshape(-1)


@dataclass(frozen=True)
class Block:
    """A box of tiles of one shape, of which the same pixels are selected.

    Attributes
    ----------
    axes : tuple of AxisTiles
        One per image axis.
    stride : tuple of int
        Table rows from one tile to the next along each axis.
    """

    axes: tuple[AxisTiles, ...]
    stride: tuple[int, ...]

    @cached_property
    def ntiles(self) -> int:
        """Tiles in the block."""
        return prod(axis.number.size for axis in self.axes)

    @cached_property
    def tile_shape(self) -> tuple[int, ...]:
        """Pixels of each tile along each axis."""
        return tuple([axis.length for axis in self.axes])

    @cached_property
    def tile_npixels(self) -> int:
        """Pixels of each tile."""
        return prod(self.tile_shape)

    @cached_property
    def shapes(self) -> Int64s:
        """Pixels along each axis of each tile, ``(ntiles, ndim)``."""
        return np.array([self.tile_shape], dtype=np.int64).repeat(self.ntiles, axis=0)

    @cached_property
    def rows(self) -> Int64s:
        """Table row of each tile, ``(ntiles,)``, in the order of the tiles in `scatter` and `gather`."""
        first, *rest = zip(self.axes, self.stride, strict=True)
        rows = first[0].number * first[1]
        for axis, stride in rest:
            rows = rows[..., None] + axis.number * stride
        return rows.reshape(-1)

    def direct(self, array: NDArray[Any]) -> NDArray[Any] | None:
        """Return the part of the result that is the tiles of the block back to back, if there is one.

        Parameters
        ----------
        array : contiguous array
            The whole result.

        Returns
        -------
        (ntiles * tile_npixels,) array or None
            A view of ``array``.
        """
        if not all(axis.full and axis.regular for axis in self.axes):
            return None
        view = self._view(array)
        return view.reshape(-1) if view.flags.c_contiguous else None

    def scatter(self, tiles: NDArray[Any], array: NDArray[Any], move: Move = np.copyto) -> None:
        """Put the selected pixels of tiles where they belong.

        Parameters
        ----------
        tiles : (ntiles * tile_npixels,) array
            Tiles back to back, each in C order.
        array : array
            The result, to be filled in part.
        move : callable
            ``move(target, source)`` with arrays of one shape; converts where that is wanted.
        """
        grid = [axis.number.size for axis in self.axes]
        source = tiles.reshape(*grid, *self.tile_shape)
        if not all(axis.full for axis in self.axes):
            inside: Any = (..., *[axis.inside() for axis in self.axes])
            source = source[inside]
        if all(axis.regular for axis in self.axes):
            move(self._view(array), source)
            return
        # Some steps hit every second or third tile alike: those land apart from each other.
        ndim = len(grid)
        order = [axis + part for axis in range(ndim) for part in (0, ndim)]
        found = np.empty(source.shape, dtype=array.dtype)
        move(found, source)
        where = np.ix_(*(axis.positions() for axis in self.axes))
        array[where] = found.transpose(order).reshape([axis.number.size * axis.count for axis in self.axes])

    def gather(self, array: NDArray[Any], tiles: NDArray[Any], move: Move) -> None:
        """Collect whole tiles from an image, in the order of `scatter`; the block must be one of a whole image."""
        grid = [axis.number.size for axis in self.axes]
        move(tiles.reshape(*grid, *self.tile_shape), self._view(array))

    def split(self, ntiles: int) -> Iterator[Block]:
        """Cut the block into boxes of about ``ntiles`` tiles, never more, in the order of their rows."""
        if self.ntiles <= ntiles:
            yield self
            return
        grid = [axis.number.size for axis in self.axes]
        cut, inner = len(grid) - 1, 1
        while inner * grid[cut] <= ntiles:
            inner *= grid[cut]
            cut -= 1
        step = max(ntiles // inner, 1)
        for outer in itertools.product(*(range(size) for size in grid[:cut])):
            fixed = tuple(axis.part(index, index + 1) for axis, index in zip(self.axes, outer, strict=False))
            for start in range(0, grid[cut], step):
                along = self.axes[cut].part(start, min(start + step, grid[cut]))
                yield Block((*fixed, along, *self.axes[cut + 1 :]), self.stride)

    def _view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the block's region of ``array`` with axes (tiles along each axis..., pixels along each axis...)."""
        region = array[tuple([axis.region() for axis in self.axes])]
        # Splitting an axis never copies, whatever the strides are.
        split = region.reshape([size for axis in self.axes for size in (axis.number.size, axis.count)])
        ndim = len(self.axes)
        return split.transpose([*range(0, 2 * ndim, 2), *range(1, 2 * ndim, 2)])


@dataclass(frozen=True)
class TileGrid:
    """An image cut into tiles.

    Parameters
    ----------
    shape : tuple of int
        Pixels of the image along each axis, numpy order; may be 0.
    tile : tuple of int
        Pixels of a full tile along each axis, at least 1; may exceed the image.

    Raises
    ------
    HeaderError
        If the numbers make no grid.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.tile) or not 1 <= len(self.shape) <= MAX_ZNAXIS:
            raise HeaderError(
                f"a tiled image needs as many tile axes as image axes, 1 to {MAX_ZNAXIS}; got tiles of {self.tile} in "
                f"an image of {self.shape}"
            )
        if min(self.shape) < 0 or min(self.tile) < 1:
            raise HeaderError(f"an image of {self.shape} pixels cannot be cut into tiles of {self.tile}")

    @cached_property
    def ntiles_along(self) -> tuple[int, ...]:
        """Tiles along each axis."""
        return tuple([-(-npixels // tile) for npixels, tile in zip(self.shape, self.tile, strict=True)])

    @cached_property
    def ntiles(self) -> int:
        """Tiles of the image, which is the rows of its table."""
        return prod(self.ntiles_along)

    @cached_property
    def stride(self) -> tuple[int, ...]:
        """Table rows from one tile to the next along each axis."""
        return tuple([prod(self.ntiles_along[axis + 1 :]) for axis in range(len(self.shape))])

    @cached_property
    def clipped(self) -> tuple[int, ...]:
        """Pixels of a full tile along each axis, no more than the image has."""
        return tuple([min(tile, npixels) for tile, npixels in zip(self.tile, self.shape, strict=True)])

    def tile_shapes(self, rows: Int64s) -> Int64s:
        """Return the pixels of tiles along each axis, ``(n, ndim)``, clipped to the image.

        Parameters
        ----------
        rows : (n,) int64 array
            Table rows, from 0, within the grid.
        """
        npixels, least, stride, along = self._columns
        shapes = np.minimum(least, npixels - rows // stride % along * least)
        return np.ascontiguousarray(shapes.T)

    def box(self, row: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the first pixel of the tile in a table row, from 0, along each axis, and the one after its last."""
        start = tuple(
            row // stride % along * tile
            for stride, along, tile in zip(self.stride, self.ntiles_along, self.clipped, strict=True)
        )
        stop = tuple(min(first + tile, size) for first, tile, size in zip(start, self.clipped, self.shape, strict=True))
        return start, stop

    @cached_property
    def _columns(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Image, tile, stride and tiles along each axis, ``(ndim, 1)`` each."""
        # A tile may be larger than any int64 as long as it is clipped by the image.
        numbers = (self.shape, self.clipped, self.stride, self.ntiles_along)
        npixels, least, stride, along = np.array(numbers, dtype=np.int64)[..., None]
        return npixels, least, stride, along

    def select(self, section: Section) -> list[Block]:
        """Return the blocks that hold the pixels of a section, each tile in one of them.

        Parameters
        ----------
        section : Section
            Of an image of `shape`.

        Returns
        -------
        list of Block
            Few: their number depends on edges and steps, not on the number of tiles. Empty for an empty section.
        """
        if section.empty:
            return []
        axes = [
            _axis_tiles(npixels, tile, start, count, step)
            for npixels, tile, start, count, step in zip(
                self.shape, self.tile, section.start, section.count, section.step, strict=True
            )
        ]
        return [Block(combination, self.stride) for combination in itertools.product(*axes)]

    def parts(self, box: Section, most: int) -> list[Part] | None:
        """Return what a box takes of each tile, by row; None if they are more than ``most``.

        It does what `select` does, in plain numbers: arrays of few tiles take longer than all the rest of a read.

        Parameters
        ----------
        box : Section
            With steps of 1, and not empty.
        most : int
        """
        parts: list[Part] = [(0, (), (), ())]
        for start, count, size, tile, stride in zip(
            box.start, box.count, self.shape, self.clipped, self.stride, strict=True
        ):
            stop = start + count
            first, last = start // tile, (stop - 1) // tile
            if (last - first + 1) * len(parts) > most:
                return None
            cells = []
            for number in range(first, last + 1):
                origin = number * tile
                begin = start - origin if start > origin else 0
                length = tile if origin + tile <= size else size - origin
                end = stop - origin if stop - origin < length else length
                target = origin + begin - start
                cells.append((number * stride, length, slice(begin, end), slice(target, target + end - begin)))
            parts = [
                (row + share, (*shape, length), (*inside, here), (*target, there))
                for row, shape, inside, target in parts
                for share, length, here, there in cells
            ]
        return parts

    def in_order(self) -> Iterator[Block]:
        """Return blocks that make up the whole image with every row after the one before."""
        axes = [_axis_tiles(npixels, tile, 0, npixels, 1) for npixels, tile in zip(self.shape, self.tile, strict=True)]
        last = len(axes) - 1
        while last > 0 and len(axes[last]) == 1:
            last -= 1
        # Where an axis has a clipped tile, each line of tiles along it is a block of full ones, and the clipped one.
        one_by_one = [[single for tiles in groups for single in tiles.singles()] for groups in axes[:last]]
        for combination in itertools.product(*one_by_one, *axes[last:]):
            yield Block(combination, self.stride)


def _axis_tiles(npixels: int, tile: int, start: int, count: int, step: int) -> list[AxisTiles]:
    """Group the tiles along one axis that hold any of ``count`` pixels, every ``step``-th from ``start`` on."""
    if count == 0:
        return []
    tile = min(tile, npixels)
    stop = start + (count - 1) * step + 1
    alone, origin = start // tile, start // tile * tile
    if stop <= origin + tile:  # as for a pixel, or a box of a few
        target = np.zeros(1, dtype=np.int64)
        return [AxisTiles(np.array([alone]), min(tile, npixels - origin), start - origin, count, step, target)]
    number = np.arange(start // tile, (stop - 1) // tile + 1)
    begin = number * tile
    length = np.minimum(tile, npixels - begin)
    # Which selected pixels, counted from 0, fall into each tile.
    target = np.maximum(-((start - begin) // step), 0)
    after = np.minimum(-((start - begin - length) // step), count)
    if step > tile:
        hit = after > target
        number, begin, length, target, after = (each[hit] for each in (number, begin, length, target, after))
    first = start + target * step - begin
    nselected = after - target
    axes = []
    for group in _alike(length, first, nselected):
        one = group[0]  # they are all like it
        axes.append(
            AxisTiles(number[group], int(length[one]), int(first[one]), int(nselected[one]), step, target[group])
        )
    return axes


def _alike(length: Int64s, first: Int64s, count: Int64s) -> list[Int64s]:
    """Return the positions of equal triples, each set ascending, sets by their first member."""
    if length.size == 1:
        return [np.zeros(1, dtype=np.int64)]
    same = (length[1:] == length[:-1]) & (first[1:] == first[:-1]) & (count[1:] == count[:-1])
    edges = np.flatnonzero(~same) + 1
    if edges.size <= 2:  # the usual case: clipped at either end, equal in between
        return np.split(np.arange(length.size), edges)
    order = np.lexsort((count, first, length))  # stable: members stay ascending
    differs = np.zeros(order.size - 1, dtype=bool)
    for each in (length, first, count):
        differs |= np.diff(each[order]) != 0
    return sorted(np.split(order, np.flatnonzero(differs) + 1), key=lambda group: int(group[0]))
