"""Tiles that CFITSIO compressed, cut out of the files it writes: the independent truth for codecs it knows too."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Loads the library once, and forks for each file: what one file does to the memory of a process, no other one sees.
_WRITER = """
import json, os, sys, numpy as np, fitsio
for line in sys.stdin:
    source, target, keywords = json.loads(line)
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.dup2(2, 1)
            with fitsio.FITS(target, "rw", clobber=True) as file:
                file.write(np.load(source), **keywords)
            status = 0
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@cache
def _writer() -> subprocess.Popen[str]:
    """Return the process that writes files with CFITSIO; it ends with this one."""
    command, pipe = [sys.executable, "-c", _WRITER], subprocess.PIPE
    # Threads would not survive the fork.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    writer = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, text=True)
    atexit.register(writer.communicate)
    return writer


def write_with_cfitsio(pixels: NDArray[Any], target: Path, **keywords: Any) -> None:
    """Write ``pixels`` to the file ``target`` as a compressed image, by fitsio in a process of its own.

    A process of its own, since some of CFITSIO's encoders overrun their buffers on unusual pixels.

    Parameters
    ----------
    pixels : array
    target : Path
        In a folder that may be written to.
    **keywords
        Those of ``fitsio.FITS.write``: ``compress``, ``tile_dims``, ``hcomp_scale``...

    Raises
    ------
    subprocess.CalledProcessError
        If the peer refused, or crashed.
    """
    source = target.with_suffix(".npy")
    np.save(source, pixels)
    writer = _writer()
    assert writer.stdin is not None  # they are pipes
    assert writer.stdout is not None
    request = json.dumps([str(source.absolute()), str(target.absolute()), keywords])
    try:
        print(request, file=writer.stdin, flush=True)
        status = int(writer.stdout.readline() or 1)
    finally:
        source.unlink()
    if status:
        raise subprocess.CalledProcessError(status, ["fitsio", request])


def heap_tiles(path: Path, extension: int = 1, column: str = "COMPRESSED_DATA") -> list[bytes]:
    """Return the heap bytes of each row of one descriptor column, read by astropy as the plain table that it is.

    Raises
    ------
    ValueError
        If the column holds no descriptors.
    """
    from astropy.io import fits

    raw = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as hdus:
        header, start = hdus[extension].header, hdus[extension]._data_offset
        names = [header[f"TTYPE{k}"] for k in range(1, header["TFIELDS"] + 1)]
        form = header[f"TFORM{names.index(column) + 1}"].lstrip("01")
        dtype = hdus[extension].data.dtype if header["NAXIS2"] else None
    if form[0] not in "PQ":
        raise ValueError(f"{column} has TFORM {form}: no descriptors")
    if dtype is None:
        return []
    table = np.frombuffer(raw, dtype=dtype.newbyteorder(">"), count=header["NAXIS2"], offset=start)
    heap = start + header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
    unit = {"B": 1, "I": 2}[form[1]]
    return [raw[heap + at : heap + at + unit * count] for count, at in table[column].tolist()]
