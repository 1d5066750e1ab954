"""What the kernels are told of a field, and what they tell of a value that it cannot hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Kind(IntEnum):
    """What the elements of a cell are in a row and in an array; numbers are those of ``c/rows.h``.

    Arrays of numbers have native byte order. A bitmap is a uint8 array that begins with the lowest bit of a byte; that
    of row ``r`` and element ``k`` is bit ``r * count + k``.

    Attributes
    ----------
    COPY
        ``size`` bytes, as they are.
    SWAP
        Big-endian numbers of 2, 4 or 8 bytes; complex ones are two each.
    FLIP
        Integers of 1, 2, 4 or 8 bytes with the highest bit inverted: the unsigned types, and signed bytes (FITS 4.0,
        table 19).
    LOGICAL
        Bool; only ``T`` is true. False is written as ``F``.
    BITS
        Bool; bits, the highest of a byte first. Those behind the last are written as 0.
    BYTES
        Strings, dtype ``S{size}``, cut at the first NUL and without blanks at their end. Any string is written, with
        NUL behind it.
    TEXT
        The same, dtype ``U{size}``.
    SCALED_U1, SCALED_I2, SCALED_I4, SCALED_I8, SCALED_F4, SCALED_F8
        float64: ``stored * scale + zero``. Integers are rounded half to even when they are written.
    NULL
        Bool, whether an integer of ``size`` bytes is ``null``, which is written where it is true.
    VALID
        A bitmap of those that are not ``null``, which is written where there is no bit.
    LOGICAL_BITMAP, BITS_BITMAP
        As LOGICAL and BITS; bitmaps.
    UTF8_32, UTF8_64
        As BYTES; int32 or int64 offsets into a uint8 array ``text``, one more than strings. Rows are decoded one after
        another: the offset of the first is there already, at first 0. What lies in ``text`` behind the last is
        unspecified. Strings are written as they are.
    INTEGER
        int64; ``size`` characters of a decimal integer, 0 of blanks and of ``null_text``. Not written.
    REAL_32, REAL_64
        float32 and float64, correctly rounded; ``size`` characters of a decimal number, 0 of blanks and of
        ``null_text``. A number without a point has ``decimals`` digits after it. Not written.
    NULL_TEXT
        Bool, whether ``size`` characters without blanks around them are ``null_text``. Not written.
    """

    COPY = 0
    SWAP = 1
    FLIP = 2
    LOGICAL = 3
    BITS = 4
    BYTES = 5
    TEXT = 6
    SCALED_U1 = 7
    SCALED_I2 = 8
    SCALED_I4 = 9
    SCALED_I8 = 10
    SCALED_F4 = 11
    SCALED_F8 = 12
    NULL = 13
    VALID = 14
    LOGICAL_BITMAP = 15
    BITS_BITMAP = 16
    UTF8_32 = 17
    UTF8_64 = 18
    INTEGER = 19
    REAL_32 = 20
    REAL_64 = 21
    NULL_TEXT = 22


BITMAPS = (Kind.VALID, Kind.LOGICAL_BITMAP, Kind.BITS_BITMAP)
OFFSETS = {Kind.UTF8_32: np.dtype(np.int32), Kind.UTF8_64: np.dtype(np.int64)}
STORED = {
    Kind.SCALED_U1: ">u1",
    Kind.SCALED_I2: ">i2",
    Kind.SCALED_I4: ">i4",
    Kind.SCALED_I8: ">i8",
    Kind.SCALED_F4: ">f4",
    Kind.SCALED_F8: ">f8",
}
_SIZES = {
    Kind.SWAP: (2, 4, 8),
    Kind.FLIP: (1, 2, 4, 8),
    Kind.LOGICAL: (1,),
    Kind.LOGICAL_BITMAP: (1,),
    Kind.NULL: (1, 2, 4, 8),
    Kind.VALID: (1, 2, 4, 8),
    **{kind: (np.dtype(stored).itemsize,) for kind, stored in STORED.items()},
}
MAX_DECIMALS = 1000


class Reason(IntEnum):
    """What is wrong with a value; all but the last as in ``c/rows.h``."""

    FOREIGN = 1  # a byte or code point, `value`, is not ASCII
    NO_ROOM = 2  # `text` has no room for the string
    TOO_LONG = 3  # `value` bytes of text, more than a cell has
    OFFSETS = 4  # offsets descend, or lie outside of `text`
    NOT_FINITE = 5  # no integer stands for it
    RANGE = 6  # beyond the range of numbers of that type
    UNREADABLE = 7  # characters that are no number


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a row.

    Attributes
    ----------
    kind : Kind
    offset : int
        First byte of the cell in a row.
    size : int
        Bytes of an element in a row; characters of a string; not used for bits.
    count : int
        Elements of a cell; 1 for the kinds of ASCII tables.
    scale, zero : float
    null : int
        Of 64 bits. One that ``size`` bytes cannot hold is no element's, and cannot be written.
    null_text : bytes or None
        Without blanks around it.
    decimals : int
        At most `MAX_DECIMALS`.
    """

    kind: Kind
    offset: int
    size: int = 1
    count: int = 1
    scale: float = 1.0
    zero: float = 0.0
    null: int = 0
    null_text: bytes | None = None
    decimals: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of a cell in a row."""
        return -(-self.count // 8) if self.kind in (Kind.BITS, Kind.BITS_BITMAP) else self.size * self.count

    @property
    def element_nbytes(self) -> int:
        """Bytes of an element in an array; 0 for bitmaps and offsets."""
        kind = self.kind
        if kind in BITMAPS or kind in OFFSETS:
            return 0
        if kind in (Kind.COPY, Kind.SWAP, Kind.FLIP, Kind.BYTES):
            return self.size
        if kind in (Kind.LOGICAL, Kind.BITS, Kind.NULL, Kind.NULL_TEXT):
            return 1
        return {Kind.TEXT: 4 * self.size, Kind.REAL_32: 4}.get(kind, 8)

    def check(self, row_nbytes: int) -> None:
        """Refuse what makes no sense in a row.

        Raises
        ------
        ValueError
            If the cell is not all in the row, or a number is out of range.
        """
        if self.offset < 0 or self.size < 0 or self.count < 0 or self.offset + self.nbytes > row_nbytes:
            raise ValueError(f"{self} is outside of a row of {row_nbytes} bytes")
        if self.size not in _SIZES.get(self.kind, (self.size,)):
            raise ValueError(f"{self}: a {self.kind.name} has elements of {_SIZES[self.kind]} bytes")
        if not -(1 << 63) <= self.null < 1 << 63:
            raise ValueError(f"{self}: a null of more than 64 bits")
        if self.kind >= Kind.INTEGER and (self.count != 1 or not 0 <= self.decimals <= MAX_DECIMALS):
            raise ValueError(f"{self}: a {self.kind.name} is one element, of at most {MAX_DECIMALS} decimals")


@dataclass(frozen=True, slots=True, eq=False)
class FieldArray:
    """A field, and the array that holds its elements.

    Attributes
    ----------
    field : Field
    array : ndarray
        ``(nrows, *shape)``, of whatever dtype has as many bytes as all elements of a cell; cells are contiguous, rows
        may lie apart. A bitmap or offsets: one axis, contiguous.
    text : (nbytes,) uint8 array or None
        What offsets point into.
    """

    field: Field
    array: NDArray[Any]
    text: Bytes | None = None

    def check(self, row_nbytes: int) -> None:
        """Refuse an array that does not go with the field.

        Raises
        ------
        ValueError
            If it has other elements, gaps between them, or no axis for rows; or a field is outside of the row.
        """
        field, array = self.field, self.array
        field.check(row_nbytes)
        if field.kind in BITMAPS or field.kind in OFFSETS:
            wanted = OFFSETS.get(field.kind, np.dtype(np.uint8))
            if array.ndim != 1 or array.dtype != wanted or not array.flags.c_contiguous:
                raise ValueError(f"a {field.kind.name} needs a contiguous {wanted} array of one axis")
            if field.kind in OFFSETS and (self.text is None or self.text.dtype != np.uint8):
                raise ValueError(f"a {field.kind.name} needs a uint8 array of text")
            return
        if array.ndim < 1 or array[:1].nbytes != field.element_nbytes * field.count * min(1, len(array)):
            raise ValueError(f"cells of {field} do not fit {array.dtype} cells of shape {array.shape[1:]}")
        if not array[:1].flags.c_contiguous or array.strides[0] < 0:
            raise ValueError(f"an array of strides {array.strides}; cells must be contiguous, rows in their order")


@dataclass(frozen=True, slots=True)
class Fault:
    """The first value of a field that cannot be had.

    Attributes
    ----------
    field : int
        Which one, of those that the decoder or encoder has.
    reason : Reason
    row : int
        Of the call, from 0.
    element : int
        Of the cell, from 0.
    position, value : int
        Place in the string, and what stands there; see `Reason`.
    """

    field: int
    reason: Reason
    row: int
    element: int = 0
    position: int = 0
    value: int = 0


def check_null(field: Field) -> None:
    """Refuse a null that cannot be written: of one byte it is from 0 on, of more it has a sign."""
    least, most = (0, 255) if field.size == 1 else (-(1 << 8 * field.size - 1), (1 << 8 * field.size - 1) - 1)
    if not least <= field.null <= most:
        raise ValueError(f"{field}: the null must be from {least} to {most}")


def check_all(row_nbytes: int, fields: Sequence[FieldArray]) -> None:
    """Refuse fields that are outside of a row or their arrays; errors as `FieldArray.check`."""
    if row_nbytes < 1:
        raise ValueError(f"rows of {row_nbytes} bytes hold nothing")
    for each in fields:
        each.check(row_nbytes)
