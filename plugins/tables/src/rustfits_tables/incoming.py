"""What a user gives as the content of a table: an array with named fields, a dict, or a list of arrays and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits_tables.foreign import ForeignTable, foreign_table, is_foreign


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Columns as they were given, by their names; nothing is known of what they hold.

    Attributes
    ----------
    columns : dict of str to array
        Each with an axis of rows first, all of one length; perhaps masked.
    nrows : int
    structured : bool
        Whether they are the fields of one array.
    foreign : ForeignTable or None
        The table of another library that they come from. Its types need not be those of the columns.
    """

    columns: Mapping[str, NDArray[Any]]
    nrows: int
    structured: bool
    foreign: ForeignTable | None = None

    @classmethod
    def of(cls, data: object, names: Sequence[str] | None = None) -> Given:
        """Look at ``data`` as given to `write`, `append` or `write_table`.

        Parameters
        ----------
        data : array with named fields, dict of name to array, list or tuple of arrays, or table of another library
        names : sequence of str, optional
            Of the columns; only with a list of arrays.

        Raises
        ------
        TableError
            If ``data`` is something else, does not go with ``names``, or its columns are not of one length.
        """
        if isinstance(data, np.ndarray | np.void):
            _refuse_names(names)
            return cls.structured_rows(data)
        if isinstance(data, Mapping):
            _refuse_names(names)
            if not data:
                raise TableError("the dict of columns is empty: a table needs one column at least")
            return cls._of_columns(list(data), list(data.values()))
        if is_foreign(data):
            _refuse_names(names)
            foreign = foreign_table(data)
            return replace(cls.of(foreign.columns), foreign=foreign)
        if not isinstance(data, list | tuple) or names is None:
            raise TableError(
                f"a table is an array with named fields, a dict of arrays, a table of another library, or a list of "
                f"arrays with names=, not {type(data).__name__}{' alone' if isinstance(data, list | tuple) else ''}"
            )
        if isinstance(names, str) or len(names) != len(data):
            raise TableError(f"names= has len {len(names)}, but there are {len(data)} columns")
        if len(set(names)) != len(names):
            raise TableError(f"names= holds duplicate names: {list(names)}")
        if not len(data):
            raise TableError("the list of columns is empty: a table needs one column at least")
        return cls._of_columns(list(names), list(data))

    @classmethod
    def structured_rows(cls, data: object) -> Given:
        """Look at rows, which have to be an array with named fields, or one record of it.

        Raises
        ------
        TableError
            If it is something else, or has more than one axis.
        """
        if not isinstance(data, np.ndarray | np.void) or not data.dtype.names:
            found = f"{data.dtype} array" if isinstance(data, np.ndarray) else type(data).__name__
            raise TableError(f"rows of a table must be a structured array, one with named fields, not {found}")
        rows = data if isinstance(data, np.ndarray) else np.asarray(data)
        rows = rows.reshape(1) if rows.ndim == 0 else rows
        if rows.ndim != 1:
            raise TableError(f"a structured array of shape {rows.shape} is no table: its shape must be (nrows,)")
        return cls({name: rows[name] for name in data.dtype.names}, len(rows), structured=True)

    @classmethod
    def _of_columns(cls, names: list[Any], arrays: list[Any]) -> Given:
        columns: dict[str, NDArray[Any]] = {}
        for name, array in zip(names, arrays, strict=True):
            if not isinstance(name, str) or not name.strip(" "):
                raise TableError(f"the name of a column must be a non-empty str, not {name!r}")
            if not isinstance(array, np.ndarray) or not array.ndim:
                found = "a single number" if isinstance(array, np.ndarray) else type(array).__name__
                raise TableError(f"column {name!r} must be a numpy array whose first axis is that of rows, not {found}")
            columns[name] = array
        first, *others = columns.items()
        for name, array in others:
            if len(array) != len(first[1]):
                raise TableError(
                    f"columns have unequal lengths: along its first axis {first[0]!r} has {len(first[1])} rows, "
                    f"{name!r} has {len(array)}"
                )
        return cls(columns, len(first[1]), structured=False)

    def require_nrows(self, nrows: int) -> None:
        """Raise `TableError` if there are not as many rows as the table has."""
        if self.nrows != nrows:
            where = "NAXIS2 is" if self.structured else "along the first axis of a column the table has"
            raise TableError(f"input has {self.nrows} rows, but {where} {nrows}: expected {nrows} rows")

    def ordered(self, wanted: Sequence[str], *, extra: bool = False) -> list[NDArray[Any]]:
        """Return one array for each column of a table, in that order.

        Parameters
        ----------
        wanted : sequence of str
            Names of the columns. One that is spelled the same is meant; or else one in another case.
        extra : bool
            Whether there may be more; they are ignored.

        Raises
        ------
        TableError
            If a column is missing or may be any of two, or there is one that the table does not have.
        """
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        if twice:
            raise TableError(f"the table has several columns of the name {twice[0]!r}: what is given is for which?")
        left, found = dict(self.columns), {name: self.columns[name] for name in wanted if name in self.columns}
        for name in found:
            del left[name]
        for name in wanted:
            if name not in found:
                source = self._in_other_case(name, list(left))
                found[name] = left.pop(source)
        if left and not extra:
            names, have = ", ".join(map(repr, left)), ", ".join(map(repr, wanted))
            what = "input has fields" if self.structured else "extra key: input has"
            raise TableError(f"{what} {names}, which the table lacks; its columns are {have}")
        return [found[name] for name in wanted]

    def _in_other_case(self, name: str, left: list[str]) -> str:
        same = [key for key in left if key.rstrip(" ").upper() == name.upper()]
        if len(same) > 1:
            raise TableError(f"column {name!r} may be any of {', '.join(map(repr, same))} of the input")
        if not same:
            what = "missing field" if self.structured else "missing column"
            raise TableError(f"{what} {name!r}: input has {', '.join(map(repr, self.columns))}")
        return same[0]


def array_of(value: object) -> NDArray[Any]:
    """Return what a user gives as an array: itself, or an array of a number, a string or a list of such.

    Raises
    ------
    ValueError
        If lists are of different lengths.
    TableError
        If there are integers that no type of integers holds together.
    """
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    if array.dtype.kind != "f" or not array.size or not np.abs(array).max() >= 2.0**63:
        return array
    numbers = np.asarray(value, dtype=object)
    if not all(isinstance(number, int | np.integer) for number in numbers.flat):
        return array
    try:  # numpy makes floats of integers when only some of them fit in i8
        return np.array([int(number) for number in numbers.flat], dtype=np.uint64).reshape(numbers.shape)
    except OverflowError as error:
        raise TableError(
            f"no type holds all of the integers from {min(numbers.flat)} to {max(numbers.flat)}; pass floats"
        ) from error


def _refuse_names(names: object) -> None:
    if names is not None:
        raise TableError("names= goes with a list of columns; an array or dict names its columns itself")
