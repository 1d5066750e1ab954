"""Values for columns of a binary table, checked: what is here can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import ELEMENT_DTYPES, run
from rustfits_tables.choice import active
from rustfits_tables.columns import CONVENTIONS, INTEGERS, SCALED, Cells, as_float, label_of, same_numbers
from rustfits_tables.fields import Fault, Field, FieldArray, Kind, Reason
from rustfits_tables.incoming import Given, array_of

Int64s = NDArray[np.int64]

DEL = 0x7F  # the last character of ASCII
CHECK_NBYTES = 1 << 20  # of rows that are looked at, at a time
TEXT_NBYTES = 128 << 10  # the same of strings: a few arrays of that size stay near


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Values for one column, as many as there are rows.

    Attributes
    ----------
    cells : Cells
        The column.
    array : (nrows, *shape) array
        What `Cells.dtype` says, perhaps of the other byte order; strings as bytes or text. Of arrays in the heap: an
        object for each cell, an array of one axis or bytes.
    nulls : (nrows, *shape) bool array or None
        Which integers are to become TNULLn.
    counts : (nrows,) int64 array or None
        Elements of each array in the heap, bits of bit arrays; None for other columns.
    """

    cells: Cells
    array: NDArray[Any]
    nulls: NDArray[np.bool_] | None = None
    counts: Int64s | None = None

    def __len__(self) -> int:
        return len(self.array)

    def fields(self) -> list[FieldArray]:
        """Return what an encoder of rows is to do; nothing for arrays in the heap."""
        if self.cells.in_heap or not prod(self.array.shape[1:]):
            return []
        fields = _fields_of(self.cells, self.array)
        if self.nulls is not None:
            fields += self.cells.null_fields(self.nulls)
        return fields

    def take(self, order: slice | Int64s) -> Values:
        """Return those of some rows, in another order."""
        return Values(
            self.cells,
            self.array[order],
            None if self.nulls is None else self.nulls[order],
            None if self.counts is None else self.counts[order],
        )


def values_of(given: Given, cells: Sequence[Cells], *, extra: bool = False, exact: bool = True) -> list[Values]:
    """Check the columns that a user gave for those of a table.

    Parameters
    ----------
    given : Given
    cells : sequence of Cells
        The columns that are to be written.
    extra : bool
        Whether other columns may be there, which are ignored.
    exact : bool
        As for `checked_values`.

    Raises
    ------
    TableError
        If a column is missing, or there is one too many, or a value cannot be written; it names the first such column.
    """
    arrays = given.ordered([one.name for one in cells], extra=extra)
    exact = exact and given.foreign is None  # the types of another library are not those of FITS
    values = [prepared(one, array, exact=exact) for one, array in zip(cells, arrays, strict=True)]
    check_texts(values)
    if given.foreign is not None:  # what is missing there is masked, so that an integer is a value
        for each in values:
            _refuse_nulls(each)
        fills = {id(given.columns[name]): null for name, null in given.foreign.nulls.items()}
        for one, array in zip(cells, arrays, strict=True):
            if fills.get(id(array), one.tnull) != one.tnull:
                raise TableError(
                    f"column {one.name!r} has arrays with missing values, and TNULL{one.column.number} is "
                    f"{'absent' if one.tnull is None else 'a number that may be among the others'}: fill them"
                )
    return values


def checked_values(cells: Cells, data: NDArray[Any], *, exact: bool = True) -> Values:
    """Check an array that is to become a column, or rows of it.

    Parameters
    ----------
    cells : Cells
        The column.
    data : (nrows, ...) array
        Perhaps masked: what is masked becomes TNULLn, NaN, or an empty string.
    exact : bool
        Whether the dtype has to be that of the column, but for its byte order. Otherwise any dtype will do whose values
        the column can hold as they are.

    Raises
    ------
    TableError
        If dtype, shape or a value does not fit.
    """
    values = prepared(cells, data, exact=exact)
    check_texts([values])
    return values


def prepared(cells: Cells, data: NDArray[Any], *, exact: bool = True) -> Values:
    """Return what `checked_values` does, but for the characters of strings, which `check_texts` has to look at."""
    if cells.in_heap:
        return _heap_values(cells, data)
    array, mask = np.ma.getdata(data), np.ma.getmask(data)
    array = np.asarray(array)
    if array.shape[1:] != cells.shape:
        raise TableError(f"column {cells.name!r} has cells of shape {cells.shape}, the input {array.shape[1:]}")
    array = _of_dtype(cells, array, exact=exact)
    nulls = None
    if mask is not np.ma.nomask and mask.any():
        array, nulls = _without_masked(cells, array, np.asarray(mask))
    values = Values(cells, _encodable(cells, array), nulls)
    _check_contents(values)
    if isinstance(data, np.ma.MaskedArray):
        _refuse_nulls(values)
    return values


def cell_value(cells: Cells, value: object) -> Values:
    """Check what is to become one cell: a number, a string, an array or list of the cell's shape; as `checked_values`.

    Raises
    ------
    TableError
        If it does not fit.
    """
    if cells.in_heap:
        one = np.empty(1, dtype=object)
        one[0] = value
        return _heap_values(cells, one)
    if value is np.ma.masked:
        value = np.ma.MaskedArray(np.zeros(cells.shape, stored_dtype(cells)), mask=True)
    try:
        cell = array_of(value)
    except ValueError as error:
        raise TableError(f"column {cells.name!r} has cells of shape {cells.shape}: {error}") from error
    return checked_values(cells, cell[None], exact=isinstance(value, np.ndarray) and cells.shape != ())


def stored_dtype(cells: Cells) -> np.dtype[Any]:
    """Return the dtype of values that a column takes: that of physical ones."""
    cells.check_scale()
    return cells.dtype()


# -- dtypes -----------------------------------------------------------------------------------------------------------


def _of_dtype(cells: Cells, array: NDArray[Any], *, exact: bool) -> NDArray[Any]:
    wanted, found = stored_dtype(cells), array.dtype
    if wanted.kind == "U":
        if found.kind not in "SU":
            raise TableError(
                f"column {cells.name!r} holds strings: expected S{cells.width} or U{cells.width}, got {found}"
            )
        width = found.itemsize // (4 if found.kind == "U" else 1)
        if width == cells.width or not exact:
            return _fitted(cells, array, width)
        _fitted(cells, array, width)  # refuses strings that would be cut
        raise TableError(
            f"column {cells.name!r} has {cells.width} chars/string: expected S{cells.width} or U{cells.width}, got "
            f"{label_of(found)}; astype('U{cells.width}') makes it so"
        )
    if found.newbyteorder("=") == wanted:
        return array
    if not exact:
        return _converted(cells, array, wanted)
    raise TableError(f"column {cells.name!r} {_holds(cells)}: expected {label_of(wanted)}, got {_label(found)}")


def _holds(cells: Cells) -> str:
    number = cells.column.number
    if cells.column.code in "LX":
        return "holds bool values"
    if cells.trivial or cells.column.code not in SCALED:
        return f"has TFORM{number} of type {cells.column.code}"
    if cells.tscal == 1 and (cells.column.code, cells.tzero) in CONVENTIONS:
        return f"holds integers by the unsigned-int trick (TZERO{number})"
    return f"is scaled by TSCAL{number} and TZERO{number}, and takes physical values"


def _label(dtype: np.dtype[Any]) -> str:
    return label_of(dtype) if dtype.kind in "biufcSU" else str(dtype)


def _fitted(cells: Cells, array: NDArray[Any], width: int) -> NDArray[Any]:
    """Return strings of the width of a column, which they must not exceed."""
    if width == cells.width:
        return array
    if width > cells.width and array.size:
        longest = int(np.strings.str_len(array).max())
        if longest > cells.width:
            raise TableError(
                f"column {cells.name!r} has {cells.width} chars/string, but the input has a string of {longest}"
            )
    return array.astype(f"{array.dtype.kind}{max(cells.width, 1)}")


def _converted(cells: Cells, array: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers of another dtype, if they are the same; floats may be rounded."""
    found = array.dtype
    if found.kind not in {"b": "b", "c": "iufc"}.get(wanted.kind, "iuf"):
        raise TableError(f"column {cells.name!r} {_holds(cells)}: expected {label_of(wanted)}, got {_label(found)}")
    with np.errstate(all="ignore"):
        converted = array.astype(wanted)
        if found.kind in "iu" or wanted.kind in "iu":
            same = same_numbers(array, converted)
        else:  # floats may be rounded
            same = np.isfinite(converted) | ~np.isfinite(array)
    if not same.all():
        value = array[~same].flat[0]
        raise TableError(
            f"column {cells.name!r} {_holds(cells)}: expected {label_of(wanted)}, which cannot hold {value}"
        )
    return converted


def _without_masked(
    cells: Cells, array: NDArray[Any], mask: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return an array with something that can be written where it is masked, and which integers become TNULLn."""
    if array.dtype.kind in "fc" and cells.trivial:
        return np.where(mask, array.dtype.type(np.nan), array), None
    if array.dtype.kind in "SU":
        return np.where(mask, array.dtype.type(""), array).astype(array.dtype), None
    if cells.column.code == "L":
        return np.where(mask, np.False_, array), mask  # a byte of zero becomes of it
    if cells.tnull is None or not cells.null_fields(mask):
        what = f"column {cells.name!r} has masked values and no TNULL{cells.column.number} that could stand for them; "
        if cells.column.code in INTEGERS:
            what += f"describe_column({cells.name!r}, null=...) sets one, or "
        raise TableError(f"{what}pass an array without mask, such as filled() gives")
    size = np.dtype(ELEMENT_DTYPES[cells.column.code]).itemsize
    least, most = (0, 255) if size == 1 else (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    if not least <= cells.tnull <= most:
        raise TableError(f"TNULL{cells.column.number} is {cells.tnull}, which column {cells.name!r} cannot hold")
    # What is stored there is TNULLn in the end; what is put there until then has to be storable: it is a stored 0.
    fill = as_float(cells.tzero) if array.dtype.kind == "f" else 0
    return np.where(mask, array.dtype.type(fill), array), mask


def _encodable(cells: Cells, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose cells are contiguous and in an order of bytes that the kernels know."""
    if not array.dtype.isnative and (cells.column.code in "A" or not cells.trivial):
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim and (array.strides[0] < 0 or not array[:1].flags.c_contiguous):
        array = array.copy()  # `ascontiguousarray` leaves a single row that goes backwards as it is
    return array


def _fields_of(cells: Cells, array: NDArray[Any]) -> list[FieldArray]:
    column, count = cells.column, prod(cells.shape)
    if column.code == "A":
        if not cells.width:
            return []
        kind = Kind.TEXT if array.dtype.kind == "U" else Kind.COPY  # their characters were looked at
        return [FieldArray(Field(kind, column.offset, cells.width, count), array)]
    if not array.dtype.isnative:  # as they lie in the file
        return [FieldArray(Field(Kind.COPY, column.offset, array.dtype.itemsize, count), array)]
    return cells.fields(array, scale=True)


# -- contents ---------------------------------------------------------------------------------------------------------


def _check_contents(values: Values) -> None:
    """Refuse strings where there is no room for any, and numbers that scaled integers or floats cannot hold."""
    cells, array = values.cells, values.array
    if cells.column.code == "A":
        if not cells.width and array.size and np.strings.str_len(array).any():
            raise TableError(f"column {cells.name!r} has 0 chars/string, but the input has strings")
    elif not cells.trivial and cells.column.code in "ED":
        _check_floats(cells, array)
    elif not cells.trivial and cells.column.code in INTEGERS and array.dtype.kind == "f":
        if cells.tscal == 0 or not np.isfinite(cells.tscal) or not np.isfinite(cells.tzero):
            raise TableError(f"column {cells.name!r} {_holds(cells)}, but no number makes such values")
        narrow = replace(cells, column=replace(cells.column, offset=0))
        nbytes, step = cells.column.nbytes, max(CHECK_NBYTES // max(cells.column.nbytes, 1), 1)
        if not nbytes or not prod(cells.shape):
            return
        encoder, raw = active().encoder(nbytes, _fields_of(narrow, array)), np.empty(step * nbytes, np.uint8)
        for first in range(0, len(array), step):
            faults = encoder.encode(raw[: min(step, len(array) - first) * nbytes], first)
            if faults:
                what = "non-finite" if faults[0].reason == Reason.NOT_FINITE else "overflow:"
                raise TableError(
                    f"column {cells.name!r}, row {first + faults[0].row}: {what} value "
                    f"{array[first + faults[0].row]}, which stored {cells.column.code} integers cannot hold"
                )


def _check_floats(cells: Cells, array: NDArray[Any]) -> None:
    """Refuse finite numbers that are none once they are stored as scaled floats."""
    zero, scale = as_float(cells.tzero), np.float64(as_float(cells.tscal))
    step = max(CHECK_NBYTES // max(array[:1].nbytes, 1), 1)
    for first in range(0, len(array), step):
        part = array[first : first + step]
        with np.errstate(all="ignore"):
            stored = ((part - zero) / scale).astype(ELEMENT_DTYPES[cells.column.code])
        odd = np.isfinite(part) & ~np.isfinite(stored)
        if odd.any():
            where = np.argwhere(odd)[0].tolist()
            raise TableError(
                f"column {cells.name!r}, row {first + where[0]}: overflow: value {part[tuple(where)]}, which floats "
                f"of type {cells.column.code} with TSCAL{cells.column.number} {cells.tscal} and "
                f"TZERO{cells.column.number} {cells.tzero} cannot hold"
            )


def _refuse_nulls(values: Values) -> None:
    """Refuse integers that are there and would be stored as TNULLn, and so be missing for who reads them.

    Plain arrays have no mask: TNULLn may be meant there, as it is what reading without mask gives; and so those of the
    heap, which are never read with a mask.
    """
    cells = values.cells
    if cells.tnull is None or cells.column.code not in INTEGERS:
        return
    found = _is_null(cells, values.array)
    if values.nulls is not None:
        found &= ~values.nulls
    if found.any():
        where, number = np.argwhere(found)[0].tolist(), cells.column.number
        raise TableError(
            f"column {cells.name!r}, row {where[0]}: the value {values.array[tuple(where)]} would be stored as "
            f"{cells.tnull}, which is TNULL{number} and means that there is none; mask it if that is meant, or give "
            f"the column another TNULL{number} by describe_column, or a wider type"
        )


def _is_null(cells: Cells, array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which numbers are stored as TNULLn."""
    if array.dtype.kind in "iu":
        return np.asarray(array == cells.tnull + (0 if cells.trivial else int(cells.tzero)))  # type: ignore[operator]
    with np.errstate(all="ignore"):
        stored = np.rint((array - as_float(cells.tzero)) / np.float64(as_float(cells.tscal)))
    null = cells.tnull
    return stored == float(null) if float(null) == null else np.zeros(array.shape, np.bool_)  # type: ignore[arg-type]


def check_texts(values: Sequence[Values]) -> None:
    """Refuse what no string of FITS may hold, in all columns at once: strings lie side by side in many arrays.

    Raises
    ------
    TableError
        It names the first column that has such a character, and the first row.
    """
    fields: list[FieldArray] = []
    owners: list[Values] = []
    offset = 0
    for each in values:
        array, width = each.array, each.cells.width
        if each.cells.column.code == "A" and width and array.size:
            count, is_unicode = prod(array.shape[1:]), array.dtype.kind == "U"
            fields.append(FieldArray(Field(Kind.TEXT if is_unicode else Kind.BYTES, offset, width, count), array))
            owners.append(each)
            offset += width * count
    if not fields:
        return
    encoder, nrows, found = active().encoder(offset, fields), len(owners[0]), list[Fault]()
    step = max(CHECK_NBYTES // offset, 1)

    def check(first: int) -> None:
        for fault in encoder.check_text(first, min(step, nrows - first)):
            found.append(replace(fault, row=first + fault.row))

    run(check, range(0, nrows, step), npixels=nrows * offset)
    if found:
        fault = min(found, key=lambda fault: (fault.field, fault.row))
        owner = owners[fault.field]
        raise _odd(owner.cells, owner.array[fault.row], fault)


def _odd(cells: Cells, value: Any, fault: Fault) -> TableError:
    """Return the error for a character that a string may not hold."""
    code = fault.value
    what = "non-ASCII" if code > DEL else "control"
    found = f"{'U+' if np.asarray(value).dtype.kind == 'U' else '0x'}{code:02X} in {value.tolist()!r}"
    return TableError(
        f"{what} character in column {cells.name!r}, row {fault.row}, at position {fault.position}: {found}; strings "
        f"of FITS are of the ASCII characters 32 to 126{'' if code else ', and end at the first NUL'}"
    )


def _heap_values(cells: Cells, data: NDArray[Any]) -> Values:
    """Check arrays for the heap, one by one."""
    if data.dtype != object or data.ndim != 1:
        raise TableError(
            f"column {cells.name!r} is variable-length: expected an object array of shape (nrows,), with one ndarray "
            f"or str for each cell, got {_label(data.dtype)} of shape {data.shape}"
        )
    if np.ma.is_masked(data):
        raise TableError(f"column {cells.name!r} is variable-length: its cells cannot be masked; pass empty ones")
    cleaned = np.ma.getdata(data)
    counts = np.zeros(len(cleaned), dtype=np.int64)
    cells.inner.check_scale()
    if cells.is_text:
        cleaned = _texts(cells, cleaned, counts)
    else:
        wanted = np.dtype(np.bool_) if cells.column.element in "LX" else cells.inner.dtype()
        for row, cell in enumerate(cleaned):
            if type(cell) is not np.ndarray or cell.ndim != 1 or cell.dtype != wanted:
                _check_array(cells, cell, wanted, row)
            counts[row] = len(cell)
    if not cells.column.nbytes and counts.any():
        raise TableError(f"column {cells.name!r} has TFORM{cells.column.number} of no descriptors: cells must be empty")
    values = Values(cells, cleaned, None, counts)
    inner = cells.inner
    if not inner.trivial and inner.column.code in SCALED and inner.dtype().kind == "f":
        for row, cell in enumerate(cleaned):
            try:
                _check_contents(Values(inner, np.ascontiguousarray(cell, dtype="f8")))
            except TableError as error:
                raise TableError(f"cell of row {row}: {error}") from error
    return values


def _check_array(cells: Cells, cell: object, wanted: np.dtype[Any], row: int) -> None:
    where = f"column {cells.name!r}, row {row}"
    if not isinstance(cell, np.ndarray):
        raise TableError(f"{where}: a cell of variable length must be a 1-D ndarray, not {type(cell).__name__}")
    if np.ma.is_masked(cell):
        raise TableError(f"{where}: values in cells of variable length cannot be masked")
    if cell.ndim != 1:
        raise TableError(f"{where}: a cell of variable length must be a 1-D ndarray, not one of shape {cell.shape}")
    if cell.dtype.newbyteorder("=") != wanted:
        raise TableError(f"{where}: VLA cell dtype must be {label_of(wanted)}, not {_label(cell.dtype)}")


def _texts(cells: Cells, data: NDArray[Any], counts: Int64s) -> NDArray[Any]:
    out = np.empty(len(data), dtype=object)
    for row, cell in enumerate(data):
        if isinstance(cell, str):
            if not cell.isascii() or not cell.isprintable():
                what = "control" if cell.isascii() else "non-ASCII"
                raise TableError(
                    f"{what} character in column {cells.name!r}, row {row}: {cell!r}; strings of FITS are of the ASCII "
                    "characters 32 to 126; bytes are written as they are"
                )
            text: bytes = cell.encode("ascii")
        elif isinstance(cell, bytes):
            text = bytes(cell)
        else:
            raise TableError(
                f"column {cells.name!r}, row {row}: a string cell must be str or bytes, not {type(cell).__name__}"
            )
        out[row], counts[row] = text, len(text)
    return out
