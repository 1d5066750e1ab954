"""Tiles that cannot be decoded: which they are and why, and all other pixels around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import limits
from rustfits.errors import FitsError, TileDecodeError, TruncatedFile, printable
from rustfits.parallel import threads
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section, full_section
from rustfits.storage.base import Storage
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import Int64s, TileDecoder, TileEntries
from rustfits.tiles.reader import TileReader
from rustfits.tiles.zimage import CompressedSnapshot

MAX_MISSING_NROWS = 1 << 14  # of a table, each of which is noted as a tile that is lost, unless half of it is there
SLAB_NBYTES = 4 << 20  # of pixels read at a time, if they are a row of tiles at least


@dataclass(frozen=True, slots=True)
class DamagedTile:
    """A tile that cannot be decoded.

    Attributes
    ----------
    row : int
        Table row of the tile, from 0.
    start, stop : tuple of int
        The first pixel of the tile along each axis and the one after its last, numpy order.
    reason : str
        What was found.
    """

    row: int
    start: tuple[int, ...]
    stop: tuple[int, ...]
    reason: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))

    @property
    def section(self) -> tuple[slice, ...]:
        """The pixels that are lost, as a key for arrays of the image's shape."""
        return tuple(map(slice, self.start, self.stop))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their names, fit for JSON."""
        return {"row": self.row, "start": list(self.start), "stop": list(self.stop), "reason": self.reason}

    def __str__(self) -> str:
        pixels = ",".join(f"{start}:{stop}" for start, stop in zip(self.start, self.stop, strict=True))
        return f"table row {self.row + 1} (pixels {pixels}): {printable(self.reason)}"


class ForgivingDecoder(TileDecoder):
    """Decodes what can be decoded, and notes the tiles that cannot; their pixels are NaN, or 0 in integers.

    Attributes
    ----------
    damage : dict of int to FitsError
        Table row, from 0, of each tile that could not be decoded so far, and why.
    """

    def __init__(self, snapshot: CompressedSnapshot, storage: Storage, data_start: int) -> None:
        super().__init__(snapshot, storage, data_start)
        self.damage: dict[int, FitsError] = {}

    def check_sizes(self, nbytes: int) -> None:
        """Refuse what a `TileDecoder` does, and a table of whatever size that is hardly there: each row is noted."""
        self._check_table()
        super().check_sizes(nbytes)

    def _check_table(self) -> None:
        """Allow for a table that is cut short, unless what is missing of it is out of all proportion."""
        layout = self._layout
        missing = self._data_start + layout.table_nbytes - self.storage.size()
        if missing > max(MAX_MISSING_NROWS * layout.row_nbytes, layout.table_nbytes // 2):
            super()._check_table()

    def entries(self, rows: Int64s) -> TileEntries:
        """Read what the table says of tiles, as a `TileDecoder` does; of a damaged one it means nothing."""
        try:
            return super().entries(rows)
        except (TileDecodeError, TruncatedFile):
            pass
        try:
            survey = self.survey()
        except TruncatedFile as error:  # the table itself is not there
            self.damage.update(dict.fromkeys(rows.tolist(), _bare(error)))
            nothing = np.zeros(rows.size, dtype=np.int64)
            return TileEntries(rows, nothing.astype(np.int8), nothing, nothing, None)
        for index in np.flatnonzero(~np.array(survey.good)[rows]).tolist():
            try:
                super().entries(rows[index : index + 1])
            except (TileDecodeError, TruncatedFile) as error:
                self.damage[int(rows[index])] = _bare(error)
        return survey.entries.part(rows)

    def look_at_table(self, nbytes: int = 0) -> None:
        """Note the tiles that cannot be read at all, as far as the table says; first as `check_sizes`."""
        self.check_sizes(nbytes)
        self.entries(np.arange(self.table.grid.ntiles))

    def decode(self, entries: TileEntries, out: NDArray[Any], shapes: Int64s) -> None:
        """Decode tiles, as a `TileDecoder` does, those that are damaged apart."""
        bad = np.fromiter((row in self.damage for row in entries.rows.tolist()), bool, entries.rows.size)
        if not bad.any():
            self._halve(entries, out, shapes)
            return
        out[...] = _lost(out)
        if not bad.all():
            inside = np.repeat(~bad, shapes.prod(axis=1, dtype=np.int64))
            tiles = np.empty(int(np.count_nonzero(inside)), dtype=out.dtype)
            self._halve(entries.part(~bad), tiles, shapes[~bad])
            out[inside] = tiles

    def _halve(self, entries: TileEntries, out: NDArray[Any], shapes: Int64s) -> None:
        """Decode tiles together; if that fails each half by itself, down to the ones that are damaged."""
        try:
            super().decode(entries, out, shapes)
            return
        except (TileDecodeError, TruncatedFile) as error:
            if entries.rows.size == 1:
                self.damage[int(entries.rows[0])] = _bare(error)
                out[...] = _lost(out)
                return
        half = entries.rows.size // 2
        split = int(shapes[:half].prod(axis=1, dtype=np.int64).sum())
        self._halve(entries.part(slice(None, half)), out[:split], shapes[:half])
        self._halve(entries.part(slice(half, None)), out[split:], shapes[half:])


def find(decoder: ForgivingDecoder) -> None:
    """Decode every tile, so that the decoder's `damage` tells of those that cannot be decoded; keep no pixel.

    Errors as `read_around`.
    """
    grid, stored = decoder.table.grid, decoder.table.stored
    decoder.check_sizes(0)
    if not grid.ntiles:
        return
    step = max(SLAB_NBYTES // (prod(grid.clipped) * stored.itemsize), 1)

    def look(first: int) -> None:
        rows = np.arange(first, min(first + step, grid.ntiles))
        entries = decoder.entries(rows)
        good = np.fromiter((row not in decoder.damage for row in rows.tolist()), bool, rows.size)
        if good.any():
            shapes = grid.tile_shapes(rows[good])
            npixels = int(shapes.prod(axis=1).sum())
            decoder.decode(entries.part(good), threads.scratch("tiles", npixels, stored), shapes)

    threads.run(look, range(0, grid.ntiles, step), npixels=prod(grid.shape))


def read_around(decoder: ForgivingDecoder) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the stored pixels of the whole image, and which of them are lost.

    Raises
    ------
    CodecNotInstalled, PluginError
        If a tile needs a codec that is not there.
    HeaderError
        If the columns cannot be those of a compressed image.
    LimitExceeded
        If it is more than `rustfits.limits` allows, or nearly all of it is lost and there is no file to speak of.
    """
    shape, stored = decoder.table.grid.shape, decoder.table.stored
    nbytes = prod(shape) * stored.itemsize
    limits.check_read(prod(shape), nbytes)
    decoder.look_at_table(nbytes)
    nlost = sum([prod(tile.shape) for tile in described(decoder)])
    limits.check_lost(nlost * stored.itemsize, nbytes, decoder.storage.size())
    pixels = _reader(decoder).read_many([full_section(shape)], _as_stored(decoder))[0]
    lost = np.zeros(shape, dtype=bool)
    for tile in described(decoder):
        lost[tile.section] = True
    return pixels, lost


def slabs(decoder: TileDecoder) -> Iterator[NDArray[Any]]:
    """Yield the stored pixels of an image in file order, a few rows of tiles at a time; errors as `TileReader.read`.

    They are decoded from the bytes of the file, whatever a cache holds.
    """
    reader, table, scaling = _reader(decoder), decoder.table, _as_stored(decoder)
    shape, tile = table.grid.shape, table.grid.tile
    if 0 in shape:
        return
    nbytes = min(tile[0], shape[0]) * prod(shape[1:]) * table.stored.itemsize
    step = max(SLAB_NBYTES // nbytes, 1) * tile[0]
    whole = full_section(shape)
    for start in range(0, shape[0], step):
        section = Section((start, *whole.start[1:]), (min(step, shape[0] - start), *shape[1:]), whole.step)
        yield reader.read_many([section], scaling)[0]


def described(decoder: ForgivingDecoder) -> list[DamagedTile]:
    """Return the damaged tiles that were met so far, in the order of their rows."""
    grid, tiles = decoder.table.grid, []
    for row in sorted(decoder.damage):
        error = decoder.damage[row]
        start, stop = grid.box(row)
        reason = error.reason if isinstance(error, TileDecodeError) else str(error)
        tiles.append(DamagedTile(row, start, stop, reason))
    return tiles


def _reader(decoder: TileDecoder) -> TileReader:
    return TileReader(decoder, TileCache(0))


def _as_stored(decoder: TileDecoder) -> Scaling:
    return Scaling(decoder.table.stored)


def _bare(error: FitsError) -> FitsError:
    """Return an error without the frames that it came through: they keep the bytes and pixels of tiles in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _lost(out: NDArray[Any]) -> float:
    """Return the stored number that stands for pixels that are lost."""
    return np.nan if out.dtype.kind == "f" else 0
