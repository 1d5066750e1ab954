"""Decoded tiles kept for the next read, up to a number of bytes, least recently used ones dropped first."""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ParameterOverflow

Int64s = NDArray[np.int64]
Place = tuple[NDArray[Any], int, int]
"""An array that holds a cached tile, not to be changed; where in it the tile begins; its pixels."""

DEFAULT_NBYTES = 32 << 20
PART_NBYTES = 4 << 20  # that are kept of a read that does not fit


@dataclass(slots=True, eq=False)
class _Chunk:
    """Tiles that came from one batch, back to back, and how many of their bytes are still wanted."""

    pixels: NDArray[Any]
    live_nbytes: int


@dataclass(frozen=True, slots=True)
class CachedTiles:
    """What the cache has of some tiles.

    Attributes
    ----------
    pixels : sequence of array or None
        For each tile the array that holds it, not to be changed; None where the tile is not cached.
    start : (n,) int64 array
        Where in that array the tile begins, in pixels.
    """

    pixels: Sequence[NDArray[Any] | None]
    start: Int64s

    def missing(self) -> Int64s:
        """Return the positions of the tiles that are not there."""
        return np.flatnonzero(np.fromiter((p is None for p in self.pixels), dtype=bool, count=len(self.pixels)))

    def together(self, npixels: Int64s) -> NDArray[Any] | None:
        """Return the tiles back to back, without copying, if they are cached so; each has its ``npixels``."""
        first = self.pixels[0]
        if first is None or any(pixels is not first for pixels in self.pixels):
            return None
        if (self.start[1:] != self.start[:-1] + npixels[:-1]).any():
            return None
        return first[int(self.start[0]) : int(self.start[-1] + npixels[-1])]

    def part(self, first: int, stop: int) -> CachedTiles:
        """Return the tiles ``first:stop`` of these."""
        return CachedTiles(self.pixels[first:stop], self.start[first:stop])

    def copy_to(self, tiles: NDArray[Any], npixels: Int64s) -> None:
        """Copy the tiles that are there to their places in ``tiles``, which has room for ``npixels`` of each."""
        stop = 0
        for pixels, start, length in zip(self.pixels, self.start.tolist(), npixels.tolist(), strict=True):
            begin, stop = stop, stop + length
            if pixels is not None:
                tiles[begin:stop] = pixels[start : start + length]


class TileCache:
    """Decoded tiles of one image by table row, as they are before BSCALE and BZERO.

    Threads may share it. Every call takes the tiles of a batch at once: tiles are kept as the chunks that they came
    in, so that caching costs one copy per batch at most.

    Parameters
    ----------
    nbytes : int
        Capacity in bytes of pixels.

    Attributes
    ----------
    capacity : int
        Bytes that may be held; see `resize`.
    generation : int
        A number that changes whenever the cache is cleared; see `add`.
    tiles : dict
        By table row, oldest first: the chunk that a tile is in, where it begins, its pixels, and whether those are all.
        For others to ask whether a tile is there at all.
    """

    def __init__(self, nbytes: int = DEFAULT_NBYTES) -> None:
        self.capacity = nbytes
        self._used = 0
        self._held = 0  # bytes of all chunks, those of dropped tiles included
        self.tiles: dict[int, tuple[_Chunk, int, int, bool]] = {}
        self.generation = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes of the tiles held."""
        return self._used

    def resize(self, nbytes: int) -> None:
        """Set the capacity, dropping the least recently used tiles that are too much; 0 disables the cache.

        Raises
        ------
        ParameterOverflow
            If it is negative.
        TypeError
            If it is no integer.
        """
        if isinstance(nbytes, bool):
            raise TypeError(f"the size of the tile cache must be an int, not {nbytes!r}")
        capacity = operator.index(nbytes)
        if capacity < 0:
            raise ParameterOverflow("the size of the tile cache", capacity, "must be at least 0 bytes")
        with self._lock:
            self.capacity = capacity
            self._make_room(0)

    def clear(self) -> None:
        """Drop every tile."""
        with self._lock:
            self.tiles.clear()
            self._used = self._held = 0
            self.generation += 1

    def find(self, rows: Int64s) -> CachedTiles | None:
        """Look tiles up; those found count as just used.

        Parameters
        ----------
        rows : (n,) int64 array
            Table rows.

        Returns
        -------
        CachedTiles or None
            None if none of them is there.
        """
        if not self.tiles:
            return None
        with self._lock:
            tiles = self.tiles
            keys = rows.tolist()
            found = [tiles.pop(key, None) for key in keys]
            tiles.update((key, tile) for key, tile in zip(keys, found, strict=True) if tile is not None)
            found = [tile if tile is not None and tile[3] else None for tile in found]
        if not any(found):
            return None
        return CachedTiles(
            [None if tile is None else tile[0].pixels for tile in found],
            np.array([0 if tile is None else tile[1] for tile in found], dtype=np.int64),
        )

    def take(self, rows: list[int]) -> list[Place | None]:
        """Look few tiles up; None for each that is not there. Of some there may be the first pixels alone."""
        if not self.tiles:
            return [None] * len(rows)
        places: list[Place | None] = []
        with self._lock:
            for row in rows:
                tile = self.tiles.pop(row, None)
                if tile is None:
                    places.append(None)
                else:
                    self.tiles[row] = tile
                    places.append((tile[0].pixels, tile[1], tile[2]))
        return places

    def take_one(self, row: int) -> Place | None:
        """As `take`, for one tile."""
        if row not in self.tiles:
            return None
        with self._lock:
            tile = self.tiles.pop(row, None)
            if tile is None:
                return None
            self.tiles[row] = tile
            return tile[0].pixels, tile[1], tile[2]

    def survivors(self, nbytes: Int64s) -> NDArray[np.bool_]:
        """Tell which tiles of a read are worth keeping, ``(n,)`` bool.

        Those of a read that fits, or else a few at its end: of many that drive each other out none is found again.

        Parameters
        ----------
        nbytes : (n,) int64 array
            Bytes of each tile, in the order of the read.
        """
        fits = nbytes <= self.capacity  # a larger one is never held, and drives no other out
        after: NDArray[np.int64] = np.cumsum(np.where(fits, nbytes, 0)[::-1])[::-1]
        whole = not after.size or after[0] <= self.capacity
        room = self.capacity if whole else min(self.capacity, max(PART_NBYTES, int(nbytes[fits].max())))
        survive: NDArray[np.bool_] = fits & (after <= room)
        return survive

    def add(
        self,
        rows: Int64s | list[int],
        npixels: Int64s | list[int],
        pixels: NDArray[Any],
        *,
        generation: int,
        whole: bool = True,
    ) -> None:
        """Keep tiles as just used, dropping others where they need the room.

        Parameters
        ----------
        rows, npixels : (n,) int64 array or list of int
            Table row and pixels of each tile.
        pixels : (npixels.sum(),) array
            The tiles back to back. Taken over, not copied: nobody may change it afterwards.
        generation : int
            Of the cache when the tiles were read: if it was cleared since, they may be out of date and are not kept.
        whole : bool
            Whether these are all pixels of the tiles, and not only the first ones of some, which `take` alone finds.
        """
        nbytes = pixels.nbytes
        if not nbytes or nbytes > self.capacity:
            return
        pixels.setflags(write=False)
        rows = rows if isinstance(rows, list) else rows.tolist()
        npixels = npixels if isinstance(npixels, list) else npixels.tolist()
        with self._lock:
            if generation != self.generation:
                return
            tiles = self.tiles
            for row in rows:
                if row in tiles:
                    self._drop(row)
            if self._used + nbytes > self.capacity or self._held + nbytes > 2 * self.capacity:
                self._make_room(nbytes)
            chunk = _Chunk(pixels, nbytes)
            if len(rows) == 1:  # as for a cutout
                tiles[rows[0]] = chunk, 0, npixels[0], whole
            else:
                starts = itertools.accumulate(npixels, initial=0)
                kept = zip(itertools.repeat(chunk), starts, npixels, itertools.repeat(whole), strict=False)
                tiles.update(zip(rows, kept, strict=False))
            self._used += nbytes
            self._held += nbytes

    # -- under the lock -------------------------------------------------------------------------------------------

    def _make_room(self, nbytes: int) -> None:
        while self._used + nbytes > self.capacity:
            self._drop(next(iter(self.tiles)))
        if self._held + nbytes > 2 * self.capacity:
            self._compact()

    def _drop(self, row: int) -> None:
        tile = self.tiles.pop(row, None)
        if tile is not None:
            chunk, _, npixels, _ = tile
            nbytes = npixels * chunk.pixels.itemsize
            self._used -= nbytes
            chunk.live_nbytes -= nbytes
            if not chunk.live_nbytes:
                self._held -= chunk.pixels.nbytes

    def _compact(self) -> None:
        """Copy the tiles out of their chunks, which are kept alive by a few tiles each."""
        for row, (chunk, start, npixels, whole) in list(self.tiles.items()):
            if chunk.live_nbytes < chunk.pixels.nbytes:
                own = chunk.pixels[start : start + npixels].copy()
                own.setflags(write=False)
                self.tiles[row] = (_Chunk(own, own.nbytes), 0, npixels, whole)
        self._held = self._used
