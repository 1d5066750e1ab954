"""Read files that were changed at random with rustfits, CFITSIO (fitsio) and astropy, and compare the pixels.

    python tests/fuzz/fuzz_peers.py [--cases N] [--first N] [--seed N] [--only TEXT] [--keep FOLDER]

Where a peer reads an image and rustfits does too, they must read the same, or the difference is of a kind that
`EXPLAINED` names with its reason. They read in processes of their own, as some of them crash.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import rustfits

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_files import arguments, case, import_all, parsed
from fuzz_process import Ended, in_processes
from fuzz_seeds import seeds

ROUNDS = 40  # files that are read by one process
MOST_NPIXELS = 1 << 20  # of an image that is compared

Found = dict[int, "np.ndarray | str"]  # the pixels of each image by its HDU, or why there are none


def by_rustfits(path: str) -> Found:
    """Return the images as we read them."""
    found: Found = {}
    with rustfits.FITS(path) as fits:
        for hdu in fits.hdus:
            if isinstance(hdu, rustfits.ImageHDU):
                try:
                    found[hdu.index] = hdu.read() if hdu.has_data and hdu.size <= MOST_NPIXELS else "nothing"
                except rustfits.FitsError as error:
                    found[hdu.index] = f"{type(error).__name__}: {error}"
    return found


def header(path: str, index: int) -> dict[str, Any]:
    """Return what a header says, for those who explain differences."""
    with rustfits.FITS(path) as fits:
        found = fits[index].header
        return {key: found.get(key) for key in found.keys()}  # noqa: SIM118


def by_fitsio(path: str) -> Found:
    """Return the images as CFITSIO reads them."""
    import fitsio

    found: Found = {}
    with fitsio.FITS(path) as fits:
        for index, hdu in enumerate(fits):
            if not isinstance(hdu, fitsio.hdu.ImageHDU):
                continue
            try:
                small = hdu.has_data() and np.prod(hdu.get_dims(), dtype=float) <= MOST_NPIXELS
                found[index] = hdu.read() if small else "nothing"
            except Exception as error:
                found[index] = f"{type(error).__name__}: {error}"
    return found


def by_astropy(path: str) -> Found:
    """Return the images as astropy reads them."""
    from astropy.io import fits

    found: Found = {}
    with fits.open(path, memmap=False) as hdus:
        index = 0
        while True:
            try:
                hdu = hdus[index]
            except IndexError:
                return found
            try:
                if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
                    small = 0 < np.prod(hdu.shape, dtype=float) <= MOST_NPIXELS
                    found[index] = np.array(hdu.data) if small and hdu.data is not None else "nothing"
            except Exception as error:
                found[index] = f"{type(error).__name__}: {error}"
            index += 1


READERS: dict[str, Callable[[str], Found]] = {"fitsio": by_fitsio, "astropy": by_astropy}


# -- differences ----------------------------------------------------------------------------------------------------


@dataclass
class Difference:
    """What two libraries read of one image."""

    peer: str
    ours: np.ndarray
    theirs: np.ndarray
    header: dict[str, Any]
    seed: str

    @property
    def unequal(self) -> np.ndarray:
        """Which pixels differ; of equal shapes."""
        with np.errstate(all="ignore"):
            both_nan = np.isnan(self.ours.astype("f8")) & np.isnan(self.theirs.astype("f8"))
            return (self.ours != self.theirs) & ~both_nan


def rounded(found: Difference) -> bool:
    return (found.ours.dtype, found.theirs.dtype) == ("f8", "f4") and np.allclose(
        found.ours, found.theirs, rtol=1e-6, atol=0, equal_nan=True
    )


def clipped(found: Difference) -> bool:
    if found.peer != "astropy" or found.header.get("ZCMPTYPE") != "HCOMPRESS_1" or found.ours.dtype.kind not in "iu":
        return False
    ends = np.iinfo(found.ours.dtype)
    return bool(np.isin(found.ours[found.unequal], (ends.min, ends.max)).all())


def null_by_custom(found: Difference) -> bool:
    return type(found.header.get("ZBLANK")) is not int and bool(np.isnan(found.ours[found.unequal]).all())


def no_such_seed(found: Difference) -> bool:
    seed = found.header.get("ZDITHER0")
    return "ZQUANTIZ" in found.header and not (type(seed) is int and 1 <= seed <= 10000)


def half_scaled(found: Difference) -> bool:
    columns = {str(name) for key, name in found.header.items() if key.startswith("TTYPE")}
    return "ZQUANTIZ" in found.header and not {"ZSCALE", "ZZERO"} <= columns


EXPLAINED: dict[str, tuple[Callable[[Difference], bool], str]] = {
    "rounded": (rounded, "the peers scale integers of 8 and 16 bits in single precision"),
    "clipped": (clipped, "a damaged stream of HCOMPRESS gives numbers beyond the pixel: CFITSIO clips, astropy wraps"),
    "null by custom": (null_by_custom, "without ZBLANK we take the integer for NaN that CFITSIO writes"),
    "no such seed": (no_such_seed, "a ZDITHER0 that the standard does not have: the peers look before their table"),
    "half scaled": (half_scaled, "ZSCALE or ZZERO has lost its name: CFITSIO takes neither, we the other one"),
}


def compared(difference: Difference) -> str:
    """Return nothing if two arrays are the same numbers, else the name of what explains it, or "unexplained"."""
    if difference.ours.shape != difference.theirs.shape:
        return "unexplained"
    if not difference.unequal.any():
        return ""
    return next((name for name, (explains, _) in EXPLAINED.items() if explains(difference)), "unexplained")


def one(path: str, name: str) -> tuple[list[str], list[str]]:
    """Return what was found in one file, to be counted, and the differences that nothing explains."""
    counts, unexplained = [], []
    try:
        ours = by_rustfits(path)
    except rustfits.FitsError:
        return ["rustfits: no file"], []
    for peer, read in READERS.items():
        try:
            theirs = read(path)
        except Exception:
            counts.append(f"{peer}: no file")
            continue
        for index in sorted(ours.keys() & theirs.keys()):
            mine, other = ours[index], theirs[index]
            if isinstance(mine, str) or isinstance(other, str):
                who = " and ".join(["us"] * isinstance(mine, str) + ["them"] * isinstance(other, str))
                counts.append(f"{peer}: refused by {who}")
                continue
            found = compared(Difference(peer, mine, other, header(path, index), name))
            counts.append(f"{peer}: {found or 'the same'}")
            if found == "unexplained":
                text = f"HDU {index}: {peer} reads other pixels: {mine.dtype} {mine.shape}, {other.dtype} {other.shape}"
                unexplained.append(text)
    return counts, unexplained


def run(seed: int, numbers: range, *, only: str = "", keep: Path | None = None) -> tuple[list[str], Counter[str]]:
    """Return the differences that nothing explains, each with what repeats it, and how often what was found."""
    import astropy.io.fits
    import fitsio

    del fitsio
    astropy.io.fits.CompImageHDU(np.ones((9, 9), "i2")).data  # noqa: B018 - all of it is imported now
    import_all()
    chosen = {name: raw for name, raw in seeds().items() if only in name and "table" not in name}
    gc.freeze()
    unexplained: list[str] = []
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.fits"

        def work(number: int) -> tuple[list[str], list[str]]:
            warnings.simplefilter("ignore")
            np.seterr(all="ignore")
            name, raw = case(chosen, seed, number)
            path.write_bytes(raw)
            return one(str(path), name)

        for number, found in in_processes(numbers, work, ROUNDS):
            if isinstance(found, Ended):  # one of the others: files that end us are what `fuzz_files` looks for
                counts[str(found)] += 1
                continue
            counts.update(found[0])
            name, raw = case(chosen, seed, number)
            for text in found[1]:
                unexplained.append(f"seed {seed} case {number} ({name}): {text}")
                print(unexplained[-1], flush=True)
            if found[1] and keep:
                (keep / f"{seed}-{number}.fits").write_bytes(raw)
    return unexplained, counts


def main() -> int:
    chosen = parsed(arguments(__doc__))
    begun = time.monotonic()
    unexplained, counts = run(chosen.seed, chosen.numbers, only=chosen.only, keep=chosen.keep)
    for text, count in sorted(counts.items()):
        print(f"{count:7} {text}")
    print(
        f"{len(chosen.numbers)} files in {time.monotonic() - begun:.0f} s: {len(unexplained)} unexplained differences"
    )
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main())
