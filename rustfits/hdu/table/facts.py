"""What the header of a binary table says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rustfits.errors import HeaderError, TableError
from rustfits.hdu.table.columns import Cells
from rustfits.header.cards import Cards
from rustfits.heap.bintable import Column, TableLayout
from rustfits.limits import MAX_FIELDS


class TableFacts:
    """What ``cards`` say of a table, each fact worked out when it is first asked for.

    Parameters
    ----------
    cards : Cards
        Of the table as the user sees it: those of a compressed one say how it was before.
    """

    def __init__(self, cards: Cards) -> None:
        self.cards = cards

    @property
    def nrows(self) -> int:
        """NAXIS2."""
        return _count(self.cards, "NAXIS2")

    @cached_property
    def colnames(self) -> tuple[str, ...]:
        """TTYPEn of every column, without blanks at the end; ``COLn`` where there is none."""
        return tuple(_name(self.cards, number) for number in self.numbers)

    @cached_property
    def numbers(self) -> range:
        """Numbers of the columns, from 1."""
        ncols = _count(self.cards, "TFIELDS")
        if ncols > MAX_FIELDS:
            raise HeaderError(f"TFIELDS is {ncols}; a table has at most {MAX_FIELDS} columns")
        return range(1, ncols + 1)

    @property
    def units(self) -> dict[str, str | None]:
        """TUNITn of every column; None where it is absent or no text."""
        return dict(zip(self.colnames, (self._unit(number) for number in self.numbers), strict=True))

    def _unit(self, number: int) -> str | None:
        unit = self.cards.get(f"TUNIT{number}")
        return unit if isinstance(unit, str) else None

    @cached_property
    def layout(self) -> TableLayout:
        """Where the cells lie in a row, the widths checked."""
        layout = TableLayout.from_cards(self.cards)
        for column in layout.columns:
            _refuse_modifier(self.cards, column)
        nbytes = sum(column.nbytes for column in layout.columns)
        if nbytes != layout.row_nbytes:
            raise HeaderError(f"the columns take {nbytes} bytes a row, but NAXIS1 is {layout.row_nbytes}")
        return layout

    @cached_property
    def cells(self) -> tuple[Cells, ...]:
        """What the bytes of every column mean."""
        return tuple(Cells.from_cards(self.cards, column) for column in self.layout.columns)

    def dtype(self, cells: Sequence[Cells] | None = None, *, scale: bool = True) -> np.dtype[Any]:
        """Structured dtype of what reading gives.

        Parameters
        ----------
        cells : sequence of Cells, optional
            The columns; all of them by default.
        scale : bool
            Whether values are physical ones.

        Raises
        ------
        TableError
            If two columns have one name, or a cell is larger than numpy allows.
        """
        chosen = self.cells if cells is None else cells
        names = [one.column.name for one in chosen]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TableError(f"columns of one name cannot be fields of one array: {', '.join(map(repr, twice))}")
        try:
            return np.dtype([(one.column.name, one.dtype(scale=scale), one.shape) for one in chosen])
        except ValueError as error:
            raise TableError(f"numpy has no dtype for such a table: {error}") from error

    def chosen(self, columns: Sequence[str] | None) -> Sequence[Cells]:
        """Return the columns that an argument ``columns=`` names.

        Raises
        ------
        TypeError
            If it is no sequence of str.
        TableError
            If it is empty, names a column twice, or one that does not exist.
        """
        if columns is None:
            return self.cells
        if isinstance(columns, str | bytes) or not all(isinstance(name, str) for name in columns):
            raise TypeError(f"columns= must be None or a list of names, not {columns!r}")
        if not len(columns):
            raise TableError("columns= is an empty list; leave it out to read all columns")
        known = {one.column.name.upper(): one for one in reversed(self.cells)}
        found: dict[str, Cells] = {}
        for name in columns:
            key = name.rstrip(" ").upper()
            if key not in known:
                raise TableError(f"unknown column name {name!r}; there are {', '.join(map(repr, self.colnames))}")
            if key in found:
                raise TableError(f"duplicate column {name!r} in columns=")
            found[key] = known[key]
        return list(found.values())

    def column_lines(self) -> list[str]:
        """Return one line per column, for ``repr``."""
        width = max(map(len, self.colnames), default=0)
        units = [f"  ({unit})" if unit else "" for unit in map(self._unit, self.numbers)]
        return [
            f"    {name:<{width}}  {kind}{unit}"
            for name, kind, unit in zip(self.colnames, self._kinds(), units, strict=True)
        ]

    def _kinds(self) -> list[str]:
        try:
            return [_kind(one) for one in self.cells]
        except (HeaderError, TableError):  # the names of the columns are worth listing
            return [f"TFORM {self.cards.get(f'TFORM{number}')!r}" for number in self.numbers]


def _count(cards: Cards, keyword: str) -> int:
    count = cards.integer(keyword)
    if count < 0:
        raise HeaderError(f"{keyword} is {count}; it cannot be negative")
    return count


def _name(cards: Cards, number: int) -> str:
    name = cards.get(f"TTYPE{number}")
    return (name.rstrip(" ") if isinstance(name, str) else "") or f"COL{number}"


def _refuse_modifier(cards: Cards, column: Column) -> None:
    keyword = f"TFORM{column.number}"
    form = cards.text(keyword).strip()
    if not column.descriptor and not form.endswith(column.code):
        raise HeaderError(f"{keyword} is {form!r}; nothing may follow the letter {column.code}")


def _kind(cells: Cells) -> str:
    column = cells.column
    if column.descriptor:
        element = column.element
        inner = Cells(Column(0, "", element, 1, "", 0, 0), (), 0, cells.tscal, cells.tzero)
        return f"{'U' if element == 'A' else 'X' if element == 'X' else label_of(inner.dtype())}  array[var]"
    label = label_of(cells.dtype())
    return f"{label}  array[{','.join(map(str, cells.shape))}]" if cells.shape else label


def label_of(dtype: np.dtype[Any]) -> str:
    """Return the short name of a dtype: ``f4``, ``U8``, ``?``."""
    if dtype.kind == "U":
        return f"U{dtype.itemsize // 4}"
    return "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
