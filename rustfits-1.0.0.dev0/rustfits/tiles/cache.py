"""Decoded tiles kept for the next read, up to a number of bytes, least recently used ones dropped first.

Which tiles of a read are worth keeping is decided here and nowhere else: by `TileCache.survivors` for reads of many
tiles, by `Keeper.worth` for boxes, whoever decodes them. Tiles are kept whole or not at all.
"""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import ParameterOverflow

if TYPE_CHECKING:
    from rustfits.codec.readers import CachedTile

Int64s = NDArray[np.int64]

DEFAULT_NBYTES = 32 << 20
PART_NBYTES = 4 << 20  # that are kept of a read that does not fit
# Of an image larger than the cache: to keep a tile takes about as long as to decode it, and so does looking up many.
MAX_KEPT = 4  # tiles of one box
OFTEN = 3  # times that a tile is wanted of late


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
        """Copy the tiles that are there to where they belong in ``tiles``, which has room for ``npixels`` of each."""
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
    """

    def __init__(self, nbytes: int = DEFAULT_NBYTES) -> None:
        self.capacity = nbytes
        self._used = 0
        self._held = 0  # bytes of all chunks, those of dropped tiles included
        # By table row, oldest first: the chunk that a tile is in, where it begins, its pixels.
        self._tiles: dict[int, tuple[_Chunk, int, int]] = {}
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
            self._tiles.clear()
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
        found = self.take(rows.tolist())
        if not any(found):
            return None
        return CachedTiles(
            [None if tile is None else tile[0] for tile in found],
            np.array([0 if tile is None else tile[1] for tile in found], dtype=np.int64),
        )

    def take(self, rows: list[int]) -> list[CachedTile | None]:
        """As `find`, for few tiles; None for each that is not there."""
        if not self._tiles:
            return [None] * len(rows)
        found: list[CachedTile | None] = []
        with self._lock:
            for row in rows:
                tile = self._tiles.pop(row, None)
                if tile is None:
                    found.append(None)
                else:
                    self._tiles[row] = tile
                    found.append((tile[0].pixels, tile[1], tile[2]))
        return found

    def survivors(self, nbytes: Int64s) -> NDArray[np.bool_]:
        """Tell which tiles of a read are worth keeping, ``(n,)`` bool.

        All tiles of a read that fits are worth it. Of a larger read a few at its end are: many tiles would drive each
        other out, and none would be found again.

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
            tiles = self._tiles
            for row in rows:
                if row in tiles:
                    self._drop(row)
            if self._used + nbytes > self.capacity or self._held + nbytes > 2 * self.capacity:
                self._make_room(nbytes)
            chunk = _Chunk(pixels, nbytes)
            if len(rows) == 1:  # as for a cutout
                tiles[rows[0]] = chunk, 0, npixels[0]
            else:
                starts = itertools.accumulate(npixels, initial=0)
                kept = zip(itertools.repeat(chunk), starts, npixels, strict=False)
                tiles.update(zip(rows, kept, strict=False))
            self._used += nbytes
            self._held += nbytes

    # -- under the lock -------------------------------------------------------------------------------------------

    def _make_room(self, nbytes: int) -> None:
        while self._used + nbytes > self.capacity:
            self._drop(next(iter(self._tiles)))
        if self._held + nbytes > 2 * self.capacity:
            self._compact()

    def _drop(self, row: int) -> None:
        tile = self._tiles.pop(row, None)
        if tile is not None:
            chunk, _, npixels = tile
            nbytes = npixels * chunk.pixels.itemsize
            self._used -= nbytes
            chunk.live_nbytes -= nbytes
            if not chunk.live_nbytes:
                self._held -= chunk.pixels.nbytes

    def _compact(self) -> None:
        """Copy the tiles out of their chunks, which are kept alive by a few tiles each."""
        for row, (chunk, start, npixels) in list(self._tiles.items()):
            if chunk.live_nbytes < chunk.pixels.nbytes:
                own = chunk.pixels[start : start + npixels].copy()
                own.setflags(write=False)
                self._tiles[row] = (_Chunk(own, own.nbytes), 0, npixels)
        self._held = self._used


class Keeper:
    """The cache as boxes of one image use it, until it is cleared; threads may share it.

    Parameters
    ----------
    cache : TileCache
    image_nbytes, ntiles : int
        Bytes of the image's pixels, and its tiles.

    Attributes
    ----------
    generation : int
        Of the cache, when this was made.
    """

    def __init__(self, cache: TileCache, image_nbytes: int, ntiles: int) -> None:
        self._cache, self._image_nbytes, self._ntiles = cache, image_nbytes, ntiles
        self.generation = cache.generation
        # How often tiles were wanted of late. Threads that count at once may lose a count, which is no harm.
        self._wanted: dict[int, int] = {}
        self._nwanted = 0

    def take(self, rows: list[int], nbytes: int) -> list[CachedTile | None] | None:
        """Look the tiles of a box up, as `TileCache.take`; None if they are too large for the cache.

        Such a box is a read like others, of which `TileCache.survivors` are kept.
        """
        return None if nbytes > self._cache.capacity > 0 else self._cache.take(rows)

    def worth(self, rows: list[int], nbytes: int, whole: bool) -> bool:
        """Tell whether to keep the tiles that a box lacks, and hence to decode all of them whole.

        All tiles of an image that fits the cache are kept. A larger image drives its tiles out, as a rule, before they
        are wanted again. Its tiles are kept if the box has few, and if they are decoded whole in any case, or wanted
        often.

        Parameters
        ----------
        rows : list of int
            Table rows of the tiles that are not cached.
        nbytes : int
            Bytes of their pixels.
        whole : bool
            Whether one of them is wanted whole, or they cannot be decoded in part.
        """
        if nbytes > self._cache.capacity:
            return False
        if self._image_nbytes <= self._cache.capacity:
            return True
        if len(rows) > MAX_KEPT:
            return False
        wanted = self._wanted
        self._nwanted += len(rows)
        if self._nwanted > self._ntiles:
            wanted.clear()
            self._nwanted = len(rows)
        for row in rows:
            wanted[row] = wanted.get(row, 0) + 1
        return whole or any(wanted.get(row, 0) >= OFTEN for row in rows)

    def add(self, rows: list[int], npixels: list[int], pixels: NDArray[Any]) -> None:
        """Keep tiles, unless the cache was cleared since; as `TileCache.add`."""
        self._cache.add(rows, npixels, pixels, generation=self.generation)
