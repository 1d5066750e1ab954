"""Pixels of every kind, and uncompressed images of them in memory."""

import numpy as np

from rustfits import FITS

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def image_of(pixels, **arguments):
    """Write an image into a file in memory, between two others that must not be touched."""
    fits = FITS("mem://", "w+")
    fits.write_image(np.full((3,), 77, dtype="i2"))
    hdu = fits.write_image(pixels, **arguments)
    fits.write_image(np.full((4,), 88, dtype="i2"))
    hdu.keep = fits
    return hdu


def pixels_of(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype=np.uint8)
    pixels = raw.view(dtype).reshape(shape)
    return np.nan_to_num(pixels, nan=-1.5) if pixels.dtype.kind == "f" else pixels
