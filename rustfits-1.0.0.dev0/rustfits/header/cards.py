"""The cards of one header as a value: what the live view shows and what an edit works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rustfits.errors import HeaderError, MissingKeyword
from rustfits.header.card import (
    CARD,
    EMPTY,
    Value,
    commentary_cards,
    field_of,
    find_end,
    format_cards,
    is_hierarch,
    legible,
    parse_chain,
    printable,
    unquoted_card,
    unusual_name,
)
from rustfits.header.keys import COMMENTARY, NOT_KEYS, canonical, checked_str, key_field, stripped
from rustfits.storage.extent import padded

NOBODYS_NAME = "COMPRESSED_IMAGE"  # an EXTNAME that programs give to tables of tiles


class Cards:
    """The cards of one header, in order, without END; changed only while nobody else sees them.

    The text stays as it is on disk. Which card has which keyword is found in one pass when first asked for, and a
    value is parsed when first asked for.
    """

    __slots__ = ("_lacks", "_numbers", "_stray", "_text", "_values")

    def __init__(self, text: str = "") -> None:
        self._text = text  # 80 characters per card
        self._numbers: dict[str, int] | None = None  # canonical keyword -> number of its first card
        self._values: dict[str, tuple[Value, str]] = {}  # canonical keyword -> value and comment
        self._lacks = ""  # a keyword of which no card has anything
        self._stray: Mapping[str, bytes] = {}  # cards with bytes that no header may hold, by what they are read as

    # -- making and writing ---------------------------------------------------------------------------------------

    @classmethod
    def parse(cls, raw: bytes | bytearray, *, lenient: bool | None = False) -> Cards:
        """Take the cards of a header as they are on disk.

        Parameters
        ----------
        raw : bytes
            Whole cards; END and what follows it are left out.
        lenient : bool or None
            Whether to read bytes that no header may hold as ``_``; None: where nobody needs what they stand in. A card
            keeps such bytes until it is edited.

        Raises
        ------
        HeaderError
            If a byte is not printable ASCII (FITS 4.0, section 3.2).
        """
        text = legible(raw, lenient=lenient)
        end = find_end(raw)
        stop = end if end >= 0 else len(raw) // CARD * CARD
        cards = cls(text[:stop].decode("ascii"))
        if text is not raw:
            starts = range(0, stop, CARD)
            pairs = [(text[start : start + CARD], raw[start : start + CARD]) for start in starts]
            cards._stray = {shown.decode("ascii"): bytes(stored) for shown, stored in pairs if shown != stored}
        return cards

    @classmethod
    def build(cls, entries: Iterable[tuple[str, object] | tuple[str, object, str]]) -> Cards:
        """Return new cards, in the order given: ``(keyword, value)`` or ``(keyword, value, comment)`` each.

        Commentary keywords take their text as the value.

        Raises
        ------
        HeaderError
            If a card cannot be written.
        """
        lines: list[str] = []
        for key, value, *comment in entries:
            name = canonical(key)
            if name in COMMENTARY:
                lines += commentary_cards(name, checked_str(value))
            else:
                lines += format_cards(key_field(key), value, *comment or ("",))
        return cls("".join(lines))

    def copy(self) -> Cards:
        """Return cards that may be changed."""
        other = Cards(self._text)
        other._numbers = None if self._numbers is None else self._numbers.copy()
        other._values = self._values.copy()
        other._stray = self._stray
        return other

    def encode(self) -> bytes:
        """Return the cards and END, filled with blanks to whole blocks of 2880 bytes."""
        raw = (self._text + "END").ljust(padded(len(self._text) + CARD)).encode("ascii")
        if not self._stray:
            return raw
        lines = [raw[start : start + CARD] for start in range(0, len(raw), CARD)]
        return b"".join(self._stray.get(line.decode("ascii"), line) for line in lines)

    @property
    def characters(self) -> str:
        """All cards, 80 characters each, without END."""
        return self._text

    def fit_in(self, nbytes: int) -> None:
        """Drop, or add, blank cards so that END stands in the last block of ``nbytes``, behind which the data begin."""
        self._text = self._text[: max(self._fill() * CARD, nbytes - CARD)].ljust(nbytes - padded(CARD))

    # -- reading --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of cards, END left out."""
        return len(self._text) // CARD

    def __contains__(self, key: str) -> bool:
        return canonical(key) in self._index()

    def get(self, key: str, default: Value = None) -> Value:
        """Return the value of the first card of a keyword, which is not one of the commentary keywords.

        Raises
        ------
        TypeError
            If ``key`` is not a str.
        """
        found = self._values.get(key)  # the usual spelling, parsed before
        if found is None:
            found = self._parsed(canonical(key))
        return default if found is None else found[0]

    def get_only(self, key: str) -> Value:
        """As `get` of a standard keyword in upper case, and where it is easily seen, no other card is looked at."""
        if self._numbers is None and key not in self._values:
            first = -1 if self._lacks == key else self._text.upper().find(key)
            if first < 0:  # otherwise no card before this one can have that keyword, however it is spelled
                self._lacks = key
                return None
            if first % CARD == 0 and self._text.startswith(f"{key:8}", first):
                self._values[key] = parse_chain(self._fields(first // CARD))
        return self.get(key)

    def extname(self) -> str | None:
        """Return the first EXTNAME that is not what tables of tiles are called; None if there is none, or no text."""
        name = self.get_only("EXTNAME")
        if not isinstance(name, str):
            return None
        if name.rstrip(" ") != NOBODYS_NAME:
            return name
        for number in range(len(self)):
            if self._line(number).startswith("EXTNAME ="):
                other = parse_chain(self._fields(number))[0]
                if isinstance(other, str) and other.rstrip(" ") != NOBODYS_NAME:
                    return other
        return name

    def first_value(self) -> Value:
        """Return the value of the very first card, SIMPLE or XTENSION, without looking at the others."""
        return parse_chain(self._fields(0))[0] if self._text else None

    def comment(self, key: str) -> str:
        """Return the comment of a keyword, which is not one of the commentary keywords.

        Raises
        ------
        MissingKeyword
            If there is no such card.
        """
        found = self._parsed(canonical(key))
        if found is None:
            raise MissingKeyword(key)
        return found[1]

    def integer(self, key: str, default: int | None = None) -> int:
        """Return the integer value of a keyword.

        Raises
        ------
        HeaderError
            If the value is something else, or the card is absent and there is no ``default``.
        """
        value = self._wanted(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise _wrong_type(key, value, "an integer")

    def count(self, key: str, default: int | None = None) -> int:
        """Return the integer value of a keyword that counts something; as `integer`, and an error if it is negative."""
        value = self.integer(key, default)
        if value < 0:
            raise HeaderError(f"{key} is {value}; it cannot be negative")
        return value

    def real(self, key: str, default: float | None = None) -> float:
        """Return the value of a keyword as a float, integers included; errors as `integer`."""
        value = self._wanted(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise _wrong_type(key, value, "a number")

    def text(self, key: str, default: str | None = None) -> str:
        """Return the string value of a keyword; errors as `integer`."""
        value = self._wanted(key, default)
        if isinstance(value, str):
            return value
        raise _wrong_type(key, value, "a string")

    def keys(self) -> list[str]:
        """Return every keyword once, by first occurrence: HIERARCH ones as they are spelled, others upper-case."""
        return [self._spelling(name, number) for name, number in self._index().items()]

    def lines(self) -> list[str]:
        """Return all cards, each without the blanks at its end, and END."""
        return [*(self._line(number).rstrip(" ") for number in range(len(self))), "END"]

    def commentary(self, key: str) -> list[str]:
        """Return the text of every card of a commentary keyword; blank cards that are empty are left out."""
        name = canonical(key)
        texts = [self._line(number)[8:].rstrip(" ") for number in self._numbers_of(name)]
        return texts if name else list(filter(None, texts))

    # -- changing -------------------------------------------------------------------------------------------------

    def set(self, key: str, value: object, comment: str | None = None, *, after: str | None = None) -> None:
        """Give a keyword a value: its first card is rewritten where it stands, or a new one is made.

        Parameters
        ----------
        key : str
        value : bool, int, float, complex, str or None
        comment : str, optional
            By default the card keeps its comment, which is cut if it has no room any more.
        after : str, optional
            Keyword behind which a new card goes, instead of the end.

        Raises
        ------
        HeaderError
            If the card cannot be written; nothing has changed then.
        """
        name = canonical(key)
        number = self._index().get(name)
        if number is None:
            lines = format_cards(key_field(key), value, comment or "")
            self._insert(name, lines, after)
            return
        kept = self.comment(name) if comment is None else comment
        lines = format_cards(self._start(name, number), value, kept, cut=comment is None)
        self._replace(name, number, lines)

    def set_comment(self, key: str, comment: str) -> None:
        """Give the first card of a keyword another comment; the text of a value that is no string stays as it is.

        Raises
        ------
        MissingKeyword
            If there is no such card.
        HeaderError
            If the comment does not fit.
        """
        name = canonical(key)
        number = self._index().get(name)
        if number is None:
            raise MissingKeyword(key)
        field = self._fields(number)[0].lstrip(" ")
        if field.startswith("'"):
            self.set(name, self.get(name), comment)
            return
        comment = printable(comment, f"comment of {name}").strip(" ")
        text = field.partition("/")[0].rstrip(" ")
        self._replace(name, number, [unquoted_card(self._start(name, number), text, comment)])

    def remove(self, key: str) -> None:
        """Remove the first card of a keyword with its CONTINUE cards, or all cards of a commentary keyword.

        Raises
        ------
        MissingKeyword
            If there is no such card.
        """
        name = canonical(key)
        numbers = self._numbers_of(name) if name in COMMENTARY else [self._index().get(name, -1)]
        if not numbers or numbers[0] < 0:
            raise MissingKeyword(key)
        for number in reversed(numbers):
            self._replace(name, number, [])

    def add_commentary(self, key: str, text: str) -> None:
        """Add text under a commentary keyword, 72 characters per card, behind the last card of that keyword.

        Raises
        ------
        HeaderError
            If the text is not printable ASCII.
        """
        name, fill = canonical(key), self._fill()
        lines = commentary_cards(name, text)
        numbers = [number for number in self._numbers_of(name) if number < fill]
        self._splice(numbers[-1] + 1 if numbers else fill, 0, lines)

    def adopt(self, other: Cards, key: str, *, after: str | None = None) -> None:
        """Take over the first card of a keyword from another header, byte for byte but for the keyword's spelling.

        If the keyword is new here, the card goes behind the keyword ``after`` or to the end.
        """
        name = canonical(key)
        lines = other._group(name)
        if not is_hierarch(lines[0]):
            lines[0] = f"{name:8}{lines[0][8:]}"
        number = self._index().get(name)
        if number is None:
            self._insert(name, lines, after)
            return
        mine = self._line(number)
        if is_hierarch(mine) and is_hierarch(lines[0]):
            respelled = f"{mine[: mine.index('=')]}{lines[0][lines[0].index('=') :].rstrip(' ')}"
            lines[0] = respelled.ljust(CARD) if len(respelled) <= CARD else lines[0]
        self._replace(name, number, lines)

    def selected(self, wanted: Callable[[str], bool]) -> Cards:
        """Return the first card of each canonical keyword that is ``wanted``, and all commentary, in their order.

        Blank cards before END are left out, and keywords are spelled in upper case.
        """
        lines: list[str] = []
        names = {number: name for name, number in self._index().items()}
        for number in range(self._fill()):
            line = self._line(number)
            if canonical(line[:8]) in COMMENTARY:
                lines.append(line)
            elif number in names and wanted(names[number]):
                group = self._group(names[number])
                lines += group if is_hierarch(line) else [f"{names[number]:8}{line[8:]}", *group[1:]]
        return Cards("".join(lines))

    def renamed(self, rename: Callable[[str], str | None]) -> Cards:
        """Return these cards under other keywords, whatever else they say.

        Parameters
        ----------
        rename : callable
            Returns the new keyword, of at most 8 characters, for one of the first 8 columns of a card, without blanks
            at its end; None leaves the card out, and the CONTINUE cards behind it.
        """
        lines: list[str] = []
        stray, number = dict(self._stray), 0
        while number < len(self):
            stop, line = self._stop(number), self._line(number)
            old = line[:8].rstrip(" ")
            new = rename(old)
            if new is not None:
                if new != old:
                    line = f"{new:8}{line[8:]}"
                    if self._line(number) in stray:
                        stray[line] = f"{new:8}".encode("ascii") + stray[self._line(number)][8:]
                lines += [line, *(self._line(member) for member in range(number + 1, stop))]
            number = stop
        other = Cards("".join(lines))
        other._stray = stray
        return other

    def adopt_commentary(self, other: Cards) -> None:
        """Append every commentary card of another header, byte for byte, without the blank cards before its END."""
        lines = [other._line(number) for number in range(other._fill())]
        self._splice(self._fill(), 0, [line for line in lines if canonical(line[:8]) in COMMENTARY])

    # -- cards by number ------------------------------------------------------------------------------------------

    def _line(self, number: int) -> str:
        return self._text[number * CARD : (number + 1) * CARD]

    def _index(self) -> dict[str, int]:
        """Return the number of the first card of every keyword, in card order."""
        if self._numbers is None:
            text = self._text
            numbers: dict[str, int] = {}
            for number, start in enumerate(range(0, len(text), CARD)):
                name = text[start : start + 8].rstrip(" ")
                if name == "CONTINUE" or (name in numbers and name != "HIERARCH"):
                    continue
                if not name.isupper() or name == "HIERARCH" or " " in name:
                    name = unusual_name(text[start : start + CARD])
                    if name in numbers or name in NOT_KEYS:
                        continue
                numbers[name] = number
            numbers.pop(EMPTY, None)
            self._numbers = numbers
        return self._numbers

    def _numbers_of(self, name: str) -> list[int]:
        """Return the numbers of all cards of a commentary keyword, empty ones included."""
        return [number for number in range(len(self)) if canonical(self._line(number)[:8]) == name]

    def _fill(self) -> int:
        """Return the number of the first of the blank cards before END."""
        return -(-len(self._text.rstrip(" ")) // CARD)

    def _stop(self, number: int) -> int:
        """Return the number of the first card behind a card and all CONTINUE cards that follow it."""
        stop = number + 1
        while self._text.startswith("CONTINUE", stop * CARD):
            stop += 1
        return stop

    def _group(self, name: str) -> list[str]:
        number = self._index()[name]
        return [self._line(member) for member in range(number, self._stop(number))]

    def _fields(self, number: int) -> list[str]:
        """Return what follows the value indicator of a card, and columns 9 to 80 of its CONTINUE cards."""
        field = field_of(self._line(number))
        return [field, *(self._line(member)[8:] for member in range(number + 1, self._stop(number)))]

    def _start(self, name: str, number: int) -> str:
        """Return how the card begins when it is rewritten: a HIERARCH keyword keeps its spelling."""
        line = self._line(number)
        return f"{line[: line.index('=')].rstrip(' ')} = " if is_hierarch(line) else key_field(name)

    def _spelling(self, name: str, number: int) -> str:
        line = self._line(number)
        return stripped(line[: line.index("=")]) if is_hierarch(line) and name != "HIERARCH" else name

    def _parsed(self, name: str) -> tuple[Value, str] | None:
        found = self._values.get(name)
        if found is None and name not in COMMENTARY:
            number = self._index().get(name)
            if number is not None:
                found = self._values[name] = parse_chain(self._fields(number))
        return found

    def _wanted(self, key: str, default: Value) -> Value:
        found = self._parsed(canonical(key))
        if found is not None:
            return found[0]
        if default is None:
            raise HeaderError(f"keyword {key} is missing from the header")
        return default

    def _insert(self, name: str, lines: list[str], after: str | None) -> None:
        numbers, fill = self._index(), self._fill()
        before = None if after is None else numbers.get(canonical(after))
        if before is not None:
            self._splice(self._stop(before), 0, lines)
        else:
            self._splice(fill, 0, lines)
            numbers[name] = fill  # no keyword stands behind it, so all other numbers hold
            self._numbers = numbers
        self._values.pop(name, None)

    def _replace(self, name: str, number: int, lines: list[str]) -> None:
        self._splice(number, self._stop(number) - number, lines)
        self._values.pop(name, None)

    def _splice(self, number: int, count: int, lines: list[str]) -> None:
        """Put ``lines`` in the place of ``count`` cards."""
        self._text = self._text[: number * CARD] + "".join(lines) + self._text[(number + count) * CARD :]
        self._lacks = ""
        if count != len(lines):
            self._numbers = None


def _wrong_type(key: str, value: Value, wanted: str) -> HeaderError:
    found = "no value" if value is None else f"{value!r}"
    return HeaderError(f"keyword {key} has {found}; it must be {wanted}")
