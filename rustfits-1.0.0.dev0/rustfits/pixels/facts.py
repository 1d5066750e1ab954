"""What the header of an image says of its pixels."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np

from rustfits.errors import HeaderError
from rustfits.header.state import Snapshot
from rustfits.limits import MAX_NAXIS
from rustfits.pixels.scaling import Scaling, bitpix_dtype, blank_value


class ImageFacts(Snapshot):
    """Shape, dtype and scaling of an image.

    Attributes
    ----------
    prefix : str
        What stands before BITPIX, NAXIS and NAXISn: "Z" in the table of a compressed image (FITS 4.0, 10.1.1).
    dtype_name : str
        What errors call the dtype of the stored numbers.
    blank_keywords : tuple of str
        As in `blank_value`.
    """

    prefix: ClassVar[str] = ""
    dtype_name: ClassVar[str] = "HDU BITPIX"
    blank_keywords: ClassVar[tuple[str, ...]] = ("BLANK",)

    @cached_property
    def bitpix(self) -> int:
        """BITPIX, which the standard has; `HeaderError` otherwise."""
        bitpix = self.cards.integer(f"{self.prefix}BITPIX")
        bitpix_dtype(bitpix)
        return bitpix

    @cached_property
    def stored(self) -> np.dtype[Any]:
        """Dtype of the stored numbers, native byte order."""
        return bitpix_dtype(self.bitpix)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis, numpy order; `HeaderError` if a keyword is absent or malformed."""
        ndim = self.cards.count(f"{self.prefix}NAXIS")
        if ndim > MAX_NAXIS:
            raise HeaderError(f"{self.prefix}NAXIS is {ndim}, but an image can have at most {MAX_NAXIS} axes")
        return tuple(self.cards.count(f"{self.prefix}NAXIS{axis}") for axis in range(ndim, 0, -1))

    @property
    def groups(self) -> bool:
        """Whether this is the header of random groups, if it is a primary one (FITS 4.0, section 6.1)."""
        return not self.prefix and len(self.shape) > 1 and not self.shape[-1] and self.cards.get("GROUPS") is True

    @cached_property
    def size(self) -> int:
        """Number of pixels; 0 if there are no axes."""
        return prod(self.shape) if self.shape else 0

    @cached_property
    def scaling(self) -> Scaling:
        """How stored numbers become physical ones; `HeaderError` if BSCALE or BZERO is no number."""
        return Scaling.from_cards(self.cards, self.stored)

    @cached_property
    def blank(self) -> int | None:
        """The stored integer that means "no value"."""
        return blank_value(self.cards, self.stored, self.blank_keywords)
