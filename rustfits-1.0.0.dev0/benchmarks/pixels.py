"""The images that are measured; the same numbers in every process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20260401
BLOCK = 2880


def sky(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return a sky of 1000 with noise of 16 and one star in every 4000 pixels."""
    random = np.random.default_rng(SEED)
    pixels = random.normal(1000.0, 16.0, shape)
    flat = pixels.reshape(-1)
    stars = random.integers(0, flat.size, flat.size // 4000)
    flat[stars] += random.pareto(1.5, stars.size) * 200.0
    if np.dtype(dtype).kind == "f":
        return pixels.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(pixels), limits.min, limits.max).astype(dtype)


def zeros(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return a sky with zeros strewn over 5 % of its pixels."""
    pixels = sky(shape, dtype)
    random = np.random.default_rng(SEED + 1)
    pixels.reshape(-1)[random.integers(0, pixels.size, pixels.size // 20)] = 0
    return pixels


def mask(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return a mask: zero but for one square of flags in every 20000 pixels."""
    random = np.random.default_rng(SEED)
    pixels = np.zeros(shape, dtype=dtype)
    for row, column in random.integers(0, shape[-1], (pixels.size // 20000, 2)).tolist():
        pixels[..., row % shape[-2] : row % shape[-2] + 12, column : column + 12] = 1 << (row % 7)
    return pixels


def write_many_hdus(path: str, count: int) -> None:
    """Write a file of ``count`` small images: a header of one block and a data unit of another for each."""

    def header(*cards: str) -> bytes:
        return "".join(card.ljust(80) for card in (*cards, "END")).ljust(BLOCK).encode()

    axes = ("BITPIX  =                   16", "NAXIS   =                    2", *_lengths(8, 8))
    data = bytes(range(128)).ljust(BLOCK, b"\0")
    with Path(path).open("wb") as file:
        file.write(header("SIMPLE  =                    T", *axes) + data)
        for number in range(1, count):
            more = ("PCOUNT  =                    0", "GCOUNT  =                    1")
            name = f"EXTNAME = 'IMAGE{number}'"
            file.write(header("XTENSION= 'IMAGE   '", *axes, *more, name) + data)


def _lengths(*lengths: int) -> tuple[str, ...]:
    return tuple(f"NAXIS{axis}  = {length:20d}" for axis, length in enumerate(lengths, 1))
