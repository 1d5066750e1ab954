"""One open FITS file: its storage, where each HDU lies in it, and who may touch it when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from rustfits.errors import (
    CodecError,
    FileChanged,
    FitsError,
    FitsIOError,
    HandleClosed,
    HandleTainted,
    HDUUndone,
    ImageError,
    OutOfMemory,
    ReadOnlyFile,
    TransactionOpen,
    TruncatedFile,
)
from rustfits.storage import watch as watching
from rustfits.storage.base import Storage
from rustfits.storage.extent import GONE, MOVED, Extent, padded
from rustfits.storage.locks import ReadWriteLock
from rustfits.storage.reread import Straddled, repeated
from rustfits.storage.watch import Tries


class OpenFile:
    """What all HDUs and headers of one handle share.

    Attributes
    ----------
    storage : Storage
    filename : str
        What `FITS.filename` says.
    mode : {'r', 'r+', 'w+', 'x'}
    extents : list of Extent
        One per HDU, in file order. HDUs keep their `Extent`, whose numbers change when bytes move.
    closed : bool
    contexts : dict of int to str
        HDUs, by position, that buffer what is appended, and the name of the method that opened the context:
        such a file cannot be closed.
    checksum : bool
        Whether an HDU must prove that its checksums are right before it is read.
    guard : FitsError or None
        Why nothing may be written over what follows the last HDU, or move it.
    remote : object
        What the user has said of how to reach it, if it was opened by a URL.
    reopen : callable or None
        Returns, in another process, the HDU of a reference to this file. A function of a module: its name goes there.
    """

    checksum = False
    remote: object = None
    reopen: Callable[[Any], Any] | None = None

    def __init__(self, storage: Storage, filename: str, mode: str) -> None:
        self.storage = storage
        self.filename = filename
        self.mode = mode
        self.extents: list[Extent] = []
        self.closed = False
        self.contexts: dict[int, str] = {}
        self.whole = Extent(0, 0, 0)  # stands for no single HDU
        self.guard: FitsError | None = None
        self._lock = ReadWriteLock()
        self._depth = 0  # of `changing`
        self._undo: list[Callable[[], None]] = []
        self._forgets: list[Callable[[], None]] = []
        self._completes: list[Callable[[], None]] = []

    @property
    def tainted(self) -> bool:
        """Whether a change failed half-way and could not be undone."""
        return self.storage.tainted

    def check_untainted(self) -> None:
        """Raise `HandleTainted` if the file is in an unknown state."""
        if self.storage.tainted:
            raise HandleTainted(self.filename)

    def reading(
        self,
        where: object = "",
        extent: Extent | None = None,
        is_there: Callable[[], bool] | None = None,
        kind: type[Reading] | None = None,
    ) -> Reading:
        """Return a context that holds off changes while bytes are read; nests, and several threads may read at once.

        It raises `Straddled` at its end if somebody else has changed the file: see `repeated`.

        Parameters
        ----------
        where : object
            Whose text the errors raised inside say of the place, if they do not know it.
        extent : Extent, optional
            Of the HDU that is read: it has to be in the file.
        is_there : callable, optional
            Tells whether the file has the header of that HDU at its place, after somebody else has changed it.
        kind : type, optional
            The class of the context.

        Returns
        -------
        Reading
            May be entered as often as is wanted.
        """
        return (kind or Reading)(self, self._lock, where, self.whole if extent is None else extent, is_there)

    def look_closer(self, extent: Extent, is_there: Callable[[], bool] | None) -> None:
        """Make sure that an HDU can be read, after somebody else may have changed the file; outside `reading`.

        What was read before and kept is forgotten. The parameters are those of `reading`.

        Raises
        ------
        FileChanged
            If its header is not at its place, or the file is changed again and again.
        FileLocked
            If another handle is in the middle of a change.
        FitsIOError
            If the file cannot be read, or used any more.
        """
        with self._lock.exclusive():
            self.check_usable(extent)
            watch, tries = self.storage.watch, Tries(self.filename)
            while watch is not None and not self.storage.changing:
                if not watch.unchanged():
                    watch.settle(changed=True)
                    self.forget_read()
                there = is_there is None or is_there()
                if watch.unchanged():
                    if not there:
                        raise FileChanged(self.filename, MOVED)
                    break
                tries.again()
            extent.doubtful = False

    def forget_read(self) -> None:
        """Drop what was read of the file, and have each HDU look closer before the next read; while nobody reads."""
        for forget in self._forgets:
            forget()
        for extent in (self.whole, *self.extents):
            extent.doubtful = True

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
                if extent is not None:
                    extent.check()
                mark = len(self._undo)
                self._depth += 1
                try:
                    with self.storage.transaction():
                        yield
                        if self._depth == 1:
                            self.complete()
                except BaseException:
                    self._take_back(0 if self.storage.undone else mark)
                    raise
                finally:
                    self._depth -= 1
                    if not self._depth:
                        self._completes.clear()
                if not self._depth:  # an inner change still has to be undone if the outer one fails
                    self._undo.clear()
        except FitsError as error:
            _locate(error, where)
            if isinstance(error, CodecError | TruncatedFile):  # what was read may be of two states
                self.storage.check_own()
            raise

    def _take_back(self, mark: int) -> None:
        """Undo in memory what was noted since ``mark``."""
        while len(self._undo) > mark:
            self._undo.pop()()
        if self.storage.undone:
            for forget in self._forgets:
                forget()

    def complete(self) -> None:
        """Write what waits for the end of the transaction; outside `reading`, for those who read bytes as they are."""
        if self._completes:
            with self._lock.exclusive():
                while self._completes:
                    self._completes[-1]()
                    self._completes.pop()

    @property
    def grouped(self) -> bool:
        """Whether the change under way is a part of one more, whose end it may wait for; inside `changing`."""
        return self._depth == 2

    def before_end(self, complete: Callable[[], None]) -> None:
        """Call ``complete`` before the change that is under way ends, all around it too, if that does not fail."""
        self._completes.append(complete)

    @repeated
    def content(self) -> bytes:
        """Return all bytes of the file, as `FITS.to_bytes` does; `FitsIOError` if it is fetched by parts."""
        if self.storage.partial and not self.closed:
            raise FitsIOError(
                f"{self.filename} is fetched by parts: to have all of its bytes, pass Remote(ranged=False)"
            )
        self.complete()
        with self.reading(self.filename):
            return bytes(self.storage.read(0, self.storage.size()))

    @contextmanager
    def standing_still(self, verb: str) -> Iterator[None]:
        """Hold off everybody else, and make sure that nobody is in the middle of something.

        Raises
        ------
        TransactionOpen, ImageError
            Inside a transaction, or if an HDU still buffers what is appended to it.
        HandleClosed, HandleTainted
            If the file can be used no more.
        """
        with self._lock.exclusive():
            self._check_no_transaction(verb)
            self._check_no_context(verb)
            self.check_usable(None)
            yield

    def sync(self) -> None:
        """Make every change reach the medium; does nothing once the file is closed."""
        with self._lock.exclusive():
            self._check_no_transaction("sync")
            if not self.closed:
                self.storage.sync()

    def close(self, *, failed: bool = False) -> None:
        """Flush and release the storage; closes even when that fails, and does nothing the second time.

        Parameters
        ----------
        failed : bool
            Whether an exception ends the work: a file that was to be written anew, and never was, stays as it was.

        Raises
        ------
        ImageError
            If an HDU still buffers what is appended to it; the file stays open.
        TransactionOpen
            Inside a transaction; the file stays open.
        """
        with self._lock.exclusive():
            self._check_no_transaction("close")
            self._check_no_context("close")
            if not self.closed:
                self.closed = True
                if failed:
                    self.storage.give_up()
                self.storage.close()

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` put something in memory back if the change under way fails. Inside `changing`."""
        self._undo.append(undo)

    def after_undoing(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` whenever a change was undone, or one of others seen, to drop what was read of the file."""
        self._forgets.append(forget)

    def append(self, header: bytes, data_nbytes: int) -> Extent:
        """Add an HDU at the end: its header, a multiple of 2880 bytes, and a data unit of zeros.

        Only inside `changing`.
        """
        self._check_guard()
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
        extent.undone = extent.doubtful = True
        self.extents[:] = [each for each in self.extents if each is not extent]

    def resize_header(self, extent: Extent, nbytes: int) -> None:
        """Make room for a header of ``nbytes`` bytes, a multiple of 2880; later bytes move. Inside `changing`."""
        shift = nbytes - (extent.data_start - extent.header_start)
        self._shift(extent, extent.data_start, shift)
        self._lay(extent, extent.header_start, extent.data_start + shift, extent.data_nbytes)

    def is_last(self, extent: Extent) -> bool:
        """Return whether the file ends with an HDU: there is nothing behind it that would have to move."""
        return self.extents[-1] is extent and self.storage.size() <= extent.stop

    def set_data_nbytes(self, extent: Extent, nbytes: int) -> None:
        """Note that the data unit of the last HDU has grown to ``nbytes`` bytes, padding apart. Inside `changing`.

        The caller writes all that is gained, with the padding: the file grows by that.
        """
        self._end()
        self._lay(extent, extent.header_start, extent.data_start, nbytes)

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
        self._lay(extent, extent.header_start, extent.data_start, nbytes)
        self.storage.write_zeros(extent.data_start + (min(old_nbytes, nbytes) if zero else nbytes), new_stop)

    def _check_guard(self) -> None:
        if self.guard is not None:
            raise copy(self.guard)

    @property
    def tail_nbytes(self) -> int:
        """Bytes after the last HDU; inside `reading`."""
        return max(self.storage.size() - self.extents[-1].stop, 0) if self.extents else 0

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
        self._check_guard()
        end = self._end()
        if shift > 0 or self.storage.size() < end:
            self.storage.truncate(end + max(shift, 0))
        self.storage.move(source, source + shift, end - source)
        if shift < 0:
            self.storage.truncate(end + shift)
        index = next(index for index, other in enumerate(self.extents) if other is extent)
        for other in self.extents[index + 1 :]:
            self._lay(other, other.header_start + shift, other.data_start + shift, other.data_nbytes)

    def _lay(self, extent: Extent, header_start: int, data_start: int, data_nbytes: int) -> None:
        old = (extent.header_start, extent.data_start, extent.data_nbytes)
        extent.header_start, extent.data_start, extent.data_nbytes = header_start, data_start, data_nbytes

        def undo() -> None:
            extent.header_start, extent.data_start, extent.data_nbytes = old

        self.on_failure(undo)

    def _check_no_transaction(self, verb: str) -> None:
        if self._depth:
            raise TransactionOpen(f"cannot {verb} {self.filename} inside a transaction; leave its block first")

    def _check_no_context(self, verb: str) -> None:
        for index, method in self.contexts.items():
            raise ImageError(
                f"cannot {verb} FITS while HDU at index {index} is inside {method}() context; leave that block first"
            )

    def check_usable(self, extent: Extent | None) -> None:
        """Raise if nothing can be done any more to the file, or to that HDU of it."""
        if self.closed:
            raise HandleClosed(self.filename)
        self.check_untainted()
        if extent is not None and extent.undone:
            raise HDUUndone(self.filename)
        if extent is not None and extent.gone:
            raise FileChanged(self.filename, GONE)


class Reading:
    """The context of `OpenFile.reading`, which holds nothing of its own, since every small read goes through it."""

    __slots__ = ("_extent", "_file", "_is_there", "_lock", "_watch", "_where")

    def __init__(
        self, file: OpenFile, lock: ReadWriteLock, where: object, extent: Extent, is_there: Callable[[], bool] | None
    ) -> None:
        self._file, self._lock, self._where, self._extent, self._is_there = file, lock, where, extent, is_there
        self._watch = file.storage.watch

    def __enter__(self) -> None:
        self._lock.acquire_shared()
        file = self._file
        if file.closed or file.storage.tainted or self._extent.doubtful:
            self._look_closer()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        watch = self._watch
        # While anybody reads, what is known stays the same; so this is asked before the lock is given back.
        same = watch is None or watching.unchanged(watch.descriptor, watch.size, watch.mtime_ns)
        last = self._lock.release_shared()
        if not same and last:
            self._straddled(error)
        if error is not None and isinstance(error, FitsError | MemoryError):
            self._told(error)

    def _told(self, error: FitsError | MemoryError) -> None:
        """Say where it happened, and make it one of our family."""
        if isinstance(error, FitsError):
            _locate(error, self._where)
            return
        lack = OutOfMemory(str(error) or "there is not enough memory")
        _locate(lack, self._where)
        raise lack from error

    def _look_closer(self) -> None:
        """Make sure that there is something to read, with the lock at hand before and after; without it on failure."""
        file, extent = self._file, self._extent
        while True:
            nested = not self._lock.release_shared()
            try:
                if nested:  # whoever reads around this looks closer
                    file.check_usable(extent)
                else:
                    file.look_closer(extent, self._is_there)
            except FitsError as error:
                _locate(error, self._where)
                raise
            self._lock.acquire_shared()
            if nested or not (file.closed or file.storage.tainted or extent.doubtful):
                return

    def _straddled(self, error: BaseException | None) -> None:
        """Raise `Straddled`, unless the change is our own, or something else has stopped the read."""
        if self._file.storage.changing or not (error is None or isinstance(error, Exception)):
            return
        assert self._watch is not None
        self._watch.doubt()
        self._extent.doubtful = True
        change = Straddled(self._file.filename)
        _locate(change, self._where)
        raise change from error


def _locate(error: FitsError, where: object) -> None:
    place = str(where)
    if place:
        error.locate(place)
