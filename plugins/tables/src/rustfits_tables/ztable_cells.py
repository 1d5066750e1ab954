"""Arrays of variable length in a compressed table (FITS 4.0, section 10.3.6), each of which is compressed by itself.

A tile of such a column is the gzip of two lists of descriptors: those of the table as it was, and then those of the
compressed arrays. An array that did not become smaller is stored as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError, limits
from rustfits.plugin import TileBatch, TileDecodeError, heap_ranges, run
from rustfits_tables.columns import Cells
from rustfits_tables.fields import Bytes
from rustfits_tables.heap import MAX_COUNT, Batch, batches, check_shared, nbytes_of, pairs_of, read_cells
from rustfits_tables.rows import Rows
from rustfits_tables.ztable import PAIR_NBYTES, CodedColumn, Int64s
from rustfits_tables.ztable_tiles import SMALL_NBYTES, Job, TileRows, decode, failed


@dataclass(frozen=True, slots=True, eq=False)
class CodedCells:
    """Cells of one column of arrays, as their descriptors have them; checked.

    Attributes
    ----------
    rows : (n,) int64 array
        Of the table.
    count, offset, nbytes : (n,) int64 array
        Elements of each, where it was in the heap of the table, and its bytes there.
    start, length : (n,) int64 array
        Bytes of each in the heap on disk.
    """

    rows: Int64s
    count: Int64s
    offset: Int64s
    nbytes: Int64s
    start: Int64s
    length: Int64s

    def part(self, which: slice) -> CodedCells:
        """Return some of the cells."""
        return CodedCells(*(getattr(self, name)[which] for name in self.__slots__))


class CellReader:
    """Reads columns of arrays of a compressed table.

    Parameters
    ----------
    tiles : TileRows
    """

    def __init__(self, tiles: TileRows) -> None:
        self._tiles = tiles

    def read(self, rows: Rows, cells: Cells, out: NDArray[Any], *, scale: bool, as_bytes: bool = False) -> None:
        """Read the cells of one column; as `HeapReader.read`, and errors of tiles as `TileRows.tiles`."""
        if scale:
            cells.inner.check_scale()
        column = self._tiles.facts.coded(cells)
        if not cells.column.nbytes:
            self._fill(column, CodedCells(*[np.zeros(len(rows), dtype=np.int64)] * 6), out, scale, as_bytes)
            return

        heap_nbytes, stored, total = self._tiles.facts.layout.heap_nbytes, [0.0], [0.0]

        def fill(job: Job) -> None:
            found = self.cells(column, job)
            stored[0] += float(found.length.sum(dtype=np.float64))
            total[0] += float(found.nbytes.sum(dtype=np.float64))
            if stored[0] > heap_nbytes:
                check_shared(len(rows), total[0], heap_nbytes, column.cells)
            first, stop = int(job.runs.first[0]), int(job.runs.first[-1])
            self._fill(column, found, out[first:stop], scale, as_bytes)

        for jobs in self._tiles.jobs(rows, [self._tiles.tiles_of(column)]):
            run(fill, jobs, npixels=sum(int(job.entries.length.sum()) for job in jobs))

    def _fill(self, column: CodedColumn, found: CodedCells, out: NDArray[Any], scale: bool, as_bytes: bool) -> None:
        for first, stop in batches(found.nbytes):
            part = found.part(slice(first, stop))
            batch = Batch(column.cells, part.count, part.nbytes, self.bytes_of(column, part))
            out[first:stop] = batch.split(part.rows, scale=scale, as_bytes=as_bytes)

    def cells(self, column: CodedColumn, job: Job) -> CodedCells:
        """Return what the tiles of a job say of its rows.

        Raises
        ------
        TableError, TileDecodeError
            If that cannot be.
        TruncatedFile
            If the file ends before the arrays.
        """
        facts, runs = self._tiles.facts, job.runs
        raw, width = self._tiles.tiles(job), column.cells.column.nbytes
        nrows = facts.nrows_of(runs.tile)
        before, after = [], []
        stop = 0
        for each in nrows.tolist():
            begin, middle, stop = stop, stop + each * width, stop + each * (width + PAIR_NBYTES)
            before.append(raw[begin:middle].reshape(each, width))
            after.append(raw[middle:stop].reshape(each, PAIR_NBYTES))
        which = runs.within(facts.tile_nrows, np.cumsum(nrows) - nrows)
        count, offset = (each[which] for each in pairs_of(np.concatenate(before), column.cells.column.code))
        length, start = (each[which] for each in pairs_of(np.concatenate(after), "Q"))
        rows = np.asarray(runs.rows[int(runs.first[0]) : int(runs.first[-1])], dtype=np.int64)
        found = CodedCells(rows, count, offset, nbytes_of(np.clip(count, 0, MAX_COUNT), column.cells), start, length)
        self._check(column, found)
        return found

    def all_cells(self, rows: Rows, column: CodedColumn) -> CodedCells:
        """Return what the tiles say of rows of one column; errors as `cells`."""
        found = [np.zeros((6, 0), dtype=np.int64)]
        for jobs in self._tiles.jobs(rows, [self._tiles.tiles_of(column)]):
            for job in jobs:
                each = self.cells(column, job)
                found.append(np.stack([getattr(each, name) for name in CodedCells.__slots__]))
        return CodedCells(*np.concatenate(found, axis=1))

    def _check(self, column: CodedColumn, found: CodedCells) -> None:
        layout = self._tiles.facts.layout
        count, nbytes, length = found.count, found.nbytes, found.length
        _, used, inside = heap_ranges(layout.heap_nbytes, column.stored, length, found.start)
        there = count != 0
        bad = there & (~inside | (count < 0) | (count > MAX_COUNT))
        bad |= (nbytes > 0) & ~used
        bad |= (nbytes > SMALL_NBYTES) & (nbytes // limits.MAX_TILE_RATIO > length)
        if bad.any():
            raise self._error(column, found, int(bad.argmax()))
        stops = (found.start + length)[there & used]
        self._tiles.unit.require(layout.heap_start + int(stops.max(initial=0)))

    def _error(self, column: CodedColumn, found: CodedCells, at: int) -> TableError:
        name, row = column.cells.name, int(found.rows[at])
        count, start, length = int(found.count[at]), int(found.start[at]), int(found.length[at])
        if 0 < count <= MAX_COUNT and not length:
            hint = (
                "; CFITSIO loses arrays of bits when it compresses them" if column.cells.column.element == "X" else ""
            )
            return TableError(f"column {name!r}, row {row}: the {count} elements are not in the file{hint}")
        heap_nbytes = self._tiles.facts.layout.heap_nbytes
        return TableError(
            f"column {name!r}, row {row}: the descriptors say {count} elements, compressed to {length} bytes at byte "
            f"{start} of the heap, which has {heap_nbytes} bytes"
        )

    def bytes_of(self, column: CodedColumn, found: CodedCells) -> Bytes:
        """Return the arrays as they were in the heap of the table, back to back.

        Raises
        ------
        TileDecodeError
            If one is damaged.
        """
        there = found.nbytes > 0
        length = np.where(there, found.length, 0)
        data = read_cells(self._tiles.unit, self._tiles.facts.layout.heap_start, found.start, length)
        coded = there & (length != found.nbytes)
        if not coded.any():
            return data
        start = np.cumsum(length) - length
        nbytes = found.nbytes[coded]
        out = np.empty(int(nbytes.sum()), dtype=np.uint8)
        numbers = (nbytes // column.element.itemsize)[:, None]
        batch = TileBatch(data, start[coded], length[coded], numbers, np.flatnonzero(coded))
        try:
            decode(column, batch, out)
        except TileDecodeError as error:
            row = int(found.rows[error.row])
            tile = row // self._tiles.facts.tile_nrows
            raise self._tiles.damaged(column, tile, failed(error, f"array in row {row}: ")) from error
        if coded.all() or out.size == found.nbytes.sum():
            return out
        whole = np.empty(int(found.nbytes.sum()), dtype=np.uint8)
        where = np.repeat(coded, found.nbytes)
        whole[where], whole[~where] = out, data[np.repeat(~coded & there, length)]
        return whole
