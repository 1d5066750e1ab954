"""Changes of the rows of a binary table; each runs inside a method of the HDU that is marked by `changes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import AnyTableHDU, TableUnit
from rustfits_tables.access import RowKey
from rustfits_tables.assignment import assigned
from rustfits_tables.columns import Cells
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.incoming import Given
from rustfits_tables.outgoing import collect
from rustfits_tables.rows import select_rows
from rustfits_tables.values import Int64s, Values, cell_value, checked_values, values_of


def replace_rows(hdu: AnyTableHDU, facts: ColumnFacts, data: Any, names: Sequence[str] | None) -> None:
    """Write all rows anew.

    Raises
    ------
    TableError
        If ``data`` is no table of that many rows and these columns.
    """
    given = Given.of(data, names)
    cells = _all_cells(facts)
    given.ordered([one.name for one in cells])
    given.require_nrows(facts.nrows)
    values = values_of(given, cells)
    unit, columns = TableUnit(hdu), [one.column for one in cells]
    in_heap = any(one.in_heap and one.column.nbytes for one in cells)
    writer = unit.writer(columns, anew=in_heap)
    collect(writer, range(facts.nrows), values, facts.row_nbytes)
    unit.apply(writer, after=facts.with_rows)


def append_rows(hdu: AnyTableHDU, facts: ColumnFacts, data: Any, names: Sequence[str] | None) -> None:
    """Add rows behind the last; errors as `replace_rows`."""
    given, nrows = Given.of(data, names), facts.nrows
    values = values_of(given, _all_cells(facts))
    if given.nrows:
        write_values(hdu, facts, range(nrows, nrows + given.nrows), values)


def put(
    hdu: AnyTableHDU, facts: ColumnFacts, key: RowKey | None, columns: str | Sequence[str] | None, value: object
) -> None:
    """Replace cells; the arguments are those of ``_put``, errors those of `assigned`."""
    rows, values = assigned(facts, key, columns, value, check=checked_values, check_cell=cell_value)
    if len(rows):
        write_values(hdu, facts, rows, values)


def write_values(hdu: AnyTableHDU, facts: ColumnFacts, rows: range | Int64s, values: Sequence[Values]) -> None:
    """Write checked values to rows.

    Parameters
    ----------
    hdu : AnyTableHDU
    facts : ColumnFacts
        What its header says now.
    rows : range or (n,) int64 array
        Ascending, each once; rows behind the last are added, all of them.
    values : sequence of Values
        Of columns of the table, one for each row.
    """
    unit = TableUnit(hdu)
    writer = unit.writer([each.cells.column for each in values], nrows=max(rows[-1] + 1, facts.nrows))
    collect(writer, rows, values, facts.row_nbytes)
    unit.apply(writer, after=facts.with_rows)


def delete_rows(
    hdu: AnyTableHDU, facts: ColumnFacts, rows: int | slice | Sequence[int] | NDArray[np.integer[Any]]
) -> None:
    """Take rows out of a table, whatever their columns hold.

    Raises
    ------
    TableError
        If ``rows`` are no row numbers.
    RowIndexError
        If a row number is out of range.
    """
    if rows is None:
        raise TableError("delete_rows takes row numbers, not None; slice(None) takes out all rows")
    one = isinstance(rows, int | np.integer) and not isinstance(rows, bool)
    gone = select_rows([rows] if one else rows, facts.nrows, some=False)
    if isinstance(gone, range):
        gone = gone if gone.step > 0 else gone[::-1]
        gone = gone if gone.step == 1 else np.array(gone, dtype=np.int64)
    else:
        gone = np.sort(gone)
    if not len(gone):
        return
    unit = TableUnit(hdu)
    writer = unit.writer()
    writer.drop_rows(gone)
    unit.apply(writer, after=facts.with_rows)


def repack(hdu: AnyTableHDU, facts: ColumnFacts) -> None:
    """Drop what is unused of the heap; errors as `TableUnit.repack`."""
    TableUnit(hdu).repack([one.column for one in facts.cells if isinstance(one, Cells)])


def _all_cells(facts: ColumnFacts) -> list[Cells]:
    return [one for one in facts.cells if isinstance(one, Cells)]
