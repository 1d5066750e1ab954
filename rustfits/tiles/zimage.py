"""What the header of a compressed image says: the Z keywords and the table (FITS 4.0, section 10.1)."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rustfits.codec import registry
from rustfits.codec.codec import Parameter, TileCodec
from rustfits.errors import FitsError, HeaderError, ImageError, PluginError, TileDecodeError
from rustfits.header.cards import Cards
from rustfits.header.state import Snapshot
from rustfits.heap.bintable import ELEMENT_DTYPES, ELEMENT_NBYTES, Column, TableLayout, by_name, columns_in
from rustfits.limits import MAX_NBYTES, MAX_PARAMETERS, MAX_ZNAXIS
from rustfits.pixels.bitpix import short_name
from rustfits.pixels.facts import ImageFacts
from rustfits.quantize.dither import DITHER_METHODS, NO_DITHER, NULL_PIXEL, Dither
from rustfits.tiles.grid import TileGrid

COMPRESSED, GZIPPED, RAW = "COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA"
SOURCES = (COMPRESSED, GZIPPED, RAW)
"""Columns that may hold a tile, in the order in which they are looked at (FITS 4.0, section 10.1.3)."""


def element_of(stored: np.dtype[Any]) -> str:
    """Return the letter of TFORMn for stored pixels (FITS 4.0, table 18)."""
    return next(letter for letter, dtype in ELEMENT_DTYPES.items() if np.dtype(dtype).newbyteorder("=") == stored)


def built(kind: type[TileCodec], parameters: dict[str, Parameter], **common: Any) -> TileCodec:
    """Return the codec that a header describes.

    Raises
    ------
    InvalidParameter
        If it cannot have such parameters.
    PluginError
        If its class cannot be built at all.
    """
    name = f"{kind.__module__}.{kind.__qualname__}"
    try:
        codec: object = kind.from_parameters(parameters, **common)
    except (FitsError, NotImplementedError, MemoryError):
        raise
    except Exception as error:
        raise PluginError(
            f"the codec class {name} of {kind.zcmptype} cannot be built from the header: "
            f"{type(error).__name__}: {error}; its parameters must be annotated, as in `level: int = 9`, and "
            "from_parameters(cls, parameters, **common) must pass common on to the constructor"
        ) from error
    if not isinstance(codec, kind):
        raise PluginError(f"{name}.from_parameters must return a {kind.__qualname__}, not {codec!r:.60}")
    return codec


class Quantization(NamedTuple):
    """How the integers of quantised tiles become floats (FITS 4.0, section 10.2).

    Attributes
    ----------
    dither : Dither
        NO_DITHER where ZQUANTIZ is absent, and 1 where ZDITHER0 is.
    scale, zero, null : Column or number
        ZSCALE, ZZERO and ZBLANK: a column with one value per tile, or the value of them all.
    """

    dither: Dither
    scale: Column | float
    zero: Column | float
    null: Column | int


class TileTable(ImageFacts):
    """The image, its tiles and its columns, as the header of a compressed image describes them.

    How many rows and bytes there are is no part of it, so that it outlives the edit of a tile. Each attribute raises a
    `HeaderError` if a keyword that it needs is missing or wrong.

    Parameters
    ----------
    cards : Cards
        Not to be changed afterwards.
    codec : TileCodec, optional
        What compresses the image, if more is known of it than the header says; with its tile shape.
    """

    prefix: ClassVar[str] = "Z"
    dtype_name: ClassVar[str] = "the HDU's ZBITPIX"
    blank_keywords: ClassVar[tuple[str, ...]] = ("ZBLANK", "BLANK")

    def __init__(self, cards: Cards, codec: TileCodec | None = None) -> None:
        super().__init__(cards)
        self._codec = codec

    def after(self, cards: Cards) -> TileTable:
        """Return what other cards say of the image that the same codec compresses."""
        return TileTable(cards, self._codec)

    @cached_property
    def grid(self) -> TileGrid:
        """The image's shape and how it is cut into tiles."""
        shape, naxis = self.shape, len(self.shape)
        if not naxis:
            raise ImageError("the image has no pixels: ZNAXIS=0")
        if naxis > MAX_ZNAXIS:
            raise HeaderError(f"ZNAXIS is {naxis}; compressed images of 1 to {MAX_ZNAXIS} axes can be read")
        if prod(shape) * self.stored.itemsize > MAX_NBYTES:
            raise HeaderError(f"ZNAXISn describe an image of {shape} pixels, which no file can hold")
        # Without ZTILEn a tile is one image row (FITS 4.0, section 10.1.1).
        default = [1] * (naxis - 1) + [max(shape[-1], 1)]
        tile = [
            self.cards.integer(f"ZTILE{axis}", least) for axis, least in zip(range(naxis, 0, -1), default, strict=True)
        ]
        return TileGrid(shape, tuple(tile))

    # -- the columns ----------------------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns of the table."""
        return columns_in(self.cards)

    @cached_property
    def _named(self) -> dict[str, Column]:
        return by_name(self.columns)

    @cached_property
    def sources(self) -> tuple[Column | None, ...]:
        """The columns of `SOURCES`, None for those that the table does not have."""
        columns = tuple([self._named.get(name) for name in SOURCES])
        if not any(columns):
            raise HeaderError(f"the table has none of the columns {', '.join(SOURCES)}")
        for column in columns:
            if column is not None and not column.descriptor:
                raise HeaderError(f"column {column.name} must have descriptors (TFORM 1PB or 1QB), not {column.code}")
        return columns

    @cached_property
    def own_source(self) -> int:
        """Which of `SOURCES` gets the tiles that the codec makes."""
        raw = self._holds_raw and self.codec.uncompressed and self.quantization is None
        return SOURCES.index(RAW if raw else COMPRESSED)

    @cached_property
    def fallback_source(self) -> int:
        """Which of `SOURCES` gets floats that cannot be quantised."""
        raw = self._holds_raw and GZIPPED not in self._named and self.quantization is not None
        return SOURCES.index(RAW if raw else GZIPPED)

    @property
    def _holds_raw(self) -> bool:
        raw = self._named.get(RAW)
        return raw is not None and raw.element in ("B", element_of(self.stored))

    # -- the codec ------------------------------------------------------------------------------------------------

    @property
    def zcmptype(self) -> str | None:
        """Value of ZCMPTYPE as it stands in the header; None if there is no text."""
        value = self.cards.get("ZCMPTYPE")
        return value if isinstance(value, str) else None

    @cached_property
    def codec(self) -> TileCodec:
        """The codec that the image was compressed with: the one given, or one built from the header.

        Raises
        ------
        CodecNotInstalled, PluginError
            If there is none of that name.
        InvalidParameter
            If the codec cannot have such parameters.
        """
        if self._codec is not None:
            return self._codec
        kind = registry.codec_class(self.cards.text("ZCMPTYPE"))
        column = self._named.get(COMPRESSED) or self._named.get(RAW)
        heap_format = column.code if column is not None and column.descriptor else "P"
        tile = self.grid.tile if self.cards.integer("ZNAXIS") else None
        return built(kind, self._parameters(), tile_shape=tile, heap_format=heap_format)

    def _parameters(self) -> dict[str, Parameter]:
        parameters: dict[str, Parameter] = {}
        for number in range(1, MAX_PARAMETERS + 1):
            name, value = self.cards.get(f"ZNAME{number}"), self.cards.get(f"ZVAL{number}")
            if not isinstance(name, str):
                break
            if isinstance(value, bool | int | float | str):
                parameters.setdefault(name.strip().upper(), value)
        return parameters

    @cached_property
    def coded(self) -> np.dtype[Any]:
        """Dtype of the pixels that the codec sees: that of the integers, if floats were quantised."""
        if self.quantization is not None:
            return np.dtype(np.int32)
        name = short_name(self.stored)
        if name not in self.codec.pixel_dtypes:
            raise HeaderError(
                f"{self.codec.zcmptype} cannot hold {name} pixels (ZBITPIX {self.cards.get('ZBITPIX')}), and there are "
                "no columns ZSCALE and ZZERO to make them of integers"
            )
        return self.stored

    @cached_property
    def offset(self) -> int:
        """What has to be added to decoded numbers to make stored ones of them.

        An algorithm without negative numbers cannot hold what the unsigned conventions store, and CFITSIO gives it
        the physical numbers instead, though it writes BZERO as ever.
        """
        if self.stored.kind != "i" or self.codec.negative or self.scaling.bscale != 1:
            return 0
        half = 1 << (8 * self.stored.itemsize - 1)
        return -half if self.scaling.bzero == half else 0

    # -- quantised floats -----------------------------------------------------------------------------------------

    @cached_property
    def quantization(self) -> Quantization | None:
        """How floats were quantised; None for integers, and for floats compressed without loss."""
        if self.stored.kind != "f":
            return None
        scale, zero = self._named.get("ZSCALE"), self._named.get("ZZERO")
        value = self.cards.get("ZQUANTIZ")
        method = value.strip().upper() if isinstance(value, str) else None
        if scale is None and zero is None:
            return self._constant_quantization(method)
        if method == "NONE":
            return None
        for name, column in (("ZSCALE", scale), ("ZZERO", zero)):
            if column is None and name not in self.cards:
                raise HeaderError(
                    f"{name} is missing, as a column and as a keyword: without it the integers of quantised floats "
                    "mean nothing (FITS 4.0, section 10.2)"
                )
        number = self.cards.real
        return self._quantization(method, scale or number("ZSCALE", 1.0), zero or number("ZZERO", 0.0))

    def _constant_quantization(self, method: str | None) -> Quantization | None:
        """Return the quantisation of an image that has one scale for all tiles, in keywords."""
        # A keyword ZSCALE alone may be anything: only a ZQUANTIZ, or a codec without floats, makes it this one.
        if method == "NONE" or "ZSCALE" not in self.cards or "ZZERO" not in self.cards:
            return None
        if method is None and short_name(self.stored) in self.codec.pixel_dtypes:
            return None
        return self._quantization(method, self.cards.real("ZSCALE", 1.0), self.cards.real("ZZERO", 0.0))

    def _quantization(self, method: str | None, scale: Column | float, zero: Column | float) -> Quantization:
        method = method or NO_DITHER
        if method not in DITHER_METHODS:
            raise HeaderError(f"ZQUANTIZ is {method!r}; it must be one of {', '.join(DITHER_METHODS)} or NONE")
        seed = self.cards.integer("ZDITHER0", 1) if self.cards.get("ZDITHER0") is not None else 1
        null: Column | int | None = self._named.get("ZBLANK")
        if null is None:
            blank = self.cards.get("ZBLANK")
            null = blank if isinstance(blank, int) and not isinstance(blank, bool) else NULL_PIXEL
        for column in (scale, zero, null):
            if isinstance(column, Column) and (column.descriptor or column.repeat != 1):
                raise HeaderError(
                    f"column {column.name} must have one number per tile, not {column.repeat}{column.code}"
                )
        return Quantization(Dither(method, seed), scale, zero, null)

    # -- nulls ----------------------------------------------------------------------------------------------------

    @cached_property
    def null_mask(self) -> Column | None:
        """The column whose tiles say which pixels are null (FITS 4.0, section 10.2), if there is one."""
        column = self._named.get("NULL_PIXEL_MASK")
        return column if column is not None and column.descriptor else None

    @property
    def mask_codec(self) -> TileCodec:
        """What the tiles of `null_mask` are compressed with; errors as `codec`."""
        heap_format = "P" if self.null_mask is None else self.null_mask.code
        kind = registry.codec_class(self.cards.text("ZMASKCMP"))
        return built(kind, {}, tile_shape=self.grid.tile, heap_format=heap_format)

    @cached_property
    def blank_column(self) -> Column | None:
        """The column ZBLANK of an integer image, if it has one."""
        column = self._named.get("ZBLANK")
        return column if self.stored.kind != "f" and column is not None and not column.descriptor else None

    @property
    def algorithm(self) -> str:
        """What errors call the codec, which may be none that there is."""
        return (self.zcmptype or "ZCMPTYPE missing").strip()

    def fault(self, row: int, reason: str) -> TileDecodeError:
        """Return the error for the tile in a table row, from 0."""
        return TileDecodeError(self.algorithm, row, reason)


class CompressedSnapshot(Snapshot):
    """What the header of a compressed image says.

    An edit of tiles replaces the layout alone: the table stays the object that it was, with all that was worked out.

    Parameters
    ----------
    cards : Cards
        Not to be changed afterwards.
    table : TileTable
        Of these cards, or of earlier ones that differ in numbers of rows and bytes alone.
    """

    def __init__(self, cards: Cards, table: TileTable) -> None:
        super().__init__(cards)
        self.table = table

    def after(self, cards: Cards) -> CompressedSnapshot:
        """Return the snapshot of the same HDU with other cards, of which any may have changed."""
        return CompressedSnapshot(cards, self.table.after(cards))

    def with_layout(self, cards: Cards, layout: TableLayout) -> CompressedSnapshot:
        """Return the snapshot after an edit of tiles, rows and heap.

        Parameters
        ----------
        cards : Cards
            As they are now: other than before in what ``layout`` says, and the lengths in brackets of TFORMn, at most.
        layout : TableLayout
            With the same columns.
        """
        other = CompressedSnapshot(cards, self.table)
        other.layout = layout
        return other

    def reshaped(self, cards: Cards, *, nrows: int | None = None, row_nbytes: int | None = None) -> CompressedSnapshot:
        """Return the snapshot with other columns or rows, as changed ``cards`` say but for their number of bytes.

        For the time being the heap follows the table, as far as its cards say.
        """
        layout = self.layout
        nrows = layout.nrows if nrows is None else nrows
        row_nbytes = layout.row_nbytes if row_nbytes is None else row_nbytes
        TableLayout(row_nbytes, nrows, row_nbytes * nrows, layout.heap_nbytes, ()).put_into(cards)
        return CompressedSnapshot(cards, TileTable(cards, self.table.codec))

    @cached_property
    def layout(self) -> TableLayout:
        """The table on disk, which has a row for every tile at least; `HeaderError` if it has not, or is malformed."""
        layout = TableLayout.from_cards(self.cards, self.table.columns)
        if not self.table.shape:
            return layout
        grid = self.table.grid
        if layout.nrows < grid.ntiles:
            raise HeaderError(
                f"NAXIS2 is {layout.nrows}, but an image of {grid.shape} pixels has {grid.ntiles} tiles of {grid.tile}"
            )
        return layout

    def with_fallback(self) -> CompressedSnapshot:
        """Return the image with a column for floats that cannot be quantised; the same if it has one.

        CFITSIO leaves the column out if no tile needed it. The new one is the last of all, so that those that are there
        stay where they are in the rows.
        """
        table = self.table
        if table.sources[table.fallback_source] is not None:
            return self
        cards = self.cards.copy()
        number, beside = len(table.columns) + 1, table.sources[SOURCES.index(COMPRESSED)]
        code = "P" if beside is None else beside.code
        last = f"TFORM{number - 1}", f"TTYPE{number - 1}"
        cards.set("TFIELDS", number)
        cards.set(f"TTYPE{number}", GZIPPED, "name of the column", after=last[1] if last[1] in cards else last[0])
        cards.set(f"TFORM{number}", f"1{code}B(0)", "format of the column", after=f"TTYPE{number}")
        return self.reshaped(cards, row_nbytes=self.layout.row_nbytes + ELEMENT_NBYTES[code])

    def with_wide_columns(self) -> CompressedSnapshot:
        """Return the image with room in its columns for the numbers of any tile; the same if they have it.

        Only for an image that is written anew as a whole. Other software may keep scales in single precision, in which
        the origin of a tile with nulls is hundreds of quanta off, or nulls in 16 bits.
        """
        quantization = self.table.quantization
        if quantization is None:
            return self
        cards, wider = self.cards.copy(), 0
        for holder, codes in ((quantization.scale, "D"), (quantization.zero, "D"), (quantization.null, "JK")):
            if isinstance(holder, Column) and holder.code not in codes:
                cards.set(f"TFORM{holder.number}", f"1{codes[0]}")
                wider += ELEMENT_NBYTES[codes[0]] - holder.nbytes
        return self.reshaped(cards, row_nbytes=self.layout.row_nbytes + wider) if wider else self
