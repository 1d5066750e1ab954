"""What stands between ``hdu[`` and ``]``: row numbers or column names, never both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rustfits import RowIndexError, TableError
from rustfits_tables.rows import Rows

RowKey = int | slice | Sequence[int]


class RowTable(Protocol):
    """What rows and columns are read from, and assigned to: a table HDU."""

    @property
    def index(self) -> int:
        """Position of the HDU in its file."""

    @property
    def nrows(self) -> int:
        """Number of rows."""

    def read(
        self,
        *,
        rows: slice | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Return rows as a structured array."""

    def read_column(
        self,
        name: str,
        *,
        rows: slice | Sequence[int] | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Return one column as a plain array."""

    def _fields(self, columns: Sequence[str] | None, *, scale: bool) -> np.dtype[Any]:
        """Return the dtype of what `read` gives, a field for every column; errors as there."""

    def _heap_nbytes(self, rows: Rows, columns: Sequence[str]) -> NDArray[np.int64] | None:
        """Return the memory that objects in rows need, about; None if there are none."""

    def _put(self, key: RowKey | None, columns: str | Sequence[str] | None, value: object) -> None:
        """Replace cells; see `ReadableTableHDU._put`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, of which one attribute is given.

    Attributes
    ----------
    row : int or None
        One row, perhaps from the end.
    rows : slice, list of int or None
        Rows.
    name : str or None
        One column.
    names : list of str or None
        Columns.
    """

    row: int | None = None
    rows: slice | list[int] | None = None
    name: str | None = None
    names: list[str] | None = None

    @classmethod
    def of(cls, key: object) -> Key:
        """Return what a key of a table selects; whether that is there is not looked at.

        Raises
        ------
        TableError
            If it is no number, slice or name, nor a sequence of either.
        """
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            return cls(row=int(key))
        if isinstance(key, slice):
            return cls(rows=key)
        if isinstance(key, str | bytes):
            return cls(name=_text(key))
        if not isinstance(key, list | tuple | range) and not (isinstance(key, np.ndarray) and key.ndim == 1):
            raise TableError(f"{_shown(key)} is no key of a table: {ALLOWED}")
        entries = list(key)
        if not entries:
            raise TableError(f"an empty sequence selects nothing of a table: {ALLOWED}")
        are_names = [isinstance(entry, str | bytes) for entry in entries]
        if all(are_names):
            return cls(names=[_text(entry) for entry in entries])
        if any(are_names):
            raise TableError(
                f"{_shown(key)} mixes column names with something else; a sequence must be all int or all str: first "
                "columns, then rows, as in hdu['a', 'b'][3:5]"
            )
        return cls(rows=_numbers(key, entries))

    @classmethod
    def of_rows(cls, key: object) -> Key:
        """Return what a key of a subset of columns selects: rows; errors as `of`."""
        if isinstance(key, bool | np.bool_):
            raise TableError(f"a bool is no key of columns: {ALLOWED_ROWS}")
        found = cls.of(key)
        if found.row is None and found.rows is None:
            raise TableError(f"{_shown(key)} is no key of columns: {ALLOWED_ROWS}")
        return found

    def check_row(self, nrows: int) -> int:
        """Return the number of the one row, from the start.

        Raises
        ------
        RowIndexError
            If there is no such row.
        """
        assert self.row is not None
        if not -nrows <= self.row < nrows:
            raise RowIndexError(f"row {self.row} is out of range: the table has {nrows} rows")
        return self.row % nrows


ALLOWED = "a row number, a slice, a column name, or a list of row numbers or of names"
ALLOWED_ROWS = "a row number, a slice, or a list of row numbers"


def _numbers(key: object, entries: list[Any]) -> list[int]:
    for entry in entries:
        if not isinstance(entry, int | np.integer) or isinstance(entry, bool):
            mask = "; np.flatnonzero turns a mask into row numbers" if isinstance(entry, bool | np.bool_) else ""
            raise TableError(f"{_shown(key)} holds {entry!r}, which is neither a row number nor a name{mask}")
    return [int(entry) for entry in entries]


def _text(name: str | bytes) -> str:
    return str(name) if isinstance(name, str) else name.decode("latin-1")


def _shown(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 60 else f"a {type(key).__name__}"
