"""What a FITS file's bytes live in: a local file, memory, a gzip file held in memory, or what a plugin opens."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import PluginError, ReadOnlyFile, TransactionUndone, TruncatedFile
from rustfits.storage.watch import Watch

if TYPE_CHECKING:
    from rustfits.storage.undo import Undo, Write

MOVE_NBYTES = 4 << 20  # bytes moved at a time: bounds memory, and is large enough for the disk
CHUNK_NBYTES = 1 << 19  # bytes read at a time: what is done to them next finds them in the cache
GZIP_MAGIC = b"\x1f\x8b\x08"  # gzip's two bytes, and deflate, the only method there is (RFC 1952, section 2.3.1)
HEAD_NBYTES = 8 * 2880  # hold most headers whole
ANNOUNCED_NBYTES = 16 << 20  # bytes written at one go: bounds the hashes, and the time since they were announced
ZEROS_NBYTES = 1 << 20  # zeros written at a time: bounds memory
UNCHECKED_NBYTES = 1 << 16  # reads up to this size do without asking for the size of the storage first

Identity = tuple[int | str, ...]


class Storage(ABC):
    """Ranges of bytes in, ranges of bytes out.

    Reads may come from several threads at once; changes come from one thread, with no read beside them.

    Attributes
    ----------
    name : str
        What messages call it.
    writable : bool
        Whether it may be changed.
    chunk_nbytes : int
        Bytes that long reads had best ask for at a time; more where every request takes long.
    tainted : bool
        Whether a transaction failed and could not be undone, so that nobody knows what the bytes are.
    undone : bool
        Whether all that the transaction under way had changed is undone, since an inner one failed.
    descriptor : int
        Of the open file whose bytes these are, for those who read them without this class; -1 if there is no such file.
    partial : bool
        Whether parts are fetched when they are asked for, so that all bytes at once are not to be had.
    fetches_ahead : bool
        Whether `prefetch` does something.
    head : bytes
        The first `HEAD_NBYTES`, or all there were, if they were read when the storage was opened; else nothing. Who
        looks for the HDUs takes them.
    watch : Watch or None
        Tells whether others have changed the bytes; None where nobody else can, or nobody knows.
    location : str
        By what another process opens the same bytes; nothing if that is what the user has called the file.
    bound : str
        Why no other process can, as the end of a sentence; for storages without `identity`.
    """

    name: str
    writable: bool = False
    chunk_nbytes: int = CHUNK_NBYTES
    tainted: bool = False
    undone: bool = False
    descriptor: int = -1
    partial: bool = False
    fetches_ahead: bool = False
    head: bytes = b""
    watch: Watch | None = None
    location: str = ""
    bound: str = "nothing tells whether another process would find the same bytes"

    _depth: int = 0  # of transactions under way
    _nchanges: int = 0
    _gathered: list[Write] | None = None  # inside `gathered`, what is not written yet
    _gathered_room: int = 0  # bytes that may wait beside them
    _undo: Undo | None = None  # of the outermost transaction, from its first change on

    # -- to be defined by each kind of storage; with `close`, all that one needs that is only read -----------------

    @abstractmethod
    def size(self) -> int:
        """Return the number of bytes."""

    @abstractmethod
    def _read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from byte ``offset`` on; return the bytes read, fewer only at the end."""

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Release what is held; called once."""

    # -- to be defined by those that may be changed ---------------------------------------------------------------

    def _write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at byte ``offset``, growing the storage if needed."""
        raise ReadOnlyFile(self.name)

    def _truncate(self, nbytes: int) -> None:
        """Cut to, or grow with zeros to, ``nbytes``."""
        raise ReadOnlyFile(self.name)

    def give_up(self) -> None:  # noqa: B027 - most have nothing to leave
        """Leave what was there before, if nothing was committed since it was to be written anew; `close` follows."""

    def sync(self) -> None:  # noqa: B027 - nothing is changed, or there is no medium
        """Make every change reach the medium (fsync)."""

    # -- to be defined where there is something to say ------------------------------------------------------------

    @property
    def changing(self) -> bool:
        """Whether the transaction under way has changed something."""
        return self._undo is not None

    def identity(self) -> Identity | None:
        """Return what tells the bytes as they were when they were read from others of the same name.

        Returns
        -------
        tuple or None
            Such as size and time, or an ETag: equal in every process that opens the same bytes. None if none can.
        """
        return None

    def check_own(self) -> None:  # noqa: B027 - most cannot be changed by others
        """Raise `FileReplaced` if others have changed the bytes since this storage was opened, or last changed."""

    def anew(self) -> Storage | None:
        """Return another storage of what has the name of this one now; None if that is this one, as it is.

        Raises
        ------
        FitsIOError
            If it cannot be opened.
        """
        return None

    def take_over(self, other: Storage) -> None:
        """Become what `anew` has returned, which is to be closed all the same; while nobody reads."""
        raise AssertionError(f"{self.name} is all there is of that name: there is nothing to take over from {other}")

    # -- reading --------------------------------------------------------------------------------------------------

    def read_into(self, offset: int, target: memoryview | NDArray[Any]) -> None:
        """Fill ``target``, a contiguous writable buffer, from byte ``offset`` on.

        Raises
        ------
        TruncatedFile
            If the storage ends before ``target`` is full.
        """
        view = memoryview(target).cast("B") if not isinstance(target, np.ndarray) else as_bytes(target)
        found = self._read_into(offset, view)
        if found != view.nbytes:
            raise self._too_short(offset, view.nbytes, found)

    def read(self, offset: int, nbytes: int) -> bytearray:
        """Return ``nbytes`` bytes from byte ``offset`` on; errors as `read_into`.

        The size is checked against the storage first, so that a hostile number allocates nothing.
        """
        if offset < 0 or nbytes < 0 or (nbytes > UNCHECKED_NBYTES and offset + nbytes > self.size()):
            raise TruncatedFile(
                f"{self.name} has {self.size()} bytes: wanted {nbytes} bytes from byte {offset}; the file is truncated"
            )
        buffer = bytearray(nbytes)
        self.read_into(offset, memoryview(buffer))
        return buffer

    def read_bytes(self, offset: int, nbytes: int) -> bytes:
        """Return what `read` does, for those who only keep it."""
        return bytes(self.read(offset, nbytes))

    def prefetch(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> None:  # noqa: B027
        """Take note of all ranges that are going to be read soon, in any order; whoever reads does not wait for it.

        A hint, given only where `fetches_ahead` says so. A range may reach beyond the end, and need not be read.
        """

    def read_ranges(self, start: NDArray[np.int64], length: NDArray[np.int64], target: NDArray[Any]) -> None:
        """Read many ranges, back to back, into ``target``; a remote storage asks for all of them at once.

        Parameters
        ----------
        start, length : (n,) int64 array
            Byte ranges of the storage.
        target : (length.sum(),) uint8 array

        Raises
        ------
        TruncatedFile
            If a range reaches beyond the end.
        """
        view = as_bytes(target)
        stop = 0
        for offset, nbytes in zip(start.tolist(), length.tolist(), strict=True):
            begin, stop = stop, stop + nbytes
            found = self._read_into(offset, view[begin:stop])
            if found != nbytes:
                raise self._too_short(offset, nbytes, found)

    def _too_short(self, offset: int, nbytes: int, found: int) -> TruncatedFile | PluginError:
        if not isinstance(found, int | np.integer) or not 0 <= found < nbytes:
            return PluginError(
                f"{type(self).__name__} of {self.name} read {found!r:.40} bytes, where {nbytes} were asked for from "
                f"byte {offset}: _read_into must return an int, of what it put there"
            )
        wanted = f"wanted {nbytes} bytes from byte {offset}"
        return TruncatedFile(f"{self.name} ends at byte {offset + found}: {wanted}; the file is truncated")

    # -- changing, inside a transaction ---------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group changes into one, which is made whole or not at all; nests.

        An exception undoes all changes since the outermost one began: those of an inner one are not known apart. If
        it is caught between the two, the outer one may read, but changes nothing more, and raises at its end.

        Raises
        ------
        TransactionUndone
            At the end of the outermost one, if an inner one failed after its first change.
        """
        outermost, nchanges = not self._depth, self._nchanges
        if outermost:
            self.undone = False
        self._depth += 1
        try:
            yield
            if outermost:
                self._commit()
        except BaseException:
            if outermost or self._nchanges != nchanges:
                self._roll_back()
            raise
        finally:
            self._depth -= 1

    def write(self, offset: int, data: bytes | bytearray | memoryview | NDArray[Any]) -> None:
        """Write contiguous ``data`` at byte ``offset``; only inside `transaction`."""
        view = as_bytes(data) if isinstance(data, np.ndarray) else memoryview(data).cast("B")
        for start in range(0, view.nbytes, ANNOUNCED_NBYTES):
            piece = view[start : start + ANNOUNCED_NBYTES]
            if self._gathered is None:
                self._change([(offset + start, piece)])
                continue
            self._ready()
            if piece.nbytes > self._gathered_room:
                self._write_gathered()
            self._gathered.append((offset + start, piece))
            self._gathered_room -= piece.nbytes

    def write_many(self, offsets: Iterable[int], pieces: Iterable[NDArray[Any]]) -> None:
        """Write contiguous pieces, none over another, which are of a few MB together; only inside `transaction`."""
        self._change([(offset, as_bytes(piece)) for offset, piece in zip(offsets, pieces, strict=True) if piece.nbytes])

    def write_zeros(self, start: int, stop: int) -> None:
        """Write zeros from byte ``start`` to byte ``stop``; only inside `transaction`."""
        zeros = bytes(min(stop - start, ZEROS_NBYTES))
        for offset in range(start, stop, ZEROS_NBYTES):
            self.write(offset, memoryview(zeros)[: stop - offset])

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Make the writes inside together, in order; what they overwrite is saved, and they are announced, at one go.

        They are made at its end, or earlier: when they are more bytes than are announced at one go, and before the
        storage is cut or moved. Their data must stay as they are until then, none may write over another, and nothing
        reads what they write.
        """
        self._gathered, self._gathered_room = [], ANNOUNCED_NBYTES
        try:
            yield
            self._write_gathered()
        finally:
            self._gathered = None

    def _write_gathered(self) -> None:
        if self._gathered:
            writes, self._gathered, self._gathered_room = self._gathered, [], ANNOUNCED_NBYTES
            self._change(writes)

    def reserve(self, start: int, stop: int) -> None:  # noqa: B027 - only a disk has room to find
        """Take note that all bytes from ``start`` to ``stop``, which are there, are written next; inside `transaction`.

        A hint: the bytes stay what they are.
        """

    def truncate(self, nbytes: int) -> None:
        """Cut to, or grow with zeros to, ``nbytes``, whole or not at all; only inside `transaction`."""
        self._write_gathered()
        size = self.size()
        if nbytes != size:
            undo = self._ready()
            undo.save([(nbytes, size)], size=nbytes)
            self._nchanges += 1
            undo.touch()
            self._truncate(nbytes)

    def move(self, source: int, target: int, nbytes: int) -> None:
        """Copy ``nbytes`` bytes from ``source`` to ``target``, which may overlap; only inside `transaction`.

        No byte is overwritten before it was copied: upward moves run from the end, downward ones from the start.
        """
        self._write_gathered()
        if source == target:
            return
        offsets = range(0, nbytes, MOVE_NBYTES)
        overlap = abs(target - source) < nbytes
        for offset in reversed(offsets) if target > source else offsets:
            chunk = self.read(source + offset, min(MOVE_NBYTES, nbytes - offset))
            if overlap:  # these bytes will be overwritten too, so they are saved while they are at hand
                self._ready().save_known(source + offset, chunk)
            self._change([(target + offset, memoryview(chunk))])

    def _committed(self) -> None:  # noqa: B027 - only those who keep a copy elsewhere need to know
        """Take note that a transaction has changed something."""

    def _begin(self) -> Undo:
        """Return what the first change of a transaction is saved in; only then may the bytes change."""
        from rustfits.storage.undo import MemoryUndo

        return MemoryUndo(self.size(), self.read)

    def _harden(self) -> None:  # noqa: B027 - only a disk can lose what it was given
        """Make the changes so far reach the medium, if that was asked for, before the saved bytes are forgotten."""

    def _change(self, writes: list[Write]) -> None:
        """Write, after what is overwritten was saved, and what is written announced."""
        undo = self._ready()
        undo.save([(offset, offset + data.nbytes) for offset, data in writes], writes)
        self._nchanges += 1
        for offset, data in writes:
            undo.touch()
            self._write(offset, data)

    def _ready(self) -> Undo:
        """Return what keeps the bytes that the transaction under way overwrites."""
        if not self._depth:
            raise AssertionError("a change of the storage outside a transaction")
        if self.undone:
            raise TransactionUndone(self.name)
        if self._undo is None:
            self._undo = self._begin()
        return self._undo

    def _commit(self) -> None:
        if self.undone:
            raise TransactionUndone(self.name)
        if self._undo is not None:
            self._harden()
            self._undo.finish()
            self._undo = None
            self._committed()

    def _roll_back(self) -> None:
        """Put all bytes back; if that fails too, the storage is tainted."""
        undo, self._undo = self._undo, None
        if undo is None:
            return
        self.undone = True
        try:
            if self.size() > undo.size:
                undo.touch()
                self._truncate(undo.size)  # first, for a full disk may need the room
            undo.restore(self._write)
            if self.size() != undo.size:
                undo.touch()
                self._truncate(undo.size)
            self._harden()
            undo.finish()
        except BaseException as error:
            self.tainted = True
            undo.abandon()
            if not isinstance(error, Exception):
                raise


def as_bytes(array: NDArray[Any]) -> memoryview:
    """Return the bytes of a C-contiguous array, to be read or filled."""
    # memoryview.cast refuses a zero in the shape, and big-endian or structured dtypes.
    if not array.flags.c_contiguous:
        raise ValueError("storage reads and writes C-contiguous arrays only")
    return array.reshape(-1).view(np.uint8).data


def without_user(url: str) -> str:
    """Return ``url`` without user and password, which may hold a '/', '?' or '#' that should have been escaped."""
    scheme, separator, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if not separator or re.fullmatch(r"(\[[^@]*\]|[^@:\[]*)(:[0-9]*)?", authority):  # a host and its port
        return url  # an '@' further on is one of the path
    return scheme + separator + rest.rpartition("@")[2]  # nobody knows where a password ends, but at the last '@'
