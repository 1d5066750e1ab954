"""Tables: what they hold, and the columns of binary ones as numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import TableError
from rustfits.hdu.table.base import AnyTableHDU
from rustfits.hdu.table.columns import Cells
from rustfits.hdu.table.facts import AsciiTableFacts, CompressedTableFacts, TableFacts
from rustfits.hdu.table.rows import RowReader, select_rows
from rustfits.heap.bintable import TableLayout
from rustfits.storage.reread import repeated


class TableHDU(AnyTableHDU):
    """A binary table (FITS 4.0, section 7.3).

    Columns of fixed width are read: numbers, logicals, bits, strings, and arrays of them. Those whose arrays lie in
    the heap are listed and kept, and cannot be read yet.
    """

    label: ClassVar[str] = "BINARY_TBL"
    _kind: ClassVar[str] = "BINARY_TBL"
    _noun: ClassVar[str] = "a binary table"

    def _check_header(self) -> None:
        TableLayout.from_cards(self._state.cards)  # of the table as it lies in the file, compressed or not

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
    _facts_class: ClassVar[type[TableFacts]] = CompressedTableFacts

    @property
    def _facts(self) -> CompressedTableFacts:
        """What the cards say now."""
        facts: CompressedTableFacts = self._state.snapshot
        return facts

    @property
    def n_tiles(self) -> int:
        """Number of tiles, each of `ztile_rows` rows."""
        return self._facts.ntiles

    @property
    def ztile_rows(self) -> int:
        """Rows of a tile, the keyword ZTILELEN; the last tile may have fewer."""
        return self._facts.tile_nrows

    @property
    def compression(self) -> dict[str, str]:
        """Algorithm of each column, by its name: the keywords ZCTYPn."""
        return self._facts.algorithms

    read, read_column = AnyTableHDU.read, AnyTableHDU.read_column  # which refuse

    def _more_lines(self, facts: Any) -> list[str]:
        return [
            f"  tiles: {facts.cards.get('NAXIS2')}",
            f"  rows per tile: {facts.cards.get('ZTILELEN')}",
            f"  compression: {', '.join(f'{name}={algorithm}' for name, algorithm in facts.algorithms.items())}",
        ]


class AsciiTableHDU(AnyTableHDU):
    """A table of characters (FITS 4.0, section 7.2); what its header says, its data cannot be read yet."""

    label: ClassVar[str] = "ASCII_TBL"
    _kind: ClassVar[str] = "ASCII_TBL"
    _noun: ClassVar[str] = "an ASCII table"
    _facts_class: ClassVar[type[TableFacts]] = AsciiTableFacts

    @property
    def formats(self) -> dict[str, str]:
        """TFORMn of each column, by its name."""
        facts = self._facts
        return {
            name: facts.seen.text(f"TFORM{number}") for name, number in zip(facts.colnames, facts.numbers, strict=True)
        }
