"""Read files that were changed at random, in processes of little memory and little time.

    python tests/fuzz/fuzz_files.py [--cases N] [--first N] [--seed N] [--only TEXT] [--keep FOLDER] [--every N]

Allowed is data, or an error of `rustfits.FitsError`; whatever way pixels are read, they are the same. Found faults are:
any other exception, ways that differ, a signal, more than ten seconds, more memory than 64 MiB and eight times what the
file has and what was read of it, and control characters in what is said. A fault prints the seed and the case that
repeat it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import math
import os
import pkgutil
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor  # noqa: F401 - imported before any process is forked
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import rustfits
from rustfits import limits

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_mutate import mutated
from fuzz_process import Ended, in_processes
from fuzz_seeds import seeds

ROUNDS = 40  # files that are read by one process
PEAK_NBYTES, PEAK_FACTOR = 64 << 20, 8
PLUGINS = (
    "rustfits",
    "rustfits_rice",
    "rustfits_hcompress",
    "rustfits_plio",
    "rustfits_accel",
    "rustfits_tables",
    "rustfits_cli",
)
NAME = "changed \x1b[31m.fits"  # which no message may give to a terminal as it is
COMMANDS = (("info", "--columns"), ("verify",), ("header",), ("stats",), ("table", "--rows", "0:5"))


@dataclass
class Outcome:
    """What came of one file."""

    faults: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    read_nbytes: int = 0
    lacked: bool = False  # memory, in the last attempt that failed

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Count an error of the family, note any other."""
        try:
            yield
        except rustfits.FitsError as error:
            self.said(what, str(error))
            self.errors[type(error).__name__] += 1
            self.lacked = isinstance(error, rustfits.OutOfMemory)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{what}: {type(error).__name__}: {str(error)[:100]} at {Path(place.filename).name}:{place.lineno}"
            self.faults.append(text)

    def had(self, values: object) -> None:
        """Count what was read."""
        nbytes = getattr(values, "nbytes", 0)
        if isinstance(values, list | tuple):
            nbytes = sum(getattr(value, "nbytes", 0) for value in values)
        self.read_nbytes = max(self.read_nbytes, int(nbytes))

    def said(self, what: str, text: str) -> None:
        """Look at a text for people."""
        if not all(line.isprintable() for line in text.split("\n")):
            self.faults.append(f"{what}: said {ascii(text)[:200]}")


def kilobytes(key: str) -> int:
    """Return VmRSS or VmHWM of this process."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))


Job = tuple[str, Callable[[], Any], Callable[[Any], Any] | None]  # a way to read, and what it reads of the whole


def image_jobs(hdu: rustfits.ImageHDU) -> Iterator[Job]:
    """Yield all ways to read an image; the first has all of it."""
    ndim, shape = hdu.ndim, hdu.shape
    few, steps = tuple(slice(0, 2) for _ in range(ndim)), tuple(slice(None, None, 3) for _ in range(ndim))
    many = [tuple(slice(0, 3) for _ in range(ndim)), tuple(slice(2, 4) for _ in range(ndim))]
    corner = (0,) * ndim
    yield "read", hdu.read, None
    yield "section", lambda: hdu[few], lambda whole: whole[few]
    yield "corner", lambda: hdu[corner], lambda whole: whole[corner]
    yield "steps", lambda: hdu[steps], lambda whole: whole[steps]
    yield "read_many", lambda: hdu.read_many(many), lambda whole: [whole[key] for key in many]
    boxes = min(shape, default=0) > 4
    yield (
        "cutouts",
        lambda: hdu.cutouts([(3,) * ndim, corner], (4,) * ndim, fill_value=0),
        lambda whole: whole[tuple(slice(1, 5) for _ in range(ndim))] if boxes else None,
    )
    yield "masked", lambda: hdu.read(on_error="mask"), lambda whole: whole
    if isinstance(hdu, rustfits.CompressedImageHDU):
        yield "damaged_tiles", hdu.damaged_tiles, lambda _: []


def table_jobs(hdu: Any) -> Iterator[Job]:
    """Yield ways to read a table."""
    yield "rows", hdu.read, None
    yield "some rows", lambda: hdu.read(rows=slice(0, 2)), lambda whole: whole[:2]
    yield "item", lambda: hdu[0:3], lambda whole: whole[:3]
    nrows = hdu.nrows
    yield "rows backwards", lambda: hdu.read(rows=slice(2, None, -1)), lambda whole: whole[2::-1]
    if nrows > 2:
        yield "chosen rows", lambda: hdu.read(rows=[2, 0]), lambda whole: whole[[2, 0]]
    for name in (hdu.dtype.names or ())[:6]:
        yield f"column {name!r}", lambda name=name: hdu.read_column(name), lambda whole, name=name: whole[name]
    if importlib.util.find_spec("pyarrow"):
        yield "arrow", hdu.to_arrow, lambda whole: None


def same(found: Any, expected: Any) -> bool:
    """Return whether two reads gave the same, of whatever kind."""
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    found, expected = np.asarray(found), np.asarray(expected)
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    if found.dtype.names:
        return all(same(found[name], expected[name]) for name in found.dtype.names)
    if found.dtype == object:
        return all(map(same, found.ravel().tolist(), expected.ravel().tolist()))
    return np.array_equal(found, expected, equal_nan=found.dtype.kind in "fc")


def use(path: Path, outcome: Outcome) -> None:
    """Open a file, and do with it what readers do."""
    with outcome.attempt("open"), rustfits.FITS(path) as fits:
        hdus: list[rustfits.HDU] = []
        with outcome.attempt("list"):
            hdus.extend(fits)
        with outcome.attempt("repr"):
            outcome.said("repr", repr(fits))
        with outcome.attempt("verify"):
            outcome.said("verify", str(fits.verify()))
        for hdu in hdus:
            with outcome.attempt("look"):
                hdu.header.get("NAXIS")
                outcome.said("look", f"{hdu!r}\n{hdu.header}\n{hdu.header!r}")
            use_data(hdu, outcome, path.stat().st_size)


def use_data(hdu: rustfits.HDU, outcome: Outcome, file_nbytes: int) -> None:
    """Read the data of an HDU in all ways, which must agree with the first if that had them all."""
    jobs: Iterator[Job] = iter(())
    with outcome.attempt("kind"):
        jobs = image_jobs(hdu) if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data else jobs
        jobs = table_jobs(hdu) if isinstance(hdu, rustfits.TableHDU) else jobs
    whole: Any = None
    while True:
        job: Job | None = None
        with outcome.attempt("jobs"):
            job = next(jobs, None)
        if job is None:
            return
        what, read, part = job
        outcome.lacked = False
        with outcome.attempt(what):
            found = read()
            outcome.had(found)
            if what == "damaged_tiles":  # all others are decoded, though a read of the whole is refused
                lost = sum(math.prod(tile.shape) for tile in found)
                outcome.read_nbytes = max(outcome.read_nbytes, (hdu.size - lost) * hdu.stored_dtype.itemsize)
            if part is None:
                whole = found
            elif whole is not None:
                expected = part(whole)
                found = found[0] if what == "cutouts" else found
                if expected is not None and not same(found, expected):
                    outcome.faults.append(f"{what}: not what the whole has there")
        if outcome.lacked and isinstance(hdu, rustfits.ImageHDU):
            # A process of a GiB has no room for pixels that the limits allow: they count, or the lack is a fault.
            nbytes = hdu.size * hdu.stored_dtype.itemsize
            if nbytes <= PEAK_NBYTES or nbytes > limits.MAX_RATIO * file_nbytes:
                outcome.faults.append(f"{what}: no memory for {nbytes} bytes of pixels")
            outcome.read_nbytes = max(outcome.read_nbytes, nbytes)


def use_commands(path: Path, outcome: Outcome, printed: Path) -> None:
    """Give a file to the commands, as the shell would; what they print goes to the file ``printed``."""
    from rustfits_cli.main import BROKEN, main

    out = path.with_name("made")
    others = (("preview", f"{out}.png"), ("salvage", f"{out}.fits", "--overwrite"))
    for command in (*COMMANDS, *others):
        os.truncate(printed, 0)
        with outcome.attempt(command[0]):
            try:
                main([command[0], str(path), *command[1:]], standalone_mode=True)
            except SystemExit as exit_:
                if exit_.code == BROKEN:
                    outcome.faults.append(f"rustfits {command[0]}: a fault of its own")
        sys.stdout.flush(), sys.stderr.flush()
        said = printed.read_bytes().decode("utf-8", "surrogateescape")
        outcome.said(f"rustfits {command[0]}", said)
        if "fault of its own" in said or "too large" in said:
            outcome.faults.append(f"rustfits {command[0]}: {said[-200:]}")
    with outcome.attempt("salvaged"):
        made = path.with_name("made.fits")
        if made.exists():
            most = PEAK_NBYTES + PEAK_FACTOR * (path.stat().st_size + outcome.read_nbytes)
            if made.stat().st_size > most:
                outcome.faults.append(f"salvage: wrote {made.stat().st_size} bytes")
            with rustfits.FITS(made) as fits:
                if fits.damage is not None:
                    outcome.faults.append(f"salvage: what it wrote has damage: {fits.damage}")
            made.unlink()


def one(path: Path, commands: bool, printed: Path) -> Outcome:
    """Do everything with one file."""
    outcome = Outcome()
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmHWM")
    use(path, outcome)
    for what in ("reading", "the commands") if commands else ("reading",):
        if what != "reading":
            use_commands(path, outcome, printed)
        peak = (kilobytes("VmHWM") - before) * 1024
        if peak > PEAK_NBYTES + PEAK_FACTOR * (path.stat().st_size + outcome.read_nbytes):
            outcome.faults.append(f"memory: {peak >> 20} MiB by {what} for {outcome.read_nbytes} bytes of data")
            break
    return outcome


def case(chosen: dict[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """Return a changed file, and the name of what it was; the same for the same numbers."""
    names = sorted(chosen)
    name = names[number % len(names)]
    return name, mutated(chosen[name], random.Random(f"{seed} {number}"))


def import_all() -> None:
    """Import what any case may need, once for all children."""
    for name in PLUGINS:
        with contextlib.suppress(ImportError):
            package = __import__(name)
            for module in pkgutil.walk_packages(package.__path__, f"{name}."):
                if "testing" not in module.name and not module.name.endswith("__main__"):
                    __import__(module.name)
    with contextlib.suppress(ImportError):
        import pyarrow  # noqa: F401
    with contextlib.suppress(ImportError):
        import PIL.Image

        PIL.Image.init()


def run(seed: int, numbers: range, *, only: str = "", keep: Path | None = None, every: int = 1) -> list[str]:
    """Return the faults of all cases, each with what repeats it; commands are tried on one case out of ``every``."""
    faults: list[str] = []
    errors: Counter[str] = Counter()
    import_all()
    chosen = {name: raw for name, raw in seeds().items() if only in name}
    gc.freeze()  # or each process copies all pages that its collector looks at
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path, printed = Path(folder) / NAME, Path(folder) / "printed"

        def work(number: int) -> Outcome:
            if os.fstat(1).st_ino != printed.stat().st_ino:
                quiet = os.open(printed, os.O_WRONLY | os.O_APPEND)
                os.dup2(quiet, 1), os.dup2(quiet, 2)
            path.write_bytes(case(chosen, seed, number)[1])
            return one(path, every > 0 and not number % every, printed)

        printed.touch()
        for number, outcome in in_processes(numbers, work, ROUNDS):
            found = [str(outcome)] if isinstance(outcome, Ended) else outcome.faults
            errors += Counter() if isinstance(outcome, Ended) else outcome.errors
            for fault in found:
                faults.append(f"seed {seed} case {number} ({case(chosen, seed, number)[0]}): {fault}")
                print(faults[-1], flush=True)
            if found and keep:
                (keep / f"{seed}-{number}.fits").write_bytes(case(chosen, seed, number)[1])
    told = dict(errors.most_common())
    print(f"{len(numbers)} files in {time.monotonic() - begun:.0f} s: {len(faults)} faults; errors: {told}")
    return faults


def arguments(about: str | None) -> argparse.ArgumentParser:
    """Return what says which cases are tried."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what was chosen, with the numbers of the cases; the folder for those with faults is made."""
    chosen = parser.parse_args()
    chosen.numbers = range(chosen.first, chosen.first + chosen.cases)
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    return chosen


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--every", type=int, default=1, help="give one file out of so many to the commands; 0: none")
    chosen = parsed(parser)
    np.seterr(all="ignore")
    return bool(run(chosen.seed, chosen.numbers, only=chosen.only, keep=chosen.keep, every=chosen.every))


if __name__ == "__main__":
    sys.exit(main())
