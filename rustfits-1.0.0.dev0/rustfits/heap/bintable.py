"""How the rows of a binary table are laid out (FITS 4.0, section 7.3): columns, their bytes and the heap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rustfits.errors import HeaderError
from rustfits.header.cards import Cards
from rustfits.limits import MAX_FIELDS, MAX_ROW_NBYTES

# Bytes of one element of each type, and its dtype as stored (FITS 4.0, table 18); X counts bits.
ELEMENT_NBYTES = {
    "L": 1,
    "X": 1,
    "B": 1,
    "I": 2,
    "J": 4,
    "K": 8,
    "A": 1,
    "E": 4,
    "D": 8,
    "C": 8,
    "M": 16,
    "P": 8,
    "Q": 16,
}
ELEMENT_DTYPES = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
DESCRIPTOR_DTYPES = {"P": ">i4", "Q": ">i8"}

# Some writers leave out the 1 of "1PB", or the maximum in brackets; blanks around it all are common.
_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(.*)", re.DOTALL)
_ELEMENT = re.compile(r"([LXBIJKAEDCM])\s*(?:\(\s*(\d+)\s*\))?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a binary table.

    Attributes
    ----------
    number : int
        From 1, as in TFORMn.
    name : str
        TTYPEn without blanks at its end, or ``COLn``.
    code : str
        Letter of TFORMn; P and Q are descriptors of 32 and 64 bits.
    repeat : int
        Elements of a cell; bits for X.
    element : str
        Letter of what descriptors point at; empty for other columns.
    offset, nbytes : int
        Where the cell lies in a row.
    """

    number: int
    name: str
    code: str
    repeat: int
    element: str
    offset: int
    nbytes: int

    @property
    def descriptor(self) -> bool:
        """Whether the cells are descriptors of arrays in the heap."""
        return self.code in DESCRIPTOR_DTYPES

    def cell_dtype(self) -> tuple[Any, ...] | str:
        """Return the dtype of a cell as stored: numbers big-endian, descriptors as (count, offset) pairs.

        Raises
        ------
        HeaderError
            If the column holds no numbers.
        """
        kind = DESCRIPTOR_DTYPES.get(self.code) or ELEMENT_DTYPES.get(self.code)
        if kind is None:
            raise HeaderError(f"column {self.name!r} (TFORM{self.number}) has type {self.code}, which holds no numbers")
        if self.descriptor:
            return (kind, (2,))
        return kind if self.repeat == 1 else (kind, (self.repeat,))


@dataclass(frozen=True)
class TableLayout:
    """The shape of a table's data unit.

    Attributes
    ----------
    row_nbytes, nrows : int
        NAXIS1 and NAXIS2.
    heap_start, heap_nbytes : int
        The heap, in bytes from the start of the data unit. It reaches from THEAP to the end of the data unit.
    columns : tuple of Column
    """

    row_nbytes: int
    nrows: int
    heap_start: int
    heap_nbytes: int
    columns: tuple[Column, ...]

    @classmethod
    def from_cards(cls, cards: Cards, columns: tuple[Column, ...] | None = None) -> TableLayout:
        """Read the layout from a header.

        Parameters
        ----------
        cards : Cards
        columns : tuple of Column, optional
            Those of `columns_in`, if they are known.

        Raises
        ------
        HeaderError
            If a keyword is missing or wrong, or the columns do not fit into a row.
        """
        row_nbytes, nrows, pcount = cards.count("NAXIS1"), cards.count("NAXIS2"), cards.count("PCOUNT", 0)
        columns = columns_in(cards) if columns is None else columns
        nbytes = sum([column.nbytes for column in columns])
        if nbytes > row_nbytes:
            raise HeaderError(f"the columns take {nbytes} bytes a row, but NAXIS1 is {row_nbytes}")
        table_nbytes = row_nbytes * nrows
        heap_start = cards.integer("THEAP", table_nbytes)
        if not table_nbytes <= heap_start <= table_nbytes + pcount:
            raise HeaderError(
                f"THEAP is {heap_start}; the heap must start after the table of {table_nbytes} bytes, and within the "
                f"data unit of {table_nbytes + pcount}"
            )
        return cls(row_nbytes, nrows, heap_start, table_nbytes + pcount - heap_start, columns)

    def put_into(self, cards: Cards) -> None:
        """Write the numbers of rows and bytes into a header, in the cards that say something else.

        THEAP is there only where the heap does not follow the table at once.
        """
        table_nbytes = self.row_nbytes * self.nrows
        pcount = self.heap_start + self.heap_nbytes - table_nbytes
        for keyword, value in (("NAXIS1", self.row_nbytes), ("NAXIS2", self.nrows), ("PCOUNT", pcount)):
            if cards.get(keyword) != value:
                cards.set(keyword, value)
        known = "THEAP" in cards
        if self.heap_start == table_nbytes:
            if known:
                cards.remove("THEAP")
        elif not known or cards.get("THEAP") != self.heap_start:
            cards.set("THEAP", self.heap_start, None if known else "start of the heap, in bytes", after="TFIELDS")

    @property
    def table_nbytes(self) -> int:
        """Bytes of all rows."""
        return self.row_nbytes * self.nrows

    @property
    def nbytes(self) -> int:
        """Bytes of the data unit."""
        return self.heap_start + self.heap_nbytes

    def row_dtype(self, columns: Sequence[Column]) -> np.dtype[Any]:
        """Return the structured dtype of a row as stored, of which only ``columns`` are looked at.

        Raises
        ------
        HeaderError
            If one of them holds no numbers, or a row is longer than numpy can handle.
        """
        if self.row_nbytes > MAX_ROW_NBYTES:
            raise HeaderError(f"NAXIS1 is {self.row_nbytes}; rows of more than {MAX_ROW_NBYTES} bytes cannot be read")
        return np.dtype(
            {
                "names": [column.name for column in columns],
                "formats": [column.cell_dtype() for column in columns],
                "offsets": [column.offset for column in columns],
                "itemsize": self.row_nbytes,
            }
        )


def columns_in(cards: Cards) -> tuple[Column, ...]:
    """Return the columns that a header describes.

    Raises
    ------
    HeaderError
        If a keyword is missing or wrong.
    """
    columns: list[Column] = []
    offset = 0
    for number in column_numbers(cards):
        columns.append(column_of(cards, number, offset))
        offset += columns[-1].nbytes
    return tuple(columns)


def column_numbers(cards: Cards) -> range:
    """Return the numbers of the columns, from 1; `HeaderError` if TFIELDS cannot be theirs."""
    ncolumns = cards.count("TFIELDS")
    if ncolumns > MAX_FIELDS:
        raise HeaderError(f"TFIELDS is {ncolumns}; a table has at most {MAX_FIELDS} columns")
    return range(1, ncolumns + 1)


def label_in(cards: Cards, number: int) -> str:
    """Return the name of a column, TTYPEn without blanks at its end; ``COLn`` where there is none."""
    name = cards.get(f"TTYPE{number}")
    return (name.rstrip(" ") if isinstance(name, str) else "") or f"COL{number}"


def by_name(columns: Sequence[Column]) -> dict[str, Column]:
    """Return columns by their names, in upper case; of equal names the first column is meant."""
    return {column.name.upper(): column for column in reversed(columns)}


def column_of(cards: Cards, number: int, offset: int) -> Column:
    """Return column ``number``, from 1, whose cells lie at byte ``offset`` of a row.

    What follows the letter of TFORMn is not looked at but for descriptors (FITS 4.0, section 7.3.1).

    Raises
    ------
    HeaderError
        If TFORMn is missing or wrong.
    """
    form = cards.text(f"TFORM{number}")
    found = _TFORM.match(form)
    if found is None:
        raise HeaderError(f"TFORM{number} is {form!r}; it must be a count and one of the letters LXBIJKAEDCMPQ")
    repeat, code = int(found[1] or 1), found[2]
    element = ""
    if code in DESCRIPTOR_DTYPES:
        inner = _ELEMENT.match(found[3])
        if inner is None or repeat > 1:
            raise HeaderError(f"TFORM{number} is {form!r}; descriptors look like '1{code}B(100)' (FITS 4.0, 7.3.5)")
        element = inner[1]
    nbytes = -(-repeat // 8) if code == "X" else repeat * ELEMENT_NBYTES[code]
    return Column(number, label_in(cards, number), code, repeat, element, offset, nbytes)
