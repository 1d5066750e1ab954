"""A store of Zarr that serves the pixels of a file, decoded: for readers in this process, without any codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import product
from typing import Any, NoReturn

import numpy as np

from rustfits import ImageHDU, LazyArray, NotPicklable, NotSupported
from rustfits_arrays.chunks import tile_chunks
from rustfits_arrays.images import IMAGE, attributes, dimensions
from rustfits_arrays.zarr.layout import CHUNK_NBYTES, as_json, group_metadata
from rustfits_arrays.zarr.refs import Source, chosen, opened

try:
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
except ImportError as error:
    raise ImportError("rustfits_arrays.zarr.FITSStore needs Zarr: pip install zarr") from error


class FITSStore(Store):  # type: ignore[misc]
    """The images of a file as a read-only store of Zarr, whose chunks are decoded when they are asked for.

    Any code in this process that reads Zarr v3 can read it, without any codec. There is nothing to share with others:
    for that there is `references`.

    Parameters
    ----------
    fits : FITS, ImageHDU, str or path
        A file, its path or URL. One image becomes an array at the root; of a file, each is ``<name>/image``. A file
        that is compressed as a whole, in memory, or may be changed, has to stay open, and its store cannot be pickled.
    hdus : iterable of int or str, optional
        Which images; all if None.

    Raises
    ------
    NotSupported
        If there is no image.
    FitsError
        If the file cannot be read.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True
    supports_consolidated_metadata = False

    def __init__(self, fits: Source, hdus: Iterable[int | str] | None = None) -> None:
        super().__init__(read_only=True)
        self._texts: dict[str, bytes] = {}
        self._arrays: dict[str, _Chunked] = {}
        with opened(fits) as source:
            if isinstance(source, ImageHDU):
                self._add("", source, keep=True)
                return
            self._texts["zarr.json"] = as_json(group_metadata(attributes(source[0].header))).encode()
            for name, hdu in chosen(source, hdus).items():
                self._texts[f"{name}/zarr.json"] = as_json(group_metadata(attributes(hdu.image_header))).encode()
                self._add(f"{name}/{IMAGE}/", hdu, keep=source is fits)

    def _add(self, prefix: str, hdu: ImageHDU, keep: bool) -> None:
        array = self._arrays[prefix] = _Chunked(hdu, keep)
        self._texts[f"{prefix}zarr.json"] = as_json(array.metadata(attributes(hdu.image_header))).encode()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Store.__hash__

    def __repr__(self) -> str:
        return f"FITSStore({', '.join(repr(each.source) for each in self._arrays.values())})"

    def with_read_only(self, read_only: bool = False) -> FITSStore:
        """Return this store, which is read-only.

        Raises
        ------
        NotSupported
            If another one is wanted.
        """
        if not read_only:
            self._refuse()
        return self

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return what a key has, decoded if that is a chunk; None if there is no such key.

        Raises
        ------
        FitsError
            If the pixels cannot be read.
        """
        data: Any = self._texts.get(key)
        if data is None:
            found = self._chunk(key)
            if found is None:
                return None
            data = await asyncio.to_thread(*found)
        return prototype.buffer.from_bytes(_part(data, byte_range))

    def _chunk(self, key: str) -> tuple[Any, ...] | None:
        prefix, _, index = ("/" + key).rpartition("/c/")
        array = self._arrays.get((prefix + "/").lstrip("/"))
        parts = index.split("/")
        if array is None or not all(part.isdecimal() for part in parts):
            return None
        where = tuple(map(int, parts))
        return (array.chunk, where) if array.has(where) else None

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """Return parts of what keys have; as `get`."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether there is such a key."""
        return key in self._texts or self._chunk(key) is not None

    async def list(self) -> AsyncIterator[str]:
        """Yield every key."""
        for key in self._texts:
            yield key
        for prefix, array in self._arrays.items():
            for index in array.indices():
                yield f"{prefix}c/{'/'.join(map(str, index))}"

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin so."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names in a folder."""
        folder = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        seen = set()
        async for key in self.list_prefix(folder):
            name = key.removeprefix(folder).partition("/")[0]
            if name not in seen:
                seen.add(name)
                yield name

    async def set(self, key: str, value: Any) -> None:
        """Refuse: nothing can be written."""
        self._refuse()

    async def delete(self, key: str) -> None:
        """Refuse: nothing can be deleted."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotSupported("a FITSStore is read-only: images are written by rustfits.FITS")


def _part(data: bytes, byte_range: Any) -> bytes:
    match byte_range:
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:] if suffix else b""
    return data


class _Chunked:
    """One image in chunks of whole tiles.

    Attributes
    ----------
    source : LazyArray or ImageHDU
    """

    def __init__(self, hdu: ImageHDU, keep: bool) -> None:
        try:
            self.source: LazyArray | ImageHDU = hdu.lazy()
        except NotPicklable as error:
            if not keep:
                raise NotSupported(f"open the file, and pass the FITS object: {error}") from None
            self.source = hdu
        compression = getattr(hdu, "compression", None)
        tile = None if compression is None else tuple(map(min, compression.tile_shape, hdu.shape))
        lengths = tile_chunks(hdu.shape, tile, hdu.dtype.itemsize, CHUNK_NBYTES)
        self._chunk = tuple(max(each[0], 1) for each in lengths)
        self.shape, self.dtype = hdu.shape, hdu.dtype
        self._grid = tuple(-(-size // each) for size, each in zip(self.shape, self._chunk, strict=True))

    def metadata(self, about: dict[str, Any]) -> dict[str, Any]:
        """Return what ``zarr.json`` says."""
        codec: dict[str, Any] = {"name": "bytes"}
        if self.dtype.itemsize > 1:
            codec["configuration"] = {"endian": "little"}
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self._chunk)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN" if self.dtype.kind == "f" else 0,
            "codecs": [codec],
            "attributes": about,
            "dimension_names": list(dimensions(len(self.shape))),
            "storage_transformers": [],
        }

    def indices(self) -> Iterable[tuple[int, ...]]:
        """Return the index of every chunk."""
        return product(*map(range, self._grid))

    def has(self, index: tuple[int, ...]) -> bool:
        """Return whether there is such a chunk."""
        return len(index) == len(self._grid) and all(i < n for i, n in zip(index, self._grid, strict=True))

    def chunk(self, index: tuple[int, ...]) -> bytes:
        """Return the pixels of a chunk; beyond the end of the image they are 0."""
        key = tuple(
            slice(i * each, min((i + 1) * each, size))
            for i, each, size in zip(index, self._chunk, self.shape, strict=True)
        )
        pixels = self.source[key].astype(self.dtype.newbyteorder("<"), copy=False)
        if pixels.shape != self._chunk:
            padded = np.zeros(self._chunk, dtype=pixels.dtype)
            padded[tuple(slice(size) for size in pixels.shape)] = pixels
            pixels = padded
        data: bytes = pixels.tobytes()
        return data
