"""Read and write images with one library, as told by lines of JSON; run by `peer_process`, never imported."""

from __future__ import annotations

import json
import os
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def fitsio_write(path, pixels, codec, tile, quantize, scale, smooth, blocksize):
    import fitsio

    keywords = {"compress": codec, "tile_dims": tile, "qlevel": None}
    if quantize:
        # -10 is the library's word for no dither; a level of its own accord is relative, a negative one absolute.
        keywords |= {"qlevel": quantize["level"], "qmethod": quantize["method"], "dither_seed": quantize["seed"]}
    if codec == "HCOMPRESS_1":
        keywords |= {"hcomp_scale": -scale if scale else 0, "hcomp_smooth": smooth}
    with fitsio.FITS(path, "rw", clobber=True) as file:
        file.write(pixels, **keywords)


def astropy_write(path, pixels, codec, tile, quantize, scale, smooth, blocksize):
    from astropy.io import fits

    keywords = {"compression_type": codec, "tile_shape": tuple(tile), "quantize_level": 0.0}
    if quantize:
        methods = {"NO_DITHER": -1, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
        keywords["quantize_level"] = quantize["level"]
        keywords |= {"quantize_method": methods[quantize["method"]], "dither_seed": quantize["seed"]}
    if codec == "HCOMPRESS_1":
        keywords |= {"hcomp_scale": scale, "hcomp_smooth": int(smooth)}
    fits.CompImageHDU(pixels, **keywords).writeto(path, overwrite=True)


def fitsio_read(path, extension):
    import fitsio

    return fitsio.read(path, ext=extension)


def astropy_read(path, extension):
    from astropy.io import fits

    with fits.open(path) as hdus:
        return np.array(hdus[extension].data)


def main() -> None:
    read, write = globals()[f"{sys.argv[1]}_read"], globals()[f"{sys.argv[1]}_write"]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries print; only answers may reach the pipe
    for line in sys.stdin:
        request = json.loads(line)
        do, path, array = request.pop("do"), request.pop("path"), request.pop("pixels")
        try:
            if do == "read":
                found = read(path, **request)
                np.save(array, found.astype(found.dtype.newbyteorder("=")))
            else:
                write(path, np.load(array), **request)
            answer = "ok"
        except Exception as error:
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
