"""Run the tests with every variant of the kernels, with and without accel, with 1, 2 and 7 threads.

    python tests/variants.py [--list] [--runs FIRST-LAST] [pytest arguments]

Not every combination is run, but enough that every two choices meet in one. Variants that this machine cannot run are
named.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import rustfits_accel
import rustfits_accel.kernels as accel
import rustfits_hcompress.codec as hcompress
import rustfits_rice.codec as rice

ROOT = Path(__file__).resolve().parents[1]
SHORT = {
    "RUSTFITS_RICE_KERNEL": "rice",
    "RUSTFITS_HCOMPRESS_KERNEL": "hcompress",
    "RUSTFITS_ACCEL_KERNEL": "accel",
    "RUSTFITS_NUM_THREADS": "threads",
}
PATHS = ("tests/flow", "tests/interop", "tests/plugins", "plugins")


def choices() -> dict[str, tuple[str, ...]]:
    """Return the values of each variable that this machine allows; ``numpy`` stands for running without accel."""
    offered = {
        "RUSTFITS_RICE_KERNEL": (rice.VARIANTS, rice._kernel.best_variant()),
        "RUSTFITS_HCOMPRESS_KERNEL": (hcompress.VARIANTS, hcompress._kernel.best_kernel()),
        "RUSTFITS_ACCEL_KERNEL": (accel.ISAS, rustfits_accel.CompiledKernels().isa),
    }
    for variable, (names, best) in offered.items():
        for name in names[best + 1 :]:
            print(f"variants: this machine cannot run {variable}={name}", flush=True)
    usable = {variable: tuple(names[: best + 1]) for variable, (names, best) in offered.items()}
    usable["RUSTFITS_ACCEL_KERNEL"] += ("numpy",)
    return usable | {"RUSTFITS_NUM_THREADS": ("1", "2", "7")}


def pairwise(options: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """Return combinations in which each two values of different variables meet: always the one with most new pairs."""

    def pairs(row: tuple[str, ...]) -> set[tuple[tuple[str, str], ...]]:
        return set(itertools.combinations(zip(options, row, strict=True), 2))

    rows = list(itertools.product(*options.values()))
    missing = set().union(*map(pairs, rows))
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(best)
        chosen.append(dict(zip(options, best, strict=True)))
    return chosen


def environment(choice: dict[str, str]) -> dict[str, str]:
    """Return the variables of one combination."""
    if choice["RUSTFITS_ACCEL_KERNEL"] == "numpy":
        return {**choice, "RUSTFITS_ACCEL_KERNEL": "", "RUSTFITS_KERNELS": "numpy"}
    return {**choice, "RUSTFITS_KERNELS": ""}


def run(choice: dict[str, str], arguments: list[str]) -> tuple[bool, str]:
    """Run the tests with one combination; return whether all passed, and pytest's last line."""
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment(choice), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    last = "pytest printed no counts"
    for line in process.stdout:
        if re.match(r"FAILED|ERROR|E  ", line):
            print("   ", line, end="", flush=True)
        if re.search(r"\d+ (passed|failed|error).* in [\d.]+s", line):
            last = line.strip("= \n")
    return process.wait() == 0, last


def main() -> int:
    """Run all combinations, and tell of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="only say what would be run")
    parser.add_argument("--runs", default="", metavar="FIRST-LAST", help="only these combinations of the list")
    chosen, arguments = parser.parse_known_args()
    rows = list(enumerate(pairwise(choices()), 1))
    if chosen.runs:
        first, _, last = chosen.runs.partition("-")
        rows = rows[int(first) - 1 : int(last or first)]
    if not any(Path(ROOT, argument.partition("::")[0]).exists() for argument in arguments):
        arguments += PATHS
    if not any(argument.startswith("-n") for argument in arguments):
        arguments = ["-n", "auto", *arguments]
    failures = 0
    for number, choice in rows:
        name = " ".join(f"{SHORT[key]}={value}" for key, value in choice.items())
        begin = time.monotonic()
        passed, last = (True, "") if chosen.list else run(choice, arguments)
        failures += not passed
        print(
            f"{number:3} {'' if passed else 'FAILED '}{name:55} {last} ({time.monotonic() - begin:.0f} s)", flush=True
        )
    print(f"variants: {len(rows)} combinations, {failures} failed", flush=True)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
