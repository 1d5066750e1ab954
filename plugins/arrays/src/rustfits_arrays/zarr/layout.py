"""One image of a file as a Zarr array: what its ``zarr.json`` says, and where the bytes of its chunks are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rustfits import ImageError, ImageHDU, NotPicklable, NotSupported
from rustfits.plugin import Reference, reference_of, stored_tiles
from rustfits_arrays.images import attributes, dimensions
from rustfits_arrays.zarr.blocks import over_blocks, run_of_units, whole_run
from rustfits_arrays.zarr.packed import pack, pack_bytes
from rustfits_arrays.zarr.states import seconds_of

TILES = "rustfits.tiles"
PIXELS = "rustfits.pixels"
VERSION = 1  # of the configurations

CHUNK_NBYTES = (
    4 << 20
)  # of pixels: some hundred references a gigabyte; of a chunk, only the tiles that are wanted are read


class ImageLayout(NamedTuple):
    """An image as a Zarr array whose chunks are ranges of its file.

    Attributes
    ----------
    metadata : dict
        What ``zarr.json`` of the array says.
    offset, length : int64 arrays, of the shape of the grid of chunks
        Bytes of the file.
    url : str
        Where readers find the file.
    state : dict
        What is known of the file in the state that it is in: ``size``, and ``mtime_ns`` or ``etag``.
    """

    metadata: dict[str, Any]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    url: str
    state: dict[str, Any]


def url_of(reference: Reference) -> str:
    """Return the URL of the file of an HDU."""
    # Not percent-encoded: neither fsspec nor obstore would undo that.
    return reference.location if "://" in reference.location else f"file://{reference.location}"


def reference_to(hdu: ImageHDU) -> Reference:
    """Return where an HDU is in its file.

    Raises
    ------
    NotSupported
        If no byte range of a file holds its pixels.
    """
    try:
        return reference_of(hdu)
    except NotPicklable as error:
        raise NotSupported(f"references are to bytes of a file at rest, and there are none: {error}") from None


class Wishes(NamedTuple):
    """What the user chooses of references.

    Attributes
    ----------
    url : str or None
        Where readers find the file; where it was opened if None.
    chunk_tiles : 'auto', int, or sequence of int
        Tiles in a chunk: along each axis; one int for as many as follow each other in the file; 'auto' for about 4 MiB
        of pixels.
    plain : bool
        Whether pixels that are stored as they are need no codec of this package.
    separator : str
        Between the indices in the keys of chunks.
    """

    url: str | None
    chunk_tiles: str | int | Sequence[int]
    plain: bool
    separator: str = "/"


def layout_of(hdu: ImageHDU, wishes: Wishes) -> ImageLayout:
    """Return an image as a Zarr array.

    Parameters
    ----------
    hdu : ImageHDU
        Of a file that was opened with mode 'r'.
    wishes : Wishes

    Raises
    ------
    NotSupported
        If no byte range of a file holds the pixels, or null pixels are in masks of their own.
    TileDecodeError
        If a tile was never written, or is not in the heap.
    FitsIOError
        If the rows of the table cannot be read.
    """
    reference = reference_to(hdu)
    here = url_of(reference)
    url = wishes.url or here
    state = _state(reference, url == here)
    about = {"version": VERSION, "file": url, "hdu": hdu.index, "state": state}
    if getattr(hdu, "compression", None) is None:
        codec, chunk, offset, length = _pixels(hdu, reference, about, wishes.plain)
    else:
        codec, chunk, offset, length = _tiles(hdu, about, wishes.chunk_tiles)
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(hdu.shape),
        "data_type": hdu.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": wishes.separator}},
        "fill_value": "NaN" if hdu.dtype.kind == "f" else 0,
        "codecs": [codec],
        "attributes": attributes(hdu.image_header),
        "dimension_names": list(dimensions(hdu.ndim)),
        "storage_transformers": [],
    }
    return ImageLayout(metadata, offset, length, url, state)


def _state(reference: Reference, same: bool) -> dict[str, Any]:
    """Return what tells the file from others, as far as it is that of the URL that readers use."""
    size, *rest = reference.identity
    state: dict[str, Any] = {"size": size}
    mark = rest[0] if same and rest else None
    if isinstance(mark, int):
        state["mtime_ns"] = mark
    elif mark is not None and mark.removeprefix("W/").startswith('"'):
        state["etag"] = mark
    elif mark is not None and (seconds := seconds_of(mark)) is not None:
        state["modified"] = seconds
    return state


def _tiles(hdu: Any, about: dict[str, Any], chunk_tiles: Any) -> tuple[dict[str, Any], tuple[int, ...], Any, Any]:
    """Return codec, shape of chunks, and their bytes, of a compressed image."""
    stored = stored_tiles(hdu)
    tiles, entries = stored.tiles, stored.entries
    # No pixel: only so that what can never be decoded from tiles alone is refused now.
    tiles.decode(entries.part(slice(0, 0)), b"", (slice(0, 0),) * len(tiles.shape))
    counts, stop = tiles.ntiles_along, entries.start + entries.length
    chunk = _counts(chunk_tiles, counts, prod(tiles.tile_shape) * tiles.dtype.itemsize)
    first = over_blocks(entries.start.reshape(counts), chunk, np.minimum)
    last = over_blocks(stop.reshape(counts), chunk, np.maximum)
    numbers = dict(zip(("scale", "zero", "null"), entries.numbers or (), strict=False))
    configuration = about | {
        "header": pack_bytes(tiles.header),
        "header_nbytes": len(tiles.header),
        "chunk_tiles": list(chunk),
        "tiles": {
            "source": pack(entries.source),
            "length": pack(entries.length),
            # Most tiles begin where the one before ends.
            "gap": pack(entries.start - np.concatenate([[0], stop[:-1]])),
            **{name: pack(values) for name, values in numbers.items()},
        },
    }
    shape = tuple(count * size for count, size in zip(chunk, tiles.tile_shape, strict=True))
    return {"name": TILES, "configuration": configuration}, shape, stored.heap_start + first, last - first


def _counts(chunk_tiles: Any, counts: tuple[int, ...], tile_nbytes: int) -> tuple[int, ...]:
    if chunk_tiles == "auto":
        return run_of_units(counts, max(CHUNK_NBYTES // tile_nbytes, 1))
    if isinstance(chunk_tiles, int) and chunk_tiles > 0:
        return run_of_units(counts, chunk_tiles)
    along = chunk_tiles if isinstance(chunk_tiles, list | tuple) else ()
    if len(along) == len(counts) and all(isinstance(each, int) and each > 0 for each in along):
        return tuple(map(min, along, counts))
    raise ImageError(f"chunk_tiles={chunk_tiles!r}: it is 'auto', a number of tiles, or {len(counts)} of them")


def _pixels(
    hdu: ImageHDU, reference: Reference, about: dict[str, Any], plain: bool
) -> tuple[dict[str, Any], tuple[int, ...], Any, Any]:
    """Return codec, shape of chunks, and their bytes, of an image that is not compressed."""
    header, itemsize = hdu.header, hdu.stored_dtype.itemsize
    scaling = {name.lower(): header.get(name, default) for name, default in (("BSCALE", 1), ("BZERO", 0))}
    room = max(CHUNK_NBYTES // itemsize, 1)
    chunk = whole_run(hdu.shape, room) if plain and scaling == {"bscale": 1, "bzero": 0} else None
    if chunk is not None or not hdu.size:
        codec: dict[str, Any] = {"name": "bytes"}
        if itemsize > 1:
            codec["configuration"] = {"endian": "big"}
    else:
        codec = {"name": PIXELS, "configuration": about | {"bitpix": hdu.bitpix, "shape": list(hdu.shape), **scaling}}
    chunk = chunk or run_of_units(hdu.shape, room)
    if codec["name"] == PIXELS:
        codec["configuration"]["chunk_shape"] = list(chunk)
    first, npixels = np.zeros((), dtype=np.int64), np.ones((), dtype=np.int64)
    for axis, (size, each) in enumerate(zip(hdu.shape, chunk, strict=True)):
        begin = np.arange(0, size, each)
        first = first[..., None] + begin * prod(hdu.shape[axis + 1 :])
        npixels = npixels[..., None] * np.minimum(each, size - begin)
    return codec, chunk, reference.extent[1] + first * itemsize, npixels * itemsize


def as_json(metadata: dict[str, Any]) -> str:
    """Return what ``zarr.json`` holds."""
    return json.dumps(metadata, separators=(",", ":"), allow_nan=False)


def group_metadata(about: dict[str, Any]) -> dict[str, Any]:
    """Return what ``zarr.json`` of a group says."""
    return {"zarr_format": 3, "node_type": "group", "attributes": about}
