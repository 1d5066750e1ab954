"""The live view of a header: it shows the cards now, and writes what is assigned through to the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from rustfits.errors import HeaderError
from rustfits.header.assignment import value_of
from rustfits.header.card import CARD
from rustfits.header.cards import Cards
from rustfits.header.edit import FITSHeaderEdit, HeaderChanges
from rustfits.header.keys import COMMENTARY, canonical, is_protected_key
from rustfits.header.state import HeaderState
from rustfits.storage.extent import padded


@final
class FITSHeader(HeaderChanges):
    """A live view of one header; all views of an HDU show and change the same cards.

    Keywords are compared without regard to case and to blanks around them. ``header[key]`` gives a value,
    ``header[key] = value`` or ``= (value, comment)`` writes one to the file at once.
    """

    @classmethod
    def _of(cls, state: HeaderState) -> FITSHeader:
        header = object.__new__(cls)
        header._state = state
        return header

    def __len__(self) -> int:
        """Return the number of different keywords, the commentary ones included."""
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __repr__(self) -> str:
        cards = self._state.snapshot_anyhow.cards
        return "\n".join([f"<FITSHeader: {len(cards.keys())} unique keys, {len(cards) + 1} cards>", *cards.lines()])

    def __str__(self) -> str:
        return "\n".join(self.cards)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the cards in a box that scrolls."""
        from html import escape

        head, *lines = repr(self).split("\n")
        cards = escape("\n".join(lines))
        return f'<p>{escape(head[1:-1])}</p><pre style="max-height: 24em; overflow: auto">{cards}</pre>'

    def keys(self) -> list[str]:
        """Return every keyword once, in card order.

        Returns
        -------
        list of str
            HIERARCH keywords as they are spelled, without that word; the others upper-case.
        """
        return self._cards().keys()

    def values(self) -> list[Any]:
        """Return the values, in the order of `keys`; commentary keywords have lists of str."""
        return [value for _, value in _items(self._cards())]

    def items(self) -> list[tuple[str, Any]]:
        """Return pairs of keyword and value, in the order of `keys`."""
        return _items(self._cards())

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a keyword, or ``default`` if there is no such keyword.

        Raises
        ------
        TypeError
            If ``key`` is not a str.
        """
        cards = self._cards()
        return value_of(cards, key) if key in cards else default

    @property
    def cards(self) -> list[str]:
        """All cards, without the blanks at their end: CONTINUE cards and END too."""
        return self._cards().lines()

    def tostring(self, sep: str = "", endcard: bool = True, padding: bool = True) -> str:
        """Return all cards as one text, as the method of this name of ``astropy.io.fits.Header`` does.

        Parameters
        ----------
        sep : str
            What stands between two cards of 80 characters.
        endcard : bool
            Whether the END card is there.
        padding : bool
            Whether blanks make the length a multiple of 2880.

        Returns
        -------
        str
            What ``Header.fromstring`` reads without loss.
        """
        characters = self._cards().characters
        lines = [characters[start : start + CARD] for start in range(0, len(characters), CARD)]
        text = sep.join([*lines, *(["END".ljust(CARD)] if endcard else [])])
        return text.ljust(padded(len(text))) if padding else text

    def to_astropy(self) -> Any:
        """Return the header as an ``astropy.io.fits.Header``, which knows nothing of this file.

        Raises
        ------
        ImportError
            If astropy is not installed.
        """
        from astropy.io.fits import Header

        return Header.fromstring(self.tostring())

    def to_dict(self, skip_protected: bool = False) -> dict[str, Any]:
        """Return the header as a dict.

        Parameters
        ----------
        skip_protected : bool
            Whether to leave out the keywords of `is_protected_key`.

        Returns
        -------
        dict
            ``{key: {'value': value, 'comment': str}}``; commentary keywords have a list of str instead.
        """
        cards = self._cards()
        result: dict[str, Any] = {}
        for key, value in _items(cards):
            if canonical(key) in COMMENTARY:
                result[key] = value
            elif not (skip_protected and is_protected_key(canonical(key))):
                result[key] = {"value": value, "comment": cards.comment(key)}
        return result

    def comment_of(self, key: str) -> str:
        """Return the comment of a keyword, ``''`` if it has none.

        Raises
        ------
        KeyError
            If there is no such keyword.
        ValueError
            If it is a commentary keyword.
        """
        with self._located():
            if canonical(key) in COMMENTARY:
                raise HeaderError(f"{canonical(key) or 'the blank keyword'} is commentary and has no comment")
            return self._cards().comment(key)

    def edit(self) -> FITSHeaderEdit:
        """Return a context in which several changes are staged, to be written at once.

        Raises
        ------
        OSError
            If the file is in an unknown state.

        Examples
        --------
        ::

            with hdu.header.edit() as e:
                e["OBJECT"] = ("M31", "target")
                del e["OLDKEY"]
        """
        return FITSHeaderEdit._of(self._state)

    def _cards(self) -> Cards:
        return self._state.cards

    @contextmanager
    def _changing(self) -> Iterator[Cards]:
        with self._state.changing():
            cards = self._cards().copy()
            yield cards
            self._state.commit_inside(cards)


def _items(cards: Cards) -> list[tuple[str, Any]]:
    return [(key, value_of(cards, key)) for key in cards.keys()]  # noqa: SIM118  # Cards is no mapping
