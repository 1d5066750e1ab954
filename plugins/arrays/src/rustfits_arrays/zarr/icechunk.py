"""References to FITS files in a repository of Icechunk, which keeps them under version control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

import numpy as np

from rustfits import ImageHDU, NotSupported
from rustfits_arrays.images import IMAGE, attributes
from rustfits_arrays.zarr.layout import Wishes, as_json, group_metadata, layout_of
from rustfits_arrays.zarr.refs import Source, at_rest, chosen

try:
    from icechunk import IcechunkStore, VirtualChunkSpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync
except ImportError as error:
    raise ImportError("rustfits_arrays.zarr.write_icechunk needs Icechunk: pip install icechunk") from error


def write_icechunk(
    fits: Source,
    store: IcechunkStore,
    url: str | None = None,
    *,
    hdus: Iterable[int | str] | None = None,
    group: str = "",
    chunk_tiles: str | int | Sequence[int] = "auto",
    plain: bool = False,
) -> None:
    """Write references to the images of a file into a session of Icechunk; the session is not committed.

    Icechunk refuses to read a file that is not in the state it has now: by its ETag, or by its time.

    Parameters
    ----------
    fits, url, hdus, group, chunk_tiles, plain
        As of `references`. One image becomes the array ``group``.
    store : icechunk.IcechunkStore
        Of a writable session, whose repository has a virtual chunk container for the URL.

    Raises
    ------
    NotSupported, ImageError, FitsError
        As `references`; `NotSupported` too if no container is there for the URL, and for http on a port, which Icechunk
        loses.
    """
    writer = _Writer(store, Wishes(url, chunk_tiles, plain))
    path = group.strip("/")
    with at_rest(fits) as source:
        if isinstance(source, ImageHDU):
            if not path:
                raise NotSupported(
                    "the root of a repository of Icechunk is a group: say by group= what the image is called"
                )
            writer.add_array(path, source)
            return
        writer.add_group(path, attributes(source[0].header))
        for name, hdu in chosen(source, hdus).items():
            folder = f"{path}/{name}".strip("/")
            writer.add_group(folder, attributes(hdu.image_header))
            writer.add_array(f"{folder}/{IMAGE}", hdu)


class _Writer:
    """Writes nodes into a session."""

    def __init__(self, store: Any, wishes: Wishes) -> None:
        self._store, self._wishes = store, wishes

    def add_group(self, path: str, about: dict[str, Any]) -> None:
        """Write a group, and those above it that are not there."""
        parts = path.split("/") if path else []
        for depth in range(len(parts)):
            above = f"{'/'.join(parts[:depth])}/zarr.json".lstrip("/")
            if not sync(self._store.exists(above)):
                self._write(above, group_metadata({}))
        self._write(f"{path}/zarr.json".lstrip("/"), group_metadata(about))

    def add_array(self, path: str, hdu: ImageHDU) -> None:
        """Write an image."""
        layout = layout_of(hdu, self._wishes)
        self._write(f"{path}/zarr.json", layout.metadata)
        state: dict[str, Any] = {}
        if "etag" in layout.state:
            state["etag_checksum"] = layout.state["etag"]
        elif "modified" in layout.state:
            state["last_updated_at_checksum"] = datetime.fromtimestamp(layout.state["modified"], UTC)
        elif "mtime_ns" in layout.state:
            # Icechunk compares whole seconds: the end of that in which the file was changed.
            state["last_updated_at_checksum"] = datetime.fromtimestamp(layout.state["mtime_ns"] // 10**9 + 1, UTC)
        chunks = [
            VirtualChunkSpec(list(index), layout.url, int(layout.offset[index]), int(layout.length[index]), **state)
            for index in np.ndindex(layout.offset.shape)
        ]
        if chunks and self._store.set_virtual_refs(path, chunks, validate_containers=True):
            parsed = urlparse(layout.url)
            if parsed.scheme in ("http", "https") and parsed.port is not None:
                raise NotSupported(
                    f"Icechunk loses the port of {layout.url}: serve the file on the usual one, or use S3"
                )
            raise NotSupported(
                f"the repository has no virtual chunk container for {layout.url}; see "
                "icechunk.RepositoryConfig.set_virtual_chunk_container"
            )

    def _write(self, key: str, metadata: dict[str, Any]) -> None:
        sync(self._store.set(key, default_buffer_prototype().buffer.from_bytes(as_json(metadata).encode())))
