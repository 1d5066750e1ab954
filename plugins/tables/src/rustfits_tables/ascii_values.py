"""Values for columns of an ASCII table, as the characters of their fields: what is here can be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits_tables.characters import format_column
from rustfits_tables.columns import as_float, same_numbers
from rustfits_tables.fields import Bytes, Reason
from rustfits_tables.incoming import array_of
from rustfits_tables.text import TextCells

Int64s = NDArray[np.int64]
BLANK, LAST = 0x20, 0x7E  # the characters that an ASCII table may hold (FITS 4.0, section 7.2.3)


@dataclass(frozen=True, slots=True, eq=False)
class AsciiValues:
    """Fields of one column.

    Attributes
    ----------
    cells : TextCells
        The column.
    characters : (nrows, width) uint8 array
    """

    cells: TextCells
    characters: Bytes

    def __len__(self) -> int:
        return len(self.characters)

    def take(self, order: slice | Int64s) -> AsciiValues:
        """Return those of some rows, in another order."""
        return AsciiValues(self.cells, self.characters[order])


def checked_text(cells: Any, data: NDArray[Any], *, exact: bool = True, masked: bool = False) -> AsciiValues:
    """Check an array that is to become a column, or rows of it, and return its characters.

    Parameters
    ----------
    cells : TextCells
        The column.
    data : (nrows,) array
        Perhaps masked: TNULLn is written where it is, or blanks in a column of characters.
    exact : bool
        Whether a column of floats takes no integers.
    masked : bool
        Whether what is missing is masked, if it has a mask or not: no other number may look like TNULLn then.

    Raises
    ------
    TableError
        If dtype, shape or a value does not fit.
    """
    array, mask = np.asarray(np.ma.getdata(data)), np.ma.getmaskarray(data)
    if array.ndim != 1:
        raise TableError(
            f"column {cells.name!r} has one value in a field; the input has cells of shape {array.shape[1:]}"
        )
    nulls = mask if mask.any() else None
    if cells.code == "A":
        characters = _texts(cells, array, nulls)
    else:
        characters = _numbers(cells, _stored(cells, array, nulls, exact=exact))
        if nulls is not None:
            characters[nulls] = _null_field(cells)
        if masked or isinstance(data, np.ma.MaskedArray):
            _refuse_nulls(cells, array, characters, nulls)
    return AsciiValues(cells, characters)


def text_cell(cells: Any, value: object) -> AsciiValues:
    """Check what is to become one field; as `checked_text`.

    Raises
    ------
    TableError
        If it does not fit.
    """
    if value is np.ma.masked:
        value = np.ma.MaskedArray(np.zeros((), cells.dtype()), mask=True)
    cell = array_of(value)
    if cell.ndim:
        raise TableError(f"column {cells.name!r} has one value in a field; the input has the shape {cell.shape}")
    return checked_text(cells, cell[None], exact=False)


def _texts(cells: TextCells, array: NDArray[Any], nulls: NDArray[np.bool_] | None) -> Bytes:
    if array.dtype.kind not in "SU":
        raise TableError(
            f"column {cells.name!r} holds strings: expected S{cells.width} or U{cells.width}, got {array.dtype}"
        )
    text = array.dtype.kind == "U"
    width = array.dtype.itemsize // (4 if text else 1)
    codes = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).view("u4" if text else "u1")
    codes = codes.reshape(len(array), width) if width else np.zeros((len(array), 0), np.uint8)
    if nulls is not None:
        codes = np.where(nulls[:, None], 0, codes)
    filled = np.where(np.logical_and.accumulate(codes[:, ::-1] == 0, axis=1)[:, ::-1], BLANK, codes)
    odd = (filled < BLANK) | (filled > LAST)
    if odd.any():
        row, position = np.argwhere(odd)[0].tolist()
        raise TableError(
            f"non-ASCII or control character in column {cells.name!r}, row {row}, position {position}: "
            f"{array[row].tolist()!r}"
        )
    if width > cells.width and (filled[:, cells.width :] != BLANK).any():
        row = int(np.argwhere((filled[:, cells.width :] != BLANK).any(axis=1))[0, 0])
        raise TableError(f"column {cells.name!r}, row {row}: {array[row].tolist()!r} does not fit {_form(cells)}")
    out = np.full((len(array), cells.width), BLANK, np.uint8)
    shared = min(width, cells.width)
    out[:, :shared] = filled[:, :shared]
    if nulls is not None and cells.tnull is not None:
        out[nulls] = _null_field(cells)
    return out


def _stored(cells: TextCells, array: NDArray[Any], nulls: NDArray[np.bool_] | None, *, exact: bool) -> NDArray[Any]:
    """Return the numbers that stand in the fields, int64 or float64."""
    wanted = cells.dtype()
    if array.dtype.kind not in ("iu" if wanted.kind in "iu" else "f" if exact else "iuf"):
        raise TableError(
            f"column {cells.name!r} has TFORM{cells.number} {_form(cells)}: expected {wanted}, got {array.dtype}"
        )
    values = array if nulls is None else np.where(nulls, array.dtype.type(0), array)
    if wanted.kind == "u":
        if (values < 0).any():
            raise _range(cells, array, values < 0)
        return (values.astype(np.uint64) ^ np.uint64(1 << 63)).view(np.int64)
    if wanted.kind == "i":
        if array.dtype == np.uint64 and (values > np.iinfo(np.int64).max).any():
            raise _range(cells, array, values > np.iinfo(np.int64).max)
        return values.astype(np.int64)
    numbers = values.astype(np.float64)
    if array.dtype.kind in "iu" and not (same := same_numbers(values, numbers)).all():
        row = int(np.argmin(same))
        raise TableError(
            f"column {cells.name!r}, row {row}: {array[row]} does not fit: no float of 64 bits has its value"
        )
    if wanted == np.float32:  # who reads the field has no more
        with np.errstate(all="ignore"):
            odd = np.isinf(numbers.astype(np.float32)) & np.isfinite(numbers)
        if odd.any():
            raise _range(cells, array, odd)
    if (cells.tscal, cells.tzero) == (1, 0):
        return numbers
    with np.errstate(all="ignore"):
        numbers = (numbers - as_float(cells.tzero)) / np.float64(as_float(cells.tscal))
    if cells.code != "I":
        return numbers
    numbers = np.rint(numbers)
    odd = ~(np.abs(numbers) < 2.0**63)  # NaN too
    if odd.any():
        raise _range(cells, array, odd)
    return numbers.astype(np.int64)


def _numbers(cells: TextCells, numbers: NDArray[Any]) -> Bytes:
    characters, fault = format_column(numbers, cells.code, cells.width, cells.decimals)
    if fault is not None:
        what = f"does not fit {_form(cells)}"
        if fault.reason != Reason.RANGE:
            null = f"TNULL{cells.number}"
            what = "cannot be written: fields of ASCII tables hold numbers (FITS 4.0, section 7.2.5); " + (
                f"numpy.ma.masked_invalid(...) makes it {null}, {cells.tnull.decode()!r}"
                if cells.tnull is not None
                else f"masked values become {null}, which describe_column({cells.name!r}, null='---') sets"
            )
        raise TableError(f"column {cells.name!r}, row {fault.row}: {numbers[fault.row]} {what}")
    return characters


def _refuse_nulls(cells: TextCells, array: NDArray[Any], characters: Bytes, nulls: NDArray[np.bool_] | None) -> None:
    if cells.tnull is None or len(cells.tnull) > cells.width:
        return
    found = np.strings.strip(characters.view(f"S{cells.width}")[:, 0]) == cells.tnull
    if nulls is not None:
        found &= ~nulls
    if found.any():
        row, number = int(np.argmax(found)), cells.number
        raise TableError(
            f"column {cells.name!r}, row {row}: the value {array[row]} would be stored as {cells.tnull.decode()!r}, "
            f"which is TNULL{number} and means that there is none; mask it if that is meant, or give the column "
            f"another TNULL{number} by describe_column"
        )


def _null_field(cells: TextCells) -> Bytes:
    if cells.tnull is None:
        raise TableError(
            f"column {cells.name!r} has masked values and no TNULL{cells.number} that could stand for them; "
            f"describe_column({cells.name!r}, null='---') sets one, or pass an array without mask, as filled() gives"
        )
    if len(cells.tnull) > cells.width:
        raise TableError(f"TNULL{cells.number} is {cells.tnull.decode()!r}, which does not fit {_form(cells)}")
    return np.frombuffer(cells.tnull.ljust(cells.width), np.uint8)


def _form(cells: TextCells) -> str:
    return f"{cells.code}{cells.width}" + (f".{cells.decimals}" if cells.code in "FED" else "")


def _range(cells: TextCells, array: NDArray[Any], odd: NDArray[np.bool_]) -> TableError:
    row = int(np.argmax(odd))
    return TableError(
        f"column {cells.name!r}, row {row}: {array[row]} does not fit: it is beyond the range of its type"
    )
