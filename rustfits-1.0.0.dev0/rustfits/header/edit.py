"""Changes of a header: the rules that hold for the live view and for a batched edit alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

from rustfits.errors import FitsError, HeaderError
from rustfits.header import foreign
from rustfits.header.assignment import assign, refuse_commentary, refuse_protected, value_of
from rustfits.header.cards import Cards
from rustfits.header.keys import COMMENTARY, canonical, is_protected_key
from rustfits.header.state import HeaderState

_ADDING = {"COMMENT": "add_comment", "HISTORY": "add_history", "": "add_blank"}


class HeaderChanges(ABC):
    """Item access and every change of a header, for whoever says where the cards are."""

    _state: HeaderState

    def __new__(cls, *_args: object, **_keywords: object) -> Self:
        """Refuse: a view without a header to show makes no sense."""
        raise TypeError(f"{cls.__name__} objects come from hdu.header; they cannot be made directly")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled or copied: it shows a header of an open file")

    @abstractmethod
    def _cards(self) -> Cards:
        """Return the cards as they are shown now."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[Cards]:
        """Give cards to change; they are taken over if the block does not fail. Errors are told the place."""

    @contextmanager
    def _located(self) -> Iterator[None]:
        try:
            yield
        except FitsError as error:
            self._locate(error)
            raise

    def _locate(self, error: FitsError) -> None:
        place = self._state.place
        if place:
            error.locate(place)

    # -- reading --------------------------------------------------------------------------------------------------

    def __contains__(self, key: str) -> bool:
        return key in self._cards()

    def __getitem__(self, key: str) -> Any:
        """Return the value of a keyword, or the list of texts of a commentary keyword.

        Returns
        -------
        bool, int, float, complex, str, None or list of str
            None where the card has no value (FITS 4.0, section 4.1.2.3).

        Raises
        ------
        KeyError
            If there is no such keyword.
        TypeError
            If ``key`` is not a str.
        """
        try:
            return value_of(self._cards(), key)
        except FitsError as error:
            self._locate(error)
            raise

    # -- changing -------------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: object) -> None:
        """Give a keyword a value: ``value`` or ``(value, comment)``; a bare value keeps the comment.

        Raises
        ------
        ValueError
            If the keyword is protected or invalid, or no card can hold the value.
        OSError
            If the file cannot be changed.
        """
        with self._changing() as cards:
            assign(cards, key, value)

    def __delitem__(self, key: str) -> None:
        """Remove the first card of a keyword with its CONTINUE cards, or all cards of a commentary keyword.

        Raises
        ------
        KeyError
            If there is no such card.
        ValueError
            If the keyword is protected.
        """
        with self._changing() as cards:
            refuse_protected(key)
            cards.remove(key)

    def set_comment(self, key: str, comment: str) -> None:
        """Replace the comment of a keyword; an empty one removes it.

        Raises
        ------
        KeyError
            If there is no such card.
        ValueError
            If the keyword is protected or commentary, or the comment cannot be written.
        """
        with self._changing() as cards:
            refuse_protected(key)
            refuse_commentary(key)
            if not isinstance(comment, str):
                raise TypeError(f"a comment is a str, not {type(comment).__name__}")
            cards.set_comment(key, comment)

    def update(self, other: Any, *, copy_commentary: bool = False) -> None:
        """Set many keywords in one change; either all of them or none.

        Parameters
        ----------
        other : FITSHeader, header of another library, or mapping
            Of a header every keyword is copied that is neither commentary nor describes the data beside it: BSCALE,
            BZERO, BLANK and all that is of compressed images or of columns stay as they are. What ``to_dict``
            returned, and a mapping with structural keywords, are headers too. Of any other mapping, of keyword to
            value or ``(value, comment)``, every entry is assigned.
        copy_commentary : bool
            Whether the commentary cards of a header are appended too.

        Raises
        ------
        ValueError
            If ``other`` is something else, or an entry cannot be assigned.
        """
        with self._changing() as cards:
            if isinstance(other, HeaderChanges) or foreign.is_header(other):
                source = foreign.carried(header_cards(other))
                for name in source.keys():  # noqa: SIM118  # Cards is no mapping
                    if canonical(name) not in COMMENTARY:
                        cards.adopt(source, name)
                if copy_commentary:
                    cards.adopt_commentary(source)
            elif callable(getattr(other, "items", None)):
                for key, value in other.items():
                    assign(cards, key, value)
            else:
                raise HeaderError(f"update() expects a FITSHeader or a mapping, not {type(other).__name__}")

    def add_comment(self, text: str) -> None:
        """Add a COMMENT, 72 characters per card, behind the last one there is.

        Raises
        ------
        TypeError
            If ``text`` is not a str.
        ValueError
            If it is not printable ASCII.
        """
        self._add("COMMENT", text)

    def add_history(self, text: str) -> None:
        """Add a HISTORY; as `add_comment`."""
        self._add("HISTORY", text)

    def add_blank(self, text: str) -> None:
        """Add text under the blank keyword, or an empty card; as `add_comment`."""
        self._add("", text)

    def _add(self, key: str, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"the text of {_ADDING[key]} is a str, not {type(text).__name__}")
        with self._changing() as cards:
            cards.add_commentary(key, text)


class FITSHeaderEdit(HeaderChanges):
    """Changes of one header that are written at once when the ``with`` block ends; from `FITSHeader.edit`."""

    __iter__ = None  # item access alone would make Python try 0, 1, 2

    _staged: Cards | None
    _seen: Cards
    _progress: Literal["pending", "active", "committed", "discarded"]
    _changed: bool

    @classmethod
    def _of(cls, state: HeaderState) -> FITSHeaderEdit:
        edit = object.__new__(cls)
        edit._state, edit._staged, edit._seen = state, None, state.cards
        edit._progress, edit._changed = "pending", False
        return edit

    def __enter__(self) -> FITSHeaderEdit:
        if self._staged is not None:
            raise HeaderError("this edit is under way already; call header.edit() for another one")
        self._seen = self._state.cards
        self._staged, self._changed, self._progress = self._seen.copy(), False, "active"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        staged, self._staged = self._staged, None
        self._progress = "discarded"
        if kind is None:
            if self._changed and staged is not None:
                with self._located(), self._state.changing():
                    if self._state.cards is not self._seen:
                        _adopt_protected(staged, self._state.cards)
                    self._state.commit(staged)
            self._progress = "committed"
        return False

    def __repr__(self) -> str:
        cards = self._staged if self._staged is not None else self._state.snapshot_anyhow.cards
        return f"<FITSHeaderEdit: {len(cards) + 1} cards, {self._progress}>"

    def _cards(self) -> Cards:
        current = self._state.cards  # refuses when the file is in an unknown state
        return current if self._staged is None else self._staged

    @contextmanager
    def _changing(self) -> Iterator[Cards]:
        if self._staged is None:
            raise HeaderError("a header edit must be used inside a `with header.edit():` block")
        with self._located():
            cards = self._cards().copy()
            yield cards
        self._staged, self._changed = cards, True


def header_cards(header: object) -> Cards:
    """Return the cards of a header of ours, or those that stand for one of another library, or for a mapping.

    Raises
    ------
    HeaderError
        If it is no header, or a card of it cannot be written.
    """
    return header._cards() if isinstance(header, HeaderChanges) else foreign.cards_of(header)


def carried_cards(header: object, without: Collection[str] = ()) -> Cards:
    """Return the cards that a header given with data adds to that of a new HDU: none that describe other data.

    Parameters
    ----------
    header : FITSHeader, header of another library, mapping, or None
    without : collection of str
        Keywords to leave out as well, in upper case.

    Raises
    ------
    HeaderError
        If it is no header, or a card of it cannot be written.
    """
    return Cards() if header is None else foreign.carried(header_cards(header), without)


def _adopt_protected(cards: Cards, current: Cards) -> None:
    """Bring the structure up to date in cards that were staged before it changed, say by added rows."""
    for name in cards.keys():  # noqa: SIM118  # Cards is no mapping
        if is_protected_key(canonical(name)) and name not in current:
            cards.remove(name)
    previous = None
    for name in current.keys():  # noqa: SIM118
        if is_protected_key(canonical(name)):
            cards.adopt(current, name, after=previous)
        previous = name
