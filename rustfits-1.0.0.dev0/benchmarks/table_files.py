"""Compare tables of this rustfits with those of other libraries, in one run, as ratios to the floor.

Each library lives in a virtual environment and a process of its own; they take turns. Files are in the page cache, and
what is written is a new file. The floor is one `read` of the file's bytes into a fresh array, on one thread; that of
writing is one `write` of the rows' bytes.

    python3 benchmarks/table_files.py                     # makes the environments at the first run
    python3 benchmarks/table_files.py --only Arrow -n 9
    python3 benchmarks/table_files.py --page docs/benchmarks-tables.md
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import machine
from catalogues import NUMBERS, THREE
from compare import VENVS, Worker, install
from workloads import CONTENDERS, OURS, Contender


@dataclass(frozen=True)
class Workload:
    """One line of the outcome.

    Attributes
    ----------
    name : str
    operation : str
        A method of the adapters in `table_worker.py`.
    table : str
        A function of `catalogues.py`.
    nrows : int
    goals : (float, float) or None
        Floors that it is meant to take at most: with two threads, and with one.
    names : tuple of str
        Columns that are read.
    """

    name: str
    operation: str
    table: str
    nrows: int
    goals: tuple[float, float] | None = None
    names: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether it makes a file."""
        return self.operation in ("write", "append", "write_heap", "pack", "from_arrow")

    @property
    def maker(self) -> str:
        """The operation that makes the file to be read."""
        return {"heap": "write_heap", "packed": "pack"}.get(self.operation, "write")


WIDE = tuple(f"c{number}" for number in range(0, 200, 70))
WORKLOADS = (
    Workload("read 1e6 x 20, strings as U", "read", "mixed", 1_000_000, (1.6, 3)),
    Workload("read 17 of 20, no strings", "columns", "mixed", 1_000_000, (1.0, 1.5), NUMBERS),
    Workload("read 3 columns of 20", "columns", "mixed", 1_000_000, (0.6, 0.9), THREE),
    Workload("read 3 columns of 20, no strings", "columns", "mixed", 1_000_000, (0.6, 0.9), NUMBERS[:12:4]),
    Workload("read 3 columns of 20 one by one, strings as bytes", "one_by_one", "mixed", 1_000_000, None, THREE),
    Workload("read a fifth of the rows", "rows", "mixed", 1_000_000),
    Workload("write 1e6 x 20", "write", "mixed", 1_000_000, (1.8, 3)),
    Workload("append 1e6 x 20 in 10 pieces", "append", "mixed", 1_000_000),
    Workload("read 1e5 x 200", "read", "numbers", 100_000, (1.0, 1.5)),
    Workload("read 3 columns of 200", "columns", "numbers", 100_000, (0.6, 0.9), WIDE),
    Workload("write 1e5 x 200", "write", "numbers", 100_000, (1.8, 3)),
    Workload("read 2e5 arrays in the heap", "heap", "arrays", 200_000),
    Workload("write 2e5 arrays in the heap", "write_heap", "arrays", 200_000),
    Workload("read ZTABLE 1e6 x 8", "packed", "stars", 1_000_000),
    Workload("write ZTABLE 1e6 x 8", "pack", "stars", 1_000_000),
    Workload("to Arrow 1e6 x 20", "arrow", "mixed", 1_000_000, (0.9, 1.4)),
    Workload("from Arrow 1e6 x 20", "from_arrow", "mixed", 1_000_000),
)
OF_TABLES = (*OURS, "{root}/plugins/tables", "pyarrow")
FLOOR = "floor"


def contenders() -> list[Contender]:
    """Return the libraries of `compare.py`; this one with its package for tables."""
    found = [Contender(FLOOR, (), "Floor", CONTENDERS[0].venv)]
    for each in CONTENDERS:
        ours = each.venv == CONTENDERS[0].venv
        found.append(replace(each, requirements=OF_TABLES) if ours else each)
    return found


def measure(workload: Workload, workers: list[Worker], folder: Path, repeats: int) -> dict[str, Any]:
    """Return the seconds of each library, or why it could not take part."""
    request: dict[str, Any] = {"table": workload.table, "nrows": workload.nrows, "names": list(workload.names)}
    source = str(folder / "input.fits")
    if not workload.writes:
        made = workers[1].ask(**request, operation=workload.maker, path=source, writes=True)
        if "error" in made:
            raise SystemExit(f"the input of {workload.name!r} could not be written: {made['error']}")
    outcome: dict[str, Any] = {worker.name: {"seconds": [], "cpu_seconds": []} for worker in workers}
    for repeat in range(repeats + 1):
        for worker in workers:
            found = outcome[worker.name]
            if "error" in found:
                continue
            path = str(folder / f"{worker.process.pid}.fits") if workload.writes else source
            told = worker.ask(**request, operation=workload.operation, path=path, writes=workload.writes)
            if "error" in told:
                found["error"] = told["error"]
            elif repeat:  # the first is to warm up
                found["seconds"].append(told["seconds"])
                found["cpu_seconds"].append(told["cpu_seconds"])
                found["nbytes"] = told["nbytes"]
    return outcome


def lines_of(workload: Workload, outcome: dict[str, Any]) -> list[str]:
    """Return a line for each library: milliseconds, floors, MB of the file."""
    floor = min(outcome[FLOOR]["seconds"])
    goal = f"   (goal: {workload.goals[0]:g} / {workload.goals[1]:g} floors)" if workload.goals else ""
    lines = [f"\n{workload.name}{goal}"]
    for name, found in outcome.items():
        if "error" in found:
            lines.append(f"  {name:18} {found['error'][:90]}")
            continue
        best, middle, cpu = min(found["seconds"]), statistics.median(found["seconds"]), min(found["cpu_seconds"])
        times = f"{best * 1e3:9.1f}{middle * 1e3:9.1f}{cpu * 1e3:9.1f}"
        size = found["nbytes"] / 1e6
        lines.append(f"  {name:18} {times}{best / floor:9.2f}{cpu / floor:9.2f}{size:9.1f}")
    return lines


def page(head: list[str], outcomes: dict[str, dict[str, Any]]) -> str:
    """Return the page of the manual."""
    names = list(next(iter(outcomes.values())))
    said = [
        "# Benchmarks of tables",
        "",
        "Written by `python3 benchmarks/table_files.py --page docs/benchmarks-tables.md`, which anybody can run.",
        "Milliseconds, best, and in brackets how many floors that is. The floor is one read of the file's bytes, or",
        "one write of the rows' bytes, on one thread. Opening and closing are included; libraries take turns.",
        "",
        *(f"- {line}" for line in head),
        "",
        "| workload | " + " | ".join(names) + " | goal, floors, 2 / 1 threads |",
        "| --- |" + " --- |" * (len(names) + 1),
    ]
    for workload in WORKLOADS:
        outcome = outcomes.get(workload.name)
        if outcome is None:
            continue
        floor = min(outcome[FLOOR]["seconds"])
        cells = []
        for name in names:
            found = outcome[name]
            best = min(found["seconds"]) if "error" not in found else None
            cells.append("-" if best is None else f"{best * 1e3:.1f} ({best / floor:.2f})")
        goal = f"{workload.goals[0]:g} / {workload.goals[1]:g}" if workload.goals else "-"
        said.append(f"| {workload.name} | " + " | ".join(cells) + f" | {goal} |")
    return "\n".join(said) + "\n"


def _one_a_venv(found: list[Contender]) -> list[Contender]:
    return list({each.venv: each for each in found if each.requirements}.values())


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--repeats", type=int, default=5, help="timed repeats (default 5)")
    parser.add_argument("--only", default="", help="only workloads in whose name this pattern is found")
    parser.add_argument("--but", nargs="*", default=[], metavar="NAME", help="leave these contenders out")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME", help="contenders that wait to be asked for")
    parser.add_argument("--use", nargs="*", default=[], metavar="VENV=PYTHON", help="take this interpreter as it is")
    parser.add_argument("--page", type=Path, help="also write the page of the manual to this file")
    chosen = parser.parse_args()
    use = {venv: Path(python) for venv, python in (pair.split("=", 1) for pair in chosen.use)}
    VENVS.mkdir(exist_ok=True)
    found = [
        each for each in contenders()
        if each.name not in chosen.but and (not each.asked or each.name in chosen.also)
    ]  # fmt: skip
    ours = CONTENDERS[0].venv
    pythons = {each.venv: use.get(each.venv) or install(each, anew=each.venv == ours) for each in _one_a_venv(found)}
    workers = [Worker(each, pythons[each.venv], "table_worker.py") for each in found]
    about = ", ".join(f"{name} {value}" for name, value in machine.describe().items())
    head = [about, *(f"{worker.name}: {worker.about['version']}" for worker in workers[1:])]
    print(*head, sep="\n")
    print(f"  {'':18} {'best ms':>9}{'median':>9}{'CPU ms':>9}{'floors':>9}{'CPU':>9}{'MB':>9}")
    outcomes: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="rustfits-benchmark-") as folder:
        for workload in WORKLOADS:
            if re.search(chosen.only, workload.name):
                outcomes[workload.name] = measure(workload, workers, Path(folder), chosen.repeats)
                print(*lines_of(workload, outcomes[workload.name]), sep="\n", flush=True)
                if chosen.page:
                    chosen.page.write_text(page(head, outcomes))
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
