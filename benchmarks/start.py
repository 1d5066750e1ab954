"""Compare what a new process takes to read one small file: the start of Python, the imports, the read.

Our process and that of fitsio run in turn, so that a machine that is busy is busy for both. Seconds of the processor
and of the clock are printed, the least and the median of each, and the median of the ratios.

    python benchmarks/start.py                # a RICE_1 image and a plain one, of tests/data
    python benchmarks/start.py --runs 100 FILE
    python benchmarks/start.py --commands     # commands of the shell, over `python -c "import numpy"`

Bytecode is written, as by an installed package, whatever PYTHONDONTWRITEBYTECODE says.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
READS = {
    "rustfits": "import sys, rustfits; rustfits.read(sys.argv[1])",
    "fitsio": "import sys, fitsio; fitsio.read(sys.argv[1])",
    "numpy alone": "import numpy",
}
COMMANDS = """info IN|header IN|stats IN|verify IN|checksum IN|set -q IN A=1|diff IN IN|copy --overwrite IN OUT.fits
cutout --overwrite PACKED 0:9,0:9 OUT.fits|preview PACKED OUT.png|pack -q --force IN -o OUT.fits.fz
unpack -q --force PACKED -o OUT.fits""".replace("\n", "|").split("|")


def seconds(code: str, path: str) -> tuple[float, float]:
    """Return the seconds of the processor, and of the clock, of one process."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"start: {code} {path} failed")
    return usage.ru_utime + usage.ru_stime, clock


def compare(path: str, runs: int) -> None:
    print(path)
    print(
        f"{'milliseconds':14}{'cpu least':>12}{'median':>10}{'ratio':>8}{'clock least':>14}{'median':>10}{'ratio':>8}"
    )
    rounds = [{name: seconds(code, path) for name, code in READS.items()} for _ in range(runs + 1)][
        1:
    ]  # one to warm up
    for name in READS:
        line = f"{name:14}"
        for kind, width in ((0, 12), (1, 14)):
            times = [each[name][kind] * 1000 for each in rounds]
            ratio = statistics.median(each[name][kind] / each["fitsio"][kind] for each in rounds)
            line += f"{min(times):{width}.1f}{statistics.median(times):10.1f}{ratio:8.2f}"
        print(line)


def compare_commands(runs: int) -> None:
    """Print what commands take for an image of 100 x 100 pixels beyond the start of Python with numpy."""
    import numpy as np

    import rustfits

    with tempfile.TemporaryDirectory() as folder:
        names = {"IN": f"{folder}/in.fits", "PACKED": f"{folder}/in.fits.fz", "OUT": f"{folder}/out"}
        pixels = np.random.default_rng(0).integers(0, 1000, (100, 100)).astype("i2")
        rustfits.write(names["IN"], pixels)
        with rustfits.FITS(names["PACKED"], "w+") as fits:
            fits.write_image(pixels, compress="RICE_1")
        programs = {"numpy alone": [sys.executable, "-c", "import numpy"]}
        for line in COMMANDS:
            words = [re.sub("IN|PACKED|OUT", lambda found: names[found[0]], word) for word in line.split()]
            programs[words[0]] = [sys.executable, "-m", "rustfits_cli", *words]
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(runs + 1):  # one to warm up
            for name, words in programs.items():
                begin = time.perf_counter()
                subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
                times[name].append((time.perf_counter() - begin) * 1000)
    least = {name: min(found[1:]) for name, found in times.items()}
    print(f"{'milliseconds':14}{'least':>8}{'median':>8}{'over numpy':>12}")
    for name, found in times.items():
        over = least[name] - least["numpy alone"]
        print(f"{name:14}{least[name]:8.0f}{statistics.median(found[1:]):8.0f}{over:12.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=[str(DATA / "m13_rice.fits"), str(DATA / "m13.fits")])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--commands", action="store_true")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if options.commands:
        compare_commands(options.runs)
        return
    for path in options.files:
        compare(path, options.runs)


if __name__ == "__main__":
    main()
