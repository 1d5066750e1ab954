"""Cards: the 80-character records of a header, from text to value and back (FITS 4.0, section 4)."""

from __future__ import annotations

import math
import re
from functools import cache

import numpy as np

from rustfits.errors import HeaderError
from rustfits.header.keys import COMMENTARY, NOT_KEYS, canonical, is_needed

Value = bool | int | float | complex | str | None

CARD = 80  # characters
EMPTY = "\0"  # stands for the keyword of cards of blanks alone, which are nobody's
_END = b"END".ljust(8)
MAX_CHAIN_COMMENT = 64  # the last CONTINUE card keeps room for one character of the string

_REAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EeDd][+-]?[0-9]+)?"
_NOT_FINITE = "[+-]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
_COMPLEX = r"\(([^,]*),([^,]*)\)"
_STRING = "'([^']*(?:''[^']*)*)(?:'[^/]*|$)"  # what stands between string and comment is lost
_PRINTABLE = "[ -~]*"
_ALLOWED = bytes(range(0x20, 0x7F))
_TO_ALLOWED = bytes(byte if 0x20 <= byte <= 0x7E else ord("_") for byte in range(256))


# -- from text to value -----------------------------------------------------------------------------------------------


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Return a regular expression: most headers need none, and each takes as long as to read a header."""
    return re.compile(text)


def find_end(raw: bytes | bytearray, first: int = 0, stop: int | None = None) -> int:
    """Return where the END card begins in ``raw``, of whole cards from byte ``first`` on and before ``stop``, or -1."""
    initials = raw[first:stop:CARD]  # looking at these alone is a hundred times faster than a search
    number = initials.find(b"E")
    while number >= 0:
        start = first + number * CARD
        if raw.startswith(_END, start) and start + CARD <= len(raw):
            return start
        number = initials.find(b"E", number + 1)
    return -1


def is_hierarch(line: str) -> bool:
    """Whether a card follows the HIERARCH convention: the word, a keyword of any length, the value indicator."""
    return line.startswith("HIERARCH ") and "=" in line


def unusual_name(line: str) -> str:
    """Return the canonical keyword of a card whose first 8 characters are not a keyword in upper case."""
    if is_hierarch(line):
        name = canonical(line[: line.index("=")])
        # Commentary is told by its first 8 columns, so these words name something else here.
        return "HIERARCH" if name in COMMENTARY or name in NOT_KEYS else name
    name = canonical(line[:8])
    return EMPTY if not name and line.isspace() else name


def field_of(line: str) -> str:
    """Return what follows the value indicator of a card; nothing if it has none."""
    if is_hierarch(line):
        return line[line.index("=") + 1 :]
    return line[9:] if line[8] == "=" else ""


def parse_field(field: str) -> tuple[Value, str]:
    """Return value and comment of what follows the value indicator of one card.

    A string keeps the ``&`` at its end: only the next card tells what it means.
    """
    text = field.lstrip(" ")
    if not text.startswith("'"):
        raw, _, comment = text.partition("/")
        return parse_number(raw.rstrip(" ")), comment.strip(" ")
    stop = text.find("'", 1)
    if stop > 0 and not text.startswith("'", stop + 1):  # the usual string, without a quote in it
        slash = text.find("/", stop)
        return text[1:stop].rstrip(" "), text[slash + 1 :].strip(" ") if slash > 0 else ""
    string = _pattern(_STRING).match(text)
    assert string is not None  # every text that begins with a quote matches
    return string[1].replace("''", "'").rstrip(" "), text[string.end() + 1 :].strip(" ")


def parse_number(raw: str) -> Value:
    """Return the value that unquoted text stands for; the text itself if it is none (FITS 4.0, 4.2.2 to 4.2.6)."""
    digits = raw[1:] if raw.startswith(("+", "-")) else raw
    if digits.isdigit() and digits.isascii():
        return int(raw)
    if raw in ("T", "F"):
        return raw == "T"
    real = _parse_real(raw)
    if real is not None:
        return real
    pair = _pattern(_COMPLEX).fullmatch(raw)
    if pair:
        parts = _parse_real(pair[1].strip(" ")), _parse_real(pair[2].strip(" "))
        if parts[0] is not None and parts[1] is not None:
            return complex(parts[0], parts[1])
    return raw or None


def parse_chain(fields: list[str]) -> tuple[Value, str]:
    """Return value and comment of a card and of the CONTINUE cards after it (FITS 4.0, section 4.2.1.2).

    Parameters
    ----------
    fields : list of str, not empty
        What follows the value indicator of the first card, and columns 9 to 80 of each CONTINUE card.
    """
    value, comment = parse_field(fields[0])
    if len(fields) == 1 or not isinstance(value, str):
        return value, comment
    pieces, comments = [value], [comment]
    for field in fields[1:]:
        # An & means something only if a string follows it.
        if not pieces[-1].endswith("&") or not field.lstrip(" ").startswith("'"):
            break
        piece, comment = parse_field(field)
        pieces[-1] = pieces[-1][:-1]
        pieces.append(str(piece))
        comments.append(comment)
    return "".join(pieces).rstrip(" "), " ".join(filter(None, comments))


def _parse_real(text: str) -> float | None:
    if _pattern(_REAL).fullmatch(text):
        return float(text.upper().replace("D", "E"))
    return float(text) if _pattern(_NOT_FINITE).fullmatch(text) else None


# -- from value to text -----------------------------------------------------------------------------------------------


def plain_value(value: object, keyword: str) -> Value:
    """Return ``value``, meant for ``keyword``, as one of Python's own types.

    Raises
    ------
    HeaderError
        If no card can hold it.
    """
    match value:
        case bool() | np.bool_():
            return bool(value)
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            return float(value)
        case complex() | np.complexfloating():
            return complex(value)
        case str():
            return str(value)
        case None:
            return None
    raise HeaderError(
        f"{keyword}: unsupported value type {type(value).__name__}; allowed are bool, int, float, complex and str"
    )


def format_cards(start: str, value: object, comment: str, *, cut: bool = False) -> list[str]:
    """Return the card, or the chain of cards, that holds a value.

    Parameters
    ----------
    start : str
        How the card begins, value indicator included; see `keys.key_field`.
    value : object
        Anything `plain_value` takes; None leaves the value undefined.
    cut : bool
        Whether a comment that has no room is cut short instead of refused.

    Raises
    ------
    HeaderError
        If the value or the comment cannot be written.
    """
    keyword = start.rstrip("= ")
    plain = plain_value(value, keyword)
    comment = printable(comment, f"comment of {keyword}").strip(" ")
    if isinstance(plain, str):
        return _string_cards(start, printable(plain, f"value of {keyword}").rstrip(" "), comment, cut=cut)
    return [unquoted_card(start, format_number(plain, keyword), comment, cut=cut)]


def unquoted_card(start: str, text: str, comment: str, *, cut: bool = False) -> str:
    """Return the card of a value that is not a string, from the value's text; arguments as in `format_cards`."""
    keyword = start.rstrip("= ")
    if len(start) + len(text) > CARD:
        raise HeaderError(f"{keyword} = {text} does not fit on a card of 80 characters; use a shorter keyword")
    fixed = text if start.startswith("HIERARCH ") else f"{text:>20}"
    for body in (fixed, text):  # values may stand anywhere where the fixed columns leave no room (4.2)
        card = start + body + (f" / {comment}" if comment else "")
        if len(card) <= CARD:
            return card.ljust(CARD)
    if not cut:
        room = max(CARD - len(start) - len(text) - 3, 0)
        raise HeaderError(f"the comment of {keyword} has {len(comment)} characters; beside its value fit {room}")
    return f"{start}{text} / {comment}"[:CARD].ljust(CARD)


def commentary_cards(name: str, text: str) -> list[str]:
    """Return the cards of COMMENT, HISTORY or the blank keyword that hold a text, at least one.

    Raises
    ------
    HeaderError
        If the text is not printable ASCII.
    """
    printable(text, f"text of {name or 'a blank keyword'}")
    starts = range(0, len(text), CARD - 8) or range(1)
    return [f"{name:8}{text[start : start + CARD - 8]}".ljust(CARD) for start in starts]


def format_number(value: bool | float | complex | None, keyword: str) -> str:
    """Return how a value that is not a string is written; a float reads back as the same double.

    Raises
    ------
    HeaderError
        If it is NaN or infinite: FITS has no text for those (4.2.4), and other software cannot read what is not text.
    """
    match value:
        case None:
            return ""
        case bool():
            return "T" if value else "F"
        case int():
            return str(value)
        case complex():
            return f"({format_number(value.real, keyword)}, {format_number(value.imag, keyword)})"
    if not math.isfinite(value):
        raise HeaderError(
            f"{keyword} = {value}: FITS headers hold finite numbers only; write a string, or leave it out"
        )
    digits, exponent, power = repr(value).upper().partition("E")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"


def printable(text: str, what: str) -> str:
    """Return ``text``, or raise `HeaderError` if it is not printable ASCII."""
    end = _pattern(_PRINTABLE).match(text).end()  # type: ignore[union-attr]  # it matches at least nothing
    if end < len(text):
        raise HeaderError(f"{what}: character {text[end]!r} at position {end}; allowed is printable ASCII")
    return text


def legible(raw: bytes | bytearray, *, lenient: bool | None = False) -> bytes | bytearray:
    """Return the bytes of a header, the very same if a header may hold them, otherwise with ``_`` for those it may not.

    Parameters
    ----------
    raw : bytes
        Whole cards.
    lenient : bool or None
        Whether to do so instead of refusing; None: except in values without which the data cannot be read.

    Raises
    ------
    HeaderError
        If a byte is not printable ASCII (FITS 4.0, section 3.2), and is not to be passed over.
    """
    if not raw.translate(None, _ALLOWED):
        return raw
    text = raw.translate(_TO_ALLOWED)
    if not lenient:
        for position, byte in enumerate(raw):
            if not 0x20 <= byte <= 0x7E and (lenient is False or _stands_in_need(text, position)):
                raise _unreadable(raw, position)
    return text


def _stands_in_need(text: bytes | bytearray, position: int) -> bool:
    """Return whether a byte of a header is part of a value without which the data cannot be read."""
    start = position // CARD * CARD
    line = text[start : start + CARD].decode("ascii")
    if not is_needed(canonical(line[:8])) or is_hierarch(line):
        return False
    value = field_of(line).lstrip(" ")
    string = _pattern(_STRING).match(value) if value.startswith("'") else None
    nbytes = string.end() if string is not None else len(value.partition("/")[0])
    return position - start < line.rindex(value) + nbytes if value else False


def _unreadable(raw: bytes | bytearray, position: int) -> HeaderError:
    """Return the error for a byte that no header may hold."""
    start = position // CARD * CARD
    card = raw[start : start + 8].decode("ascii", "replace").rstrip(" ")
    return HeaderError(
        f"non-printable byte 0x{raw[position]:02X} at byte {position} of the header, in card {start // CARD + 1} "
        f"({card!r}); open the file with lenient=True to read such bytes as '_'"
    )


def _string_cards(start: str, value: str, comment: str, *, cut: bool) -> list[str]:
    """Write a string on one card, or on a chain of them."""
    quoted = value.replace("'", "''")
    body = f"'{quoted:8}'"  # at least 8 characters, as the standard wants of XTENSION
    tail = f" / {comment}" if comment else ""
    aligned = body if start.startswith("HIERARCH ") else body.ljust(20)
    for card in (start + aligned + tail, start + body + tail):
        if len(card) <= CARD:
            return [card.ljust(CARD)]
    if len(comment) > MAX_CHAIN_COMMENT:
        if not cut:
            raise HeaderError(
                f"the comment of {start.rstrip('= ')} has {len(comment)} characters; beside a string fit "
                f"{MAX_CHAIN_COMMENT}"
            )
        tail = tail[: 3 + MAX_CHAIN_COMMENT]
    return _chain(start, value, tail)


def _chain(start: str, value: str, tail: str) -> list[str]:
    """Spread a string over a card and CONTINUE cards; ``tail``, the comment, goes to the last."""
    room = CARD - len(start) - 3  # two quotes and an ampersand
    if room < 1:
        keyword = start.rstrip("= ")
        raise HeaderError(f"keyword {keyword} leaves no room for a long string; use fewer than 65 characters")
    symbols = ["''" if symbol == "'" else symbol for symbol in value]  # a doubled quote is not to be torn apart
    cards: list[str] = []
    at = 0
    while True:
        if cards and len(symbols) - at < CARD and (at == len(symbols) or symbols[-1] != "&"):
            last = f"{start}'{''.join(symbols[at:])}'{tail}"
            if len(last) <= CARD:
                return [*cards, last.ljust(CARD)]
        # The last piece is left some text if it may be: a card less. But a string that ends with an ampersand ends
        # with an empty piece, as not every reader leaves that character to a last piece.
        spare = (len(symbols) - at > 1 or not cards) and symbols[-1:] != ["&"]
        stop = len(symbols) - spare
        piece = ""
        while at < stop and len(piece) + len(symbols[at]) <= room:
            piece += symbols[at]
            at += 1
        cards.append(f"{start}'{piece}&'".ljust(CARD))
        start, room = "CONTINUE  ", CARD - 13
