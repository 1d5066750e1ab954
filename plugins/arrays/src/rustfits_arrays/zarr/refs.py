"""References to the bytes of FITS files, as Zarr v3 in the form that the reference file system of fsspec reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np

from rustfits import FITS, ImageHDU, LocationError, NotSupported
from rustfits_arrays.images import IMAGE, attributes, image_of, is_ranged, named_images
from rustfits_arrays.zarr.layout import Wishes, as_json, group_metadata, layout_of

Source = FITS | ImageHDU | str | os.PathLike[str]
References = dict[str, str | list[Any]]


def references(
    fits: Source,
    url: str | None = None,
    *,
    hdus: Iterable[int | str] | None = None,
    group: str = "",
    chunk_tiles: str | int | Sequence[int] = "auto",
    plain: bool = False,
    zarr_format: int = 3,
) -> References:
    """Return references to the images of a file: a Zarr v3 hierarchy whose chunks are ranges of that file.

    Parameters
    ----------
    fits : FITS, ImageHDU, str or path
        A file, opened with mode 'r', its path or URL. One image becomes an array at the root, without groups.
    url : str, optional
        Where readers will find the file; where it was opened if None. With another one, readers can notice a change of
        the file by its size alone.
    hdus : iterable of int or str, optional
        Which images; all if None.
    group : str
        Path of the group for this file, so that references to several files can be put in one dict.
    chunk_tiles : 'auto', int, or sequence of int
        Tiles of a chunk: along each axis; one int for as many as follow each other in the file; 'auto' for 4 MiB.
    plain : bool
        Whether pixels that are stored as they are have the codec ``bytes``, if full chunks can be found. Every reader
        of Zarr has it, but it gives wrong pixels of a file that was changed since: for files that stay as they are.
    zarr_format : int
        3: kerchunk's form, which is version 2, has no place for the codec.

    Returns
    -------
    dict
        ``<group>/<name>/image/zarr.json`` and the like to text, and keys of chunks to ``[url, offset, length]``, for
        `ReferenceStore` or fsspec, as it is or as JSON. Names are those of EXTNAME.

    Raises
    ------
    NotSupported
        If no byte range of a file holds the pixels: it is compressed as a whole, in memory, or may be changed through
        its handle; if there is no image; for another `zarr_format`.
    ImageError
        If `chunk_tiles` does not fit.
    FitsError
        If the file cannot be read; `TileDecodeError` if a tile was never written.
    """
    if zarr_format != 3:
        raise NotSupported(
            f"zarr_format={zarr_format}: references to FITS tiles are Zarr v3. Kerchunk's form, version 2, has no "
            "place for their codec, which would be dropped: compressed bytes would be taken for pixels"
        )
    found: References = {}
    wishes = Wishes(url, chunk_tiles, plain)
    with at_rest(fits) as source:
        if isinstance(source, ImageHDU):
            _add(found, _path(group), source, wishes)
        else:
            _add_file(found, group, source, hdus, wishes)
    return found | {_path(above, "zarr.json"): as_json(group_metadata({})) for above in _above(group)}


def _add_file(found: References, group: str, fits: FITS, hdus: Iterable[int | str] | None, wishes: Wishes) -> None:
    images = chosen(fits, hdus)
    found[_path(group, "zarr.json")] = as_json(group_metadata(attributes(fits[0].header)))
    for name, hdu in images.items():
        found[_path(group, name, "zarr.json")] = as_json(group_metadata(attributes(hdu.image_header)))
        _add(found, _path(group, name, IMAGE), hdu, wishes)


def _add(found: References, path: str, hdu: ImageHDU, wishes: Wishes) -> None:
    layout = layout_of(hdu, wishes)
    found[_path(path, "zarr.json")] = as_json(layout.metadata)
    for index in np.ndindex(layout.offset.shape):
        key = _path(path, "c", *map(str, index))
        found[key] = [layout.url, int(layout.offset[index]), int(layout.length[index])]


@contextmanager
def opened(fits: Source) -> Iterator[FITS | ImageHDU]:
    """Return a file, which is closed afterwards if it was opened here; of a URL, only what is needed is fetched.

    Raises
    ------
    LocationError
        If that is a URL of a file that is compressed as a whole.
    FitsError
        If it cannot be opened.
    """
    if isinstance(fits, FITS | ImageHDU):
        with nullcontext(fits) as source:
            yield source
    else:
        name = os.fspath(fits)
        with FITS(name, remote="ranged" if is_ranged(name) else None) as source:
            yield source


@contextmanager
def at_rest(fits: Source) -> Iterator[FITS | ImageHDU]:
    """As `opened`; `NotSupported` if it is a URL of a file that is compressed as a whole."""
    with ExitStack() as stack:
        try:
            source = stack.enter_context(opened(fits))
        except LocationError as error:
            if "not seekable" not in str(error):
                raise
            raise NotSupported(
                f"references are to bytes of a file at rest, and {fits} is compressed as a whole: unpack the file first"
            ) from error
        yield source


def chosen(fits: FITS, hdus: Iterable[int | str] | None) -> dict[str, ImageHDU]:
    """Return images of a file by their names; errors as `named_images` and `image_of`."""
    images = named_images(fits)
    if hdus is None:
        return images
    numbers = [image_of(fits, key).index for key in hdus]
    return {name: hdu for name, hdu in images.items() if hdu.index in numbers}


def _path(*parts: str) -> str:
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def _above(group: str) -> list[str]:
    """Return the groups above a group, the root first."""
    parts = _path(group).split("/") if _path(group) else []
    return ["/".join(parts[:depth]) for depth in range(len(parts))]
