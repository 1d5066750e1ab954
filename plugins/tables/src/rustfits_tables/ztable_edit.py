"""Changes of compressed tables: tiles are encoded anew as a whole; each runs in a method marked by `changes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rustfits.plugin import Run, TableUnit
from rustfits_tables.columns import Cells
from rustfits_tables.incoming import Given
from rustfits_tables.rows import Rows
from rustfits_tables.values import Values, values_of
from rustfits_tables.ztable import CodedColumn, CompressedFacts
from rustfits_tables.ztable_cells import CellReader
from rustfits_tables.ztable_encode import TileEncoder, encoded, joined, pairs, with_maximum


def all_values(
    facts: CompressedFacts, data: Any, names: Sequence[str] | None, nrows: int | None = None
) -> list[Values]:
    """Check rows that a user gave, with all columns.

    Parameters
    ----------
    facts : CompressedFacts
    data, names
        As for `Given.of`.
    nrows : int, optional
        How many rows there have to be.

    Raises
    ------
    TableError
        If they do not fit the table.
    """
    given = Given.of(data, names)
    cells = [one for one in facts.cells if isinstance(one, Cells)]
    given.ordered([one.name for one in cells])
    if nrows is not None:
        given.require_nrows(nrows)
    return values_of(given, cells)


def write_values(hdu: Any, rows: Rows, values: Sequence[Values], *, anew: bool = False) -> None:
    """Write checked values to rows.

    Parameters
    ----------
    hdu : CompressedTableHDU
    rows : range or (n,) int64 array
        Ascending, each once; rows behind the last are added, all of them.
    values : sequence of Values
        Of columns of the table, one for each row.
    anew : bool
        Whether all rows and columns are there, so that nothing is kept.

    Raises
    ------
    TableError, TileDecodeError, TileEncodeError, HeaderError, CodecNotInstalled, PluginError, FitsIOError
        As `TileEncoder.add` and `TableUnit.apply`.
    """
    if not anew:  # of which nothing is needed, and which may be damaged
        close_gap(hdu)
    facts: CompressedFacts = hdu._facts
    nrows = max(int(rows[-1]) + 1, facts.nrows)
    unit = TableUnit(hdu)
    ntiles = max(-(-nrows // facts.ztilelen), 0 if anew else facts.layout.nrows)
    writer = unit.writer(facts.layout.columns, nrows=ntiles, anew=anew, adjoining=True)
    encoder = TileEncoder(facts, None if anew else hdu._tiles(), nrows, hdu._codecs)
    heap_nbytes = encoder.add(writer, rows, values, 0 if anew else facts.seen.integer("PCOUNT", 0))
    cards = facts.cards.copy()
    # ZTILELEN may be absent: one tile has all rows then, and no longer when rows are added.
    changed: dict[str, Any] = {"ZNAXIS2": nrows, "ZPCOUNT": heap_nbytes, "ZTILELEN": facts.ztilelen}
    for each in values:
        if each.counts is not None:
            keyword = f"ZFORM{each.cells.column.number}"
            changed[keyword] = with_maximum(cards.text(keyword), int(each.counts.max(initial=0)))
    for keyword, value in changed.items():
        if cards.get(keyword) != value:
            cards.set(keyword, value)
    unit.apply(writer, cards)
    hdu._cache.clear()


def close_gap(hdu: Any) -> None:
    """Let the heap follow the table of tiles: programs that unpack it take THEAP for that of the table to come."""
    layout = hdu._facts.layout
    if layout.heap_start != layout.table_nbytes:
        repack(hdu)


def repack(hdu: Any) -> None:
    """Drop what no tile needs, and the room before the heap.

    Raises
    ------
    TableError, TileDecodeError
        If a descriptor points outside the heap, or a tile of descriptors is damaged.
    TruncatedFile, HeaderError, FitsIOError
        As `TableUnit.apply`.
    """
    facts: CompressedFacts = hdu._facts
    unit, layout = TableUnit(hdu), facts.layout
    cells = [one for one in facts.cells if isinstance(one, Cells)]
    if any(one.in_heap and one.column.nbytes for one in cells):
        _repack_arrays(hdu, unit, [facts.coded(one) for one in cells])
    else:
        unit.repack([column for column in layout.columns if column.descriptor])
    hdu._cache.clear()


def _repack_arrays(hdu: Any, unit: TableUnit, columns: Sequence[CodedColumn]) -> None:
    tiles, facts = hdu._tiles(), hdu._facts
    layout, numbers = facts.layout, np.arange(facts.layout.nrows)
    found = tiles.pointers(columns, numbers)
    starts, lengths, kept = [], [], 0
    arrays: dict[int, tuple[Any, ...]] = {}
    for column, (_, start, length) in zip(columns, found, strict=True):
        if not (column.cells.in_heap and column.cells.column.nbytes):
            starts.append(start)
            lengths.append(length)
            continue
        written = numbers[(length > 0) & (numbers < facts.ntiles)]
        nrows = facts.nrows_of(written)
        inner = np.arange(int(nrows.sum())) - np.repeat(np.cumsum(nrows) - nrows, nrows)
        rows = np.repeat(written * facts.tile_nrows, nrows) + inner
        cells = CellReader(tiles).all_cells(rows, column)
        arrays[column.number] = written, nrows, cells
        starts.append(cells.start)
        lengths.append(cells.length)
        kept += int(length.sum())
    start, length = np.concatenate(starts), np.concatenate(lengths)
    used = length > 0
    right = unit.right_sums()
    writer, moved = unit.compacting(layout.columns, start[used], length[used])
    if layout.heap_start == layout.table_nbytes and writer.nbytes + kept == layout.heap_nbytes:
        return
    start = np.zeros_like(start)
    start[used] = moved
    ends = np.cumsum([each.size for each in starts])
    for column, (count, _, _), place in zip(columns, found, np.split(start, ends[:-1]), strict=True):
        if column.number not in arrays:
            writer.put(column.stored, numbers, np.stack([count, place], axis=1))
            continue
        written, nrows, cells = arrays[column.number]
        before = pairs(cells.count, cells.offset, column.cells.column.code)
        raw = joined(nrows, before, pairs(cells.length, place, "Q"))
        data, each = encoded(tiles.tiles_of(column), raw, nrows * column.nbytes, written)
        sizes = np.zeros(numbers.size, dtype=np.int64)
        sizes[written] = each
        writer.add([Run(column.stored, numbers, data, sizes)])
    unit.apply(writer)
    unit.renew_sums(right)
