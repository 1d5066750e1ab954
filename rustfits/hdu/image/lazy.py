"""An image as an array that needs no open file: for Dask and others who read parts of it later, or elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits.errors import NotSupported, how_to_install
from rustfits.hdu.reference import Reference
from rustfits.pixels.sections import flipped_key, parse_section

Reopen = Callable[[Reference], Any]

PACKAGE = "rustfits-arrays"  # makes arrays of other libraries


def package_for(library: str) -> Any:
    """Return the module of `PACKAGE` that makes arrays of a library.

    Raises
    ------
    NotSupported
        If the package or the library is not installed.
    """
    try:
        return import_module(f"rustfits_arrays.{library}")
    except ImportError as error:
        reason = f"{error}; arrays of {library} need {PACKAGE}: {how_to_install(f'{PACKAGE}[{library}]')}"
        raise NotSupported(reason) from error


class LazyArray:
    """An image in a file, which is opened when the first pixel is asked for; from `ImageHDU.lazy`.

    It can be pickled, is small, and knows what the header says. Wherever it is read, it gives the pixels of the file as
    it was when it was made, or raises `FileChanged`. ``lazy[key]`` takes ints, slices, also of negative steps, and
    ``...``, and returns physical values, as ``hdu[key]`` does.

    Attributes
    ----------
    shape : tuple of int
        Pixels along each axis, numpy order.
    dtype : dtype
        Of the physical values, native byte order.
    chunks : tuple of int or None
        Shape of the tiles of a compressed image, clipped to the image: parts that begin and end between tiles are read
        soonest. None if the image is not compressed, or has no pixels.
    """

    __slots__ = ("_hdu", "_process", "_reference", "_reopen", "chunks", "dtype", "shape")

    def __init__(
        self,
        reopen: Reopen,
        reference: Reference,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        chunks: tuple[int, ...] | None,
    ) -> None:
        self._reopen, self._reference = reopen, reference
        self.shape, self.dtype, self.chunks = shape, dtype, chunks
        self._hdu: Any = None
        self._process = -1

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Read a part.

        Parameters
        ----------
        key : int, slice, Ellipsis, or tuple of these

        Returns
        -------
        array, or numpy scalar
            New, writable, native byte order.

        Raises
        ------
        ImageError, PixelIndexError
            If the key does not fit the image.
        FileChanged
            If the file is not as it was.
        FitsError
            If it cannot be opened, or as ``hdu[key]``.
        """
        forward, flips = flipped_key(key, self.shape)
        section = parse_section(forward, self.shape)
        if section.empty:  # Dask asks for nothing of every array, to see what it gives
            return np.empty(section.shape, self.dtype)
        pixels = self._image()[forward]
        return pixels[flips] if flips else pixels

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole image; as `ImageHDU.__array__`."""
        pixels: NDArray[Any] = self._image().__array__(dtype, copy)
        return pixels

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what is equal for the same pixels of the same state of the file, and for no others."""
        return self._reference.token

    def __reduce__(self) -> tuple[type[LazyArray], tuple[object, ...]]:
        return LazyArray, (self._reopen, self._reference, self.shape, self.dtype, self.chunks)

    def __repr__(self) -> str:
        where = f"HDU {self._reference.number} of {self._reference.location}"
        return f"<LazyArray: {where}, shape={self.shape}, dtype={self.dtype}, chunks={self.chunks}>"

    def _image(self) -> Any:
        """Return the HDU of this process: a fork must not use the handle, or the locks, of another one."""
        if self._process != os.getpid():
            self._hdu, self._process = self._reopen(self._reference), os.getpid()
        return self._hdu
