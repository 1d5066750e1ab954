"""Changes of an ASCII table; each runs inside a method of the HDU that is marked by `changes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import AnyTableHDU, Cards, TableUnit
from rustfits_tables.access import RowKey
from rustfits_tables.ascii_new import AsciiColumn
from rustfits_tables.ascii_values import BLANK, AsciiValues, checked_text, text_cell
from rustfits_tables.assignment import assigned
from rustfits_tables.columncards import with_fixed_names
from rustfits_tables.columnedits import with_column, without_column
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.fields import Bytes
from rustfits_tables.incoming import Given
from rustfits_tables.text import TextCells

Int64s = NDArray[np.int64]


def all_cells(facts: ColumnFacts) -> list[TextCells]:
    """Return all columns.

    Raises
    ------
    HeaderError
        If one cannot be read, or overlaps another.
    """
    return [one for one in facts.cells if isinstance(one, TextCells)]


def replace_rows(hdu: AnyTableHDU, facts: ColumnFacts, data: Any, names: Sequence[str] | None) -> None:
    """Write all rows anew; gaps between the fields stay as they are.

    Raises
    ------
    TableError
        If ``data`` is no table of that many rows and these columns.
    """
    given, cells = Given.of(data, names), all_cells(facts)
    given.ordered([one.name for one in cells])
    given.require_nrows(facts.nrows)
    write_values(hdu, facts, range(facts.nrows), _values_of(given, cells))


def append_rows(hdu: AnyTableHDU, facts: ColumnFacts, data: Any, names: Sequence[str] | None) -> None:
    """Add rows behind the last; errors as `replace_rows`."""
    given, nrows = Given.of(data, names), facts.nrows
    values = _values_of(given, all_cells(facts))
    if given.nrows:
        write_values(hdu, facts, range(nrows, nrows + given.nrows), values)


def put(
    hdu: AnyTableHDU, facts: ColumnFacts, key: RowKey | None, columns: str | Sequence[str] | None, value: object
) -> None:
    """Replace fields; the arguments are those of ``_put``, errors those of `assigned`."""
    rows, values = assigned(facts, key, columns, value, check=checked_text, check_cell=text_cell)
    if len(rows):
        write_values(hdu, facts, rows, values)


def _values_of(given: Given, cells: Sequence[TextCells]) -> list[AsciiValues]:
    arrays = given.ordered([one.name for one in cells])
    foreign = given.foreign is not None
    return [
        checked_text(one, array, exact=not foreign, masked=foreign) for one, array in zip(cells, arrays, strict=True)
    ]


def write_values(hdu: AnyTableHDU, facts: ColumnFacts, rows: range | Int64s, values: Sequence[AsciiValues]) -> None:
    """Write fields to rows; rows behind the last are added, all of them."""
    unit, new = TableUnit(hdu), bool(rows[-1] >= facts.nrows)

    def encode(raw: Bytes, first: int) -> None:
        if new:
            raw[...] = BLANK
        for each in values:
            cells = each.cells
            raw[:, cells.offset : cells.offset + cells.width] = each.characters[first : first + len(raw)]

    writer = unit.writer(nrows=max(int(rows[-1]) + 1, facts.nrows))
    writer.fill_rows(rows, encode, whole=new)
    unit.apply(writer)
    unit.fill_with_blanks()


# -- columns -----------------------------------------------------------------------------------------------------------


def insert(hdu: AnyTableHDU, facts: ColumnFacts, index: int, column: AsciiColumn, data: NDArray[Any]) -> None:
    """Put a column before the one of ``index``, from 0, where the field of that begins.

    Raises
    ------
    TableError
        If the values cannot be written.
    HeaderError
        If there are columns that cannot be read.
    """
    cells = all_cells(facts)
    if np.ma.is_masked(data) and column.form[0] != "A":
        raise TableError(
            f"column {column.name!r} has masked values, and no TNULL before it is there: insert it without mask, let "
            f"describe_column({column.name!r}, null='---') set one, and mask values then"
        )
    offset, width = cells[index].offset if index < len(cells) else facts.row_nbytes, column.width
    moved = _with_moved_fields(facts, cells, offset, width)
    moved = with_fixed_names(facts, facts.numbers[index:], moved)
    cards = with_column(moved, len(cells), index, column.entries(index + 1, offset))
    row_nbytes = facts.row_nbytes + width
    added = checked_text(TextCells.from_cards(cards, column.name, index + 1, row_nbytes), data)

    def encode(raw: Bytes, first: int) -> None:
        raw[:, offset : offset + width] = added.characters[first : first + len(raw)]

    unit = TableUnit(hdu)
    writer = unit.writer()
    carried = [(0, 0, offset), (offset, offset + width, facts.row_nbytes - offset)]
    writer.reshape_rows(replace(unit.layout(), row_nbytes=row_nbytes), carried, encode)
    unit.apply(writer, cards)
    unit.fill_with_blanks()


def delete(hdu: AnyTableHDU, facts: ColumnFacts, index: int) -> None:
    """Take out the column of an index, from 0, and the characters of its field.

    Raises
    ------
    HeaderError
        If there are columns that cannot be read.
    """
    cells = all_cells(facts)
    gone = cells[index]
    moved = _with_moved_fields(facts, cells, gone.offset + gone.width, -gone.width)
    moved = with_fixed_names(facts, facts.numbers[index + 1 :], moved)
    cards = without_column(moved, len(cells), index)
    unit = TableUnit(hdu)
    writer, after = unit.writer(), gone.offset + gone.width
    carried = [(0, 0, gone.offset), (after, gone.offset, facts.row_nbytes - after)]
    writer.reshape_rows(replace(unit.layout(), row_nbytes=facts.row_nbytes - gone.width), carried)
    unit.apply(writer, cards)
    unit.fill_with_blanks()


def _with_moved_fields(facts: ColumnFacts, cells: Sequence[TextCells], start: int, by: int) -> Cards:
    """Return the header with the fields from ``start`` on elsewhere."""
    cards = facts.cards.copy()
    for one in cells:
        if one.offset >= start:
            cards.set(f"TBCOL{one.number}", one.offset + 1 + by)
    return cards
