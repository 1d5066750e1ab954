"""What every HDU of a file has in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakMethod

from rustfits.errors import printable
from rustfits.header.cards import Cards
from rustfits.header.state import HeaderState, Place, Snapshot
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile, Reading
from rustfits.storage.reread import repeated

if TYPE_CHECKING:
    from rustfits.hdu.reference import Reference
    from rustfits.hdu.report import HDUReport, Verdict
    from rustfits.hdu.sums import HDUExtent
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
        state.show(cls._snapshot_of(state.snapshot_anyhow.cards))
        hdu._place = Place(state)
        hdu._reading = file.reading(hdu._place, extent, state.is_in_file)
        if file.checksum:
            from rustfits.hdu.first_read import CheckedReading

            extent.unchecked = WeakMethod(hdu._require_sums)
            hdu._reading = file.reading(hdu._place, extent, state.is_in_file, CheckedReading)
        return hdu

    @classmethod
    def _snapshot_of(cls, cards: Cards) -> Snapshot:
        """Return what the cards of an HDU of this kind say."""
        return Snapshot(cards)

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

    @property
    def extent(self) -> HDUExtent:
        """Where header and data unit lie in the file."""
        from rustfits.hdu.sums import HDUExtent

        own = self._extent
        return HDUExtent(own.header_start, own.data_start - own.header_start, own.data_start, own.data_nbytes)

    @repeated
    def read_bytes(self, start: int = 0, nbytes: int | None = None) -> bytearray:
        """Return bytes of the HDU as they lie in its file, from its header on.

        Parameters
        ----------
        start : int
            First byte, counted from the first one of the header.
        nbytes : int, optional
            How many; by default all to the end of the data unit.

        Raises
        ------
        ValueError
            If they are not all header or data of this HDU.
        FitsIOError
            If they cannot be read.
        """
        with self._looking():
            first, stop = self._extent.header_start + start, self._extent.data_start + self._extent.data_nbytes
            nbytes = stop - first if nbytes is None else nbytes
            if start < 0 or nbytes < 0 or first + nbytes > stop:
                raise ValueError(
                    f"bytes {start} to {start + nbytes} of HDU {self._index}, which has {stop - first + start}: give a "
                    "range within them"
                )
            return self._file.storage.read(first, nbytes)

    # -- checksums and damage -------------------------------------------------------------------------------------

    def add_datasum(self) -> None:
        """Write the keyword DATASUM, the sum of the data unit (FITS 4.0, section 4.4.2.7).

        Later changes of the data do not refresh it.

        Raises
        ------
        FitsIOError
            If the bytes cannot be read or written.
        """
        from rustfits.hdu import sums

        with self._changing():
            sums.add_datasum(self._file, self._extent, self._state)

    def add_checksum(self) -> None:
        """Write the keywords DATASUM and CHECKSUM, the sum of the whole HDU; as `add_datasum`."""
        from rustfits.hdu import sums

        with self._changing():
            sums.add_checksum(self._file, self._extent, self._state)

    @repeated
    def verify_datasum(self) -> bool | None:
        """Tell whether DATASUM is right; None if it is absent, or blank, which means undefined.

        Raises
        ------
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.hdu import sums

        with self._looking():
            return sums.verify_datasum(self._file, self._extent, self._state)

    @repeated
    def verify_checksum(self) -> bool | None:
        """Tell whether CHECKSUM is right; as `verify_datasum`."""
        from rustfits.hdu import sums

        with self._looking():
            return sums.verify_checksum(self._file, self._extent, self._state)

    @repeated
    def verify(self, *, decode: bool = True) -> HDUReport:
        """Check the HDU for damage: its structure, every checksum that it has, and whether every tile decodes.

        Memory is bounded: the bytes are read in pieces, and the pixels decoded a few rows of tiles at a time.

        Parameters
        ----------
        decode : bool
            Whether to decode the pixels of a compressed image; without, nothing is known of tiles, ZDATASUM and
            ZHECKSUM.

        Returns
        -------
        HDUReport
            A verdict for each check; ``print`` it, or ask for ``report["DATASUM"].status``. What is wrong with the
            file is told, not raised.

        Raises
        ------
        FitsIOError
            If the bytes cannot be read, though they are there.
        """
        from rustfits.hdu.report import HDUReport
        from rustfits.hdu.verify import own_verdicts

        with self._looking():
            cards = self._state.cards
            structure, datasum, checksum = own_verdicts(self._file, self._extent, cards, self._check_header)
            pixels, unread = self._pixel_verdicts((datasum, checksum), decode=decode)
            name, version = _name(cards), self.extver
        return HDUReport(self._index, name, version, self._kind, (structure, datasum, checksum, *pixels), unread)

    def _check_header(self) -> None:
        """Raise a `FitsError` if the header does not say what this kind of HDU needs; for `verify`."""

    def _pixel_verdicts(self, own: tuple[Verdict, Verdict], *, decode: bool) -> tuple[tuple[Verdict, ...], str]:
        """Return the verdicts on ZDATASUM, ZHECKSUM and tiles, and why pixels cannot be looked at; for `verify`."""
        from rustfits.hdu.verify import nothing_compressed

        return nothing_compressed(self._state.cards), ""

    def _require_sums(self) -> None:
        """Raise `ChecksumError` if a sum is wrong, of a file opened with ``checksum=True``."""
        from rustfits.hdu.first_read import require

        require(self.verify)

    def _looking(self) -> Reading:
        """Return the context of those who look for damage: they read what others refuse to."""
        return self._file.reading(self._place, self._extent, self._state.is_in_file)

    def _changing(self) -> AbstractContextManager[None]:
        """Return the context of everything that changes this HDU."""
        return self._file.changing(self._place, self._extent)

    def _force_taint(self) -> None:
        """Put the handle in the state that a failed change leaves; for tests."""
        self._file.storage.tainted = True

    @repeated
    def _reference(self) -> Reference:
        """Return what another process needs to have this HDU; as `__reduce__`."""
        from rustfits.hdu.reference import refer

        return refer(type(self), self._file, self._extent, self._state, self._looking())

    def __reduce__(self) -> tuple[Callable[[Reference], Any], tuple[Reference]]:
        """Return what is pickled of an HDU of a file that was opened 'r' by its path or URL; `NotPicklable` of others.

        Whoever unpickles it has the file open through a handle of its own, one for each process, and gets
        `FileChanged` if it was changed since.
        """
        reference = self._reference()
        assert self._file.reopen is not None  # or there were no reference
        return self._file.reopen, (reference,)

    def __repr__(self) -> str:
        name = _name(self._state.snapshot_anyhow.cards)
        lines = [
            f"  file: {printable(self._file.filename)}",
            f"  extension: {self._index}",
            f"  type: {self._kind}",
            *([f"  extname: {name}"] if name is not None else []),
        ]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the facts and a small picture or a few rows, if `rustfits-cli` is installed."""
        from rustfits.codec.registry import html_of

        return html_of(self)


def _name(cards: Cards) -> str | None:
    name = cards.extname()
    return None if name is None else name.rstrip(" ")
