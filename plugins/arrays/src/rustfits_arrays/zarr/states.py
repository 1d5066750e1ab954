"""Whether the file that a store of references reads is still the one they were made for."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlparse

from rustfits import FileChanged, FitsIOError

_FILES = 4096  # of which it is remembered who asks for their state

State = dict[str, Any]


async def confirm(getter: Any, state: State, file: str) -> None:
    """Raise `FileChanged` if the file that bytes came from is, after that, not in the state that is expected.

    Parameters
    ----------
    getter : zarr.storage.StorePath
        Of the chunk that was read. The state is asked of files of this machine, of what a reference file system of
        fsspec reads, and of a `virtualizarr.manifests.ManifestStore`. Icechunk minds ETags and seconds itself. Of other
        stores, such as those into which chunks were copied, nothing is asked.
    state : dict
        ``size``, and ``mtime_ns`` or ``etag``, as far as they are known; of servers without ETags ``modified``, the
        second of the last change, as `seconds_of` gives it.
    file : str
        The URL of the file when the references were made.

    Raises
    ------
    FileChanged
        If size, time or ETag differ.
    FitsIOError
        If the state cannot be asked for.
    """
    store: Any = getattr(getter, "store", None)
    while hasattr(store, "_store") and type(store).__module__.startswith("zarr."):  # wrappers
        store = store._store
    asked = _asked_of_references(store, getter.path) or _asked_of_manifests(store, getter.path)
    local = _local_path(file)
    if asked is None and local is not None and type(store).__module__.startswith("icechunk."):
        asked = file, lambda: _state_here(local)  # which knows of seconds alone
    if asked is None:
        return
    url, ask = asked
    try:
        found = await _asker(store, url, ask).after_now()
    except Exception as error:
        raise FitsIOError(f"the state of {url} cannot be asked for: {type(error).__name__}: {error}") from error
    differing = [
        f"{name} is {found[name]}, not {value}"
        for name, value in state.items()
        if found.get(name) is not None and _alike(found[name]) != _alike(value)
    ]
    if differing:
        raise FileChanged(
            url, f"it is not as it was when references to it were made, {', '.join(differing)}; make them anew"
        )


def _alike(value: Any) -> Any:
    return value.removeprefix("W/").strip('"') if isinstance(value, str) else value


class _Asker:
    """Asks for the state of one file: for many readers at once, for none by a question older than its bytes."""

    def __init__(self, ask: Callable[[], Awaitable[State]]) -> None:
        self._ask = ask
        self._running: asyncio.Future[State] | None = None
        self._next: asyncio.Future[State] | None = None

    async def after_now(self) -> State:
        """Return the state at a time from now on."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._turn(self._running))
        return await asyncio.shield(self._next)

    async def _turn(self, before: asyncio.Future[State] | None) -> State:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._ask()


_ASKERS: OrderedDict[tuple[int, str, int], tuple[Any, _Asker]] = OrderedDict()


def _asker(store: Any, url: str, ask: Callable[[], Awaitable[State]]) -> _Asker:
    """Return who asks for the state of a file of a store, in this event loop."""
    key = id(store), url, id(asyncio.get_running_loop())
    known = _ASKERS.get(key)
    if known is None or known[0]() is not store:
        known = _ASKERS[key] = weakref.ref(store), _Asker(ask)
        if len(_ASKERS) > _FILES:
            _ASKERS.popitem(last=False)
    return known[1]


Asked = tuple[str, Callable[[], Awaitable[State]]]


def _asked_of_references(store: Any, path: str) -> Asked | None:
    """Return the file of a chunk and what asks for its state, of a store of references of fsspec."""
    system: Any = getattr(store, "fs", None)
    references = getattr(system, "references", None)
    if references is None:
        return None
    root = store.path.strip("/")
    reference = references.get(f"{root}/{path}" if root else path)
    if not isinstance(reference, list | tuple):
        return None
    url = reference[0] if reference[0] is not None else system.target
    local = _local_path(url)
    if local is not None:
        return url, lambda: _state_here(local)
    target = system.fss[url.partition("://")[0] if "://" in url else None]

    async def ask() -> State:
        target.invalidate_cache()
        about = await target._info(url)
        tag = about.get("ETag") or about.get("etag") or about.get("e_tag")
        return {"size": about.get("size"), "etag": tag, "modified": seconds_of(about.get("Last-Modified"))}

    return url, ask


def _asked_of_manifests(store: Any, path: str) -> Asked | None:
    """Return the file of a chunk and what asks for its state, of a `virtualizarr.manifests.ManifestStore`."""
    if type(store).__module__ != "virtualizarr.manifests.store":
        return None
    from obstore import get_async
    from virtualizarr.manifests.utils import parse_manifest_index

    folder, _, index = path.rpartition("/c.")
    array = store._group
    for name in folder.split("/"):
        array = array[name]
    entry = array.manifest.get_entry(parse_manifest_index(index, "."))
    url = entry["path"]
    local = _local_path(url)
    if local is not None:
        return url, lambda: _state_here(local)
    source, _ = store._registry.resolve(url)
    prefix = getattr(source, "prefix", None) or urlparse(getattr(source, "url", "")).path
    key = urlparse(url).path.lstrip("/").removeprefix(str(prefix).lstrip("/")).lstrip("/")

    async def ask() -> State:
        # Not every server answers HEAD.
        about = (await get_async(source, key, options={"range": (0, 1)})).meta
        return {"size": about["size"], "etag": about.get("e_tag"), "modified": seconds_of(about.get("last_modified"))}

    return url, ask


def seconds_of(time: str | datetime | None) -> int | None:
    """Return the seconds since 1970 of a time, or of an HTTP date (RFC 9110, section 5.6.7); None if it is neither."""
    if isinstance(time, str):
        try:
            time = parsedate_to_datetime(time)
        except ValueError:
            return None
    return None if time is None else int(time.timestamp())


def _local_path(url: str) -> str | None:
    if url.startswith(("file://", "local://")):
        return url.partition("://")[2]
    return None if "://" in url else url


async def _state_here(path: str) -> State:
    about = await asyncio.to_thread(os.stat, path)
    return {"size": about.st_size, "mtime_ns": about.st_mtime_ns}
