"""Edits of files by one library in one process: JSON requests in by lines, JSON answers out. Started by `edits.py`.

Both libraries of the name rustfits take the same calls.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

SHAPE, TILES, BEHIND = (2000, 2000), (100, 100), ((500, 500), (500, 500), (500, 500))


def sky(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Return noise around 1000, without what no scale of a tile of such noise would hold."""
    return np.random.default_rng(seed).normal(1000, 10, shape).clip(985, 1015).astype(dtype)


def pixel(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu[(number * 37) % SHAPE[0], (number * 91) % SHAPE[1]] = 1003


def small_box(hdu: Any, number: int, values: NDArray[Any]) -> None:
    first = (number * 37) % 1800
    hdu[first : first + 100, 50:150] = np.ascontiguousarray(values[:100, :100])


def large_box(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu[:1000, 500:1500] = np.ascontiguousarray(values[:1000, :1000])


def small_strip(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu.extend(values[:10])


def large_strip(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu.extend(values[:1000])


def repack(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu.repack()


def card(hdu: Any, number: int, values: NDArray[Any]) -> None:
    hdu.header["COUNTER"] = number


EDITS: dict[str, tuple[Callable[[Any, int, NDArray[Any]], None], int]] = {  # and how often one file is edited
    "one pixel": (pixel, 12),
    "box 100x100": (small_box, 6),
    "box 1000x1000": (large_box, 4),
    "extend by 10 rows": (small_strip, 6),
    "extend by 1000 rows": (large_strip, 4),
    "repack": (repack, 1),
    "header card": (card, 12),
}


def prepare(path: str, dtype: str, behind: bool, holes: bool) -> None:
    """Write the file that is edited: one compressed image, perhaps with holes in its heap, perhaps with more behind."""
    options: dict[str, Any] = {}
    if dtype == "f4":
        options["quantize"] = rustfits.Quantize(level=16, method="dither2", seed=1)
    with rustfits.FITS(path, "w+") as fits:
        image = np.random.default_rng(1).normal(1000, 10, SHAPE).astype(dtype)
        fits.write_image(image, compress=rustfits.Rice1(tile_shape=TILES), **options)
        if behind:
            for seed, shape in enumerate(BEHIND):
                fits.write_image(sky(shape, "i4", seed))
    if holes:
        with rustfits.FITS(path, "r+") as fits:
            for number in range(10):
                pixel(fits[1], number, image)
            fits[1][:1000, :1000] = sky((1000, 1000), dtype, 5)


@contextlib.contextmanager
def journal(way: str) -> Iterator[dict[str, str]]:
    """Edit in a way of ours, or in the only one of the other library: what `FITS` has to be told."""
    if way == "other":
        yield {}
    elif way != "none":
        yield {"durability": way}
    else:
        from unittest import mock

        from rustfits.storage.base import Storage
        from rustfits.storage.local import LocalStorage

        with mock.patch.object(LocalStorage, "_begin", Storage._begin):
            yield {}


def measure(request: dict[str, Any]) -> list[float]:
    """Return the seconds of some edits of a copy of a file; the first one, which takes the lock, is not told."""
    edit, times = EDITS[request["edit"]]
    values = sky((1000, SHAPE[1]), request["dtype"], 3)
    shutil.copyfile(request["source"], request["path"])
    seconds = []
    with journal(request["way"]) as options, rustfits.FITS(request["path"], "r+", **options) as fits:
        hdu = fits[1]
        if times == 1:
            card(hdu, 1, values)
        for number in range(times):
            start = time.perf_counter()
            edit(hdu, number, values)
            seconds.append(time.perf_counter() - start)
    return seconds if times == 1 else seconds[1:]


def main() -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("ignore")
    print(json.dumps({"version": rustfits.__version__, "numpy": np.__version__, "edits": list(EDITS)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                prepare(request["path"], request["dtype"], request["behind"], request["holes"])
                outcome: dict[str, Any] = {}
            else:
                outcome = {"seconds": measure(request)}
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
