"""Columns of a table that were picked by name: ``hdu["a"]`` and ``hdu["a", "b"]``. They read when they are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits_tables.access import Key, RowKey, RowTable
from rustfits_tables.iteration import Pieces


class ColumnSubset:
    """Several columns of a binary table; rows are picked by ``[]``."""

    __slots__ = ("_hdu", "_names")

    _noun: ClassVar[str] = "TableColumns"

    def __init__(self, hdu: RowTable, names: Sequence[str]) -> None:
        self._hdu, self._names = hdu, list(names)

    def read(
        self, *, rows: slice | Sequence[int] | None = None, scale: bool = True, mask_null: bool = False
    ) -> NDArray[Any]:
        """Read the columns.

        Parameters
        ----------
        rows : slice or sequence of int, optional
            Row numbers from 0, negative ones from the end; all by default.
        scale : bool
            Whether to return physical values.
        mask_null : bool
            Whether to return a masked array.

        Returns
        -------
        (nrows,) structured array
            A field per column, in the order in which they were named.

        Raises
        ------
        TableError
            If a column is unknown or named twice, no row is selected, or a value cannot be read.
        RowIndexError
            If a row number is out of range.
        NotSupported
            If the kind of table has no such values.
        FitsIOError
            If the bytes cannot be read.
        """
        return self._hdu.read(rows=rows, columns=self._names, scale=scale, mask_null=mask_null)

    def write(self, data: object, *, rows: RowKey | None = None) -> None:
        """Replace the cells of rows, all of them by default; as ``subset[rows] = data``.

        Raises
        ------
        TableError
            If a column is unknown, or the values do not fit; nothing is changed then.
        RowIndexError
            If a row number is out of range.
        NotSupported
            If such tables cannot be changed.
        FitsIOError
            If the bytes cannot be written.
        """
        if rows is not None:
            self[rows] = data
        else:
            self._hdu._put(None, self._names, data)

    def __getitem__(self, key: Any) -> Any:
        """Return a record for a row number, a structured array for a slice or a list of them."""
        which = Key.of_rows(key)
        if which.rows is not None:
            return self.read(rows=which.rows)
        return self.read(rows=[which.check_row(self._hdu.nrows)])[0]

    def __setitem__(self, key: Any, value: object) -> None:
        which = Key.of_rows(key)
        self._hdu._put(which.rows if which.row is None else which.row, self._names, value)

    def __iter__(self) -> Iterator[np.void]:
        for piece in Pieces(self._hdu, self._names):
            yield from piece

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return what `read` returns, for NumPy."""
        return _array(self, dtype, copy)

    def __repr__(self) -> str:
        return f"<{self._noun} {json.dumps(self._names)} of HDU #{self._hdu.index}>"


class SingleColumnSubset:
    """One column of a binary table; rows are picked by ``[]``."""

    __slots__ = ("_hdu", "_name")

    _noun: ClassVar[str] = "TableColumn"

    def __init__(self, hdu: RowTable, name: str) -> None:
        self._hdu, self._name = hdu, name

    def read(
        self, *, rows: slice | Sequence[int] | None = None, scale: bool = True, mask_null: bool = False
    ) -> NDArray[Any]:
        """Read the column as a plain array; parameters and errors as `ColumnSubset.read`.

        Returns
        -------
        (nrows, ...) array

        Raises
        ------
        TableError
            If the column is unknown, no row is selected, or a value cannot be read.
        RowIndexError, NotSupported, FitsIOError
            As `ColumnSubset.read`.
        """
        return self._hdu.read_column(self._name, rows=rows, scale=scale, mask_null=mask_null)

    def write(self, data: object, *, rows: RowKey | None = None) -> None:
        """Replace the cells of rows, all of them by default; as ``subset[rows] = data``.

        Raises
        ------
        TableError
            If the column is unknown, or the values do not fit; nothing is changed then.
        RowIndexError, NotSupported, FitsIOError
            As `ColumnSubset.write`.
        """
        if rows is not None:
            self[rows] = data
        else:
            self._hdu._put(None, self._name, data)

    def __getitem__(self, key: Any) -> Any:
        """Return the cell of a row number, an array of cells for a slice or a list of them."""
        which = Key.of_rows(key)
        if which.rows is not None:
            return self.read(rows=which.rows)
        return self.read(rows=[which.check_row(self._hdu.nrows)])[0]

    def __setitem__(self, key: Any, value: object) -> None:
        which = Key.of_rows(key)
        self._hdu._put(which.rows if which.row is None else which.row, self._name, value)

    def __iter__(self) -> Iterator[Any]:
        for piece in Pieces(self._hdu, [self._name]):
            assert piece.dtype.names is not None
            yield from piece[piece.dtype.names[0]]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return what `read` returns, for NumPy."""
        return _array(self, dtype, copy)

    def __repr__(self) -> str:
        return f"<{self._noun} {self._name!r} of HDU #{self._hdu.index}>"


class CompressedColumnSubset(ColumnSubset):
    """Several columns of a compressed table; as `ColumnSubset`."""

    __slots__ = ()


class CompressedSingleColumnSubset(SingleColumnSubset):
    """One column of a compressed table; as `SingleColumnSubset`."""

    __slots__ = ()


class AsciiColumnSubset(ColumnSubset):
    """Several columns of an ASCII table; as `ColumnSubset`."""

    __slots__ = ()

    _noun: ClassVar[str] = "AsciiTableColumns"


class AsciiSingleColumnSubset(SingleColumnSubset):
    """One column of an ASCII table; as `SingleColumnSubset`."""

    __slots__ = ()

    _noun: ClassVar[str] = "AsciiTableColumn"

    def read(
        self,
        *,
        rows: slice | Sequence[int] | None = None,
        scale: bool = True,
        mask_null: bool = False,
        as_bytes: bool = False,
    ) -> NDArray[Any]:
        """Read the column; as `SingleColumnSubset.read`.

        Parameters
        ----------
        rows, scale, mask_null
            As there.
        as_bytes : bool
            Whether to return the characters as they are stored.

        Raises
        ------
        TableError
            With ``as_bytes``, if the column holds numbers; else as there.
        RowIndexError, NotSupported, FitsIOError
            As there.
        """
        return self._hdu.read_column(self._name, rows=rows, as_bytes=as_bytes, scale=scale, mask_null=mask_null)


def _array(subset: ColumnSubset | SingleColumnSubset, dtype: DTypeLike | None, copy: bool | None) -> NDArray[Any]:
    if copy is False:
        raise ValueError("columns of a file cannot become an array without a copy")
    values = subset.read()
    return values if dtype is None else values.astype(dtype, copy=False)
