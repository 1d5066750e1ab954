"""What all views of one header share: its cards, what they say, and the way of a change to the file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from rustfits.errors import HeaderError, TruncatedFile
from rustfits.header.cards import Cards
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile


def hdu_name(index: int, filename: str, cards: Cards | None = None) -> str:
    """Return how every message calls an HDU: ``HDU 1 ('SCI') of file.fits``.

    Parameters
    ----------
    index : int
        Of the HDU in its file, from 0.
    filename : str
    cards : Cards, optional
        Of the HDU, as far as they are known.
    """
    name = None if cards is None else cards.extname()
    label = name.rstrip(" ") if name is not None else ""
    return f"HDU {index} ({label!r}) of {filename}" if label else f"HDU {index} of {filename}"


class Place:
    """How messages call the HDU of a header: worked out when there is one, since every small read has a place."""

    __slots__ = ("_state",)

    def __init__(self, state: HeaderState) -> None:
        self._state = state

    def __str__(self) -> str:
        return self._state.place


class Snapshot:
    """What one header says, frozen: other cards make another snapshot.

    A kind of HDU has its own, with more attributes. Each of them is worked out when it is first asked for, by
    `functools.cached_property`.

    Parameters
    ----------
    cards : Cards
        Not to be changed afterwards.
    """

    def __init__(self, cards: Cards) -> None:
        self.cards = cards

    def after(self, cards: Cards) -> Snapshot:
        """Return the snapshot of the same HDU with other cards."""
        return type(self)(cards)


class HeaderState:
    """The cards of one header, in memory and on disk, and the snapshot that is made of them.

    Parameters
    ----------
    file : OpenFile or None
        None for a header that lives in memory alone.
    extent : Extent or None
        Where the header lies in ``file``.
    cards : Cards

    Attributes
    ----------
    index : int or None
        Of the HDU in its file; None for a header that lives in memory alone.
    """

    def __init__(self, file: OpenFile | None, extent: Extent | None, cards: Cards) -> None:
        self.index: int | None = None
        self._file = file
        self._extent = extent
        self._snapshot = Snapshot(cards)
        self._written: tuple[Cards, bytes] | None = None  # the last cards that were, and their bytes

    @property
    def snapshot(self) -> Any:
        """What the cards say now, of the class that the HDU has chosen. Readable after the file was closed.

        Raises
        ------
        HandleTainted
            If the file is in an unknown state.
        """
        if self._file is not None and self._file.storage.tainted:
            self._file.check_untainted()  # says so
        return self._snapshot

    @property
    def cards(self) -> Cards:
        """The cards now: not to be changed, copy them first. Errors as `snapshot`."""
        if self._file is not None and self._file.storage.tainted:  # as `snapshot`, without a call in between
            self._file.check_untainted()
        return self._snapshot.cards

    @property
    def place(self) -> str:
        """How messages call the HDU; nothing for a header that lives in memory alone."""
        # Not kept: an object that knew its header would be a circle, and a file that is dropped must be closed at once.
        if self._file is None or self.index is None:
            return ""
        return hdu_name(self.index, self._file.filename, self._snapshot.cards)

    @property
    def snapshot_anyhow(self) -> Any:
        """What the cards in memory say, whatever the state of the file: for messages and ``repr``."""
        return self._snapshot

    def show(self, snapshot: Snapshot) -> None:
        """Replace the snapshot, and with it the cards; the file stays as it is."""
        self._snapshot = snapshot

    def is_in_file(self) -> bool:
        """Return whether the file has these cards at their place; an OSError if it cannot be read."""
        if self._file is None or self._extent is None:
            return True
        start = self._extent.header_start
        try:
            raw = self._file.storage.read_bytes(start, self._extent.data_start - start)
            return Cards.parse(raw, lenient=True).encode() == self._snapshot.cards.encode()
        except (HeaderError, TruncatedFile):
            return False

    def changing(self) -> AbstractContextManager[None]:
        """Hold off everybody else, so that what is read inside is still true when it is committed."""
        return nullcontext() if self._file is None else self._file.changing(Place(self), self._extent)

    def commit(self, cards: Cards) -> None:
        """Write new cards to the file, then show them; the header grows by whole blocks if it must.

        Parameters
        ----------
        cards : Cards
            Not to be changed afterwards.

        Raises
        ------
        OSError
            If the file cannot be changed.
        """
        with self.changing():
            self.commit_inside(cards)

    def commit_inside(self, cards: Cards, snapshot: Snapshot | None = None) -> None:
        """As `commit`, for a caller who is inside `changing`, and leaves it if this fails.

        Parameters
        ----------
        cards : Cards
            Not to be changed afterwards.
        snapshot : Snapshot, optional
            Of these cards, if the caller knows more than that they are others.
        """
        old = self._snapshot
        if self._file is not None and self._extent is not None:
            self._write(self._file, self._extent, cards)
            self._file.on_failure(lambda: self.show(old))
        self._snapshot = old.after(cards) if snapshot is None else snapshot

    def change(self, changes: Mapping[str, object]) -> None:
        """Set several keywords in one commit, protected ones too: for the library's own edits.

        Parameters
        ----------
        changes : mapping of str to value or (value, comment)
        """
        with self.changing():
            cards = self.cards.copy()
            for key, entry in changes.items():
                cards.set(key, *(entry if isinstance(entry, tuple) else (entry,)))
            self.commit_inside(cards)

    def _write(self, file: OpenFile, extent: Extent, cards: Cards) -> None:
        """Write the bytes that differ from those of the present cards, in words of 8."""
        room = extent.data_start - extent.header_start
        cards.fit_in(room)
        new, written = cards.encode(), self._written
        before = self._snapshot.cards
        old = written[1] if written is not None and written[0] is before else before.encode()
        old = old if len(old) == room else old.ljust(room)[:room]
        nwords = room // 8  # blocks of 2880 bytes are whole words
        differs = np.flatnonzero(np.frombuffer(new, np.uint64, nwords) != np.frombuffer(old, np.uint64, nwords))
        start = 8 * int(differs[0]) if differs.size else room
        stop = len(new) if len(new) > room or not differs.size else 8 * int(differs[-1]) + 8
        if len(new) > room:
            file.resize_header(extent, len(new))
        file.storage.write(extent.header_start + start, memoryview(new)[start:stop])
        self._written = cards, new


class FixedHeader(HeaderState):
    """The cards of a header that was made from another one, and is in no file: they cannot be changed."""

    def __init__(self, cards: Cards) -> None:
        super().__init__(None, None, cards)

    def changing(self) -> AbstractContextManager[None]:
        """Refuse, with `HeaderError`."""
        raise HeaderError("this header is a read-only view of the image in a compressed HDU; change hdu.header instead")
