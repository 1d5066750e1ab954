"""Columns of binary tables: what the bytes of their cells mean (FITS 4.0, sections 7.3.2 to 7.3.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import ELEMENT_DTYPES, Cards, Column
from rustfits_tables.fields import Field, FieldArray, Kind

# TZERO that makes a type of other range, with TSCAL 1 (FITS 4.0, table 19).
CONVENTIONS: dict[tuple[str, float], str] = {
    ("B", -(1 << 7)): "i1",
    ("I", 1 << 15): "u2",
    ("J", 1 << 31): "u4",
    ("K", 1 << 63): "u8",
}
INTEGERS = "BIJK"
SCALED = {
    "B": Kind.SCALED_U1,
    "I": Kind.SCALED_I2,
    "J": Kind.SCALED_I4,
    "K": Kind.SCALED_I8,
    "E": Kind.SCALED_F4,
    "D": Kind.SCALED_F8,
}

_TDIM = re.compile(r"\s*\(\s*(\d+(?:\s*,\s*\d+)*)\s*\)\s*")


@dataclass(frozen=True, slots=True)
class Cells:
    """How the cells of one column are read.

    Attributes
    ----------
    column : Column
    shape : tuple of int
        Of a cell, numpy order; ``()`` for a scalar.
    width : int
        Characters of a string; 0 for other columns.
    tscal, tzero : float or int
        Physical values are ``tzero + tscal * stored``.
    tnull : int or None
        The stored integer that means "no value".
    """

    column: Column
    shape: tuple[int, ...]
    width: int
    tscal: float
    tzero: float
    tnull: int | None = None

    @classmethod
    def from_cards(cls, cards: Cards, column: Column) -> Cells:
        """Read TDIMn, TSCALn, TZEROn and TNULLn of a column.

        Raises
        ------
        HeaderError
            If a number is malformed.
        TableError
            If TDIMn does not go with TFORMn.
        """
        number = column.number
        shape, width = _shape_and_width(cards, column)
        tscal, tzero = 1.0, 0.0
        if column.code in SCALED or column.code in "CM" or column.descriptor:
            tscal = cards.real(f"TSCAL{number}", 1.0)
            tzero = cards.real(f"TZERO{number}", 0.0)
        null = cards.get(f"TNULL{number}") if (column.element or column.code) in INTEGERS else None
        tnull = null if isinstance(null, int) and not isinstance(null, bool) else None
        return cls(column, shape, width, tscal, tzero, tnull)

    @property
    def name(self) -> str:
        """Of the column."""
        return self.column.name

    @property
    def in_heap(self) -> bool:
        """Whether the cells are descriptors of arrays in the heap."""
        return self.column.descriptor

    @property
    def is_text(self) -> bool:
        """Whether the cells hold characters."""
        return (self.column.element or self.column.code) == "A"

    @property
    def trivial(self) -> bool:
        """Whether stored values are the physical ones."""
        return self.tscal == 1 and self.tzero == 0

    @property
    def inner(self) -> Cells:
        """One element of an array in the heap, as the only one of a cell."""
        element = Column(self.column.number, self.name, self.column.element, 1, "", 0, 0)
        return replace(self, column=element, shape=(), width=1)

    def dtype(self, *, scale: bool = True, as_bytes: bool = False) -> np.dtype[Any]:
        """Dtype of the elements of a cell, in native byte order; object for arrays in the heap.

        Parameters
        ----------
        scale : bool
            Whether they are physical values.
        as_bytes : bool
            Whether strings are as they are stored.
        """
        code = self.column.code
        if self.in_heap:
            return np.dtype(object)
        if code in "LX":
            return np.dtype(np.bool_)
        if code == "A":
            return np.dtype(f"{'S' if as_bytes else 'U'}{max(self.width, 1)}")  # no string of numpy is always empty
        if scale and not self.trivial and code in SCALED:
            return np.dtype(CONVENTIONS.get((code, self.tzero), "f8") if self.tscal == 1 else "f8")
        return np.dtype(ELEMENT_DTYPES[code]).newbyteorder("=")

    def label(self) -> str:
        """Return the short name of the content, for ``repr``: ``f4``, ``U8``, ``?``, ``f4  array[2,3]``."""
        if self.in_heap:
            element = self.column.element
            return f"{'U' if element == 'A' else 'X' if element == 'X' else label_of(self.inner.dtype())}  array[var]"
        label = label_of(self.dtype())
        return f"{label}  array[{','.join(map(str, self.shape))}]" if self.shape else label

    def fields(self, out: NDArray[Any], *, scale: bool, as_bytes: bool = False) -> list[FieldArray]:
        """Return what the kernels are to do for this column.

        Parameters
        ----------
        out : (nrows, *shape) array of `dtype`
            Of zeros, if the cells are strings without characters, for which there is nothing to do.
        scale, as_bytes : bool
            As for `dtype`.

        Raises
        ------
        TableError
            If a complex column is to be scaled.
        """
        code, offset = self.column.code, self.column.offset
        count = prod(self.shape)  # TDIMn may leave the last elements out
        if code == "A":
            if not self.width:
                return []
            return [FieldArray(Field(Kind.COPY if as_bytes else Kind.TEXT, offset, self.width, count), out)]
        if code in "LX":
            return [FieldArray(Field(Kind.LOGICAL if code == "L" else Kind.BITS, offset, 1, count), out)]
        size = np.dtype(ELEMENT_DTYPES[code]).itemsize
        if scale and not self.trivial:
            self.check_scale()
            if self.tscal == 1 and (code, self.tzero) in CONVENTIONS:
                return [FieldArray(Field(Kind.FLIP, offset, size, count), out)]
            return [
                FieldArray(Field(SCALED[code], offset, size, count, as_float(self.tscal), as_float(self.tzero)), out)
            ]
        if code in "CM":
            size, count = size // 2, count * 2
        return [FieldArray(Field(Kind.COPY if size == 1 else Kind.SWAP, offset, size, count), out)]

    def check_scale(self) -> None:
        """Raise `TableError` if physical values would be complex: the standard does not say what they are."""
        if (self.column.element or self.column.code) in "CM" and not self.trivial:
            raise TableError(
                f"column {self.name!r} is complex and has TSCAL{self.column.number} or TZERO{self.column.number}; "
                "pass scale=False for the stored values"
            )

    def null_fields(self, mask: NDArray[np.bool_]) -> list[FieldArray]:
        """Return what the kernels are to do to mask what has no value; nothing if every element has one.

        That are integers that are TNULLn, and logical ones that are a byte of zero (FITS 4.0, section 7.3.3.1).

        Parameters
        ----------
        mask : (nrows, *shape) bool array
            Of False.
        """
        code = self.column.code
        if code == "L":
            return [FieldArray(Field(Kind.NULL, self.column.offset, 1, prod(self.shape), null=0), mask)]
        if self.tnull is None or code not in INTEGERS or not -(1 << 63) <= self.tnull < 1 << 63:
            return []
        size = np.dtype(ELEMENT_DTYPES[code]).itemsize
        return [FieldArray(Field(Kind.NULL, self.column.offset, size, prod(self.shape), null=self.tnull), mask)]


def as_float(number: float) -> float:
    """Return a number of a header, perhaps an integer of any length, as a float."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def same_numbers(array: NDArray[Any], converted: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where numbers of another dtype are those they were, one of the two dtypes being of integers.

    numpy compares integers with floats as floats, which lack the last bits of large ones.
    """
    found, wanted = array.dtype, converted.dtype
    with np.errstate(all="ignore"):
        same: NDArray[np.bool_] = converted == array
        if {found.kind, wanted.kind} <= {"i", "u"}:
            return same
        whole, other = (found, converted.real) if found.kind in "iu" else (wanted, array)
        # The bound is a power of two, which every float has; what is beyond has no meaning as an integer.
        same &= (other >= float(np.iinfo(whole).min)) & (other < float(np.iinfo(whole).max // 2 + 1) * 2)
        same &= other.astype(whole) == (array if whole is found else converted)
    return same


def label_of(dtype: np.dtype[Any]) -> str:
    """Return the short name of a dtype: ``f4``, ``U8``, ``?``."""
    if dtype.kind == "U":
        return f"U{dtype.itemsize // 4}"
    return "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"


def _shape_and_width(cards: Cards, column: Column) -> tuple[tuple[int, ...], int]:
    keyword, repeat = f"TDIM{column.number}", column.repeat
    said = cards.get(keyword)
    if column.descriptor:
        if said is not None:
            raise TableError(f"column {column.name!r} has {keyword}, but its arrays lie in the heap and vary in length")
        return (), 0
    if said is None or not repeat:
        if column.code == "A":
            return (), repeat
        return (() if repeat == 1 else (repeat,)), 0
    found = _TDIM.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise TableError(f"{keyword} is {said!r}; it must look like '(3,4)' (FITS 4.0, section 7.3.2)")
    axes = tuple(int(axis) for axis in found[1].split(","))
    if prod(axes) > repeat:
        raise TableError(
            f"{keyword} is {said!r}, which makes {prod(axes)} elements; column {column.name!r} has {repeat} in a cell"
        )
    # The first axis of FITS is the fastest, the last of numpy; of strings it is their length.
    return (axes[:0:-1], axes[0]) if column.code == "A" else (axes[::-1], 0)
