"""Images as Dask arrays, and Dask arrays as images."""

from __future__ import annotations

from typing import Any

from rustfits_arrays.chunks import tile_chunks

try:
    import dask
    import dask.array as da
except ImportError as error:
    raise ImportError("rustfits_arrays.dask needs Dask: pip install 'rustfits-arrays[dask]'") from error


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
    if isinstance(chunks, str) and chunks in ("tiles", "auto"):
        limit = {} if chunks == "tiles" else {"nbytes": dask.utils.parse_bytes(dask.config.get("array.chunk-size"))}
        chunks = tile_chunks(lazy.shape, lazy.chunks, lazy.dtype.itemsize, **limit)
    # Several threads may read an image. Its keys are slices.
    return da.from_array(lazy, chunks=chunks, asarray=False, fancy=False, lock=False)
