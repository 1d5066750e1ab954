"""Columns of new ASCII tables: from dtypes and formats to the cards of a header (FITS 4.0, section 7.2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rustfits import TableError, limits
from rustfits.plugin import AnyTableHDU, Cards, NewHDU, TableUnit, name_entries
from rustfits_tables.schema import NewField, by_name, check_names, fields_of
from rustfits_tables.text import FORMAT, split_format

FORMS = {"i": "I20", "u": "I20", "f4": "E15.7", "f8": "D25.17"}
LETTERS = {"i": "I", "u": "I", "f": "FED", "S": "A", "U": "A"}
PIECE_NBYTES = 1 << 20  # of blanks
UNSIGNED_ZERO = 1 << 63  # the characters are those of signed numbers


@dataclass(frozen=True, slots=True)
class AsciiColumn:
    """A column as the header will have it.

    Attributes
    ----------
    name : str
    form : str
        TFORMn.
    zero : int or None
        TZEROn.
    unit : str or None
        TUNITn.
    """

    name: str
    form: str
    zero: int | None = None
    unit: str | None = None

    @property
    def width(self) -> int:
        """Characters of a field."""
        return split_format(self.form)[1]

    def entries(self, number: int, offset: int) -> list[tuple[str, object]]:
        """Return the cards of the column of a number, whose field begins at ``offset``, from 0."""
        cards = {"TTYPE": self.name, "TBCOL": offset + 1, "TFORM": self.form, "TZERO": self.zero, "TUNIT": self.unit}
        return [(f"{key}{number}", value) for key, value in cards.items() if value is not None]


def ascii_columns(
    fields: Sequence[NewField], units: Mapping[str, str] | None, formats: Mapping[str, str] | None
) -> list[AsciiColumn]:
    """Return the columns of a new table.

    Raises
    ------
    TableError
        If a field cannot be a column, two have one name, or a unit or a format is for none of them or does not fit.
    TypeError
        If a unit or a format is no str.
    """
    check_names([one.name for one in fields])
    said = {"units": by_name("units", units, fields), "formats": by_name("formats", formats, fields)}
    for argument, words in said.items():
        for name, word in words.items():
            if not isinstance(word, str):
                raise TypeError(f"{argument}= of column {name!r} must be a str, not {word!r}")
    return [_column(one, said["units"].get(one.name), said["formats"].get(one.name)) for one in fields]


def _column(one: NewField, unit: str | None, form: str | None) -> AsciiColumn:
    dtype, name = one.dtype, one.name
    if one.shape:
        raise TableError(
            f"column {name!r} is a subarray of shape {one.shape}; a field of an ASCII table holds one value"
        )
    if dtype.kind not in LETTERS or dtype == np.int8 or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        raise TableError(
            f"column {name!r} is of dtype {dtype}; an ASCII table holds i2, i4, i8, u1, u2, u4, u8, f4, f8 and strings"
        )
    width = dtype.itemsize // {"U": 4, "S": 1}.get(dtype.kind, 1)
    if dtype.kind in "SU" and not width:
        raise TableError(f"column {name!r} has zero-length strings ({dtype}); give them a width, such as 'U8'")
    if form is None:
        form = f"A{width}" if dtype.kind in "SU" else FORMS.get(dtype.kind, FORMS.get(dtype.str[1:], ""))
    found = FORMAT.fullmatch(form)
    if found is None or not int(found[2]):
        raise TableError(f"formats= has {form!r} for column {name!r}; it must be like I10, A8, F9.3, E15.7 or D25.17")
    if found[1] not in LETTERS[dtype.kind]:
        raise TableError(
            f"formats= has {form!r} for column {name!r}, which is incompatible with {dtype}: its letter may be "
            f"{' or '.join(LETTERS[dtype.kind])}"
        )
    return AsciiColumn(name, form.strip(), UNSIGNED_ZERO if dtype.kind == "u" else None, unit)


def created(
    dtype: Any,
    nrows: int,
    *,
    extname: str | None = None,
    extver: int | None = None,
    units: Mapping[str, str] | None = None,
    formats: Mapping[str, str] | None = None,
) -> NewHDU:
    """Return an ASCII table of blanks; the arguments are those of `FITS.create_ascii_table_hdu`.

    Raises
    ------
    TableError
        If there can be no such table.
    TypeError
        If an argument has the wrong type.
    """
    columns = ascii_columns(fields_of(dtype), units, formats)
    if not isinstance(nrows, int | np.integer) or isinstance(nrows, bool) or nrows < 0:
        raise TableError(f"nrows must be >= 0, an int, not {nrows!r}")
    offsets = [0, *np.cumsum([column.width for column in columns]).tolist()]
    if offsets[-1] > limits.MAX_ROW_NBYTES:
        raise TableError(f"rows would have {offsets[-1]} bytes; there can be at most {limits.MAX_ROW_NBYTES}")
    head: list[tuple[Any, ...]] = [
        ("XTENSION", "TABLE", "ASCII table"),
        ("BITPIX", 8, "characters"),
        ("NAXIS", 2, "rows of characters"),
        ("NAXIS1", offsets[-1], "characters in a row"),
        ("NAXIS2", int(nrows), "number of rows"),
        ("PCOUNT", 0, "no heap"),
        ("GCOUNT", 1, "one group"),
        ("TFIELDS", len(columns), "number of columns"),
        *name_entries(extname, extver),
    ]
    for number, (column, offset) in enumerate(zip(columns, offsets, strict=False), start=1):
        head += column.entries(number, offset)

    def fill(hdu: AnyTableHDU) -> None:
        unit, piece, nbytes = TableUnit(hdu), b" " * PIECE_NBYTES, int(nrows) * offsets[-1]
        for start in range(0, nbytes, PIECE_NBYTES):
            unit.write(start, piece[: nbytes - start])
        unit.fill_with_blanks()

    return NewHDU(Cards.build(head), fill)
