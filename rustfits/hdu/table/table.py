"""Tables: what they hold, and the columns of binary ones as numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TableError
from rustfits.hdu.base import HDU
from rustfits.hdu.table.ascii_facts import AsciiTableFacts
from rustfits.hdu.table.columns import Cells
from rustfits.hdu.table.facts import TableFacts
from rustfits.hdu.table.members import TableMembers
from rustfits.hdu.table.rows import RowReader, select_rows
from rustfits.header.cards import Cards
from rustfits.storage.reread import repeated


class TableHDU(TableMembers, HDU):
    """A binary table (FITS 4.0, section 7.3).

    Columns of fixed width are read: numbers, logicals, bits, strings, and arrays of them. Those whose arrays lie in
    the heap are listed and kept, and cannot be read yet.
    """

    label: ClassVar[str] = "BINARY_TBL"
    _kind: ClassVar[str] = "BINARY_TBL"
    _noun: ClassVar[str] = "a binary table"

    @property
    def shape(self) -> tuple[int]:
        """``(nrows,)``, the shape of what `read` gives."""
        return (self.nrows,)

    @repeated
    def read(
        self,
        *,
        rows: slice | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Read rows of fixed-width columns.

        Parameters
        ----------
        rows : slice or sequence of int, optional
            Row numbers from 0, negative ones from the end; of equal ones the first is kept. All rows by default.
        columns : sequence of str, optional
            Names, in whatever case; all columns by default.
        scale : bool
            Whether to return physical values, ``TZERO + TSCAL * stored``: exact integers for the unsigned and
            signed-byte conventions, f8 for other scalings. False returns the stored numbers.
        mask_null : bool
            Not supported yet.

        Returns
        -------
        (nrows,) structured array
            A field per column, in the order asked for; native byte order. An array in a cell has numpy order, TDIMn
            reversed; strings are cut at a NUL and have no blanks at the end.

        Raises
        ------
        TableError
            If a column is unknown or named twice, no row is selected, or a string is not ASCII.
        RowIndexError
            If a row number is out of range.
        HeaderError
            If the columns do not make up a row.
        NotSupported
            If a column's arrays lie in the heap, or with ``mask_null``.
        FitsIOError
            If the bytes cannot be read; `TruncatedFile` if they are not there.
        """
        with self._reading:
            if mask_null:
                raise self._refuse("masking by TNULL", "compare the values of read(scale=False) with TNULLn")
            cells = self._facts.chosen(columns)
            for one in cells:
                if one.column.descriptor:
                    instead = "pass columns= without it"
                    raise self._refuse(f"reading the variable-length column {one.column.name!r}", instead)
            return self._read(cells, self._facts.dtype(cells, scale=scale), rows, scale)

    @repeated
    def read_column(
        self,
        name: str,
        *,
        rows: slice | Sequence[int] | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Read one column as a plain array.

        Parameters
        ----------
        name : str
            In whatever case.
        as_bytes : bool
            Whether to return the strings of a character column as they are stored, dtype "S".
        rows, scale, mask_null
            As in `read`.

        Returns
        -------
        (nrows, ...) array

        Raises
        ------
        TypeError
            If ``name`` is no str.
        TableError
            With ``as_bytes``, if the column holds no characters; otherwise as `read`.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r}")
        if not as_bytes:
            values = self.read(rows=rows, columns=[name], scale=scale, mask_null=mask_null)
            column: NDArray[Any] = np.ascontiguousarray(values[values.dtype.names[0]])  # type: ignore[index]
            return column
        with self._reading:
            (cells,) = self._facts.chosen([name])
            if cells.column.code != "A":
                raise TableError(f"as_bytes=True needs a character column; {cells.column.name!r} holds {cells.dtype()}")
            dtype = np.dtype([(cells.column.name, f"S{max(cells.width, 1)}", cells.shape)])
            return np.ascontiguousarray(self._read([cells], dtype, rows, scale)[cells.column.name])

    def _read(self, cells: Sequence[Cells], dtype: np.dtype[Any], rows: object, scale: bool) -> NDArray[Any]:
        wanted = select_rows(rows, self.nrows)
        reader = RowReader(self._file.storage, self._extent.data_start, self._facts.cards.integer("NAXIS1"))
        reader.check(wanted)
        out = np.empty(len(wanted), dtype)
        reader.read(wanted, cells, out, scale=scale)
        return out


class CompressedTableHDU(TableHDU):
    """A binary table whose columns are compressed in tiles of rows (FITS 4.0, section 10.3).

    What the header says is the table as it was before; its data cannot be read yet.
    """

    _kind: ClassVar[str] = "BINARY_TBL (compressed)"
    _noun: ClassVar[str] = "a compressed table"

    def _table_cards(self, cards: Cards) -> Cards:
        table = cards.copy()
        pairs = [("ZNAXIS1", "NAXIS1"), ("ZNAXIS2", "NAXIS2"), ("ZPCOUNT", "PCOUNT")]
        pairs += [(f"ZFORM{number}", f"TFORM{number}") for number in range(1, min(cards.integer("TFIELDS"), 999) + 1)]
        for source, target in pairs:
            if source in cards:
                table.set(target, cards.get(source))
        if "THEAP" in table:
            table.remove("THEAP")  # of the table on disk
        return table

    @property
    def n_tiles(self) -> int:
        """Number of tiles, each of `ztile_rows` rows."""
        return self._state.cards.integer("NAXIS2")

    @property
    def ztile_rows(self) -> int:
        """Rows of a tile, the keyword ZTILELEN; the last tile may have fewer."""
        return self._state.cards.integer("ZTILELEN", self.nrows)

    @property
    def compression(self) -> dict[str, str]:
        """Algorithm of each column, by its name: the keywords ZCTYPn."""
        cards = self._state.cards
        return {name: str(cards.get(f"ZCTYP{number}")) for number, name in enumerate(self.colnames, start=1)}

    read, read_column = TableMembers.read, TableMembers.read_column  # which refuse

    def _more_lines(self, facts: TableFacts) -> list[str]:
        cards = self._state.cards_anyhow
        codecs = (f"{name}={cards.get(f'ZCTYP{n}')}" for n, name in enumerate(facts.colnames, start=1))
        return [
            f"  tiles: {cards.get('NAXIS2')}",
            f"  rows per tile: {cards.get('ZTILELEN')}",
            f"  compression: {', '.join(codecs)}",
        ]


class AsciiTableHDU(TableMembers, HDU):
    """A table of characters (FITS 4.0, section 7.2); what its header says, its data cannot be read yet."""

    label: ClassVar[str] = "ASCII_TBL"
    _kind: ClassVar[str] = "ASCII_TBL"
    _noun: ClassVar[str] = "an ASCII table"
    _facts_class: ClassVar[type[TableFacts]] = AsciiTableFacts

    @property
    def formats(self) -> dict[str, str]:
        """TFORMn of each column, by its name."""
        return dict(zip(self.colnames, map(self._state.cards.text, self._form_keywords), strict=True))

    @property
    def _form_keywords(self) -> list[str]:
        return [f"TFORM{number}" for number in self._facts.numbers]
