"""Columns of fixed width: what the bytes of their cells mean (FITS 4.0, sections 7.3.2 to 7.3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TableError
from rustfits.header.cards import Cards
from rustfits.heap.bintable import ELEMENT_DTYPES, Column

Bytes = NDArray[np.uint8]

# TZERO that makes a type of other range, with TSCAL 1 (FITS 4.0, table 19).
CONVENTIONS: dict[tuple[str, float], str] = {
    ("B", -(1 << 7)): "i1",
    ("I", 1 << 15): "u2",
    ("J", 1 << 31): "u4",
    ("K", 1 << 63): "u8",
}
SCALABLE = "BIJKED"

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
    """

    column: Column
    shape: tuple[int, ...]
    width: int
    tscal: float
    tzero: float

    @classmethod
    def from_cards(cls, cards: Cards, column: Column) -> Cells:
        """Read TDIMn, TSCALn and TZEROn of a column.

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
        if column.code in SCALABLE or column.code in "CM" or column.descriptor:
            tscal = cards.real(f"TSCAL{number}", 1.0)
            tzero = cards.real(f"TZERO{number}", 0.0)
        return cls(column, shape, width, tscal, tzero)

    @property
    def trivial(self) -> bool:
        """Whether stored values are the physical ones."""
        return self.tscal == 1 and self.tzero == 0

    def dtype(self, *, scale: bool = True) -> np.dtype[Any]:
        """Dtype of the elements of a cell, in native byte order; object for arrays in the heap.

        Parameters
        ----------
        scale : bool
            Whether they are physical values.
        """
        code = self.column.code
        if self.column.descriptor:
            return np.dtype(object)
        if code in "LX":
            return np.dtype(np.bool_)
        if code == "A":
            return np.dtype(f"U{max(self.width, 1)}")  # numpy has no strings that are always empty
        if scale and not self.trivial and code in SCALABLE:
            return np.dtype(CONVENTIONS.get((code, self.tzero), "f8") if self.tscal == 1 else "f8")
        return np.dtype(ELEMENT_DTYPES[code]).newbyteorder("=")

    def decode(self, raw: Bytes, out: NDArray[Any], rows: NDArray[np.int64], *, scale: bool) -> None:
        """Turn the bytes of one column into its values.

        Parameters
        ----------
        raw : (nrows, column.nbytes) uint8 array
            As in the rows of the table; any strides.
        out : (nrows, *shape) array of `dtype`
            Filled; strings are returned as they are stored if its dtype is "S".
        rows : (nrows,) int64 array
            Their numbers in the table, from 0; for errors.
        scale : bool
            Whether to give physical values.

        Raises
        ------
        TableError
            If a string holds bytes that are not ASCII, or a complex column is scaled.
        """
        code, nrows = self.column.code, raw.shape[0]
        count = prod(self.shape) * (self.width if code == "A" else 1)  # TDIMn may leave the last elements out
        if code == "L":
            out[...] = (raw[:, :count] == ord("T")).reshape(out.shape)
        elif code == "X":
            bits = np.unpackbits(raw, axis=1, count=count)
            out[...] = bits.reshape(out.shape)
        elif code == "A" and not self.width:
            out[...] = b"" if out.dtype.kind == "S" else ""
        elif code == "A":
            text = np.ascontiguousarray(raw[:, :count]).reshape(nrows, *self.shape, self.width)
            out[...] = text.view(out.dtype)[..., 0] if out.dtype.kind == "S" else self._decode_text(text, rows)
        else:
            element = np.dtype(ELEMENT_DTYPES[code])
            stored = np.ascontiguousarray(raw[:, : count * element.itemsize]).view(element).reshape(out.shape)
            self._scale(stored, out, scale)

    def _scale(self, stored: NDArray[Any], out: NDArray[Any], scale: bool) -> None:
        if not scale or self.trivial:
            out[...] = stored
        elif self.column.code in "CM":
            raise TableError(
                f"column {self.column.name!r} is complex and has TSCAL{self.column.number} or "
                f"TZERO{self.column.number}; pass scale=False for the stored values"
            )
        elif out.dtype.kind == "f":
            with np.errstate(all="ignore"):  # a scale read from a file may be anything
                out[...] = stored.astype(np.float64) * self.tscal + self.tzero
        else:
            # Adding half the range flips the highest bit, which is exact where floats of 64 bits are not.
            out[...] = stored
            bits = np.dtype(f"u{out.itemsize}")
            flipped = out.view(bits) ^ bits.type(1 << (8 * out.itemsize - 1))
            out[...] = flipped.view(out.dtype)

    def _decode_text(self, text: Bytes, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return strings without what follows a NUL and without blanks at their end."""
        cut = text.copy()
        cut[np.logical_or.accumulate(text == 0, axis=-1)] = 0
        foreign = np.argwhere(cut > 0x7F)
        if foreign.size:
            row, *_, position = foreign[0].tolist()
            raise TableError(
                f"non-ASCII byte 0x{cut[tuple(foreign[0])]:02X} at position {position} of column "
                f"{self.column.name!r}, row {rows[row]}; read_column({self.column.name!r}, as_bytes=True) returns bytes"
            )
        fill = (cut == 0) | (cut == ord(" "))
        cut[np.logical_and.accumulate(fill[..., ::-1], axis=-1)[..., ::-1]] = 0
        codes: NDArray[Any] = cut.astype(np.uint32).view(f"U{self.width}")
        return codes[..., 0]


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
