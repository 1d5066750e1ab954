"""Compare this rustfits with fitsio, astropy and the other rustfits, in one run, as ratios.

Each library lives in a virtual environment and a process of its own. Repeats are interleaved, so that a busy moment of
the machine falls on all of them. Before anything is timed, every library's pixels are compared with those of fitsio.

    python3 benchmarks/compare.py                    # everything; makes the environments at the first run
    python3 benchmarks/compare.py --only rows -n 21  # workloads whose name holds "rows", 21 repeats
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from workloads import CONTENDERS, WORKLOADS, Contender, Workload

HERE = Path(__file__).resolve().parent
VENVS = HERE / ".venvs"
WRITER = "fitsio"  # of the input files; its pixels are those the others must give


class Worker:
    """A library's process."""

    def __init__(self, contender: Contender) -> None:
        python = install(contender)
        environment = {**os.environ, **contender.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        self.name = contender.name
        self.process = subprocess.Popen(
            [python, HERE / "worker.py", contender.adapter],
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


def install(contender: Contender) -> Path:
    """Make the contender's environment if it is not there; this repository is installed anew every time."""
    folder = VENVS / contender.venv
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = [text.format(root=HERE.parent) for text in contender.requirements]
    stamp = folder / "requirements.txt"
    ours = contender.venv == CONTENDERS[0].venv
    if stamp.exists() and stamp.read_text() == "\n".join(requirements) and not (ours and contender is CONTENDERS[0]):
        return python
    print(f"installing {' '.join(contender.requirements)}", file=sys.stderr)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    stamp.write_text("\n".join(requirements))
    return python


def measure(workload: Workload, workers: list[Worker], folder: Path, repeats: int) -> dict[str, Any]:
    """Return the seconds of each library, best and median, or why it could not take part."""
    request = {
        "shape": workload.shape,
        "dtype": workload.dtype,
        "pixels": workload.pixels,
        "codec": workload.codec,
        "tile_shape": workload.tile_shape,
        "key": f"{workload.pixels} {workload.dtype} {workload.shape}",
        "check": True,
    }
    writer = next(worker for worker in workers if worker.name == WRITER)
    source = str(folder / "input.fits")
    made = writer.ask(**request, operation="write", path=source)
    if "error" in made:
        return {"error": f"the input could not be written: {made['error']}"}

    def paths(worker: Worker) -> str:
        return str(folder / f"{worker.process.pid}.fits") if workload.operation == "write" else source

    def checked(worker: Worker) -> dict[str, Any]:
        first = worker.ask(**request, operation=workload.operation, path=paths(worker))
        if workload.operation == "write" and "error" not in first:
            first = writer.ask(**request, operation="read", path=paths(worker))
        return first

    operation = "read" if workload.operation == "write" else workload.operation
    expected = writer.ask(**request, operation=operation, path=source)["digest"]
    outcome: dict[str, Any] = {}
    for worker in workers:
        first = checked(worker)
        if "error" not in first and first["digest"] != expected:
            first = {"error": "its pixels differ from those of fitsio"}
        outcome[worker.name] = first if "error" in first else {"seconds": []}
    request["check"] = False
    for _ in range(repeats):
        for worker in workers:
            if "error" not in outcome[worker.name]:
                told = worker.ask(**request, operation=workload.operation, path=paths(worker))
                outcome[worker.name]["seconds"].append(told["seconds"])
    for found in outcome.values():
        if "error" not in found:
            found["best"], found["median"] = min(found["seconds"]), statistics.median(found["seconds"])
    return outcome


def report(workload: Workload, outcome: dict[str, Any]) -> None:
    """Print one workload: milliseconds, and how many times as long as the first contender each took."""
    print(f"\n{workload.name}   ({'x'.join(map(str, workload.shape))})")
    if "error" in outcome:
        print(f"  {outcome['error']}")
        return
    first = outcome[CONTENDERS[0].name]
    print(f"  {'':16}{'best ms':>10}{'median ms':>11}{'x best':>9}{'x median':>10}")
    for name, found in outcome.items():
        if "error" in found:
            print(f"  {name:16}{found['error']}")
            continue
        ratios = ("best", "median")
        shown = (
            "".join(f"{found[key] / first[key]:{9 + i}.2f}" for i, key in enumerate(ratios)) if "best" in first else ""
        )
        print(f"  {name:16}{found['best'] * 1e3:10.1f}{found['median'] * 1e3:11.1f}{shown}")


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": model, "cpus": usable, "system": platform.platform(), "python": platform.python_version()}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--repeats", type=int, default=9, help="timed repeats of each workload (default 9)")
    parser.add_argument("--only", default="", help="only workloads whose name holds this text")
    parser.add_argument("--json", type=Path, help="also write every time to this file")
    options = parser.parse_args()
    chosen = [workload for workload in WORKLOADS if options.only in workload.name]
    if not chosen or options.repeats < 1:
        parser.error("nothing to measure; the workloads are: " + ", ".join(workload.name for workload in WORKLOADS))
    VENVS.mkdir(exist_ok=True)
    workers = [Worker(contender) for contender in CONTENDERS]
    about = machine()
    print("  ".join(f"{key}: {value}" for key, value in about.items()))
    for worker in workers:
        print(f"  {worker.name:16}{worker.about['version']}, numpy {worker.about['numpy']}")
    print(
        f"{options.repeats} interleaved repeats; file in the page cache; ratios: times as long as {CONTENDERS[0].name}"
    )
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="rustfits-benchmark-") as folder:
        for workload in chosen:
            outcomes[workload.name] = measure(workload, workers, Path(folder), options.repeats)
            report(workload, outcomes[workload.name])
    for worker in workers:
        worker.close()
    if options.json:
        versions = {worker.name: worker.about for worker in workers}
        options.json.write_text(json.dumps({"machine": about, "versions": versions, "outcomes": outcomes}, indent=1))


if __name__ == "__main__":
    main()
