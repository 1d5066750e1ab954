"""The contract of kinds of HDU: which headers one reads and how specifically, which data it writes, its classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import NotSupported, TruncatedFile
from rustfits.hdu.base import HDU
from rustfits.header.cards import Cards
from rustfits.storage.reread import repeated

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class NewHDU:
    """An HDU that a kind would write: all that can be wrong with it is known, nothing is written yet.

    Attributes
    ----------
    cards : Cards
        Its header, from XTENSION on; the core puts an empty primary HDU before it where there is none.
    fill : callable or None
        Is given the HDU, of the class that its header chooses, and writes its data unit, which holds zeros. It runs
        inside the transaction that appends the HDU.
    """

    cards: Cards
    fill: Callable[[Any], None] | None = None


class HDUKind(ABC):
    """A kind of HDU, as a plugin brings it: what the hook ``rustfits_hdu_type`` returns.

    Attributes
    ----------
    GENERIC, STANDARD, CONVENTION : int
        How specifically a header matches: it says what sort of HDU it is and no more is understood (what the core
        answers for tables, random groups and extensions of unknown names); a structure that the FITS standard defines,
        read as it says (the core, for images; rustfits-tables); a convention on top of that, which some keyword tells
        of. A kind may give any other number.
    """

    GENERIC: ClassVar[int] = 10
    STANDARD: ClassVar[int] = 20
    CONVENTION: ClassVar[int] = 50

    @abstractmethod
    def match(self, cards: Cards, primary: bool) -> int:
        """Return how specifically a header is of this kind; 0 if it is not.

        It is asked of headers of the classes that its entry points name. The most specific kind has the HDU; two that
        are equally specific are an error that names both.

        Parameters
        ----------
        cards : Cards
        primary : bool
            Whether it is the first HDU of its file.
        """

    @abstractmethod
    def hdu_class(self, cards: Cards) -> type[HDU]:
        """Return the class for a header that `match` has accepted."""

    def takes(self, data: object) -> int:
        """Return how specifically ``data``, as given to `FITS.write`, is what this kind writes; 0 if it is not.

        It is not asked about arrays of numbers, which are images.
        """
        return 0

    def write(self, data: Any, **options: Any) -> NewHDU:
        """Return the HDU that holds ``data``, for `FITS.write`, `FITS.write_table` and `rustfits.write`.

        Parameters
        ----------
        data : object
        **options
            Keyword arguments of the method that was called; ``extname`` and ``header`` always.

        Raises
        ------
        FitsError
            If it cannot be written.
        """
        raise NotSupported(f"{type(self).__name__} writes no HDUs")

    def create(self, dtype: Any, nrows: int, **options: Any) -> NewHDU:
        """Return an HDU of ``nrows`` rows without values, for `FITS.create_table_hdu`; as `write`."""
        raise NotSupported(f"{type(self).__name__} creates no HDUs")


class DataUnit:
    """The bytes of one HDU, as a class of a kind reads and fills them: inside a method marked by `reads`.

    All positions are bytes from the start of the data unit, wherever in the file it lies now.

    Parameters
    ----------
    hdu : HDU
    """

    __slots__ = ("_hdu",)

    def __init__(self, hdu: HDU) -> None:
        self._hdu = hdu

    @property
    def nbytes(self) -> int:
        """Size of the data unit without its padding, as the header has it; perhaps more than the file holds."""
        return self._hdu._extent.data_nbytes

    @property
    def is_local(self) -> bool:
        """Whether reading many small ranges costs little more than one large one."""
        return self._hdu._file.storage.descriptor >= 0

    def when_undone(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` whenever a change of the file was undone, or one by another program seen.

        It drops what was kept of the data unit; asked for once, when the HDU is made.
        """
        self._hdu._file.after_undoing(forget)

    def require(self, stop: int) -> None:
        """Raise `TruncatedFile` if the bytes before ``stop`` are not all there; ask before memory is allocated."""
        storage, last = self._hdu._file.storage, self._hdu._extent.data_start + stop
        if stop > self.nbytes or last > storage.size():
            raise TruncatedFile(
                f"{storage.name} has {storage.size()} bytes and this HDU {self.nbytes} bytes of data; wanted those up "
                f"to byte {stop}: the file is truncated, or its header describes other data"
            )

    def read(self, start: int, nbytes: int) -> NDArray[np.uint8]:
        """Return bytes as a new array.

        Raises
        ------
        TruncatedFile
            If they are not all there.
        """
        self.require(start + nbytes)
        out = np.empty(nbytes, dtype=np.uint8)
        self.read_ranges(np.array([start]), np.array([nbytes]), out)
        return out

    def read_ranges(self, start: NDArray[np.int64], nbytes: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Read many ranges, back to back, into ``out``; a remote storage is asked for all of them at once.

        Threads may do so side by side.

        Parameters
        ----------
        start, nbytes : (n,) int64 array
        out : (nbytes.sum(),) uint8 array

        Raises
        ------
        TruncatedFile
            If a range reaches beyond the end.
        """
        extent = self._hdu._extent
        if len(start) and (start.min() < 0 or (start + nbytes).max() > extent.data_nbytes):
            self.require(int((start + nbytes).max()))
            raise TruncatedFile(f"byte {start.min()} lies before the data of {self._hdu._place}")
        self._hdu._file.storage.read_ranges(extent.data_start + start, nbytes, out)

    def write(self, start: int, data: bytes | NDArray[Any]) -> None:
        """Write bytes; what `NewHDU.fill` calls may do so, and methods marked by `changes`.

        Raises
        ------
        ValueError
            If they do not lie in the data unit.
        """
        nbytes = data.nbytes if isinstance(data, np.ndarray) else len(data)
        if start < 0 or start + nbytes > self.nbytes:
            raise ValueError(f"bytes {start} to {start + nbytes} of a data unit of {self.nbytes}")
        self._hdu._file.storage.write(self._hdu._extent.data_start + start, data)


def reads(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Mark a method of an HDU that reads its data.

    While it runs, nobody changes the file by the same handle; errors of ours name the HDU; and if another program has
    changed the file meanwhile, the method runs again, so that it returns what was there at one time.
    """

    @wraps(method)
    def reading(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._reading:
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[Any, P], R]", repeated(reading))


def changes(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Mark a method of an HDU that changes it: everything that it does is one transaction.

    While it runs, nobody else reads or changes the file by the same handle; errors of ours name the HDU. An exception
    undoes all that was changed, on the medium and in memory. A file opened 'r' is refused before the method runs.
    Methods so marked may call each other, and those marked by `reads`.
    """

    @wraps(method)
    def changing(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._changing():
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[Any, P], R]", changing)
