"""Random compressed images, each made from a seed: what `test_differential` feeds to all libraries alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

INTEGERS = {"GZIP_1": ["u1", "i1", "i2", "u2", "i4", "u4", "i8"], "PLIO_1": ["u1", "i2", "i4"]}
INTEGERS |= {"GZIP_2": INTEGERS["GZIP_1"], "RICE_1": INTEGERS["GZIP_1"][:-1], "HCOMPRESS_1": INTEGERS["GZIP_1"][:-1]}
METHODS = ["NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2"]
KINDS = ["noise", "sky", "constant", "sparse", "steps", "extremes", "nan"]


@dataclass(frozen=True)
class Case:
    """One image and how to compress it."""

    seed: int
    codec: str
    pixels: np.ndarray
    tile: tuple[int, ...]
    kind: str
    quantize: dict | None
    scale: int = 0
    smooth: bool = False

    @property
    def without_runs(self) -> bool:
        """Whether no row has equal neighbours, so that the noise estimates of all libraries must agree."""
        return self.kind in ("noise", "sky", "nan")

    def __str__(self) -> str:
        extra = f" {self.quantize['method']} q={self.quantize['level']:g}" if self.quantize else ""
        extra += f" scale={self.scale}" if self.scale else ""
        return f"{self.codec} {self.pixels.dtype} {self.pixels.shape} tiles {self.tile} {self.kind}{extra}"


def make_case(seed: int) -> Case:
    rng = np.random.default_rng([20261122, seed])
    codec = str(rng.choice(list(INTEGERS)))
    floats = codec != "PLIO_1" and rng.random() < 0.5
    dtype = str(rng.choice(["f4", "f8"])) if floats else str(rng.choice(INTEGERS[codec]))
    shape, tile = _shapes(rng, codec)
    kind = str(rng.choice(KINDS if floats else KINDS[:-1]))
    quantize = None
    if floats and (codec in ("RICE_1", "HCOMPRESS_1") or rng.random() < 0.6):
        # astropy and CFITSIO do not write dither 2 with HCOMPRESS_1.
        methods = METHODS[:2] if codec == "HCOMPRESS_1" else METHODS
        level = float(rng.choice([4, 16, 1, -0.5]))
        quantize = {"level": level, "method": str(rng.choice(methods)), "seed": int(rng.integers(1, 10001))}
    scale = int(rng.choice([0, 0, 1, 3, 20])) if codec == "HCOMPRESS_1" else 0
    smooth = bool(codec == "HCOMPRESS_1" and scale > 1 and rng.random() < 0.5)
    pixels = _pixels(rng, kind, dtype, shape, codec)
    if scale > 1 and dtype in ("u1", "i1", "u2", "u4"):
        # Below 0 and above 255 CFITSIO clips, or refuses, and astropy wraps around: keep lossy pixels away from them.
        pixels = (pixels // 2 + (0 if dtype == "i1" else 64)).astype(dtype)
    return Case(seed, codec, pixels, tile, kind, quantize, scale, smooth)


def _shapes(rng: np.random.Generator, codec: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if codec == "HCOMPRESS_1":
        tile = tuple(int(n) for n in rng.integers(4, 60, 2))
        # Edge tiles of four pixels at least, or none.
        edge = [int(rng.choice([0, *range(4, n)])) if n > 4 else 0 for n in tile]
        shape = tuple(n * int(rng.integers(1, 4)) + e for n, e in zip(tile, edge, strict=True))
        return ((int(rng.integers(1, 4)), *shape), (1, *tile)) if rng.random() < 0.2 else (shape, tile)
    ndim = int(rng.choice([1, 2, 2, 2, 3, 4]))
    most = {1: 3000, 2: 130, 3: 24, 4: 9}[ndim]
    shape = tuple(int(n) for n in rng.integers(1, most, ndim))
    if rng.random() < 0.4:
        return shape, (*(1,) * (ndim - 1), shape[-1])
    return shape, tuple(int(rng.integers(1, n + 1)) for n in shape)


def _pixels(rng: np.random.Generator, kind: str, dtype: str, shape: tuple[int, ...], codec: str) -> np.ndarray:
    npixels = prod(shape)
    limits = (-1e6, 1e6) if dtype[0] == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if codec == "PLIO_1":
        limits = (0, min(limits[1], 2**24 - 1))
    if kind == "constant":
        values = np.full(npixels, rng.integers(0, 100))
    elif kind == "sparse":
        values = (rng.random(npixels) < 0.05) * rng.integers(0, 120, npixels)
    elif kind == "steps":
        values = np.repeat(rng.integers(0, 120, npixels // 7 + 1), 7)[:npixels]
    elif kind == "extremes" and codec in ("RICE_1", "GZIP_1", "GZIP_2"):
        values = np.where(rng.random(npixels) < 0.1, limits[0], limits[1])
    elif kind == "sky":
        values = 40 + 30 * np.sin(np.arange(npixels) / 50) + rng.normal(0, 4, npixels)
    else:
        values = 60 + rng.normal(0, 8, npixels)
    if dtype[0] != "f":
        return np.clip(np.asarray(values).astype(np.int64), *limits).astype(dtype).reshape(shape)
    values = np.asarray(values, dtype=dtype)
    if kind == "nan":
        values[rng.random(npixels) < 0.1] = np.nan
    return values.reshape(shape)
