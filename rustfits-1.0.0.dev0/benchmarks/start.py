"""Compare what a new process takes to read one small file: the start of Python, the imports, the read.

Our process and that of fitsio run in turn, so that a machine that is busy is busy for both. Seconds of the processor
and of the clock are printed, the least and the median of each, and the median of the ratios.

    python benchmarks/start.py                # a RICE_1 image and a plain one, of tests/data
    python benchmarks/start.py --runs 100 FILE
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
READS = {
    "rustfits": "import sys, rustfits; rustfits.read(sys.argv[1])",
    "fitsio": "import sys, fitsio; fitsio.read(sys.argv[1])",
    "numpy alone": "import numpy",
}


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=[str(DATA / "m13_rice.fits"), str(DATA / "m13.fits")])
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    for path in options.files:
        compare(path, options.runs)


if __name__ == "__main__":
    main()
