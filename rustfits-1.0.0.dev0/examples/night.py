"""A night of exposures, calibrated, packed and stacked by the processes of a Dask cluster.

    python examples/night.py night/                          # 200 exposures of 2048 x 2048, made first
    python examples/night.py night/ --exposures 6 --size 256
    python examples/night.py /shared/night/ --scheduler tcp://10.0.0.5:8786   # workers see the same folder

Needs rustfits-rice, rustfits-arrays[dask] and distributed. It prints what each step took, and what that makes for an
exposure.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RUSTFITS_NUM_THREADS", "1")  # of each worker: Dask has a worker for each CPU

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import rustfits
from rustfits_arrays.dask import read_files, write

NCALIBRATIONS = 10  # biases, and flats
RAW = rustfits.Rice1(tile_shape=(64, 512))
PACKED = rustfits.Rice1(tile_shape=(128, 512))
QUANTIZE = rustfits.Quantize(level=16, method="dither1", seed=1)


def make(path: Path, size: int, seed: int, kind: str) -> None:
    """Write an exposure as a camera does: 16-bit counts, of a detector that does not see equally well everywhere."""
    random = np.random.default_rng(seed)
    rows, columns = np.ogrid[:size, :size]
    seen = 1 - 0.3 * ((rows / size - 0.5) ** 2 + (columns / size - 0.5) ** 2)
    light = {"bias": 0.0, "flat": 30_000.0, "exposure": 200.0}[kind] * np.broadcast_to(seen, (size, size))
    counts = 1000 + random.poisson(light) + random.normal(0, 5, (size, size))
    if kind == "exposure":
        for row, column in random.integers(8, size - 8, (size // 8, 2)):
            counts[row - 3 : row + 4, column - 3 : column + 4] += random.integers(100, 20_000)
    header = {"OBSTYPE": kind, "EXPTIME": (30.0, "[s]"), "RUN": seed}
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(counts.clip(0, 65_535).astype("u2"), extname="SCI", compress=RAW, header=header)


def calibrate(raw: Path, target: Path, bias: np.ndarray, flat: np.ndarray) -> tuple[int, int]:
    """Calibrate and pack one exposure, whole: the file is there when it is; return the bytes of both files."""
    with rustfits.FITS(raw) as fits:
        hdu = fits.image("SCI")
        pixels, header = hdu.read(), hdu.header
    calibrated = (pixels - bias) / flat
    with rustfits.FITS(target, "w+") as fits:
        hdu = fits.write_image(calibrated, extname="SCI", compress=PACKED, quantize=QUANTIZE, header=header)
        hdu.add_checksum()
    return raw.stat().st_size, target.stat().st_size


def reduce_night(client: Client, folder: Path, number: int, size: int) -> dict[str, float]:
    """Make the night unless it is there, reduce it, and return the seconds of each step."""
    took: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        took[name] = time.perf_counter() - begin

    for name in ("raw", "packed"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    kinds = {"bias": NCALIBRATIONS, "flat": NCALIBRATIONS, "exposure": number}
    wanted = [(folder / "raw" / f"{kind}{at:04}.fits.fz", kind) for kind, count in kinds.items() for at in range(count)]
    with step("make"):
        done = [
            client.submit(make, path, size, seed, kind, pure=False)
            for seed, (path, kind) in enumerate(wanted, start=1)
            if not path.exists()
        ]
        client.gather(done)
    with step("master bias and flat"):
        bias = _master(read_files(folder / "raw" / "bias*.fits.fz"))
        flat = _master(read_files(folder / "raw" / "flat*.fits.fz")) - bias
        bias, flat = dask.compute(bias.astype("f4"), (flat / flat.mean()).astype("f4"))
    with step("calibrate and pack"):
        # Each worker gets the masters once; they are no part of the tasks.
        masters = client.scatter([bias, flat], broadcast=True)
        raw = [path for path, kind in wanted if kind == "exposure"]
        targets = [folder / "packed" / path.name for path in raw]
        sizes = client.gather(client.map(calibrate, raw, targets, bias=masters[0], flat=masters[1], pure=False))
    with step("stack"):
        stack = read_files(targets)
        write(folder / "stack.fits.fz", stack.mean(axis=0), compress=PACKED, quantize=QUANTIZE, extname="STACK")
    took["raw MB an exposure"] = sum(before for before, _ in sizes) / number / 1e6
    took["packed MB an exposure"] = sum(after for _, after in sizes) / number / 1e6
    return took


def _master(frames: da.Array) -> da.Array:
    """Return the median of frames, computed by parts of the image that have all frames."""
    return da.median(frames.rechunk({0: -1, 1: -(-frames.shape[1] // 8)}), axis=0)


def peak_nbytes() -> int:
    """Return the most memory that this process had; 0 where the system does not tell."""
    status = Path("/proc/self/status")  # getrusage has that of the parent too
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def report(took: dict[str, float], number: int, workers: Sequence[int]) -> None:
    """Print what each step took, and what that makes for an exposure and for a million of them."""
    for name, value in took.items():
        print(f"{name:24} {value:8.2f}" + ("" if "MB" in name else f" s  {value / number * 1000:8.1f} ms an exposure"))
    work = (took["calibrate and pack"] + took["stack"]) * len(workers) / number
    print(f"{len(workers)} workers, at most {max(workers) / 2**20:.0f} MiB of memory in one")
    print(f"an exposure takes a worker {work:.2f} s: 10^6 of them take {work * 1e6 / 3600:,.0f} hours of a worker")


def main(arguments: Sequence[str] | None = None) -> None:
    """Reduce a night, on this machine or on a cluster that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exposures", type=int, default=200)
    parser.add_argument("--size", type=int, default=2048, help="pixels along each axis")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, of a cluster of this machine")
    parser.add_argument("--scheduler", help="address of a cluster whose workers see the folder")
    options = parser.parse_args(arguments)
    cluster: Any = options.scheduler or LocalCluster(
        n_workers=options.workers, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
    )
    # Few frames are taken apart and put together by plain tasks.
    with Client(cluster) as client, dask.config.set({"array.rechunk.method": "tasks"}):
        took = reduce_night(client, options.folder.resolve(), options.exposures, options.size)
        report(took, options.exposures, list(client.run(peak_nbytes).values()))
    if not options.scheduler:
        cluster.close()


if __name__ == "__main__":
    main()
