"""Which class stands for an HDU."""

from __future__ import annotations

from rustfits.codec import registry
from rustfits.hdu.base import HDU
from rustfits.hdu.compressed.compressed import CompressedImageHDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.hdu.table.table import AsciiTableHDU, CompressedTableHDU, TableHDU
from rustfits.header.cards import Cards


def hdu_class(cards: Cards, primary: bool) -> type[HDU]:
    """Choose the class for a header (FITS 4.0, sections 4.4.1, 7 and 10).

    Parameters
    ----------
    cards : Cards
    primary : bool
        Whether it is the first HDU of its file.

    Returns
    -------
    type[HDU]
        `HDU` itself for an extension that neither the core nor a plugin knows.
    """
    if primary:
        return ImageHDU
    value = cards.first_value()
    kind = value.strip() if isinstance(value, str) else ""
    if kind == "IMAGE":
        return ImageHDU
    if kind == "TABLE":
        return AsciiTableHDU
    if kind == "BINTABLE":
        if cards.get("ZIMAGE") is True:
            return CompressedImageHDU
        return CompressedTableHDU if cards.get("ZTABLE") is True else TableHDU
    found = registry.hdu_type(cards)
    return HDU if found is None else found
