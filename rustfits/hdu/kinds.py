"""Which class stands for an HDU."""

from __future__ import annotations

from rustfits.hdu.base import HDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards

# Names from before the standard extensions, which archives are full of (FITS 4.0, appendix F).
_OLDER = {"IUEIMAGE": "IMAGE", "A3DTABLE": "BINTABLE", "3DTABLE": "BINTABLE"}


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
    kind = _OLDER.get(kind, kind)
    if kind == "IMAGE":
        return ImageHDU
    # Only what a file holds is loaded: for one image that takes as long as to read it.
    if kind == "TABLE":
        from rustfits.hdu.table.table import AsciiTableHDU

        return AsciiTableHDU
    if kind == "BINTABLE":
        if cards.get("ZIMAGE") is True:
            from rustfits.hdu.compressed.compressed import CompressedImageHDU

            return CompressedImageHDU
        from rustfits.hdu.table.table import CompressedTableHDU, TableHDU

        return CompressedTableHDU if cards.get("ZTABLE") is True else TableHDU
    from rustfits.codec import registry

    found = registry.hdu_type(cards)
    return HDU if found is None else found
