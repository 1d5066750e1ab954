"""Compressed tables as users hold them: tiles on disk, rows to the user (FITS 4.0, section 10.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from rustfits import NotSupported, TableError
from rustfits.plugin import DataUnit, NewHDU, TableFacts, TableUnit, TileCache, TileCodec, Verdict, changes, reads
from rustfits_tables.access import RowKey
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells
from rustfits_tables.fields import FieldArray
from rustfits_tables.rows import Rows, Target, select_rows
from rustfits_tables.subsets import (
    ColumnSubset,
    CompressedColumnSubset,
    CompressedSingleColumnSubset,
    SingleColumnSubset,
)
from rustfits_tables.tables import TableHDU
from rustfits_tables.values import Values
from rustfits_tables.ztable import CompressedFacts
from rustfits_tables.ztable_pending import CAPACITY_NBYTES, PendingRows
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
    _codecs: dict[str, TileCodec]  # with what the header does not tell, of a table created through this handle
    _pending: PendingRows | None  # inside `appending`
    _pending_nbytes: int | None = None  # how much may wait, if tests have set it

    @classmethod
    def _attach(cls, *args: Any) -> Self:
        hdu = super()._attach(*args)
        hdu._cache, hdu._codecs, hdu._pending = TileCache(), {}, None
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
        return self._facts.ztilelen

    @property
    def compression(self) -> dict[str, str]:
        """Algorithm of each column, by its name: the keywords ZCTYPn."""
        return self._facts.algorithms

    def _check_cells(self) -> None:
        _ = self._facts.layout

    def _copied(self, *, compress: Any = None, ztilelen: int | None = None, **wishes: Any) -> NewHDU:
        """Return the table that this one was before, for another file; for `FITS.write_table`."""
        from rustfits_tables.tables import refuse_wishes
        from rustfits_tables.ztable_whole import uncompressed

        refuse_wishes({"compress": compress or None, "ztilelen": ztilelen, **wishes})
        return uncompressed(self._tiles())

    # -- reading --------------------------------------------------------------------------------------------------

    def _tiles(self) -> TileRows:
        self._refuse_while_appending("reading")
        return TileRows(DataUnit(self), self._facts, self._cache)

    def _wanted(self, rows: object, cells: Sequence[AnyCells], mask_null: bool) -> Rows:
        if mask_null:
            raise NotSupported(
                "TNULL masking is not there for compressed tables; to_arrow() and the like tell what is missing, or "
                "compare with the number in TNULLn"
            )
        self._refuse_while_appending("reading")
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

    def _fill_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> bool:
        if scattered(rows, self._facts.tile_nrows) is not None:
            return False
        self._tiles().read_fields(rows, fields, owners)
        return True

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

    # -- writing --------------------------------------------------------------------------------------------------

    @changes
    def write(self, data: Any, *, names: Sequence[str] | None = None) -> None:
        """Replace all rows; the tile cache is cleared.

        Parameters
        ----------
        data, names
            As for `TableHDU.write`.

        Raises
        ------
        TableError
            If the rows do not fit the table, or inside `appending`. The file is as it was then, and after all other
            errors.
        TileEncodeError, CodecNotInstalled, PluginError
            If a column cannot be compressed.
        HeaderError, FitsIOError
            As `TableHDU.write`.
        """
        from rustfits_tables.ztable_edit import all_values, write_values

        self._refuse_while_appending("write()")
        nrows = self.nrows
        values = all_values(self._facts, data, names, nrows)
        if nrows:
            write_values(self, range(nrows), values, anew=True)

    @changes
    def append(self, data: Any, *, names: Sequence[str] | None = None) -> None:
        """Add rows behind the last; later HDUs of the file move, and the tile cache is cleared.

        An incomplete last tile is encoded anew together with the first of the new rows; other tiles keep their bytes.
        What is replaced stays in the heap, unused, until `repack`. Inside `appending` the rows wait.

        Parameters
        ----------
        data, names
            As for `TableHDU.append`.

        Raises
        ------
        TableError
            If the rows do not fit the table, the last tile was never written, or there is no row inside `appending`.
        TileDecodeError
            If the last tile is damaged.
        TileEncodeError, CodecNotInstalled, PluginError, HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables.ztable_edit import all_values

        values, pending = all_values(self._facts, data, names), self._pending
        nrows = len(values[0]) if values else 0
        if pending is None:
            self._append(values)
            return
        if not nrows:
            raise TableError("inside appending() there must be at least one row to append")
        TableUnit(self).on_failure(pending.mark())
        pending.add(values)
        if pending.nbytes > pending.capacity:
            tile = self._facts.ztilelen
            self._drain((self.nrows + pending.nrows) // tile * tile - self.nrows)

    extend = append

    def _append(self, values: Sequence[Values]) -> None:
        from rustfits_tables.ztable_edit import write_values

        nrows, first = len(values[0]) if values else 0, self.nrows
        if nrows:
            write_values(self, range(first, first + nrows), values)

    def appending(self) -> Any:
        """Return a context in which `append` collects rows, to encode each tile once.

        The rows are appended at the end of the block, also if an exception leaves it, and as whole tiles whenever more
        than 32 MiB wait. Until then `nrows` and the header stay as they are, and rows and checksums can be neither read
        nor written.

        Raises
        ------
        TableError
            When it is entered inside another one of this HDU; when rows are asked for inside it.
        """
        return TableUnit(self).appending(self._begin_appending, self._end_appending)

    extending = appending

    def _begin_appending(self) -> None:
        self._pending = PendingRows(CAPACITY_NBYTES if self._pending_nbytes is None else self._pending_nbytes)

    def _end_appending(self) -> None:
        try:
            with self._changing():
                assert self._pending is not None
                self._drain(self._pending.nrows)
        finally:
            self._pending = None

    def _drain(self, nrows: int) -> None:
        """Append the first of the rows that wait; inside `changing`."""
        pending = self._pending
        if nrows > 0 and pending is not None:
            values, self._pending = pending.first(nrows), None  # what is written may be read
            try:
                self._append(values)
            finally:
                self._pending = pending
            pending.drop(nrows)

    def _refuse_while_appending(self, what: str) -> None:
        if self._pending is not None:
            raise TableError(f"{what} has to wait for the end of the appending() block: its rows are not written yet")

    def _set_pending_cap_for_testing(self, nbytes: int) -> None:
        """Set how many bytes of rows may wait inside `appending`; for tests."""
        self._pending_nbytes = nbytes

    @changes
    def _put(self, key: RowKey | None, columns: str | Sequence[str] | None, value: object) -> None:
        from rustfits_tables.assignment import assigned
        from rustfits_tables.values import cell_value, checked_values
        from rustfits_tables.ztable_edit import write_values

        self._refuse_while_appending("item assignment")
        rows, values = assigned(self._facts, key, columns, value, check=checked_values, check_cell=cell_value)
        if len(rows):
            write_values(self, rows, values)

    @changes
    def repack(self) -> None:
        """Drop what earlier edits left unused in the heap; the file gets shorter, and the tile cache is cleared.

        Tiles keep their bytes, but for those of columns of variable length, which say where the arrays are. DATASUM and
        CHECKSUM are written anew if they were right.

        Raises
        ------
        TableError, TileDecodeError
            If a descriptor points outside the heap, or a tile of descriptors is damaged; or inside `appending`.
        HeaderError, FitsIOError
            As `write`.
        """
        from rustfits_tables.ztable_edit import repack

        self._refuse_while_appending("repack()")
        repack(self)

    def insert_column(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to insert a column.

        Raises
        ------
        NotSupported
            Always.
        """
        raise NotSupported(
            f"inserting and deleting columns is not planned for compressed tables; write a new table: {self._place}"
        )

    delete_column = insert_column

    def delete_rows(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to take rows out.

        Raises
        ------
        NotSupported
            Always.
        """
        raise NotSupported(
            f"rows are not taken out of a compressed table, whose tiles have as many as ZTILELEN says; write a new "
            f"table of the rows to keep: {self._place}"
        )

    # -- checksums ------------------------------------------------------------------------------------------------

    @changes
    def add_datasum(self) -> None:
        """Write the keyword ZDATASUM: the DATASUM of the table if it were not compressed.

        Later changes of the rows do not refresh it.

        Raises
        ------
        TileDecodeError, CodecNotInstalled, PluginError, TableError
            If a tile cannot be decoded, or inside `appending`.
        FitsIOError
            If the bytes cannot be read or written.
        """
        from rustfits_tables.ztable_sums import DATASUM_COMMENT, data_sum

        self._refuse_while_appending("add_datasum()")
        self._state.change({"ZDATASUM": (str(data_sum(self._tiles())), DATASUM_COMMENT)})

    @changes
    def add_checksum(self) -> None:
        """Write the keywords ZDATASUM and ZHECKSUM: DATASUM and CHECKSUM of the table as a program unpacks it.

        Where the HDU has DATASUM and CHECKSUM, the sums of its own bytes, they are written anew. As `add_datasum`.
        """
        from rustfits_tables.ztable_sums import CHECKSUM_COMMENT, DATASUM_COMMENT, ZEROS, checksum, data_sum

        self._refuse_while_appending("add_checksum()")
        data = data_sum(self._tiles())
        self._state.change({"ZDATASUM": (str(data), DATASUM_COMMENT), "ZHECKSUM": (ZEROS, CHECKSUM_COMMENT)})
        self._state.change({"ZHECKSUM": checksum(self._facts, data)})
        TableUnit(self).renew_sums()

    @reads
    def verify_datasum(self) -> bool | None:
        """Tell whether ZDATASUM is that of the table if it were not compressed.

        Returns
        -------
        bool or None
            None if it is absent or blank; or if it is another sum and DATASUM, that of the bytes of the HDU, is right:
            a heap with bytes that no array uses has a sum that is lost when it is compressed.

        Raises
        ------
        TileDecodeError, CodecNotInstalled, PluginError, TableError
            If a tile cannot be decoded, or inside `appending`.
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.plugin import is_datasum
        from rustfits_tables.ztable_sums import data_sum

        self._refuse_while_appending("verify_datasum()")
        value = self._stated("ZDATASUM")
        if value is None:
            return None
        if is_datasum(value, data_sum(self._tiles())):
            return True
        return None if super().verify_datasum() else False

    @reads
    def verify_checksum(self) -> bool | None:
        """Tell whether CHECKSUM, and DATASUM, are those of the bytes of the HDU, and every tile can be decoded.

        Without CHECKSUM, whether ZHECKSUM and ZDATASUM are those of the table as a program unpacks it. None if both are
        absent or blank. Raises as `verify_datasum`.
        """
        from rustfits_tables.ztable_sums import data_sum, is_checksum

        self._refuse_while_appending("verify_checksum()")
        own = super().verify_checksum()
        if own is False or super().verify_datasum() is False:
            return False
        if own is None and self._stated("ZHECKSUM") is None:
            return None
        if own is None and self._stated("ZDATASUM") is None:
            return False
        data = data_sum(self._tiles())
        return own is True or is_checksum(self._facts, data)

    def _pixel_verdicts(self, own: tuple[Verdict, Verdict], *, decode: bool) -> tuple[tuple[Verdict, ...], str]:
        from rustfits_tables.ztable_verify import row_verdicts

        return row_verdicts(self._tiles(), own, decode=decode)

    def _stated(self, keyword: str) -> object | None:
        value = self._state.cards.get(keyword)
        return None if isinstance(value, str) and not value.strip() else value

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
