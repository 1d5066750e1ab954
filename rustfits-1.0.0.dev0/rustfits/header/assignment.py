"""What may be assigned to a keyword, and how its value is shown."""

from __future__ import annotations

from typing import Any

from rustfits.errors import HeaderError, MissingKeyword, ProtectedKeyword
from rustfits.header.card import Value, plain_value
from rustfits.header.cards import Cards
from rustfits.header.keys import COMMENTARY, canonical, is_protected_key


def value_of(cards: Cards, key: str) -> Any:
    """Return the value of a keyword, or the list of texts of a commentary keyword, as the views show it.

    Raises
    ------
    MissingKeyword
        If there is no such keyword.
    """
    found = cards.get(key)
    if found is None:
        if key not in cards:
            raise MissingKeyword(key)
        if canonical(key) in COMMENTARY:
            return cards.commentary(key)
    return found


def assign(cards: Cards, key: str, entry: object) -> None:
    """Assign as a user may: neither protected nor commentary keywords, and no undefined value.

    Raises
    ------
    HeaderError
        If the keyword, the value or the comment is not allowed.
    """
    refuse_protected(key)
    refuse_commentary(key)
    if canonical(key) == "HIERARCH":
        raise HeaderError("HIERARCH alone is no keyword; assign to what would follow it")
    value, comment = entry, None
    if isinstance(entry, tuple):
        if len(entry) != 2 or not isinstance(entry[1], str):
            raise HeaderError(f"{key}: a tuple must be (value, comment) with a str comment; got {entry!r}")
        value, comment = entry
    cards.set(key, accepted(key, value), comment)


def accepted(key: str, value: object) -> Value:
    """Return ``value`` as a card holds it: an integer beyond 64 bits as a float.

    Raises
    ------
    HeaderError
        If it is no value, or none that a card can hold.
    """
    if value is None:
        raise HeaderError(f"{key}: unsupported value type NoneType; allowed are bool, int, float, complex and str")
    plain = plain_value(value, key)
    if isinstance(plain, int) and not -(2**63) <= plain < 2**64:
        try:
            return float(plain)
        except OverflowError:
            raise HeaderError(f"{key}: the integer has {plain.bit_length()} bits, more than a float can hold") from None
    return plain


def refuse_protected(key: str) -> None:
    """Raise `ProtectedKeyword` if only the library writes ``key``."""
    if is_protected_key(canonical(key)):
        raise ProtectedKeyword(canonical(key))


def refuse_commentary(key: str) -> None:
    """Raise `HeaderError` if ``key`` has no value that could be assigned."""
    name = canonical(key)
    if name in COMMENTARY:
        raise HeaderError(
            f"{name or 'the blank keyword'} holds commentary, not a value; use add_comment, add_history or add_blank"
        )
