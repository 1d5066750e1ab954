"""Two Dask workers against one, each a process in which rustfits has one thread: a reduction that decodes and computes.

    python benchmarks/dask_workers.py            # an image of 10,000 x 10,000, five runs each, one after the other
    python benchmarks/dask_workers.py --size 4000 --runs 3

Scheduler and client run on the same machine. Prints the times, the ratio of their medians, and the most memory that a
worker had, with that of a worker that has read nothing. Before and after, one process and two do the same arithmetic
without Dask and without files: more than that the machine does not give.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ["RUSTFITS_NUM_THREADS"] = "1"  # of the workers too

import numpy as np

import rustfits

BOX = 64
CHUNK = 1280  # pixels: what a worker computes stays in a cache, and at the end none waits long for the other


def make(path: Path, size: int) -> None:
    """Write a quantised image, band by band."""
    random = np.random.default_rng(1)
    codec = rustfits.Rice1(tile_shape=(256, 256))
    with rustfits.FITS(path, "w+") as fits, fits.transaction():
        fits.create_image_hdu("f4", (size, size), compress=codec, quantize=rustfits.Quantize(level=16, seed=1))
        for first in range(0, size, 1024):
            rows = min(1024, size - first)
            fits[1][first : first + rows] = random.normal(1000, 20, (rows, size)).astype("f4")


def background(pixels):
    """Return median and scatter of each box of 64 x 64 pixels: what is left of a chunk, from twice as many sorts."""
    rows, columns = (size // BOX for size in pixels.shape)
    boxes = pixels[: rows * BOX, : columns * BOX].reshape(rows, BOX, columns, BOX)
    found = np.empty((2, rows, columns), "f4")
    for row in range(rows):  # a band at a time stays in the cache
        band = boxes[row].swapaxes(0, 1).reshape(columns, -1)
        found[0, row] = np.median(band, axis=1)
        found[1, row] = np.median(abs(band - found[0, row][:, None]), axis=1)
    return found


def reduction(array):
    """Return what is computed: the background of an image, of which little has to be carried from place to place."""
    sizes = [tuple(size // BOX for size in lengths) for lengths in array.chunks]
    return array.map_blocks(background, new_axis=0, chunks=((2,), *sizes), dtype="f4")


def busy() -> float:
    """Do arithmetic, and return the time at its end."""
    pixels = np.random.default_rng(1).normal(1000, 20, (2560, 2560)).astype("f4")
    for _ in range(4):
        background(pixels)
    return time.perf_counter()  # one clock for all processes


def machine() -> float:
    """Return how many times as much two processes do as one, without Dask."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        list(pool.map(time.sleep, [0.3, 0.3]))  # both are there
        seconds = []
        for nprocesses in (1, 2):
            begin = time.perf_counter()
            ends = [pool.submit(busy) for _ in range(nprocesses)]
            seconds.append(max(end.result() for end in ends) - begin)
    return 2 * seconds[0] / seconds[1]


def warm(path: str) -> None:
    """Read a little, as a worker that has been at work for a while has done."""
    with rustfits.FITS(path) as fits:
        background(fits[1][:BOX, :BOX])


def peak_nbytes() -> int:
    """Return the most memory that this process had; 0 where the system does not tell."""
    status = Path("/proc/self/status")  # getrusage has that of the parent too
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def main() -> None:
    """Measure, and print a line for each number of workers."""
    import dask.array as da
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000, help="pixels along each axis")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.fits"
        make(path, options.size)
        with rustfits.FITS(path) as fits:
            array = fits[1].to_dask((CHUNK, CHUNK))
        print(f"{path.stat().st_size / 1e6:.0f} MB, chunks of {array.chunksize}: {array.npartitions} of them")
        print(f"two processes without Dask do {machine():.2f} times the work of one")
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.runs):
            for nworkers, taken in times.items():
                cluster = LocalCluster(n_workers=nworkers, threads_per_worker=1, dashboard_address=":0")
                with cluster, Client(cluster) as client:
                    reduction(da.zeros((BOX, BOX))).compute()
                    client.run(warm, str(path))  # every worker has imported what reads it
                    before = max(client.run(peak_nbytes).values())
                    begin = time.perf_counter()
                    reduction(array).compute()
                    taken.append(time.perf_counter() - begin)
                    after = max(client.run(peak_nbytes).values())
                print(
                    f"{nworkers} workers: {taken[-1]:6.2f} s, at most {after / 2**20:.0f} MiB a worker, "
                    f"{before / 2**20:.0f} before; a chunk has {np.prod(array.chunksize) * 4 / 2**20:.0f}",
                    flush=True,
                )
        print(f"two processes without Dask do {machine():.2f} times the work of one")
        one, two = (statistics.median(taken) for taken in times.values())
        print(f"median of {options.runs}: {one:.2f} s and {two:.2f} s: {one / two:.2f} times as fast")


if __name__ == "__main__":
    main()
