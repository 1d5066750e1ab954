"""The rows of a compressed image's table, to be written: one for each tile (FITS 4.0, section 10.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.bintable import ELEMENT_NBYTES, MAX_FIELDS, Column, TableLayout
from rustfits.dither import NULL_PIXEL
from rustfits.errors import HeaderError
from rustfits.zimage import COMPRESSED, GZIPPED, TileTable

Int64s = NDArray[np.int64]


def table_for(table: TileTable, *, fallback: bool) -> TileTable:
    """Return the table as it must be to hold the tiles of an image that is written anew.

    Other software leaves out the column for tiles without loss until there is one, and may keep scales in columns too
    narrow for those of new tiles.

    Parameters
    ----------
    table : TileTable
    fallback : bool
        Whether any tile of quantised floats is kept without loss.

    Raises
    ------
    HeaderError
        If there are too many columns already.
    """
    forms, quantization = {}, table.quantization
    if quantization is not None:
        places = ((quantization.scale, "D"), (quantization.zero, "D"), (quantization.null, "JK"))
        for place, codes in places:
            if isinstance(place, Column) and place.code not in codes:
                forms[place.number] = (codes[0], ELEMENT_NBYTES[codes[0]] - place.nbytes)
    adds = fallback and table.layout.column(GZIPPED) is None
    if not forms and not adds:
        return table
    cards, width = table.cards.copy(), table.layout.row_nbytes
    for number, (code, more) in forms.items():
        cards.set(f"TFORM{number}", f"1{code}")
        width += more
    if adds:
        number, pattern = len(table.layout.columns) + 1, table.layout.column(COMPRESSED)
        if number > MAX_FIELDS:
            raise HeaderError(
                f"the table has {MAX_FIELDS} columns, so that {GZIPPED}, which some tiles need, has no room"
            )
        code = "P" if pattern is None else pattern.code
        cards.set("TFIELDS", number)
        cards.set(f"TTYPE{number}", GZIPPED, "name of column", after=f"TFORM{number - 1}")
        cards.set(f"TFORM{number}", f"1{code}B", "format of column", after=f"TTYPE{number}")
        width += ELEMENT_NBYTES[code]
    cards.set("NAXIS1", width)
    return TileTable(cards, table.codec)


class TileRows:
    """All rows of a table, zero to begin with, and what the header must say of them.

    Parameters
    ----------
    layout : TableLayout

    Attributes
    ----------
    array : (nrows,) structured array
        As stored.
    cards : dict
        Keywords whose values follow from the rows.
    """

    def __init__(self, layout: TableLayout) -> None:
        self._layout = layout
        numbers = [column for column in layout.columns if column.code in "PQBIJKED"]
        self.array = np.zeros(layout.nrows, dtype=layout.row_dtype(numbers))
        self.cards: dict[str, Any] = {}
        for column in layout.columns:
            if column.descriptor:
                self._set_largest(column, 0)

    def set_descriptors(self, name: str, start: Int64s, length: Int64s) -> None:
        """Point at the tiles that are in one column.

        Parameters
        ----------
        name : str
            Of the column.
        start, length : (nrows,) int64 array
            Bytes from the start of the heap, and bytes of each tile; length 0 for a tile that is elsewhere.

        Raises
        ------
        HeaderError
            If there are such tiles, but no such column of descriptors.
        """
        column = self._layout.column(name)
        if column is None or not column.descriptor:
            if length.any():
                raise HeaderError(
                    f"the table has no column {name} of descriptors, which {int((length > 0).sum())} tiles need; "
                    "write the image as a new HDU"
                )
            return
        count = length // ELEMENT_NBYTES[column.element]
        self.array[column.name][: length.size] = np.stack([count, np.where(length > 0, start, 0)], axis=1)
        self._set_largest(column, int(count.max(initial=0)))

    def set_numbers(self, name: str, place: Column | float, values: NDArray[Any]) -> None:
        """Store one number for each tile.

        Raises
        ------
        HeaderError
            If the header has one value for all tiles, in a keyword, in place of a column.
        """
        if not isinstance(place, Column):
            raise HeaderError(f"{name} is one number for all tiles, in the header; write the image as a new HDU")
        self.array[place.name][: values.size] = values

    def set_null(self, place: Column | int) -> None:
        """Say which integer is written for pixels that have no value."""
        if isinstance(place, Column):
            self.array[place.name][...] = NULL_PIXEL
        else:
            self.cards["ZBLANK"] = NULL_PIXEL

    def _set_largest(self, column: Column, count: int) -> None:
        self.cards[f"TFORM{column.number}"] = f"1{column.code}{column.element}({count})"
