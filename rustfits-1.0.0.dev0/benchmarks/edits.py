"""What edits of compressed images cost, and what it costs that each is made as a whole or not at all.

Each edit is timed without a journal (what it overwrites is kept in memory), with one, with one that waits for the disk,
and with the other rustfits, which has none. They take turns; the environments are those of `compare.py`.

    python3 benchmarks/edits.py                          # makes the environments at the first run
    python3 benchmarks/edits.py --only pixel -n 20
    python3 benchmarks/edits.py --page docs/edits-cost.md
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import machine
from compare import VENVS, Worker, install
from workloads import CONTENDERS

OURS, OTHER = CONTENDERS[0], next(each for each in CONTENDERS if each.venv == "other-rustfits")
WAYS = {"none": "no journal", "process": "process", "power": "power", "other": OTHER.name}
IMAGES = [(dtype, behind) for dtype in ("i2", "i4", "f4") for behind in (False, True)]

HEAD = """# What edits cost

Written by `python3 benchmarks/edits.py --page docs/edits-cost.md`. The file holds one image of 2000x2000 pixels, RICE_1
in tiles of 100x100, f4 quantised with dither; "behind" says that three images of 1 MB each follow it, which move when
the compressed image grows. Milliseconds, best / median. "no journal" keeps what is overwritten in memory; "process" is
what `FITS(path, "r+")` does; "power" waits for the disk. The other library has no journal: if its process is killed,
the file stays half-made. The ratio is that of its best time to ours with "process": above 1 we are faster.

On a busy machine, which the load before the run tells, medians say little and the best of few turns is still too high.

Where small edits are slower than those of the other library: the journal takes about 0.2 to 0.4 ms (a file is created,
written and removed, and the file is known again by samples of it), and a single tile goes through as much Python as a
thousand do. A repack writes what it overwrites to the journal first, so all bytes twice.
"""


def measure(image: tuple[str, bool], edit: str, workers: dict[str, Worker], folder: Path, repeats: int) -> Any:
    """Return the seconds of each way, or what went wrong."""
    dtype, behind = image
    source = str(folder / "source.fits")
    seconds: dict[str, Any] = {way: [] for way in WAYS}
    asked = {"do": "prepare", "dtype": dtype, "behind": behind, "holes": edit == "repack", "path": source}
    made = workers["process"].ask(**asked)
    if "error" in made:
        return dict.fromkeys(WAYS, made["error"])
    for _ in range(repeats):
        for way, worker in workers.items():
            if isinstance(seconds[way], str):
                continue
            path = str(folder / f"{way}.fits")
            told = worker.ask(do="measure", edit=edit, dtype=dtype, way=way, source=source, path=path)
            seconds[way] = told["error"] if "error" in told else seconds[way] + told["seconds"]
    return seconds


def row(image: tuple[str, bool], edit: str, seconds: dict[str, Any]) -> list[str]:
    """Return the cells of the table for one edit."""
    cells = [edit, f"{image[0]}, behind" if image[1] else image[0]]
    for found in seconds.values():
        failed = isinstance(found, str)
        cells.append(found if failed else f"{min(found) * 1e3:.2f} / {statistics.median(found) * 1e3:.2f}")
    ours, other = seconds["process"], seconds["other"]
    cells.append("" if isinstance(ours, str) or isinstance(other, str) else f"{min(other) / min(ours):.2f}")
    return cells


def page(rows: list[list[str]], about: dict[str, Any], versions: dict[str, str], repeats: int) -> str:
    """Return the page of the manual."""
    shown = ", ".join(f"{name}: {version}" for name, version in versions.items())
    lines = [
        HEAD,
        f"{about['processor']}, {about['cpus']} CPUs, {about['system']}, Python {about['python']}; load before the run "
        f"{about['load']}; {shown}; {repeats} turns.",
        "",
        "| " + " | ".join(["edit", "image", *WAYS.values(), "ratio"]) + " |",
        "|" + " --- |" * (len(WAYS) + 3),
        *("| " + " | ".join(cells) + " |" for cells in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--repeats", type=int, default=10, help="turns of each way (default 10)")
    parser.add_argument("--only", default="", help="only edits in whose name this is found")
    parser.add_argument("--use", nargs="*", default=[], metavar="VENV=PYTHON", help="take this interpreter as it is")
    parser.add_argument("--folder", help="where the files are written; by default that of temporary files")
    parser.add_argument("--page", type=Path, help="also write the page of the manual to this file")
    chosen = parser.parse_args()
    use = dict(pair.split("=", 1) for pair in chosen.use)
    VENVS.mkdir(exist_ok=True)
    contenders = {way: OTHER if way == "other" else OURS for way in WAYS}
    pythons = {each.venv: Path(use[each.venv]) if each.venv in use else install(each) for each in (OURS, OTHER)}
    workers = {way: Worker(each, pythons[each.venv], "edit_worker.py") for way, each in contenders.items()}
    versions = {"ours": workers["process"].about["version"], OTHER.name: workers["other"].about["version"]}
    about, rows = machine.describe(), []
    print("  ".join(f"{key}: {value}" for key, value in {**about, **versions}.items()))
    print(f"{'milliseconds, best / median':32}" + "".join(f"{name:>20}" for name in WAYS.values()) + f"{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="rustfits-edits-", dir=chosen.folder) as folder:
        for edit in (name for name in workers["process"].about["edits"] if chosen.only in name):
            for image in IMAGES:
                seconds = measure(image, edit, workers, Path(folder), chosen.repeats)
                rows.append(row(image, edit, seconds))
                name, kind, *times, ratio = rows[-1]
                print(f"{name:20}{kind:12}" + "".join(f"{text:>20}" for text in times) + f"{ratio:>8}", flush=True)
    for worker in workers.values():
        worker.close()
    if chosen.page:
        chosen.page.write_text(page(rows, about, versions, chosen.repeats))


if __name__ == "__main__":
    main()
