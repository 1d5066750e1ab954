"""A whole FITS file under gzip: held in memory, written back when it is closed or synced."""

from __future__ import annotations

import os
import stat
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rustfits import limits
from rustfits.errors import FitsIOError, HandleTainted, OpenFailed
from rustfits.storage.folder import adopt_owner, sync_folder
from rustfits.storage.local import open_descriptor
from rustfits.storage.memory import MemoryStorage

CHUNK_NBYTES = 1 << 16  # deflate expands a thousandfold at most, so that one step allocates 64 MiB at most
_GZIP_WINDOW = 31  # zlib's word for a gzip member with the largest window
_LEVEL = 6


def inflate(chunks: Iterator[bytes], name: str) -> bytearray:
    """Decompress gzip members that follow each other.

    Parameters
    ----------
    chunks : iterator of bytes
        The compressed stream, `CHUNK_NBYTES` at a time.
    name : str
        What messages call it.

    Returns
    -------
    bytearray
        What all members hold. Zeros after the last one, which tapes leave, are ignored.

    Raises
    ------
    FitsIOError
        If the stream is not gzip, is damaged, or ends early; or holds more than `limits.MAX_UNPACKED_NBYTES`.
    """
    content = bytearray()
    member = zlib.decompressobj(_GZIP_WINDOW)
    inside = True  # inside a member; the first one must be there
    try:
        for chunk in chunks:
            rest = chunk if inside else chunk.lstrip(b"\0")
            while rest:
                inside = True
                content += member.decompress(rest)
                if len(content) > limits.MAX_UNPACKED_NBYTES:
                    raise FitsIOError(
                        f"{name} decompresses to more than {limits.MAX_UNPACKED_NBYTES} bytes, which are held in "
                        "memory; if there is room for them, raise rustfits.limits.MAX_UNPACKED_NBYTES"
                    )
                rest = b""
                if member.eof:
                    rest = member.unused_data.lstrip(b"\0")
                    member, inside = zlib.decompressobj(_GZIP_WINDOW), False
    except zlib.error as error:
        raise FitsIOError(f"{name} is not a valid gzip file: {error}") from error
    except MemoryError as error:
        raise FitsIOError(f"{name} does not fit in memory: {len(content)} bytes decompressed so far") from error
    if inside:
        raise FitsIOError(f"{name} is not a valid gzip file: the compressed stream ends early; the file is truncated")
    return content


class GzipStorage(MemoryStorage):
    """The content of a gzip file in memory; the file is replaced as a whole when something changed.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+', 'w+'}
        As in `open_descriptor`; 'r+' needs the permission to write at once.
    durability : {'process', 'power'}
        'power' waits for the disk when the file is replaced.

    Raises
    ------
    OpenFailed
        If the file cannot be opened.
    FitsIOError
        If it is not gzip, is damaged, or ends early.
    """

    def __init__(self, path: str, mode: str, durability: str = "process") -> None:
        descriptor = open_descriptor(path, mode)
        try:
            status = os.fstat(descriptor)
            content = bytearray()
            if status.st_size:
                content = inflate(_chunks(descriptor, path), path)
        finally:
            os.close(descriptor)
        super().__init__(content, name=path, writable=mode != "r")
        self._durable = durability == "power"
        self._file = _GzipFile(os.path.realpath(path), status, self._data)
        # A handle that is only dropped keeps its changes too, even at the end of the process.
        self._finalizer = weakref.finalize(self, self._file.save_if_ours)

    @property
    def tainted(self) -> bool:
        """Whether a change was cut short; such content never replaces the file."""
        return self._file.tainted

    @tainted.setter
    def tainted(self, tainted: bool) -> None:
        self._file.tainted = tainted

    def _committed(self) -> None:
        self._file.dirty = True

    def sync(self) -> None:
        """Compress, replace the file, and make the disk keep it.

        Raises
        ------
        HandleTainted
            If a change was cut short; the old file stays.
        FitsIOError
            If the file cannot be replaced; the old file stays.
        """
        self._file.save(durable=True)

    def close(self) -> None:
        """Replace the file if something changed, and let the memory go; errors as `sync`."""
        if self._finalizer.detach() is not None:
            try:
                self._file.save(durable=self._durable)
            finally:
                super().close()


@dataclass(slots=True)
class _GzipFile:
    """What is needed to write the file back when the storage itself is gone already."""

    path: str
    status: os.stat_result
    content: bytearray
    dirty: bool = False
    tainted: bool = False
    process: int = field(default_factory=os.getpid)

    def save_if_ours(self) -> None:
        """Save as the storage is dropped, unless a forked process drops its copy, or the content is in doubt."""
        if self.process == os.getpid() and not self.tainted:
            self.save(durable=False)

    def save(self, *, durable: bool) -> None:
        """Replace the file if something changed; ``durable`` waits for the disk."""
        if self.tainted:
            raise HandleTainted(self.path)
        if not self.dirty:
            return
        try:
            self._replace(durable)
        except OSError as error:
            reason = f"cannot write {self.path}: {error.strerror or error}; the old file is kept"
            raise FitsIOError(error.errno or 0, reason) from error
        self.dirty = False

    def _replace(self, durable: bool) -> None:
        folder, name = os.path.split(self.path)
        with suppress(FileNotFoundError):
            self.status = os.stat(self.path)
        with _temporary(folder, name) as (descriptor, temporary):
            self._compress_into(descriptor)
            adopt_owner(descriptor, self.status)
            os.fchmod(descriptor, stat.S_IMODE(self.status.st_mode))
            if durable:
                os.fsync(descriptor)
            os.replace(temporary, self.path)
        if durable:
            sync_folder(self.path)

    def _compress_into(self, descriptor: int) -> None:
        member = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        with memoryview(self.content) as content, os.fdopen(descriptor, "wb", closefd=False) as file:
            for start in range(0, content.nbytes, CHUNK_NBYTES):
                file.write(member.compress(content[start : start + CHUNK_NBYTES]))
            file.write(member.flush())


@contextmanager
def _temporary(folder: str, name: str) -> Iterator[tuple[int, str]]:
    """Offer a new file in ``folder``; remove it, unless it was renamed, if anything goes wrong."""
    descriptor, path = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
    try:
        yield descriptor, path
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _chunks(descriptor: int, path: str) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, CHUNK_NBYTES):
            yield chunk
    except OSError as error:
        raise OpenFailed.of(path, error) from error
