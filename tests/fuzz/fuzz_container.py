"""Read bytes as a FITS file: a target for fuzzers, and a loop of its own that changes tiny files by their structure.

    python tests/fuzz/fuzz_container.py [--runs N] [--seed N]
    python tests/fuzz/fuzz_container.py CORPUS... -runs=N

The second form is that of libFuzzer, by the package atheris, if it is installed.
`TestOneInput` raises whatever is neither data nor an error of `rustfits.FitsError`; a wait and memory beyond the limits
are for the fuzzer to see. The loop runs in processes of its own, a few thousand rounds each, of little memory, and
names seed and round of what it finds.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import mmap
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rustfits
from rustfits import limits

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_files import import_all
from fuzz_mutate import mutated
from fuzz_process import Ended, in_processes, limit
from fuzz_seeds import tiny_seeds

PIECE, ROUNDS = 50, 5000  # between two messages, and of one process: what it leaves behind is not to add up
NCOLUMNS, MAX_NROWS = 6, 10_000  # columns that are read by themselves; rows of a table that is changed
READ_NBYTES = 1 << 20  # of one read: more only takes time


def _try(what: Callable[[], object]) -> None:
    with contextlib.suppress(rustfits.FitsError):
        what()


def TestOneInput(data: bytes) -> None:  # noqa: N802 - as fuzzers call it
    """Open, list, verify, read and change what there is; anything but an error of the family is raised."""
    try:
        fits = rustfits.FITS.from_bytes(data)
    except rustfits.FitsError as error:
        str(error)
        return
    with fits:
        _try(lambda: list(fits))
        _try(lambda: repr(fits))
        _try(lambda: str(fits.verify()))
        for hdu in fits.hdus:
            _try(lambda hdu=hdu: repr(hdu))
            if isinstance(hdu, rustfits.ImageHDU):
                _try(lambda hdu=hdu: _look_at_image(hdu))
            elif isinstance(hdu, rustfits.TableHDU):
                _try(lambda hdu=hdu: _look_at_table(hdu))
                _try(lambda number=hdu.index: _change_table(data, number))


def _look_at_image(hdu: rustfits.ImageHDU) -> None:
    if not hdu.has_data:
        return
    corner = tuple(slice(1, 3) for _ in range(hdu.ndim))
    _try(lambda: hdu[corner])
    _try(lambda: hdu.cutouts([(0,) * hdu.ndim], 3, fill_value=0))
    try:
        hdu.read()
    except rustfits.FitsError:
        _try(lambda: hdu.read(on_error="mask"))


def _look_at_table(hdu: rustfits.TableHDU) -> None:
    _try(hdu.read)
    nrows = hdu.nrows
    _try(lambda: hdu[1:3])
    _try(lambda: hdu.read(rows=slice(min(nrows, 5), None, -2)))
    if nrows > 2:
        _try(lambda: hdu.read(rows=[2, 0]))
    for name in (hdu.dtype.names or ())[:NCOLUMNS]:
        _try(lambda name=name: hdu.read_column(name))
    _try(lambda: next(iter(hdu.iter(chunksize=7)), None))
    if importlib.util.find_spec("pyarrow"):
        _try(hdu.to_arrow)


def _change_table(data: bytes, number: int) -> None:
    """Change a copy of the file; what is written then has to be read."""
    with rustfits.FITS.from_bytes(data, "r+") as fits:
        hdu = fits[number]
        if not 3 <= hdu.nrows <= MAX_NROWS:
            return
        two = hdu[0:2]
        _try(lambda: hdu.write(two))
        _try(lambda: hdu.append(two))
        _try(lambda: hdu.delete_rows(1))
        _try(lambda: hdu.delete_column(hdu.dtype.names[-1]))
        _try(hdu.repack)
        again = fits.to_bytes()
    with rustfits.FITS.from_bytes(again) as fits:
        fits[number].read()


def _set_limits() -> None:
    limits.MAX_READ_NBYTES = limits.MAX_TILE_NBYTES = READ_NBYTES
    limits.FREE_NBYTES = limits.MAX_UNPACKED_NBYTES = READ_NBYTES
    np.seterr(all="ignore")


# -- the loop of its own --------------------------------------------------------------------------------------------


def run(seed: int, nrounds: int) -> int:
    """Run rounds; return how many had a fault."""
    import_all()
    tiny = list(tiny_seeds().values())
    gc.freeze()

    def work(first: int) -> list[str]:
        faults = []
        _set_limits()
        for number in range(first * PIECE, min((first + 1) * PIECE, nrounds)):
            at[0] = number
            limit()
            try:
                TestOneInput(mutated(tiny[number % len(tiny)], random.Random(seed * 1_000_003 + number)))
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                faults.append(f"round {number}: {type(error).__name__}: {str(error)[:200]} at {where}")
        return faults

    faults = 0
    at = np.frombuffer(mmap.mmap(-1, 8), np.int64)  # which all processes see
    for _, found in in_processes(range(-(-nrounds // PIECE)), work, ROUNDS // PIECE):
        for fault in [f"round {at[0]}: {found}"] if isinstance(found, Ended) else found:
            print(f"seed {seed} {fault}", flush=True)
            faults += 1
    return faults


def _guided(arguments: list[str]) -> None:
    """Hand the target to atheris, with changes by the structure beside its own."""
    import atheris

    _set_limits()
    atheris.instrument_all()

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return mutated(data, rng)[:most] if rng.random() < 0.7 else atheris.Mutate(data, most)

    atheris.Setup(arguments, TestOneInput, custom_mutator=mutator)
    atheris.Fuzz()


def main() -> int:
    if importlib.util.find_spec("atheris") and not any(argument.startswith("--") for argument in sys.argv):
        _guided(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=Path, metavar="FOLDER", help="only write the files that changes begin from")
    chosen = parser.parse_args()
    if chosen.seeds:
        chosen.seeds.mkdir(parents=True, exist_ok=True)
        for name, raw in tiny_seeds().items():
            (chosen.seeds / name.replace(" ", "_")).write_bytes(raw)
        return 0
    begun = time.monotonic()
    faults = run(chosen.seed, chosen.runs)
    print(f"seed {chosen.seed}: {chosen.runs} rounds in {time.monotonic() - begun:.0f} s: {faults} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
