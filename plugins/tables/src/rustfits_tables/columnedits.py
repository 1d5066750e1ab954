"""Columns that are put into a binary table, or taken out; inside a method of the HDU that is marked by `changes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import HeaderError, TableError
from rustfits.plugin import AnyTableHDU, Cards, TableLayout, TableUnit, column_of
from rustfits_tables.columncards import last_card, with_fixed_names
from rustfits_tables.columns import Cells
from rustfits_tables.facts import ColumnFacts
from rustfits_tables.indexed import renumbered
from rustfits_tables.nulls import free_null, needs_null
from rustfits_tables.outgoing import add_arrays, row_encoder
from rustfits_tables.schema import INNER, NewColumn, NewField, Wishes
from rustfits_tables.values import checked_values

ColumnKey = str | int


def new_column(
    name: str,
    data: NDArray[Any],
    *,
    unit: str | None,
    inner_dtype: str | None,
    heap_format: str | None,
    bit_packed: bool,
) -> NewColumn:
    """Return the column that an array makes; the arguments are those of `TableHDU.insert_column`.

    Raises
    ------
    TableError
        If it makes none, or an argument is for other arrays.
    """
    dtype = data.dtype
    if dtype.kind != "O":
        for argument, value in (("inner_dtype", inner_dtype), ("heap_format", heap_format)):
            if value is not None:
                raise TableError(
                    f"{argument}= is for object arrays, whose cells vary in length; {name!r} holds {dtype}"
                )
    elif inner_dtype is None or inner_dtype not in INNER:
        said = "" if inner_dtype is None else f", which {inner_dtype!r} is not; there are {', '.join(INNER)}"
        raise TableError(
            f"column {name!r} is of objects: say in inner_dtype= what its cells hold, such as 'f4', or 'U' for "
            f"strings{said}"
        )
    if bit_packed and dtype.kind != "b" and inner_dtype not in ("?", "bool"):
        raise TableError(f"bit_packed=True needs bool data; {name!r} holds {dtype}")
    wishes = Wishes(
        units=None if unit is None else {name: unit},
        var_dtypes=None if inner_dtype is None else {name: inner_dtype},
        bit_columns=bool(bit_packed),
        heap_format="P" if heap_format is None else heap_format,
        nulls={name: free_null(name, data)} if needs_null(data) else None,
    )
    (column,) = wishes.columns([NewField(name, dtype, data.shape[1:])])
    return replace(column, form=f"{column.form}(0)") if dtype.kind == "O" else column


def insert(hdu: AnyTableHDU, facts: ColumnFacts, index: int, column: NewColumn, data: NDArray[Any]) -> None:
    """Put a column before the one of ``index``, from 0.

    Raises
    ------
    TableError
        If the values cannot be written, or the table has as many columns as it can.
    HeaderError
        If the columns that are there do not make up a row.
    """
    layout = _layout(facts)
    cards, row_nbytes = cards_with(facts, index, column)
    number = index + 1
    offset = layout.columns[index - 1].offset + layout.columns[index - 1].nbytes if index else 0
    added = column_of(cards, number, offset)
    values = checked_values(Cells.from_cards(cards, added), data)
    unit = TableUnit(hdu)
    writer = unit.writer()
    encode, _ = row_encoder([values], row_nbytes)
    rest = layout.row_nbytes - offset
    carried = [(0, 0, offset), (offset, offset + added.nbytes, rest)]
    writer.reshape_rows(replace(layout, row_nbytes=row_nbytes, columns=(added,)), carried, encode)
    add_arrays(writer, [values])
    unit.apply(writer, cards)


def _layout(facts: ColumnFacts) -> TableLayout:
    """Return the columns in their rows; `HeaderError` if a row has bytes of no column, which could be anywhere."""
    layout = TableLayout.from_cards(facts.cards)
    total = sum(column.nbytes for column in layout.columns)
    if total != layout.row_nbytes:
        raise HeaderError(
            f"the columns take {total} bytes a row, but NAXIS1 is {layout.row_nbytes}: where they lie is not known, so "
            "that none is inserted or deleted"
        )
    return layout


def cards_with(facts: ColumnFacts, index: int, column: NewColumn) -> tuple[Cards, int]:
    """Return the header with one more column, and the bytes of a row then; errors as `insert`."""
    named = with_fixed_names(facts, facts.numbers[index:])
    cards = with_column(named, len(facts.numbers), index, column.entries(index + 1))
    return cards, facts.row_nbytes + column_of(cards, index + 1, 0).nbytes


def with_column(cards: Cards, ncolumns: int, index: int, entries: Sequence[tuple[str, object]]) -> Cards:
    """Return the header with the cards of one more column; errors as `insert`."""
    if ncolumns >= 999:
        raise TableError(f"the table has {ncolumns} columns, and cannot have more")
    number = index + 1
    cards = renumbered(cards, ncolumns, lambda one: one + (one >= number))
    place = _place(cards, number)
    for key, value in entries:
        cards.set(key, value, after=place)
        place = key
    cards.set("TFIELDS", ncolumns + 1)
    return cards


def _place(cards: Cards, number: int) -> str:
    """Return the keyword behind which the cards of a new column go: before the next one, behind those of the last."""
    keys = cards.keys()
    following = [keys.index(f"{base}{number + 1}") for base in ("TTYPE", "TFORM") if f"{base}{number + 1}" in cards]
    if following:
        return keys[min(following) - 1]
    return last_card(cards, number - 1) or "TFIELDS"


def delete(hdu: AnyTableHDU, facts: ColumnFacts, index: int) -> None:
    """Take out the column of an index, from 0; what it has in the heap stays there, unless nobody else uses the heap.

    Raises
    ------
    HeaderError
        If the columns do not make up a row.
    """
    layout = _layout(facts)
    gone = layout.columns[index]
    named = with_fixed_names(facts, facts.numbers[index + 1 :])
    cards = without_column(named, len(facts.numbers), index)
    kept = [column for column in layout.columns if column is not gone]
    unit = TableUnit(hdu)
    in_heap = gone.descriptor and not any(column.descriptor for column in kept)
    writer = unit.writer(without_heap=in_heap)
    after = gone.offset + gone.nbytes
    carried = [(0, 0, gone.offset), (after, gone.offset, layout.row_nbytes - after)]
    writer.reshape_rows(replace(layout, row_nbytes=layout.row_nbytes - gone.nbytes, columns=()), carried)
    unit.apply(writer, cards)


def without_column(cards: Cards, ncolumns: int, index: int) -> Cards:
    """Return the header with one column less."""
    gone = index + 1
    cards = renumbered(cards, ncolumns, lambda one: None if one == gone else one - (one > gone))
    cards.set("TFIELDS", ncolumns - 1)
    return cards


def place_of(facts: ColumnFacts, position: int | None, after: ColumnKey | None, before: ColumnKey | None) -> int:
    """Return the index that a new column will have.

    Raises
    ------
    TableError
        If more than one place is named, or there is no such place.
    """
    given = [value for value in (position, after, before) if value is not None]
    ncolumns = len(facts.numbers)
    if len(given) > 1:
        raise TableError("at most one of position=, after= and before= says where a column goes")
    if not given:
        return ncolumns
    if after is not None:
        return index_of(facts, after) + 1
    if before is not None:
        return index_of(facts, before)
    if not isinstance(position, int | np.integer) or isinstance(position, bool) or not 0 <= position <= ncolumns:
        raise TableError(f"position={position!r} is out of range: it must be an int from 0 to {ncolumns}")
    return int(position)


def index_of(facts: ColumnFacts, key: ColumnKey) -> int:
    """Return the index of a column, from its name or an index, perhaps from the end.

    Raises
    ------
    TableError
        If there is none.
    """
    names = facts.colnames
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if not -len(names) <= key < len(names):
            raise TableError(f"column {key} is out of range: the table has {len(names)} columns")
        return int(key) % len(names)
    if not isinstance(key, str):
        raise TableError(f"a column is named by a str or numbered by an int, not by {key!r}")
    wanted = key.rstrip(" ")
    found = [i for i, name in enumerate(names) if name == wanted]
    found = found or [i for i, name in enumerate(names) if name.upper() == wanted.upper()]
    if len(found) != 1:
        what = "not found" if not found else f"may be any of columns {found}"
        raise TableError(f"column {key!r}: {what}; there are {', '.join(map(repr, names))}")
    return found[0]


def check_new_name(facts: ColumnFacts, name: object) -> str:
    """Return a name that a new column can have.

    Raises
    ------
    TableError
        If it is empty, or that of another column, whatever its case.
    """
    if not isinstance(name, str) or not name.strip(" "):
        raise TableError(f"the name of a column must be a non-empty str, not {name!r}")
    if name.upper() in (known.upper() for known in facts.colnames):
        raise TableError(f"a column {name!r} already exists; case does not count")
    return name


def check_nrows(facts: ColumnFacts, name: str, data: object) -> NDArray[Any]:
    """Return the data of a new column.

    Raises
    ------
    TableError
        If it is no array with the rows of the table.
    """
    if not isinstance(data, np.ndarray) or not data.ndim:
        raise TableError(
            f"column {name!r} takes a numpy array with nrows = {facts.nrows} rows, not {type(data).__name__}"
        )
    if len(data) != facts.nrows:
        raise TableError(f"column {name!r} has {len(data)} rows; the table has nrows = {facts.nrows}")
    return data
