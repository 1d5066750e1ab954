"""The rollback journal of a local file, which makes every change of it all or nothing.

While ``<file>`` is being changed, ``<file>.rfjournal`` stands beside it. It holds what the file was, the bytes that are
overwritten, as they were, and for every write a hash of each sector as it will be; all of that before the write begins.
Removing the journal is the moment at which the change counts; where an open file cannot be removed, cutting it to
nothing right before that. What is done with one that a killed writer left is told
in `rustfits.storage.recovery`, how it is proven to be of its file in `rustfits.storage.evidence`.

The format: a header; then frames, one for each time that something was added, each with a checksum; in a frame records.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeAlias

from rustfits import system
from rustfits.errors import FileLocked, FileReplaced, FitsIOError, JournalError
from rustfits.storage.pages import crc_of_pages
from rustfits.storage.sectors import HASH_NBYTES, SECTOR_NBYTES, sector_hashes, sectors_of
from rustfits.storage.undo import Piece, ReadBytes, Undo, Write, WriteBytes
from rustfits.system import (
    JOURNAL_SUFFIX,
    NO_LINK,
    NO_WAIT,
    PLAIN,
    adopt_owner,
    pread,
    set_permissions,
    stamp,
    sync_folder,
)

MAGIC = b"rfjrnl\r\n"
VERSION = 3

# magic, version, flags, size and time of change of the file, salt, boot of the machine, samples of the file; then the
# CRC-32 of all that.
HEADER = struct.Struct("<8sIIQq16s16sI")
FRAME = struct.Struct("<QI")  # bytes that follow, their checksum with the salt
RECORD = struct.Struct("<IQQ")  # kind, where, bytes that follow
CRC = struct.Struct("<I")
HEADER_NBYTES = HEADER.size + CRC.size
DURABLE = 1  # flag: what the journal holds reached the disk before the file changed

Bytes: TypeAlias = "bytes | bytearray | memoryview"
Record: TypeAlias = "tuple[int, int, Bytes]"
SAVED, ANNOUNCED, SIZED, BARE = 1, 2, 3, 4
"""Kinds of records: bytes as they were, from an offset on; hashes of sectors as they will be, 8 bytes each, from the
sector of a number on; the size that the file will have; sectors as they will be, all of their bytes, likewise."""

# The file is written right after what announces it: the times of change of the two tell whether somebody else wrote it
# since. Five ms are longer than any step between, unless the process is made to wait: then the journal's is renewed.
_STALE_NS = 5_000_000

_BARE_NBYTES = 1 << 14  # up to so much is announced by all its bytes: to hash them takes longer than to write them
_JOINED_NBYTES = 1 << 16  # writes up to this are copied into their sectors, frames up to this summed up at one go

# Files up to this size are known again by all their bytes, others by samples of them, both ends among these: to read
# and sum them up takes a tenth of what a change takes.
WHOLE_NBYTES = 1 << 16
_NSAMPLES, _SAMPLE_NBYTES = 4, 1 << 11

_NPARTS = 16  # of a frame that are written without being joined before

FLAGS = PLAIN | NO_LINK | NO_WAIT  # neither a link nor a pipe
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


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
    target : int
        Descriptor of the file.
    durable : bool
        Whether the journal must reach the disk before the bytes it saves are touched.

    Raises
    ------
    JournalError
        If there is a journal already.
    OSError
        If the journal cannot be created.
    """

    def __init__(self, path: str, status: os.stat_result, read: ReadBytes, target: int, *, durable: bool) -> None:
        super().__init__(status.st_size, read)
        self.path = path + JOURNAL_SUFFIX
        self._target, self._durable = target, durable
        self._salt = os.urandom(16)
        self._kept: list[tuple[int, int, int]] = []  # offset in the file, bytes, offset of the data in the journal
        self._end = self._written_ns = 0
        self._waiting: list[Record] = []  # what the next frame takes along
        self._unsynced = self._busy = False
        self._process = os.getpid()
        samples = samples_crc(self.size, self._now)
        facts = (int(durable) * DURABLE, self.size, status.st_mtime_ns, self._salt, this_boot(), samples)
        header = HEADER.pack(MAGIC, VERSION, *facts)
        self._header = header + CRC.pack(zlib.crc32(header))  # until it is written, with the first frame
        self._descriptor = self._create()
        _adopt_permissions(self._descriptor, self.path, status)

    def _create(self) -> int:
        try:
            self._remove_finished()
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, 0o600)
        except FileExistsError as error:
            if system.is_held_open(self.path):
                raise FileLocked(self.path.removesuffix(JOURNAL_SUFFIX), "wait until that change is done") from error
            found = "a writer was killed since the file was opened; close and reopen the file"
            raise JournalError(self.path, found) from error
        except OSError as error:
            advice = ""
            if error.errno in _REFUSED:
                folder = os.path.dirname(self.path) or "."
                advice = f"; a change needs a journal beside its file: get leave to write {folder}, or copy the file"
            raise FitsIOError(error.errno or 0, f"cannot create {self.path}: {error.strerror}{advice}") from error

    def _remove_finished(self) -> None:
        """Remove a journal that was cut to nothing, but could not be removed then."""
        if not system.CAN_REMOVE_OPEN:
            with suppress(OSError):
                if not os.path.getsize(self.path):
                    os.unlink(self.path)

    # -- before a change ------------------------------------------------------------------------------------------

    def save(self, ranges: Sequence[tuple[int, int]], writes: Sequence[Write] = (), size: int | None = None) -> None:
        """Save the sectors that are not saved yet, and announce what they will be; on the disk, if that is wanted.

        Sectors are saved whole, so that each is written back at one go.

        Raises
        ------
        OSError
            If that fails; the journal is as before then.
        """
        wanted = [] if self.covers(ranges) else [sectors_of(start, stop) for start, stop in ranges if start < stop]
        announced = self._announced(writes) if writes else [] if size is None else self._announced_size(size)
        if not (wanted or announced or self._unsynced):
            return
        with self._writing():
            self._waiting = announced
            try:
                super().save(wanted)
                if self._waiting:
                    self._append()
            finally:
                self._waiting = []

    def save_known(self, start: int, data: bytes | bytearray) -> None:
        """As `save`, of a range whose bytes the caller has read."""
        first, stop = sectors_of(start + SECTOR_NBYTES - 1, start + len(data) - SECTOR_NBYTES + 1)
        with self._writing():
            if first < stop:
                super().save_known(first, data[first - start : stop - start])
            self.save([(start, start + len(data))])  # what else there is of the first and the last sector

    def _announced(self, writes: Sequence[Write]) -> list[Record]:
        """Return what the sectors will be that writes touch."""
        edges: dict[int, bytes | bytearray] = {}  # sectors that a write before fills in part
        runs: list[tuple[int, bytearray | memoryview]] = []
        for offset, data in writes:
            self._as_written(offset, data, edges, runs)
        if sum([len(content) for _, content in runs]) <= _BARE_NBYTES:
            return [(BARE, start, content) for start, content in runs]
        short = [content for _, content in runs if len(content) <= _JOINED_NBYTES]
        hashes, stop = memoryview(sector_hashes(b"".join(short)).tobytes()), 0
        records: list[Record] = []
        for start, content in runs:
            if len(content) <= _JOINED_NBYTES:
                begin, stop = stop, stop + len(content) // SECTOR_NBYTES * HASH_NBYTES
                records.append((ANNOUNCED, start, hashes[begin:stop]))
            else:
                records.append((ANNOUNCED, start, sector_hashes(content).tobytes()))
        return records

    def _announced_size(self, nbytes: int) -> list[Record]:
        """Return the size that the file will have, and what its last sector will be."""
        records: list[Record] = [(SIZED, nbytes, b"")]
        start, _ = sectors_of(nbytes, nbytes)
        if start < nbytes:  # the rest of it becomes, or stays, zeros
            content = self._sector(start)[: nbytes - start].ljust(SECTOR_NBYTES, b"\0")
            records.append((BARE, start // SECTOR_NBYTES, content))
        return records

    def touch(self) -> None:
        """Renew the journal's time of change, right before the file is written, if the last was not just now."""
        now = time.monotonic_ns()
        if now - self._written_ns > _STALE_NS:
            with suppress(OSError):  # what cannot be told by it is told to the user
                stamp(self._descriptor, self.path)
            self._written_ns = now

    def _as_written(
        self,
        offset: int,
        data: memoryview,
        edges: dict[int, bytes | bytearray],
        runs: list[tuple[int, bytearray | memoryview]],
    ) -> None:
        """Add the sectors that a write touches, as they will be: the number of the first of a run, and their bytes."""
        stop = offset + data.nbytes
        first, last = sectors_of(offset, stop)
        if last - first > _JOINED_NBYTES:  # not to copy what is long
            after, before = sectors_of(offset + SECTOR_NBYTES - 1, stop - SECTOR_NBYTES + 1)
            for begin, end in ((offset, after), (before, stop)):
                if begin < end:
                    self._as_written(begin, data[begin - offset : end - offset], edges, runs)
            runs.append((after // SECTOR_NBYTES, data[after - offset : before - offset]))
            return
        content = bytearray(last - first)
        if first < offset:
            content[:SECTOR_NBYTES] = edges.get(first) or self._sector(first)
        if stop < last and not (first < offset and last - first == SECTOR_NBYTES):
            content[-SECTOR_NBYTES:] = edges.get(last - SECTOR_NBYTES) or self._sector(last - SECTOR_NBYTES)
        content[offset - first : stop - first] = data
        edges[first], edges[last - SECTOR_NBYTES] = content[:SECTOR_NBYTES], content[-SECTOR_NBYTES:]
        runs.append((first // SECTOR_NBYTES, content))

    def _sector(self, start: int) -> bytes:
        """Return a sector of the file as it is now, with zeros beyond its end."""
        return self._now(start, SECTOR_NBYTES).ljust(SECTOR_NBYTES, b"\0")

    def _now(self, start: int, nbytes: int) -> bytes:
        """Return bytes of the file as it is now, fewer at its end, by one call of the system."""
        try:
            return pread(self._target, nbytes, start)
        except OSError as error:
            raise FitsIOError(error.errno or 0, f"cannot read the file of {self.path}: {error.strerror}") from error

    # -- the bytes of the journal ---------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Bring to the disk what is appended inside, if that is wanted; nests."""
        if self._busy:
            yield
            return
        self._busy = True
        try:
            if self._unsynced:  # what a failed fsync did not bring to the disk, the next one would not either
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            end = self._end
            yield
            self._written_ns = time.monotonic_ns()
            if self._durable and self._end != end:
                self._sync(first=not end)
        except FitsIOError:
            raise
        except OSError as error:
            raise _told("write", self.path, error) from error
        finally:
            self._busy = False

    def _sync(self, *, first: bool) -> None:
        self._unsynced = True
        os.fsync(self._descriptor)
        if first:
            sync_folder(self.path)
        self._unsynced = False
        self._written_ns = 0  # the disk may have taken long

    def _keep(self, pieces: list[Piece]) -> None:
        at = self._end + len(self._header) + FRAME.size
        self._append(*((SAVED, offset, data) for offset, data in pieces))
        for offset, data in pieces:
            self._kept.append((offset, len(data), at + RECORD.size))
            at += RECORD.size + len(data)

    def _append(self, *records: Record) -> None:
        """Add a frame, with what waits; after a failure the journal is as it was, and the next frame replaces it."""
        parts: list[Bytes] = []
        for kind, where, data in (*records, *self._waiting):
            parts += RECORD.pack(kind, where, len(data)), data
        nbytes = sum(map(len, parts))
        # A few may be large; many are small together, and the system takes only so many at once.
        if nbytes <= _JOINED_NBYTES:
            parts = [b"".join(parts)]
        head = self._header + FRAME.pack(nbytes, frame_crc(self._salt, nbytes, parts))
        if len(parts) >= _NPARTS:
            parts = [b"".join(parts)]
        views = [memoryview(part) for part in (head, *parts)]
        end = self._end
        while views:
            done = system.pwritev(self._descriptor, views, end)
            end += done
            while views and done >= views[0].nbytes:
                done -= views.pop(0).nbytes
            if views:
                views[0] = views[0][done:]
        self._header, self._end, self._waiting = b"", end, []

    # -- afterwards -----------------------------------------------------------------------------------------------

    def restore(self, write: WriteBytes) -> None:
        """Write every saved range back."""
        self._check_process()
        for offset, nbytes, start in reversed(self._kept):
            data = memoryview(read_exactly(self._descriptor, start, nbytes))
            self.touch()
            write(offset, data)

    def finish(self) -> None:
        """Remove the journal: from here on the file is what it is."""
        self._check_process()
        try:
            if not system.CAN_REMOVE_OPEN:
                os.ftruncate(self._descriptor, 0)  # the moment that counts: under an empty journal nothing was changed
                self.abandon()
            # A second try, after a failure below; or an empty journal, which does no harm.
            with suppress(FileNotFoundError if system.CAN_REMOVE_OPEN else OSError):
                os.unlink(self.path)
            if self._durable:
                sync_folder(self.path)
        except OSError as error:
            raise _told("remove", self.path, error) from error
        self.abandon()

    def abandon(self) -> None:
        """Leave the journal to whoever opens the file next."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise FileReplaced(self.path, "is used by a process that was forked")


def frame_crc(salt: bytes, nbytes: int, parts: Sequence[Bytes]) -> int:
    """Return the checksum of a frame; its parts are, in turn, the head of a record and its data."""
    crc = zlib.crc32(salt + FRAME.pack(nbytes, 0))
    if nbytes <= _JOINED_NBYTES:
        return zlib.crc32(b"".join(parts), crc)
    for part in parts:
        crc = crc_of_pages(part, crc)
    return crc


def samples_crc(size: int, read: ReadBytes) -> int:
    """Return a checksum of a small file, or of samples of a larger one."""
    if size <= WHOLE_NBYTES:
        return zlib.crc32(read(0, size)) if size else 0
    last, steps = size - _SAMPLE_NBYTES, _NSAMPLES - 1
    return zlib.crc32(b"".join([read(last * number // steps, _SAMPLE_NBYTES) for number in range(_NSAMPLES)]))


def this_boot() -> bytes:
    """Return 16 bytes that tell this run of the machine from others; zeros where the system does not say."""
    if not _BOOT:
        text = ""
        with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
            text = file.read()
        try:
            _BOOT.append(bytes.fromhex(text.strip().replace("-", ""))[:16].ljust(16, b"\0"))
        except ValueError:
            _BOOT.append(bytes(16))
    return _BOOT[0]


_BOOT: list[bytes] = []


def read_exactly(descriptor: int, offset: int, nbytes: int, *, partly: bool = False) -> bytes:
    """Return bytes of a file; fewer at its end if ``partly``, else that is an OSError."""
    pieces = []
    while nbytes:
        piece = pread(descriptor, nbytes, offset)
        if not piece:
            if partly:
                break
            raise OSError("the journal ends early")
        pieces.append(piece)
        offset, nbytes = offset + len(piece), nbytes - len(piece)
    return b"".join(pieces)


def _told(verb: str, path: str, error: OSError) -> FitsIOError:
    return FitsIOError(error.errno or 0, f"cannot {verb} {path}: {error.strerror or error}")


def _adopt_permissions(descriptor: int, path: str, status: os.stat_result) -> None:
    adopt_owner(descriptor, status)
    with suppress(OSError):  # some file systems know none
        set_permissions(descriptor, path, stat.S_IMODE(status.st_mode) & 0o666)
