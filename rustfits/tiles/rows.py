"""The rows of a compressed image's table, to be written: one for each tile (FITS 4.0, section 10.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import HeaderError
from rustfits.heap.bintable import ELEMENT_NBYTES, Column, TableLayout
from rustfits.quantize.dither import NULL_PIXEL
from rustfits.tiles.zimage import TileTable

Int64s = NDArray[np.int64]


def with_wide_columns(table: TileTable) -> TileTable:
    """Return the table with room in its columns for the numbers of any tile; the same if they have it.

    Only for an image that is written anew as a whole. Other software may keep scales in single precision, in which the
    origin of a tile with nulls is hundreds of quanta off, or nulls in 16 bits.
    """
    quantization, cards = table.quantization, table.cards.copy()
    if quantization is None:
        return table
    nbytes = table.layout.row_nbytes
    for place, codes in ((quantization.scale, "D"), (quantization.zero, "D"), (quantization.null, "JK")):
        if isinstance(place, Column) and place.code not in codes:
            cards.set(f"TFORM{place.number}", f"1{codes[0]}")
            nbytes += ELEMENT_NBYTES[codes[0]] - place.nbytes
    if nbytes == table.layout.row_nbytes:
        return table
    cards.set("NAXIS1", nbytes)
    # For the time being the heap follows the table, as far as these cards say.
    cards.set("PCOUNT", table.layout.heap_nbytes)
    if "THEAP" in cards:
        cards.remove("THEAP")
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
