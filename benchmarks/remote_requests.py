"""Requests and bytes of reads over http, counted by the server: rustfits, astropy, fitsio and rustfits 0.1.8.

    python benchmarks/remote_requests.py                        # where rustfits-remote, fitsio and astropy are
    python benchmarks/remote_requests.py --peer VENV/bin/python # an environment with rustfits 0.1.8 too

The server is the one of `plugins/remote/tests`, in a process of its own, and each reader another one, which has to give
the right pixels. It opens the file, reads, and is done; everything that the server sent counts. Requests that come side
by side are a round: the server holds each until no other has come for a tenth of a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SERVER = Path(__file__).resolve().parents[1] / "plugins" / "remote" / "tests"
SHAPE = (2048, 2048)
NHDUS = 100
SECTIONS = {
    "cutout of 50 x 60": ((1000, 1050), (1100, 1160)),
    "strip of 40 columns": ((0, SHAPE[0]), (1000, 1040)),
    "whole image": ((0, SHAPE[0]), (0, SHAPE[1])),
}
FILES = {"squares": "tiles of 256 x 256", "rows": "tiles of a row", "many": f"{NHDUS} images"}
QUIET_SECONDS = 0.1
TIMEOUT_SECONDS = 60


def pixels(seed: int, shape: tuple[int, int]) -> Any:
    import numpy as np

    return np.random.default_rng(seed).normal(1000, 20, shape).astype("i2")


def make(folder: Path) -> None:
    """Write the files: two large images of which the second is read, and many small ones."""
    import rustfits

    for name, tile in (("squares", (256, 256)), ("rows", (1, SHAPE[1]))):
        with rustfits.FITS(folder / f"{name}.fits", "w+") as fits:
            for seed in (6, 5):
                fits.write_image(pixels(seed, SHAPE), compress=rustfits.Rice1(tile_shape=tile))
    with rustfits.FITS(folder / "many.fits", "w+") as fits:
        for seed in range(NHDUS):
            fits.write_image(pixels(seed, (256, 250)), compress=rustfits.Rice1())


def serve(folder: Path) -> None:
    """Serve until the input ends; each line of it is answered by what was counted, and begins anew."""
    sys.path.insert(0, str(SERVER))
    from server import Server

    with Server() as server:
        server.quiet = QUIET_SECONDS
        for path in folder.glob("*.fits"):
            server.put(path.read_bytes(), f"/{path.name}")
        print(server.url, flush=True)
        for _ in sys.stdin:
            print(json.dumps([server.count, server.rounds, server.nbytes]), flush=True)
            server.reset()


def read(reader: str, url: str, section: str) -> None:
    """Open a file, read, and print what was found: a sum, or how many HDUs."""
    rows, columns = SECTIONS.get(section, ((0, 0), (0, 0)))
    print(int(READERS[reader](url, section == "open", rows, columns)))


def by_rustfits(url: str, only_open: bool, rows: tuple[int, int], columns: tuple[int, int], **options: Any) -> Any:
    import rustfits

    with rustfits.FITS(url, **options) as fits:
        return len(fits) if only_open else fits[2][slice(*rows), slice(*columns)].sum(dtype="i8")


def by_this(*about: Any) -> Any:
    return by_rustfits(*about, remote="ranged")


def by_fitsio(url: str, only_open: bool, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    import fitsio

    with fitsio.FITS(url) as fits:
        return len(fits) if only_open else fits[2][slice(*rows), slice(*columns)].sum(dtype="i8")


def by_astropy(url: str, only_open: bool, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    from astropy.io import fits as astropy_fits

    with astropy_fits.open(url, use_fsspec=True) as fits:
        return len(fits) if only_open else fits[2].section[slice(*rows), slice(*columns)].sum(dtype="i8")


READERS = {
    "rustfits": by_this,
    "astropy": by_astropy,
    "fitsio": by_fitsio,
    "rustfits 0.1.8": by_rustfits,
}


def expected(name: str, section: str) -> int:
    if section == "open":
        return NHDUS + 1
    rows, columns = SECTIONS[section]
    return int(pixels(5, SHAPE)[slice(*rows), slice(*columns)].sum(dtype="i8"))


def measured(server: Any, python: str, reader: str, url: str, name: str, section: str) -> str:
    """Return what the server counted while a process read, or what that process complains of."""
    command = [python, __file__, "--read", reader, f"{url}/{name}.fits", section]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        complaint = "; ".join(done.stderr.strip().splitlines()[-1:])
    except subprocess.TimeoutExpired:
        done, complaint = None, f"no end after {TIMEOUT_SECONDS} s"
    server.stdin.write("\n")
    server.stdin.flush()
    count, rounds, nbytes = json.loads(server.stdout.readline())
    if done is None or done.returncode:
        print(f"{reader}, {name}, {section}: {complaint}", file=sys.stderr)
        return "cannot"
    if int(done.stdout.split()[-1]) != expected(name, section):
        return f"wrong: {done.stdout.strip()}"
    return f"{count} / {rounds} / {nbytes:,}"


def main() -> None:
    """Make the files, read them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the Python of an environment with rustfits 0.1.8")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.read:
        read(*options.read)
    else:
        compare(options.peer)


def compare(peer: str | None) -> None:
    """Print requests, rounds and bytes of each reader."""
    pythons = dict.fromkeys(READERS, sys.executable) | {"rustfits 0.1.8": peer}
    readers = [name for name, python in pythons.items() if python]
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        command = [sys.executable, __file__, "--serve", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin
            assert server.stdout
            url = server.stdout.readline().strip()
            print(f"| opening, and requests / rounds / bytes of | bytes of the file | {' | '.join(readers)} |")
            print("|---" * (len(readers) + 2) + "|")
            for name, title in FILES.items():
                size = (Path(folder) / f"{name}.fits").stat().st_size
                for section in ["open"] if name == "many" else SECTIONS:
                    found = [measured(server, pythons[each], each, url, name, section) for each in readers]
                    what = title if name == "many" else f"{section}, {title}"
                    print(f"| {what} | {size:,} | {' | '.join(found)} |", flush=True)
            server.stdin.close()


if __name__ == "__main__":
    main()
