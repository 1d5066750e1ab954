"""The images that are measured; the same numbers in every process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20260401


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


def mask(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return a mask: zero but for one square of flags in every 20000 pixels."""
    random = np.random.default_rng(SEED)
    pixels = np.zeros(shape, dtype=dtype)
    for row, column in random.integers(0, shape[-1], (pixels.size // 20000, 2)).tolist():
        pixels[..., row % shape[-2] : row % shape[-2] + 12, column : column + 12] = 1 << (row % 7)
    return pixels
