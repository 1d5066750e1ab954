"""The tiles of a plan: those that are cached, the others read and decoded, and which of those the cache gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.parallel import memory, threads
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.plan import Batch, Plan


class Fetch:
    """One read of the tiles of a plan; threads may share it, a batch each.

    Parameters
    ----------
    plan : Plan
    decoder : TileDecoder
    cache : TileCache

    Raises
    ------
    TileDecodeError
        If a tile has no data, or a descriptor points outside the heap.
    TruncatedFile
        If the file ends before the table, or before the bytes of one of the tiles.
    HeaderError
        If the columns cannot be those of a compressed image.
    """

    def __init__(self, plan: Plan, decoder: TileDecoder, cache: TileCache) -> None:
        self._plan, self._decoder, self._cache = plan, decoder, cache
        self._stored = decoder.table.stored
        self._generation = cache.generation
        self._cached = cache.find(plan.rows) if plan.rows.size else None
        self._missing = np.ones(plan.rows.size, dtype=bool)
        if self._cached is not None:
            self._missing[:] = False
            self._missing[self._cached.missing()] = True
        # Everything that a file can say wrong of sizes is refused here, before memory is asked for.
        self._entries = decoder.entries(plan.rows if self._cached is None else plan.rows[self._missing])
        if decoder.storage.fetches_ahead:
            decoder.storage.prefetch(decoder.heap_start + self._entries.start, self._entries.length)
        self._keep = self._missing & cache.survivors(plan.npixels * self._stored.itemsize)
        self._rooms = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.where(self._keep, plan.npixels, 0))])
        self._kept = memory.empty((int(self._rooms[-1]),), self._stored)

    def tiles(self, batch: Batch, direct: NDArray[Any] | None) -> NDArray[Any]:
        """Return the tiles of a batch back to back; not to be changed, unless they are in ``direct``.

        Parameters
        ----------
        batch : Batch
        direct : (batch.npixels,) array or None
            Where they are wanted, if anywhere. They are there unless the cache has all of them back to back.

        Raises
        ------
        TileDecodeError
            If a tile is damaged.
        CodecNotInstalled, PluginError
            If a tile needs a codec that is not there.
        """
        if self._cached is not None:
            cached = self._cached.part(batch.first, batch.stop).together(self._plan.npixels[batch.tiles])
            if cached is not None:
                return cached
        room = self._kept[int(self._rooms[batch.first]) : int(self._rooms[batch.stop])]
        if direct is not None:
            tiles = direct
        elif room.size == batch.npixels:
            tiles = room  # decoded where it is kept
        else:
            tiles = threads.scratch("tiles", batch.npixels, self._stored)
        self._fill(batch, tiles)
        if room.size == batch.npixels and tiles is not room:
            room[...] = tiles
        elif room.size and tiles is not room:
            room[...] = tiles[np.repeat(self._keep[batch.tiles], self._plan.npixels[batch.tiles])]
        return tiles

    def keep(self) -> None:
        """Give the cache the tiles that it is to keep, when all batches are done."""
        rows, npixels = self._plan.rows[self._keep], self._plan.npixels[self._keep]
        self._cache.add(rows, npixels, self._kept, generation=self._generation)

    def _fill(self, batch: Batch, tiles: NDArray[Any]) -> None:
        """Decode the tiles of a batch, or copy those that are cached, into ``tiles``, back to back."""
        which = batch.tiles
        shapes, npixels = self._plan.shapes[which], self._plan.npixels[which]
        if self._cached is None:
            self._decoder.decode(self._entries.part(which), tiles, shapes)
            return
        missing = self._missing[which]
        begin = int(np.count_nonzero(self._missing[: batch.first]))
        entries = self._entries.part(slice(begin, begin + int(np.count_nonzero(missing))))
        if entries.rows.size:
            fresh = np.empty(int(npixels[missing].sum()), dtype=tiles.dtype)
            self._decoder.decode(entries, fresh, shapes[missing])
            tiles[np.repeat(missing, npixels)] = fresh
        self._cached.part(batch.first, batch.stop).copy_to(tiles, npixels)
