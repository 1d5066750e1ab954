"""What the header of an image says of its pixels."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from rustfits.errors import HeaderError
from rustfits.header.cards import Cards
from rustfits.pixels.scaling import Scaling, bitpix_dtype, blank_value
from rustfits.pixels.sections import MAX_NAXIS


class ImageFacts:
    """Shape, dtype and scaling of an image; each is read from the cards when first asked for.

    Parameters
    ----------
    cards : Cards
        Not to be changed.
    prefix : {'', 'Z'}
        What stands before BITPIX, NAXIS and NAXISn: "Z" in the table of a compressed image (FITS 4.0, 10.1.1).
    blank_keywords : tuple of str
        As in `blank_value`.
    """

    def __init__(self, cards: Cards, prefix: str = "", blank_keywords: tuple[str, ...] = ("BLANK",)) -> None:
        self.cards = cards
        self._prefix = prefix
        self._blank_keywords = blank_keywords

    def after(self, cards: Cards) -> ImageFacts:
        """Return the facts after an edit that changed nothing but the length of the first axis, at most."""
        other = ImageFacts(cards, self._prefix, self._blank_keywords)
        other.__dict__.update({**self.__dict__, "cards": cards})
        for name in ("shape", "size"):
            other.__dict__.pop(name, None)
        return other

    @cached_property
    def bitpix(self) -> int:
        """BITPIX, which the standard has; `HeaderError` otherwise."""
        bitpix = self.cards.integer(f"{self._prefix}BITPIX")
        bitpix_dtype(bitpix)
        return bitpix

    @cached_property
    def stored(self) -> np.dtype[Any]:
        """Dtype of the stored numbers, native byte order."""
        return bitpix_dtype(self.bitpix)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis, numpy order; `HeaderError` if a keyword is absent or malformed."""
        ndim = self._length(f"{self._prefix}NAXIS")
        if ndim > MAX_NAXIS:
            raise HeaderError(f"{self._prefix}NAXIS is {ndim}, but an image can have at most {MAX_NAXIS} axes")
        return tuple(self._length(f"{self._prefix}NAXIS{axis}") for axis in range(ndim, 0, -1))

    @property
    def groups(self) -> bool:
        """Whether this is the header of random groups, if it is a primary one (FITS 4.0, section 6.1)."""
        return not self._prefix and len(self.shape) > 1 and not self.shape[-1] and self.cards.get("GROUPS") is True

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
        return blank_value(self.cards, self.stored, self._blank_keywords)

    def _length(self, keyword: str) -> int:
        length = self.cards.integer(keyword)
        if length < 0:
            raise HeaderError(f"{keyword} is {length}; it cannot be negative")
        return length
