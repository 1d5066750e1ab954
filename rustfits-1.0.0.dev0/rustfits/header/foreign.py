"""Headers of other libraries, and mappings, as cards; and what of a header may stand before other data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from rustfits.errors import HeaderError
from rustfits.header.assignment import accepted, assign
from rustfits.header.card import CARD, commentary_cards, format_cards, legible
from rustfits.header.cards import NOBODYS_NAME, Cards
from rustfits.header.keys import COMMENTARY, NOT_KEYS, canonical, describes_data, is_protected_key, key_field


def is_header(other: object) -> bool:
    """Return whether ``other`` is a header of another library, or a mapping made from a whole one.

    A mapping is, if it has structural keywords, or entries like those that `FITSHeader.to_dict` returns.
    """
    if _records(other) is not None:
        return True
    if not isinstance(other, Mapping):
        return False
    return any(isinstance(entry, Mapping) and "value" in entry for entry in other.values()) or any(
        key is None or (isinstance(key, str) and is_protected_key(key)) for key in other
    )


def cards_of(other: object) -> Cards:
    """Return the cards that stand for a header of another library, or for a mapping.

    Parameters
    ----------
    other : object
        One whose ``cards`` are (keyword, value, comment) triples, cards of astropy, or text; one with fitsio's
        ``records()``; what `FITSHeader.to_dict` returned; or a mapping of keyword to value or ``(value, comment)``.

    Raises
    ------
    HeaderError
        If it is none of these, or a card cannot be written.
    TypeError
        If a keyword of a mapping is not a str.
    """
    records = _records(other)
    if records is not None:
        return Cards("".join(line for record in records for line in _lines(record)))
    items = getattr(other, "items", None)
    if not callable(items):
        raise HeaderError(
            f"header= takes a FITSHeader, a header of astropy or fitsio, or a mapping, not {type(other).__name__}"
        )
    whole = is_header(other)
    return Cards("".join(line for key, entry in items() for line in _entry_lines(key, entry, whole)))


def carried(cards: Cards, without: Collection[str] = ()) -> Cards:
    """Return the cards of a header that may stand before other data, in their order, commentary too.

    Left out are keywords that describe the data, see `describes_data`, and the name that is nobody's.

    Parameters
    ----------
    cards : Cards
    without : collection of str
        Canonical keywords to leave out as well.
    """
    name, first = cards.extname(), cards.get("EXTNAME")
    nobodys = name is not None and name.rstrip(" ") == NOBODYS_NAME
    left_out = {*without, *(["EXTNAME"] if nobodys else [])}
    found = cards.selected(lambda key: key not in left_out and not describes_data(key))
    if name != first and "EXTNAME" in found:
        found.set("EXTNAME", name)
    return found


def _records(other: object) -> Iterable[Any] | None:
    """Return what stands for the cards of a header of another library; None if it is no such header."""
    records = getattr(other, "records", None)
    if callable(records):
        found: Iterable[Any] = records()
        return found
    cards = getattr(other, "cards", None)
    return None if cards is None or callable(cards) or isinstance(cards, str | bytes) else cards


def _lines(record: Any) -> list[str]:
    """Return the cards of one record of another library: text, an object with ``image``, a dict, or a triple."""
    image = record if isinstance(record, str) else getattr(record, "image", None)
    if isinstance(image, str) and image:
        try:
            text = legible(image.encode("ascii")).decode("ascii")
        except UnicodeEncodeError as error:
            raise HeaderError(f"card {image.rstrip()!r}: a header holds printable ASCII only") from error
        text = text.ljust(-(-len(text) // CARD) * CARD)
        lines = [text[start : start + CARD] for start in range(0, len(text), CARD)]
        return [] if canonical(lines[0][:8]) == "END" else lines
    if isinstance(record, Mapping):
        keyword, value, comment = record.get("name") or "", record.get("value"), record.get("comment")
        if not canonical(keyword) and not value:  # fitsio takes the text of a blank keyword for a comment
            value = comment
    else:
        keyword, value, comment = _triple(record)
    name = canonical(keyword)
    if name in NOT_KEYS:
        return []
    if name in COMMENTARY:
        return commentary_cards(name, "" if value is None else str(value))
    return format_cards(key_field(keyword), _value(name, value), str(comment or ""), cut=True)


def _triple(record: Any) -> tuple[str, Any, Any]:
    if hasattr(record, "keyword"):
        return record.keyword or "", record.value, record.comment
    if not isinstance(record, tuple | list) or not 2 <= len(record) <= 3:
        raise HeaderError(f"a card is (keyword, value, comment), not {record!r}")
    keyword, value, *comment = record
    return keyword or "", value, comment[0] if comment else ""


def _entry_lines(key: Any, entry: Any, whole: bool) -> Iterator[str]:
    """Yield the cards of one entry of a mapping; ``whole`` if it is known to have been a header."""
    name = canonical("" if key is None and whole else key)
    if name in COMMENTARY:
        texts = [entry] if isinstance(entry, str) else entry
        if not isinstance(texts, Iterable) or isinstance(texts, Mapping | bytes):
            raise HeaderError(f"{name or 'the blank keyword'} holds text, or a list of texts, not {entry!r}")
        for text in texts:
            yield from commentary_cards(name, str(text))
        return
    if name in NOT_KEYS:
        return
    if isinstance(entry, Mapping) and "value" in entry:
        entry = (entry.get("value"), str(entry.get("comment") or ""))
    if not whole and not is_protected_key(name):
        cards = Cards()
        assign(cards, key, entry)
        yield cards.characters
        return
    value, comment = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, "")
    try:
        yield from format_cards(key_field(key), _value(name, value), comment, cut=True)
    except HeaderError:
        if not describes_data(name):  # what would be left out anyway may be anything
            raise


def _value(name: str, value: Any) -> Any:
    """Return a value that a card can hold; None for one that is not defined, which astropy has an object for."""
    return None if value is None or type(value).__name__ == "Undefined" else accepted(name, value)
