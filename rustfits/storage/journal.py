"""The rollback journal of a local file, which makes every change of it all or nothing.

While ``<file>`` is being changed, ``<file>.rfjournal`` stands beside it: a header with the size that the file had, and
a record for every range of bytes that was overwritten, as it was before. Records are complete before the bytes they
save are touched. Removing the journal is the moment at which the change counts. A journal that is found at open
belongs to a writer that was killed: its records are written back, the file gets its old size, the journal goes.

Undoing may be cut short and done again any number of times, for it reads the journal only. A record that was cut
short saves bytes that were never touched, so it is passed over.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rustfits.errors import FileReplaced, FitsIOError, JournalError
from rustfits.storage.pages import crc_of_pages
from rustfits.storage.undo import SAVE_NBYTES, Piece, ReadBytes, Undo, WriteBytes

SUFFIX = ".rfjournal"
MAGIC = b"rfjrnl\r\n"
VERSION = 2

# magic, version, reserved, size of the file, salt, digest of the file; then the CRC-32 of all that.
_HEADER = struct.Struct("<8sIIQ16s16s")
_RECORD = struct.Struct("<QQI")  # offset, bytes, checksum of salt, offset, bytes and data
_CRC = struct.Struct("<I")
_HEADER_NBYTES = _HEADER.size + _CRC.size

# A file is known again by samples of it: both ends, where headers and the last pixels are, and some of what is between.
_END_NBYTES = 2880
_NSAMPLES = 6
_SAMPLE_NBYTES = 512

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_PLAIN = _CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # neither a link nor a pipe


class Journal(Undo):
    """The journal of one transaction under way.

    Parameters
    ----------
    path : str
        Of the file that is to be changed, without links.
    status : os.stat_result
        Of that file: the journal gets its permissions, so that whoever may write the file may undo the change.
    read
        As in `Undo`.
    durable : bool
        Whether the journal must reach the disk before the bytes it saves are touched.

    Raises
    ------
    JournalError
        If there is a journal already.
    OSError
        If the journal cannot be created.
    """

    def __init__(self, path: str, status: os.stat_result, read: ReadBytes, *, durable: bool) -> None:
        super().__init__(status.st_size, read)
        self.path = path + SUFFIX
        self._durable = durable
        self._salt = os.urandom(16)
        self._kept: list[tuple[int, int, int]] = []  # offset in the file, bytes, offset of the data in the journal
        self._end = 0
        self._unsynced = self._busy = False
        self._process = os.getpid()
        header = _HEADER.pack(MAGIC, VERSION, 0, self.size, self._salt, digest(self.size, read))
        self._header = header + _CRC.pack(zlib.crc32(header))  # until it is written, with the first record
        with _reported("create", self.path):
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _PLAIN, 0o600)
            except FileExistsError as error:
                found = "a writer was killed since the file was opened; close and reopen the file"
                raise JournalError(self.path, found) from error
        _adopt_permissions(self._descriptor, status)

    def save(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Save what is not saved yet; what it saved is on the disk afterwards, if that is wanted.

        The first call writes the header too, which holds the size: it must be there before the file grows.

        Raises
        ------
        OSError
            If that fails; the journal is as before then.
        """
        if self._header or self._unsynced or not self.covers(ranges):
            with self._writing():
                super().save(ranges)

    def save_known(self, start: int, data: bytes | bytearray) -> None:
        """As `save`, of a range whose bytes the caller has read."""
        with self._writing():
            super().save_known(start, data)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Bring to the disk what is appended inside, if that is wanted; nests."""
        if self._busy:
            yield
            return
        self._busy = True
        try:
            with _reported("write", self.path):
                if self._unsynced:  # what a failed fsync did not bring to the disk, the next one would not either
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                end = self._end
                yield
                if self._header:
                    self._append()
                if self._durable and self._end != end:
                    self._unsynced = True
                    os.fsync(self._descriptor)
                    if not end:
                        sync_folder(self.path)
                    self._unsynced = False
        finally:
            self._busy = False

    def _keep(self, pieces: list[Piece]) -> None:
        parts: list[bytes | bytearray] = []
        kept, end = [], self._end + len(self._header)
        for offset, data in pieces:
            parts += _RECORD.pack(offset, len(data), _record_crc(self._salt, offset, data)), data
            end += _RECORD.size + len(data)
            kept.append((offset, len(data), end - len(data)))
        # One piece may be large; many are small together, and the system takes only so many at once.
        self._append(*parts if len(pieces) == 1 else (b"".join(parts),))
        self._kept += kept

    def restore(self, write: WriteBytes) -> None:
        """Write every saved range back."""
        self._check_process()
        for offset, nbytes, start in reversed(self._kept):
            write(offset, memoryview(_read_exactly(self._descriptor, start, nbytes)))

    def finish(self) -> None:
        """Remove the journal: from here on the file is what it is."""
        self._check_process()
        with _reported("remove", self.path):
            with suppress(FileNotFoundError):  # a second try, after a failure below
                os.unlink(self.path)
            if self._durable:
                sync_folder(self.path)
        self.abandon()

    def abandon(self) -> None:
        """Leave the journal to whoever opens the file next."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise FileReplaced(self.path, "is used by a process that was forked")

    def _append(self, *parts: bytes | bytearray) -> None:
        views, end = [memoryview(part) for part in (self._header, *parts)], self._end
        while views:
            done = os.pwritev(self._descriptor, views, end)
            end += done
            while views and done >= views[0].nbytes:
                done -= views.pop(0).nbytes
            if views:
                views[0] = views[0][done:]
        self._header, self._end = b"", end  # a failure leaves both, and the next record overwrites this one


@dataclass(frozen=True)
class HotJournal:
    """A journal that a killed writer left.

    Attributes
    ----------
    path : str
        Of the journal.
    size : int
        Bytes that the file had.
    digest : bytes
        Of the file as it was.
    records : list of (int, int, int)
        Offset in the file, bytes, and offset of the data in the journal, in the order of saving.
    """

    path: str
    size: int
    digest: bytes
    records: list[tuple[int, int, int]]


def find(path: str) -> HotJournal | None:
    """Return the journal beside the file ``path``, or None if there is none under which anything was changed.

    Returns
    -------
    HotJournal or None
        None also for a journal whose header was never finished.

    Raises
    ------
    JournalError
        If the file of that name is no journal, is damaged, of a later version, or of somebody who may not write.
    OSError
        If it cannot be read.
    """
    try:
        descriptor = os.open(path + SUFFIX, os.O_RDONLY | _PLAIN)
    except FileNotFoundError:
        return None
    try:
        _check_owner(path, os.fstat(descriptor))
        head = _read_exactly(descriptor, 0, _HEADER_NBYTES, partly=True)
        if not head.strip(b"\0"):
            return None  # created, and the power failed before its header reached the disk
        if not MAGIC.startswith(head[: len(MAGIC)]):
            raise JournalError(path + SUFFIX, "it is no journal of rustfits; move it away, then open the file again")
        if len(head) < _HEADER_NBYTES:
            return None
        _, version, _, size, salt, found = _HEADER.unpack_from(head)
        if version != VERSION:
            raise JournalError(
                path + SUFFIX,
                f"it has version {version}, this rustfits knows {VERSION}; open the file with a later rustfits, which "
                "undoes the change that was cut short",
            )
        if _CRC.unpack_from(head, _HEADER.size)[0] != zlib.crc32(head[: _HEADER.size]):
            raise JournalError(path + SUFFIX, "its header is damaged, so the change that was cut short stays half-made")
        return HotJournal(path + SUFFIX, size, found, list(_records(descriptor, size, salt)))
    finally:
        os.close(descriptor)


def undo(journal: HotJournal, path: str, target: int) -> None:
    """Put a file back as its journal says and make the disk keep it; then remove the journal.

    Parameters
    ----------
    journal : HotJournal
    path : str
    target : int
        Descriptor of the file, for reading and writing.

    Raises
    ------
    JournalError
        If the journal is of another file: with its records written back, the file would not be what it was.
    OSError
        If the file cannot be written; nothing is lost, the journal stays.
    """
    source = os.open(journal.path, os.O_RDONLY | _PLAIN)
    try:
        if digest(journal.size, lambda start, nbytes: _as_before(journal, source, target, start, nbytes)) != (
            journal.digest
        ):
            raise JournalError(
                journal.path,
                f"it is the journal of another file than {path} is now, which is left as it is; remove the journal if "
                "that file is whole, or put back the file it belongs to",
            )
        if os.fstat(target).st_size > journal.size:
            os.ftruncate(target, journal.size)  # first, for a full disk may need the room
        for record_offset, nbytes, start in reversed(journal.records):
            offset, data = record_offset, memoryview(_read_exactly(source, start, nbytes))
            while data:
                done = os.pwrite(target, data, offset)
                offset, data = offset + done, data[done:]
        os.ftruncate(target, journal.size)
        os.fsync(target)  # the writer may have wanted it, and this is rare
    finally:
        os.close(source)
    discard(path)
    sync_folder(path)


def is_ours(path: str) -> bool:
    """Return whether what stands beside ``path`` under the name of a journal is one, of whatever version."""
    try:
        descriptor = os.open(path + SUFFIX, os.O_RDONLY | _PLAIN)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.pread(descriptor, len(MAGIC), 0) == MAGIC
    finally:
        os.close(descriptor)


def discard(path: str) -> None:
    """Remove the journal beside ``path``, if there is one."""
    with suppress(FileNotFoundError):
        os.unlink(path + SUFFIX)


def sync_folder(path: str) -> None:
    """Make the names in the folder of ``path`` reach the disk."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(size: int, read: ReadBytes) -> bytes:
    """Return what tells a file of ``size`` bytes from others: a digest of samples of it.

    Headers alone would not do: a night's exposures begin alike and end in the same padding.
    """
    end = min(size, _END_NBYTES)
    parts = [read(0, end), read(size - end, end)]
    between = size - 2 * _END_NBYTES
    if between > 0:
        sample = min(between, _SAMPLE_NBYTES)
        step = (between - sample) / (_NSAMPLES - 1)
        parts += [read(_END_NBYTES + int(number * step), sample) for number in range(_NSAMPLES)]
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def _records(descriptor: int, size: int, salt: bytes) -> Iterator[tuple[int, int, int]]:
    journal_nbytes, at = os.fstat(descriptor).st_size, _HEADER_NBYTES
    while at + _RECORD.size <= journal_nbytes:
        offset, nbytes, crc = _RECORD.unpack(_read_exactly(descriptor, at, _RECORD.size))
        at += _RECORD.size
        if nbytes > min(SAVE_NBYTES, journal_nbytes - at) or offset + nbytes > size:
            return
        if crc != _record_crc(salt, offset, _read_exactly(descriptor, at, nbytes)):
            return  # the last record was cut short
        yield offset, nbytes, at
        at += nbytes


def _as_before(journal: HotJournal, source: int, target: int, offset: int, nbytes: int) -> bytes:
    """Return bytes of the file as they would be with the journal's records written back."""
    found = bytearray(_read_exactly(target, offset, nbytes, partly=True).ljust(nbytes, b"\0"))
    for start, length, at in reversed(journal.records):
        begin, end = max(start, offset), min(start + length, offset + nbytes)
        if begin < end:
            found[begin - offset : end - offset] = _read_exactly(source, at + begin - start, end - begin)
    return bytes(found)


@contextmanager
def _reported(verb: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FitsIOError):
            raise
        raise FitsIOError(error.errno or 0, f"cannot {verb} {path}: {error.strerror or error}") from error


def _check_owner(path: str, journal: os.stat_result) -> None:
    """Refuse what cannot come from a writer of the file: in a folder open to all, anybody may make a journal."""
    if not stat.S_ISREG(journal.st_mode):
        raise JournalError(path + SUFFIX, "it is no regular file, so no journal; move it away")
    file = os.stat(path)
    if file.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or not hasattr(os, "geteuid"):
        return
    if journal.st_uid not in (file.st_uid, os.geteuid(), 0):
        raise JournalError(
            path + SUFFIX, f"its owner, user {journal.st_uid}, may not write {path}; remove it if you do not know it"
        )


def _adopt_permissions(descriptor: int, status: os.stat_result) -> None:
    with suppress(OSError):  # only root may give files away; some file systems know no permissions
        if status.st_gid != os.getegid() or status.st_uid != os.geteuid():
            os.fchown(descriptor, status.st_uid if os.geteuid() == 0 else -1, status.st_gid)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o666)


def _record_crc(salt: bytes, offset: int, data: bytes | bytearray) -> int:
    return crc_of_pages(data, zlib.crc32(salt + _RECORD.pack(offset, len(data), 0)))


def _read_exactly(descriptor: int, offset: int, nbytes: int, *, partly: bool = False) -> bytes:
    pieces = []
    while nbytes:
        piece = os.pread(descriptor, nbytes, offset)
        if not piece:
            if partly:
                break
            raise OSError("the journal ends early")
        pieces.append(piece)
        offset, nbytes = offset + len(piece), nbytes - len(piece)
    return b"".join(pieces)
