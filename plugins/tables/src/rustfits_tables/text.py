"""Columns of ASCII tables: what the characters of their fields mean (FITS 4.0, section 7.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import HeaderError
from rustfits.plugin import Cards
from rustfits_tables.columns import as_float, label_of
from rustfits_tables.fields import MAX_DECIMALS, Field, FieldArray, Kind

# How floats of 32 bits are written, by this library and CFITSIO. A field of another format may have more digits than
# those keep: 2455197.62345 is an E13.5.
SINGLE = ("E", 15, 7)

# Letter, width, and the digits after the point of floats (FITS 4.0, table 15).
FORMAT = re.compile(r"\s*([AIFED])(\d{1,9})(?:\.(\d{1,9}))?\s*")


def split_format(form: str) -> tuple[str, int, int]:
    """Return the letter, the width, and the digits after the point of a `FORMAT`."""
    found = FORMAT.fullmatch(form)
    assert found is not None
    return found[1], int(found[2]), int(found[3] or 0)


@dataclass(frozen=True, slots=True)
class TextCells:
    """How the fields of one column of an ASCII table are read; as `Cells`.

    Attributes
    ----------
    name : str
    number : int
        From 1, as in TFORMn.
    code : str
        Letter of TFORMn.
    offset, width : int
        Where the field lies in a row, from 0, and its characters.
    decimals : int
        Digits after the point of a number without one.
    tscal, tzero : float or int
        Physical values are ``tzero + tscal * stored``.
    tnull : bytes or None
        What stands in a field without a value, without blanks around it.
    """

    name: str
    number: int
    code: str
    offset: int
    width: int
    decimals: int
    tscal: float
    tzero: float
    tnull: bytes | None

    @classmethod
    def from_cards(cls, cards: Cards, name: str, number: int, row_nbytes: int) -> TextCells:
        """Read what a header says of a column.

        Raises
        ------
        HeaderError
            If a keyword is missing or wrong, or the field is not all in the row.
        """
        form = cards.text(f"TFORM{number}")
        if FORMAT.fullmatch(form) is None:
            raise HeaderError(f"TFORM{number} is {form!r}; in an ASCII table it is like I10, A8, F9.3, E15.7 or D25.17")
        code, width, decimals = split_format(form)
        first = cards.integer(f"TBCOL{number}")
        if first < 1 or first - 1 + width > row_nbytes or decimals > MAX_DECIMALS:
            raise HeaderError(
                f"TBCOL{number} is {first} and TFORM{number} {form!r}; such a field is not in a row of {row_nbytes} "
                "characters, or makes no number"
            )
        tscal, tzero = (
            (1.0, 0.0) if code == "A" else (cards.real(f"TSCAL{number}", 1.0), cards.real(f"TZERO{number}", 0.0))
        )
        null = cards.get(f"TNULL{number}")
        tnull = null.strip(" ").encode("ascii", "replace") if isinstance(null, str) else None
        return cls(name, number, code, first - 1, width, decimals, tscal, tzero, tnull)

    shape = ()
    in_heap = False

    @property
    def is_text(self) -> bool:
        """Whether the fields hold characters."""
        return self.code == "A"

    @property
    def _is_unsigned(self) -> bool:
        return self.code == "I" and self.tscal == 1 and self.tzero == 1 << 63

    def dtype(self, *, scale: bool = True, as_bytes: bool = False) -> np.dtype[Any]:
        """Dtype of the values; as `Cells.dtype`."""
        if self.code == "A":
            return np.dtype(f"{'S' if as_bytes else 'U'}{max(self.width, 1)}")
        if scale and (self.tscal, self.tzero) != (1, 0):
            return np.dtype("u8" if self._is_unsigned else "f8")
        if self.code == "I":
            return np.dtype("i8")
        return np.dtype("f4" if (self.code, self.width, self.decimals) == SINGLE else "f8")

    def label(self) -> str:
        """Return the short name of the content, for ``repr``."""
        return label_of(self.dtype())

    def fields(self, out: NDArray[Any], *, scale: bool, as_bytes: bool = False) -> list[FieldArray]:
        """Return what the kernels are to do for this column; as `Cells.fields`. Numbers come as they are stored."""
        if not self.width:
            return []
        if self.code == "A":
            return [FieldArray(Field(Kind.COPY if as_bytes else Kind.TEXT, self.offset, self.width), out)]
        kind = Kind.REAL_32 if out.dtype == np.float32 else Kind.REAL_64
        if self.code == "I" and out.dtype.kind in "iu":
            kind = Kind.INTEGER
        decimals = 0 if self.code == "I" else self.decimals
        return [FieldArray(Field(kind, self.offset, self.width, null_text=self.tnull, decimals=decimals), out)]

    def finish(self, out: NDArray[Any], *, scale: bool) -> None:
        """Turn stored numbers into physical values, in place."""
        if not scale or (self.tscal, self.tzero) == (1, 0):
            return
        if self._is_unsigned:
            out += np.uint64(1 << 63)  # wraps around: the signed numbers stand in the same bits
            return
        with np.errstate(all="ignore"):  # a scale read from a file may be anything
            out *= as_float(self.tscal)
            out += as_float(self.tzero)

    def null_fields(self, mask: NDArray[np.bool_]) -> list[FieldArray]:
        """Return what the kernels are to do to mask what TNULLn says; as `Cells.null_fields`."""
        if self.tnull is None or not self.width:
            return []
        return [FieldArray(Field(Kind.NULL_TEXT, self.offset, self.width, null_text=self.tnull), mask)]
