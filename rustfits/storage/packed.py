"""Whole files under gzip, bzip2, xz, zstd or compress: known by their first bytes, unpacked into memory."""

from __future__ import annotations

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rustfits import limits
from rustfits.errors import FitsIOError, NotSupported
from rustfits.storage.base import GZIP_MAGIC, Storage

CHUNK_NBYTES = 1 << 16  # deflate expands a thousandfold at most, so that one step allocates 64 MiB at most
STEP_NBYTES = 1 << 20  # unpacked at a time, where a few bytes may hold as much as they like
MAGIC_NBYTES = 6
BOUND = "it is compressed as a whole, so that every process would have to unpack all of it: unpack the file first"
GZIP_WINDOW = 31  # zlib's word for a gzip member with the largest window


class Member(ABC):
    """One stream of a file, which may consist of several."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what more bytes of the stream hold, a bounded piece at a time."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether the stream is at its end."""

    @property
    @abstractmethod
    def rest(self) -> bytes:
        """What was fed beyond the end."""


class _Gzip(Member):
    def __init__(self) -> None:
        import zlib

        self._stream = zlib.decompressobj(GZIP_WINDOW)

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data)

    @property
    def ended(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class _Stepwise(Member):
    """A decompressor of the standard library that gives as many bytes as it is asked for: bz2, lzma, zstd."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data, STEP_NBYTES)
        while not (self._stream.eof or self._stream.needs_input):
            yield self._stream.decompress(b"", STEP_NBYTES)

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._stream.unused_data)


class _Zstandard(Member):
    """A frame, by the package `zstandard`, which always gives all that it can: so it is fed little by little."""

    _PIECE_NBYTES = 1 << 11  # a block of 4 bytes may hold 128 KiB: 64 MiB at most

    def __init__(self, package: Any) -> None:
        self._stream = package.ZstdDecompressor().decompressobj()
        self._unfed = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), self._PIECE_NBYTES):
            yield self._stream.decompress(data[start : start + self._PIECE_NBYTES])
            if self._stream.eof:
                self._unfed = data[start + self._PIECE_NBYTES :]
                return

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._stream.unused_data) + self._unfed


class _Lzw(Member):
    """A whole file of compress, which has no end but that of the file."""

    ended = False
    rest = b""

    def __init__(self, package: Any) -> None:
        self._package, self._data = package, bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            self._data += data
            return
        with warnings.catch_warnings(), self._package.LZWFile(io.BytesIO(self._data)) as file:
            warnings.simplefilter("error")  # it warns of a code that is cut short
            while piece := file.read(STEP_NBYTES):
                yield piece


def _bzip2() -> Member:
    import bz2

    return _Stepwise(bz2.BZ2Decompressor())


def _xz() -> Member:
    import lzma

    return _Stepwise(lzma.LZMADecompressor(lzma.FORMAT_XZ))


def _zstd() -> Member:
    try:
        standard: Any = import_module("compression.zstd")  # from Python 3.14 on
    except ImportError:
        return _Zstandard(_package("zstandard"))
    return _Stepwise(standard.ZstdDecompressor())


def _lzw() -> Member:
    return _Lzw(_package("uncompresspy"))


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise NotSupported(f"reading it needs the package {name!r}: pip install {name}") from error


@dataclass(frozen=True)
class Packing:
    """A way to compress whole files.

    Attributes
    ----------
    name : str
    magic : tuple of bytes
        What such files begin with.
    suffix : str
        What their names end in.
    new : callable or None
        Returns a new `Member`; None if such files are not read.
    """

    name: str
    magic: tuple[bytes, ...]
    suffix: str
    new: Callable[[], Member] | None


GZIP = Packing("gzip", (GZIP_MAGIC,), ".gz", _Gzip)
PACKINGS = (
    GZIP,
    Packing("bzip2", tuple(b"BZh%d" % level for level in range(1, 10)), ".bz2", _bzip2),
    Packing("xz", (b"\xfd7zXZ\x00",), ".xz", _xz),
    Packing("zstd", (b"\x28\xb5\x2f\xfd",), ".zst", _zstd),
    Packing("compress", (b"\x1f\x9d",), ".Z", _lzw),
    Packing("zip", (b"PK\x03\x04",), ".zip", None),
)


def packing_of(head: bytes | bytearray) -> Packing | None:
    """Return how a file is compressed as a whole, by its first `MAGIC_NBYTES` bytes; None if it is not."""
    return next((packing for packing in PACKINGS if head.startswith(packing.magic)), None)


def packing_in(storage: Storage) -> Packing | None:
    """Return how what a storage holds is compressed as a whole; None if it is not."""
    return packing_of(storage.head or storage.read(0, min(MAGIC_NBYTES, storage.size())))


def packing_named(path: str) -> Packing | None:
    """Return what the end of a name promises of the bytes; None if nothing."""
    return next((packing for packing in PACKINGS if path.endswith(packing.suffix)), None)


def unpack(chunks: Iterator[bytes], packing: Packing, name: str) -> bytearray:
    """Decompress streams that follow each other.

    Parameters
    ----------
    chunks : iterator of bytes
        The compressed bytes, `CHUNK_NBYTES` at a time. Zeros after the last stream, which tapes leave, are ignored.

    Raises
    ------
    FitsIOError
        If a stream is damaged or ends early, or holds more than `limits.MAX_UNPACKED_NBYTES`.
    NotSupported
        If the package that reads such streams is not installed, or none is known.
    """
    content = bytearray()
    try:
        for piece in _pieces(chunks, packing):
            content += piece
            if len(content) > limits.MAX_UNPACKED_NBYTES:
                raise FitsIOError(
                    f"{name} decompresses to more than {limits.MAX_UNPACKED_NBYTES} bytes, which are held in memory; "
                    "if there is room for them, raise rustfits.limits.MAX_UNPACKED_NBYTES, else unpack the file"
                )
    except FitsIOError:
        raise
    except NotSupported as error:
        raise NotSupported(f"{name} is compressed as a whole by {packing.name}: {error}") from error
    except MemoryError as error:
        raise FitsIOError(f"{name} does not fit in memory: {len(content)} bytes decompressed so far") from error
    except Exception as error:  # each of the packages has errors of its own
        raise FitsIOError(f"{name} is not a valid {packing.name} file: {error}") from error
    return content


def _pieces(chunks: Iterator[bytes], packing: Packing) -> Iterator[bytes]:
    """Yield what a compressed file holds."""
    if packing.new is None:
        raise NotSupported("such an archive may hold several files: extract the one that you want, and open it")
    member, inside = packing.new(), True  # inside a stream; the first one must be there
    for chunk in chunks:
        rest = chunk if inside else chunk.lstrip(b"\0")
        while rest:
            inside = True
            yield from member.feed(rest)
            rest = b""
            if member.ended:
                rest = member.rest.lstrip(b"\0")
                member, inside = packing.new(), False
    if inside:
        yield from member.feed(b"")
        if not isinstance(member, _Lzw):
            raise EOFError("the compressed stream ends early; the file is truncated")
