"""One open FITS file: its storage, where each HDU lies in it, and who may touch it when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rustfits.errors import (
    FitsError,
    HandleClosed,
    HandleTainted,
    HDUUndone,
    ImageError,
    ReadOnlyFile,
    TransactionOpen,
    TruncatedFile,
)
from rustfits.storage.base import Storage
from rustfits.storage.locks import ReadWriteLock

BLOCK = 2880  # bytes; headers and data units fill whole blocks (FITS 4.0, section 3.1)


def padded(nbytes: int) -> int:
    """Return ``nbytes`` rounded up to whole blocks."""
    return -(-nbytes // BLOCK) * BLOCK


@dataclass(slots=True)
class Extent:
    """Where one HDU lies: all numbers are bytes from the start of the file.

    Attributes
    ----------
    header_start, data_start : int
        First byte of the header and of the data unit, multiples of 2880.
    data_nbytes : int
        Size of the data unit without its padding.
    undone : bool
        Whether the HDU is not in the file: the change that made it was undone.
    """

    header_start: int
    data_start: int
    data_nbytes: int
    undone: bool = False

    @property
    def stop(self) -> int:
        """First byte after the HDU, padding included."""
        return self.data_start + padded(self.data_nbytes)


_WHOLE = Extent(0, 0, 0)  # stands for no single HDU


class OpenFile:
    """What all HDUs and headers of one handle share.

    Attributes
    ----------
    storage : Storage
    filename : str
        What `FITS.filename` says.
    mode : {'r', 'r+', 'w+'}
    extents : list of Extent
        One per HDU, in file order. HDUs keep their `Extent`, whose numbers change when bytes move.
    closed : bool
    contexts : dict of int to str
        HDUs, by position, that buffer what is appended, and the name of the method that opened the context:
        such a file cannot be closed.
    """

    def __init__(self, storage: Storage, filename: str, mode: str) -> None:
        self.storage = storage
        self.filename = filename
        self.mode = mode
        self.extents: list[Extent] = []
        self.closed = False
        self.contexts: dict[int, str] = {}
        self._lock = ReadWriteLock()
        self._depth = 0  # of `changing`
        self._undo: list[Callable[[], None]] = []
        self._after_undoing: list[Callable[[], None]] = []

    @property
    def tainted(self) -> bool:
        """Whether a change failed half-way and could not be undone."""
        return self.storage.tainted

    def check_untainted(self) -> None:
        """Raise `HandleTainted` if the file is in an unknown state."""
        if self.storage.tainted:
            raise HandleTainted(self.filename)

    def reading(self, where: object = "", extent: Extent | None = None) -> Reading:
        """Return a context that holds off changes while bytes are read; nests, and several threads may read at once.

        Parameters
        ----------
        where : object
            Whose text the errors raised inside say of the place, if they do not know it.
        extent : Extent, optional
            Of the HDU that is read: it has to be in the file.

        Returns
        -------
        Reading
            May be entered as often as is wanted.
        """
        return Reading(self, self._lock, where, _WHOLE if extent is None else extent)

    @contextmanager
    def changing(self, where: object = "", extent: Extent | None = None) -> Iterator[None]:
        """Hold off everybody else and make the changes inside one transaction of the storage; nests.

        An exception undoes what was changed, on the medium and in memory: if bytes were changed already, all that
        the outermost of nested calls did. The parameters are those of `reading`.
        """
        try:
            with self._lock.exclusive():
                self.check_usable(extent)
                if not self.storage.writable:
                    raise ReadOnlyFile(self.filename)
                mark = len(self._undo)
                self._depth += 1
                try:
                    with self.storage.transaction():
                        yield
                except BaseException:
                    self._take_back(0 if self.storage.undone else mark)
                    raise
                finally:
                    self._depth -= 1
                if not self._depth:  # an inner change still has to be undone if the outer one fails
                    self._undo.clear()
        except FitsError as error:
            _locate(error, where)
            raise

    def _take_back(self, mark: int) -> None:
        """Undo in memory what was noted since ``mark``."""
        while len(self._undo) > mark:
            self._undo.pop()()
        if self.storage.undone:
            for forget in self._after_undoing:
                forget()

    def content(self) -> bytes:
        """Return all bytes of the file, as `FITS.to_bytes` does."""
        with self.reading(self.filename):
            return bytes(self.storage.read(0, self.storage.size()))

    def sync(self) -> None:
        """Make every change reach the medium; does nothing once the file is closed."""
        with self._lock.exclusive():
            self._check_no_transaction("sync")
            if not self.closed:
                self.storage.sync()

    def close(self) -> None:
        """Flush and release the storage; closes even when that fails, and does nothing the second time.

        Raises
        ------
        ImageError
            If an HDU still buffers what is appended to it; the file stays open.
        TransactionOpen
            Inside a transaction; the file stays open.
        """
        with self._lock.exclusive():
            self._check_no_transaction("close")
            if self.contexts:
                index, method = next(iter(self.contexts.items()))
                raise ImageError(
                    f"cannot close FITS while HDU at index {index} is inside {method}() context; leave that block first"
                )
            if not self.closed:
                self.closed = True
                self.storage.close()

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` put something in memory back if the change under way fails. Inside `changing`."""
        self._undo.append(undo)

    def after_undoing(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` whenever a change was undone, to drop what was read of the file meanwhile."""
        self._after_undoing.append(forget)

    def append(self, header: bytes, data_nbytes: int) -> Extent:
        """Add an HDU at the end: its header, a multiple of 2880 bytes, and a data unit of zeros.

        Only inside `changing`.
        """
        start = self._end()
        extent = Extent(start, start + len(header), data_nbytes)
        self.storage.truncate(start)  # drops trailing junk of less than a block
        self.storage.truncate(extent.stop)
        self.storage.write(start, header)
        self.extents.append(extent)
        self.on_failure(lambda: self._forget(extent))
        return extent

    def _forget(self, extent: Extent) -> None:
        """Take an HDU out that was not made after all; who has it can do nothing with it any more."""
        extent.undone = True
        self.extents[:] = [each for each in self.extents if each is not extent]

    def resize_header(self, extent: Extent, nbytes: int) -> None:
        """Make room for a header of ``nbytes`` bytes, a multiple of 2880; later bytes move. Inside `changing`."""
        shift = nbytes - (extent.data_start - extent.header_start)
        self._shift(extent, extent.data_start, shift)
        self._place(extent, extent.header_start, extent.data_start + shift, extent.data_nbytes)

    def is_last(self, extent: Extent) -> bool:
        """Return whether the file ends with an HDU: there is nothing behind it that would have to move."""
        return self.extents[-1] is extent and self.storage.size() <= extent.stop

    def set_data_nbytes(self, extent: Extent, nbytes: int) -> None:
        """Note that the data unit of the last HDU has grown to ``nbytes`` bytes, padding apart. Inside `changing`.

        The caller writes all that is gained, with the padding: the file grows by that.
        """
        self._end()
        self._place(extent, extent.header_start, extent.data_start, nbytes)

    def resize_data(self, extent: Extent, nbytes: int, *, zero: bool = True) -> None:
        """Make the data unit ``nbytes`` bytes long, padding apart; later HDUs move. Inside `changing`.

        Parameters
        ----------
        extent : Extent
        nbytes : int
        zero : bool
            Whether to write zeros over the bytes gained; a caller that fills them need not. The padding always is.
        """
        old_nbytes = extent.data_nbytes
        if nbytes > old_nbytes:  # into the padding, perhaps: nothing moves, but what is missing would become zeros
            self._end()
        new_stop = extent.data_start + padded(nbytes)
        self._shift(extent, extent.stop, new_stop - extent.stop)
        self._place(extent, extent.header_start, extent.data_start, nbytes)
        self._zero(extent.data_start + (min(old_nbytes, nbytes) if zero else nbytes), new_stop)

    def _end(self) -> int:
        """Return the first byte after the last HDU, which must be there whole, its padding apart."""
        if not self.extents:
            return 0
        last = self.extents[-1]
        if self.storage.size() < last.data_start + last.data_nbytes:
            raise TruncatedFile(
                f"{self.filename} has {self.storage.size()} bytes, but its last HDU ends at byte "
                f"{last.data_start + last.data_nbytes}: a truncated file cannot be changed in size"
            )
        return last.stop

    def _shift(self, extent: Extent, source: int, shift: int) -> None:
        """Move all bytes from ``source`` on by ``shift`` bytes, and the HDUs after ``extent`` with them."""
        if not shift:
            return
        end = self._end()
        if shift > 0 or self.storage.size() < end:
            self.storage.truncate(end + max(shift, 0))
        self.storage.move(source, source + shift, end - source)
        if shift < 0:
            self.storage.truncate(end + shift)
        index = next(index for index, other in enumerate(self.extents) if other is extent)
        for other in self.extents[index + 1 :]:
            self._place(other, other.header_start + shift, other.data_start + shift, other.data_nbytes)

    def _place(self, extent: Extent, header_start: int, data_start: int, data_nbytes: int) -> None:
        old = (extent.header_start, extent.data_start, extent.data_nbytes)
        extent.header_start, extent.data_start, extent.data_nbytes = header_start, data_start, data_nbytes

        def undo() -> None:
            extent.header_start, extent.data_start, extent.data_nbytes = old

        self.on_failure(undo)

    def _zero(self, start: int, stop: int) -> None:
        zeros = bytes(min(stop - start, 1 << 20))
        while start < stop:
            nbytes = min(len(zeros), stop - start)
            self.storage.write(start, memoryview(zeros)[:nbytes])
            start += nbytes

    def _check_no_transaction(self, verb: str) -> None:
        if self._depth:
            raise TransactionOpen(f"cannot {verb} {self.filename} inside a transaction; leave its block first")

    def check_usable(self, extent: Extent | None) -> None:
        """Raise if nothing can be done any more to the file, or to that HDU of it."""
        if self.closed:
            raise HandleClosed(self.filename)
        self.check_untainted()
        if extent is not None and extent.undone:
            raise HDUUndone(self.filename)


class Reading:
    """The context of `OpenFile.reading`, which holds nothing of its own, since every small read goes through it."""

    __slots__ = ("_extent", "_file", "_lock", "_where")

    def __init__(self, file: OpenFile, lock: ReadWriteLock, where: object, extent: Extent) -> None:
        self._file, self._lock, self._where, self._extent = file, lock, where, extent

    def __enter__(self) -> None:
        self._lock.acquire_shared()
        file = self._file
        if file.closed or file.storage.tainted or self._extent.undone:
            self._lock.release_shared()
            self._refuse()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._lock.release_shared()
        if error is not None and isinstance(error, FitsError):
            _locate(error, self._where)

    def _refuse(self) -> None:
        try:
            self._file.check_usable(self._extent)
        except FitsError as error:
            _locate(error, self._where)
            raise


def _locate(error: FitsError, where: object) -> None:
    place = str(where)
    if place:
        error.locate(place)
