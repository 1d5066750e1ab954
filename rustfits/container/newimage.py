"""A new image, checked as a whole before a byte of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits.codec import registry
from rustfits.codec.codec import TileCodec
from rustfits.errors import ImageError
from rustfits.hdu.compressed.cards import compressed_cards
from rustfits.hdu.image.cards import image_cards
from rustfits.header.cards import Cards
from rustfits.quantize.parameters import Quantize


@dataclass(frozen=True, slots=True)
class NewImage:
    """What the arguments of `FITS.create_image_hdu` ask for.

    Attributes
    ----------
    dtype : dtype
        Of the pixels, as the user sees them.
    dims : tuple of int
        Numpy order.
    codec : TileCodec or None
        None for an uncompressed image.
    quantize : Quantize or None
    names : dict
        The arguments extname, extver and blank, for the header.
    """

    dtype: np.dtype[Any]
    dims: Sequence[int]
    codec: TileCodec | None
    quantize: Quantize | None
    names: Mapping[str, Any]

    @classmethod
    def plan(
        cls, dtype: DTypeLike, dims: Sequence[int], *, compress: object, quantize: object, **names: Any
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
        new = cls(np.dtype(dtype), dims, codec, quantize, names)
        new.cards(primary=False)
        return new

    @classmethod
    def of_pixels(cls, pixels: NDArray[Any], **arguments: Any) -> NewImage:
        """Check the arguments of `plan`, and an array that is to be written.

        Raises
        ------
        ImageError
            If it has no axes, or holes though it is not to be compressed, or masked integers and no ``blank``.
        """
        if not pixels.ndim:
            raise ImageError("a single number has NAXIS=0, which holds no pixels; pass an array of one axis or more")
        new = cls.plan(pixels.dtype, pixels.shape, **arguments)
        if new.codec is None and not pixels.flags.c_contiguous:
            raise ImageError("data must be C-contiguous; pass numpy.ascontiguousarray(data)")
        if new.names["blank"] is None and pixels.dtype.kind in "iu" and np.ma.is_masked(pixels):
            raise ImageError("masked integer pixels need a number that stands for them: pass blank=")
        return new

    def cards(self, *, primary: bool) -> Cards:
        """Return the header; ``primary`` says whether it is the first of its file, which no table can be."""
        if self.codec is None:
            return image_cards(self.dtype, self.dims, primary=primary, **self.names)
        return compressed_cards(self.codec, self.dtype, self.dims, quantize=self.quantize, **self.names)
