"""Make one Zarr store of a survey of compressed FITS files, without a copy of a pixel, and cut a mosaic from it.

python examples/survey_zarr.py FOLDER [--files 50] [--hdus 16] [--size 256]

The survey is made in FOLDER first: exposures side by side on the sky, each a file of detectors side by side. What is
kept of it is one JSON file of references, ``survey.json``. The cutout reads the references, finds the detectors under
it by their attributes, and fetches their tiles from a server that runs here, as any server that knows ranges would do.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import zarr

import rustfits
from rustfits_arrays.zarr import ReferenceStore, references

CODEC = rustfits.Rice1 if "RICE_1" in rustfits.codecs() else rustfits.Gzip2


def detector(exposure: int, number: int, size: int) -> np.ndarray:
    """Return the pixels of one detector: sky, and noise."""
    noise = np.random.default_rng([exposure, number]).normal(0, 12, (size, size))
    return (1000 + 10 * exposure + number + noise).astype("i2")


def corner(exposure: int, number: int, survey: argparse.Namespace) -> tuple[int, int]:
    """Return row and column of the first pixel of a detector in the pixels of the survey."""
    across, wide = math.ceil(math.sqrt(survey.files)), math.ceil(math.sqrt(survey.hdus))
    row, column = divmod(exposure, across)
    inner_row, inner_column = divmod(number, wide)
    return (row * wide + inner_row) * survey.size, (column * wide + inner_column) * survey.size


def make(folder: Path, survey: argparse.Namespace) -> None:
    """Write the files of the survey."""
    codec = CODEC(tile_shape=(64, 64))
    for exposure in range(survey.files):
        with rustfits.FITS(folder / f"exp{exposure:03}.fits.fz", "w+") as fits:
            for number in range(survey.hdus):
                row, column = corner(exposure, number, survey)
                header = {"SKYROW": row, "SKYCOL": column, "EXPOSURE": exposure}
                pixels = detector(exposure, number, survey.size)
                fits.write_image(pixels, extname=f"CCD{number:02}", header=header, compress=codec)


def refer(folder: Path, url: str) -> Path:
    """Write the references to all files, which are found at a URL by whoever reads them."""
    refs = {}
    for path in sorted(folder.glob("*.fits.fz")):
        refs |= references(f"{url}/{path.name}", group=path.name.partition(".")[0])
    kept = folder / "survey.json"
    kept.write_text(json.dumps(refs))
    return kept


def mosaic(survey: zarr.Group, rows: slice, columns: slice) -> np.ndarray:
    """Cut a part of the sky from the survey; where it has no detector, pixels are 0."""
    found = np.zeros((rows.stop - rows.start, columns.stop - columns.start), "i2")
    for _, exposure in survey.groups():
        for _, ccd in exposure.groups():
            image = ccd["image"]
            top, left = image.attrs["SKYROW"], image.attrs["SKYCOL"]
            first, last = max(rows.start, top), min(rows.stop, top + image.shape[0])
            begin, end = max(columns.start, left), min(columns.stop, left + image.shape[1])
            if first < last and begin < end:
                part = image[first - top : last - top, begin - left : end - left]
                found[first - rows.start : last - rows.start, begin - columns.start : end - columns.start] = part
    return found


class Ranges(SimpleHTTPRequestHandler):
    """Serves files, and ranges of them, and counts what it sends."""

    protocol_version = "HTTP/1.1"
    requests = nbytes = 0
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a range of a file, or all of it."""
        self.answer()

    def do_HEAD(self) -> None:
        """Tell what there is of a file."""
        self.answer()

    def answer(self) -> None:
        """Send the range that is wanted."""
        content = Path(self.translate_path(self.path)).read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, len(content))) if wanted else (0, len(content))
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hash(content):x}"')
        self.send_header("Content-Length", str(stop - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        part = content[start:stop] if self.command == "GET" else b""
        self.wfile.write(part)
        with Ranges.lock:
            Ranges.requests, Ranges.nbytes = Ranges.requests + 1, Ranges.nbytes + len(part)


def main() -> None:
    """Make the survey, its references and a mosaic, and compare this with the pixels that were written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name, default in (("files", 50), ("hdus", 16), ("size", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    survey = parser.parse_args()
    make(survey.folder, survey)
    nbytes = sum(path.stat().st_size for path in survey.folder.glob("*.fits.fz"))
    print(f"{survey.files} files of {survey.hdus} images, {nbytes:,} bytes")

    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Ranges(*args, directory=str(survey.folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = refer(survey.folder, f"http://127.0.0.1:{server.server_port}")
    print(
        f"references: {kept.stat().st_size:,} bytes, made with {Ranges.requests} requests and {Ranges.nbytes:,} bytes"
    )

    Ranges.requests = Ranges.nbytes = 0
    wide = math.ceil(math.sqrt(survey.hdus)) * survey.size  # of an exposure
    half = survey.size // 4
    # Around the corner that four exposures have in common, so that the cutout is of four files.
    rows = columns = slice(wide - half, wide + half)
    sky = zarr.open_group(ReferenceStore(kept), mode="r")
    cutout = mosaic(sky, rows, columns)
    print(f"cutout of {cutout.shape}: {Ranges.requests} requests, {Ranges.nbytes:,} bytes")
    server.shutdown()

    expected = np.zeros_like(cutout)
    for exposure in range(survey.files):
        for number in range(survey.hdus):
            top, left = corner(exposure, number, survey)
            first, begin = max(rows.start, top), max(columns.start, left)
            pixels = detector(exposure, number, survey.size)
            pixels = pixels[first - top : max(rows.stop - top, 0), begin - left : max(columns.stop - left, 0)]
            if pixels.size:
                row, column = first - rows.start, begin - columns.start
                expected[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels
    if not np.array_equal(cutout, expected):
        raise SystemExit("the pixels of the cutout are not those of the survey")
    print("its pixels are those that were written")


if __name__ == "__main__":
    main()
