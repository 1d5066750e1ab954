"""Compressed images into images, with the cards that funpack gives them: those that were there before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import IO

import rustfits
from rustfits_cli.packing import bands
from rustfits_cli.rawcards import (
    RawHDU,
    card_of,
    checksums_are_right,
    header_bytes,
    keyword,
    padded,
    renamed,
    stored_bytes,
    with_checksums,
)

# Cards of the table, and of how it was compressed, which the image has not.
_OF_TABLE = re.compile(
    "XTENSION|BITPIX|NAXIS[12]?|PCOUNT|GCOUNT|TFIELDS|THEAP|T(?:TYPE|FORM|UNIT)[0-9]+|CHECKSUM|DATASUM|ZIMAGE|ZCMPTYPE|"
    "Z(?:TILE|NAME|VAL)[0-9]+|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZMASKCMP|ZSIMPLE|ZTENSION|ZBITPIX|ZNAXIS[0-9]*"
)
_RENAMED = {name: name[1:] for name in ("ZEXTEND", "ZBLOCKED", "ZPCOUNT", "ZGCOUNT")}
_RENAMED |= {"ZHECKSUM": "CHECKSUM", "ZDATASUM": "DATASUM"}
_OF_COVER = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "CHECKSUM", "DATASUM", "END", "")
COVER_COMMENTARY = (
    "COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy",
    "COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H",
)


def own_cards(hdu: rustfits.HDU) -> list[str]:
    """Return the cards of an empty first HDU that fpack does not write there: somebody has put them in."""
    lines = [line.rstrip() for line in hdu.header.cards]
    return [line for line in lines if line[:8].rstrip() not in _OF_COVER and line not in COVER_COMMENTARY]


def has_cover(hdus: list[rustfits.HDU]) -> bool:
    """Return whether the first HDU is there only so that a compressed primary image could follow (FITS 4.0, 10.1).

    One with cards of its own is more than that: nothing else keeps them.
    """
    if len(hdus) < 2 or hdus[0].has_data or not isinstance(hdus[1], rustfits.CompressedImageHDU):
        return False
    return "ZSIMPLE" in hdus[1].header and not own_cards(hdus[0])


def image_cards(cards: list[bytes], *, first: bool) -> list[bytes]:
    """Return the cards of the image that a compressed one holds, those that were copied as they are.

    Parameters
    ----------
    cards : list of bytes
        Of the table.
    first : bool
        Whether the image becomes the first HDU of a file.
    """
    kept = {keyword(card): card for card in reversed(cards)}
    naxis = sum(name.startswith("ZNAXIS") for name in kept) - 1
    if first:
        begin = renamed(kept["ZSIMPLE"], "SIMPLE") if "ZSIMPLE" in kept else card_of("SIMPLE", True, "FITS standard")
    else:
        image = card_of("XTENSION", "IMAGE", "Image extension")
        begin = renamed(kept["ZTENSION"], "XTENSION") if "ZTENSION" in kept else image
    names = ["ZBITPIX", "ZNAXIS", *(f"ZNAXIS{axis}" for axis in range(1, naxis + 1))]
    found = [begin, *(renamed(kept[name], name[1:]) for name in names)]
    if not first and "ZPCOUNT" not in kept:
        found += [card_of("PCOUNT", 0, "number of parameters"), card_of("GCOUNT", 1, "number of groups")]
    others = [renamed(card, _RENAMED.get(keyword(card), keyword(card))) for card in cards if _is_of_image(card)]
    if first and "ZSIMPLE" not in kept:
        others = [card for card in others if keyword(card) not in ("PCOUNT", "GCOUNT")]
    if not first and "ZTENSION" not in kept:
        others = [card for card in others if keyword(card) not in ("EXTEND", "BLOCKED")]
    if "ZBLANK" in kept and "BLANK" not in kept and int(kept["ZBITPIX"][10:30]) > 0:
        others.append(renamed(kept["ZBLANK"], "BLANK"))
    return found + others


def _is_of_image(card: bytes) -> bool:
    name = keyword(card)
    if name == "EXTNAME" and card[10:30].replace(b" ", b"") == b"'COMPRESSED_IMAGE'":
        return False
    if name == "EXTNAME" and card[10:].startswith(b"'COMPRESSED_IMAGE'"):
        return False
    return not _OF_TABLE.fullmatch(name)


def unpack_image(
    hdu: rustfits.CompressedImageHDU, raw: RawHDU, out: IO[bytes], tell: Callable[[int], None], *, first: bool
) -> tuple[int, bool]:
    """Write the image that ``hdu`` holds at the end of ``out``; return the sum of its pixels, and if it is as expected.

    Checksums that the image had are kept if they are still right, and renewed if not: quantised pixels are others.
    Where nothing was lost, another DATASUM is not to be expected.
    """
    codec = hdu.compression
    assert codec is not None
    assert codec.tile_shape is not None
    hdu.set_tile_cache_size(0)  # each tile is read once
    cards = image_cards(raw.cards, first=first)
    start, total, nbytes = out.seek(0, 2), rustfits.Datasum(), 0
    out.seek(start + len(header_bytes(cards)))
    for key, _ in bands(hdu, tuple(codec.tile_shape)):
        (pixels,) = hdu.read_many([key], scale=False)
        for stored in stored_bytes(pixels):
            total.update(stored)
            out.write(stored.data)
        nbytes += pixels.nbytes
        tell(raw.data_nbytes * pixels.size // hdu.size)
    out.write(bytes(padded(nbytes) - nbytes))
    names = {keyword(card) for card in cards}
    datasum = [card for card in cards if keyword(card) == "DATASUM"]
    same = checksums_are_right(datasum, total.value) or _is_lossy(hdu, raw)
    if "CHECKSUM" in names and "DATASUM" in names and not checksums_are_right(cards, total.value):
        cards = with_checksums(cards, total.value)
    out.seek(start)
    out.write(header_bytes(cards))
    out.seek(0, 2)
    return total.value, same


def _is_lossy(hdu: rustfits.CompressedImageHDU, raw: RawHDU) -> bool:
    """Return whether pixels were rounded: quantised, or by HCOMPRESS with a scale."""
    scaled = any(
        keyword(card) == "ZSCALE" or (keyword(card).startswith("TTYPE") and b"'ZSCALE" in card) for card in raw.cards
    )
    return scaled or bool(getattr(hdu.compression, "scale", 0))
