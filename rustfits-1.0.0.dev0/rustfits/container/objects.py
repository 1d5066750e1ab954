"""From what is no name, such as an open file, to the storage that holds its bytes."""

from __future__ import annotations

from typing import Any

from rustfits.container.locator import MODES, inflated, open_local
from rustfits.container.remote import PACKAGE
from rustfits.errors import FitsIOError, LocationError
from rustfits.storage.base import Storage
from rustfits.storage.fileobject import FileObjectStorage

_LOCAL = ("", "file", "local")


def open_object(thing: Any, mode: str, remote: object, durability: str) -> tuple[Storage, str]:
    """Open a file object, or what opens one.

    Parameters
    ----------
    thing : object
        With ``read``, ``seek`` and ``tell``; or with ``open``, such as ``fsspec.OpenFile`` and ``UPath``. What is a
        local file in the end is opened by its path.
    mode, remote, durability
        As for `FITS`.

    Returns
    -------
    storage : Storage
    filename : str
        The path of a local file, else what the object says of itself.

    Raises
    ------
    TypeError
        If it is something else.
    LocationError
        If the mode asks for more than it can do, or ``remote`` is given.
    FitsIOError
        If it cannot be opened.
    """
    if mode not in MODES:
        raise FitsIOError(f"Unsupported mode {mode!r}; supported are {', '.join(map(repr, MODES))}")
    if remote is not None:
        raise LocationError(f"remote= goes with a URL given as text, not with a {type(thing).__name__}")
    if not isinstance(thing, type) and all(hasattr(thing, method) for method in ("read", "seek", "tell")):
        name = _name_of(thing)
        return _unpacked(FileObjectStorage(thing, name, mode), mode), name
    if isinstance(thing, type) or not callable(getattr(thing, "open", None)):
        raise TypeError(
            "a FITS file is a str, an os.PathLike, or a binary file object (read, seek, tell), not a "
            f"{type(thing).__name__}; of the bytes of a whole file, call FITS.from_bytes"
        )
    path = _local_path(thing)
    if path is not None:
        return open_local(path, mode, durability), path
    file_system, path = getattr(thing, "fs", None), getattr(thing, "path", None)
    if file_system is not None and isinstance(path, str) and not getattr(thing, "compression", None):
        storage = _of_file_system(file_system, path, mode)
        if storage is not None:
            return storage, storage.name
    name = str(getattr(thing, "full_name", thing))
    if mode != "r":
        raise FitsIOError(f"{name} is read-only: mode {mode!r} needs a local file, or a file object open for both")
    # An OpenFile knows its mode.
    try:
        opened = thing.open() if hasattr(thing, "full_name") else thing.open("rb")
    except OSError as error:
        raise FitsIOError(error.errno or 0, f"cannot open {name}: {error}") from error
    return _unpacked(FileObjectStorage(opened, name, mode, owned=True), mode), name


def open_storage(thing: object, path: str, mode: str) -> tuple[Storage, str]:
    """Take a storage, or have a plugin make one of what reaches files by their path.

    Parameters
    ----------
    thing : Storage or object
        Such as a file system.
    path : str
        Of the file in it; nothing for a storage.
    mode : {'r', 'r+', 'w+', 'x'}

    Returns
    -------
    storage : Storage
    filename : str

    Raises
    ------
    TypeError
        If no plugin knows the object.
    FitsIOError
        If it cannot be opened, or is read-only and the mode is another.
    """
    if mode not in MODES:
        raise FitsIOError(f"Unsupported mode {mode!r}; supported are {', '.join(map(repr, MODES))}")
    storage = thing if isinstance(thing, Storage) else _of_file_system(thing, path, mode)
    if storage is None:
        raise TypeError(
            f"nothing installed reads files of a {type(thing).__name__}; pass a rustfits.plugin.Storage, or, with "
            f"{PACKAGE} installed, a file system of fsspec or a store of obstore, and the path in it"
        )
    if mode != "r" and not storage.writable:
        raise FitsIOError(f"{storage.name} is read-only: mode {mode!r} needs a storage that may be changed")
    return storage, path if path and isinstance(thing, Storage) else storage.name


def _of_file_system(thing: object, path: str, mode: str) -> Storage | None:
    from rustfits.codec import registry

    storage = registry.storage_of(thing, path, mode, None)
    return storage if storage is None or mode != "r" else inflated(storage)


def _unpacked(storage: FileObjectStorage, mode: str) -> Storage:
    """Return what a file object holds, if it is compressed as a whole; such ones are only read."""
    if mode in ("w+", "x"):
        return storage
    found = inflated(storage) if mode == "r" else storage
    if mode == "r+":
        from rustfits.storage.packed import packing_in

        packing = packing_in(storage)
        if packing is not None:
            raise FitsIOError(
                f"{storage.name} is compressed as a whole by {packing.name}, and is changed by its path, not as a file "
                "object; or unpack it first"
            )
    return found


def _local_path(thing: Any) -> str | None:
    """Return the path of what is a local file; None if it is none."""
    file_system = getattr(thing, "fs", None)
    protocol = getattr(file_system, "protocol", None)
    protocols = (protocol,) if isinstance(protocol, str) else tuple(protocol or ())
    path = getattr(thing, "path", None)
    return path if isinstance(path, str) and protocols and set(protocols) <= set(_LOCAL) else None


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else f"<{type(file).__name__}>"
