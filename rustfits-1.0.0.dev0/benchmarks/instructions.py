"""Count the instructions of small fixed workloads, and compare them with those of the last landed state.

Seconds depend on what else a machine does; the instructions of one process hardly do. They are counted by valgrind,
which shows every machine with AVX2 as the same processor, and only between two marks around each workload, so starting
up and loading modules are no part of them. They depend on the versions of Python, numpy and the compiler: only where
all of these are those of the recorded figures is growth a failure. Where they differ, the table is printed alone, and
``--against`` counts another commit with the versions at hand.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORD = HERE / "instructions.json"
COUNTED = HERE / "counted.py"
PLUGINS = ("rice", "hcompress", "plio", "accel")
TOLERANCE = 3.0  # per cent; without any change two runs differ by less than 0.5 %
MARK = "getppid"


def environment(folder: Path, path: Path) -> dict[str, str]:
    """Return all the environment that the workloads run in, so that nothing of the caller's changes a figure."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "RUSTFITS_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONPATH": str(path),  # found in one step, however it was installed
    }


def installed() -> Path:
    """Return the folder that the package is imported from."""
    found = importlib.util.find_spec("rustfits")
    if found is None or found.origin is None:
        sys.exit("instructions: rustfits and its plugins must be installed in the environment of this Python")
    return Path(found.origin).parents[1]


def run(*command: str, **options: Any) -> str:
    """Return what a command prints; what it complains of is shown if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}\ninstructions: the command above failed")
    return done.stdout


def count(path: Path) -> dict[str, Any]:
    """Return the instructions of every workload and the versions they depend on.

    Parameters
    ----------
    path : Path
        The folder that the core is in; plugins that are not there are taken from the environment.
    """
    with tempfile.TemporaryDirectory(prefix="rustfits-instructions-") as name:
        folder = Path(name)
        variables = environment(folder, path)
        prepared = run(sys.executable, str(COUNTED), "prepare", name, env=variables, cwd=name)
        counter = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'part'}", f"--dump-before={MARK}"]
        printed = run(*counter, sys.executable, str(COUNTED), "count", name, env=variables, cwd=name)
        kernels, *names = printed.splitlines()
        totals = {}
        for file in folder.glob("part.*"):
            found = re.search(r"^totals: (\d+)", file.read_text(errors="replace"), re.MULTILINE)
            totals[int(file.suffix[1:])] = int(found[1]) if found else 0
    # Part 1 ends at the first mark; from then on every second part lies between the two marks of a workload.
    if len(totals) < 2 * len(names):
        sys.exit(f"instructions: {len(totals)} marks were met, but {len(names)} workloads have two each")
    figures = {name: totals[2 * place] for place, name in enumerate(names, 1)}
    nothing = figures.pop("nothing")
    valgrind = run("valgrind", "--version").strip()
    versions = json.loads(prepared) | {"kernels used": kernels, "valgrind": valgrind}
    return {"versions": versions, "instructions": {name: figure - nothing for name, figure in figures.items()}}


def commit() -> str:
    """Return which state of the sources this is, as far as git knows."""
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def built(revision: str, folder: Path) -> Path:
    """Build another commit's packages with this Python and return the folder they are in."""
    source, target = folder / "source", folder / "site"
    source.mkdir()
    archive = folder / "source.tar"
    run(
        "git",
        "archive",
        "-o",
        str(archive),
        revision,
        "rustfits",
        "plugins",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        cwd=ROOT,
    )
    shutil.unpack_archive(archive, source)
    packages = [str(source), *(str(source / "plugins" / plugin) for plugin in PLUGINS)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--target", str(target), *packages)
    return target


def table(now: dict[str, int], before: dict[str, int], tolerance: float) -> tuple[list[str], list[str]]:
    """Return the lines of a table, and the names of what grew by more than ``tolerance`` per cent."""
    lines, grown = [f"{'workload':42} {'before':>14} {'now':>14} {'change':>9}"], []
    for name, figure in now.items():
        if name not in before:
            lines.append(f"{name:42} {'-':>14} {figure:14,} {'new':>9}")
            continue
        change = 100 * (figure / before[name] - 1)
        if change > tolerance:
            grown.append(name)
        lines.append(f"{name:42} {before[name]:14,} {figure:14,} {change:+8.2f}%{' <--' if name in grown else ''}")
    lines += [f"{name:42} {before[name]:14,} {'-':>14} {'gone':>9}" for name in before if name not in now]
    return lines, grown


def judge(now: dict[str, Any], before: dict[str, Any], tolerance: float, *, strict: bool) -> int:
    """Print the comparison and return the exit status: 1 if something grew, and the versions are those of before."""
    lines, grown = table(now["instructions"], before["instructions"], tolerance)
    print(f"before: {before['commit']}, now: {now['commit']}", *lines, sep="\n")
    other = [
        f"  {key}: {before['versions'].get(key, 'none')} then, {value} now"
        for key, value in now["versions"].items()
        if before["versions"].get(key) != value
    ]
    advice = "mend it, or tell why it must be so and run: python benchmarks/instructions.py --update"
    if other:
        print("instructions: NOT COMPARED, for the recorded figures were made with other versions:", *other, sep="\n")
        print("  for a comparison with the versions at hand: python benchmarks/instructions.py --against COMMIT")
    elif grown:
        print(f"instructions: {len(grown)} of {len(lines) - 1} workloads grew by more than {tolerance:g} %: {advice}")
    else:
        print(f"instructions: no workload grew by more than {tolerance:g} %")
    return int(strict and bool(grown) and not other)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--check", action="store_true", help="fail if a workload grew by more than the tolerance")
    act.add_argument("--update", action="store_true", help=f"write the figures to {RECORD.name}")
    act.add_argument("--against", metavar="COMMIT", help="build and count that commit too, and fail as --check does")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="per cent (default %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Count, and do with the figures what the command line asks for."""
    chosen = options()
    if shutil.which("valgrind") is None:
        print("instructions: SKIPPED, there is no valgrind here (apt-get install valgrind)")
        return 0 if chosen.check else 2
    now = count(installed()) | {"commit": commit()}
    if chosen.update:
        kept = {key: now[key] for key in ("commit", "versions", "instructions")}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n")
        print(*table(now["instructions"], {}, 0)[0], f"written to {RECORD.relative_to(ROOT)}", sep="\n")
        return 0
    if chosen.against:
        with tempfile.TemporaryDirectory(prefix="rustfits-against-") as folder:
            before = count(built(chosen.against, Path(folder))) | {"commit": chosen.against}
    elif RECORD.exists():
        before = json.loads(RECORD.read_text())
    else:
        before = now | {"commit": "nothing recorded", "instructions": {}}
    return judge(now, before, chosen.tolerance, strict=chosen.check or bool(chosen.against))


if __name__ == "__main__":
    sys.exit(main())
