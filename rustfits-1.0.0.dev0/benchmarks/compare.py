"""Compare this rustfits with fitsio, astropy and the other rustfits, in one run, as ratios.

Each library lives in a virtual environment and a process of its own. Repeats are interleaved, so that a busy moment of
the machine falls on all of them. Before anything is timed, every library's pixels are compared with those of fitsio.

    python3 benchmarks/compare.py                    # everything; makes the environments at the first run
    python3 benchmarks/compare.py --only rows -n 21  # workloads whose name holds "rows", 21 repeats
    python3 benchmarks/compare.py --page docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
import pixels
import report
from workloads import CONTENDERS, WORKLOADS, Contender, Workload

HERE = Path(__file__).resolve().parent
VENVS = HERE / ".venvs"
WRITER = "fitsio"  # of the input files; its pixels are those the others must give
ENOUGH_SECONDS = 20.0  # a library that took as long for a workload is asked no more


class Worker:
    """A library's process."""

    def __init__(self, contender: Contender, python: Path, program: str = "worker.py") -> None:
        environment = {**os.environ, **contender.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        self.name = contender.name
        self.process = subprocess.Popen(
            [python, HERE / program, contender.adapter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=VENVS,
        )
        self.about = self.answer()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next line of the process."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: its process ended with code {self.process.wait()}")
        outcome: dict[str, Any] = json.loads(line)
        return outcome

    def close(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def install(contender: Contender, *, anew: bool = False) -> Path:
    """Make the contender's environment if it is not there; this repository is installed anew every time."""
    folder = VENVS / contender.venv
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = [text.format(root=HERE.parent) for text in contender.requirements]
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_text() == "\n".join(requirements) and not (anew or contender is CONTENDERS[0]):
        return python
    print(f"installing {' '.join(contender.requirements)}", file=sys.stderr)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    stamp.write_text("\n".join(requirements))
    return python


def measure(workload: Workload, workers: list[Worker], folder: Path, repeats: int) -> dict[str, Any]:
    """Return the seconds of each library, best and median, or why it could not take part."""
    image = workload.image
    request: dict[str, Any] = {
        "shape": image.shape,
        "dtype": image.dtype,
        "pixels": image.pixels,
        "codec": image.codec,
        "tile_shape": image.tile_shape,
        "quantized": image.quantized,
        "key": f"{image.pixels} {image.dtype} {image.shape}",
        "check": True,
    }
    writer = next(worker for worker in workers if worker.name == WRITER)
    source = str(folder / "input.fits")
    if workload.operation == "open":
        pixels.write_many_hdus(source, workload.hdus)
    else:
        made = writer.ask(**request, operation="write", path=source)
        if "error" in made:
            return {"error": f"the input could not be written: {made['error']}"}
    writes = workload.operation == "write"

    def path(worker: Worker) -> str:
        return str(folder / f"{worker.process.pid}.fits") if writes else source

    operation = "read" if writes else workload.operation
    expected = writer.ask(**request, operation=operation, path=source)
    outcome: dict[str, Any] = {}
    for worker in workers:
        first = worker.ask(**request, operation=workload.operation, path=path(worker))
        shown = writer.ask(**request, operation="read", path=path(worker)) if writes and "error" not in first else first
        problem = first.get("error") or shown.get("error") or _difference(shown, expected, writes and image.quantized)
        kept = {key: first[key] for key in ("peak_mib", "nbytes") if key in first}
        outcome[worker.name] = {"error": problem} if problem else {"seconds": [], "cpu_seconds": [], **kept}
    request["check"] = False
    for _ in range(repeats):
        for worker in workers:
            seconds = outcome[worker.name].get("seconds")
            if seconds is not None and sum(seconds) < ENOUGH_SECONDS:
                told = worker.ask(**request, operation=workload.operation, path=path(worker))
                seconds.append(told["seconds"])
                outcome[worker.name]["cpu_seconds"].append(told["cpu_seconds"])
    for found in outcome.values():
        if "error" not in found:
            found["best"], found["median"] = min(found["seconds"]), statistics.median(found["seconds"])
            found["best_cpu"] = min(found["cpu_seconds"])
    return outcome


def _difference(shown: dict[str, Any], expected: dict[str, Any], lossy: bool) -> str:
    """Return what is wrong with the pixels of a library; those it packed with losses need only be about right."""
    if lossy and abs(shown["mean"] - expected["mean"]) < 1e-4 * abs(expected["mean"]):
        return ""
    return "" if shown["digest"] == expected["digest"] else "its pixels differ from those of fitsio"


def draw(result: dict[str, Any], folder: Path) -> None:
    """Draw the figures of the page, in an environment of their own."""
    python = install(Contender("plots", ("matplotlib",), "", "plots"))
    subprocess.run([python, HERE / "plots.py", folder], input=json.dumps(result), text=True, check=True)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--repeats", type=int, default=9, help="timed repeats of each workload (default 9)")
    parser.add_argument("--only", default="", help="only workloads in whose name this pattern is found")
    parser.add_argument("--but", nargs="*", default=[], metavar="NAME", help="leave these contenders out")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME", help="contenders that wait to be asked for")
    parser.add_argument("--use", nargs="*", default=[], metavar="VENV=PYTHON", help="take this interpreter as it is")
    parser.add_argument("--json", type=Path, help="also write every time to this file")
    parser.add_argument("--page", type=Path, help="also write the page of the manual to this file")
    chosen = parser.parse_args()
    chosen.workloads = [workload for workload in WORKLOADS if re.search(chosen.only, workload.name)]
    if not chosen.workloads or chosen.repeats < 1:
        parser.error("nothing to measure; the workloads are: " + ", ".join(workload.name for workload in WORKLOADS))
    if WRITER in chosen.but:
        parser.error(f"{WRITER} cannot be left out: it writes the input files, and says which pixels are right")
    chosen.use = dict(pair.split("=", 1) for pair in chosen.use)
    return chosen


def main() -> None:
    """Measure and report."""
    chosen = options()
    VENVS.mkdir(exist_ok=True)
    workers = [
        Worker(contender, Path(chosen.use[contender.venv]) if contender.venv in chosen.use else install(contender))
        for contender in CONTENDERS
        if contender.name not in chosen.but and (not contender.asked or contender.name in chosen.also)
    ]
    result: dict[str, Any] = {
        "machine": machine.describe(),
        "repeats": chosen.repeats,
        "versions": {worker.name: worker.about for worker in workers},
        "scaling": [],
        "outcomes": {},
    }
    remarks = report.remarks_of(chosen.page) if chosen.page else ""
    report.print_head(result)
    with tempfile.TemporaryDirectory(prefix="rustfits-benchmark-") as folder:
        for workload in chosen.workloads:
            result["scaling"].append(machine.scaling())
            outcome = measure(workload, workers, Path(folder), chosen.repeats)
            result["outcomes"][workload.name] = outcome
            report.print_workload(workload, outcome)
            if chosen.page:  # after each, for the whole takes long
                chosen.page.write_text(report.page(result) + remarks)
    if chosen.page:
        draw(result, chosen.page.parent)
    for worker in workers:
        worker.close()
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
