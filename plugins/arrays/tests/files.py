"""Images that the tests read: made here, and those of telescopes."""

import io
import os
from pathlib import Path

import numpy as np

import rustfits

ROOT = Path(__file__).resolve().parents[3]
NIGHT = "RUSTFITS_ARRAYS_NIGHT" in os.environ  # the full form
FOLDERS = [ROOT / "tests" / "data"]
if NIGHT and "RUSTFITS_TELESCOPE_FILES" in os.environ:
    FOLDERS.append(Path(os.environ["RUSTFITS_TELESCOPE_FILES"]))


def telescope_files():
    """Return the files of telescopes by their names; few of them but at night."""
    found = {path.name: path for folder in FOLDERS for path in sorted(folder.glob("*.fits*"))}
    few = ("m13_hcomp.fits", "m13real_rice.fits", "galsim_cube_rice_u2.fits.fz", "synthetic_zblank_column.fits")
    return found if NIGHT else {name: found[name] for name in few}


def images_of(fits):
    """Yield the images of an open file that have pixels, each with these; not those whose codec is not there."""
    for hdu in fits:
        if isinstance(hdu, rustfits.ImageHDU) and hdu.size:
            try:
                yield hdu, hdu.read()
            except rustfits.CodecNotInstalled:
                continue


def same(found, expected):
    """Return whether two arrays are equal, dtype and NaN too."""
    return found.dtype == expected.dtype and np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")


def sky():
    """Return an image of floats that can be quantised, but for a part without noise and a NaN."""
    pixels = np.random.default_rng(5).normal(100, 5, (130, 210)).astype("f4")
    pixels[30:70, 40:120] = 7
    pixels[100, 3] = np.nan
    return pixels


def codecs():
    """Return the codecs that are installed, by name, in tiles that do not fit."""
    kinds = {"RICE_1": "Rice1", "HCOMPRESS_1": "Hcompress1", "PLIO_1": "Plio1"}
    there = {name: getattr(rustfits, kind) for name, kind in kinds.items() if name in rustfits.codecs()}
    there |= {"GZIP_1": rustfits.Gzip1, "GZIP_2": rustfits.Gzip2, "NOCOMPRESS": rustfits.NoCompress}
    return {name: kind(tile_shape=(20, 50)) for name, kind in there.items()}


def made():
    """Return a file of images of all codecs, of unsigned and scaled integers, of floats and quantised ones."""
    counts = np.random.default_rng(6).integers(0, 3000, (130, 210))
    content = io.BytesIO()
    with rustfits.FITS(content, "w+") as fits:
        fits.write_image(counts.astype("u2"), extname="PLAIN")
        fits.write_image(counts.astype("i2"), extname="SCALED", bscale=0.5, bzero=10.0)
        for name, codec in codecs().items():
            fits.write_image(counts.astype("i4"), extname=name, compress=codec)
        for name, codec in codecs().items():
            if name not in ("PLIO_1", "NOCOMPRESS"):
                quantize = rustfits.Quantize(method="dither2", seed=9)
                fits.write_image(sky(), extname=f"Q_{name}", compress=codec, quantize=quantize)
        fits.write_image((counts + 40_000).astype("u2"), extname="U2", compress=codecs()["GZIP_2"])
        fits.write_image(counts.reshape(13, 10, 210).astype("i2"), extname="CUBE", compress="GZIP_1")
    return content.getvalue()
