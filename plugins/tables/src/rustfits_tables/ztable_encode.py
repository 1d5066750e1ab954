"""From checked values to the tiles of a compressed table: what changes is encoded before a byte of the file does."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError, limits
from rustfits.plugin import HeapWriter, PixelBatch, Run, TileEncodeError, codec_class, encoded_by, run
from rustfits_tables.choice import active
from rustfits_tables.fields import Bytes, FieldArray
from rustfits_tables.heap import nbytes_of
from rustfits_tables.outgoing import Arrays
from rustfits_tables.rows import Rows
from rustfits_tables.values import Values
from rustfits_tables.ztable import BYTE, PAIR_NBYTES, CodedColumn, CompressedFacts, Int64s
from rustfits_tables.ztable_cells import CellReader
from rustfits_tables.ztable_tiles import BATCH_NBYTES, Runs, TileRows, rebased

_MAXIMUM = re.compile(r"\(\s*(\d+)\s*\)\s*$")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Tiles of one column that are encoded together, of which some rows get new values.

    Attributes
    ----------
    column : CodedColumn
    values : Values
        For all rows that change.
    runs : Runs
        Of rows that change, a run for each tile.
    nrows : (ntiles,) int64 array
        Rows of each tile afterwards.
    old : (ntiles,) int64 array
        Rows of each tile of which something is kept; 0 where all are new.
    """

    column: CodedColumn
    values: Values
    runs: Runs
    nrows: Int64s
    old: Int64s

    @property
    def begin(self) -> Int64s:
        """First row of each tile, of those of all tiles back to back."""
        return np.cumsum(self.nrows) - self.nrows

    def which(self, tile_nrows: int) -> Int64s:
        """Return where the new rows are, of those of all tiles back to back."""
        return self.runs.within(tile_nrows, self.begin)

    @property
    def first(self) -> int:
        """Which of the values is the first."""
        return int(self.runs.first[0])

    @property
    def stop(self) -> int:
        """Which of the values is the first that is not needed."""
        return int(self.runs.first[-1])


class TileEncoder:
    """Encodes changes of a compressed table, for a writer of its tiles.

    Parameters
    ----------
    facts : CompressedFacts
        Of the table as it is, or as it will be, if it is new.
    tiles : TileRows or None
        Of what is there; None if nothing is kept.
    nrows : int
        Rows of the table afterwards.
    codecs : mapping of str to TileCodec
        For columns, by name, of which more is known than the header says: the level of gzip.
    """

    def __init__(self, facts: CompressedFacts, tiles: TileRows | None, nrows: int, codecs: dict[str, Any]) -> None:
        self._facts, self._tiles, self._nrows, self._codecs = facts, tiles, nrows, codecs
        self._length = min(facts.ztilelen, max(nrows, 1))

    def add(self, writer: HeapWriter, rows: Rows, values: Sequence[Values], heap_nbytes: int) -> int:
        """Encode new values, and give the tiles to a writer.

        Parameters
        ----------
        writer : HeapWriter
            Of the table on disk.
        rows : range or (n,) int64 array
            Ascending, each once; those behind the last row all.
        values : sequence of Values
            Of columns of the table, one for each row.
        heap_nbytes : int
            Of the table if it were not compressed, before.

        Returns
        -------
        int
            Bytes of that heap afterwards.

        Raises
        ------
        TableError
            If a tile of which something is kept was never written, or descriptors of the table, if it were not
            compressed, could not reach all of its heap.
        TileDecodeError, TileEncodeError
            If a tile cannot be decoded or encoded.
        CodecNotInstalled, PluginError, HeaderError, FitsIOError
            As for reading.
        """
        runs = Runs.of(rows, self._length)
        parts = [part for each in values for part in self._parts(each, runs)]
        blobs: dict[int, Bytes] = {}
        lengths: dict[int, Int64s] = {}

        def encode(number: int) -> None:
            part = parts[number]
            if not part.values.cells.in_heap:
                blobs[number], lengths[number] = self._encode(part, self._raw(part), part.column)

        run(encode, range(len(parts)), npixels=sum(int(part.nrows.sum()) * part.column.nbytes for part in parts))
        for number, part in enumerate(parts):
            if part.values.cells.in_heap:
                raw, heap_nbytes = self._descriptors(part, writer, heap_nbytes)
                plain = self._tiles_of(part.column)
                blobs[number], lengths[number] = self._encode(part, raw, plain)
        # Column by column: who reads one of them reads neighbours.
        for number, part in enumerate(parts):
            writer.add([Run(part.column.stored, part.runs.tile, blobs[number], lengths[number])])
        return heap_nbytes

    def _parts(self, values: Values, runs: Runs) -> list[Part]:
        column = self._facts.coded(values.cells)
        if not column.nbytes or not values.cells.column.nbytes:
            return []
        codec = self._codecs.get(values.cells.name)
        if codec is not None and codec.zcmptype == column.codec.zcmptype:
            column = CodedColumn(column.cells, column.stored, codec, column.element)
        nrows = np.minimum(self._length, self._nrows - runs.tile * self._length)
        changed = np.diff(runs.first)
        known = 0 if self._tiles is None else self._facts.nrows
        old = np.where(changed < nrows, np.clip(known - runs.tile * self._length, 0, self._length), 0)
        stops, found, first = np.cumsum(nrows * column.nbytes), [], 0
        while first < stops.size:
            done = int(stops[first - 1]) if first else 0
            stop = max(int(np.searchsorted(stops, done + BATCH_NBYTES, "right")), first + 1)
            found.append(Part(column, values, runs.part(first, stop), nrows[first:stop], old[first:stop]))
            first = stop
        return found

    def _kept(self, part: Part) -> tuple[Int64s, Int64s]:
        """Return the rows of which something is kept, and where they go, of those of all tiles back to back."""
        count = part.old
        inner = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return inner + np.repeat(part.runs.tile * self._length, count), inner + np.repeat(part.begin, count)

    def _raw(self, part: Part) -> Bytes:
        """Return the rows of the tiles as a plain table has them, of one column of numbers, strings or bits."""
        column = part.column
        width = column.nbytes
        raw = np.zeros((int(part.nrows.sum()), width), dtype=np.uint8)
        rows, where = self._kept(part)
        if rows.size:
            assert self._tiles is not None
            raw[where] = self._tiles.raw(rows, column)
        fields: list[FieldArray] = rebased(part.values.fields(), column.cells)
        if fields:
            encoder = active().encoder(width, fields)
            which = None if part.stop - part.first == len(raw) else part.which(self._length)
            if encoder.encode(raw.reshape(-1), part.first, which):  # all values were checked
                raise TableError(f"column {column.cells.name!r} has a value that cannot be written")
        return raw.reshape(-1)

    @staticmethod
    def _tiles_of(column: CodedColumn) -> CodedColumn:
        return CodedColumn(column.cells, column.stored, of_descriptors(), BYTE)

    def _encode(self, part: Part, raw: Bytes, column: CodedColumn) -> tuple[Bytes, Int64s]:
        """Return compressed tiles, back to back, and the bytes of each."""
        numbers = part.nrows * (raw.size // max(int(part.nrows.sum()), 1) // column.element.itemsize)
        return encoded(column, raw, numbers, part.runs.tile)

    # -- arrays in the heap ---------------------------------------------------------------------------------------

    def _descriptors(self, part: Part, writer: HeapWriter, heap_nbytes: int) -> tuple[Bytes, int]:
        """Append the compressed arrays of some tiles to the heap; return the tiles, and the heap if not compressed."""
        column, values = part.column, part.values.take(slice(part.first, part.stop))
        assert values.counts is not None
        code, size = column.cells.column.code, int(part.nrows.sum())
        count, offset, length, start = np.zeros((4, size), dtype=np.int64)
        rows, where = self._kept(part)
        if rows.size:
            assert self._tiles is not None
            cells = CellReader(self._tiles).all_cells(rows, column)
            count[where], offset[where] = cells.count, cells.offset
            length[where], start[where] = cells.length, cells.start
        which = part.which(self._length)
        nbytes = nbytes_of(values.counts, column.cells)
        data, lengths = encoded_cells(column, values, nbytes)
        begin = writer.add_bytes(data) if data.size else 0
        count[which] = values.counts
        offset[which] = np.where(nbytes > 0, heap_nbytes + np.cumsum(nbytes) - nbytes, 0)
        length[which] = lengths
        start[which] = np.where(lengths > 0, begin + np.cumsum(lengths) - lengths, 0)
        heap_nbytes += int(nbytes.sum())
        if heap_nbytes > limits.MAX_DESCRIPTOR[code]:
            raise TableError(
                f"column {column.cells.name!r}: without compression the heap of the table would have {heap_nbytes} "
                f"bytes, but descriptors of type {code} reach only {limits.MAX_DESCRIPTOR[code]}; heap_format='Q' "
                "reaches further"
            )
        return joined(part.nrows, pairs(count, offset, code), pairs(length, start, "Q")), heap_nbytes


def of_descriptors() -> Any:
    """Return the codec of tiles of descriptors."""
    return codec_class("GZIP_1")()


def pairs(count: Int64s, offset: Int64s, code: str) -> NDArray[np.uint8]:
    """Return descriptors of type P or Q as they are stored, (n, nbytes)."""
    both = np.stack([count, offset], axis=1)
    return (both.astype(">u4") if code == "P" else both.astype(">i8")).view(np.uint8)


def joined(nrows: Int64s, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Bytes:
    """Return tiles of a column of arrays: of each the descriptors of the plain table, then those of this one."""
    out = np.empty(before.size + after.size, dtype=np.uint8)
    width, first, stop = before.shape[1], 0, 0
    for each in nrows.tolist():
        begin, middle, stop = stop, stop + each * width, stop + each * (width + PAIR_NBYTES)
        out[begin:middle] = before[first : first + each].reshape(-1)
        out[middle:stop] = after[first : first + each].reshape(-1)
        first += each
    return out


def encoded(column: CodedColumn, raw: Bytes, numbers: Int64s, rows: Int64s) -> tuple[Bytes, Int64s]:
    """Compress tiles or arrays, given as the bytes of a plain table, back to back.

    Parameters
    ----------
    column : CodedColumn
    raw : uint8 array
    numbers : (n,) int64 array
        Numbers of each that the codec sees.
    rows : (n,) int64 array
        For errors.

    Raises
    ------
    TileEncodeError
        If the codec cannot hold one.
    PluginError
        If it breaks its contract.
    """
    element = column.element
    pixels: NDArray[Any] = raw.view(element.newbyteorder(">"))
    if element.itemsize > 1 and sys.byteorder == "little":
        pixels = pixels.astype(element)
    try:
        tiles = encoded_by(column.codec, PixelBatch(pixels, numbers[:, None], rows))
    except TileEncodeError as error:
        raise TileEncodeError(error.algorithm, error.row, f"column {column.cells.name!r}: {error.reason}") from error
    return tiles.data.copy(), tiles.length


def encoded_cells(column: CodedColumn, values: Values, nbytes: Int64s) -> tuple[Bytes, Int64s]:
    """Compress arrays one by one; those that do not become smaller stay as they are, as CFITSIO has it."""
    if not nbytes.any():
        return np.empty(0, dtype=np.uint8), np.zeros_like(nbytes)
    return encoded_arrays(column, np.concatenate([*Arrays(values, nbytes)()]), nbytes)


def encoded_arrays(column: CodedColumn, raw: Bytes, nbytes: Int64s) -> tuple[Bytes, Int64s]:
    """Compress arrays as `encoded_cells` does, given their bytes as a plain table has them, back to back."""
    there = nbytes > 0
    length = np.zeros_like(nbytes)
    if not there.any():
        return np.empty(0, dtype=np.uint8), length
    data, coded = encoded(column, raw, nbytes[there] // column.element.itemsize, np.flatnonzero(there))
    smaller = coded < nbytes[there]
    length[there] = np.where(smaller, coded, nbytes[there])
    if smaller.all():
        return data, length
    out = np.empty(int(length.sum()), dtype=np.uint8)
    where = np.repeat(smaller, length[there])
    out[where] = data[np.repeat(smaller, coded)]
    out[~where] = raw[np.repeat(~smaller, nbytes[there])]
    return out, length


def with_maximum(form: str, count: int) -> str:
    """Return TFORMn of a column of arrays that says that the longest has no fewer elements than ``count``."""
    found = _MAXIMUM.search(form)
    if found is None:
        return f"{form.strip()}({count})"
    return f"{form[: found.start()]}({max(int(found[1]), count)})"
