"""Numbers of many tiles in the configuration of a codec: short, as text, and the same numbers again."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL = 9  # of zlib: packed once, and read by everybody


def pack_bytes(data: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(zlib.compress(data, _LEVEL)).decode("ascii")


def unpack_bytes(text: str, most: int) -> bytes:
    """Return the bytes of `pack_bytes`.

    Parameters
    ----------
    text : str
    most : int
        Bytes that may come out at most.

    Raises
    ------
    ValueError
        If that is no such text, or more comes out.
    """
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), max(most, 1))
    except zlib.error as error:
        raise ValueError(f"packed bytes are damaged: {error}") from None
    if not stream.eof or len(data) > most:
        raise ValueError(f"packed bytes are damaged: they end early, or hold more than {most} bytes")
    return data


def pack(values: NDArray[Any]) -> str:
    """Return numbers as text.

    Parameters
    ----------
    values : (n,) int64, float64 or int8 array
        Their high bytes, which are much the same for neighbours, are put side by side.

    Examples
    --------
    >>> len(pack(np.arange(4096)))
    64
    """
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    if values.dtype.kind == "i":
        little = np.diff(little, prepend=little.dtype.type(0))
    return pack_bytes(little.view(np.uint8).reshape(values.size, -1).T.tobytes())


def unpack(text: str, size: int, dtype: Any) -> NDArray[Any]:
    """Return the numbers of `pack`.

    Raises
    ------
    ValueError
        If these are not just ``size`` numbers.
    """
    little = np.dtype(dtype).newbyteorder("<")
    data = unpack_bytes(text, size * little.itemsize)
    if len(data) != size * little.itemsize:
        raise ValueError(f"packed numbers are damaged: {len(data)} bytes for {size} numbers of {little.itemsize} bytes")
    planes = np.frombuffer(data, dtype=np.uint8).reshape(little.itemsize, size)
    values = np.ascontiguousarray(planes.T).reshape(-1).view(little).astype(dtype)
    return np.cumsum(values, dtype=dtype) if values.dtype.kind == "i" else values
