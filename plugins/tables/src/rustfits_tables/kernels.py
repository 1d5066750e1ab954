"""What kernels for the rows of tables do, in NumPy; compiled ones give the same values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits_tables.characters import read_column
from rustfits_tables.fields import (
    BITMAPS,
    OFFSETS,
    STORED,
    Bytes,
    Fault,
    Field,
    FieldArray,
    Kind,
    Reason,
    check_all,
    check_null,
)

Int64s = NDArray[np.int64]
Problem = tuple[Reason, int, int, int, int]  # reason, row, element, position, value

_BLANK, _LAST = 0x20, 0x7E  # the first and the last character of text

BLOCK_NBYTES = 1 << 19  # of rows that are done at a time: they stay in a cache, and are many for each call of NumPy


class TableKernels:
    """Kernels in NumPy, and what all kernels promise.

    Attributes
    ----------
    name : str
        What to call this set of kernels where it is shown.
    """

    name: ClassVar[str] = "numpy"

    def decoder(self, row_nbytes: int, fields: Sequence[FieldArray]) -> RowDecoder:
        """Return what turns rows into elements of arrays, for any number of fields at once.

        Parameters
        ----------
        row_nbytes : int
            NAXIS1, > 0.
        fields : sequence of FieldArray
            Filled, bit by bit as rows come.

        Raises
        ------
        ValueError
            If a field is outside of the row, or its array has other elements.
        """
        return RowDecoder(row_nbytes, fields)

    def encoder(self, row_nbytes: int, fields: Sequence[FieldArray]) -> RowEncoder:
        """Return what turns elements of arrays into rows, for any number of fields at once.

        Parameters
        ----------
        row_nbytes : int
            NAXIS1, > 0.
        fields : sequence of FieldArray
            Of other kinds than those of ASCII tables. A later one may change what an earlier one wrote: NULL and VALID
            follow the numbers.

        Raises
        ------
        ValueError
            If a field is outside of the row or cannot be written, or its array has other elements.
        """
        return RowEncoder(row_nbytes, fields)


class _Rows:
    def __init__(self, row_nbytes: int, fields: Sequence[FieldArray]) -> None:
        check_all(row_nbytes, fields)
        self.row_nbytes = row_nbytes
        self.fields = tuple(fields)

    @staticmethod
    def _flat(raw: Bytes) -> Bytes:
        if raw.dtype != np.uint8 or not raw.flags.c_contiguous:
            raise ValueError("rows must be bytes, back to back")
        return raw.reshape(-1)

    def _checked(self, raw: NDArray[np.uint8], first: int, rows: Int64s | None) -> Bytes:
        """Return the rows, one along each first axis, after a look at what the kernels will touch."""
        nrows = raw.size // self.row_nbytes
        table = self._flat(raw)[: nrows * self.row_nbytes].reshape(nrows, self.row_nbytes)
        if rows is not None and len(rows):
            if rows.dtype != np.int64:
                raise ValueError(f"numbers of rows are int64, not {rows.dtype}")
            if rows.min() < 0 or rows.max() >= nrows:
                raise ValueError(f"rows from {rows.min()} to {rows.max()} of {nrows}")
        last = first + (nrows if rows is None else len(rows))
        if first < 0 or any(last > _room(each) for each in self.fields):
            raise ValueError(f"rows from {first} to {last} do not fit the arrays")
        return table


class RowDecoder(_Rows):
    """Turns rows into elements of arrays; may be used by several threads at once, for different rows of the arrays."""

    def decode(self, raw: Bytes, first: int, rows: Int64s | None = None) -> list[Fault]:
        """Fill the arrays from some row on.

        Parameters
        ----------
        raw : uint8 array
            Rows, back to back.
        first : int
            Row of the arrays where the first of them goes. Where threads share a bitmap, 8 has to divide
            ``first * count``.
        rows : (n,) int64 array, optional
            Which of them to take; all by default.

        Returns
        -------
        list of Fault
            The first fault of every field that has one. The elements of such a field are unspecified, all others there.

        Raises
        ------
        ValueError
            If rows are not there, or the arrays have no room for them. Nothing is changed then.
        """
        table = self._checked(raw, first, rows)
        nrows, step = len(table) if rows is None else len(rows), max(BLOCK_NBYTES // self.row_nbytes, 1)
        faults: dict[int, Fault] = {}
        for begin in range(0, nrows, step):
            stop = min(begin + step, nrows)
            for number, each in enumerate(self.fields):
                field, which = each.field, slice(begin, stop) if rows is None else rows[begin:stop]
                if number in faults or field.count == 0 or (field.size == 0 and field.kind in _NOTHING):
                    continue
                cells = table[which, field.offset : field.offset + field.nbytes]
                problem = _DECODERS[field.kind](each, cells, first + begin)
                if problem is not None:
                    reason, row, *place = problem
                    faults[number] = Fault(number, reason, begin + row, *place)
        return [faults[number] for number in sorted(faults)]


class RowEncoder(_Rows):
    """Turns elements of arrays into rows; may be used by several threads at once, for different rows."""

    def __init__(self, row_nbytes: int, fields: Sequence[FieldArray]) -> None:
        super().__init__(row_nbytes, fields)
        for each in fields:
            if each.field.kind >= Kind.INTEGER:
                raise ValueError(f"{each.field.kind.name} is not encoded")
            if each.field.kind in (Kind.NULL, Kind.VALID):
                check_null(each.field)

    def encode(self, raw: Bytes, first: int, rows: Int64s | None = None) -> list[Fault]:
        """Fill the fields of rows; their other bytes stay.

        Parameters
        ----------
        raw : uint8 array
            Rows, back to back.
        first : int
            Row of the arrays that the first of them gets.
        rows : (n,) int64 array, optional
            Which of them to fill, each once; all by default.

        Returns
        -------
        list of Fault
            The first fault of every field that has one. The bytes of such a field are unspecified.

        Raises
        ------
        ValueError
            If rows are not there, or not in the arrays. Nothing is changed then.
        """
        table = self._checked(raw, first, rows)
        nrows = len(table) if rows is None else len(rows)
        which: Any = slice(None) if rows is None else rows
        faults = []
        for number, each in enumerate(self.fields):
            field = each.field
            if nrows == 0 or field.count == 0 or (field.size == 0 and field.kind in _NOTHING):
                continue
            place = which, slice(field.offset, field.offset + field.nbytes)
            cells = np.ascontiguousarray(table[place])
            problem = _ENCODERS[field.kind](each, cells, first)
            if problem is None:
                table[place] = cells
            else:
                faults.append(Fault(number, *problem))
        return faults

    def check_text(self, first: int, nrows: int) -> list[Fault]:
        """Look for what strings of fields BYTES and TEXT may not hold.

        That are all characters but those from 32 to 126 (FITS 4.0, section 7.3.3.1), and NULs behind them.

        Parameters
        ----------
        first, nrows : int
            Which rows of the arrays.

        Returns
        -------
        list of Fault
            The first of every such field that has one.
        """
        faults = []
        for number, each in enumerate(self.fields):
            field = each.field
            if field.kind in (Kind.BYTES, Kind.TEXT) and nrows and field.count and field.size:
                codes = _elements(each, first, nrows, "u1" if field.kind == Kind.BYTES else "u4")
                problem = _odd(codes.reshape(nrows, field.count, field.size))
                if problem is not None:
                    faults.append(Fault(number, *problem))
        return faults


_NOTHING = (Kind.COPY, Kind.BYTES, Kind.TEXT)  # whose elements of no bytes are nothing on both sides


def _room(each: FieldArray) -> int:
    """Rows that an array has room for."""
    field = each.field
    if field.count == 0:
        return np.iinfo(np.int64).max
    if field.kind in BITMAPS:
        return 8 * each.array.size // field.count
    if field.kind in OFFSETS:
        return (each.array.size - 1) // field.count
    return len(each.array)


def _elements(each: FieldArray, first: int, nrows: int, dtype: str) -> NDArray[Any]:
    """Return the elements of rows as (nrows, n) array of a dtype, which shares the memory."""
    return each.array[first : first + nrows, ..., None].view(dtype).reshape(nrows, -1)


# -- from rows ---------------------------------------------------------------------------------------------------------


def _copy(each: FieldArray, cells: Bytes, first: int) -> None:
    _elements(each, first, len(cells), "u1")[...] = cells


def _swap(each: FieldArray, cells: Bytes, first: int) -> None:
    size = each.field.size
    _elements(each, first, len(cells), f"u{size}")[...] = cells.view(f">u{size}")


def _flip(each: FieldArray, cells: Bytes, first: int) -> None:
    size = each.field.size
    out = _elements(each, first, len(cells), f"u{size}")
    np.bitwise_xor(cells.view(f">u{size}"), out.dtype.type(1 << (8 * size - 1)), out=out)


def _logical(each: FieldArray, cells: Bytes, first: int) -> None:
    np.equal(cells, ord("T"), out=_elements(each, first, len(cells), "?"))


def _unpacked(field: Field, cells: Bytes) -> Bytes:
    return np.unpackbits(cells, axis=1, count=field.count)


def _bits(each: FieldArray, cells: Bytes, first: int) -> None:
    _elements(each, first, len(cells), "u1")[...] = _unpacked(each.field, cells)


def _strings(field: Field, cells: Bytes) -> tuple[NDArray[np.bytes_], Problem | None]:
    """Return the strings of cells, (nrows, count), and the first byte that is not ASCII."""
    if field.size == 0:  # numpy has no strings of no bytes
        return np.zeros((len(cells), field.count), dtype="S1"), None
    text = np.ascontiguousarray(cells).reshape(len(cells), field.count, field.size)
    inner = (text[..., :-1] == 0) & (text[..., 1:] != 0)
    if inner.any():
        text = np.where(np.logical_or.accumulate(text == 0, axis=-1), np.uint8(0), text)
    stripped = np.strings.rstrip(text.view(f"S{field.size}")[..., 0], b" ")
    return stripped, _foreign(stripped.view(np.uint8).reshape(len(cells), field.count, field.size))


def _foreign(codes: NDArray[Any]) -> Problem | None:
    if not codes.size or codes.max() <= 0x7F:
        return None
    row, element, position = np.argwhere(codes > 0x7F)[0].tolist()
    return Reason.FOREIGN, row, element, position, int(codes[row, element, position])


def _odd(codes: NDArray[Any]) -> Problem | None:
    """Return the first character that a string of FITS may not hold."""
    odd = codes - codes.dtype.type(_BLANK) > _LAST - _BLANK  # what is below wraps around
    if not odd.any():
        return None
    odd &= ~np.logical_and.accumulate(codes[..., ::-1] == 0, axis=-1)[..., ::-1]
    if not odd.any():
        return None
    row, element, position = np.argwhere(odd)[0].tolist()
    return Reason.FOREIGN, row, element, position, int(codes[row, element, position])


def _bytes(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    strings, problem = _strings(each.field, cells)
    _elements(each, first, len(cells), "u1")[...] = strings.view(np.uint8).reshape(len(cells), -1)
    return problem


def _text(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    strings, problem = _strings(each.field, cells)
    _elements(each, first, len(cells), "u4")[...] = strings.view(np.uint8).reshape(len(cells), -1)
    return problem


def _scaled(each: FieldArray, cells: Bytes, first: int) -> None:
    field, out = each.field, _elements(each, first, len(cells), "f8")
    with np.errstate(all="ignore"):  # a scale read from a file may be anything
        np.multiply(cells.view(STORED[field.kind]).astype(np.float64), field.scale, out=out)
        out += field.zero


def _is_null(field: Field, cells: Bytes) -> NDArray[np.bool_]:
    stored = cells if field.size == 1 else cells.view(f">i{field.size}")
    return np.equal(stored, field.null)


def _null(each: FieldArray, cells: Bytes, first: int) -> None:
    _elements(each, first, len(cells), "?")[...] = _is_null(each.field, cells)


def _bitmap(each: FieldArray, cells: Bytes, first: int) -> None:
    field = each.field
    if field.kind == Kind.LOGICAL_BITMAP:
        bits = cells == ord("T")
    elif field.kind == Kind.BITS_BITMAP:
        bits = _unpacked(field, cells).view(np.bool_)
    else:
        bits = ~_is_null(field, cells)
    begin, stop = first * field.count, (first + len(cells)) * field.count
    whole = each.array[begin // 8 : -(-stop // 8)]
    kept = np.unpackbits(whole, bitorder="little")  # the bits around ours stay
    kept[begin % 8 : begin % 8 + bits.size] = bits.reshape(-1)
    whole[...] = np.packbits(kept, bitorder="little")


def _utf8(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    field, offsets, text = each.field, each.array, _text_of(each)
    strings, problem = _strings(field, cells)
    if problem is not None:
        return problem
    begin, stop = first * field.count, (first + len(cells)) * field.count
    at, room = int(offsets[begin]), min(text.size, np.iinfo(offsets.dtype).max)
    if not 0 <= at <= room:
        return Reason.OFFSETS, 0, 0, 0, at
    lengths = np.strings.str_len(strings.reshape(-1))
    ends = at + np.cumsum(lengths)
    if ends[-1] > room:
        number = int(np.argmax(ends > room))
        return Reason.NO_ROOM, *divmod(number, field.count), 0, int(lengths[number])
    offsets[begin + 1 : stop + 1] = ends
    letters = strings.view(np.uint8).reshape(lengths.size, strings.itemsize)
    text[at : ends[-1]] = letters[np.arange(strings.itemsize) < lengths[:, None]]
    return None


def _text_of(each: FieldArray) -> Bytes:
    assert each.text is not None  # check_all has seen it
    return each.text


def _texts(cells: Bytes) -> list[bytes]:
    width, whole = cells.shape[1], cells.tobytes()
    return [whole[begin : begin + width] for begin in range(0, len(cells) * width, width)] if width else []


def _number(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    dtype = {Kind.INTEGER: "i8", Kind.REAL_32: "f4"}.get(each.field.kind, "f8")
    out = _elements(each, first, len(cells), dtype)[:, 0]
    out[...] = 0
    problem = read_column(_texts(cells), each.field, out)
    return None if problem is None else (*problem, 0, 0, 0)


def _null_text(each: FieldArray, cells: Bytes, first: int) -> None:
    null = each.field.null_text
    out = _elements(each, first, len(cells), "?")[:, 0]
    out[...] = null == b""
    for row, text in enumerate(_texts(cells)):
        out[row] = text.strip(b" ") == null


Decode = Callable[[FieldArray, Bytes, int], "Problem | None"]
_DECODERS: dict[Kind, Decode] = {
    Kind.COPY: _copy,
    Kind.SWAP: _swap,
    Kind.FLIP: _flip,
    Kind.LOGICAL: _logical,
    Kind.BITS: _bits,
    Kind.BYTES: _bytes,
    Kind.TEXT: _text,
    Kind.NULL: _null,
    Kind.NULL_TEXT: _null_text,
    **dict.fromkeys(STORED, _scaled),
    **dict.fromkeys(BITMAPS, _bitmap),
    **dict.fromkeys(OFFSETS, _utf8),
    **dict.fromkeys((Kind.INTEGER, Kind.REAL_32, Kind.REAL_64), _number),
}


# -- into rows: cells are changed in place -----------------------------------------------------------------------------


def _put_copy(each: FieldArray, cells: Bytes, first: int) -> None:
    cells[...] = _elements(each, first, len(cells), "u1")


def _put_swapped(each: FieldArray, cells: Bytes, first: int) -> None:
    size = each.field.size
    cells.view(f">u{size}")[...] = _elements(each, first, len(cells), f"u{size}")


def _put_flipped(each: FieldArray, cells: Bytes, first: int) -> None:
    size = each.field.size
    numbers = _elements(each, first, len(cells), f"u{size}")
    cells.view(f">u{size}")[...] = numbers ^ numbers.dtype.type(1 << (8 * size - 1))


def _put_logical(each: FieldArray, cells: Bytes, first: int) -> None:
    cells[...] = np.where(_elements(each, first, len(cells), "u1") != 0, ord("T"), ord("F"))


def _put_bits(each: FieldArray, cells: Bytes, first: int) -> None:
    cells[...] = np.packbits(_elements(each, first, len(cells), "u1") != 0, axis=1)


def _put_text(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    field = each.field
    codes = _elements(each, first, len(cells), "u1" if field.kind == Kind.BYTES else "u4")
    cells[...] = codes.astype(np.uint8)
    return _foreign(codes.reshape(len(cells), field.count, field.size))


def _put_scaled(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    field, stored = each.field, cells.view(STORED[each.field.kind])
    values = _elements(each, first, len(cells), "f8")
    with np.errstate(all="ignore"):
        numbers = (values - field.zero) / np.float64(field.scale)
        if stored.dtype.kind == "f":
            stored[...] = numbers
            return None
        numbers = np.rint(numbers)
        limits = np.iinfo(stored.dtype)
        fits = (numbers >= limits.min) & (numbers < float(limits.max + 1))
    finite = np.isfinite(values)
    if not (fits & finite).all():
        row, element = np.argwhere(~(fits & finite))[0].tolist()
        return Reason.RANGE if finite[row, element] else Reason.NOT_FINITE, row, element, 0, 0
    stored[...] = numbers
    return None


def _bits_of(each: FieldArray, first: int, nrows: int) -> NDArray[np.bool_]:
    count = each.field.count
    begin, nbits = first * count, nrows * count
    bits = np.unpackbits(each.array[begin // 8 : -(-(begin + nbits) // 8)], bitorder="little")
    return bits[begin % 8 : begin % 8 + nbits].view(np.bool_).reshape(nrows, count)


def _put_null(each: FieldArray, cells: Bytes, first: int) -> None:
    field = each.field
    if field.kind == Kind.NULL:
        null = _elements(each, first, len(cells), "u1") != 0
    else:
        null = ~_bits_of(each, first, len(cells))
    cells.view("u1" if field.size == 1 else f">i{field.size}")[null] = field.null


def _put_bitmap(each: FieldArray, cells: Bytes, first: int) -> None:
    bits = _bits_of(each, first, len(cells))
    cells[...] = np.where(bits, ord("T"), ord("F")) if each.field.kind == Kind.LOGICAL_BITMAP else np.packbits(bits, 1)


def _put_utf8(each: FieldArray, cells: Bytes, first: int) -> Problem | None:
    field, text = each.field, _text_of(each)
    begin, nstrings = first * field.count, len(cells) * field.count
    offsets = each.array[begin : begin + nstrings + 1].astype(np.int64)
    starts, stops = offsets[:-1], offsets[1:]
    bad = (starts < 0) | (stops < starts) | (stops > text.size)
    good = int(np.argmax(bad)) if bad.any() else nstrings
    lengths = (stops - starts)[:good]
    fitting = int(np.argmax(lengths > field.size)) if (lengths > field.size).any() else good
    inside = np.arange(field.size) < lengths[:fitting, None]
    letters = cells.reshape(nstrings, field.size)
    letters[:fitting] = 0
    span = text[starts[0] : stops[fitting - 1]] if fitting else text[:0]
    letters[:fitting][inside] = span
    foreign = _foreign(letters[:fitting].reshape(fitting, 1, field.size))
    if foreign is not None:
        return Reason.FOREIGN, *divmod(foreign[1], field.count), *foreign[3:]
    if fitting < good:
        return Reason.TOO_LONG, *divmod(fitting, field.count), 0, int(lengths[fitting])
    return None if good == nstrings else (Reason.OFFSETS, *divmod(good, field.count), 0, int(stops[good]))


_ENCODERS: dict[Kind, Decode] = {
    Kind.COPY: _put_copy,
    Kind.SWAP: _put_swapped,
    Kind.FLIP: _put_flipped,
    Kind.LOGICAL: _put_logical,
    Kind.BITS: _put_bits,
    Kind.BYTES: _put_text,
    Kind.TEXT: _put_text,
    Kind.NULL: _put_null,
    Kind.VALID: _put_null,
    Kind.LOGICAL_BITMAP: _put_bitmap,
    Kind.BITS_BITMAP: _put_bitmap,
    **dict.fromkeys(STORED, _put_scaled),
    **dict.fromkeys(OFFSETS, _put_utf8),
}
