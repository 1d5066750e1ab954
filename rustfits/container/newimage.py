"""A new image, checked as a whole before a byte of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits.codec import registry
from rustfits.codec.codec import TileCodec
from rustfits.container.hdulist import HDUList
from rustfits.errors import ImageError
from rustfits.hdu.compressed.cards import compressed_cards, resolved
from rustfits.hdu.compressed.compressed import CompressedImageHDU
from rustfits.hdu.compressed.edit import encode_new
from rustfits.hdu.image.cards import empty_primary_cards, image_cards
from rustfits.hdu.image.image import ImageHDU
from rustfits.hdu.image.raster import Raster
from rustfits.hdu.image.values import checked_pixels
from rustfits.header.cards import Cards
from rustfits.header.edit import header_cards
from rustfits.header.foreign import carried
from rustfits.header.header import FITSHeader
from rustfits.pixels.bitpix import STORED, bitpix_dtype, short_name, stored_form
from rustfits.pixels.facts import ImageFacts
from rustfits.pixels.scaling import Scaling, is_masked_array
from rustfits.pixels.sections import full_section
from rustfits.quantize.parameters import Quantize
from rustfits.storage.openfile import OpenFile
from rustfits.tiles.zimage import TileTable

Header = FITSHeader | Mapping[str, Any] | Any  # of another library


@dataclass(frozen=True)
class NewImage:
    """What the arguments of `FITS.create_image_hdu` and `FITS.write_image` ask for.

    Attributes
    ----------
    dtype : dtype
        Of the pixels, as the user sees them.
    dims : sequence of int
        Numpy order.
    codec : TileCodec or None
        None for an uncompressed image.
    quantize : Quantize or None
    names : dict
        The arguments extname, extver, blank, bscale and bzero, for the header.
    header : FITSHeader, header of another library, mapping or None
        Cards that the user adds.
    primary : bool
        Whether the image is the first HDU of its file, as far as was known; no table can be.
    """

    dtype: np.dtype[Any]
    dims: Sequence[int]
    codec: TileCodec | None
    quantize: Quantize | None
    names: Mapping[str, Any]
    header: Header | None
    primary: bool

    @classmethod
    def plan(
        cls,
        dtype: DTypeLike,
        dims: Sequence[int],
        *,
        primary: bool,
        compress: object = None,
        quantize: object = None,
        header: Header | None = None,
        **names: Any,
    ) -> NewImage:
        """Check the arguments.

        Raises
        ------
        TypeError
            If an argument has the wrong type.
        ImageError, HeaderError, CodecError
            If there can be no such image.
        """
        codec = registry.as_codec(compress)
        if quantize is not None and not isinstance(quantize, Quantize):
            raise TypeError(f"quantize= must be None or a Quantize, not {quantize!r}")
        if quantize is not None and codec is None:
            raise ImageError("quantize= is for compressed images: pass compress= too")
        new = cls(np.dtype(dtype), dims, codec, quantize, names, header, primary)
        new.cards  # noqa: B018  # all else that can be wrong shows when they are made
        return new

    @classmethod
    def of_pixels(cls, pixels: NDArray[Any], *, blank: int | None = None, **arguments: Any) -> NewImage:
        """Check the arguments of `plan`, and an array that is to be written.

        Raises
        ------
        ImageError
            If it has no axes, or holes though it is not to be compressed, or masked integers and no ``blank``.
        """
        if not pixels.ndim:
            raise ImageError("a single number has NAXIS=0, which holds no pixels; pass an array of one axis or more")
        new = cls.plan(pixels.dtype, pixels.shape, blank=blank, **arguments)
        if new.codec is None and not pixels.flags.c_contiguous:
            raise ImageError("data must be C-contiguous; pass numpy.ascontiguousarray(data)")
        if blank is None and pixels.dtype.kind in "iu" and is_masked_array(pixels) and np.ma.is_masked(pixels):
            raise ImageError("masked integer pixels need a number that stands for them: pass blank=")
        return new

    @cached_property
    def plain(self) -> Cards:
        """The header that the pixels are written by: its BSCALE is the one that is meant for them."""
        if self.codec is None:
            return image_cards(self.dtype, self.dims, primary=self.primary, **self.names)
        return compressed_cards(self.codec, self.dtype, self.dims, quantize=self.quantize, **self.names)

    @cached_property
    def cards(self) -> Cards:
        """The header, with what the user adds: nothing that changes what the pixels mean."""
        if self.header is None:
            return self.plain
        source = header_cards(self.header)
        if self.names.get("bscale") is None and self.names.get("bzero") is None:
            refuse_stored(source, self.dtype)
        given = [key for key in ("EXTNAME", "EXTVER") if self.names.get(key.lower()) is not None]
        return Cards(self.plain.characters + carried(source, given).characters)

    def append_to(self, file: OpenFile, hdus: HDUList, pixels: NDArray[Any] | None) -> ImageHDU:
        """Append the image to a file; all that can be wrong with its pixels is known before anything is appended.

        Parameters
        ----------
        file : OpenFile
        hdus : HDUList
            Of the file.
        pixels : array or None
            None for zeros, or, if it is compressed, for no tiles yet.
        """
        with file.changing(file.filename):
            if self.codec is not None:
                return self._append_tiles(file, hdus, self.codec, pixels)
            if self.primary is bool(len(hdus)):  # others have added or taken back an HDU since
                return replace(self, primary=not self.primary).append_to(file, hdus, pixels)
            return self._append_pixels(file, hdus, pixels)

    def _append_pixels(self, file: OpenFile, hdus: HDUList, pixels: NDArray[Any] | None) -> ImageHDU:
        facts, values = ImageFacts(self.plain), None
        if pixels is not None:
            values = checked_pixels(pixels, pixels.ndim, facts.scaling, facts.blank, what=facts.dtype_name)
        hdu = hdus.append(self.cards)
        assert isinstance(hdu, ImageHDU)
        if values is not None:
            raster = Raster(file.storage, hdu._extent.data_start, facts.shape, facts.stored)
            raster.write(full_section(facts.shape), values, facts.scaling)
        return hdu

    def _append_tiles(self, file: OpenFile, hdus: HDUList, codec: TileCodec, pixels: NDArray[Any] | None) -> ImageHDU:
        codec = resolved(codec, TileTable(self.plain).shape)
        tiles = None if pixels is None else encode_new(TileTable(self.plain, codec), self.quantize, pixels)
        cards = self.cards if tiles is None else tiles.complete(self.cards)
        with file.storage.gathered():
            if not len(hdus):
                hdus.append(empty_primary_cards())
            hdu = hdus.append(cards)
            assert isinstance(hdu, CompressedImageHDU)
            hdu._remember(codec, self.quantize)
            if tiles is not None:
                tiles.writer.fill(file.storage, hdu._extent)
        return hdu


def refuse_stored(source: Cards, dtype: np.dtype[Any]) -> None:
    """Refuse integers that may be the stored numbers of the image whose header comes with them, or physical values.

    Raises
    ------
    ImageError
        If the header scales integers of just this type.
    """
    bitpix = source.get("ZBITPIX", source.get("BITPIX"))
    stored = bitpix_dtype(bitpix) if isinstance(bitpix, int) and bitpix in STORED else dtype
    if stored.kind == "f" or short_name(stored) != short_name(dtype) or stored_form(dtype)[1]:
        return
    bscale, bzero = source.get("BSCALE"), source.get("BZERO")
    bscale = bscale if isinstance(bscale, int | float) else 1
    bzero = bzero if isinstance(bzero, int | float) else 0
    scaling = Scaling(stored.newbyteorder("="), bscale, bzero)
    if scaling.trivial or scaling.convention:
        return
    raise ImageError(
        f"the header has BSCALE {bscale} and BZERO {bzero} for stored {short_name(stored)} numbers, and the pixels are "
        f"{short_name(dtype)} too: pass bscale= and bzero= if they are such numbers (bscale=1 if they are values as "
        "they are), or physical values as floats"
    )
