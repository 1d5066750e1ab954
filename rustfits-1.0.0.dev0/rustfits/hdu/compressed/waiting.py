"""Whole tiles that wait for the end of a transaction, so that they are encoded and written together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.hdu.compressed.edit import encoded, laid, null_keyword
from rustfits.heap.spare import Spare
from rustfits.heap.writer import HeapWriter
from rustfits.pixels.scaling import Scaling
from rustfits.quantize.parameters import Quantize
from rustfits.tiles.encode import EncodedBatch, Tiles, stored_tiles
from rustfits.tiles.grid import Block, Move
from rustfits.tiles.newtiles import NewTiles
from rustfits.tiles.zimage import CompressedSnapshot

Int64s = NDArray[np.int64]

CAPACITY_NBYTES = 32 << 20  # of pixels, from which on they are encoded
ENCODED_NBYTES = 256 << 20  # of encoded tiles, from which on they are written


@dataclass(frozen=True, eq=False)
class TileRun:
    """Tiles of one size, back to back in an array of one axis, which is passed wherever an image is (see `Tiles`).

    Attributes
    ----------
    rows : (ntiles,) int64 array
        Table rows, from 0.
    tile_npixels : int
        Pixels of each tile.
    begin : int
        Where the first one begins in the array.
    """

    rows: Int64s
    tile_npixels: int
    begin: int

    @property
    def ntiles(self) -> int:
        """Tiles in the run."""
        return self.rows.size

    def split(self, ntiles: int) -> Iterator[TileRun]:
        """Cut the run into runs of at most ``ntiles`` tiles."""
        for first in range(0, self.rows.size, ntiles):
            yield TileRun(self.rows[first : first + ntiles], self.tile_npixels, self.begin + first * self.tile_npixels)

    def direct(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the tiles."""
        return array[self.begin : self.begin + self.ntiles * self.tile_npixels]

    def gather(self, array: NDArray[Any], tiles: NDArray[Any], move: Move) -> None:
        """Copy the tiles."""
        move(tiles, self.direct(array))


class WaitingTiles:
    """Tiles that were assigned whole and are not in the file yet, each once.

    Parameters
    ----------
    ntiles : int
        Tiles of the image.

    Attributes
    ----------
    nbytes : int
        Bytes of the pixels that are not encoded yet.
    encoded_nbytes : int
        Bytes of the tiles that are.
    """

    def __init__(self, ntiles: int) -> None:
        self._pieces: list[tuple[Int64s, int, NDArray[Any]]] = []
        self._taken = np.zeros(ntiles, dtype=bool)
        self._batches: list[EncodedBatch] = []
        self._changes: dict[str, Any] = {}
        self.nbytes = self.encoded_nbytes = 0

    def have_none_of(self, blocks: Sequence[Block]) -> bool:
        """Return whether none of some tiles wait already."""
        return not any(self._taken[block.rows].any() for block in blocks)

    def add(
        self,
        snapshot: CompressedSnapshot,
        blocks: Sequence[Block],
        pixels: NDArray[Any],
        quantize: Quantize | None,
    ) -> None:
        """Let tiles wait: a copy of them, or what was made of them, so that the caller may change the array.

        Parameters
        ----------
        snapshot : CompressedSnapshot
        blocks : sequence of Block
            Tiles that do not wait already.
        pixels, quantize, and errors
            As of `encoded`; if it raises, tiles that have waited still do.
        """
        scaling, itemsize = snapshot.table.scaling, snapshot.table.stored.itemsize
        if pixels.size * itemsize > CAPACITY_NBYTES:  # too much for a copy
            self._encode(snapshot, iter(blocks), pixels, scaling, quantize)
        else:
            stored, stop = stored_tiles(blocks, pixels, scaling), 0
            for block in blocks:
                begin, stop = stop, stop + block.ntiles * block.tile_npixels
                self._pieces.append((block.rows, block.tile_npixels, stored[begin:stop]))
            self.nbytes += stored.nbytes
        for block in blocks:
            self._taken[block.rows] = True
        if self.nbytes > CAPACITY_NBYTES:
            self.encode(snapshot, quantize)

    def encode(self, snapshot: CompressedSnapshot, quantize: Quantize | None) -> None:
        """Encode what is not encoded yet; errors as of `encoded`, which change nothing."""
        if not self._pieces:
            return
        pieces = sorted(self._pieces, key=lambda piece: int(piece[0][0]))
        pixels = pieces[0][2] if len(pieces) == 1 else np.concatenate([tiles for _, _, tiles in pieces])
        self._encode(snapshot, _runs(pieces), pixels, Scaling(snapshot.table.stored), quantize)
        self._pieces, self.nbytes = [], 0

    def _encode(
        self,
        snapshot: CompressedSnapshot,
        blocks: Iterator[Tiles],
        pixels: NDArray[Any],
        scaling: Scaling,
        quantize: Quantize | None,
    ) -> None:
        before = self._changes if self._batches else None
        batches, changes = encoded(snapshot, blocks, pixels, scaling, quantize, before=before)
        self._batches += batches
        self._changes |= changes
        for batch in batches:
            fallback = 0 if batch.fallback is None else batch.fallback.data.nbytes
            self.encoded_nbytes += batch.tiles.data.nbytes + fallback

    def new_tiles(self, snapshot: CompressedSnapshot, quantize: Quantize | None, spare: Spare) -> NewTiles:
        """Return all of the tiles, encoded; errors as of `encode` and `laid`."""
        self.encode(snapshot, quantize)
        new = NewTiles(snapshot, HeapWriter(snapshot.layout, spare))
        new.set_keywords(null_keyword(snapshot))
        new.writer.add(laid(new, snapshot, self._batches, self._changes))
        return new


def _runs(pieces: list[tuple[Int64s, int, NDArray[Any]]]) -> Iterator[TileRun]:
    """Join tiles of one size that follow each other."""
    rows: list[Int64s] = []
    npixels = begin = stop = 0
    for more, tile_npixels, tiles in pieces:
        if rows and tile_npixels != npixels:
            yield TileRun(np.concatenate(rows), npixels, begin)
            rows, begin = [], stop
        rows.append(more)
        npixels, stop = tile_npixels, stop + tiles.size
    yield TileRun(np.concatenate(rows), npixels, begin)
