"""Pack and unpack a folder of files with fpack, funpack and rustfits, in one run, and print the times side by side.

    python benchmarks/packing.py FOLDER --files 100 --side 4000

Each program does the whole job: all files, checksums written; rustfits verifies what it wrote too. fpack and funpack
take one core; rustfits is timed on one and on all. Each is run several times, in turns, and the shortest time counts.
A line of its own has what encoding and decoding take alone, on one core and in memory: packing with verification has to
do both, so it cannot be faster than that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rustfits

RUSTFITS = [sys.executable, "-m", "rustfits_cli"]
KINDS = {
    "rice-i2": ("i2", ["-r"], ["--codec", "RICE_1"]),
    "rice-f4": ("f4", ["-r", "-q1", "4"], ["--codec", "RICE_1", "--seed", "1"]),
    "gzip2-i2": ("i2", ["-g2"], ["--codec", "GZIP_2"]),
    "hcompress-i2": ("i2", ["-h"], ["--codec", "HCOMPRESS_1"]),
}
QUANTIZE = rustfits.Quantize(level=4, method="dither1", seed=1)


def make_files(folder: Path, dtype: str, nfiles: int, side: int) -> list[str]:
    """Write images of a sky with noise and stars, each another one, unless they are there already."""
    names = []
    for number in range(nfiles):
        path = folder / f"{dtype}-{number:03}.fits"
        names.append(path.name)
        if path.exists():
            continue
        noise = np.random.default_rng(number)
        pixels = noise.normal(1000, 12, (side, side)).astype("f4")
        rows, columns = noise.integers(0, side, (2, side))
        pixels[rows, columns] += noise.exponential(3000, side).astype("f4")
        rustfits.write(path, np.rint(pixels).astype("i2") if dtype == "i2" else pixels)
    return names


def timed(command: list[str], folder: Path, threads: int) -> float:
    """Run a command in a folder and return its seconds."""
    begin = time.perf_counter()
    environment = os.environ | {"RUSTFITS_NUM_THREADS": str(threads)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def clear(folder: Path, pattern: str) -> None:
    """Delete what a run has written."""
    for path in folder.glob(pattern):
        path.unlink()


def compare(folder: Path, kind: str, nfiles: int, side: int, repeats: int) -> None:
    """Print a line for packing and one for unpacking."""
    dtype, theirs, ours = KINDS[kind]
    names = make_files(folder, dtype, nfiles, side)
    packed = [f"{name}.fz" for name in names]
    megabytes = sum((folder / name).stat().st_size for name in names) / 1e6
    ncpus = rustfits.get_num_threads()
    packing: dict[str, Callable[[], float]] = {
        "fpack": lambda: timed(["fpack", *theirs, *names], folder, 1),
        "rustfits": lambda: timed([*RUSTFITS, "pack", "-q", *ours, *names], folder, 1),
        f"rustfits x{ncpus}": lambda: timed([*RUSTFITS, "pack", "-q", *ours, *names], folder, ncpus),
    }
    fpack = report(f"pack {kind}", packing, megabytes, repeats, lambda: clear(folder, "*.fz"))
    encode, decode = (nfiles * seconds for seconds in alone(folder / names[0], ours[1], repeats))
    print(
        f"{'':22}encoding alone {encode:.2f} s, decoding {decode:.2f} s: {fpack / (encode + decode):.2f} times",
        flush=True,
    )
    timed(["fpack", *theirs, *names], folder, 1)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    unpacking: dict[str, Callable[[], float]] = {
        "funpack": lambda: timed(["funpack", "-P", "out/", *packed], folder, 1),
        "rustfits": lambda: timed([*RUSTFITS, "unpack", "-q", "--folder", "out", *packed], folder, 1),
        f"rustfits x{ncpus}": lambda: timed([*RUSTFITS, "unpack", "-q", "--folder", "out", *packed], folder, ncpus),
    }
    report(f"unpack {kind}", unpacking, megabytes, repeats, lambda: clear(out, "*"))
    clear(folder, "*.fz")


def alone(path: Path, codec: str, repeats: int) -> tuple[float, float]:
    """Return the seconds that it takes to encode and to decode one image, by one thread and in memory."""
    codecs = {"RICE_1": rustfits.Rice1(), "GZIP_2": rustfits.Gzip2(), "HCOMPRESS_1": rustfits.Hcompress1()}
    with rustfits.FITS(path) as fits:
        pixels = fits[0].read()
    quantize = QUANTIZE if pixels.dtype.kind == "f" else None
    encode = decode = float("inf")
    threads = rustfits.get_num_threads()
    rustfits.set_num_threads(1)
    for _ in range(3 * repeats):
        with rustfits.FITS("mem://", "w+") as fits:
            begin = time.perf_counter()
            hdu = fits.write_image(pixels, compress=codecs[codec], quantize=quantize)
            encode = min(encode, time.perf_counter() - begin)
            hdu.set_tile_cache_size(0)
            begin = time.perf_counter()
            hdu.read()
            decode = min(decode, time.perf_counter() - begin)
    rustfits.set_num_threads(threads)
    return encode, decode


def report(
    what: str, runs: dict[str, Callable[[], float]], megabytes: float, repeats: int, after: Callable[[], None]
) -> float:
    """Run each in turns, and print seconds, rates and how much faster than the first, whose seconds are returned."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            best[name] = min(best[name], run())
            after()
    first = next(iter(best.values()))
    for name, seconds in best.items():
        rate = megabytes / seconds
        print(f"{what:22}{name:14}{seconds:8.2f} s {rate:8.0f} MB/s {first / seconds:6.2f} times", flush=True)
    return first


def main() -> None:
    """Compare what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go; kept for the next run")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--side", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    for kind in arguments.kinds:
        compare(arguments.folder, kind, arguments.files, arguments.side, arguments.repeats)


if __name__ == "__main__":
    main()
