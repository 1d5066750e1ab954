"""A parser of VirtualiZarr: images of FITS files as its virtual arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlparse

import numpy as np

from rustfits import FITS
from rustfits.plugin import HEAD_NBYTES, Identity, Storage
from rustfits_arrays.images import IMAGE, attributes
from rustfits_arrays.zarr.layout import Wishes, layout_of
from rustfits_arrays.zarr.refs import chosen

try:
    from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup, ManifestStore
    from zarr.core.metadata.v3 import ArrayV3Metadata
except ImportError as error:
    raise ImportError("rustfits_arrays.zarr.FITSParser needs VirtualiZarr: pip install virtualizarr") from error

_BLOCK_NBYTES = 1 << 18  # asked for at a time: a table of tiles takes few requests


class FITSParser:
    """What `virtualizarr.open_virtual_datatree` and its like take as ``parser=`` for FITS files.

    Parameters
    ----------
    hdus : iterable of int or str, optional
        Which images; all if None.
    chunk_tiles, plain
        As of `references`.
    """

    def __init__(
        self,
        hdus: Iterable[int | str] | None = None,
        *,
        chunk_tiles: str | int | Sequence[int] = "auto",
        plain: bool = False,
    ) -> None:
        self.hdus, self.chunk_tiles, self.plain = None if hdus is None else tuple(hdus), chunk_tiles, plain

    def __call__(self, url: str, registry: Any) -> ManifestStore:
        """Return the images of a file, each in a group of its name.

        Parameters
        ----------
        url : str
            Of the file.
        registry : ObjectStoreRegistry
            Of the stores that read it, now and later.

        Returns
        -------
        virtualizarr.manifests.ManifestStore

        Raises
        ------
        NotSupported, ImageError, FitsError
            As `references`.
        """
        parsed = urlparse(url)
        if parsed.scheme in ("", "file"):
            with FITS(parsed.path) as fits:
                return ManifestStore(self._group(fits, f"file://{parsed.path}"), registry=registry)
        store, path = registry.resolve(url)
        with closing(_Resolved(store, str(path), url)) as storage, FITS.from_storage(storage) as fits:
            return ManifestStore(self._group(fits, url), registry=registry)

    def _group(self, fits: FITS, url: str) -> ManifestGroup:
        groups = {}
        for name, hdu in chosen(fits, self.hdus).items():
            # Only with a point does a ManifestStore list the chunks of an array.
            layout = layout_of(hdu, Wishes(url, self.chunk_tiles, self.plain, separator="."))
            paths = np.full(layout.offset.shape, layout.url, dtype=np.dtypes.StringDType())
            offsets, lengths = layout.offset.astype(np.uint64), layout.length.astype(np.uint64)
            manifest = ChunkManifest.from_arrays(paths=paths, offsets=offsets, lengths=lengths)
            array = ManifestArray(ArrayV3Metadata.from_dict(layout.metadata), manifest)
            groups[name] = ManifestGroup({IMAGE: array}, attributes=attributes(hdu.image_header))
        return ManifestGroup(groups=groups, attributes=attributes(fits[0].header))


class _Resolved(Storage):
    """A file of a store of obstore, by blocks that are kept as long as it is parsed."""

    partial = True

    def __init__(self, store: Any, path: str, url: str) -> None:
        import obstore

        self._store, self._path, self.name, self.location = store, path, url, url
        answer = obstore.get(store, path, options={"range": (0, _BLOCK_NBYTES)})  # not every server answers HEAD
        self._size = int(answer.meta["size"])
        self._identity = self._size, answer.meta.get("e_tag") or format_datetime(answer.meta["last_modified"])
        self._blocks = {0: bytes(answer.bytes())}
        self.head = bytes(memoryview(self._block(0))[:HEAD_NBYTES]) if self._size else b""

    def size(self) -> int:
        """Return the number of bytes."""
        return self._size

    def identity(self) -> Identity:
        """Return size and ETag, or time."""
        return self._identity

    def _block(self, number: int) -> bytes:
        import obstore

        found = self._blocks.get(number)
        if found is None:
            start = number * _BLOCK_NBYTES
            stop = min(start + _BLOCK_NBYTES, self._size)
            found = self._blocks[number] = bytes(obstore.get_range(self._store, self._path, start=start, end=stop))
        return found

    def _read_into(self, offset: int, target: memoryview) -> int:
        done = 0
        while done < target.nbytes and offset + done < self._size:
            number, begin = divmod(offset + done, _BLOCK_NBYTES)
            part = self._block(number)[begin : begin + target.nbytes - done]
            target[done : done + len(part)] = part
            done += len(part)
        return done
