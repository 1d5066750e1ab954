"""A journal that a killed writer left, read from beside its file."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from rustfits import system
from rustfits.storage.journal import (
    ANNOUNCED,
    BARE,
    CRC,
    DURABLE,
    FLAGS,
    FRAME,
    HEADER,
    HEADER_NBYTES,
    MAGIC,
    RECORD,
    SAVED,
    SIZED,
    VERSION,
    frame_crc,
    read_exactly,
    this_boot,
)
from rustfits.storage.pages import crc_of_pages
from rustfits.storage.sectors import HASH_NBYTES, SECTOR_NBYTES, Hashes, sector_hashes
from rustfits.system import JOURNAL_SUFFIX, stamp, sync_folder

# Version 2, of which none could be proven to be of its file: size and salt; then records, each with the offset of some
# bytes as they were, how many they are, and a checksum.
_HEADER_2 = struct.Struct("<8sIIQ16s16s")
_RECORD_2 = struct.Struct("<QQI")

_HEADER_DAMAGED = "the header of the journal is damaged"
_CONTRADICTION = "the journal contradicts itself"
_KINDS = SAVED, ANNOUNCED, SIZED, BARE
_LARGEST = 1 << 62  # bytes of a file, or sectors: more has no file system


class NoJournal(Exception):
    """What has the name of a journal is none; says what it is."""


@dataclass
class Leftover:
    """What a journal says.

    Attributes
    ----------
    path : str
        Of the journal.
    version : int
    status : os.stat_result
        Of the journal.
    size, mtime_ns : int
        Of the file, as it was.
    same_boot : bool or None
        Whether the machine ran without a break since the change began; None where the system does not tell.
    durable : bool
        Whether the journal was brought to the disk before the file changed.
    samples : int
        Of the file as it was, as of `samples_crc`.
    saved : list of (int, int, int)
        Offset in the file, bytes, and offset of the data in the journal.
    sizes : list of int
        That the file was to have, one after the other.
    sectors, hashes : (n,) uint64 array
        Numbers of sectors, and what they were to be; sorted by number. A sector may occur more than once.
    damage : str
        Why the journal cannot be used; empty if it can.
    """

    path: str
    version: int
    status: os.stat_result
    size: int
    mtime_ns: int = 0
    same_boot: bool | None = None
    durable: bool = False
    samples: int = 0
    saved: list[tuple[int, int, int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    sectors: Hashes = field(default_factory=lambda: np.zeros(0, "<u8"))
    hashes: Hashes = field(default_factory=lambda: np.zeros(0, "<u8"))
    damage: str = ""

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Offer a descriptor of the journal, for reading."""
        descriptor = os.open(self.path, os.O_RDONLY | FLAGS)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def find(path: str) -> Leftover | None:
    """Return the journal beside the file ``path``, or None if none is there under which anything was changed.

    Returns
    -------
    Leftover or None
        None also for a journal whose header was never finished.

    Raises
    ------
    NoJournal
        If what has that name is no journal.
    OSError
        If it cannot be read.
    """
    name = path + JOURNAL_SUFFIX
    try:
        status = os.lstat(name)
    except FileNotFoundError:
        return None
    _check_kind(status)
    descriptor = os.open(name, os.O_RDONLY | FLAGS)
    try:
        status = os.fstat(descriptor)
        _check_kind(status)
        return _parse(name, descriptor, status)
    finally:
        os.close(descriptor)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NoJournal("it is no regular file, so no journal")
    if status.st_nlink > 1:
        raise NoJournal("it is a file of several names, so no journal")


def _parse(name: str, descriptor: int, status: os.stat_result) -> Leftover | None:
    head = read_exactly(descriptor, 0, HEADER_NBYTES, partly=True)
    if not head.strip(b"\0"):
        return None  # created, and the power failed before its header reached the disk
    if not MAGIC.startswith(head[: len(MAGIC)]):
        raise NoJournal("it is no journal of rustfits")
    version = int.from_bytes(head[len(MAGIC) : len(MAGIC) + 4], "little")
    if version == 2:
        return _parse_version_2(name, descriptor, status)
    if len(head) < HEADER_NBYTES:
        return None
    damage = ""
    if CRC.unpack_from(head, HEADER.size)[0] != zlib.crc32(head[: HEADER.size]):
        damage = _HEADER_DAMAGED
    elif version != VERSION:
        damage = f"the journal has version {version}, this rustfits knows {VERSION}: a later rustfits can use it"
    if damage:
        return Leftover(name, version, status, 0, damage=damage)
    _, _, flags, size, mtime_ns, salt, boot, samples = HEADER.unpack_from(head)
    same_boot = boot == this_boot() if any(boot) and any(this_boot()) else None
    found = Leftover(name, version, status, size, mtime_ns, same_boot, bool(flags & DURABLE), samples)
    if size > _LARGEST:
        found.damage = _CONTRADICTION
    else:
        _parse_frames(found, descriptor, salt)
    return found


def _parse_frames(found: Leftover, descriptor: int, salt: bytes) -> None:
    """Add what the frames say; note whether they are all there, but for a last one that was cut short."""
    at, stop = HEADER_NBYTES, found.status.st_size
    announced: list[tuple[int, bytes]] = []
    while at + FRAME.size <= stop:
        nbytes, crc = FRAME.unpack(read_exactly(descriptor, at, FRAME.size))
        at += FRAME.size
        if nbytes > stop - at:
            break  # cut short, so what it announces was never begun
        parts = list(_parts(descriptor, at, at + nbytes))
        if crc != frame_crc(salt, nbytes, [part for _, *both in parts for part in both]):
            # After a power cut a frame may have its length, but not all of its bytes. A kill leaves no such frame.
            if found.same_boot or at + nbytes < stop:
                found.damage = f"the journal is damaged from byte {at} on"
            break
        for where, record, data in parts:
            kind, offset, length = RECORD.unpack(record) if len(record) == RECORD.size else (0, 0, 0)
            if offset > _LARGEST or length != len(data) or kind not in _KINDS:
                found.damage = _CONTRADICTION
            elif kind == SAVED:
                found.saved.append((offset, len(data), where))
            elif kind == SIZED:
                found.sizes.append(offset)
            elif length % (SECTOR_NBYTES if kind == BARE else HASH_NBYTES):
                found.damage = _CONTRADICTION
            else:
                announced.append((offset, sector_hashes(data).tobytes() if kind == BARE else data))
        at += nbytes
    if found.damage:
        return
    _sort(found, announced)
    if any(offset + nbytes > found.size for offset, nbytes, _ in found.saved):
        found.damage = _CONTRADICTION


def _parts(descriptor: int, at: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the records of a frame: where the data are in the journal, the head, the data; damaged ones as they are."""
    while at < stop:
        record = read_exactly(descriptor, at, min(RECORD.size, stop - at))
        at += len(record)
        nbytes = RECORD.unpack(record)[2] if len(record) == RECORD.size else 0
        data = read_exactly(descriptor, at, min(nbytes, stop - at))
        yield at, record, data
        at += len(data)


def _sort(found: Leftover, announced: list[tuple[int, bytes]]) -> None:
    """Sort what was announced by sectors."""
    if announced:
        hashes = np.frombuffer(b"".join(data for _, data in announced), "<u8")
        sectors = np.concatenate(
            [np.arange(first, first + len(data) // HASH_NBYTES, dtype="<u8") for first, data in announced]
        )
        order = np.argsort(sectors, kind="stable")
        found.sectors, found.hashes = sectors[order], hashes[order]


def _parse_version_2(name: str, descriptor: int, status: os.stat_result) -> Leftover | None:
    at, stop = _HEADER_2.size + CRC.size, status.st_size
    if stop < at:
        return None
    head = read_exactly(descriptor, 0, at)
    _, _, _, size, salt, _ = _HEADER_2.unpack_from(head)
    if CRC.unpack_from(head, _HEADER_2.size)[0] != zlib.crc32(head[: _HEADER_2.size]):
        return Leftover(name, 2, status, 0, damage=_HEADER_DAMAGED)
    found = Leftover(name, 2, status, size)
    while at + _RECORD_2.size <= stop:
        offset, nbytes, crc = _RECORD_2.unpack(read_exactly(descriptor, at, _RECORD_2.size))
        at += _RECORD_2.size
        if nbytes > stop - at or offset + nbytes > size:
            break
        data = read_exactly(descriptor, at, nbytes)
        if crc != crc_of_pages(data, zlib.crc32(salt + _RECORD_2.pack(offset, nbytes, 0))):
            break
        found.saved.append((offset, nbytes, at))
        at += nbytes
    return found


def undo(found: Leftover, target: int) -> None:
    """Put a file back as its journal says, and make the disk keep it; the journal stays.

    Parameters
    ----------
    found : Leftover
    target : int
        Descriptor of the file, for reading and writing.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is lost.
    """
    with found.opened() as source:

        def touch() -> None:  # as the writer did: who has to do it again can tell that nobody else wrote meanwhile
            with suppress(OSError):
                stamp(source, found.path)

        if os.fstat(target).st_size > found.size:
            touch()
            os.ftruncate(target, found.size)  # first, for a full disk may need the room
        for saved_offset, nbytes, at in reversed(found.saved):
            offset, data = saved_offset, memoryview(read_exactly(source, at, nbytes))
            while data:
                touch()
                done = system.pwrite(target, data, offset)
                offset, data = offset + done, data[done:]
        if os.fstat(target).st_size != found.size:
            touch()
            os.ftruncate(target, found.size)
        os.fsync(target)  # the writer may have wanted it, and this is rare


def remove(path: str) -> None:
    """Remove the journal beside ``path``, if there is one, and make the disk keep that."""
    with suppress(FileNotFoundError):
        os.unlink(path + JOURNAL_SUFFIX)
    sync_folder(path)


def set_aside(path: str) -> str:
    """Give what stands beside ``path`` as its journal a name that nothing has, and return it."""
    number = 1
    while os.path.lexists(name := f"{path}{JOURNAL_SUFFIX}.unused-{number}"):
        number += 1
    os.rename(path + JOURNAL_SUFFIX, name)
    return name
