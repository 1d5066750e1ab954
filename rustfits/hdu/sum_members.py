"""What every image and table has: the sums of its bytes, DATASUM and CHECKSUM (FITS 4.0, section 4.4.2.7)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from rustfits.header.state import HeaderState
from rustfits.storage.extent import Extent
from rustfits.storage.openfile import OpenFile, Reading
from rustfits.storage.reread import repeated


class SumMembers:
    """The members that write and check DATASUM and CHECKSUM; stands before `HDU` among the bases."""

    _file: OpenFile
    _extent: Extent
    _state: HeaderState

    if TYPE_CHECKING:  # `HDU` has it; here it would hide that
        _reading: Reading

        def _changing(self) -> AbstractContextManager[None]: ...

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
        """Tell whether DATASUM is right; None if it is absent.

        Raises
        ------
        FitsIOError
            If the bytes cannot be read.
        """
        from rustfits.hdu import sums

        with self._reading:
            return sums.verify_datasum(self._file, self._extent, self._state)

    @repeated
    def verify_checksum(self) -> bool | None:
        """Tell whether CHECKSUM is right; as `verify_datasum`."""
        from rustfits.hdu import sums

        with self._reading:
            return sums.verify_checksum(self._file, self._extent, self._state)
