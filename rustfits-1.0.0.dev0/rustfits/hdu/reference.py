"""What another process needs to have an HDU: its file and the state that is in, the header, where the data lie."""

from __future__ import annotations

import pickle
import zlib
from typing import Any, NamedTuple

from rustfits.errors import NotPicklable
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState
from rustfits.storage.base import Identity
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile, Reading

_CHANGING = "its file may be changed through this handle; open the file with mode 'r'"
_LEVEL = 1  # of zlib: blanks are most of a header, and there is more to be gained by haste


class Reference(NamedTuple):
    """An HDU as it was in a file, in a form that can be pickled; whoever has it reads no header and looks for none.

    Attributes
    ----------
    kind : type
        The class of the HDU.
    location : str
        Path from the root on, or URL.
    remote : bytes
        The pickled options for that URL, which have no equality of their own; nothing if there are none.
    identity : tuple
        As `Storage.identity`: whoever finds another one must not read.
    checksum : bool
        Whether checksums are to be verified before the first read.
    number : int
        Of the HDU in its file.
    header : bytes
        Its cards, compressed.
    extent : tuple of int
        What an `Extent` is made of.
    """

    kind: type[Any]
    location: str
    remote: bytes
    identity: Identity
    checksum: bool
    number: int
    header: bytes
    extent: tuple[int, int, int]

    @property
    def file(self) -> tuple[object, ...]:
        """Equal for references that can share a handle of their file."""
        return self.location, self.remote, self.identity, self.checksum

    @property
    def token(self) -> tuple[object, ...]:
        """Equal for references to the same pixels, in whatever process and by whatever handle they were made."""
        return "rustfits", self.location, self.identity, self.number, self.extent


def refer(kind: type[Any], file: OpenFile, extent: Extent, state: HeaderState, reading: Reading) -> Reference:
    """Return a reference to an HDU.

    Parameters
    ----------
    kind : type
        Its class.
    file : OpenFile
    extent : Extent
    state : HeaderState
    reading : Reading
        The context in which it is certain that the file is as the header says.

    Raises
    ------
    NotPicklable
        If the file may be changed through this handle, or no other process can open it.
    FitsIOError
        If the file is closed; `FileChanged` if the HDU is not there any more.
    """
    with reading:
        storage = file.storage
        identity = None if storage.writable else storage.identity()
        if identity is None or file.reopen is None:
            raise NotPicklable("this HDU", storage.bound or _CHANGING)
        return Reference(
            kind,
            storage.location or file.filename,
            b"" if file.remote is None else pickle.dumps(file.remote),
            identity,
            file.checksum,
            state.index or 0,
            zlib.compress(state.cards.encode(), _LEVEL),
            (extent.header_start, extent.data_start, extent.data_nbytes),
        )


def reference_of(hdu: Any) -> Reference:
    """Return a reference to an HDU of a file that was opened 'r' by its path or URL.

    Raises
    ------
    NotPicklable
        If the file may be changed through its handle, or no other process could open it: in memory, compressed as a
        whole.
    FitsIOError
        If the file is closed; `FileChanged` if the HDU is not there any more.
    """
    reference: Reference = hdu._reference()
    return reference


def attached(reference: Reference, file: OpenFile) -> Any:
    """Return the HDU of a reference, of the class that it names, in a file that is as it was."""
    extent = Extent(*reference.extent)
    state = HeaderState(file, extent, Cards.parse(zlib.decompress(reference.header), lenient=True))
    state.index = reference.number
    return reference.kind._attach(file, extent, state, reference.number)
