"""The header of the image that a compressed one holds, as a program that unpacks it would write it."""

from __future__ import annotations

from rustfits.header.cards import Cards
from rustfits.header.foreign import carried

# Keywords of the image that the table keeps under another name (FITS 4.0, section 10.1.2).
_KEPT = {"ZHECKSUM": "CHECKSUM", "ZDATASUM": "DATASUM"}
_SCALING = ("BSCALE", "BZERO", "BLANK")


def unpacked_cards(cards: Cards, blank: int | None) -> Cards:
    """Return the cards of the image: its own structure, no table, no Z keywords.

    Parameters
    ----------
    cards : Cards
        Of the table.
    blank : int or None
        The stored integer that means "no value".

    Raises
    ------
    HeaderError
        If the header does not say what the image is like.
    """
    naxis = cards.integer("ZNAXIS")
    primary = cards.get("ZSIMPLE") is True
    first = ("SIMPLE", True) if primary else ("XTENSION", "IMAGE")
    axes = [(f"NAXIS{axis}", cards.integer(f"ZNAXIS{axis}")) for axis in range(1, naxis + 1)]
    found = Cards.build([first, ("BITPIX", cards.integer("ZBITPIX")), ("NAXIS", naxis), *axes])
    if primary:
        _copy(cards, found, "ZEXTEND", "EXTEND")
    else:
        found.set("PCOUNT", 0)
        found.set("GCOUNT", 1)
    for keyword in _SCALING:
        if keyword in cards and (keyword != "BLANK" or blank is not None):
            found.adopt(cards, keyword)
    if blank is not None and "BLANK" not in found:
        found.set("BLANK", blank)
    found = Cards(found.characters + carried(cards).characters)
    for keyword, own in _KEPT.items():
        _copy(cards, found, keyword, own)
    return found


def _copy(source: Cards, target: Cards, keyword: str, own: str) -> None:
    if keyword in source:
        target.set(own, source.get(keyword), source.comment(keyword))
