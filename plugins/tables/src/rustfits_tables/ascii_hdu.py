"""ASCII tables as users hold them (FITS 4.0, section 7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import TableFacts, TableUnit, changes
from rustfits_tables.access import RowKey
from rustfits_tables.facts import AsciiFacts
from rustfits_tables.subsets import AsciiColumnSubset, AsciiSingleColumnSubset, ColumnSubset, SingleColumnSubset
from rustfits_tables.tables import ReadableTableHDU


class AsciiTableHDU(ReadableTableHDU):
    """A table of characters (FITS 4.0, section 7.2). Blank fields of numbers are read as 0."""

    label: ClassVar[str] = "ASCII_TBL"
    _kind: ClassVar[str] = "ASCII_TBL"
    _noun: ClassVar[str] = "an ASCII table"
    _facts_class: ClassVar[type[TableFacts]] = AsciiFacts
    _column_class: ClassVar[type[SingleColumnSubset]] = AsciiSingleColumnSubset
    _columns_class: ClassVar[type[ColumnSubset]] = AsciiColumnSubset

    def _check_header(self) -> None:
        super()._check_header()
        _ = self._facts.cells

    @property
    def formats(self) -> dict[str, str]:
        """TFORMn of each column, by its name."""
        facts = self._facts
        return {
            name: facts.seen.text(f"TFORM{number}") for name, number in zip(facts.colnames, facts.numbers, strict=True)
        }

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name == "repack":
                raise AttributeError("an ASCII table has no repack(): it has no heap, and so nothing that is unused")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- writing --------------------------------------------------------------------------------------------------

    @changes
    def write(self, data: Any, *, names: Sequence[str] | None = None) -> None:
        """Replace all rows.

        Parameters
        ----------
        data : array with named fields, dict of name to array, list of arrays, or table of another library
            Every column, in any order, with as many rows as the table has. Integers and floats of any
            width, rounded to the digits of the format, strings of any width whose characters fit. Where an array is
            masked TNULLn is written, or blanks in a column of strings.
        names : sequence of str, optional
            Of the arrays in a list.

        Raises
        ------
        TableError
            If a column is missing or unknown, has another number of rows or another dtype, or a value does not fit its
            field. The file is as it was then, and after all other errors.
        HeaderError
            If there is a column that cannot be read.
        FitsIOError
            If the bytes cannot be written; `ReadOnlyFile` if the file was opened 'r'.
        """
        from rustfits_tables.ascii_edits import replace_rows

        replace_rows(self, self._facts, data, names)

    @changes
    def append(self, data: Any, *, names: Sequence[str] | None = None) -> None:
        """Add rows behind the last; later HDUs of the file move.

        Parameters
        ----------
        data, names
            As for `write`, with any number of rows.

        Raises
        ------
        TableError, HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables.ascii_edits import append_rows

        append_rows(self, self._facts, data, names)

    extend = append

    @contextmanager
    def appending(self) -> Iterator[Self]:
        """Return a context in which many calls of `append` are one change of the file; as `TableHDU.appending`."""
        with self._changing():
            yield self

    extending = appending

    @changes
    def _put(self, key: RowKey | None, columns: str | Sequence[str] | None, value: object) -> None:
        from rustfits_tables.ascii_edits import put

        put(self, self._facts, key, columns, value)

    @changes
    def insert_column(
        self,
        name: str,
        data: NDArray[Any],
        *,
        position: int | None = None,
        after: str | int | None = None,
        before: str | int | None = None,
        unit: str | None = None,
        format: str | None = None,
    ) -> None:
        """Put a new column into the table, by default behind the last; later HDUs of the file move.

        Parameters
        ----------
        name : str
            New, whatever its case.
        data : array
            With the rows of the table.
        position : int, optional
            Index that it will have, from 0.
        after, before : str or int, optional
            The column that it follows, or that follows it: name or index, perhaps from the end. At most one of the
            three is given.
        unit : str, optional
            TUNITn.
        format : str, optional
            TFORMn, such as ``'F9.3'``; by default one that keeps every value.

        Raises
        ------
        TableError
            If there can be no such column, no such place, or a value does not fit.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables import ascii_edits, columnedits
        from rustfits_tables.ascii_new import ascii_columns
        from rustfits_tables.schema import NewField

        facts = self._facts
        index = columnedits.place_of(facts, position, after, before)
        values = columnedits.check_nrows(facts, columnedits.check_new_name(facts, name), data)
        units, formats = None if unit is None else {name: unit}, None if format is None else {name: format}
        (column,) = ascii_columns([NewField(name, values.dtype, values.shape[1:])], units, formats)
        ascii_edits.insert(self, facts, index, column, values)

    @changes
    def delete_column(self, key: str | int) -> None:
        """Take a column out of the table, and the characters of its field; later HDUs of the file move.

        Parameters
        ----------
        key : str or int
            Name or index, perhaps from the end.

        Raises
        ------
        TableError
            If there is no such column.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables import ascii_edits, columnedits

        facts = self._facts
        ascii_edits.delete(self, facts, columnedits.index_of(facts, key))

    @changes
    def delete_rows(self, rows: int | slice | Sequence[int] | NDArray[np.integer[Any]]) -> None:
        """Take rows out of the table; later HDUs of the file move.

        Parameters
        ----------
        rows : int, slice or sequence of int
            Row numbers from 0, negative ones from the end. Nothing is done if there are none.

        Raises
        ------
        TableError
            If they are no row numbers.
        RowIndexError
            If a row number is out of range. The file is as it was then, and after all other errors.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables.edits import delete_rows

        delete_rows(self, self._facts, rows)
        TableUnit(self).fill_with_blanks()
