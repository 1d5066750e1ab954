"""What it costs that a change is made as a whole or not at all: `python3 benchmarks/durability.py [folder]`.

Each change is timed without a journal (what it overwrites is kept in memory), with one, and with one that waits for the
disk. The ways take turns; best and median are printed in milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

import rustfits
from rustfits.storage.base import Storage
from rustfits.storage.local import LocalStorage

REPEATS = 30
LARGE = np.random.default_rng(1).integers(0, 1000, (2000, 2000)).astype("i4")  # 16 MB
SMALL = LARGE[:100, :100].copy()


def card(fits: rustfits.FITS, number: int) -> None:
    fits[0].header["COUNTER"] = number


def hundred_cards_at_once(fits: rustfits.FITS, number: int) -> None:
    with fits.transaction():
        for index in range(100):
            fits[0].header[f"C{index}"] = number


def pixel(fits: rustfits.FITS, number: int) -> None:
    fits["LARGE"][number, number] = number


def whole_image(fits: rustfits.FITS, number: int) -> None:
    fits["LARGE"].write(LARGE)


def new_small_image(fits: rustfits.FITS, number: int) -> None:
    fits.write_image(SMALL)


def new_large_image(fits: rustfits.FITS, number: int) -> None:
    fits.write_image(LARGE)


def longer_image_before_a_large_one(fits: rustfits.FITS, number: int) -> None:
    fits["SMALL"].extend(SMALL)


CHANGES: tuple[Callable[[rustfits.FITS, int], None], ...] = (
    card,
    hundred_cards_at_once,
    pixel,
    whole_image,
    new_small_image,
    new_large_image,
    longer_image_before_a_large_one,
)
WAYS = ("no journal", "process", "power")


def timed(path: Path, way: str, change: Callable[[rustfits.FITS, int], None]) -> list[float]:
    """Return the seconds of some changes of a new file."""
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(SMALL, header={f"C{index}": 0 for index in range(100)})
        fits.write_image(SMALL, extname="SMALL")
        fits.write_image(LARGE, extname="LARGE")
    begin = Storage._begin if way == "no journal" else LocalStorage._begin
    durability = "power" if way == "power" else "process"
    seconds = []
    with (
        mock.patch.object(LocalStorage, "_begin", begin),
        rustfits.FITS(path, "r+", durability=durability) as fits,
    ):
        for number in range(4):
            start = time.perf_counter()
            change(fits, number)
            seconds.append(time.perf_counter() - start)
    return seconds[1:]  # the first one takes the lock


def main() -> None:
    """Measure everything and print a table."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        print(f"{'milliseconds, best / median':34}" + "".join(f"{way:>20}" for way in WAYS))
        for change in CHANGES:
            seconds: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(REPEATS // 3):
                for way in WAYS:
                    seconds[way] += timed(Path(folder) / "file.fits", way, change)
            shown = [f"{min(found) * 1e3:.3f} / {statistics.median(found) * 1e3:.3f}" for found in seconds.values()]
            print(f"{change.__name__.replace('_', ' '):34}" + "".join(f"{text:>20}" for text in shown), flush=True)


if __name__ == "__main__":
    main()
