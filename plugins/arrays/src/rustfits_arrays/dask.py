"""Images as Dask arrays, and Dask arrays as images."""

from __future__ import annotations

import copy
import glob
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import rustfits
from rustfits.plugin import FileMissing
from rustfits_arrays.chunks import tile_chunks

try:
    import dask
    import dask.array as da
except ImportError as error:
    raise ImportError("rustfits_arrays.dask needs Dask: pip install 'dask[array]'") from error

from rustfits_arrays.writing import write

__all__ = ["from_image", "read_files", "write"]

NOPENED = 16  # files whose headers are read at a time: most of that is waiting for others


def from_image(image: Any, chunks: Any = "tiles") -> da.Array:
    """Return a Dask array of an image, which needs no open file.

    Parameters
    ----------
    image : ImageHDU or LazyArray
        Of a file that was opened with mode 'r' by its path or URL.
    chunks : 'tiles', 'auto', or what `dask.array.from_array` takes
        'tiles' makes chunks of whole tiles, of about 32 MiB; 'auto' of the size that Dask is set to.

    Returns
    -------
    dask.array.Array
        Of physical values. Its name is the same for the same state of the file and the same chunks, in every process.

    Raises
    ------
    NotPicklable
        If the file may be changed through its handle, or no other process could read it.
    ImageError
        If the image has no axes.
    FitsIOError
        If the file is closed.
    """
    lazy = image.lazy() if hasattr(image, "lazy") else image
    # Several threads may read an image. Its keys are slices.
    return da.from_array(lazy, chunks=_chunks(lazy, chunks), asarray=False, fancy=False, lock=False)


def read_files(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    hdu: Any = None,
    *,
    chunks: Any = "tiles",
    remote: Any = None,
) -> da.Array:
    """Return one image of each of many files, such as the exposures of a night, as one Dask array.

    The headers are read at once, the pixels when they are wanted.

    Parameters
    ----------
    files : str, path, or iterable of these
        A pattern with ``*``, ``?``, ``[...]`` or ``**``, in the order of the names that it matches; or paths and URLs
        in the order of the result.
    hdu : int, str or tuple, optional
        Which HDU of each file, as in ``fits[hdu]``; the first image with pixels if None.
    chunks : 'tiles', 'auto', or what Dask takes
        As for `from_image`, for one image; a chunk belongs to one file.
    remote : Remote or str, optional
        How files behind URLs are reached, as for `FITS`.

    Returns
    -------
    dask.array.Array
        Of shape ``(number of files, *shape of the images)``.

    Raises
    ------
    FileMissing
        If no file matches the pattern, or one of them is not there.
    ImageError
        If the images differ in shape or dtype; the error names the file.
    NotPicklable, FitsError
        As `from_image`, and as `FITS`.
    """
    names = _names(files)

    def lazy(name: str | os.PathLike[str]) -> Any:
        with rustfits.FITS(name, remote=remote) as fits:
            return (_first_image(fits) if hdu is None else fits.image(hdu)).lazy()

    with ThreadPoolExecutor(NOPENED) as pool:
        images = list(pool.map(lazy, names))
    first = images[0]
    for name, image in zip(names, images, strict=True):
        if (image.shape, image.dtype) != (first.shape, first.dtype):
            raise rustfits.ImageError(
                f"{os.fspath(name)} has an image of shape {image.shape} and dtype {image.dtype}, but "
                f"{os.fspath(names[0])} of {first.shape} and {first.dtype}: only equal ones can be stacked; name the "
                "HDU by hdu=, or stack what from_image() gives of parts of them"
            )
    stack = _Stack(images)
    parts = da.core.normalize_chunks(_chunks(first, chunks), first.shape, dtype=first.dtype)
    return da.from_array(stack, chunks=((1,) * len(images), *parts), asarray=False, fancy=False, lock=False)


def _chunks(lazy: Any, chunks: Any) -> Any:
    if not isinstance(chunks, str) or chunks not in ("tiles", "auto"):
        return chunks
    limit = {} if chunks == "tiles" else {"nbytes": dask.utils.parse_bytes(dask.config.get("array.chunk-size"))}
    return tile_chunks(lazy.shape, lazy.chunks, lazy.dtype.itemsize, **limit)


def _names(files: Any) -> list[str | os.PathLike[str]]:
    """Return the files that are meant, one at least."""
    if not isinstance(files, str | os.PathLike):
        names = list(files)
    else:
        pattern = os.fspath(files)
        names = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [files]
    if not names:
        raise FileMissing(2, "no file matches; URLs are to be given one by one", str(files))
    return names


def _first_image(fits: rustfits.FITS) -> Any:
    for hdu in fits:
        if isinstance(hdu, rustfits.ImageHDU) and hdu.size:
            return hdu
    raise rustfits.HDUNotFound(f"no image with pixels in {fits.filename}")


class _Stack:
    """Lazy arrays of one shape and dtype, one behind the other; each file is open only while it is read."""

    def __init__(self, images: list[Any]) -> None:
        self._images = images
        self.shape, self.dtype = (len(images), *images[0].shape), images[0].dtype
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key
        if isinstance(first, slice):
            parts = [self._part(index, rest) for index in range(*first.indices(len(self._images)))]
            shape = (0, *(len(range(*part.indices(size))) for part, size in zip(rest, self.shape[1:], strict=True)))
            return np.stack(parts) if parts else np.empty(shape, self.dtype)
        return self._part(first, rest)

    def _part(self, index: int, key: list[Any]) -> Any:
        # A copy lets its file go: of thousands none may stay open.
        return copy.copy(self._images[index])[tuple(key)]

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return tuple(image.__dask_tokenize__() for image in self._images)
