"""Files of HDUs that were unpickled: a process has one handle for all that come from one file."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from rustfits import system
from rustfits.container.locator import open_location
from rustfits.errors import FileChanged
from rustfits.hdu.base import HDU
from rustfits.hdu.reference import Reference, attached
from rustfits.storage.base import Identity
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile

_OTHER = "it is not as it was when the HDU was pickled, or its lazy array made; open it and take the HDU anew"


Reopen = Callable[[Any], Any]


class SharedFile(OpenFile):
    """An open file of which only one state is read: after a change by anybody every read is refused.

    Parameters
    ----------
    reference : Reference
        Of one of its HDUs.
    reopen : callable
        As `OpenFile.reopen`.

    Raises
    ------
    FileChanged
        If the file is in another state.
    FitsError
        As `open_location`.
    """

    def __init__(self, reference: Reference, reopen: Reopen) -> None:
        remote = pickle.loads(reference.remote) if reference.remote else None
        storage, location = open_location(reference.location, "r", remote, near=Extent(*reference.extent).data_start)
        super().__init__(storage, location, "r")
        self.checksum, self.remote, self.reopen = reference.checksum, remote, reopen
        self._identity: Identity = reference.identity
        self._hdus: WeakValueDictionary[int, HDU] = WeakValueDictionary()
        self._making = threading.Lock()
        if storage.identity() != self._identity:
            self.close()
            raise FileChanged(location, _OTHER)

    def hdu(self, reference: Reference) -> HDU:
        """Return the HDU of a reference to this file: always the same object, as long as anybody has it."""
        with self._making:
            found = self._hdus.get(reference.number)
            if found is None:
                found = self._hdus[reference.number] = attached(reference, self)
            return found

    def look_closer(self, extent: Extent, is_there: Callable[[], bool] | None) -> None:
        """Make sure that the file is in its one state, or raise `FileChanged`; otherwise as of every file."""
        with self._lock.exclusive():
            self.check_usable(extent)
            watch = self.storage.watch
            if watch is not None:
                watch.settle(changed=True)
                if self.storage.identity() != self._identity:
                    watch.doubt()  # so that other HDUs do not take the new state for known
                    raise FileChanged(self.filename, _OTHER)
            extent.doubtful = False

    def after_undoing(self, forget: Callable[[], None]) -> None:
        """Do nothing: there is no other state, and HDUs that are dropped must not be remembered here."""


class _Shared:
    """The files that are open; of which one is opened at a time, and others beside it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._guard = threading.Lock()
        self._files: WeakValueDictionary[tuple[object, ...], SharedFile] = WeakValueDictionary()
        self._turns: dict[tuple[object, ...], threading.Lock] = {}

    def file(self, reference: Reference, reopen: Reopen) -> SharedFile:
        key = reference.file
        with self._guard:
            found = self._files.get(key)
            if found is not None:
                return found
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            with self._guard:
                found = self._files.get(key)
            try:
                if found is None:
                    found = SharedFile(reference, reopen)
            finally:
                with self._guard:
                    if found is not None:
                        self._files[key] = found
                    self._turns.pop(key, None)
            return found


_SHARED = _Shared()

# A lock may be held by a thread that the new process does not have, and a connection cannot be shared.
system.after_fork(_SHARED.forget)


def shared(reference: Reference, reopen: Reopen) -> HDU:
    """Return the HDU of a reference, of the handle that this process has for its file.

    The file is opened if there is no handle, and closed when the last HDU of it is gone. The parameters are those of
    `SharedFile`.

    Raises
    ------
    FileChanged
        If the file is not as it was when the reference was made.
    FitsError
        If it cannot be opened.
    """
    return _SHARED.file(reference, reopen).hdu(reference)
