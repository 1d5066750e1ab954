"""The codecs of Zarr whose chunks are ranges of a FITS file: of tiles, and of pixels that are not compressed."""

from __future__ import annotations

import asyncio
import json
import re
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rustfits import FITS, FitsError, FitsIOError, ImageError, NotSupported
from rustfits.plugin import ImageTiles, TileEntries, TruncatedFile
from rustfits_arrays.zarr.blocks import box_of, joined
from rustfits_arrays.zarr.layout import PIXELS, TILES, VERSION
from rustfits_arrays.zarr.packed import unpack, unpack_bytes
from rustfits_arrays.zarr.states import confirm

try:
    from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
    from zarr.abc.store import RangeByteRequest
except ImportError as error:
    raise ImportError("rustfits_arrays.zarr.codec needs Zarr: pip install zarr") from error

_GAP_NBYTES = 1 << 16  # read in vain rather than asked around: as long as a request takes
_HEADER_NBYTES = 64 << 20  # the longest header that a configuration may hold
_KNOWN = 256  # images whose configuration stays parsed

Ranges = list[tuple[int, int]]


class Stored:
    """What a configuration says of an image: which bytes of a chunk hold a box, and the pixels they stand for.

    Attributes
    ----------
    file : str
        Its URL when the references were made.
    where : str
        What messages call the image.
    state : dict
        As of `rustfits_arrays.zarr.layout.ImageLayout`.
    shape : tuple of int
        Of the image.
    chunk_shape : tuple of int
    dtype : dtype
        Of the pixels.
    """

    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __init__(self, configuration: dict[str, Any]) -> None:
        version = configuration.get("version")
        if version != VERSION:
            raise NotSupported(f"a configuration of version {version!r}; this package knows {VERSION}")
        self.file: str = configuration["file"]
        self.where = f"HDU {configuration['hdu']} of {self.file}"
        self.state: dict[str, Any] = dict(configuration["state"])

    @abstractmethod
    def ranges(self, index: tuple[int, ...], key: tuple[slice, ...]) -> tuple[Ranges, Any]:
        """Return the bytes of a chunk that hold a box of the image, and what `pixels` needs to know of them."""

    @abstractmethod
    def pixels(self, data: bytes, known: Any, key: tuple[slice, ...]) -> NDArray[Any]:
        """Return the box."""


class StoredImageTiles(Stored):
    """Of a compressed image."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        header_nbytes = min(configuration["header_nbytes"], _HEADER_NBYTES)
        self._tiles = tiles = ImageTiles(unpack_bytes(configuration["header"], header_nbytes))
        self.shape, self.dtype, self._counts = tiles.shape, tiles.dtype, tiles.ntiles_along
        self._chunk = tuple(configuration["chunk_tiles"])
        self.chunk_shape = tuple(count * size for count, size in zip(self._chunk, tiles.tile_shape, strict=True))
        packed, ntiles = configuration["tiles"], prod(self._counts)
        length = unpack(packed["length"], ntiles, np.int64)
        stop = np.cumsum(unpack(packed["gap"], ntiles, np.int64) + length)
        numbers = None
        if "scale" in packed:
            dtypes = {"scale": np.float64, "zero": np.float64, "null": np.int64}
            numbers = tuple(unpack(packed[name], ntiles, dtype) for name, dtype in dtypes.items())
        source = unpack(packed["source"], ntiles, np.int8)
        self._entries = TileEntries(np.arange(ntiles), source, stop - length, length, numbers)  # type: ignore[arg-type]

    def ranges(self, index: tuple[int, ...], key: tuple[slice, ...]) -> tuple[Ranges, Any]:
        """Return the bytes of the tiles that the box touches; as `Stored.ranges`."""
        units = [slice(i * size, (i + 1) * size) for i, size in zip(index, self._chunk, strict=True)]
        at = int(self._entries.start.reshape(self._counts)[tuple(units)].min())
        entries = self._entries.part(self._tiles.rows(key))
        ranges, where = joined(entries.start - at, entries.length, _GAP_NBYTES)
        return ranges, TileEntries(entries.rows, entries.source, where, entries.length, entries.numbers)

    def pixels(self, data: bytes, known: Any, key: tuple[slice, ...]) -> NDArray[Any]:
        """Decode the box; as `Stored.pixels`."""
        found: NDArray[Any] = self._tiles.decode(known, data, key)
        return found


class StoredImagePixels(Stored):
    """Of an image that is not compressed."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        self.shape, self.chunk_shape = tuple(configuration["shape"]), tuple(configuration["chunk_shape"])
        self._cards = {name.upper(): configuration[name] for name in ("bitpix", "bscale", "bzero")}
        self._itemsize = abs(self._cards["BITPIX"]) // 8
        self.dtype = self._read((1,) * len(self.shape), bytes(self._itemsize)).dtype

    def ranges(self, index: tuple[int, ...], key: tuple[slice, ...]) -> tuple[Ranges, Any]:
        """Return the bytes from the first pixel of the box to the last; as `Stored.ranges`."""
        origin = [i * size for i, size in zip(index, self.chunk_shape, strict=True)]
        strides = [prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        # A chunk is whole along the axes after the one along which it may be a part, and one pixel along those before.
        axis = next((axis for axis, size in enumerate(self.chunk_shape) if size > 1), len(self.shape) - 1)
        first = (key[axis].start - origin[axis]) * strides[axis] * self._itemsize
        stop = (key[axis].stop - origin[axis]) * strides[axis] * self._itemsize
        slab = (key[axis].stop - key[axis].start, *self.shape[axis + 1 :])
        return [(first, stop)], ((1,) * axis + slab, (slice(None),) * (axis + 1) + key[axis + 1 :])

    def pixels(self, data: bytes, known: Any, key: tuple[slice, ...]) -> NDArray[Any]:
        """Return the box, scaled; as `Stored.pixels`."""
        shape, part = known
        found: NDArray[Any] = self._read(shape, data)[part]
        return found

    def _read(self, shape: tuple[int, ...], data: bytes) -> NDArray[Any]:
        """Return what a file with such pixels, and nothing else, has."""
        cards = {"SIMPLE": "T", "BITPIX": self._cards["BITPIX"], "NAXIS": len(shape)}
        cards |= {f"NAXIS{axis + 1}": size for axis, size in enumerate(reversed(shape))}
        cards |= {name: repr(self._cards[name]).upper() for name in ("BSCALE", "BZERO")}
        header = "".join(f"{name:8}= {value!s:>20}".ljust(80) for name, value in cards.items()) + "END"
        padding = bytes(-len(data) % 2880)
        with FITS.from_bytes(b"".join([header.ljust(-(-len(header) // 2880) * 2880).encode(), data, padding])) as fits:
            return fits.image(0).read()


@lru_cache(_KNOWN)
def _stored(name: str, configuration: str) -> Stored:
    return (StoredImageTiles if name == TILES else StoredImagePixels)(json.loads(configuration))


@dataclass(frozen=True)
class _FileCodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):  # type: ignore[misc]
    """What both codecs have in common. They only read, and have to be alone in an array.

    Attributes
    ----------
    configuration : str
        JSON: equal for equal codecs, and what is pickled.
    """

    configuration: str

    is_fixed_size: ClassVar[bool] = False
    codec_name: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the codec of an entry in ``codecs`` of ``zarr.json``."""
        if data.get("name") != cls.codec_name:
            raise ValueError(f"the codec is called {cls.codec_name!r}, not {data.get('name')!r}")
        return cls(json.dumps(data.get("configuration", {}), sort_keys=True, separators=(",", ":")))

    def to_dict(self) -> dict[str, Any]:
        """Return that entry."""
        return {"name": self.codec_name, "configuration": json.loads(self.configuration)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise `ImageError` if the array is not the image of the configuration."""
        stored = self._stored
        found = tuple(shape), dtype.to_native_dtype(), tuple(getattr(chunk_grid, "chunk_shape", stored.chunk_shape))
        if found != (stored.shape, stored.dtype, stored.chunk_shape):
            raise ImageError(
                f"an array of shape {found[0]}, dtype {found[1]} and chunks of {found[2]} is not "
                f"{stored.where}: it has {stored.shape}, {stored.dtype} and {stored.chunk_shape}, and references to it "
                "can be read as a whole alone"
            )

    @property
    def endian(self) -> None:
        """Refuse: who asks makes Zarr v2 of the array, as ``to_kerchunk`` of VirtualiZarr does, and drops the codec."""
        raise NotSupported(
            f"{self._stored.where}: kerchunk's form, which is Zarr v2, has no place for the codec {self.codec_name}; "
            "compressed bytes would be taken for pixels; use rustfits_arrays.zarr.references, or Icechunk"
        )

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Refuse: tiles have no size in advance."""
        raise NotImplementedError

    @property
    def _stored(self) -> Stored:
        try:
            return _stored(self.codec_name, self.configuration)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the configuration of {self.codec_name} is damaged: {error!r}") from None

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        raise NotSupported(f"the codec {self.codec_name} only reads: {self._stored.where} is changed by rustfits.FITS")

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        raise NotSupported(
            f"the codec {self.codec_name} must be the only one of an array, and reads chunks from its store"
        )

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: Any) -> Any:
        stored = self._stored
        try:
            pixels = await self._selected(stored, byte_getter, selection, chunk_spec)
        except FitsError as error:
            error.locate(stored.where)
            raise
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)

    async def _selected(self, stored: Stored, getter: Any, selection: Any, spec: Any) -> NDArray[Any]:
        index = _index_of(getter, len(stored.shape))
        box, rest = box_of(selection, stored.chunk_shape)
        origin = [i * size for i, size in zip(index, stored.chunk_shape, strict=True)]
        key = tuple(
            slice(first + each.start, min(first + each.stop, size))  # chunks at the end of the image reach beyond it
            for first, each, size in zip(origin, box, stored.shape, strict=True)
        )
        shape = tuple(each.stop - each.start for each in box)
        if not all(each.start < each.stop for each in key):
            return np.asarray(np.full(shape, spec.fill_value, dtype=stored.dtype)[rest])
        ranges, known = await asyncio.to_thread(stored.ranges, index, key)
        parts = await asyncio.gather(*(_bytes_of(getter, each, spec.prototype) for each in ranges))
        await confirm(getter, stored.state, stored.file)
        pixels = await asyncio.to_thread(stored.pixels, b"".join(parts), known, key)
        if pixels.shape != shape:
            padded = np.full(shape, spec.fill_value, dtype=stored.dtype)
            padded[tuple(slice(size) for size in pixels.shape)] = pixels
            pixels = padded
        return np.asarray(pixels[rest], order="C")  # of one pixel, without axes


async def _bytes_of(getter: Any, bounds: tuple[int, int], prototype: Any) -> bytes:
    first, stop = bounds
    if first == stop:
        return b""
    found = await getter.get(prototype, RangeByteRequest(first, stop))
    if found is None:
        raise FitsIOError(f"the store has no bytes of the chunk {getter.path}")
    data: bytes = found.to_bytes()
    if len(data) != stop - first:
        raise TruncatedFile(f"{len(data)} of {stop - first} bytes of the chunk {getter.path} are there")
    return data


def _index_of(getter: Any, ndim: int) -> tuple[int, ...]:
    """Return the index of a chunk, which its key in the store ends in."""
    path = getattr(getter, "path", None)
    found = None if path is None else re.search(rf"(?:^|/)c([/.])(\d+(?:\1\d+){{{ndim - 1}}})$", path)
    if found is None:
        raise NotSupported(
            f"the codec needs to know which chunk it reads, and {path!r} does not end in c/ and {ndim} numbers; it "
            "must be the only codec of an array with the chunk key encoding 'default', without shards"
        )
    return tuple(map(int, found[2].split(found[1])))


class TilesCodec(_FileCodec):
    """The codec ``rustfits.tiles``: a chunk is the compressed bytes of tiles that follow each other in the heap."""

    codec_name = TILES


class PixelsCodec(_FileCodec):
    """The codec ``rustfits.pixels``: a chunk is pixels that are not compressed, as FITS stores them."""

    codec_name = PIXELS


CODECS: Iterable[type[_FileCodec]] = (TilesCodec, PixelsCodec)
