"""Compressed images: a table of tiles on disk, an image to the user (FITS 4.0, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.codec.codec import TileCodec
from rustfits.errors import CodecError, FitsError, ImageError, NotSupported
from rustfits.hdu.compressed.cache_members import CacheMembers
from rustfits.hdu.compressed.values import BLANK_KEYWORDS, PREFIX, WHAT, checked_image, stored_copy
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.heap.spare import Spare
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile
from rustfits.storage.reread import repeated
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.reader import TileReader
from rustfits.tiles.zimage import TileTable

if TYPE_CHECKING:
    from rustfits.hdu.compressed.extending import PendingRows
    from rustfits.header.header import FITSHeader
    from rustfits.quantize.parameters import Quantize
    from rustfits.tiles.newtiles import NewTiles


class CompressedImageHDU(CacheMembers, ImageHDU):
    """An image cut into tiles, each of which is compressed by itself.

    Reading a section decodes only the tiles that it touches. Decoded tiles are kept, up to `tile_cache_size` bytes.
    The header is that of the table, Z keywords included.
    """

    _kind: ClassVar[str] = "COMPRESSED_IMAGE_HDU"
    _prefix: ClassVar[str] = PREFIX
    _blank_keywords: ClassVar[tuple[str, ...]] = BLANK_KEYWORDS
    _bitpix_name: ClassVar[str] = WHAT

    _spare: Spare
    _codec: TileCodec | None  # as the user gave it, for an HDU created through this handle
    _quantize: Quantize | None  # likewise
    _pending: PendingRows | None  # inside `extending`
    _pending_nbytes: int | None = None  # how much may wait, if tests have set it

    @classmethod
    def _attach(cls, file: OpenFile, extent: Extent, state: HeaderState, index: int) -> Self:
        hdu = super()._attach(file, extent, state, index)
        hdu._cache = TileCache()
        file.after_undoing(hdu._cache.clear)  # it may hold pixels that were never to be
        hdu._spare = Spare()
        file.after_undoing(hdu._spare.forget)
        hdu._codec = hdu._quantize = hdu._pending = None
        return hdu

    # -- what the header says -------------------------------------------------------------------------------------

    @property
    def _table(self) -> TileTable:
        """What the cards say now of table and tiles."""
        cards = self._state.cards
        table: TileTable | None = self.__dict__.get("_known_table")
        if table is None or table.cards is not cards:
            table = self.__dict__["_known_table"] = TileTable(cards, self._codec)
        return table

    @property
    def compression(self) -> TileCodec | None:
        """How the image is compressed: a codec that could be passed as ``compress=`` to get the same layout.

        None for an image without axes, if the header names no algorithm that can be had.

        Raises
        ------
        CodecNotInstalled, PluginError
            If no codec of that name can be had; `CodecNotInstalled` names the package to install.
        HeaderError, InvalidParameter
            If the header has no ZCMPTYPE, or parameters that the codec cannot have.
        """
        try:
            return self._table.codec
        except FitsError:
            if self.shape:
                raise
            return None

    @property
    def n_tiles(self) -> int:
        """Number of tiles; 0 if an axis is empty, or there is none."""
        return self._table.grid.ntiles if self.shape else 0

    @property
    def image_header(self) -> FITSHeader:
        """The header of the image that a program which unpacks this one would see: a copy, which cannot be changed.

        It has the shape of the image, and no keyword of the table or of its compression.

        Raises
        ------
        HeaderError
            If the header does not say what the image is like.
        """
        from rustfits.hdu.compressed.unpacked import unpacked_cards
        from rustfits.header.header import FITSHeader
        from rustfits.header.state import FixedHeader

        facts = self._facts
        return FITSHeader._of(FixedHeader(unpacked_cards(facts.cards, facts.blank)))

    def __repr__(self) -> str:
        table = TileTable(self._state.cards_anyhow, self._codec)
        try:
            shown = repr(table.codec)
        except FitsError as error:
            shown = str(table.zcmptype)
            if not isinstance(error, CodecError) and table.zcmptype is not None:
                shown = f"{shown} (the header is damaged)"
        return f"{super().__repr__()}  compression: {shown}\n"

    # -- reading --------------------------------------------------------------------------------------------------

    def _decoder(self) -> TileDecoder:
        return TileDecoder(self._table, self._file.storage, self._extent.data_start)

    def _reader(self, scale: bool) -> TileReader:
        if self._pending is not None:
            self._check_not_extending("reading pixels")
        if not scale:
            return TileReader(self._decoder(), self._cache, Scaling(self._facts.stored))
        cards, start = self._state.cards, self._extent.data_start
        known: tuple[Cards, int, TileReader] | None = self.__dict__.get("_known_reader")
        if known is None or known[0] is not cards or known[1] != start:
            reader = TileReader(self._decoder(), self._cache, self._facts.scaling)
            known = self.__dict__["_known_reader"] = cards, start, reader
        return known[2]

    def _cut(self, key: object) -> NDArray[Any] | None:
        return self._reader(True).cut(key)

    def _read_section(self, section: Section, scale: bool) -> NDArray[Any]:
        return self._reader(scale).read(section)

    def _read_sections(self, sections: Sequence[Section], scale: bool) -> list[NDArray[Any]]:
        return self._reader(scale).read_many(sections)

    def _read_masked(self, section: Section, scale: bool) -> NDArray[Any]:
        table = self._table
        if table.blank_column is None:
            found: np.ma.MaskedArray[Any, Any] = np.ma.asarray(super()._read_masked(section, scale))
        else:
            stored = self._read_section(section, False)
            mask = stored == self._decoder().blanks(table.blank_column, section)
            found = np.ma.MaskedArray(self._facts.scaling.scaled(stored) if scale else stored, mask)
        if table.null_mask is not None:
            found = np.ma.MaskedArray(found.data, np.ma.getmaskarray(found) | self._decoder().nulls(section))
        return found

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, data: ArrayLike, start: Sequence[int] | None = None) -> None:
        """Write the whole image anew; whatever was stored before is gone, and the tile cache is cleared.

        Parameters
        ----------
        data : array-like of shape `shape`
            Physical values or stored numbers, of any layout and byte order; masked pixels become ZBLANK, or NaN. An
            image of floats takes any real numbers.
        start : None
            Compressed images are written whole.

        Raises
        ------
        NotSupported
            If ``start`` is given.
        ImageError
            If shape, dtype or a value does not fit.
        TileEncodeError, CodecNotInstalled
            If the pixels cannot be compressed.
        FitsIOError
            If the bytes cannot be written. Before that, nothing is changed by any of these errors.
        """
        if start is not None:
            raise NotSupported(
                "start= is for uncompressed images: a compressed image is written whole; pass an array of its shape"
            )
        from rustfits.tiles.encode import encode_image

        with self._changing():
            self._check_not_extending("write()")
            facts = self._facts
            pixels = checked_image(data, facts.shape, facts.scaling, facts.blank, what=WHAT)
            self._make(encode_image(self._table, pixels, facts.scaling, self._quantize, self._spare))

    def _remember_codec(self, codec: TileCodec, quantize: Quantize | None) -> None:
        """Keep what the header cannot hold, such as the level of gzip, of an HDU that was just created."""
        from rustfits.hdu.compressed.cards import resolved

        self._codec, self._quantize = resolved(codec, self._facts.shape), quantize
        for known in ("_known_table", "_known_reader"):
            self.__dict__.pop(known, None)

    def __setitem__(self, key: Any, value: Any) -> None:
        from rustfits.hdu.compressed.edit import assigned

        with self._changing():
            self._check_not_extending("item assignment")
            section = self._section(key)
            values = self._checked_value(value, section)
            if values is not None and not section.empty:
                self._make(assigned(self._decoder(), section, values, self._facts.scaling, self._spare))

    def _checked_value(self, value: object, section: Section) -> NDArray[Any] | None:
        """As for plain images, but that an image of floats takes arrays of any real numbers."""
        if not isinstance(value, np.ndarray) or not value.ndim or value.shape != section.shape:
            return super()._checked_value(value, section)
        facts = self._facts
        return checked_image(value.reshape(section.count), section.count, facts.scaling, facts.blank, what=WHAT)

    def extend(self, data: ArrayLike) -> None:  # type: ignore[override]  # there is no start= here
        """Append rows: make the first axis longer. Later HDUs of the file move, and the tile cache is cleared.

        An incomplete last row of tiles is encoded anew together with the first of the new rows; all other tiles keep
        their bytes. What is replaced stays in the heap, unused, until `repack`. Inside `extending` the rows wait.

        Parameters
        ----------
        data : array-like of shape ``(n, *shape[1:])``, n > 0
            As for `write`.

        Raises
        ------
        ImageError
            If shape, dtype or a value does not fit, or a value lies outside the scale of a quantised tile that it
            completes.
        TileEncodeError, CodecNotInstalled
            If the pixels cannot be compressed.
        TileDecodeError
            If the incomplete tiles have no data, or they are damaged.
        FitsIOError
            If the bytes cannot be read or written. Nothing is changed by any of these errors.
        """
        from rustfits.hdu.compressed.edit import checked_rows

        with self._changing():
            facts, pending = self._facts, self._pending
            rows = checked_rows(data, facts.shape, facts.scaling, facts.blank, what=WHAT)
            if pending is None:
                self._append(rows, facts.scaling)
                return
            with pending.kept_on_failure(self._file):
                pending.add(stored_copy(rows, facts.scaling))
                if pending.nbytes > pending.capacity:
                    tile = self._table.grid.tile[0]
                    self._drain((len(self) + pending.nrows) // tile * tile - len(self))

    def extending(self) -> AbstractContextManager[Self]:
        """Return a context in which `extend` collects rows, to encode each tile once.

        The rows are appended at the end of the block, also if an exception leaves it, and as whole rows of tiles
        whenever more than 32 MiB wait. Until then `shape` and the header stay as they are, and pixels and checksums
        can be neither read nor written.

        Raises
        ------
        ImageError
            When it is entered inside another one of this HDU; when pixels are asked for inside it. What `extend` does
            not find wrong at once, such as pixels the codec cannot hold, the end of the block may raise.
        """
        from rustfits.hdu.compressed.extending import Extending

        return Extending(self, self._file, self._index, self._begin_extending, self._end_extending)

    def _begin_extending(self) -> None:
        from rustfits.hdu.compressed.extending import CAPACITY_NBYTES, PendingRows

        self._pending = PendingRows(CAPACITY_NBYTES if self._pending_nbytes is None else self._pending_nbytes)

    def _end_extending(self) -> None:
        try:
            with self._changing():
                assert self._pending is not None
                self._drain(self._pending.nrows)
        finally:
            self._pending = None

    def _drain(self, nrows: int) -> None:
        """Append the first of the rows that wait; inside `changing`."""
        if nrows > 0 and self._pending is not None:
            self._append(self._pending.first(nrows), Scaling(self._facts.stored))
            self._pending.drop(nrows)

    def _append(self, rows: NDArray[Any], scaling: Scaling) -> None:
        from rustfits.hdu.compressed.edit import extended

        self._make(extended(self._decoder(), rows, scaling, self._quantize, self._spare))

    def _make(self, new: NewTiles) -> None:
        """Write what was encoded; inside `changing`."""
        facts = self._facts
        table = new.write(self._file, self._extent, self._state)
        self.__dict__.pop("_known_reader", None)
        if table is not None:
            self.__dict__["_known_table"], self.__dict__["_known_facts"] = table, facts.after(table.cards)
        self._cache.clear()

    def repack(self) -> None:
        """Drop what earlier edits left unused in the heap, and the room before it; the file gets shorter.

        The tiles are laid out in their order, byte for byte as they are. A heap without holes is left alone. In any
        case the tile cache is cleared.

        Raises
        ------
        TileDecodeError
            If a descriptor points outside the heap.
        HeaderError
            If the table is not as its header says.
        FitsIOError
            If the bytes cannot be read or written. Nothing is changed by any of these errors.
        """
        from rustfits.heap.repack import repack

        with self._changing():
            self._check_not_extending("repack()")
            repack(self._file, self._extent, self._state, self._table.layout, self._spare)
            self._cache.clear()

    def _check_not_extending(self, what: str) -> None:
        if self._pending is not None:
            raise ImageError(f"{what} has to wait for the end of the extending() block: its rows are not written yet")

    def _set_pending_cap_for_testing(self, nbytes: int) -> None:
        """Set how many bytes of rows may wait inside `extending`; for tests."""
        self._pending_nbytes = nbytes

    # -- checksums ------------------------------------------------------------------------------------------------

    def add_datasum(self) -> None:
        """Write the keyword ZDATASUM: the DATASUM of the image if it were not compressed.

        Later changes of the pixels do not refresh it.

        Raises
        ------
        TileDecodeError, CodecNotInstalled
            If the pixels cannot be decoded.
        FitsIOError
            If the bytes cannot be read or written.
        """
        from rustfits.hdu.compressed import sums as compressed_sums

        with self._changing():
            data = self._data_sum()
            self._state.change({"ZDATASUM": (str(data), compressed_sums.DATASUM_COMMENT)})

    def add_checksum(self) -> None:
        """Write the keywords ZDATASUM and ZHECKSUM: DATASUM and CHECKSUM of the image if it were not compressed.

        As `add_datasum`.
        """
        from rustfits.hdu.compressed import sums as compressed_sums

        with self._changing():
            data = self._data_sum()
            checksum = compressed_sums.checksum_of(self._state.cards, self._table, data)
            self._state.change(
                {
                    "ZDATASUM": (str(data), compressed_sums.DATASUM_COMMENT),
                    "ZHECKSUM": (checksum, compressed_sums.CHECKSUM_COMMENT),
                }
            )

    @repeated
    def verify_datasum(self) -> bool | None:
        """Tell whether ZDATASUM is right, or, without it, the DATASUM of the table; None if both are absent.

        Raises
        ------
        TileDecodeError, CodecNotInstalled
            If the pixels cannot be decoded.
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.hdu import sums
        from rustfits.hdu.checksum import parse_datasum

        with self._reading:
            self._check_not_extending("verify_datasum()")
            cards = self._state.cards
            if "ZDATASUM" not in cards:
                return sums.verify_datasum(self._file, self._extent, self._state)
            return parse_datasum(cards.get("ZDATASUM")) == self._data_sum()

    @repeated
    def verify_checksum(self) -> bool | None:
        """Tell whether ZHECKSUM and ZDATASUM are right, or, without them, the CHECKSUM of the table.

        None if all of them are absent. As `verify_datasum`.
        """
        from rustfits.hdu import sums
        from rustfits.hdu.compressed import sums as compressed_sums

        with self._reading:
            self._check_not_extending("verify_checksum()")
            cards = self._state.cards
            if "ZHECKSUM" not in cards:
                return sums.verify_checksum(self._file, self._extent, self._state)
            return "ZDATASUM" in cards and compressed_sums.verified(cards, self._table, self._data_sum())

    def _data_sum(self) -> int:
        from rustfits.hdu.compressed import sums as compressed_sums

        return compressed_sums.data_sum(self._table, self._reader(False))
