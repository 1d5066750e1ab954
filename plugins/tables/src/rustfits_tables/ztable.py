"""What the header of a compressed table says (FITS 4.0, section 10.3): the table that it was, its tiles and codecs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import FitsError, HeaderError, TableError, limits
from rustfits.plugin import ELEMENT_DTYPES, Cards, Column, TableLayout, TileCodec, codec_class
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells, ColumnFacts

Int64s = NDArray[np.int64]

BYTE = np.dtype(np.uint8)
DEFAULT_CODEC = "GZIP_2"  # without ZCTYPn, as CFITSIO has it
PAIR_NBYTES = 16  # of the descriptor of a compressed array: two integers of 64 bits


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """A column, and how its tiles are compressed.

    Attributes
    ----------
    cells : Cells
        Of the table as it was.
    stored : Column
        Of the table on disk, whose cells are descriptors of the tiles.
    codec : TileCodec
    element : dtype
        What the codec sees, native byte order: numbers, or bytes where it does not matter. For a column of arrays in
        the heap, those of the arrays.
    """

    cells: Cells
    stored: Column
    codec: TileCodec
    element: np.dtype[Any]

    @property
    def number(self) -> int:
        """Of the column, from 1."""
        return self.cells.column.number

    @property
    def nbytes(self) -> int:
        """Bytes of a row in a decoded tile: of arrays in the heap the two descriptors that are stored for each."""
        nbytes = self.cells.column.nbytes
        return nbytes + PAIR_NBYTES if self.cells.in_heap else nbytes


class CompressedFacts(ColumnFacts):
    """What the header of a compressed table says of the table that it was made from, and of its tiles."""

    @cached_property
    def seen(self) -> Cards:
        """The cards of the table as it was; without TFORMn where ZFORMn is missing: it is that of descriptors."""
        table = super().seen
        for number in range(1, self.cards.count("TFIELDS") + 1):
            if f"ZFORM{number}" not in self.cards and f"TFORM{number}" in table:
                table.remove(f"TFORM{number}")
        return table

    @cached_property
    def nrows(self) -> int:
        """ZNAXIS2."""
        found = self.seen.count("NAXIS2")
        if found > limits.MAX_NBYTES:
            raise HeaderError(f"ZNAXIS2 is {found}; no file has so many rows")
        return found

    @cached_property
    def layout(self) -> TableLayout:
        """The table on disk, which has a row for every tile; `HeaderError` if it has not, or is malformed."""
        layout = TableLayout.from_cards(self.cards)
        if layout.nrows < self.ntiles:
            raise HeaderError(
                f"NAXIS2 is {layout.nrows}, but a table of {self.nrows} rows has {self.ntiles} tiles of "
                f"{self.ztilelen} rows"
            )
        return layout

    @cached_property
    def ztilelen(self) -> int:
        """Rows of every tile but perhaps the last, the keyword ZTILELEN; all rows if it is absent."""
        found = self.cards.integer("ZTILELEN", max(self.nrows, 1))
        if not 1 <= found <= limits.MAX_NBYTES:
            raise HeaderError(f"ZTILELEN is {found}; a tile has one row at least")
        return found

    @property
    def tile_nrows(self) -> int:
        """Rows of the first tile."""
        return min(self.ztilelen, max(self.nrows, 1))

    @property
    def ntiles(self) -> int:
        """Tiles that the rows make."""
        return -(-self.nrows // self.tile_nrows)

    def nrows_of(self, tiles: Int64s) -> Int64s:
        """Return the rows of each tile."""
        return np.minimum(self.tile_nrows, self.nrows - tiles * self.tile_nrows)

    @property
    def algorithms(self) -> dict[str, str]:
        """ZCTYPn of each column, by its name."""
        return dict(zip(self.colnames, map(self._algorithm, self.numbers), strict=True))

    def _algorithm(self, number: int) -> str:
        said = self.cards.get(f"ZCTYP{number}")
        return DEFAULT_CODEC if said is None else str(said).strip()

    @cached_property
    def _found(self) -> Sequence[AnyCells | FitsError]:
        found = list(super()._found)
        for index, number in enumerate(self.numbers):
            if f"ZFORM{number}" not in self.cards:  # TFORMn is that of the descriptors
                found[index] = HeaderError(f"the keyword ZFORM{number} is missing: it says what column {number} holds")
        return found

    @cached_property
    def _coded(self) -> dict[int, CodedColumn | FitsError]:
        return {}

    def coded(self, cells: AnyCells) -> CodedColumn:
        """Return how the tiles of a column are compressed.

        Raises
        ------
        HeaderError
            If the table on disk is malformed, or ZCTYPn is no text.
        TableError
            If the codec cannot hold such a column.
        CodecNotInstalled, PluginError
            If there is no such codec.
        """
        assert isinstance(cells, Cells)
        known = self._coded.get(cells.column.number)
        if known is None:
            try:
                known = self._coded_of(cells)
            except FitsError as error:
                known = error
            self._coded[cells.column.number] = known
        if isinstance(known, FitsError):
            raise copy(known)
        return known

    def _coded_of(self, cells: Cells) -> CodedColumn:
        number = cells.column.number
        stored = self.layout.columns[number - 1]
        if not stored.descriptor:
            raise HeaderError(
                f"TFORM{number} is {self.cards.get(f'TFORM{number}')!r}; a compressed column has descriptors "
                "of its tiles, 1QB"
            )
        codec = codec_class(self.cards.text(f"ZCTYP{number}", DEFAULT_CODEC))()
        return CodedColumn(cells, stored, codec, element_for(cells, codec))


def element_for(cells: Cells, codec: TileCodec) -> np.dtype[Any]:
    """Return the dtype of the numbers that a codec sees of a column, native byte order.

    Raises
    ------
    TableError
        If it cannot hold them.
    """
    column = cells.column
    letter = column.element or column.code
    if codec.tile_ndim is not None or not codec.negative:
        raise TableError(f"column {cells.name!r} is compressed with {codec.zcmptype}, which is image-only")
    if codec.bytewise:
        return BYTE
    element = np.dtype(ELEMENT_DTYPES.get(letter, "u1")).newbyteorder("=")
    if element.kind == "c":
        # CFITSIO shuffles the bytes of complex numbers in the heap if they have 8 of them, and those of no others.
        element = np.dtype(np.int64) if column.descriptor and letter == "C" else BYTE
    if element.str[1:] not in codec.pixel_dtypes:
        raise TableError(f"column {cells.name!r} holds {element}, which {codec.zcmptype} cannot: ZCTYP{column.number}")
    return element
