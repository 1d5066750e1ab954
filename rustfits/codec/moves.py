"""Pixels moved within memory; `rustfits.codec.kernels` tells how others replace these."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


class Moves:
    """Kernels that compute nothing."""

    def gather(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of an image, which is larger than the cache, to tiles, which are not.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape
            Pixels of any dtype, which are converted as an assignment does; shares no memory with ``target``.
        """
        target[...] = source

    def scatter(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of tiles to their places in an image that is larger than the cache, which may be passed by.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same dtype and shape
            Shares no memory with ``target``.
        """
        target[...] = source

    def to_native(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Convert big-endian pixels to those of this machine, past the cache: the image is larger.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape, big-endian
            Shares no memory with ``target``.
        """
        target[...] = source
