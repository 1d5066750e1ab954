"""An HDU of one file appended to another, byte for byte."""

from __future__ import annotations

import re

from rustfits.container.hdulist import HDUList
from rustfits.errors import NotSupported
from rustfits.hdu.base import HDU
from rustfits.hdu.image.cards import empty_primary_cards
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.card import CARD
from rustfits.header.cards import Cards
from rustfits.storage.base import MOVE_NBYTES
from rustfits.storage.openfile import OpenFile

_OF_PRIMARY = (b"EXTEND  ", b"PCOUNT  ", b"GCOUNT  ")
_OF_EXTENSION = (("XTENSION", "IMAGE"), ("PCOUNT", 0), ("GCOUNT", 1))


def append_copy(file: OpenFile, hdus: HDUList, hdu: HDU) -> HDU:
    """Append a copy of ``hdu``; the other parameters are of the file that it is appended to.

    A primary HDU that becomes an extension gets the cards of one. An extension that comes first gets an empty primary
    HDU before it.

    Raises
    ------
    NotSupported
        If it has random groups, which only a primary HDU can have.
    FitsError
        If one of the files cannot be read or written; nothing was appended then.
    """
    is_primary = not hdu.index
    renewed = False
    if is_primary and hdu.header.get("GROUPS") is True and hdu.header.get("NAXIS1") == 0 and len(hdus):
        raise NotSupported(f"{hdu._place} has random groups, so it can only be the first HDU of a file")
    hdu._file.complete()
    with file.changing(file.filename), hdu._file.reading(hdu._place, hdu._extent):
        source, extent = hdu._file.storage, hdu._extent
        start, stop = extent.data_start, min(extent.stop, max(source.size(), extent.data_start + extent.data_nbytes))
        raw = source.read_bytes(extent.header_start, start - extent.header_start)
        if is_primary and len(hdus):
            cards = Cards.parse(_of_extension(raw), lenient=True)
            raw = cards.encode()
            renewed = "CHECKSUM" in cards and isinstance(hdu, ImageHDU) and bool(hdu.verify_checksum())
        else:
            cards = Cards.parse(raw, lenient=True)
        if not is_primary and not len(hdus):
            hdus.append(empty_primary_cards())
        new = hdus.append(cards)
        if cards.encode() != raw:  # bytes that are not allowed in a header, but were read
            file.storage.write(new._extent.header_start, raw)
        for offset in range(start, stop, MOVE_NBYTES):
            file.storage.write(
                new._extent.data_start + offset - start, source.read(offset, min(MOVE_NBYTES, stop - offset))
            )
        if renewed and isinstance(new, ImageHDU):
            new.add_checksum()
    return new


def _of_extension(raw: bytes) -> bytes:
    """Return the header of a primary HDU as that of an extension of the kind IMAGE (FITS 4.0, section 7.1)."""
    lines = [raw[start : start + CARD] for start in range(0, len(raw), CARD)]
    lines = [line for line in lines if line[:8] not in _OF_PRIMARY]
    xtension, *counts = (Cards.build([entry]).encode()[:CARD] for entry in _OF_EXTENSION)
    axes = [number for number, line in enumerate(lines) if re.fullmatch(rb"NAXIS[1-9]?[0-9]* *", line[:8])]
    after = max(axes) + 1
    return b"".join([xtension, *lines[1:after], *counts, *lines[after:]])
