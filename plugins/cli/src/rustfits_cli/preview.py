"""A picture of an image that shows faint and bright things at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NSAMPLES = 1_000_000  # pixels looked at to choose the limits
SOFTENING = 5.0  # sky noises above which the stretch turns from linear to logarithmic


def write_preview(path: Path, pixels: NDArray[Any], *, longest: int = 1024) -> tuple[int, int]:
    """Write an 8-bit grey PNG of a two-dimensional image, its first row at the bottom as astronomers draw it.

    Parameters
    ----------
    path : Path
        File to write, or to replace.
    pixels : (height, width) array
        Real numbers; NaN is drawn black.
    longest : int
        Most pixels along the longer side; larger images are averaged in blocks.

    Returns
    -------
    width, height : int
        Of the picture, in pixels.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from PIL import Image

    grey = stretch(shrink(pixels, longest))
    picture = Image.fromarray(np.ascontiguousarray(grey[::-1]))
    picture.save(path, format="PNG")
    return picture.width, picture.height


def shrink(pixels: NDArray[Any], longest: int) -> NDArray[np.float64]:
    """Return the means of blocks, so that no axis is longer than ``longest``; a partial block is left out."""
    block = max(1, -(-max(pixels.shape) // longest))
    tall, wide = (min(block, length) for length in pixels.shape)
    height, width = pixels.shape[0] // tall, pixels.shape[1] // wide
    blocks = pixels[: height * tall, : width * wide].reshape(height, tall, width, wide)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3), dtype=np.float64)
    return means


def stretch(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return grey values 0 to 255: linear near the sky, logarithmic above (inverse hyperbolic sine).

    Black is 1.5 noises below the median and white is the 99.8th percentile, both from the finite pixels.
    """
    sample = pixels.ravel()[:: max(1, pixels.size // NSAMPLES)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.zeros(pixels.shape, dtype=np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the end of their range make a dull picture
        sky, white = np.percentile(sample, [50.0, 99.8])
        noise = 1.4826 * np.median(np.abs(sample - sky))
        noise = noise or np.std(sample)  # masks: most pixels are equal, and the median deviation is 0
        noise = max(noise, 1e-9 * abs(sky)) or 1.0
        black = sky - 1.5 * noise
        white = max(white, sky + 3.0 * noise)
        scaled = np.arcsinh((pixels - black) / (SOFTENING * noise)) / np.arcsinh((white - black) / (SOFTENING * noise))
    grey: NDArray[np.uint8] = np.rint(255 * np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.0)).astype(np.uint8)
    return grey
