"""The HDUs of an open file, in order, and how a key finds one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from rustfits.container.scan import Contents, Header, contents, data_size, scan, scan_whole
from rustfits.errors import DamagedEnd, FitsError, HDUIndexError, HDUKeyInvalid, HDUNotFound
from rustfits.hdu.base import HDU
from rustfits.hdu.kinds import hdu_class
from rustfits.header.card import CARD
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile

if TYPE_CHECKING:
    from rustfits.hdu.reference import Reference

_SHOWN_NAMES = 20  # in the message about a name that is not there


class HDUList:
    """One object for each HDU of a file, made once.

    Parameters
    ----------
    file : OpenFile
        Without extents as yet.
    """

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        file.reopen = reopened
        self._hdus: list[HDU | Header] = []  # the header as long as nobody has asked for the HDU
        self._lock = threading.Lock()
        self._scanning = threading.RLock()
        self._lenient: bool | None = None
        self._salvage = False
        self._rest: Iterator[tuple[Extent, Header]] | None = None  # HDUs that nobody has looked for yet
        self.damage: FitsError | None = None

    def load(self, *, lenient: bool | None, salvage: bool, lazy: bool = False) -> None:
        """Find what is in the file; with ``lazy`` only the first HDU, if others cannot change the file unseen.

        Raises
        ------
        FitsError
            As `scan_whole`.
        DamagedEnd
            If the file is to be changed, and has a damaged HDU.
        """
        self._lenient, self._salvage = lenient, salvage
        if lazy and self._file.storage.fetches_ahead and not self._file.storage.writable:
            self._rest = scan(self._file.storage, lenient=lenient)
            self.look_for(0)
            return
        found = scan_whole(self._file.storage, lenient=lenient)
        self._note_damage(found)
        for extent, header in found.hdus:
            self._file.extents.append(extent)
            self._hdus.append(header)

    def look_for(self, index: int | None = None) -> None:
        """Find the HDUs up to an index, or, without one, all, if that was left for later.

        Raises
        ------
        FitsIOError
            If the file cannot be read; `HandleClosed` if it is closed.
        FitsError
            If the first HDU cannot be; what is wrong with others is `damage`.
        """
        if self._rest is None or (index is not None and index < len(self._hdus)):
            return
        with self._scanning, self._file.reading(self._file.filename):
            while self._rest is not None and (index is None or index >= len(self._hdus)):
                faults: list[FitsError] = []
                try:
                    extent, header = next(self._rest)
                except StopIteration:
                    self._rest = None
                    return
                except FitsError as error:
                    faults.append(error)
                if not faults:
                    self._file.extents.append(extent)
                    self._hdus.append(header)
                    continue
                # A generator that has raised is at its end: what may be better the next time begins anew.
                known: list[tuple[Extent, Header]] = [(extent, b"") for extent in self._file.extents]
                self._rest = self._again()
                self._note_damage(contents(self._file.storage, known, faults))
                self._rest = None

    def _again(self) -> Iterator[tuple[Extent, Header]]:
        """Scan from the beginning, without what is there already."""
        return islice(scan(self._file.storage, lenient=self._lenient), len(self._hdus), None)

    def _note_damage(self, found: Contents) -> None:
        """Remember what is wrong after the last sound HDU, and have the file keep it."""
        if found.damage is None or not self._file.storage.writable:
            guard = None
        elif found.foreign:
            guard = (
                None
                if self._salvage
                else DamagedEnd(self._file.filename, str(found.damage), "salvage=True allows to write over it")
            )
        else:
            guard = DamagedEnd(self._file.filename, str(found.damage), "what would move or replace that is refused")
            if not self._salvage:
                raise DamagedEnd(
                    self._file.filename, str(found.damage), "salvage=True allows changes that leave it where it is"
                )
        self.damage, self._file.guard = found.damage, guard

    def check_complete(self) -> None:
        """Raise what is wrong after the last sound HDU, for whoever would take that for the end of the file."""
        self.look_for()
        if self.damage is not None and not self._lenient:
            raise copy(self.damage)  # each with a traceback of its own

    def refresh(self) -> None:
        """Read the headers again, of the file that has the name now; HDUs that are as they were stay.

        Raises
        ------
        FitsError
            If the file cannot be opened or its headers cannot be read; nothing is changed then.
        """
        with self._file.standing_still("refresh"):
            storage = self._file.storage
            anew = storage.anew()
            if anew is None:
                return
            try:
                found = scan_whole(anew, lenient=self._lenient)
                self._rest = None
                self._note_damage(found)
                storage.take_over(anew)
            finally:
                anew.close()
            self._replace(found.hdus)

    def _replace(self, found: list[tuple[Extent, Header]]) -> None:
        """List the HDUs that were found, and keep what is known of those that are as they were."""
        file = self._file
        with self._lock:
            before = list(zip(file.extents, self._hdus, strict=True))
            after: list[tuple[Extent, HDU | Header]] = []
            for index, (extent, raw) in enumerate(found):
                known = before[index] if index < len(before) else None
                stays = known is not None and known[0].lies_as(extent) and _same_header(known[1], raw)
                after.append(known if known is not None and stays else (extent, raw))
            kept = {id(extent) for extent, _ in after}
            file.extents[:] = [extent for extent, _ in after]
            file.forget_read()
            for extent, _ in after:
                extent.doubtful = False
            file.whole.doubtful = False
            for extent, _ in before:
                if id(extent) not in kept:
                    extent.gone = extent.doubtful = True
            self._hdus = [hdu for _, hdu in after]

    def append(self, cards: Cards) -> HDU:
        """Add an HDU with this header and data of zeros at the end of the file. Inside `OpenFile.changing`."""
        self._file.append(cards.encode(), data_size(cards, primary=not self._hdus))
        self._hdus.append(cards)
        hdu = self._at(len(self._hdus) - 1)
        self._file.on_failure(lambda: self._hdus.remove(hdu))
        return hdu

    def walk(self) -> Iterator[HDU]:
        """Return an iterator over the HDUs there are now, which raises what `check_complete` would at their end."""
        hdus = self.copy()  # which finds them all
        if self.damage is None:
            return iter(hdus)

        def walked() -> Iterator[HDU]:
            yield from hdus
            self.check_complete()

        return walked()

    def copy(self) -> list[HDU]:
        """Return the HDUs in a new list."""
        self.look_for()
        return [self._at(index) for index in range(len(self._hdus))]

    def __len__(self) -> int:
        if self._rest is not None:
            self.look_for()
        return len(self._hdus)

    def find(self, key: object) -> HDU | None:
        """Return the HDU that ``key`` selects, or None if there is none.

        Parameters
        ----------
        key : int, str, bytes, or tuple (name, extver)

        Raises
        ------
        HDUKeyInvalid
            If the key is of another kind.
        FitsError
            If it might be of an HDU that is damaged; see `check_complete`.
        """
        if isinstance(key, int | np.integer) and not isinstance(key, bool) and key < 0:
            self.check_complete()  # which one is the last is not known
        hdu = self._found(key)
        if hdu is None:
            self.check_complete()
        return hdu

    def _found(self, key: object) -> HDU | None:
        if isinstance(key, bool):
            raise HDUKeyInvalid(f"a bool, {key!r}, is no HDU number; use int({key!r}) if that is meant")
        if isinstance(key, int | np.integer):
            if self._rest is not None:
                self.look_for(None if key < 0 else int(key))
            count = len(self._hdus)
            return self._at(int(key) % count) if -count <= key < count else None
        if isinstance(key, str | bytes):
            return self._find_named(key, None)
        if isinstance(key, tuple) and len(key) == 2:
            name, version = key
            numbered = isinstance(version, int | np.integer) and not isinstance(version, bool)
            if numbered and isinstance(name, str | bytes):
                return self._find_named(name, int(version))
        raise HDUKeyInvalid(f"FITS index must be an int, a name, or a tuple (name, extver), not {key!r}")

    def get(self, key: object) -> HDU:
        """Return the HDU that ``key`` selects.

        Raises
        ------
        HDUKeyInvalid
            As `find`.
        HDUIndexError, HDUNotFound
            If there is none.
        """
        hdu = self.find(key)
        if hdu is not None:
            return hdu
        if isinstance(key, int | np.integer):
            count = len(self)
            raise HDUIndexError(f"HDU index {key} is out of range: {self._file.filename} has {count} HDUs")
        names = [repr(name) for cards in self._cards() if (name := name_in(cards)) is not None]
        shown = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
        raise HDUNotFound(f"no HDU named {key!r} in {self._file.filename}; the names there are: {shown or 'none'}")

    def _find_named(self, key: str | bytes, version: int | None) -> HDU | None:
        if isinstance(key, bytes):
            try:
                key = key.decode("ascii")
            except UnicodeDecodeError as error:
                raise HDUKeyInvalid(f"the name of an HDU is ASCII text, not {key!r}") from error
        wanted = key.strip().upper()
        hdu = self._first(wanted, version)
        if hdu is None and version is None and "," in wanted:  # "SCI,2" as other libraries have it
            name, _, number = wanted.rpartition(",")
            if number.strip().isdecimal():
                hdu = self._first(name.rstrip(), int(number))
        return hdu

    def _first(self, wanted: str, version: int | None) -> HDU | None:
        """Return the first HDU of a name in upper case, and of a version unless that is None."""
        hdus = self._hdus.copy() if self._rest is None else self._found_one_by_one()
        for index, each in enumerate(hdus):
            if isinstance(each, bytes) and not _mentions(each, wanted):
                continue
            cards = self._cards_at(index)
            name = name_in(cards)
            if name is not None and name.strip().upper() == wanted and version in (None, _version(cards)):
                return self._at(index)
        return None

    def _found_one_by_one(self) -> Iterator[HDU | Header]:
        """Return what stands in the list, and look for more only when all of it was no good."""
        index = 0
        while True:
            self.look_for(index)
            if index >= len(self._hdus):
                return
            yield self._hdus[index]
            index += 1

    def _cards(self) -> Iterator[Cards]:
        """Return the cards of each HDU."""
        return map(self._cards_at, range(len(self._hdus)))

    def _cards_at(self, index: int) -> Cards:
        """Return the cards of an HDU, even if the file is in an unknown state: its place in the list is certain."""
        found = self._parsed(index)
        return found._state.snapshot_anyhow.cards if isinstance(found, HDU) else found

    def _parsed(self, index: int) -> HDU | Cards:
        """Return what stands in the list for an HDU, with cards for the bytes of a header."""
        with self._lock:
            found = self._hdus[index]
            if isinstance(found, bytes):
                found = self._hdus[index] = _cards_of(found)
            return found

    def _at(self, index: int) -> HDU:
        """Return the HDU of this index, made when it is first asked for."""
        found = self._hdus[index]
        if isinstance(found, HDU):
            return found
        with self._lock:
            found = self._hdus[index]
            if isinstance(found, HDU):  # another thread was faster
                return found
            cards = _cards_of(found) if isinstance(found, bytes) else found
            extent = self._file.extents[index]
            state = HeaderState(self._file, extent, cards)
            state.index = index
            hdu = self._hdus[index] = hdu_class(cards, primary=not index)._attach(self._file, extent, state, index)
            return hdu


def reopened(reference: Reference) -> HDU:
    """Return the HDU of a reference, in this process; the function whose name is in a pickle. Errors as `shared`."""
    from rustfits.container.sharing import shared

    return shared(reference, reopened)


def _same_header(known: HDU | Header, raw: Header) -> bool:
    """Return whether a header that `scan` has found is the one of an entry of the list."""
    if isinstance(known, bytes) and isinstance(raw, bytes):
        return known == raw
    known = _cards_of(known) if isinstance(known, bytes) else known
    cards = known._state.snapshot_anyhow.cards if isinstance(known, HDU) else known
    return cards.encode() == _cards_of(raw).encode()


def _mentions(raw: bytes, name: str) -> bool:
    """Return whether the name of an HDU, in upper case, may be in its header: few need be parsed to find one."""
    return not name.isascii() or name.replace("'", "''").encode() in raw.upper() or b"CONTINUE" in raw


def _cards_of(header: Header) -> Cards:
    """Return the cards of a header that `scan` has found."""
    return Cards(header[:-CARD].decode("ascii")) if isinstance(header, bytes) else header


def name_in(cards: Cards) -> str | None:
    """Return the EXTNAME in a header; None if there is none, or no text."""
    return cards.extname()


def _version(cards: Cards) -> int:
    version = cards.get("EXTVER")
    return version if isinstance(version, int) and not isinstance(version, bool) else 1
