"""Build the wheel of every distribution into a folder, as many at a time as there are CPUs.

Run by the environment `wheels` of tox, with the Python of that environment.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = [*sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")), ROOT]  # accel, the longest, is first


def build(place: Path, target: Path) -> int:
    """Build one wheel and return the exit status of pip, whose output is shown as one piece."""
    shutil.rmtree(place / "build", ignore_errors=True)  # modules that are no more would be in the wheel
    pip = [sys.executable, "-I", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--wheel-dir", str(target), str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    return done.returncode


def main() -> int:
    """Empty the folder, fill it, and return 1 if a distribution could not be built."""
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return int(any(list(pool.map(lambda place: build(place, target), PLACES))))


if __name__ == "__main__":
    sys.exit(main())
