"""A store of Zarr over references, with what fsspec needs to read the files."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

try:
    import fsspec
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from zarr.storage import FsspecStore
except ImportError as error:
    raise ImportError("rustfits_arrays.zarr.ReferenceStore needs Zarr and fsspec: pip install zarr fsspec") from error


class ReferenceStore(FsspecStore):  # type: ignore[misc]
    """References, such as those of `references`, as a read-only store of Zarr.

    Parameters
    ----------
    refs : dict, str or path
        References, to files of any schemes, or the name or URL of a JSON file that holds them.
    options : dict, optional
        By scheme, such as ``{"s3": {"anon": True}}``: what the file system of fsspec is made with.

    Raises
    ------
    ImportError
        If fsspec needs another package for a scheme.
    OSError
        If there is no such file.
    """

    def __init__(
        self, refs: Mapping[str, Any] | str | os.PathLike[str], options: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._refs, self._options = refs, options or {}
        found = _read(refs)
        schemes = {
            each[0].partition("://")[0] for each in found.values() if isinstance(each, list) and "://" in each[0]
        }
        systems = {scheme: _system(scheme, self._options.get(scheme, {})) for scheme in {*schemes, "file"}}
        systems[None] = systems["file"]
        made = fsspec.filesystem("reference", fo=found, fs=systems, asynchronous=True, skip_instance_cache=True)
        super().__init__(made, read_only=True, path="")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._refs, self._options)

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return this store, which is read-only.

        Raises
        ------
        ValueError
            If another one is wanted.
        """
        if not read_only:
            raise ValueError("references are read-only")
        return self

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names in a folder: below the root, those of the parent class have the folder before them."""
        folder = prefix.strip("/")
        try:
            names = await self.fs._ls(folder, detail=False)
        except FileNotFoundError:
            return
        for name in names:
            yield name.rpartition("/")[2]

    async def list(self) -> AsyncIterator[str]:
        """Yield every key."""
        for key in self.fs.references:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin so."""
        for key in self.fs.references:
            if key.startswith(prefix):
                yield key


def _read(refs: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    if isinstance(refs, Mapping):
        return dict(refs)
    with fsspec.open(os.fspath(refs), "rb") as file:
        found: dict[str, Any] = json.load(file)
    return found


def _system(scheme: str, options: Mapping[str, Any]) -> Any:
    kind = fsspec.get_filesystem_class(scheme)
    if kind.async_impl:
        return fsspec.filesystem(scheme, **options, asynchronous=True)
    return AsyncFileSystemWrapper(fsspec.filesystem(scheme, **options), asynchronous=True)
