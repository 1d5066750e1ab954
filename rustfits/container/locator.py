"""From the name of a file, or its URL, to the storage that holds its bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rustfits import system
from rustfits.errors import FitsIOError, LocationError, NotAFitsBuffer, NotSupported, how_to_install
from rustfits.storage.base import Storage
from rustfits.storage.local import DURABILITIES, LocalStorage

if TYPE_CHECKING:
    from rustfits.container.remote import Remote
    from rustfits.storage.memory import MemoryStorage

MODES = ("r", "r+", "w+", "x")
CREATING = ("w+", "x")
MEMORY_NAMES = ("mem://", "memkeep://")
_SIMPLE = b"SIMPLE"  # every file begins so that is FITS already


def open_location(
    filename: str, mode: str, remote: object, durability: str = "process", *, near: int = 0
) -> tuple[Storage, str]:
    """Open what ``filename`` names.

    Parameters
    ----------
    filename : str
        Path, ``mem://``, ``file://`` URL, or a URL of a scheme that a plugin opens.
    mode, remote, durability
        As for `FITS`.
    near : int
        The byte at which reading begins, if the headers are known already: then the file is not compressed as a whole.

    Returns
    -------
    storage : Storage
    filename : str
        The path of a ``file://`` URL, ``mem://`` for memory, otherwise as given; of a URL, without credentials.

    Raises
    ------
    LocationError
        If the URL cannot be understood, or does not go with ``remote``, or there is no such durability.
    FitsIOError
        If the mode does not suit it, or it cannot be opened.
    NotSupported
        If no plugin opens URLs of its scheme.
    """
    if not isinstance(filename, str):
        raise TypeError(f"filename must be a str or an os.PathLike that returns one, not {filename!r}")
    if mode not in MODES:
        raise FitsIOError(f"Unsupported mode {mode!r}; supported are {', '.join(map(repr, MODES))}")
    if durability not in DURABILITIES:
        raise LocationError(f"durability must be {' or '.join(map(repr, DURABILITIES))}, not {durability!r}")
    options = None
    if remote is not None:
        from rustfits.container.remote import as_remote

        options = as_remote(remote)
    if "://" in filename:
        return _open_named(filename, mode, options, durability, near)
    if options is not None:
        raise _no_url(filename)
    return open_local(filename, mode, durability), filename


def _no_url(filename: str) -> LocationError:
    return LocationError(f"remote= is only valid for URLs, such as https, ftp and s3 ones, not for {filename!r}")


def _open_named(filename: str, mode: str, options: Remote | None, durability: str, near: int) -> tuple[Storage, str]:
    """As `open_location`, of what looks like a URL, but may be a path all the same."""
    from rustfits.container.remote import check_url, is_known_url, may_be_url

    if is_known_url(filename):
        check_url(filename, mode, options)
        storage = _open_url(filename, mode, options, near)
        if storage is None:
            raise _nobody_opens(filename)
        return storage, storage.name
    if filename.startswith("file://"):
        if options is not None:
            raise LocationError(f"remote= does not go with {filename!r}, which is a local file")
        path = path_of_file_url(filename)
        return open_local(path, mode, durability), path
    if options is not None and (filename in MEMORY_NAMES or not may_be_url(filename)):
        raise _no_url(filename)
    if filename in MEMORY_NAMES:
        from rustfits.storage.memory import MemoryStorage

        return MemoryStorage(name=filename), filename
    if may_be_url(filename):
        if options is not None:
            check_url(filename, mode, options)
        storage = _open_url(filename, mode, options, near)
        if storage is not None:
            return storage, storage.name
        if options is not None:
            raise _nobody_opens(filename)
    return open_local(filename, mode, durability), filename


def local_path(filename: str) -> str | None:
    """Return the path that ``filename`` means, or None if it is a URL or in memory; errors as `path_of_file_url`."""
    if filename.startswith("file://"):
        return path_of_file_url(filename)
    from rustfits.container.remote import is_known_url

    return None if filename in MEMORY_NAMES or is_known_url(filename) else filename


def open_local(path: str, mode: str, durability: str = "process") -> Storage:
    """Open a local file, plain or compressed as a whole, which is known by its first bytes, or by its name.

    Raises
    ------
    FitsIOError
        If it is to be written, and is of a kind that is only read.
    NotSupported
        If a package that reads it is not installed.
    """
    named_gzip = path.lower().endswith(".gz")
    if not (named_gzip and mode in CREATING):
        if mode in CREATING:
            _check_name(path)
        storage = LocalStorage(path, mode, durability)
        if mode in CREATING or (storage.head.startswith(_SIMPLE) and not named_gzip):
            return storage
        from rustfits.storage.packed import GZIP, packing_of

        packing = packing_of(storage.head) or (GZIP if named_gzip else None)
        if packing is None:
            return storage
        if packing is not GZIP and mode == "r":
            return inflated(storage)
        storage.close()
        if packing is not GZIP:
            raise _only_read(path, packing.name)
    from rustfits.storage.gzipped import GzipStorage

    return GzipStorage(path, mode, durability)


def _check_name(path: str) -> None:
    """Refuse to write plain bytes under a name that promises others."""
    from rustfits.storage.packed import packing_named

    packing = packing_named(path)
    if packing is not None:
        raise _only_read(path, packing.name)


def _only_read(path: str, name: str) -> FitsIOError:
    return FitsIOError(
        f"{path}: files compressed as a whole by {name} can be read, not written; write a plain file, or one whose "
        "name ends in .gz, or compress the images in it (compress=)"
    )


def opened_bytes(data: bytes | bytearray | memoryview, *, writable: bool) -> MemoryStorage:
    """Return a copy of ``data`` in memory, decompressed if it is compressed as a whole.

    Raises
    ------
    TypeError
        If ``data`` is not bytes-like.
    NotAFitsBuffer
        If the stream is damaged.
    NotSupported
        If a package that reads it is not installed.
    """
    from rustfits.storage.memory import MemoryStorage

    with memoryview(data) as view:
        content = bytearray(view)
    if not content.startswith(_SIMPLE):
        from rustfits.storage.packed import CHUNK_NBYTES, packing_of, unpack

        packing = packing_of(content)
        chunks = (bytes(content[at : at + CHUNK_NBYTES]) for at in range(0, len(content), CHUNK_NBYTES))
        try:
            content = content if packing is None else unpack(chunks, packing, MEMORY_NAMES[0])
        except FitsIOError as error:
            raise NotAFitsBuffer(f"the bytes are not a valid FITS file: {error}") from error
    return MemoryStorage(content, writable=writable)


def inflated(storage: Storage) -> Storage:
    """Return ``storage``, or, if it is compressed as a whole, what it holds, for reading; errors as `unpack`."""
    from rustfits.storage.packed import BOUND, CHUNK_NBYTES, packing_in, unpack

    packing = packing_in(storage)
    if packing is None:
        return storage
    from rustfits.storage.memory import MemoryStorage

    def chunks() -> Iterator[bytes]:
        size = storage.size()
        for offset in range(0, size, CHUNK_NBYTES):
            yield bytes(storage.read(offset, min(CHUNK_NBYTES, size - offset)))

    try:
        unpacked = MemoryStorage(unpack(chunks(), packing, storage.name), name=storage.name, writable=False)
    finally:
        storage.close()
    unpacked.bound = BOUND
    return unpacked


def path_of_file_url(url: str) -> str:
    """Return the path that a ``file://`` URL names (RFC 8089); ``+``, ``?`` and ``#`` stand for themselves.

    Raises
    ------
    LocationError
        If the URL names another host or no path, or an escape is damaged.
    """
    host, slash, path = url.removeprefix("file://").partition("/")
    if host.lower() not in ("", "localhost"):
        raise LocationError(f"{url!r} names the host {host!r}: only the local host can be read through file://")
    if not slash:
        raise LocationError(f"{url!r} has no path: write file:///folder/file.fits")
    if re.search("%(?![0-9A-Fa-f]{2})", path):
        raise LocationError(f"{url!r} has a malformed percent-escape: '%' must be followed by two hex digits")
    encoded = path.encode("utf-8", "surrogateescape")
    decoded = re.sub(b"%(..)", lambda escape: bytes.fromhex(escape[1].decode()), encoded)
    if encoded == decoded:
        return system.local_path("/" + path)
    try:
        return system.local_path("/" + decoded.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LocationError(f"{url!r} has a percent-escape that is not UTF-8: {error.reason}") from error


def _open_url(url: str, mode: str, options: Remote | None, near: int) -> Storage | None:
    from rustfits.codec import registry

    storage = registry.open_storage(url, mode, options, near)
    if storage is None or near or mode != "r":
        return storage
    if options is None or not options.ranged:
        return inflated(storage)
    from rustfits.storage.packed import packing_of

    packing = packing_of(storage.head)
    if packing is not None:
        storage.close()
        raise LocationError(
            f"{storage.name} is compressed as a whole by {packing.name}, whatever its name, and so not seekable; "
            "pass Remote(ranged=False)"
        )
    return storage


def _nobody_opens(url: str) -> NotSupported:
    from rustfits.container.remote import PACKAGE

    scheme, _, rest = url.partition("://")
    shown = f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"  # a URL may hold credentials
    return NotSupported(
        f"nothing installed opens {scheme}:// URLs ({shown}): {how_to_install(PACKAGE)}, or another plugin that offers "
        f"{scheme!r} in the entry-point group 'rustfits.storage'; or download the file first and open the local copy"
    )
