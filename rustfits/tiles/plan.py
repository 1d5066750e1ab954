"""The plan of a read: which tiles of an image, in which batches they are decoded, and where their pixels go.

One plan serves one section or many, a box or the whole image. Nothing of the file is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rustfits.parallel import threads
from rustfits.pixels.sections import Section
from rustfits.tiles.grid import Block, Int64s, TileGrid


@dataclass(frozen=True, slots=True)
class Job:
    """Tiles of a batch that go to one section.

    Attributes
    ----------
    block : Block
    begin : int
        Where the tiles begin in the batch, in pixels.
    target : int
        Which section.
    """

    block: Block
    begin: int
    target: int

    @property
    def which(self) -> slice:
        """Which pixels of the batch these are."""
        return slice(self.begin, self.begin + self.block.ntiles * self.block.tile_npixels)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles that are decoded by one call, back to back.

    Attributes
    ----------
    first, stop : int
        Which of the tiles of the plan.
    npixels : int
        Pixels of the tiles.
    jobs : list of Job
    """

    first: int
    stop: int
    npixels: int
    jobs: list[Job]

    @property
    def tiles(self) -> slice:
        """Which of the tiles of the plan."""
        return slice(self.first, self.stop)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Tiles to be read, each once.

    Attributes
    ----------
    rows : (n,) int64 array
        Table row of each tile, in the order of decoding.
    shapes : (n, ndim) int64 array
        Pixels along each axis of each tile.
    npixels : (n,) int64 array
        Pixels of each tile.
    batches : list of Batch
        All tiles, in that order, and where the pixels of each go.
    """

    rows: Int64s
    shapes: Int64s
    npixels: Int64s
    batches: list[Batch]

    @classmethod
    def of(cls, grid: TileGrid, sections: Sequence[Section], most: int) -> Plan:
        """Plan to read sections of an image.

        Parameters
        ----------
        grid : TileGrid
        sections : sequence of Section
            Any of them may be empty.
        most : int
            Pixels to decode at a time, if that is a tile at least. Few tiles are shared out evenly among threads.
        """
        if len(sections) == 1:
            parts, batches = _in_blocks(grid.select(sections[0]), most)
            if len(parts) == 1:
                rows, shapes = parts[0].rows, parts[0].shapes
            else:
                rows = np.concatenate([np.empty(0, dtype=np.int64), *(part.rows for part in parts)])
                shapes = grid.tile_shapes(rows)
            return cls(rows, shapes, shapes.prod(axis=1, dtype=np.int64), batches)
        wanted = [(block, target) for target, section in enumerate(sections) for block in grid.select(section)]
        # Sections may share tiles. numpy.unique would do, but loads numpy.ma, a tenth of the start of a short program.
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(block.rows for block, _ in wanted)])
        rows.sort()
        is_first = np.ones(rows.size, dtype=np.bool_)
        np.not_equal(rows[1:], rows[:-1], out=is_first[1:])
        rows = rows[is_first]
        shapes = grid.tile_shapes(rows)
        npixels = shapes.prod(axis=1, dtype=np.int64)
        return cls(rows, shapes, npixels, _in_rows(wanted, rows, npixels, most) if rows.size else [])

    @property
    def blocks(self) -> list[Block]:
        """The tiles of all batches, in the order of decoding."""
        return [job.block for batch in self.batches for job in batch.jobs]

    @property
    def total(self) -> int:
        """Pixels of all tiles."""
        return int(self.npixels.sum())


def _batch_ntiles(tile_npixels: int, ntiles: int, most: int) -> int:
    """Return how many tiles to decode at a time, of ``ntiles``."""
    return min(max(most // tile_npixels, 1), -(-ntiles // threads.workers(ntiles * tile_npixels)))


def _in_blocks(blocks: list[Block], most: int) -> tuple[list[Block], list[Batch]]:
    """Cut the blocks of one section into batches, in their own order, so that they move as a whole."""
    ntiles = sum([block.ntiles for block in blocks])
    npixels = sum([block.ntiles * block.tile_npixels for block in blocks])
    parts = [part for block in blocks for part in block.split(_batch_ntiles(block.tile_npixels, ntiles, most))]
    most = min(most, -(-npixels // threads.workers(npixels)))  # few pixels are shared out evenly too
    batches: list[Batch] = []
    jobs: list[Job] = []
    first = count = npixels = 0
    for part in parts:
        if jobs and npixels + part.ntiles * part.tile_npixels > most:
            batches.append(Batch(first, first + count, npixels, jobs))
            jobs, first, count, npixels = [], first + count, 0, 0
        jobs.append(Job(part, npixels, 0))
        count += part.ntiles
        npixels += part.ntiles * part.tile_npixels
    if jobs:
        batches.append(Batch(first, first + count, npixels, jobs))
    return parts, batches


def _in_rows(wanted: list[tuple[Block, int]], rows: Int64s, npixels: Int64s, most: int) -> list[Batch]:
    """Cut tiles that lie in the order of their rows into batches, and find those of each block in them."""
    count = _batch_ntiles(int(npixels.max()), rows.size, most)
    stops = [*range(count, rows.size, count), rows.size]
    begin = np.cumsum(npixels) - npixels
    batches = [
        Batch(first, stop, int(npixels[first:stop].sum()), [])
        for first, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]
    ends = np.array(stops)
    for block, target in wanted:
        for part, first in _runs(block, rows, ends):
            batch = batches[int(np.searchsorted(ends, first, side="right"))]
            batch.jobs.append(Job(part, int(begin[first] - begin[batch.first]), target))
    return batches


def _runs(block: Block, rows: Int64s, ends: Int64s) -> Iterator[tuple[Block, int]]:
    """Cut a block so that the tiles of each part lie together in ``rows`` and in one batch; with its position."""
    position = np.searchsorted(rows, block.rows)
    first, last = int(position[0]), int(position[-1])
    together = last - first == position.size - 1
    if together and np.searchsorted(ends, first, side="right") == np.searchsorted(ends, last, side="right"):
        yield block, first
        return
    yield from zip(block.split(1), position.tolist(), strict=True)
