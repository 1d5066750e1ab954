"""What ``hdu[...] = value`` and the same of subsets mean: which rows, and checked values for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rustfits import RowIndexError, TableError
from rustfits_tables.access import RowKey
from rustfits_tables.facts import AnyCells, ColumnFacts
from rustfits_tables.incoming import Given, array_of

Int64s = NDArray[np.int64]


class Taken(Protocol):
    """Checked values for one column."""

    def take(self, order: Int64s) -> Any:
        """Return those of some rows."""


V = TypeVar("V", bound=Taken)


def assigned(
    facts: ColumnFacts,
    key: RowKey | None,
    columns: str | Sequence[str] | None,
    value: Any,
    *,
    check: Callable[..., V],
    check_cell: Callable[[Any, object], V],
) -> tuple[range | Int64s, list[V]]:
    """Return the rows that are to be changed, and values for each of them.

    Parameters
    ----------
    facts : ColumnFacts
        Of the table.
    key, columns, value
        As for ``_put`` of tables.
    check : callable
        ``check(cells, array, exact=...)`` returns checked values for a column, an object with ``take``.
    check_cell : callable
        ``check_cell(cells, value)`` does for one cell.

    Returns
    -------
    rows : range or (n,) int64 array
        Ascending, each once.
    values : list
        For each column that changes.

    Raises
    ------
    TableError
        If a column is unknown, or the values do not fit.
    RowIndexError
        If a row number is out of range.
    """
    nrows = facts.nrows
    cells = facts.chosen([columns] if isinstance(columns, str) else columns)
    one = cells[0] if isinstance(columns, str) else None
    if key is None:
        return range(nrows), _all_rows(one, cells, value, nrows, check)
    if isinstance(key, int):
        row = _row(key, nrows)
        if one is not None:
            return range(row, row + 1), [check_cell(one, value)]
        given = Given.structured_rows(value)
        if given.nrows != 1:
            raise TableError(f"one row takes one record, not a structured array of shape ({given.nrows},)")
        return range(row, row + 1), _of_fields(given, cells, check, extra=columns is not None)
    chosen = _rows(key, nrows)
    if one is not None:
        return _sorted(chosen, [check(one, _sequence(one, value, len(chosen)), exact=False)])
    given = Given.structured_rows(value)
    _check_length(given.nrows, len(chosen))
    return _sorted(chosen, _of_fields(given, cells, check, extra=columns is not None))


def _all_rows(
    one: AnyCells | None, cells: Sequence[AnyCells], value: object, nrows: int, check: Callable[..., V]
) -> list[V]:
    if one is not None:
        return [_whole_column(one, value, nrows, check)]
    given = Given.structured_rows(value)
    given.require_nrows(nrows)
    return _of_fields(given, cells, check, extra=True)


def _of_fields(given: Given, cells: Sequence[AnyCells], check: Callable[..., V], *, extra: bool) -> list[V]:
    arrays = given.ordered([one.name for one in cells], extra=extra)
    return [check(one, array) for one, array in zip(cells, arrays, strict=True)]


def _whole_column(cells: AnyCells, value: object, nrows: int, check: Callable[..., V]) -> V:
    if not isinstance(value, np.ndarray) or not value.ndim:
        raise TableError(
            f"column {cells.name!r} takes a numpy array with the {nrows} rows of the table along its first axis, not "
            f"{type(value).__name__}"
        )
    if len(value) != nrows:
        raise TableError(f"column {cells.name!r} has {nrows} rows; the input has {len(value)} along its first axis")
    return check(cells, value)


def _sequence(cells: AnyCells, value: object, nrows: int) -> NDArray[Any]:
    """Return an array of values for some cells of a column, which may be given as a list."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise TableError(
            f"{nrows} cells of column {cells.name!r} take an array or a sequence of that length, not "
            f"{type(value).__name__}"
        )
    if isinstance(value, np.ndarray) and not value.ndim:
        raise TableError(f"{nrows} cells of column {cells.name!r} take an array of that length, not a single number")
    _check_length(len(value), nrows)
    if cells.in_heap:
        objects = np.empty(nrows, dtype=object)
        for row, cell in enumerate(value):
            objects[row] = cell
        return objects
    if isinstance(value, np.ndarray):
        return value
    try:
        array = array_of(value)
    except ValueError as error:
        raise TableError(f"column {cells.name!r} has cells of shape {cells.shape}: {error}") from error
    return array.reshape(0, *cells.shape).astype(cells.dtype()) if not nrows else array


def _check_length(found: int, wanted: int) -> None:
    if found != wanted:
        raise TableError(f"the input has length {found}, but {wanted} rows are to be written")


def _row(row: int, nrows: int) -> int:
    if not -nrows <= row < nrows:
        raise RowIndexError(f"row {row} is out of bounds: it is out of range, as the table has {nrows} rows")
    return row % nrows


def _rows(key: slice | Sequence[int], nrows: int) -> Int64s:
    """Return the numbers of rows, in the order of the key; of equal ones all."""
    if isinstance(key, slice):
        try:
            first, stop, step = key.indices(nrows)
        except (TypeError, ValueError) as error:
            raise TableError(f"rows {key!r} have a negative or zero step, or are no rows: {error}") from error
        if step < 1:
            raise TableError(f"rows {key!r} have a negative or zero step; rows are assigned from the first to the last")
        return np.arange(first, stop, step)
    return np.array([_row(row, nrows) for row in key], dtype=np.int64)


def _sorted(rows: Int64s, values: list[V]) -> tuple[range | Int64s, list[V]]:
    """Return rows in ascending order with their values; of equal rows the last counts."""
    if rows.size > 1 and not (rows[1:] > rows[:-1]).all():
        unique, last = np.unique(rows[::-1], return_index=True)
        order = rows.size - 1 - last
        rows, values = unique, [each.take(order) for each in values]
    if not rows.size:
        return range(0), values
    if rows[-1] - rows[0] == rows.size - 1:
        return range(int(rows[0]), int(rows[-1]) + 1), values
    return rows, values
