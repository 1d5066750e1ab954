"""The road from sections of a compressed image to their pixels: plan, fetch, decode, scatter and scale.

Boxes of few tiles take a shorter form of it, `rustfits.tiles.boxes`, or a compiled form of that, with one cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.choice import active
from rustfits.parallel import memory, threads
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section
from rustfits.tiles.boxes import Boxes
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.fetch import Fetch
from rustfits.tiles.grid import Move
from rustfits.tiles.plan import Batch, Plan

# Of decoded pixels. Smaller ones stay in a nearer cache, but then the work between them takes longer than that saves.
BATCH_NBYTES = 4 << 20


class TileReader:
    """Reads sections of one compressed image, as `Raster` does of an uncompressed one.

    Parameters
    ----------
    decoder : TileDecoder
    cache : TileCache

    Attributes
    ----------
    cut : callable
        As `Boxes.cut`.
    """

    def __init__(self, decoder: TileDecoder, cache: TileCache) -> None:
        self._decoder = decoder
        self._boxes = Boxes(decoder, cache)
        self._cache = cache
        self._stored = decoder.table.stored
        self.cut = self._boxes.cut  # for a cutout a call more is one too many

    def read(self, section: Section, scaling: Scaling) -> NDArray[Any]:
        """Return one section as an array of shape ``section.count``.

        Parameters
        ----------
        section : Section
        scaling : Scaling
            To be applied; that of the stored dtype alone leaves the pixels as they are stored.

        Raises
        ------
        TileDecodeError
            If a tile has no data, or they are damaged.
        CodecNotInstalled, PluginError
            If a tile needs a codec that is not there.
        TruncatedFile, HeaderError, LimitExceeded
        """
        # Integers in a key make it none that kernels know, but it selects a box all the same.
        box = self.cut(section.key) if section.dropped else None
        if box is None:
            box = self._boxes.read(section)
        return self.read_many([section], scaling)[0] if box is None else scaling.scaled(box)

    def read_many(self, sections: Sequence[Section], scaling: Scaling) -> list[NDArray[Any]]:
        """Return many sections as `read` does; each tile is decoded once."""
        self._decoder.check_sizes(sum([section.npixels for section in sections]) * scaling.dtype.itemsize)
        plan = Plan.of(self._decoder.table.grid, sections, BATCH_NBYTES // self._stored.itemsize)
        fetch = Fetch(plan, self._decoder, self._cache)
        outs = [memory.empty(section.count, scaling.dtype) for section in sections]
        threads.run(lambda batch: self._fill(fetch, batch, outs, scaling), plan.batches, npixels=plan.total)
        fetch.keep()
        return outs

    def _fill(self, fetch: Fetch, batch: Batch, outs: list[NDArray[Any]], scaling: Scaling) -> None:
        """Put the tiles of a batch where they belong, scaled."""
        direct = self._direct(batch, outs, scaling)
        tiles = fetch.tiles(batch, direct)
        if tiles is direct:
            if not scaling.trivial:
                scaling.apply(tiles, tiles.view(scaling.dtype))
            return

        def scale(target: NDArray[Any], source: NDArray[Any]) -> None:
            scaling.apply(source, target)

        for job in batch.jobs:
            out = outs[job.target]
            copy: Move = np.copyto if out.nbytes < memory.PAST_NBYTES else active().scatter
            job.block.scatter(tiles[job.which], out, copy if scaling.trivial else scale)

    def _direct(self, batch: Batch, outs: list[NDArray[Any]], scaling: Scaling) -> NDArray[Any] | None:
        """Return the part of the result that is just the tiles of the batch, seen as stored pixels."""
        if len(batch.jobs) > 1 or not (scaling.trivial or scaling.convention):
            return None
        job = batch.jobs[0]
        if job.block.ntiles != batch.stop - batch.first:
            return None
        return job.block.direct(outs[job.target].view(self._stored))
