"""Sections of a compressed image: which tiles to decode in which batches, and where their pixels go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits.parallel import memory, threads
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section
from rustfits.tiles.cache import CachedTiles, TileCache
from rustfits.tiles.decode import TileDecoder, TileEntries
from rustfits.tiles.fewtiles import FewTiles
from rustfits.tiles.grid import Block, Int64s, Move
from rustfits.tiles.shortway import find_placer, place

if TYPE_CHECKING:
    from rustfits.codec.kernels import Placer

# Of decoded pixels. Smaller ones stay in a nearer cache, but then the work between them takes longer than that saves.
BATCH_NBYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class _Job:
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


@dataclass(frozen=True, slots=True)
class _Batch:
    """Tiles that are decoded by one call.

    Attributes
    ----------
    first, stop : int
        Which of the rows of the read.
    npixels : int
        Pixels of the tiles.
    jobs : list of _Job
    """

    first: int
    stop: int
    npixels: int
    jobs: list[_Job]


class TileReader:
    """Reads sections of one compressed image.

    Parameters
    ----------
    decoder : TileDecoder
    cache : TileCache
    scaling : Scaling
        To be applied; that of the stored dtype alone leaves the pixels as they are stored.
    """

    def __init__(self, decoder: TileDecoder, cache: TileCache, scaling: Scaling) -> None:
        self._decoder = decoder
        self._few = FewTiles(decoder, cache)
        self._cache = cache
        self._scaling = scaling
        self._trivial = scaling.trivial
        self._stored = decoder.table.stored
        self._grid = decoder.table.grid

    def cut(self, key: object) -> NDArray[Any] | None:
        """Return the pixels of a box by the kernels' short way, or None if they have none for it.

        Parameters
        ----------
        key : object
            Of ``hdu[key]``.
        """
        pixels = self._few.cut(key)
        return pixels if pixels is None or self._trivial else self._scaling.scaled(pixels)

    def read(self, section: Section) -> NDArray[Any]:
        """Return one section as an array of shape ``section.count``; errors as `TileDecoder`."""
        few = self._few.read(section)
        if few is not None:
            return few if self._trivial else self._scaling.scaled(few)
        blocks = self._grid.select(section)
        ntiles = sum(block.ntiles for block in blocks)
        npixels = sum(block.ntiles * block.tile_npixels for block in blocks)
        # Few pixels are shared out evenly too.
        most = min(BATCH_NBYTES // self._stored.itemsize, -(-npixels // threads.workers(npixels)))
        parts = [part for block in blocks for part in block.split(self._batch_ntiles(block.tile_npixels, ntiles))]
        batches: list[_Batch] = []
        jobs: list[_Job] = []
        first = count = npixels = 0
        for part in parts:
            if jobs and npixels + part.ntiles * part.tile_npixels > most:
                batches.append(_Batch(first, first + count, npixels, jobs))
                jobs, first, count, npixels = [], first + count, 0, 0
            jobs.append(_Job(part, npixels, 0))
            count += part.ntiles
            npixels += part.ntiles * part.tile_npixels
        if jobs:
            batches.append(_Batch(first, first + count, npixels, jobs))
        rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, dtype=np.int64)
        return self._run(rows, batches, [section])[0]

    def read_many(self, sections: Sequence[Section]) -> list[NDArray[Any]]:
        """Return many sections, each tile being decoded once; as `read` for each of them."""
        wanted = [(block, target) for target, section in enumerate(sections) for block in self._grid.select(section)]
        if not wanted:
            return self._run(np.empty(0, dtype=np.int64), [], sections)
        rows = np.unique(np.concatenate([block.rows for block, _ in wanted]))
        npixels = self._grid.tile_shapes(rows).prod(axis=1, dtype=np.int64)
        stops = self._cut(npixels)
        begin = np.cumsum(npixels) - npixels
        batches = [
            _Batch(first, stop, int(npixels[first:stop].sum()), [])
            for first, stop in zip([0, *stops[:-1]], stops, strict=True)
        ]
        ends = np.array(stops)
        for block, target in wanted:
            for part, first in _runs(block, rows, ends):
                batch = batches[int(np.searchsorted(ends, first, side="right"))]
                batch.jobs.append(_Job(part, int(begin[first] - begin[batch.first]), target))
        return self._run(rows, batches, sections)

    def _batch_ntiles(self, tile_npixels: int, ntiles: int) -> int:
        """Return how many tiles to decode at a time, of ``ntiles``."""
        nbytes = tile_npixels * self._stored.itemsize
        # Few tiles are shared out evenly.
        return min(max(BATCH_NBYTES // nbytes, 1), -(-ntiles // threads.workers(ntiles * tile_npixels)))

    def _cut(self, npixels: Int64s) -> list[int]:
        """Return where batches end among tiles of ``npixels`` pixels each."""
        largest = int(npixels.max())
        count = self._batch_ntiles(largest, npixels.size)
        return [*range(count, npixels.size, count), npixels.size]

    # -- one read -------------------------------------------------------------------------------------------------

    def _run(self, rows: Int64s, batches: list[_Batch], sections: Sequence[Section]) -> list[NDArray[Any]]:
        """Fetch the tiles of ``rows`` and fill an array for each section."""
        generation = self._cache.generation
        cached = self._cache.find(rows) if rows.size else None
        missing = np.ones(rows.size, dtype=bool)
        if cached is not None:
            missing[:] = False
            missing[cached.missing()] = True
        entries = self._decoder.entries(rows if cached is None else rows[missing])
        # Everything that a file can say wrong of sizes was refused by now.
        outs = [memory.empty(section.count, self._scaling.dtype) for section in sections]
        shapes = self._grid.tile_shapes(rows)
        npixels = shapes.prod(axis=1, dtype=np.int64)
        keep = missing & self._cache.survivors(npixels * self._stored.itemsize)
        rooms = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.where(keep, npixels, 0))])
        kept = memory.empty((int(rooms[-1]),), self._stored)
        fetch = _Fetch(self._decoder, shapes, npixels, cached, missing, entries, keep, rooms, kept)

        plain = len(sections) == 1 and self._trivial and set(sections[0].step) == {1}
        placer = self._placer if batches and plain and cached is None else None

        def work(batch: _Batch) -> None:
            if placer is None or not self._place(placer, fetch, batch, sections[0], outs[0]):
                self._fill(fetch, batch, outs)

        threads.run(work, batches, npixels=sum(batch.npixels for batch in batches))
        self._cache.add(rows[keep], npixels[keep], kept, generation=generation)
        return outs

    @cached_property
    def _placer(self) -> Placer | None:
        """What decodes tiles to their places, if there is such a thing."""
        return find_placer(self._decoder.table)

    def _place(self, placer: Placer, fetch: _Fetch, batch: _Batch, section: Section, out: NDArray[Any]) -> bool:
        """Decode the tiles of a batch to their places; False if some are to be kept, or they lie back to back."""
        room = fetch.room(batch)
        if room.size not in (0, batch.npixels) or self._direct(batch, [out]) is not None:
            return False
        which = slice(batch.first, batch.stop)
        entries, npixels = fetch.entries.part(which), fetch.npixels[which]
        return place(placer, self._decoder, entries, npixels=npixels, section=section, out=out, kept=room)

    def _fill(self, fetch: _Fetch, batch: _Batch, outs: list[NDArray[Any]]) -> None:
        tiles = fetch.together(batch)
        direct = None
        if tiles is None:
            direct = self._direct(batch, outs)
            room = fetch.room(batch)
            if direct is not None:
                tiles = direct
            elif room.size == batch.npixels:
                tiles = room  # decoded where it is kept
            else:
                tiles = threads.scratch("tiles", batch.npixels, self._stored)
            fetch.fill(batch, tiles)
            if room.size and tiles is not room:
                fetch.keep(batch, tiles, room)
        if direct is not None:
            if not self._trivial:
                self._scaling.apply(tiles, tiles.view(self._scaling.dtype))
            return
        move: Move = np.copyto if self._trivial else self._scale
        for job in batch.jobs:
            npixels = job.block.ntiles * job.block.tile_npixels
            job.block.place(tiles[job.begin : job.begin + npixels], outs[job.target], move)

    def _direct(self, batch: _Batch, outs: list[NDArray[Any]]) -> NDArray[Any] | None:
        """Return the part of the result that is just the tiles of the batch, seen as stored pixels."""
        if len(batch.jobs) > 1 or not (self._trivial or self._scaling.convention):
            return None
        job = batch.jobs[0]
        if job.block.ntiles != batch.stop - batch.first:
            return None
        return job.block.direct(outs[job.target].view(self._stored))

    def _scale(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        self._scaling.apply(source, target)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """The tiles of one read, by their position in ``rows``: from the cache or decoded."""

    decoder: TileDecoder
    shapes: Int64s
    npixels: Int64s
    cached: CachedTiles | None
    missing: NDArray[np.bool_]
    entries: TileEntries  # of those missing
    keep_these: NDArray[np.bool_]
    rooms: Int64s  # where in `kept` each tile belongs
    kept: NDArray[Any]

    def together(self, batch: _Batch) -> NDArray[Any] | None:
        """Return the tiles of a batch if the cache has them back to back; not to be changed."""
        if self.cached is None:
            return None
        return self.cached.part(batch.first, batch.stop).together(self.npixels[batch.first : batch.stop])

    def fill(self, batch: _Batch, tiles: NDArray[Any]) -> None:
        """Decode the tiles of a batch, or copy those that are cached, into ``tiles``, back to back."""
        which = slice(batch.first, batch.stop)
        if self.cached is None:
            self.decoder.decode(self.entries.part(which), tiles, self.shapes[which])
            return
        missing, npixels = self.missing[which], self.npixels[which]
        begin = int(np.count_nonzero(self.missing[: batch.first]))
        entries = self.entries.part(slice(begin, begin + int(np.count_nonzero(missing))))
        if entries.rows.size:
            fresh = np.empty(int(npixels[missing].sum()), dtype=tiles.dtype)
            self.decoder.decode(entries, fresh, self.shapes[which][missing])
            tiles[np.repeat(missing, npixels)] = fresh
        self.cached.part(batch.first, batch.stop).copy_to(tiles, npixels)

    def room(self, batch: _Batch) -> NDArray[Any]:
        """Return where the tiles of a batch that the cache will get belong: the whole batch, a part, or nothing."""
        return self.kept[int(self.rooms[batch.first]) : int(self.rooms[batch.stop])]

    def keep(self, batch: _Batch, tiles: NDArray[Any], room: NDArray[Any]) -> None:
        """Copy the tiles of a batch that the cache will get to their `room`."""
        if room.size == tiles.size:
            room[...] = tiles
        else:
            which = slice(batch.first, batch.stop)
            room[...] = tiles[np.repeat(self.keep_these[which], self.npixels[which])]


def _runs(block: Block, rows: Int64s, ends: Int64s) -> Iterator[tuple[Block, int]]:
    """Cut a block so that the tiles of each part lie together in ``rows`` and in one batch; with its position."""
    position = np.searchsorted(rows, block.rows)
    first, last = int(position[0]), int(position[-1])
    together = last - first == position.size - 1
    if together and np.searchsorted(ends, first, side="right") == np.searchsorted(ends, last, side="right"):
        yield block, first
        return
    yield from zip(block.split(1), position.tolist(), strict=True)
