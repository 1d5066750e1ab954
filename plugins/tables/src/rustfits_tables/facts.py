"""What the header of a table says of its columns: of a binary one, and of an ASCII one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Self

import numpy as np

from rustfits import FitsError, HeaderError, TableError
from rustfits.plugin import Cards, Column, TableFacts, column_of
from rustfits_tables.columns import Cells
from rustfits_tables.text import TextCells

AnyCells = Cells | TextCells


class ColumnFacts(TableFacts):
    """What the header says of the columns of a binary table."""

    @cached_property
    def row_nbytes(self) -> int:
        """NAXIS1."""
        return self.seen.integer("NAXIS1")

    def with_rows(self, cards: Cards) -> Self:
        """Return what cards say that differ in numbers of rows and bytes alone; the columns are known."""
        other = type(self)(cards)
        for known in ("numbers", "colnames", "_found", "cells"):
            if known in self.__dict__:
                other.__dict__[known] = self.__dict__[known]
        return other

    @cached_property
    def cells(self) -> tuple[AnyCells, ...]:
        """What the bytes of every column mean; the error of the first that cannot be read, if there is one."""
        return tuple(self._cells_of(number) for number in self.numbers)

    def _cells_of(self, number: int) -> AnyCells:
        """Return what the bytes of one column mean; `HeaderError` or `TableError` if that cannot be known."""
        found = self._found[number - 1]
        if isinstance(found, FitsError):
            raise copy(found)
        return found

    @cached_property
    def _found(self) -> Sequence[AnyCells | FitsError]:
        """What is known of each column, or why that is nothing: an odd column keeps nobody from the others."""
        columns: list[Column | FitsError] = []
        for number in self.numbers:
            try:
                columns.append(column_of(self.seen, number, 0))
            except HeaderError as error:
                columns.append(error)
        return [self._cells_or_fault(column) for column in self._placed(columns)]

    def _placed(self, columns: list[Column | FitsError]) -> list[Column | FitsError]:
        """Give the columns their places in a row: from its start up to one of unknown width, and from its end."""
        width = self.row_nbytes
        odd = [index for index, column in enumerate(columns) if not isinstance(column, Column)]
        nbytes = [column.nbytes if isinstance(column, Column) else 0 for column in columns]
        total = sum(nbytes)
        if total > width or (total != width and not odd):
            raise HeaderError(f"the columns take {total} bytes a row, but NAXIS1 is {width}")
        found: list[Column | FitsError] = []
        for index, (column, before) in enumerate(zip(columns, accumulate([0, *nbytes]), strict=False)):
            if not isinstance(column, Column):
                found.append(column)
            elif not odd or index < odd[0]:
                found.append(replace(column, offset=before))
            elif index > odd[-1]:
                found.append(replace(column, offset=width - total + before))
            else:
                found.append(HeaderError(f"where column {column.name!r} lies is not known: {columns[odd[0]]}"))
        return found

    def _cells_or_fault(self, column: Column | FitsError) -> Cells | FitsError:
        if not isinstance(column, Column):
            return column
        try:
            return Cells.from_cards(self.seen, column)
        except (HeaderError, TableError) as error:
            return error

    def dtype(self, cells: Sequence[AnyCells] | None = None, *, scale: bool = True) -> np.dtype[Any]:
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
        names = [one.name for one in chosen]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TableError(
                f"columns of one name cannot be fields of one array: {', '.join(map(repr, twice))}; "
                "rename_column(index, ...) gives another name, and a list of columns leaves them out"
            )
        try:
            return np.dtype([(one.name, one.dtype(scale=scale), one.shape) for one in chosen])
        except ValueError as error:
            raise TableError(f"numpy has no dtype for such a table: {error}") from error

    def chosen(self, columns: Sequence[str] | None) -> Sequence[AnyCells]:
        """Return the columns that an argument ``columns=`` names.

        Raises
        ------
        TypeError
            If it is no sequence of str.
        TableError
            If it is empty, names a column twice, or one that does not exist or that cannot be read, or fits several.
        """
        if columns is None:
            return self.cells
        if isinstance(columns, str | bytes) or not all(isinstance(name, str) for name in columns):
            raise TypeError(f"columns= must be None or a list of names, not {columns!r}")
        if not len(columns):
            raise TableError("columns= is an empty list; leave it out to read all columns")
        found: dict[int, AnyCells] = {}
        for name in columns:
            number = self._number_of(name)
            if number in found:
                raise TableError(f"duplicate column {name!r} in columns=")
            found[number] = self._cells_of(number)
        return list(found.values())

    def _number_of(self, name: str) -> int:
        """Return the number of the column that a name selects: as it is spelled, or else in whatever case."""
        wanted = name.rstrip(" ")
        exact = [number for number, known in zip(self.numbers, self.colnames, strict=True) if known == wanted]
        if exact:
            return exact[0]
        folded = [
            number for number, known in zip(self.numbers, self.colnames, strict=True) if known.upper() == wanted.upper()
        ]
        if not folded:
            raise TableError(
                f"unknown column name {name!r}; there are {', '.join(map(repr, self.colnames))}, and no column named so"
            )
        if len(folded) > 1:
            spelled = ", ".join(repr(self.colnames[number - 1]) for number in folded)
            raise TableError(f"column name {name!r} may be any of {spelled}; spell it as one of them")
        return folded[0]

    def _kinds(self) -> list[str]:
        # The names of columns that cannot be read are worth listing too.
        said = super()._kinds()
        return [
            form if isinstance(found, FitsError) else found.label()
            for form, found in zip(said, self._found, strict=True)
        ]


class AsciiFacts(ColumnFacts):
    """What the header of an ASCII table says (FITS 4.0, section 7.2): the columns have formats of characters."""

    @cached_property
    def _found(self) -> Sequence[AnyCells | FitsError]:
        found = [self._text_or_fault(name, number) for name, number in zip(self.colnames, self.numbers, strict=True)]
        placed = sorted((one for one in found if isinstance(one, TextCells) and one.width), key=lambda one: one.offset)
        last: TextCells | None = None
        for one in placed:
            if last is not None and one.offset < last.offset + last.width:
                words = f"columns {last.name!r} and {one.name!r} overlap: TBCOL{one.number} lies inside of a field"
                found[last.number - 1] = found[one.number - 1] = HeaderError(words)
            if last is None or one.offset + one.width > last.offset + last.width:
                last = one
        return found

    def _text_or_fault(self, name: str, number: int) -> TextCells | FitsError:
        try:
            return TextCells.from_cards(self.seen, name, number, self.row_nbytes)
        except HeaderError as error:
            return error
