"""Compressed tables as users hold them: tiles on disk, rows to the user (FITS 4.0, section 10.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rustfits import NotSupported
from rustfits.plugin import DataUnit, TableFacts, TileCache
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells
from rustfits_tables.rows import Rows, Target, select_rows
from rustfits_tables.subsets import (
    ColumnSubset,
    CompressedColumnSubset,
    CompressedSingleColumnSubset,
    SingleColumnSubset,
)
from rustfits_tables.tables import ReadableTableHDU, TableHDU
from rustfits_tables.ztable import CompressedFacts
from rustfits_tables.ztable_tiles import TileRows


class CompressedTableHDU(TableHDU):
    """A binary table whose columns are compressed in tiles of rows (FITS 4.0, section 10.3).

    Reading decodes those tiles of those columns that are asked for. Decoded tiles are kept, up to `tile_cache_size`
    bytes. The header is that of the table of tiles; everything else is of the table as it was before.
    """

    _kind: ClassVar[str] = "BINARY_TBL (compressed)"
    _noun: ClassVar[str] = "a compressed table"
    _facts_class: ClassVar[type[TableFacts]] = CompressedFacts
    _column_class: ClassVar[type[SingleColumnSubset]] = CompressedSingleColumnSubset
    _columns_class: ClassVar[type[ColumnSubset]] = CompressedColumnSubset

    _cache: TileCache

    @classmethod
    def _attach(cls, *args: Any) -> Self:
        hdu = super()._attach(*args)
        hdu._cache = TileCache()
        DataUnit(hdu).when_undone(hdu._cache.clear)  # it may hold rows that were never to be
        return hdu

    @property
    def _facts(self) -> CompressedFacts:
        """What the cards say now."""
        facts: CompressedFacts = self._state.snapshot
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

    def _check_header(self) -> None:
        super()._check_header()
        _ = self._facts.layout

    # -- reading --------------------------------------------------------------------------------------------------

    def _tiles(self) -> TileRows:
        return TileRows(DataUnit(self), self._facts, self._cache)

    def _wanted(self, rows: object, cells: Sequence[AnyCells], mask_null: bool) -> Rows:
        if mask_null:
            raise NotSupported("TNULL masking is not there for compressed tables; compare with the number in TNULLn")
        wanted = select_rows(rows, self.nrows)
        self._tiles().check(wanted, cells)
        return wanted

    def _fill(
        self,
        rows: Rows,
        parts: Sequence[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]],
        *,
        scale: bool,
        as_bytes: bool = False,
    ) -> None:
        tiles = self._tiles()
        order = scattered(rows, self._facts.tile_nrows)
        wanted = rows if order is None else np.asarray(rows)[order]
        places = [
            (cells, out, mask)
            if order is None
            else (cells, np.zeros(out.shape, out.dtype), None if mask is None else np.zeros_like(mask))
            for cells, out, mask in parts
        ]
        fixed = [Target(cells, out, mask) for cells, out, mask in places if not cells.in_heap]
        tiles.read(wanted, fixed, scale=scale, as_bytes=as_bytes)
        for cells, out, _ in places:
            if cells.in_heap and isinstance(cells, Cells):
                from rustfits_tables.ztable_cells import CellReader

                CellReader(tiles).read(wanted, cells, out, scale=scale, as_bytes=as_bytes)
        if order is not None:
            for (_, out, mask), (_, found, found_mask) in zip(parts, places, strict=True):
                out[order] = found
                if mask is not None:
                    mask[order] = found_mask

    def read_column(
        self,
        name: str,
        *,
        rows: slice | Sequence[int] | None = None,
        as_bytes: bool = False,
        scale: bool = True,
        mask_null: bool = False,
    ) -> NDArray[Any]:
        """Read one column as a plain array; as for a table that is not compressed.

        Raises
        ------
        NotSupported
            If ``as_bytes`` or ``mask_null`` is true.
        TileDecodeError
            If a tile is damaged.
        CodecNotInstalled, PluginError
            If a tile needs a codec that is not there.
        TypeError, TableError, RowIndexError, HeaderError, FitsIOError
            As there.
        """
        if as_bytes:
            raise NotSupported(f"as_bytes=True is not there for {self._noun}; strings are read as text: {self._place}")
        return super().read_column(name, rows=rows, scale=scale, mask_null=mask_null)

    def _heap_nbytes(self, rows: Rows, columns: Sequence[str]) -> NDArray[np.int64] | None:
        if not any(one.in_heap for one in self._facts.chosen(columns or None)):
            return None
        # How long arrays are is known when a tile is decoded; ZPCOUNT is how long they are together.
        return np.full(len(rows), self._facts.seen.integer("PCOUNT", 0) // max(self.nrows, 1), dtype=np.int64)

    # -- what is not there yet ------------------------------------------------------------------------------------

    write = append = extend = appending = extending = repack = ReadableTableHDU.write
    insert_column = delete_column = ReadableTableHDU.write
    _put = ReadableTableHDU._put

    # -- the cache ------------------------------------------------------------------------------------------------

    @property
    def tile_cache_size(self) -> int:
        """Bytes of decoded tiles that are kept at most."""
        return self._cache.capacity

    @property
    def tile_cache_used(self) -> int:
        """Bytes of decoded tiles that are kept now: of each tile and column by itself."""
        return self._cache.used

    def set_tile_cache_size(self, bytes: int) -> None:
        """Set how many bytes of decoded tiles are kept at most; 0 keeps none.

        Raises
        ------
        ParameterOverflow
            If it is negative.
        TypeError
            If it is no integer.
        """
        self._cache.resize(bytes)

    def clear_tile_cache(self) -> None:
        """Drop every decoded tile that is kept."""
        self._cache.clear()

    def _more_lines(self, facts: Any) -> list[str]:
        return [
            f"  tiles: {facts.ntiles}",
            f"  rows per tile: {facts.tile_nrows}",
            f"  compression: {', '.join(f'{name}={algorithm}' for name, algorithm in facts.algorithms.items())}",
        ]


def scattered(rows: Rows, tile_nrows: int) -> NDArray[np.int64] | None:
    """Return the order in which each tile is needed once; None if that is so already."""
    if isinstance(rows, range):
        return None
    tile = np.asarray(rows) // tile_nrows
    step = np.diff(tile)
    if (step >= 0).all() or (step <= 0).all():
        return None
    order: NDArray[np.int64] = np.argsort(tile, kind="stable")
    return order
