"""Tiles that are encoded, on their way to the rows and the heap of their table (FITS 4.0, section 10.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.batch import EncodedTiles
from rustfits.errors import HeaderError, NotSupported
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.heap.bintable import Column
from rustfits.heap.writer import HeapWriter, Run
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile
from rustfits.tiles.zimage import SOURCES, CompressedSnapshot, TileTable

Int64s = NDArray[np.int64]


class NewTiles:
    """Tiles of one image that are to be written, and the numbers and keywords that go with them.

    Parameters
    ----------
    snapshot : CompressedSnapshot
        The image as it is, or, if it is written anew, as it will be.
    writer : HeapWriter
        Of its table; takes the tiles.
    anew : bool
        Whether nothing is kept of the image as it is.

    Raises
    ------
    NotSupported
        If null pixels are in masks of their own.
    """

    def __init__(self, snapshot: CompressedSnapshot, writer: HeapWriter, *, anew: bool = False) -> None:
        if snapshot.table.null_mask is not None:
            raise NotSupported(
                "an image with a column NULL_PIXEL_MASK cannot be changed: its masks would be of other pixels; write "
                "what read() gives as a new image"
            )
        self._snapshot, self._known = snapshot, not anew
        self.writer = writer
        self._changes: dict[str, Any] = {}

    def add_columns(self, snapshot: CompressedSnapshot) -> None:
        """Take over the columns of a table that is as that of the image, but may have more of them at the end."""
        self._snapshot, self._known = snapshot, False
        self.writer.add_columns(snapshot.layout)

    def set_keywords(self, changes: dict[str, Any]) -> None:
        """Change keywords too."""
        self._changes |= changes

    def set_numbers(self, name: str, holder: Column | float, rows: Int64s, values: NDArray[Any]) -> None:
        """Store one number in each of some rows.

        Raises
        ------
        HeaderError
            If the header has one value for all tiles, in a keyword, in place of a column.
        """
        if not isinstance(holder, Column):
            raise HeaderError(f"{name} is one number for all tiles, in the header; write the image as a new HDU")
        self.writer.put(holder, rows, values)

    def complete(self, cards: Cards) -> Cards:
        """Return the header of a new image, from one that says everything else; errors as `HeapWriter.complete`."""
        return self.writer.complete(self._changed(cards))

    def write(self, file: OpenFile, extent: Extent, state: HeaderState) -> None:
        """Make the changes; inside `changing`.

        Raises
        ------
        TruncatedFile, HeaderError, ImageError, FitsIOError
            As `HeapWriter.write`.
        """
        # Without another keyword all that is known of image and tiles holds.
        after = self._snapshot.with_layout if self._known and not self._changes else None
        self.writer.write(file, extent, state, self._changed(self._snapshot.cards), after)

    def _changed(self, cards: Cards) -> Cards:
        if not self._changes:
            return cards
        cards = cards.copy()
        for keyword, value in self._changes.items():
            cards.set(keyword, value)
        return cards


def run_of(table: TileTable, source: int, rows: Int64s, tiles: EncodedTiles) -> Run | None:
    """Return tiles on their way to the column that one of `SOURCES` names; None if there is neither tile nor column.

    Raises
    ------
    HeaderError
        If there are tiles, but no such column.
    """
    column = table.sources[source]
    if column is not None:
        return Run(column, rows, tiles.data, tiles.length)
    if tiles.length.any():
        raise HeaderError(
            f"the table has no column {SOURCES[source]} of descriptors, which {int((tiles.length > 0).sum())} tiles "
            "need; write the image as a new HDU"
        )
    return None
