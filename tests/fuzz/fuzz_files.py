"""Read files that were changed at random, each in a process of its own with little memory and little time.

    python tests/fuzz/fuzz_files.py [--cases N] [--seed N] [--only TEXT] [--keep FOLDER] [--every N]

Allowed is data, or an error of `rustfits.FitsError`. Found faults are: any other exception, a signal, more than ten
seconds, and more memory than 64 MiB and eight times what the file has and what was read of it. A fault prints the seed
and the case that repeat it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor  # noqa: F401 - imported before any process is forked
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import rustfits

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_mutate import mutated
from fuzz_seeds import seeds

ADDRESS_NBYTES = 1 << 30  # address space of a child beyond what it starts with
SECONDS = 10  # for everything that is done with one file
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
COMMANDS = (("info",), ("verify",), ("header",), ("stats",), ("info", "--columns"), ("table", "--rows", "0:5"))


@dataclass
class Outcome:
    """What came of one file."""

    faults: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    read_nbytes: int = 0

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Count an error of the family, note any other."""
        try:
            yield
        except rustfits.FitsError as error:
            str(error)
            self.errors[type(error).__name__] += 1
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


def kilobytes(key: str) -> int:
    """Return VmRSS or VmHWM of this process."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))


def image_jobs(hdu: rustfits.ImageHDU) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield all ways to read an image."""
    ndim = hdu.ndim
    yield "read", hdu.read
    yield "section", lambda: hdu[tuple(slice(0, 2) for _ in range(ndim))]
    yield "corner", lambda: hdu[(0,) * ndim]
    yield "steps", lambda: hdu[tuple(slice(None, None, 3) for _ in range(ndim))]
    yield (
        "read_many",
        lambda: hdu.read_many([tuple(slice(0, 3) for _ in range(ndim)), tuple(slice(2, 4) for _ in range(ndim))]),
    )
    yield "cutouts", lambda: hdu.cutouts([(3,) * ndim, (0,) * ndim], (4,) * ndim)
    yield "masked", lambda: hdu.read(on_error="mask")
    if isinstance(hdu, rustfits.CompressedImageHDU):
        yield "damaged_tiles", hdu.damaged_tiles


def table_jobs(hdu: object) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield ways to read a table."""
    yield "rows", hdu.read  # type: ignore[attr-defined]
    yield "some rows", lambda: hdu.read(rows=slice(0, 2))  # type: ignore[attr-defined]
    yield "item", lambda: hdu[0:3]  # type: ignore[index]


def use(path: Path, outcome: Outcome) -> None:
    """Open a file, and do with it what readers do."""
    with outcome.attempt("open"), rustfits.FITS(path) as fits:
        hdus: list[rustfits.HDU] = []
        with outcome.attempt("list"):
            hdus.extend(fits)
        with outcome.attempt("repr"):
            repr(fits)
        with outcome.attempt("verify"):
            str(fits.verify())
        for hdu in hdus:
            with outcome.attempt("look"):
                repr(hdu), hdu.header.get("NAXIS"), str(hdu.header)
            jobs: Iterator[tuple[str, Callable[[], object]]] = iter(())
            with outcome.attempt("kind"):
                jobs = image_jobs(hdu) if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data else jobs
                jobs = table_jobs(hdu) if isinstance(hdu, rustfits.TableHDU) else jobs
            while True:
                job = None
                with outcome.attempt("jobs"):
                    job = next(jobs, None)
                if job is None:
                    break
                with outcome.attempt(job[0]):
                    outcome.had(job[1]())


def use_commands(path: Path, outcome: Outcome) -> None:
    """Give a file to the commands, as the shell would."""
    from rustfits_cli.main import BROKEN, main

    for command in (*COMMANDS, ("preview", "--output", str(path.with_suffix(".png")), "--force")):
        with outcome.attempt(" ".join(command[:1])):
            try:
                main([command[0], str(path), *command[1:]], standalone_mode=True)
            except SystemExit as exit_:
                if exit_.code == BROKEN:
                    outcome.faults.append(f"rustfits {command[0]}: a fault of its own")


def child(path: Path, commands: bool) -> Outcome:
    """Do everything with one file, within the limits."""
    outcome = Outcome()
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))  # the processors may be shared with others
    signal.alarm(10 * SECONDS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_NBYTES,) * 2)
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmHWM")
    use(path, outcome)
    peak = (kilobytes("VmHWM") - before) * 1024
    if peak > PEAK_NBYTES + PEAK_FACTOR * (path.stat().st_size + outcome.read_nbytes):
        outcome.faults.append(f"memory: {peak >> 20} MiB for {outcome.read_nbytes} bytes of data")
    if commands:
        use_commands(path, outcome)
    return outcome


def forked(path: Path, commands: bool) -> Outcome:
    """Run `child` in a process of its own, and say how that ended."""
    end, start = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os.close(end)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1), os.dup2(quiet, 2)
            outcome = child(path, commands)
            os.write(start, json.dumps([outcome.faults, outcome.errors, outcome.read_nbytes]).encode()[:60000])
            os._exit(0)
        os._exit(3)
    os.close(start)
    text = b""
    while piece := os.read(end, 1 << 16):
        text += piece
    os.close(end)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status or not text:
        late = status in (-signal.SIGALRM, -signal.SIGXCPU)
        kind = f"time: more than {SECONDS} s" if late else f"ended with {status}"
        return Outcome(faults=[kind])
    faults, errors, nbytes = json.loads(text)
    return Outcome(faults, Counter(errors), nbytes)


def cases(seed: int, ncases: int, only: str) -> Iterator[tuple[int, str, bytes]]:
    """Yield numbered changed files; the same for the same seed."""
    chosen = {name: raw for name, raw in seeds().items() if only in name}
    names = sorted(chosen)
    for number in range(ncases):
        rng = random.Random(f"{seed} {number}")
        name = names[number % len(names)]
        yield number, name, mutated(chosen[name], rng)


def run(seed: int, ncases: int, *, only: str = "", keep: Path | None = None, every: int = 1) -> list[str]:
    """Return the faults of all cases, each with what repeats it; commands are tried on one case out of ``every``."""
    faults: list[str] = []
    errors: Counter[str] = Counter()
    for name in PLUGINS:  # once for all children
        with contextlib.suppress(ImportError):
            package = __import__(name)
            for module in pkgutil.walk_packages(package.__path__, f"{name}."):
                __import__(module.name)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.fits"
        for number, name, raw in cases(seed, ncases, only):
            path.write_bytes(raw)
            outcome = forked(path, every > 0 and not number % every)
            errors += outcome.errors
            for fault in outcome.faults:
                faults.append(f"seed {seed} case {number} ({name}): {fault}")
                print(faults[-1], flush=True)
            if outcome.faults and keep:
                (keep / f"{seed}-{number}.fits").write_bytes(raw)
    told = dict(errors.most_common())
    print(f"{ncases} files in {time.monotonic() - begun:.0f} s: {len(faults)} faults; errors: {told}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--every", type=int, default=1, help="give one file out of so many to the commands; 0: none")
    chosen = parser.parse_args()
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    np.seterr(all="ignore")
    return bool(run(chosen.seed, chosen.cases, only=chosen.only, keep=chosen.keep, every=chosen.every))


if __name__ == "__main__":
    sys.exit(main())
