"""Compressed images: a table of tiles on disk, an image to the user (FITS 4.0, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustfits.codec.codec import TileCodec
from rustfits.errors import CodecError, FitsError, ImageError, NotSupported
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState, Snapshot
from rustfits.heap.spare import Spare
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section, full_section
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile, Reading
from rustfits.storage.reread import repeated
from rustfits.tiles.cache import TileCache
from rustfits.tiles.decode import TileDecoder
from rustfits.tiles.reader import TileReader
from rustfits.tiles.zimage import CompressedSnapshot, TileTable

if TYPE_CHECKING:
    from rustfits.hdu.compressed.extending import PendingRows
    from rustfits.hdu.compressed.waiting import WaitingTiles
    from rustfits.hdu.report import Verdict
    from rustfits.header.header import FITSHeader
    from rustfits.quantize.parameters import Quantize
    from rustfits.tiles.damage import DamagedTile, ForgivingDecoder
    from rustfits.tiles.newtiles import NewTiles


class CompressedImageHDU(ImageHDU):
    """An image cut into tiles, each of which is compressed by itself.

    Reading a section decodes only the tiles that it touches. Decoded tiles are kept, up to `tile_cache_size` bytes.
    The header is that of the table, Z keywords included.
    """

    _kind: ClassVar[str] = "COMPRESSED_IMAGE_HDU"

    _cache: TileCache
    _spare: Spare
    _quantize: Quantize | None  # as the user gave it, for an HDU created through this handle
    _pending: PendingRows | None  # inside `extending`
    _waiting: WaitingTiles | None = None  # inside a transaction
    _pending_nbytes: int | None = None  # how much may wait, if tests have set it

    @classmethod
    def _attach(cls, file: OpenFile, extent: Extent, state: HeaderState, index: int) -> Self:
        hdu = super()._attach(file, extent, state, index)
        hdu._cache = TileCache()
        file.after_undoing(hdu._cache.clear)  # it may hold pixels that were never to be
        hdu._spare = Spare()
        file.after_undoing(hdu._spare.forget)
        hdu._quantize = hdu._pending = None
        return hdu

    # -- what the header says -------------------------------------------------------------------------------------

    @classmethod
    def _snapshot_of(cls, cards: Cards) -> Snapshot:
        return CompressedSnapshot(cards, TileTable(cards))

    @property
    def _facts(self) -> TileTable:
        """What the cards say now of image and tiles."""
        table: TileTable = self._state.snapshot.table
        return table

    @staticmethod
    def _facts_in(snapshot: Any) -> TileTable:
        table: TileTable = snapshot.table
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
            return self._facts.codec
        except FitsError:
            if self.shape:
                raise
            return None

    @property
    def n_tiles(self) -> int:
        """Number of tiles; 0 if an axis is empty, or there is none."""
        return self._facts.grid.ntiles if self.shape else 0

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
        table = self._facts_in(self._state.snapshot_anyhow)
        try:
            shown = repr(table.codec)
        except FitsError as error:
            shown = str(table.zcmptype)
            if not isinstance(error, CodecError) and table.zcmptype is not None:
                shown = f"{shown} (the header is damaged)"
        return f"{super().__repr__()}  compression: {shown}\n"

    # -- reading --------------------------------------------------------------------------------------------------

    def _decoder(self) -> TileDecoder:
        return TileDecoder(self._state.snapshot, self._file.storage, self._extent.data_start)

    def _new_source(self, snapshot: Any, start: int) -> TileReader:
        self._check_not_extending("reading pixels")
        del snapshot, start  # those before the tiles that waited were written
        return TileReader(self._decoder(), self._cache)

    def _chunks(self) -> tuple[int, ...] | None:
        return self._facts.grid.clipped if self.size else None

    def _read_masked(self, section: Section, scale: bool) -> NDArray[Any]:
        table = self._facts
        if table.blank_column is None:
            found: np.ma.MaskedArray[Any, Any] = np.ma.asarray(super()._read_masked(section, scale))
        else:
            stored = self._read_section(section, False)
            mask = stored == self._decoder().blanks(table.blank_column, section)
            found = np.ma.MaskedArray(table.scaling.scaled(stored) if scale else stored, mask)
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
        from rustfits.hdu.compressed.edit import checked_image
        from rustfits.tiles.encode import encode_image

        with self._changing():
            self._check_not_extending("write()")
            facts = self._facts
            pixels = checked_image(data, facts.shape, facts)
            self._make(encode_image(self._state.snapshot, pixels, facts.scaling, self._quantize, self._spare))

    def _remember(self, codec: TileCodec, quantize: Quantize | None) -> None:
        """Keep what the header cannot hold, such as the level of gzip, of an HDU that was just created."""
        cards = self._state.cards
        self._state.show(CompressedSnapshot(cards, TileTable(cards, codec)))
        self._quantize = quantize

    def __setitem__(self, key: Any, value: Any) -> None:
        from rustfits.hdu.compressed.edit import assigned

        with super()._changing():
            self._refuse_while_extending("item assignment")
            section = self._section(key)
            values = self._checked_value(value, section)
            if values is None or section.empty or self._let_wait(section, values):
                return
            if self._waiting is None:
                decoder, quantize, spare = self._decoder(), self._quantize, self._spare
                scaling = decoder.table.scaling
                self._make(assigned(decoder, section, values, scaling=scaling, quantize=quantize, spare=spare))
                return
        # By itself: if the rest fails before it changes anything, they are still there.
        self._write_waiting()
        self[key] = value

    def _let_wait(self, section: Section, values: NDArray[Any]) -> bool:
        """Let whole tiles wait for the end of a transaction of the user, if there is one; return whether they do."""
        if not self._file.grouped:
            return False
        from rustfits.hdu.compressed.edit import whole_tiles
        from rustfits.hdu.compressed.waiting import ENCODED_NBYTES, WaitingTiles

        snapshot = self._state.snapshot
        blocks = whole_tiles(snapshot.table, section)
        waiting = WaitingTiles(self.n_tiles) if self._waiting is None else self._waiting
        if blocks is None or not waiting.have_none_of(blocks):
            return False
        pixels = values if values.ndim else np.broadcast_to(values, section.count)
        waiting.add(snapshot, blocks, pixels, self._quantize)
        if self._waiting is None:
            self._waiting = waiting
            self._file.on_failure(self._forget_waiting)
            self._file.before_end(self._write_waiting)
        self._source = None  # a new one finds all tiles written
        self._cache.clear()
        if waiting.encoded_nbytes > ENCODED_NBYTES:
            self._write_waiting()
        return True

    def _forget_waiting(self) -> None:
        self._waiting = None

    def _write_waiting(self) -> None:
        """Write the tiles that wait; if that fails they still do, so that the transaction fails at its end."""
        if self._waiting is not None:
            with super()._changing():
                if self._waiting is not None:  # another thread sees them until the transaction has ended
                    self._make(self._waiting.new_tiles(self._state.snapshot, self._quantize, self._spare))
                    self._waiting = None

    def _changing(self) -> AbstractContextManager[None]:
        self._write_waiting()
        return super()._changing()

    def _looking(self) -> Reading:
        self._write_waiting()  # before the sums of the bytes are taken
        return super()._looking()

    def _checked_value(self, value: object, section: Section) -> NDArray[Any] | None:
        """As for plain images, but that an image of floats takes arrays of any real numbers."""
        if not isinstance(value, np.ndarray) or not value.ndim or value.shape != section.shape:
            return super()._checked_value(value, section)
        from rustfits.hdu.compressed.edit import checked_image

        return checked_image(value.reshape(section.count), section.count, self._facts)

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
        from rustfits.hdu.compressed.edit import checked_rows, stored_copy

        with self._changing():
            facts, pending = self._facts, self._pending
            rows = checked_rows(data, facts)
            if pending is None:
                self._append(rows, facts.scaling)
                return
            with pending.kept_on_failure(self._file):
                pending.add(stored_copy(rows, facts.scaling))
                if pending.nbytes > pending.capacity:
                    tile = self._facts.grid.tile[0]
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
        self._source = None  # a new one is refused as long as rows wait

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
        new.write(self._file, self._extent, self._state)
        self._cache.clear()

    def repack(self) -> None:
        """Drop what earlier edits left unused in the heap, and the room before it; the file gets shorter.

        The tiles are laid out in their order, byte for byte as they are. A heap without holes is left alone. DATASUM
        and CHECKSUM are written anew if they were right. The tile cache is cleared in any case.

        Raises
        ------
        TileDecodeError
            If a descriptor points outside the heap.
        HeaderError
            If the table is not as its header says.
        FitsIOError
            If the bytes cannot be read or written. Nothing is changed by any of these errors.
        """
        from rustfits.hdu import sums
        from rustfits.heap.repack import repack

        with self._changing():
            self._check_not_extending("repack()")
            right = sums.right_ones(self._file, self._extent, self._state)
            repack(self._file, self._extent, self._state, self._state.snapshot.layout, self._spare)
            sums.renew(self._file, self._extent, self._state, right)
            self._cache.clear()

    def _check_not_extending(self, what: str) -> None:
        """Refuse what needs the pixels as long as rows wait, and write the tiles that wait."""
        self._refuse_while_extending(what)
        self._write_waiting()

    def _refuse_while_extending(self, what: str) -> None:
        if self._pending is not None:
            raise ImageError(f"{what} has to wait for the end of the extending() block: its rows are not written yet")

    def _set_pending_cap_for_testing(self, nbytes: int) -> None:
        """Set how many bytes of rows may wait inside `extending`; for tests."""
        self._pending_nbytes = nbytes

    # -- the cache ------------------------------------------------------------------------------------------------

    @property
    def tile_cache_size(self) -> int:
        """Bytes of decoded tiles that are kept at most."""
        return self._cache.capacity

    @property
    def tile_cache_used(self) -> int:
        """Bytes of decoded tiles that are kept now."""
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

    # -- checksums and damage -------------------------------------------------------------------------------------

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
        from rustfits.hdu.compressed import sums

        with self._changing():
            self._check_not_extending("add_datasum()")
            self._state.change({"ZDATASUM": (str(sums.data_sum(self._decoder())), sums.DATASUM_COMMENT)})

    def add_checksum(self) -> None:
        """Write the keywords ZDATASUM and ZHECKSUM: DATASUM and CHECKSUM of the image if it were not compressed.

        Where the HDU has DATASUM and CHECKSUM, the sums of the bytes of its table, they are written anew: other
        programs look at these. As `add_datasum`.
        """
        from rustfits.hdu.compressed import sums

        with self._changing():
            self._check_not_extending("add_checksum()")
            sums.add_checksum(self._file, self._extent, self._state, self._decoder())

    @repeated
    def verify_datasum(self) -> bool | None:
        """Tell whether ZDATASUM is the sum of the pixels.

        Returns
        -------
        bool or None
            None if it is absent or blank; or if it is another sum and DATASUM, that of the bytes of the HDU, is right:
            a program that quantises floats keeps the sum they had before, which tells nothing of damage.

        Raises
        ------
        TileDecodeError, CodecNotInstalled
            If the pixels cannot be decoded, unless CHECKSUM shows that the HDU is damaged: then it is False.
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.hdu.compressed import sums

        with self._looking():
            self._check_not_extending("verify_datasum()")
            return sums.verify_datasum(self._file, self._extent, self._state, self._decoder)

    @repeated
    def verify_checksum(self) -> bool | None:
        """Tell whether CHECKSUM, and DATASUM, are those of the bytes of the HDU, and every tile can be decoded.

        Without CHECKSUM, whether ZHECKSUM and ZDATASUM are those of the image if it were not compressed. None if both
        are absent or blank. Raises as `verify_datasum`; a codec that is not installed is no error where there is a
        CHECKSUM.
        """
        from rustfits.hdu.compressed import sums

        with self._looking():
            self._check_not_extending("verify_checksum()")
            return sums.verify_checksum(self._file, self._extent, self._state, self._decoder)

    @repeated
    def damaged_tiles(self) -> list[DamagedTile]:
        """Decode every tile, and return those that cannot be decoded, with the reason.

        Returns
        -------
        list of DamagedTile
            In the order of their rows; empty if all is well. ``read(on_error="mask")`` gives the pixels around them.

        Raises
        ------
        CodecNotInstalled, PluginError
            If the codec cannot be had.
        HeaderError
            If the header does not describe a compressed image.
        LimitExceeded
            If a tile is larger than `rustfits.limits` allows.
        FitsIOError
            If the bytes cannot be read, though they are there.
        """
        from rustfits.tiles.damage import described, find

        with self._reading:
            self._check_not_extending("damaged_tiles()")
            decoder = self._forgiving()
            find(decoder)
            return described(decoder)

    def _forgiving(self) -> ForgivingDecoder:
        from rustfits.tiles.damage import ForgivingDecoder

        return ForgivingDecoder(self._state.snapshot, self._file.storage, self._extent.data_start)

    def _stored_around(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        from rustfits.tiles.damage import read_around

        self._check_not_extending("reading pixels")
        return read_around(self._forgiving())

    def _blanks(self, stored: NDArray[Any], lost: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        column = self._facts.blank_column
        if column is None or lost.all():
            return super()._blanks(stored, lost)
        blanks: NDArray[np.bool_] = stored == self._decoder().blanks(column, full_section(self.shape))
        return blanks

    def _check_header(self) -> None:
        super()._check_header()
        _ = self._facts.sources, self._facts.quantization

    def _pixel_verdicts(self, own: tuple[Verdict, Verdict], *, decode: bool) -> tuple[tuple[Verdict, ...], str]:
        from rustfits.hdu.compressed.verify import pixel_verdicts

        self._check_not_extending("verify()")
        return pixel_verdicts(self._state.cards, self._forgiving, own, decode=decode)
