"""Columns of new binary tables: from dtypes to the cards of a header (FITS 4.0, section 7.3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from rustfits import TableError, limits
from rustfits.plugin import Cards, column_of, name_entries

LETTERS = {
    "b1": "L",
    "u1": "B",
    "i2": "I",
    "i4": "J",
    "i8": "K",
    "u2": "I",
    "u4": "J",
    "u8": "K",
    "f4": "E",
    "f8": "D",
    "c8": "C",
    "c16": "M",
}
ZEROS = {"u2": 1 << 15, "u4": 1 << 31, "u8": 1 << 63}  # TZERO of the unsigned types (FITS 4.0, table 19)
INNER = {
    **{name: letter for name, letter in LETTERS.items() if name not in (*ZEROS, "b1")},
    **dict.fromkeys(("?", "bool"), "L"),
    **dict.fromkeys(("S", "U", "A", "a", "S1", "U1"), "A"),
}
MAX_TEXT = 68  # characters of a name or a unit: what a card holds without CONTINUE


@dataclass(frozen=True, slots=True)
class NewField:
    """What a column of a new table is to hold.

    Attributes
    ----------
    name : str
    dtype : dtype
        Of an element, in any order of bytes; object for arrays of variable length.
    shape : tuple of int
        Of a cell.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A column as the header will have it.

    Attributes
    ----------
    name : str
    form : str
        TFORMn.
    dim : str or None
        TDIMn.
    zero : int or None
        TZEROn.
    unit : str or None
        TUNITn.
    null : int or None
        TNULLn.
    comment, display : str or None
        TCOMMn, TDISPn.
    """

    name: str
    form: str
    dim: str | None = None
    zero: int | None = None
    unit: str | None = None
    null: int | None = None
    comment: str | None = None
    display: str | None = None

    def entries(self, number: int) -> list[tuple[str, object]]:
        """Return the cards of the column of a number."""
        cards = {"TTYPE": self.name, "TFORM": self.form, "TDIM": self.dim, "TZERO": self.zero, "TUNIT": self.unit}
        cards |= {"TNULL": self.null, "TDISP": self.display, "TCOMM": self.comment}
        return [(f"{key}{number}", value) for key, value in cards.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user says of the columns, beside their dtypes.

    Attributes
    ----------
    units : mapping of str to str, optional
    var_dtypes : mapping of str to str, optional
        What the cells of object columns hold.
    bit_columns : bool or sequence of str, optional
        Which columns of bools are bits; True for all.
    heap_format : str
        P or Q, in any case.
    nulls : mapping of str to int, optional
        What is to stand for integers that are missing, as values.
    comments, displays : mapping of str to str, optional
        TCOMMn and TDISPn.
    """

    units: Mapping[str, str] | None = None
    var_dtypes: Mapping[str, str] | None = None
    bit_columns: bool | Sequence[str] | None = None
    heap_format: str = "P"
    nulls: Mapping[str, int] | None = None
    comments: Mapping[str, str] | None = None
    displays: Mapping[str, str] | None = None

    def columns(self, fields: Sequence[NewField]) -> list[NewColumn]:
        """Return the columns of a new table.

        Raises
        ------
        TableError
            If a field cannot be a column, two have one name, or a wish is for none of the fields.
        TypeError
            If a unit is no str.
        """
        check_names([one.name for one in fields])
        descriptor = self.heap_format.upper() if isinstance(self.heap_format, str) else ""
        if descriptor not in ("P", "Q"):
            raise TableError(f"heap_format must be 'P' or 'Q', not {self.heap_format!r}")
        units = by_name("units", self.units, fields)
        inner = by_name("var_dtypes", self.var_dtypes, fields)
        bits = self._bits(fields, inner)
        made = [_column_of(one, inner.get(one.name), descriptor, one.name in bits) for one in fields]
        return [replace(one, unit=_unit(units, one.name), **self._remarks(one)) for one in made]

    def _remarks(self, column: NewColumn) -> dict[str, Any]:
        """Return what is said of a column beside its type."""
        null = (self.nulls or {}).get(column.name)
        stored = None if null is None else null - (column.zero or 0)
        comment, display = (self.comments or {}).get(column.name), (self.displays or {}).get(column.name)
        return {"null": stored, "comment": comment, "display": display}

    def _bits(self, fields: Sequence[NewField], inner: Mapping[str, Any]) -> set[str]:
        """Return the names of the columns of bits."""
        bools = {one.name for one in fields if one.dtype.kind == "b" or inner.get(one.name) in ("?", "bool")}
        wish = self.bit_columns
        if wish is None or wish is False:
            return set()
        if wish is True:
            return bools
        if isinstance(wish, str) or not isinstance(wish, Iterable) or not all(isinstance(name, str) for name in wish):
            raise TableError(f"bit_columns= must be None, a bool or a list of names, not {wish!r}")
        found = set(by_name("bit_columns", dict.fromkeys(wish), fields))
        if found - bools:
            raise TableError(f"bit_columns= names columns that hold no bools: {', '.join(map(repr, found - bools))}")
        return found


@dataclass(frozen=True, slots=True)
class NewTable:
    """The header of a new table.

    Attributes
    ----------
    columns : list of NewColumn
    nrows : int
    extname, extver : str, int, optional
    more : Cards
        What a user adds to it.
    """

    columns: Sequence[NewColumn]
    nrows: int
    extname: str | None = None
    extver: int | None = None
    more: Cards = field(default_factory=Cards)

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row.

        Raises
        ------
        TableError
            If a row is longer than numpy can handle.
        """
        forms = Cards.build([(f"TFORM{number}", column.form) for number, column in enumerate(self.columns, 1)])
        nbytes = sum(column_of(forms, number, 0).nbytes for number in range(1, len(self.columns) + 1))
        if nbytes > limits.MAX_ROW_NBYTES:
            raise TableError(f"rows would have {nbytes} bytes; there can be at most {limits.MAX_ROW_NBYTES}")
        return nbytes

    def cards(self) -> Cards:
        """Return the header of the table, whose heap is empty."""
        head = [
            ("XTENSION", "BINTABLE", "binary table"),
            ("BITPIX", 8, "bytes"),
            ("NAXIS", 2, "rows of bytes"),
            ("NAXIS1", self.row_nbytes, "bytes in a row"),
            ("NAXIS2", self.nrows, "number of rows"),
            ("PCOUNT", 0, "bytes of the heap"),
            ("GCOUNT", 1, "one group"),
            ("TFIELDS", len(self.columns), "number of columns"),
            *name_entries(self.extname, self.extver),
        ]
        columns = [entry for number, column in enumerate(self.columns, 1) for entry in column.entries(number)]
        return Cards(Cards.build([*head, *columns]).characters + self.more.characters)


def fields_of(dtype: Any) -> list[NewField]:
    """Return the fields of a structured dtype.

    Raises
    ------
    TableError
        If it has none, or they are no dtype.
    """
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TableError(f"a table needs a structured dtype, not {dtype!r}: {error}") from error
    if not found.names:
        raise TableError(f"a table needs a structured dtype, one with named fields, not {found}")
    assert found.fields is not None
    parts = [(name, found.fields[name][0]) for name in found.names]
    return [NewField(name, part.base, part.shape) for name, part in parts]


def check_names(names: Sequence[str]) -> None:
    """Refuse names that columns of one table cannot have.

    Raises
    ------
    TableError
        If one is empty, has characters that no header may hold, is too long, or is that of another but for its case; or
        if there are too many.
    """
    if len(names) > limits.MAX_FIELDS:
        raise TableError(f"a table has at most {limits.MAX_FIELDS} columns, not {len(names)}")
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip(" "):
            raise TableError(f"the name of a column must be a non-empty str, not {name!r}")
        if not (name.isascii() and name.isprintable()) or len(name) > MAX_TEXT or name.endswith(" "):
            raise TableError(
                f"{name!r} cannot name a column: a name is printable ASCII, of at most {MAX_TEXT} characters, with no "
                "blank at its end"
            )
        other = seen.setdefault(name.upper(), name)
        if other is not name:
            raise TableError(f"columns {other!r} and {name!r} are duplicate names: case does not count")


def by_name(argument: str, wishes: Any, fields: Sequence[NewField]) -> dict[str, Any]:
    """Return a mapping given by a user, by the names of the fields."""
    if wishes is None:
        return {}
    if not isinstance(wishes, Mapping):
        raise TypeError(f"{argument}= must be a dict of column names, not {type(wishes).__name__}")
    names = {one.name.upper(): one.name for one in fields}
    found = {}
    for name, wish in wishes.items():
        known = names.get(name.rstrip(" ").upper()) if isinstance(name, str) else None
        if known is None:
            raise TableError(
                f"{argument}= has {name!r}, which does not match any column: {', '.join(map(repr, names.values()))}"
            )
        found[known] = wish
    return found


def _unit(units: Mapping[str, Any], name: str) -> str | None:
    unit = units.get(name)
    if unit is not None and not isinstance(unit, str):
        raise TypeError(f"the unit of column {name!r} must be a str, not {unit!r}")
    return unit


def _column_of(one: NewField, inner: object, descriptor: str, is_bits: bool) -> NewColumn:
    dtype, shape = one.dtype, one.shape
    if dtype.kind == "O":
        return _heap_column(one, inner, descriptor, is_bits)
    if inner is not None:
        raise TableError(f"var_dtypes= is for object columns; {one.name!r} holds {dtype}")
    count = prod(shape)
    if not count and len(shape) > 1:
        raise TableError(f"column {one.name!r} has cells of shape {shape}, which have no element")
    said = f"({','.join(map(str, reversed(shape)))})"
    # A cell of one axis needs no TDIM, but that of one element, which would be a number by itself.
    dim = said if len(shape) > 1 or shape == (1,) else None
    if dtype.kind in "SU":
        width = dtype.itemsize // (4 if dtype.kind == "U" else 1)
        if not width:
            raise TableError(f"column {one.name!r} has zero-length strings ({dtype}); give them a width, such as 'U8'")
        return NewColumn(one.name, f"{width * count}A", f"({width},{said[1:]}" if shape else None)
    if is_bits:
        return NewColumn(one.name, f"{count}X", dim)
    name = f"{dtype.kind}{dtype.itemsize}"
    letter = LETTERS.get(name)
    if letter is None:
        if name == "i1":
            raise TableError(
                f"column {one.name!r} is int8, which FITS tables do not have; convert it to i2, or to u1 if it fits"
            )
        raise TableError(
            f"column {one.name!r} is of dtype {dtype}, which FITS tables do not have; there are {', '.join(LETTERS)}, "
            "strings, and object with var_dtypes="
        )
    return NewColumn(one.name, f"{count}{letter}", dim, ZEROS.get(name))


def _heap_column(one: NewField, inner: object, descriptor: str, is_bits: bool) -> NewColumn:
    if one.shape:
        raise TableError(
            f"column {one.name!r} has cells of {one.shape} objects; a cell of variable length is one object"
        )
    if inner is None:
        raise TableError(
            f"column {one.name!r} is of objects: say in var_dtypes= what its cells hold, such as "
            f"{{{one.name!r}: 'f4'}}, or 'U' for strings"
        )
    letter = INNER.get(inner) if isinstance(inner, str) else None
    if letter is None:
        raise TableError(
            f"var_dtypes= has unsupported inner dtype {inner!r} for column {one.name!r}; there are {', '.join(INNER)}"
        )
    return NewColumn(one.name, f"1{descriptor}{'X' if is_bits else letter}")
