"""What every HDU of a file has in common."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState, Place
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile, Reading

if TYPE_CHECKING:
    from rustfits.header.header import FITSHeader


class HDU:
    """One header and data unit of an open file, of a kind that has no class of its own.

    HDUs come from a `FITS` handle; they stay valid while bytes of the file move, and their header values stay
    readable after the file is closed.

    Attributes
    ----------
    label : str
        What the listing of a file calls this kind of HDU.
    """

    label: ClassVar[str] = "UNKNOWN_HDU"
    _kind: ClassVar[str] = "UNKNOWN_HDU"  # the same in the representation of the HDU itself

    _file: OpenFile
    _extent: Extent
    _state: HeaderState
    _index: int
    _place: object  # what errors say of where they happened
    _reading: Reading  # the context of everything that reads

    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: D102
        raise TypeError(f"{cls.__name__} objects come from a FITS handle, such as FITS(filename)[0]")

    @classmethod
    def _attach(cls, file: OpenFile, extent: Extent, state: HeaderState, index: int) -> Self:
        """Build the HDU that lies at ``extent``; reads and checks nothing."""
        hdu: Self = object.__new__(cls)
        hdu._file, hdu._extent, hdu._state, hdu._index = file, extent, state, index
        hdu._place = Place(state)
        hdu._reading = file.reading(hdu._place, extent, state.is_in_file)
        return hdu

    @property
    def extname(self) -> str | None:
        """Name of the HDU, the keyword EXTNAME without trailing blanks; None if absent or no text.

        Of several cards it is the first that is not ``'COMPRESSED_IMAGE'``, which programs call every table of tiles.
        """
        return _name(self._state.cards)

    @property
    def extver(self) -> int:
        """Version among HDUs of one name, the keyword EXTVER; 1 if absent or no integer."""
        version = self._state.cards.get("EXTVER")
        return version if isinstance(version, int) and not isinstance(version, bool) else 1

    @property
    def has_data(self) -> bool:
        """Whether there is at least one axis and none has length zero."""
        cards = self._state.cards
        naxis = cards.integer("NAXIS", 0)
        return naxis > 0 and all(cards.integer(f"NAXIS{axis}", 0) > 0 for axis in range(1, naxis + 1))

    @property
    def header(self) -> FITSHeader:
        """A live view of the header: changes are written to the file at once."""
        from rustfits.header.header import FITSHeader

        return FITSHeader._of(self._state)

    @property
    def index(self) -> int:
        """Position in the file, from 0; never changes."""
        return self._index

    def _changing(self) -> AbstractContextManager[None]:
        """Return the context of everything that changes this HDU."""
        return self._file.changing(self._place, self._extent)

    def _force_taint(self) -> None:
        """Put the handle in the state that a failed change leaves; for tests."""
        self._file.storage.tainted = True

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} objects belong to an open file and can be neither copied nor pickled")

    def __repr__(self) -> str:
        name = _name(self._state.cards_anyhow)
        lines = [
            f"  file: {self._file.filename}",
            f"  extension: {self._index}",
            f"  type: {self._kind}",
            *([f"  extname: {name}"] if name is not None else []),
        ]
        return "\n".join(lines) + "\n"


def _name(cards: Cards) -> str | None:
    name = cards.extname()
    return None if name is None else name.rstrip(" ")
