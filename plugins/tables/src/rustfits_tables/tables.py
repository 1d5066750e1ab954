"""Tables as users hold them: what they hold, and their columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits import NotSupported, TableError
from rustfits.plugin import AnyTableHDU, DataUnit, NewHDU, TableFacts, TableLayout, changes, empty, reads
from rustfits_tables.access import Key, RowKey
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells, ColumnFacts
from rustfits_tables.fields import FieldArray
from rustfits_tables.iteration import ChunkIterator, Pieces, RowIterator, checked_chunksize
from rustfits_tables.rows import RowReader, Rows, Target, select_rows
from rustfits_tables.subsets import (
    ColumnSubset,
    SingleColumnSubset,
)

if TYPE_CHECKING:
    import astropy.table
    import pandas
    import polars
    import pyarrow


_CHECKED_NROWS = 1 << 16  # rows whose descriptors are looked at together: 1 MiB of them


class ReadableTableHDU(AnyTableHDU):
    """What binary and ASCII tables have in common; no HDU is of this class itself."""

    _noun: ClassVar[str]  # in messages
    _facts_class: ClassVar[type[TableFacts]] = ColumnFacts
    _column_class: ClassVar[type[SingleColumnSubset]] = SingleColumnSubset
    _columns_class: ClassVar[type[ColumnSubset]] = ColumnSubset

    @property
    def _facts(self) -> ColumnFacts:
        """What the cards say now."""
        facts: ColumnFacts = self._state.snapshot
        return facts

    @property
    def dtype(self) -> np.dtype[Any]:
        """Structured dtype of a row of physical values; object for arrays in the heap."""
        return self._facts.dtype()

    # -- reading --------------------------------------------------------------------------------------------------

    @reads
    def read(
        self,
        *,
        rows: slice | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Read rows.

        Parameters
        ----------
        rows : slice or sequence of int, optional
            Row numbers from 0, negative ones from the end; of equal ones the first is kept. All rows by default.
        columns : sequence of str, optional
            Names, in whatever case; all columns by default.
        scale : bool
            Whether to return physical values, ``TZERO + TSCAL * stored``: exact integers for the unsigned and
            signed-byte conventions, f8 for other scalings. False returns the stored numbers.
        mask_null : bool
            Whether to return a masked array. Masked are integers of a binary table that are TNULLn as they are
            stored, logical values that are a byte of zero, and fields of an ASCII table with the text TNULLn. All are
            values like others where it is False: logical ones are false.

        Returns
        -------
        (nrows,) structured array
            A field per column, in the order asked for; native byte order. An array in a cell has numpy order, TDIMn
            reversed; strings are cut at a NUL and have no blanks at the end. A cell of variable length is an object: an
            array of one axis, or a str.

        Raises
        ------
        TableError
            If a column is unknown or named twice, no row is selected, a string is not ASCII, characters are no number,
            a descriptor points outside of the heap, or nulls of variable-length columns are to be masked.
        RowIndexError
            If a row number is out of range.
        HeaderError
            If the columns do not make up a row.
        NotSupported
            If the table is compressed.
        FitsIOError
            If the bytes cannot be read; `TruncatedFile` if they are not there.
        """
        cells = self._facts.chosen(columns)
        dtype = self._facts.dtype(cells, scale=scale)
        wanted = self._wanted(rows, cells, mask_null)
        out = self._array_for(cells, (len(wanted),), dtype)
        mask: NDArray[Any] | None = np.zeros(len(wanted), np.ma.make_mask_descr(dtype)) if mask_null else None
        parts = [(one, out[one.name], None if mask is None else mask[one.name]) for one in cells]
        self._fill(wanted, parts, scale=scale)
        return out if mask is None else np.ma.MaskedArray(out, mask)

    @reads
    def read_column(
        self,
        name: str,
        *,
        rows: slice | Sequence[int] | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Read one column as a plain array.

        Parameters
        ----------
        name : str
            In whatever case.
        rows : slice or sequence of int, optional
            As in `read`.
        as_bytes : bool
            Whether to return the strings of a character column as they are stored: dtype "S", or bytes in objects.
        scale, mask_null : bool
            As in `read`.

        Returns
        -------
        (nrows, ...) array

        Raises
        ------
        TypeError
            If ``name`` is no str.
        TableError
            With ``as_bytes``, if the column holds no characters; else as `read`.
        RowIndexError, HeaderError, NotSupported, FitsIOError
            As `read`.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r}")
        (cells,) = self._facts.chosen([name])
        if as_bytes and not cells.is_text:
            raise TableError(f"as_bytes=True needs a character column; {cells.name!r} holds {cells.label()}")
        wanted = self._wanted(rows, [cells], mask_null)
        dtype, shape = cells.dtype(scale=scale, as_bytes=as_bytes), (len(wanted), *cells.shape)
        self._facts.dtype([cells], scale=scale)  # refuses cells that are too large
        out = self._array_for([cells], shape, dtype)
        mask = np.zeros(shape, np.bool_) if mask_null else None
        self._fill(wanted, [(cells, out, mask)], scale=scale, as_bytes=as_bytes)
        if mask is None:
            return out
        may_be_null = bool(cells.null_fields(mask)) and (cells.tnull is not None or mask.any())
        return np.ma.MaskedArray(out, mask if may_be_null else np.ma.nomask)

    @staticmethod
    def _array_for(cells: Sequence[AnyCells], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array to be filled; of zeros if there are cells that the kernels have nothing to do for."""
        if any(one.dtype().hasobject or (one.is_text and not one.width) for one in cells):
            return np.zeros(shape, dtype)
        return empty(shape, dtype)

    def _wanted(self, rows: object, cells: Sequence[AnyCells], mask_null: bool) -> Rows:
        """Return the rows to read, which are there."""
        for one in cells:
            if mask_null and one.in_heap and getattr(one, "tnull", None) is not None:
                raise TableError(
                    f"column {one.name!r} is variable-length and has TNULL: its nulls cannot be masked; leave "
                    "mask_null out"
                )
        wanted = select_rows(rows, self.nrows)
        self._reader().check(wanted)
        return wanted

    def _reader(self) -> RowReader:
        return RowReader(DataUnit(self), self._facts.cards.integer("NAXIS1"))

    def _fill(
        self,
        rows: Rows,
        parts: Sequence[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]],
        *,
        scale: bool,
        as_bytes: bool = False,
    ) -> None:
        fixed = [Target(cells, out, mask) for cells, out, mask in parts if not cells.in_heap]
        self._reader().read(rows, fixed, scale=scale, as_bytes=as_bytes)

    def _fill_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> bool:
        """Have the kernels fill what belongs to columns; return False, with nothing done, if that cannot be."""
        return False

    # -- rows and columns by key ----------------------------------------------------------------------------------

    @overload
    def __getitem__(self, key: int) -> np.void: ...
    @overload
    def __getitem__(self, key: slice) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: str | bytes) -> SingleColumnSubset: ...
    @overload
    def __getitem__(self, key: Sequence[int] | Sequence[str] | NDArray[Any]) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        """Return a record, a structured array, or columns to read from.

        Parameters
        ----------
        key : int, slice, sequence of int, str or sequence of str
            A number gives a record; a slice, also backwards, or numbers a structured array; a name or names a subset
            of columns, which reads when it is asked: ``hdu["a"][5]``, ``hdu["a", "b"].read()``.

        Raises
        ------
        TableError
            If it is of another kind, selects nothing, or a value cannot be read.
        RowIndexError
            If a row number is out of range.
        NotSupported, HeaderError, FitsIOError
            As `read`.
        """
        which = Key.of(key)
        if which.name is not None:
            return self._column_class(self, which.name)
        if which.names is not None:
            return self._columns_class(self, which.names)
        if which.rows is not None:
            return self.read(rows=which.rows)
        return self.read(rows=[which.check_row(self.nrows)])[0]

    def __setitem__(self, key: Any, value: object) -> None:
        which = Key.of(key)
        rows = which.rows if which.row is None else which.row
        self._put(rows, which.names if which.name is None else which.name, value)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return what `read` returns, as `numpy.asarray` asks for it.

        Parameters
        ----------
        dtype : dtype, optional
            Of the result; that of the table if None.
        copy : bool, optional
            There is nothing to share, so that False is refused.

        Raises
        ------
        TableError
            If ``copy`` is False.
        """
        if copy is False:
            raise TableError("the rows of a file cannot become an array without a copy")
        rows = self.read()
        return rows if dtype is None else rows.astype(dtype, copy=False)

    @overload
    def iter(
        self, *, chunksize: None = None, columns: Sequence[str] | None = None, scale: bool = True
    ) -> RowIterator: ...
    @overload
    def iter(self, *, chunksize: int, columns: Sequence[str] | None = None, scale: bool = True) -> ChunkIterator: ...
    def iter(
        self, *, chunksize: int | None = None, columns: Sequence[str] | None = None, scale: bool = True
    ) -> RowIterator | ChunkIterator:
        """Go through the rows; a few MB of them are in memory at a time.

        Parameters
        ----------
        chunksize : int, optional
            Rows of the structured arrays to return; the last may have fewer. Without, records are returned one by one.
        columns, scale
            As in `read`.

        Returns
        -------
        iterator
            Its ``len`` is how many are left. Rows that are added later are not among them.

        Raises
        ------
        TypeError
            If ``chunksize`` is no integer.
        TableError
            If ``chunksize`` is less than 1, or a column is unknown or named twice; later, if a value cannot be read.
        NotSupported, HeaderError, FitsIOError
            Later, as `read`.
        """
        number = None if chunksize is None else checked_chunksize(chunksize)
        pieces = Pieces(self, columns, scale=scale)
        return RowIterator(pieces) if number is None else ChunkIterator(pieces, number)

    def __iter__(self) -> RowIterator:
        return self.iter()

    def _fields(self, columns: Sequence[str] | None, *, scale: bool) -> np.dtype[Any]:
        """Return the dtype of what `read` gives, a field for every column; errors as there."""
        return self._facts.dtype(self._facts.chosen(columns), scale=scale)

    def _heap_nbytes(self, rows: Rows, columns: Sequence[str]) -> NDArray[np.int64] | None:
        """Return the memory that objects in rows need, about; None if there are none."""
        return None

    # -- the tables of other libraries --------------------------------------------------------------------------------

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as a stream of batches, for whoever takes Arrow: ``polars.DataFrame(hdu)``.

        TNULLn becomes validity, strings are utf8, cells of several elements lists of fixed size (one in another for
        TDIMn), those of variable length large lists, complex numbers lists of two. Memory is needed for a few batches.

        Parameters
        ----------
        requested_schema : capsule, optional
            Not used: the types are those of the columns.

        Raises
        ------
        TableError
            If columns cannot be read, or have one name; what is wrong with values is told by the stream.
        NotSupported
            If the compiled part of rustfits-tables is absent.
        HeaderError, FitsIOError
            As `read`.
        """
        from rustfits_tables.arrow import ArrowSource

        return ArrowSource(self).__arrow_c_stream__()

    def __arrow_c_schema__(self) -> object:
        """Return the types of the columns, as of `__arrow_c_stream__`; errors as there."""
        from rustfits_tables.arrow import ArrowSource

        return ArrowSource(self).__arrow_c_schema__()

    def to_arrow(
        self, *, columns: Sequence[str] | None = None, rows: slice | Sequence[int] | None = None
    ) -> pyarrow.Table:
        """Return a table of pyarrow, with the types of `__arrow_c_stream__`.

        The metadata of a field hold its unit, TDISP and TCOMM.

        Parameters
        ----------
        columns, rows
            As in `read`.

        Raises
        ------
        TableError
            If columns or rows are not there or cannot be read.
        NotSupported
            If pyarrow or the compiled part of rustfits-tables is absent.
        RowIndexError, HeaderError, FitsIOError
            As `read`.
        """
        from rustfits_tables import frames

        return frames.to_arrow(self, columns, rows)

    def to_polars(
        self, *, columns: Sequence[str] | None = None, rows: slice | Sequence[int] | None = None
    ) -> polars.DataFrame:
        """Return a DataFrame of polars; as `to_arrow`, but for metadata, which polars has none of."""
        from rustfits_tables import frames

        return frames.to_polars(self, columns, rows)

    def to_pandas(
        self, *, columns: Sequence[str] | None = None, rows: slice | Sequence[int] | None = None
    ) -> pandas.DataFrame:
        """Return a DataFrame of pandas.

        Integers with TNULLn become the integers of pandas that may be missing (``Int32``), scaled ones floats with
        NaN, logical columns that lack a value ``boolean``; cells of several elements are arrays in a column of
        objects. ``frame.attrs`` holds "units" and "descriptions", by the names of the columns.

        Parameters
        ----------
        columns, rows
            As in `read`.

        Raises
        ------
        TableError
            If columns or rows are not there or cannot be read.
        NotSupported
            If pandas is absent.
        RowIndexError, HeaderError, FitsIOError
            As `read`.
        """
        from rustfits_tables import frames

        return frames.to_pandas(self, columns, rows)

    def to_astropy(
        self, *, columns: Sequence[str] | None = None, rows: slice | Sequence[int] | None = None
    ) -> astropy.table.Table:
        """Return a Table of astropy: units, descriptions (TCOMMn), columns with TNULLn masked.

        ``table.meta`` holds the keywords of the header that describe neither structure nor columns; TDISPn stands in
        the ``meta`` of its column.

        Parameters
        ----------
        columns, rows
            As in `read`.

        Raises
        ------
        TableError
            If columns or rows are not there or cannot be read.
        NotSupported
            If astropy is absent.
        RowIndexError, HeaderError, FitsIOError
            As `read`.
        """
        from rustfits_tables import frames

        return frames.to_astropy(self, columns, rows)

    @reads
    def _read_columns(
        self, columns: Sequence[str] | None, rows: slice | Sequence[int] | None
    ) -> list[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]]:
        """Return the values of columns, and where nulls are in those of numbers or strings that may have some."""
        cells = self._facts.chosen(columns)
        self._facts.dtype(cells)
        wanted = self._wanted(rows, cells, False)
        parts: list[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]] = []
        for one in cells:
            shape = (len(wanted), *one.shape)
            out = self._array_for([one], shape, one.dtype())
            mask = np.zeros(shape, np.bool_)
            parts.append((one, out, mask if not one.in_heap and one.null_fields(mask) else None))
        self._fill(wanted, parts, scale=True)
        # A logical column has no TNULLn that says whether values may be missing: what is there does.
        return [
            (one, out, None if mask is not None and out.dtype.kind == "b" and not mask.any() else mask)
            for one, out, mask in parts
        ]

    def _put(self, key: RowKey | None, columns: str | Sequence[str] | None, value: object) -> None:
        """Replace cells, for ``hdu[...] = value`` and for subsets of columns.

        Parameters
        ----------
        key : int, slice, list of int or None
            Rows; all of them if None. Whether they are there is not known yet.
        columns : str, sequence of str or None
            One column by itself, several as a structured array, or all as one.
        value : object
        """
        raise NotImplementedError  # every kind of table has its own

    @changes
    def rename_column(self, key: str | int, name: str) -> None:
        """Give a column another name: TTYPEn.

        Parameters
        ----------
        key : str or int
            Name, in whatever case, or index, perhaps from the end.
        name : str
            Printable ASCII; that of no other column, whatever its case.

        Raises
        ------
        TableError
            If there is no such column, or it cannot have that name.
        FitsIOError
            If the bytes cannot be written; `ReadOnlyFile` if the file was opened 'r'.
        """
        from rustfits_tables import columncards, columnedits

        self._refuse_while_appending("rename_column()")
        facts = self._facts
        self._state.commit_inside(columncards.renamed(facts, columnedits.index_of(facts, key) + 1, name))

    @changes
    def describe_column(
        self,
        key: str | int,
        *,
        unit: str | None = None,
        null: int | str | None = None,
        description: str | None = None,
    ) -> None:
        """Say more of a column, or something else; its cells stay as they are.

        Parameters
        ----------
        key : str or int
            As for `rename_column`.
        unit : str, optional
            TUNITn; an empty one removes it.
        null : int or str, optional
            TNULLn, what means that there is no value: of integers an integer, as it is read, or as it is stored if
            they are scaled to floats; of an ASCII table the text of a field. What has it is missing from now on.
        description : str, optional
            TCOMMn; an empty one removes it.

        Raises
        ------
        TypeError
            If ``unit`` or ``description`` is no str.
        TableError
            If there is no such column, or it cannot have that null.
        HeaderError, FitsIOError
            As `rename_column`, and if a text is not of printable ASCII.
        """
        from rustfits_tables import columncards, columnedits

        self._refuse_while_appending("describe_column()")
        facts = self._facts
        number = columnedits.index_of(facts, key) + 1
        cells = facts._cells_of(number)
        self._state.commit_inside(
            columncards.described(facts, cells, number, unit=unit, null=null, description=description)
        )

    def _refuse_while_appending(self, what: str) -> None:
        """Raise `TableError` if rows wait for the end of a block."""

    def __delitem__(self, key: Any) -> NoReturn:
        raise NotSupported("can't delete items of a table by `del`; delete_rows(...) and delete_column(...) do that")


def refuse_wishes(wishes: dict[str, Any]) -> None:
    """Raise an error if a table that is copied whole is to be anything else than what it is."""
    given = [name for name, value in wishes.items() if value not in (None, "P")]
    if given:
        raise TableError(f"a table that is copied whole keeps its columns and cards; {', '.join(given)}= is not for it")


class TableHDU(ReadableTableHDU):
    """A binary table (FITS 4.0, section 7.3): numbers, logicals, bits, strings, and arrays of them of any length."""

    label: ClassVar[str] = "BINARY_TBL"
    _kind: ClassVar[str] = "BINARY_TBL"
    _noun: ClassVar[str] = "a binary table"

    @reads
    def _copied(self, /, *, compress: Any = None, ztilelen: int | None = None, **wishes: Any) -> NewHDU:
        """Return this table for another file, compressed; for `FITS.write_table`, with its keyword arguments."""
        from rustfits_tables.ztable_whole import compressed

        refuse_wishes(wishes)
        if compress is None or compress is False:
            raise TableError("append(hdu) copies a plain table as it is; write_table(hdu) needs compress=")
        return compressed(DataUnit(self), self._facts, compress, ztilelen)

    def _check_header(self) -> None:
        TableLayout.from_cards(self._state.cards)  # of the table as it lies in the file, compressed or not
        self._check_cells()

    def _check_cells(self) -> None:
        """Raise a `FitsError` if a column means nothing, or a descriptor points outside of the heap; for `verify`."""
        in_heap = [one for one in self._facts.cells if one.in_heap and isinstance(one, Cells)]
        if in_heap:
            from rustfits_tables.heap import HeapReader

            reader = HeapReader(DataUnit(self), TableLayout.from_cards(self._facts.cards, ()))
            for first in range(0, self.nrows, _CHECKED_NROWS):
                for cells in in_heap:
                    reader.memory(range(first, min(first + _CHECKED_NROWS, self.nrows)), cells)

    @property
    def shape(self) -> tuple[int]:
        """``(nrows,)``, the shape of what `read` gives."""
        return (self.nrows,)

    def _fill(
        self,
        rows: Rows,
        parts: Sequence[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]],
        *,
        scale: bool,
        as_bytes: bool = False,
    ) -> None:
        super()._fill(rows, parts, scale=scale, as_bytes=as_bytes)
        for cells, out, _ in parts:
            if cells.in_heap and isinstance(cells, Cells):
                from rustfits_tables.heap import HeapReader

                # Columns have been judged one by one, so that an odd one does no harm here.
                layout = TableLayout.from_cards(self._facts.cards, ())
                HeapReader(DataUnit(self), layout).read(rows, cells, out, scale=scale, as_bytes=as_bytes)

    def _fill_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> bool:
        self._reader().read_fields(rows, fields, owners)
        return True

    @reads
    def _heap_nbytes(self, rows: Rows, columns: Sequence[str]) -> NDArray[np.int64] | None:
        chosen = [one for one in self._facts.chosen(columns or None) if one.in_heap and isinstance(one, Cells)]
        if not chosen:
            return None
        from rustfits_tables.heap import HeapReader

        reader = HeapReader(DataUnit(self), TableLayout.from_cards(self._facts.cards, ()))
        return sum((reader.memory(rows, cells) for cells in chosen), np.zeros(len(rows), dtype=np.int64))

    # -- writing --------------------------------------------------------------------------------------------------

    @changes
    def write(self, data: Any, *, names: Sequence[str] | None = None) -> None:
        """Replace all rows.

        Parameters
        ----------
        data : array with named fields, dict of name to array, or list of arrays
            Every column, in any order, with as many rows as the table has; dtypes and shapes are those of `read`, of
            any order of bytes. Cells of variable length are objects: arrays of one axis, str or bytes. TNULLn, NaN or
            an empty string is written where an array is masked.
        names : sequence of str, optional
            Of the arrays in a list.

        Raises
        ------
        TableError
            If a column is missing or unknown, or has another number of rows, another dtype or shape, or a value that
            cannot be written. The file is as it was then, and after all other errors.
        HeaderError
            If the columns do not make up a row.
        FitsIOError
            If the bytes cannot be written; `ReadOnlyFile` if the file was opened 'r'.
        """
        from rustfits_tables.edits import replace_rows

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
        from rustfits_tables.edits import append_rows

        append_rows(self, self._facts, data, names)

    extend = append

    @contextmanager
    def appending(self) -> Iterator[Self]:
        """Return a context in which many calls of `append` are one change of the file.

        Rows are there to be read as soon as they are appended. An exception that leaves the block takes all of them
        back. Others who use the handle wait until its end.
        """
        with self._changing():
            yield self

    extending = appending

    @changes
    def _put(self, key: RowKey | None, columns: str | Sequence[str] | None, value: object) -> None:
        from rustfits_tables.edits import put

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
        inner_dtype: str | None = None,
        heap_format: str | None = None,
        bit_packed: bool = False,
    ) -> None:
        """Put a new column into the table, by default behind the last; later HDUs of the file move.

        Keywords with numbers of columns are renumbered, those of coordinates too. Memory is bounded.

        Parameters
        ----------
        name : str
            New, whatever its case.
        data : array
            With the rows of the table along its first axis. Perhaps masked, as for `write`; integers get a TNULLn that
            no value has.
        position : int, optional
            Index that it will have, from 0.
        after, before : str or int, optional
            The column that it follows, or that follows it: name or index, perhaps from the end. At most one of the
            three is given.
        unit : str, optional
            TUNITn.
        inner_dtype : str, optional
            What the cells of an object array hold, such as ``'f4'``, or ``'U'`` for strings.
        heap_format : {'P', 'Q'}, optional
            Whether descriptors of an object array have 32 or 64 bits.
        bit_packed : bool
            Whether bools are stored as bits.

        Raises
        ------
        TableError
            If there can be no such column, or no such place.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables import columnedits

        facts = self._facts
        index = columnedits.place_of(facts, position, after, before)
        values = columnedits.check_nrows(facts, columnedits.check_new_name(facts, name), data)
        column = columnedits.new_column(
            name, values, unit=unit, inner_dtype=inner_dtype, heap_format=heap_format, bit_packed=bit_packed
        )
        columnedits.insert(self, facts, index, column, values)

    @changes
    def delete_column(self, key: str | int) -> None:
        """Take a column out of the table; later HDUs of the file move.

        Keywords with its number go, others are renumbered. What it has in the heap stays there until `repack`, but for
        the last column that has a heap.

        Parameters
        ----------
        key : str or int
            Name, in whatever case, or index, perhaps from the end.

        Raises
        ------
        TableError
            If there is no such column.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables import columnedits

        facts = self._facts
        columnedits.delete(self, facts, columnedits.index_of(facts, key))

    @changes
    def delete_rows(self, rows: int | slice | Sequence[int] | NDArray[np.integer[Any]]) -> None:
        """Take rows out of the table; later HDUs of the file move.

        What they have in the heap stays there until `repack`.

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

    @changes
    def repack(self) -> None:
        """Drop what no cell of variable length uses any more, and the room before the heap; the file gets shorter.

        Nothing is done if there is nothing to drop. Cells that share bytes still do. DATASUM and CHECKSUM are written
        anew if they were right.

        Raises
        ------
        TableError
            If a descriptor points outside of the heap.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables.edits import repack

        repack(self, self._facts)
