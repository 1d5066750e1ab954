"""What the header of a table says: of a binary one, a compressed one, an ASCII one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from rustfits.errors import FitsError, HeaderError, TableError
from rustfits.hdu.table.columns import Cells
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot
from rustfits.heap.bintable import Column, column_numbers, column_of, count_in, label_in

# Letter, width, and the digits after the point of floats (FITS 4.0, table 15).
_TFORM = re.compile(r"\s*([AIFED])(\d+)(?:\.(\d+))?\s*")

SINGLE_DIGITS = 7  # digits after the point that a float of 32 bits may keep


class TableFacts(Snapshot):
    """What the header says of a table, as the user sees it."""

    @cached_property
    def seen(self) -> Cards:
        """The cards of the table as the user sees it."""
        return self.cards

    @cached_property
    def nrows(self) -> int:
        """NAXIS2."""
        return count_in(self.seen, "NAXIS2")

    @cached_property
    def colnames(self) -> tuple[str, ...]:
        """TTYPEn of every column, without blanks at the end; ``COLn`` where there is none."""
        return tuple(label_in(self.seen, number) for number in self.numbers)

    @cached_property
    def numbers(self) -> range:
        """Numbers of the columns, from 1."""
        return column_numbers(self.seen)

    @property
    def units(self) -> dict[str, str | None]:
        """TUNITn of every column; None where it is absent or no text."""
        return dict(zip(self.colnames, (self._unit(number) for number in self.numbers), strict=True))

    def _unit(self, number: int) -> str | None:
        unit = self.seen.get(f"TUNIT{number}")
        return unit if isinstance(unit, str) else None

    @cached_property
    def cells(self) -> tuple[Cells, ...]:
        """What the bytes of every column mean; the error of the first that cannot be read, if there is one."""
        return tuple(self._cells_of(number) for number in self.numbers)

    def _cells_of(self, number: int) -> Cells:
        """Return what the bytes of one column mean; `HeaderError` or `TableError` if that cannot be known."""
        found = self._found[number - 1]
        if isinstance(found, FitsError):
            raise copy(found)
        return found

    @cached_property
    def _found(self) -> list[Cells | FitsError]:
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
        width = self.seen.integer("NAXIS1")
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
            If it is empty, names a column twice, or one that does not exist or that cannot be read, or fits several.
        """
        if columns is None:
            return self.cells
        if isinstance(columns, str | bytes) or not all(isinstance(name, str) for name in columns):
            raise TypeError(f"columns= must be None or a list of names, not {columns!r}")
        if not len(columns):
            raise TableError("columns= is an empty list; leave it out to read all columns")
        found: dict[int, Cells] = {}
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
            raise TableError(f"unknown column name {name!r}; there are {', '.join(map(repr, self.colnames))}")
        if len(folded) > 1:
            spelled = ", ".join(repr(self.colnames[number - 1]) for number in folded)
            raise TableError(f"column name {name!r} may be any of {spelled}; spell it as one of them")
        return folded[0]

    def column_lines(self) -> list[str]:
        """Return one line per column, for ``repr``."""
        width = max(map(len, self.colnames), default=0)
        units = [f"  ({unit})" if unit else "" for unit in map(self._unit, self.numbers)]
        return [
            f"    {name:<{width}}  {kind}{unit}"
            for name, kind, unit in zip(self.colnames, self._kinds(), units, strict=True)
        ]

    def _kinds(self) -> list[str]:
        # The names of columns that cannot be read are worth listing too.
        return [
            _kind(found) if isinstance(found, Cells) else f"TFORM {self.seen.get(f'TFORM{number}')!r}"
            for number, found in zip(self.numbers, self._found, strict=True)
        ]


class CompressedTableFacts(TableFacts):
    """What the header of a compressed table says of the table that it was made from (FITS 4.0, section 10.3)."""

    @cached_property
    def seen(self) -> Cards:
        """The cards as they were before: Z keywords stand for those of the table on disk."""
        table = self.cards.copy()
        pairs = [("ZNAXIS1", "NAXIS1"), ("ZNAXIS2", "NAXIS2"), ("ZPCOUNT", "PCOUNT")]
        pairs += [(f"ZFORM{number}", f"TFORM{number}") for number in column_numbers(self.cards)]
        for source, target in pairs:
            if source in self.cards:
                table.set(target, self.cards.get(source))
        if "THEAP" in table:
            table.remove("THEAP")  # of the table on disk
        return table

    @property
    def ntiles(self) -> int:
        """Rows of the table on disk."""
        return self.cards.integer("NAXIS2")

    @property
    def tile_nrows(self) -> int:
        """Rows of a tile, but perhaps of the last."""
        return self.cards.integer("ZTILELEN", self.nrows)

    @property
    def algorithms(self) -> dict[str, str]:
        """ZCTYPn of each column, by its name."""
        return {name: str(self.cards.get(f"ZCTYP{number}")) for number, name in enumerate(self.colnames, start=1)}


class AsciiTableFacts(TableFacts):
    """What the header of an ASCII table says (FITS 4.0, section 7.2): the columns have formats of characters."""

    def dtype(self, cells: Sequence[Cells] | None = None, *, scale: bool = True) -> np.dtype[Any]:
        """Structured dtype of a row; errors as `TableFacts.dtype`."""
        if len(set(self.colnames)) < len(self.colnames):
            raise TableError(f"columns of one name cannot be fields of one array: {list(self.colnames)}")
        return np.dtype(list(zip(self.colnames, map(self._element, self.numbers), strict=True)))

    def _kinds(self) -> list[str]:
        try:
            return [_label_of(np.dtype(self._element(number))) for number in self.numbers]
        except HeaderError:
            return [f"TFORM {self.seen.get(f'TFORM{number}')!r}" for number in self.numbers]

    def _element(self, number: int) -> str:
        """Return the dtype of a column of physical values."""
        form = self.seen.text(f"TFORM{number}")
        found = _TFORM.fullmatch(form)
        if found is None:
            raise HeaderError(f"TFORM{number} is {form!r}; in an ASCII table it is like I10, A8, F9.3, E15.7 or D25.17")
        code, width, digits = found.groups()
        if code == "A":
            return f"U{width}"
        tscal, tzero = self.seen.real(f"TSCAL{number}", 1.0), self.seen.real(f"TZERO{number}", 0.0)
        if code == "I" and tscal == 1:
            if tzero == 1 << 63:
                return "u8"
            return "i8" if tzero == 0 else "f8"
        single = code in "FE" and int(digits or 0) <= SINGLE_DIGITS
        return "f4" if single and (tscal, tzero) == (1, 0) else "f8"


def _kind(cells: Cells) -> str:
    column = cells.column
    if column.descriptor:
        element = column.element
        inner = Cells(Column(0, "", element, 1, "", 0, 0), (), 0, cells.tscal, cells.tzero)
        return f"{'U' if element == 'A' else 'X' if element == 'X' else _label_of(inner.dtype())}  array[var]"
    label = _label_of(cells.dtype())
    return f"{label}  array[{','.join(map(str, cells.shape))}]" if cells.shape else label


def _label_of(dtype: np.dtype[Any]) -> str:
    """Return the short name of a dtype: ``f4``, ``U8``, ``?``."""
    if dtype.kind == "U":
        return f"U{dtype.itemsize // 4}"
    return "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
