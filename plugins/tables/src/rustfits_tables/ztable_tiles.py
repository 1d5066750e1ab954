"""From the tiles of a compressed table to its rows: what is wanted is read, decoded and handed to the row kernels."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError, get_num_threads, limits
from rustfits.plugin import (
    DataUnit,
    TileBatch,
    TileCache,
    TileDecodeError,
    codec_class,
    decoded_by,
    heap_ranges,
    run,
    scratch,
)
from rustfits_tables.choice import active
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells
from rustfits_tables.fields import BITMAPS, OFFSETS, Bytes, Field, FieldArray, Kind
from rustfits_tables.heap import pairs_of, read_cells
from rustfits_tables.rows import RowReader, Rows, Target, error_of, fields_of
from rustfits_tables.ztable import BYTE, CodedColumn, CompressedFacts, Int64s

BATCH_NBYTES = 1 << 20  # of decoded tiles of one column, which the row kernels then find in a cache
GROUP_NBYTES = 4 << 20  # of descriptors that are looked at together
SMALL_NBYTES = 1 << 24  # of decoded tiles: that much may be asked for whatever the file has


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Rows that are wanted, cut where the next one is in another tile.

    Attributes
    ----------
    rows : range or (n,) int64 array
    tile : (m,) int64 array
        Tile of each run.
    first : (m + 1,) int64 array
        Position in ``rows`` of the first row of each run, and their number.
    """

    rows: Rows
    tile: Int64s
    first: Int64s

    @classmethod
    def of(cls, rows: Rows, tile_nrows: int) -> Runs:
        """Cut rows."""
        if isinstance(rows, range) and rows.step == 1 and len(rows):
            tile = np.arange(rows.start // tile_nrows, (rows.stop - 1) // tile_nrows + 1)
            first = np.maximum(tile * tile_nrows - rows.start, 0)
            return cls(rows, tile, np.append(first, len(rows)))
        tiles = np.asarray(rows, dtype=np.int64) // tile_nrows
        first = np.flatnonzero(np.r_[True, np.diff(tiles) != 0])[: len(rows)]
        return cls(rows, tiles[first], np.append(first, len(rows)))

    def part(self, first: int, stop: int) -> Runs:
        """Return some of the runs, of the same rows."""
        return Runs(self.rows, self.tile[first:stop], self.first[first : stop + 1])

    @property
    def together(self) -> bool:
        """Whether the rows follow each other, as they do in the tiles."""
        return isinstance(self.rows, range) and self.rows.step == 1

    def within(self, tile_nrows: int, begin: Int64s) -> Int64s:
        """Return where the rows are in their tiles, of which each begins at ``begin``."""
        first, stop = int(self.first[0]), int(self.first[-1])
        rows = np.asarray(self.rows[first:stop], dtype=np.int64)
        found: Int64s = rows + np.repeat(begin - self.tile * tile_nrows, np.diff(self.first))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Where some tiles of one column are in the heap; checked, one element for each run.

    Attributes
    ----------
    start, length : (m,) int64 array
        In bytes.
    keep : (m,) bool array
        Whether the cache is to have the tile.
    """

    start: Int64s
    length: Int64s
    keep: NDArray[np.bool_]

    def part(self, which: slice | NDArray[Any]) -> Entries:
        """Return the entries of some of the tiles."""
        return Entries(self.start[which], self.length[which], self.keep[which])


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Tiles of one column that are decoded together."""

    column: CodedColumn
    runs: Runs
    entries: Entries


class TileRows:
    """The rows of a compressed table, as `RowReader` has those of another; threads may share it.

    Parameters
    ----------
    unit : DataUnit
    facts : CompressedFacts
    cache : TileCache
        Of decoded tiles, which are bytes as a plain table has them, by tile and column.
    """

    def __init__(self, unit: DataUnit, facts: CompressedFacts, cache: TileCache) -> None:
        self.unit, self.facts, self._cache = unit, facts, cache
        self._generation = cache.generation

    # -- which tiles, and where they are --------------------------------------------------------------------------

    def check(self, rows: Rows, cells: Sequence[AnyCells]) -> None:
        """Refuse rows for which the file has too few bytes, before memory is asked for them.

        Raises
        ------
        TableError
            If a tile was never written, or is too small to hold so much.
        TileDecodeError
            If a descriptor points outside the heap.
        TruncatedFile
            If the file ends before them.
        HeaderError, CodecNotInstalled, PluginError
            If what the header says of a column makes no sense, or needs a codec that is not there.
        """
        columns = [self.facts.coded(one) for one in cells]
        if len(rows) * sum(column.nbytes for column in columns) <= SMALL_NBYTES:
            return
        for runs in self._groups(rows):
            self._entries([self.tiles_of(column) for column in columns], runs)

    def jobs(self, rows: Rows, columns: Sequence[CodedColumn]) -> Iterator[list[Job]]:
        """Return what is to be done, column by column, in groups that need little memory; errors as `check`."""
        for runs in self._groups(rows):
            entries = self._entries(columns, runs)
            yield [
                Job(column, runs.part(first, stop), found.part(slice(first, stop)))
                for column, found in zip(columns, entries, strict=True)
                for first, stop in self._batches(column, runs)
            ]

    def _groups(self, rows: Rows) -> Iterator[Runs]:
        """Cut rows, once the file is known to have what describes their tiles: a header may claim any number."""
        if len(rows):
            last = max(rows[0], rows[-1]) if isinstance(rows, range) else int(rows.max())
            self.unit.require((last // self.facts.tile_nrows + 1) * self.facts.layout.row_nbytes)
        runs = Runs.of(rows, self.facts.tile_nrows)
        step = max(GROUP_NBYTES // max(self.facts.layout.row_nbytes, 1), 1)
        for first in range(0, runs.tile.size, step):
            yield runs.part(first, first + step)

    def _batches(self, column: CodedColumn, runs: Runs) -> list[tuple[int, int]]:
        stops = np.cumsum(self.facts.nrows_of(runs.tile) * column.nbytes)
        found, first = [], 0
        while first < stops.size:
            done = int(stops[first - 1]) if first else 0
            stop = max(int(np.searchsorted(stops, done + BATCH_NBYTES, "right")), first + 1)
            found.append((first, stop))
            first = stop
        return found

    def pointers(self, columns: Sequence[CodedColumn], tiles: Int64s) -> list[tuple[Int64s, Int64s, Int64s]]:
        """Return elements, start and bytes in the heap of tiles of each column, (ntiles,) each.

        Raises
        ------
        TileDecodeError
            If a descriptor points outside the heap.
        TruncatedFile
            If the file ends before them.
        """
        raw = [np.zeros((tiles.size, column.stored.nbytes), dtype=np.uint8) for column in columns]
        fields = [
            FieldArray(Field(Kind.COPY, column.stored.offset, column.stored.nbytes), array)
            for column, array in zip(columns, raw, strict=True)
        ]
        reader = RowReader(self.unit, self.facts.layout.row_nbytes)
        reader.check(tiles)
        reader.read_fields(tiles, fields, [column.cells for column in columns])
        found = []
        for column, array in zip(columns, raw, strict=True):
            zero = np.zeros(tiles.size, dtype=np.int64)
            count, start = pairs_of(array, column.stored.code) if array.size else (zero, zero)
            found.append((count, start, self._length(column, tiles, count, start)))
        return found

    def _entries(self, columns: Sequence[CodedColumn], runs: Runs) -> list[Entries]:
        sizes = [self.facts.nrows_of(runs.tile) * column.nbytes for column in columns]
        keep = self._cache.survivors(np.concatenate([*sizes, np.zeros(0, dtype=np.int64)]))
        found = []
        ends = np.cumsum([nbytes.size for nbytes in sizes])
        pointers = self.pointers(columns, runs.tile)
        for column, nbytes, (_, start, length), kept in zip(
            columns, sizes, pointers, np.split(keep, ends)[: len(columns)], strict=True
        ):
            self._check(column, runs.tile, length, nbytes)
            found.append(Entries(start, length, kept))
        return found

    def _length(self, column: CodedColumn, tiles: Int64s, count: Int64s, start: Int64s) -> Int64s:
        layout = self.facts.layout
        heap = layout.heap_nbytes
        length, used, inside = heap_ranges(heap, column.stored, count, start)
        if not inside.all():
            at = int(inside.argmin())
            raise self.damaged(
                column,
                int(tiles[at]),
                f"the descriptor names {count[at]} elements at byte {start[at]} of a heap of {heap} bytes",
            )
        self.unit.require(layout.heap_start + int((start + length).max(where=used, initial=0)))
        return length

    def _check(self, column: CodedColumn, tiles: Int64s, length: Int64s, nbytes: Int64s) -> None:
        missing = (nbytes > 0) & (length == 0)
        if missing.any():
            tile = int(tiles[missing.argmax()])
            raise TableError(
                f"column {column.cells.name!r}: {self._rows_in(tile)} were never written (tile {tile + 1})"
            )
        large = (nbytes > SMALL_NBYTES) & (nbytes // limits.MAX_TILE_RATIO > length)
        if large.any():
            at = int(large.argmax())
            raise self.damaged(
                column, int(tiles[at]), f"its {length[at]} bytes cannot stand for the {nbytes[at]} that the header says"
            )

    def _rows_in(self, tile: int) -> str:
        first = tile * self.facts.tile_nrows
        return f"rows {first} to {first + int(self.facts.nrows_of(np.array([tile]))[0]) - 1}"

    def damaged(self, column: CodedColumn, tile: int, reason: str) -> TileDecodeError:
        """Return the error for a tile of a column."""
        what = f"column {column.cells.name!r}, {self._rows_in(tile)}: {reason}"
        return TileDecodeError(column.codec.zcmptype, tile, what)

    @staticmethod
    def tiles_of(column: CodedColumn) -> CodedColumn:
        """Return how the tiles of a column are coded: of arrays in the heap, those of their descriptors."""
        if not column.cells.in_heap:
            return column
        return replace(column, codec=codec_class("GZIP_1")(), element=BYTE)

    # -- their bytes ----------------------------------------------------------------------------------------------

    def tiles(self, job: Job) -> Bytes:
        """Return the decoded tiles of a job, back to back; not to be changed.

        Raises
        ------
        TileDecodeError
            If one is damaged.
        """
        column, tiles, keep = job.column, job.runs.tile, job.entries.keep
        nbytes = self.facts.nrows_of(tiles) * column.nbytes
        keys = tiles * len(self.facts.numbers) + column.number - 1
        cached = self._cache.find(keys)
        if cached is None:
            whole = bool(keep.all())
            total = int(nbytes.sum())
            out = np.empty(total, dtype=np.uint8) if whole else scratch("tiles of a table", total, np.uint8)
            self._decode(column, tiles, job.entries, out)
            if whole:
                self._cache.add(keys, nbytes, out, generation=self._generation)
            elif keep.any():
                self._keep(keys[keep], nbytes[keep], out[np.repeat(keep, nbytes)])
            return out
        together = cached.together(nbytes)
        if together is not None:
            return together
        out = scratch("tiles of a table", int(nbytes.sum()), np.uint8)
        missing = np.zeros(tiles.size, dtype=np.bool_)
        missing[cached.missing()] = True
        if missing.any():
            fresh = np.empty(int(nbytes[missing].sum()), dtype=np.uint8)
            self._decode(column, tiles[missing], job.entries.part(missing), fresh)
            out[np.repeat(missing, nbytes)] = fresh
            kept = keep[missing]
            self._keep(keys[missing][kept], nbytes[missing][kept], fresh[np.repeat(kept, nbytes[missing])])
        cached.copy_to(out, nbytes)
        return out

    def _keep(self, keys: Int64s, nbytes: Int64s, pixels: Bytes) -> None:
        self._cache.add(keys, nbytes, pixels, generation=self._generation)

    def _decode(self, column: CodedColumn, tiles: Int64s, entries: Entries, out: Bytes) -> None:
        data = read_cells(self.unit, self.facts.layout.heap_start, entries.start, entries.length)
        start = np.cumsum(entries.length) - entries.length
        nbytes = self.facts.nrows_of(tiles) * column.nbytes
        try:
            decode(
                column, TileBatch(data, start, entries.length, (nbytes // column.element.itemsize)[:, None], tiles), out
            )
        except TileDecodeError as error:
            raise self.damaged(column, error.row, failed(error)) from error

    # -- the rows -------------------------------------------------------------------------------------------------

    def read(self, rows: Rows, targets: Sequence[Target], *, scale: bool, as_bytes: bool = False) -> None:
        """Read columns of numbers, strings and logicals; as `RowReader.read`, and errors as `check` and `tiles`."""
        self.read_fields(rows, *fields_of(targets, scale=scale, as_bytes=as_bytes))

    def read_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> None:
        """Read what the kernels are to do; as `RowReader.read_fields`."""
        wanted: dict[int, list[FieldArray]] = {}
        columns: dict[int, CodedColumn] = {}
        for each, cells in zip(fields, owners, strict=True):
            column = self.facts.coded(cells)
            if column.nbytes:
                columns[column.number] = column
                wanted.setdefault(column.number, []).extend(rebased([each], column.cells))
        if not (wanted and len(rows)):
            return
        self._read(rows, list(columns.values()), wanted)

    def raw(self, rows: Int64s, column: CodedColumn) -> NDArray[np.uint8]:
        """Return cells of one column as a plain table has them, (n, nbytes); errors as `check` and `tiles`."""
        nbytes = column.cells.column.nbytes
        out = np.zeros((rows.size, nbytes), dtype=np.uint8)
        field = FieldArray(Field(Kind.COPY, column.cells.column.offset, nbytes), out)
        self.read_fields(rows, [field], [column.cells])
        return out

    def _read(self, rows: Rows, columns: Sequence[CodedColumn], wanted: dict[int, list[FieldArray]]) -> None:
        decoders = {column.number: active().decoder(column.nbytes, wanted[column.number]) for column in columns}
        # Bits and offsets of one row follow those of the row before, perhaps in the same byte.
        ordered = {
            number
            for number, placed in wanted.items()
            if any(each.field.kind in BITMAPS or each.field.kind in OFFSETS for each in placed)
        }

        def fill(jobs: list[Job]) -> None:
            for job in jobs:
                self._fill(job, decoders[job.column.number])

        for jobs in self.jobs(rows, columns):
            work = [[job for job in jobs if job.column.number == number] for number in sorted(ordered)]
            work += _side_by_side([job for job in jobs if job.column.number not in ordered])
            run(
                fill, work, npixels=sum(int(job.runs.first[-1] - job.runs.first[0]) * job.column.nbytes for job in jobs)
            )

    def _fill(self, job: Job, decoder: Any) -> None:
        raw, runs, width = self.tiles(job), job.runs, job.column.nbytes
        first, stop = int(runs.first[0]), int(runs.first[-1])
        if runs.together:
            begin = runs.rows[first] - int(runs.tile[0]) * self.facts.tile_nrows
            which = None
            raw = raw[begin * width : (begin + stop - first) * width]
        else:
            nrows = self.facts.nrows_of(runs.tile)
            which = runs.within(self.facts.tile_nrows, np.cumsum(nrows) - nrows)
        faults = decoder.decode(raw, first, which)
        if faults:
            fault = min(faults, key=lambda fault: fault.field)
            raise error_of(fault, job.column.cells, int(runs.rows[first + fault.row]), raw)


def _side_by_side(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return what is done at one go, in turn: all columns of some rows, if that makes enough for each thread.

    Two threads that fill fields of the same rows of a structured array would take the lines of a cache from each other:
    that takes a third longer.
    """
    ordered = sorted(jobs, key=lambda job: int(job.runs.first[0]))
    by_rows: dict[int, list[Job]] = {}
    for job in ordered:
        by_rows.setdefault(int(job.runs.tile[0]), []).append(job)
    nthreads = get_num_threads()
    if len(by_rows) % nthreads == 0 or len(by_rows) > 4 * nthreads:
        return list(by_rows.values())
    return [[job] for job in ordered]


def failed(error: TileDecodeError, what: str = "") -> str:
    """Return what a codec says of a tile, or of something in it, that it cannot decode."""
    reason = error.reason
    return f"{what}{reason if reason.startswith('decompression') else f'decompression failed: {reason}'}"


def rebased(fields: Sequence[FieldArray], cells: Cells) -> list[FieldArray]:
    """Return fields of one column for rows that hold nothing else."""
    return [
        FieldArray(replace(each.field, offset=each.field.offset - cells.column.offset), each.array, each.text)
        for each in fields
    ]


def decode(column: CodedColumn, batch: TileBatch, out: Bytes) -> None:
    """Decode tiles, or arrays of the heap, to the bytes that a plain table has, back to back.

    Raises
    ------
    TileDecodeError
        If one is damaged, or of another length.
    PluginError
        If the codec breaks its contract.
    """
    element = column.element
    shared = out.ctypes.data % element.itemsize == 0
    numbers = out.view(element) if shared else np.empty(out.size // element.itemsize, dtype=element)
    decoded_by(column.codec, batch, numbers, exactly=True)
    if not shared:
        out.view(element.newbyteorder(">"))[...] = numbers
    elif sys.byteorder == "little":
        numbers.byteswap(inplace=True)
